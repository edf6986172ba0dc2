//! # What it finds
//!
//! `add()` of one object to a many-to-many relation in a loop: `min_calls` or more INSERTs of one row with two foreign keys and
//! `ON CONFLICT DO NOTHING`.
//!
//! # Why it hurts
//!
//! `add()` takes any number of objects in one query. In a loop it is a round trip for each, and another one where a receiver of
//! `m2m_changed` is connected.
//!
//! # Example
//!
//! ```python
//! for tag in tags:                                          # 1 query for each tag
//!     book.tags.add(tag)
//!
//! book.tags.add(*tags)                                      # 1 query
//! ```
//!
//! # Settings
//!
//! | key | default | |
//! |---|---|---|
//! | `enabled` | `true` | |
//! | `min_calls` | `5` | INSERTs of a loop |
//! | `severity` | `"auto"` | `"info"`, `"warning"` or `"critical"` for all of its findings |
//! | `allow` | empty | `tables`, `routes`, `fingerprints` |
//!
//! # When it is wrong
//!
//! `through.objects.bulk_create()` sends no `m2m_changed`. Models of your own that are named by `through=` have more columns and
//! are of `insert_loop`. Where the limits of a request are a guess, only loops inside one transaction are reported.

use super::write_loops;
use super::{Allow, Detector, Finding, Subject, names};
use crate::sql::Statement;

/// Name of the detector.
pub(super) const NAME: &str = "m2m_add_loop";

/// Settings of `[detectors.m2m_add_loop]`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether it looks at all.
    pub enabled: bool,
    /// INSERTs that make a loop; at least 2.
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

/// Finds loops of `add()`.
pub(super) struct M2mAddLoop {
    settings: Settings,
}

impl M2mAddLoop {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings }
    }
}

/// Model and field of the relation, where its table is named as Django does: `book` and `tags` of `lib_book_tags`.
fn relation(statement: &Statement) -> Option<(&str, &str)> {
    write_loops::inserted(&statement.text).find_map(|column| {
        let model = names::field(column)?;
        let (_, field) = (statement.facts.table).split_once(&format!("_{model}_"))?;
        Some((model, field))
    })
}

fn fix(statement: &Statement) -> String {
    match relation(statement) {
        Some((model, field)) => {
            let class = names::class(model);
            format!(
                "{model}.{field}.add(*objects) once; for several of {model}: \
                 {class}.{field}.through.objects.bulk_create(…, ignore_conflicts=True)"
            )
        }
        None => format!(
            "add(*objects) once, or bulk_create(…, ignore_conflicts=True) of the through model of {}",
            statement.facts.table
        ),
    }
}

impl Detector for M2mAddLoop {
    fn name(&self) -> &'static str {
        NAME
    }

    fn inspect(&self, request: &Subject<'_>, findings: &mut Vec<Finding>) {
        let is_turn = |at, entry: &_| {
            write_loops::query(request, at)
                .is_some_and(|(_, group)| write_loops::is_single_row(group, entry))
        };
        let least = self.settings.min_calls;
        for found in write_loops::search(request, least, write_loops::is_link, is_turn) {
            findings.push(found.finding(NAME, request, fix(&found.group.statement)));
        }
    }
}
