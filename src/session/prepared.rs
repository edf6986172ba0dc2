//! Statement texts, read and kept as far as they differ in more than their literals.

use super::Sink;
use super::command::{Command, command};
use super::event::Event;
use super::kept::{Kept, LONG};
use crate::sql::{Dialect, Digest, Part};
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What the end of a statement does to the names of its session.
#[derive(Debug)]
pub(super) enum Effect {
    /// PREPARE: the name stands for this text.
    Prepare(Vec<u8>, Arc<Prepared>),
    /// DEALLOCATE: the name is free.
    Deallocate(Vec<u8>),
    /// DECLARE: the name is a portal.
    Declare(Vec<u8>),
}

/// A message text as far as queries that only differ in their literals share it.
#[derive(Debug, Default)]
pub(super) struct Prepared {
    /// Name of a prepared statement; empty for the unnamed one and for simple queries.
    pub name: Vec<u8>,
    /// Normalised texts of its parts, one after the other.
    text: String,
    /// Bodies of its comments.
    pub comment: Vec<u8>,
    /// All parts; of a text with a single one, the literals are those of the query that came first.
    pub parts: Vec<Part>,
    /// Of a text that is nothing but one such command.
    pub effect: Option<Effect>,
    share: Share,
}

/// What a text takes of [`MAX_HELD`], until nothing refers to it any more.
#[derive(Debug, Default)]
struct Share {
    held: Option<Arc<AtomicUsize>>,
    bytes: usize,
}

impl Share {
    fn set(&mut self, bytes: usize) {
        if let Some(held) = &self.held {
            held.fetch_add(bytes, Ordering::Relaxed);
            held.fetch_sub(self.bytes, Ordering::Relaxed);
            self.bytes = bytes;
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.set(0);
    }
}

impl Prepared {
    /// The normalised text of a part.
    pub fn text(&self, part: &Part) -> &str {
        self.text
            .get(part.range.0 as usize..part.range.1 as usize)
            .unwrap_or_default()
    }

    /// Makes it what was read; its buffers are used again.
    pub fn fill(&mut self, name: &[u8], digest: &Digest) {
        self.name.clear();
        self.name.extend_from_slice(name);
        self.text.clear();
        for part in digest.parts() {
            self.text.push_str(digest.text(part));
        }
        self.comment.clear();
        self.comment.extend_from_slice(digest.comment());
        self.parts.clear();
        self.parts.extend_from_slice(digest.parts());
        self.effect = None;
        let parts = self.parts.len() * size_of::<Part>();
        let bytes = self.name.len() + self.text.len() + self.comment.len() + parts;
        self.share.set(size_of::<Self>() + bytes);
    }

    fn of(name: &[u8], digest: &Digest, held: &Arc<AtomicUsize>) -> Self {
        let share = Share {
            held: Some(Arc::clone(held)),
            bytes: 0,
        };
        let mut prepared = Self {
            share,
            ..Self::default()
        };
        prepared.fill(name, digest);
        prepared
    }

    /// A text without literals of its own.
    pub fn text_of(prepared: &Arc<Self>) -> Text {
        Text {
            part: prepared.parts.first().copied().unwrap_or_default(),
            prepared: Arc::clone(prepared),
        }
    }
}

/// A text with the literals of one query.
#[derive(Debug, Clone)]
pub(super) struct Text {
    pub prepared: Arc<Prepared>,
    /// The only part, or the first.
    pub part: Part,
}

/// A text that the session has no room for: its queries are counted without a statement.
const NO_ROOM: Event<'static> = Event::Dropped { reason: "texts" };

/// Bytes of the texts that a session may hold: of names, and of what the client sent and the server has yet to answer.
/// 1024 names of 8 KiB; a client that pipelines more than that without reading a reply is not followed.
const MAX_HELD: usize = 8 * 1024 * 1024;

/// Reads texts: of all sessions of a thread, one at a time.
#[derive(Default)]
struct Reader {
    digest: Digest,
    kept: Kept,
}

thread_local! {
    /// Taken while it is used, so that a panic leaves nothing of the text behind that it was in the middle of.
    static READER: Cell<Option<Box<Reader>>> = const { Cell::new(None) };
}

/// The texts of a session.
#[derive(Debug, Default)]
pub(super) struct Texts {
    /// Bytes of all that anything of the session refers to, but for those that are kept for all sessions.
    held: Arc<AtomicUsize>,
}

impl Texts {
    /// Reads a text. Allocates nothing where one that was read lately differs only in its literals. Where there is no
    /// room for it, its name stands for nothing known.
    pub fn read(
        &self,
        name: &[u8],
        sql: &[u8],
        total: usize,
        dialect: Dialect,
        sink: &mut Sink<'_>,
    ) -> Text {
        let mut reader = READER.take().unwrap_or_default();
        let effect = self.effect(&mut reader.digest, sql, total, dialect);
        reader.digest.read(sql, total, dialect);
        let digest = &reader.digest;
        let part = digest.parts().first().copied().unwrap_or_default();
        let prepared = match effect {
            Some(effect) if digest.parts().len() == 1 => self.is_room().then(|| {
                let mut prepared = Prepared::of(name, digest, &self.held);
                prepared.effect = Some(effect);
                Arc::new(prepared)
            }),
            _ => self.find_or_make(name, &mut reader),
        };
        if sql.len() > LONG {
            reader.digest.shrink();
        }
        READER.set(Some(reader));
        match prepared {
            Some(prepared) => Text { prepared, part },
            None => {
                sink(NO_ROOM);
                Prepared::text_of(&Arc::new(Prepared {
                    name: name.to_vec(),
                    ..Prepared::default()
                }))
            }
        }
    }

    fn is_room(&self) -> bool {
        self.held.load(Ordering::Relaxed) < MAX_HELD
    }

    fn effect(
        &self,
        digest: &mut Digest,
        sql: &[u8],
        total: usize,
        dialect: Dialect,
    ) -> Option<Effect> {
        Some(match command(sql)? {
            Command::Prepare(name, body) => {
                let before = sql.len() - body.len();
                digest.read(body, total.saturating_sub(before), dialect);
                Effect::Prepare(name, Arc::new(Prepared::of(b"", digest, &self.held)))
            }
            Command::Deallocate(name) => Effect::Deallocate(name),
            Command::Declare(name) => Effect::Declare(name),
        })
    }

    fn find_or_make(&self, name: &[u8], reader: &mut Reader) -> Option<Arc<Prepared>> {
        let Reader { digest, kept } = reader;
        let single = digest.parts().len() <= 1;
        let last = digest.parts().last();
        let length = last.map_or(0, |part| part.range.1 as usize);
        let may_be_kept = name.is_empty() && single && length <= LONG;
        let known = if may_be_kept { kept.text(digest) } else { None };
        known.or_else(|| {
            let prepared = || Arc::new(Prepared::of(name, digest, &self.held));
            self.is_room().then(prepared)
        })
    }
}
