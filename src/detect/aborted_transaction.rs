//! # What it finds
//!
//! Queries in a transaction block that a failed query had already aborted: the server refuses them all with SQLSTATE 25P02,
//! "current transaction is aborted". The query that failed first is accused.
//!
//! # Why it hurts
//!
//! Nothing that the block does after the failure has an effect, and at its end all of it is rolled back.
//!
//! # Example
//!
//! ```python
//! with transaction.atomic():
//!     try:
//!         Coupon.objects.create(code=code)                  # a duplicate aborts the block
//!     except IntegrityError:
//!         pass
//!     order.save()                                          # refused
//!
//!     try:
//!         with transaction.atomic():                        # a savepoint: only this part is undone
//!             Coupon.objects.create(code=code)
//!     except IntegrityError:
//!         pass
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
//! The error is always real. Django refuses most of such queries itself (`TransactionManagementError`), which is not on the
//! wire: what is seen comes from raw cursors, from code that catches database errors outside of Django, and from other clients.

use super::{Allow, Cause, Detector, Evidence, Finding, Severity, Subject};
use crate::request::Entry;

/// Name of the detector.
pub(super) const NAME: &str = "aborted_transaction";

/// in_failed_sql_transaction.
const REFUSED: [u8; 5] = *b"25P02";

/// Settings of `[detectors.aborted_transaction]`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether it looks at all.
    pub enabled: bool,
    /// Severity of its findings.
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
    pub(super) fn validate(&self) -> Result<(), String> {
        Ok(())
    }
}

/// Finds queries in aborted transactions.
pub(super) struct AbortedTransaction;

impl AbortedTransaction {
    pub(super) fn new(_: Settings) -> Self {
        Self
    }
}

fn is_refused(entry: &Entry) -> bool {
    entry.error.is_some_and(|code| code.0 == REFUSED)
}

impl Detector for AbortedTransaction {
    fn name(&self) -> &'static str {
        NAME
    }

    fn inspect(&self, request: &Subject<'_>, findings: &mut Vec<Finding>) {
        if (request.groups.iter()).all(|group| group.errors == 0) {
            return;
        }
        let Some(first) = request.entries.iter().position(is_refused) else {
            return;
        };
        let refused = || request.entries.iter().filter(|entry| is_refused(entry));
        let before = request.entries[..first].iter().rev();
        // What failed may have been no data query, such as a SAVEPOINT: then nothing is accused.
        let failed = (before.clone().next())
            .filter(|entry| entry.failed && entry.in_transaction)
            .and_then(|entry| request.groups.get(usize::from(entry.group)));
        let nanos: u64 = refused().map(|entry| entry.nanos).sum();
        findings.push(Finding {
            cause: Cause {
                detector: NAME,
                route: request.route.clone(),
                parent: None,
                fingerprint: failed.map(|group| group.statement.fingerprint),
            },
            severity: Severity::Warning,
            evidence: Evidence::Measured,
            kind: "",
            parent: String::new(),
            relation: String::new(),
            fix: "transaction.atomic() of its own, inside try and except, around the query that may fail: only that \
                  part is undone"
                .to_owned(),
            query: failed.map_or_else(Default::default, |group| group.statement.text.clone()),
            count: u32::try_from(refused().count()).unwrap_or(u32::MAX),
            wasted_seconds: nanos as f64 / 1e9,
        });
    }
}
