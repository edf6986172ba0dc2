//! # What it finds
//!
//! `order_by("?")` whose queries took `threshold` or longer together in one request.
//!
//! # Why it hurts
//!
//! PostgreSQL reads all rows, gives each a random number and sorts them, to keep one. No index helps.
//!
//! # Example
//!
//! ```python
//! Quote.objects.order_by("?").first()                       # sorts all quotes
//!
//! top = Quote.objects.aggregate(top=Max("pk"))["top"]
//! Quote.objects.filter(pk__gte=randint(1, top)).order_by("pk").first()
//! ```
//!
//! # Settings
//!
//! | key | default | |
//! |---|---|---|
//! | `enabled` | `true` | |
//! | `threshold` | `"20ms"` | time of these queries in a request that is too much |
//! | `severity` | `"auto"` | `"info"`, `"warning"` or `"critical"` for all of its findings |
//! | `allow` | empty | `tables`, `routes`, `fingerprints` |
//!
//! # When it is wrong
//!
//! Ten rows out of a filter that leaves a hundred are shuffled quickly; a busy server may make them slow all the same. Where ids
//! have gaps, the first row after a random id is not equally likely for all.

use super::{Allow, Detector, Finding, Subject, accuse};
use crate::sql::Statement;
use crate::units::Period;

/// Name of the detector.
pub(super) const NAME: &str = "random_order";

/// Settings of `[detectors.random_order]`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether it looks at all.
    pub enabled: bool,
    /// Time of these queries in a request that is too much; above 0.
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
                "detectors.{NAME}.threshold = \"{}\": every such query would be slow; write \"20ms\"",
                self.threshold
            ));
        }
        Ok(())
    }
}

/// Finds tables that are shuffled.
pub(super) struct RandomOrder {
    settings: Settings,
}

impl RandomOrder {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings }
    }
}

fn fix(statement: &Statement) -> String {
    format!(
        "pick random primary keys instead of order_by(\"?\"){}: filter(pk__gte=…).order_by(\"pk\").first(), or sample the \
         ids in Python",
        accuse::on(statement)
    )
}

impl Detector for RandomOrder {
    fn name(&self) -> &'static str {
        NAME
    }

    fn inspect(&self, request: &Subject<'_>, findings: &mut Vec<Finding>) {
        for group in &request.groups {
            let facts = &group.statement.facts;
            let nanos = accuse::nanos(group);
            if facts.random_order
                && nanos >= self.settings.threshold.nanos()
                && !facts.table.is_empty()
            {
                findings.push(Finding {
                    count: group.calls,
                    wasted_seconds: nanos as f64 / 1e9,
                    ..accuse::statement(NAME, request, &group.statement, fix(&group.statement))
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

    fn names(scenario: Scenario) -> Vec<&'static str> {
        let found = scenario.findings();
        found.iter().map(|finding| finding.cause.detector).collect()
    }

    fn quote() -> Sql {
        list("lib_quote", &["id", "text"])
            .random()
            .limit(Limit::One)
    }

    /// `Quote.objects.order_by("?").first()`
    #[test]
    fn a_table_that_is_shuffled() {
        let found = Scenario::new().took(quote(), 0, 1, 20).findings();
        assert_eq!(found[0].cause.detector, NAME);
        assert!(
            found[0].fix.contains("on the query that reads lib_quote"),
            "{}",
            found[0].fix
        );
        assert!((found[0].wasted_seconds - 0.020).abs() < 1e-9);
        let mut often = Scenario::new();
        for _ in 0..4 {
            often = often.took(quote(), 0, 1, 5);
        }
        assert_eq!(names(often), [NAME]);
    }

    /// A small table is shuffled quickly; any other order may take its time.
    #[test]
    fn a_small_table() {
        assert_eq!(names(Scenario::new().took(quote(), 0, 1, 19)), [""; 0]);
        let first = list("lib_quote", &["id", "text"])
            .ordered("id")
            .limit(Limit::One);
        assert_eq!(names(Scenario::new().took(first, 0, 1, 50)), [""; 0]);
    }
}
