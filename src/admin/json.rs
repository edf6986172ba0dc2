//! The JSON of the API's entries. Times are RFC 3339 in UTC, durations are seconds.

use super::metrics::hex;
use super::state::AdminState;
use crate::stats::{
    BoundaryInfo, FindingEntry, RecentRequest, RouteEntry, SessionInfo, StatementEntry, Summary,
    seconds,
};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One cause.
#[derive(Serialize)]
pub(super) struct Finding {
    detector: &'static str,
    kind: &'static str,
    severity: &'static str,
    evidence: &'static str,
    route: Arc<str>,
    boundary: &'static str,
    fingerprint: String,
    parent: Arc<str>,
    relation: Arc<str>,
    fix: Arc<str>,
    query: Arc<str>,
    callsite: Arc<str>,
    database: Arc<str>,
    count: u64,
    requests: u64,
    wasted_seconds: f64,
    first_seen: String,
    last_seen: String,
}

impl Finding {
    pub(super) fn new(entry: FindingEntry, state: &AdminState) -> Self {
        Self {
            detector: entry.detector,
            kind: entry.kind,
            severity: entry.severity.as_str(),
            evidence: entry.evidence.as_str(),
            route: entry.route,
            boundary: entry.boundary.as_str(),
            fingerprint: hex(entry.fingerprint),
            parent: entry.parent,
            relation: entry.relation,
            fix: entry.fix,
            query: entry.query,
            callsite: entry.callsite,
            database: entry.database,
            count: entry.count,
            requests: entry.requests,
            wasted_seconds: entry.wasted_seconds,
            first_seen: state.time(entry.first_seen),
            last_seen: state.time(entry.last_seen),
        }
    }
}

/// One of the last requests.
#[derive(Serialize)]
pub(super) struct Request {
    id: u64,
    route: Arc<str>,
    boundary: &'static str,
    confidence: &'static str,
    database: Arc<str>,
    queries: u32,
    database_seconds: f64,
    duration_seconds: f64,
    at: String,
    statements: Vec<Top>,
    findings: Box<[&'static str]>,
}

#[derive(Serialize)]
struct Top {
    fingerprint: String,
    calls: u32,
    seconds: f64,
}

impl Request {
    pub(super) fn new(entry: RecentRequest, state: &AdminState) -> Self {
        let top = entry.top.iter().flatten().map(|statement| Top {
            fingerprint: statement.fingerprint.to_string(),
            calls: statement.calls,
            seconds: seconds(statement.nanos),
        });
        Self {
            id: entry.id,
            route: entry.route,
            boundary: entry.boundary.as_str(),
            confidence: entry.boundary.confidence().as_str(),
            database: entry.database,
            queries: entry.queries,
            database_seconds: seconds(entry.nanos),
            duration_seconds: seconds(entry.wall_nanos),
            at: state.time(entry.at),
            statements: top.collect(),
            findings: entry.findings,
        }
    }
}

/// One route and boundary. `p50` to `max` are of the time in the database per request.
#[derive(Serialize)]
pub(super) struct Route {
    route: Arc<str>,
    boundary: &'static str,
    requests: u64,
    queries: u64,
    database_seconds: f64,
    duration_seconds: f64,
    p50: f64,
    p90: f64,
    p99: f64,
    max: f64,
}

impl Route {
    pub(super) fn new((entry, summary): (RouteEntry, Summary)) -> Self {
        Self {
            route: entry.route,
            boundary: entry.boundary.as_str(),
            requests: entry.totals.queries.count(),
            queries: entry.totals.queries.queries(),
            database_seconds: entry.totals.database.seconds(),
            duration_seconds: entry.totals.duration.seconds(),
            p50: summary.p50,
            p90: summary.p90,
            p99: summary.p99,
            max: summary.max,
        }
    }
}

/// One statement.
#[derive(Serialize)]
pub(super) struct Statement {
    fingerprint: String,
    verb: &'static str,
    table: String,
    query: Arc<str>,
    calls: u64,
    errors: u64,
    rows: u64,
    total_seconds: f64,
    mean_seconds: f64,
    p50: f64,
    p90: f64,
    p99: f64,
    max: f64,
}

impl Statement {
    pub(super) fn new(entry: StatementEntry) -> Self {
        let durations = entry.totals.durations;
        let calls = durations.count();
        Self {
            fingerprint: entry.statement.fingerprint.to_string(),
            verb: entry.statement.facts.verb.as_str(),
            table: entry.statement.facts.table.to_string(),
            query: Arc::clone(&entry.statement.text),
            calls,
            errors: entry.totals.errors,
            rows: entry.totals.rows,
            total_seconds: durations.seconds(),
            mean_seconds: durations.seconds() / calls.max(1) as f64,
            p50: entry.summary.p50,
            p90: entry.summary.p90,
            p99: entry.summary.p99,
            max: entry.summary.max,
        }
    }
}

/// One open session.
#[derive(Serialize)]
pub(super) struct Session {
    id: u64,
    client: Arc<str>,
    database: Arc<str>,
    user: Arc<str>,
    application: Arc<str>,
    status: &'static str,
    since: String,
    queries: u64,
    cancel_requests: u64,
    blind: Option<&'static str>,
}

impl Session {
    pub(super) fn new(session: SessionInfo, state: &AdminState) -> Self {
        Self {
            id: session.id,
            client: session.client,
            database: session.database,
            user: session.user,
            application: session.application,
            status: session.status,
            since: state.time(session.since),
            queries: session.queries,
            cancel_requests: session.cancel_requests,
            blind: session.blind,
        }
    }
}

/// How one class of clients is told apart.
#[derive(Serialize)]
pub(super) struct Boundary {
    client: Arc<str>,
    database: Arc<str>,
    mode: &'static str,
    confidence: &'static str,
    requests: BTreeMap<&'static str, u64>,
    hint: Arc<str>,
}

impl Boundary {
    pub(super) fn new(class: BoundaryInfo) -> Self {
        Self {
            client: class.client,
            database: class.database,
            mode: class.mode,
            confidence: class.confidence,
            requests: class.requests.into_iter().collect(),
            hint: class.hint,
        }
    }
}
