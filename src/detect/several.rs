//! Loops that ask for several columns of each row: two foreign keys to one table make one repeated statement.

use super::column::{Column, Columns};
use super::lineage::{Edge, MIN_HITS};
use super::names;
use super::plausible::{self, Fit};
use super::relation::{is_own, is_primary_key};
use super::sieve::Sieve;
use super::walk::Walk;
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
        // The names may say nothing: that every row is asked for all of them says enough.
        let named = |column: &&Column<'_>| {
            let source = column.stream.shape.columns.get(column.index);
            source.is_some_and(|source| names::field(&source.name).is_some())
        };
        let named: Vec<&Column<'_>> = list.iter().filter(named).collect();
        let sieves = named.iter().map(|column| column.sieve());
        let sieve = sieves.fold(Sieve::default(), Sieve::with);
        if named.len() < 2 || !sieve.may_pass(request, queries, 0, MIN_HITS) {
            return None;
        }
        let keys = named.iter().filter_map(|column| {
            let fit = plausible::check(request, facts, key, column.stream, column.watched)?;
            Some((*column, fit))
        });
        let mut keys: Vec<(&Column<'_>, Fit)> = keys.collect();
        // Ids agree by chance: what is named after the table comes before what is not.
        keys.sort_by_key(|(_, fit)| std::cmp::Reverse(*fit));
        keys.truncate(MAX_COLUMNS);
        let sets = sets(request, &keys, queries);
        if sets.is_empty() {
            return None;
        }
        turns(keys.len())
            .filter(|turn| sets.contains(&set(turn)))
            .find_map(|turn| walk(request, &keys, &turn, child, queries))
    });
    edges.max_by_key(|edge| edge.queries.len())
}

/// Two or three of the columns, a bit each.
fn set(turn: &[usize]) -> u8 {
    turn.iter().fold(0, |set, at| set | 1 << at)
}

/// The sets of columns whose rows so few queries may cover, whatever their order.
fn sets(request: &Request, keys: &[(&Column<'_>, Fit)], queries: &[usize]) -> Vec<u8> {
    let sets = (0..1 << keys.len()).filter(|set: &u8| matches!(set.count_ones(), 2 | 3));
    let may_cover = |set: &u8| {
        let inside = keys.iter().enumerate().filter(|(at, _)| set & 1 << at != 0);
        let columns: Vec<&Column<'_>> = inside.map(|(_, (column, _))| *column).collect();
        let sieves = columns.iter().map(|column| column.sieve());
        let sieve = sieves.fold(Sieve::default(), Sieve::with);
        let mut passing = queries.to_vec();
        passing.retain(|at| {
            let entry = request.entries.get(*at);
            entry.is_some_and(|entry| sieve.may_hold(entry.keys[0]))
        });
        columns
            .first()
            .is_some_and(|column| walk_of(request, column, keys[0].1).may_cover(&columns, &passing))
    };
    sets.filter(may_cover).collect()
}

/// Of a stream's columns, asked for by the queries' first key.
fn walk_of<'a>(request: &'a Request, column: &'a Column<'a>, fit: Fit) -> Walk<'a> {
    Walk {
        request,
        column,
        key: 0,
        fit,
        nested: false,
    }
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
    keys: &[(&Column<'_>, Fit)],
    turn: &[usize],
    child: usize,
    queries: &[usize],
) -> Option<Edge> {
    let (first, fit) = keys.first()?;
    let watched: Vec<usize> = turn
        .iter()
        .filter_map(|at| Some(keys.get(*at)?.0.watched))
        .collect();
    let column = Column::of(first.stream, &watched)?;
    // Each row of the list asks for all of them: a few matches by chance do not.
    let edges = walk_of(request, &column, *fit).edges(child, queries);
    let mut edge = edges.into_iter().find(|edge| edge.covers())?;
    let indices = watched
        .iter()
        .filter_map(|at| first.stream.shape.watched.get(*at));
    edge.others = indices.skip(1).map(|index| usize::from(*index)).collect();
    Some(edge)
}
