//! Requests made of statements.

use super::sql::Sql;
use crate::detect::{Detectors, Finding, Settings};
use crate::request::{Boundary, Entry, Group, Kind, Request};
use crate::session::{At, RowColumn, RowShape, Widest};
use crate::sql::{Fingerprint, Statement};
use std::sync::Arc;

/// A request in the making. Each query takes a millisecond, and the app another one before the next.
pub(in crate::detect) struct Scenario {
    request: Request,
    now: u64,
    after_rollback: bool,
}

const MILLISECOND: u64 = 1_000_000;

impl Scenario {
    pub(in crate::detect) fn new() -> Self {
        Self {
            request: Request {
                database: "app".into(),
                route: "books/".into(),
                controller: "".into(),
                boundary: Boundary::Probe,
                kind: Kind::Http,
                opened: At(0),
                closed: At(0),
                queries: 0,
                nanos: 0,
                think_nanos: 0,
                groups: Vec::new(),
                entries: Vec::new(),
                ..Request::default()
            },
            now: MILLISECOND,
            after_rollback: false,
        }
    }

    pub(in crate::detect) fn boundary(mut self, boundary: Boundary) -> Self {
        self.request.boundary = boundary;
        self
    }

    pub(in crate::detect) fn task(mut self) -> Self {
        self.request.kind = Kind::Task;
        self
    }

    /// The app does something else.
    pub(in crate::detect) fn wait(mut self, millis: u64) -> Self {
        self.now += millis * MILLISECOND;
        self
    }

    /// Its last ReadyForQuery has come by now.
    pub(in crate::detect) fn ended(mut self) -> Self {
        self.request.closed = At(self.now);
        self
    }

    /// Changes the last query.
    pub(in crate::detect) fn change(mut self, change: impl FnOnce(&mut Entry)) -> Self {
        if let Some(entry) = self.request.entries.last_mut() {
            change(entry);
        }
        self
    }

    /// The last result had so many bytes.
    pub(in crate::detect) fn bytes(self, bytes: u64) -> Self {
        self.change(|entry| entry.bytes = bytes)
    }

    /// The last result's columns, of so many bytes a row each.
    pub(in crate::detect) fn widths(mut self, columns: &[(&str, u64)]) -> Self {
        let Some(entry) = self.request.entries.last() else {
            return self;
        };
        let shape = RowShape {
            columns: (columns.iter().zip(1..))
                .map(|((name, _), attribute)| RowColumn {
                    name: (*name).into(),
                    table: 7,
                    attribute,
                    type_oid: 25,
                    binary: false,
                })
                .collect(),
            watched: Vec::new(),
        };
        let rows = entry.rows.min(50);
        let widest = (columns.iter().enumerate()).max_by_key(|(_, (_, bytes))| *bytes);
        let widest = widest.map(|(column, (_, bytes))| Widest {
            column: column as u16,
            bytes: bytes * u64::from(rows),
            total: columns
                .iter()
                .map(|(_, bytes)| bytes * u64::from(rows))
                .sum(),
            rows,
        });
        self.request.groups[usize::from(entry.group)].widest =
            widest.map(|widest| (Arc::new(shape), widest));
        self
    }

    pub(in crate::detect) fn rollback(mut self) -> Self {
        self.after_rollback = true;
        self
    }

    /// One query with the values `literals` and `rows` rows.
    pub(in crate::detect) fn run(self, sql: Sql, literals: u64, rows: u32) -> Self {
        self.took(sql, literals, rows, 1)
    }

    /// One query that takes `millis`.
    pub(in crate::detect) fn took(
        mut self,
        sql: Sql,
        literals: u64,
        rows: u32,
        millis: u64,
    ) -> Self {
        let writes = sql.facts.is_write();
        let text: Arc<str> = sql.text().into();
        let known = (self.request.groups.iter()).position(|group| group.statement.text == text);
        let index = known.unwrap_or(self.request.groups.len());
        if known.is_none() {
            let statement = Statement {
                fingerprint: Fingerprint(xxhash_rust::xxh3::xxh3_64(text.as_bytes())),
                text,
                facts: sql.facts,
            };
            self.request.groups.push(Group::new(Arc::new(statement)));
        }
        let nanos = millis * MILLISECOND;
        let loose = loose(&self.request.groups[index].statement.text, literals);
        let group = &mut self.request.groups[index];
        group.calls += 1;
        group.nanos += nanos;
        group.max_nanos = group.max_nanos.max(nanos);
        group.rows += u64::from(rows);
        group.slow += u32::from(millis >= 100);
        self.request.entries.push(Entry {
            group: index as u16,
            in_arity: sql.arity,
            literals,
            started: At(self.now),
            nanos,
            rows,
            bytes: u64::from(rows) * 100,
            keys: if writes {
                [literals as u32 + 1; Entry::KEYS]
            } else {
                [0; Entry::KEYS]
            },
            loose,
            after_rollback: std::mem::take(&mut self.after_rollback),
            ..Entry::default()
        });
        self.request.queries += 1;
        self.request.nanos += nanos;
        self.now += nanos + MILLISECOND;
        self
    }

    /// A loop: the same queries with other values each time.
    pub(in crate::detect) fn each(self, times: u64, body: &[(Sql, u32)]) -> Self {
        (1..=times).fold(self, |scenario, value| {
            body.iter().fold(scenario, |scenario, (sql, rows)| {
                scenario.run(sql.clone(), value, *rows)
            })
        })
    }

    pub(in crate::detect) fn request(self) -> Request {
        self.request
    }

    /// Looks with the default settings.
    pub(in crate::detect) fn findings(self) -> Vec<Finding> {
        Detectors::new(&Settings::default()).inspect(&self.request)
    }
}

/// As [`crate::sql::Part::loose`] is made, of the text from FROM to ORDER BY, LIMIT or FOR.
fn loose(text: &str, literals: u64) -> u64 {
    let from = text.find(" FROM ").unwrap_or(0);
    let ends = [" ORDER BY ", " LIMIT ", " FOR UPDATE"];
    let to = ends.iter().filter_map(|end| text.rfind(end)).min();
    let shared = &text[from..to.unwrap_or(text.len()).max(from)];
    xxhash_rust::xxh3::xxh3_64(shared.as_bytes()) ^ literals
}
