//! `pgscope report`: the findings of a running proxy.

mod finding;
pub mod markdown;
pub mod text;
pub mod words;

pub use finding::Finding;

use super::fetch::{self, Client, Failure};
use clap::{Arg, ArgMatches, Command};
use serde::Deserialize;
use std::process::ExitCode;
use std::time::Duration;

/// Findings to ask for: more than a table may hold.
const MOST: u32 = 100_000;

/// How long to wait for the whole answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Finds out what a running proxy found.
pub fn command() -> Command {
    Command::new("report")
        .about("Print the findings of a running pgscope")
        .args(fetch::arguments())
        .arg(
            Arg::new("format")
                .long("format")
                .value_name("FORMAT")
                .value_parser(["text", "markdown", "json"])
                .default_value("text")
                .help("How to print"),
        )
}

/// The answer of `/api/v1/findings`.
#[derive(Debug, Deserialize)]
struct Findings {
    findings: Vec<Finding>,
}

/// Fetches and prints.
pub fn run(matches: &ArgMatches) -> ExitCode {
    match report(matches) {
        Ok(text) => super::print(&text),
        Err(failure) => super::fail(failure.code, &failure),
    }
}

fn report(matches: &ArgMatches) -> Result<String, Failure> {
    let client = Client::new(matches, PATIENCE)?;
    let body = client.get(&format!("/api/v1/findings?limit={MOST}"))?;
    let unreadable = |error: serde_json::Error| Failure {
        code: super::FAILED,
        what: format!(
            "{} answered something else than a list of findings: {error}",
            client.base()
        ),
        hint: "is this the admin address of a pgscope?".into(),
    };
    if matches
        .get_one::<String>("format")
        .is_some_and(|format| format == "json")
    {
        let value: serde_json::Value = serde_json::from_str(&body).map_err(unreadable)?;
        let pretty = serde_json::to_string_pretty(&value).map_err(unreadable)?;
        return Ok(pretty + "\n");
    }
    let Findings { mut findings } = serde_json::from_str(&body).map_err(unreadable)?;
    findings.sort_by(Finding::order);
    let markdown = matches
        .get_one::<String>("format")
        .is_some_and(|format| format == "markdown");
    Ok(if markdown {
        markdown::markdown(&findings)
    } else {
        text::text(&findings)
    })
}
