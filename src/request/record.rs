//! A request as detectors and statistics see it.

use super::callsites::Callsites;
use super::foreign_keys::ForeignKeys;
use super::streams::Streams;
use crate::session::{At, RowShape, SqlState, Widest};
use crate::sql::{Fingerprint, Statement};
use std::sync::Arc;

/// How a request's limits were found, best first.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub enum Boundary {
    /// A traceparent or request id in a comment.
    Trace,
    /// One connection, one request.
    Connection,
    /// Django's `SELECT 1` health check.
    Probe,
    /// The empty query of Django's native pool.
    PoolCheck,
    /// `DISCARD ALL` of a pooler.
    Discard,
    /// The route comment changed.
    Route,
    /// One transaction, one request (`ATOMIC_REQUESTS`).
    Transaction,
    /// A statement that opens requests, such as the session's.
    Anchor,
    /// Idle time.
    Gap,
    /// Nothing.
    #[default]
    None,
}

impl Boundary {
    /// All, best first, in the order of their discriminants.
    pub const ALL: [Self; 10] = [
        Self::Trace,
        Self::Connection,
        Self::Probe,
        Self::PoolCheck,
        Self::Discard,
        Self::Route,
        Self::Transaction,
        Self::Anchor,
        Self::Gap,
        Self::None,
    ];

    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Connection => "connection",
            Self::Probe => "probe",
            Self::PoolCheck => "pool_check",
            Self::Discard => "discard",
            Self::Route => "route",
            Self::Transaction => "transaction",
            Self::Anchor => "anchor",
            Self::Gap => "gap",
            Self::None => "none",
        }
    }

    /// How far counts per request may be trusted.
    pub fn confidence(self) -> Confidence {
        match self {
            Self::Trace | Self::Connection => Confidence::Exact,
            Self::Probe | Self::PoolCheck | Self::Discard => Confidence::High,
            Self::Route | Self::Transaction | Self::Anchor => Confidence::Medium,
            Self::Gap | Self::None => Confidence::Low,
        }
    }
}

/// Trust in a boundary; greater is better.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Confidence {
    /// A guess.
    Low,
    /// Usually right.
    Medium,
    /// Right but for rare, known cases.
    High,
    /// Right.
    Exact,
}

impl Confidence {
    /// The word for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Exact => "exact",
        }
    }
}

/// Most bytes of the names of silenced detectors that a group keeps.
const MAX_IGNORE: usize = 128;

/// All queries of one statement in one request.
#[derive(Clone, Debug)]
pub struct Group {
    /// The statement.
    pub statement: Arc<Statement>,
    /// Queries.
    pub calls: u32,
    /// Sum of their durations, ns.
    pub nanos: u64,
    /// The longest, ns, without the time for which the client kept it from being delivered.
    pub max_nanos: u64,
    /// Rows.
    pub rows: u64,
    /// Queries that failed.
    pub errors: u32,
    /// Queries at or above the slow-query threshold, client stall taken off.
    pub slow: u32,
    /// Of its result with the most bytes, the columns and the one that takes most room.
    pub widest: Option<(Arc<RowShape>, Widest)>,
    /// Detectors that comments of its queries silence (`pgscope:ignore=a,b`), joined by commas; at most 128 bytes.
    pub ignore: String,
}

impl Group {
    /// A statement that has not run yet.
    pub fn new(statement: Arc<Statement>) -> Self {
        Self {
            statement,
            calls: 0,
            nanos: 0,
            max_nanos: 0,
            rows: 0,
            errors: 0,
            slow: 0,
            widest: None,
            ignore: String::new(),
        }
    }

    /// Whether a comment of one of its queries silences this detector, by name or by `*`.
    pub fn silences(&self, detector: &str) -> bool {
        self.names(detector) || self.names("*")
    }

    /// Whether a comment of one of its queries names this detector.
    pub fn names(&self, detector: &str) -> bool {
        !self.ignore.is_empty() && self.ignore.split(',').any(|name| name == detector)
    }

    /// Remembers the detectors that a comment silences.
    pub(super) fn ignore(&mut self, detectors: &str) {
        for name in detectors.split(',') {
            if !self.names(name) && self.ignore.len() + name.len() < MAX_IGNORE {
                if !self.ignore.is_empty() {
                    self.ignore.push(',');
                }
                self.ignore.push_str(name);
            }
        }
    }
}

/// One query of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Entry {
    /// Index into the groups.
    pub group: u16,
    /// The line of code that it came from, a number of [`Request::callsites`]; 0 where its comment names none.
    pub callsite: u16,
    /// Members of its largest IN list.
    pub in_arity: u32,
    /// Hash of its literals.
    pub literals: u64,
    /// Start.
    pub started: At,
    /// Duration, ns.
    pub nanos: u64,
    /// Rows.
    pub rows: u32,
    /// Result bytes.
    pub bytes: u64,
    /// It failed.
    pub failed: bool,
    /// The code of its ErrorResponse.
    pub error: Option<SqlState>,
    /// It ran inside a transaction block.
    pub in_transaction: bool,
    /// The values that its equalities ask for, in the order of `Facts::equalities`, or that of its IN list where it
    /// has none; hashes as in [`crate::sql::value`] cut to 32 bits, 0 where unknown.
    pub keys: [u32; Entry::KEYS],
    /// Hash of its rows, as far as the first 64 KiB; 0 without rows.
    pub digest: u64,
    /// Hash of [`crate::sql::Part::loose`] and its literals: equal for a `COUNT(*)` and the SELECT of the same rows.
    pub loose: u64,
    /// Hash of the literals before the WHERE of an UPDATE; 0 where they are bound, or for other statements.
    pub set_literals: u32,
    /// Value of its OFFSET; 0 without one.
    pub offset: u32,
    /// Rows of its VALUES; 0 without.
    pub values_rows: u32,
    /// A ROLLBACK of any kind stands between this query and the one before.
    pub after_rollback: bool,
}

impl Entry {
    /// Keys of a query that are kept.
    pub const KEYS: usize = 4;
}

/// A transaction block of a request that has ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Transaction {
    /// BEGIN was sent.
    pub began: At,
    /// It ended.
    pub ended: At,
    /// How long the server waited in it for the client, all waits together, ns.
    pub idle: u64,
    /// The longest such wait, ns.
    pub longest_idle: u64,
    /// Queries in it, BEGIN and its end not counted.
    pub queries: u32,
    /// It was committed.
    pub committed: bool,
}

/// What kind of unit it was, as its comments tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Kind {
    /// An HTTP request, or nothing said otherwise.
    #[default]
    Http,
    /// A task, job or management command.
    Task,
}

/// A request: closed, or as far as it has come.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Database.
    pub database: Arc<str>,
    /// Route of its comments, or `~table,table`.
    pub route: Arc<str>,
    /// View name of its comments, or empty.
    pub controller: Arc<str>,
    /// How its limits were found.
    pub boundary: Boundary,
    /// HTTP or not.
    pub kind: Kind,
    /// First byte of its first statement.
    pub opened: At,
    /// Last ReadyForQuery.
    pub closed: At,
    /// Data queries, also those that found no place in `entries`.
    pub queries: u32,
    /// Sum of their durations, ns.
    pub nanos: u64,
    /// In which the server owed nothing and waited for the next query, ns.
    pub think_nanos: u64,
    /// One row a statement, in order of first appearance; at most `request.max_statements`.
    pub groups: Vec<Group>,
    /// The data queries in order; at most `request.max_queries`.
    pub entries: Vec<Entry>,
    /// Queries left out of `groups` because it was full.
    pub ungrouped: u32,
    /// The values of its results, as far as they are kept.
    pub streams: Streams,
    /// Transaction blocks that ended in it, at most 100.
    pub transactions: Vec<Transaction>,
    /// The foreign keys of its database, where the server was asked for them.
    pub foreign_keys: Option<Arc<ForeignKeys>>,
    /// The lines of code that its queries came from.
    pub callsites: Callsites,
}

impl Request {
    /// The group of a statement.
    pub fn group(&self, fingerprint: Fingerprint) -> Option<&Group> {
        self.groups
            .iter()
            .find(|group| group.statement.fingerprint == fingerprint)
    }

    /// The line of code that most queries of a statement came from (`app/views.py:42`), or the empty text.
    pub fn callsite(&self, fingerprint: Fingerprint) -> &str {
        let group = self
            .groups
            .iter()
            .position(|group| group.statement.fingerprint == fingerprint);
        let Some(group) = group.and_then(|group| u16::try_from(group).ok()) else {
            return "";
        };
        let entries = self.entries.iter().filter(|entry| entry.group == group);
        self.callsites.most(entries.map(|entry| entry.callsite))
    }
}
