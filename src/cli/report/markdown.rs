//! Findings for a merge request.

use super::Finding;
use super::words::{clean, cost, query, summary};
use std::fmt::Write;

/// One section for each finding.
pub fn markdown(findings: &[Finding]) -> String {
    let mut out = String::from("# pgscope findings\n\n");
    if findings.is_empty() {
        return out + "No findings.\n";
    }
    out += &summary(findings.iter());
    out.push('\n');
    for finding in findings {
        section(&mut out, finding, "");
    }
    out
}

/// One finding; `mark` ends its heading.
pub fn section(out: &mut String, finding: &Finding, mark: &str) {
    let _ = write!(
        out,
        "\n## {}: {} in {}{mark}\n\n",
        escape(&finding.severity),
        code(&finding.name()),
        code(&finding.route)
    );
    if !finding.fix.is_empty() {
        let _ = writeln!(out, "- **Fix:** {}", escape(&finding.fix));
    }
    if !finding.callsite.is_empty() {
        let _ = writeln!(out, "- **Code:** {}", code(&finding.callsite));
    }
    let _ = writeln!(out, "- **Cost:** {}", escape(&cost(finding)));
    if let Some(query) = query(finding) {
        let _ = writeln!(out, "- **Query:** {}", code(&query));
    }
}

/// Text that Markdown shows as it is.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in clean(text).chars() {
        if matches!(
            c,
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '#' | '~' | '&'
        ) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// A code span; its fence is longer than any run of backquotes inside (CommonMark, "Code spans").
pub fn code(text: &str) -> String {
    let text = clean(text);
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    if longest > 0 {
        format!("{fence} {text} {fence}")
    } else {
        format!("{fence}{text}{fence}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_cannot_be_broken_out_of() {
        let finding = Finding {
            detector: "n_plus_one".into(),
            route: "a`b".into(),
            fix: "<b>__in\u{1b}[2J".into(),
            ..Finding::default()
        };
        let text = markdown(&[finding]);
        assert!(text.contains("`` a`b ``"), "{text}");
        assert!(text.contains("\\<b\\>\\_\\_in"), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn nothing_found_is_said() {
        assert!(markdown(&[]).contains("No findings."));
    }
}
