//! # What it finds
//!
//! One SELECT that runs again and again with other values: a query in a loop. `evidence` tells what shows it:
//!
//! - `proven`: its values are, in order, those of a column of an earlier result of the request. `min_calls` queries are
//!   enough, or three where the list has no more rows. The column names the relation.
//! - `run`: `min_calls` queries in a row, or in a loop body of up to eight statements. Parent and relation follow from
//!   names and numbers.
//! - `count`: `count_calls` queries anywhere in a request whose limits are at least of medium confidence.
//!
//! | kind | the loop does | the fix |
//! |---|---|---|
//! | `forward_fk` | `book.author` | `select_related("author")` |
//! | `reverse_fk` | `author.book_set.all()` | `prefetch_related("book_set")`, with `Prefetch(…)` where it filters or orders |
//! | `many_to_many` | `book.tags.all()` | `prefetch_related("tags")` |
//! | `reverse_one_to_one` | `author.profile` | `select_related("profile")` |
//! | `generic_fk` | `note.content_object` | `prefetch_related("content_object")` |
//! | `aggregate` | `author.book_set.count()` | `annotate(n=Count("book"))` |
//! | `exists` | `author.book_set.exists()` | `annotate(has_book=Exists(…))` |
//! | `deferred_field` | reads a field that `only()` or `defer()` left out | name it in `only()`, or take it out of `defer()` |
//! | `single_prefetch` | `prefetch_related_objects([author], …)` | prefetch once, on the whole list |
//! | `loop_get` | `Author.objects.get(pk=id)` | `in_bulk(ids)` before the loop |
//! | `interleaved` | several such statements in turn, over values that no earlier query returned | one query for each before the loop |
//!
//! A relation of a relation is one finding with the whole way: `select_related("album__artist")`. A `related_name` is
//! not on the wire: Django's default is shown instead, marked "or its related_name".
//!
//! # Why it hurts
//!
//! Each query is a round trip, and their number grows with the data: ten rows on staging are a thousand in production.
//!
//! # Example
//!
//! ```python
//! for book in Book.objects.all():                      # 1 query
//!     print(book.author.name)                          # 1 query for each book
//!
//! for book in Book.objects.select_related("author"):   # 1 query
//!     print(book.author.name)
//! ```
//!
//! # Settings
//!
//! | key | default | |
//! |---|---|---|
//! | `enabled` | `true` | |
//! | `min_calls` | `5` | queries in a run |
//! | `count_calls` | `10` | queries of one statement in a request, also where they are scattered |
//! | `critical_calls` | `20` | critical from this number of queries |
//! | `critical_time` | `"100ms"` | critical from this time, all queries together |
//! | `severity` | `"auto"` | `"info"`, `"warning"` or `"critical"` for all of its findings |
//! | `allow` | empty | `tables`, `routes`, `fingerprints` |
//!
//! Loops over values that no earlier query returned are `info`.
//!
//! # When it is wrong
//!
//! A loop that cannot be one query, such as a walk along a linked list, is named too. Names of tables and columns that
//! are not Django's (`db_table`, `db_column`) leave the values alone to speak. A loop over rows that an earlier
//! request read, or that came from a cache, is a `loop_get`. Of a row, 4 KiB are looked at, of a result 1000 rows, of a
//! request `request.max_values` values.

use super::guards::{is_batch, is_slice, is_suspect, is_system, is_write_loop};
use super::lineage::Lineage;
use super::loops::{self, Family, Loop};
use super::proof;
use super::relation::{Kind, Name, Relation};
use super::repetition::{Repetition, child, entries, totals};
use super::runs::Runs;
use super::{Allow, Cause, Detector, Evidence, Finding, Severity, Subject};
use crate::request::Request;
use crate::units::Period;

/// Name of the detector.
pub(super) const NAME: &str = "n_plus_one";

/// Settings of `[detectors.n_plus_one]`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether it looks at all.
    pub enabled: bool,
    /// Queries of one statement in a run that make a loop; at least 2.
    pub min_calls: u32,
    /// Queries of one statement anywhere in a request that make a loop; at least `min_calls`.
    pub count_calls: u32,
    /// Queries from which the finding is critical; at least 1.
    pub critical_calls: u32,
    /// Their time together from which the finding is critical.
    pub critical_time: Period,
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
            count_calls: 10,
            critical_calls: 20,
            critical_time: Period::millis(100),
            severity: super::SeverityChoice::default(),
            allow: Allow::default(),
        }
    }
}

impl Settings {
    pub(super) fn validate(&self) -> Result<(), String> {
        if self.min_calls < 2 {
            return Err(format!(
                "detectors.{NAME}.min_calls = {}: one query is no loop; write 2 or more",
                self.min_calls
            ));
        }
        if self.count_calls < self.min_calls {
            return Err(format!(
                "detectors.{NAME}.count_calls = {}: less than min_calls; write {} or more",
                self.count_calls, self.min_calls
            ));
        }
        if self.critical_calls == 0 {
            return Err(format!(
                "detectors.{NAME}.critical_calls = 0: every loop would be critical; write 1 or more"
            ));
        }
        Ok(())
    }
}

/// Rows of a list that small loops must walk: with fewer, nothing shows that their number would grow.
const SMALL: usize = 3;

/// Finds queries in loops.
pub(super) struct NPlusOne {
    settings: Settings,
}

impl NPlusOne {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings }
    }

    fn repetition(&self) -> Repetition {
        Repetition {
            min_calls: self.settings.min_calls,
            count_calls: self.settings.count_calls,
        }
    }

    /// Loops whose values are proven to come from an earlier result, one for each statement and list.
    fn proven(&self, request: &Request, runs: &Runs, lineage: &Lineage, index: usize) -> Vec<Loop> {
        let mut loops: Vec<Loop> = Vec::new();
        for edge in lineage.of(index) {
            let walks = edge.queries.len();
            let small = walks >= SMALL && edge.rows >= SMALL && edge.covers();
            if walks < self.settings.min_calls as usize && !small {
                continue;
            }
            let Some(relation) = proof::relation(request, edge) else {
                continue;
            };
            let Some(group) = request.groups.get(index) else {
                continue;
            };
            let entries = entries(request, &edge.queries);
            let child = child(index, &group.statement.facts, &edge.queries, &entries);
            if is_batch(child.facts, &entries)
                || is_slice(child.facts, &child)
                || is_write_loop(request, child.facts, &edge.queries)
            {
                continue;
            }
            let (calls, nanos) = totals(group, runs.positions(index), &edge.queries, &entries);
            let parent = |relation: &Relation| relation.parent.as_ref().map(|(group, _)| *group);
            match loops
                .iter_mut()
                .find(|known| parent(&known.relation) == parent(&relation))
            {
                Some(known) => {
                    known.queries.extend_from_slice(&edge.queries);
                    known.queries.sort_unstable();
                    known.calls = known.calls.saturating_add(calls);
                    known.nanos += nanos;
                }
                None => loops.push(Loop {
                    group: index,
                    queries: edge.queries.clone(),
                    calls,
                    nanos,
                    evidence: Evidence::Proven,
                    relation,
                }),
            }
        }
        loops
    }

    fn finding(&self, request: &Request, family: &Family) -> Option<Finding> {
        let Loop {
            group,
            evidence,
            relation,
            ..
        } = &family.first;
        let statement = &request.groups.get(*group)?.statement;
        let parent = relation.parent.as_ref();
        Some(Finding {
            cause: Cause {
                detector: NAME,
                route: request.route.clone(),
                parent: parent
                    .and_then(|(group, _)| request.groups.get(*group))
                    .map(|group| group.statement.fingerprint),
                fingerprint: Some(statement.fingerprint),
            },
            severity: self.severity(family),
            evidence: *evidence,
            kind: family.kind.as_str(),
            parent: parent.map_or_else(String::new, |(_, table)| table.clone()),
            relation: family.relation.clone(),
            fix: family.fix.clone(),
            query: statement.text.clone(),
            count: family.calls,
            wasted_seconds: super::wasted_seconds(family.nanos, family.calls),
        })
    }

    fn severity(&self, family: &Family) -> Severity {
        let relation = &family.first.relation;
        let outside = relation.parent.is_none() && relation.kind != Kind::SinglePrefetch;
        if outside {
            Severity::Info
        } else if family.calls >= self.settings.critical_calls
            || family.nanos >= self.settings.critical_time.nanos()
        {
            Severity::Critical
        } else {
            Severity::Warning
        }
    }
}

impl Detector for NPlusOne {
    fn name(&self) -> &'static str {
        NAME
    }

    fn inspect(&self, request: &Subject<'_>, findings: &mut Vec<Finding>) {
        if (request.groups.iter()).all(|group| (group.calls as usize) < SMALL) {
            return;
        }
        let runs = Runs::search(request, self.settings.min_calls as usize);
        let lineage = request.lineage(&runs);
        let is_suspect = |index: usize| {
            let group = request.groups.get(index);
            group.is_some_and(|group| {
                let repeats = group.calls >= self.settings.min_calls;
                (repeats || lineage.of(index).next().is_some())
                    && is_suspect(&group.statement.facts)
                    && !is_system(group)
            })
        };
        let mut loops = Vec::new();
        for index in (0..request.groups.len()).filter(|index| is_suspect(*index)) {
            let proven = self.proven(request, &runs, lineage, index);
            if proven.is_empty() {
                loops.extend(self.repetition().repeated(request, &runs, lineage, index));
            } else {
                loops.extend(proven);
            }
        }
        // A list before what hangs on it.
        loops.sort_by_key(|one| one.queries.first().copied());
        // What is silenced must not take others along.
        let silenced =
            |one: &Loop| (request.groups.get(one.group)).is_some_and(|group| group.silences(NAME));
        let silenced: Vec<Loop> = loops.extract_if(.., |one| silenced(one)).collect();
        let mut families = loops::families(request, silenced);
        families.extend(loops::families(request, loops));
        findings.extend(
            families
                .iter()
                .filter_map(|family| self.finding(request, family)),
        );
    }
}

pub(super) fn relation_label(name: &Name) -> String {
    match name {
        Name::Known(name) | Name::Default(name) | Name::Column(name) => name.clone(),
        Name::All(names) => names.join(","),
        Name::OneOf(names) => names.join("|"),
        Name::Perhaps { .. } | Name::Unknown => String::new(),
    }
}
