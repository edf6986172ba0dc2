//! What a user sees: readings and keys in, the cells of a terminal out.

#![allow(clippy::unwrap_used)]

mod keys;
mod sizes;
mod views;

use super::draw::draw;
use super::reading::{Reading, View};
use super::state::{Action, State};
use super::theme::Theme;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// The time of day of the first reading: 2026-01-31T12:00:00Z.
const NOW: f64 = 1_769_860_800.0;

const FINDINGS: &str = r#"{"findings": [
  {"detector": "slow_query", "kind": "", "severity": "warning", "evidence": "measured", "route": "stock/", "boundary": "trace",
   "fingerprint": "00ff", "parent": "", "relation": "", "fix": "Add an index.", "query": "SELECT 1", "count": 3,
   "requests": 2, "wasted_seconds": 0.5, "first_seen": "2026-01-31T11:00:00Z", "last_seen": "2026-01-31T11:59:30Z"},
  {"detector": "n_plus_one", "kind": "forward_fk", "severity": "critical", "evidence": "proven", "route": "books/",
   "boundary": "connection", "fingerprint": "00fe", "parent": "SELECT \"id\" FROM \"shop_book\"", "relation": "author",
   "fix": "Use select_related(\"author\").", "callsite": "shop/views.py:42",
   "query": "SELECT \"id\", \"name\" FROM \"shop_author\" WHERE \"id\" = ?", "count": 60, "requests": 10,
   "wasted_seconds": 0.25, "first_seen": "2026-01-31T11:00:00Z", "last_seen": "2026-01-31T11:59:58Z", "added_later": [1]}
]}"#;

const STATEMENTS: &str = r#"{"statements": [
  {"fingerprint": "0a", "verb": "SELECT", "table": "shop_book", "query": "SELECT * FROM shop_book", "calls": 1000,
   "errors": 0, "rows": 5000, "total_seconds": 4.0, "mean_seconds": 0.004, "p50": 0.003, "p90": 0.006, "p99": 0.02, "max": 0.5},
  {"fingerprint": "0b", "verb": "UPDATE", "table": "shop_stock", "query": "UPDATE shop_stock SET n = ?", "calls": 10,
   "errors": 2, "rows": 10, "total_seconds": 3.0, "mean_seconds": 0.3, "p50": 0.3, "p90": 0.3, "p99": 0.4, "max": 0.5}
]}"#;

const ROUTES: &str = r#"{"routes": [
  {"route": "books/", "boundary": "trace", "requests": 20, "queries": 440, "database_seconds": 2.0, "duration_seconds": 4.0,
   "p50": 0.1, "p90": 0.1, "p99": 0.25, "max": 0.3}
]}"#;

const REQUESTS: &str = r#"{"requests": [
  {"route": "books/", "boundary": "trace", "confidence": "exact", "database": "shop", "queries": 22, "database_seconds": 0.1,
   "duration_seconds": 0.2, "at": "2026-01-31T11:59:55Z", "statements": [{"fingerprint": "0a", "calls": 21, "seconds": 0.09}]}
]}"#;

const BOUNDARIES: &str = r#"{"boundaries": [
  {"client": "10.0.0.7 app", "database": "shop", "mode": "gap", "confidence": "low", "requests": {"gap": 3},
   "hint": "Set CONN_HEALTH_CHECKS = True."}
]}"#;

const SESSIONS: &str = r#"{"sessions": [
  {"id": 7, "client": "10.0.0.7:5000", "database": "shop", "user": "app", "application": "gunicorn", "status": "idle",
   "since": "2026-01-31T11:50:00Z", "queries": 120, "cancel_requests": 0, "blind": null},
  {"id": 8, "client": "10.0.0.8:5000", "database": "shop", "user": "app", "application": "", "status": "idle",
   "since": "2026-01-31T11:59:00Z", "queries": 0, "cancel_requests": 0, "blind": "encrypted"}
]}"#;

/// A reading so many seconds after the first.
fn reading(view: View, after: f64, bodies: &[&str]) -> Reading {
    let mut reading = Reading::new(view, after, NOW + after);
    for ((list, _), body) in view.lists().iter().zip(bodies) {
        reading.read(list, body).unwrap();
    }
    reading
}

/// A terminal and what is on it.
struct Screen {
    state: State,
    terminal: Terminal<TestBackend>,
    color: bool,
}

impl Screen {
    fn new(width: u16, height: u16) -> Self {
        Self {
            state: State::new("http://127.0.0.1:9187", 2.0),
            terminal: Terminal::new(TestBackend::new(width, height)).unwrap(),
            color: true,
        }
    }

    /// With one reading of each view.
    fn filled(width: u16, height: u16) -> Self {
        let mut screen = Self::new(width, height);
        let bodies: [(View, &[&str]); 4] = [
            (View::Findings, &[FINDINGS]),
            (View::Requests, &[ROUTES, REQUESTS, STATEMENTS, BOUNDARIES]),
            (View::Statements, &[STATEMENTS]),
            (View::Sessions, &[SESSIONS]),
        ];
        for (view, bodies) in bodies {
            screen.state.take(reading(view, 0.0, bodies));
        }
        screen
    }

    fn press(&mut self, code: KeyCode) -> Action {
        self.state.key(KeyEvent::new(code, KeyModifiers::NONE))
    }

    /// Letters, one after the other.
    fn typed(&mut self, text: &str) {
        for letter in text.chars() {
            self.press(KeyCode::Char(letter));
        }
    }

    fn draw(&mut self) {
        let theme = Theme { color: self.color };
        self.terminal
            .draw(|frame| draw(frame, &mut self.state, theme))
            .unwrap();
    }

    /// The lines of the terminal, without the blanks at their ends.
    fn lines(&mut self) -> Vec<String> {
        self.draw();
        let buffer = self.terminal.backend().buffer();
        let area = buffer.area;
        let line = |y| {
            (0..area.width)
                .map(|x| buffer[(x, y)].symbol())
                .collect::<String>()
        };
        (0..area.height)
            .map(|y| line(y).trim_end().to_owned())
            .collect()
    }

    fn text(&mut self) -> String {
        self.lines().join("\n")
    }

    /// The first cells of the rows of the table.
    fn first_words(&mut self) -> Vec<String> {
        let lines = self.lines();
        let table = lines[3..lines.len() - 1].iter();
        table
            .filter(|line| !line.is_empty())
            .map(|line| line.split("  ").next().unwrap().to_owned())
            .collect()
    }
}
