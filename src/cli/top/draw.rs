//! The screen as drawn: one line of state, the views, the table or what lies over it, the keys.

use super::detail;
use super::figures::duration;
use super::fit::{cut, wrap};
use super::help;
use super::reading::View;
use super::state::{Overlay, State};
use super::table::{SPACING, columns, visible};
use super::theme::Theme;
use crate::cli::report::words::{clean, statement};
use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Cell, Paragraph, Row, Table};

/// Lines that a problem may take.
const PROBLEM_LINES: usize = 3;

/// Cells of the labels in a detail.
const LABEL: usize = 17;

/// Draws all of it.
pub fn draw(frame: &mut Frame, state: &mut State, theme: Theme) {
    let area = frame.area();
    let problem = problem(state, area.width);
    let parts = [
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(problem.len() as u16),
        Constraint::Min(0),
        Constraint::Length(1),
    ];
    let [head, views, alarm, body, foot] = Layout::vertical(parts).areas(area);
    state.page = usize::from(body.height.saturating_sub(1)).max(1);
    frame.render_widget(title(state, head.width, theme), head);
    frame.render_widget(Paragraph::new(tabs(state, theme)), views);
    let alarms: Vec<Line> = problem.into_iter().map(Line::from).collect();
    frame.render_widget(Paragraph::new(alarms).style(theme.alarm()), alarm);
    match state.overlay.clone() {
        Overlay::None => table(frame, state, body, theme),
        Overlay::Help => lines(frame, state, &help::lines(), body, theme),
        Overlay::Detail(key) => {
            let reading = state.tab().latest.as_ref();
            let found = reading.and_then(|reading| detail::lines(reading, &key));
            let gone = || vec![(String::new(), "It is no longer listed.".to_owned())];
            lines(frame, state, &found.unwrap_or_else(gone), body, theme);
        }
    }
    frame.render_widget(Paragraph::new(footer(state, foot.width, theme)), foot);
}

fn title(state: &State, width: u16, theme: Theme) -> Paragraph<'static> {
    let said = match (state.paused, state.problem.is_some()) {
        (_, true) => "no answer",
        (true, _) => "paused",
        _ => "",
    };
    let interval = state.interval;
    let text = format!("pgscope top  {}  every {interval}s", state.admin);
    let room = usize::from(width).saturating_sub(said.len() + 1);
    let text = format!("{:room$} ", cut(&text, room));
    Paragraph::new(Line::from(vec![
        Span::styled(text, theme.title()),
        Span::styled(said, theme.alarm()),
    ]))
}

/// What is wrong, and what is being done about it.
fn problem(state: &State, width: u16) -> Vec<String> {
    let Some(problem) = &state.problem else {
        return Vec::new();
    };
    let mut text = clean(&problem.what);
    let lasting = problem.now - problem.since;
    if lasting >= 1.0 {
        text += &format!("; no answer for {}", duration(lasting));
    }
    text += &format!(". Trying again every {}s.", state.interval);
    if state.tab().latest.is_some() {
        text += " The figures are of before.";
    }
    let mut lines = wrap(&text, width.into());
    lines.truncate(PROBLEM_LINES);
    lines
}

fn tabs(state: &State, theme: Theme) -> Line<'static> {
    let mut spans = Vec::new();
    for (number, view) in View::ALL.into_iter().enumerate() {
        let text = format!(" {} {} ", number + 1, view.title());
        spans.push(if view == state.view {
            Span::styled(text, theme.chosen())
        } else {
            Span::raw(text)
        });
    }
    let filter = &state.tab().filter;
    if !filter.is_empty() {
        let text = format!("  only rows with `{}`", clean(filter));
        spans.push(Span::styled(text, theme.alarm()));
    }
    Line::from(spans)
}

fn table(frame: &mut Frame, state: &mut State, area: Rect, theme: Theme) {
    let rows = state.rows();
    let chosen = state.chosen(&rows);
    let height = usize::from(area.height.saturating_sub(1));
    let tab = state.tab_mut();
    // The chosen row stays on the screen, and no line of it is left empty.
    let last = rows.len().saturating_sub(height);
    let lowest = (chosen + 1).saturating_sub(height);
    tab.offset = tab.offset.clamp(lowest.min(chosen), chosen).min(last);
    let (offset, sort, reversed) = (tab.offset, tab.sort, tab.reversed);
    let columns = columns(state.view);
    let shown = visible(columns, area.width);
    let fixed: u16 = shown.iter().map(|at| columns[*at].width).sum();
    let gaps = SPACING * shown.len().saturating_sub(1) as u16;
    let rest = area.width.saturating_sub(fixed + gaps);
    let width = |at: usize| match columns[at].width {
        0 => rest,
        width => width,
    };
    let cell = |at: usize, text: &str| {
        let side = if columns[at].right {
            Alignment::Right
        } else {
            Alignment::Left
        };
        let cells = usize::from(width(at));
        // A statement that is too long first loses its list of columns, which would hide the table.
        let text = match columns[at].width {
            0 => statement(text, cells),
            _ => text.to_owned(),
        };
        Text::from(cut(&text, cells)).alignment(side)
    };
    let heading = |at: &usize| {
        let arrow = match (*at == sort, reversed) {
            (false, _) => "",
            (true, false) => "▼",
            (true, true) => "▲",
        };
        cell(*at, &format!("{}{arrow}", columns[*at].title))
    };
    let header = Row::new(shown.iter().map(heading)).style(theme.heading());
    let line = |(number, row): (usize, &super::table::Row)| {
        let cells = shown
            .iter()
            .map(|at| Cell::from(cell(*at, &row.cells[*at].text)));
        let tone = theme.tone(row.cells.iter().map(|cell| cell.text.as_str()));
        Row::new(cells).style(if number == chosen {
            tone.patch(theme.chosen())
        } else {
            tone
        })
    };
    let lines = rows.iter().enumerate().skip(offset).take(height).map(line);
    let widths = shown.iter().map(|at| Constraint::Length(width(*at)));
    let table = Table::new(lines, widths)
        .header(header)
        .column_spacing(SPACING);
    frame.render_widget(table, area);
    if rows.is_empty() && area.height > 1 {
        let below = Rect::new(area.x, area.y + 1, area.width, area.height - 1);
        frame.render_widget(Paragraph::new(nothing(state)), below);
    }
}

fn nothing(state: &State) -> String {
    let tab = state.tab();
    if tab.latest.is_none() {
        return "Waiting for the first answer.".into();
    }
    if !tab.filter.is_empty() {
        return "No row has this. Esc takes the filter away.".into();
    }
    let what = match state.view {
        View::Findings => "Nothing was found so far.",
        View::Requests => "No request so far.",
        View::Statements => "No statement so far.",
        View::Sessions => "No open connection.",
    };
    what.into()
}

/// Labelled lines with a scroll position.
fn lines(frame: &mut Frame, state: &mut State, lines: &[detail::Line], area: Rect, theme: Theme) {
    let width = usize::from(area.width);
    let mut drawn: Vec<Line> = Vec::new();
    for (label, text) in lines {
        if text.is_empty() {
            drawn.push(Line::styled(cut(label, width), theme.title()));
        } else if label.is_empty() {
            drawn.extend(wrap(text, width).into_iter().map(Line::from));
        } else {
            let indent = LABEL.min(width / 2);
            let parts = wrap(text, width - indent);
            for (number, part) in parts.into_iter().enumerate() {
                let label = if number == 0 { label.as_str() } else { "" };
                let label = format!("{:indent$}", cut(label, indent.saturating_sub(1)));
                drawn.push(Line::from(vec![
                    Span::styled(label, theme.label()),
                    Span::raw(part),
                ]));
            }
        }
    }
    let height = usize::from(area.height);
    state.scroll = state.scroll.min(drawn.len().saturating_sub(height));
    let below = drawn.len().saturating_sub(state.scroll + height);
    let mut seen: Vec<Line> = drawn.into_iter().skip(state.scroll).take(height).collect();
    if let (Some(last), true) = (seen.last_mut(), below > 0) {
        *last = Line::styled(
            cut(&format!("… {} more lines", below + 1), width),
            theme.label(),
        );
    }
    frame.render_widget(Paragraph::new(seen), area);
}

/// The keys that work now, as many as fit.
fn footer(state: &State, width: u16, theme: Theme) -> Line<'static> {
    if state.typing {
        let filter = clean(&state.tab().filter);
        let text = format!("/{filter}▏  Enter keep  Esc clear");
        return Line::from(cut(&text, width.into()));
    }
    let pause = if state.paused { "go on" } else { "pause" };
    let keys: &[(&str, &str)] = match state.overlay {
        Overlay::None => &[
            ("q", "quit"),
            ("?", "help"),
            ("Tab/1-4", "views"),
            ("Enter", "detail"),
            ("↑↓/jk", "move"),
            ("s", "sort"),
            ("r", "reverse"),
            ("/", "filter"),
            ("p", pause),
        ],
        _ => &[
            ("q", "quit"),
            ("Esc", "back"),
            ("↑↓/jk", "scroll"),
            ("p", pause),
        ],
    };
    let mut spans = Vec::new();
    let mut room = usize::from(width);
    for (key, word) in keys {
        let text = format!(" {word}  ");
        let needed = Span::raw(*key).width() + text.trim_end().len();
        if needed > room {
            break;
        }
        room = room.saturating_sub(needed + 2);
        spans.push(Span::styled((*key).to_owned(), theme.key()));
        spans.push(Span::raw(text));
    }
    Line::from(spans)
}
