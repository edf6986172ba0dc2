//! What is said of a run: which findings and budgets fail it.

use super::advice;
use super::baseline::{Baseline, Entry};
use super::budget::{Budget, Check};
use super::fail_on::{FailOn, is_of_deployment};
use super::seen::{Route, Seen};
use crate::cli::report::Finding;
use serde::Serialize;

/// What a finding means to the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It is among those that fail, and no baseline accepts it.
    Fails,
    /// The baseline accepts it.
    Accepted,
    /// It was made by the tests themselves.
    TestCode,
    /// It is only reported.
    Reported,
}

/// A finding and what it means.
#[derive(Clone, Debug, Serialize)]
pub struct Cause {
    #[serde(flatten)]
    pub finding: Finding,
    pub standing: Standing,
}

/// What the gate says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing was asked to fail.
    Ungated,
    Passed,
    Failed,
    /// There was nothing to judge, so that to pass would be a lie.
    SawNothing,
}

/// What a run is held against.
#[derive(Default)]
pub struct Gate {
    pub fail_on: FailOn,
    pub budget: Budget,
    pub baseline: Option<Baseline>,
}

/// A run, judged.
pub struct Outcome {
    pub seen: Seen,
    pub causes: Vec<Cause>,
    pub checks: Vec<Check>,
    /// Entries of the baseline that did not occur; none without a baseline.
    pub stale: Option<Vec<Entry>>,
    /// What else a reader should know, a paragraph each.
    pub notes: Vec<String>,
    pub verdict: Verdict,
}

impl Gate {
    /// Whether a run can fail at all.
    pub fn is_asked(&self) -> bool {
        !(self.fail_on.is_empty() && self.budget.is_empty())
    }

    /// A baseline that accepts this run. What concerns a deployment comes and goes with the machine: it is left out,
    /// unless its detector is to fail. So is test code, which never fails.
    pub fn accepting(&self, seen: &Seen) -> Baseline {
        let lasting = |finding: &&Finding| {
            let lasts = !is_of_deployment(finding) || self.fail_on.names(&finding.detector);
            lasts && !self.budget.is_test_code(&finding.callsite)
        };
        Baseline::new(seen.findings.iter().filter(lasting))
    }

    /// Judges.
    pub fn judge(&self, seen: Seen) -> Outcome {
        let causes: Vec<Cause> = (seen.findings.iter())
            .map(|finding| Cause {
                standing: self.standing(finding),
                finding: finding.clone(),
            })
            .collect();
        // Where routes are named, the rest is no request: the set-up of a test, a command.
        let named = seen.routes.iter().any(Route::is_named);
        let mut checks: Vec<Check> = (seen.routes.iter())
            .flat_map(|route| {
                let any = route.is_named() || !named;
                self.budget.checks(route, counted(&causes, route), any)
            })
            .collect();
        // Broken ones first.
        checks.sort_by_key(|check| check.kept);
        let forgotten = self.forgotten(&seen);
        let fails = checks.iter().any(|check| !check.kept)
            || causes.iter().any(|cause| cause.standing == Standing::Fails)
            || forgotten;
        let mut notes = advice::notes(&seen);
        let unused = self.budget.unused(&seen.routes);
        notes.extend(unused.iter().map(|pattern| {
            format!(
                "The budget of [routes.{pattern:?}] was not needed: no request had such a route."
            )
        }));
        if forgotten {
            notes.push(
                "There were more causes than `stats.findings` keeps, and some of those that are gone fail: raise \
                 --stats-findings."
                    .into(),
            );
        }
        let verdict = match self.is_asked() {
            false => Verdict::Ungated,
            true if seen.statements == 0 => Verdict::SawNothing,
            true if fails => Verdict::Failed,
            true => Verdict::Passed,
        };
        Outcome {
            stale: (self.baseline.as_ref()).map(|baseline| baseline.stale(&seen.findings)),
            seen,
            causes,
            checks,
            notes,
            verdict,
        }
    }

    fn standing(&self, finding: &Finding) -> Standing {
        let accepts = |baseline: &Baseline| baseline.accepts(finding);
        if self.budget.is_test_code(&finding.callsite) {
            Standing::TestCode
        } else if self.baseline.as_ref().is_some_and(accepts) {
            Standing::Accepted
        } else if self.fail_on.concerns(finding) {
            Standing::Fails
        } else {
            Standing::Reported
        }
    }

    /// Whether a finding that would fail has lost its entry. What it was in particular is no longer known.
    fn forgotten(&self, seen: &Seen) -> bool {
        let severities = ["info", "warning", "critical"];
        seen.forgotten.iter().any(|(detector, counts)| {
            let reached = severities.iter().zip(counts);
            self.fail_on.names(detector)
                || reached
                    .into_iter()
                    .any(|(severity, count)| *count > 0 && self.fail_on.reaches(severity))
        })
    }
}

/// Causes of a route that its budget counts.
fn counted(causes: &[Cause], route: &Route) -> u64 {
    let counts = |cause: &&Cause| {
        let finding = &cause.finding;
        finding.route == route.route
            && finding.severity != "info"
            && !matches!(cause.standing, Standing::Accepted | Standing::TestCode)
    };
    causes.iter().filter(counts).count() as u64
}

impl Outcome {
    /// Findings that stand so.
    pub fn standing(&self, standing: Standing) -> impl Iterator<Item = &Finding> + Clone {
        let causes = self.causes.iter();
        causes
            .filter(move |cause| cause.standing == standing)
            .map(|cause| &cause.finding)
    }

    /// Budgets that are broken.
    pub fn broken(&self) -> impl Iterator<Item = &Check> + Clone {
        self.checks.iter().filter(|check| !check.kept)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn finding(detector: &str, severity: &str) -> Finding {
        Finding {
            detector: detector.into(),
            severity: severity.into(),
            route: "a/".into(),
            ..Finding::default()
        }
    }

    fn seen(findings: Vec<Finding>) -> Seen {
        Seen {
            statements: 9,
            routes: vec![Route {
                route: "a/".into(),
                most_queries: 9,
                ..Route::default()
            }],
            findings,
            ..Seen::default()
        }
    }

    fn gate(words: &str) -> Gate {
        Gate {
            fail_on: FailOn::parse(words.split(',')).unwrap(),
            ..Gate::default()
        }
    }

    #[test]
    fn what_is_named_fails_unless_it_is_accepted() {
        let n_plus_one = finding("n_plus_one", "warning");
        let run = || seen(vec![n_plus_one.clone(), finding("slow_query", "critical")]);
        let outcome = gate("n_plus_one").judge(run());
        assert_eq!(outcome.verdict, Verdict::Failed);
        assert_eq!(outcome.standing(Standing::Fails).count(), 1);
        assert_eq!(outcome.standing(Standing::Reported).count(), 1);
        let accepting = Gate {
            baseline: Some(Baseline::new([&n_plus_one].into_iter())),
            ..gate("n_plus_one")
        };
        let outcome = accepting.judge(run());
        assert_eq!(outcome.verdict, Verdict::Passed);
        assert_eq!(outcome.standing(Standing::Accepted).count(), 1);
        let stale = accepting.judge(seen(Vec::new())).stale.unwrap();
        assert_eq!(stale.len(), 1);
    }

    #[test]
    fn a_run_of_nothing_does_not_pass() {
        assert_eq!(
            gate("all").judge(Seen::default()).verdict,
            Verdict::SawNothing
        );
        assert_eq!(gate("").judge(Seen::default()).verdict, Verdict::Ungated);
    }

    #[test]
    fn a_budget_fails_on_its_own() {
        let gate = Gate {
            budget: Budget::default().with_max_queries(Some(8)),
            ..Gate::default()
        };
        let outcome = gate.judge(seen(Vec::new()));
        assert_eq!(outcome.verdict, Verdict::Failed);
        assert_eq!(outcome.broken().next().unwrap().found, 9.0);
    }

    #[test]
    fn what_runs_outside_requests_has_only_budgets_of_its_own() {
        let gate = Gate {
            budget: Budget::default().with_max_queries(Some(8)),
            ..Gate::default()
        };
        let mut run = seen(Vec::new());
        run.routes[0].route = "~shop_book".into();
        assert_eq!(gate.judge(run.clone()).verdict, Verdict::Failed);
        run.routes.push(Route {
            route: "a/".into(),
            ..Route::default()
        });
        assert_eq!(gate.judge(run).verdict, Verdict::Passed);
    }

    #[test]
    fn test_code_never_fails() {
        let at = |callsite: &str| Finding {
            callsite: callsite.into(),
            ..finding("n_plus_one", "warning")
        };
        let run = |callsite: &str| gate("all").judge(seen(vec![at(callsite)]));
        for callsite in [
            "shop/tests.py:7",
            "shop/tests/views.py:7",
            "tests/a.py:1",
            "shop/test_views.py:7",
            "conftest.py:1",
        ] {
            assert_eq!(run(callsite).verdict, Verdict::Passed, "{callsite}");
        }
        for callsite in [
            "shop/views.py:7",
            "",
            "contests/views.py:7",
            "shop/latest_news.py:1",
        ] {
            assert_eq!(run(callsite).verdict, Verdict::Failed, "{callsite}");
        }
        assert_eq!(
            gate("all")
                .accepting(&seen(vec![at("shop/tests.py:7")]))
                .len(),
            0
        );
    }

    #[test]
    fn a_finding_that_lost_its_entry_fails_too() {
        let run = |detector| Seen {
            forgotten: vec![(detector, [0, 1, 0])],
            ..seen(Vec::new())
        };
        assert_eq!(
            gate("n_plus_one").judge(run("n_plus_one")).verdict,
            Verdict::Failed
        );
        assert_eq!(
            gate("warning").judge(run("slow_query")).verdict,
            Verdict::Failed
        );
        assert_eq!(
            gate("critical").judge(run("slow_query")).verdict,
            Verdict::Passed
        );
    }
}
