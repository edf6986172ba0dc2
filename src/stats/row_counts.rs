//! How many rows queries return.

use hdrhistogram::Histogram;

/// Most rows of a query that are told apart from more.
const MOST: u64 = 10_000_000;

/// Quantiles of rows a query for people: HdrHistogram up to 10,000,000 rows at one significant digit, about 1.3 KiB.
///
/// A quantile is at most 1/16 (6.25 %) above the true one; the maximum is exact.
#[derive(Clone, Debug)]
pub(super) struct RowCounts {
    /// `None` cannot happen with these constants, and no quantile is better than a panic.
    rows: Option<Histogram<u32>>,
    max: u64,
}

/// Rows a query.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize)]
pub struct RowSummary {
    /// Half of the queries return so many or fewer.
    pub p50: u64,
    /// 90 %.
    pub p90: u64,
    /// 99 %.
    pub p99: u64,
    /// The most, exactly.
    pub max: u64,
}

impl Default for RowCounts {
    fn default() -> Self {
        Self {
            rows: Histogram::new_with_bounds(1, MOST, 1).ok(),
            max: 0,
        }
    }
}

impl RowCounts {
    /// Counts the rows of a query.
    pub(super) fn record(&mut self, rows: u64) {
        if let Some(histogram) = &mut self.rows {
            histogram.saturating_record(rows);
        }
        self.max = self.max.max(rows);
    }

    /// Forgets everything, keeps the memory.
    pub(super) fn clear(&mut self) {
        if let Some(histogram) = &mut self.rows {
            histogram.reset();
        }
        self.max = 0;
    }

    /// The quantiles; zeros where nothing was counted.
    pub(super) fn summary(&self) -> RowSummary {
        let at = |quantile| match &self.rows {
            Some(rows) => rows.value_at_quantile(quantile).min(self.max),
            None => 0,
        };
        RowSummary {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            max: self.max,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_rows_stay_within_their_resolution_and_start_anew() {
        let mut rows = RowCounts::default();
        assert_eq!(rows.summary(), RowSummary::default());
        (0..=1000).for_each(|count| rows.record(count));
        let RowSummary { p50, p90, p99, max } = rows.summary();
        for (got, exact) in [(p50, 500), (p90, 900), (p99, 990), (max, 1000)] {
            assert!(
                (exact..=exact * 17 / 16).contains(&got),
                "{got} against {exact}"
            );
        }
        rows.record(u64::MAX);
        assert_eq!(rows.summary().max, u64::MAX);
        rows.clear();
        rows.record(0);
        assert_eq!(rows.summary(), RowSummary::default());
    }
}
