//! A request made of real statements and rows, through the normaliser and the tables of values.

use crate::detect::{Detectors, Finding, Settings};
use crate::request::{self, Boundary, ClassKey};
use crate::request::{Classes, Request, Tracker};
use crate::session::{
    At, Outcome, Protocol, Query, RowColumn, RowShape, RowsSeen, TransactionStatus,
};
use crate::sql::{Digest, Statement, value};
use std::sync::Arc;

/// An integer of a row.
pub(super) fn int(number: i64) -> Option<u64> {
    Some(value::of_integer(number))
}

/// A connection on which statements run, one a millisecond.
pub(super) struct Session {
    classes: Classes,
    tracker: Tracker,
    boundary: Boundary,
    table: (String, u32),
    now: u64,
}

impl Session {
    pub(super) fn new() -> Self {
        Self {
            classes: Classes::new(1),
            tracker: Tracker::new("app".into()),
            boundary: Boundary::Probe,
            table: (String::new(), 0),
            now: 1_000_000,
        }
    }

    /// How its limits were found.
    pub(super) fn boundary(mut self, boundary: Boundary) -> Self {
        self.boundary = boundary;
        self
    }

    /// The app does something else.
    pub(super) fn wait_millis(mut self, millis: u64) -> Self {
        self.now += millis * 1_000_000;
        self
    }

    /// The table that the next statement reads, and its OID.
    pub(super) fn table(mut self, name: &str, oid: u32) -> Self {
        self.table = (name.to_owned(), oid);
        self
    }

    /// Runs a SELECT; a column without integers has `None` in each row.
    pub(super) fn select(
        mut self,
        sql: &str,
        columns: &[&str],
        rows: Vec<Vec<Option<u64>>>,
    ) -> Self {
        let mut digest = Digest::new();
        digest.read(sql.as_bytes(), sql.len(), crate::sql::Dialect::default());
        let part = digest.parts()[0];
        let statement = Arc::new(Statement::new(part.fingerprint, digest.text(&part)));
        let numbers: Vec<u16> = (0..columns.len() as u16)
            .filter(|at| rows.iter().all(|row| row[usize::from(*at)].is_some()))
            .collect();
        let shape = Arc::new(RowShape {
            columns: (columns.iter().enumerate())
                .map(|(at, name)| RowColumn {
                    name: (*name).into(),
                    table: self.table.1,
                    attribute: at as i16 + 1,
                    type_oid: 20,
                    binary: false,
                })
                .collect(),
            watched: numbers.clone(),
        });
        let value = |row: &Vec<Option<u64>>, at: &u16| row[usize::from(*at)].unwrap_or(0);
        let values: Vec<u64> = rows
            .iter()
            .flat_map(|row| numbers.iter().map(move |at| value(row, at)))
            .collect();
        let (started, finished) = (At(self.now), At(self.now + 500_000));
        self.now += 1_000_000;
        let class = self.classes.find(ClassKey::default());
        let query = Query {
            statement: Some(digest.text(&part)),
            comment: b"",
            part,
            literals: part.literals,
            protocol: Protocol::Simple,
            started,
            first_byte: finished,
            finished,
            stalled: 0,
            idled: 0,
            outcome: Outcome::Complete,
            rows: rows.len() as u64,
            bytes: 0,
            status_before: TransactionStatus::Idle,
            continues_batch: false,
            copy: false,
            seen: RowsSeen {
                shape: Some(&shape),
                values: &values,
                ascending: ascending(&rows, &numbers),
                ..RowsSeen::default()
            },
        };
        let settings = request::Settings::default();
        let mut closed = |_: &Request| panic!("one request");
        let class = self.classes.get_mut(class);
        self.tracker.observe(
            &query,
            Some(&statement),
            false,
            class,
            &settings,
            &mut closed,
        );
        self.tracker.ready(finished);
        self
    }

    /// What the default detectors find.
    pub(super) fn inspect(mut self) -> Vec<Finding> {
        let mut request = self.tracker.open_request().expect("a request").clone();
        request.boundary = self.boundary;
        Detectors::new(&Settings::default()).inspect(&request)
    }

    /// What the default detectors say of N+1: evidence, kind, relation, calls, parent and fix.
    pub(super) fn findings(self) -> Vec<String> {
        let loops = self
            .inspect()
            .into_iter()
            .filter(|finding| finding.cause.detector == "n_plus_one");
        loops
            .map(|finding| {
                format!(
                    "{} {} {} ×{} {}: {}",
                    finding.evidence.as_str(),
                    finding.kind,
                    finding.relation,
                    finding.count,
                    finding.parent,
                    finding.fix
                )
            })
            .collect()
    }
}

/// The test's hashes have no order: the numbers behind them are found by trying.
fn ascending(rows: &[Vec<Option<u64>>], watched: &[u16]) -> u8 {
    let number = |hash: u64| (0..1000).find(|number| value::of_integer(*number) == hash);
    let mut bits = 0;
    for (place, at) in watched.iter().enumerate() {
        let column: Vec<_> = rows
            .iter()
            .map(|row| number(row[usize::from(*at)].unwrap_or(0)))
            .collect();
        if column.len() > 1 && column.is_sorted() {
            bits |= 1 << place;
        }
    }
    bits
}
