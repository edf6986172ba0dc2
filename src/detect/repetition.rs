//! Loops that show in repetition alone: where values prove nothing, runs, counts and names have to do.

use super::Evidence;
use super::guards::{is_batch, is_slice, is_write_loop};
use super::lineage::Lineage;
use super::loops::Loop;
use super::parents::{self, Child, Parent};
use super::relation::{self, Kind, Relation};
use super::runs::Runs;
use crate::request::{Confidence, Entry, Group, Request};
use crate::sql::Facts;

/// How many queries make a loop.
#[derive(Clone, Copy)]
pub(super) struct Repetition {
    /// In a run.
    pub min_calls: u32,
    /// Anywhere in a request.
    pub count_calls: u32,
}

impl Repetition {
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
        let counts =
            request.boundary.confidence() >= Confidence::Medium && calls >= self.count_calls;
        if let Some(first) = in_runs.first().copied()
            && in_runs.len() >= self.min_calls as usize
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
    pub fn repeated(
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
            lineage,
        };
        let found = self.judge(&suspect, queries.clone());
        // A count has no beginning: the first call may be of its own, before the list that the others walk.
        let stray = evidence == Evidence::Count
            && queries.len() > self.count_calls as usize
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
            lineage,
        } = *suspect;
        let facts = &group.statement.facts;
        let guessed = request.boundary.confidence() == Confidence::Low;
        let first = child(index, facts, &queries, &[]);
        let mut parents = parents::earlier(request, runs, &first);
        parents.retain(|parent| !lineage.refutes(index, parent.group));
        if guessed {
            stop_at_parent(runs, &parents, &mut queries);
            if queries.len() < self.min_calls as usize {
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

    /// Values differ: in four of five queries, or, where there are many, at all.
    fn varies(&self, child: &Child<'_>) -> bool {
        child.distinct >= 2
            && (child.distinct * 5 >= child.calls * 4 || child.calls >= u64::from(self.count_calls))
    }
}

pub(super) fn entries<'a>(request: &'a Request, queries: &[usize]) -> Vec<&'a Entry> {
    (queries.iter())
        .filter_map(|at| request.entries.get(*at))
        .collect()
}

pub(super) fn child<'a>(
    group: usize,
    facts: &'a Facts,
    queries: &[usize],
    entries: &[&Entry],
) -> Child<'a> {
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
pub(super) fn totals(
    group: &Group,
    all: &[usize],
    queries: &[usize],
    entries: &[&Entry],
) -> (u32, u64) {
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
    lineage: &'a Lineage,
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
