//! What the server says of a statement: its plan, and the tables in it.

use crate::sql::Statement;
use serde_json::Value;
use std::sync::Arc;

/// Deepest nesting of a plan that is followed, and most scans of it that are kept.
const MAX_DEPTH: usize = 64;
const MAX_SCANS: usize = 16;

/// Nodes that pass on the rows of the one below as they come.
const TRANSPARENT: [&str; 3] = ["Gather", "Gather Merge", "Result"];

/// A statement that the server explained.
#[derive(Clone, Copy, Debug)]
pub struct Explained<'a> {
    /// The statement.
    pub statement: &'a Arc<Statement>,
    /// Its plan for any values.
    pub plan: &'a Plan,
    /// The tables that it scans.
    pub tables: &'a [Table],
}

impl Explained<'_> {
    /// The sequential scans with their tables, those of the largest first.
    pub(super) fn scans(&self) -> Vec<(&Scan, &Table)> {
        let table = |scan: &Scan| {
            let own = |table: &&Table| table.schema == scan.schema && table.name == scan.table;
            self.tables.iter().find(own)
        };
        let mut scans: Vec<_> = (self.plan.scans.iter())
            .filter_map(|scan| Some((scan, table(scan)?)))
            .collect();
        scans.sort_by(|(_, a), (_, b)| b.rows.total_cmp(&a.rows));
        scans
    }
}

/// What the server knows of a table.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Table {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Rows, as of the last VACUUM or ANALYZE; negative where there was none.
    pub rows: f64,
    /// Sequential scans since the server's statistics were reset.
    pub scans: u64,
    /// Rows that those read.
    pub read: u64,
    /// The columns of each whole, valid index; empty for an expression.
    pub indexes: Vec<Vec<String>>,
}

impl Table {
    /// Whether an index begins with these columns, in any order, and `then` right behind them.
    pub(super) fn has_index(&self, columns: &[&str], then: Option<&str>) -> bool {
        self.indexes.iter().any(|index| {
            let begins = columns.iter().all(|column| {
                let place = index.iter().position(|name| name == column);
                place.is_some_and(|place| place < columns.len())
            });
            let follows = then
                .is_none_or(|column| index.get(columns.len()).is_some_and(|name| name == column));
            begins && follows
        })
    }

    /// Its number of rows to the nearest power of ten, as people write it: it must not change from day to day.
    pub(super) fn about(&self) -> String {
        let power = self.rows.max(1.0).log10().round() as u32;
        let digits = 10_u64.saturating_pow(power).to_string();
        let mut text = String::new();
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                text.push(',');
            }
            text.push(digit);
        }
        format!("about {text} rows")
    }
}

/// The sequential scans of a plan.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Plan {
    /// At most 16.
    pub scans: Vec<Scan>,
}

/// A table that is read from end to end.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Scan {
    /// Schema of the table.
    pub schema: String,
    /// The table.
    pub table: String,
    /// What the statement calls it.
    pub alias: String,
    /// The condition that rows must meet, as the server writes it; empty where there is none.
    pub filter: String,
    /// Rows that meet it, as the planner thinks.
    pub rows: f64,
    /// Cost of the whole scan.
    pub cost: f64,
    /// Its rows are sorted, and only the first are wanted.
    pub sorted: Option<Sort>,
    /// Without a sort between them, a LIMIT ends the scan early, at this cost.
    pub stops: Option<f64>,
}

/// What rows are sorted by first.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Sort {
    /// The column; empty where it is none, or one of another table.
    pub column: String,
    /// Greatest first.
    pub descending: bool,
}

impl Scan {
    /// Its LIMIT is met so early that the length of the table does not matter.
    pub(super) fn is_short(&self) -> bool {
        self.stops.is_some_and(|cost| cost < self.cost * 0.05)
    }

    /// Its condition mentions the column.
    pub(super) fn filters(&self, column: &str) -> bool {
        let part = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
        self.filter.match_indices(column).any(|(at, _)| {
            let before = self.filter[..at].chars().next_back();
            let after = self.filter[at + column.len()..].chars().next();
            !before.is_some_and(part) && !after.is_some_and(part)
        })
    }
}

/// What stands above a node and takes its rows as they come.
#[derive(Clone, Copy, Default)]
struct Above<'a> {
    limit: Option<f64>,
    sort: Option<&'a Value>,
}

impl Plan {
    /// Reads the answer to `EXPLAIN (VERBOSE, FORMAT JSON)`; `None` where it is something else.
    pub fn read(answer: &Value) -> Option<Self> {
        let top = answer.get(0)?.get("Plan")?;
        let mut plan = Self::default();
        plan.node(top, Above::default(), 0);
        Some(plan)
    }

    fn node<'a>(&mut self, node: &'a Value, above: Above<'a>, depth: usize) {
        let text = |key: &str| node.get(key).and_then(Value::as_str).unwrap_or_default();
        let number = |key: &str| node.get(key).and_then(Value::as_f64).unwrap_or_default();
        let kind = text("Node Type");
        let below = match kind {
            "Limit" => Above {
                limit: Some(number("Total Cost")),
                sort: None,
            },
            "Sort" | "Incremental Sort" if above.limit.is_some() => Above {
                sort: node.get("Sort Key"),
                ..above
            },
            kind if TRANSPARENT.contains(&kind) => above,
            _ => Above::default(),
        };
        if kind == "Seq Scan" && self.scans.len() < MAX_SCANS {
            let (table, alias) = (text("Relation Name"), text("Alias"));
            let sorted = above.sort.map(|keys| {
                let first = keys.get(0).and_then(Value::as_str).unwrap_or_default();
                sort(first, alias)
            });
            self.scans.push(Scan {
                schema: text("Schema").to_owned(),
                table: table.to_owned(),
                alias: alias.to_owned(),
                filter: text("Filter").to_owned(),
                rows: number("Plan Rows"),
                cost: number("Total Cost"),
                stops: above.limit.filter(|_| sorted.is_none()),
                sorted,
            });
        }
        let inner = node.get("Plans").and_then(Value::as_array);
        for child in inner.into_iter().flatten().filter(|_| depth < MAX_DEPTH) {
            let relationship = child.get("Parent Relationship").and_then(Value::as_str);
            let flows = matches!(relationship, Some("Outer"));
            self.node(
                child,
                if flows { below } else { Above::default() },
                depth + 1,
            );
        }
    }
}

/// `shop_order.created DESC`, as VERBOSE writes it.
fn sort(key: &str, alias: &str) -> Sort {
    let (name, descending) = match key.strip_suffix(" DESC") {
        Some(name) => (name, true),
        None => (key, false),
    };
    let unquoted = name.replace('"', "");
    let column = unquoted
        .strip_prefix(alias)
        .and_then(|rest| rest.strip_prefix('.'))
        .filter(|column| column.chars().all(|c| c.is_alphanumeric() || c == '_'));
    Sort {
        column: column.unwrap_or_default().to_owned(),
        descending,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(super) mod tests {
    use super::*;

    /// Limit, Sort and Seq Scan, as PostgreSQL 15 writes them.
    pub(in crate::detect) const TOP: &str = r#"[{"Plan": {"Node Type": "Limit", "Total Cost": 6000.0, "Plan Rows": 20, "Plans": [
        {"Node Type": "Sort", "Parent Relationship": "Outer", "Total Cost": 6100.0, "Plan Rows": 50000,
         "Sort Key": ["shop_order.created DESC"], "Plans": [
            {"Node Type": "Seq Scan", "Parent Relationship": "Outer", "Relation Name": "shop_order", "Schema": "public",
             "Alias": "shop_order", "Total Cost": 4500.0, "Plan Rows": 50000,
             "Filter": "((shop_order.status)::text = ($1)::text)"}]}]}}]"#;

    pub(in crate::detect) fn read(text: &str) -> Plan {
        Plan::read(&serde_json::from_str(text).unwrap()).unwrap()
    }

    #[test]
    fn a_sorted_scan_is_read_with_its_sort() {
        let plan = read(TOP);
        let [scan] = &plan.scans[..] else {
            panic!("one scan: {plan:?}")
        };
        assert_eq!((&*scan.schema, &*scan.table), ("public", "shop_order"));
        assert_eq!((scan.rows, scan.stops), (50000.0, None));
        let sorted = scan.sorted.clone().unwrap();
        assert_eq!((&*sorted.column, sorted.descending), ("created", true));
        assert!(scan.filters("status") && !scan.filters("stat") && !scan.filters("order"));
    }

    #[test]
    fn a_limit_counts_only_for_what_flows_into_it() {
        let plan = read(
            r#"[{"Plan": {"Node Type": "Limit", "Total Cost": 1.0, "Plans": [
                {"Node Type": "Seq Scan", "Parent Relationship": "Outer", "Relation Name": "a", "Alias": "a", "Total Cost": 100.0},
                {"Node Type": "Seq Scan", "Parent Relationship": "InitPlan", "Relation Name": "b", "Alias": "b", "Total Cost": 100.0}]}}]"#,
        );
        let short: Vec<bool> = plan.scans.iter().map(Scan::is_short).collect();
        assert_eq!(short, [true, false]);
    }

    #[test]
    fn what_is_no_plan_is_none() {
        for text in ["[]", "{}", "[1]", r#"[{"Plan": 1}]"#] {
            let plan = Plan::read(&serde_json::from_str(text).unwrap());
            assert!(plan.is_none_or(|plan| plan.scans.is_empty()), "{text}");
        }
    }

    #[test]
    fn row_counts_are_powers_of_ten() {
        let about = |rows| {
            Table {
                rows,
                ..Table::default()
            }
            .about()
        };
        assert_eq!(about(200_000.0), "about 100,000 rows");
        assert_eq!(about(240_000.0), "about 100,000 rows");
        assert_eq!(about(12_000.0), "about 10,000 rows");
        assert_eq!(about(8e6), "about 10,000,000 rows");
    }

    #[test]
    fn an_index_serves_by_its_first_columns() {
        let columns = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let table = Table {
            indexes: vec![
                columns(&["status", "shop_id", "created"]),
                columns(&["", "note"]),
            ],
            ..Table::default()
        };
        assert!(table.has_index(&["status"], None));
        assert!(table.has_index(&["shop_id", "status"], Some("created")));
        assert!(!table.has_index(&["shop_id"], None));
        assert!(!table.has_index(&["status"], Some("created")));
        assert!(!table.has_index(&["note"], None));
    }
}
