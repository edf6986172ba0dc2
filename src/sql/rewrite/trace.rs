//! Where the literals of a text stand, for as long as it says nothing else that another text of its kind might not say.

use super::{Last, Rewriter};
use crate::sql::keyword::Key;
use crate::sql::lexer::{Kind, Lexer};
use crate::sql::list::Nest;

/// A literal, or the elements of a list that others follow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::sql) enum What {
    /// `12` or `12.5`.
    Number,
    /// What stands between two quotes.
    String,
    /// A number behind LIMIT.
    Limit,
    /// A number behind OFFSET.
    Offset,
    /// Elements of an `IN` list between the first and the last; there may be none.
    List,
    /// Those of an `ARRAY`.
    Array,
}

impl What {
    /// Elements of a list rather than a literal.
    pub fn is_list(self) -> bool {
        matches!(self, Self::List | Self::Array)
    }

    /// Bytes of a literal of this kind that begins at `start`; `None` where there is none.
    pub fn length(self, lexer: &Lexer<'_>, start: usize) -> Option<usize> {
        match self {
            Self::String => lexer.string_length(start),
            _ => lexer.number_length(start),
        }
    }
}

/// One of them.
#[derive(Clone, Copy, Debug)]
pub(in crate::sql) struct Slot {
    pub what: What,
    /// Where it stands in the text.
    pub start: u32,
    pub end: u32,
    /// Bytes of the canonical literals before it.
    pub literals: usize,
    /// Elements; 0 for a literal.
    pub count: u32,
    /// Its number among the keys of the statement.
    pub key: Option<u8>,
}

/// What a pass notes of the literals of one text.
#[derive(Default, Debug)]
pub(in crate::sql) struct Trace {
    /// Nothing was read so far that depends on what a literal says.
    on: bool,
    slots: Vec<Slot>,
    /// `IN` lists.
    lists: u32,
    /// Where a comment begins that is the last token.
    comment: Option<usize>,
    /// As in [`super::Shared`], and the literals that an UPDATE sets.
    marks: ((usize, usize), usize),
}

impl Trace {
    /// Begins with a text. `lists`: it has had some.
    pub fn start(&mut self, lists: u32) {
        self.on = true;
        self.slots.clear();
        self.lists = lists;
        self.comment = None;
    }

    /// Another text of this kind may come out in another way.
    pub fn stop(&mut self) {
        self.on = false;
    }

    /// All literals of the text are known, and nothing else depends on them.
    pub fn is_on(&self) -> bool {
        self.on
    }

    /// A comment begins here and ends there.
    pub fn comment(&mut self, start: usize, is_last: bool) {
        if self.comment.is_some() || !is_last {
            self.stop();
        }
        self.comment = Some(start);
    }

    /// Where the text ends, but for the comment.
    pub fn end(&self, sql: &[u8]) -> usize {
        self.comment.unwrap_or(sql.len())
    }

    pub fn has_comment(&self) -> bool {
        self.comment.is_some()
    }

    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    pub fn lists(&self) -> u32 {
        self.lists
    }

    /// Bytes of the literals: where those of the shared part begin and end, and where those that are set end.
    pub fn marks(&self) -> ((usize, usize), usize) {
        self.marks
    }

    pub(super) fn set_marks(&mut self, shared: (usize, usize), set: usize) {
        self.marks = (shared, set);
    }

    /// What was asked for before is not what counts.
    pub(super) fn forget_keys(&mut self) {
        for slot in &mut self.slots {
            slot.key = None;
        }
    }

    pub(super) fn add_list(&mut self) {
        self.lists += 1;
    }

    /// What looked like a list is a query.
    pub(super) fn take_back_list(&mut self) {
        self.lists = self.lists.saturating_sub(1);
    }

    pub(super) fn push(&mut self, slot: Slot) {
        if self.on {
            self.slots.push(slot);
        }
    }
}

impl Rewriter {
    /// Where the literals stand of the text that is being read.
    pub fn trace(&mut self) -> &mut Trace {
        &mut self.trace
    }

    /// Notes the literals that come from here on.
    pub fn start_trace(&mut self) {
        let frames = self.outer.iter().chain(std::iter::once(&self.current));
        let open = frames.filter(|frame| frame.nest == Nest::In).count();
        let closed = usize::from(self.part.in_arity > 0);
        self.trace.start((open + closed) as u32);
    }

    /// Notes the literal at hand, which is the last of `literals`.
    pub(super) fn trace_literal(&mut self, lexer: &Lexer<'_>, key: Option<u8>) {
        let token = self.at;
        let raw = lexer.raw(token);
        let what = match (token.kind, self.last) {
            (Kind::Number, Last::Word(Key::Limit)) => What::Limit,
            (Kind::Number, Last::Word(Key::Offset)) => What::Offset,
            (Kind::Number, _) => What::Number,
            (Kind::String, _) if token.plain && raw.first() == Some(&b'\'') => What::String,
            _ => return self.trace.stop(),
        };
        let plain = what.length(lexer, token.start) == Some(raw.len());
        // Nothing else may be taken for a part of it.
        let ends = match lexer.rest(token.end).first() {
            Some(byte) => matches!(byte, b' ' | b')' | b']' | b',' | b';' | b':'),
            None => true,
        };
        if !plain || !ends || self.current.nest == Nest::Modifier {
            return self.trace.stop();
        }
        let before = memchr::memrchr(0, &self.literals).map_or(0, |at| at + 1);
        self.trace.push(Slot {
            what,
            start: token.start as u32,
            end: token.end as u32,
            literals: before,
            count: 0,
            key,
        });
    }
}
