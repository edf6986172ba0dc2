//! Findings for people.

use super::Finding;
use super::words::{clean, cost, query, summary};
use std::fmt::Write;

/// One block for each finding.
pub fn text(findings: &[Finding]) -> String {
    if findings.is_empty() {
        return "No findings.\n".into();
    }
    let mut out = summary(findings.iter()) + "\n";
    for finding in findings {
        block(&mut out, finding, "");
    }
    out
}

/// One finding; `mark` ends its first line.
pub fn block(out: &mut String, finding: &Finding, mark: &str) {
    let _ = write!(
        out,
        "\n{} {}  {}{mark}\n",
        clean(&finding.severity).to_uppercase(),
        clean(&finding.name()),
        clean(&finding.route)
    );
    if let Some(query) = query(finding) {
        let _ = writeln!(out, "  query  {query}");
    }
    if !finding.callsite.is_empty() {
        let _ = writeln!(out, "  code   {}", clean(&finding.callsite));
    }
    let _ = writeln!(out, "  cost   {}", cost(finding));
    if !finding.fix.is_empty() {
        let _ = writeln!(out, "  fix    {}", clean(&finding.fix));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding() -> Finding {
        Finding {
            detector: "n_plus_one".into(),
            kind: "forward_fk".into(),
            severity: "warning".into(),
            evidence: "proven".into(),
            route: "books/<int:pk>/".into(),
            query: Some("SELECT \"a\".\"id\"\n FROM \"a\" WHERE \"a\".\"id\" = ?".into()),
            callsite: "shop/views.py:7".into(),
            fix: "select_related(\"author\")".into(),
            count: 20,
            requests: 1,
            wasted_seconds: 0.0123,
            ..Finding::default()
        }
    }

    #[test]
    fn a_finding_reads_as_a_person_wants_it() {
        assert_eq!(
            text(&[finding()]),
            "1 finding: 1 warning\n\nWARNING n_plus_one/forward_fk  books/<int:pk>/\n  \
             query  SELECT \"a\".\"id\" FROM \"a\" WHERE \"a\".\"id\" = ?\n  \
             code   shop/views.py:7\n  \
             cost   20 queries in 1 request, 12.3 ms wasted (proven)\n  \
             fix    select_related(\"author\")\n"
        );
    }

    #[test]
    fn a_terminal_is_never_driven() {
        let evil = Finding {
            route: "\u{1b}[2Jx\u{202e}".into(),
            ..finding()
        };
        assert!(!text(&[evil]).contains(['\u{1b}', '\u{202e}']));
    }

    #[test]
    fn nothing_found_is_said() {
        assert_eq!(text(&[]), "No findings.\n");
    }
}
