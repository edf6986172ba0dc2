//! Matches the values of a repeated query with the rows of one column, in order.

use super::column::Column;
use super::lineage::{Edge, MIN_HITS, SCORE};
use super::plausible::Fit;
use crate::request::{Confidence, Request};
use crate::session::At;

/// The same where no name speaks for it.
pub(super) const MIN_WEAK_HITS: usize = 5;
/// Furthest that a list may stand before its loop where the request's limits are a guess: in queries and in time.
const RECENT_QUERIES: usize = 20;
const RECENT_NANOS: u64 = 2_000_000_000;

/// A way through one column.
pub(super) struct Walk<'a> {
    pub request: &'a Request,
    pub column: &'a Column<'a>,
    /// Which key of the queries asks for the values.
    pub key: usize,
    pub fit: Fit,
    /// The parent is a loop itself: its results belong together.
    pub nested: bool,
}

impl Walk<'_> {
    /// Loops over this column.
    ///
    /// A result that comes again takes the place of the one before: each query is matched with the last one before it.
    /// The results of a parent that is a loop itself belong together, and so do those of one that runs again before
    /// its rows are walked; where requests may have been taken for one, the latter is not believed.
    pub fn edges(&self, child: usize, queries: &[usize]) -> Vec<Edge> {
        let whole = || self.walk(child, queries, 0, self.all());
        if self.nested {
            return whole().into_iter().collect();
        }
        let windows = self.windows(queries);
        let mut edges: Vec<Edge> = windows
            .filter_map(|(queries, start, end)| self.walk(child, queries, start, end))
            .collect();
        if edges.is_empty() && self.may_go_on() {
            edges.extend(whole());
        }
        edges
    }

    /// Whether there are queries enough for an edge that covers the rows of these columns, in whatever turn they are
    /// asked for: a look that searches nothing. The columns are of one stream, and this one is among them.
    pub fn may_cover(&self, columns: &[&Column<'_>], queries: &[usize]) -> bool {
        let enough = |(queries, start, end): (&[usize], u32, u32)| {
            (1..).zip(queries).skip(MIN_HITS - 1).any(|(count, query)| {
                let end = self.rows_before(*query).min(end);
                let rows: usize = columns.iter().map(|column| column.filled(start, end)).sum();
                count * 100 >= rows * SCORE
            })
        };
        self.windows(queries).any(enough) || (self.may_go_on() && enough((queries, 0, self.all())))
    }

    /// Each result with the queries between it and the next.
    fn windows<'q>(&self, queries: &'q [usize]) -> impl Iterator<Item = (&'q [usize], u32, u32)> {
        let segments = &self.column.stream.segments;
        (segments.iter().enumerate()).map(|(at, segment)| {
            let next = segments.get(at + 1);
            let end = next.map_or(usize::MAX, |next| next.entry as usize);
            let first = queries.partition_point(|query| *query < segment.entry as usize);
            let last = queries.partition_point(|query| *query < end);
            let end = next.map_or(self.all(), |next| self.column.places(next.row));
            let start = self.column.places(segment.row);
            (&queries[first..last.max(first)], start, end)
        })
    }

    fn all(&self) -> u32 {
        self.column.places(self.column.stream.rows() as u32)
    }

    /// Where no result alone explains queries, all of them together may.
    fn may_go_on(&self) -> bool {
        let guessed = self.request.boundary.confidence() == Confidence::Low;
        !guessed && self.column.stream.segments.len() > 1
    }

    /// Matches queries with rows from `first` to `end`, in order, each row once.
    fn walk(&self, child: usize, queries: &[usize], first: u32, end: u32) -> Option<Edge> {
        let sieve = self.column.sieve();
        if !sieve.may_pass(self.request, queries, self.key, MIN_HITS) {
            return None;
        }
        let mut hits: Vec<(usize, u32)> = Vec::new();
        let mut from = first;
        for &query in queries {
            let Some(entry) = self.request.entries.get(query) else {
                continue;
            };
            let key = entry.keys[self.key];
            let there = self.rows_before(query).min(end);
            if key == 0 {
                continue;
            }
            if let Some(row) = self.column.next(key, from, there) {
                hits.push((query, row));
                from = row + 1;
            } else if let Some((_, row)) = hits.last().copied()
                && self.column.next(key, row, row + 1).is_some()
            {
                // The same row once more: a page may count several things of it.
                hits.push((query, row));
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
            others: Vec::new(),
            asked: distinct_rows(&hits),
            rows: self.column.filled(first, self.rows_before(last).min(end)),
            skipped: self
                .column
                .filled(low, high + 1)
                .saturating_sub(distinct_rows(&hits)),
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
        let asked = distinct_rows(hits);
        if asked < fewest {
            return false;
        }
        let enough = |of: usize| hits.len() * 100 >= of * SCORE;
        let span = queries
            .iter()
            .filter(|query| (*start..=*last).contains(query))
            .count();
        let walked = self.column.filled(*low, high + 1);
        // Percent of the rows on the way that were asked for.
        let density = asked * 100 / walked.max(1);
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
            Some(next) => self.column.places(next.row),
            None => self.column.places(stream.rows() as u32),
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
        if self.column.is_wide() {
            return false;
        }
        let segments = self.column.stream.segments.iter();
        let mut inside =
            segments.filter(|segment| (first..end.max(first + 1)).contains(&segment.row));
        match (inside.next(), inside.next()) {
            (Some(segment), None) => segment.ascending & 1 << self.column.watched != 0,
            _ => false,
        }
    }
}

/// Rows among matches that never go back.
fn distinct_rows(hits: &[(usize, u32)]) -> usize {
    hits.chunk_by(|one, other| one.1 == other.1).count()
}
