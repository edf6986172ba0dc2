//! For people.

use super::said;
use crate::cli::exec::outcome::{Outcome, Standing, Verdict};
use crate::cli::report::text::block;
use crate::cli::report::words::{clean, number, summary};
use std::fmt::Write;

/// All of it.
pub fn text(outcome: &Outcome) -> String {
    let seen = &outcome.seen;
    let mut out = format!(
        "pgscope: {}, {}, {}\n",
        number(seen.connections, "connection", "connections"),
        number(seen.requests, "request", "requests"),
        number(seen.queries, "query", "queries")
    );
    for note in &outcome.notes {
        let _ = write!(
            out,
            "\n{}\n",
            note.split('\n').map(clean).collect::<Vec<_>>().join("\n")
        );
    }
    for check in outcome.broken() {
        let _ = write!(
            out,
            "\nBUDGET {}\n  {}\n",
            clean(&check.route),
            clean(&said(check))
        );
    }
    let findings = outcome.causes.iter().map(|cause| &cause.finding);
    if outcome.causes.is_empty() {
        out += "\nNo findings.\n";
    } else {
        let _ = write!(out, "\n{}\n", summary(findings));
    }
    for cause in &outcome.causes {
        block(&mut out, &cause.finding, mark(cause.standing));
    }
    if let Some(stale) = outcome.stale.as_ref().filter(|stale| !stale.is_empty()) {
        let entries = number(stale.len() as u64, "entry", "entries");
        let _ = write!(out, "\n{entries} of the baseline did not occur:\n");
        for entry in stale {
            let statement = if entry.fingerprint.is_empty() {
                ""
            } else {
                "  "
            };
            let _ = writeln!(
                out,
                "  {}  {}{statement}{}",
                clean(&entry.detector),
                clean(&entry.route),
                clean(&entry.fingerprint)
            );
        }
    }
    out
}

fn mark(standing: Standing) -> &'static str {
    match standing {
        Standing::Fails => "  [fails]",
        Standing::Accepted => "  [accepted]",
        Standing::TestCode => "  [test code]",
        Standing::Reported => "",
    }
}

/// The last line.
pub fn verdict(outcome: &Outcome) -> String {
    let fails = outcome.standing(Standing::Fails).count() as u64;
    let broken = outcome.broken().count() as u64;
    match outcome.verdict {
        Verdict::Ungated => {
            let findings = number(outcome.causes.len() as u64, "finding", "findings");
            format!(
                "pgscope: {findings}; nothing was asked to fail (--fail-on, --max-queries, --budget)"
            )
        }
        Verdict::Passed => {
            let accepted = outcome.standing(Standing::Accepted).count();
            let others = outcome.standing(Standing::Reported).count();
            format!("pgscope: passed; {others} reported, {accepted} accepted")
        }
        Verdict::Failed => format!(
            "pgscope: failed; {} and {} say so",
            number(fails, "finding", "findings"),
            number(broken, "budget", "budgets")
        ),
        Verdict::SawNothing => "pgscope: failed; there was nothing to judge".into(),
    }
}
