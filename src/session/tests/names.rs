//! What names of statements and portals stand for.

use super::*;

/// What a Bind and Execute of `name` run, as (statement, literals).
fn run_of(session: &mut Session, bind: &[u8]) -> Vec<(Option<String>, u64)> {
    let mut found = Vec::new();
    let mut note = |event: Event<'_>| {
        if let Event::Query(query) = event {
            found.push((query.statement.map(str::to_owned), query.literals));
        }
    };
    let up = [message(b'B', bind), message(b'E', b"\0\0\0\0\0")].concat();
    session.frontend(&up, At(3), &mut note);
    let down = [message(b'2', b""), message(b'C', b"SELECT 1\0")].concat();
    session.backend(&down, At(4), 0, &mut note);
    found
}

/// Parses `name` and confirms it; how many events were dropped.
fn parse_of(session: &mut Session, name: &str) -> usize {
    let mut dropped = 0;
    let mut note =
        |event: Event<'_>| dropped += usize::from(matches!(event, Event::Dropped { .. }));
    let body = format!("{name}\0SELECT a FROM t\0\0\0");
    session.frontend(&message(b'P', body.as_bytes()), At(3), &mut note);
    session.backend(&message(b'1', b""), At(4), 0, &mut note);
    dropped
}

#[test]
fn a_name_that_is_given_back_leaves_room_for_another() {
    let known = |session: &mut Session, name: &str| {
        let bind = format!("\0{name}\0\0\0\0\0\0\0");
        run_of(session, bind.as_bytes())[0].0.is_some()
    };
    let mut session = opened();
    let mut dropped = 0;
    for number in 0..2000 {
        let name = format!("s{number}");
        dropped += parse_of(&mut session, &name);
        assert!(known(&mut session, &name), "{name}");
        let text = format!("DEALLOCATE {name}\0");
        let up = message(b'Q', text.as_bytes());
        let down = [message(b'C', b"DEALLOCATE\0"), message(b'Z', b"I")].concat();
        watch(&mut session, &[&up], &[&down]);
    }
    assert_eq!(dropped, 0);
    for number in 0..2000 {
        dropped += parse_of(&mut session, &format!("t{number}"));
    }
    assert_eq!(dropped, 2000 - 1024, "what has no room is counted");
    assert!(known(&mut session, "t1023"));
    assert!(!known(&mut session, "t1024"));
}

#[test]
fn a_name_too_long_to_remember_is_not_taken_for_another() {
    let mut session = opened();
    let long = "x".repeat(5000);
    assert_eq!(parse_of(&mut session, ""), 0);
    assert_eq!(parse_of(&mut session, &long), 0);
    let close = message(b'C', format!("S{long}\0").as_bytes());
    watch(&mut session, &[&close], &[&message(b'3', b"")]);
    let unnamed = run_of(&mut session, b"\0\0\0\0\0\0\0\0");
    assert_eq!(unnamed[0].0.as_deref(), Some("SELECT a FROM t"));
}

/// 20,000 format codes leave no value in what is read of a Bind: its length must tell.
#[test]
fn binds_of_many_formats_are_told_apart() {
    let mut session = opened();
    parse_of(&mut session, "");
    let mut bind = |value: &str| {
        let mut body = b"\0\0".to_vec();
        body.extend_from_slice(&20_000_u16.to_be_bytes());
        body.resize(body.len() + 40_000, 0);
        body.extend_from_slice(&1_u16.to_be_bytes());
        body.extend_from_slice(&(value.len() as u32).to_be_bytes());
        body.extend_from_slice(value.as_bytes());
        body.extend_from_slice(&[0, 0]);
        run_of(&mut session, &body)[0].1
    };
    assert_ne!(bind("a"), bind("bc"));
}

/// A client that does not wait for the answers binds what the Parse of a skipped batch would have defined. The server
/// binds what was there before.
#[test]
fn a_parse_that_was_skipped_leaves_its_name_as_it_was() {
    for name in ["", "s"] {
        let mut session = opened();
        parse_of(&mut session, name);
        let bytes = |text: &str| text.replace('$', name).into_bytes();
        let up = [
            message(b'B', b"\0nosuch\0\0\0\0\0\0\0"),
            message(b'C', &bytes("S$\0")),
            message(b'P', &bytes("$\0SELECT b FROM u\0\0\0")),
            message(b'S', b""),
            message(b'B', &bytes("\0$\0\0\0\0\0\0\0")),
            message(b'E', b"\0\0\0\0\0"),
            message(b'S', b""),
        ];
        let error = message(b'E', b"SERROR\0VERROR\0C26000\0Mno\0\0");
        let ready = message(b'Z', b"I");
        let done = message(b'C', b"SELECT 1\0");
        let down = [&error, &ready, &message(b'2', b""), &done, &ready];
        let mut found = Vec::new();
        let mut note = |event: Event<'_>| {
            if let Event::Query(query) = event {
                found.push((query.outcome, query.statement.map(str::to_owned)));
            }
        };
        session.frontend(&up.concat(), At(3), &mut note);
        for reply in down {
            session.backend(reply, At(4), 0, &mut note);
        }
        let text = Some("SELECT a FROM t".to_owned());
        assert_eq!(found.last(), Some(&(Outcome::Complete, text)), "{name:?}");
    }
}
