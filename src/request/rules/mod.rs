//! The ladder: signs that a new request begins, best first, one file a rule.
//!
//! A connection never interleaves two requests (Django binds a connection to one thread or task, and a
//! pool's checkout is exclusive), so that each rule only has to say where one ends and the next begins.

mod anchor;
mod connection;
mod discard;
mod gap;
mod none;
mod pool_check;
mod probe;
mod route;
mod trace;
mod transaction;

pub use gap::Gaps;

use super::class::Class;
use super::record::Boundary;
use super::unit::Unit;
use crate::sql::Statement;

/// What a statement means to the ladder.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sign {
    /// `SELECT 1` outside a transaction.
    Probe,
    /// The empty query outside a transaction.
    PoolCheck,
    /// `DISCARD ALL`.
    DiscardAll,
    /// `BEGIN` outside a transaction.
    Begin,
    /// A data statement.
    Data,
    /// Anything else.
    Other,
}

/// A trace or request id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum TraceKey {
    /// Trace id alone: the driver makes a span of each query.
    Trace(u128),
    /// Trace and span id of the request itself.
    Span(u128, u64),
    /// Hash of a `request_id`.
    Request(u64),
}

impl TraceKey {
    /// Whether both belong to one request. Where only one of them knows the request's span, the trace decides.
    pub fn same_request(self, other: Self) -> bool {
        match (self, other) {
            (Self::Trace(a), Self::Trace(b) | Self::Span(b, _))
            | (Self::Span(a, _), Self::Trace(b)) => a == b,
            (a, b) => a == b,
        }
    }

    /// Of two keys of one request, the one that says more.
    pub fn better(self, other: Self) -> Self {
        if matches!(other, Self::Span(..)) {
            other
        } else {
            self
        }
    }
}

/// One statement as the rules see it.
pub(super) struct Seen<'a> {
    pub sign: Sign,
    pub statement: Option<&'a Statement>,
    /// The session was outside a transaction block when it was sent.
    pub idle: bool,
    /// It is the first data statement after BEGIN.
    pub opens_transaction: bool,
    /// Since the last ReadyForQuery, nanoseconds; 0 where none was awaited.
    pub pause: u64,
    pub trace: Option<TraceKey>,
    /// Route of its comment, or empty.
    pub route: &'a str,
    /// Its comment is of what runs outside requests.
    pub outside: bool,
}

/// The connection so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Connection {
    /// Requests closed on it.
    pub requests: u64,
    /// It has served more than one request.
    pub shared: bool,
    /// Pauses of at least `request.idle_close` outside transactions.
    pub pauses: u32,
    /// Pauses of at least `request.gap` outside transactions.
    pub breaks: u32,
}

/// All that a rule may look at.
pub(super) struct View<'a> {
    pub seen: &'a Seen<'a>,
    pub open: &'a Unit,
    pub connection: Connection,
    pub class: &'a Class,
    /// What announces requests of the class.
    pub announced: Option<Boundary>,
    /// `request.gap`, nanoseconds.
    pub gap: u64,
    /// How long the open request has lasted, nanoseconds.
    pub age: u64,
}

impl View<'_> {
    /// Weak signs count only where connections are shared and nothing better announces requests.
    fn weak_signs_count(&self) -> bool {
        self.seen.idle && self.open.trace.is_none() && self.announced.is_none()
    }

    /// The connection has lived so long, with so many pauses, that it can hardly be one request. A view may call a
    /// slow service several times, and a command may wait between its rounds: pauses alone show nothing.
    fn pauses_too_often(&self) -> bool {
        self.age >= WINDOW && self.connection.pauses >= PAUSES
    }
}

/// What a rule decides.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// A new request begins with this statement.
    Begin(Boundary),
    /// The open request has ended; the statement belongs to none.
    End(Boundary),
    /// The statement belongs to the open request, whatever the rules below would say.
    Keep,
}

/// Pauses of at least `request.idle_close` after which idle time is taken to part requests on a connection of
/// unknown use: a single slow call to another service is no second request.
const PAUSES: u32 = 3;

/// The same for pauses of at least `request.gap`.
const BREAKS: u32 = 10;

/// Longest request where nothing tells requests apart, nanoseconds.
const WINDOW: u64 = 60_000_000_000;

/// Asks the rules, best first; the first that decides is heard.
pub(super) fn judge(view: &View<'_>) -> Option<Verdict> {
    (trace::check(view))
        .or_else(|| probe::check(view))
        .or_else(|| pool_check::check(view))
        .or_else(|| discard::check(view))
        .or_else(|| connection::check(view))
        .or_else(|| route::check(view))
        .or_else(|| transaction::check(view))
        .or_else(|| anchor::check(view))
        .or_else(|| gap::check(view))
        .or_else(|| none::check(view))
}

pub(super) use anchor::is_anchor;
