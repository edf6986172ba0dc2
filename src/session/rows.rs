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
    /// Room for values, of which so many are filled.
    values: Vec<u64>,
    filled: usize,
    rows: usize,
    digest: u64,
    digested: u64,
    measured: u32,
    bytes: u64,
    widths: Vec<u64>,
    /// Of each watched column the last integer.
    last: [i64; MAX_WATCHED],
    rises: Rises,
    /// A watched column lay behind what is read of a row.
    unread: bool,
    /// The client wants all columns in binary.
    binary: bool,
    /// Bit i: watched column i comes in binary.
    binaries: u8,
}

/// Whether the integers of the watched columns rise; bit i stands for watched column i.
#[derive(Clone, Copy, Debug, Default)]
struct Rises {
    seen: u8,
    again: u8,
    fell: u8,
}

/// The columns of a row, one after the other, measured as they are passed.
struct Cells<'a, 'w> {
    rest: &'a [u8],
    widths: std::slice::IterMut<'w, u64>,
}

impl<'a> Cells<'a, '_> {
    /// The next column; within, `None` is NULL, or a value of which not all is there. That is the last.
    #[inline(always)]
    fn next(&mut self) -> Option<Option<&'a [u8]>> {
        let (length, behind) = self.rest.split_first_chunk()?;
        let width = self.widths.next();
        let Ok(size) = u32::try_from(i32::from_be_bytes(*length)) else {
            self.rest = behind;
            return Some(None);
        };
        if let Some(width) = width {
            *width += u64::from(size);
        }
        let Some((value, behind)) = behind.split_at_checked(size as usize) else {
            self.rest = &[];
            return Some(None);
        };
        self.rest = behind;
        Some(Some(value))
    }
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

    /// The body of a DataRow, as far as its cap, of `length` bytes. A function of its own: it needs all registers.
    #[inline(never)]
    pub fn row(&mut self, body: &[u8], length: u32) {
        if self.rows == 0 {
            self.binaries = self.binaries();
        }
        self.rows += 1;
        if self.digested < MAX_DIGESTED {
            self.digested += u64::from(length);
            self.digest =
                self.digest.rotate_left(5).wrapping_add(xxh3_64(body)) ^ u64::from(length);
        }
        if self.rows <= MAX_ROWS {
            self.read(body, length);
        }
    }

    fn binaries(&self) -> u8 {
        let Some(shape) = &self.shape else { return 0 };
        let mut binaries = 0;
        for (place, at) in shape.watched.iter().enumerate().take(MAX_WATCHED) {
            let column = shape.columns.get(usize::from(*at));
            let binary = self.binary || column.is_some_and(|column| column.binary);
            binaries |= u8::from(binary) << place;
        }
        binaries
    }

    #[inline]
    fn read(&mut self, body: &[u8], length: u32) {
        let Some(shape) = &self.shape else { return };
        let begin = self.filled;
        self.filled += shape.watched.len();
        if self.values.len() < self.filled {
            self.values.resize(2 * self.filled, 0);
        }
        let (columns, rest) = match body {
            [high, low, rest @ ..] => (usize::from(u16::from_be_bytes([*high, *low])), rest),
            _ => (0, body),
        };
        let mut measured = 0;
        if self.measured < MEASURED_ROWS {
            self.measured += 1;
            self.bytes += u64::from(length);
            measured = columns.min(MEASURED_COLUMNS);
            if self.widths.len() < measured {
                self.widths.resize(measured, 0);
            }
        }
        let mut cells = Cells {
            rest,
            widths: self.widths[..measured].iter_mut(),
        };
        let (mut column, mut bit) = (0, 1_u8);
        let (mut integers, mut less) = (0_u8, 0_u8);
        let mut values = self.values[begin..self.filled].iter_mut();
        for (at, last) in shape.watched.iter().zip(&mut self.last) {
            let at = usize::from(*at);
            while column < at && cells.next().is_some() {
                column += 1;
            }
            if column < at || at >= columns {
                break;
            }
            let Some(cell) = cells.next() else { break };
            let Some(value) = values.next() else { break };
            *value = match cell {
                None => 0,
                Some(bytes) if self.binaries & bit != 0 => value::binary(bytes),
                Some(bytes) => match value::integer(bytes) {
                    None => value::text(bytes),
                    Some(number) => {
                        integers |= bit;
                        less |= if number < *last { bit } else { 0 };
                        *last = number;
                        value::of_integer(number)
                    }
                },
            };
            column += 1;
            bit <<= 1;
        }
        self.rises.again |= integers & self.rises.seen;
        self.rises.fell |= less & self.rises.seen;
        self.rises.seen |= integers;
        // A row that was cut, or has fewer columns than was said.
        self.unread |= values.len() > 0;
        values.for_each(|value| *value = 0);
        while cells.widths.len() > 0 && cells.next().is_some() {}
    }

    /// What was seen.
    pub fn seen(&self) -> RowsSeen<'_> {
        let mut widest = None;
        for (column, bytes) in self.widths.iter().enumerate() {
            if widest.is_none_or(|(_, most)| *bytes >= most) {
                widest = Some((column, *bytes));
            }
        }
        RowsSeen {
            shape: self.shape.as_ref(),
            values: &self.values[..self.filled],
            ascending: self.rises.again & !self.rises.fell,
            cut: self.unread || self.rows > MAX_ROWS,
            digest: self.digest,
            widest: widest
                .filter(|_| self.measured > 0)
                .map(|(column, bytes)| Widest {
                    column: u16::try_from(column).unwrap_or(u16::MAX),
                    bytes,
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
        self.filled = 0;
        if self.values.len() > KEEP {
            self.values.truncate(KEEP);
            self.values.shrink_to(KEEP);
        }
        self.rows = 0;
        (self.digest, self.digested) = (0, 0);
        (self.measured, self.bytes) = (0, 0);
        self.widths.clear();
        self.rises = Rises::default();
        (self.binary, self.unread) = (false, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of as many integers as there are columns.
    fn rows(columns: u16) -> Rows {
        let mut body = columns.to_be_bytes().to_vec();
        for column in 0..columns {
            body.extend(format!("c{column}\0").bytes());
            body.extend([0, 0, 0, 0, 0, 0, 0, 0, 0, 23]);
            body.extend([0, 4, 255, 255, 255, 255, 0, 0]);
        }
        let mut rows = Rows::default();
        rows.described(&body, Some(1));
        rows
    }

    fn row(values: &[&str]) -> Vec<u8> {
        let mut row = (values.len() as u16).to_be_bytes().to_vec();
        for value in values {
            row.extend((value.len() as u32).to_be_bytes());
            row.extend(value.bytes());
        }
        row
    }

    #[test]
    fn what_is_cut_off_a_row_has_no_value_and_not_that_of_an_older_one() {
        let whole = row(&["1", "23", "4"]);
        let known = [b"1" as &[u8], b"23", b"4"].map(value::text);
        for end in 0..=whole.len() {
            let mut rows = rows(3);
            rows.row(&whole, whole.len() as u32);
            rows.clear();
            rows.begin(1, false);
            rows.row(&whole[..end], whole.len() as u32);
            let seen = rows.seen();
            let read = [7, 13, 18].iter().filter(|ends| **ends <= end).count();
            assert_eq!(seen.values[..read], known[..read], "cut at {end}");
            assert_eq!(seen.values[read..], [0; 3][read..], "cut at {end}");
            assert!(seen.cut || end >= 17, "cut at {end}");
        }
    }
}
