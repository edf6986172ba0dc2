//! `pgscope report`: the findings of a running proxy.

mod fetch;
mod finding;
pub mod markdown;
pub mod text;
pub mod words;

pub use finding::Finding;

use clap::{Arg, ArgMatches, Command, value_parser};
use serde::Deserialize;
use std::path::PathBuf;
use std::process::ExitCode;

/// Finds out what a running proxy found.
pub fn command() -> Command {
    Command::new("report")
        .about("Print the findings of a running pgscope")
        .arg(
            Arg::new("admin")
                .long("admin")
                .value_name("URL")
                .env("PGSCOPE_ADMIN")
                .hide_env_values(true)
                .default_value("http://127.0.0.1:9187")
                .help("Admin address of the running pgscope: http://HOST:PORT or HOST:PORT"),
        )
        .arg(
            Arg::new("format")
                .long("format")
                .value_name("FORMAT")
                .value_parser(["text", "markdown", "json"])
                .default_value("text")
                .help("How to print"),
        )
        .arg(
            Arg::new("token-file")
                .long("token-file")
                .value_name("FILE")
                .env("PGSCOPE_ADMIN_TOKEN_FILE")
                .hide_env_values(true)
                .value_parser(value_parser!(PathBuf))
                .help("File that holds the bearer token, where the proxy asks for one"),
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
        Err(failure) => super::fail(
            failure.code,
            &format!("error: {}\n  hint: {}", failure.what, failure.hint),
        ),
    }
}

/// Why there is no report.
#[derive(Debug)]
struct Failure {
    code: u8,
    what: String,
    hint: String,
}

fn report(matches: &ArgMatches) -> Result<String, Failure> {
    let admin = matches
        .get_one::<String>("admin")
        .map_or("", String::as_str);
    let token = matches
        .get_one::<PathBuf>("token-file")
        .filter(|path| !path.as_os_str().is_empty());
    let body = fetch::findings(admin, token.map(PathBuf::as_path))?;
    let unreadable = |error: serde_json::Error| Failure {
        code: super::FAILED,
        what: format!("{admin} answered something else than a list of findings: {error}"),
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
