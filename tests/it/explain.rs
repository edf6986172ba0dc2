//! The side connection, with a server that is scripted: what goes over the wire, and what happens when nobody answers.

use crate::support::backend::Backend;
use crate::support::messages::{message, welcome};
use crate::support::{eventually, within};
use pgscope::detect::Explained;
use pgscope::explain::{Connecting, Settings, Side, run};
use pgscope::profiler::Inquiry;
use pgscope::request::ForeignKeys;
use pgscope::session::At;
use pgscope::sql::{Fingerprint, Statement};
use pgscope::stats::{ExplainOutcome, Load, Traffic};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Statements to ask about, all slow.
#[derive(Default)]
struct Statements {
    texts: Vec<&'static str>,
    traffic: Traffic,
    plans: Mutex<usize>,
}

impl Statements {
    fn of(texts: &[&'static str]) -> Arc<Self> {
        Arc::new(Self {
            texts: texts.to_vec(),
            ..Self::default()
        })
    }

    fn count_of(&self, outcome: ExplainOutcome) -> u64 {
        self.traffic.explanations(outcome)
    }
}

impl Inquiry for Statements {
    fn loads(&self, _: u64) -> Vec<Load> {
        let load = |number: usize| Load {
            fingerprint: Fingerprint(number as u64),
            seconds: 1.0,
            slow: 1,
        };
        (0..self.texts.len()).map(load).collect()
    }

    fn statement(&self, fingerprint: Fingerprint) -> Option<(Arc<Statement>, Vec<Arc<str>>)> {
        let text = self.texts.get(fingerprint.0 as usize)?;
        let statement = Arc::new(Statement::new(fingerprint, text));
        Some((statement, vec!["shop".into()]))
    }

    fn databases(&self) -> Vec<Arc<str>> {
        Vec::new()
    }

    fn explained(&self, _: &str, _: &Explained<'_>, _: At) {
        *self.plans.lock().unwrap() += 1;
    }

    fn foreign_keys(&self, _: &str, _: ForeignKeys) {}

    fn max_connections(&self, _: &str, _: u32, _: At) {}

    fn count(&self, outcome: ExplainOutcome) {
        self.traffic.explained(outcome);
    }
}

/// Starts to ask the server at this address; ends with the test.
fn ask(statements: &Arc<Statements>, address: String) {
    let connector = move || -> Connecting {
        let address = address.clone();
        Box::pin(async move {
            let stream = TcpStream::connect(address).await;
            stream.map_or_else(
                |error| Err(error.to_string()),
                |stream| Ok(Box::new(stream) as _),
            )
        })
    };
    tokio::spawn(run(Side {
        settings: Settings {
            enabled: true,
            user: Some("pgscope".into()),
            ..Settings::default()
        },
        password: None,
        inquiry: Arc::clone(statements) as _,
        connector: Arc::new(connector),
        now: Box::new(|| At(1)),
    }));
}

/// A server that says yes to everything; the texts that it was sent, with the type of their message.
async fn agreeable(listener: TcpListener, said: Arc<Mutex<Vec<String>>>) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let length = stream.read_u32().await.unwrap();
    let mut packet = vec![0; length as usize - 4];
    stream.read_exact(&mut packet).await.unwrap();
    stream.write_all(&welcome()).await.unwrap();
    loop {
        let Ok(tag) = stream.read_u8().await else {
            return;
        };
        let length = stream.read_u32().await.unwrap();
        let mut body = vec![0; length as usize - 4];
        stream.read_exact(&mut body).await.unwrap();
        let text = |bytes: &[u8]| {
            let end = bytes.iter().position(|byte| *byte == 0).unwrap();
            String::from_utf8(bytes[..end].to_vec()).unwrap()
        };
        let note = |line| said.lock().unwrap().push(line);
        let answer = match tag {
            b'Q' => {
                note(format!("Query {}", text(&body)));
                [message(b'C', b"SET\0"), message(b'Z', b"I")].concat()
            }
            b'P' => {
                note(format!("Parse {}", text(&body[1..])));
                message(b'1', b"")
            }
            b'B' => message(b'2', b""),
            b'D' => [message(b't', b"\0\0"), message(b'n', b"")].concat(),
            b'E' => message(b'C', b"EXPLAIN\0"),
            b'S' => message(b'Z', b"I"),
            _ => Vec::new(),
        };
        stream.write_all(&answer).await.unwrap();
    }
}

/// What the server is sent for a statement, without the settings of the session.
async fn conversation(text: &'static str) -> Vec<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let said = Arc::new(Mutex::new(Vec::new()));
    tokio::spawn(agreeable(listener, Arc::clone(&said)));
    let statements = Statements::of(&[text]);
    ask(&statements, address);
    eventually("an answer", || statements.count_of(ExplainOutcome::Ok) == 1).await;
    let said = said.lock().unwrap();
    let [session, begin, rest @ ..] = &said[..] else {
        panic!("too little: {said:?}")
    };
    assert!(
        session.starts_with("Query SET default_transaction_read_only = on;"),
        "{session}"
    );
    assert!(
        begin.starts_with("Query BEGIN TRANSACTION READ ONLY; SET LOCAL statement_timeout"),
        "{begin}"
    );
    rest.to_vec()
}

const OPEN: &str = r#"SELECT "id" FROM "t" WHERE "a" = ? AND "b" = ?"#;

#[tokio::test]
async fn a_prepared_statement_is_explained_and_given_up() {
    assert_eq!(
        conversation(OPEN).await,
        [
            "Query SET LOCAL plan_cache_mode = force_generic_plan",
            r#"Parse PREPARE pgscope_explain AS SELECT "id" FROM "t" WHERE "a" = $1 AND "b" = $2"#,
            "Parse EXPLAIN (VERBOSE, FORMAT JSON) EXECUTE pgscope_explain (NULL, NULL)",
            "Query DEALLOCATE pgscope_explain",
            "Query ROLLBACK",
        ]
    );
}

#[tokio::test]
async fn a_statement_without_literals_is_explained_as_it_is() {
    assert_eq!(
        conversation(r#"SELECT "id" FROM "t""#).await,
        [
            r#"Parse EXPLAIN (VERBOSE, FORMAT JSON) SELECT "id" FROM "t""#,
            "Query ROLLBACK",
        ]
    );
}

#[tokio::test]
async fn what_is_no_plain_select_reaches_no_server() {
    let statements = Statements::of(&[
        "SELECT setval(?, ?)",
        r#"SELECT "id" FROM "t" FOR UPDATE"#,
        r#"WITH d AS (DELETE FROM "t" RETURNING "id") SELECT "id" FROM d"#,
    ]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    ask(&statements, listener.local_addr().unwrap().to_string());
    eventually("all are left out", || {
        statements.count_of(ExplainOutcome::Skipped) == 3
    })
    .await;
    assert_eq!(statements.count_of(ExplainOutcome::Unreachable), 0);
    let nobody = std::future::poll_fn(|context| match listener.poll_accept(context) {
        std::task::Poll::Pending => std::task::Poll::Ready(true),
        std::task::Poll::Ready(_) => std::task::Poll::Ready(false),
    });
    assert!(nobody.await, "somebody connected");
}

#[tokio::test]
async fn a_server_that_is_away_is_tried_again() {
    let statements = Statements::of(&[OPEN]);
    let backend = Backend::tcp().await;
    let address = backend.address();
    ask(&statements, address);
    // It hangs up before it has said a word, then in the middle of its greeting.
    drop(backend.accept().await);
    let mut second = backend.accept().await.into_stream();
    second.write_all(&welcome()[..3]).await.unwrap();
    drop(second);
    let third = within("a third attempt", backend.accept()).await;
    assert_eq!(statements.count_of(ExplainOutcome::Unreachable), 2);
    assert_eq!(*statements.plans.lock().unwrap(), 0);
    drop(third);
}
