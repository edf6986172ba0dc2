//! Columns of earlier results, made ready to be searched for the values that a repeated query asks for.

use super::lineage::MIN_HITS;
use super::sieve::Sieve;
use crate::request::{Request, Stream};
use std::cell::{Cell, OnceCell};

/// Columns of one list that a loop may ask for in turn.
const MAX_WIDTH: usize = 3;
/// Searches of a column that cost less than to sort it: a loop of a few queries needs no more.
const LINEAR: u32 = 8;

/// A watched column of a stream, or several in turn, with the values in order of size: to find the next place with a
/// value is a search. A *place* is a row, or with several columns one value of a row.
pub(super) struct Column<'a> {
    pub stream: &'a Stream,
    pub watched: usize,
    /// Index of the (first) column in the result.
    pub index: usize,
    /// Values of one row.
    width: u32,
    sieve: OnceCell<Sieve>,
    /// How often it was searched, up to [`LINEAR`].
    searched: Cell<u32>,
    /// Value and place in one number each. Made when it is searched often: most columns never are.
    sorted: OnceCell<Vec<u64>>,
    /// Columns of the stream in turn, `width` of them.
    turn: [usize; MAX_WIDTH],
    /// Places before each place that have a value. Made when it is first asked for, too.
    filled: OnceCell<Vec<u32>>,
}

pub(super) struct Columns<'a> {
    pub all: Vec<Column<'a>>,
}

impl<'a> Columns<'a> {
    /// All columns with values of a request.
    pub fn of(request: &'a Request) -> Self {
        let columns =
            |stream: &'a Stream| (0..stream.width()).filter_map(|at| Column::of(stream, &[at]));
        let mut all = Vec::with_capacity(request.streams.iter().map(Stream::width).sum());
        all.extend(request.streams.iter().flat_map(columns));
        Self { all }
    }
}

impl<'a> Column<'a> {
    /// The watched columns of a stream with these numbers, in turn from row to row; at most [`MAX_WIDTH`].
    pub fn of(stream: &'a Stream, watched: &[usize]) -> Option<Self> {
        let first = *watched.first()?;
        let mut turn = [0; MAX_WIDTH];
        turn.get_mut(..watched.len())?.copy_from_slice(watched);
        Some(Self {
            stream,
            watched: first,
            index: usize::from(*stream.shape.watched.get(first)?),
            width: u32::try_from(watched.len()).unwrap_or(u32::MAX),
            sieve: OnceCell::new(),
            searched: Cell::new(0),
            sorted: OnceCell::new(),
            turn,
            filled: OnceCell::new(),
        })
    }

    /// Enough rows, and enough queries behind the first of them: a look that costs nothing beside those that follow.
    pub fn may_explain(&self, queries: &[usize]) -> bool {
        let Some(first) = self.stream.segments.first() else {
            return false;
        };
        let before = queries.partition_point(|query| *query < first.entry as usize);
        self.stream.rows() >= MIN_HITS && queries.len() - before >= MIN_HITS
    }

    /// Its values, made into a sieve when they are first asked for.
    pub fn sieve(&self) -> &Sieve {
        self.sieve.get_or_init(|| {
            let columns = self.turn().iter();
            Sieve::of(columns.flat_map(|at| self.stream.column(*at)))
        })
    }

    fn turn(&self) -> &[usize] {
        self.turn.get(..self.width as usize).unwrap_or_default()
    }

    /// It is several columns in turn.
    pub fn is_wide(&self) -> bool {
        self.width > 1
    }

    /// Places of this many rows.
    pub fn places(&self, rows: u32) -> u32 {
        rows.saturating_mul(self.width)
    }
}

impl Column<'_> {
    /// The first row from `from` on, and before `end`, that holds `value`.
    pub fn next(&self, value: u32, from: u32, end: u32) -> Option<u32> {
        if !self.sieve().may_hold(value) {
            return None;
        }
        if !self.is_wide() && self.searched.get() < LINEAR {
            self.searched.set(self.searched.get() + 1);
            let rows = self.stream.column(self.watched).skip(from as usize);
            let mut rows = (from..end).zip(rows);
            return rows.find(|(_, held)| *held == value).map(|(row, _)| row);
        }
        let sorted = self.sorted.get_or_init(|| self.sort());
        let wanted = pack(value, from);
        let found = *sorted.get(sorted.partition_point(|known| *known < wanted))?;
        (found < pack(value, end)).then_some(found as u32)
    }

    fn count(&self) -> Vec<u32> {
        let mut filled = Vec::with_capacity(self.stream.rows() * self.turn().len() + 1);
        let mut count = 0;
        for value in values(self.stream, self.turn()) {
            filled.push(count);
            count += u32::from(value != 0);
        }
        filled.push(count);
        filled
    }

    fn sort(&self) -> Vec<u64> {
        let places = (0..).zip(values(self.stream, self.turn()));
        let filled = places.filter(|(_, value)| *value != 0);
        let mut sorted: Vec<u64> = filled.map(|(place, value)| pack(value, place)).collect();
        sorted.sort_unstable();
        sorted
    }

    /// Rows with a value in this range.
    pub fn filled(&self, from: u32, end: u32) -> usize {
        let filled = self.filled.get_or_init(|| self.count());
        let before = |row: u32| filled.get(row as usize).copied().unwrap_or(0);
        before(end).saturating_sub(before(from)) as usize
    }
}

/// The values of these columns, in turn from row to row.
fn values<'s>(stream: &'s Stream, watched: &[usize]) -> impl Iterator<Item = u32> + 's {
    let mut columns: Vec<_> = watched.iter().map(|at| stream.column(*at)).collect();
    let width = columns.len();
    (0..stream.rows() * width).filter_map(move |at| columns[at % width].next())
}

/// In order of the value, and then of the place.
fn pack(value: u32, place: u32) -> u64 {
    u64::from(value) << 32 | u64::from(place)
}
