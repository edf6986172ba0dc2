//! For a merge request or the summary of a job.

use super::{said, text};
use crate::cli::exec::outcome::{Outcome, Standing};
use crate::cli::report::markdown::{code, escape, section};
use crate::cli::report::words::{number, summary};
use std::fmt::Write;

/// All of it.
pub fn markdown(outcome: &Outcome) -> String {
    let seen = &outcome.seen;
    let mut out = format!(
        "# pgscope findings\n\n**{}**\n\n{}, {}, {}\n",
        escape(text::verdict(outcome).trim_start_matches("pgscope: ")),
        number(seen.connections, "connection", "connections"),
        number(seen.requests, "request", "requests"),
        number(seen.queries, "query", "queries")
    );
    for note in &outcome.notes {
        let (prose, lines) = note.split_once('\n').unwrap_or((note, ""));
        let _ = write!(out, "\n> {}\n", escape(prose));
        for line in lines.lines() {
            let _ = write!(out, ">\n> {}\n", code(line.trim()));
        }
    }
    if outcome.broken().next().is_some() {
        out += "\n## Budgets\n\n| route | |\n|---|---|\n";
    }
    for check in outcome.broken() {
        let _ = writeln!(out, "| {} | {} |", cell(&check.route), escape(&said(check)));
    }
    if outcome.causes.is_empty() {
        out += "\nNo findings.\n";
    } else {
        let findings = outcome.causes.iter().map(|cause| &cause.finding);
        let _ = write!(out, "\n{}\n", summary(findings));
    }
    for cause in &outcome.causes {
        section(&mut out, &cause.finding, mark(cause.standing));
    }
    let stale = outcome.stale.iter().flatten();
    if stale.clone().next().is_some() {
        out += "\n## No longer in need of the baseline\n\n";
    }
    for entry in stale {
        let _ = writeln!(
            out,
            "- {} in {} {}",
            code(&entry.detector),
            code(&entry.route),
            entry.fingerprint
        );
    }
    out
}

/// A code span in a table, where a bar would end the cell.
fn cell(text: &str) -> String {
    code(text).replace('|', "\\|")
}

fn mark(standing: Standing) -> &'static str {
    match standing {
        Standing::Fails => " (fails)",
        Standing::Accepted => " (accepted)",
        Standing::TestCode => " (test code)",
        Standing::Reported => "",
    }
}
