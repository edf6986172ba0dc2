//! `--fail-on`: which findings fail.

use crate::cli::report::Finding;
use crate::config::nearest;
use crate::detect::Detectors;
use crate::finding::Severity;

/// Route of what concerns a deployment and no request.
const DEPLOYMENT: &str = "-";

/// Whether it concerns a deployment and no request.
pub fn is_of_deployment(finding: &Finding) -> bool {
    finding.route == DEPLOYMENT
}

/// Detectors by name, and the least severity from which every detector fails.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FailOn {
    detectors: Vec<&'static str>,
    severity: Option<Severity>,
}

impl FailOn {
    /// Reads its words; the error is what is wrong and what to write instead.
    pub fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, (String, String)> {
        let mut fail_on = Self::default();
        for word in words
            .into_iter()
            .map(str::trim)
            .filter(|word| !word.is_empty())
        {
            if let Some(severity) = severity(word) {
                let least = fail_on
                    .severity
                    .map_or(severity, |before| before.min(severity));
                fail_on.severity = Some(least);
            } else if let Some(name) = Detectors::names().find(|name| *name == word) {
                fail_on.detectors.push(name);
            } else {
                return Err(unknown(word));
            }
        }
        Ok(fail_on)
    }

    /// Nothing fails.
    pub fn is_empty(&self) -> bool {
        self.detectors.is_empty() && self.severity.is_none()
    }

    /// Its detector is named.
    pub fn names(&self, detector: &str) -> bool {
        self.detectors.contains(&detector)
    }

    /// Whether this finding fails. What concerns a deployment does only by name: a test run is none.
    pub fn concerns(&self, finding: &Finding) -> bool {
        self.names(&finding.detector)
            || !is_of_deployment(finding) && self.reaches(&finding.severity)
    }

    /// Findings of this severity fail, whatever their detector.
    pub fn reaches(&self, severity: &str) -> bool {
        let found = Severity::ALL
            .into_iter()
            .find(|known| known.as_str() == severity);
        self.severity.is_some_and(|least| found >= Some(least))
    }
}

fn severity(word: &str) -> Option<Severity> {
    let word = word.strip_prefix("severity").map_or(word, str::trim_start);
    let word = word.strip_prefix(">=").map_or(word, str::trim_start);
    if word == "all" {
        return Some(Severity::Info);
    }
    Severity::ALL
        .into_iter()
        .find(|severity| severity.as_str() == word)
}

fn unknown(word: &str) -> (String, String) {
    let severities = ["all", "info", "warning", "critical"];
    let hint = match nearest(word, Detectors::names().chain(severities)) {
        Some(name) => format!("did you mean `{name}`?"),
        None => {
            "write names of detectors, `all`, or the least severity: `warning`, `critical`".into()
        }
    };
    (format!("no detector is called `{word}`"), hint)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn concerns(words: &str, detector: &str, severity: &str, route: &str) -> bool {
        let finding = Finding {
            detector: detector.into(),
            severity: severity.into(),
            route: route.into(),
            ..Finding::default()
        };
        FailOn::parse(words.split(',')).unwrap().concerns(&finding)
    }

    #[test]
    fn names_severities_and_all() {
        assert!(concerns(
            "n_plus_one, slow_query",
            "slow_query",
            "info",
            "a/"
        ));
        assert!(!concerns("n_plus_one", "slow_query", "critical", "a/"));
        assert!(concerns("all", "slow_query", "info", "a/"));
        for word in ["warning", "severity>=warning", "severity >= warning"] {
            assert!(concerns(word, "slow_query", "critical", "a/"), "{word}");
            assert!(concerns(word, "slow_query", "warning", "a/"), "{word}");
            assert!(!concerns(word, "slow_query", "info", "a/"), "{word}");
        }
        assert!(concerns("critical,warning", "slow_query", "warning", "a/"));
        assert!(!concerns("", "slow_query", "critical", "a/"));
    }

    #[test]
    fn a_deployment_fails_by_name_only() {
        assert!(!concerns("all", "hot_query", "critical", "-"));
        assert!(concerns("all,hot_query", "hot_query", "info", "-"));
    }

    #[test]
    fn a_slip_is_told() {
        let (what, hint) = FailOn::parse(["n_plus_on"]).unwrap_err();
        assert_eq!(what, "no detector is called `n_plus_on`");
        assert_eq!(hint, "did you mean `n_plus_one`?");
        assert!(
            FailOn::parse(["colour"])
                .unwrap_err()
                .1
                .starts_with("write names")
        );
    }
}
