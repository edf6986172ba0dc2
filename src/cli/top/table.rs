//! Tables: which columns a view has, which of them fit, and the order of rows.

use super::reading::View;
use std::cmp::Ordering;

/// A column.
pub struct Column {
    /// Its heading.
    pub title: &'static str,
    /// Characters, with room for the arrow of the sorted one; 0 takes what the others leave.
    pub width: u16,
    /// Whether it stands at the right.
    pub right: bool,
    /// Whether one can sort by it.
    pub sorts: bool,
    /// Columns of a higher rank go first where the terminal is narrow; 0 stays.
    pub rank: u8,
}

const fn words(title: &'static str, width: u16, sorts: bool, rank: u8) -> Column {
    Column {
        title,
        width,
        right: false,
        sorts,
        rank,
    }
}

const fn figure(title: &'static str, width: u16, sorts: bool, rank: u8) -> Column {
    Column {
        right: true,
        ..words(title, width, sorts, rank)
    }
}

/// What the column without a width needs before others may stay.
const LEAST: u16 = 24;

/// Characters between two columns.
pub const SPACING: u16 = 2;

const FINDINGS: &[Column] = &[
    words("SEVERITY", 9, true, 0),
    words("FINDING", 28, true, 0),
    words("ROUTE", 0, true, 0),
    figure("REQ/S", 6, true, 4),
    figure("REQUESTS", 9, true, 3),
    figure("QUERIES", 8, true, 2),
    figure("WASTED", 8, true, 1),
    figure("SEEN", 9, false, 5),
];

const REQUESTS: &[Column] = &[
    words("ROUTE", 0, true, 0),
    words("BOUNDARY", 11, false, 5),
    figure("REQ/S", 6, true, 1),
    figure("REQUESTS", 9, true, 4),
    figure("QUERIES/REQ", 12, true, 1),
    figure("DB TIME/S", 10, true, 4),
    figure("DB TIME", 8, true, 2),
    figure("DB/REQ", 8, true, 3),
    figure("DB P99", 8, true, 2),
];

const STATEMENTS: &[Column] = &[
    words("STATEMENT", 0, false, 0),
    figure("CALLS/S", 8, true, 3),
    figure("CALLS", 7, true, 1),
    figure("ROWS/CALL", 9, false, 5),
    figure("TOTAL", 8, true, 1),
    figure("MEAN", 8, true, 2),
    figure("P99", 8, true, 2),
    figure("ERRORS", 7, false, 4),
];

const SESSIONS: &[Column] = &[
    figure("ID", 8, true, 3),
    words("CLIENT", 0, true, 0),
    words("DATABASE", 16, true, 2),
    words("USER", 12, false, 4),
    words("APPLICATION", 16, false, 5),
    words("STATUS", 20, true, 1),
    figure("AGE", 7, true, 3),
    figure("QUERIES/S", 10, true, 2),
    figure("QUERIES", 8, true, 3),
];

/// The columns of a view.
pub fn columns(view: View) -> &'static [Column] {
    match view {
        View::Findings => FINDINGS,
        View::Requests => REQUESTS,
        View::Statements => STATEMENTS,
        View::Sessions => SESSIONS,
    }
}

/// The column that a view is sorted by at first.
pub fn first_sort(view: View) -> usize {
    let title = match view {
        View::Findings => "SEVERITY",
        View::Requests => "DB TIME",
        View::Statements => "TOTAL",
        View::Sessions => "QUERIES",
    };
    let place = columns(view).iter().position(|one| one.title == title);
    place.unwrap_or(0)
}

/// The columns that fit into a width, by their number.
pub fn visible(columns: &[Column], width: u16) -> Vec<usize> {
    let mut shown: Vec<usize> = (0..columns.len()).collect();
    let width_of = |at: &usize| match columns[*at].width {
        0 => LEAST,
        width => width,
    };
    loop {
        let gaps = SPACING * shown.len().saturating_sub(1) as u16;
        let needed = shown.iter().map(width_of).sum::<u16>() + gaps;
        let worst = shown.iter().map(|at| columns[*at].rank).max().unwrap_or(0);
        if needed <= width || worst == 0 {
            return shown;
        }
        // The last of its rank, so that the table thins out from the right.
        if let Some(place) = shown.iter().rposition(|at| columns[*at].rank == worst) {
            shown.remove(place);
        }
    }
}

/// What a cell shows and what its row is sorted by.
#[derive(Clone, Debug)]
pub struct Cell {
    /// What it shows.
    pub text: String,
    /// What it counts as; text sorts by itself.
    pub weight: Option<f64>,
}

impl Cell {
    /// Words, which sort from A to Z.
    pub fn words(text: impl Into<String>) -> Self {
        Self {
            text: crate::cli::report::words::clean(&text.into()),
            weight: None,
        }
    }

    /// A figure, of which the largest comes first.
    pub fn figure(text: String, weight: f64) -> Self {
        Self {
            text,
            weight: Some(weight),
        }
    }
}

/// A row.
#[derive(Clone, Debug)]
pub struct Row {
    /// What it is known by from one reading to the next.
    pub key: String,
    /// One for each column of the view.
    pub cells: Vec<Cell>,
    /// What else a filter finds.
    pub more: String,
}

impl Row {
    /// Whether a filter, in small letters, finds something in it.
    pub fn has(&self, filter: &str) -> bool {
        let found = |text: &str| text.to_lowercase().contains(filter);
        found(&self.more) || self.cells.iter().any(|cell| found(&cell.text))
    }
}

/// Sorts by a column; equal rows by their key, so that they do not change places with each reading.
pub fn sort(rows: &mut [Row], column: usize, reversed: bool) {
    rows.sort_by(|a, b| {
        let (left, right) = (&a.cells[column], &b.cells[column]);
        let order = match (left.weight, right.weight) {
            (Some(left), Some(right)) => right.total_cmp(&left),
            _ => left.text.cmp(&right.text),
        };
        let order = if reversed { order.reverse() } else { order };
        match order {
            Ordering::Equal => a.key.cmp(&b.key),
            order => order,
        }
    });
}
