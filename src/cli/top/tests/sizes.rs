use super::*;

/// Every view, with and without something over it, and while it is lost.
fn each_screen(width: u16, height: u16, mut look: impl FnMut(&mut Screen)) {
    for view in ["1", "2", "3", "4"] {
        for keys in ["", "?", "/a"] {
            let mut screen = Screen::filled(width, height);
            screen.typed(view);
            screen.typed(keys);
            look(&mut screen);
        }
        let mut screen = Screen::filled(width, height);
        screen.typed(view);
        screen.press(KeyCode::Enter);
        screen.state.lost("no answer: refused".into(), 9.0);
        look(&mut screen);
    }
}

#[test]
fn no_terminal_is_too_small() {
    for (width, height) in [
        (1, 1),
        (2, 3),
        (5, 5),
        (20, 2),
        (1, 40),
        (300, 1),
        (13, 7),
        (37, 11),
    ] {
        each_screen(width, height, Screen::draw);
    }
}

#[test]
fn a_narrow_terminal_keeps_what_matters() {
    let mut screen = Screen::filled(60, 8);
    let lines = screen.lines();
    assert_eq!(lines[2], "SEVERITY▼  FINDING                       ROUTE");
    assert!(
        lines[3].starts_with("critical   n_plus_one/forward_fk         books/"),
        "{lines:?}"
    );
    screen.typed("3");
    let heading = screen.lines()[2].clone();
    let words: Vec<&str> = heading.split_whitespace().collect();
    assert_eq!(words, ["STATEMENT", "CALLS", "TOTAL▼", "MEAN"]);
    // The footer has whole words only.
    let footer = screen.lines().pop().unwrap();
    assert_eq!(
        footer,
        "q quit  ? help  Tab/1-4 views  Enter detail  ↑↓/jk move"
    );
}

#[test]
fn a_long_statement_loses_its_columns_before_its_table() {
    let long = STATEMENTS.replace(
        "SELECT *",
        "SELECT id, title, author_id, price, stock, created",
    );
    let mut screen = Screen::new(70, 8);
    screen.typed("3");
    screen.state.take(reading(View::Statements, 0.0, &[&long]));
    assert_eq!(screen.first_words()[0], "SELECT … FROM shop_book");
    screen.terminal.backend_mut().resize(160, 8);
    assert!(screen.first_words()[0].starts_with("SELECT id, title, author_id"));
}

#[test]
fn a_terminal_that_changes_its_size_is_drawn_anew() {
    let mut screen = Screen::filled(120, 8);
    assert!(screen.text().contains("WASTED"));
    screen.terminal.backend_mut().resize(50, 20);
    let lines = screen.lines();
    assert_eq!(lines.len(), 20);
    assert!(!lines.join("\n").contains("WASTED"), "{lines:?}");
    assert!(lines[3].starts_with("critical"), "{lines:?}");
}
