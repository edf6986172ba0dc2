//! Statement texts, read and kept as far as they differ in more than their literals.

use super::Sink;
use super::command::{Command, command};
use super::event::Event;
use crate::sql::{Dialect, Digest, Part};
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

    fn fill(&mut self, name: &[u8], digest: &Digest) {
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
        let mut prepared = Self::empty(held);
        prepared.fill(name, digest);
        prepared
    }

    fn empty(held: &Arc<AtomicUsize>) -> Self {
        Self {
            share: Share {
                held: Some(Arc::clone(held)),
                bytes: 0,
            },
            ..Self::default()
        }
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

/// Texts kept so that a query which differs only in its literals needs no new one.
const RECENT: usize = 8;
/// A longer text is not kept, bytes.
const LONG: usize = 4 * 1024;
/// Bytes of the texts that a session may hold: of names, and of what the client sent and the server has yet to answer.
/// 1024 names of 8 KiB; a client that pipelines more than that without reading a reply is not followed.
const MAX_HELD: usize = 8 * 1024 * 1024;

/// Reads texts, and keeps the last few.
#[derive(Debug, Default)]
pub(super) struct Texts {
    digest: Digest,
    recent: Vec<Arc<Prepared>>,
    oldest: usize,
    /// Bytes of all texts that anything refers to.
    held: Arc<AtomicUsize>,
}

impl Texts {
    /// Reads a text. Allocates nothing where a recent one differs only in its literals. Where there is no room for it,
    /// its name stands for nothing known.
    pub fn read(
        &mut self,
        name: &[u8],
        sql: &[u8],
        total: usize,
        dialect: Dialect,
        sink: &mut Sink<'_>,
    ) -> Text {
        let effect = self.effect(sql, total, dialect);
        self.digest.read(sql, total, dialect);
        let part = self.digest.parts().first().copied().unwrap_or_default();
        let prepared = match effect {
            Some(effect) if self.digest.parts().len() == 1 => self.is_room().then(|| {
                let mut prepared = Prepared::of(name, &self.digest, &self.held);
                prepared.effect = Some(effect);
                Arc::new(prepared)
            }),
            _ => self.find_or_keep(name),
        };
        if sql.len() > LONG {
            self.digest.shrink();
        }
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

    fn effect(&mut self, sql: &[u8], total: usize, dialect: Dialect) -> Option<Effect> {
        Some(match command(sql)? {
            Command::Prepare(name, body) => {
                let before = sql.len() - body.len();
                self.digest
                    .read(body, total.saturating_sub(before), dialect);
                Effect::Prepare(name, Arc::new(Prepared::of(b"", &self.digest, &self.held)))
            }
            Command::Deallocate(name) => Effect::Deallocate(name),
            Command::Declare(name) => Effect::Declare(name),
        })
    }

    fn find_or_keep(&mut self, name: &[u8]) -> Option<Arc<Prepared>> {
        let digest = &self.digest;
        let single = digest.parts().len() <= 1;
        let length = digest
            .parts()
            .last()
            .map_or(0, |part| part.range.1 as usize);
        if !name.is_empty() || !single || length > LONG {
            let prepared = || Arc::new(Prepared::of(name, digest, &self.held));
            return self.is_room().then(prepared);
        }
        let fingerprint = digest.parts().first().map(|part| part.fingerprint);
        let known = self.recent.iter().find(|prepared| {
            prepared.parts.first().map(|part| part.fingerprint) == fingerprint
                && prepared.comment == digest.comment()
        });
        if let Some(known) = known {
            return Some(Arc::clone(known));
        }
        if !self.is_room() {
            return None;
        }
        if self.recent.len() < RECENT {
            self.recent.push(Arc::new(Prepared::empty(&self.held)));
            self.oldest = self.recent.len() - 1;
        }
        let place = &mut self.recent[self.oldest];
        self.oldest = (self.oldest + 1) % RECENT;
        if Arc::get_mut(place).is_none() {
            // A query in flight still needs it.
            *place = Arc::new(Prepared::empty(&self.held));
        }
        if let Some(free) = Arc::get_mut(place) {
            free.fill(name, digest);
        }
        Some(Arc::clone(place))
    }
}
