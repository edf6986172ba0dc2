//! # What it finds
//!
//! Queries that took `threshold` or longer, from the end of the query to the end of its reply. The time that the app was slow
//! to read the reply is taken off.
//!
//! # Why it hurts
//!
//! One such query is most of what a user waits for. It holds a connection meanwhile, and often locks.
//!
//! # Example
//!
//! ```python
//! Order.objects.filter(status="open").order_by("created")    # reads all orders, then sorts
//!
//! class Meta:                                                # once EXPLAIN has shown that it helps
//!     indexes = [models.Index(fields=["status", "created"])]
//! ```
//!
//! # Settings
//!
//! | key | default | |
//! |---|---|---|
//! | `enabled` | `true` | |
//! | `threshold` | `"100ms"` | slow from this duration |
//! | `critical` | `"500ms"` | critical from this duration |
//! | `severity` | `"auto"` | `"info"`, `"warning"` or `"critical"` for all of its findings |
//! | `allow` | empty | `tables`, `routes`, `fingerprints` |
//!
//! # When it is wrong
//!
//! A query may have waited for a lock, for a busy server or for the network. The index is a suggestion from the text of the
//! statement, since the indexes that exist are not on the wire: check it with EXPLAIN. COPY, DDL, cursors and LISTEN are left
//! out.

use super::{Allow, Cause, Detector, Evidence, Finding, Severity, Subject, index};
use crate::request::{Group, Request};
use crate::units::Period;

/// Name of the detector.
pub(super) const NAME: &str = "slow_query";

/// Statements that are judged by their time. A cursor's time is spread over its FETCHes; COPY and DDL take
/// what the data takes; LISTEN waits by design.
const JUDGED: [&str; 7] = [
    "SELECT", "WITH", "VALUES", "INSERT", "UPDATE", "DELETE", "MERGE",
];

/// Settings of `[detectors.slow_query]`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether it looks at all.
    pub enabled: bool,
    /// Duration from which a query is slow; above 0.
    pub threshold: Period,
    /// Duration from which the finding is critical; at least `threshold`.
    pub critical: Period,
    /// Severity of its findings.
    pub severity: super::SeverityChoice,
    /// What is accepted.
    pub allow: Allow,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            threshold: Period::millis(100),
            critical: Period::millis(500),
            severity: super::SeverityChoice::default(),
            allow: Allow::default(),
        }
    }
}

impl Settings {
    pub(super) fn validate(&self) -> Result<(), String> {
        if self.threshold.nanos() == 0 {
            return Err(format!(
                "detectors.{NAME}.threshold = \"{}\": every query would be slow; write \"100ms\", or \
                 detectors.{NAME}.enabled = false",
                self.threshold
            ));
        }
        if self.critical < self.threshold {
            return Err(format!(
                "detectors.{NAME}.critical = \"{}\": less than threshold; write \"{}\" or more",
                self.critical, self.threshold
            ));
        }
        Ok(())
    }
}

/// Finds slow statements.
pub(super) struct SlowQuery {
    settings: Settings,
}

impl SlowQuery {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings }
    }

    fn finding(&self, request: &Request, index: usize, group: &Group) -> Finding {
        let statement = &group.statement;
        let threshold = self.settings.threshold.nanos();
        // At most the slow ones count, the longest first; the threshold itself would have been fine.
        let mut longest: Vec<u64> = (request.entries.iter())
            .filter(|entry| usize::from(entry.group) == index)
            .map(|entry| entry.nanos.min(group.max_nanos).saturating_sub(threshold))
            .collect();
        longest.sort_unstable_by_key(|nanos| std::cmp::Reverse(*nanos));
        let wasted: u64 = longest.iter().take(group.slow as usize).sum();
        Finding {
            cause: Cause {
                detector: NAME,
                route: request.route.clone(),
                parent: None,
                fingerprint: Some(statement.fingerprint),
            },
            severity: if group.max_nanos >= self.settings.critical.nanos() {
                Severity::Critical
            } else {
                Severity::Warning
            },
            evidence: Evidence::Measured,
            kind: "",
            parent: String::new(),
            relation: String::new(),
            fix: index::slow(statement),
            query: statement.text.clone(),
            count: group.slow,
            wasted_seconds: wasted as f64 / 1e9,
        }
    }
}

fn is_judged(group: &Group) -> bool {
    // A UNION of Django starts with a parenthesis.
    let text = group.statement.text.trim_start_matches(['(', ' ']);
    let word = text.split(|c: char| !c.is_ascii_alphabetic()).next();
    word.is_some_and(|word| {
        JUDGED
            .iter()
            .any(|judged| judged.eq_ignore_ascii_case(word))
    })
}

impl Detector for SlowQuery {
    fn name(&self) -> &'static str {
        NAME
    }

    fn inspect(&self, request: &Subject<'_>, findings: &mut Vec<Finding>) {
        for (index, group) in request.groups.iter().enumerate() {
            if group.slow > 0 && is_judged(group) {
                findings.push(self.finding(request, index, group));
            }
        }
    }
}
