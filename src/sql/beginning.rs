//! Beginnings of texts that were read before, and what had come of them.
//!
//! Two runs of one line of Django differ behind `WHERE` or `VALUES`: what stands before it, columns and joins of up to
//! some KiB, is the same bytes. A beginning ends behind that word, so that whatever was read of it, each look ahead
//! included, is part of it: none goes past a word that fits nothing. From the same bytes the pass comes to the same
//! state, and so can go on from there.
//!
//! One table serves all sessions of a thread. It changes no result, only the time that it takes.

use super::rewrite::Rewriter;
use memchr::memchr2_iter;
use std::cell::RefCell;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// What a beginning ends with, and a blank before it.
const WORDS: [&[u8]; 2] = [b"WHERE ", b"VALUES "];
/// Places for beginnings; one is known as long as none of the same place is more frequent.
const PLACES: usize = 1024;
/// Shorter ones are read as fast as they are looked up, bytes.
const SHORTEST: usize = 32;
/// Longer ones are not kept, bytes.
const LONGEST: usize = 4 * 1024;
/// Bytes of all beginnings; where they would be more, all are forgotten.
const MAX_KEPT: usize = 1024 * 1024;

thread_local! {
    static KNOWN: RefCell<Known> = RefCell::default();
}

/// Where the beginning of a text ends.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    /// Its last word.
    pub word: usize,
    /// Behind that and a blank.
    end: usize,
    hash: u64,
}

/// The state of a pass right before the last word of a beginning.
struct Beginning {
    text: Box<[u8]>,
    backslash: bool,
    state: Rewriter,
}

#[derive(Default)]
struct Place {
    known: Option<Box<Beginning>>,
    /// Hash of the last one that was read and is not known. One that comes twice in a row is kept.
    candidate: u64,
}

#[derive(Default)]
struct Known {
    places: Vec<Place>,
    bytes: usize,
}

/// The beginning of a text, where it has one that is worth to be looked up.
pub(super) fn mark(sql: &[u8], backslash: bool) -> Option<Mark> {
    let sql = &sql[..sql.len().min(LONGEST)];
    // Rare letters in what Django writes: most of its names are in lower case.
    let (word, end) = memchr2_iter(b'W', b'V', sql).find_map(|at| {
        let rest = &sql[at..];
        let word = WORDS.into_iter().find(|word| rest.starts_with(word))?;
        (at > 0 && sql[at - 1] == b' ').then_some((at, at + word.len()))
    })?;
    if end < SHORTEST {
        return None;
    }
    let hash = xxh3_64_with_seed(&sql[..end], u64::from(backslash));
    Some(Mark { word, end, hash })
}

/// Brings a pass to where it was before the mark's word when the same beginning was read before. False where none was.
pub(super) fn resume(sql: &[u8], backslash: bool, mark: Mark, state: &mut Rewriter) -> bool {
    KNOWN.with_borrow(|known| {
        let place = known.places.get(mark.hash as usize % PLACES);
        let Some(known) = place.and_then(|place| place.known.as_deref()) else {
            return false;
        };
        let same = known.backslash == backslash && *known.text == sql[..mark.end];
        if same {
            state.resume(&known.state);
        }
        same
    })
}

/// A beginning was read that is not known: the pass is before its last word.
pub(super) fn note(sql: &[u8], backslash: bool, mark: Mark, state: &Rewriter) {
    KNOWN.with_borrow_mut(|known| {
        if known.places.is_empty() {
            known.places.resize_with(PLACES, Place::default);
        }
        let place = &mut known.places[mark.hash as usize % PLACES];
        if place.candidate != mark.hash {
            place.candidate = mark.hash;
            return;
        }
        let beginning = Beginning {
            text: sql[..mark.end].into(),
            backslash,
            state: state.copy(),
        };
        known.bytes += beginning.bytes();
        let before = place.known.replace(Box::new(beginning));
        known.bytes -= before.map_or(0, |before| before.bytes());
        if known.bytes > MAX_KEPT {
            *known = Known::default();
        }
    });
}

impl Beginning {
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.text.len() + self.state.text().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::{Dialect, Digest};

    fn read(sql: &str) {
        Digest::new().read(sql.as_bytes(), sql.len(), Dialect::default());
    }

    fn is_known(sql: &str) -> bool {
        let sql = sql.as_bytes();
        mark(sql, false).is_some_and(|mark| resume(sql, false, mark, &mut Rewriter::default()))
    }

    #[test]
    fn a_beginning_that_comes_again_is_known() {
        let sql = |id: u32| {
            format!("SELECT \"t\".\"id\", \"t\".\"name\" FROM \"t\" WHERE \"t\".\"id\" = {id}")
        };
        read(&sql(1));
        assert!(!is_known(&sql(1)));
        read(&sql(2));
        assert!(is_known(&sql(3)));
        let row = |id: u32| {
            format!("INSERT INTO \"a\" (\"b\", \"c\", \"d\", \"e\") VALUES ({id}, 2, 3, 4)")
        };
        (1..3).for_each(|id| read(&row(id)));
        assert!(is_known(&row(3)));
    }

    #[test]
    fn literals_and_comments_are_not_kept() {
        for sql in [
            "UPDATE \"secrets\" SET \"password\" = 'hunter2' WHERE \"id\" = 1",
            "/* user='hunter2' */ SELECT \"id\", \"name\" FROM \"t\" WHERE \"id\" = 1",
            "SELECT 1; SELECT \"id\", \"name\" FROM \"t\" WHERE \"id\" = 1",
            "SELECT ' WHERE hunter2', \"id\", \"name\" FROM \"t\" WHERE \"id\" = 1",
        ] {
            (0..3).for_each(|_| read(sql));
            assert!(!is_known(sql), "{sql}");
        }
    }

    #[test]
    fn what_is_kept_is_bounded() {
        for table in 0..10_000 {
            let columns = "\"a long name of a column\", ".repeat(100);
            let sql = format!("SELECT {columns} \"id\" FROM \"t{table}\" WHERE \"id\" = 1");
            (0..2).for_each(|_| read(&sql));
            KNOWN.with_borrow(|known| {
                let beginnings = known.places.iter().filter_map(|place| place.known.as_ref());
                let bytes: usize = beginnings.map(|beginning| beginning.bytes()).sum();
                assert_eq!(known.bytes, bytes);
                assert!(bytes <= MAX_KEPT, "{bytes}");
            });
        }
    }
}
