//! # What it finds
//!
//! An INSERT of one row in a loop: `min_calls` or more with nothing but reads in between, or in a loop body of up to eight
//! statements. Where each is a transaction of its own, the fix says so.
//!
//! # Why it hurts
//!
//! Each INSERT is a round trip and, outside of a transaction, a commit that waits for the disk.
//!
//! # Example
//!
//! ```python
//! for line in lines:                                        # 1 query for each line
//!     OrderLine.objects.create(order=order, product=line.product)
//!
//! OrderLine.objects.bulk_create(                            # 1 query
//!     [OrderLine(order=order, product=line.product) for line in lines]
//! )
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
//! `bulk_create()` calls no `save()` and sends no signals: where they matter, keep the loop inside `transaction.atomic()`. Not
//! reported are models that inherit from another table, which `bulk_create()` refuses, and audit logs, whose rows go with what
//! else the loop does: `django_admin_log` and tables of auditlog, easyaudit, reversion and simple_history, or named `…log`. Where
//! the limits of a request are a guess, only loops inside one transaction are.

use super::write_loops::{self, WriteLoop};
use super::{Allow, Detector, Finding, Subject, names};
use crate::request::{Group, Request};
use crate::sql::Verb;

/// Name of the detector.
pub(super) const NAME: &str = "insert_loop";

/// Settings of `[detectors.insert_loop]`.
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

/// Finds INSERTs in loops.
pub(super) struct InsertLoop {
    settings: Settings,
}

impl InsertLoop {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings }
    }
}

fn is_accused(group: &Group) -> bool {
    group.statement.facts.verb == Verb::Insert
        && !write_loops::is_link(group)
        && !is_child(group)
        && !is_audit(&group.statement.facts.table)
}

/// A row of a model that inherits from another table holds the other row's key.
fn is_child(group: &Group) -> bool {
    write_loops::inserted(&group.statement.text).any(|column| column.ends_with("_ptr_id"))
}

/// The row in the table of a parent model: the child's follows.
fn is_parent(request: &Request, at: usize) -> bool {
    write_loops::query(request, at + 1)
        .is_some_and(|(_, next)| next.statement.facts.verb == Verb::Insert && is_child(next))
}

fn is_audit(table: &str) -> bool {
    let named = ["auditlog_", "easyaudit_", "reversion_"]
        .iter()
        .any(|prefix| table.starts_with(prefix));
    named || table.ends_with("log") || table.ends_with("logentry") || table.contains("historical")
}

fn fix(request: &Request, found: &WriteLoop<'_>) -> String {
    let model = names::class(&found.group.statement.facts.table);
    let mut entries = found
        .queries
        .iter()
        .filter_map(|at| request.entries.get(*at));
    let commits = entries.all(|entry| !entry.in_transaction);
    let atomic = if commits {
        "; where save() or signals must run, the loop inside transaction.atomic(): each INSERT commits on its own"
    } else {
        ""
    };
    format!("{model}.objects.bulk_create(objects) once, after the loop{atomic}")
}

impl Detector for InsertLoop {
    fn name(&self) -> &'static str {
        NAME
    }

    fn inspect(&self, request: &Subject<'_>, findings: &mut Vec<Finding>) {
        let is_turn = |at, entry: &_| {
            write_loops::query(request, at)
                .is_some_and(|(_, group)| write_loops::is_single_row(group, entry))
                && !write_loops::is_upsert(request, at)
                && !is_parent(request, at)
        };
        for found in write_loops::search(request, self.settings.min_calls, is_accused, is_turn) {
            findings.push(found.finding(NAME, request, fix(request, &found)));
        }
    }
}
