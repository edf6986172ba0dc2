//! What the edges may ask for.

use super::finding::FindingEntry;
use super::histogram::Summary;
use super::overview::Overview;
use super::recent::RecentRequest;
use super::requests::RouteEntry;
use super::statements::{StatementDetail, StatementEntry};
use super::{Snapshot, Traffic};
use crate::session::At;
use crate::sql::{Fingerprint, Statement};
use std::sync::Arc;

/// What a list of requests begins with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Order {
    /// The newest.
    #[default]
    Recent,
    /// The slowest of each route.
    Slowest,
    /// Those with most queries, one a route.
    Queries,
}

impl Order {
    /// All orders with their names in the API.
    pub const ALL: [(&'static str, Self); 3] = [
        ("recent", Self::Recent),
        ("slowest", Self::Slowest),
        ("queries", Self::Queries),
    ];
}

/// What a list of statements begins with: those that have most of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum StatementOrder {
    /// Time of all queries.
    #[default]
    Total,
    /// Queries.
    Calls,
    /// Time of a query.
    Mean,
    /// The 99th percentile of that.
    P99,
    /// The longest query.
    Max,
    /// Rows of all queries.
    Rows,
}

impl StatementOrder {
    /// All orders with their names in the API.
    pub const ALL: [(&'static str, Self); 6] = [
        ("total", Self::Total),
        ("calls", Self::Calls),
        ("mean", Self::Mean),
        ("p99", Self::P99),
        ("max", Self::Max),
        ("rows", Self::Rows),
    ];
}

/// Which entries of a list, and how many.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Filter {
    /// At most so many; without a limit all that the bounded table holds.
    pub limit: usize,
    /// Only what was seen at or after this moment.
    pub since: Option<At>,
    /// Only of this database.
    pub database: Option<String>,
    /// Only of this route.
    pub route: Option<String>,
    /// Of requests only: what comes first.
    pub order: Order,
    /// Of statements only: what comes first.
    pub statement_order: StatementOrder,
}

impl Default for Filter {
    fn default() -> Self {
        Self {
            limit: usize::MAX,
            since: None,
            database: None,
            route: None,
            order: Order::default(),
            statement_order: StatementOrder::default(),
        }
    }
}

impl Filter {
    /// Whether a route passes.
    pub(super) fn has_route(&self, route: &str) -> bool {
        self.route.as_deref().is_none_or(|wanted| wanted == route)
    }
}

/// An open session.
#[derive(Clone, PartialEq, Debug)]
pub struct SessionInfo {
    /// Number of the connection since the start.
    pub id: u64,
    /// Address of the client.
    pub client: Arc<str>,
    /// Database, or empty before the startup packet.
    pub database: Arc<str>,
    /// Role name, or empty before the startup packet.
    pub user: Arc<str>,
    /// `application_name`, or empty.
    pub application: Arc<str>,
    /// What it does, in a word: `startup`, `idle`, `active`, `idle in transaction`…
    pub status: &'static str,
    /// When it was accepted.
    pub since: At,
    /// Queries so far.
    pub queries: u64,
    /// CancelRequests that named it.
    pub cancel_requests: u64,
    /// Why it is no longer decoded, where that is so.
    pub blind: Option<&'static str>,
}

/// How the requests of one class of clients are told apart.
#[derive(Clone, PartialEq, Debug)]
pub struct BoundaryInfo {
    /// The class: address, user, database and application name as one text.
    pub client: Arc<str>,
    /// Its database.
    pub database: Arc<str>,
    /// The boundary in use.
    pub mode: &'static str,
    /// How far counts per request may be trusted.
    pub confidence: &'static str,
    /// Requests so far by boundary.
    pub requests: Vec<(&'static str, u64)>,
    /// What to change in Django for better boundaries, or empty.
    pub hint: Arc<str>,
}

/// The totals behind the edges: implemented by the profiler, used by metrics, API, page and report.
///
/// Each call may take the profiler's lock for a short time; none waits for anything else.
pub trait Source: Send + Sync {
    /// All totals at one moment.
    fn snapshot(&self) -> Snapshot;
    /// Causes, worst first.
    fn findings(&self, filter: &Filter) -> Vec<FindingEntry>;
    /// The last requests, newest first, or the worst of each route.
    fn requests(&self, filter: &Filter) -> Vec<RecentRequest>;
    /// The request of this number, where it is still kept.
    fn request(&self, id: u64) -> Option<RecentRequest>;
    /// Routes, those with most time in the database first.
    fn routes(&self, filter: &Filter) -> Vec<(RouteEntry, Summary)>;
    /// Statements in the order of the filter.
    fn statements(&self, filter: &Filter) -> Vec<StatementEntry>;
    /// The statement of this fingerprint with all that is known of it, where it has a row.
    fn statement_entry(&self, fingerprint: Fingerprint) -> Option<StatementDetail>;
    /// Statements of these fingerprints, as far as they have a row.
    fn texts(&self, fingerprints: &[Fingerprint]) -> Vec<Option<Arc<Statement>>>;
    /// Sums of all totals: cheaper than a snapshot.
    fn overview(&self) -> Overview;
    /// Open sessions.
    fn sessions(&self) -> Vec<SessionInfo>;
    /// How requests are told apart, by class of clients.
    fn boundaries(&self) -> Vec<BoundaryInfo>;
    /// The totals of the relay.
    fn traffic(&self) -> &Traffic;
}
