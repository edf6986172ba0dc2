//! # What it finds
//!
//! Transactions in which the server waited for the app for `threshold` or longer at a stretch.
//!
//! # Why it hurts
//!
//! The app does something else while rows stay locked, VACUUM cannot clean up and a connection of a pooler is taken.
//!
//! # Example
//!
//! ```python
//! with transaction.atomic():
//!     order.save()
//!     requests.post(SHOP_URL, json=order.as_dict())         # the row is locked until the shop answers
//!
//! with transaction.atomic():
//!     order.save()
//!     transaction.on_commit(lambda: send_order.delay(order.pk))
//! ```
//!
//! # Settings
//!
//! | key | default | |
//! |---|---|---|
//! | `enabled` | `true` | |
//! | `threshold` | `"200ms"` | a wait from this duration is too long |
//! | `critical` | `"1s"` | critical from this duration |
//! | `severity` | `"auto"` | `"info"`, `"warning"` or `"critical"` for all of its findings |
//! | `allow` | empty | `routes` only, since it accuses a transaction and not a statement |
//!
//! # When it is wrong
//!
//! A slow network or a busy worker looks the same, and so does a person at a debugger or a shell. Transactions that read a
//! cursor (`iterator()`) are left out, since what is done with the rows is done in between.

use super::{Allow, Cause, Detector, Evidence, Finding, Severity, Subject};
use crate::request::{Request, Transaction};
use crate::sql::Verb;
use crate::units::Period;

/// Name of the detector.
pub(super) const NAME: &str = "idle_in_transaction";

/// Settings of `[detectors.idle_in_transaction]`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether it looks at all.
    pub enabled: bool,
    /// Duration from which a wait is too long; above 0.
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
            threshold: Period::millis(200),
            critical: Period::secs(1),
            severity: super::SeverityChoice::default(),
            allow: Allow::default(),
        }
    }
}

impl Settings {
    pub(super) fn validate(&self) -> Result<(), String> {
        super::validate_thresholds(NAME, self.threshold, self.critical, "200ms")?;
        self.allow.only_routes(NAME)
    }
}

/// Finds waits in transactions.
pub(super) struct IdleInTransaction {
    settings: Settings,
}

impl IdleInTransaction {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings }
    }
}

/// A cursor is declared in it: the rows are worked on between its FETCHes.
fn reads_a_cursor(request: &Request, block: &Transaction) -> bool {
    (request.entries.iter())
        .filter(|entry| block.began <= entry.started && entry.started <= block.ended)
        .filter_map(|entry| request.groups.get(usize::from(entry.group)))
        .any(|group| group.statement.facts.verb == Verb::Declare)
}

impl Detector for IdleInTransaction {
    fn name(&self) -> &'static str {
        NAME
    }

    fn inspect(&self, request: &Subject<'_>, findings: &mut Vec<Finding>) {
        let threshold = self.settings.threshold.nanos();
        let (mut count, mut longest, mut idle) = (0, 0, 0);
        for block in &request.transactions {
            if block.longest_idle >= threshold && !reads_a_cursor(request, block) {
                count += 1;
                longest = longest.max(block.longest_idle);
                idle += block.idle;
            }
        }
        if count == 0 {
            return;
        }
        findings.push(Finding {
            cause: Cause {
                detector: NAME,
                route: request.route.clone(),
                parent: None,
                fingerprint: None,
            },
            severity: if longest >= self.settings.critical.nanos() {
                Severity::Critical
            } else {
                Severity::Warning
            },
            evidence: Evidence::Measured,
            kind: "",
            parent: String::new(),
            relation: String::new(),
            fix: "do HTTP calls and other slow work before or after transaction.atomic(), or in a task started with \
                  transaction.on_commit(); with ATOMIC_REQUESTS, @transaction.non_atomic_requests on the view"
                .to_owned(),
            query: Default::default(),
            count,
            wasted_seconds: idle as f64 / 1e9,
        });
    }
}
