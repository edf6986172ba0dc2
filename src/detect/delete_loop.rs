//! # What it finds
//!
//! A DELETE of one row by its key in a loop: `min_calls` or more, each of another row. What Django deletes along with each
//! row, in other tables, is part of the loop: only the loop's own table is accused.
//!
//! # Why it hurts
//!
//! Each `delete()` is a round trip, with more of them for what refers to the row.
//!
//! # Example
//!
//! ```python
//! for note in old_notes:                                    # 1 query for each note
//!     note.delete()
//!
//! old_notes.delete()                                        # 1 query
//! ```
//!
//! # Settings
//!
//! | key | default | |
//! |---|---|---|
//! | `enabled` | `true` | |
//! | `min_calls` | `5` | DELETEs of a loop, each of another row |
//! | `severity` | `"auto"` | `"info"`, `"warning"` or `"critical"` for all of its findings |
//! | `allow` | empty | `tables`, `routes`, `fingerprints` |
//!
//! # When it is wrong
//!
//! `QuerySet.delete()` sends the signals of each row, but calls no `delete()` of the model. A model's own `delete()` may do what
//! is not in the database, such as removing a file. Where the limits of a request are a guess, only loops inside one
//! transaction are reported.

use super::write_loops::{self, WriteLoop, lookup};
use super::{Allow, Detector, Finding, Subject, names};
use crate::request::{Entry, Group};
use crate::sql::{Column, Facts, Verb};

/// Name of the detector.
pub(super) const NAME: &str = "delete_loop";

/// Settings of `[detectors.delete_loop]`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether it looks at all.
    pub enabled: bool,
    /// DELETEs that make a loop; at least 2.
    pub min_calls: u32,
    /// Severity of its findings.
    pub severity: super::SeverityChoice,
    /// What is accepted.
    pub allow: Allow,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            min_calls: 5,
            severity: super::SeverityChoice::default(),
            allow: Allow::default(),
        }
    }
}

impl Settings {
    pub(super) fn validate(&self) -> Result<(), String> {
        write_loops::validate_min_calls(NAME, self.min_calls)
    }
}

/// Finds DELETEs in loops.
pub(super) struct DeleteLoop {
    settings: Settings,
}

impl DeleteLoop {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings }
    }
}

/// The only column that the rows are told by.
fn column(facts: &Facts) -> Option<&Column> {
    match (facts.equalities.as_slice(), &facts.in_column) {
        ([one], None) | ([], Some(one)) if !facts.other_predicates => Some(one),
        _ => None,
    }
}

fn is_accused(group: &Group) -> bool {
    let facts = &group.statement.facts;
    facts.verb == Verb::Delete
        && facts.tables.len() == 1
        && column(facts).is_some_and(|column| write_loops::is_key(&column.name))
}

fn is_turn(_: usize, entry: &Entry) -> bool {
    entry.rows == 1 && entry.in_arity <= 1
}

/// In each turn the row itself goes last, after all that refers to it: of loops that take turns the last is the root.
fn roots<'a>(mut loops: Vec<WriteLoop<'a>>) -> Vec<WriteLoop<'a>> {
    let end = |one: &WriteLoop<'_>| one.queries.last().copied();
    loops.sort_by_key(end);
    let mut roots: Vec<WriteLoop<'a>> = Vec::new();
    while let Some(one) = loops.pop() {
        if (roots.iter()).all(|root| root.queries.first().copied() > end(&one)) {
            roots.push(one);
        }
    }
    roots.reverse();
    roots
}

fn fix(facts: &Facts) -> String {
    let model = names::class(&facts.table);
    let by = column(facts).map_or("pk", |column| lookup(&column.name));
    format!("{model}.objects.filter({by}__in=…).delete() once, instead of the loop")
}

impl Detector for DeleteLoop {
    fn name(&self) -> &'static str {
        NAME
    }

    fn inspect(&self, request: &Subject<'_>, findings: &mut Vec<Finding>) {
        let least = self.settings.min_calls;
        let mut loops = write_loops::search(request, least, is_accused, is_turn);
        loops.retain(|one| write_loops::distinct_keys(request, &one.queries) >= least as usize);
        for found in roots(loops) {
            findings.push(found.finding(NAME, request, fix(&found.group.statement.facts)));
        }
    }
}
