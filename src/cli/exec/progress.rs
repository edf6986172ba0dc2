//! A line at the foot of a terminal that tells how far things are. The command keeps the lines above it: they are made the
//! region that scrolls, as apt and dpkg do it.

use super::seen::Seen;
use crate::cli::report::words::number;
use rustix::termios::tcgetwinsize;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

/// How often it is drawn anew.
pub const EVERY: Duration = Duration::from_millis(500);

/// Terminals of fewer lines have none to give away.
const FEWEST_ROWS: u16 = 5;

/// The line, for as long as it lives.
pub struct Progress {
    /// Of the terminal when it was drawn last; 0 before.
    rows: u16,
}

impl Progress {
    /// Where standard error is a terminal that somebody looks at.
    pub fn new() -> Option<Self> {
        let variable = |name: &str| std::env::var(name).unwrap_or_default();
        let watched = io::stderr().is_terminal() && variable("CI").is_empty();
        (watched && !matches!(variable("TERM").as_str(), "" | "dumb")).then_some(Self { rows: 0 })
    }

    /// Shows how far things are.
    pub fn draw(&mut self, seen: &Seen) {
        let Ok(size) = tcgetwinsize(io::stderr()) else {
            return;
        };
        let mut out = String::new();
        if size.ws_row != self.rows {
            out += &region(size.ws_row);
            self.rows = size.ws_row;
        }
        if size.ws_row >= FEWEST_ROWS {
            out += &line(seen, size.ws_row, size.ws_col);
        }
        write(&out);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.rows >= FEWEST_ROWS {
            // The whole terminal scrolls again, and the line goes.
            write(&format!("\x1b7\x1b[r\x1b[{};1H\x1b[2K\x1b8", self.rows));
        }
    }
}

/// Makes all lines but the last scroll. The new line keeps what stands on the last one.
fn region(rows: u16) -> String {
    match rows {
        FEWEST_ROWS.. => format!("\n\x1b7\x1b[1;{}r\x1b8\x1b[1A", rows - 1),
        _ => "\x1b7\x1b[r\x1b8".into(),
    }
}

/// Writes the last line, and leaves the cursor where it was.
fn line(seen: &Seen, row: u16, columns: u16) -> String {
    let text = format!(
        "pgscope: {}, {}, {}, {}",
        number(seen.connections, "connection", "connections"),
        number(seen.requests, "request", "requests"),
        number(seen.queries, "query", "queries"),
        number(seen.findings.len() as u64, "finding", "findings")
    );
    let text: String = text.chars().take(columns.into()).collect();
    format!("\x1b7\x1b[{row};1H\x1b[2K\x1b[7m{text}\x1b[27m\x1b8")
}

/// A terminal that went away is no reason to stop.
fn write(text: &str) {
    let mut out = io::stderr().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_fits_and_the_cursor_stays() {
        let seen = Seen {
            connections: 1,
            requests: 20,
            queries: 1,
            ..Seen::default()
        };
        assert_eq!(
            line(&seen, 24, 40),
            "\x1b7\x1b[24;1H\x1b[2K\x1b[7mpgscope: 1 connection, 20 requests, 1 qu\x1b[27m\x1b8"
        );
        assert_eq!(region(24), "\n\x1b7\x1b[1;23r\x1b8\x1b[1A");
    }
}
