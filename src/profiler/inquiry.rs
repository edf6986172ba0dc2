//! What a side connection may ask about, and where its answers go.

use super::notice::notice;
use super::{Profiler, Shared};
use crate::detect::{Explained, Observed, What};
use crate::request::ForeignKeys;
use crate::session::At;
use crate::sql::{Fingerprint, Statement};
use crate::stats::{ExplainOutcome, Load};
use std::sync::Arc;

/// The profiler as a side connection sees it. Each call may take the profiler's lock for a short time.
pub trait Inquiry: Send + Sync {
    /// What each SELECT takes; a query is slow from `slow` nanoseconds.
    fn loads(&self, slow: u64) -> Vec<Load>;
    /// A statement that has a row, and the databases that it was seen in.
    fn statement(&self, fingerprint: Fingerprint) -> Option<(Arc<Statement>, Vec<Arc<str>>)>;
    /// The databases that clients were let into.
    fn databases(&self) -> Vec<Arc<str>>;
    /// The server explained a statement of a database.
    fn explained(&self, database: &str, explained: &Explained<'_>, at: At);
    /// The server listed the foreign keys of a database.
    fn foreign_keys(&self, database: &str, keys: ForeignKeys);
    /// The server's `max_connections`.
    fn max_connections(&self, database: &str, limit: u32, at: At);
    /// Counts what came of a question.
    fn count(&self, outcome: ExplainOutcome);
}

impl Profiler {
    fn notice(&self, what: What<'_>, database: &str, at: At) {
        let mut shared = self.lock();
        let Shared {
            stats, detectors, ..
        } = &mut *shared;
        notice(Observed::of_server(at, what), database, stats, detectors);
    }
}

impl Inquiry for Profiler {
    fn loads(&self, slow: u64) -> Vec<Load> {
        self.copy(|shared| shared.stats.loads(slow))
    }

    fn statement(&self, fingerprint: Fingerprint) -> Option<(Arc<Statement>, Vec<Arc<str>>)> {
        self.lock().stats.find(fingerprint)
    }

    fn databases(&self) -> Vec<Arc<str>> {
        let shared = self.lock();
        shared.stats.databases().map(|(_, name)| name).collect()
    }

    fn explained(&self, database: &str, explained: &Explained<'_>, at: At) {
        self.notice(What::Explained(explained), database, at);
    }

    fn foreign_keys(&self, database: &str, keys: ForeignKeys) {
        let keys = Arc::new(keys);
        self.lock().classes.set_foreign_keys(database, &keys);
    }

    fn max_connections(&self, database: &str, limit: u32, at: At) {
        self.notice(What::MaxConnections(limit), database, at);
    }

    fn count(&self, outcome: ExplainOutcome) {
        self.traffic.explained(outcome);
    }
}
