//! # What it finds
//!
//! A predicate that no ordinary index serves, in a statement that took `threshold` or longer:
//!
//! | kind | Django wrote | the predicate |
//! |---|---|---|
//! | `upper_like` | `icontains`, `istartswith`, `iendswith` | `UPPER(c::text) LIKE UPPER(…)` |
//! | `upper_equal` | `iexact` | `UPPER(c::text) = UPPER(…)` |
//! | `date_cast` | `created__date` | `(c AT TIME ZONE …)::date = …` |
//! | `date_part` | `created__month`, `created__week_day` | `EXTRACT(MONTH FROM c …) = …` |
//! | `or_across_tables` | `Q(a=…) \| Q(other__b=…)` | `(t.a = … OR u.b = …)` |
//!
//! # Why it hurts
//!
//! The column stands inside an expression, so that an index on the column is of no use: every row is read and computed.
//!
//! # Example
//!
//! ```python
//! Event.objects.filter(created__date=day)                          # casts every row
//!
//! Event.objects.filter(created__gte=day, created__lt=day + timedelta(days=1))
//! ```
//!
//! # Settings
//!
//! | key | default | |
//! |---|---|---|
//! | `enabled` | `true` | |
//! | `threshold` | `"20ms"` | duration from which it is worth an index |
//! | `severity` | `"auto"` | `"info"`, `"warning"` or `"critical"` for all of its findings |
//! | `allow` | empty | `tables`, `routes`, `fingerprints` |
//!
//! # When it is wrong
//!
//! The index on the expression may be there already, or another predicate may leave few rows: EXPLAIN tells. Indexes are not on
//! the wire. `contains` and `startswith` are not told apart, since literals are not kept, and are left out.

use super::{Allow, Detector, Finding, Subject, accuse};
use crate::request::Group;
use crate::units::Period;

/// Name of the detector.
pub(super) const NAME: &str = "non_sargable";

/// Settings of `[detectors.non_sargable]`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether it looks at all.
    pub enabled: bool,
    /// Duration from which it is worth an index; above 0.
    pub threshold: Period,
    /// Severity of all findings; `auto` leaves it to the detector.
    pub severity: super::SeverityChoice,
    /// What is accepted.
    pub allow: Allow,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            threshold: Period::millis(20),
            severity: super::SeverityChoice::default(),
            allow: Allow::default(),
        }
    }
}

impl Settings {
    pub(super) fn validate(&self) -> Result<(), String> {
        if self.threshold.nanos() == 0 {
            return Err(format!(
                "detectors.{NAME}.threshold = \"{}\": small tables need no index; write \"20ms\"",
                self.threshold
            ));
        }
        Ok(())
    }
}

/// Finds predicates that no index serves.
pub(super) struct NonSargable {
    settings: Settings,
}

impl NonSargable {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings }
    }
}

/// A predicate that no index serves.
struct Shape<'a> {
    kind: &'static str,
    /// The column that stands inside of it.
    column: Name<'a>,
    /// Of an OR across tables: the other table's.
    other: Option<Name<'a>>,
}

/// `"table"."column"` of a text.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Name<'a> {
    table: &'a str,
    column: &'a str,
}

impl<'a> Name<'a> {
    /// At the beginning of a text, and what follows it.
    fn first(text: &'a str) -> Option<(Self, &'a str)> {
        let (table, rest) = text.strip_prefix('"')?.split_once('"')?;
        let (column, rest) = rest.strip_prefix(".\"")?.split_once('"')?;
        Some((Self { table, column }, rest))
    }

    /// The last of a text, and what stands before it.
    fn last(text: &'a str) -> Option<(Self, &'a str)> {
        let dot = text.rfind("\".\"")?;
        let start = text.get(..dot)?.rfind('"')?;
        let (before, rest) = text.split_at_checked(start)?;
        Some((Self::first(rest)?.0, before))
    }
}

/// The text of the first WHERE, up to what may follow it.
fn predicates(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once(" WHERE ")?;
    let ends = [" GROUP BY ", " ORDER BY ", " LIMIT "];
    let end = ends.iter().filter_map(|end| rest.find(end)).min();
    rest.get(..end.unwrap_or(rest.len()))
}

/// The first such predicate of a normalised text.
fn shape(text: &str) -> Option<Shape<'_>> {
    let predicates = predicates(text)?;
    let alone = |kind, column| {
        Some(Shape {
            kind,
            column,
            other: None,
        })
    };
    for (at, _) in predicates.match_indices("UPPER(\"") {
        let inside = predicates.get(at + "UPPER(".len()..)?;
        let Some((column, rest)) = Name::first(inside) else {
            continue;
        };
        if rest.starts_with("::text) LIKE UPPER(") {
            return alone("upper_like", column);
        }
        if rest.starts_with("::text) = UPPER(") {
            return alone("upper_equal", column);
        }
    }
    for (at, _) in predicates.match_indices("(\"") {
        let Some((column, rest)) = predicates.get(at + 1..).and_then(Name::first) else {
            continue;
        };
        if rest.starts_with(" AT TIME ZONE ?)::date ") {
            return alone("date_cast", column);
        }
    }
    for (at, _) in predicates.match_indices("EXTRACT(") {
        let inside = predicates.get(at..)?;
        let inside = inside.get(..inside.find(')')?)?;
        if let Some((column, _)) = inside
            .split_once(" FROM ")
            .and_then(|(_, of)| Name::last(of))
        {
            return alone("date_part", column);
        }
    }
    or_across_tables(predicates)
}

/// `("a"."x" = ? OR "b"."y" = ?)`, without what compares with a subquery.
fn or_across_tables(predicates: &str) -> Option<Shape<'_>> {
    if predicates.contains("SELECT ") {
        return None;
    }
    predicates.match_indices(" OR ").find_map(|(at, or)| {
        let (column, before) = Name::last(predicates.get(..at)?)?;
        // Not the right side of `"a"."x" = "b"."y"`.
        let begins = ["(", " AND ", " OR "]
            .iter()
            .any(|end| before.ends_with(end));
        let (other, _) = Name::first(predicates.get(at + or.len()..)?)?;
        (begins && column.table != other.table).then_some(Shape {
            kind: "or_across_tables",
            column,
            other: Some(other),
        })
    })
}

fn fix(shape: &Shape<'_>) -> String {
    let Name { table, column } = shape.column;
    let field = super::names::lookup(column);
    match shape.kind {
        "upper_like" => format!(
            "GinIndex(OpClass(Upper(\"{field}\"), name=\"gin_trgm_ops\"), name=…) in Meta.indexes of {table}, with \
             TrigramExtension(); check with EXPLAIN"
        ),
        "upper_equal" => format!(
            "models.Index(Upper(\"{field}\"), name=…) in Meta.indexes of {table}; check with EXPLAIN"
        ),
        "date_cast" => format!(
            "{field}__gte and {field}__lt of the day instead of {field}__date on the query that reads {table}"
        ),
        "date_part" => format!(
            "a range, {field}__gte and {field}__lt, where it is one; else an index on the expression, \
             models.Index(Extract…(\"{field}\"), name=…) in Meta.indexes of {table}"
        ),
        _ => {
            let other = shape.other.map_or("", |other| other.table);
            format!(
                "union() of two querysets instead of one Q(…) | Q(…) over {table} and {other}; check with EXPLAIN"
            )
        }
    }
}

impl Detector for NonSargable {
    fn name(&self) -> &'static str {
        NAME
    }

    fn inspect(&self, request: &Subject<'_>, findings: &mut Vec<Finding>) {
        let threshold = self.settings.threshold.nanos();
        let slow = |group: &&Group| group.max_nanos >= threshold;
        for group in request.groups.iter().filter(slow) {
            let statement = &group.statement;
            if !statement.facts.is_read() || super::guards::is_system(group) {
                continue;
            }
            let Some(shape) = shape(&statement.text) else {
                continue;
            };
            findings.push(Finding {
                kind: shape.kind,
                count: group.calls,
                wasted_seconds: accuse::nanos(group) as f64 / 1e9,
                ..accuse::statement(NAME, request, statement, fix(&shape))
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(predicate: &str) -> Option<(&'static str, String)> {
        let text =
            format!("SELECT \"b\".\"id\" FROM \"b\" WHERE {predicate} ORDER BY \"b\".\"id\" ASC");
        shape(&text).map(|shape| (shape.kind, fix(&shape)))
    }

    #[test]
    fn predicates_that_no_index_serves() {
        for (predicate, kind, words) in [
            (
                "UPPER(\"b\".\"title\"::text) LIKE UPPER(?)",
                "upper_like",
                "Upper(\"title\")",
            ),
            (
                "(\"b\".\"a\" = ? AND UPPER(\"b\".\"title\"::text) = UPPER(?))",
                "upper_equal",
                "models.Index(Upper(\"title\")",
            ),
            (
                "(\"b\".\"pub\" AT TIME ZONE ?)::date = ?",
                "date_cast",
                "pub__gte and pub__lt",
            ),
            (
                "(\"b\".\"pub\" AT TIME ZONE ?)::date >= ?",
                "date_cast",
                "pub__date",
            ),
            (
                "EXTRACT(MONTH FROM \"b\".\"pub\" AT TIME ZONE ?) = ?",
                "date_part",
                "Extract…(\"pub\")",
            ),
            (
                "(\"b\".\"title\" = ? OR \"author\".\"name\" = ?)",
                "or_across_tables",
                "over b and author",
            ),
        ] {
            let (seen, fix) = found(predicate).unwrap_or_default();
            assert_eq!(seen, kind, "{predicate}");
            assert!(fix.contains(words), "{fix}");
        }
    }

    #[test]
    fn predicates_that_an_index_may_serve() {
        for predicate in [
            "\"b\".\"title\" = ?",
            "\"b\".\"title\"::text LIKE ?",
            "\"b\".\"pub\" BETWEEN ? AND ?",
            "(\"b\".\"title\" = ? OR \"b\".\"name\" = ?)",
            "(\"b\".\"x\" = \"c\".\"y\" OR \"b\".\"name\" = ?)",
            "(\"b\".\"x\" = ? OR EXISTS(SELECT ? AS \"a\" FROM \"c\" U0 WHERE U0.\"y\" = (\"b\".\"id\")))",
            "(\"b\".\"pub\" >= ? AND \"b\".\"pub\" < ?)",
        ] {
            assert_eq!(found(predicate), None, "{predicate}");
        }
        // What is computed of the rows that are read needs no index.
        for text in [
            "SELECT (\"b\".\"pub\" AT TIME ZONE ?)::date AS \"day\", COUNT(?) FROM \"b\" WHERE \"b\".\"a\" = ? GROUP BY (\"b\".\"pub\" AT TIME ZONE ?)::date ",
            "SELECT UPPER(\"b\".\"title\"::text) AS \"u\" FROM \"b\" ORDER BY \"u\" ASC",
            "SELECT ?",
        ] {
            assert!(shape(text).is_none(), "{text}");
        }
    }

    mod requests {
        use super::super::super::testing::*;
        use super::super::*;

        /// The scenario's own text, with another predicate.
        fn names(predicate: &str, millis: u64) -> Vec<(&'static str, &'static str)> {
            let books = list("lib_book", &["id", "title"]).narrowed();
            let mut request = Scenario::new().took(books, 1, 3, millis).request();
            let text = request.groups[0]
                .statement
                .text
                .replace("\"lib_book\".\"price\" > ?", predicate);
            request.groups[0].statement = std::sync::Arc::new(crate::sql::Statement {
                fingerprint: request.groups[0].statement.fingerprint,
                facts: crate::sql::Facts::read(&text),
                text: text.into(),
            });
            let all = super::super::super::Detectors::new(&Default::default()).inspect(&request);
            (all.iter())
                .map(|finding| (finding.cause.detector, finding.kind))
                .collect()
        }

        /// `Book.objects.filter(title__iexact=…)` on a table that takes 20 ms to read, on a small one, and by `exact`.
        #[test]
        fn only_what_takes_its_time() {
            let iexact = "UPPER(\"lib_book\".\"title\"::text) = UPPER(?)";
            assert_eq!(names(iexact, 20), [(NAME, "upper_equal")]);
            assert_eq!(names(iexact, 19), []);
            assert_eq!(names("\"lib_book\".\"title\" = ?", 50), []);
        }
    }
}
