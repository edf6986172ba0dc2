//! Where the values of a repeated query come from.
//!
//! A repeated query is only suspicious. Where its values are, in order, those of a column of an earlier result of the
//! same request, it is proven to be a loop over those rows. Everything here works on hashes: [`crate::sql::value`].
//!
//! Values that agree by chance are the danger: ids are small and dense, and a loop over ids from elsewhere may well
//! find them all in an earlier list. So a match must also be *plausible* (`plausible.rs`), and where the values of a
//! list rise from row to row, it must not leave out many of them.

use super::plausible::{self, Fit};
use super::runs::Runs;
use crate::request::{Confidence, Request, Stream};
use crate::session::At;

/// Fewest values that must be found.
const MIN_HITS: usize = 3;
/// The same where no name speaks for it.
const MIN_WEAK_HITS: usize = 5;
/// Share of the values that must be found, in percent.
const SCORE: usize = 80;
/// Furthest that a list may stand before its loop where the request's limits are a guess: in queries and in time.
const RECENT_QUERIES: usize = 20;
const RECENT_NANOS: u64 = 2_000_000_000;

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
    /// Queries of the loop, as indices into the entries.
    pub queries: Vec<usize>,
    /// Rows of the walked results that have a value.
    pub rows: usize,
    /// How well the names agree.
    pub fit: Fit,
    /// Rows passed over between the first and the last that were walked.
    skipped: usize,
    /// Index of the parent's last query before the loop.
    after: usize,
}

impl Edge {
    /// Nearly every row was asked for.
    pub fn covers(&self) -> bool {
        self.queries.len() * 100 >= self.rows * SCORE
    }
}

/// What the values of a request's queries show.
#[derive(Debug, Default)]
pub(super) struct Lineage {
    /// In the order of their children's first queries.
    pub edges: Vec<Edge>,
    /// Groups whose values all came from nowhere, although all earlier results were seen.
    foreign: Vec<usize>,
}

impl Lineage {
    /// Follows the values of every statement of which `suspect` holds.
    pub fn trace(request: &Request, runs: &Runs, suspect: impl Fn(usize) -> bool) -> Self {
        let mut lineage = Self::default();
        if request.streams.iter().next().is_none() {
            return lineage;
        }
        let columns = Columns::of(request);
        let mut order: Vec<usize> = (0..request.groups.len())
            .filter(|group| runs.positions(*group).len() >= MIN_HITS && suspect(*group))
            .collect();
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
            if !found && request.streams.is_complete() && keys_known(request, runs.positions(group))
            {
                lineage.foreign.push(group);
            }
        }
        lineage
    }

    /// Loops of a group.
    pub fn of(&self, child: usize) -> impl Iterator<Item = &Edge> {
        self.edges.iter().filter(move |edge| edge.child == child)
    }

    /// The group's values come from none of the request's results.
    pub fn is_foreign(&self, group: usize) -> bool {
        self.foreign.contains(&group)
    }

    fn is_child(&self, group: usize) -> bool {
        self.edges.iter().any(|edge| edge.child == group)
    }
}

/// Every query has a value that can be compared.
fn keys_known(request: &Request, queries: &[usize]) -> bool {
    let entries = queries.iter().filter_map(|at| request.entries.get(*at));
    entries.into_iter().all(|entry| entry.keys[0] != 0)
}

/// A watched column of a stream, with its values in order of size: to find the next row with a value is a search.
struct Column<'a> {
    stream: &'a Stream,
    watched: usize,
    index: usize,
    sorted: Vec<(u32, u32)>,
    /// Rows before each row that have a value.
    filled: Vec<u32>,
}

struct Columns<'a> {
    all: Vec<Column<'a>>,
}

impl<'a> Columns<'a> {
    fn of(request: &'a Request) -> Self {
        let mut all = Vec::new();
        for stream in request.streams.iter() {
            for (watched, index) in stream.shape.watched.iter().enumerate() {
                let mut filled = Vec::with_capacity(stream.rows() + 1);
                let mut sorted = Vec::new();
                let mut count = 0;
                for (row, value) in stream.column(watched).enumerate() {
                    filled.push(count);
                    if value != 0 {
                        sorted.push((value, row as u32));
                        count += 1;
                    }
                }
                filled.push(count);
                sorted.sort_unstable();
                all.push(Column {
                    stream,
                    watched,
                    index: usize::from(*index),
                    sorted,
                    filled,
                });
            }
        }
        Self { all }
    }
}

impl Column<'_> {
    /// The first row from `from` on, and before `end`, that holds `value`.
    fn next(&self, value: u32, from: u32, end: u32) -> Option<u32> {
        let at = self.sorted.partition_point(|known| *known < (value, from));
        let (found, row) = *self.sorted.get(at)?;
        (found == value && row < end).then_some(row)
    }

    /// Rows with a value in this range.
    fn filled(&self, from: u32, end: u32) -> usize {
        let before = |row: u32| self.filled.get(row as usize).copied().unwrap_or(0);
        before(end).saturating_sub(before(from)) as usize
    }
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
    for (key, predicate) in plausible::keys(facts)
        .take(crate::request::Entry::KEYS)
        .enumerate()
    {
        if !varies(request, queries, key) {
            continue;
        }
        for column in &columns.all {
            let parent = usize::from(column.stream.group);
            if parent == child {
                continue;
            }
            let Some(fit) =
                plausible::check(request, facts, predicate, column.stream, column.watched)
            else {
                continue;
            };
            let walk = Walk {
                request,
                column,
                key,
                fit,
                nested: lineage.is_child(parent),
            };
            for mut edge in walk.edges(child, queries) {
                edge.fit = fit;
                if best.as_ref().is_none_or(|best| edge.is_better(best)) {
                    best = Some(edge);
                }
            }
        }
    }
    best
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

/// A way through one column.
struct Walk<'a> {
    request: &'a Request,
    column: &'a Column<'a>,
    key: usize,
    fit: Fit,
    /// The parent is a loop itself: its results belong together.
    nested: bool,
}

impl Walk<'_> {
    /// Loops over this column.
    fn edges(&self, child: usize, queries: &[usize]) -> Vec<Edge> {
        let guessed = self.request.boundary.confidence() == Confidence::Low;
        if !guessed || self.nested {
            let whole = self.walk(child, queries, 0, self.column.stream.rows() as u32);
            return whole.into_iter().collect();
        }
        // Where two requests may have been taken for one, a result that comes again begins another.
        let segments = &self.column.stream.segments;
        let mut windows = Vec::new();
        for (at, segment) in segments.iter().enumerate() {
            let next = segments.get(at + 1);
            let end = next.map_or(usize::MAX, |next| next.entry as usize);
            let inside: Vec<usize> = (queries.iter().copied())
                .filter(|query| (segment.entry as usize..end).contains(query))
                .collect();
            let rows = next.map_or(self.column.stream.rows() as u32, |next| next.row);
            windows.extend(self.walk(child, &inside, segment.row, rows));
        }
        // The same loop once for each request: together they are one cause.
        let mut edge: Option<Edge> = None;
        for window in windows {
            match &mut edge {
                None => edge = Some(window),
                Some(edge) => {
                    edge.queries.extend(window.queries);
                    edge.rows += window.rows;
                    edge.skipped += window.skipped;
                    edge.after = window.after;
                }
            }
        }
        edge.into_iter().collect()
    }

    /// Matches queries with rows from `first` to `end`, in order, each row once.
    fn walk(&self, child: usize, queries: &[usize], first: u32, end: u32) -> Option<Edge> {
        let mut hits: Vec<(usize, u32)> = Vec::new();
        let mut from = first;
        for &query in queries {
            let Some(entry) = self.request.entries.get(query) else {
                continue;
            };
            let key = entry.keys[self.key];
            let there = self.rows_before(query).min(end);
            if key != 0
                && let Some(row) = self.column.next(key, from, there)
            {
                hits.push((query, row));
                from = row + 1;
            }
        }
        if !self.holds(queries, &hits, first, end) {
            hits = self.cover(queries, first, end)?;
        }
        let (start, last) = (hits.first()?.0, hits.last()?.0);
        let rows = hits.iter().map(|(_, row)| *row);
        let (low, high) = (rows.clone().min()?, rows.max()?);
        let mut matched: Vec<usize> = hits.iter().map(|(query, _)| *query).collect();
        // A value that was not found in a loop that is proven belongs to it all the same.
        let strays = queries
            .iter()
            .filter(|query| (start..=last).contains(query));
        matched
            .extend(strays.filter(|query| hits.binary_search_by_key(*query, |hit| hit.0).is_err()));
        matched.sort_unstable();
        let after = self.parent_before(start)?;
        if self.request.boundary.confidence() == Confidence::Low && !self.is_recent(after, start) {
            return None;
        }
        Some(Edge {
            child,
            key: self.key,
            parent: usize::from(self.column.stream.group),
            column: self.column.index,
            rows: self.column.filled(first, self.rows_before(last).min(end)),
            skipped: self.column.filled(low, high + 1).saturating_sub(hits.len()),
            queries: matched,
            fit: self.fit,
            after,
        })
    }

    /// Enough of the queries were found, and not by chance.
    fn holds(&self, queries: &[usize], hits: &[(usize, u32)], first: u32, end: u32) -> bool {
        let (Some((start, low)), Some((last, high))) = (hits.first(), hits.last()) else {
            return false;
        };
        let fewest = if self.fit.is_weak() {
            MIN_WEAK_HITS
        } else {
            MIN_HITS
        };
        if hits.len() < fewest {
            return false;
        }
        let enough = |of: usize| hits.len() * 100 >= of * SCORE;
        let span = queries
            .iter()
            .filter(|query| (*start..=*last).contains(query))
            .count();
        let walked = self.column.filled(*low, high + 1);
        // Percent of the rows on the way that were asked for.
        let density = hits.len() * 100 / walked.max(1);
        if !enough(span) {
            return false;
        }
        if self.fit.is_weak() && density < SCORE {
            return false;
        }
        // Other queries of the statement belong elsewhere: then this part has to stand for itself.
        if !enough(queries.len()) && density < 50 {
            return false;
        }
        if self.request.boundary.confidence() == Confidence::Low && density < 50 {
            return false;
        }
        // Rows in rising order find rising values anywhere.
        !self.ascends(first, end) || density >= self.fit.density()
    }

    /// Every row was asked for once, in another order: `sorted()`, `reversed()`.
    fn cover(&self, queries: &[usize], first: u32, end: u32) -> Option<Vec<(usize, u32)>> {
        let start = *queries.first()?;
        let there = self.rows_before(start).min(end);
        let rows = self.column.filled(first, there);
        if rows < MIN_HITS.max(5) || queries.len() * 10 < rows * 9 || queries.len() * 9 > rows * 10
        {
            return None;
        }
        let mut taken: Vec<u32> = Vec::new();
        let mut hits = Vec::new();
        for &query in queries {
            let key = self.request.entries.get(query)?.keys[self.key];
            let mut from = first;
            while let Some(row) = self.column.next(key, from, there) {
                match taken.binary_search(&row) {
                    Ok(_) => from = row + 1,
                    Err(place) => {
                        taken.insert(place, row);
                        hits.push((query, row));
                        break;
                    }
                }
            }
        }
        (hits.len() * 10 >= rows * 9 && hits.len() * 10 >= queries.len() * 9).then_some(hits)
    }

    /// Rows of the stream that had come before a query was sent.
    fn rows_before(&self, query: usize) -> u32 {
        let stream = self.column.stream;
        let before = stream
            .segments
            .partition_point(|segment| (segment.entry as usize) < query);
        match stream.segments.get(before) {
            Some(next) => next.row,
            None => stream.rows() as u32,
        }
    }

    /// The parent's last query before this one.
    fn parent_before(&self, query: usize) -> Option<usize> {
        let segments = &self.column.stream.segments;
        let before = segments.partition_point(|segment| (segment.entry as usize) < query);
        segments
            .get(before.checked_sub(1)?)
            .map(|segment| segment.entry as usize)
    }

    fn is_recent(&self, parent: usize, child: usize) -> bool {
        let entries = &self.request.entries;
        let (Some(parent_entry), Some(child_entry)) = (entries.get(parent), entries.get(child))
        else {
            return false;
        };
        let ended = At(parent_entry.started.0.saturating_add(parent_entry.nanos));
        child - parent <= RECENT_QUERIES && child_entry.started.since(ended) <= RECENT_NANOS
    }

    /// The integers of these rows never fall.
    fn ascends(&self, first: u32, end: u32) -> bool {
        let segments = self.column.stream.segments.iter();
        let mut inside =
            segments.filter(|segment| (first..end.max(first + 1)).contains(&segment.row));
        match (inside.next(), inside.next()) {
            (Some(segment), None) => segment.ascending & 1 << self.column.watched != 0,
            _ => false,
        }
    }
}
