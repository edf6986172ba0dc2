//! The JSON of one entry and of everything in sum.

use super::json::{Request, Statement};
use super::state::AdminState;
use crate::session::At;
use crate::sql::{self, Fingerprint};
use crate::stats::{self, RecentRequest, RowSummary, Stage, StatementDetail, seconds};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One request with what it did, query by query.
#[derive(Serialize)]
pub(super) struct Detail {
    request: Whole,
}

#[derive(Serialize)]
struct Whole {
    #[serde(flatten)]
    request: Request,
    opened: String,
    think_seconds: f64,
    timeline: Vec<Span>,
    timeline_queries_left_out: u32,
    transactions: Vec<Transaction>,
}

/// Consecutive queries of one statement. Of a statement that has lost its row only the fingerprint is known.
#[derive(Serialize)]
struct Span {
    start_seconds: f64,
    seconds: f64,
    database_seconds: f64,
    calls: u32,
    rows: u64,
    errors: u32,
    fingerprint: String,
    verb: &'static str,
    table: String,
    query: Arc<str>,
    callsite: Arc<str>,
    in_transaction: bool,
}

#[derive(Serialize)]
struct Transaction {
    start_seconds: f64,
    seconds: f64,
    idle_seconds: f64,
    queries: u32,
    committed: bool,
}

impl Detail {
    pub(super) fn new(entry: RecentRequest, state: &AdminState) -> Self {
        let timeline = Arc::clone(&entry.timeline);
        let fingerprints: Vec<Fingerprint> =
            timeline.spans.iter().map(|span| span.fingerprint).collect();
        let statements = state.source.texts(&fingerprints);
        // A transaction may have begun before the first query that counts.
        let start = |at: At| seconds(at.0) - seconds(entry.opened.0);
        let spans = timeline.spans.iter().zip(statements);
        let transactions = timeline.transactions.iter();
        let whole = Whole {
            opened: state.time(entry.opened),
            think_seconds: seconds(entry.think_nanos),
            timeline: spans
                .map(|(span, statement)| Span::new(span, statement.as_deref(), start(span.started)))
                .collect(),
            timeline_queries_left_out: timeline.left_out,
            transactions: transactions
                .map(|block| Transaction {
                    start_seconds: start(block.began),
                    seconds: seconds(block.ended.since(block.began)),
                    idle_seconds: seconds(block.idle),
                    queries: block.queries,
                    committed: block.committed,
                })
                .collect(),
            request: Request::new(entry, state),
        };
        Self { request: whole }
    }
}

impl Span {
    fn new(span: &stats::Span, statement: Option<&sql::Statement>, start_seconds: f64) -> Self {
        Self {
            start_seconds,
            seconds: seconds(span.wall_nanos),
            database_seconds: seconds(span.nanos),
            calls: span.calls,
            rows: span.rows,
            errors: span.errors,
            fingerprint: span.fingerprint.to_string(),
            verb: statement.map_or("", |statement| statement.facts.verb.as_str()),
            table: statement.map_or_else(String::new, |known| known.facts.table.to_string()),
            query: statement.map_or_else(Arc::default, |known| Arc::clone(&known.text)),
            callsite: Arc::clone(&span.callsite),
            in_transaction: span.in_transaction,
        }
    }
}

/// One statement with its durations.
#[derive(Serialize)]
pub(super) struct Durations {
    statement: Distribution,
}

#[derive(Serialize)]
struct Distribution {
    #[serde(flatten)]
    statement: Statement,
    histogram: Vec<Bucket>,
    rows_per_call: RowSummary,
}

#[derive(Serialize)]
struct Bucket {
    upper_seconds: f64,
    count: u64,
}

impl Durations {
    pub(super) fn new(detail: StatementDetail) -> Self {
        let buckets = detail.durations.into_iter();
        let statement = Distribution {
            histogram: buckets
                .map(|(upper_seconds, count)| Bucket {
                    upper_seconds,
                    count,
                })
                .collect(),
            rows_per_call: detail.rows,
            statement: Statement::new(detail.entry),
        };
        Self { statement }
    }
}

/// Everything in sum.
#[derive(Serialize)]
pub(super) struct Overview {
    version: &'static str,
    started: String,
    now: String,
    draining: bool,
    profiling: bool,
    connections_open: i64,
    connections_total: u64,
    queries_total: u64,
    errors_total: u64,
    requests_total: u64,
    database_seconds: f64,
    profiling_seconds: f64,
    findings_total: BTreeMap<&'static str, u64>,
    sessions_blind: BTreeMap<&'static str, u64>,
    events_dropped: BTreeMap<&'static str, u64>,
    bytes: Bytes,
    upstreams: Vec<Upstream>,
    tables: Vec<Table>,
}

#[derive(Serialize)]
struct Bytes {
    frontend: u64,
    backend: u64,
}

#[derive(Serialize)]
struct Upstream {
    upstream: String,
    up: Option<bool>,
}

#[derive(Serialize)]
struct Table {
    table: &'static str,
    entries: u64,
    size: Option<usize>,
    evictions: u64,
}

impl Overview {
    pub(super) fn new(state: &AdminState) -> Self {
        let overview = state.source.overview();
        let traffic = state.source.traffic();
        let (frontend, backend) = traffic.bytes();
        let ended = stats::ConnectionOutcome::ALL.map(|outcome| traffic.ended(outcome));
        let stages = Stage::ALL.map(|stage| traffic.profiling(stage));
        Self {
            version: env!("CARGO_PKG_VERSION"),
            started: state.time(At(0)),
            now: state.time(state.moment(state.now())),
            draining: state.readiness.check() == Err("draining"),
            profiling: state.profiling,
            connections_open: traffic.open(),
            connections_total: ended.iter().sum(),
            queries_total: overview.queries,
            errors_total: overview.errors,
            requests_total: overview.requests,
            database_seconds: overview.database_seconds,
            profiling_seconds: seconds(stages.iter().sum()),
            findings_total: overview.findings.into_iter().collect(),
            sessions_blind: overview.blind.into_iter().collect(),
            events_dropped: overview.dropped.into_iter().collect(),
            bytes: Bytes { frontend, backend },
            upstreams: (state.upstreams.all())
                .map(|(name, up)| Upstream {
                    upstream: name.to_owned(),
                    up,
                })
                .collect(),
            tables: (overview.tables.into_iter())
                .map(|(table, size)| Table {
                    table: table.name,
                    entries: table.entries,
                    size,
                    evictions: table.evictions,
                })
                .collect(),
        }
    }
}
