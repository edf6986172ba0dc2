//! # What it finds
//!
//! A SELECT with `members` members or more in one IN list.
//!
//! # Why it hurts
//!
//! The app builds and the server parses a text of that many values, mostly of ids that have just come from the same server.
//! With `server_side_binding` more than 65,535 of them fail.
//!
//! # Example
//!
//! ```python
//! ids = list(Author.objects.filter(active=True).values_list("pk", flat=True))
//! Book.objects.filter(author__in=ids)                                   # 5,000 numbers there and back
//!
//! Book.objects.filter(author__in=Author.objects.filter(active=True))    # one query with a subquery
//! ```
//!
//! # Settings
//!
//! | key | default | |
//! |---|---|---|
//! | `enabled` | `true` | |
//! | `members` | `1000` | members of an IN list that are too many |
//! | `severity` | `"auto"` | `"info"`, `"warning"` or `"critical"` for all of its findings |
//! | `allow` | empty | `tables`, `routes`, `fingerprints` |
//!
//! # When it is wrong
//!
//! Ids from outside the database, such as those of a search engine, need a list: ask for it in parts. A prefetch follows a list
//! of the request that has as many rows, each of several columns; that list is the mistake, and the prefetch is left out.

use super::{Allow, Detector, Finding, Subject, accuse};
use crate::sql::Statement;

/// Name of the detector.
pub(super) const NAME: &str = "huge_in_list";

/// Settings of `[detectors.huge_in_list]`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether it looks at all.
    pub enabled: bool,
    /// Members of an IN list that are too many; at least 2.
    pub members: u32,
    /// Severity of all findings; `auto` leaves it to the detector.
    pub severity: super::SeverityChoice,
    /// What is accepted.
    pub allow: Allow,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            members: 1_000,
            severity: super::SeverityChoice::default(),
            allow: Allow::default(),
        }
    }
}

impl Settings {
    pub(super) fn validate(&self) -> Result<(), String> {
        if self.members < 2 {
            return Err(format!(
                "detectors.{NAME}.members = {}: one member is no list; write 2 or more",
                self.members
            ));
        }
        Ok(())
    }
}

/// Finds IN lists that are too long.
pub(super) struct HugeInList {
    settings: Settings,
}

impl HugeInList {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings }
    }
}

fn fix(statement: &Statement) -> String {
    let table = &statement.facts.table;
    let column = statement.facts.in_column.as_ref();
    let lookup = column.map_or("pk", |column| super::names::lookup(&column.name));
    format!(
        "a subquery instead of a list of values: filter({lookup}__in=queryset) on the query that reads {table}; for \
         values from outside the database, parts of the list"
    )
}

impl Detector for HugeInList {
    fn name(&self) -> &'static str {
        NAME
    }

    fn inspect(&self, request: &Subject<'_>, findings: &mut Vec<Finding>) {
        let members = self.settings.members;
        // Rows of several columns so far, as the longest list has them: what a prefetch may be for.
        let mut objects = 0;
        let excesses = accuse::exceeding(request, |group, entry| {
            let facts = &group.statement.facts;
            if !facts.is_read() {
                return None;
            }
            let huge = entry.in_arity >= members && entry.in_arity > objects;
            if facts.columns.len() > 1 {
                objects = objects.max(entry.rows);
            }
            (huge && !facts.prefetch && !facts.table.is_empty()).then_some(entry.in_arity.into())
        });
        for excess in excesses {
            let statement = &request.groups[excess.group].statement;
            findings.push(Finding {
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

    fn huge(scenario: Scenario) -> Vec<String> {
        let mut findings = Vec::new();
        HugeInList::new(Settings::default())
            .inspect(&Subject::new(&scenario.request()), &mut findings);
        findings.into_iter().map(|finding| finding.fix).collect()
    }

    fn books_in(members: u32) -> Sql {
        filter_in("lib_book", "author_id", members)
    }

    /// `Book.objects.filter(author__in=list(ids))`
    #[test]
    fn ids_there_and_back() {
        let ids = list("lib_author", &["id"]);
        let found = huge(
            Scenario::new()
                .run(ids, 0, 5_000)
                .run(books_in(5_000), 1, 900),
        );
        assert_eq!(found.len(), 1);
        assert!(
            found[0].contains("filter(author__in=queryset) on the query that reads lib_book"),
            "{}",
            found[0]
        );
        // From a search engine: no list before it, but the short one of a page.
        let page = list("lib_author", &["id", "name"]).limit(Limit::Other);
        assert_eq!(
            huge(
                Scenario::new()
                    .run(page, 0, 20)
                    .run(books_in(1_000), 1, 3_000)
            )
            .len(),
            1
        );
    }

    #[test]
    fn a_prefetch_follows_its_list() {
        let authors = list("lib_author", &["id", "name"]);
        assert_eq!(
            huge(
                Scenario::new()
                    .run(authors.clone(), 0, 5_000)
                    .run(books_in(5_000), 1, 900)
            ),
            [""; 0]
        );
        // Afterwards is too late.
        assert_eq!(
            huge(
                Scenario::new()
                    .run(books_in(5_000), 1, 900)
                    .run(authors, 0, 5_000)
            )
            .len(),
            1
        );
    }

    /// `in_bulk()` of a page, and `DELETE … WHERE id IN (…)`.
    #[test]
    fn short_lists_and_writes() {
        assert_eq!(huge(Scenario::new().run(books_in(999), 1, 900)), [""; 0]);
        let delete = delete("lib_book");
        assert_eq!(
            huge(
                Scenario::new()
                    .run(delete, 1, 900)
                    .change(|entry| entry.in_arity = 2_000)
            ),
            [""; 0]
        );
    }
}
