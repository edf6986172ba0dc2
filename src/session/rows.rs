//! What is looked at of the rows of a result: the few short columns whose values later queries may ask for, and how
//! much room each column takes.

use super::shape::{self, MAX_WATCHED, RowShape, Shapes};
use crate::sql::value;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64;

/// Bytes of a row that are looked at.
pub(super) const ROW_CAP: usize = 4096;
/// Bytes of a RowDescription that are looked at.
pub(super) const DESCRIPTION_CAP: usize = 16 * 1024;
/// Rows of a result whose values are kept.
const MAX_ROWS: usize = 1000;
/// Bytes of a result that its digest covers.
const MAX_DIGESTED: u64 = 64 * 1024;
/// Rows of a result in which columns are measured.
const MEASURED_ROWS: u32 = 50;
/// Columns that are measured.
const MEASURED_COLUMNS: usize = 64;
/// Values for which room is kept from one result to the next.
const KEEP: usize = 1024;

/// The first rows of a result.
#[derive(Clone, Copy, Debug, Default)]
pub struct RowsSeen<'a> {
    /// Their columns; `None` where no description was seen.
    pub shape: Option<&'a Arc<RowShape>>,
    /// Row by row, a hash for each watched column as in [`crate::sql::value`], 0 for NULL; of 1000 rows at most.
    pub values: &'a [u64],
    /// Bit i: the integers of watched column i never fall from row to row, and there are two or more.
    pub ascending: u8,
    /// Some rows are not in `values`.
    pub cut: bool,
    /// Hash of the rows, as far as the first 64 KiB; 0 without rows.
    pub digest: u64,
    /// Of the first 50 rows, the column that takes most room.
    pub widest: Option<Widest>,
}

/// The column that takes most room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Widest {
    /// Its index in the result.
    pub column: u16,
    /// Its bytes in the measured rows.
    pub bytes: u64,
    /// Bytes of all columns in the measured rows.
    pub total: u64,
    /// Measured rows.
    pub rows: u32,
}

/// Gathers them. Buffers are reused from result to result.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub shapes: Shapes,
    shape: Option<Arc<RowShape>>,
    /// Fingerprint of the statement that `shape` was told of.
    described: Option<u64>,
    values: Vec<u64>,
    rows: usize,
    digest: u64,
    digested: u64,
    measured: u32,
    bytes: u64,
    widths: Vec<u64>,
    /// Of each watched column the last integer, and whether they rose so far.
    last: [i64; MAX_WATCHED],
    /// A watched column lay behind what is read of a row.
    unread: bool,
    seen: u8,
    fell: u8,
    again: u8,
    /// The client wants all columns in binary.
    binary: bool,
}

impl Rows {
    /// A result with a description begins. `statement`: the fingerprint of what it answers.
    pub fn described(&mut self, body: &[u8], statement: Option<u64>) {
        let shape = shape::described(body);
        if let Some(statement) = statement {
            self.shapes.describes(statement, &shape);
        }
        self.clear();
        self.shape = Some(shape);
        self.described = statement;
    }

    /// A result without one begins with its first row: the last description of its statement holds.
    pub fn begin(&mut self, statement: u64, binary: bool) {
        self.binary = binary;
        if self.described != Some(statement) {
            self.described = Some(statement);
            self.shape = self.shapes.of(statement).cloned();
        }
    }

    /// Nothing was seen since the last result.
    pub fn is_new(&self) -> bool {
        self.rows == 0
    }

    /// The body of a DataRow, as far as its cap, of `length` bytes.
    pub fn row(&mut self, body: &[u8], length: u32) {
        self.rows += 1;
        if self.digested < MAX_DIGESTED {
            self.digested += u64::from(length);
            self.digest =
                self.digest.rotate_left(5).wrapping_add(xxh3_64(body)) ^ u64::from(length);
        }
        if self.rows > MAX_ROWS {
            return;
        }
        if let Some(shape) = self.shape.take() {
            self.read(&shape, body, length);
            self.shape = Some(shape);
        }
    }

    fn read(&mut self, shape: &RowShape, body: &[u8], length: u32) {
        let measure = self.measured < MEASURED_ROWS;
        if measure {
            self.measured += 1;
            self.bytes += u64::from(length);
        }
        let Some((count, mut rest)) = body.split_first_chunk() else {
            return self.unwatched(shape, 0);
        };
        let columns = usize::from(u16::from_be_bytes(*count));
        let measured = if measure {
            columns.min(MEASURED_COLUMNS)
        } else {
            0
        };
        if self.widths.len() < measured {
            self.widths.resize(measured, 0);
        }
        let mut watched = shape.watched.iter().map(|at| usize::from(*at)).peekable();
        let mut place = 0;
        for column in 0..columns {
            if watched.peek().is_none() && !measure {
                break;
            }
            let Some((length, behind)) = rest.split_first_chunk() else {
                break;
            };
            // Negative: NULL.
            let size = usize::try_from(i32::from_be_bytes(*length)).ok();
            if let Some(width) = self.widths.get_mut(column).filter(|_| measure) {
                *width += size.unwrap_or(0) as u64;
            }
            let (value, behind) = match size {
                None => (None, Some(behind)),
                Some(size) => match behind.split_at_checked(size) {
                    None => (None, None),
                    Some((value, behind)) => (Some(value), Some(behind)),
                },
            };
            if watched.next_if_eq(&column).is_some() {
                let value = value.map_or(0, |bytes| self.value(shape, column, place, bytes));
                self.values.push(value);
                place += 1;
            }
            let Some(behind) = behind else { break };
            rest = behind;
        }
        self.unwatched(shape, place);
    }

    /// What a watched column holds, as a hash.
    fn value(&mut self, shape: &RowShape, column: usize, place: usize, bytes: &[u8]) -> u64 {
        let told = shape.columns.get(column);
        if self.binary || told.is_some_and(|column| column.binary) {
            return value::binary(bytes);
        }
        match value::integer(bytes) {
            Some(number) => {
                self.note(place, number);
                value::of_integer(number)
            }
            None => value::text(bytes),
        }
    }

    /// Ends a row of which so many watched columns were read.
    fn unwatched(&mut self, shape: &RowShape, place: usize) {
        // A row that was cut, or has fewer columns than was said.
        self.unread |= place < shape.watched.len();
        for _ in place..shape.watched.len() {
            self.values.push(0);
        }
    }

    fn note(&mut self, place: usize, number: i64) {
        let bit = 1 << place;
        let last = &mut self.last[place];
        if self.seen & bit != 0 {
            self.again |= bit;
            if number < *last {
                self.fell |= bit;
            }
        }
        self.seen |= bit;
        *last = number;
    }

    /// What was seen.
    pub fn seen(&self) -> RowsSeen<'_> {
        let widest = self
            .widths
            .iter()
            .enumerate()
            .max_by_key(|(_, bytes)| **bytes);
        RowsSeen {
            shape: self.shape.as_ref(),
            values: &self.values,
            ascending: self.again & !self.fell,
            cut: self.unread || self.rows > MAX_ROWS,
            digest: self.digest,
            widest: widest
                .filter(|_| self.measured > 0)
                .map(|(column, bytes)| Widest {
                    column: u16::try_from(column).unwrap_or(u16::MAX),
                    bytes: *bytes,
                    total: self.bytes,
                    rows: self.measured,
                }),
        }
    }

    /// Forgets a result.
    pub fn clear(&mut self) {
        (self.shape, self.described) = (None, None);
        if self.rows == 0 {
            return;
        }
        self.values.clear();
        self.values.shrink_to(KEEP);
        self.rows = 0;
        (self.digest, self.digested) = (0, 0);
        (self.measured, self.bytes) = (0, 0);
        self.widths.clear();
        (self.seen, self.fell, self.again) = (0, 0, 0);
        (self.binary, self.unread) = (false, false);
    }
}
