//! What the watcher sees and when: the parts of the relay that no peer can observe.

use super::*;
use crate::proxy::catch_up::CatchUp;
use crate::proxy::watch::Guarded;
use crate::proxy::workers::{Threads, Workers};
use crate::stats::Traffic;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

#[derive(Clone, PartialEq, Eq, Debug)]
enum Seen {
    Frontend(Vec<u8>),
    Backend(Vec<u8>, bool),
    Idle,
    Panicked,
    Close,
}

/// Writes down what it is shown; panics when it is shown `BOOM`.
#[derive(Clone, Default)]
struct Notes {
    seen: Arc<Mutex<Vec<Seen>>>,
    idle: Option<Duration>,
    terminated: bool,
    owed: bool,
}

impl Notes {
    fn add(&self, seen: Seen) {
        self.seen.lock().unwrap().push(seen);
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

impl Watch for Notes {
    fn may_wait(&self) -> bool {
        false
    }

    fn frontend(&mut self, bytes: &[u8], _: At) {
        assert_ne!(bytes, b"BOOM");
        self.terminated |= bytes == b"X";
        self.owed = true;
        self.add(Seen::Frontend(bytes.to_vec()));
    }

    fn backend(&mut self, bytes: &[u8], _: At, stalled: u64) {
        self.owed = false;
        self.add(Seen::Backend(bytes.to_vec(), stalled > 0));
    }

    fn idle(&mut self, _: At) -> Option<Duration> {
        self.add(Seen::Idle);
        self.idle
    }

    fn panicked(&mut self) {
        self.add(Seen::Panicked);
    }

    fn close(&mut self, _: At) {
        self.add(Seen::Close);
    }

    fn is_terminated(&self) -> bool {
        self.terminated
    }

    fn is_owed(&self) -> bool {
        self.owed
    }
}

struct Setup {
    client: UnixStream,
    server: UnixStream,
    notes: Notes,
    traffic: Arc<Traffic>,
    relay: JoinHandle<ConnectionOutcome>,
}

fn start(notes: Notes, linger: Duration) -> Setup {
    let (client, inner_client) = UnixStream::pair().unwrap();
    let (server, inner_server) = UnixStream::pair().unwrap();
    let traffic: Arc<Traffic> = Arc::default();
    let clock = Clock::start();
    let watch = Guarded::new(notes.clone(), Arc::clone(&traffic), clock);
    let relay = async move {
        let workers = Workers::new(Threads::only_this(), &Arc::default());
        let _running = workers.start(&CatchUp::default());
        let seat = workers.seat().unwrap();
        let relay = Relay {
            client: Stream::Unix(inner_client),
            server: Stream::Unix(inner_server),
            frontend: Pipe::frontend(),
            backend: Pipe::backend(),
            watch: Watched::new(watch, seat.aside()),
            clock,
            idle: seat.alarm(),
            linger,
        };
        relay.run().await
    };
    Setup {
        client,
        server,
        notes,
        traffic,
        relay: tokio::spawn(relay),
    }
}

/// A hang is a failure too.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), future).await.unwrap()
}

async fn expect(stream: &mut UnixStream, bytes: &[u8]) {
    let mut read = vec![0; bytes.len()];
    soon(stream.read_exact(&mut read)).await.unwrap();
    assert_eq!(read, bytes);
}

#[tokio::test]
async fn chunks_are_shown_once_in_the_order_of_the_conversation() {
    let mut at = start(Notes::default(), LINGER);
    for _ in 0..3 {
        at.client.write_all(b"question").await.unwrap();
        expect(&mut at.server, b"question").await;
        at.server.write_all(b"answer").await.unwrap();
        expect(&mut at.client, b"answer").await;
    }
    drop(at.client);
    drop(at.server);
    assert_eq!(soon(at.relay).await.unwrap(), ConnectionOutcome::Closed);
    let (question, answer) = (
        Seen::Frontend(b"question".to_vec()),
        Seen::Backend(b"answer".to_vec(), false),
    );
    let conversation: Vec<_> = at
        .notes
        .seen()
        .into_iter()
        .filter(|seen| *seen != Seen::Idle)
        .collect();
    let (close, turns) = conversation.split_last().unwrap();
    assert_eq!(*close, Seen::Close);
    assert_eq!(turns.chunks(2).count(), 3);
    for turn in turns.chunks(2) {
        assert_eq!(turn, [question.clone(), answer.clone()]);
    }
}

#[tokio::test]
async fn a_reply_is_shown_although_the_client_is_gone() {
    let mut at = start(Notes::default(), LINGER);
    at.client.write_all(b"question").await.unwrap();
    expect(&mut at.server, b"question").await;
    drop(at.client);
    assert_eq!(soon(at.server.read(&mut [0])).await.unwrap(), 0);
    at.server.write_all(b"answer").await.unwrap();
    assert_eq!(soon(at.relay).await.unwrap(), ConnectionOutcome::ClientLost);
    let answer = Seen::Backend(b"answer".to_vec(), false);
    assert!(at.notes.seen().contains(&answer), "{:?}", at.notes.seen());
}

#[tokio::test]
async fn a_request_is_shown_while_the_server_does_not_read() {
    let mut at = start(Notes::default(), LINGER);
    let flood = vec![7; 64 * 1024];
    let (mut sent, mut blocked) = (0, 0);
    while blocked < 100 {
        match at.client.try_write(&flood) {
            Ok(bytes) => (sent, blocked) = (sent + bytes, 0),
            Err(_) => blocked += 1,
        }
        tokio::task::yield_now().await;
    }
    let shown = |notes: &Notes| -> usize {
        let length = |seen: &Seen| match seen {
            Seen::Frontend(bytes) => bytes.len(),
            _ => 0,
        };
        notes.seen().iter().map(length).sum()
    };
    let shown_while_blocked = shown(&at.notes);
    // The relay has no turn until the next await, so these are the bytes that the socket took from it.
    at.server.readable().await.unwrap();
    let mut arrived = vec![0; sent];
    let mut written = 0;
    while let Ok(bytes) = at.server.try_read(&mut arrived[written..]) {
        written += bytes;
    }
    assert!(
        shown_while_blocked > written,
        "{shown_while_blocked} shown, {written} written"
    );
    at.server.read_exact(&mut arrived[written..]).await.unwrap();
    assert!(arrived.iter().all(|byte| *byte == 7));
    drop(at.client);
    drop(at.server);
    soon(at.relay).await.unwrap();
    assert_eq!(shown(&at.notes), sent, "each byte is shown exactly once");
}

#[tokio::test]
async fn a_client_that_does_not_read_is_told_from_a_slow_server() {
    let at = start(Notes::default(), LINGER);
    let reply = vec![7; 4 << 20];
    let (mut reader, mut server) = (at.client, at.server);
    let writer = tokio::spawn(async move {
        server.write_all(&reply).await.unwrap();
        server
    });
    // Nothing is read before the relay met a full socket: everything it could take is shown by then.
    let mut before = usize::MAX;
    let mut same = 0;
    while same < 100 {
        tokio::task::yield_now().await;
        let now = at.notes.seen().len();
        (before, same) = (now, if now == before { same + 1 } else { 0 });
    }
    let mut arrived = vec![0; 4 << 20];
    soon(reader.read_exact(&mut arrived)).await.unwrap();
    drop(writer.await.unwrap());
    drop(reader);
    soon(at.relay).await.unwrap();
    let stalled = |seen: &Seen| matches!(seen, Seen::Backend(_, true));
    assert!(at.notes.seen().iter().any(stalled));
}

#[tokio::test]
async fn a_panic_ends_the_watching_and_nothing_else() {
    let mut at = start(Notes::default(), LINGER);
    at.client.write_all(b"BOOM").await.unwrap();
    expect(&mut at.server, b"BOOM").await;
    at.server.write_all(b"answer").await.unwrap();
    expect(&mut at.client, b"answer").await;
    at.client.write_all(b"question").await.unwrap();
    expect(&mut at.server, b"question").await;
    drop(at.client);
    drop(at.server);
    soon(at.relay).await.unwrap();
    let expected = [Seen::Panicked, Seen::Close];
    assert_eq!(at.notes.seen(), expected, "it is not shown any more");
    // `BOOM` was the watch's own to count.
    assert_eq!(at.traffic.bytes(), (8, 6), "its bytes are counted still");
}

#[tokio::test]
async fn the_idle_timer_runs_without_traffic_and_until_it_is_not_wanted() {
    let notes = Notes {
        idle: Some(Duration::from_millis(1)),
        ..Notes::default()
    };
    let mut at = start(notes, LINGER);
    at.server.write_all(b"hello").await.unwrap();
    expect(&mut at.client, b"hello").await;
    soon(async {
        while at.notes.seen().len() < 5 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let idle = |seen: &&Seen| **seen == Seen::Idle;
    assert!(at.notes.seen().iter().filter(idle).count() >= 4);
    at.relay.abort();
}

#[tokio::test]
async fn who_ended_first_decides_the_outcome() {
    // Terminate, then the server closes first.
    let mut at = start(Notes::default(), LINGER);
    at.client.write_all(b"X").await.unwrap();
    expect(&mut at.server, b"X").await;
    drop(at.server);
    assert_eq!(soon(at.client.read(&mut [0])).await.unwrap(), 0);
    drop(at.client);
    assert_eq!(soon(at.relay).await.unwrap(), ConnectionOutcome::Closed);

    // The server, out of the blue.
    let mut at = start(Notes::default(), LINGER);
    drop(at.server);
    assert_eq!(soon(at.client.read(&mut [0])).await.unwrap(), 0);
    drop(at.client);
    assert_eq!(
        soon(at.relay).await.unwrap(),
        ConnectionOutcome::UpstreamLost
    );

    // The client, while a reply is owed.
    let mut at = start(Notes::default(), LINGER);
    at.client.write_all(b"question").await.unwrap();
    expect(&mut at.server, b"question").await;
    drop(at.client);
    assert_eq!(soon(at.server.read(&mut [0])).await.unwrap(), 0);
    drop(at.server);
    assert_eq!(soon(at.relay).await.unwrap(), ConnectionOutcome::ClientLost);

    // The client, with nothing owed.
    let at = start(Notes::default(), LINGER);
    drop(at.client);
    drop(at.server);
    assert_eq!(soon(at.relay).await.unwrap(), ConnectionOutcome::Closed);
}

#[tokio::test]
async fn a_silent_client_is_let_go_after_the_servers_end() {
    let mut at = start(Notes::default(), Duration::from_millis(5));
    at.server.write_all(b"last words").await.unwrap();
    drop(at.server);
    // The client keeps its socket open, as an idle one in a pool does.
    assert_eq!(
        soon(at.relay).await.unwrap(),
        ConnectionOutcome::UpstreamLost
    );
    expect(&mut at.client, b"last words").await;
    assert_eq!(soon(at.client.read(&mut [0])).await.unwrap(), 0);
}

#[tokio::test]
async fn two_dead_ends_are_no_deadlock() {
    // The server waits for its replies to be read, the client is gone and had asked for more than the server takes.
    let at = start(Notes::default(), LINGER);
    let flood = vec![7; 1 << 20];
    let mut blocked = 0;
    while blocked < 100 {
        let up = at.client.try_write(&flood).is_ok();
        let down = at.server.try_write(&flood).is_ok();
        blocked = if up || down { 0 } else { blocked + 1 };
        tokio::task::yield_now().await;
    }
    drop(at.client);
    assert_eq!(soon(at.relay).await.unwrap(), ConnectionOutcome::ClientLost);
}
