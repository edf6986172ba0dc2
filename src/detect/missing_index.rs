//! # What it finds
//!
//! Statements for which the server reads a table of `min_rows` rows or more from end to end, only to keep `max_kept_percent`
//! of them or less, or to sort many and give out the first few. It asks the server for the plan, so it works only where
//! `[explain]` is enabled, and only for the statements that it asks about: slow ones, and those that take most time.
//!
//! # Why it hurts
//!
//! Such a query takes as long as the table is large, and the table grows. With an index it takes as long as its result is
//! large.
//!
//! # Example
//!
//! ```python
//! Order.objects.filter(status="open").order_by("-created")[:20]   # reads all orders, sorts the open ones
//!
//! class Meta:
//!     indexes = [models.Index(fields=["status", "-created"])]
//! ```
//!
//! # Settings
//!
//! | key | default | |
//! |---|---|---|
//! | `enabled` | `true` | does nothing without `[explain]` |
//! | `min_rows` | `10000` | smallest table, in rows, for which an index is proposed |
//! | `max_kept_percent` | `5` | largest part of the table that an index is worth |
//! | `severity` | `"auto"` | `"info"`, `"warning"` or `"critical"` for all of its findings |
//! | `allow` | empty | `tables`, `fingerprints` |
//!
//! # When it is wrong
//!
//! The plan is the generic one, for any values: a value that is rarer or more common than the others may get a better
//! or a worse plan. The numbers of rows are the server's estimates, as of its last ANALYZE. A staging database may be smaller than
//! production, where the index would be worth more. The columns are those that `=` compares, then the first of the order;
//! whether an index of fewer columns is enough is for people to say. An index costs each write. A partial or an
//! expression index that exists is not counted.

use super::plan::{Explained, Scan, Table};
use super::{Allow, Finding, Monitor, Observed, What, accuse, names};
use crate::sql::{Column, Facts};

/// Name of the detector.
pub(super) const NAME: &str = "missing_index";

/// Settings of `[detectors.missing_index]`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether it looks at all.
    pub enabled: bool,
    /// Rows of the smallest table for which an index is proposed.
    pub min_rows: u64,
    /// Largest percentage of the rows that may be kept, 1 to 50.
    pub max_kept_percent: u8,
    /// Severity of its findings.
    pub severity: super::SeverityChoice,
    /// What is accepted.
    pub allow: Allow,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            min_rows: 10_000,
            max_kept_percent: 5,
            severity: super::SeverityChoice::default(),
            allow: Allow::default(),
        }
    }
}

impl Settings {
    pub(super) fn validate(&self) -> Result<(), String> {
        if self.min_rows < 100 {
            return Err(format!(
                "detectors.{NAME}.min_rows = {}: reading so small a table is right; write 10000",
                self.min_rows
            ));
        }
        if !(1..=50).contains(&self.max_kept_percent) {
            return Err(format!(
                "detectors.{NAME}.max_kept_percent = {}: an index is worth it for a small part of a table; write 5",
                self.max_kept_percent
            ));
        }
        Ok(())
    }
}

/// Proposes indexes. Keeps no state.
pub(super) struct MissingIndex {
    settings: Settings,
}

impl MissingIndex {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings }
    }

    /// Fields of the index that this scan lacks, as `Meta.indexes` has them.
    fn fields(&self, facts: &Facts, scan: &Scan, table: &Table) -> Option<Vec<String>> {
        if table.rows < self.settings.min_rows as f64 || scan.is_short() {
            return None;
        }
        let columns = compared(facts, scan);
        let order = (scan.sorted.as_ref())
            .filter(|sort| !sort.column.is_empty() && !columns.contains(&&*sort.column));
        let kept = scan.rows / table.rows * 100.0;
        let selective = !columns.is_empty() && kept <= f64::from(self.settings.max_kept_percent);
        let sorts = order.is_some() && scan.rows >= self.settings.min_rows as f64;
        // With an index on what `=` compares the planner had its choice.
        let filters = selective && !table.has_index(&columns, None);
        let then = order.map(|sort| &*sort.column);
        if !filters && (!sorts || table.has_index(&columns, then)) {
            return None;
        }
        let mut fields: Vec<String> = (columns.iter())
            .map(|column| names::lookup(column).to_owned())
            .collect();
        fields.extend(order.map(|sort| {
            let minus = if sort.descending { "-" } else { "" };
            format!("{minus}{}", names::lookup(&sort.column))
        }));
        Some(fields)
    }

    fn finding(&self, explained: &Explained<'_>, table: &Table, fields: &[String]) -> Finding {
        let statement = explained.statement;
        let quoted: Vec<String> = fields.iter().map(|name| format!("\"{name}\"")).collect();
        let fix = format!(
            "Meta.indexes = [models.Index(fields=[{}])] on {} ({}, read from end to end)",
            quoted.join(", "),
            table.name,
            table.about()
        );
        accuse::everywhere(NAME, statement, fix)
    }
}

/// The columns of the scanned table that `=` compares, or else the one that IN does: those that its condition mentions.
fn compared<'a>(facts: &'a Facts, scan: &Scan) -> Vec<&'a str> {
    let own = |column: &&Column| {
        let table = &column.table;
        let named = *table == scan.alias || *table == scan.table;
        let alone = table.is_empty() && facts.joins.is_empty();
        (named || alone) && scan.filters(&column.name)
    };
    let mut columns: Vec<&str> = Vec::new();
    for column in facts.equalities.iter().filter(own) {
        if !columns.contains(&&*column.name) {
            columns.push(&column.name);
        }
    }
    if columns.is_empty() {
        let listed = facts.in_column.iter().filter(own);
        columns.extend(listed.map(|column| &*column.name));
    }
    columns
}

impl Monitor for MissingIndex {
    fn name(&self) -> &'static str {
        NAME
    }

    fn observe(&mut self, seen: &Observed<'_>, findings: &mut Vec<Finding>) {
        let What::Explained(explained) = seen.what else {
            return;
        };
        let facts = &explained.statement.facts;
        for (scan, table) in explained.scans() {
            if !self.settings.allow.allows_table(&table.name)
                && let Some(fields) = self.fields(facts, scan, table)
            {
                findings.push(self.finding(explained, table, &fields));
                // One cause is one statement: the largest table speaks for it.
                return;
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(super) mod tests {
    use super::super::plan::tests::{TOP, read};
    use super::*;
    use crate::detect::Detectors;
    use crate::session::At;
    use crate::sql::{Fingerprint, Statement};
    use std::sync::Arc;

    const OPEN: &str = r#"SELECT "shop_order"."id" FROM "shop_order" WHERE "shop_order"."status" = ? ORDER BY "shop_order"."created" DESC LIMIT ?"#;

    pub(in crate::detect) fn orders() -> Table {
        Table {
            schema: "public".into(),
            name: "shop_order".into(),
            rows: 200_000.0,
            scans: 100,
            read: 20_000_000,
            indexes: vec![vec!["id".into()]],
        }
    }

    /// A bare scan that keeps so many rows.
    pub(in crate::detect) fn scan(kept: u32, filter: &str) -> String {
        format!(
            r#"[{{"Plan": {{"Node Type": "Seq Scan", "Relation Name": "shop_order", "Schema": "public", "Alias": "shop_order",
                "Total Cost": 4500.0, "Plan Rows": {kept}, "Filter": "{filter}"}}}}]"#
        )
    }

    /// Detector and fix of each finding.
    pub(in crate::detect) fn found(
        sql: &str,
        plan: &str,
        table: Table,
    ) -> Vec<(&'static str, String)> {
        let statement = Arc::new(Statement::new(Fingerprint(7), sql));
        let explained = Explained {
            statement: &statement,
            plan: &read(plan),
            tables: &[table],
        };
        let seen = Observed::of_server(At(1), What::Explained(&explained));
        let findings = Detectors::new(&Default::default()).observe(&seen);
        (findings.into_iter())
            .map(|finding| (finding.cause.detector, finding.fix))
            .collect()
    }

    fn fixes(sql: &str, plan: &str, table: Table) -> Vec<String> {
        let own = found(sql, plan, table).into_iter();
        own.filter(|(detector, _)| *detector == NAME)
            .map(|(_, fix)| fix)
            .collect()
    }

    #[test]
    fn filter_and_order_make_an_index() {
        assert_eq!(
            fixes(OPEN, TOP, orders()),
            [
                "Meta.indexes = [models.Index(fields=[\"status\", \"-created\"])] on shop_order (about 100,000 rows, read \
              from end to end)"
            ]
        );
    }

    #[test]
    fn a_selective_filter_makes_an_index() {
        let sql = r#"SELECT "shop_order"."id" FROM "shop_order" WHERE ("shop_order"."customer_id" = ? AND "shop_order"."total" > ?)"#;
        let plan = scan(
            40,
            "((shop_order.total > $2) AND (shop_order.customer_id = $1))",
        );
        assert_eq!(
            fixes(sql, &plan, orders()),
            [
                "Meta.indexes = [models.Index(fields=[\"customer\"])] on shop_order (about 100,000 rows, read from end to end)"
            ]
        );
        // Half of the table: reading it is right.
        let plan = scan(100_000, "(shop_order.customer_id = $1)");
        assert_eq!(fixes(sql, &plan, orders()), [""; 0]);
    }

    #[test]
    fn an_index_that_exists_is_not_missing() {
        let mut table = orders();
        table.indexes.push(vec!["status".into(), "created".into()]);
        assert_eq!(fixes(OPEN, TOP, table), [""; 0]);
    }

    #[test]
    fn small_tables_and_columns_of_others_are_left_alone() {
        let small = Table {
            rows: 9_000.0,
            ..orders()
        };
        assert_eq!(fixes(OPEN, TOP, small), [""; 0]);
        let never_analysed = Table {
            rows: -1.0,
            ..orders()
        };
        assert_eq!(fixes(OPEN, TOP, never_analysed), [""; 0]);
        let joined = r#"SELECT "shop_order"."id" FROM "shop_order" INNER JOIN "shop_shop" ON ("shop_order"."shop_id" = "shop_shop"."id") WHERE "shop_shop"."status" = ?"#;
        assert_eq!(
            fixes(joined, &scan(40, "(shop_order.status = $1)"), orders()),
            [""; 0]
        );
    }

    #[test]
    fn a_limit_that_is_soon_met_is_no_mistake() {
        let inner = scan(10_000, "(shop_order.status = $1)");
        let inner = inner
            .trim_start_matches(r#"[{"Plan": {"#)
            .trim_end_matches("}}]");
        let plan = format!(
            r#"[{{"Plan": {{"Node Type": "Limit", "Total Cost": 0.5, "Plans": [{{"Parent Relationship": "Outer", {inner}}}]}}}}]"#
        );
        assert_eq!(fixes(OPEN, &plan, orders()), [""; 0]);
    }

    #[test]
    fn impossible_settings_are_refused() {
        let refused = |settings: Settings| settings.validate().unwrap_err();
        assert!(
            refused(Settings {
                min_rows: 5,
                ..Settings::default()
            })
            .contains("write 10000")
        );
        assert!(
            refused(Settings {
                max_kept_percent: 0,
                ..Settings::default()
            })
            .contains("write 5")
        );
    }
}
