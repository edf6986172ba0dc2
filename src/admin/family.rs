//! Metric families from numbers, one metric at a time.

use super::catalogue::Spec;
use super::exposition::Exposition;
use crate::stats::{FIX_BYTES, LABEL_BYTES, QUERY_BYTES, bounded};
use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricType};
use std::io::{self, Write};

/// What every metric's name starts with.
const PREFIX: &str = "pgscope_";

/// A metric whose series are being written.
pub(super) struct Family<'e, W> {
    spec: &'static Spec,
    name: String,
    exposition: &'e mut Exposition<W>,
    /// The series at hand: its memory serves the next.
    metric: Metric,
    /// The head is written, and what came of the writing so far.
    begun: bool,
    written: io::Result<()>,
}

impl<'e, W: Write> Family<'e, W> {
    /// A metric without series yet. Without any it has no head either.
    pub(super) fn new(spec: &'static Spec, exposition: &'e mut Exposition<W>) -> Self {
        let label = |name: &&str| {
            let mut pair = LabelPair::default();
            pair.set_name((*name).to_owned());
            pair
        };
        Self {
            spec,
            name: format!("{PREFIX}{}", spec.name),
            exposition,
            metric: Metric::from_label(spec.labels.iter().map(label).collect()),
            begun: false,
            written: Ok(()),
        }
    }

    /// Writes a series of a counter or gauge. Label values stand in the order of the label names of the [`Spec`].
    pub(super) fn value<const N: usize>(&mut self, labels: [&str; N], value: f64) {
        self.label(labels);
        if self.spec.kind == MetricType::GAUGE {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            self.metric.set_gauge(gauge);
        } else {
            let mut counter = Counter::default();
            counter.set_value(value);
            self.metric.set_counter(counter);
        }
        self.write();
    }

    /// Writes the series of a histogram: `buckets` are (upper bound, values at or below it) without `+Inf`.
    pub(super) fn histogram<const N: usize>(
        &mut self,
        labels: [&str; N],
        buckets: impl Iterator<Item = (f64, u64)>,
        count: u64,
        sum: f64,
    ) {
        self.label(labels);
        let bucket = |(bound, count)| {
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(bound);
            bucket.set_cumulative_count(count);
            bucket
        };
        let mut histogram = Histogram::default();
        histogram.set_bucket(buckets.map(bucket).collect());
        histogram.set_sample_count(count);
        histogram.set_sample_sum(sum);
        self.metric.set_histogram(histogram);
        self.write();
    }

    /// An error where not all of it could be written.
    pub(super) fn end(self) -> io::Result<()> {
        self.written
    }

    fn label<const N: usize>(&mut self, values: [&str; N]) {
        debug_assert_eq!(N, self.spec.labels.len(), "{}", self.spec.name);
        for (pair, value) in self.metric.mut_label().iter_mut().zip(values) {
            set(pair, value);
        }
    }

    fn write(&mut self) {
        if self.written.is_err() {
            return;
        }
        let Spec { kind, help, .. } = *self.spec;
        if !std::mem::replace(&mut self.begun, true) {
            self.written = self.exposition.head(&self.name, help, kind);
        }
        if self.written.is_ok() {
            self.written = self.exposition.metric(&self.name, kind, &self.metric);
        }
    }
}

/// The one way to a label: every value is bounded and free of control characters. The encoder escapes the rest.
fn set(pair: &mut LabelPair, value: &str) {
    let limit = match pair.name() {
        "query" => QUERY_BYTES,
        "fix" => FIX_BYTES,
        _ => LABEL_BYTES,
    };
    let value = bounded(value, limit);
    if pair.value() != value {
        pair.set_value(value.into_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_values_are_bounded_by_their_name() {
        let bounded = |name: &str, value: &str| {
            let mut pair = LabelPair::default();
            pair.set_name(name.to_owned());
            set(&mut pair, value);
            pair.value().to_owned()
        };
        let long = "x".repeat(5000);
        assert_eq!(bounded("route", &long).len(), 128);
        assert_eq!(bounded("fix", &long).len(), 256);
        assert_eq!(bounded("query", &long).len(), 1024);
        assert_eq!(bounded("route", "a\r\nb"), "a  b");
    }
}
