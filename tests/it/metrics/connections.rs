//! Connections, bytes, and what could not be decoded.

use super::{author, run, start, start_with};
use crate::support::app::App;
use crate::support::backend::Backend;
use crate::support::messages::{GSS_REQUEST, TERMINATE, cancel, message, query, startup, welcome};
use crate::support::peer::Peer;
use crate::support::proxy::{Proxy, Setup};
use crate::support::scrape::{Admin, Scrape};

/// A proxy in front of a server that does what the test says.
async fn scripted() -> (Backend, Proxy, Admin) {
    let backend = Backend::tcp().await;
    let proxy = Proxy::start(backend.address()).await;
    let admin = Admin::of(&proxy).await;
    (backend, proxy, admin)
}

async fn session(proxy: &Proxy, backend: &Backend) -> (Peer, Peer) {
    let mut client = proxy.connect().await;
    let mut server = backend.accept().await;
    client.send(&startup("app", "cellar")).await;
    server.expect(&startup("app", "cellar")).await;
    server.send(&welcome()).await;
    client.expect(&welcome()).await;
    (client, server)
}

fn outcome(scrape: &Scrape, outcome: &str) -> f64 {
    scrape.sum("connections_total", &[("outcome", outcome)])
}

async fn ended(admin: &Admin, name: &str, count: f64) -> Scrape {
    let what = format!("{count} {name}");
    let enough = |scrape: &Scrape| outcome(scrape, name) == count;
    admin.eventually(&what, enough).await
}

fn blind(scrape: &Scrape, reason: &str) -> f64 {
    scrape.sum("sessions_blind_total", &[("reason", reason)])
}

#[tokio::test]
async fn every_byte_is_counted() {
    let (backend, proxy, admin) = scripted().await;
    let (mut client, mut server) = session(&proxy, &backend).await;
    client.send(&query("SELECT 1 AS a")).await;
    server.expect(&query("SELECT 1 AS a")).await;
    let row = message(b'D', &[7; 100_000]);
    server.send(&row).await;
    client.expect(&row).await;
    let sent = startup("app", "cellar").len() + query("SELECT 1 AS a").len();
    let answered = welcome().len() + row.len();
    let bytes = |scrape: &Scrape, direction| scrape.sum("bytes_total", &[("direction", direction)]);
    let all = |scrape: &Scrape| bytes(scrape, "backend") == answered as f64;
    let scrape = admin.eventually("all bytes", all).await;
    assert_eq!(bytes(&scrape, "frontend"), sent as f64);
    assert_eq!(scrape.sum("connections_open", &[]), 1.0);
}

#[tokio::test]
async fn the_outcome_is_what_the_client_left_behind() {
    let (backend, proxy, admin) = scripted().await;

    // Nothing is owed: it closed, with and without a Terminate.
    for last_words in [&TERMINATE[..], b""] {
        let (mut client, mut server) = session(&proxy, &backend).await;
        client.send(last_words).await;
        drop(client);
        server.read_to_end().await;
    }
    ended(&admin, "closed", 2.0).await;

    // A query is.
    let (mut client, mut server) = session(&proxy, &backend).await;
    client.send(&query("SELECT 1 AS a")).await;
    server.expect(&query("SELECT 1 AS a")).await;
    drop(client);
    server.expect_end().await;
    drop(server);
    ended(&admin, "client_lost", 1.0).await;

    // Half of its answer came, and with that the last word is the server's.
    let (mut client, mut server) = session(&proxy, &backend).await;
    client.send(&query("SELECT 1 AS a")).await;
    server.expect(&query("SELECT 1 AS a")).await;
    let row = message(b'D', &[7; 10]);
    server.send(&row).await;
    client.expect(&row).await;
    drop(client);
    server.expect_end().await;
    drop(server);
    ended(&admin, "client_lost", 2.0).await;

    // A notice is no answer, and a client may leave while it is asked for a password.
    let mut client = proxy.connect().await;
    let mut server = backend.accept().await;
    client.send(&startup("app", "cellar")).await;
    server.expect(&startup("app", "cellar")).await;
    server.send(&message(b'R', &[0, 0, 0, 3])).await;
    client.expect(&message(b'R', &[0, 0, 0, 3])).await;
    drop(client);
    server.expect_end().await;
    drop(server);
    let scrape = ended(&admin, "closed", 3.0).await;
    assert_eq!(outcome(&scrape, "client_lost"), 2.0);
    assert_eq!(scrape.sum("connections_open", &[]), 0.0);
}

#[tokio::test]
async fn what_was_asked_and_never_answered_is_an_error_of_the_statement() {
    let (backend, proxy, admin) = scripted().await;
    let (mut client, mut server) = session(&proxy, &backend).await;
    let asked = query("SELECT a FROM b");
    client.send(&asked).await;
    server.expect(&asked).await;
    drop(client);
    server.expect_end().await;
    drop(server);
    let scrape = ended(&admin, "client_lost", 1.0).await;
    let labels = [("verb", "SELECT"), ("status", "error")];
    assert_eq!(scrape.sum("queries_total", &labels), 1.0);
    assert_eq!(scrape.sum("statement_calls_total", &[]), 1.0);
}

#[tokio::test]
async fn a_blind_session_that_ends_in_order_is_closed() {
    let (backend, proxy, admin) = scripted().await;
    let framing = [&startup("app", "cellar")[..], b"\0\0\0\0\0"].concat();
    for (bytes, answer, reason) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], &b"no"[..], "startup"),
        (b"\x16\x03\x01\0\x05hello", b"\x16\x03", "encrypted"),
        (&GSS_REQUEST, b"G", "gss"),
        (&framing, b"bye", "framing"),
    ] {
        let before = admin.scrape().await;
        let mut client = proxy.connect().await;
        let mut server = backend.accept().await;
        client.send(bytes).await;
        server.expect(bytes).await;
        server.send(answer).await;
        client.expect(answer).await;
        // The last word is the client's.
        client.send(b"more").await;
        server.expect(b"more").await;
        drop(client);
        server.expect_end().await;
        drop(server);
        let scrape = ended(&admin, "closed", outcome(&before, "closed") + 1.0).await;
        assert_eq!(blind(&scrape, reason), 1.0, "{reason}");
    }
    let scrape = admin.scrape().await;
    assert_eq!(scrape.sum("sessions_blind_total", &[]), 4.0);
    assert_eq!(scrape.sum("connections_total", &[]), 4.0);
}

#[tokio::test]
async fn each_loss_has_a_series_before_it_is_the_first() {
    let (_backend, _proxy, admin) = scripted().await;
    let text = include_str!("../../../docs/metrics.md");
    let row = text
        .lines()
        .find(|line| line.contains("pgscope_events_dropped_total"));
    let told = row.unwrap().split('`').skip(1).step_by(2);
    let reasons: Vec<&str> = told
        .filter(|word| !word.starts_with("pgscope") && *word != "reason")
        .collect();
    assert_eq!(reasons.len(), 7, "{reasons:?}");
    let scrape = admin.scrape().await;
    for reason in reasons {
        let labels = [("reason", reason)];
        assert_eq!(
            scrape.series("events_dropped_total", &labels).count(),
            1,
            "{reason}"
        );
        assert_eq!(scrape.sum("events_dropped_total", &labels), 0.0, "{reason}");
    }
}

#[tokio::test]
async fn without_profiling_a_session_is_named_and_counted_and_no_more() {
    let (proxy, admin) = start_with(Setup::unprofiled).await;
    let queries: Vec<_> = (1..=20).map(author).collect();
    let queries: Vec<_> = queries.iter().map(String::as_str).collect();
    let scrape = run(&proxy, &admin, &queries).await;
    assert_eq!(outcome(&scrape, "closed"), 1.0);
    assert_eq!(blind(&scrape, "off"), 1.0);
    for name in ["queries_total", "requests_total", "findings_total"] {
        assert_eq!(scrape.sum(name, &[]), 0.0, "{name}");
    }
    assert_eq!(scrape.sum("events_dropped_total", &[]), 0.0);
    assert!(scrape.sum("bytes_total", &[("direction", "frontend")]) > 1000.0);
    let app = App::connect(&proxy).await;
    let sessions = admin.get("/api/v1/sessions").await;
    for word in ["\"off\"", "\"cellar\""] {
        assert!(sessions.contains(word), "{sessions}");
    }
    app.quit().await;
}

#[tokio::test]
async fn lost_pairing_is_counted_with_what_it_cost_and_comes_back() {
    let (backend, proxy, admin) = scripted().await;
    let (mut client, mut server) = session(&proxy, &backend).await;
    for _ in 0..2 {
        client.send(&query("SELECT 1 AS a")).await;
        server.expect(&query("SELECT 1 AS a")).await;
    }
    let unasked = message(b'1', b"");
    let reply = [message(b'C', b"SELECT 1\0"), message(b'Z', b"I")].concat();
    for bytes in [&unasked, &reply, &reply] {
        server.send(bytes).await;
        client.expect(bytes).await;
    }
    client.send(&query("SELECT 2 AS a")).await;
    server.expect(&query("SELECT 2 AS a")).await;
    server.send(&reply).await;
    client.expect(&reply).await;
    let again = |scrape: &Scrape| scrape.sum("queries_total", &[]) == 1.0;
    let scrape = admin.eventually("a query that is understood", again).await;
    assert_eq!(blind(&scrape, "pairing"), 1.0);
    let dropped = [("reason", "pairing")];
    assert_eq!(scrape.sum("events_dropped_total", &dropped), 2.0);
}

#[tokio::test]
async fn queries_that_blindness_swallows_are_counted_as_dropped() {
    let (backend, proxy, admin) = scripted().await;
    let (mut client, mut server) = session(&proxy, &backend).await;
    client.send(&query("SELECT 1 AS a")).await;
    server.expect(&query("SELECT 1 AS a")).await;
    server.send(b"Z\xff\xff\xff\xff").await;
    client.expect(b"Z\xff\xff\xff\xff").await;
    let seen = |scrape: &Scrape| blind(scrape, "framing") == 1.0;
    let scrape = admin.eventually("blindness", seen).await;
    let dropped = [("reason", "blind")];
    assert_eq!(scrape.sum("events_dropped_total", &dropped), 1.0);
}

#[tokio::test]
async fn a_cancel_request_is_an_outcome_of_its_own() {
    let (backend, proxy, admin) = scripted().await;
    let mut client = proxy.connect().await;
    client.send(&cancel(7, &[1; 4])).await;
    let mut server = backend.accept().await;
    server.expect(&cancel(7, &[1; 4])).await;
    drop(server);
    client.expect_end().await;
    drop(client);
    ended(&admin, "cancelled", 1.0).await;
}

#[tokio::test]
async fn the_server_is_up_or_down() {
    let (proxy, admin) = start().await;
    App::connect(&proxy).await.quit().await;
    let upstream = proxy.shared().upstream.to_string();
    let labels = [("upstream", upstream.as_str())];
    let up = |scrape: &Scrape| scrape.sum("upstream_up", &labels) == 1.0;
    admin.eventually("the server to be up", up).await;
    assert!(admin.get("/healthz").await.starts_with("HTTP/1.1 200"));

    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = nobody.local_addr().unwrap().to_string();
    drop(nobody);
    let proxy = Proxy::start(&address).await;
    let admin = Admin::of(&proxy).await;
    assert!(admin.get("/healthz").await.starts_with("HTTP/1.1 503"));
    let mut client = proxy.connect().await;
    client.send(&startup("app", "cellar")).await;
    client.read_to_end().await;
    drop(client);
    let scrape = ended(&admin, "upstream_unreachable", 1.0).await;
    let labels = [("upstream", address.as_str())];
    let down: Vec<f64> = scrape
        .series("upstream_up", &labels)
        .map(|series| series.value)
        .collect();
    assert_eq!(down, [0.0]);
}

#[cfg(debug_assertions)]
#[tokio::test]
async fn a_panic_of_the_profiler_blinds_one_session_and_no_other() {
    let (proxy, admin) = start().await;
    let (mut first, mut second) = (App::connect(&proxy).await, App::connect(&proxy).await);
    let planted = format!("{} /* pgscope:planted_panic */", author(1));
    assert_eq!(first.query(&planted).await, "TDCZ");
    assert_eq!(first.query(&author(2)).await, "TDCZ", "bytes flow on");
    assert_eq!(second.query(&author(3)).await, "TDCZ");
    let counted = |scrape: &Scrape| scrape.sum("queries_total", &[("verb", "SELECT")]) == 1.0;
    let scrape = admin.eventually("the other's query", counted).await;
    assert_eq!(blind(&scrape, "panic"), 1.0);
    let sessions = admin.get("/api/v1/sessions").await;
    assert!(sessions.contains(r#""blind":"panic""#), "{sessions}");
    drop(first);
    drop(second);
    ended(&admin, "closed", 2.0).await;
}
