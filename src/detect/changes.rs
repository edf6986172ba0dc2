//! What may have changed between two reads of a request.

use super::tables;
use crate::request::{Entry, Group};
use crate::sql::Facts;
use std::collections::HashMap;

/// Where data may last have changed: indices into the entries, plus one; 0 is never.
#[derive(Default)]
pub(super) struct Changes<'a> {
    tables: HashMap<&'a str, usize>,
    everything: usize,
}

impl<'a> Changes<'a> {
    /// Takes the query at `at`, and returns its facts where it reads rows of a table and changes nothing.
    ///
    /// A ROLLBACK of any kind undoes what was seen. A function (`SELECT f()`) may write, or wait for a lock, and so does
    /// `FOR UPDATE` wait: what others wrote meanwhile is seen after it.
    pub fn follow(
        &mut self,
        entry: &Entry,
        group: Option<&'a Group>,
        at: usize,
    ) -> Option<&'a Facts> {
        if entry.after_rollback {
            self.everything = at + 1;
        }
        let Some(group) = group else {
            self.everything = at + 1;
            return None;
        };
        let facts = &group.statement.facts;
        if facts.is_read() && !facts.table.is_empty() && !facts.for_update {
            return Some(facts);
        }
        let mut named = false;
        for table in tables(facts) {
            self.tables.insert(table, at + 1);
            named = true;
        }
        if !named {
            self.everything = at + 1;
        }
        None
    }

    /// Whether what a statement reads may have changed since the query at `at`.
    pub fn since(&self, facts: &Facts, at: usize) -> bool {
        self.everything > at
            || tables(facts).any(|table| self.tables.get(table).is_some_and(|t| *t > at))
    }
}
