//! # What it finds
//!
//! `get_or_create()` or `update_or_create()` in a loop: `min_calls` turns or more of a `get()` by other values each time, of
//! which those that find nothing are followed by an INSERT into the same table. With `select_for_update()`, as
//! `update_or_create()` has it, those that find a row are followed by its UPDATE.
//!
//! # Why it hurts
//!
//! Each turn is two round trips and often a transaction of its own, where two queries would do for all of them.
//!
//! # Example
//!
//! ```python
//! for name in names:                                        # up to 2 queries for each name
//!     tag, created = Tag.objects.get_or_create(name=name)
//!
//! Tag.objects.bulk_create([Tag(name=name) for name in names], ignore_conflicts=True)
//! tags = Tag.objects.filter(name__in=names)                 # 2 queries
//! ```
//!
//! # Settings
//!
//! | key | default | |
//! |---|---|---|
//! | `enabled` | `true` | |
//! | `min_calls` | `5` | turns of a loop |
//! | `severity` | `"auto"` | `"info"`, `"warning"` or `"critical"` for all of its findings |
//! | `allow` | empty | `tables`, `routes`, `fingerprints` |
//!
//! # When it is wrong
//!
//! `bulk_create()` needs a unique constraint to meet conflicts, calls no `save()` and sends no signals. A loop that finds all
//! its rows, or all but one, is not reported, and neither is one that locks rows by their primary key.

use super::guards::is_system;
use super::runs::Runs;
use super::write_loops::{self, WriteLoop, lookup};
use super::{Allow, Detector, Finding, Subject, names};
use crate::request::Request;
use crate::sql::Facts;

/// Name of the detector.
pub(super) const NAME: &str = "get_or_create_loop";

/// Writes that show that the loop creates what it does not find: one may be by chance.
const MIN_WRITES: usize = 2;

/// Settings of `[detectors.get_or_create_loop]`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether it looks at all.
    pub enabled: bool,
    /// Turns that make a loop; at least 2.
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

/// Finds loops of `get_or_create()` and `update_or_create()`.
pub(super) struct GetOrCreateLoop {
    settings: Settings,
}

impl GetOrCreateLoop {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings }
    }

    fn find(&self, request: &Request, runs: &Runs, index: usize) -> Option<Finding> {
        let group = request.groups.get(index)?;
        let least = self.settings.min_calls as usize;
        let turns = (runs.positions(index).iter().copied()).filter(|at| is_turn(request, *at));
        let reads = write_loops::stretches(turns, least, |last, at| {
            write_loops::is_near(request, last, at)
        });
        let writes: Vec<usize> = (reads.iter().map(|at| at + 1))
            .filter(|at| write_loops::is_upsert(request, *at))
            .collect();
        if writes.len() < MIN_WRITES || distinct(request, &reads) < least {
            return None;
        }
        let entries = (reads.iter().chain(&writes)).filter_map(|at| request.entries.get(*at));
        let found = WriteLoop {
            group,
            calls: u32::try_from(reads.len() + writes.len()).unwrap_or(u32::MAX),
            nanos: entries.map(|entry| entry.nanos).sum(),
            queries: reads,
        };
        Some(found.finding(NAME, request, fix(&group.statement.facts)))
    }
}

fn is_written(request: &Request, table: &str) -> bool {
    request.groups.iter().any(|group| {
        let facts = &group.statement.facts;
        facts.is_write() && facts.table == table
    })
}

/// A `get()` that is followed as it should be.
fn is_turn(request: &Request, at: usize) -> bool {
    let Some((entry, group)) = write_loops::query(request, at) else {
        return false;
    };
    let writes = entry.rows == 0 || group.statement.facts.for_update;
    !entry.failed && (!writes || write_loops::is_upsert(request, at + 1))
}

fn distinct(request: &Request, queries: &[usize]) -> usize {
    let mut literals: Vec<u64> = (queries.iter())
        .filter_map(|at| request.entries.get(*at))
        .map(|entry| entry.literals)
        .collect();
    literals.sort_unstable();
    literals.dedup();
    literals.len()
}

/// By its key a row is locked to be changed, not to be made.
fn locks_by_key(facts: &Facts) -> bool {
    facts.for_update && (facts.equalities.iter()).all(|column| column.name == "id")
}

fn fix(facts: &Facts) -> String {
    let model = names::class(&facts.table);
    let by: Vec<&str> = (facts.equalities.iter())
        .map(|column| lookup(&column.name))
        .collect();
    let first = by.first().copied().unwrap_or("pk");
    if facts.for_update {
        format!(
            "{model}.objects.bulk_create(objects, update_conflicts=True, unique_fields=[\"{}\"], \
             update_fields=[…]) once; or filter({first}__in=…).select_for_update() once, then bulk_update()",
            by.join("\", \"")
        )
    } else {
        format!(
            "{model}.objects.bulk_create(objects, ignore_conflicts=True) once, then filter({first}__in=…)"
        )
    }
}

impl Detector for GetOrCreateLoop {
    fn name(&self) -> &'static str {
        NAME
    }

    fn inspect(&self, request: &Subject<'_>, findings: &mut Vec<Finding>) {
        let suspects: Vec<usize> = (request.groups.iter().enumerate())
            .filter(|(_, group)| {
                let facts = &group.statement.facts;
                group.calls >= self.settings.min_calls
                    && write_loops::is_get(facts)
                    && !locks_by_key(facts)
                    && !is_system(group)
                    && is_written(request, &facts.table)
            })
            .map(|(index, _)| index)
            .collect();
        if suspects.is_empty() {
            return;
        }
        let runs = Runs::search(request, self.settings.min_calls as usize);
        findings.extend((suspects.into_iter()).filter_map(|at| self.find(request, &runs, at)));
    }
}
