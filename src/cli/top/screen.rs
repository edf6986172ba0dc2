//! The terminal: what comes in is drawn, until the end. It is given back as it was found, whatever the end is.

use super::draw::draw;
use super::poll::Poll;
use super::reading::{Reading, View};
use super::state::{Action, State};
use super::theme::Theme;
use crate::cli::fetch::Failure;
use ratatui::crossterm::event::{self, Event, KeyEvent};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::Builder;
use tokio::signal::unix::{SignalKind, signal};

/// What the screen waits for.
pub enum Message {
    /// A key was pressed.
    Key(KeyEvent),
    /// The terminal has another size, or was looked away from.
    Redraw,
    /// An answer.
    Reading(Box<Reading>),
    /// No answer, with the reason, at this time of the clock of readings.
    Lost(String, f64),
    /// A signal says to end.
    Stop,
    /// The terminal is gone, or one of the threads is.
    Gone(String),
}

/// Takes the terminal, shows the state, and gives the terminal back.
pub fn run(state: State, poll: Poll, theme: Theme) -> Result<(), Failure> {
    let failed = |what: String| Failure {
        code: super::super::FAILED,
        what,
        hint: "use `pgscope report` instead".into(),
    };
    let (to, messages) = channel();
    let (views, wanted) = channel();
    // Before the terminal changes: from here on a signal ends in order.
    spawn("signals", &to, signals).map_err(&failed)?;
    // This also has a panic give the terminal back before it is told.
    let terminal = ratatui::try_init();
    let mut terminal = terminal.map_err(|error| {
        // What was already taken.
        let _ = ratatui::try_restore();
        failed(format!("cannot take the terminal: {error}"))
    })?;
    let ended = spawn("keys", &to, keys)
        .and_then(|()| spawn("poll", &to, move |to| poll.run(&wanted, to)))
        .and_then(|()| show(&mut terminal, state, theme, &messages, &views));
    let shown = terminal.show_cursor();
    let restored = ratatui::try_restore().and(shown);
    // Dropped, it would tell standard error of a terminal that is gone, and panic where that is gone too.
    std::mem::forget(terminal);
    ended.map_err(&failed)?;
    restored.map_err(|error| failed(format!("cannot give the terminal back: {error}")))
}

fn show(
    terminal: &mut ratatui::DefaultTerminal,
    mut state: State,
    theme: Theme,
    messages: &Receiver<Message>,
    views: &Sender<View>,
) -> Result<(), String> {
    loop {
        let drawn = terminal.draw(|frame| draw(frame, &mut state, theme));
        drawn.map_err(|error| format!("cannot draw on the terminal: {error}"))?;
        match messages.recv().map_err(|error| error.to_string())? {
            Message::Key(key) => match state.key(key) {
                Action::Draw => {}
                Action::Read(view) => views.send(view).map_err(|error| error.to_string())?,
                Action::Quit => return Ok(()),
            },
            Message::Redraw => {}
            Message::Reading(reading) => state.take(*reading),
            Message::Lost(what, now) => state.lost(what, now),
            Message::Stop => return Ok(()),
            Message::Gone(what) => return Err(what),
        }
    }
}

/// A thread of its own, whose end, also by a panic, ends the screen.
fn spawn(
    name: &'static str,
    to: &Sender<Message>,
    body: impl FnOnce(&Sender<Message>) + Send + 'static,
) -> Result<(), String> {
    struct Guard(Sender<Message>, &'static str);
    impl Drop for Guard {
        fn drop(&mut self) {
            // Nobody listens where the screen ended first.
            let _ = self
                .0
                .send(Message::Gone(format!("the thread for {} ended", self.1)));
        }
    }
    let guard = Guard(to.clone(), name);
    let thread = Builder::new()
        .name(name.into())
        .spawn(move || body(&guard.0));
    thread.map_err(|error| format!("cannot start a thread: {error}"))?;
    Ok(())
}

fn keys(to: &Sender<Message>) {
    loop {
        let message = match event::read() {
            Ok(Event::Key(key)) => Message::Key(key),
            Ok(_) => Message::Redraw,
            Err(error) => Message::Gone(format!("the terminal is gone: {error}")),
        };
        let last = matches!(message, Message::Gone(_));
        if to.send(message).is_err() || last {
            return;
        }
    }
}

/// SIGTERM, SIGINT and SIGHUP. Ctrl-C is a key here.
fn signals(to: &Sender<Message>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build();
    let stopped = runtime.and_then(|runtime| {
        runtime.block_on(async {
            let mut terminate = signal(SignalKind::terminate())?;
            let mut interrupt = signal(SignalKind::interrupt())?;
            let mut hangup = signal(SignalKind::hangup())?;
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                _ = hangup.recv() => {}
            }
            Ok(())
        })
    });
    // Nobody listens where the screen ended first.
    let _ = to.send(match stopped {
        Ok(()) => Message::Stop,
        Err(error) => Message::Gone(format!("cannot wait for signals: {error}")),
    });
}
