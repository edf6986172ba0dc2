//! Loops that ask for several columns of each row: two foreign keys to one table make one repeated statement.

use super::lineage::{Edge, MIN_HITS, SCORE};
use super::names;
use super::plausible::{self, Fit};
use super::relation::{is_own, is_primary_key};
use super::walk::{Column, Columns};
use crate::request::{Confidence, Request};

/// Columns of one list that are tried together, at most.
const MAX_COLUMNS: usize = 4;

/// The list whose foreign keys explain these queries together.
pub(super) fn best(
    request: &Request,
    columns: &Columns<'_>,
    child: usize,
    queries: &[usize],
) -> Option<Edge> {
    let facts = &request.groups.get(child)?.statement.facts;
    let key = plausible::keys(facts).next()?;
    // Where limits are a guess, one column has to do.
    let guessed = request.boundary.confidence() == Confidence::Low;
    if guessed || !is_own(facts, key) || !is_primary_key(facts, key) {
        return None;
    }
    let lists = columns
        .all
        .chunk_by(|one, other| one.stream.group == other.stream.group);
    let edges = lists.filter_map(|list| {
        let keys = list.iter().filter_map(|column| {
            let fit = plausible::check(request, facts, key, column.stream, column.watched)?;
            let source = column.stream.shape.columns.get(column.index)?;
            (!fit.is_weak() && names::field(&source.name).is_some()).then_some((column, fit))
        });
        let keys: Vec<(&Column<'_>, Fit)> = keys.take(MAX_COLUMNS).collect();
        (keys.len() > 1)
            .then(|| walk(request, &keys, child, queries))
            .flatten()
    });
    edges.max_by_key(|edge| edge.queries.len())
}

/// Matches each query with the next row that has its value in any of the columns.
fn walk(
    request: &Request,
    keys: &[(&Column<'_>, Fit)],
    child: usize,
    queries: &[usize],
) -> Option<Edge> {
    let (first, fit) = *keys.first()?;
    let stream = first.stream;
    let segment = stream.segments.first()?;
    let rows = stream.rows() as u32;
    let mut next = vec![0_u32; keys.len()];
    let mut used = vec![0_usize; keys.len()];
    let mut hits = Vec::new();
    for &query in queries
        .iter()
        .filter(|query| **query > segment.entry as usize)
    {
        let value = request.entries.get(query)?.keys[0];
        let found = (keys.iter().enumerate())
            .filter_map(|(at, (column, _))| Some((column.next(value, next[at], rows)?, at)))
            .min();
        if let Some((row, at)) = found.filter(|_| value != 0) {
            next[at] = row + 1;
            used[at] += 1;
            hits.push(query);
        }
    }
    let asked: Vec<usize> = (0..keys.len()).filter(|at| used[*at] >= MIN_HITS).collect();
    let walked = asked
        .iter()
        .map(|at| keys[*at].0.filled(0, next[*at]))
        .sum::<usize>();
    // Values that agree by chance leave many rows out.
    let enough = hits.len() * 100 >= queries.len() * SCORE && hits.len() * 100 >= walked * SCORE;
    if asked.len() < 2 || !enough {
        return None;
    }
    let mut indices = asked.iter().map(|at| keys[*at].0.index);
    Some(Edge {
        child,
        key: 0,
        parent: usize::from(stream.group),
        column: indices.next()?,
        others: indices.collect(),
        queries: hits,
        rows: walked,
        fit,
        skipped: 0,
        after: segment.entry as usize,
    })
}
