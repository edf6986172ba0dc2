//! JUnit XML, as Jenkins and GitLab read it: a finding that fails is a failed test, and so is a broken budget.

use super::said;
use crate::cli::exec::outcome::{Outcome, Standing, Verdict};
use crate::cli::report::Finding;
use crate::cli::report::words::{cost, query};
use std::fmt::Write;

/// What a test came to.
enum Result {
    Passed,
    Skipped(String),
    /// A line, and the rest.
    Failed(String, String),
    Error(String),
}

struct Case {
    class: String,
    name: String,
    result: Result,
}

/// All of it.
pub fn junit(outcome: &Outcome) -> String {
    let suites = [
        ("pgscope", vec![sight(outcome)]),
        (
            "pgscope findings",
            outcome
                .causes
                .iter()
                .map(|cause| of_finding(&cause.finding, cause.standing))
                .collect(),
        ),
        (
            "pgscope budgets",
            (outcome.checks.iter())
                .map(|check| Case {
                    class: format!("pgscope.budget.{}", check.limit),
                    name: check.route.clone(),
                    result: if check.kept {
                        Result::Passed
                    } else {
                        Result::Failed(said(check), String::new())
                    },
                })
                .collect(),
        ),
    ];
    let all = || suites.iter().flat_map(|(_, cases)| cases);
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(
        out,
        "<testsuites name=\"pgscope\" {}>",
        counts(all(), false)
    );
    for (name, cases) in &suites {
        suite(&mut out, name, cases);
    }
    out + "</testsuites>\n"
}

/// The test that there was something to judge.
fn sight(outcome: &Outcome) -> Case {
    let result = match outcome.verdict {
        Verdict::SawNothing => Result::Error(outcome.notes.join("\n")),
        _ => Result::Passed,
    };
    Case {
        class: "pgscope.connection".into(),
        name: "queries were seen".into(),
        result,
    }
}

fn of_finding(finding: &Finding, standing: Standing) -> Case {
    let statement = match finding.fingerprint.as_str() {
        "" => String::new(),
        fingerprint => format!(" [{fingerprint}]"),
    };
    let result = match standing {
        Standing::Accepted => Result::Skipped("accepted by the baseline".into()),
        Standing::TestCode => Result::Skipped("test code".into()),
        Standing::Reported => Result::Skipped(format!("{}: only reported", finding.severity)),
        Standing::Fails => {
            let mut rest = format!("cost: {}\n", cost(finding));
            if !finding.callsite.is_empty() {
                let _ = writeln!(rest, "code: {}", finding.callsite);
            }
            if let Some(query) = query(finding) {
                let _ = writeln!(rest, "query: {query}");
            }
            Result::Failed(finding.fix.clone(), rest)
        }
    };
    Case {
        class: format!("pgscope.{}", finding.name().replace('/', ".")),
        name: format!("{}{statement}", finding.route),
        result,
    }
}

fn counts<'a>(cases: impl Iterator<Item = &'a Case> + Clone, skipped: bool) -> String {
    let of = |is: fn(&Result) -> bool| cases.clone().filter(|case| is(&case.result)).count();
    let mut text = format!(
        "tests=\"{}\" failures=\"{}\" errors=\"{}\"",
        of(|_| true),
        of(|result| matches!(result, Result::Failed(..))),
        of(|result| matches!(result, Result::Error(_)))
    );
    if skipped {
        let _ = write!(
            text,
            " skipped=\"{}\"",
            of(|result| matches!(result, Result::Skipped(_)))
        );
    }
    text + " time=\"0\""
}

fn suite(out: &mut String, name: &str, cases: &[Case]) {
    let _ = writeln!(
        out,
        "  <testsuite name=\"{name}\" {}>",
        counts(cases.iter(), true)
    );
    for case in cases {
        let _ = write!(
            out,
            "    <testcase classname=\"{}\" name=\"{}\" time=\"0\"",
            escape(&case.class),
            escape(&case.name)
        );
        match &case.result {
            Result::Passed => out.push_str("/>\n"),
            Result::Skipped(why) => {
                let _ = write!(
                    out,
                    ">\n      <skipped message=\"{}\"/>\n    </testcase>\n",
                    escape(why)
                );
            }
            Result::Failed(what, rest) => {
                let _ = write!(
                    out,
                    ">\n      <failure message=\"{}\" type=\"finding\">{}</failure>\n    </testcase>\n",
                    escape(what),
                    escape(rest)
                );
            }
            Result::Error(what) => {
                let _ = write!(
                    out,
                    ">\n      <error message=\"{}\" type=\"nothing seen\"/>\n    </testcase>\n",
                    escape(what)
                );
            }
        }
    }
    out.push_str("  </testsuite>\n");
}

/// Text in XML 1.0, which has no way at all to write most control characters.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            '\t' => out.push_str("&#9;"),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_never_breaks_out_of_xml() {
        assert_eq!(
            escape("<a b=\"c\">&\n\u{1b}[2J\u{fffe}"),
            "&lt;a b=&quot;c&quot;&gt;&amp;&#10;\u{fffd}[2J\u{fffd}"
        );
    }
}
