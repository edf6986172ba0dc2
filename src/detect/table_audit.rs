//! # What it finds
//!
//! Statements that read a table of `min_rows` rows or more from end to end, where `missing_index` has no index to propose, and
//! whose table is read so as a rule: the server's own statistics show `min_read` rows or more for each sequential scan.
//! Works only where `[explain]` is enabled.
//!
//! # Why it hurts
//!
//! A table that large is worth a look at its indexes now and then: each read of all its rows costs its whole size, pushes
//! other tables out of the server's memory, and is slower each month.
//!
//! # Example
//!
//! ```python
//! Order.objects.filter(created__date=today).count()                     # no index on created serves a date of it
//! Order.objects.filter(created__gte=today, created__lt=tomorrow).count()  # a range can use one
//! ```
//!
//! # Settings
//!
//! | key | default | |
//! |---|---|---|
//! | `enabled` | `true` | does nothing without `[explain]` |
//! | `min_rows` | `100000` | smallest table, in rows, that is worth an audit |
//! | `min_read` | `10000` | rows that its sequential scans read on average |
//! | `severity` | `"auto"` | `"info"`, `"warning"` or `"critical"` for all of its findings |
//! | `allow` | empty | `tables`, `fingerprints` |
//!
//! # When it is wrong
//!
//! A report, an export or a count of everything has to read everything, and most of a table is read fastest from end to end.
//! The plan is the generic one, for any values. The statistics are those since they were last reset: they may tell of other
//! statements, such as a backup's.

use super::{Allow, Finding, Monitor, Observed, Severity, What, accuse, missing_index};

/// Name of the detector.
pub(super) const NAME: &str = "table_audit";

/// Settings of `[detectors.table_audit]`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether it looks at all.
    pub enabled: bool,
    /// Rows of the smallest table that is worth an audit.
    pub min_rows: u64,
    /// Rows that a sequential scan of it reads on average.
    pub min_read: u64,
    /// Severity of its findings.
    pub severity: super::SeverityChoice,
    /// What is accepted.
    pub allow: Allow,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            min_rows: 100_000,
            min_read: 10_000,
            severity: super::SeverityChoice::default(),
            allow: Allow::default(),
        }
    }
}

impl Settings {
    pub(super) fn validate(&self) -> Result<(), String> {
        if self.min_rows < 1000 {
            return Err(format!(
                "detectors.{NAME}.min_rows = {}: so small a table needs no audit; write 100000",
                self.min_rows
            ));
        }
        Ok(())
    }
}

/// Names large tables that are read from end to end. Keeps no state.
pub(super) struct TableAudit {
    settings: Settings,
}

impl TableAudit {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings }
    }
}

impl Monitor for TableAudit {
    fn name(&self) -> &'static str {
        NAME
    }

    fn observe(&mut self, seen: &Observed<'_>, findings: &mut Vec<Finding>) {
        let What::Explained(explained) = seen.what else {
            return;
        };
        let statement = explained.statement;
        // The index is the better advice.
        let accused = |finding: &Finding| finding.cause.detector == missing_index::NAME;
        if findings.iter().any(accused) {
            return;
        }
        let Settings {
            min_rows, min_read, ..
        } = self.settings;
        let scans = explained.scans();
        let large = scans.iter().find(|(scan, table)| {
            let average = table.read.checked_div(table.scans).unwrap_or(0);
            table.rows >= min_rows as f64
                && average >= min_read
                && !scan.is_short()
                && !self.settings.allow.allows_table(&table.name)
        });
        let Some((_, table)) = large else { return };
        let fix = format!(
            "audit the indexes of {} ({}, read from end to end): EXPLAIN this statement; filter() and order_by() on \
             fields of Meta.indexes, or read less with [:n]",
            table.name,
            table.about()
        );
        findings.push(Finding {
            severity: Severity::Info,
            ..accuse::everywhere(NAME, statement, fix)
        });
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::missing_index::tests::{found, orders, scan};
    use super::super::plan::Table;
    use super::super::plan::tests::TOP;
    use super::*;

    const OF_A_DAY: &str = r#"SELECT COUNT(*) AS "__count" FROM "shop_order" WHERE ("shop_order"."created" AT TIME ZONE ?)::date = ?"#;

    fn audits(table: Table) -> Vec<String> {
        let plan = scan(1000, "((timezone($1, shop_order.created))::date = $2)");
        (found(OF_A_DAY, &plan, table).into_iter())
            .map(|(detector, fix)| format!("{detector}: {fix}"))
            .collect()
    }

    #[test]
    fn a_large_table_that_no_index_can_serve_is_named() {
        let [audit] = &audits(orders())[..] else {
            panic!("one finding: {:?}", audits(orders()))
        };
        let expected = "table_audit: audit the indexes of shop_order (about 100,000 rows, read from end to end)";
        assert!(audit.starts_with(expected), "{audit}");
    }

    #[test]
    fn an_index_to_propose_is_the_better_advice() {
        let sql = r#"SELECT "shop_order"."id" FROM "shop_order" WHERE "shop_order"."status" = ? ORDER BY "shop_order"."created" DESC LIMIT ?"#;
        let detectors: Vec<&str> = (found(sql, TOP, orders()).into_iter())
            .map(|(detector, _)| detector)
            .collect();
        assert_eq!(detectors, ["missing_index"]);
    }

    #[test]
    fn smaller_tables_and_those_read_in_pieces_are_left_alone() {
        assert_eq!(
            audits(Table {
                rows: 50_000.0,
                ..orders()
            }),
            [""; 0]
        );
        // Most scans of it end early.
        assert_eq!(
            audits(Table {
                read: 5_000,
                ..orders()
            }),
            [""; 0]
        );
        // Its statistics are off.
        assert_eq!(
            audits(Table {
                scans: 0,
                read: 0,
                ..orders()
            }),
            [""; 0]
        );
    }

    #[test]
    fn impossible_settings_are_refused() {
        let settings = Settings {
            min_rows: 5,
            ..Settings::default()
        };
        assert!(settings.validate().unwrap_err().contains("write 100000"));
    }
}
