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
        for value in values.filter(|value| *value != 0) {
            let (word, bit) = place(value);
            sieve.0[word] |= bit;
        }
        sieve
    }

    /// The values of both.
    pub fn with(mut self, other: &Self) -> Self {
        for (word, more) in self.0.iter_mut().zip(other.0) {
            *word |= more;
        }
        self
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
        let passing = entries.filter(|entry| {
            let value = entry.keys[key];
            let (word, bit) = place(value);
            value != 0 && self.0[word] & bit != 0
        });
        passing.take(enough).count() == enough
    }
}

/// Word and bit of a value: hashes, any bits of which are as good as others.
fn place(value: u32) -> (usize, u64) {
    let place = value as usize % BITS;
    (place / 64, 1 << (place % 64))
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
    fn two_together_hold_the_values_of_both() {
        let both = Sieve::of([1].into_iter()).with(&Sieve::of([2].into_iter()));
        assert!(both.may_pass(&asking_for([1, 2]), &[0, 1], 0, 2));
        assert!(!both.may_pass(&asking_for([1, 3]), &[0, 1], 0, 2));
    }
}
