//! A transaction block that is open on a connection.

use crate::request::{self, Tracker};
use crate::session::At;
use crate::stats::{SessionKey, Stats, TransactionOutcome};

#[derive(Clone, Copy)]
pub(super) struct Transaction {
    began: At,
    /// Nanoseconds without a query, and the longest wait of them.
    idle: u64,
    longest_idle: u64,
    queries: u32,
}

impl Transaction {
    /// Just begun.
    pub fn begun(at: At) -> Self {
        Self {
            began: at,
            idle: 0,
            longest_idle: 0,
            queries: 0,
        }
    }

    /// A query ended before which the server had waited for `idle` nanoseconds.
    pub fn query(&mut self, idle: u64, is_end: bool) {
        self.idle += idle;
        self.longest_idle = self.longest_idle.max(idle);
        self.queries += u32::from(!is_end);
    }

    /// Counts it at its end, and tells the request that it was part of.
    pub fn end(
        self,
        outcome: TransactionOutcome,
        at: At,
        key: SessionKey,
        tracker: &mut Tracker,
        stats: &mut Stats,
    ) {
        stats.transaction(key, outcome, at.since(self.began));
        stats.idle_in_transaction(key, outcome, self.idle);
        tracker.transaction_ended(request::Transaction {
            began: self.began,
            ended: at,
            idle: self.idle,
            longest_idle: self.longest_idle,
            queries: self.queries,
            committed: outcome == TransactionOutcome::Commit,
        });
    }
}
