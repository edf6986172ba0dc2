//! # What it finds
//!
//! One result of `rows` rows or more, or of `bytes` or more. Cursors (`iterator()`) and COPY are left out: they come piece by
//! piece.
//!
//! # Why it hurts
//!
//! The driver keeps the whole result in memory before Django sees its first row, and the query set keeps all objects made of
//! it. A worker that has done this once keeps that memory.
//!
//! # Example
//!
//! ```python
//! for order in Order.objects.all():                           # all orders in memory, twice
//!     writer.writerow(order.as_row())
//!
//! with transaction.atomic():
//!     for order in Order.objects.iterator(chunk_size=2000):   # 2,000 at a time
//!         writer.writerow(order.as_row())
//! ```
//!
//! # Settings
//!
//! | key | default | |
//! |---|---|---|
//! | `enabled` | `true` | |
//! | `rows` | `10000` | rows that are too many for one result |
//! | `bytes` | `16777216` | bytes that are too many for one result: 16 MiB |
//! | `severity` | `"auto"` | `"info"`, `"warning"` or `"critical"` for all of its findings |
//! | `allow` | empty | `tables`, `routes`, `fingerprints` |
//!
//! # When it is wrong
//!
//! A report may need all rows at once, and a file in a `BinaryField` has its size. Allow the route or the table.

use super::{Allow, Detector, Finding, Severity, Subject, accuse};
use crate::request::{Entry, Group};
use crate::sql::{Statement, Verb};

/// Name of the detector.
pub(super) const NAME: &str = "large_result";

/// Settings of `[detectors.large_result]`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether it looks at all.
    pub enabled: bool,
    /// Rows that are too many for one result; at least 1.
    pub rows: u32,
    /// Bytes that are too many for one result; at least 1.
    pub bytes: u64,
    /// Severity of all findings; `auto` leaves it to the detector.
    pub severity: super::SeverityChoice,
    /// What is accepted.
    pub allow: Allow,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            rows: 10_000,
            bytes: 16 << 20,
            severity: super::SeverityChoice::default(),
            allow: Allow::default(),
        }
    }
}

impl Settings {
    pub(super) fn validate(&self) -> Result<(), String> {
        if self.rows == 0 {
            return Err(format!(
                "detectors.{NAME}.rows = 0: every result would be large; write 1 or more"
            ));
        }
        if self.bytes == 0 {
            return Err(format!(
                "detectors.{NAME}.bytes = 0: every result would be large; write 1 or more"
            ));
        }
        Ok(())
    }
}

/// Finds results that fill the memory.
pub(super) struct LargeResult {
    settings: Settings,
}

impl LargeResult {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings }
    }

    fn measure(&self, group: &Group, entry: &Entry) -> Option<u64> {
        let large = entry.rows >= self.settings.rows || entry.bytes >= self.settings.bytes;
        let facts = &group.statement.facts;
        let whole = large && facts.is_read() && facts.verb != Verb::Declare;
        (whole && !facts.table.is_empty()).then_some(u64::from(entry.rows))
    }
}

fn fix(statement: &Statement) -> String {
    format!(
        "iterator(chunk_size=…){} inside transaction.atomic(), where the server need not keep the whole result; \
         behind pgbouncer in transaction mode this needs the transaction too, and no DISABLE_SERVER_SIDE_CURSORS",
        accuse::on(statement)
    )
}

impl Detector for LargeResult {
    fn name(&self) -> &'static str {
        NAME
    }

    fn inspect(&self, request: &Subject<'_>, findings: &mut Vec<Finding>) {
        for excess in accuse::exceeding(request, |group, entry| self.measure(group, entry)) {
            let statement = &request.groups[excess.group].statement;
            findings.push(Finding {
                severity: Severity::Critical,
                count: excess.calls,
                ..accuse::statement(NAME, request, statement, fix(statement))
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::sql::Limit;

    fn large(scenario: Scenario) -> Vec<Finding> {
        let mut findings = Vec::new();
        LargeResult::new(Settings::default())
            .inspect(&Subject::new(&scenario.request()), &mut findings);
        findings
    }

    /// `for order in Order.objects.all()`
    #[test]
    fn a_table_that_is_read_at_once() {
        let orders = list("shop_order", &["id", "total"]);
        let found = large(
            Scenario::new()
                .run(orders.clone(), 0, 10_000)
                .run(orders, 1, 9_999),
        );
        assert_eq!((found.len(), found[0].count), (1, 1));
        assert!(
            found[0]
                .fix
                .starts_with("iterator(chunk_size=…) on the query that reads shop_order"),
            "{}",
            found[0].fix
        );
    }

    #[test]
    fn few_rows_of_many_bytes() {
        let files = || Scenario::new().run(list("shop_file", &["id", "body"]), 0, 3);
        assert_eq!(large(files().bytes(16 << 20)).len(), 1);
        assert_eq!(large(files().bytes((16 << 20) - 1)), []);
    }

    /// `iterator()`, a slice, and a query that failed half-way.
    #[test]
    fn what_comes_in_pieces() {
        let orders = list("shop_order", &["id", "total"]);
        assert_eq!(
            large(Scenario::new().run(orders.clone().cursor(), 0, 50_000)),
            []
        );
        let slice = orders.clone().limit(Limit::Other);
        assert_eq!(large(Scenario::new().run(slice, 0, 2_000)), []);
        assert_eq!(
            large(Scenario::new().run(orders, 0, 10_000).change(|entry| {
                entry.failed = true;
            })),
            []
        );
    }
}
