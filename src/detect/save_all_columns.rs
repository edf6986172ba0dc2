//! # What it finds
//!
//! A row that was read with `get()` and then written back by `save()` with every column that was read, where that is
//! `min_columns` columns or more, or a row of `min_bytes` or more.
//!
//! # Why it hurts
//!
//! All columns travel to the server and are written although few have changed, and values that another request has written in
//! the meantime are overwritten with old ones.
//!
//! # Example
//!
//! ```python
//! order = Order.objects.get(pk=pk)
//! order.status = "paid"
//! order.save()                                # writes all columns
//!
//! order.save(update_fields=["status"])        # writes one
//! ```
//!
//! # Settings
//!
//! | key | default | |
//! |---|---|---|
//! | `enabled` | `true` | |
//! | `min_columns` | `8` | columns that are many |
//! | `min_bytes` | `2048` | bytes of the row that was read that are many, also in fewer columns |
//! | `severity` | `"auto"` | `"info"`, `"warning"` or `"critical"` for all of its findings |
//! | `allow` | empty | `tables`, `routes`, `fingerprints` |
//!
//! Its own judgement is always `info`.
//!
//! # When it is wrong
//!
//! A form may have changed every column. A field with `auto_now` must be named in `update_fields` too. A loop of `save()` is
//! reported by `update_loop` alone.

use super::write_loops;
use super::{Allow, Detector, Finding, Severity, Subject, accuse, names, update_loop};
use crate::request::{Group, Request};
use crate::sql::{Facts, Verb};

/// Name of the detector.
pub(super) const NAME: &str = "save_all_columns";

/// Settings of `[detectors.save_all_columns]`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether it looks at all.
    pub enabled: bool,
    /// Columns that are many; at least 1.
    pub min_columns: u32,
    /// Bytes of a row that are many; at least 1.
    pub min_bytes: u64,
    /// Severity of its findings.
    pub severity: super::SeverityChoice,
    /// What is accepted.
    pub allow: Allow,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            min_columns: 8,
            min_bytes: 2048,
            severity: super::SeverityChoice::default(),
            allow: Allow::default(),
        }
    }
}

impl Settings {
    pub(super) fn validate(&self) -> Result<(), String> {
        let zero = if self.min_columns == 0 {
            Some("min_columns")
        } else if self.min_bytes == 0 {
            Some("min_bytes")
        } else {
            None
        };
        zero.map_or(Ok(()), |key| {
            Err(format!(
                "detectors.{NAME}.{key} = 0: every save() would be one of many columns; write 1 or more"
            ))
        })
    }
}

/// Finds rows that are written back whole.
pub(super) struct SaveAllColumns {
    settings: Settings,
}

impl SaveAllColumns {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings }
    }

    /// Calls of an UPDATE that write back what an earlier `get()` read of the row.
    fn count(&self, request: &Request, updates: usize, gets: usize) -> u32 {
        let wide = |facts: &Facts| facts.columns.len() >= self.settings.min_columns as usize;
        let many = (request.groups.get(updates)).is_some_and(|g| wide(&g.statement.facts));
        // Rows that were read, by key.
        let mut read: Vec<u32> = Vec::new();
        let mut calls = 0;
        let by = |group: usize| {
            let facts = &request.groups.get(group)?.statement.facts;
            Some(facts.equalities.first()?.name.as_str())
        };
        let (asked, by) = (by(gets), by(updates).unwrap_or_default());
        let stream = request.streams.of(gets);
        for (at, entry) in request
            .entries
            .iter()
            .enumerate()
            .filter(|(_, entry)| !entry.failed)
        {
            let index = usize::from(entry.group);
            let key = if index == gets && asked != Some(by) {
                // Asked for by something else: the row tells its key.
                let read =
                    stream.and_then(|stream| stream.first_value(u32::try_from(at).ok()?, by));
                read.unwrap_or(0)
            } else {
                entry.keys[0]
            };
            if index == gets && entry.rows == 1 && (many || entry.bytes >= self.settings.min_bytes)
            {
                read.push(key);
            } else if index == updates && entry.rows == 1 && key != 0 && read.contains(&key) {
                calls += 1;
            }
        }
        calls
    }
}

/// `UPDATE … WHERE key = ?`, as `save()` writes it.
fn is_save(facts: &Facts) -> bool {
    facts.verb == Verb::Update
        && facts.equalities.len() == 1
        && facts.in_column.is_none()
        && !facts.other_predicates
        && !facts.columns.is_empty()
}

/// The `get()` by the same key read the columns that the UPDATE sets, and the key.
fn reads_the_same(get: &Facts, save: &Facts) -> bool {
    let Some(by) = save.equalities.first() else {
        return false;
    };
    let same = get.table == save.table && !get.equalities.is_empty();
    let own = || (get.columns.iter()).filter(|column| column.table == get.table);
    same && write_loops::is_get(get)
        && own().count() == save.columns.len() + 1
        && own().all(|column| {
            column.name == by.name || save.columns.iter().any(|set| set.name == column.name)
        })
}

impl Detector for SaveAllColumns {
    fn name(&self) -> &'static str {
        NAME
    }

    fn inspect(&self, request: &Subject<'_>, findings: &mut Vec<Finding>) {
        let in_loops: Vec<_> = (findings.iter())
            .filter(|finding| finding.cause.detector == update_loop::NAME)
            .filter_map(|finding| finding.cause.fingerprint)
            .collect();
        let groups = || request.groups.iter().enumerate();
        for (updates, group) in groups() {
            let save = &group.statement;
            if !is_save(&save.facts) || in_loops.contains(&save.fingerprint) {
                continue;
            }
            let get = groups().find(|(_, get)| reads_the_same(&get.statement.facts, &save.facts));
            let Some((gets, _)) = get else { continue };
            let calls = self.count(request, updates, gets);
            if calls > 0 {
                findings.push(finding(request, group, calls));
            }
        }
    }
}

fn finding(request: &Request, group: &Group, count: u32) -> Finding {
    let statement = &group.statement;
    let fix = format!(
        "save(update_fields=[…]) with the fields that change, on the {} that get() returned",
        names::class(&statement.facts.table)
    );
    Finding {
        severity: Severity::Info,
        count,
        ..accuse::statement(NAME, request, statement, fix)
    }
}
