//! Properties. The scenarios are conversations under `tests/transcripts/`.

use super::*;
use proptest::prelude::*;

/// A client's request and the server's answer to it.
#[derive(Clone, Debug)]
enum Exchange {
    Simple { statements: usize, rows: usize },
    SimpleError,
    Extended { executes: usize, rows: usize },
    ParseError { executes: usize },
    Function,
    Empty,
}

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    bytes.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
    bytes.extend_from_slice(body);
    bytes
}

impl Exchange {
    fn strategy() -> impl Strategy<Value = Self> {
        prop_oneof![
            (1_usize..4, 0_usize..5)
                .prop_map(|(statements, rows)| Self::Simple { statements, rows }),
            Just(Self::SimpleError),
            (1_usize..4, 0_usize..5).prop_map(|(executes, rows)| Self::Extended { executes, rows }),
            (1_usize..4).prop_map(|executes| Self::ParseError { executes }),
            Just(Self::Function),
            Just(Self::Empty),
        ]
    }

    fn request(&self) -> Vec<u8> {
        match self {
            Self::Simple { statements, .. } => {
                let text = vec!["SELECT a FROM t WHERE b = 'x'"; *statements].join(";");
                message(b'Q', format!("{text}\0").as_bytes())
            }
            Self::SimpleError => message(b'Q', b"SELEC 1\0"),
            Self::Extended { executes, .. } | Self::ParseError { executes } => {
                let mut bytes = message(b'P', b"\0SELECT a FROM t WHERE b = $1\0\0\0");
                for _ in 0..*executes {
                    bytes.extend(message(b'B', b"\0\0\0\0\0\x01\0\0\0\x01x\0\0"));
                    bytes.extend(message(b'E', b"\0\0\0\0\0"));
                }
                bytes.extend(message(b'S', b""));
                bytes
            }
            Self::Function => message(b'F', &[0; 10]),
            Self::Empty => message(b'Q', b"\0"),
        }
    }

    fn reply(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let error = message(b'E', b"SERROR\0VERROR\0C42601\0Msyntax\0\0");
        match self {
            Self::Simple { statements, rows } => {
                for _ in 0..*statements {
                    bytes.extend(message(b'T', b"\0\0"));
                    (0..*rows).for_each(|_| bytes.extend(message(b'D', b"\0\x01\0\0\0\x02xy")));
                    bytes.extend(message(b'C', format!("SELECT {rows}\0").as_bytes()));
                }
            }
            Self::SimpleError | Self::ParseError { .. } => bytes.extend(error),
            Self::Extended { executes, rows } => {
                bytes.extend(message(b'1', b""));
                for _ in 0..*executes {
                    bytes.extend(message(b'2', b""));
                    (0..*rows).for_each(|_| bytes.extend(message(b'D', b"\0\x01\0\0\0\x02xy")));
                    bytes.extend(message(b'C', format!("SELECT {rows}\0").as_bytes()));
                }
            }
            Self::Function => bytes.extend(message(b'V', &[255; 4])),
            Self::Empty => bytes.extend(message(b'I', b"")),
        }
        bytes.extend(message(b'Z', b"I"));
        bytes
    }

    /// Executions that the server reports, and rows.
    fn executions(&self) -> (usize, usize) {
        match self {
            Self::Simple { statements, rows } => (*statements, statements * rows),
            Self::Extended { executes, rows } => (*executes, executes * rows),
            Self::SimpleError | Self::ParseError { .. } | Self::Function | Self::Empty => (1, 0),
        }
    }
}

fn opened() -> Session {
    let mut session = Session::new();
    let mut startup = vec![0, 0, 0, 17, 0, 3, 0, 0];
    startup.extend_from_slice(b"user\0me\0\0");
    session.frontend(&startup, At(1), &mut |_| {});
    let hello = [message(b'R', &[0; 4]), message(b'Z', b"I")].concat();
    session.backend(&hello, At(2), 0, &mut |_| {});
    session
}

fn pieces<'a>(bytes: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
    let mut found = Vec::new();
    let mut rest = bytes;
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, after) = rest.split_at((*size).min(rest.len()));
        found.push(piece);
        rest = after;
    }
    found
}

/// Queries, rows and every event in words.
fn watch(session: &mut Session, up: &[&[u8]], down: &[&[u8]]) -> (usize, usize, Vec<String>) {
    let (mut queries, mut rows, mut words) = (0, 0, Vec::new());
    let mut sink = |event: Event<'_>| {
        if let Event::Query(query) = &event {
            queries += 1;
            rows += query.rows as usize;
            words.push(format!(
                "{:?} {:?} {}",
                query.outcome, query.part, query.literals
            ));
        } else {
            words.push(format!("{event:?}"));
        }
    };
    up.iter()
        .for_each(|piece| session.frontend(piece, At(3), &mut sink));
    down.iter()
        .for_each(|piece| session.backend(piece, At(4), 0, &mut sink));
    (queries, rows, words)
}

/// When the first byte of a query's reply was read, with `before` read in these pieces while the query was under way.
fn first_byte(before: &[&[u8]]) -> At {
    let mut session = Session::new();
    let mut found = At(0);
    let mut sink = |event: Event<'_>| {
        if let Event::Query(query) = event {
            found = query.first_byte;
        }
    };
    let startup = b"\0\0\0\x11\0\x03\0\0user\0me\0\0";
    session.frontend(startup, At(1), &mut sink);
    session.backend(&message(b'Z', b"I"), At(2), 0, &mut sink);
    session.frontend(&message(b'Q', b"SELECT a\0"), At(3), &mut sink);
    for piece in before {
        session.backend(piece, At(4), 0, &mut sink);
    }
    session.backend(&message(b'C', b"SELECT 1\0"), At(5), 0, &mut sink);
    found
}

#[test]
fn what_answers_nothing_is_no_first_byte_even_where_it_is_cut() {
    for tag in *b"NASKRv" {
        let bytes = message(tag, &[0; 8]);
        assert_eq!(first_byte(&[&bytes]), At(5), "{}", char::from(tag));
        let (head, tail) = bytes.split_at(7);
        assert_eq!(first_byte(&[head, tail]), At(5), "{}", char::from(tag));
    }
    let row = message(b'D', &[0; 8]);
    assert_eq!(first_byte(&[&row[..7], &row[7..]]), At(4));
}

proptest! {
    /// Conservation: each execution ends as exactly one record, pipelined or not, however the bytes are cut.
    #[test]
    fn every_execution_is_one_query(
        exchanges in prop::collection::vec(Exchange::strategy(), 1..12),
        sizes in prop::collection::vec(1_usize..40, 1..20),
    ) {
        let up: Vec<u8> = exchanges.iter().flat_map(Exchange::request).collect();
        let down: Vec<u8> = exchanges.iter().flat_map(Exchange::reply).collect();
        let expected: usize = exchanges.iter().map(|exchange| exchange.executions().0).sum();
        let expected_rows: usize = exchanges.iter().map(|exchange| exchange.executions().1).sum();

        let mut pipelined = opened();
        let whole = watch(&mut pipelined, &[&up], &[&down]);
        prop_assert_eq!(whole.0, expected);
        prop_assert_eq!(whole.1, expected_rows);
        prop_assert!(pipelined.is_quiet() && !pipelined.is_blind());
        let cut = watch(&mut opened(), &pieces(&up, &sizes), &pieces(&down, &sizes));
        prop_assert_eq!(&cut, &whole);

        let mut stepwise = opened();
        let mut queries = 0;
        for exchange in &exchanges {
            queries += watch(&mut stepwise, &[&exchange.request()], &[&exchange.reply()]).0;
        }
        prop_assert_eq!(queries, expected);
    }

    /// What a connection loses in the middle of its answers is lost, not forgotten and not counted twice.
    #[test]
    fn a_connection_that_breaks_loses_nothing_silently(
        exchanges in prop::collection::vec(Exchange::strategy(), 1..8),
        share in 0.0_f64..1.0,
    ) {
        let up: Vec<u8> = exchanges.iter().flat_map(Exchange::request).collect();
        let down: Vec<u8> = exchanges.iter().flat_map(Exchange::reply).collect();
        let cut = (down.len() as f64 * share) as usize;
        let mut session = opened();
        let (before, ..) = watch(&mut session, &[&up], &[&down[..cut]]);
        let mut lost = 0;
        session.close(At(9), &mut |event| lost += usize::from(matches!(event, Event::Query(_))));
        let least: usize = exchanges
            .iter()
            .scan(0, |end, exchange| {
                *end += exchange.reply().len();
                Some((*end, exchange.executions().0))
            })
            .filter(|(end, _)| *end <= cut)
            .map(|(_, executions)| executions)
            .sum();
        let most: usize = exchanges.iter().map(|exchange| match exchange {
            Exchange::ParseError { executes } => *executes,
            other => other.executions().0,
        }).sum();
        prop_assert!(before >= least);
        prop_assert!(before + lost <= most, "{before} + {lost} > {most}");
    }

    /// Garbage never panics and never makes a session grow.
    #[test]
    fn garbage_is_survived(
        turns in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..200)), 0..30),
        opened_first in any::<bool>(),
    ) {
        let mut session = if opened_first { opened() } else { Session::new() };
        for (from_client, bytes) in &turns {
            if *from_client {
                session.frontend(bytes, At(3), &mut |_| {});
            } else {
                session.backend(bytes, At(4), 0, &mut |_| {});
            }
        }
        session.close(At(5), &mut |_| {});
        prop_assert!(session.pairing.queue.len() <= 200 * 30);
    }

    /// Messages of legal shape with nonsense in them, in an order that no server has.
    #[test]
    fn legal_frames_in_any_order_are_survived(
        turns in prop::collection::vec(
            (any::<bool>(), prop::sample::select(&b"QPBEDCSFHcdfXp123nstTIZGWVARNKv"[..]), prop::collection::vec(any::<u8>(), 0..30)),
            0..60,
        ),
    ) {
        let mut session = opened();
        for (from_client, tag, body) in &turns {
            let bytes = message(*tag, body);
            if *from_client {
                session.frontend(&bytes, At(3), &mut |_| {});
            } else {
                session.backend(&bytes, At(4), 0, &mut |_| {});
            }
        }
        session.close(At(5), &mut |_| {});
    }
}

#[test]
fn a_password_is_never_captured() {
    assert_eq!(frontend::cap(b'p'), 0);
}

/// A message that breaks a COPY is answered at its type, from PostgreSQL 14 on. Its rest may come later, or never.
#[test]
fn a_message_that_is_answered_before_its_end_is_not_owed_an_answer() {
    let breaks = message(b'Q', b"SELECT 1\0");
    for cut in 1..breaks.len() {
        let mut session = opened();
        let mut queries = 0;
        let mut count = |event: Event<'_>| queries += usize::from(matches!(event, Event::Query(_)));
        session.frontend(&message(b'Q', b"COPY t FROM STDIN\0"), At(3), &mut count);
        session.backend(&message(b'G', &[0, 0, 0]), At(4), 0, &mut count);
        session.frontend(&breaks[..cut], At(5), &mut count);
        let error = message(b'E', b"SERROR\0VERROR\0C08P01\0Mno\0\0");
        session.backend(&[&error[..], &error].concat(), At(6), 0, &mut count);
        session.frontend(&breaks[cut..], At(7), &mut count);
        session.close(At(8), &mut count);
        assert_eq!(queries, 1, "cut at {cut}");
    }
}

/// The client need not wait until the server asks for the data of a COPY, and the data may be seen before or after.
#[test]
fn the_data_of_a_copy_counts_whenever_the_server_asks_for_it() {
    let copy = message(b'Q', b"COPY t FROM STDIN\0");
    let said = [
        message(b'd', b"1\n"),
        message(b'd', b"22\n"),
        message(b'c', b""),
        copy.clone(),
        message(b'd', b"333\n"),
        message(b'c', b""),
    ]
    .concat();
    let first = [message(b'C', b"COPY 2\0"), message(b'Z', b"I")].concat();
    let asks = message(b'G', &[0, 0, 0]);
    let second = [&asks[..], &message(b'C', b"COPY 1\0"), &message(b'Z', b"I")].concat();
    for seen in 0..=said.len() {
        let mut session = opened();
        let mut bytes = Vec::new();
        let mut note = |event: Event<'_>| {
            if let Event::Query(query) = event {
                bytes.push(query.bytes);
            }
        };
        session.frontend(&copy, At(3), &mut note);
        session.frontend(&said[..seen], At(4), &mut note);
        session.backend(&asks, At(5), 0, &mut note);
        session.frontend(&said[seen..], At(6), &mut note);
        session.backend(&first, At(7), 0, &mut note);
        session.backend(&second, At(8), 0, &mut note);
        assert_eq!(bytes, [5, 4], "the server asks after {seen} bytes");
    }
}

#[test]
fn what_was_sent_for_a_copy_that_is_refused_is_not_owed_an_answer() {
    let mut session = opened();
    let up = [
        message(b'Q', b"COPY nosuch FROM STDIN\0"),
        message(b'd', b"1\n"),
        message(b'c', b""),
    ];
    session.frontend(&up.concat(), At(3), &mut |_| {});
    let down = [
        message(b'E', b"SERROR\0VERROR\0C42P01\0\0"),
        message(b'Z', b"I"),
    ];
    session.backend(&down.concat(), At(4), 0, &mut |_| {});
    assert!(session.is_quiet() && !session.is_owed());
}

mod bounds;
mod names;
