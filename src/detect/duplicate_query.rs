//! # What it finds
//!
//! The same SELECT with the same values, `min_calls` times or more in one request, with the same answer each time (of a result
//! over 64 KiB the first 64 KiB, and the number of rows and bytes) and nothing in between that could have changed it.
//!
//! # Why it hurts
//!
//! Every query after the first is a round trip for an answer that is already there.
//!
//! # Example
//!
//! ```python
//! def get_context_data(self):                  # three queries
//!     cart = Cart.objects.get(user=self.request.user)
//!     total = price(Cart.objects.get(user=self.request.user))
//!     lines = Cart.objects.get(user=self.request.user).lines
//!
//! @cached_property                             # one query
//! def cart(self):
//!     return Cart.objects.get(user=self.request.user)
//! ```
//!
//! # Settings
//!
//! | key | default | |
//! |---|---|---|
//! | `enabled` | `true` | |
//! | `min_calls` | `3` | equal queries |
//! | `severity` | `"auto"` | `"info"`, `"warning"` or `"critical"` for all of its findings |
//! | `allow` | empty | `tables`, `routes`, `fingerprints` |
//!
//! # When it is wrong
//!
//! Code that waits for another process asks until the answer changes. Reads more than a second apart are therefore not
//! compared, and neither are reads after a write to their tables, after `select_for_update()` of them, after a ROLLBACK (of a
//! savepoint too) or after a function that was called by itself, such as an advisory lock. Requests whose limits are a guess are
//! left out. The admin's changelist counts its table twice: with `min_calls = 2` that is found too.

use super::changes::Changes;
use super::lineage::Lineage;
use super::parents::{self, Child};
use super::relation::{self, Kind};
use super::runs::Runs;
use super::sieve::Before;
use super::{Allow, Cause, Detector, Evidence, Finding, Severity, Subject, fix, n_plus_one};
use crate::request::{Confidence, Entry, Request};
use crate::session::At;
use crate::sql::Facts;
use std::collections::BTreeMap;

/// Name of the detector.
pub(super) const NAME: &str = "duplicate_query";

/// Reads further apart than this may be meant to see what others wrote, ns.
const STALE_NANOS: u64 = 1_000_000_000;

/// Settings of `[detectors.duplicate_query]`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether it looks at all.
    pub enabled: bool,
    /// Equal queries that are too many; at least 2.
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
            min_calls: 3,
            severity: super::SeverityChoice::default(),
            allow: Allow::default(),
        }
    }
}

impl Settings {
    pub(super) fn validate(&self) -> Result<(), String> {
        if self.min_calls < 2 {
            return Err(format!(
                "detectors.{NAME}.min_calls = {}: one query repeats nothing; write 2 or more",
                self.min_calls
            ));
        }
        Ok(())
    }
}

/// Finds queries that were answered already.
pub(super) struct DuplicateQuery {
    settings: Settings,
}

/// Equal queries with equal answers and no change in between.
struct Streak {
    /// Index of the first query in the entries.
    first: usize,
    /// Index of the last.
    last: usize,
    ended: At,
    rows: u32,
    bytes: u64,
    digest: u64,
    calls: u32,
    nanos: u64,
}

/// What a statement's streaks add up to.
#[derive(Clone, Copy, Default)]
struct Total {
    first: usize,
    calls: u32,
    nanos: u64,
    /// Time of one query of the usual length for each streak, ns: that one was needed.
    needed: u64,
}

impl Total {
    fn add(&mut self, streak: &Streak, min_calls: u32) {
        if streak.calls < min_calls {
            return;
        }
        if self.calls == 0 || streak.first < self.first {
            self.first = streak.first;
        }
        self.calls += streak.calls;
        self.nanos += streak.nanos;
        self.needed += streak.nanos / u64::from(streak.calls);
    }
}

impl DuplicateQuery {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings }
    }

    /// Group and literals of queries that may come often enough to be a streak, in order: most requests have none.
    fn repeated(&self, request: &Request) -> Vec<Key> {
        let suspects: Vec<bool> = (request.groups.iter())
            .map(|group| {
                group.calls >= self.settings.min_calls && is_suspect(&group.statement.facts)
            })
            .collect();
        let is_suspect = |group: u16| suspects.get(usize::from(group)) == Some(&true);
        let mut before = Before::new(request.entries.len());
        let mut again: Vec<Key> = (request.entries.iter())
            .filter(|entry| is_suspect(entry.group) && !entry.failed)
            .filter(|entry| before.take(entry.literals.wrapping_add(entry.group.into())))
            .map(key)
            .collect();
        again.sort_unstable();
        // All but the first of equal ones are among them.
        let least = (self.settings.min_calls as usize).saturating_sub(1);
        let equal = again.chunk_by(|one, other| one == other);
        let often = equal.filter(|equal| equal.len() >= least);
        often.map(|equal| equal[0]).collect()
    }

    fn totals(&self, request: &Request) -> BTreeMap<u16, Total> {
        let mut totals: BTreeMap<u16, Total> = BTreeMap::new();
        let repeated = self.repeated(request);
        if repeated.is_empty() {
            return totals;
        }
        let mut streaks: Vec<Option<Streak>> = repeated.iter().map(|_| None).collect();
        let mut changes = Changes::default();
        for (at, entry) in request.entries.iter().enumerate() {
            let group = request.groups.get(usize::from(entry.group));
            let Some(facts) = changes.follow(entry, group, at) else {
                continue;
            };
            if entry.failed {
                continue;
            }
            let place = repeated.binary_search(&key(entry)).ok();
            let Some(streak) = place.and_then(|place| streaks.get_mut(place)) else {
                continue;
            };
            match streak {
                Some(streak) if streak.continues(entry) && !changes.since(facts, streak.last) => {
                    streak.add(entry, at);
                }
                _ => {
                    if let Some(ended) = streak.replace(Streak::new(entry, at)) {
                        (totals.entry(entry.group).or_default())
                            .add(&ended, self.settings.min_calls);
                    }
                }
            }
        }
        for ((group, _), streak) in repeated.iter().zip(streaks) {
            if let Some(streak) = streak {
                (totals.entry(*group).or_default()).add(&streak, self.settings.min_calls);
            }
        }
        totals.retain(|_, total| total.calls > 0);
        totals
    }

    fn finding(
        &self,
        request: &Request,
        runs: &Runs,
        index: u16,
        total: &Total,
    ) -> Option<Finding> {
        let group = request.groups.get(usize::from(index))?;
        let statement = &group.statement;
        let child = Child {
            group: usize::from(index),
            facts: &statement.facts,
            first: total.first,
            calls: u64::from(total.calls),
            distinct: 1,
            max_rows: 0,
        };
        // Many rows that share one foreign key: the loop's mistake, though its value never changes.
        let relation = (!statement.facts.equalities.is_empty())
            .then(|| relation::read(request, &parents::earlier(request, runs, &child), &child))
            .filter(|relation| relation.kind == Kind::ForwardFk);
        Some(Finding {
            cause: Cause {
                detector: NAME,
                route: request.route.clone(),
                parent: None,
                fingerprint: Some(statement.fingerprint),
            },
            severity: Severity::Warning,
            evidence: Evidence::Count,
            kind: "",
            parent: String::new(),
            relation: String::new(),
            fix: fix::duplicate(statement, relation.as_ref()),
            query: statement.text.clone(),
            count: total.calls,
            wasted_seconds: total.nanos.saturating_sub(total.needed) as f64 / 1e9,
        })
    }
}

/// Group and literals: equal for equal queries.
type Key = (u16, u64);

fn key(entry: &Entry) -> Key {
    (entry.group, entry.literals)
}

fn ended(entry: &Entry) -> At {
    At(entry.started.0.saturating_add(entry.nanos))
}

impl Streak {
    fn new(entry: &Entry, at: usize) -> Self {
        Self {
            first: at,
            last: at,
            ended: ended(entry),
            rows: entry.rows,
            bytes: entry.bytes,
            digest: entry.digest,
            calls: 1,
            nanos: entry.nanos,
        }
    }

    fn add(&mut self, entry: &Entry, at: usize) {
        self.last = at;
        self.ended = ended(entry);
        self.calls += 1;
        self.nanos += entry.nanos;
    }

    fn continues(&self, entry: &Entry) -> bool {
        self.rows == entry.rows
            && self.bytes == entry.bytes
            && self.digest == entry.digest
            && entry.started.since(self.ended) <= STALE_NANOS
    }
}

/// A SELECT whose answer depends on nothing but the data.
fn is_suspect(facts: &Facts) -> bool {
    let system = facts.table.starts_with("pg_") || facts.table == "django_migrations";
    !system && !facts.skip_locked && !facts.random_order
}

impl Detector for DuplicateQuery {
    fn name(&self) -> &'static str {
        NAME
    }

    fn inspect(&self, request: &Subject<'_>, findings: &mut Vec<Finding>) {
        // Two requests taken for one ask the same with every right.
        if (request.groups.iter()).all(|group| group.calls < self.settings.min_calls)
            || request.boundary.confidence() < Confidence::Medium
        {
            return;
        }
        let totals = self.totals(request);
        if totals.is_empty() {
            return;
        }
        let in_loops: Vec<_> = (findings.iter())
            .filter(|finding| finding.cause.detector == n_plus_one::NAME)
            .filter_map(|finding| finding.cause.fingerprint)
            .collect();
        let runs = request.runs();
        // Rows that share a foreign key's value ask for it again: that is the loop's, not a duplicate.
        let lineage = Lineage::trace(request, runs, |group| totals.contains_key(&(group as u16)));
        for (index, total) in &totals {
            if lineage.of(usize::from(*index)).next().is_some() {
                continue;
            }
            let found = self.finding(request, runs, *index, total);
            findings.extend(found.filter(|finding| {
                !(finding.cause.fingerprint).is_some_and(|accused| in_loops.contains(&accused))
            }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    /// Calls of each statement by the words above, one query with its values at a time.
    fn plainly(request: &Request, min_calls: u32) -> HashMap<u16, u32> {
        let mut calls = HashMap::new();
        let mut keys: Vec<Key> = request.entries.iter().map(key).collect();
        keys.sort_unstable();
        keys.dedup();
        for one in keys {
            let mut changes = Changes::default();
            let mut streaks: Vec<Streak> = Vec::new();
            for (at, entry) in request.entries.iter().enumerate() {
                let group = request.groups.get(usize::from(entry.group));
                let facts = changes.follow(entry, group, at);
                let Some(facts) = facts.filter(|_| !entry.failed && key(entry) == one) else {
                    continue;
                };
                let last = streaks.last_mut();
                match last.filter(|last| last.continues(entry) && !changes.since(facts, last.last))
                {
                    Some(last) => last.add(entry, at),
                    None => streaks.push(Streak::new(entry, at)),
                }
            }
            for streak in streaks.iter().filter(|streak| streak.calls >= min_calls) {
                *calls.entry(one.0).or_default() += streak.calls;
            }
        }
        calls
    }

    proptest! {
        #[test]
        fn what_is_asked_again_is_found_as_by_its_words(
            queries in prop::collection::vec((0usize..5, 0u64..2, 1u32..3, 0u32..12), 0..60),
        ) {
            let pool = [
                get("lib_book"),
                list("lib_author", &["id"]),
                related("lib_tag", "lib_book_tags", "tag_id", "book_id"),
                update("lib_book"),
                get("lib_author").for_update(),
            ];
            let mut scenario = Scenario::new();
            for (sql, literals, rows, odd) in queries {
                scenario = match odd {
                    0 => scenario.rollback(),
                    1 => scenario.wait(2000),
                    _ => scenario,
                };
                scenario = scenario.run(pool[sql].clone(), literals, rows);
                scenario = scenario.change(|entry| entry.failed = odd == 2);
            }
            let request = scenario.request();
            let found = DuplicateQuery::new(Settings::default()).totals(&request);
            let found = found.into_iter().map(|(group, total)| (group, total.calls));
            prop_assert_eq!(found.collect::<HashMap<_, _>>(), plainly(&request, 3));
        }
    }
}
