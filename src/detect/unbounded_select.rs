//! # What it finds
//!
//! A SELECT without LIMIT whose result has `rows` rows or more, or `bytes` or more.
//!
//! # Why it hurts
//!
//! Nothing keeps its result from growing with the table: the page that is quick today reads ten times as much next year.
//!
//! # Example
//!
//! ```python
//! def get(self, request):                                      # all books
//!     return Response(BookSerializer(Book.objects.all(), many=True).data)
//!
//! class BookList(ListAPIView):                                 # 50 of them
//!     queryset = Book.objects.order_by("pk")
//!     pagination_class = LimitOffsetPagination
//! ```
//!
//! # Settings
//!
//! | key | default | |
//! |---|---|---|
//! | `enabled` | `true` | |
//! | `rows` | `200` | rows that want a LIMIT |
//! | `critical` | `1000` | rows from which the finding is critical |
//! | `bytes` | `1048576` | bytes that want a LIMIT: 1 MiB |
//! | `severity` | `"auto"` | `"info"`, `"warning"` or `"critical"` for all of its findings |
//! | `allow` | empty | `tables`, `routes`, `fingerprints` |
//!
//! # When it is wrong
//!
//! Some lists are short by nature, such as the countries of the world: allow their table, or keep them in the cache. What a
//! prefetch reads is bounded by the list that it belongs to: there the rows count for each member of its IN list, and from 100
//! members on it is left out. So are cursors (`iterator()`), GROUP BY, aggregates, Django's own tables, and what `large_result`
//! has found.

use super::{Allow, Detector, Finding, Severity, Subject, accuse, guards, large_result};
use crate::request::{Entry, Group, Kind, Request};
use crate::sql::{Limit, Projection, Statement, Verb};

/// Name of the detector.
pub(super) const NAME: &str = "unbounded_select";

/// An IN list of this length is that of a prefetch: the list before it is what has no bounds.
const PREFETCH: u32 = 100;

/// Settings of `[detectors.unbounded_select]`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether it looks at all.
    pub enabled: bool,
    /// Rows that want a LIMIT; at least 2.
    pub rows: u32,
    /// Rows from which the finding is critical; at least `rows`.
    pub critical: u32,
    /// Bytes that want a LIMIT; at least 1.
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
            rows: 200,
            critical: 1_000,
            bytes: 1 << 20,
            severity: super::SeverityChoice::default(),
            allow: Allow::default(),
        }
    }
}

impl Settings {
    pub(super) fn validate(&self) -> Result<(), String> {
        if self.rows < 2 {
            return Err(format!(
                "detectors.{NAME}.rows = {}: one row needs no LIMIT; write 2 or more",
                self.rows
            ));
        }
        if self.critical < self.rows {
            return Err(format!(
                "detectors.{NAME}.critical = {}: less than rows; write {} or more",
                self.critical, self.rows
            ));
        }
        if self.bytes == 0 {
            return Err(format!(
                "detectors.{NAME}.bytes = 0: every list would want a LIMIT; write 1 or more"
            ));
        }
        Ok(())
    }
}

/// Finds lists without bounds.
pub(super) struct UnboundedSelect {
    settings: Settings,
}

impl UnboundedSelect {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings }
    }

    fn measure(&self, group: &Group, entry: &Entry) -> Option<u64> {
        if entry.in_arity >= PREFETCH || entry.rows < 2 {
            return None;
        }
        // Each member of an IN list has its share.
        let rows = entry.rows / entry.in_arity.max(1);
        let bytes = entry.bytes / u64::from(entry.in_arity.max(1));
        let large = rows >= self.settings.rows || bytes >= self.settings.bytes;
        (large && is_suspect(group)).then_some(u64::from(rows))
    }
}

/// A list of rows as the table has them. The permissions are as many as the models.
fn is_suspect(group: &Group) -> bool {
    let facts = &group.statement.facts;
    facts.verb == Verb::Select
        && facts.is_read()
        && facts.limit == Limit::None
        && !facts.offset
        && !facts.group_by
        && !matches!(facts.projection, Projection::Aggregate | Projection::Count)
        && facts.table != "auth_permission"
        && !guards::is_system(group)
}

fn fix(request: &Request, statement: &Statement) -> String {
    let on = accuse::on(statement);
    if request.kind == Kind::Task {
        return format!("iterator(chunk_size=…){on}: its rows come in pieces");
    }
    format!("paginate, or slice [:n]{on}; iterator(chunk_size=…) where all rows are needed")
}

impl Detector for UnboundedSelect {
    fn name(&self) -> &'static str {
        NAME
    }

    fn inspect(&self, request: &Subject<'_>, findings: &mut Vec<Finding>) {
        for excess in accuse::exceeding(request, |group, entry| self.measure(group, entry)) {
            let statement = &request.groups[excess.group].statement;
            if accuse::is_accused(findings, large_result::NAME, statement) {
                continue;
            }
            findings.push(Finding {
                severity: if excess.most >= u64::from(self.settings.critical) {
                    Severity::Critical
                } else {
                    Severity::Warning
                },
                count: excess.calls,
                ..accuse::statement(NAME, request, statement, fix(request, statement))
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    fn books() -> Sql {
        list("lib_book", &["id", "title"])
    }

    fn names(scenario: Scenario) -> Vec<(&'static str, Severity)> {
        (scenario.findings().iter())
            .map(|finding| (finding.cause.detector, finding.severity))
            .collect()
    }

    /// `Book.objects.all()` in a list view.
    #[test]
    fn a_list_without_pages() {
        for (rows, severity) in [(200, Severity::Warning), (1_000, Severity::Critical)] {
            assert_eq!(
                names(Scenario::new().run(books(), 0, rows)),
                [(NAME, severity)]
            );
        }
        let found = Scenario::new().run(books(), 0, 300).findings();
        assert!(
            found[0]
                .fix
                .starts_with("paginate, or slice [:n] on the query that reads lib_book"),
            "{}",
            found[0].fix
        );
        let found = Scenario::new().task().run(books(), 0, 300).findings();
        assert_eq!(found[0].severity, Severity::Info);
        assert!(
            found[0].fix.starts_with("iterator(chunk_size=…)"),
            "{}",
            found[0].fix
        );
        let heavy = Scenario::new().run(books(), 0, 20).bytes(1 << 20);
        assert_eq!(names(heavy), [(NAME, Severity::Warning)]);
    }

    /// `Book.objects.all()[:500]`, a page, a short list, an export by `iterator()`, one large object.
    #[test]
    fn a_list_with_bounds() {
        assert_eq!(
            names(Scenario::new().run(books().limit(Limit::Other), 0, 500)),
            []
        );
        assert_eq!(
            names(Scenario::new().run(books().ordered("id").offset(), 0, 500)),
            []
        );
        assert_eq!(names(Scenario::new().run(books(), 0, 199)), []);
        assert_eq!(names(Scenario::new().run(books().cursor(), 0, 5_000)), []);
        assert_eq!(names(Scenario::new().run(books(), 0, 1).bytes(2 << 20)), []);
        assert_eq!(
            names(Scenario::new().run(list("auth_permission", &["id"]), 0, 400)),
            []
        );
    }

    /// `Author.objects.prefetch_related("book_set")[:20]`: what it reads belongs to 20 authors.
    #[test]
    fn what_a_prefetch_reads_belongs_to_its_list() {
        let prefetch = |members, rows| {
            Scenario::new()
                .run(list("lib_author", &["id"]).limit(Limit::Other), 0, members)
                .run(filter_in("lib_book", "author_id", members), 1, rows)
        };
        assert_eq!(names(prefetch(20, 900)), []);
        assert_eq!(names(prefetch(150, 9_000)), []);
        assert_eq!(names(prefetch(20, 4_000)), [(NAME, Severity::Warning)]);
    }

    #[test]
    fn a_large_result_is_accused_once() {
        assert_eq!(
            names(Scenario::new().run(books(), 0, 20_000)),
            [(large_result::NAME, Severity::Critical)]
        );
    }
}
