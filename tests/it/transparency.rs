//! Not a byte is added, lost or changed, whatever the bytes, their cuts and the peers' order of doing things.

use crate::support::backend::Backend;
use crate::support::certificates::Authority;
use crate::support::messages::{done, message, query, startup, welcome};
use crate::support::peer::Peer;
use crate::support::proxy::{Proxy, Setup};
use crate::support::scrape::{Admin, Scrape};
use crate::support::secure::{SecureBackend, client, connect};
use crate::support::{messages, settled};
use pgscope::proxy::{ClientMode, ClientTls, UpstreamMode, UpstreamTls};
use pgscope::stats::ConnectionOutcome;
use proptest::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::AsyncWriteExt;
use tokio_rustls::rustls::ALL_VERSIONS;

/// Bytes that look like nothing in particular and differ from place to place.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut bytes: Vec<u8> = std::iter::repeat_with(&mut next)
        .take(length.div_ceil(8))
        .flatten()
        .collect();
    bytes.truncate(length);
    bytes
}

/// Both sides send all of theirs at once, each in its own pieces, and end.
async fn assert_equal(request: &[u8], reply: &[u8], cuts: &[usize], other_cuts: &[usize]) {
    let backend = Backend::tcp().await;
    let proxy = Proxy::start(backend.address()).await;
    let client = proxy.connect().await;
    let server = backend.accept().await;
    let (at_client, at_server) = tokio::join!(
        client.exchange(request, cuts),
        server.exchange(reply, other_cuts)
    );
    assert!(at_server == request, "the server got other bytes");
    assert!(at_client == reply, "the client got other bytes");
    let expected = (request.len() as u64, reply.len() as u64);
    assert_eq!(proxy.shared().profiler.traffic().bytes(), expected);
}

fn run(future: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future);
}

fn cuts() -> impl Strategy<Value = Vec<usize>> {
    let small = proptest::collection::vec(1_usize..40, 1..8);
    let large = proptest::collection::vec(1_usize..70_000, 1..8);
    prop_oneof![small, large]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_in_any_pieces(
        request in proptest::collection::vec(any::<u8>(), 0..200),
        seeds in any::<(u64, u64)>(),
        lengths in (0_usize..300_000, 0_usize..300_000),
        cuts in (cuts(), cuts()),
    ) {
        let mut request = request;
        request.extend(noise(seeds.0, lengths.0));
        run(assert_equal(&request, &noise(seeds.1, lengths.1), &cuts.0, &cuts.1));
    }
}

#[tokio::test]
async fn a_startup_packet_and_megabytes_behind_it() {
    let mut request = messages::startup("app", "cellar");
    request.extend(noise(3, 10 << 20));
    // Both write 10 MB before they would have to read any: no deadlock.
    assert_equal(&request, &noise(5, 10 << 20), &[1 << 20], &[1 << 20]).await;
}

#[tokio::test]
async fn pieces_of_one_byte_and_of_one_less_than_two_to_the_sixteenth() {
    let bytes = noise(7, 20_000);
    assert_equal(&bytes, &bytes, &[1], &[1]).await;
    let bytes = noise(9, 3 << 20);
    assert_equal(&bytes, &bytes, &[65_535], &[65_535]).await;
}

#[tokio::test]
async fn a_slow_reader_holds_up_the_writer_and_costs_no_memory() {
    const LENGTH: usize = 16 << 20;
    /// What the kernel keeps for four ends of unix sockets, and then some. TCP would keep megabytes.
    const KEPT: usize = 2 << 20;

    for client_reads in [true, false] {
        let directory = tempfile::tempdir().unwrap();
        let backend = Backend::unix(directory.path());
        let listen = format!("{}:6432", directory.path().display());
        let proxy = Setup::to(backend.address()).listen(listen).start().await;
        let client = proxy.connect().await;
        let server = backend.accept().await;
        let (reader, writer) = match client_reads {
            true => (client, server),
            false => (server, client),
        };

        let taken = Arc::new(AtomicUsize::new(0));
        let writing = tokio::spawn(write_counted(writer, noise(11, LENGTH), Arc::clone(&taken)));
        let kept = settled("the writer to be held up", || taken.load(Ordering::SeqCst)).await;
        assert!(kept > 0 && kept < KEPT, "{kept} bytes are on their way");

        let mut reader = reader;
        let read = reader.read_to_end().await;
        assert!(read == noise(11, LENGTH), "other bytes arrived");
        writing.await.unwrap();
        drop(reader);
        let outcome = match client_reads {
            true => ConnectionOutcome::UpstreamLost,
            // Nobody can tell whether it was owed anything: it closed in order.
            false => ConnectionOutcome::Closed,
        };
        proxy.ended(outcome, 1).await;
    }
}

/// What rustls holds beside the sockets must be bounded as well.
#[tokio::test]
async fn a_slow_reader_behind_tls_holds_up_the_writer_too() {
    const LENGTH: usize = 48 << 20;
    /// What the kernel keeps for four ends of TCP, and then some.
    const KEPT: usize = 32 << 20;

    let authority = Authority::new();
    let pair = authority.signs("localhost");
    let backend = SecureBackend::with(&pair).await;
    let proxy = Setup::to(backend.address())
        .client_tls(ClientTls {
            mode: ClientMode::Terminate,
            cert_file: Some(pair.cert),
            key_file: Some(pair.key),
            ..ClientTls::default()
        })
        .upstream_tls(UpstreamTls {
            mode: UpstreamMode::Require,
            ..UpstreamTls::default()
        })
        .start()
        .await;
    let admin = Admin::of(&proxy).await;
    let connector = client(&authority, &[], ALL_VERSIONS);
    let (mut client, server) = tokio::join!(connect(&proxy.address, &connector), backend.accept());
    let mut server = server.unwrap();
    let question = [startup("app", "cellar"), query("SELECT a FROM b")].concat();
    client.send(&question).await;
    server.expect(&question).await;
    server.send(&welcome()).await;
    client.expect(&welcome()).await;

    let row = message(b'D', &noise(13, 64 << 10));
    let reply = [row.repeat(LENGTH / row.len()), done()].concat();
    let taken = Arc::new(AtomicUsize::new(0));
    let writing = tokio::spawn(write_counted(server, reply.clone(), Arc::clone(&taken)));
    let kept = settled("the writer to be held up", || taken.load(Ordering::SeqCst)).await;
    assert!(kept > 0 && kept < KEPT, "{kept} bytes are on their way");
    let read = client.read(reply.len()).await;
    assert!(read == reply, "other bytes arrived");
    writing.await.unwrap();
    let stalled = |scrape: &Scrape| {
        let select = [("database", "cellar"), ("verb", "SELECT")];
        let stall = scrape.sum("client_stall_seconds_total", &select);
        stall > 0.0 && stall <= scrape.sum("query_duration_seconds_sum", &select)
    };
    admin.eventually("the client's stall", stalled).await;
}

async fn write_counted(writer: Peer, bytes: Vec<u8>, taken: Arc<AtomicUsize>) {
    let mut stream = writer.into_stream();
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        // A piece at a time: rustls takes a small one whole only where it has room.
        let piece = &rest[..rest.len().min(16 << 10)];
        let written = stream.write(piece).await.unwrap();
        taken.fetch_add(written, Ordering::SeqCst);
        rest = &rest[written..];
    }
    stream.flush().await.unwrap();
}
