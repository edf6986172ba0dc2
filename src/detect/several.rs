//! Loops that ask for several columns of each row: two foreign keys to one table make one repeated statement.

use super::lineage::{Edge, MIN_HITS};
use super::names;
use super::plausible::{self, Fit};
use super::relation::{is_own, is_primary_key};
use super::sieve::Sieve;
use super::walk::{Column, Columns, Walk};
use crate::request::Request;

/// Columns of one list that are tried together, at most.
const MAX_COLUMNS: usize = 4;

/// The list two or three of whose foreign keys explain these queries together.
pub(super) fn best(
    request: &Request,
    columns: &Columns<'_>,
    child: usize,
    queries: &[usize],
) -> Option<Edge> {
    let facts = &request.groups.get(child)?.statement.facts;
    let key = plausible::keys(facts).next()?;
    if !is_own(facts, key) || !is_primary_key(facts, key) {
        return None;
    }
    let lists = columns
        .all
        .chunk_by(|one, other| one.stream.group == other.stream.group);
    let edges = lists.filter_map(|list| {
        if !list.first()?.may_explain(queries) {
            return None;
        }
        let sieves = list.iter().map(Column::sieve);
        let sieve = sieves.fold(Sieve::default(), Sieve::with);
        if !sieve.may_pass(request, queries, 0, MIN_HITS) {
            return None;
        }
        let keys = list.iter().filter_map(|column| {
            let fit = plausible::check(request, facts, key, column.stream, column.watched)?;
            let source = column.stream.shape.columns.get(column.index)?;
            // The names may say nothing: that every row is asked for all of them says enough.
            names::field(&source.name)
                .is_some()
                .then_some((column.watched, fit))
        });
        let mut keys: Vec<(usize, Fit)> = keys.collect();
        // Ids agree by chance: what is named after the table comes before what is not.
        keys.sort_by_key(|(_, fit)| std::cmp::Reverse(*fit));
        keys.truncate(MAX_COLUMNS);
        turns(keys.len())
            .find_map(|turn| walk(request, list.first()?, &keys, &turn, child, queries))
    });
    edges.max_by_key(|edge| edge.queries.len())
}

/// Orders in which the code may ask for two of `count` columns, and then for three.
fn turns(count: usize) -> impl Iterator<Item = Vec<usize>> {
    let pairs = (0..count).flat_map(move |a| (0..count).map(move |b| vec![a, b]));
    let triples = (0..count).flat_map(move |a| {
        let rest = (0..count).flat_map(move |b| (0..count).map(move |c| (b, c)));
        rest.map(move |(b, c)| vec![a, b, c])
    });
    let all = pairs.chain(triples);
    all.filter(|turn| (1..turn.len()).all(|at| !turn[..at].contains(&turn[at])))
}

fn walk(
    request: &Request,
    of: &Column<'_>,
    keys: &[(usize, Fit)],
    turn: &[usize],
    child: usize,
    queries: &[usize],
) -> Option<Edge> {
    let watched: Vec<usize> = turn
        .iter()
        .filter_map(|at| Some(keys.get(*at)?.0))
        .collect();
    let column = Column::of(of.stream, &watched)?;
    let walk = Walk {
        request,
        column: &column,
        key: 0,
        fit: keys.first()?.1,
        nested: false,
    };
    if !walk.may_cover(queries) {
        return None;
    }
    // Each row of the list asks for all of them: a few matches by chance do not.
    let edges = walk.edges(child, queries);
    let mut edge = edges.into_iter().find(|edge| edge.covers())?;
    let indices = watched
        .iter()
        .filter_map(|at| of.stream.shape.watched.get(*at));
    edge.others = indices.skip(1).map(|index| usize::from(*index)).collect();
    Some(edge)
}
