//! What reports say of findings, in whichever format.

use super::Finding;
use std::fmt::Write;

/// Characters of a query that are shown.
const QUERY: usize = 160;

/// How many, by severity.
pub fn summary<'a>(findings: impl Iterator<Item = &'a Finding> + Clone) -> String {
    let of = |rank| {
        (findings.clone())
            .filter(|finding| finding.rank() == rank)
            .count()
    };
    let parts: Vec<String> = [(of(0), "critical"), (of(1), "warning"), (of(2), "info")]
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, name)| format!("{number} {name}"))
        .collect();
    let findings = number(findings.count() as u64, "finding", "findings");
    format!("{findings}: {}", parts.join(", "))
}

/// How many queries in how many requests, what it wasted and how sure it is.
pub fn cost(finding: &Finding) -> String {
    let mut text = format!(
        "{} in {}",
        number(finding.count, "query", "queries"),
        number(finding.requests, "request", "requests")
    );
    if finding.requests > 1 {
        let each = finding.count as f64 / finding.requests as f64;
        let _ = write!(text, ", {each:.1} each");
    }
    if finding.wasted_seconds > 0.0 {
        let _ = write!(text, ", {} wasted", seconds(finding.wasted_seconds));
    }
    if !finding.evidence.is_empty() {
        let _ = write!(text, " ({})", clean(&finding.evidence));
    }
    text
}

/// `1 query`, `2 queries`.
pub fn number(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// In seconds or milliseconds.
pub fn seconds(seconds: f64) -> String {
    if seconds < 1.0 {
        format!("{:.1} ms", seconds * 1000.0)
    } else {
        format!("{seconds:.1} s")
    }
}

/// The statement of a finding on one line.
pub fn query(finding: &Finding) -> Option<String> {
    let query = finding.query.as_deref()?;
    Some(statement(query, QUERY)).filter(|line| !line.is_empty())
}

/// A statement on one line of at most so many characters. The list of columns is what Django makes long and what says
/// least, so it goes first.
pub fn statement(query: &str, most: usize) -> String {
    let line = clean(&query.split_whitespace().collect::<Vec<_>>().join(" "));
    if line.chars().count() <= most {
        return line;
    }
    let line = match (line.strip_prefix("SELECT "), line.find(" FROM ")) {
        (Some(_), Some(from)) => format!("SELECT …{}", &line[from..]),
        _ => line,
    };
    match line.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// Routes and queries come from the wire; what could drive a terminal does not go to one.
pub fn clean(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() || is_bidi(c) {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

fn is_bidi(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_long_select_loses_its_columns_first() {
        let with = |text: String| Finding {
            query: Some(text),
            ..Finding::default()
        };
        let columns = vec!["\"a\".\"column\""; 40].join(", ");
        let long = with(format!("SELECT {columns} FROM \"a\" WHERE x = ?"));
        assert_eq!(query(&long).unwrap(), "SELECT … FROM \"a\" WHERE x = ?");
        let longer = with("é".repeat(500));
        assert_eq!(query(&longer).unwrap().chars().count(), QUERY + 1);
    }
}
