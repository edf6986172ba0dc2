//! # What it finds
//!
//! A SELECT that ran `per_second` times a second or more, in each ten seconds of `sustained`, and that is served by none of
//! the indexes that Django makes by itself: it asks for columns other than a primary key or a foreign key, sorts by one, or
//! reads a whole table. It is worth knowing.
//!
//! # Why it hurts
//!
//! What one such query reads too much, all of them read: the server spends its time on the same pages again and again.
//!
//! # Example
//!
//! ```python
//! Flag.objects.filter(name=name)                                 # several times a second
//!
//! class Meta:                                                    # once EXPLAIN has shown that it helps
//!     indexes = [models.Index(fields=["name"])]
//!
//! cache.get_or_set("flags", load_flags, 30)                      # where it may be a little old
//! ```
//!
//! # Settings
//!
//! | key | default | |
//! |---|---|---|
//! | `enabled` | `true` | |
//! | `per_second` | `5` | queries a second that are many |
//! | `sustained` | `"1m"` | for so long; counted in steps of ten seconds |
//! | `severity` | `"auto"` | `"info"`, `"warning"` or `"critical"` for all of its findings |
//! | `allow` | empty | `tables`, `fingerprints` |
//!
//! # When it is wrong
//!
//! A hot query that an index serves is fine, and which indexes exist is not on the wire: check it with EXPLAIN. Queries
//! count when their request ends. Statements are remembered as they come, 1,024 at a time; a statement that makes room for
//! others while it is hot begins anew, and counts in `table_evictions_total`.

use super::guards::is_system;
use super::index;
use super::monitor::{Generations, Monitor, Observed, Pace, What, check_least};
use super::{Allow, Finding, Severity, accuse};
use crate::request::Group;
use crate::sql::Verb;
use crate::units::Period;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Name of the detector.
pub(super) const NAME: &str = "hot_query";

/// Statements that are watched.
const MAX_STATEMENTS: usize = 1024;
/// Time in each of which the rate must be reached.
const STEP: u64 = 10_000_000_000;

/// Settings of `[detectors.hot_query]`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether it looks at all.
    pub enabled: bool,
    /// Queries a second that are many; at least 1.
    pub per_second: u32,
    /// For how long; at least ten seconds.
    pub sustained: Period,
    /// Severity of its findings.
    pub severity: super::SeverityChoice,
    /// What is accepted.
    pub allow: Allow,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            per_second: 5,
            sustained: Period::secs(60),
            severity: super::SeverityChoice::default(),
            allow: Allow::default(),
        }
    }
}

impl Settings {
    pub(super) fn validate(&self) -> Result<(), String> {
        check_least(NAME, "per_second", self.per_second, 1)?;
        if self.sustained.nanos() < STEP {
            return Err(format!(
                "detectors.{NAME}.sustained = \"{}\": too short to tell a burst from a rate; write \"10s\" or more",
                self.sustained
            ));
        }
        if !self.allow.routes.is_empty() {
            return Err(format!(
                "detectors.{NAME}.allow.routes: it accuses a statement, on whatever route; write tables or fingerprints"
            ));
        }
        Ok(())
    }
}

/// A statement on a database.
#[derive(Debug, Default)]
struct Rate {
    /// The ten seconds at hand, and the calls in them.
    step: u64,
    calls: u32,
    /// How many before them, without a gap, reached the rate.
    steps: u64,
    /// Calls and their time since the rate was first reached or last reported.
    total: u32,
    nanos: u64,
    pace: Pace,
}

impl Rate {
    fn add(&mut self, step: u64, calls: u32, nanos: u64, needed: u32) {
        // Connections report a little out of order.
        if step > self.step {
            let kept = step == self.step + 1 && self.calls >= needed;
            self.steps = if kept {
                self.steps.saturating_add(1)
            } else {
                0
            };
            if !kept {
                (self.total, self.nanos) = (0, 0);
            }
            (self.step, self.calls) = (step, 0);
        }
        self.calls = self.calls.saturating_add(calls);
        self.total = self.total.saturating_add(calls);
        self.nanos = self.nanos.saturating_add(nanos);
    }
}

/// Finds statements that run all the time. Keeps [`MAX_STATEMENTS`] of them.
pub(super) struct HotQuery {
    settings: Settings,
    rates: Generations<u64, Rate>,
}

impl HotQuery {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            rates: Generations::new(MAX_STATEMENTS),
        }
    }
}

fn is_suspect(group: &Group) -> bool {
    let facts = &group.statement.facts;
    facts.is_read()
        && facts.verb != Verb::Declare
        && !facts.for_update
        && !is_system(group)
        && !facts.table.starts_with("auth_")
}

impl Monitor for HotQuery {
    fn name(&self) -> &'static str {
        NAME
    }

    fn table(&self) -> Option<(u64, u64)> {
        Some(self.rates.size())
    }

    fn observe(&mut self, seen: &Observed<'_>, findings: &mut Vec<Finding>) {
        let What::Request(request) = seen.what else {
            return;
        };
        let step = seen.at.0 / STEP;
        let needed = self.settings.per_second.saturating_mul(10);
        let steps = self.settings.sustained.nanos().div_ceil(STEP);
        for group in request.groups.iter().filter(|group| is_suspect(group)) {
            let statement = &group.statement;
            let key = xxh3_64_with_seed(request.database.as_bytes(), statement.fingerprint.0);
            let rate = self.rates.get(key);
            rate.add(step, group.calls, group.nanos, needed);
            if rate.steps < steps {
                continue;
            }
            let Some(fix) = index::hot(statement) else {
                continue;
            };
            if self.settings.allow.allows_tables(&statement.facts) || !rate.pace.is_due(seen.at) {
                continue;
            }
            findings.push(Finding {
                severity: Severity::Info,
                count: std::mem::take(&mut rate.total),
                wasted_seconds: std::mem::take(&mut rate.nanos) as f64 / 1e9,
                ..accuse::everywhere(NAME, statement, fix)
            });
        }
    }
}
