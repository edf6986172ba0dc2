//! A run on paper: for people, for merge requests, for CI systems.

mod json;
mod junit;
mod markdown;
mod sarif;
mod text;

pub use text::verdict;

use super::budget::Check;
use super::outcome::Outcome;
use crate::cli::report::words::number;
use std::path::Path;

/// How a report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Text,
    Markdown,
    Json,
    Junit,
    Sarif,
}

impl Format {
    /// All, with their name and the extension that means them.
    pub const ALL: [(Self, &'static str, &'static str); 5] = [
        (Self::Text, "text", "txt"),
        (Self::Markdown, "markdown", "md"),
        (Self::Json, "json", "json"),
        (Self::Junit, "junit", "xml"),
        (Self::Sarif, "sarif", "sarif"),
    ];

    /// That of a file, by its extension.
    pub fn of(file: &Path) -> Option<Self> {
        let extension = file.extension()?.to_str()?.to_ascii_lowercase();
        let known = Self::ALL.iter().find(|(_, _, known)| *known == extension);
        known.map(|(format, ..)| *format)
    }

    /// That of this name.
    pub fn named(name: &str) -> Option<Self> {
        let known = Self::ALL.iter().find(|(_, known, _)| *known == name);
        known.map(|(format, ..)| *format)
    }
}

/// Writes it.
pub fn write(format: Format, outcome: &Outcome) -> serde_json::Result<String> {
    match format {
        Format::Text => Ok(text::text(outcome)),
        Format::Markdown => Ok(markdown::markdown(outcome)),
        Format::Json => json::json(outcome),
        Format::Junit => Ok(junit::junit(outcome)),
        Format::Sarif => sarif::sarif(outcome),
    }
}

/// `37 queries in a request, at most 12 by [default]`.
fn said(check: &Check) -> String {
    let whole = |number: f64| number as u64;
    let found = match check.limit {
        "max_queries" => format!(
            "{} in a request",
            number(whole(check.found), "query", "queries")
        ),
        "max_findings" => number(whole(check.found), "finding", "findings"),
        _ => format!("{:.3} s in the database in a request", check.found),
    };
    format!(
        "{found}, at most {} by {} of {}",
        check.allowed, check.limit, check.section
    )
}
