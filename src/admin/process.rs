//! The metrics of the process itself.

use procfs::process::Process;
use procfs::{ProcResult, ticks_per_second};
use prometheus::core::Collector;
use prometheus::process_collector::ProcessCollector;
use prometheus::proto::{Counter, MetricFamily};

/// The one metric that is counted here.
const CPU: &str = "process_cpu_seconds_total";

/// The collector of the client library, but with CPU time as finely as the kernel tells it (mostly 10 ms): the
/// library counts whole seconds.
pub(super) struct ProcessMetrics(ProcessCollector);

impl ProcessMetrics {
    pub(super) fn new() -> Self {
        Self(ProcessCollector::for_self())
    }

    /// All of them as they are now.
    pub(super) fn collect(&self) -> Vec<MetricFamily> {
        let mut families = self.0.collect();
        let cpu = families.iter_mut().find(|family| family.name() == CPU);
        if let (Some(cpu), Ok(seconds)) = (cpu, cpu_seconds()) {
            for metric in cpu.mut_metric() {
                let mut counter = Counter::default();
                counter.set_value(seconds);
                metric.set_counter(counter);
            }
        }
        families
    }
}

/// User and system time of the process, all its threads together.
fn cpu_seconds() -> ProcResult<f64> {
    let stat = Process::myself()?.stat()?;
    Ok((stat.utime + stat.stime) as f64 / ticks_per_second() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hint::black_box;

    /// Rounds of work until the kernel's clock must have ticked.
    const PATIENCE: u32 = 10_000;

    fn cpu(metrics: &ProcessMetrics) -> f64 {
        let families = metrics.collect();
        let cpu: Vec<_> = families
            .iter()
            .filter(|family| family.name() == CPU)
            .collect();
        assert_eq!(cpu.len(), 1);
        cpu[0].get_metric()[0].get_counter().get_value()
    }

    #[test]
    fn cpu_time_counts_parts_of_a_second() {
        let metrics = ProcessMetrics::new();
        let mut values = (0..PATIENCE).map(|_| {
            black_box((0..10_000).map(black_box).sum::<u64>());
            cpu(&metrics)
        });
        assert!(values.any(|seconds| seconds.fract() != 0.0));
    }
}
