//! # What it finds
//!
//! Lists that read more than a list shows: `rows` rows or more of which
//!
//! - `wide_column`: one column takes half of the bytes or more, and at least `column_bytes` a row; or
//! - `many_columns`: there are `columns` columns or more, and at least `row_bytes` a row.
//!
//! The first 50 rows of a result are measured.
//!
//! # Why it hurts
//!
//! PostgreSQL reads long values from another place (TOAST), one by one, and the app gets, decodes and keeps them, mostly to
//! show a title.
//!
//! # Example
//!
//! ```python
//! Post.objects.order_by("-created")[:50]                # 50 bodies of 20 KiB
//!
//! Post.objects.defer("body").order_by("-created")[:50]
//! ```
//!
//! # Settings
//!
//! | key | default | |
//! |---|---|---|
//! | `enabled` | `true` | |
//! | `rows` | `10` | rows that are a list |
//! | `column_bytes` | `2048` | bytes a row that are much for one column |
//! | `columns` | `30` | columns that are many |
//! | `row_bytes` | `4096` | bytes a row that are much for many columns |
//! | `severity` | `"auto"` | `"info"`, `"warning"` or `"critical"` for all of its findings |
//! | `allow` | empty | `tables`, `routes`, `fingerprints` |
//!
//! # When it is wrong
//!
//! What the app does with a column is not on the wire: a feed may show the bodies. Lists of one or two columns are left out,
//! since somebody chose these; so are cursors (`iterator()`), whose rows are exported. After the change watch for
//! `n_plus_one/deferred_field`: a column that is needed after all is then read row by row.

use super::plausible::source;
use super::{Allow, Detector, Finding, Subject, accuse, parents};
use crate::request::Group;
use crate::session::{RowShape, Widest};
use crate::sql::{Statement, Verb};

/// Name of the detector.
pub(super) const NAME: &str = "wide_rows";

/// As many columns may be those that somebody chose.
const CHOSEN: usize = 2;

/// Settings of `[detectors.wide_rows]`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether it looks at all.
    pub enabled: bool,
    /// Rows that are a list; at least 2.
    pub rows: u32,
    /// Bytes a row that are much for one column; at least 1.
    pub column_bytes: u64,
    /// Columns that are many; at least 1.
    pub columns: u32,
    /// Bytes a row that are much for many columns; at least 1.
    pub row_bytes: u64,
    /// Severity of all findings; `auto` leaves it to the detector.
    pub severity: super::SeverityChoice,
    /// What is accepted.
    pub allow: Allow,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            rows: 10,
            column_bytes: 2_048,
            columns: 30,
            row_bytes: 4_096,
            severity: super::SeverityChoice::default(),
            allow: Allow::default(),
        }
    }
}

impl Settings {
    pub(super) fn validate(&self) -> Result<(), String> {
        if self.rows < 2 || self.rows > 50 {
            return Err(format!(
                "detectors.{NAME}.rows = {}: one row is no list, and 50 are measured; write 2 to 50",
                self.rows
            ));
        }
        for (key, value) in [
            ("column_bytes", self.column_bytes),
            ("columns", self.columns.into()),
            ("row_bytes", self.row_bytes),
        ] {
            if value == 0 {
                return Err(format!(
                    "detectors.{NAME}.{key} = 0: every list would be wide; write 1 or more"
                ));
            }
        }
        Ok(())
    }
}

/// Finds lists that read more than they show.
pub(super) struct WideRows {
    settings: Settings,
}

impl WideRows {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings }
    }

    /// Kind and fix, where the rows are wide.
    fn judge(&self, group: &Group) -> Option<(&'static str, String)> {
        let (shape, widest) = group.widest.as_ref()?;
        let rows = u64::from(widest.rows);
        if widest.rows < self.settings.rows || shape.columns.len() <= CHOSEN {
            return None;
        }
        let facts = &group.statement.facts;
        if facts.verb != Verb::Select || facts.group_by || facts.table.is_empty() {
            return None;
        }
        let wide = widest.bytes >= self.settings.column_bytes * rows;
        if wide
            && widest.bytes * 2 >= widest.total
            && let Some(field) = field(&group.statement, shape, widest)
        {
            return Some((
                "wide_column",
                format!(
                    "defer(\"{field}\"){}, or only(…) of the fields that the list shows; values(…) for an export",
                    accuse::on(&group.statement)
                ),
            ));
        }
        let many = shape.columns.len() >= self.settings.columns as usize;
        (many && widest.total >= self.settings.row_bytes * rows).then(|| {
            let on = accuse::on(&group.statement);
            let fix = format!(
                "only(…) of the fields that the list shows{on}, with a serializer that names them; values(…) for an export"
            );
            ("many_columns", fix)
        })
    }
}

/// The field behind the widest column, as `defer()` takes it; `None` for what is computed.
fn field(statement: &Statement, shape: &RowShape, widest: &Widest) -> Option<String> {
    let index = usize::from(widest.column);
    shape
        .columns
        .get(index)
        .filter(|column| column.table != 0)?;
    let source = source(&statement.facts, shape, index)?;
    let path = parents::path(&statement.facts, source.alias)?;
    Some(format!("{path}{}", source.name))
}

impl Detector for WideRows {
    fn name(&self) -> &'static str {
        NAME
    }

    fn inspect(&self, request: &Subject<'_>, findings: &mut Vec<Finding>) {
        for group in &request.groups {
            if let Some((kind, fix)) = self.judge(group) {
                findings.push(Finding {
                    kind,
                    count: group.calls,
                    ..accuse::statement(NAME, request, &group.statement, fix)
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::sql::Limit;

    const NARROW: [(&str, u64); 4] = [("id", 4), ("title", 30), ("created", 30), ("body", 90)];

    fn wide(scenario: Scenario) -> Vec<(&'static str, String)> {
        let found = scenario.findings();
        (found.into_iter())
            .map(|finding| {
                assert_eq!(finding.cause.detector, NAME);
                (finding.kind, finding.fix)
            })
            .collect()
    }

    fn posts(rows: u32, columns: &[(&str, u64)]) -> Scenario {
        let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
        let posts = list("blog_post", &names).ordered("id").limit(Limit::Other);
        Scenario::new().run(posts, 0, rows).widths(columns)
    }

    fn with_body(bytes: u64) -> [(&'static str, u64); 4] {
        NARROW.map(|(name, width)| (name, if name == "body" { bytes } else { width }))
    }

    /// `Post.objects.order_by("pk")[:50]` for a list of titles.
    #[test]
    fn one_column_that_takes_most() {
        let [(kind, fix)] = &wide(posts(50, &with_body(2_048)))[..] else {
            panic!("one finding expected");
        };
        assert_eq!(*kind, "wide_column");
        assert!(
            fix.starts_with("defer(\"body\") on the query that reads blog_post"),
            "{fix}"
        );
        assert_eq!(wide(posts(50, &with_body(2_047))), []);
    }

    /// `Comment.objects.select_related("post")`: the post's body.
    #[test]
    fn a_column_of_a_joined_table() {
        let comments = list("blog_comment", &["id", "post_id"])
            .reads("blog_post", "id")
            .reads("blog_post", "body")
            .join(("blog_comment", "post_id"), ("blog_post", "id"));
        let columns = [("id", 4), ("post_id", 4), ("id", 4), ("body", 9_000)];
        let found = wide(Scenario::new().run(comments, 0, 20).widths(&columns));
        assert!(found[0].1.starts_with("defer(\"post__body\")"), "{found:?}");
    }

    /// `.defer("body")`, the page of one post, two chosen columns, an export by `iterator()`.
    #[test]
    fn lists_that_show_what_they_read() {
        let wide_body = with_body(20_000);
        assert_eq!(wide(posts(50, &NARROW)), []);
        assert_eq!(wide(posts(9, &wide_body)), []);
        assert_eq!(wide(posts(50, &wide_body[2..])), []);
        let all = list("blog_post", &["id", "title", "created", "body"]).cursor();
        assert_eq!(wide(Scenario::new().run(all, 0, 50).widths(&wide_body)), []);
    }

    #[test]
    fn many_columns_of_a_list() {
        let columns = |width| [("c", width); 30];
        let found = wide(posts(20, &columns(140)));
        assert_eq!(found[0].0, "many_columns");
        assert_eq!(wide(posts(20, &columns(130))), []);
        assert_eq!(wide(posts(20, &columns(140)[1..])), []);
    }
}
