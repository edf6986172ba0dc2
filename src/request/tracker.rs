//! Attribution on one connection: which request each query belongs to.

use super::class::{Class, Usage};
use super::record::{Boundary, Request, Transaction};
use super::rules::{self, Connection, Seen, Sign, Verdict, View};
use super::settings::Settings;
use super::signs::{sign_of, trace_key};
use super::unit::Unit;
use crate::session::{At, Outcome, Query, TransactionStatus};
use crate::sql::{Class as Whose, Statement, Tags, comment};
use std::sync::Arc;

/// Pauses of at least `request.gap` after which a whole connection is no longer taken for one request, unless others of
/// its class have been: it may have served several, one after the other.
const DOUBTFUL: u32 = 3;

/// Told of each request as it closes.
pub type Closed<'c> = dyn FnMut(&Request) + 'c;

/// What attribution keeps of one connection.
#[derive(Debug)]
pub struct Tracker {
    unit: Unit,
    connection: Connection,
    last_ready: At,
    /// Most requests of the class are not opened by a known statement.
    doubts_anchors: bool,
    /// BEGIN was the last statement but for such as are no data.
    began: bool,
    /// Only now was it found that the connection serves request after request: what has been taken for one may be
    /// several.
    surprised: bool,
    /// The comment that `tags` was read from.
    comment: Vec<u8>,
    tags: Tags,
}

impl Tracker {
    /// A connection that has just been opened.
    pub fn new(database: Arc<str>) -> Self {
        Self {
            unit: Unit::new(Boundary::Connection, database),
            connection: Connection::default(),
            last_ready: At(0),
            doubts_anchors: false,
            began: false,
            surprised: false,
            comment: Vec::new(),
            tags: Tags::default(),
        }
    }

    /// Takes a query that ended. `slow`: at or above the threshold of the slow-query detector.
    pub fn observe(
        &mut self,
        query: &Query<'_>,
        statement: Option<&Arc<Statement>>,
        slow: bool,
        class: &mut Class,
        settings: &Settings,
        closed: &mut Closed<'_>,
    ) {
        let whose = statement.map_or(Whose::Data, |statement| statement.facts.class);
        let idle = query.status_before == TransactionStatus::Idle;
        let sign = sign_of(query, whose, idle);
        if !comment::same(query.comment, &self.comment) {
            self.comment.clear();
            self.comment.extend_from_slice(query.comment);
            self.tags.read(query.comment);
        }
        let pause = if idle && self.last_ready != At(0) {
            query.started.since(self.last_ready)
        } else {
            0
        };
        let had_queries = self.unit.request.queries > 0 || self.connection.requests > 0;
        if pause >= settings.gap.nanos() && had_queries {
            self.connection.breaks = self.connection.breaks.saturating_add(1);
            if matches!(sign, Sign::Data | Sign::Begin) {
                class.unannounced();
            }
        }
        if pause >= settings.idle_close.nanos() && had_queries {
            self.connection.pauses = self.connection.pauses.saturating_add(1);
        }
        if sign == Sign::Data
            && let Some(statement) = statement
            && (!had_queries || pause >= settings.gap.nanos())
        {
            let opener = class.is_opener(statement.fingerprint);
            class.begins(opener || rules::is_anchor(statement));
        }
        self.doubts_anchors = !class.trusts_anchors();
        let opens_transaction = sign == Sign::Data && self.began;
        let seen = Seen {
            sign,
            statement: statement.map(Arc::as_ref),
            idle,
            opens_transaction,
            pause,
            trace: trace_key(&self.tags),
            route: &self.tags.route,
            outside: self.tags.is_outside(),
        };
        let over = self.unit.ended_by.is_some() && matches!(sign, Sign::Data | Sign::Begin);
        let verdict = if over {
            None
        } else {
            let begun = self.unit.request.queries > 0;
            let view = View {
                seen: &seen,
                open: &self.unit,
                connection: self.connection,
                class,
                announced: class.announces(),
                gap: settings.gap.nanos(),
                age: if begun {
                    query.started.since(self.unit.request.opened)
                } else {
                    0
                },
            };
            rules::judge(&view)
        };
        let trace = seen.trace;
        if over {
            self.begin_after_end(class, closed);
        }
        self.act(verdict, class, closed);
        self.unit.waited(query);
        if verdict == Some(Verdict::Begin(Boundary::Transaction)) {
            self.unit.begins = 1;
        }
        if matches!(sign, Sign::Probe | Sign::PoolCheck | Sign::DiscardAll) {
            return;
        }
        self.note(query, statement, sign, whose, pause, class);
        if let Some(key) = trace {
            self.unit.trace = Some(self.unit.trace.map_or(key, |before| before.better(key)));
        }
        if !self.comment.is_empty() {
            self.unit.tags.merge(&self.tags);
        }
        if sign == Sign::Data && whose == Whose::Data {
            self.unit.add(query, statement, slow, settings, class);
            if !self.tags.callsite.is_empty() {
                self.unit.called_from(&self.tags.callsite);
            }
            if !self.tags.ignore.is_empty()
                && let Some(statement) = statement
            {
                self.unit.ignore(statement, &self.tags.ignore);
            }
        } else if whose == Whose::Cursor {
            self.unit.add_fetch(query, settings, class);
        }
    }

    fn act(&mut self, verdict: Option<Verdict>, class: &mut Class, closed: &mut Closed<'_>) {
        match verdict {
            None | Some(Verdict::Keep) => {}
            Some(Verdict::End(boundary)) => {
                self.unit.pending_error = false;
                if self.unit.request.queries == 0 {
                    self.unit.reset(after(boundary));
                } else {
                    self.unit.ended_by = Some(boundary);
                }
                if boundary == Boundary::Discard {
                    class.announced(boundary);
                }
            }
            Some(Verdict::Begin(boundary)) => {
                let fresh = self.connection.requests == 0 && self.unit.request.queries == 0;
                // A probe on a connection that has done nothing yet is some view's own `SELECT 1`.
                if fresh && boundary != Boundary::PoolCheck {
                    return;
                }
                class.announced(boundary);
                self.part(boundary, boundary, class, closed);
            }
        }
    }

    /// A statement follows the end of a request.
    fn begin_after_end(&mut self, class: &mut Class, closed: &mut Closed<'_>) {
        if let Some(boundary) = self.unit.ended_by {
            self.part(boundary, after(boundary), class, closed);
        }
    }

    /// Closes the open request, if it has queries, and opens the next.
    fn part(
        &mut self,
        found: Boundary,
        opened_by: Boundary,
        class: &mut Class,
        closed: &mut Closed<'_>,
    ) {
        if self.unit.request.queries > 0 {
            if !self.connection.shared {
                self.surprised = class.usage() != Usage::Persistent;
                self.connection.shared = true;
                class.connection(true);
            }
            self.close_unit(found, class, closed);
            self.surprised = false;
        }
        self.unit.reset(opened_by);
    }

    /// Keeps what later decisions rest on.
    fn note(
        &mut self,
        query: &Query<'_>,
        statement: Option<&Arc<Statement>>,
        sign: Sign,
        whose: Whose,
        pause: u64,
        class: &mut Class,
    ) {
        let ok = !matches!(query.outcome, Outcome::Error(_) | Outcome::Lost);
        match query.outcome {
            Outcome::Error(state) if !matches!(&state.0[..2], b"22" | b"23") => {
                self.unit.pending_error = true
            }
            _ if ok && matches!(whose, Whose::Commit | Whose::Rollback) => {
                self.unit.pending_error = false
            }
            _ => {}
        }
        match sign {
            Sign::Begin => {
                self.began = true;
                self.unit.begins += 1;
                class.transaction();
            }
            Sign::Data => {
                self.began = false;
                class.query(query.status_before != TransactionStatus::Idle);
                if let Some(statement) = statement {
                    class.opener(statement.fingerprint, pause > 200_000_000);
                }
            }
            _ => {}
        }
        let partial_rollback = whose == Whose::Savepoint
            && statement.is_some_and(|statement| statement.text.starts_with("ROLLBACK"));
        if whose == Whose::Rollback || partial_rollback {
            self.unit.rolled_back();
        }
        if pause > 0 {
            class.gaps.add(pause);
        }
    }

    /// Database of the connection.
    pub fn database(&self) -> &Arc<str> {
        &self.unit.request.database
    }

    /// A transaction block of the open request ended.
    pub fn transaction_ended(&mut self, transaction: Transaction) {
        self.unit.add_transaction(transaction);
    }

    /// ReadyForQuery.
    pub fn ready(&mut self, at: At) {
        self.last_ready = at;
    }

    /// Nothing has happened up to `at`, and the session is quiet and outside a transaction. Closes the open
    /// request if nothing on the wire will. Returns nanoseconds until it is worth asking again, if ever.
    pub fn idle(
        &mut self,
        at: At,
        class: &mut Class,
        settings: &Settings,
        closed: &mut Closed<'_>,
    ) -> Option<u64> {
        if self.unit.request.queries == 0 {
            return None;
        }
        let idle = at.since(self.last_ready);
        let limit = settings.idle_close.nanos();
        if idle < limit {
            return Some(limit - idle);
        }
        let per_request = !self.connection.shared && class.usage() != Usage::Persistent;
        if per_request && self.unit.ended_by.is_none() {
            return None;
        }
        let boundary = self
            .unit
            .ended_by
            .or(class.announces())
            .unwrap_or(Boundary::Gap);
        self.close_unit(boundary, class, closed);
        self.unit.reset(Boundary::Gap);
        None
    }

    /// The open request as far as it has come, where it has queries. A connection that has not ended may already have
    /// served several requests, so that only a better sign than its beginning is trusted.
    pub fn open_request(&mut self) -> Option<&Request> {
        if self.unit.request.queries == 0 {
            return None;
        }
        let boundary = match self.unit.ended_by.unwrap_or(self.unit.opened_by) {
            Boundary::Connection => Boundary::None,
            Boundary::Anchor if self.doubts_anchors => Boundary::None,
            boundary => boundary,
        };
        let boundary = if self.unit.trace.is_some() {
            Boundary::Trace
        } else {
            boundary
        };
        Some(self.unit.finalise(boundary, self.last_ready))
    }

    /// The connection ended.
    pub fn close(&mut self, class: &mut Class, closed: &mut Closed<'_>) {
        let used = self.unit.request.queries > 0 || self.connection.requests > 0;
        let doubtful = class.usage() != Usage::PerRequest && self.connection.breaks >= DOUBTFUL;
        if used && !self.connection.shared {
            class.connection(false);
        }
        let only = self.connection.requests == 0;
        let boundary = if only && doubtful {
            Boundary::None
        } else if only {
            Boundary::Connection
        } else {
            self.unit.ended_by.unwrap_or(Boundary::Gap)
        };
        self.close_unit(boundary, class, closed);
    }

    /// `found` is what ended it; what began it says more, unless that was only the connection's start.
    fn close_unit(&mut self, found: Boundary, class: &mut Class, closed: &mut Closed<'_>) {
        if self.unit.request.queries == 0 {
            return;
        }
        let boundary = if self.unit.trace.is_some() {
            Boundary::Trace
        } else if self.unit.opened_by == Boundary::Connection {
            match found {
                Boundary::Transaction | Boundary::Gap if self.surprised => Boundary::None,
                found => found,
            }
        } else {
            self.unit.opened_by
        };
        let boundary = match boundary {
            Boundary::Route if self.unit.repeats_its_start() => Boundary::None,
            Boundary::Anchor if self.doubts_anchors => Boundary::None,
            boundary => boundary,
        };
        class.closed(boundary);
        self.connection.requests += 1;
        closed(self.unit.finalise(boundary, self.last_ready));
    }
}

/// How the request after one that has ended is found to begin: an end probe says nothing of that.
fn after(ended_by: Boundary) -> Boundary {
    if ended_by == Boundary::Probe {
        Boundary::Gap
    } else {
        ended_by
    }
}
