use super::*;
use ratatui::style::Modifier;

/// The line of the chosen row.
fn chosen(screen: &mut Screen) -> String {
    let lines = screen.lines();
    let buffer = screen.terminal.backend().buffer();
    let reversed = |y: &usize| {
        let style = buffer[(0, *y as u16)].style();
        style.add_modifier.contains(Modifier::REVERSED)
    };
    (3..lines.len())
        .find(reversed)
        .map_or(String::new(), |y| lines[y].clone())
}

#[test]
fn views_are_chosen_by_number_and_by_tab() {
    let mut screen = Screen::filled(100, 8);
    assert_eq!(
        screen.press(KeyCode::Char('3')),
        Action::Read(View::Statements)
    );
    assert!(screen.text().contains("STATEMENT"));
    assert_eq!(screen.press(KeyCode::Tab), Action::Read(View::Sessions));
    assert_eq!(screen.press(KeyCode::Tab), Action::Read(View::Findings));
    assert_eq!(screen.press(KeyCode::BackTab), Action::Read(View::Sessions));
    assert!(screen.text().contains("CLIENT"));
}

#[test]
fn statements_are_sorted_by_total_calls_mean_and_p99() {
    let mut screen = Screen::filled(100, 8);
    screen.typed("3");
    let headings = |screen: &mut Screen| screen.lines()[2].clone();
    let mut seen = Vec::new();
    for _ in 0..5 {
        let line = headings(&mut screen);
        let sorted = line.split_whitespace().find(|word| word.ends_with('▼'));
        seen.push((
            sorted.unwrap_or_default().to_owned(),
            screen.first_words()[0].clone(),
        ));
        screen.typed("s");
    }
    let expected = [
        ("TOTAL▼", "SELECT * FROM shop_book"),
        ("MEAN▼", "UPDATE shop_stock SET n = ?"),
        ("P99▼", "UPDATE shop_stock SET n = ?"),
        ("CALLS/S▼", "SELECT * FROM shop_book"),
        ("CALLS▼", "SELECT * FROM shop_book"),
    ];
    assert_eq!(seen, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
    screen.typed("r");
    assert!(headings(&mut screen).contains("TOTAL▲"));
    assert_eq!(screen.first_words()[0], "UPDATE shop_stock SET n = ?");
}

#[test]
fn the_chosen_row_stays_chosen_when_it_moves() {
    let mut screen = Screen::filled(100, 8);
    screen.typed("3j");
    assert!(chosen(&mut screen).starts_with("UPDATE"));
    screen.typed("r");
    assert!(chosen(&mut screen).starts_with("UPDATE"));
    assert_eq!(screen.first_words()[0], "UPDATE shop_stock SET n = ?");
    screen.press(KeyCode::Down);
    assert!(chosen(&mut screen).starts_with("SELECT"));
    screen.press(KeyCode::Home);
    assert!(chosen(&mut screen).starts_with("UPDATE"));
}

#[test]
fn a_long_list_scrolls_with_the_chosen_row() {
    let entry = |number: usize| {
        format!(
            r#"{{"fingerprint": "{number:02}", "query": "SELECT {number}", "calls": 1, "total_seconds": {}}}"#,
            100 - number
        )
    };
    let entries: Vec<String> = (0..30).map(entry).collect();
    let body = format!("{{\"statements\": [{}]}}", entries.join(","));
    let mut screen = Screen::new(60, 10);
    screen.typed("3");
    screen.state.take(reading(View::Statements, 0.0, &[&body]));
    screen.draw();
    screen.press(KeyCode::End);
    assert!(chosen(&mut screen).starts_with("SELECT 29"));
    assert_eq!(screen.first_words().last().unwrap(), "SELECT 29");
    screen.press(KeyCode::PageUp);
    assert!(chosen(&mut screen).starts_with("SELECT 23"));
    screen.press(KeyCode::Home);
    assert_eq!(screen.first_words()[0], "SELECT 0");
    // A terminal that grows shows more of it, and no empty lines while there are rows.
    screen.press(KeyCode::End);
    screen.terminal.backend_mut().resize(60, 20);
    assert_eq!(screen.first_words().len(), 16);
}

#[test]
fn a_filter_is_typed_kept_and_taken_away() {
    let mut screen = Screen::filled(100, 8);
    screen.typed("/AUTHOR");
    assert!(
        screen
            .lines()
            .last()
            .unwrap()
            .starts_with("/AUTHOR▏  Enter keep  Esc clear")
    );
    // It also finds what a column has no room for: the query, the fix.
    assert_eq!(screen.first_words(), ["critical"]);
    screen.typed("q1");
    assert!(screen.text().contains("No row has this."));
    screen.press(KeyCode::Backspace);
    screen.press(KeyCode::Backspace);
    screen.press(KeyCode::Enter);
    assert!(screen.text().contains("only rows with `AUTHOR`"));
    assert_eq!(screen.first_words(), ["critical"]);
    assert_eq!(screen.press(KeyCode::Char('q')), Action::Quit);
    screen.press(KeyCode::Esc);
    assert_eq!(screen.first_words(), ["critical", "warning"]);
}

#[test]
fn a_pause_keeps_the_figures() {
    let mut screen = Screen::filled(100, 8);
    screen.typed("p");
    assert!(screen.lines()[0].ends_with("paused"));
    assert!(screen.text().contains("p go on"));
    screen
        .state
        .take(reading(View::Findings, 2.0, &["{\"findings\": []}"]));
    assert_eq!(screen.first_words(), ["critical", "warning"]);
    screen.typed("p");
    screen
        .state
        .take(reading(View::Findings, 4.0, &["{\"findings\": []}"]));
    assert!(screen.text().contains("Nothing was found so far."));
}

#[test]
fn help_explains_every_key_of_the_footer() {
    let mut screen = Screen::filled(100, 30);
    let footer = screen.lines().pop().unwrap();
    screen.typed("?");
    let text = screen.text();
    for key in ["Enter", "s ", "r ", "/ ", "p ", "q"] {
        assert!(footer.contains(key), "{key} in {footer}");
        let explained = text.lines().any(|line| line.starts_with(key));
        assert!(explained, "{key} in\n{text}");
    }
    screen.typed("?");
    assert!(screen.text().contains("SEVERITY"));
}

#[test]
fn control_c_quits_from_everywhere() {
    let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    for keys in ["", "?", "/a"] {
        let mut screen = Screen::filled(100, 8);
        screen.typed(keys);
        assert_eq!(screen.state.key(control_c), Action::Quit);
    }
}

#[test]
fn a_long_detail_scrolls_to_its_last_line_and_no_further() {
    let mut screen = Screen::filled(40, 10);
    screen.press(KeyCode::Enter);
    assert!(screen.text().contains("more lines"), "{}", screen.text());
    for _ in 0..100 {
        screen.press(KeyCode::Down);
        screen.draw();
    }
    let text = screen.text();
    assert!(text.contains("FROM \"shop_book\""), "{text}");
    assert!(!text.contains("more lines"), "{text}");
    screen.press(KeyCode::Home);
    assert!(screen.text().contains("n_plus_one/forward_fk"));
}
