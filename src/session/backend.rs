//! Messages from the server.

use super::Sink;
use super::event::{
    At, CancelKey, Event, LONGEST_CANCEL_KEY, Outcome, SqlState, TransactionStatus,
};
use super::owed::{Fate, Kind, Progress};
use super::pairing::{NO_ROOM, Pairing, error, is_asynchronous};
use super::rows::{DESCRIPTION_CAP, ROW_CAP};
use crate::wire::{Message, command_rows, error_fields, parameter_status};

/// How many body bytes of a backend message are looked at.
pub(super) fn cap(tag: u8) -> usize {
    match tag {
        b'Z' => 1,
        b'C' => 64,
        b'E' => 4096,
        b'S' => 512,
        b'D' => ROW_CAP,
        b'T' => DESCRIPTION_CAP,
        b'K' => LONGEST_CANCEL_KEY,
        _ => 0,
    }
}

/// A key that is too long to be one is no key that a CancelRequest could name.
fn backend_key(message: &Message<'_>, sink: &mut Sink<'_>) {
    if message.body.len() == message.length as usize
        && let Some(key) = CancelKey::new(message.body)
    {
        sink(Event::BackendKey(key));
    }
}

impl Pairing {
    /// Matches a message to what it answers.
    pub fn backend(&mut self, message: Message<'_>, at: At, sink: &mut Sink<'_>) {
        // By far the most frequent, and in the middle of its query by definition.
        if message.tag == b'D' {
            return self.row(message, at);
        }
        match message.tag {
            b'd' => return self.data(message.length, at),
            b'S' => return self.parameter(message.body),
            b'K' => return backend_key(&message, sink),
            tag if is_asynchronous(tag) => return,
            _ => {}
        }
        self.idle_since = at;
        if self.lost.is_some() {
            if message.tag == b'Z' {
                self.count_ready(message.body, at, sink);
            }
            return;
        }
        if self.copied {
            self.forget_copied();
        }
        if !self.queue.is_empty() {
            self.head.first_byte.get_or_insert(at);
        }
        let paired = match message.tag {
            b'1' => self.answer(&[Kind::Parse], sink),
            b'2' => self.answer(&[Kind::Bind], sink),
            b'3' => self.close_complete(sink),
            b'n' => self.answer(&[Kind::DescribeStatement, Kind::DescribePortal], sink),
            b't' => self.head_is(&[Kind::DescribeStatement]),
            b'T' => self.description(message.body, sink),
            b's' => self.complete(Outcome::Suspended, b"", at, sink),
            b'C' => self.complete(Outcome::Complete, message.body, at, sink),
            b'I' => self.complete(Outcome::Empty, b"", at, sink),
            b'G' => self.copy_in(),
            b'H' => self.copy_out(),
            b'W' => self.copy_both(),
            b'V' => self.function_result(at, sink),
            b'c' => true,
            b'E' => {
                self.error(message.body, at, sink);
                true
            }
            b'Z' => self.ready(message.body, at, sink),
            // A type that this version does not know answers nothing.
            _ => true,
        };
        if !paired {
            self.lose("pairing", sink);
        }
    }

    fn data(&mut self, length: u32, at: At) {
        if !self.queue.is_empty() {
            self.head.bytes += u64::from(length);
            self.head.first_byte.get_or_insert(at);
        }
    }

    fn row(&mut self, message: Message<'_>, at: At) {
        if self.queue.is_empty() {
            return;
        }
        self.head.rows += 1;
        self.head.bytes += u64::from(message.length);
        self.head.first_byte.get_or_insert(at);
        if self.rows.is_new()
            && let Some(owed) = self.queue.front()
            && let Some(text) = &owed.text
            && owed.kind == Kind::Execute
        {
            self.rows.begin(text.part.fingerprint.0, owed.binary);
        }
        self.rows.row(message.body, message.length);
    }

    fn description(&mut self, body: &[u8], sink: &mut Sink<'_>) -> bool {
        let Some(owed) = self.queue.front() else {
            return false;
        };
        match owed.kind {
            Kind::Query => self.rows.described(body, None),
            Kind::DescribeStatement | Kind::DescribePortal => {
                self.rows.described(body, owed.describes);
                self.pop(Fate::Complete, sink);
            }
            _ => return false,
        }
        true
    }

    fn head_is(&self, kinds: &[Kind]) -> bool {
        self.queue
            .front()
            .is_some_and(|head| kinds.contains(&head.kind))
    }

    /// Takes the head off where it is one of `kinds`.
    fn answer(&mut self, kinds: &[Kind], sink: &mut Sink<'_>) -> bool {
        let fits = self.head_is(kinds);
        if fits {
            self.pop(Fate::Complete, sink);
        }
        fits
    }

    fn close_complete(&mut self, sink: &mut Sink<'_>) -> bool {
        let Some(head) = self.queue.front_mut() else {
            return false;
        };
        let name = head.name.take();
        match (head.kind, &name) {
            (Kind::CloseStatement, Some(name)) => self.names.close(name),
            (Kind::ClosePortal, Some(name)) => self.names.close_portal(name),
            (Kind::CloseStatement | Kind::ClosePortal, None) => {}
            _ => return false,
        }
        self.pop(Fate::Complete, sink);
        true
    }

    /// One execution ended well.
    fn complete(&mut self, outcome: Outcome, tag: &[u8], at: At, sink: &mut Sink<'_>) -> bool {
        let kind = match self.queue.front().map(|head| head.kind) {
            Some(Kind::Execute) => Kind::Execute,
            Some(Kind::Query) if outcome != Outcome::Suspended => Kind::Query,
            _ => return false,
        };
        self.client_copies = false;
        self.head_copies = false;
        if std::mem::take(&mut self.head.both) {
            // Of the COPY alone; what began it has yet to end (`src/backend/replication/walsender.c`).
            return true;
        }
        self.finish(outcome, command_rows(tag), at, sink);
        if matches!(tag.first(), Some(b'D' | b'P')) {
            let text = self.queue.front().and_then(|head| head.text.as_ref());
            if !self.names.completed(text, tag) {
                sink(NO_ROOM);
            }
        }
        if kind == Kind::Query {
            // Further statements of the same text may follow; its ReadyForQuery ends it.
            self.head = Progress::of_part(self.head.part.saturating_add(1));
        } else {
            self.drop_head();
        }
        true
    }

    fn function_result(&mut self, at: At, sink: &mut Sink<'_>) -> bool {
        if !self.head_is(&[Kind::FunctionCall]) {
            return false;
        }
        self.finish(Outcome::Complete, 0, at, sink);
        self.head = Progress::of_part(1);
        true
    }

    /// CopyData and CopyDone at the head were for a COPY that has failed or never began.
    fn forget_copied(&mut self) {
        while self.queue.front().is_some_and(|head| head.kind.is_copied()) {
            self.queue.pop_front();
        }
        self.copied = !self.queue.is_empty();
    }

    /// CopyInResponse: Syncs that the client had already sent up to its CopyDone are ignored by the server.
    fn copy_in(&mut self) -> bool {
        if !self.copy_out() {
            return false;
        }
        self.head_copies = true;
        let mut bytes = 0;
        let end = self
            .queue
            .iter()
            .position(|owed| owed.kind == Kind::CopyEnd);
        let mut index = 0;
        let mut swallowed = None;
        self.queue.retain_mut(|owed| {
            let taken = index > 0
                && end.is_none_or(|end| index <= end)
                && (owed.kind == Kind::Sync || owed.kind.is_copied());
            if taken && owed.kind == Kind::CopyData {
                bytes += owed.values;
            }
            index += 1;
            // The batch of a Sync that is ignored goes on to the next.
            match (owed.kind, taken) {
                (Kind::Sync, true) => _ = swallowed.get_or_insert(owed.sent),
                (Kind::Sync, false) => owed.sent = swallowed.take().unwrap_or(owed.sent),
                _ => {}
            }
            !taken
        });
        self.head.bytes += bytes;
        self.unsynced = swallowed.or(self.unsynced);
        self.client_copies = end.is_none();
        true
    }

    /// CopyBothResponse: the client sends until its CopyDone, and no other message of it means anything till then.
    fn copy_both(&mut self) -> bool {
        self.head.both = self.copy_in();
        self.head.both
    }

    fn copy_out(&mut self) -> bool {
        self.head.copy = self.head_is(&[Kind::Execute, Kind::Query]);
        self.head.copy
    }

    fn error(&mut self, body: &[u8], at: At, sink: &mut Sink<'_>) {
        let fields = error_fields(body);
        let outcome = Outcome::Error(SqlState(fields.sqlstate));
        let copying = std::mem::take(&mut self.head_copies);
        self.client_copies = false;
        match self.queue.front().map(|owed| owed.kind) {
            Some(kind) if kind.is_extended() => {
                self.end(Fate::Failed, sink);
                if matches!(kind, Kind::Parse | Kind::Bind | Kind::Execute) {
                    self.finish(outcome, 0, at, sink);
                } else {
                    error(fields.sqlstate, at, sink);
                }
                self.drop_head();
                self.skip_to_sync(sink);
            }
            // A second error, such as the FATAL that follows a message which has no place in a COPY, ends no query.
            Some(kind) if kind.is_execution() && !self.head.failed => {
                self.finish(outcome, 0, at, sink);
                self.head = Progress::of_part(self.head.part);
                self.head.failed = true;
                if copying && &fields.sqlstate == b"08P01" {
                    self.forget_eaten();
                }
            }
            // Startup or Sync (a deferred constraint, a failed commit): its ReadyForQuery, or the end, follows.
            Some(kind) => {
                self.terminated |= kind == Kind::Startup;
                error(fields.sqlstate, at, sink);
            }
            None => error(fields.sqlstate, at, sink),
        }
    }

    /// The server eats the one message that broke a COPY: whole up to 13; from 14 on it reads no more than the type
    /// and ends the connection.
    fn forget_eaten(&mut self) {
        let Some(index) = self.queue.iter().position(|owed| owed.during_copy) else {
            self.answered_early = self.client_inside;
            return;
        };
        let Some(eaten) = self.queue.remove(index) else {
            return;
        };
        if eaten.kind == Kind::Parse {
            let before = self.queue.iter().take(index);
            let behind = before.filter(|owed| owed.kind == Kind::Parse).count();
            self.names.forget_parse(behind);
        }
    }

    /// After an error in the extended protocol the server discards everything up to the next Sync.
    fn skip_to_sync(&mut self, sink: &mut Sink<'_>) {
        while let Some(head) = self.queue.front() {
            if head.kind == Kind::Sync {
                return;
            }
            self.pop(Fate::Skipped, sink);
        }
        self.skipping = true;
    }

    fn ready(&mut self, body: &[u8], at: At, sink: &mut Sink<'_>) -> bool {
        let head = self.queue.front().map(|head| (head.kind, head.sent));
        let first = match head {
            // Up to 12 an over-long header gives an error and a ReadyForQuery before its body has ended.
            None => {
                sink(Event::Dropped {
                    reason: "surplus_ready",
                });
                false
            }
            Some((kind, sent)) if kind.is_ended_by_ready() => {
                self.drop_head();
                if kind == Kind::Sync && self.batched > 1 {
                    let nanos = at.since(sent);
                    sink(Event::Batch { nanos });
                }
                if kind == Kind::Query {
                    self.names.forget_unnamed();
                }
                kind == Kind::Startup
            }
            Some(_) => {
                // What is dropped here is answered by this very message.
                while let Some(kind) = self.queue.front().map(|head| head.kind) {
                    self.pop(Fate::Skipped, sink);
                    if kind.is_execution() {
                        sink(Event::Dropped { reason: "pairing" });
                    }
                    if kind.is_ended_by_ready() {
                        break;
                    }
                }
                self.set_ready(body, at, false, sink);
                return self.queue.is_empty();
            }
        };
        self.head_copies = false;
        self.set_ready(body, at, first, sink);
        true
    }

    fn count_ready(&mut self, body: &[u8], at: At, sink: &mut Sink<'_>) {
        let left = self.lost.unwrap_or(0).saturating_sub(1);
        self.lost = (left > 0).then_some(left);
        self.set_ready(body, at, false, sink);
    }

    fn set_ready(&mut self, body: &[u8], at: At, first: bool, sink: &mut Sink<'_>) {
        self.status = match body.first() {
            Some(b'T') => TransactionStatus::InTransaction,
            Some(b'E') => TransactionStatus::Failed,
            _ => TransactionStatus::Idle,
        };
        self.batch = None;
        if self.copied {
            self.forget_copied();
        }
        self.batched = 0;
        if self.queue.is_empty() {
            // What comes next takes its first place again, whose memory is the one in the caches.
            self.queue.clear();
        }
        if self.status == TransactionStatus::Idle {
            self.names.end_transaction();
        }
        sink(Event::Ready {
            status: self.status,
            at,
            first,
        });
    }

    fn parameter(&mut self, body: &[u8]) {
        if let Some((name, value)) = parameter_status(body)
            && name == "standard_conforming_strings"
        {
            self.dialect.standard_conforming_strings = value != "off";
        }
    }
}
