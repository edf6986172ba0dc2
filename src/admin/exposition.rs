//! Prometheus' text format for the metrics of the client library: the same bytes as its own [`TextEncoder`], in a
//! fraction of the time (`benches/scrape.rs`), and metric by metric, so that a family need not be in memory. The labels
//! of a histogram are written once and not once a bucket, bounds of buckets are known from the metric before, and whole
//! numbers are formatted as such.
//!
//! Source: Prometheus documentation, "Exposition formats".

use prometheus::proto::{Histogram, LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{Encoder, TextEncoder};
use std::io::{self, Write};

/// Whole numbers below it are exact in an `f64`, and written as integers are.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Writes metrics one behind the other, those of a family behind its head.
pub(super) struct Exposition<W> {
    writer: W,
    lines: Lines,
}

impl<W: Write> Exposition<W> {
    /// Nothing is written yet.
    pub(super) fn new(writer: W) -> Self {
        Self {
            writer,
            lines: Lines::default(),
        }
    }

    /// Begins a family; the type is one of those that [`name_of`] knows.
    pub(super) fn head(&mut self, name: &str, help: &str, kind: MetricType) -> io::Result<()> {
        self.lines
            .head(name, help, name_of(kind).unwrap_or("untyped"));
        self.write()
    }

    /// A metric of the family of this name.
    pub(super) fn metric(
        &mut self,
        name: &str,
        kind: MetricType,
        metric: &Metric,
    ) -> io::Result<()> {
        self.lines.metric(name, kind, metric);
        self.write()
    }

    /// A whole family, by the library where it is of a kind that pgscope has none of.
    pub(super) fn family(&mut self, family: &MetricFamily) -> prometheus::Result<()> {
        if !is_usual(family) {
            return TextEncoder::new().encode(std::slice::from_ref(family), &mut self.writer);
        }
        let (name, kind) = (family.name(), family.get_field_type());
        self.head(name, family.help(), kind)?;
        for metric in family.get_metric() {
            self.metric(name, kind, metric)?;
        }
        Ok(())
    }

    fn write(&mut self) -> io::Result<()> {
        let written = self.writer.write_all(&self.lines.text);
        self.lines.text.clear();
        written
    }
}

fn is_usual(family: &MetricFamily) -> bool {
    let metrics = family.get_metric();
    !metrics.is_empty()
        && !family.name().is_empty()
        && name_of(family.get_field_type()).is_some()
        && metrics.iter().all(|metric| metric.timestamp_ms() == 0)
}

/// The type as the format names it; `None` for what is left to the library.
fn name_of(kind: MetricType) -> Option<&'static str> {
    match kind {
        MetricType::COUNTER => Some("counter"),
        MetricType::GAUGE => Some("gauge"),
        MetricType::HISTOGRAM => Some("histogram"),
        MetricType::SUMMARY | MetricType::UNTYPED => None,
    }
}

/// Lines under way, and what is used again from line to line.
#[derive(Default)]
struct Lines {
    text: Vec<u8>,
    /// The labels of the metric, with commas between them.
    labels: Vec<u8>,
    /// By number of the bucket: its bound and how it was written.
    bounds: Vec<(f64, String)>,
    digits: itoa::Buffer,
}

impl Lines {
    fn head(&mut self, name: &str, help: &str, kind: &str) {
        if !help.is_empty() {
            self.put(&["# HELP ", name, " "]);
            escape(&mut self.text, help, false);
            self.put(&["\n"]);
        }
        self.put(&["# TYPE ", name, " ", kind, "\n"]);
    }

    fn metric(&mut self, name: &str, kind: MetricType, metric: &Metric) {
        self.set_labels(metric.get_label());
        match kind {
            MetricType::HISTOGRAM => self.histogram(name, metric.get_histogram()),
            MetricType::GAUGE => self.sample(name, "", metric.get_gauge().get_value()),
            _ => self.sample(name, "", metric.get_counter().get_value()),
        }
    }

    fn set_labels(&mut self, pairs: &[LabelPair]) {
        self.labels.clear();
        for pair in pairs {
            if !self.labels.is_empty() {
                self.labels.push(b',');
            }
            self.labels.extend_from_slice(pair.name().as_bytes());
            self.labels.extend_from_slice(b"=\"");
            escape(&mut self.labels, pair.value(), true);
            self.labels.push(b'"');
        }
    }

    fn histogram(&mut self, name: &str, histogram: &Histogram) {
        let mut has_all = false;
        for (number, bucket) in histogram.get_bucket().iter().enumerate() {
            let bound = bucket.upper_bound();
            has_all |= bound == f64::INFINITY;
            match self.bounds.get(number) {
                Some((known, _)) if *known == bound => {}
                _ => {
                    self.bounds.truncate(number);
                    self.bounds.push((bound, bound.to_string()));
                }
            }
            self.bucket(name, Some(number), bucket.cumulative_count());
        }
        let count = histogram.get_sample_count();
        if !has_all {
            self.bucket(name, None, count);
        }
        self.sample(name, "_sum", histogram.get_sample_sum());
        self.sample(name, "_count", count as f64);
    }

    /// The line of a bucket by its number, or of the one that has them all.
    fn bucket(&mut self, name: &str, number: Option<usize>, count: u64) {
        self.put(&[name, "_bucket{"]);
        self.text.extend_from_slice(&self.labels);
        if !self.labels.is_empty() {
            self.text.push(b',');
        }
        let bound = number.and_then(|number| self.bounds.get(number));
        let bound = bound.map_or("+Inf", |(_, written)| written);
        for part in ["le=\"", bound, "\"} "] {
            self.text.extend_from_slice(part.as_bytes());
        }
        self.value(count as f64);
    }

    fn sample(&mut self, name: &str, suffix: &str, value: f64) {
        self.put(&[name, suffix]);
        if !self.labels.is_empty() {
            self.text.push(b'{');
            self.text.extend_from_slice(&self.labels);
            self.text.push(b'}');
        }
        self.text.push(b' ');
        self.value(value);
    }

    fn value(&mut self, value: f64) {
        let is_whole = value.fract() == 0.0 && value.abs() < EXACT;
        if is_whole && !(value == 0.0 && value.is_sign_negative()) {
            let digits = self.digits.format(value as i64);
            self.text.extend_from_slice(digits.as_bytes());
        } else {
            self.text.extend_from_slice(value.to_string().as_bytes());
        }
        self.text.push(b'\n');
    }

    fn put(&mut self, parts: &[&str]) {
        for part in parts {
            self.text.extend_from_slice(part.as_bytes());
        }
    }
}

/// Appends a text in which backslashes and line feeds are escaped, and in a label's value quotes too.
fn escape(text: &mut Vec<u8>, value: &str, is_label: bool) {
    let mut rest = value.as_bytes();
    while let Some(at) = memchr::memchr3(b'\\', b'\n', b'"', rest) {
        let (plain, special) = rest.split_at(at);
        text.extend_from_slice(plain);
        match special.first() {
            Some(b'\n') => text.extend_from_slice(b"\\n"),
            Some(b'"') if !is_label => text.push(b'"'),
            Some(byte) => text.extend_from_slice(&[b'\\', *byte]),
            None => {}
        }
        rest = special.get(1..).unwrap_or_default();
    }
    text.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus::proto::{Bucket, Counter, Gauge, Summary};
    use proptest::prelude::*;

    fn metric(kind: MetricType, labels: &[(String, String)], value: f64, counts: &[u64]) -> Metric {
        let pair = |(name, value): &(String, String)| {
            let mut pair = LabelPair::default();
            pair.set_name(name.clone());
            pair.set_value(value.clone());
            pair
        };
        let mut metric = Metric::from_label(labels.iter().map(pair).collect());
        match kind {
            MetricType::COUNTER => {
                let mut counter = Counter::default();
                counter.set_value(value);
                metric.set_counter(counter);
            }
            MetricType::GAUGE => {
                let mut gauge = Gauge::default();
                gauge.set_value(value);
                metric.set_gauge(gauge);
            }
            MetricType::HISTOGRAM => {
                let bucket = |(number, count): (usize, &u64)| {
                    let mut bucket = Bucket::default();
                    // Others in the next metric; the fourth has no bound.
                    let bound = 0.001 * (number + counts.len() % 2) as f64;
                    bucket.set_upper_bound(if number == 3 { f64::INFINITY } else { bound });
                    bucket.set_cumulative_count(*count);
                    bucket
                };
                let mut histogram = Histogram::default();
                histogram.set_bucket(counts.iter().enumerate().map(bucket).collect());
                histogram.set_sample_count(counts.iter().copied().max().unwrap_or(7));
                histogram.set_sample_sum(value);
                metric.set_histogram(histogram);
            }
            _ => metric.set_summary(Summary::default()),
        }
        metric
    }

    fn value() -> impl Strategy<Value = f64> {
        let odd = [
            0.0,
            -0.0,
            -3.0,
            EXACT,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
        ];
        prop_oneof![
            any::<f64>(),
            (0u64..1_000_000).prop_map(|whole| whole as f64),
            proptest::sample::select(odd.to_vec()),
        ]
    }

    fn family() -> impl Strategy<Value = MetricFamily> {
        use MetricType::{COUNTER, GAUGE, HISTOGRAM, SUMMARY};
        let kind = proptest::sample::select(vec![COUNTER, GAUGE, HISTOGRAM, HISTOGRAM, SUMMARY]);
        let labels = proptest::collection::vec(("[a-z]{1,4}", "[a-z\\\\\n\"ä]{0,6}"), 0..3);
        let counts = proptest::collection::vec(any::<u64>(), 0..6);
        let metrics = proptest::collection::vec((labels, value(), counts), 1..4);
        (kind, "[a-z_]{1,8}", "[a-z \\\\\n\"ä]{0,8}", metrics).prop_map(
            |(kind, name, help, metrics)| {
                let made = metrics.iter();
                let made = made.map(|(labels, value, counts)| metric(kind, labels, *value, counts));
                let mut family = MetricFamily::default();
                family.set_name(name);
                family.set_help(help);
                family.set_field_type(kind);
                family.set_metric(made.collect());
                family
            },
        )
    }

    proptest! {
        #[test]
        fn it_writes_what_the_library_writes(families in proptest::collection::vec(family(), 0..4)) {
            let (mut ours, mut theirs) = (Vec::new(), Vec::new());
            let mut exposition = Exposition::new(&mut ours);
            prop_assert!(families.iter().all(|family| exposition.family(family).is_ok()));
            prop_assert!(TextEncoder::new().encode(&families, &mut theirs).is_ok());
            prop_assert_eq!(String::from_utf8(ours), String::from_utf8(theirs));
        }
    }

    #[test]
    fn a_family_without_metrics_is_refused_as_by_the_library() {
        let mut family = MetricFamily::default();
        family.set_name("empty".into());
        assert!(Exposition::new(Vec::new()).family(&family).is_err());
    }
}
