//! What a scrape gets: a copy of all totals.

use super::finding::{FindingEntry, FindingTotals};
use super::histogram::Durations;
use super::queries::{PairRow, VerbRow};
use super::requests::RouteEntry;
use super::sqlstates::ErrorRow;
use super::statements::StatementTotals;
use super::words::Table;
use crate::session::BlindReason;
use crate::sql::Statement;
use std::sync::Arc;

/// All reasons for blindness, in the order of their discriminants.
pub(super) const BLIND_REASONS: [BlindReason; 7] = [
    BlindReason::Encrypted,
    BlindReason::Gss,
    BlindReason::Startup,
    BlindReason::Framing,
    BlindReason::Pairing,
    BlindReason::Panic,
    BlindReason::Off,
];

/// How a transaction ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(usize)]
pub enum TransactionOutcome {
    /// COMMIT.
    Commit,
    /// ROLLBACK, or a COMMIT of a failed transaction.
    Rollback,
    /// The connection ended before it.
    Lost,
}

impl TransactionOutcome {
    /// All outcomes, in the order of their discriminants.
    pub const ALL: [Self; 3] = [Self::Commit, Self::Rollback, Self::Lost];

    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Rollback => "rollback",
            Self::Lost => "lost",
        }
    }
}

/// Times of one database.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DatabaseRow {
    /// From accept to the first ReadyForQuery.
    pub setup: Durations,
    /// Transactions by outcome; their number is the number of transactions.
    pub transactions: [Durations; 3],
    /// Time idle in a transaction by outcome of the transaction.
    pub idle: [Durations; 3],
    /// Batches by their time.
    pub batches: Durations,
    /// In which requests let the server wait, ns.
    pub think_nanos: u64,
    /// CancelRequests for its sessions.
    pub cancel_requests: u64,
    /// Requests that were nothing but health checks.
    pub health_checks: u64,
}

/// A copy of all totals at one moment, without quantiles.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Names of databases; the first is `other`.
    pub databases: Vec<Arc<str>>,
    /// Names of users; the first is `other`.
    pub users: Vec<Arc<str>>,
    /// Times by database, in the order of `databases`; may be shorter.
    pub database_rows: Vec<DatabaseRow>,
    /// Queries by database and user.
    pub pairs: Vec<PairRow>,
    /// Times and rows by database and verb.
    pub verbs: Vec<VerbRow>,
    /// Errors by database and SQLSTATE.
    pub errors: Vec<ErrorRow>,
    /// Statements that have a row.
    pub statements: Vec<(Arc<Statement>, StatementTotals)>,
    /// The others.
    pub other_statements: StatementTotals,
    /// Routes, `other` among them.
    pub routes: Vec<RouteEntry>,
    /// Causes that have an entry.
    pub findings: Vec<FindingEntry>,
    /// The others.
    pub other_findings: FindingTotals,
    /// Sessions that went blind, by reason.
    pub blind: Vec<(&'static str, u64)>,
    /// What could not be told, by reason.
    pub dropped: Vec<(&'static str, u64)>,
    /// Sizes of the bounded tables.
    pub tables: Vec<Table>,
}
