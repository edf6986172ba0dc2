//! What the edges may ask for.

use super::finding::FindingEntry;
use super::histogram::Summary;
use super::recent::RecentRequest;
use super::requests::RouteEntry;
use super::statements::StatementEntry;
use super::{Snapshot, Traffic};
use crate::session::At;
use std::sync::Arc;

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
}

impl Default for Filter {
    fn default() -> Self {
        Self {
            limit: usize::MAX,
            since: None,
            database: None,
            route: None,
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
    /// The last requests, newest first.
    fn requests(&self, filter: &Filter) -> Vec<RecentRequest>;
    /// Routes, those with most time in the database first.
    fn routes(&self, filter: &Filter) -> Vec<(RouteEntry, Summary)>;
    /// Statements, those with most time first.
    fn statements(&self, filter: &Filter) -> Vec<StatementEntry>;
    /// Open sessions.
    fn sessions(&self) -> Vec<SessionInfo>;
    /// How requests are told apart, by class of clients.
    fn boundaries(&self) -> Vec<BoundaryInfo>;
    /// The totals of the relay.
    fn traffic(&self) -> &Traffic;
}
