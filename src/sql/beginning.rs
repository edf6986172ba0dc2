//! Beginnings of texts that were read before, and what had come of them.
//!
//! Two runs of one line of Django differ behind `WHERE` or `VALUES`: what stands before it, columns and joins of up to
//! some KiB, is the same bytes. A beginning ends behind that word, so that whatever was read of it, each look ahead
//! included, is part of it: none goes past a word that fits nothing. From the same bytes the pass comes to the same
//! state, and so can go on from there.
//!
//! One table serves all sessions of a thread. It changes no result, only the time that it takes.

use super::ending::{Ending, Literals, Same, shape};
use super::normalise::Part;
use super::random_seed;
use super::rewrite::Rewriter;
use memchr::memchr2_iter;
use std::cell::RefCell;
use xxhash_rust::xxh3::xxh3_128_with_seed;

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
    /// A hash stands for a beginning: nobody is to make another one of the same hash.
    static SEED: u64 = random_seed();
    static KNOWN: RefCell<Known> = RefCell::default();
}

/// Where the beginning of a text ends.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    /// Its last word.
    pub word: usize,
    /// Of all up to that word and the blank behind it.
    hash: Hash,
}

/// Of a beginning and of how its strings are read: long enough for two never to have the same.
type Hash = u128;

/// The state of a pass right before the last word of a beginning.
struct Beginning {
    hash: Hash,
    state: Rewriter,
    /// What has followed it; the next one that is kept takes the place at `next`.
    endings: Vec<Ending>,
    next: usize,
    /// Shape of the last ending that is not known. As with beginnings, one that comes twice in a row is kept.
    candidate: u64,
}

/// Endings that one beginning has at most.
const ENDINGS: usize = 4;

/// How much of a text was read before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Found {
    Nothing,
    Beginning,
    /// All but the literals.
    All,
}

#[derive(Default)]
struct Place {
    known: Option<Box<Beginning>>,
    /// Hash of the last one that was read and is not known. One that comes twice in a row is kept.
    candidate: Hash,
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
    let seed = SEED.with(|seed| *seed) ^ u64::from(backslash);
    let hash = xxh3_128_with_seed(&sql[..end], seed);
    Some(Mark { word, hash })
}

/// Takes what a text came to that was the same but for its literals. Where there was none, but the same beginning was
/// read before, brings a pass to where it was before the mark's word.
pub(super) fn resume(
    sql: &[u8],
    mark: Mark,
    literals: Option<&mut Literals>,
    take: impl FnOnce(Same<'_>),
    state: &mut Rewriter,
) -> Found {
    KNOWN.with_borrow(|known| {
        let place = known.places.get(mark.hash as usize % PLACES);
        let Some(known) = place.and_then(|place| place.known.as_deref()) else {
            return Found::Nothing;
        };
        if known.hash != mark.hash {
            return Found::Nothing;
        }
        if let Some(literals) = literals {
            let mut endings = known.endings.iter();
            if let Some(same) = endings.find_map(|ending| ending.read(sql, mark.word, literals)) {
                take(same);
                return Found::All;
            }
        }
        state.resume(&known.state);
        Found::Beginning
    })
}

/// A text whose beginning is known was read to its end, and all of its literals were traced.
pub(super) fn note_ending(sql: &[u8], mark: Mark, state: &mut Rewriter, text: &str, part: &Part) {
    KNOWN.with_borrow_mut(|known| {
        let place = known.places.get_mut(mark.hash as usize % PLACES);
        let Some(beginning) = place.and_then(|place| place.known.as_deref_mut()) else {
            return;
        };
        let shape = shape(sql, mark.word, state.trace());
        if beginning.candidate != shape {
            beginning.candidate = shape;
            return;
        }
        let Some(ending) = Ending::new(sql, mark.word, state.trace(), text, part) else {
            return;
        };
        known.bytes += ending.bytes();
        match beginning.endings.get_mut(beginning.next) {
            Some(place) => {
                known.bytes -= place.bytes();
                *place = ending;
            }
            None => beginning.endings.push(ending),
        }
        beginning.next = (beginning.next + 1) % ENDINGS;
        if known.bytes > MAX_KEPT {
            *known = Known::default();
        }
    });
}

/// A beginning was read that is not known: the pass is before its last word.
pub(super) fn note(mark: Mark, state: &Rewriter) {
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
            hash: mark.hash,
            state: state.copy(),
            endings: Vec::new(),
            next: 0,
            candidate: 0,
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
        let endings: usize = self.endings.iter().map(Ending::bytes).sum();
        size_of::<Self>() + self.state.text().len() + endings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::{Dialect, Digest};

    fn read(sql: &str) {
        Digest::new().read(sql.as_bytes(), sql.len(), Dialect::default());
    }

    fn found(sql: &str) -> Found {
        let sql = sql.as_bytes();
        let mut state = Rewriter::default();
        let mut literals = Literals::default();
        let found = |mark| resume(sql, mark, Some(&mut literals), |_| {}, &mut state);
        mark(sql, false).map_or(Found::Nothing, found)
    }

    fn is_known(sql: &str) -> bool {
        found(sql) != Found::Nothing
    }

    /// Reads a text as often as it takes to know all of it but its literals, if that can be.
    fn learn(sql: &str) {
        (0..4).for_each(|_| read(sql));
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
    fn an_ending_that_comes_again_is_known_whatever_its_literals() {
        for (sql, same, other) in [
            ("id = 1", "id = 20", "id = -1"),
            ("id = 1", "id = 2.5", "id = 2e5"),
            ("id = '1'", "id = ''", "id = 'it''s'"),
            ("id = 1;", "id = 2;", "id = 2"),
            ("id = 1 LIMIT 21", "id = 2 LIMIT 21", "id = 2 LIMIT 20"),
            ("id = 1 LIMIT 20", "id = 2 LIMIT 10", "id = 2 LIMIT 21"),
            (
                "id = 1 OFFSET 20",
                "id = 1 OFFSET 40",
                "id = 1 OFFSET 2 ROWS",
            ),
            ("id IN (1, 2)", "id IN (1, 2, NULL, '4', 5)", "id IN (1)"),
            (
                "id = ANY(ARRAY[1, 2])",
                "id = ANY(ARRAY[1, 2, 3])",
                "id = ANY(ARRAY[1, a])",
            ),
            ("id = '1'::uuid", "id = '2'::uuid", "id = '2'::text"),
            ("id = $1", "id = $1", "id = $2"),
            ("id = 1 /*a='b'*/", "id = 2 /*c='d'*/", "id = 2 /*c*/ /*d*/"),
        ] {
            KNOWN.take();
            let text = |tail: &str| format!("SELECT \"id\", \"name\" FROM \"t\" WHERE {tail}");
            learn(&text(sql));
            assert_eq!(found(&text(same)), Found::All, "{same}");
            assert_eq!(found(&text(other)), Found::Beginning, "{other}");
        }
    }

    #[test]
    fn an_ending_that_depends_on_its_literals_is_not_kept() {
        for tail in [
            "id = 1_000",
            "id = 5x1",
            "id = (1)::varchar(123456789)",
            "id = -1",
            "id = NULL",
            "id = true",
            "id = 'it''s'",
            "id = E'a'",
            "id = 1e5",
            "id IN (1, 2) AND id IN (3, 4)",
            "id = 1 -- comment",
            "id = 1 /* one */ AND id = 2",
            "id = 1; SELECT 2",
        ] {
            let sql = format!("SELECT \"id\", \"name\" FROM \"u\" WHERE {tail}");
            learn(&sql);
            assert_eq!(found(&sql), Found::Beginning, "{tail}");
        }
    }

    #[test]
    fn literals_of_an_ending_are_not_kept() {
        learn(
            "SELECT \"id\", \"name\" FROM \"t\" WHERE a = 'hunter2' AND b IN (987654, 'hunter2', 3) /*c='hunter2'*/",
        );
        KNOWN.with_borrow(|known| {
            let beginnings = known.places.iter().filter_map(|place| place.known.as_ref());
            let endings: Vec<_> = beginnings
                .flat_map(|beginning| &beginning.endings)
                .collect();
            assert_eq!(endings.len(), 1);
            let kept = format!("{endings:?}");
            assert!(
                !kept.contains("hunter2") && !kept.contains("987654"),
                "{kept}"
            );
        });
    }

    #[test]
    fn a_beginning_has_a_few_endings() {
        for column in 0..10 {
            learn(&format!(
                "SELECT \"id\", \"name\" FROM \"t\" WHERE c{column} = 1"
            ));
        }
        KNOWN.with_borrow(|known| {
            let beginnings = known.places.iter().filter_map(|place| place.known.as_ref());
            let endings = beginnings.map(|beginning| beginning.endings.len());
            assert_eq!(endings.collect::<Vec<_>>(), [ENDINGS]);
        });
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
        for table in 0..2_000 {
            let columns = "\"a long name of a column\", ".repeat(100);
            let sql = format!("SELECT {columns} \"id\" FROM \"t{table}\" WHERE \"id\" = 1");
            learn(&sql);
            KNOWN.with_borrow(|known| {
                let beginnings = known.places.iter().filter_map(|place| place.known.as_ref());
                let bytes: usize = beginnings.map(|beginning| beginning.bytes()).sum();
                assert_eq!(known.bytes, bytes);
                assert!(bytes <= MAX_KEPT, "{bytes}");
            });
        }
    }
}
