//! Lines of code that queries of a request came from, as their comments name them.

use compact_str::CompactString;

/// Lines of one request that are told apart; what comes from others counts as from an unknown line.
const MAX_CALLSITES: usize = 64;

/// The lines of one request, each with a number from 1. Its memory is reused from request to request.
#[derive(Clone, Debug, Default)]
pub struct Callsites {
    names: Vec<CompactString>,
}

impl Callsites {
    /// The number of a line (`app/views.py:42`), or 0 where there is no room for it.
    pub(super) fn note(&mut self, name: &str) -> u16 {
        // A loop names the line that came last.
        let known = self.names.iter().rposition(|known| known == name);
        let place = known.or_else(|| {
            (self.names.len() < MAX_CALLSITES).then(|| {
                self.names.push(name.into());
                self.names.len() - 1
            })
        });
        place.map_or(0, |place| u16::try_from(place + 1).unwrap_or(0))
    }

    /// The line of a number, or the empty text.
    fn name(&self, number: u16) -> &str {
        let place = usize::from(number).checked_sub(1);
        let name = place.and_then(|place| self.names.get(place));
        name.map_or("", CompactString::as_str)
    }

    /// All lines, in the order of their numbers.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(CompactString::as_str)
    }

    /// The line that most of these numbers stand for, or the empty text where none is known.
    pub(super) fn most(&self, numbers: impl Iterator<Item = u16>) -> &str {
        let mut counts = [0_u32; MAX_CALLSITES + 1];
        for number in numbers {
            if let Some(count) = counts.get_mut(usize::from(number)) {
                *count += 1;
            }
        }
        let most = (1..counts.len())
            .rev()
            .max_by_key(|number| counts[*number])
            .filter(|number| counts[*number] > 0);
        most.map_or("", |number| self.name(u16::try_from(number).unwrap_or(0)))
    }

    pub(super) fn clear(&mut self) {
        self.names.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_most_queries_is_named_and_the_first_of_two() {
        let mut lines = Callsites::default();
        let numbers = ["a.py:1", "b.py:2", "b.py:2"].map(|line| lines.note(line));
        assert_eq!(numbers, [1, 2, 2]);
        assert_eq!(lines.most(numbers.into_iter()), "b.py:2");
        assert_eq!(lines.most([2, 1, 0, 0, 0].into_iter()), "a.py:1");
        assert_eq!(lines.most([0, 0].into_iter()), "");
    }

    #[test]
    fn lines_without_room_are_unknown() {
        let mut lines = Callsites::default();
        for number in 0..MAX_CALLSITES {
            assert_ne!(lines.note(&format!("a.py:{number}")), 0);
        }
        assert_eq!(lines.note("b.py:1"), 0);
        assert_eq!(lines.name(0), "");
        assert_eq!(lines.note("a.py:0"), 1);
        lines.clear();
        assert_eq!(lines.note("b.py:1"), 1);
    }
}
