//! A CancelRequest and the session that it names.

use crate::support::backend::Backend;
use crate::support::certificates::Authority;
use crate::support::messages::{cancel, startup, welcome_with_key};
use crate::support::peer::Peer;
use crate::support::process::Process;
use crate::support::proxy::{Proxy, Setup};
use crate::support::scrape::{Admin, Scrape};
use crate::support::secure::{client, connect};
use pgscope::proxy::{ClientMode, ClientTls};
use tokio_rustls::rustls::ALL_VERSIONS;

/// Of protocol 3.0.
const SHORT: [u8; 4] = [0xA1, 0xB2, 0xC3, 0xD4];
/// Of protocol 3.2.
const LONG: [u8; 32] = *b"correct horse battery staple 3.2";

/// A session whose server gave it this key, byte by byte.
async fn session(mut client: Peer, backend: &Backend, database: &str, key: &[u8]) -> (Peer, Peer) {
    client.send(&startup("app", database)).await;
    let mut server = greeted(backend, database).await;
    let welcome = welcome_with_key(7, key);
    for byte in &welcome {
        server.send(&[*byte]).await;
    }
    client.expect(&welcome).await;
    (client, server)
}

/// The next connection that begins a session; before it may come one that only looked whether the server is there.
async fn greeted(backend: &Backend, database: &str) -> Peer {
    let hello = startup("app", database);
    loop {
        let mut server = backend.accept().await;
        if server.read_some(hello.len()).await == hello {
            return server;
        }
    }
}

/// Sends a CancelRequest, which arrives at this server, and awaits its end.
async fn cancelled(mut canceller: Peer, backend: &Backend, key: &[u8]) {
    let request = cancel(7, key);
    canceller.send(&request).await;
    let mut server = backend.accept().await;
    server.expect(&request).await;
    drop(server);
    canceller.expect_end().await;
}

/// What lets a client in is looked at when the client has it: a CancelRequest may else be there first, and name nobody.
async fn let_in(admin: &Admin, sessions: f64) {
    let holds = |scrape: &Scrape| scrape.sum("connection_setup_seconds_count", &[]) == sessions;
    admin.eventually("the sessions to be let in", holds).await;
}

async fn counted(admin: &Admin, database: &str, requests: f64) -> Scrape {
    let labels = [("database", database)];
    let holds = |scrape: &Scrape| scrape.sum("cancel_requests_total", &labels) == requests;
    admin.eventually("CancelRequests", holds).await
}

#[tokio::test]
async fn a_cancel_request_counts_for_the_session_that_it_names() {
    let backend = Backend::tcp().await;
    let pgscope = Process::start(&backend.address(), &["--log-level", "trace"]);
    let _short = session(pgscope.connect().await, &backend, "cellar", &SHORT).await;
    let long = session(pgscope.connect().await, &backend, "logs", &LONG).await;
    let admin = &pgscope.admin;
    let_in(admin, 2.0).await;
    cancelled(pgscope.connect().await, &backend, &LONG).await;
    cancelled(pgscope.connect().await, &backend, &LONG).await;
    cancelled(pgscope.connect().await, &backend, &SHORT).await;
    cancelled(pgscope.connect().await, &backend, &LONG[..31]).await;
    counted(admin, "logs", 2.0).await;
    counted(admin, "cellar", 1.0).await;
    let scrape = counted(admin, "other", 1.0).await;
    assert_eq!(scrape.sum("cancel_requests_total", &[]), 4.0);
    let sessions = admin.get("/api/v1/sessions").await;
    for (database, requests) in [("logs", 2), ("cellar", 1)] {
        let (_, rest) = sessions
            .split_once(&format!("\"database\":\"{database}\""))
            .unwrap();
        let (_, rest) = rest.split_once("\"cancel_requests\":").unwrap();
        assert!(rest.starts_with(&format!("{requests},")), "{sessions}");
    }

    // Its key dies with it.
    drop(long);
    let closed = |scrape: &Scrape| scrape.sum("connections_open", &[]) == 1.0;
    admin.eventually("the session to end", closed).await;
    cancelled(pgscope.connect().await, &backend, &LONG).await;
    let scrape = counted(admin, "other", 2.0).await;
    assert_eq!(scrape.sum("cancel_requests_total", &[]), 5.0);

    // Nothing that pgscope says holds a key, in whatever notation.
    let metrics = admin.get("/metrics").await;
    for said in [&sessions, &metrics, &pgscope.log()] {
        for word in [
            "a1b2c3d4",
            "161, 178",
            "161,178",
            "2712847316",
            "correct horse",
        ] {
            assert!(!said.to_lowercase().contains(word), "{word} in {said}");
        }
    }
}

#[tokio::test]
async fn a_cancel_request_within_tls_is_matched_too() {
    let (backend, authority) = (Backend::tcp().await, Authority::new());
    let pair = authority.signs("localhost");
    let proxy = Setup::to(backend.address())
        .client_tls(ClientTls {
            mode: ClientMode::Terminate,
            cert_file: Some(pair.cert),
            key_file: Some(pair.key),
            ..ClientTls::default()
        })
        .start()
        .await;
    let admin = Admin::of(&proxy).await;
    let connector = client(&authority, &[], ALL_VERSIONS);
    let secure = connect(&proxy.address, &connector).await;
    let _session = session(secure, &backend, "cellar", &LONG).await;
    let_in(&admin, 1.0).await;
    let canceller = connect(&proxy.address, &connector).await;
    cancelled(canceller, &backend, &LONG).await;
    counted(&admin, "cellar", 1.0).await;
    // libpq before 17 never encrypts it.
    cancelled(proxy.connect().await, &backend, &LONG).await;
    counted(&admin, "cellar", 2.0).await;
}

#[tokio::test]
async fn of_several_servers_a_cancel_request_goes_to_that_of_its_session() {
    let (first, second) = (Backend::tcp().await, Backend::tcp().await);
    let (address, other) = (first.address(), second.address());
    drop(first);
    let proxy = Proxy::start(format!("{address},{other}")).await;
    let _session = session(proxy.connect().await, &second, "cellar", &SHORT).await;
    // The first is back, and gets what is new.
    let first = Backend::Tcp(tokio::net::TcpListener::bind(address).await.unwrap());
    let mut canceller = proxy.connect().await;
    let mut unused = first.accept().await;
    canceller.send(&cancel(7, &SHORT)).await;
    let mut server = second.accept().await;
    server.expect(&cancel(7, &SHORT)).await;
    unused.expect_end().await;
    drop(server);
    canceller.expect_end().await;
    // Nobody's key goes where a session would go.
    cancelled(proxy.connect().await, &first, &LONG).await;
}
