//! `pgscope exec`: a gate for CI. Runs a command behind a proxy of its own and judges what its queries show.

mod advice;
mod arguments;
mod baseline;
mod budget;
mod child;
mod fail_on;
mod outcome;
mod progress;
mod report;
mod seen;
mod server;
mod url;

pub use arguments::command;

use super::{FAILED, REFUSED, fail, flags, log, say};
use crate::app::{self, Sidecar};
use crate::config::{self, Input, Inputs, LogLevel, Problem, Problems, Schema, Settings, Source};
use crate::units::Period;
use arguments::{Report, Task};
use child::NotRun;
use clap::ArgMatches;
use outcome::{Outcome, Verdict};
use seen::Seen;
use server::Environment;
use std::path::Path;
use std::process::ExitCode;

/// A finding or a budget says fail.
const BROKEN: u8 = 3;

/// Any free port of the loopback.
const ANY: &str = "127.0.0.1:0";

/// For connections that the command leaves behind: what they still carry is no longer its business.
const GRACE: Period = Period::secs(1);

/// Runs the command, reports, and says with which status to end.
pub fn run(schema: &Schema, matches: &ArgMatches) -> ExitCode {
    let environment = Environment::read();
    let prepared = arguments::task(matches).and_then(|task| {
        let (settings, upstream) = settings(schema, matches, &environment)?;
        Ok((task, settings, upstream))
    });
    let (mut task, settings, upstream) = match prepared {
        Ok(prepared) => prepared,
        Err(problems) => return fail(REFUSED, &problems),
    };
    log::start(&settings.log);
    for warning in flags::strays(schema) {
        tracing::warn!("{warning}");
    }
    let mut sidecar = match Sidecar::start(&settings, upstream) {
        Ok(sidecar) => sidecar,
        Err(failure) => return fail(FAILED, &failure),
    };
    let variables = environment.pointed_at(sidecar.address());
    let ran = app::block_on(child::run(&task.command, &variables, &mut sidecar));
    let status = match ran.map_err(NotRun::from).and_then(|ran| ran) {
        Ok(status) => status,
        Err(NotRun::Failed(failure)) => return fail(FAILED, &failure),
        Err(NotRun::NotStarted(code, error)) => {
            let name = task.command.first().map(|name| name.to_string_lossy());
            let name = name.unwrap_or_default();
            return fail(
                code,
                &format!(
                    "error: cannot run `{name}`: {error}\n  hint: write a program of PATH after `--`"
                ),
            );
        }
    };
    let seen = Seen::new(&*sidecar.source());
    if task.update.is_some() {
        task.gate.baseline = Some(task.gate.accepting(&seen));
    }
    let outcome = task.gate.judge(seen);
    conclude(&task, &outcome, status)
}

/// The settings of the proxy and the server, from flags, environment and file.
fn settings(
    schema: &Schema,
    matches: &ArgMatches,
    environment: &Environment,
) -> Result<(Settings, config::UpstreamList), Problems> {
    let chosen = |path: &str, text: &str| Input {
        path: path.into(),
        text: text.into(),
        source: Source::Default,
    };
    let mut texts: Vec<Input> = flags::inputs(schema, matches);
    // A file of `serve` serves here too; what is of no use here must not be in the way.
    texts.extend([
        chosen("listen", ANY),
        chosen("admin.listen", ANY),
        chosen("explain.enabled", "false"),
    ]);
    let inputs = Inputs {
        file: matches.get_one("config").cloned(),
        file_variable: flags::config_variable(matches),
        texts,
    };
    let mut settings = config::load(&inputs)?;
    settings.shutdown.grace = settings.shutdown.grace.min(GRACE);
    if settings.log.level == LogLevel::Info {
        // The default, and of no use to who reads a test run.
        settings.log.level = LogLevel::Warn;
    }
    let upstream = match &settings.upstream {
        Some(upstream) => upstream.clone(),
        None => environment.upstream()?,
    };
    Ok((settings, upstream))
}

/// Writes what was asked for. The command's own failure wins over all that is found out afterwards.
fn conclude(task: &Task, outcome: &Outcome, status: u8) -> ExitCode {
    let mut written = Ok(());
    for report in &task.reports {
        written = written.and(write(report, outcome));
    }
    if let Some(file) = &task.update {
        written = written.and(update(file, task, status));
    }
    say(&report::verdict(outcome));
    let code = match (&written, outcome.verdict) {
        _ if status != 0 => status,
        (Err(_), _) => FAILED,
        (_, Verdict::SawNothing) => REFUSED,
        (_, Verdict::Failed) => BROKEN,
        (_, Verdict::Passed | Verdict::Ungated) => 0,
    };
    match written {
        Ok(()) => ExitCode::from(code),
        Err(problem) => fail(code, &problem),
    }
}

fn write(report: &Report, outcome: &Outcome) -> Result<(), Problem> {
    let failed = |file: &Path, error: &dyn std::fmt::Display| Problem {
        source: Source::File(file.into()),
        what: format!("cannot write the report: {error}"),
        hint: "look at the space and the permissions of its directory".into(),
    };
    let file = report.file.as_deref();
    let shown = file.unwrap_or(Path::new("standard error"));
    let text = report::write(report.format, outcome).map_err(|error| failed(shown, &error))?;
    match file {
        Some(file) => std::fs::write(file, text).map_err(|error| failed(file, &error)),
        None => {
            say(&text.trim_end());
            Ok(())
        }
    }
}

/// Writes the baseline, but not from a run that may have ended early.
fn update(file: &Path, task: &Task, status: u8) -> Result<(), Problem> {
    let problem = |what: String, hint: &str| Problem {
        source: Source::File(file.into()),
        what,
        hint: hint.into(),
    };
    if status != 0 {
        return Err(problem(
            "the baseline was not written: CMD failed, and may not have run to its end".into(),
            "mend CMD first",
        ));
    }
    let failed = |error: &dyn std::fmt::Display| {
        problem(
            format!("cannot write the baseline: {error}"),
            "look at the space and the permissions of its directory",
        )
    };
    let Some(baseline) = &task.gate.baseline else {
        return Ok(());
    };
    let text = baseline.text().map_err(|error| failed(&error))?;
    std::fs::write(file, text).map_err(|error| failed(&error))?;
    say(&format!(
        "pgscope: {} causes accepted in {}",
        baseline.len(),
        file.display()
    ));
    Ok(())
}
