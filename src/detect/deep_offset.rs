//! # What it finds
//!
//! A page far behind: a SELECT with an OFFSET of `offset` or more.
//!
//! # Why it hurts
//!
//! PostgreSQL reads and throws away all rows before the page: the last page costs as much as the whole table. Crawlers read
//! all pages.
//!
//! # Example
//!
//! ```python
//! Book.objects.order_by("-pk")[100_000:100_020]                 # reads 100,020 rows
//!
//! Book.objects.filter(pk__lt=last_pk).order_by("-pk")[:20]      # reads 20; in DRF: CursorPagination
//! ```
//!
//! # Settings
//!
//! | key | default | |
//! |---|---|---|
//! | `enabled` | `true` | |
//! | `offset` | `1000` | an OFFSET that is deep |
//! | `critical` | `10000` | an OFFSET from which the finding is critical |
//! | `severity` | `"auto"` | `"info"`, `"warning"` or `"critical"` for all of its findings |
//! | `allow` | empty | `tables`, `routes`, `fingerprints` |
//!
//! # When it is wrong
//!
//! Where nobody can reach such a page but by the address, a highest page number is enough. An OFFSET that is bound as a
//! parameter is not seen: Django writes it into the text.

use super::{Allow, Detector, Finding, Severity, Subject, accuse};
use crate::request::{Entry, Group};
use crate::sql::Statement;

/// Name of the detector.
pub(super) const NAME: &str = "deep_offset";

/// Settings of `[detectors.deep_offset]`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether it looks at all.
    pub enabled: bool,
    /// An OFFSET that is deep; at least 1.
    pub offset: u32,
    /// An OFFSET from which the finding is critical; at least `offset`.
    pub critical: u32,
    /// Severity of all findings; `auto` leaves it to the detector.
    pub severity: super::SeverityChoice,
    /// What is accepted.
    pub allow: Allow,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            offset: 1_000,
            critical: 10_000,
            severity: super::SeverityChoice::default(),
            allow: Allow::default(),
        }
    }
}

impl Settings {
    pub(super) fn validate(&self) -> Result<(), String> {
        if self.offset == 0 {
            return Err(format!(
                "detectors.{NAME}.offset = 0: every list would be deep; write 1 or more"
            ));
        }
        if self.critical < self.offset {
            return Err(format!(
                "detectors.{NAME}.critical = {}: less than offset; write {} or more",
                self.critical, self.offset
            ));
        }
        Ok(())
    }
}

/// Finds pages far behind.
pub(super) struct DeepOffset {
    settings: Settings,
}

impl DeepOffset {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings }
    }

    fn measure(&self, group: &Group, entry: &Entry) -> Option<u64> {
        let facts = &group.statement.facts;
        (entry.offset >= self.settings.offset && facts.is_read() && !facts.table.is_empty())
            .then_some(u64::from(entry.offset))
    }
}

fn fix(statement: &Statement) -> String {
    format!(
        "keyset pagination{}: filter(pk__gt=last) instead of an offset, CursorPagination in DRF; or a highest page \
         number",
        accuse::on(statement)
    )
}

impl Detector for DeepOffset {
    fn name(&self) -> &'static str {
        NAME
    }

    fn inspect(&self, request: &Subject<'_>, findings: &mut Vec<Finding>) {
        for excess in accuse::exceeding(request, |group, entry| self.measure(group, entry)) {
            let statement = &request.groups[excess.group].statement;
            findings.push(Finding {
                severity: if excess.most >= u64::from(self.settings.critical) {
                    Severity::Critical
                } else {
                    Severity::Warning
                },
                count: excess.calls,
                wasted_seconds: excess.nanos as f64 / 1e9,
                ..accuse::statement(NAME, request, statement, fix(statement))
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    fn page(offset: u32) -> Vec<(&'static str, Severity, String)> {
        let books = list("lib_book", &["id", "title"]).ordered("title").offset();
        let scenario = Scenario::new()
            .run(count_all("lib_book"), 0, 1)
            .run(books, 1, 20);
        let found = scenario.change(|entry| entry.offset = offset).findings();
        (found.into_iter())
            .map(|finding| (finding.cause.detector, finding.severity, finding.fix))
            .collect()
    }

    /// `Paginator(books, 20).page(51)`
    #[test]
    fn a_page_far_behind() {
        let [(name, severity, fix)] = &page(1_000)[..] else {
            panic!("one finding expected");
        };
        assert_eq!((*name, *severity), (NAME, Severity::Warning));
        assert!(
            fix.starts_with("keyset pagination on the query that reads lib_book"),
            "{fix}"
        );
        assert_eq!(page(10_000)[0].1, Severity::Critical);
    }

    /// The fiftieth page of twenty, and the first.
    #[test]
    fn pages_that_people_read() {
        assert_eq!(page(980), []);
        assert_eq!(page(0), []);
    }
}
