//! A transaction block that is open on a connection.

use crate::session::At;
use crate::stats::{SessionKey, Stats, TransactionOutcome};

#[derive(Clone, Copy)]
pub(super) struct Transaction {
    pub began: At,
    /// Nanoseconds without a query.
    pub idle: u64,
}

impl Transaction {
    /// Counts it at its end.
    pub fn end(self, outcome: TransactionOutcome, at: At, key: SessionKey, stats: &mut Stats) {
        stats.transaction(key, outcome, at.since(self.began));
        stats.idle_in_transaction(key, outcome, self.idle);
    }
}
