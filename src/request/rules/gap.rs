//! `gap`: idle time. A weak sign: under load the pauses between requests are as short as those within.
//!
//! The threshold is learned where pauses form two clusters (Otsu's method on their logarithms), else it
//! is `request.gap`. Inside a transaction nothing is ever parted.

use super::{Verdict, View};
use crate::request::class::Usage;
use crate::request::record::Boundary;
use std::sync::LazyLock;

pub(super) fn check(view: &View<'_>) -> Option<Verdict> {
    if view.open.request.queries == 0 || !view.weak_signs_count() {
        return None;
    }
    let shared = view.connection.shared || view.class.usage() == Usage::Persistent;
    let parted = if shared {
        view.seen.pause > view.class.gaps.threshold().unwrap_or(view.gap)
    } else {
        view.pauses_too_often()
    };
    parted.then_some(Verdict::Begin(Boundary::Gap))
}

/// Bins a decade.
const PER_DECADE: usize = 8;
/// 0.1 ms to 100 s.
const BINS: usize = 6 * PER_DECADE;
/// Pauses that must have been seen before a threshold is learned, and again before it is learned anew.
const ENOUGH: u32 = 200;
/// Least distance of the two clusters' means, in decades.
const SEPARATION: f64 = 0.7;
const MIN_NANOS: f64 = 20e6;
const MAX_NANOS: f64 = 2e9;

/// Where the bins but the first begin, nanoseconds: a logarithm for each query would cost more than to look it up.
static EDGES: LazyLock<[u64; BINS - 1]> =
    LazyLock::new(|| std::array::from_fn(|bin| edge(bin + 1) as u64));

/// Where a bin begins, nanoseconds.
fn edge(bin: usize) -> f64 {
    10_f64.powf(bin as f64 / PER_DECADE as f64 + 5.0)
}

/// Histogram of pauses of one class, on a logarithmic scale.
#[derive(Debug)]
pub struct Gaps {
    bins: [u32; BINS],
    since_learned: u32,
    threshold: Option<u64>,
}

impl Default for Gaps {
    fn default() -> Self {
        Self {
            bins: [0; BINS],
            since_learned: 0,
            threshold: None,
        }
    }
}

impl Gaps {
    /// A pause outside a transaction, nanoseconds.
    pub(in crate::request) fn add(&mut self, nanos: u64) {
        let bin = EDGES.partition_point(|edge| *edge <= nanos);
        self.bins[bin] += 1;
        self.since_learned += 1;
        if self.since_learned >= ENOUGH {
            self.threshold = otsu(&self.bins);
            self.since_learned = 0;
            // What is old counts less and less.
            if self.bins.iter().sum::<u32>() > 20 * ENOUGH {
                self.bins.iter_mut().for_each(|bin| *bin /= 2);
            }
        }
    }

    /// The learned threshold, nanoseconds.
    pub(super) fn threshold(&self) -> Option<u64> {
        self.threshold
    }
}

/// The pause that best parts the histogram in two, where its halves are far enough apart.
fn otsu(bins: &[u32; BINS]) -> Option<u64> {
    let total: f64 = bins.iter().map(|&count| f64::from(count)).sum();
    let sum: f64 = bins
        .iter()
        .enumerate()
        .map(|(bin, &count)| bin as f64 * f64::from(count))
        .sum();
    let (mut below, mut sum_below) = (0.0, 0.0);
    let mut best = (0.0, 0.0, 0);
    for (bin, &count) in bins.iter().enumerate() {
        below += f64::from(count);
        sum_below += bin as f64 * f64::from(count);
        let above = total - below;
        if below == 0.0 || above <= 0.0 {
            continue;
        }
        let distance = (sum - sum_below) / above - sum_below / below;
        let variance = below * above * distance * distance;
        if variance > best.0 {
            best = (variance, distance, bin);
        }
    }
    let (_, distance, bin) = best;
    if distance < SEPARATION * PER_DECADE as f64 {
        return None;
    }
    Some(edge(bin + 1).clamp(MIN_NANOS, MAX_NANOS) as u64)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn two_clusters_give_a_threshold_between_them() {
        let mut gaps = Gaps::default();
        for turn in 0..200 {
            gaps.add(if turn % 10 == 0 {
                900_000_000
            } else {
                500_000 + turn * 1000
            });
        }
        let threshold = gaps.threshold().unwrap();
        assert!(
            (20_000_000..900_000_000).contains(&threshold),
            "{threshold}"
        );
    }

    #[test]
    fn one_cluster_gives_none() {
        let mut gaps = Gaps::default();
        for turn in 0..400 {
            gaps.add(1_000_000 + turn * 5000);
        }
        assert_eq!(gaps.threshold(), None);
    }
}
