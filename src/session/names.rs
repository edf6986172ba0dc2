//! Names of prepared statements and portals.
//!
//! What a Parse or Bind names is true once the server has confirmed it: a failure may skip any of them. Until then
//! it is *in flight*, and only what the client sends behind it can mean it.

use super::owed::Fate;
use super::prepared::{Effect, Prepared, Text};
use crate::sql::random_seed;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hasher};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// What a portal will execute.
#[derive(Debug, Clone)]
pub(super) struct Bound {
    pub text: Option<Text>,
    /// Hash of the bound values; 0 without any.
    pub values: u64,
    /// The rows are wanted in binary.
    pub binary: bool,
    /// It has been executed before: further Executes fetch more of the same query.
    pub executed: bool,
}

/// Named statements and portals that one session may have remembered. Beyond it new names are not
/// remembered: their queries are counted without a statement.
const MAX_NAMES: usize = 1024;
/// Parses in flight among which a name is looked for. A client that refers further back is rare, and a scan of all
/// would make long pipelines slow.
const LOOK_BACK: usize = 256;

/// Hashes names. A client chooses them, and may not know which of them fall into one place.
#[derive(Clone, Copy, Debug)]
struct Seeded(u64);

impl Default for Seeded {
    fn default() -> Self {
        Self(random_seed())
    }
}

impl BuildHasher for Seeded {
    type Hasher = Self;

    fn build_hasher(&self) -> Self {
        *self
    }
}

impl Hasher for Seeded {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64_with_seed(bytes, self.0);
    }

    /// The length of the name that follows.
    fn write_usize(&mut self, number: usize) {
        self.0 = self.0.wrapping_add(number as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// The names of a session. Parses in flight are in the order of the queue of replies owed, which has the Binds itself.
#[derive(Debug, Default)]
pub(super) struct Names {
    parses: VecDeque<Option<Text>>,
    named: HashMap<Vec<u8>, Text, Seeded>,
    unnamed: Option<Text>,
    portals: HashMap<Box<[u8]>, Bound, Seeded>,
    unnamed_portal: Option<Bound>,
}

impl Names {
    /// A Parse was sent; `None` where its body could not be read.
    pub fn parse(&mut self, text: Option<Text>) {
        self.parses.push_back(text);
    }

    /// ParseComplete: the name stands for its text. False when there is no room for it.
    #[must_use]
    pub fn parsed(&mut self) -> bool {
        let parsed = self.parses.pop_front();
        if self.parses.is_empty() {
            // As with the queue: the next one takes the first place again.
            self.parses.clear();
        }
        let Some(text) = parsed.flatten() else {
            return true;
        };
        let name = &text.prepared.name;
        if name.is_empty() {
            self.unnamed = Some(text);
            return true;
        }
        self.name(name.clone(), text)
    }

    /// The oldest Parse in flight failed or was skipped: what it would have defined. One of the unnamed statement that
    /// failed leaves none.
    pub fn not_parsed(&mut self, fate: Fate) -> Option<Text> {
        let text = self.parses.pop_front().flatten()?;
        if fate == Fate::Failed && text.prepared.name.is_empty() {
            self.unnamed = None;
        }
        Some(text)
    }

    fn name(&mut self, name: Vec<u8>, text: Text) -> bool {
        let room = self.named.len() < MAX_NAMES || self.named.contains_key(&name);
        if room {
            self.named.insert(name, text);
        }
        room
    }

    /// What a name means to a message that is sent now.
    pub fn find(&self, name: &[u8]) -> Option<&Text> {
        let in_flight = self
            .parses
            .iter()
            .rev()
            .take(LOOK_BACK)
            .flatten()
            .find(|text| {
                let known = &text.prepared.name;
                known.len() == name.len() && (name.is_empty() || known == name)
            });
        in_flight.or_else(|| match name {
            [] => self.unnamed.as_ref(),
            _ => self.named.get(name),
        })
    }

    /// What the name of a text stands for now; the text itself where SQL gave the name, which it does not know.
    pub fn confirmed(&self, text: &Text) -> Option<Text> {
        match text.prepared.name.as_slice() {
            [] => Some(text.clone()),
            name => self.named.get(name).cloned(),
        }
    }

    /// The unnamed statement.
    pub fn unnamed(&self) -> Option<Text> {
        self.unnamed.clone()
    }

    /// BindComplete: the portal is there.
    #[inline]
    pub fn bound(&mut self, portal: Option<Box<[u8]>>, bound: impl FnOnce() -> Bound) {
        match portal {
            None => {
                self.unnamed_portal = None;
                self.unnamed_portal.get_or_insert_with(bound);
            }
            Some(name) => self.portal(name, bound()),
        }
    }

    fn portal(&mut self, name: Box<[u8]>, bound: Bound) {
        if self.portals.len() < MAX_NAMES || self.portals.contains_key(&name) {
            self.portals.insert(name, bound);
        }
    }

    /// A portal that is there.
    pub fn portal_of(&self, name: &[u8]) -> Option<&Bound> {
        match name {
            [] => self.unnamed_portal.as_ref(),
            _ => self.portals.get(name),
        }
    }

    /// Execute of a portal that is there was sent.
    pub fn portal_mut(&mut self, name: &[u8]) -> Option<&mut Bound> {
        match name {
            [] => self.unnamed_portal.as_mut(),
            _ => self.portals.get_mut(name),
        }
    }

    /// A statement ended well: what it was may have changed names. False when there is no room for a name.
    #[must_use]
    pub fn completed(&mut self, text: Option<&Text>, tag: &[u8]) -> bool {
        match tag {
            b"DISCARD ALL\0" => {
                self.named.clear();
                self.portals.clear();
            }
            b"DEALLOCATE ALL\0" => self.named.clear(),
            b"PREPARE\0" | b"DEALLOCATE\0" | b"DECLARE CURSOR\0" => {
                return text.is_none_or(|text| self.take_effect(text));
            }
            _ => {}
        }
        true
    }

    fn take_effect(&mut self, text: &Text) -> bool {
        match &text.prepared.effect {
            Some(Effect::Prepare(name, body)) => {
                return self.name(name.clone(), Prepared::text_of(body));
            }
            Some(Effect::Deallocate(name)) => {
                self.named.remove(name);
            }
            Some(Effect::Declare(name)) => {
                let cursor = Bound {
                    text: Some(text.clone()),
                    values: 0,
                    binary: false,
                    // What is executed goes on with the query of the DECLARE.
                    executed: true,
                };
                self.portal(name.as_slice().into(), cursor);
            }
            None => {}
        }
        true
    }

    /// CloseComplete of a statement.
    pub fn close(&mut self, name: &[u8]) {
        match name {
            [] => self.unnamed = None,
            _ => _ = self.named.remove(name),
        }
    }

    /// CloseComplete of a portal.
    pub fn close_portal(&mut self, name: &[u8]) {
        match name {
            [] => self.unnamed_portal = None,
            _ => _ = self.portals.remove(name),
        }
    }

    /// A simple query was run: it destroys the unnamed statement and portal.
    pub fn forget_unnamed(&mut self) {
        self.unnamed = None;
        self.unnamed_portal = None;
    }

    /// The server ate a message: the Parse in flight behind so many others is none.
    pub fn forget_parse(&mut self, behind: usize) {
        self.parses.remove(behind);
    }

    /// Pairing is lost: what is in flight may be confirmed or not, and the names that it means are unknown.
    pub fn forget_in_flight(&mut self) {
        while let Some(text) = self.parses.pop_front() {
            if let Some(text) = text {
                self.close(&text.prepared.name);
            }
        }
        self.end_transaction();
    }

    /// Outside a transaction block no portal lives on.
    pub fn end_transaction(&mut self) {
        self.unnamed_portal = None;
        if !self.portals.is_empty() {
            self.portals.clear();
        }
    }
}
