//! Detectors: each looks at a request and says which Django mistake it shows.
//!
//! A detector is a file with its documentation, its `Settings` and its code, and one line in the registry. Wrong
//! findings cost more than missed ones: what could be right is not reported.

mod aborted_transaction;
mod accuse;
mod allow;
mod asgi_persistent_connections;
mod cacheable_query;
mod changes;
mod column;
mod connection_churn;
mod count_then_fetch;
mod deep_offset;
mod delete_loop;
mod duplicate_query;
mod fix;
mod forward;
mod get_or_create_loop;
mod guards;
mod hot_query;
mod huge_in_list;
mod idle_in_transaction;
mod index;
mod insert_loop;
mod large_result;
mod lineage;
mod long_transaction;
mod loops;
mod m2m_add_loop;
mod missing_index;
mod monitor;
mod n_plus_one;
mod names;
mod no_health_checks;
mod non_sargable;
mod parents;
mod plan;
mod plausible;
mod pool_pressure;
mod proof;
mod random_order;
mod registration;
mod registry;
mod relation;
mod repetition;
mod repr_queryset;
mod request_query_count;
mod runs;
mod save_all_columns;
mod serializer_depth;
mod session_overhead;
mod several;
mod severity;
mod sieve;
mod slow_query;
mod slow_request;
mod subject;
mod table_audit;
#[cfg(test)]
mod testing;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
mod timezone_round_trip;
mod unbounded_select;
mod update_loop;
mod walk;
mod wide_rows;
mod write_heavy_request;
mod write_loops;

pub use crate::finding::{Cause, Evidence, Finding, Severity};
pub use allow::Allow;
pub use asgi_persistent_connections::Settings as AsgiPersistentConnectionsSettings;
pub use cacheable_query::Settings as CacheableQuerySettings;
pub use connection_churn::Settings as ConnectionChurnSettings;
pub use deep_offset::Settings as DeepOffsetSettings;
pub use duplicate_query::Settings as DuplicateQuerySettings;
pub use hot_query::Settings as HotQuerySettings;
pub use huge_in_list::Settings as HugeInListSettings;
pub use large_result::Settings as LargeResultSettings;
pub use missing_index::Settings as MissingIndexSettings;
pub use monitor::{Connection, Monitor, Observed, What};
pub use n_plus_one::Settings as NPlusOneSettings;
pub use no_health_checks::Settings as NoHealthChecksSettings;
pub use non_sargable::Settings as NonSargableSettings;
pub use plan::{Explained, Plan, Scan, Sort, Table};
pub use pool_pressure::Settings as PoolPressureSettings;
pub use random_order::Settings as RandomOrderSettings;
pub use registration::Registration;
pub use registry::{Detectors, REGISTRY, Settings};
pub use repr_queryset::Settings as ReprQuerysetSettings;
pub use request_query_count::Settings as RequestQueryCountSettings;
pub use serializer_depth::Settings as SerializerDepthSettings;
pub use session_overhead::Settings as SessionOverheadSettings;
pub use severity::SeverityChoice;
pub use slow_query::Settings as SlowQuerySettings;
pub use slow_request::Settings as SlowRequestSettings;
pub use subject::Subject;
pub use table_audit::Settings as TableAuditSettings;
pub use timezone_round_trip::Settings as TimezoneRoundTripSettings;
pub use unbounded_select::Settings as UnboundedSelectSettings;
pub use wide_rows::Settings as WideRowsSettings;

use crate::sql::Facts;
use crate::units::Period;

/// What every detector is.
pub trait Detector: Send + Sync {
    /// Its name: the metric label and the configuration section.
    fn name(&self) -> &'static str;
    /// Looks at a request and pushes what it finds, at most one finding per cause.
    fn inspect(&self, request: &Subject<'_>, findings: &mut Vec<Finding>);
}

/// Time of all calls but one of the usual length, seconds: one query was needed anyway.
fn wasted_seconds(nanos: u64, calls: u32) -> f64 {
    let calls = f64::from(calls.max(1));
    nanos as f64 / 1e9 * (calls - 1.0) / calls
}

/// Refuses a `threshold` of nothing and a `critical` below it; `usual` is the default.
fn validate_thresholds(
    detector: &str,
    threshold: Period,
    critical: Period,
    usual: &str,
) -> Result<(), String> {
    if threshold.nanos() == 0 {
        return Err(format!(
            "detectors.{detector}.threshold = \"{threshold}\": everything would be too long; write \"{usual}\", or \
             detectors.{detector}.enabled = false"
        ));
    }
    if critical < threshold {
        return Err(format!(
            "detectors.{detector}.critical = \"{critical}\": less than threshold; write \"{threshold}\" or more"
        ));
    }
    Ok(())
}

/// Whether two statements have a table in common.
fn shares_table(one: &Facts, other: &Facts) -> bool {
    tables(one).any(|table| tables(other).any(|of_other| of_other == table))
}

/// All tables that a statement names, each once.
fn tables(facts: &Facts) -> impl Iterator<Item = &str> {
    let main = (!facts.tables.contains(&facts.table)).then_some(&facts.table);
    (facts.tables.iter().chain(main))
        .map(|name| name.as_str())
        .filter(|table| !table.is_empty())
}
