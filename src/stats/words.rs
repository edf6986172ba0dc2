//! Counts by words of the program: bounded sets that stay small by themselves.

use super::label::OTHER;
use super::settings::MAX_WORDS;

/// Size of a bounded table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// Entries it holds.
    pub entries: u64,
    /// Entries evicted to make room, or refused for lack of it, since the start.
    pub evictions: u64,
}

/// Sets the table of that name; one name too many is left out.
pub(super) fn set(tables: &mut Vec<Table>, table: Table) {
    let place = tables.iter().position(|known| known.name == table.name);
    match place {
        Some(place) => tables[place] = table,
        None if tables.len() < MAX_WORDS - OWN_TABLES => tables.push(table),
        None => {}
    }
}

/// Tables of the statistics themselves.
const OWN_TABLES: usize = 8;

/// Counts by reason; one reason too many counts as `other`.
#[derive(Debug, Default)]
pub(super) struct Counters(Vec<(&'static str, u64)>);

impl Counters {
    /// With these at 0: a series that begins with its first count shows no increase.
    pub(super) fn known(reasons: &[&'static str]) -> Self {
        Self(reasons.iter().map(|reason| (*reason, 0)).collect())
    }

    /// Counts a reason.
    pub(super) fn count(&mut self, reason: &'static str) {
        let full = self.0.len() >= MAX_WORDS;
        let known = |name: &str| self.0.iter().position(|(word, _)| *word == name);
        let place = match known(reason) {
            None if full => known(OTHER).ok_or(OTHER),
            place => place.ok_or(reason),
        };
        match place {
            Ok(place) => self.0[place].1 += 1,
            Err(word) => self.0.push((word, 1)),
        }
    }

    /// All counts.
    pub(super) fn all(&self) -> &[(&'static str, u64)] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_reason_too_many_is_other() {
        let mut counters = Counters::default();
        for number in 0..200 {
            counters.count(format!("reason {number}").leak());
        }
        counters.count("reason 3");
        assert_eq!(counters.all().len(), MAX_WORDS + 1);
        assert_eq!(counters.all()[3], ("reason 3", 2));
        assert_eq!(counters.all()[MAX_WORDS], (OTHER, 200 - MAX_WORDS as u64));
    }

    #[test]
    fn a_table_keeps_its_last_size() {
        let mut tables = Vec::new();
        for entries in [3, 5] {
            let table = Table {
                name: "digests",
                entries,
                evictions: 1,
            };
            set(&mut tables, table);
        }
        assert_eq!(tables.len(), 1);
        assert_eq!(tables[0].entries, 5);
    }
}
