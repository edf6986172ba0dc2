//! One finding, and the entry that findings of one cause fold into.

use super::label::{FIX_BYTES, LABEL_BYTES, QUERY_BYTES, bounded, bounded_arc};
use super::names::DatabaseSet;
use crate::finding::{Evidence, Finding, Severity};
use crate::request::{Boundary, Request};
use crate::session::At;
use crate::sql::Fingerprint;
use std::sync::Arc;

/// The detector whose findings are `n_plus_one_total` too.
const N_PLUS_ONE: &str = "n_plus_one";

/// The detector whose findings are `slow_queries_total` too.
const SLOW_QUERY: &str = "slow_query";

/// One finding in one request. Texts are copied, and cut to the bounds of labels, only where the cause is new or
/// better known than before.
#[derive(Clone, Copy, Debug)]
pub struct FindingRow<'a> {
    /// Name of the detector.
    pub detector: &'static str,
    /// Kind within the detector, or empty.
    pub kind: &'static str,
    /// How bad.
    pub severity: Severity,
    /// How sure.
    pub evidence: Evidence,
    /// Database of the request.
    pub database: &'a str,
    /// Route of the request, or `-` for a finding of the deployment.
    pub route: &'a Arc<str>,
    /// How the request's limits were found.
    pub boundary: Boundary,
    /// The accused statement, where there is one.
    pub fingerprint: Option<Fingerprint>,
    /// Parent as people name it, or empty.
    pub parent: &'a str,
    /// The parent statement, where there is one.
    pub parent_fingerprint: Option<Fingerprint>,
    /// Relation, or empty.
    pub relation: &'a str,
    /// What to write, in Django's words.
    pub fix: &'a str,
    /// Normalised text of the accused statement, or empty.
    pub query: &'a Arc<str>,
    /// The line of code that the accused statement came from, or empty.
    pub callsite: &'a str,
    /// Queries concerned in this request.
    pub count: u32,
    /// What it cost in this request, seconds.
    pub wasted_seconds: f64,
    /// When the request closed.
    pub at: At,
}

impl<'a> FindingRow<'a> {
    /// What a detector found in a request.
    pub fn new(finding: &'a Finding, request: &'a Request) -> Self {
        let accused = finding.cause.fingerprint;
        Self {
            boundary: request.boundary,
            callsite: accused.map_or("", |accused| request.callsite(accused)),
            ..Self::of_deployment(finding, &request.database, request.closed)
        }
    }
}

impl<'a> FindingRow<'a> {
    /// What was found of a deployment, with its database and when.
    pub fn of_deployment(finding: &'a Finding, database: &'a str, at: At) -> Self {
        Self {
            detector: finding.cause.detector,
            kind: finding.kind,
            severity: finding.severity,
            evidence: finding.evidence,
            database,
            route: &finding.cause.route,
            boundary: Boundary::None,
            fingerprint: finding.cause.fingerprint,
            parent: &finding.parent,
            parent_fingerprint: finding.cause.parent,
            relation: &finding.relation,
            fix: &finding.fix,
            query: &finding.query,
            callsite: "",
            count: finding.count,
            wasted_seconds: finding.wasted_seconds,
            at,
        }
    }
}

/// One cause, as the API shows it and as a snapshot carries it.
#[derive(Clone, Debug)]
pub struct FindingEntry {
    /// Name of the detector.
    pub detector: &'static str,
    /// Kind within the detector, or empty.
    pub kind: &'static str,
    /// The worst so far.
    pub severity: Severity,
    /// The surest so far.
    pub evidence: Evidence,
    /// Route, or `-`.
    pub route: Arc<str>,
    /// How the limits of the last request were found.
    pub boundary: Boundary,
    /// The accused statement, where there is one.
    pub fingerprint: Option<Fingerprint>,
    /// Parent as people name it, or empty.
    pub parent: Arc<str>,
    /// The parent statement, where there is one.
    pub parent_fingerprint: Option<Fingerprint>,
    /// Relation, or empty.
    pub relation: Arc<str>,
    /// What to write, in Django's words.
    pub fix: Arc<str>,
    /// Normalised text, at most 1 KiB, or empty.
    pub query: Arc<str>,
    /// The line of code of the accused statement (`app/views.py:42`) in the last request whose comments named one, or
    /// empty.
    pub callsite: Arc<str>,
    /// The database of the last request.
    pub database: Arc<str>,
    /// Queries concerned, all requests together.
    pub count: u64,
    /// Requests in which the cause held.
    pub requests: u64,
    /// What it cost, all requests together, seconds.
    pub wasted_seconds: f64,
    /// The first time.
    pub first_seen: At,
    /// The last time.
    pub last_seen: At,
    /// Requests by severity.
    pub by_severity: [u64; 3],
    /// Requests since kind, parent, relation and fix are what they are; those before are in
    /// [`FindingTotals::n_plus_one`].
    pub labelled: u64,
    pub(super) databases: DatabaseSet,
}

impl FindingEntry {
    /// The entry of a new cause, nothing folded in yet.
    pub(super) fn new(row: &FindingRow<'_>, route: Arc<str>) -> Self {
        Self {
            detector: row.detector,
            kind: row.kind,
            severity: row.severity,
            evidence: row.evidence,
            route,
            boundary: row.boundary,
            fingerprint: row.fingerprint,
            parent: bounded(row.parent, LABEL_BYTES).into(),
            parent_fingerprint: row.parent_fingerprint,
            relation: bounded(row.relation, LABEL_BYTES).into(),
            fix: bounded(row.fix, FIX_BYTES).into(),
            query: bounded_arc(row.query, QUERY_BYTES),
            callsite: "".into(),
            database: bounded(row.database, LABEL_BYTES).into(),
            count: 0,
            requests: 0,
            wasted_seconds: 0.0,
            first_seen: row.at,
            last_seen: row.at,
            by_severity: [0; 3],
            labelled: 0,
            databases: DatabaseSet::default(),
        }
    }

    /// Takes the words of a surer finding.
    pub(super) fn describe(&mut self, row: &FindingRow<'_>) {
        self.kind = row.kind;
        self.evidence = row.evidence;
        self.parent = bounded(row.parent, LABEL_BYTES).into();
        self.relation = bounded(row.relation, LABEL_BYTES).into();
        self.fix = bounded(row.fix, FIX_BYTES).into();
        self.query = bounded_arc(row.query, QUERY_BYTES);
    }

    /// Adds one request.
    pub(super) fn fold(&mut self, row: &FindingRow<'_>, database: u16) {
        self.severity = self.severity.max(row.severity);
        self.boundary = row.boundary;
        if !row.callsite.is_empty() && *self.callsite != *row.callsite {
            self.callsite = bounded(row.callsite, LABEL_BYTES).into();
        }
        if *self.database != *row.database {
            self.database = bounded(row.database, LABEL_BYTES).into();
        }
        self.count += u64::from(row.count);
        self.requests += 1;
        self.labelled += 1;
        self.by_severity[row.severity as usize] += 1;
        // Anything else would make a counter fall or stop.
        if row.wasted_seconds.is_finite() && row.wasted_seconds > 0.0 {
            self.wasted_seconds += row.wasted_seconds;
        }
        self.first_seen = self.first_seen.min(row.at);
        self.last_seen = self.last_seen.max(row.at);
        self.databases.insert(database);
    }

    /// A finding of a request that was counted while it was open has grown since by so many queries and seconds.
    pub(super) fn grow(&mut self, row: &FindingRow<'_>, queries: u32, seconds: f64) {
        self.boundary = row.boundary;
        self.count += u64::from(queries);
        if seconds.is_finite() && seconds > 0.0 {
            self.wasted_seconds += seconds;
        }
        self.last_seen = self.last_seen.max(row.at);
    }

    /// Counts for `n_plus_one_total`.
    pub fn is_n_plus_one(&self) -> bool {
        self.detector == N_PLUS_ONE
    }

    /// Counts for `slow_queries_total`.
    pub fn is_slow_query(&self) -> bool {
        self.detector == SLOW_QUERY
    }
}

/// What causes without an entry left behind.
#[derive(Clone, Debug, Default)]
pub struct FindingTotals {
    /// By detector: requests by severity.
    pub by_detector: Vec<(&'static str, [u64; 3])>,
    /// Requests with an N+1.
    pub n_plus_one: u64,
    /// What those cost, seconds.
    pub n_plus_one_wasted_seconds: f64,
    /// Slow queries.
    pub slow_queries: u64,
}
