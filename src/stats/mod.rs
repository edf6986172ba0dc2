//! Totals, histograms and bounded tables.
//!
//! [`Stats`] takes what happened and keeps numbers; a [`Snapshot`] of them feeds the metrics, and lists of entries
//! feed the API. Every table is bounded by [`Settings`]. What a full table has no room for is added to a row
//! `other`, so that the sum over a metric's series is always the sum of what happened.

mod finding;
mod findings;
mod histogram;
mod label;
mod names;
mod overview;
mod queries;
mod recent;
mod requests;
mod row_counts;
mod settings;
mod snapshot;
mod source;
mod sqlstates;
mod statements;
mod store;
mod timeline;
mod traffic;
mod upstreams;
mod words;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

pub use finding::{FindingEntry, FindingRow, FindingTotals};
pub use histogram::{DURATION_BOUNDS, Durations, QUERY_BOUNDS, Quantiles, QueryCounts, Summary};
pub use label::{FIX_BYTES, LABEL_BYTES, OTHER, QUERY_BYTES, bounded};
pub use overview::Overview;
pub use queries::{PairRow, QuerySample, SessionKey, VerbRow};
pub use recent::{RecentRequest, TopStatement};
pub use requests::{RouteEntry, RouteTotals};
pub use row_counts::RowSummary;
pub use settings::Settings;
pub use snapshot::{DatabaseRow, Snapshot, TransactionOutcome};
pub use source::{BoundaryInfo, Filter, Order, SessionInfo, Source, StatementOrder};
pub use sqlstates::ErrorRow;
pub use statements::{
    Load, StatementDetail, StatementEntry, StatementRow, StatementSlot, StatementTotals,
};
pub use store::Stats;
pub use timeline::{Span, Timeline};
pub use traffic::{ConnectionOutcome, ExplainOutcome, Stage, Traffic};
pub use upstreams::{MAX_UPSTREAMS, Upstreams};
pub use words::Table;

pub(crate) use histogram::seconds;
