//! What a session holds has an end, whatever is sent.

use super::*;

#[test]
fn an_endless_pipeline_is_bounded() {
    let mut session = opened();
    let query = message(b'Q', b"SELECT 1\0");
    let mut dropped = 0;
    for _ in 0..100_000 {
        session.frontend(&query, At(3), &mut |event| {
            dropped += usize::from(matches!(event, Event::Dropped { .. }));
        });
    }
    assert!(session.pairing.queue.len() <= 65_536);
    assert_eq!(dropped, 100_000);
    let reply = [message(b'C', b"SELECT 1\0"), message(b'Z', b"I")].concat();
    for _ in 0..100_000 {
        session.backend(&reply, At(4), 0, &mut |_| {});
    }
    let after = watch(&mut session, &[&query], &[&reply]);
    assert_eq!(after.0, 1, "pairing is found again when all is answered");
}

/// A client that sends and never reads may be answered for long: the server's answers fit into the buffers of sockets.
#[test]
fn texts_that_nobody_has_answered_are_bounded() {
    let mut session = opened();
    let text = |at: usize| format!("SELECT {}", "a, ".repeat(2000) + &format!("b{at}"));
    let parse = |at: usize| message(b'P', format!("\0{}\0\0\0", text(at)).as_bytes());
    let run = |sql: &[u8]| {
        let bind = message(b'B', b"\0\0\0\0\0\0\0\0");
        let execute = message(b'E', b"\0\0\0\0\0");
        [sql, &bind, &execute, &message(b'S', b"")].concat()
    };
    let answer = [
        message(b'1', b""),
        message(b'2', b""),
        message(b'C', b"SELECT 0\0"),
        message(b'Z', b"I"),
    ]
    .concat();
    let (mut dropped, mut known, mut unknown) = (0, 0, 0);
    for at in 0..4000 {
        session.frontend(&run(&parse(at)), At(3), &mut |event| match event {
            Event::Dropped { reason } => {
                assert_eq!(reason, "texts");
                dropped += 1;
            }
            event => panic!("{event:?}"),
        });
    }
    for at in 0..4000 {
        session.backend(&answer, At(4), 0, &mut |event| match event {
            Event::Query(query) => match query.statement {
                Some(statement) => {
                    assert!(statement.ends_with(&format!("b{at}")), "{at}: {statement}");
                    known += 1;
                }
                None => unknown += 1,
            },
            Event::Ready { .. } | Event::Batch { .. } => {}
            event => panic!("{event:?}"),
        });
    }
    assert_eq!((known + unknown, unknown), (4000, dropped));
    assert!((1000..2000).contains(&known), "{known} texts of 6 KB");
    // What was answered makes room again.
    let after = watch(&mut session, &[&run(&parse(1))], &[&answer]);
    assert_eq!(after.0, 1);
}

#[test]
fn what_comes_before_encryption_is_answered_is_bounded_however_it_is_cut() {
    let mut bytes = [8_u32.to_be_bytes(), 80_877_103_u32.to_be_bytes()].concat();
    bytes.resize(18_000, b'x');
    for size in [usize::MAX, 9, 1] {
        let mut session = Session::new();
        let mut seen = Vec::new();
        for piece in bytes.chunks(size) {
            session.frontend(piece, At(1), &mut |event| seen.push(format!("{event:?}")));
        }
        assert_eq!(seen, ["Blind { reason: Startup }"], "in pieces of {size}");
    }
}
