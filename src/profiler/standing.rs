//! Where a session stands, as others may see it.

use crate::session::TransactionStatus;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// What each ReadyForQuery changes. The session and the table of open sessions both have it, so that no query searches
/// that table. Both come to it under the profiler's lock: the atomics are there for its two owners, and order nothing.
#[derive(Debug, Default)]
pub(super) struct Standing {
    queries: AtomicU64,
    /// Index into [`WORDS`].
    status: AtomicU8,
}

const WORDS: [&str; 4] = ["startup", "idle", "in transaction", "in failed transaction"];

impl Standing {
    /// ReadyForQuery, after so many queries.
    pub fn ready(&self, queries: u64, status: TransactionStatus) {
        let status = match status {
            TransactionStatus::Idle => 1,
            TransactionStatus::InTransaction => 2,
            TransactionStatus::Failed => 3,
        };
        self.queries.store(queries, Ordering::Relaxed);
        self.status.store(status, Ordering::Relaxed);
    }

    /// Queries so far.
    pub fn queries(&self) -> u64 {
        self.queries.load(Ordering::Relaxed)
    }

    /// In a word; `startup` before the first ReadyForQuery.
    pub fn status(&self) -> &'static str {
        let status = usize::from(self.status.load(Ordering::Relaxed));
        WORDS.get(status).copied().unwrap_or_default()
    }
}
