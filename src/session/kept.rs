//! Texts that were read before, so that a query which differs from one of them only in its literals needs no new one.
//!
//! One table serves all sessions of a thread: Django's workers run the same statements, and what many sessions read is
//! in the processor's caches where a table for each of them would not be. It changes no result.

use super::prepared::Prepared;
use crate::sql::{Digest, comment};
use std::sync::Arc;

/// Places for texts, a power of two.
const PLACES: usize = 512;
/// A longer text is not kept, bytes. With its comments a text takes twice that at most: 4 MiB a thread, and what is
/// common, 300 bytes a text, far less.
pub(super) const LONG: usize = 4 * 1024;

/// The texts.
pub(super) struct Kept {
    places: Vec<Arc<Prepared>>,
}

impl Default for Kept {
    fn default() -> Self {
        let empty = (0..PLACES).map(|_| Arc::default());
        Self {
            places: empty.collect(),
        }
    }
}

impl Kept {
    /// The text that was read, which must be of one statement or none and not longer than [`LONG`]. `None` where
    /// queries in flight, or unnamed statements of others, have all the room that there is for it.
    pub fn text(&mut self, digest: &Digest) -> Option<Arc<Prepared>> {
        let fingerprint = digest.parts().first().map(|part| part.fingerprint);
        let first = fingerprint.map_or(0, |found| found.0 as usize % PLACES);
        // A place of its own and one besides, for two that would else take turns.
        let both = [first, first ^ 1];
        let known = both.iter().map(|at| &self.places[*at]).find(|text| {
            text.parts.first().map(|part| part.fingerprint) == fingerprint
                && comment::same(&text.comment, digest.comment())
        });
        if let Some(known) = known {
            return Some(Arc::clone(known));
        }
        for at in both {
            if let Some(free) = Arc::get_mut(&mut self.places[at]) {
                free.fill(b"", digest);
                return Some(Arc::clone(&self.places[at]));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::Dialect;

    fn text(kept: &mut Kept, sql: &str) -> Option<Arc<Prepared>> {
        let mut digest = Digest::new();
        digest.read(sql.as_bytes(), sql.len(), Dialect::default());
        kept.text(&digest)
    }

    fn of(text: &Prepared) -> String {
        text.parts.iter().map(|part| text.text(part)).collect()
    }

    #[test]
    fn texts_that_differ_in_literals_are_one_and_others_are_not() {
        let mut kept = Kept::default();
        let one = text(&mut kept, "SELECT a FROM t WHERE b = 1").expect("room");
        let same = text(&mut kept, "SELECT a FROM t WHERE b = 2").expect("room");
        assert!(Arc::ptr_eq(&one, &same));
        for other in [
            "SELECT a FROM u WHERE b = 1",
            "SELECT a FROM t WHERE b = 1 /* c */",
        ] {
            let other = text(&mut kept, other).expect("room");
            assert!(!Arc::ptr_eq(&one, &other));
        }
        let empty = text(&mut kept, " ;").expect("room");
        assert!(empty.parts.is_empty() && empty.comment.is_empty());
    }

    #[test]
    fn what_is_in_use_is_never_written_over() {
        let mut kept = Kept::default();
        let (mut used, mut refused) = (Vec::new(), 0);
        for at in 0..5000 {
            let sql = format!("SELECT a{at}");
            match text(&mut kept, &sql) {
                Some(text) => used.push((sql, text)),
                None => refused += 1,
            }
        }
        assert!(refused > 0 && used.len() <= PLACES);
        assert!(used.iter().all(|(sql, text)| of(text) == *sql));
        used.clear();
        assert_eq!(of(&text(&mut kept, "SELECT b").expect("room")), "SELECT b");
    }
}
