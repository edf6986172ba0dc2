//! `pgscope top`: a running pgscope on a terminal.
//!
//! `state` and `draw` are pure: readings and keys in, a buffer of cells out. `poll` asks, `screen` owns the terminal.

mod detail;
mod draw;
mod figures;
mod fit;
mod help;
mod poll;
mod reading;
mod rows;
mod screen;
mod state;
mod table;
mod theme;

#[cfg(test)]
mod tests;

use super::fetch::{self, Client, Failure};
use crate::units::Period;
use clap::{Arg, ArgMatches, Command};
use poll::Poll;
use reading::View;
use state::State;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;
use theme::Theme;

/// How long to wait for an answer: a screen that stands still longer looks broken.
const PATIENCE: Duration = Duration::from_secs(5);

/// Not more often: each reading costs the proxy a copy.
const OFTEN: Duration = Duration::from_millis(200);

/// Watches a running proxy.
pub fn command() -> Command {
    Command::new("top")
        .about("Watch a running pgscope on a terminal")
        .long_about(
            "Watch a running pgscope on a terminal: findings with their fix, requests by route, statements, and sessions. \
             `?` shows the keys. It asks the admin address as `pgscope report` does, and only for what is on the screen. \
             NO_COLOR is heeded.",
        )
        .args(fetch::arguments())
        .arg(
            Arg::new("interval")
                .long("interval")
                .value_name("DURATION")
                .value_parser(interval)
                .default_value("2s")
                .help("Time between two readings, such as 500ms or 5s"),
        )
}

fn interval(text: &str) -> Result<Duration, String> {
    let deserializer = serde::de::value::StrDeserializer::<serde::de::value::Error>::new(text);
    let Period(interval) =
        serde::Deserialize::deserialize(deserializer).map_err(|problem| problem.to_string())?;
    if interval < OFTEN {
        return Err("the shortest is 200ms".into());
    }
    Ok(interval)
}

/// Runs until the user quits.
pub fn run(matches: &ArgMatches) -> ExitCode {
    match watch(matches) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => super::fail(failure.code, &failure),
    }
}

fn watch(matches: &ArgMatches) -> Result<(), Failure> {
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    if dumb || !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        return Err(Failure {
            code: super::REFUSED,
            what: "`pgscope top` needs a terminal that it can draw on".into(),
            hint: "use `pgscope report` instead".into(),
        });
    }
    let interval = matches.get_one("interval").copied();
    let interval = interval.unwrap_or(Duration::from_secs(2));
    let poll = Poll::new(Client::new(matches, PATIENCE)?, interval);
    let mut state = State::new(poll.admin(), interval.as_secs_f64());
    // A wrong address is told at once, in plain lines. Later, what is lost may come back.
    state.take(poll.read(View::Findings)?);
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    screen::run(state, poll, Theme { color: !no_color })
}
