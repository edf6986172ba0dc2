use super::*;
use ratatui::style::{Color, Modifier};

#[test]
fn findings_come_with_the_worst_first() {
    let mut screen = Screen::filled(120, 8);
    assert_eq!(
        screen.lines(),
        [
            "pgscope top  http://127.0.0.1:9187  every 2s",
            " 1 Findings  2 Requests  3 Statements  4 Sessions",
            "SEVERITY▼  FINDING                       ROUTE                           REQ/S   REQUESTS   QUERIES    WASTED       SEEN",
            "critical   n_plus_one/forward_fk         books/                              -         10        60   250.0ms     2s ago",
            "warning    slow_query                    stock/                              -          2         3   500.0ms    30s ago",
            "",
            "",
            "q quit  ? help  Tab/1-4 views  Enter detail  ↑↓/jk move  s sort  r reverse  / filter  p pause",
        ]
    );
}

#[test]
fn rates_are_of_the_last_two_readings() {
    let mut screen = Screen::filled(120, 8);
    screen.typed("3");
    assert!(!screen.text().contains("25.0"), "{}", screen.text());
    let later = STATEMENTS.replace("\"calls\": 1000", "\"calls\": 1050");
    screen.state.take(reading(View::Statements, 2.0, &[&later]));
    let lines = screen.lines();
    assert_eq!(
        lines[2],
        "STATEMENT                                             CALLS/S    CALLS  ROWS/CALL    TOTAL▼      MEAN       P99   ERRORS"
    );
    assert_eq!(
        lines[3],
        "SELECT * FROM shop_book                                  25.0     1050        4.8     4.00s    4.00ms    20.0ms        0"
    );
    assert_eq!(
        lines[4],
        "UPDATE shop_stock SET n = ?                                 0       10        1.0     3.00s   300.0ms   400.0ms        2"
    );
}

#[test]
fn a_counter_that_began_anew_has_no_rate() {
    let mut screen = Screen::filled(120, 8);
    screen.typed("3");
    let restarted = STATEMENTS.replace("\"calls\": 1000", "\"calls\": 4");
    screen
        .state
        .take(reading(View::Statements, 2.0, &[&restarted]));
    let line = screen.lines()[3].clone();
    let words: Vec<&str> = line.split_whitespace().skip(4).collect();
    assert_eq!(words[..2], ["-", "4"], "{line}");
}

#[test]
fn what_is_new_since_the_last_reading_began_at_nothing() {
    let mut screen = Screen::new(120, 8);
    screen
        .state
        .take(reading(View::Findings, 0.0, &["{\"findings\": []}"]));
    assert!(screen.text().contains("Nothing was found so far."));
    screen.state.take(reading(View::Findings, 2.0, &[FINDINGS]));
    assert!(
        screen.lines()[3].contains("  5.0         10"),
        "{}",
        screen.text()
    );
}

#[test]
fn requests_are_listed_by_route() {
    let mut screen = Screen::filled(120, 8);
    screen.typed("2");
    let later = ROUTES
        .replace("\"requests\": 20", "\"requests\": 30")
        .replace("\"database_seconds\": 2.0", "\"database_seconds\": 3.0");
    let bodies = [later.as_str(), REQUESTS, STATEMENTS, BOUNDARIES];
    screen.state.take(reading(View::Requests, 4.0, &bodies));
    let lines = screen.lines();
    assert_eq!(
        lines[2],
        "ROUTE                             BOUNDARY      REQ/S   REQUESTS   QUERIES/REQ   DB TIME/S  DB TIME▼    DB/REQ    DB P99"
    );
    assert_eq!(
        lines[3],
        "books/                            trace           2.5         30          14.7     250.0ms     3.00s   100.0ms   250.0ms"
    );
}

#[test]
fn a_session_that_is_blind_says_why() {
    let mut screen = Screen::filled(140, 8);
    screen.typed("4");
    let text = screen.text();
    assert!(text.contains("10.0.0.7:5000"), "{text}");
    assert!(text.contains("blind: encrypted"), "{text}");
    assert!(text.contains("10m"), "{text}");
}

#[test]
fn a_finding_opens_with_its_whole_query_and_its_fix() {
    let mut screen = Screen::filled(90, 24);
    screen.press(KeyCode::Enter);
    let text = screen.text();
    for line in [
        "finding          n_plus_one/forward_fk",
        "evidence         proven",
        "code             shop/views.py:42",
        "cost             60 queries in 10 requests, 6.0 each",
        "last seen        2s ago",
        "Fix\nUse select_related(\"author\").\n",
        "Query\nSELECT \"id\", \"name\" FROM \"shop_author\" WHERE \"id\" = ?\n",
        "Of the rows of\nSELECT \"id\" FROM \"shop_book\"\n",
    ] {
        assert!(text.contains(line), "no {line:?} in\n{text}");
    }
    screen.press(KeyCode::Esc);
    assert!(screen.text().contains("SEVERITY"));
}

#[test]
fn a_route_opens_with_its_dearest_statements_and_last_requests() {
    let mut screen = Screen::filled(90, 30);
    screen.typed("2");
    screen.press(KeyCode::Enter);
    let text = screen.text();
    for line in [
        "queries          22.0 a request",
        "Dearest statements of the last 1 request\n90.0ms           21 calls: SELECT * FROM shop_book\n",
        "Last requests\n5s ago           22 queries, 100.0ms in the database, 200.0ms whole\n",
        "To tell requests of 10.0.0.7 app apart\nSet CONN_HEALTH_CHECKS = True.\n",
    ] {
        assert!(text.contains(line), "no {line:?} in\n{text}");
    }
}

#[test]
fn what_is_no_longer_listed_is_said_to_be() {
    let mut screen = Screen::filled(90, 24);
    screen.typed("4");
    screen.press(KeyCode::Enter);
    assert!(
        screen.text().contains("began            600s ago")
            || screen.text().contains("began            10m ago")
    );
    screen
        .state
        .take(reading(View::Sessions, 2.0, &["{\"sessions\": []}"]));
    assert!(
        screen.text().contains("It is no longer listed."),
        "{}",
        screen.text()
    );
}

#[test]
fn a_lost_connection_is_told_in_words_and_passes() {
    let mut screen = Screen::filled(100, 9);
    let what = "no answer from http://127.0.0.1:9187: Connection refused";
    screen.state.lost(what.into(), 2.0);
    screen.state.lost(what.into(), 6.0);
    let lines = screen.lines();
    assert!(lines[0].ends_with("no answer"), "{lines:?}");
    assert_eq!(
        lines[2..4].join(" "),
        "no answer from http://127.0.0.1:9187: Connection refused; no answer for 4.00s. Trying again every 2s. The figures are of before."
    );
    assert!(lines[5].starts_with("critical"), "{lines:?}");
    screen.state.take(reading(View::Findings, 8.0, &[FINDINGS]));
    assert!(!screen.text().contains("no answer"), "{}", screen.text());
}

#[test]
fn what_could_drive_a_terminal_does_not_reach_it() {
    let evil = FINDINGS
        .replace("books/", "\\u001b[2J\\u202ebooks/")
        .replace("SELECT \\\"id\\\", ", "\\u001b]0;x\\u0007");
    let mut screen = Screen::new(120, 24);
    screen.state.take(reading(View::Findings, 0.0, &[&evil]));
    for key in [KeyCode::Null, KeyCode::Enter] {
        screen.press(key);
        let text = screen.text();
        assert!(text.contains("books/"), "{text}");
        assert!(!text.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{text:?}");
    }
}

#[test]
fn without_colours_the_worst_still_stands_out() {
    let mut screen = Screen::filled(120, 8);
    screen.draw();
    let style = |screen: &Screen, y| screen.terminal.backend().buffer()[(0, y)].style();
    assert_eq!(style(&screen, 3).fg, Some(Color::Red));
    screen.color = false;
    screen.draw();
    let buffer = screen.terminal.backend().buffer();
    assert!(
        buffer
            .content
            .iter()
            .all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset)
    );
    assert!(style(&screen, 3).add_modifier.contains(Modifier::BOLD));
    assert!(!style(&screen, 4).add_modifier.contains(Modifier::BOLD));
}
