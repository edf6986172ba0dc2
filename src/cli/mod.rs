//! The command line: commands, exit codes, and what each prints.

mod exec;
mod fetch;
mod flags;
mod log;
mod packaging;
mod report;
mod top;

use crate::app;
use crate::config::{
    self, Inputs, Problem, Problems, Schema, Settings, Source, UPSTREAM_MISSING, UpstreamList,
};
use clap::{Arg, ArgMatches, Command, ValueHint, value_parser};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Failed while running.
const FAILED: u8 = 1;
/// Wrong usage or configuration; also what clap exits with.
const REFUSED: u8 = 2;

const EXAMPLES: &str = "\
Examples:
  pgscope serve --upstream db:5432
      Forward 127.0.0.1:6432 to db:5432. In Django's DATABASES set HOST to 127.0.0.1 and PORT to 6432.
      Metrics, API and page are on http://127.0.0.1:9187.
  pgscope serve --config pgscope.toml
      The same with a file. Flags and PGSCOPE_* variables win over it.
  pgscope check pgscope.toml
      Say what is wrong with a file, or print what it comes to.
  pgscope report --format markdown
      Print the findings of a running pgscope.
  pgscope top
      Watch a running pgscope: findings, requests, statements and sessions.
  pgscope exec --upstream db:5432 --fail-on n_plus_one -- python manage.py test
      Run the tests behind a pgscope of their own, and fail them for what their queries show.

Exit codes: 0 fine, 1 failed while running, 2 wrong usage or configuration; exec: CMD's own, or 3 where a finding or a
budget says fail.";

/// Runs the command that the arguments of the process name.
pub fn run() -> ExitCode {
    let schema = match Schema::new() {
        Ok(schema) => schema,
        Err(error) => {
            return fail(
                REFUSED,
                &format!("error: the default settings cannot be written: {error}"),
            );
        }
    };
    let matches = command(&schema).get_matches();
    match matches.subcommand() {
        Some(("serve", matches)) => serve(&schema, matches),
        Some(("check", matches)) => check(&schema, matches),
        Some(("exec", matches)) => exec::run(&schema, matches),
        Some(("report", matches)) => report::run(matches),
        Some(("top", matches)) => top::run(matches),
        Some(("completions", matches)) => packaging::print_completions(command(&schema), matches),
        Some(("man", matches)) => packaging::print_man(command(&schema), matches),
        _ => ExitCode::from(REFUSED),
    }
}

fn command(schema: &Schema) -> Command {
    let serve = Command::new("serve")
        .about("Run the proxy")
        .long_about(
            "Run the proxy.\n\nEvery setting is a flag, an environment variable and a key of the file; a flag wins \
             over a variable, a variable over the file. An empty variable counts as not set. SIGTERM and SIGINT let \
             open connections finish, SIGHUP reloads the settings of the detectors \
             and the certificates.",
        )
        .arg(flags::config())
        .args(flags::settings(schema))
        .after_help("`--help` shows every setting.")
        .after_long_help("");
    let check = Command::new("check")
        .about("Check a configuration file and print what it comes to")
        .long_about(
            "Check a configuration file and print the settings that `serve` would run with, as TOML, passwords \
             masked. Nothing is bound. Exits with 2 where something is wrong.",
        )
        .arg(
            Arg::new("FILE")
                .help("The file to check")
                .required(true)
                .value_hint(ValueHint::FilePath)
                .value_parser(value_parser!(PathBuf)),
        )
        .args(flags::settings(schema));
    Command::new("pgscope")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Transparent PostgreSQL proxy that shows which Django request sent which queries")
        .after_help(EXAMPLES)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands([
            serve,
            check,
            exec::command(schema),
            report::command(),
            top::command(),
            packaging::completions(),
            packaging::man(),
        ])
}

fn serve(schema: &Schema, matches: &ArgMatches) -> ExitCode {
    let inputs = Inputs {
        file: matches.get_one::<PathBuf>("config").cloned(),
        file_variable: flags::config_variable(matches),
        texts: flags::inputs(schema, matches),
    };
    let loaded = config::load(&inputs).and_then(|settings| {
        let upstream = upstream(&settings)?;
        Ok((upstream, config::secrets(&settings)?, settings))
    });
    let (upstream, secrets, settings) = match loaded {
        Ok(loaded) => loaded,
        Err(problems) => return fail(REFUSED, &problems),
    };
    log::start(&settings.log);
    for warning in flags::strays(schema) {
        tracing::warn!("{warning}");
    }
    match app::serve(settings, upstream, secrets, &|| config::load(&inputs)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => fail(FAILED, &failure),
    }
}

fn upstream(settings: &Settings) -> Result<UpstreamList, Problems> {
    let (what, hint) = UPSTREAM_MISSING;
    let missing = || Problem {
        source: Source::Default,
        what: what.into(),
        hint: hint.into(),
    };
    Ok(settings.upstream.clone().ok_or_else(missing)?)
}

fn check(schema: &Schema, matches: &ArgMatches) -> ExitCode {
    let inputs = Inputs {
        file: matches.get_one::<PathBuf>("FILE").cloned(),
        file_variable: None,
        texts: flags::inputs(schema, matches),
    };
    let loaded = config::load(&inputs).and_then(|settings| {
        config::secrets(&settings)?;
        Ok(settings)
    });
    let settings = match loaded {
        Ok(settings) => settings,
        Err(problems) => return fail(REFUSED, &problems),
    };
    for warning in flags::strays(schema) {
        say(&format!("warning: {warning}"));
    }
    if settings.upstream.is_none() {
        let (what, hint) = UPSTREAM_MISSING;
        say(&format!("warning: {what}\n  hint: before `serve`, {hint}"));
    }
    match config::resolved(&settings) {
        Ok(text) => print(&text),
        Err(error) => fail(
            FAILED,
            &format!("error: cannot write the settings as TOML: {error}"),
        ),
    }
}

/// Writes to standard output. A reader that went away (`| head`) is not a failure.
fn print(text: &str) -> ExitCode {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => fail(
            FAILED,
            &format!("error: cannot write to standard output: {error}"),
        ),
        _ => ExitCode::SUCCESS,
    }
}

fn fail(code: u8, message: &dyn std::fmt::Display) -> ExitCode {
    say(message);
    ExitCode::from(code)
}

/// Writes a line to standard error. If even that fails there is nobody left to tell.
fn say(message: &dyn std::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "{message}");
}
