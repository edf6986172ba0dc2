//! Where the values of a repeated query come from.
//!
//! A repeated query is only suspicious. Where its values are, in order, those of a column of an earlier result of the
//! same request, it is proven to be a loop over those rows. Everything here works on hashes: [`crate::sql::value`].
//!
//! Values that agree by chance are the danger: ids are small and dense, and a loop over ids from elsewhere may well
//! find them all in an earlier list. So a match must also be *plausible* (`plausible.rs`), and where the values of a
//! list rise from row to row, it must not leave out many of them.

use super::column::Columns;
use super::plausible::{self, Fit};
use super::runs::Runs;
use super::several;
use super::walk::{MIN_WEAK_HITS, Walk};
use crate::request::{Entry, Request};

/// Fewest values that must be found.
pub(super) const MIN_HITS: usize = 3;
/// Share of the values that must be found, in percent.
pub(super) const SCORE: usize = 80;

/// A loop over the rows of an earlier result.
#[derive(Clone, Debug)]
pub(super) struct Edge {
    /// Group of the repeated statement.
    pub child: usize,
    /// Which of its keys asks for the value.
    pub key: usize,
    /// Group of the statement whose rows are walked.
    pub parent: usize,
    /// Index of the column in the parent's result.
    pub column: usize,
    /// Further columns that the same loop asks for: several foreign keys to one table.
    pub others: Vec<usize>,
    /// Queries of the loop, as indices into the entries.
    pub queries: Vec<usize>,
    /// Rows of the walked results that have a value, and those that were asked for.
    pub rows: usize,
    pub asked: usize,
    /// How well the names agree.
    pub fit: Fit,
    /// Rows passed over between the first and the last that were walked.
    pub(super) skipped: usize,
    /// Index of the parent's last query before the loop.
    pub(super) after: usize,
}

impl Edge {
    /// Nearly every row was asked for.
    pub fn covers(&self) -> bool {
        self.asked * 100 >= self.rows * SCORE
    }
}

/// What the values of a request's queries show.
#[derive(Debug, Default)]
pub(super) struct Lineage {
    /// In the order of their children's first queries.
    pub edges: Vec<Edge>,
    /// Groups whose values came from no result that was seen.
    foreign: Vec<usize>,
    /// Groups all of whose rows were seen.
    seen: Vec<usize>,
}

impl Lineage {
    /// Follows the values of every statement of which `suspect` holds.
    pub fn trace(request: &Request, runs: &Runs, suspect: impl Fn(usize) -> bool) -> Self {
        let mut lineage = Self::default();
        if request.streams.iter().next().is_none() {
            return lineage;
        }
        let whole = request
            .streams
            .iter()
            .filter(|stream| !stream.cut && stream.width() > 0);
        lineage.seen = whole.map(|stream| usize::from(stream.group)).collect();
        let mut order: Vec<usize> = (0..request.groups.len())
            .filter(|group| runs.positions(*group).len() >= MIN_HITS && suspect(*group))
            .collect();
        if order.is_empty() {
            return lineage;
        }
        let columns = Columns::of(request);
        order.sort_by_key(|group| runs.positions(*group).first().copied());
        for group in order {
            let mut left = runs.positions(group).to_vec();
            let mut found = false;
            // One statement may walk several lists, one after the other.
            while left.len() >= MIN_HITS
                && let Some(edge) = best(request, &columns, &lineage, group, &left)
            {
                left.retain(|at| edge.queries.binary_search(at).is_err());
                lineage.edges.push(edge);
                found = true;
            }
            if !found && keys_known(request, runs.positions(group)) {
                lineage.foreign.push(group);
            }
        }
        lineage
    }

    /// Loops of a group.
    pub fn of(&self, child: usize) -> impl Iterator<Item = &Edge> {
        self.edges.iter().filter(move |edge| edge.child == child)
    }

    /// The values of `child` do not come from the rows of `parent`: all of both were seen.
    pub fn refutes(&self, child: usize, parent: usize) -> bool {
        self.foreign.contains(&child) && self.seen.contains(&parent)
    }

    fn is_child(&self, group: usize) -> bool {
        self.edges.iter().any(|edge| edge.child == group)
    }
}

/// Every query has a value that can be compared.
fn keys_known(request: &Request, queries: &[usize]) -> bool {
    let mut entries = queries.iter().filter_map(|at| request.entries.get(*at));
    entries.all(|entry| entry.keys[0] != 0)
}

/// The column that explains most of these queries.
fn best(
    request: &Request,
    columns: &Columns<'_>,
    lineage: &Lineage,
    child: usize,
    queries: &[usize],
) -> Option<Edge> {
    let facts = &request.groups.get(child)?.statement.facts;
    let mut best: Option<Edge> = None;
    for (key, predicate) in plausible::keys(facts).take(Entry::KEYS).enumerate() {
        if !varies(request, queries, key) {
            continue;
        }
        for column in &columns.all {
            let parent = usize::from(column.stream.group);
            if parent == child
                || !column.may_explain(queries)
                || !(column.sieve()).may_pass(request, queries, key, MIN_HITS)
            {
                continue;
            }
            let Some(fit) =
                plausible::check(request, facts, predicate, column.stream, column.watched)
            else {
                continue;
            };
            if fit.is_weak() && !(column.sieve()).may_pass(request, queries, key, MIN_WEAK_HITS) {
                continue;
            }
            let walk = Walk {
                request,
                column,
                key,
                fit,
                nested: lineage.is_child(parent),
            };
            for edge in walk.edges(child, queries) {
                if best.as_ref().is_none_or(|best| edge.is_better(best)) {
                    best = Some(edge);
                }
            }
        }
    }
    best.or_else(|| {
        let loops = varies(request, queries, 0);
        loops.then(|| several::best(request, columns, child, queries))?
    })
}

impl Edge {
    /// More queries explained; then the better name, fewer rows passed over, the nearer list.
    fn is_better(&self, other: &Self) -> bool {
        let rank = |edge: &Self| {
            (
                edge.queries.len(),
                edge.fit,
                std::cmp::Reverse(edge.skipped),
                edge.after,
            )
        };
        rank(self) > rank(other)
    }
}

/// Its values differ: the same value again is a duplicate, not a loop.
fn varies(request: &Request, queries: &[usize], key: usize) -> bool {
    let mut keys = queries
        .iter()
        .filter_map(|at| request.entries.get(*at))
        .map(|entry| entry.keys[key]);
    let first = keys.next();
    keys.any(|key| Some(key) != first && key != 0)
}
