//! The request that is open on a connection.

use super::class::Class;
use super::record::{Boundary, Entry, Group, Kind, Request, Transaction};
use super::rules::{TraceKey, is_anchor};
use super::settings::Settings;
use super::streams::short;
use crate::session::{At, Outcome, Query, RowsSeen, TransactionStatus};
use crate::sql::{Facts, Fingerprint, FingerprintHasher, Keys, Statement, Tags, Verb};
use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::sync::Arc;

/// Entries whose room is kept from one request to the next.
const KEEP: usize = 64;
/// Transaction blocks of a request that are kept.
const MAX_TRANSACTIONS: usize = 100;
/// Tables that name a request without a route.
const NAMED_TABLES: usize = 3;

/// What is gathered of one request. Its buffers are reused from request to request.
#[derive(Debug)]
pub(super) struct Unit {
    /// How its start was found.
    pub opened_by: Boundary,
    pub trace: Option<TraceKey>,
    /// Merged tags of its comments.
    pub tags: Tags,
    /// Django will check the connection at the end of the request: a database error other than a data or
    /// integrity error occurred since the last commit or rollback (`errors_occurred`,
    /// `django/db/utils.py`).
    pub pending_error: bool,
    /// Transactions begun in it.
    pub begins: u32,
    /// It has ended, but its connection may yet show that it was its only one.
    pub ended_by: Option<Boundary>,
    pub request: Request,
    index: HashMap<Fingerprint, u16, BuildHasherDefault<FingerprintHasher>>,
    after_rollback: bool,
    /// `Query::idled` of its first data query.
    idled: u64,
    last: Option<usize>,
    cursor: Option<usize>,
    /// Its last data query ended.
    last_data: At,
    /// The last data query of the request before it ended.
    since: At,
}

impl Unit {
    pub fn new(opened_by: Boundary, database: Arc<str>) -> Self {
        Self {
            opened_by,
            trace: None,
            tags: Tags::default(),
            pending_error: false,
            begins: 0,
            ended_by: None,
            request: Request {
                database,
                boundary: opened_by,
                ..Request::default()
            },
            index: HashMap::default(),
            after_rollback: false,
            idled: 0,
            last: None,
            cursor: None,
            last_data: At(0),
            since: At(0),
        }
    }

    /// Makes it ready for the next request.
    pub fn reset(&mut self, opened_by: Boundary) {
        self.opened_by = opened_by;
        self.trace = None;
        self.tags.clear();
        self.pending_error = false;
        self.begins = 0;
        self.ended_by = None;
        self.after_rollback = false;
        self.last = None;
        self.cursor = None;
        self.since = self.last_data;
        self.index.clear();
        let request = &mut self.request;
        request.queries = 0;
        request.nanos = 0;
        request.think_nanos = 0;
        request.ungrouped = 0;
        request.groups.clear();
        request.entries.clear();
        request.entries.shrink_to(KEEP);
        request.groups.shrink_to(KEEP);
        request.streams.clear();
        request.transactions.clear();
        request.callsites.clear();
        self.index.shrink_to(KEEP);
    }

    /// A statement was seen that is among its groups.
    pub fn has(&self, fingerprint: Fingerprint) -> bool {
        self.index.contains_key(&fingerprint)
    }

    /// Only statements that open requests so far.
    pub fn only_anchors(&self) -> bool {
        self.request
            .groups
            .iter()
            .all(|group| is_anchor(&group.statement) || group.statement.facts.table == "auth_user")
    }

    /// Its first statement came again after others: two requests of one route in a row look like that.
    pub fn repeats_its_start(&self) -> bool {
        let others = self
            .request
            .entries
            .iter()
            .skip_while(|entry| entry.group == 0);
        others.skip(1).any(|entry| entry.group == 0)
    }

    /// Any ROLLBACK: what was read before it may be read anew.
    pub fn rolled_back(&mut self) {
        self.after_rollback = true;
    }

    /// A query of any kind ended: up to when it was sent the server may have waited for it.
    pub fn waited(&mut self, query: &Query<'_>) {
        if self.request.queries > 0 {
            self.request.think_nanos = query.idled.saturating_sub(self.idled);
        }
    }

    /// Counts a data query.
    pub fn add(
        &mut self,
        query: &Query<'_>,
        statement: Option<&Arc<Statement>>,
        slow: bool,
        limits: &Settings,
        class: &mut Class,
    ) {
        let nanos = query.finished.since(query.started);
        let request = &mut self.request;
        if request.queries == 0 {
            request.opened = query.started;
            request.foreign_keys.clone_from(&class.foreign_keys);
            self.idled = query.idled;
        }
        request.nanos += nanos;
        self.last_data = query.finished;
        if query.continues_batch && request.queries > 0 {
            if let Some(last) = self.last {
                Self::add_to(request, last, query.rows, query.bytes, nanos);
                self.note_rows(last, &query.seen, limits, class);
            }
            return;
        }
        request.queries += 1;
        self.last = None;
        let Some(statement) = statement else {
            request.ungrouped += 1;
            return;
        };
        let index = match self.index.get(&statement.fingerprint) {
            Some(&index) => index,
            None if request.groups.len() < limits.max_statements => {
                let index = u16::try_from(request.groups.len()).unwrap_or(u16::MAX);
                self.index.insert(statement.fingerprint, index);
                request.groups.push(Group::new(Arc::clone(statement)));
                index
            }
            None => {
                request.ungrouped += 1;
                return;
            }
        };
        let failed = matches!(query.outcome, Outcome::Error(_) | Outcome::Lost);
        let group = &mut request.groups[usize::from(index)];
        group.calls += 1;
        group.nanos += nanos;
        group.max_nanos = group.max_nanos.max(nanos.saturating_sub(query.stalled));
        group.rows += query.rows;
        group.errors += u32::from(failed);
        group.slow += u32::from(slow);
        if request.entries.len() < limits.max_queries {
            request.entries.push(Entry {
                group: index,
                callsite: 0,
                in_arity: query.part.in_arity,
                literals: query.literals,
                started: query.started,
                nanos,
                rows: u32::try_from(query.rows).unwrap_or(u32::MAX),
                bytes: query.bytes,
                failed,
                error: match query.outcome {
                    Outcome::Error(code) => Some(code),
                    _ => None,
                },
                in_transaction: query.status_before != TransactionStatus::Idle,
                keys: keys(&statement.facts, &query.part.keys),
                digest: query.seen.digest,
                loose: loose(query),
                set_literals: short(query.part.set_literals),
                offset: u32::try_from(query.part.offset.unwrap_or(0)).unwrap_or(u32::MAX),
                values_rows: query.part.values_rows,
                after_rollback: std::mem::take(&mut self.after_rollback),
            });
            self.last = Some(request.entries.len() - 1);
            if statement.facts.verb == Verb::Declare {
                self.cursor = self.last;
            }
            if let (Some(shape), [table]) = (query.seen.shape, statement.facts.tables.as_slice()) {
                class.catalog.learn(shape, table);
            }
            if let Some(last) = self.last {
                self.note_rows(last, &query.seen, limits, class);
            }
        }
    }

    /// A query's comment silences detectors.
    pub fn ignore(&mut self, statement: &Statement, detectors: &str) {
        let index = self.index.get(&statement.fingerprint);
        let group = index.and_then(|index| self.request.groups.get_mut(usize::from(*index)));
        if let Some(group) = group {
            group.ignore(detectors);
        }
    }

    /// The comment of the query that was counted last names the line of code that it came from.
    pub fn called_from(&mut self, callsite: &str) {
        let request = &mut self.request;
        if let Some(entry) = self.last.and_then(|last| request.entries.get_mut(last)) {
            entry.callsite = request.callsites.note(callsite);
        }
    }

    /// FETCH and CLOSE: their rows and time are their DECLARE's.
    pub fn add_fetch(&mut self, query: &Query<'_>, limits: &Settings, class: &Class) {
        let nanos = query.finished.since(query.started);
        if let Some(cursor) = self.cursor {
            self.request.nanos += nanos;
            Self::add_to(&mut self.request, cursor, query.rows, query.bytes, nanos);
            self.note_rows(cursor, &query.seen, limits, class);
        }
    }

    /// Keeps what may show where later queries come from.
    fn note_rows(&mut self, index: usize, seen: &RowsSeen<'_>, limits: &Settings, class: &Class) {
        let request = &mut self.request;
        let Some(entry) = request.entries.get(index) else {
            return;
        };
        let Some(group) = request.groups.get_mut(usize::from(entry.group)) else {
            return;
        };
        if let (Some(shape), Some(widest)) = (seen.shape, seen.widest) {
            let before = group.widest.as_ref().map_or(0, |(_, widest)| widest.total);
            if widest.total > before {
                group.widest = Some((Arc::clone(shape), widest));
            }
        }
        if group.statement.facts.is_read() {
            let place = u32::try_from(index).unwrap_or(u32::MAX);
            request
                .streams
                .note(entry.group, place, seen, limits.max_values, |oid| {
                    class.catalog.table(oid)
                });
        }
    }

    /// A transaction block ended. One that another request ran in is not this one's: that of a test, say.
    pub fn add_transaction(&mut self, transaction: Transaction) {
        let own = transaction.began >= self.since;
        if own && self.request.queries > 0 && self.request.transactions.len() < MAX_TRANSACTIONS {
            self.request.transactions.push(transaction);
        }
    }

    fn add_to(request: &mut Request, index: usize, rows: u64, bytes: u64, nanos: u64) {
        let Some(entry) = request.entries.get_mut(index) else {
            return;
        };
        entry.rows = entry
            .rows
            .saturating_add(u32::try_from(rows).unwrap_or(u32::MAX));
        entry.bytes += bytes;
        entry.nanos += nanos;
        let longest = entry.nanos;
        if let Some(group) = request.groups.get_mut(usize::from(entry.group)) {
            group.rows += rows;
            group.nanos += nanos;
            group.max_nanos = group.max_nanos.max(longest);
        }
    }

    /// Fills in what is known only at the end.
    pub fn finalise(&mut self, boundary: Boundary, closed: At) -> &Request {
        self.request.boundary = boundary;
        self.request.closed = closed.max(self.request.opened);
        self.request.kind = if self.tags.task.is_empty() {
            Kind::Http
        } else {
            Kind::Task
        };
        let route = if !self.tags.route.is_empty() {
            self.tags.route.clone()
        } else if !self.tags.task.is_empty() {
            self.tags.task.clone()
        } else {
            self.signature()
        };
        if *self.request.route != *route {
            self.request.route = route.into();
        }
        if *self.request.controller != *self.tags.controller {
            self.request.controller = self.tags.controller.as_str().into();
        }
        &self.request
    }

    /// A name for a request without a route: the main tables of its first statements, openers left out
    /// where others remain.
    fn signature(&self) -> String {
        let mut tables: Vec<&str> = Vec::with_capacity(NAMED_TABLES);
        for skip_openers in [true, false] {
            for group in &self.request.groups {
                let table = group.statement.facts.table.as_str();
                let opener = matches!(table, "django_session" | "authtoken_token" | "auth_user");
                let skipped = table.is_empty() || (skip_openers && opener);
                if !skipped && !tables.contains(&table) && tables.len() < NAMED_TABLES {
                    tables.push(table);
                }
            }
            if !tables.is_empty() {
                break;
            }
        }
        let mut name = format!("~{}", tables.join(","));
        while name.len() > super::MAX_ROUTE {
            name.pop();
        }
        name
    }
}

/// Hash of what a query shares with the `COUNT(*)` of its rows, and of its values: those of the text, or those bound.
fn loose(query: &Query<'_>) -> u64 {
    let part = &query.part;
    let bound = query.literals ^ part.literals.rotate_left(17);
    let bound = if query.literals == part.literals {
        0
    } else {
        bound
    };
    part.loose.rotate_left(23) ^ part.loose_literals ^ bound.rotate_left(41)
}

/// The values of a query's equalities, or of its IN list where it has none.
fn keys(facts: &Facts, values: &Keys) -> [u32; Entry::KEYS] {
    let mut keys = [0; Entry::KEYS];
    let places = match facts.equality_keys.as_slice() {
        [] => std::slice::from_ref(&facts.in_key),
        places => places,
    };
    for (key, place) in keys.iter_mut().zip(places) {
        *key = place.map_or(0, |place| short(values.get(usize::from(place))));
    }
    keys
}
