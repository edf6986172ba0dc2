//! Histograms: exact classic buckets for Prometheus, HdrHistogram for quantiles.

use hdrhistogram::Histogram;

/// Upper bounds of the duration buckets, nanoseconds, inclusive: 0.25 ms to 60 s.
pub const DURATION_BOUNDS: [u64; 17] = [
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
    30_000_000_000,
    60_000_000_000,
];

/// Upper bounds of the buckets of queries per request, inclusive.
pub const QUERY_BOUNDS: [u64; 14] = [1, 2, 3, 5, 8, 10, 15, 20, 30, 50, 100, 200, 500, 1000];

/// Counts per bucket, the last one for values above every bound, and the sum of the values.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Buckets<const N: usize> {
    counts: [u64; N],
    sum: u64,
}

impl<const N: usize> Buckets<N> {
    const EMPTY: Self = Self {
        counts: [0; N],
        sum: 0,
    };

    fn record(&mut self, bounds: &[u64], value: u64) {
        let bucket = bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += 1;
        }
        self.sum = self.sum.saturating_add(value);
    }

    fn add(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
        self.sum = self.sum.saturating_add(other.sum);
    }

    fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// (upper bound, values at or below it) of every finite bucket.
    fn cumulative<'a>(&'a self, bounds: &'a [u64]) -> impl Iterator<Item = (u64, u64)> + 'a {
        bounds
            .iter()
            .zip(&self.counts)
            .scan(0, |below, (bound, count)| {
                *below += count;
                Some((*bound, *below))
            })
    }
}

/// A histogram of durations with the classic buckets of the metrics.
///
/// The buckets are counted beside the quantiles of [`Quantiles`], not derived from them: the bucket edges of
/// HdrHistogram do not fall on 0.1 s, so that a `le="0.1"` derived from it would be wrong by up to its
/// resolution, and histograms of several proxies would not add up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Durations(Buckets<18>);

impl Default for Durations {
    fn default() -> Self {
        Self(Buckets::EMPTY)
    }
}

impl Durations {
    /// Counts one duration in nanoseconds.
    pub fn record(&mut self, nanos: u64) {
        self.0.record(&DURATION_BOUNDS, nanos);
    }

    /// Adds the counts of another histogram.
    pub fn add(&mut self, other: &Self) {
        self.0.add(&other.0);
    }

    /// How many durations.
    pub fn count(&self) -> u64 {
        self.0.count()
    }

    /// Their sum, seconds.
    pub fn seconds(&self) -> f64 {
        seconds(self.0.sum)
    }

    /// Durations in the buckets that begin at `nanos` or above.
    pub fn above(&self, nanos: u64) -> u64 {
        let begins = |bucket: usize| {
            bucket
                .checked_sub(1)
                .map_or(0, |before| DURATION_BOUNDS[before])
        };
        let counts = self.0.counts.iter().enumerate();
        counts
            .filter(|(bucket, _)| begins(*bucket) >= nanos)
            .map(|(_, count)| count)
            .sum()
    }

    /// (upper bound in seconds, durations at or below it) of every finite bucket.
    pub fn buckets(&self) -> impl Iterator<Item = (f64, u64)> + '_ {
        self.0
            .cumulative(&DURATION_BOUNDS)
            .map(|(bound, count)| (seconds(bound), count))
    }
}

/// A histogram of queries per request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct QueryCounts(Buckets<15>);

impl Default for QueryCounts {
    fn default() -> Self {
        Self(Buckets::EMPTY)
    }
}

impl QueryCounts {
    /// Counts a request of so many queries.
    pub fn record(&mut self, queries: u64) {
        self.0.record(&QUERY_BOUNDS, queries);
    }

    /// Adds the counts of another histogram.
    pub fn add(&mut self, other: &Self) {
        self.0.add(&other.0);
    }

    /// How many requests.
    pub fn count(&self) -> u64 {
        self.0.count()
    }

    /// The queries of all of them.
    pub fn queries(&self) -> u64 {
        self.0.sum
    }

    /// (upper bound, requests at or below it) of every finite bucket.
    pub fn buckets(&self) -> impl Iterator<Item = (f64, u64)> + '_ {
        self.0
            .cumulative(&QUERY_BOUNDS)
            .map(|(bound, count)| (bound as f64, count))
    }
}

/// Quantiles of durations for people: HdrHistogram from 1 µs to 60 s at one significant digit, about 1.5 KiB.
///
/// A quantile is at most 1/16 (6.25 %) above the true one; the maximum is exact.
#[derive(Clone, Debug)]
pub struct Quantiles {
    /// `None` cannot happen with these constants, and no quantile is better than a panic.
    micros: Option<Histogram<u32>>,
    max_nanos: u64,
}

/// What [`Quantiles`] answers, seconds.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Summary {
    /// Half of the durations are at or below it.
    pub p50: f64,
    /// 90 %.
    pub p90: f64,
    /// 99 %.
    pub p99: f64,
    /// The longest, exactly.
    pub max: f64,
}

impl Default for Quantiles {
    fn default() -> Self {
        Self {
            micros: Histogram::new_with_bounds(1, 60_000_000, 1).ok(),
            max_nanos: 0,
        }
    }
}

impl Quantiles {
    /// Counts one duration in nanoseconds; above 60 s it counts as 60 s.
    pub fn record(&mut self, nanos: u64) {
        if let Some(micros) = &mut self.micros {
            micros.saturating_record(nanos.div_ceil(1000));
        }
        self.max_nanos = self.max_nanos.max(nanos);
    }

    /// (upper bound in seconds, durations at or below it and above the one before) of the buckets that are not empty:
    /// three or four to a doubling.
    pub fn buckets(&self) -> impl Iterator<Item = (f64, u64)> + '_ {
        let recorded = self.micros.iter().flat_map(|micros| micros.iter_recorded());
        recorded.map(|bucket| {
            let upper = bucket.value_iterated_to() as f64 / 1e6;
            (upper, bucket.count_since_last_iteration())
        })
    }

    /// Forgets everything, keeps the memory.
    pub fn clear(&mut self) {
        if let Some(micros) = &mut self.micros {
            micros.reset();
        }
        self.max_nanos = 0;
    }

    /// The quantiles; zeros where nothing was counted.
    pub fn summary(&self) -> Summary {
        Summary {
            p50: self.at(0.5),
            p90: self.at(0.9),
            p99: self.p99(),
            max: self.max(),
        }
    }

    /// 99 % of the durations are at or below it; seconds.
    pub fn p99(&self) -> f64 {
        self.at(0.99)
    }

    /// The longest duration, seconds.
    pub fn max(&self) -> f64 {
        seconds(self.max_nanos)
    }

    fn at(&self, quantile: f64) -> f64 {
        match &self.micros {
            Some(micros) if !micros.is_empty() => {
                (micros.value_at_quantile(quantile) as f64 / 1e6).min(self.max())
            }
            _ => 0.0,
        }
    }
}

/// Nanoseconds as seconds.
pub(crate) fn seconds(nanos: u64) -> f64 {
    nanos as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_on_a_bound_counts_at_or_below_it() {
        for (i, bound) in DURATION_BOUNDS.into_iter().enumerate() {
            let mut durations = Durations::default();
            durations.record(bound);
            durations.record(bound + 1);
            let counts: Vec<u64> = durations.buckets().map(|(_, count)| count).collect();
            let expected: Vec<u64> = (0..DURATION_BOUNDS.len())
                .map(|bucket| match bucket.cmp(&i) {
                    std::cmp::Ordering::Less => 0,
                    std::cmp::Ordering::Equal => 1,
                    std::cmp::Ordering::Greater => 2,
                })
                .collect();
            assert_eq!(counts, expected, "around {bound} ns");
            assert_eq!(durations.count(), 2);
        }
    }

    #[test]
    fn bounds_read_as_the_documented_seconds() {
        let text: Vec<String> = Durations::default()
            .buckets()
            .map(|(bound, _)| bound.to_string())
            .collect();
        assert_eq!(
            text.join(" "),
            "0.00025 0.0005 0.001 0.0025 0.005 0.01 0.025 0.05 0.1 0.25 0.5 1 2.5 5 10 30 60"
        );
    }

    #[test]
    fn zero_and_beyond_the_last_bound_are_counted() {
        let mut durations = Durations::default();
        durations.record(0);
        durations.record(u64::MAX);
        assert_eq!(durations.buckets().next(), Some((0.00025, 1)));
        assert_eq!(durations.buckets().last(), Some((60.0, 1)));
        assert_eq!(durations.count(), 2);
        durations.record(u64::MAX);
        assert_eq!(durations.seconds(), seconds(u64::MAX), "the sum saturates");
    }

    #[test]
    fn queries_per_request_use_their_own_bounds() {
        let mut counts = QueryCounts::default();
        for queries in [1, 2, 4, 1000, 1001] {
            counts.record(queries);
        }
        assert_eq!(counts.buckets().next(), Some((1.0, 1)));
        assert_eq!(counts.buckets().nth(3), Some((5.0, 3)));
        assert_eq!(counts.buckets().last(), Some((1000.0, 4)));
        assert_eq!((counts.count(), counts.queries()), (5, 2008));
    }

    #[test]
    fn quantiles_stay_within_their_resolution() {
        let mut quantiles = Quantiles::default();
        for millis in 1..=1000 {
            quantiles.record(millis * 1_000_000);
        }
        let summary = quantiles.summary();
        for (got, exact) in [
            (summary.p50, 0.5),
            (summary.p90, 0.9),
            (summary.p99, 0.99),
            (summary.max, 1.0),
        ] {
            assert!(
                got >= exact && got <= exact * 1.0625,
                "{got} against {exact}"
            );
        }
        assert_eq!(summary.max, 1.0);
    }

    #[test]
    fn quantiles_take_any_value_and_start_anew() {
        let mut quantiles = Quantiles::default();
        assert_eq!(quantiles.summary(), Summary::default());
        quantiles.record(0);
        quantiles.record(u64::MAX);
        assert_eq!(quantiles.summary().max, seconds(u64::MAX));
        assert!(quantiles.summary().p99 >= 60.0);
        quantiles.clear();
        assert_eq!(quantiles.summary(), Summary::default());
    }
}
