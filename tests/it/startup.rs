//! The first packets of a connection, and what a client hears when there is no server to hear them.

use crate::support::backend::{Backend, Step};
use crate::support::messages::{
    GSS_REQUEST, SSL_REQUEST, cancel, error_fields, query, startup, welcome,
};
use crate::support::proxy::{Proxy, Setup};
use crate::support::{eventually, take_turns};
use pgscope::stats::ConnectionOutcome;
use std::time::Duration;
use tokio::net::TcpSocket;

/// A port that refuses connections and that nobody else can get, until somebody listens.
fn nobody() -> (TcpSocket, String) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let address = socket.local_addr().unwrap().to_string();
    (socket, address)
}

/// What came of the last attempt to connect to each server.
fn tried(proxy: &Proxy) -> Vec<bool> {
    let tried = proxy.shared().upstreams.tried();
    tried.map(|(_, up)| up).collect()
}

#[tokio::test]
async fn an_ssl_request_cut_anywhere_is_answered_here() {
    let backend = Backend::tcp().await;
    let proxy = Proxy::start(backend.address()).await;
    for cut in 0..=SSL_REQUEST.len() {
        let mut client = proxy.connect().await;
        let mut server = backend.accept().await;
        let (head, tail) = SSL_REQUEST.split_at(cut);
        client.send(head).await;
        take_turns().await;
        client.send(tail).await;
        client.expect(b"N").await;
        client.send(&startup("app", "cellar")).await;
        server.expect(&startup("app", "cellar")).await;
        server.send(&welcome()).await;
        client.expect(&welcome()).await;
    }
}

#[tokio::test]
async fn a_startup_packet_cut_anywhere_arrives_whole() {
    let backend = Backend::tcp().await;
    let proxy = Proxy::start(backend.address()).await;
    let packet = startup("app", "cellar");
    for cut in 1..packet.len() {
        let mut client = proxy.connect().await;
        let mut server = backend.accept().await;
        client.send(&packet[..cut]).await;
        take_turns().await;
        client.send(&packet[cut..]).await;
        server.expect(&packet).await;
        client.finish().await;
        server.expect_end().await;
    }
}

#[tokio::test]
async fn a_gss_request_is_the_servers_to_answer() {
    let backend = Backend::tcp().await;
    let proxy = Proxy::start(backend.address()).await;

    // Refused, then SSL, as libpq with a ticket; then the other way round.
    let mut client = proxy.connect().await;
    let mut server = backend.accept().await;
    client.send(&GSS_REQUEST).await;
    server.expect(&GSS_REQUEST).await;
    server.send(b"N").await;
    client.expect(b"N").await;
    client.send(&SSL_REQUEST).await;
    client.expect(b"N").await;
    client.send(&startup("app", "cellar")).await;
    server.expect(&startup("app", "cellar")).await;

    let mut client = proxy.connect().await;
    let mut server = backend.accept().await;
    client.send(&SSL_REQUEST).await;
    client.expect(b"N").await;
    client.send(&GSS_REQUEST).await;
    server.expect(&GSS_REQUEST).await;
    server.send(b"N").await;
    client.expect(b"N").await;
    client.send(&startup("app", "cellar")).await;
    server.expect(&startup("app", "cellar")).await;
    server.send(&welcome()).await;
    client.expect(&welcome()).await;

    // Accepted: what follows is not ours to read, even if it looks like an SSLRequest.
    let mut client = proxy.connect().await;
    let mut server = backend.accept().await;
    client.send(&GSS_REQUEST).await;
    server.expect(&GSS_REQUEST).await;
    server.send(b"G").await;
    client.expect(b"G").await;
    client.send(&SSL_REQUEST).await;
    server.expect(&SSL_REQUEST).await;
}

#[tokio::test]
async fn what_a_client_does_before_its_gss_request_is_answered_reaches_the_server() {
    let backend = Backend::tcp().await;
    let proxy = Proxy::start(backend.address()).await;
    let mut client = proxy.connect().await;
    let mut server = backend.accept().await;
    client.send(&GSS_REQUEST).await;
    server.expect(&GSS_REQUEST).await;
    client.send(&startup("app", "cellar")).await;
    server.expect(&startup("app", "cellar")).await;
    server.send(b"N").await;
    client.expect(b"N").await;

    let mut client = proxy.connect().await;
    let mut server = backend.accept().await;
    client.send(&GSS_REQUEST).await;
    server.expect(&GSS_REQUEST).await;
    client.finish().await;
    server.expect_end().await;
}

#[tokio::test]
async fn what_is_no_startup_packet_is_passed_on() {
    let backend = Backend::tcp().await;
    let proxy = Proxy::start(backend.address()).await;
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01"[..],
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x00\x00\x00\x08\x00\x02\x00\x00",
        b"\xff\xff\xff\xff\xff\xff\xff\xff",
    ] {
        let mut client = proxy.connect().await;
        let mut server = backend.accept().await;
        client.send(bytes).await;
        server.expect(bytes).await;
        server.send(b"answer").await;
        drop(server);
        assert_eq!(client.read_to_end().await, b"answer");
    }
}

#[tokio::test]
async fn a_server_that_speaks_first_is_heard() {
    let backend = Backend::tcp().await;
    let proxy = Proxy::start(backend.address()).await;
    let mut client = proxy.connect().await;
    client.send(b"\0\0").await;
    let mut server = backend.accept().await;
    server.send(b"Etoo many clients\n\0").await;
    client.expect(b"Etoo many clients\n\0").await;
    server.expect(b"\0\0").await;
}

#[tokio::test]
async fn a_client_that_dawdles_holds_up_nobody() {
    let backend = Backend::tcp().await;
    let address = backend.address();
    let record = backend.play(vec![
        Step::Expect(startup("app", "cellar")),
        Step::Send(welcome()),
    ]);
    let proxy = Setup::to(address)
        .startup_timeout(Duration::from_millis(200))
        .start()
        .await;
    let mut dawdler = proxy.connect().await;
    dawdler.send(&startup("app", "cellar")[..8]).await;
    let mut client = proxy.connect().await;
    client.send(&startup("app", "cellar")).await;
    client.expect(&welcome()).await;

    // The one that has not said who it is has to go; the other stays.
    dawdler.expect_end().await;
    client.send(&query("SELECT 1")).await;
    let sent = [startup("app", "cellar"), query("SELECT 1")].concat();
    eventually("the query at the server", || {
        record.connections().contains(&sent)
    })
    .await;
    let traffic = proxy.shared().profiler.traffic();
    assert_eq!(traffic.ended(ConnectionOutcome::ClientLost), 1);
    assert_eq!(traffic.open(), 1);
}

#[tokio::test]
async fn a_health_check_that_only_connects_is_no_loss() {
    let backend = Backend::tcp().await;
    let proxy = Proxy::start(backend.address()).await;
    drop(proxy.connect().await);
    backend.accept().await.expect_end().await;
    proxy.ended(ConnectionOutcome::Closed, 1).await;
}

#[tokio::test]
async fn without_a_server_the_client_reads_why() {
    let (_socket, upstream) = nobody();
    let proxy = Proxy::start(&upstream).await;
    for requests in [
        &[][..],
        &[SSL_REQUEST],
        &[GSS_REQUEST, SSL_REQUEST],
        &[SSL_REQUEST, GSS_REQUEST],
    ] {
        let mut client = proxy.connect().await;
        for request in requests {
            client.send(request).await;
            client.expect(b"N").await;
        }
        client.send(&startup("app", "cellar")).await;
        let fields = error_fields(&client.read_to_end().await);
        assert_eq!(fields[&'S'], "FATAL");
        assert_eq!(fields[&'V'], "FATAL");
        assert_eq!(fields[&'C'], "08006");
        let expected = format!(
            "pgscope could not connect to the upstream server at {upstream}: Connection refused"
        );
        assert_eq!(fields[&'M'], expected);
        assert!(fields[&'H'].contains(&upstream), "{fields:?}");
    }
    proxy.ended(ConnectionOutcome::UpstreamUnreachable, 4).await;
    assert_eq!(tried(&proxy), [false]);
}

#[tokio::test]
async fn without_a_server_a_cancel_request_gets_no_answer() {
    let (_socket, upstream) = nobody();
    let proxy = Proxy::start(upstream).await;
    let mut client = proxy.connect().await;
    client.send(&cancel(7, b"keys")).await;
    client.expect_end().await;
    proxy.ended(ConnectionOutcome::UpstreamUnreachable, 1).await;
}

#[tokio::test]
async fn a_server_that_comes_back_is_found() {
    let (socket, upstream) = nobody();
    let proxy = Proxy::start(&upstream).await;
    let mut client = proxy.connect().await;
    client.send(&startup("app", "cellar")).await;
    assert_eq!(error_fields(&client.read_to_end().await)[&'C'], "08006");
    drop(client);

    let backend = Backend::Tcp(socket.listen(8).unwrap());
    let mut client = proxy.connect().await;
    client.send(&startup("app", "cellar")).await;
    let mut server = backend.accept().await;
    server.expect(&startup("app", "cellar")).await;
    assert_eq!(tried(&proxy), [true]);
}

#[tokio::test]
async fn the_end_of_a_cancel_request_is_the_servers() {
    let backend = Backend::tcp().await;
    let proxy = Proxy::start(backend.address()).await;
    // Keys of protocol 3.0 and of 3.2.
    for key in [&[1; 4][..], &[2; 32]] {
        let mut client = proxy.connect().await;
        client.send(&cancel(7, key)).await;
        let mut server = backend.accept().await;
        server.expect(&cancel(7, key)).await;
        client.expect_silence().await;
        drop(server);
        client.expect_end().await;
    }
    proxy.ended(ConnectionOutcome::Cancelled, 2).await;
}
