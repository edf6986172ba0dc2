//! A set of values that may hold too much and never too little: whether a search can find enough is asked of it first.

use crate::request::Request;

/// Bits. A list of 30 rows fills an eighth of them, so that three foreign values pass together once in 500 times.
const BITS: usize = 256;

/// Values, as `Entry::keys` has them.
#[derive(Clone, Copy, Default)]
pub(super) struct Sieve([u64; BITS / 64]);

impl Sieve {
    /// Of these values; 0 is none.
    pub fn of(values: impl Iterator<Item = u32>) -> Self {
        let mut sieve = Self::default();
        values.for_each(|value| {
            let (word, bit) = place(value);
            sieve.0[word] |= if value == 0 { 0 } else { bit };
        });
        sieve
    }

    /// The values of both.
    pub fn with(mut self, other: &Self) -> Self {
        for (word, more) in self.0.iter_mut().zip(other.0) {
            *word |= more;
        }
        self
    }

    /// Whether it may hold a value; never 0.
    pub fn may_hold(&self, value: u32) -> bool {
        let (word, bit) = place(value);
        value != 0 && self.0[word] & bit != 0
    }

    /// Whether so many of these queries may ask for one of the values by one of their keys.
    pub fn may_pass(
        &self,
        request: &Request,
        queries: &[usize],
        key: usize,
        enough: usize,
    ) -> bool {
        let entries = queries.iter().filter_map(|at| request.entries.get(*at));
        let passing = entries.filter(|entry| self.may_hold(entry.keys[key]));
        passing.take(enough).count() == enough
    }
}

/// Word and bit of a value: hashes, any bits of which are as good as others.
fn place(value: u32) -> (usize, u64) {
    let place = value as usize % BITS;
    (place / 64, 1 << (place % 64))
}

/// Bits for each hash of a [`Before`]: one foreign hash in so many passes, and 1000 hashes take 2 KB.
const ROOM: usize = 16;

/// Hashes that have come: which of many may have come before is found out without sorting them.
pub(super) struct Before(Vec<u64>);

impl Before {
    /// For so many hashes.
    pub fn new(hashes: usize) -> Self {
        Self(vec![0; (hashes * ROOM / 64).next_power_of_two()])
    }

    /// Takes a hash, and tells whether it may have come before; where it has, it does.
    pub fn take(&mut self, hash: u64) -> bool {
        let place = (hash >> 6) as usize & (self.0.len() - 1);
        let Some(word) = self.0.get_mut(place) else {
            return true;
        };
        let bit = 1 << (hash & 63);
        let before = *word & bit != 0;
        *word |= bit;
        before
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Entry;

    fn asking_for(keys: impl IntoIterator<Item = u32>) -> Request {
        let entry = |key| Entry {
            keys: [key; Entry::KEYS],
            ..Entry::default()
        };
        Request {
            entries: keys.into_iter().map(entry).collect(),
            ..Request::default()
        }
    }

    #[test]
    fn what_is_in_it_passes_and_what_is_not_seldom_does() {
        let hash = |number: u32| number.wrapping_mul(0x9e37_79b9) | 1;
        let sieve = Sieve::of((1..=30).map(hash));
        let inside = asking_for([hash(3), 0, hash(30), hash(1)]);
        assert!(sieve.may_pass(&inside, &[0, 1, 2, 3], 0, 3));
        assert!(!sieve.may_pass(&inside, &[0, 1, 2], 0, 3));
        assert!(!sieve.may_pass(&asking_for([0; 5]), &[0, 1, 2, 3, 4], 0, 3));
        let outside = asking_for((1000..2000).map(hash));
        let passing = (0..1000).filter(|at| sieve.may_pass(&outside, &[*at], 0, 1));
        assert!(passing.count() < 250);
    }

    #[test]
    fn what_came_before_is_known_and_little_else_is() {
        let hash = |number: u64| xxhash_rust::xxh3::xxh3_64(&number.to_le_bytes());
        let mut before = Before::new(1000);
        let known = (0..1000).filter(|number| before.take(hash(*number)));
        assert!(known.count() < 100);
        assert!((0..1000).all(|number| before.take(hash(number))));
        let mut none = Before::new(0);
        assert!(!none.take(7));
        assert!(none.take(7));
    }

    #[test]
    fn two_together_hold_the_values_of_both() {
        let both = Sieve::of([1].into_iter()).with(&Sieve::of([2].into_iter()));
        assert!(both.may_pass(&asking_for([1, 2]), &[0, 1], 0, 2));
        assert!(!both.may_pass(&asking_for([1, 3]), &[0, 1], 0, 2));
    }
}
