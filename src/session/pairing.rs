//! The queue of answers owed, and what both directions share.
//!
//! The rules come from PostgreSQL's `src/backend/tcop/postgres.c` and the manual's "Message Flow":
//! an error in the extended protocol skips to the Sync, an error in a simple query to its own
//! ReadyForQuery, and asynchronous messages answer nothing.

use super::Sink;
use super::event::{At, BlindReason, Event, Outcome, Protocol, Query, SqlState, TransactionStatus};
use super::names::{Bound, Names};
use super::owed::{Fate, Kind, Owed, Progress};
use super::prepared::{Text, Texts};
use super::rows::Rows;
use crate::sql::{Dialect, Fingerprint};
use std::collections::VecDeque;
use std::sync::Arc;

/// A name that the server knows from now on and this session does not.
pub(super) const NO_ROOM: Event<'static> = Event::Dropped {
    reason: "prepared_statements",
};

/// Messages in flight among which those that belong together are looked for: they are nearly always neighbours.
pub(super) const LOOK_BACK: usize = 1024;

/// Answers that may be owed at once; beyond it only ReadyForQuerys are counted until the session is quiet.
const MAX_OWED: usize = 65_536;

#[derive(Debug)]
pub(super) struct Pairing {
    pub(super) queue: VecDeque<Owed>,
    /// The queue may have CopyData or CopyDone in it.
    pub(super) copied: bool,
    /// Of the answer to the head of the queue.
    pub(super) head: Progress,
    /// The server is known to discard everything up to the next Sync.
    pub(super) skipping: bool,
    /// The client is sending COPY data.
    pub(super) client_copies: bool,
    /// The head of the queue is receiving COPY data.
    pub(super) head_copies: bool,
    /// The client is in the middle of a message.
    pub(super) client_inside: bool,
    /// That message broke a COPY, and the server has answered it before its end.
    pub(super) answered_early: bool,
    /// Pairing is lost: how many ReadyForQuerys are still to come before it may return.
    pub(super) lost: Option<usize>,
    pub(super) texts: Texts,
    pub(super) names: Names,
    pub(super) rows: Rows,
    /// So many entries of the queue were sent while a Parse was in flight that has failed or was skipped since.
    doubtful: usize,
    pub(super) dialect: Dialect,
    pub(super) status: TransactionStatus,
    pub(super) terminated: bool,
    /// Statement of the last query in the current Sync batch.
    pub(super) batch: Option<Fingerprint>,
    last_finished: At,
    /// When the first byte of what awaits its Sync was read.
    pub(super) unsynced: Option<At>,
    /// Queries of the extended protocol since the last ReadyForQuery.
    pub(super) batched: u32,
    /// Since when the server owes nothing, if it owes nothing, and how long it has so far.
    pub(super) idle_since: At,
    pub(super) idled: u64,
}

impl Pairing {
    pub fn new() -> Self {
        Self {
            queue: VecDeque::new(),
            copied: false,
            head: Progress::default(),
            skipping: false,
            client_copies: false,
            head_copies: false,
            client_inside: false,
            answered_early: false,
            lost: None,
            texts: Texts::default(),
            names: Names::default(),
            rows: Rows::default(),
            doubtful: 0,
            dialect: Dialect {
                standard_conforming_strings: true,
            },
            status: TransactionStatus::Idle,
            terminated: false,
            batch: None,
            last_finished: At(0),
            unsynced: None,
            batched: 0,
            idle_since: At(0),
            idled: 0,
        }
    }

    pub fn startup(&mut self, at: At) {
        self.queue
            .push_back(Owed::new(Kind::Startup, at, self.status));
    }

    pub fn is_terminated(&self) -> bool {
        self.terminated
    }

    pub fn is_quiet(&self) -> bool {
        self.queue.is_empty() && self.lost.is_none()
    }

    pub fn is_owed(&self) -> bool {
        match self.lost {
            Some(readies) => readies > 0,
            None => self.queue.iter().any(|owed| owed.kind != Kind::Startup),
        }
    }

    pub fn status(&self) -> TransactionStatus {
        self.status
    }

    /// Notes an entry, to be filled in where it is. False while pairing is lost.
    pub(super) fn push(&mut self, kind: Kind, at: At, sink: &mut Sink<'_>) -> bool {
        if self.queue.len() >= MAX_OWED {
            self.lose("queue_full", sink);
        }
        if self.lost.is_some() {
            return false;
        }
        self.copied |= kind.is_copied();
        let (status, during_copy) = (self.status, self.client_copies);
        // In its place at once: `push_back` would make it elsewhere and copy its 200 bytes.
        self.queue.extend(std::iter::once_with(|| Owed {
            during_copy,
            ..Owed::new(kind, at, status)
        }));
        true
    }

    /// A message arrives while pairing is lost.
    pub(super) fn count_frontend(&mut self, kind: Kind, sink: &mut Sink<'_>) {
        let Some(owed) = &mut self.lost else { return };
        if kind.is_ended_by_ready() {
            *owed += 1;
        }
        if kind.is_execution() {
            sink(Event::Dropped { reason: "pairing" });
        }
    }

    /// Drops what is owed; returns how many ReadyForQuerys it would have ended with.
    pub(super) fn drop_all(&mut self, reason: &'static str, sink: &mut Sink<'_>) -> usize {
        let mut readies = 0;
        for owed in self.queue.drain(..) {
            readies += usize::from(owed.kind.is_ended_by_ready());
            if owed.kind.is_execution() {
                sink(Event::Dropped { reason });
            }
        }
        readies
    }

    /// Gives up on what is owed until every ReadyForQuery has come.
    pub(super) fn lose(&mut self, dropped: &'static str, sink: &mut Sink<'_>) {
        let readies = self.drop_all(dropped, sink);
        self.doubtful = 0;
        self.head = Progress::default();
        self.names.forget_in_flight();
        self.rows.clear();
        self.lost = Some(readies);
        self.skipping = false;
        self.client_copies = false;
        self.head_copies = false;
        self.batch = None;
        self.batched = 0;
        self.unsynced = None;
        sink(Event::Blind {
            reason: BlindReason::Pairing,
        });
    }

    /// Takes the head off the queue, whose end may give a name its meaning.
    pub(super) fn pop(&mut self, fate: Fate, sink: &mut Sink<'_>) {
        self.end(fate, sink);
        self.drop_head();
    }

    /// What the end of the head does to names.
    pub(super) fn end(&mut self, fate: Fate, sink: &mut Sink<'_>) {
        let doubtful = self.doubtful > 0;
        let Some(owed) = self.queue.front_mut() else {
            return;
        };
        match owed.kind {
            Kind::Parse if fate != Fate::Complete => {
                owed.text = self.names.not_parsed(fate);
                self.doubtful = self.queue.len();
            }
            Kind::Parse if !self.names.parsed() => sink(NO_ROOM),
            Kind::Bind if fate == Fate::Complete => {
                if doubtful {
                    self.settle();
                }
                if let Some(bind) = self.queue.front_mut() {
                    let portal = bind.name.take();
                    self.names.bound(portal, || Bound {
                        text: bind.text.take(),
                        values: bind.values,
                        binary: bind.binary,
                        executed: bind.resumed,
                    });
                }
            }
            _ => {}
        }
    }

    /// The head was answered.
    pub(super) fn drop_head(&mut self) {
        self.head = Progress::default();
        self.doubtful = self.doubtful.saturating_sub(1);
        if let Some(owed) = self.queue.front_mut() {
            (owed.text, owed.name) = (None, None);
        }
        // An entry is large. With nothing left in it to be dropped, it need not be moved.
        _ = self.queue.pop_front().map(std::mem::forget);
    }

    /// The server has bound a name that meant a Parse in flight when the Bind was sent. Where that Parse came to
    /// nothing, the name means what it did before, and so does the portal to the Executes behind.
    #[cold]
    fn settle(&mut self) {
        let mut entries = self.queue.iter_mut();
        let Some(bind) = entries.next() else { return };
        let meant = if bind.unnamed {
            self.names.unnamed()
        } else {
            let sent = bind.text.as_ref();
            sent.and_then(|text| self.names.confirmed(text))
        };
        let sent = std::mem::replace(&mut bind.text, meant);
        let is = |text: &Option<Text>, other: &Option<Text>| match (text, other) {
            (Some(text), Some(other)) => Arc::ptr_eq(&text.prepared, &other.prepared),
            (None, None) => true,
            _ => false,
        };
        if is(&sent, &bind.text) {
            return;
        }
        for owed in entries.take(LOOK_BACK) {
            match owed.kind {
                Kind::Parse => break,
                Kind::Bind if owed.name == bind.name => break,
                Kind::Execute if is(&owed.text, &sent) => owed.text.clone_from(&bind.text),
                _ => {}
            }
        }
    }

    /// The first bytes of a reply that has not ended.
    pub fn first_byte(&mut self, tag: u8, at: At) {
        if !is_asynchronous(tag) && !self.queue.is_empty() {
            self.head.first_byte.get_or_insert(at);
        }
    }

    /// The client kept the last chunk from being written. What is still being answered had to wait.
    pub fn stalled(&mut self, nanos: u64, sink: &mut Sink<'_>) {
        if nanos == 0 || self.lost.is_some() {
            return;
        }
        if self.head.first_byte.is_some() {
            self.head.stalled += nanos;
        } else {
            // A client that has not read the reply does not think about it yet.
            self.idle_since.0 += nanos;
            sink(Event::Stalled { nanos });
        }
    }

    /// Reports one execution of the head of the queue as ended.
    pub(super) fn finish(&mut self, outcome: Outcome, tag_rows: u64, at: At, sink: &mut Sink<'_>) {
        let Some(owed) = self.queue.front() else {
            return;
        };
        let head = &self.head;
        let text = owed.text.as_ref();
        let part = text.and_then(|text| match text.prepared.parts.as_slice() {
            [_] if head.part == 0 => Some(&text.part),
            parts => parts.get(head.part),
        });
        let protocol = match owed.kind {
            Kind::Query => Protocol::Simple,
            Kind::FunctionCall => Protocol::FunctionCall,
            _ => Protocol::Extended,
        };
        let fingerprint = part.map(|part| part.fingerprint);
        let continues_batch = (owed.resumed && owed.kind == Kind::Execute)
            || (protocol == Protocol::Extended
                && fingerprint.is_some()
                && self.batch == fingerprint);
        if protocol == Protocol::Extended {
            self.batch = fingerprint;
            self.batched = self.batched.saturating_add(1);
        }
        let literals = part.map_or(0, |part| part.literals);
        let literals = if owed.values == 0 {
            literals
        } else {
            literals.rotate_left(17) ^ owed.values
        };
        let started = owed.sent.max(self.last_finished);
        self.last_finished = at;
        sink(Event::Query(Query {
            statement: part.and_then(|part| Some(text?.prepared.text(part))),
            comment: text.map_or(b"", |text| text.prepared.comment.as_slice()),
            part: part.copied().unwrap_or_default(),
            literals,
            protocol,
            started,
            first_byte: head.first_byte.unwrap_or(at).max(started),
            finished: at,
            stalled: head.stalled,
            idled: self.idled,
            outcome,
            rows: if head.rows > 0 { head.rows } else { tag_rows },
            bytes: head.bytes,
            status_before: owed.status_before,
            continues_batch,
            copy: head.copy,
            seen: self.rows.seen(),
        }));
        self.rows.clear();
    }

    /// The connection ended: what was sent and never answered is lost.
    pub fn close(&mut self, at: At, sink: &mut Sink<'_>) {
        while let Some(owed) = self.queue.front() {
            let text = owed.text.as_ref();
            let statements = text.map_or(0, |text| text.prepared.parts.len());
            let unanswered = self.head.part == 0 || self.head.part < statements;
            if owed.kind.is_execution() && unanswered && !self.head.failed {
                self.finish(Outcome::Lost, 0, at, sink);
            }
            self.drop_head();
        }
    }
}

/// Answers no message of the client's, wherever it comes: notices, notifications, parameters, and what belongs to the
/// startup.
pub(super) fn is_asynchronous(tag: u8) -> bool {
    matches!(tag, b'N' | b'A' | b'S' | b'K' | b'R' | b'v')
}

/// An ErrorResponse outside any query.
pub(super) fn error(sqlstate: [u8; 5], at: At, sink: &mut Sink<'_>) {
    sink(Event::Error {
        sqlstate: SqlState(sqlstate),
        at,
    });
}
