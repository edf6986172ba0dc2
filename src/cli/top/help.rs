//! The keys and the columns explained.

use super::detail::Line;

const KEYS: &[(&str, &str)] = &[
    ("Tab, 1 to 4", "the next view, this view"),
    (
        "↑ ↓, j k",
        "move; PageUp, PageDown, Home and End (g, G) by more",
    ),
    ("Enter", "all about the row: the whole query, the fix"),
    ("Esc", "back; in a table, take the filter away"),
    ("s", "sort by the next column; the arrow shows by which"),
    ("r", "turn the order round"),
    (
        "/",
        "show only rows that have a text; Enter keeps it, Esc clears it",
    ),
    ("p", "pause, go on"),
    ("q, Ctrl-C", "quit"),
];

const COLUMNS: &[(&str, &str)] = &[
    (
        "…/S",
        "a second between the last two readings; `-` where there is only one, or pgscope began anew",
    ),
    ("WASTED", "time that the fix would have saved so far"),
    (
        "QUERIES/REQ",
        "queries a request, on average since the start",
    ),
    (
        "DB TIME",
        "time that queries of these requests took; DB TIME/S lately, DB/REQ and DB P99 a request",
    ),
    (
        "BOUNDARY",
        "how requests were told apart; README, \"How it knows\"",
    ),
    (
        "TOTAL",
        "time of all calls of the statement; MEAN and P99 of a call",
    ),
    ("blind", "forwarded, but no longer understood"),
];

/// The page.
pub fn lines() -> Vec<Line> {
    let heading = |text: &str| (text.to_owned(), String::new());
    let line = |(label, text): &(&str, &str)| ((*label).to_owned(), (*text).to_owned());
    let mut lines = vec![heading("Keys")];
    lines.extend(KEYS.iter().map(line));
    lines.push(heading(""));
    lines.push(heading("Columns"));
    lines.extend(COLUMNS.iter().map(line));
    lines
}
