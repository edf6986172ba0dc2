//! The values that a request's earlier results held: what later queries of it may ask for.

use crate::session::{RowShape, RowsSeen};
use crate::sql::FingerprintHasher;
use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::sync::Arc;

/// Statements of a request whose values are kept; the one whose last result is oldest makes room.
const MAX_STREAMS: usize = 32;
/// Rows of one statement whose values are kept.
const MAX_ROWS: usize = 1000;
/// Values for which a stream keeps room from request to request; so 32 KiB a session at most.
const KEEP: usize = 256;
/// Results for which it does.
const KEEP_SEGMENTS: usize = 64;

/// Half of a hash is enough to compare a few thousand values. 0 stays 0: no value.
pub(super) fn short(hash: u64) -> u32 {
    let half = (hash >> 32) as u32;
    if hash == 0 { 0 } else { half.max(1) }
}

/// The rows of one result within a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segment {
    /// Index of its query in the request's entries.
    pub entry: u32,
    /// Its first row in the stream.
    pub row: u32,
    /// Bit i: the integers of watched column i never fall from row to row.
    pub ascending: u8,
}

/// All rows of one statement in a request, as far as they were kept.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    /// Index into the request's groups.
    pub group: u16,
    /// Its columns; those watched have values.
    pub shape: Arc<RowShape>,
    /// For each watched column the table that it comes from, where that is known from its OID.
    pub tables: Vec<Option<Arc<str>>>,
    /// Its results in order.
    pub segments: Vec<Segment>,
    /// Some of its rows were not kept.
    pub cut: bool,
    values: Vec<u32>,
}

impl Stream {
    /// Rows kept.
    pub fn rows(&self) -> usize {
        self.values.len().checked_div(self.width()).unwrap_or(0)
    }

    /// Watched columns.
    pub fn width(&self) -> usize {
        self.shape.watched.len()
    }

    /// Values of a watched column, row by row; 0 for NULL.
    pub fn column(&self, watched: usize) -> impl Iterator<Item = u32> + '_ {
        self.values
            .iter()
            .skip(watched)
            .step_by(self.width().max(1))
            .copied()
    }

    /// A column's value in the first row of the result of a query, by the column's name; 0 for NULL.
    pub fn first_value(&self, entry: u32, name: &str) -> Option<u32> {
        let at = self
            .segments
            .binary_search_by_key(&entry, |segment| segment.entry)
            .ok()?;
        let row = self.segments.get(at)?.row as usize;
        let end = self
            .segments
            .get(at + 1)
            .map_or(self.rows(), |next| next.row as usize);
        let watched = self.shape.watched.iter().position(|index| {
            let column = self.shape.columns.get(usize::from(*index));
            column.is_some_and(|column| *column.name == *name)
        })?;
        if row >= end {
            return None;
        }
        self.values.get(row * self.width() + watched).copied()
    }

    /// Adds the rows of a result; `room`: values that may still be kept.
    pub(crate) fn append(&mut self, entry: u32, seen: &RowsSeen<'_>, room: usize) -> usize {
        let width = self.width();
        // `Arc`s are compared by their places first: those of one session's results are mostly the same.
        if width == 0 || seen.shape.is_none_or(|shape| *shape != self.shape) {
            return 0;
        }
        let rows = self.rows();
        let fits = (MAX_ROWS.saturating_sub(rows)).min(room / width);
        let wanted = seen.values.len() / width;
        let taken = wanted.min(fits);
        self.cut |= seen.cut || taken < wanted;
        // FETCH after FETCH is one result.
        match self.segments.last_mut() {
            Some(last) if last.entry == entry => last.ascending &= seen.ascending,
            _ => self.segments.push(Segment {
                entry,
                row: u32::try_from(rows).unwrap_or(u32::MAX),
                ascending: seen.ascending,
            }),
        }
        let values = seen.values.iter().take(taken * width);
        self.values.extend(values.map(|value| short(*value)));
        taken * width
    }

    fn reuse(&mut self, group: u16, shape: &Arc<RowShape>) {
        self.group = group;
        self.shape = Arc::clone(shape);
        self.tables.clear();
        self.segments.clear();
        self.segments.shrink_to(KEEP_SEGMENTS);
        self.values.clear();
        self.values.shrink_to(KEEP);
        self.cut = false;
    }
}

/// The streams of a request. Their buffers are reused from request to request.
#[derive(Clone, Debug, Default)]
pub struct Streams {
    all: Vec<Stream>,
    live: usize,
    values: usize,
}

impl Streams {
    /// Those in use.
    pub fn iter(&self) -> std::slice::Iter<'_, Stream> {
        self.all.get(..self.live).unwrap_or_default().iter()
    }

    /// The stream of a group.
    pub fn of(&self, group: usize) -> Option<&Stream> {
        self.iter()
            .find(|stream| usize::from(stream.group) == group)
    }

    /// Notes the rows of a query of `group`. `table` names the table of an OID; `limit`: values kept of one request.
    pub(crate) fn note(
        &mut self,
        group: u16,
        entry: u32,
        seen: &RowsSeen<'_>,
        limit: usize,
        table: impl Fn(u32) -> Option<Arc<str>>,
    ) {
        let Some(shape) = seen.shape.filter(|_| !seen.values.is_empty()) else {
            return;
        };
        let live = &mut self.all[..self.live];
        let at = match live.iter().position(|stream| stream.group == group) {
            Some(at) => at,
            None => {
                let at = self.place();
                let stream = &mut self.all[at];
                stream.reuse(group, shape);
                let columns = shape
                    .watched
                    .iter()
                    .map(|at| shape.columns.get(usize::from(*at)));
                stream
                    .tables
                    .extend(columns.map(|column| table(column?.table)));
                at
            }
        };
        while self.values + seen.values.len() > limit && self.empty_oldest(at) {}
        let room = limit.saturating_sub(self.values);
        self.values += self.all[at].append(entry, seen, room);
    }

    /// Takes the values of the stream whose last result is oldest, `but` for one; false where there is none to take.
    fn empty_oldest(&mut self, but: usize) -> bool {
        let last = |stream: &Stream| stream.segments.last().map(|segment| segment.entry);
        let others = (0..self.live).filter(|at| *at != but && !self.all[*at].values.is_empty());
        let Some(oldest) = others.min_by_key(|at| last(&self.all[*at])) else {
            return false;
        };
        let stream = &mut self.all[oldest];
        self.values = self.values.saturating_sub(stream.values.len());
        stream.values.clear();
        stream.segments.clear();
        stream.cut = true;
        true
    }

    /// A stream to fill: a new one, or that whose last result is oldest.
    fn place(&mut self) -> usize {
        if self.live < MAX_STREAMS {
            if self.live == self.all.len() {
                self.all.push(Stream::default());
            }
            self.live += 1;
            return self.live - 1;
        }
        let last = |stream: &Stream| stream.segments.last().map(|segment| segment.entry);
        let oldest = (0..self.live)
            .min_by_key(|at| last(&self.all[*at]))
            .unwrap_or(0);
        self.values = self.values.saturating_sub(self.all[oldest].values.len());
        oldest
    }

    pub(crate) fn clear(&mut self) {
        for stream in self.all.iter_mut().take(self.live) {
            // The values go, with the room for more than a few of them.
            stream.values.clear();
            stream.values.shrink_to(KEEP);
        }
        (self.live, self.values) = (0, 0);
    }
}

/// Names of tables by their OIDs, learned from statements that read one table only.
#[derive(Debug, Default)]
pub struct Catalog {
    tables: HashMap<u64, Arc<str>, BuildHasherDefault<FingerprintHasher>>,
}

/// An OID, spread over all bits: it is looked up for each query, and needs no better hash.
fn spread(oid: u32) -> u64 {
    u64::from(oid).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Tables remembered for a class of clients.
const MAX_TABLES: usize = 1024;

impl Catalog {
    /// The table with this OID.
    pub fn table(&self, oid: u32) -> Option<Arc<str>> {
        self.tables.get(&spread(oid)).cloned()
    }

    /// A result of a statement that reads `table` alone.
    pub(crate) fn learn(&mut self, shape: &RowShape, table: &str) {
        let mut oids = shape
            .columns
            .iter()
            .map(|column| column.table)
            .filter(|oid| *oid != 0);
        let Some(oid) = oids.next() else { return };
        if self.tables.contains_key(&spread(oid))
            || self.tables.len() >= MAX_TABLES
            || oids.any(|other| other != oid)
        {
            return;
        }
        self.tables.insert(spread(oid), table.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::RowColumn;
    use crate::sql::value::of_integer;

    fn shape(watched: u16) -> Arc<RowShape> {
        let column = |at: u16| RowColumn {
            name: format!("c{at}").into(),
            table: 7,
            attribute: 1,
            type_oid: 20,
            binary: false,
        };
        Arc::new(RowShape {
            columns: (0..watched).map(column).collect(),
            watched: (0..watched).collect(),
        })
    }

    fn note(
        streams: &mut Streams,
        group: u16,
        entry: u32,
        shape: &Arc<RowShape>,
        values: &[u64],
        limit: usize,
    ) {
        let seen = RowsSeen {
            shape: Some(shape),
            values,
            ..RowsSeen::default()
        };
        streams.note(group, entry, &seen, limit, |_| None);
    }

    #[test]
    fn results_of_a_statement_follow_each_other() {
        let (mut streams, shape) = (Streams::default(), shape(2));
        let values = [1, 10, 2, 20, 3, 30].map(of_integer);
        note(&mut streams, 3, 0, &shape, &values[..4], 100);
        note(&mut streams, 3, 5, &shape, &values[4..], 100);
        let stream = streams.of(3).expect("a stream");
        assert_eq!(
            stream.column(1).collect::<Vec<_>>(),
            [10, 20, 30].map(|number| short(of_integer(number)))
        );
        assert_eq!(
            stream
                .segments
                .iter()
                .map(|s| (s.entry, s.row))
                .collect::<Vec<_>>(),
            [(0, 0), (5, 2)]
        );
        assert!(!stream.cut);
    }

    #[test]
    fn what_is_kept_has_a_limit_and_what_is_not_is_told() {
        let (mut streams, shape) = (Streams::default(), shape(2));
        note(&mut streams, 0, 0, &shape, &[0; 20], 10);
        assert_eq!(streams.of(0).map(Stream::rows), Some(5));
        assert!(streams.of(0).is_some_and(|stream| stream.cut));
        streams.clear();
        assert!(streams.of(0).is_none());
        for group in 0..60 {
            note(&mut streams, group, u32::from(group), &shape, &[1, 2], 1000);
        }
        assert_eq!(streams.iter().count(), MAX_STREAMS);
        assert!(streams.of(59).is_some() && streams.of(0).is_none());
    }

    #[test]
    fn a_table_is_learned_from_a_statement_that_reads_no_other() {
        let mut catalog = Catalog::default();
        catalog.learn(&shape(2), "lib_book");
        assert_eq!(catalog.table(7).as_deref(), Some("lib_book"));
        assert_eq!(catalog.table(8), None);
    }
}
