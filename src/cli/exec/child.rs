//! The command: started, told of signals, waited for.

use super::progress::{EVERY, Progress};
use super::seen::Seen;
use crate::app::{Failure, Sidecar};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

/// What shells exit with where a signal ended the command: this and its number.
const SIGNALLED: i32 = 128;

/// The signals that are passed on.
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
    quit: tokio::signal::unix::Signal,
    /// Whoever presses Ctrl-C sends SIGINT and SIGQUIT to the command as well: twice is not what was meant.
    from_terminal: bool,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            quit: signal(SignalKind::quit())?,
            from_terminal: io::stdin().is_terminal() || io::stderr().is_terminal(),
        })
    }

    /// The next one to pass on.
    async fn recv(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::TERM,
            _ = self.hangup.recv() => Signal::HUP,
            _ = self.interrupt.recv(), if !self.from_terminal => Signal::INT,
            _ = self.quit.recv(), if !self.from_terminal => Signal::QUIT,
        }
    }
}

/// Why there is no status of the command.
pub enum NotRun {
    /// It could not be started: what a shell would exit with, and why.
    NotStarted(u8, io::Error),
    /// The proxy, or the system, failed.
    Failed(Failure),
}

impl From<Failure> for NotRun {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<io::Error> for NotRun {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// Runs the command to its end and then the proxy to its own. Returns what a shell would call the command's status.
pub async fn run(
    command: &[OsString],
    variables: &BTreeMap<&'static str, Option<OsString>>,
    sidecar: &mut Sidecar,
) -> Result<u8, NotRun> {
    let mut progress = Progress::new();
    let source = sidecar.source();
    let mut tick = tokio::time::interval(EVERY);
    // Before the command starts, so that no signal ends this process and leaves the command without a database.
    let mut signals = Signals::new()?;
    let mut child = start(command, variables).map_err(|error| {
        let code = if error.kind() == io::ErrorKind::NotFound {
            127
        } else {
            126
        };
        NotRun::NotStarted(code, error)
    })?;
    let status = loop {
        tokio::select! {
            status = child.wait() => break status?,
            signal = signals.recv() => pass_on(&child, signal),
            _ = tick.tick(), if progress.is_some() => if let Some(progress) = &mut progress {
                progress.draw(&Seen::new(&*source));
            },
            failure = sidecar.ended() => {
                // It has lost its database; what it says of that is not what went wrong.
                pass_on(&child, Signal::TERM);
                child.wait().await?;
                return Err(failure.into());
            }
        }
    };
    drop(progress);
    sidecar.stop().await?;
    Ok(code(status))
}

fn start(
    command: &[OsString],
    variables: &BTreeMap<&'static str, Option<OsString>>,
) -> io::Result<Child> {
    let (program, arguments) = command.split_first().ok_or(io::ErrorKind::NotFound)?;
    let mut command = Command::new(program);
    command.args(arguments);
    for (name, value) in variables {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.spawn()
}

fn pass_on(child: &Child, signal: Signal) {
    // No id: it has ended and been waited for, so that its number may be somebody else's by now.
    let id = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
    if let Some(id) = id
        && let Err(error) = kill_process(id, signal)
    {
        tracing::warn!(%error, ?signal, "the signal could not be passed on");
    }
}

fn code(status: ExitStatus) -> u8 {
    let code = (status.code()).or_else(|| Some(SIGNALLED + status.signal()?));
    code.and_then(|code| u8::try_from(code).ok())
        .unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_what_a_shell_makes_of_it() {
        assert_eq!(code(ExitStatus::from_raw(0)), 0);
        assert_eq!(code(ExitStatus::from_raw(5 << 8)), 5);
        assert_eq!(code(ExitStatus::from_raw(15)), 143);
    }
}
