//! # What it finds
//!
//! `count()` or `exists()`, and later in the request all rows of the same query set: the second answer holds the first.
//!
//! # Why it hurts
//!
//! A query for what `len()` or `if` says of the rows that are read anyway. `COUNT(*)` is no cheaper than reading them.
//!
//! # Example
//!
//! ```python
//! if books.exists():                         # two queries
//!     total = sum(book.price for book in books)
//!
//! if books:                                  # one, whose rows the loop uses again
//!     total = sum(book.price for book in books)
//! ```
//!
//! # Settings
//!
//! | key | default | |
//! |---|---|---|
//! | `enabled` | `true` | |
//! | `warning` | `3` | such pairs in one request from which the finding is a warning; fewer are worth knowing |
//! | `severity` | `"auto"` | `"info"`, `"warning"` or `"critical"` for all of its findings |
//! | `allow` | empty | `tables`, `routes`, `fingerprints` |
//!
//! # When it is wrong
//!
//! The count may decide whether the rows are read at all, because there can be too many. A page (`LIMIT`, `OFFSET`) after its count
//! is a paginator and left out, as is the admin's changelist, which reads a short list without LIMIT; and so are pairs with a write or a ROLLBACK in between, pairs in a loop that `n_plus_one` reports,
//! and requests whose limits are a guess.

use super::changes::Changes;
use super::{Allow, Detector, Finding, Severity, Subject, accuse, fix, n_plus_one};
use crate::request::{Confidence, Request};
use crate::sql::{Facts, Limit, Projection, Statement, Verb};
use std::collections::{BTreeMap, HashMap};

/// Name of the detector.
pub(super) const NAME: &str = "count_then_fetch";

/// Settings of `[detectors.count_then_fetch]`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether it looks at all.
    pub enabled: bool,
    /// Pairs in one request from which the finding is a warning; at least 1.
    pub warning: u32,
    /// Severity of all findings; `auto` leaves it to the detector.
    pub severity: super::SeverityChoice,
    /// What is accepted.
    pub allow: Allow,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            warning: 3,
            severity: super::SeverityChoice::default(),
            allow: Allow::default(),
        }
    }
}

impl Settings {
    pub(super) fn validate(&self) -> Result<(), String> {
        if self.warning == 0 {
            return Err(format!(
                "detectors.{NAME}.warning = 0: without a pair there is nothing to report; write 1 or more"
            ));
        }
        Ok(())
    }
}

/// Finds counts of what is read anyway.
pub(super) struct CountThenFetch {
    settings: Settings,
}

impl CountThenFetch {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings }
    }
}

fn is_count(facts: &Facts) -> bool {
    matches!(facts.projection, Projection::Count | Projection::Exists)
        && facts.is_read()
        && !facts.table.is_empty()
}

/// All rows of a query set.
fn is_fetch(facts: &Facts) -> bool {
    matches!(facts.verb, Verb::Select | Verb::Declare)
        && facts.is_read()
        && matches!(facts.projection, Projection::Columns | Projection::Other)
        && facts.limit == Limit::None
        && !facts.offset
        && !facts.group_by
        && !facts.distinct
        && !facts.for_update
}

fn advice(count: &Statement) -> String {
    let table = &count.facts.table;
    if count.facts.projection == Projection::Exists {
        return format!(
            "if queryset: instead of exists() on {table}, where its rows are read anyway"
        );
    }
    format!("len(queryset) instead of count() on {table}, where its rows are read anyway")
}

/// A count whose query set may yet be read.
struct Counted {
    group: u16,
    at: usize,
    nanos: u64,
}

/// The admin's changelist: it counts what it shows and the whole table, and reads a list that fits on one page without LIMIT.
fn is_changelist(request: &Request, count: u16, fetch: &Facts, whole: &HashMap<&str, u32>) -> bool {
    let Some(group) = request.groups.get(usize::from(count)) else {
        return false;
    };
    let facts = &group.statement.facts;
    let own = u32::from(fix::counts_all(&group.statement));
    let counted = whole.get(facts.table.as_str()).copied().unwrap_or(0);
    facts.projection == Projection::Count
        && fetch.order_by
        && (counted > own || request.route.starts_with("admin/"))
}

/// The counts whose rows were read later, by group: how many, and their time.
fn pairs(request: &Request, in_loop: impl Fn(&Statement) -> bool) -> BTreeMap<u16, (u32, u64)> {
    let mut pairs: BTreeMap<u16, (u32, u64)> = BTreeMap::new();
    let mut counted: HashMap<u64, Counted> = HashMap::new();
    let mut changes = Changes::default();
    // Counts of whole tables.
    let mut whole: HashMap<&str, u32> = HashMap::new();
    for (at, entry) in request.entries.iter().enumerate() {
        let group = request.groups.get(usize::from(entry.group));
        let Some(facts) = changes.follow(entry, group, at) else {
            continue;
        };
        if entry.failed {
            continue;
        }
        if is_count(facts) {
            if group.is_some_and(|group| fix::counts_all(&group.statement)) {
                *whole.entry(&facts.table).or_default() += 1;
            }
            counted.insert(
                entry.loose,
                Counted {
                    group: entry.group,
                    at,
                    nanos: entry.nanos,
                },
            );
        } else if is_fetch(facts)
            && let Some(count) = counted.remove(&entry.loose)
            && !changes.since(facts, count.at)
            && !is_changelist(request, count.group, facts, &whole)
            && ![entry.group, count.group].iter().any(|index| {
                let group = request.groups.get(usize::from(*index));
                group.is_some_and(|group| in_loop(&group.statement))
            })
        {
            let pair = pairs.entry(count.group).or_default();
            pair.0 += 1;
            pair.1 += count.nanos;
        }
    }
    pairs
}

impl Detector for CountThenFetch {
    fn name(&self) -> &'static str {
        NAME
    }

    fn inspect(&self, request: &Subject<'_>, findings: &mut Vec<Finding>) {
        let any = |test: fn(&Facts) -> bool| {
            let mut groups = request.groups.iter();
            groups.any(|group| test(&group.statement.facts))
        };
        if !any(is_count) || !any(is_fetch) || request.boundary.confidence() < Confidence::Medium {
            return;
        }
        let in_loop =
            |statement: &Statement| accuse::is_accused(findings, n_plus_one::NAME, statement);
        for (index, (calls, nanos)) in pairs(request, in_loop) {
            let statement = &request.groups[usize::from(index)].statement;
            findings.push(Finding {
                severity: if calls >= self.settings.warning {
                    Severity::Warning
                } else {
                    Severity::Info
                },
                count: calls,
                wasted_seconds: nanos as f64 / 1e9,
                ..accuse::statement(NAME, request, statement, advice(statement))
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::request::Boundary;

    fn pairs(scenario: Scenario) -> Vec<(Severity, String)> {
        let found = scenario.findings();
        (found.into_iter())
            .filter(|finding| finding.cause.detector == NAME)
            .map(|finding| (finding.severity, finding.fix))
            .collect()
    }

    fn books() -> Sql {
        filter("lib_book", "author_id")
    }

    /// `if books.exists(): for book in books`, and `books.count()` before the loop.
    #[test]
    fn an_answer_that_the_rows_hold() {
        for (sql, fix) in [
            (exists("lib_book", "author_id"), "if queryset:"),
            (count("lib_book", "author_id"), "len(queryset)"),
        ] {
            let page = Scenario::new()
                .run(sql, 7, 1)
                .run(get("lib_author"), 7, 1)
                .run(books().ordered("title"), 7, 9);
            let found = pairs(page);
            assert_eq!((found.len(), found[0].0), (1, Severity::Info));
            assert!(found[0].1.starts_with(fix), "{}", found[0].1);
        }
    }

    #[test]
    fn three_pairs_are_a_warning() {
        let mut page = Scenario::new();
        for author in 0..3 {
            page = page
                .run(count("lib_book", "author_id"), author, 1)
                .run(books(), author, 9);
        }
        let found = pairs(page);
        assert_eq!((found.len(), found[0].0), (1, Severity::Warning));
    }

    /// A paginator; rows first; other values; a write, a ROLLBACK or a function between; limits that are a guess.
    #[test]
    fn counts_that_are_needed() {
        let count = || Scenario::new().run(count("lib_book", "author_id"), 7, 1);
        assert_eq!(pairs(count().run(books(), 7, 9)).len(), 1);
        assert_eq!(pairs(count().run(books().ordered("id").offset(), 7, 9)), []);
        let page = books().ordered("id").limit(Limit::Other);
        assert_eq!(pairs(count().run(page, 7, 9)), []);
        assert_eq!(pairs(count().run(books(), 8, 9)), []);
        assert_eq!(
            pairs(count().run(insert("lib_book"), 1, 1).run(books(), 7, 9)),
            []
        );
        assert_eq!(
            pairs(count().run(insert("lib_tag"), 1, 1).run(books(), 7, 9)).len(),
            1
        );
        assert_eq!(pairs(count().rollback().run(books(), 7, 9)), []);
        assert_eq!(
            pairs(count().run(list("", &[]), 7, 1).run(books(), 7, 9)),
            []
        );
        assert_eq!(
            pairs(count().run(books(), 7, 9).boundary(Boundary::Gap)),
            []
        );
        let after = Scenario::new().run(books(), 7, 9);
        assert_eq!(
            pairs(after.run(super::super::testing::count("lib_book", "author_id"), 7, 1)),
            []
        );
    }

    /// A list that fits on one page of the admin, whole and searched.
    #[test]
    fn the_changelist_of_the_admin() {
        let all = || count_all("lib_book");
        let books = || list("lib_book", &["id", "title"]).ordered("id");
        let app = Scenario::new().run(all(), 0, 1).run(books(), 0, 9);
        assert_eq!(pairs(app).len(), 1);
        let admin = Scenario::new().run(all(), 0, 1).run(all(), 0, 1);
        assert_eq!(pairs(admin.run(books(), 0, 9)), []);
        let searched = Scenario::new()
            .run(count("lib_book", "author_id"), 7, 1)
            .run(all(), 0, 1)
            .run(filter("lib_book", "author_id").ordered("id"), 7, 9);
        assert_eq!(pairs(searched), []);
    }
}
