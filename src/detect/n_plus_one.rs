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
//! | `interleaved` | several of these for each row | all of them: `select_related("author", "publisher")` |
//! | `loop_get` | `Author.objects.get(pk=id)` | `in_bulk(ids)` before the loop |
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
use super::parents::{self, Child, Parent};
use super::proof;
use super::relation::{self, Kind, Name, Relation};
use super::runs::Runs;
use super::{Allow, Cause, Detector, Evidence, Finding, Severity};
use crate::request::{Confidence, Entry, Group, Request};
use crate::sql::Facts;
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

    /// The loop of a group: its queries and what shows them to be one.
    fn repetition(
        &self,
        request: &Request,
        runs: &Runs,
        index: usize,
        calls: u32,
    ) -> Option<(Vec<usize>, Evidence)> {
        let all = runs.positions(index);
        let in_runs: Vec<usize> = (all.iter().copied())
            .filter(|at| runs.repeats(*at))
            .collect();
        let counts = request.boundary.confidence() >= Confidence::Medium
            && calls >= self.settings.count_calls;
        if let Some(first) = in_runs.first().copied()
            && in_runs.len() >= self.settings.min_calls as usize
        {
            // What came before the loop is not of the loop: `request.user` before the users of a list.
            let loops = |at: &usize| *at >= first;
            let queries = if counts {
                all.iter().copied().filter(loops).collect()
            } else {
                in_runs
            };
            Some((queries, Evidence::Run))
        } else if counts {
            Some((all.to_vec(), Evidence::Count))
        } else {
            None
        }
    }

    /// A loop that its repetition shows, and names and numbers explain as far as they can.
    fn repeated(
        &self,
        request: &Request,
        runs: &Runs,
        lineage: &Lineage,
        index: usize,
    ) -> Option<Loop> {
        let group = request.groups.get(index)?;
        let (queries, evidence) = self.repetition(request, runs, index, group.calls)?;
        let suspect = Suspect {
            request,
            runs,
            index,
            group,
            evidence,
            foreign: lineage.is_foreign(index),
        };
        let found = self.judge(&suspect, queries.clone());
        // A count has no beginning: the first call may be of its own, before the list that the others walk.
        let stray = evidence == Evidence::Count
            && queries.len() > self.settings.count_calls as usize
            && (found.as_ref()).is_some_and(|found| found.relation.parent.is_none());
        if stray
            && let Some(later) = self.judge(&suspect, queries[1..].to_vec())
            && later.relation.parent.is_some()
        {
            return Some(later);
        }
        found
    }

    fn judge(&self, suspect: &Suspect<'_>, mut queries: Vec<usize>) -> Option<Loop> {
        let Suspect {
            request,
            runs,
            index,
            group,
            evidence,
            foreign,
        } = *suspect;
        let facts = &group.statement.facts;
        let guessed = request.boundary.confidence() == Confidence::Low;
        let first = child(index, facts, &queries, &[]);
        let parents = if foreign {
            Vec::new()
        } else {
            parents::earlier(request, runs, &first)
        };
        if guessed {
            stop_at_parent(runs, &parents, &mut queries);
            if queries.len() < self.settings.min_calls as usize {
                return None;
            }
        }
        let entries = entries(request, &queries);
        let (calls, nanos) = totals(group, runs.positions(index), &queries, &entries);
        let child = Child {
            calls: u64::from(calls),
            ..child(index, facts, &queries, &entries)
        };
        if !self.varies(&child)
            || is_batch(facts, &entries)
            || is_slice(facts, &child)
            || is_write_loop(request, facts, &queries)
        {
            return None;
        }
        let relation = relation::read(request, &parents, &child);
        // A value comes again where many rows share it. Elsewhere few values in many queries are duplicates.
        let shared = matches!(relation.kind, Kind::ForwardFk | Kind::GenericFk);
        if (!shared && child.distinct * 4 < child.calls)
            || (guessed && !explains(&parents, &relation, &child))
        {
            return None;
        }
        Some(Loop {
            group: index,
            queries,
            calls,
            nanos,
            evidence,
            relation,
        })
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

    /// Values differ: in four of five queries, or, where there are many, at all.
    fn varies(&self, child: &Child<'_>) -> bool {
        child.distinct >= 2
            && (child.distinct * 5 >= child.calls * 4
                || child.calls >= u64::from(self.settings.count_calls))
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

    fn inspect(&self, request: &Request, findings: &mut Vec<Finding>) {
        if (request.groups.iter()).all(|group| (group.calls as usize) < SMALL) {
            return;
        }
        let runs = Runs::search(request, self.settings.min_calls as usize);
        let is_suspect = |index: usize| {
            let group = request.groups.get(index);
            group.is_some_and(|group| is_suspect(&group.statement.facts) && !is_system(group))
        };
        let lineage = Lineage::trace(request, &runs, is_suspect);
        let mut loops = Vec::new();
        for index in (0..request.groups.len()).filter(|index| is_suspect(*index)) {
            let proven = self.proven(request, &runs, &lineage, index);
            if proven.is_empty() {
                loops.extend(self.repeated(request, &runs, &lineage, index));
            } else {
                loops.extend(proven);
            }
        }
        // A list before what hangs on it.
        loops.sort_by_key(|one| one.queries.first().copied());
        let families = loops::families(request, loops);
        findings.extend(
            families
                .iter()
                .filter_map(|family| self.finding(request, family)),
        );
    }
}

fn entries<'a>(request: &'a Request, queries: &[usize]) -> Vec<&'a Entry> {
    (queries.iter())
        .filter_map(|at| request.entries.get(*at))
        .collect()
}

fn child<'a>(group: usize, facts: &'a Facts, queries: &[usize], entries: &[&Entry]) -> Child<'a> {
    Child {
        group,
        facts,
        first: queries.first().copied().unwrap_or(0),
        calls: entries.len() as u64,
        distinct: distinct(entries),
        max_rows: entries.iter().map(|entry| entry.rows).max().unwrap_or(0),
    }
}

/// Calls and time of these queries; where they are all of the group's, also what a full request had no room for.
fn totals(group: &Group, all: &[usize], queries: &[usize], entries: &[&Entry]) -> (u32, u64) {
    if queries.len() == all.len() {
        return (group.calls, group.nanos);
    }
    let nanos = entries.iter().map(|entry| entry.nanos).sum();
    (u32::try_from(queries.len()).unwrap_or(u32::MAX), nanos)
}

/// A statement that repeats.
#[derive(Clone, Copy)]
struct Suspect<'a> {
    request: &'a Request,
    runs: &'a Runs,
    index: usize,
    group: &'a Group,
    evidence: Evidence,
    /// Its values come from none of the request's results.
    foreign: bool,
}

/// Where limits are a guess, a list explains a loop only if at least half of its rows were walked: a user who
/// opens one row after the other leaves most of them.
fn explains(parents: &[Parent<'_>], relation: &Relation, child: &Child<'_>) -> bool {
    let parent = relation.parent.as_ref();
    parent.is_some_and(|(group, _)| {
        let mut parents = parents.iter().filter(|parent| parent.group == *group);
        parents.any(|parent| child.calls * 2 >= parent.rows)
    })
}

fn distinct(entries: &[&Entry]) -> u64 {
    let mut literals: Vec<u64> = entries.iter().map(|entry| entry.literals).collect();
    literals.sort_unstable();
    literals.dedup();
    literals.len() as u64
}

/// Where limits are a guess, a parent that runs again opens another request.
fn stop_at_parent(runs: &Runs, parents: &[Parent<'_>], queries: &mut Vec<usize>) {
    let Some(first) = queries.first().copied() else {
        return;
    };
    let again = (parents.iter())
        .filter_map(|parent| {
            let positions = runs.positions(parent.group);
            positions
                .get(positions.partition_point(|at| *at < first))
                .copied()
        })
        .min();
    if let Some(again) = again {
        queries.retain(|at| *at < again);
    }
}

pub(super) fn relation_label(name: &Name) -> String {
    match name {
        Name::Known(name) | Name::Default(name) => name.clone(),
        Name::OneOf(names) => names.join("|"),
        Name::Perhaps { .. } | Name::Unknown => String::new(),
    }
}
