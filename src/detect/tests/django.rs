//! A request made of real statements and rows, through the normaliser and the tables of values.

use crate::detect::{Detectors, Finding, Settings};
use crate::request::{self, Boundary, ClassKey};
use crate::request::{Classes, ForeignKeys, Request, Tracker, Transaction};
use crate::session::{
    At, Outcome, Protocol, Query, RowColumn, RowShape, RowsSeen, SqlState, TransactionStatus,
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
    status: TransactionStatus,
    now: u64,
}

impl Session {
    pub(super) fn new() -> Self {
        Self {
            classes: Classes::new(1),
            tracker: Tracker::new("app".into()),
            boundary: Boundary::Probe,
            table: (String::new(), 0),
            status: TransactionStatus::Idle,
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

    /// The server has said which columns refer to which: table and column, table and column.
    pub(super) fn refers(mut self, keys: &[[&str; 4]]) -> Self {
        let mut known = ForeignKeys::default();
        for [child, key, parent, target] in keys {
            known.add((child, key), (parent, target));
        }
        self.classes.set_foreign_keys("", &Arc::new(known));
        self
    }

    /// Runs a SELECT; a column without integers has `None` in each row.
    pub(super) fn select(
        mut self,
        sql: &str,
        columns: &[&str],
        rows: Vec<Vec<Option<u64>>>,
    ) -> Self {
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
        let seen = RowsSeen {
            shape: Some(&shape),
            values: &values,
            ascending: ascending(&rows, &numbers),
            ..RowsSeen::default()
        };
        self.observe(sql, Outcome::Complete, rows.len() as u64, 0, seen);
        self
    }

    /// Runs any statement.
    pub(super) fn run(mut self, sql: &str, rows: u64) -> Self {
        self.observe(sql, Outcome::Complete, rows, 0, RowsSeen::default());
        self
    }

    /// Runs a SELECT of so many bytes.
    pub(super) fn read(mut self, sql: &str, rows: u64, bytes: u64) -> Self {
        self.observe(sql, Outcome::Complete, rows, bytes, RowsSeen::default());
        self
    }

    /// The server refuses a statement.
    pub(super) fn fails(mut self, sql: &str, code: &[u8; 5]) -> Self {
        let outcome = Outcome::Error(SqlState(*code));
        self.observe(sql, outcome, 0, 0, RowsSeen::default());
        self
    }

    /// What runs in `body` runs in a transaction, in which the server waits for the app for `idle_millis` at once.
    pub(super) fn atomic(mut self, idle_millis: u64, body: impl FnOnce(Self) -> Self) -> Self {
        let began = At(self.now);
        self.status = TransactionStatus::InTransaction;
        let before = self.queries();
        self = body(self).wait_millis(idle_millis);
        self.status = TransactionStatus::Idle;
        let queries = self.queries() - before;
        self.tracker.transaction_ended(Transaction {
            began,
            ended: At(self.now),
            idle: idle_millis * 1_000_000,
            longest_idle: idle_millis * 1_000_000,
            queries,
            committed: true,
        });
        self
    }

    fn queries(&mut self) -> u32 {
        (self.tracker.open_request()).map_or(0, |request| request.queries)
    }

    fn observe(&mut self, sql: &str, outcome: Outcome, rows: u64, bytes: u64, seen: RowsSeen<'_>) {
        let mut digest = Digest::new();
        digest.read(sql.as_bytes(), sql.len(), crate::sql::Dialect::default());
        let part = digest.parts()[0];
        let statement = Arc::new(Statement::new(part.fingerprint, digest.text(&part)));
        let (started, finished) = (At(self.now), At(self.now + 500_000));
        self.now += 1_000_000;
        let class = self.classes.find(ClassKey::default());
        let query = Query {
            statement: Some(digest.text(&part)),
            comment: digest.comment(),
            part,
            literals: part.literals,
            protocol: Protocol::Simple,
            started,
            first_byte: finished,
            finished,
            stalled: 0,
            idled: 0,
            outcome,
            rows,
            bytes,
            status_before: self.status,
            continues_batch: false,
            copy: false,
            seen,
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
    }

    /// All of it as one request.
    pub(super) fn request(mut self) -> Request {
        let request = self.tracker.open_request().expect("a request");
        Request {
            boundary: self.boundary,
            ..request.clone()
        }
    }

    /// What detectors find with these settings.
    pub(super) fn inspect(self, settings: &Settings) -> Vec<Finding> {
        Detectors::new(settings).inspect(&self.request())
    }

    /// Detector, queries and fix of all that the default detectors find.
    pub(super) fn all(self) -> Vec<String> {
        (self.inspect(&Settings::default()).iter())
            .map(|found| format!("{} ×{}: {}", found.cause.detector, found.count, found.fix))
            .collect()
    }

    /// What the default detectors say of N+1: evidence, kind, relation, calls, parent and fix.
    pub(super) fn findings(self) -> Vec<String> {
        let all = self.inspect(&Settings::default());
        let loops = all
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
