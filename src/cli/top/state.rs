//! What is on the screen, and what a key does to it.

use super::reading::{Reading, View};
use super::rows::rows;
use super::table::{Row, columns, first_sort, sort};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// What the caller has to do after a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// Draw.
    Draw,
    /// Read this view now, then draw.
    Read(View),
    /// End.
    Quit,
}

/// What lies over the table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Overlay {
    /// Nothing.
    None,
    /// The keys and the columns explained.
    Help,
    /// All about the row of this key.
    Detail(String),
}

/// Why there is no new reading.
#[derive(Clone, PartialEq, Debug)]
pub struct Problem {
    /// In words.
    pub what: String,
    /// When it was first noticed, on the clock of [`Reading::at`].
    pub since: f64,
    /// Now, on that clock.
    pub now: f64,
}

/// What is kept of each view while another is shown.
pub struct Tab {
    /// The last reading.
    pub latest: Option<Reading>,
    previous: Option<Reading>,
    /// Key of the chosen row; the first one where there is none.
    selected: Option<String>,
    /// Number of the column that it is sorted by.
    pub sort: usize,
    /// Whether the smallest comes first.
    pub reversed: bool,
    /// What rows must hold.
    pub filter: String,
    /// Number of the first row on the screen.
    pub offset: usize,
}

/// The screen.
pub struct State {
    /// Whom it asks.
    pub admin: String,
    /// Seconds between two readings.
    pub interval: f64,
    /// What is shown.
    pub view: View,
    tabs: [Tab; 4],
    /// Whether readings are ignored.
    pub paused: bool,
    /// Whether keys go into the filter.
    pub typing: bool,
    /// What lies over the table.
    pub overlay: Overlay,
    /// First line of the overlay.
    pub scroll: usize,
    /// Lines of the body, as drawn last: a page.
    pub page: usize,
    /// Why there is no new reading.
    pub problem: Option<Problem>,
}

impl State {
    /// At the start.
    pub fn new(admin: &str, interval: f64) -> Self {
        let tab = |view| Tab {
            latest: None,
            previous: None,
            selected: None,
            sort: first_sort(view),
            reversed: false,
            filter: String::new(),
            offset: 0,
        };
        Self {
            admin: admin.to_owned(),
            interval,
            view: View::Findings,
            tabs: View::ALL.map(tab),
            paused: false,
            typing: false,
            overlay: Overlay::None,
            scroll: 0,
            page: 1,
            problem: None,
        }
    }

    /// The view that is shown.
    pub fn tab(&self) -> &Tab {
        &self.tabs[self.view as usize]
    }

    /// The same to be changed.
    pub fn tab_mut(&mut self) -> &mut Tab {
        &mut self.tabs[self.view as usize]
    }

    /// Takes a reading. Between two of one view lies what its rates are of.
    pub fn take(&mut self, reading: Reading) {
        self.problem = None;
        let tab = &mut self.tabs[reading.view as usize];
        if self.paused && tab.latest.is_some() {
            return;
        }
        tab.previous = tab.latest.replace(reading);
    }

    /// Notes that there was no answer, at `now` of the clock of [`Reading::at`].
    pub fn lost(&mut self, what: String, now: f64) {
        let since = self.problem.as_ref().map_or(now, |before| before.since);
        self.problem = Some(Problem { what, since, now });
    }

    /// The rows that pass the filter, sorted.
    pub fn rows(&self) -> Vec<Row> {
        let tab = self.tab();
        let Some(latest) = &tab.latest else {
            return Vec::new();
        };
        let mut rows = rows(latest, tab.previous.as_ref());
        let filter = tab.filter.to_lowercase();
        rows.retain(|row| row.has(&filter));
        sort(&mut rows, tab.sort, tab.reversed);
        rows
    }

    /// The number of the chosen row. One that is gone leaves the first.
    pub fn chosen(&self, rows: &[Row]) -> usize {
        let selected = self.tab().selected.as_ref();
        let place = selected.and_then(|key| rows.iter().position(|row| row.key == *key));
        place.unwrap_or(0)
    }

    /// What a key does.
    pub fn key(&mut self, key: KeyEvent) -> Action {
        if key.kind == KeyEventKind::Release {
            return Action::Draw;
        }
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return match key.code {
                KeyCode::Char('c' | 'd') => Action::Quit,
                _ => Action::Draw,
            };
        }
        if self.typing {
            self.type_filter(key.code);
            return Action::Draw;
        }
        match key.code {
            KeyCode::Char('q') => return Action::Quit,
            KeyCode::Char('?') => self.toggle(Overlay::Help),
            KeyCode::Char('p') => self.paused = !self.paused,
            KeyCode::Tab => return self.show((self.view as usize + 1) % View::ALL.len()),
            KeyCode::BackTab => return self.show((self.view as usize + 3) % View::ALL.len()),
            KeyCode::Char(digit @ '1'..='4') => return self.show(digit as usize - '1' as usize),
            KeyCode::Esc => self.escape(),
            code => self.inside(code),
        }
        Action::Draw
    }

    fn show(&mut self, number: usize) -> Action {
        self.view = View::ALL[number];
        self.overlay = Overlay::None;
        Action::Read(self.view)
    }

    fn toggle(&mut self, overlay: Overlay) {
        self.scroll = 0;
        self.overlay = if self.overlay == overlay {
            Overlay::None
        } else {
            overlay
        };
    }

    /// Closes what lies on top; else takes the filter away.
    fn escape(&mut self) {
        if self.overlay == Overlay::None {
            self.tab_mut().filter.clear();
        }
        self.overlay = Overlay::None;
    }

    fn inside(&mut self, code: KeyCode) {
        let page = self.page as isize;
        let step = match code {
            KeyCode::Down | KeyCode::Char('j') => 1,
            KeyCode::Up | KeyCode::Char('k') => -1,
            KeyCode::PageDown => page,
            KeyCode::PageUp => -page,
            KeyCode::Home | KeyCode::Char('g') => isize::MIN,
            KeyCode::End | KeyCode::Char('G') => isize::MAX,
            code => return self.command(code),
        };
        if self.overlay == Overlay::None {
            let rows = self.rows();
            let last = rows.len().saturating_sub(1);
            let chosen = self.chosen(&rows).saturating_add_signed(step).min(last);
            self.tab_mut().selected = rows.get(chosen).map(|row| row.key.clone());
        } else {
            // Drawing takes it back to the last line.
            self.scroll = self.scroll.saturating_add_signed(step);
        }
    }

    fn command(&mut self, code: KeyCode) {
        match code {
            KeyCode::Enter if self.overlay == Overlay::None => {
                let rows = self.rows();
                if let Some(row) = rows.get(self.chosen(&rows)) {
                    // What is open stays chosen, wherever it moves meanwhile.
                    self.tab_mut().selected = Some(row.key.clone());
                    self.toggle(Overlay::Detail(row.key.clone()));
                }
            }
            KeyCode::Enter => self.overlay = Overlay::None,
            KeyCode::Char('/') if self.overlay == Overlay::None => self.typing = true,
            KeyCode::Char('s') => self.sort_by_next(),
            KeyCode::Char('r') => self.tab_mut().reversed ^= true,
            _ => {}
        }
    }

    fn sort_by_next(&mut self) {
        let columns = columns(self.view);
        let tab = self.tab_mut();
        let after = (1..=columns.len()).map(|step| (tab.sort + step) % columns.len());
        if let Some(next) = after.into_iter().find(|at| columns[*at].sorts) {
            tab.sort = next;
            tab.reversed = false;
        }
    }

    fn type_filter(&mut self, code: KeyCode) {
        let filter = &mut self.tab_mut().filter;
        match code {
            KeyCode::Char(letter) => filter.push(letter),
            KeyCode::Backspace => {
                filter.pop();
            }
            KeyCode::Esc => {
                filter.clear();
                self.typing = false;
            }
            KeyCode::Enter => self.typing = false,
            _ => {}
        }
    }
}
