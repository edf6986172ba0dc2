//! What is accepted: causes that were there when the baseline was written.

use crate::cli::report::Finding;
use crate::config::{Problem, document};
use serde::{Deserialize, Serialize};
use std::path::Path;

const HEAD: &str = "\
# Findings that `pgscope exec --baseline` accepts: one entry, one cause. `--update-baseline` writes this file anew; delete
# what is mended. A cause is its detector, route, statement (fingerprint) and parent statement; the rest is for readers.
";

/// One cause.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    pub detector: String,
    pub route: String,
    /// The accused statement, or empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub fingerprint: String,
    /// The statement whose rows it loops over, or empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub parent_fingerprint: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kind: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub query: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub fix: String,
}

impl From<&Finding> for Entry {
    fn from(finding: &Finding) -> Self {
        Self {
            detector: finding.detector.clone(),
            route: finding.route.clone(),
            fingerprint: finding.fingerprint.clone(),
            parent_fingerprint: finding.parent_fingerprint.clone(),
            kind: finding.kind.clone(),
            query: finding.query.clone().unwrap_or_default(),
            fix: finding.fix.clone(),
        }
    }
}

impl Entry {
    /// What makes it this cause. Without comments the route is made of whatever ran first, and so says nothing where a
    /// statement is accused.
    fn key(&self) -> (&str, &str, &str, &str) {
        let guessed = self.route.starts_with('~') && !self.fingerprint.is_empty();
        let route = if guessed { "~" } else { &self.route };
        (
            &self.detector,
            route,
            &self.fingerprint,
            &self.parent_fingerprint,
        )
    }

    /// The same as one text.
    pub fn identity(&self) -> String {
        <[&str; 4]>::from(self.key()).join("|")
    }
}

/// The file as it is written.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    #[serde(default)]
    cause: Vec<Entry>,
}

impl Baseline {
    /// Reads a file.
    pub fn read(file: &Path) -> Result<Self, Problem> {
        let text = document::read(
            file,
            "write it with --update-baseline, and look at what it accepts",
        )?;
        document::parse(file, &text)
    }

    /// The causes of these findings, in an order that stays.
    pub fn new<'a>(findings: impl Iterator<Item = &'a Finding>) -> Self {
        let mut cause: Vec<Entry> = findings.map(Entry::from).collect();
        cause.sort_by(|a, b| {
            let of = |entry: &Entry| {
                (
                    entry.route.clone(),
                    entry.detector.clone(),
                    entry.query.clone(),
                )
            };
            (of(a).cmp(&of(b))).then_with(|| a.key().cmp(&b.key()))
        });
        cause.dedup_by(|a, b| a.key() == b.key());
        Self { cause }
    }

    /// The text of the file.
    pub fn text(&self) -> Result<String, toml::ser::Error> {
        Ok(format!("{HEAD}\n{}", toml::to_string(self)?))
    }

    /// Entries.
    pub fn len(&self) -> usize {
        self.cause.len()
    }

    /// Whether this cause is in it.
    pub fn accepts(&self, finding: &Finding) -> bool {
        let wanted = Entry::from(finding);
        self.cause.iter().any(|entry| entry.key() == wanted.key())
    }

    /// Entries whose cause did not occur.
    pub fn stale(&self, findings: &[Finding]) -> Vec<Entry> {
        let found: Vec<Entry> = findings.iter().map(Entry::from).collect();
        let occurs = |entry: &&Entry| !found.iter().any(|found| found.key() == entry.key());
        self.cause.iter().filter(occurs).cloned().collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn finding(route: &str, fingerprint: &str) -> Finding {
        Finding {
            detector: "n_plus_one".into(),
            route: route.into(),
            fingerprint: fingerprint.into(),
            parent_fingerprint: "aa".into(),
            query: Some("SELECT \"a\" FROM \"t\" WHERE \"id\" = ?".into()),
            ..Finding::default()
        }
    }

    #[test]
    fn it_survives_a_round_trip_whatever_the_order() {
        let (a, b) = (finding("a/", "01"), finding("b/", "02"));
        let text = Baseline::new([&a, &b].into_iter()).text().unwrap();
        assert_eq!(
            text,
            Baseline::new([&b, &a, &a].into_iter()).text().unwrap()
        );
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("b.toml");
        std::fs::write(&file, &text).unwrap();
        let read = Baseline::read(&file).unwrap();
        assert!(read.accepts(&a) && read.accepts(&b));
        assert_eq!(read.text().unwrap(), text);
        assert!(!read.accepts(&finding("a/", "02")) && !read.accepts(&finding("c/", "01")));
        let stale = read.stale(std::slice::from_ref(&a));
        assert_eq!(
            stale
                .iter()
                .map(|entry| entry.route.as_str())
                .collect::<Vec<_>>(),
            ["b/"]
        );
    }

    #[test]
    fn a_route_that_was_made_of_tables_is_no_part_of_the_cause() {
        let baseline = Baseline::new([&finding("~a,b", "01")].into_iter());
        assert!(baseline.accepts(&finding("~b,c", "01")));
        assert!(!baseline.accepts(&finding("b/", "01")));
        // Nothing but the route tells such causes apart.
        let baseline = Baseline::new([&finding("~a,b", "")].into_iter());
        assert!(!baseline.accepts(&finding("~b,c", "")));
    }
}
