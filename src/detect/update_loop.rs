//! # What it finds
//!
//! An UPDATE of one row in a loop, by a single column and with another value of it each time: `min_calls` or more with
//! nothing but reads in between, or in a loop body of up to eight statements. The fix depends on what is set: the same values in
//! all rows, `F()` expressions, or values of each row's own.
//!
//! # Why it hurts
//!
//! Each UPDATE is a round trip and, outside of a transaction, a commit that waits for the disk.
//!
//! # Example
//!
//! ```python
//! for book in books:                                        # 1 query for each book
//!     book.price = prices[book.pk]
//!     book.save()
//!
//! Book.objects.bulk_update(books, ["price"])                # 1 query, once prices are set
//! Book.objects.filter(pk__in=ids).update(sale=True)         # 1 query, where all get the same
//! ```
//!
//! # Settings
//!
//! | key | default | |
//! |---|---|---|
//! | `enabled` | `true` | |
//! | `min_calls` | `5` | UPDATEs of a loop, each of another row |
//! | `severity` | `"auto"` | `"info"`, `"warning"` or `"critical"` for all of its findings |
//! | `allow` | empty | `tables`, `routes`, `fingerprints` |
//!
//! # When it is wrong
//!
//! `bulk_update()` and `update()` call no `save()` and send no signals: where they matter, keep the loop. Loops that lock each
//! row before they change it, and UPDATEs with further conditions (a version, a status), may be meant so and are not
//! reported. Where the limits of a request are a guess, only loops inside one transaction are.

use super::write_loops::{self, WriteLoop, lookup};
use super::{Allow, Detector, Finding, Subject, names};
use crate::request::{Group, Request};
use crate::sql::{Statement, Verb};

/// Name of the detector.
pub(super) const NAME: &str = "update_loop";

/// SET columns that a fix names, at most.
const MAX_NAMES: usize = 3;

/// Settings of `[detectors.update_loop]`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether it looks at all.
    pub enabled: bool,
    /// UPDATEs that make a loop; at least 2.
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

/// Finds UPDATEs in loops.
pub(super) struct UpdateLoop {
    settings: Settings,
}

impl UpdateLoop {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings }
    }
}

fn is_accused(group: &Group) -> bool {
    let facts = &group.statement.facts;
    facts.verb == Verb::Update
        && facts.equalities.len() == 1
        && facts.in_column.is_none()
        && !facts.other_predicates
        && facts.joins.is_empty()
        && facts.tables.len() == 1
}

/// Whether all queries set the same values. Bound values are not known and may differ.
fn sets_the_same(request: &Request, found: &WriteLoop<'_>) -> bool {
    let mut values = (found.queries.iter())
        .filter_map(|at| request.entries.get(*at))
        .map(|entry| entry.set_literals);
    let first = values.next().unwrap_or(0);
    first != 0 && values.all(|value| value == first)
}

/// SET names a column beside those that it sets: `F("price") + 1`.
fn has_expression(statement: &Statement) -> bool {
    let set = (statement.text.split_once(" SET "))
        .and_then(|(_, rest)| rest.rsplit_once(" WHERE "))
        .map_or("", |(set, _)| set);
    set.matches('"').count() > 2 * statement.facts.columns.len()
}

fn fix(request: &Request, found: &WriteLoop<'_>) -> String {
    let statement = &found.group.statement;
    let facts = &statement.facts;
    let model = names::class(&facts.table);
    let by = (facts.equalities.first()).map_or("pk", |column| lookup(&column.name));
    let set: Vec<&str> = (facts.columns.iter())
        .map(|column| names::lookup(&column.name))
        .collect();
    let few = !set.is_empty() && set.len() <= MAX_NAMES;
    if sets_the_same(request, found) {
        let value = if has_expression(statement) {
            "F(…)"
        } else {
            "…"
        };
        let values: Vec<String> = set.iter().map(|name| format!("{name}={value}")).collect();
        let values = if few {
            values.join(", ")
        } else {
            "…".to_owned()
        };
        return format!(
            "{model}.objects.filter({by}__in=…).update({values}) once, instead of the loop"
        );
    }
    if few {
        let fields = set.join("\", \"");
        format!("{model}.objects.bulk_update(objects, [\"{fields}\"]) once, after the loop")
    } else {
        format!(
            "{model}.objects.bulk_update(objects, […]) once, after the loop, with only the fields that change"
        )
    }
}

impl Detector for UpdateLoop {
    fn name(&self) -> &'static str {
        NAME
    }

    fn inspect(&self, request: &Subject<'_>, findings: &mut Vec<Finding>) {
        // No row: `save()` of a new object with a key, whose INSERT follows.
        let is_turn = |at, entry: &crate::request::Entry| {
            entry.rows == 1 && !write_loops::is_locked(request, at)
        };
        let least = self.settings.min_calls;
        for found in write_loops::search(request, least, is_accused, is_turn) {
            if write_loops::distinct_keys(request, &found.queries) >= least as usize {
                findings.push(found.finding(NAME, request, fix(request, &found)));
            }
        }
    }
}
