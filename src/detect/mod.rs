//! Detectors: each looks at a request and says which Django mistake it shows.
//!
//! A detector is a file with its documentation, its `Settings` and its code, and one line in the registry. Wrong
//! findings cost more than missed ones: what could be right is not reported.

mod allow;
mod duplicate_query;
mod fix;
mod forward;
mod guards;
mod lineage;
mod loops;
mod monitor;
mod n_plus_one;
mod names;
mod parents;
mod plausible;
mod proof;
mod registry;
mod relation;
mod repetition;
mod request_query_count;
mod runs;
mod several;
mod slow_query;
#[cfg(test)]
mod testing;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
mod walk;

pub use crate::finding::{Cause, Evidence, Finding, Severity};
pub use allow::Allow;
pub use duplicate_query::Settings as DuplicateQuerySettings;
pub use monitor::{Connection, Monitor, Observed, What};
pub use n_plus_one::Settings as NPlusOneSettings;
pub use registry::{Detectors, REGISTRY, Registration, Settings};
pub use request_query_count::Settings as RequestQueryCountSettings;
pub use slow_query::Settings as SlowQuerySettings;

use crate::request::Request;
use crate::sql::Facts;

/// What every detector is.
pub trait Detector: Send + Sync {
    /// Its name: the metric label and the configuration section.
    fn name(&self) -> &'static str;
    /// Looks at a request and pushes what it finds, at most one finding per cause.
    fn inspect(&self, request: &Request, findings: &mut Vec<Finding>);
}

/// Time of all calls but one of the usual length, seconds: one query was needed anyway.
fn wasted_seconds(nanos: u64, calls: u32) -> f64 {
    let calls = f64::from(calls.max(1));
    nanos as f64 / 1e9 * (calls - 1.0) / calls
}

/// Whether two statements have a table in common.
fn shares_table(one: &Facts, other: &Facts) -> bool {
    let tables = |facts| tables(facts).collect::<Vec<&str>>();
    let others = tables(other);
    tables(one).iter().any(|table| others.contains(table))
}

/// All tables that a statement names.
fn tables(facts: &Facts) -> impl Iterator<Item = &str> {
    (facts.tables.iter().chain([&facts.table]))
        .map(String::as_str)
        .filter(|table| !table.is_empty())
}
