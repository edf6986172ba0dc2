//! Allow-lists: what a user has looked at and accepted.

use super::{Cause, Finding};
use crate::request::Request;
use crate::sql::{Facts, Fingerprint};

/// Findings that a detector is to keep to itself. All lists are empty by default.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Allow {
    /// Tables: a statement that reads or writes one of them is never accused. `waffle_*` allows a prefix.
    pub tables: Vec<String>,
    /// Routes, as the findings show them. `admin/*` allows a prefix.
    pub routes: Vec<String>,
    /// Fingerprints of accused statements, 16 hex digits.
    pub fingerprints: Vec<String>,
}

impl Allow {
    /// Refuses entries that could never match; `section` is the detector's name.
    pub(super) fn validate(&self, section: &str) -> Result<(), String> {
        for (list, entries) in [("tables", &self.tables), ("routes", &self.routes)] {
            for entry in entries {
                if entry.is_empty() || entry == "*" {
                    return Err(format!(
                        "detectors.{section}.allow.{list}: {entry:?} names nothing; write a name, or \
                         detectors.{section}.enabled = false to allow everything"
                    ));
                }
            }
        }
        for entry in &self.fingerprints {
            if parse(entry).is_none() {
                return Err(format!(
                    "detectors.{section}.allow.fingerprints: {entry:?} is no fingerprint; write the 16 hex \
                     digits that the finding shows"
                ));
            }
        }
        Ok(())
    }

    /// Refuses what names statements, for a detector that accuses none.
    pub(super) fn only_routes(&self, section: &str) -> Result<(), String> {
        if self.tables.is_empty() && self.fingerprints.is_empty() {
            return Ok(());
        }
        Err(format!(
            "detectors.{section}.allow: it accuses no statements; write routes"
        ))
    }

    /// Whether the user accepted this finding.
    pub(super) fn allows(&self, request: &Request, finding: &Finding) -> bool {
        let Some(fingerprint) = finding.cause.fingerprint else {
            return self.allows_cause(&finding.cause);
        };
        self.allows_cause(&finding.cause)
            || (!self.tables.is_empty()
                && (request.group(fingerprint))
                    .is_some_and(|group| self.allows_tables(&group.statement.facts)))
    }
}

impl Allow {
    /// Whether the user accepted findings of this table.
    pub(super) fn allows_table(&self, table: &str) -> bool {
        self.tables.iter().any(|entry| matches(entry, table))
    }

    /// Whether the user accepted findings about a table of this statement.
    pub(super) fn allows_tables(&self, facts: &Facts) -> bool {
        super::tables(facts).any(|table| self.tables.iter().any(|entry| matches(entry, table)))
    }

    /// Refuses all entries, for a detector that accuses neither a request nor a statement.
    pub(super) fn refuse_all(&self, section: &str) -> Result<(), String> {
        if *self == Self::default() {
            return Ok(());
        }
        Err(format!(
            "detectors.{section}.allow: it accuses neither requests nor statements; write \
             detectors.{section}.enabled = false to allow everything"
        ))
    }

    /// Whether the user accepted findings of this route or statement.
    pub(super) fn allows_cause(&self, cause: &Cause) -> bool {
        let listed =
            |entry: &String| cause.fingerprint.is_some() && parse(entry) == cause.fingerprint;
        self.routes.iter().any(|r| matches(r, &cause.route)) || self.fingerprints.iter().any(listed)
    }
}

fn parse(text: &str) -> Option<Fingerprint> {
    let hex = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let value = u64::from_str_radix(text, 16).ok();
    value.filter(|_| hex).map(Fingerprint)
}

/// `pattern` is a name, or a prefix that ends in `*`.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => pattern == name,
    }
}
