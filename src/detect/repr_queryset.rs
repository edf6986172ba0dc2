//! # What it finds
//!
//! `LIMIT 21` that is not `get()`'s, as `repr()` of a query set writes it:
//!
//! - a warning where the same rows are also read without LIMIT: the query set was printed, and then used;
//! - worth knowing where it found several rows: `get()` would have raised.
//!
//! # Why it hurts
//!
//! A query for a line in a log, which most people never see. The rows are read again for what they were meant for.
//!
//! # Example
//!
//! ```python
//! logger.debug("books: %s", books)              # SELECT … LIMIT 21, whatever the log level's handlers do with it
//! return render(request, "books.html", {"books": books})
//!
//! logger.debug("books: %s", books.query)        # no query
//! ```
//!
//! # Settings
//!
//! | key | default | |
//! |---|---|---|
//! | `enabled` | `true` | |
//! | `severity` | `"auto"` | `"info"`, `"warning"` or `"critical"` for all of its findings |
//! | `allow` | empty | `tables`, `routes`, `fingerprints` |
//!
//! # When it is wrong
//!
//! A slice `[:21]` reads the same, such as that of a page of 20 rows which asks for one more (`CursorPagination` of DRF with
//! `page_size = 20`): allow its route, or take another size. `get()` that finds several rows and raises reads the same too.

use super::{Allow, Detector, Finding, Severity, Subject, accuse, guards};
use crate::request::{Entry, Group, Request};
use crate::sql::{Facts, Limit, Projection, Statement};

/// Name of the detector.
pub(super) const NAME: &str = "repr_queryset";

/// Settings of `[detectors.repr_queryset]`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether it looks at all.
    pub enabled: bool,
    /// Severity of all findings; `auto` leaves it to the detector.
    pub severity: super::SeverityChoice,
    /// What is accepted.
    pub allow: Allow,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            severity: super::SeverityChoice::default(),
            allow: Allow::default(),
        }
    }
}

impl Settings {
    /// Nothing can be impossible.
    pub(super) fn validate(&self) -> Result<(), String> {
        Ok(())
    }
}

/// Finds query sets that are printed.
pub(super) struct ReprQueryset;

impl ReprQueryset {
    pub(super) fn new(_settings: Settings) -> Self {
        Self
    }
}

fn is_suspect(group: &Group) -> bool {
    let facts = &group.statement.facts;
    facts.limit == Limit::TwentyOne && is_list(facts) && !facts.offset && !facts.for_update
}

/// Rows of a table or of `values()`.
fn is_list(facts: &Facts) -> bool {
    facts.is_read() && matches!(facts.projection, Projection::Columns | Projection::Other)
}

/// The same rows are read without LIMIT, within the same request.
fn is_used(request: &Request, printed: &Entry) -> bool {
    request.entries.iter().any(|entry| {
        entry.loose == printed.loose
            && request
                .groups
                .get(usize::from(entry.group))
                .is_some_and(|group| {
                    let facts = &group.statement.facts;
                    facts.limit == Limit::None && !facts.offset && is_list(facts)
                })
    })
}

fn fix(statement: &Statement, used: bool) -> String {
    let table = &statement.facts.table;
    if used {
        return format!(
            "do not print or log the query set of {table}: log its .query, or evaluate it first with list()"
        );
    }
    format!(
        "do not print or log the query set of {table}: log its .query; where it is get(), several rows match, and \
         where it is a slice [:21], all is well"
    )
}

impl Detector for ReprQueryset {
    fn name(&self) -> &'static str {
        NAME
    }

    fn inspect(&self, request: &Subject<'_>, findings: &mut Vec<Finding>) {
        if !request.groups.iter().any(is_suspect) {
            return;
        }
        // `get()` clears the order and meets one row at most, or raises.
        let excesses = accuse::exceeding(request, |group, entry| {
            let printed = is_suspect(group) && (entry.rows > 1 || group.statement.facts.order_by);
            if !printed || guards::is_system(group) {
                return None;
            }
            if is_used(request, entry) {
                return Some(1);
            }
            (entry.rows > 1).then_some(0)
        });
        for excess in excesses {
            let statement = &request.groups[excess.group].statement;
            let used = excess.most > 0;
            findings.push(Finding {
                severity: if used {
                    Severity::Warning
                } else {
                    Severity::Info
                },
                count: excess.calls,
                wasted_seconds: excess.nanos as f64 / 1e9,
                ..accuse::statement(NAME, request, statement, fix(statement, used))
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    fn printed(scenario: Scenario) -> Vec<(Severity, String)> {
        let found = scenario.findings();
        (found.into_iter())
            .map(|finding| {
                assert_eq!(finding.cause.detector, NAME);
                (finding.severity, finding.fix)
            })
            .collect()
    }

    fn books() -> Sql {
        list("lib_book", &["id", "title"])
    }

    /// `logger.debug("%s", books)`, then `for book in books`.
    #[test]
    fn a_query_set_that_is_logged_and_used() {
        for books in [books(), books().ordered("title")] {
            let logged = books.clone().limit(Limit::TwentyOne);
            let found = printed(Scenario::new().run(logged, 0, 21).run(books, 0, 90));
            assert_eq!((found.len(), found[0].0), (1, Severity::Warning));
            assert!(
                found[0]
                    .1
                    .starts_with("do not print or log the query set of lib_book"),
                "{}",
                found[0].1
            );
        }
    }

    /// `print(books)` alone.
    #[test]
    fn a_query_set_that_is_printed() {
        for books in [books(), books().ordered("title")] {
            let found = printed(Scenario::new().run(books.limit(Limit::TwentyOne), 0, 5));
            assert_eq!((found.len(), found[0].0), (1, Severity::Info));
        }
    }

    /// `get()`, also beside `filter()` of its values, the first row of an order, another page, a lock.
    #[test]
    fn limits_of_21_with_a_right_to_it() {
        let get = || Scenario::new().run(get("lib_book"), 7, 1);
        assert_eq!(printed(get()), []);
        assert_eq!(printed(get().run(filter("lib_book", "id"), 7, 1)), []);
        let first = books().ordered("title").limit(Limit::TwentyOne);
        assert_eq!(printed(Scenario::new().run(first, 0, 1)), []);
        let page = books().ordered("title").offset().limit(Limit::TwentyOne);
        assert_eq!(printed(Scenario::new().run(page, 0, 21)), []);
        let locked = books().limit(Limit::TwentyOne).for_update();
        assert_eq!(printed(Scenario::new().run(locked, 0, 2)), []);
    }
}
