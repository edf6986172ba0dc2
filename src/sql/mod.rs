//! SQL as text: lexing, normalising, fingerprints, comment tags and statement facts.
//!
//! Nothing here knows of connections or time. [`Digest::read`] runs once per message text and reuses
//! its buffers, so that a steady stream of queries allocates nothing; [`Statement::new`] runs once per
//! new fingerprint and may allocate.

mod beginning;
mod cast;
pub mod comment;
mod cursor;
mod ending;
mod facts;
mod generic;
mod keys;
mod keyword;
mod lexer;
mod list;
mod literal;
mod normalise;
mod predicate;
mod query;
mod rewrite;
mod route;
mod statement;
mod tags;
pub mod value;
mod verb;

pub use comment::Tags;
pub use facts::{Column, Facts, Identifier, Join, Limit, Projection};
pub use generic::Generic;
pub use keys::{Keys, MAX_KEYS};
pub use normalise::{Dialect, Digest, Part};
pub use verb::{Class, Verb};

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};

/// Identity of a statement: 64-bit XXH3 of the normalised text, printed as 16 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Fingerprint(pub u64);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// For maps whose keys are fingerprints, or other hashes: they need not be hashed again.
#[derive(Default)]
pub struct FingerprintHasher(u64);

impl Hasher for FingerprintHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

/// A seed that nobody outside can know, so that nobody can choose what falls together under a hash.
pub fn random_seed() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// A normalised text and what can be read from it. Made once per fingerprint and shared.
#[derive(Debug, PartialEq)]
pub struct Statement {
    /// Hash of `text`.
    pub fingerprint: Fingerprint,
    /// The normalised text, without literals or comments; at most 16 KiB.
    pub text: std::sync::Arc<str>,
    /// Verb, tables, columns and shape.
    pub facts: Facts,
}

impl Statement {
    /// Reads the facts of a normalised text.
    pub fn new(fingerprint: Fingerprint, text: &str) -> Self {
        Self {
            fingerprint,
            text: text.into(),
            facts: Facts::read(text),
        }
    }
}

#[cfg(test)]
mod tests;
