//! The two peers of a connection and the proxy between them.

use pgscope::profiler::Profiler;
use pgscope::proxy::{
    ClientMode, ClientTls, Clock, Listener, Settings, Shared, ShutdownSettings, Threads, Tls,
    UpstreamTls, serve,
};
use pgscope::stats::ConnectionOutcome;
use std::future::Future;
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, yield_now};
use tokio::time::advance;

/// Turns without a byte after which nothing moves by itself: each gives the proxy one poll of its sockets.
const STILL: u32 = 12;
/// Seconds after which a connection that has not ended hangs: more than all times of the proxy together.
const HANG: u32 = 300;

/// Runs it in a runtime of its own, in which time stands still.
pub fn in_runtime(work: impl Future<Output = ()>) {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build();
    runtime.expect("a runtime").block_on(work);
}

/// The path of a socket of this process, free to be bound.
fn path(name: &str) -> PathBuf {
    static DIRECTORY: OnceLock<tempfile::TempDir> = OnceLock::new();
    let directory = DIRECTORY.get_or_init(|| tempfile::tempdir().expect("a directory"));
    let path = directory.path().join(name);
    let _ = std::fs::remove_file(&path);
    path
}

/// A client or a server.
#[derive(Default)]
pub struct Peer {
    socket: Option<UnixStream>,
    outgoing: Vec<u8>,
    /// Bytes that its socket took.
    pub sent: Vec<u8>,
    pub received: Vec<u8>,
    pub reads: bool,
    /// It has closed its socket, while it may still have been sent to.
    pub closed: bool,
    /// It sends no more.
    pub silent: bool,
    /// It has heard the end of the other side.
    heard_end: bool,
}

impl Peer {
    pub fn say(&mut self, bytes: &[u8]) {
        if !self.silent {
            self.outgoing.extend_from_slice(bytes);
        }
    }

    pub fn stop_sending(&mut self) {
        self.silent = true;
        self.outgoing.clear();
        if let Some(socket) = &self.socket {
            let _ = socket.shutdown(Shutdown::Write);
        }
    }

    pub fn close(&mut self) {
        self.stop_sending();
        self.closed |= !self.heard_end;
        self.socket = None;
    }

    fn connected(&mut self, socket: UnixStream) {
        socket.set_nonblocking(true).expect("a socket");
        if self.silent {
            let _ = socket.shutdown(Shutdown::Write);
        }
        if !self.closed {
            self.socket = Some(socket);
        }
    }

    /// Writes at most `size` bytes and reads what is there; whether anything moved.
    fn turn(&mut self, size: usize) -> bool {
        let Some(socket) = &mut self.socket else {
            return false;
        };
        let mut moved = false;
        let piece = &self.outgoing[..self.outgoing.len().min(size)];
        if !piece.is_empty() {
            match socket.write(piece) {
                Ok(bytes) => {
                    self.sent.extend(self.outgoing.drain(..bytes));
                    moved = true;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => self.outgoing.clear(),
            }
        }
        if self.reads && !self.heard_end {
            let before = self.received.len();
            self.received.resize(before + 65_536, 0);
            let read = socket.read(&mut self.received[before..]);
            self.received
                .truncate(before + *read.as_ref().unwrap_or(&0));
            self.heard_end = match read {
                Ok(bytes) => bytes == 0,
                Err(error) => error.kind() != ErrorKind::WouldBlock,
            };
            moved |= self.received.len() > before || self.heard_end;
        }
        moved
    }
}

/// One connection through the proxy.
pub struct World {
    /// Client and server.
    pub peers: [Peer; 2],
    /// Milliseconds.
    pub passed: u64,
    server: UnixListener,
    shared: Arc<Shared>,
    proxy: JoinHandle<()>,
    stop: oneshot::Sender<()>,
    /// Turns of the proxy after each turn of the peers, and how much they write at a time.
    pace: u32,
    size: usize,
}

impl World {
    pub async fn new(mode: ClientMode, pace: u32, size: usize) -> Self {
        let (front, back) = (path(".s.PGSQL.1"), path(".s.PGSQL.2"));
        let server = UnixListener::bind(&back).expect("the server's socket");
        server.set_nonblocking(true).expect("the server's socket");
        let upstream = back.display().to_string().parse().expect("an address");
        let client_tls = ClientTls {
            mode,
            ..ClientTls::default()
        };
        let tls =
            Tls::load(&client_tls, &UpstreamTls::default(), &upstream).expect("no certificates");
        let shared = Shared::new(
            Arc::new(Profiler::default()),
            upstream,
            Settings::default(),
            ShutdownSettings::default(),
            Clock::start(),
        );
        let shared = Arc::new(shared.with_tls(tls));
        let address = front.display().to_string().parse().expect("an address");
        let listener = Listener::bind(&address).await.expect("the proxy's socket");
        let (stop, stopped) = oneshot::channel();
        let proxy = tokio::spawn(serve(
            listener,
            Arc::clone(&shared),
            Threads::only_this(),
            async {
                let _ = stopped.await;
            },
        ));
        let mut peers = [(); 2].map(|()| Peer {
            reads: true,
            ..Peer::default()
        });
        peers[0].connected(UnixStream::connect(&front).expect("a connection"));
        Self {
            peers,
            passed: 0,
            server,
            shared,
            proxy,
            stop,
            pace,
            size,
        }
    }

    /// Each peer moves once, then the proxy has its turns.
    pub async fn turn(&mut self) -> bool {
        let mut moved = false;
        if let Ok((socket, _)) = self.server.accept() {
            self.peers[1].connected(socket);
            moved = true;
        }
        for peer in &mut self.peers {
            moved |= peer.turn(self.size);
        }
        for _ in 0..self.pace {
            yield_now().await;
        }
        moved
    }

    /// Lets everything move that can, then time pass.
    pub async fn pass(&mut self, millis: u64) {
        self.settle().await;
        self.passed += millis;
        advance(Duration::from_millis(millis)).await;
    }

    async fn settle(&mut self) {
        let mut still = 0;
        while still < STILL {
            let moved = self.turn().await;
            yield_now().await;
            still = if moved { 0 } else { still + 1 };
        }
    }

    /// Bytes that were counted, from the client and from the server.
    pub fn bytes(&self) -> (u64, u64) {
        self.shared.profiler.traffic().bytes()
    }

    fn ended(&self) -> u64 {
        let traffic = self.shared.profiler.traffic();
        ConnectionOutcome::ALL
            .iter()
            .map(|outcome| traffic.ended(*outcome))
            .sum()
    }

    /// Both say what is left and read to the end. `first` stops to send first: the other has to hear of it before it
    /// stops in its turn.
    pub async fn end(&mut self, first: usize) {
        self.size = usize::MAX;
        self.peers.iter_mut().for_each(|peer| peer.reads = true);
        self.settle().await;
        self.peers[first].stop_sending();
        self.wait("the end of one side is passed on", |world| {
            let other = &world.peers[1 - first];
            other.socket.is_none() || other.heard_end
        })
        .await;
        self.peers[1 - first].stop_sending();
        self.wait("the connection ends", |world| {
            let heard = |peer: &Peer| peer.socket.is_none() || peer.heard_end;
            world.ended() == 1 && world.peers.iter().all(heard)
        })
        .await;
        let traffic = self.shared.profiler.traffic();
        assert_eq!((traffic.open(), traffic.panics()), (0, 0));
        let (stop, _) = oneshot::channel();
        let _ = std::mem::replace(&mut self.stop, stop).send(());
        (&mut self.proxy).await.expect("the proxy");
    }

    async fn wait(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) {
        for _ in 0..HANG {
            self.settle().await;
            if is_so(self) {
                return;
            }
            advance(Duration::from_secs(1)).await;
        }
        panic!("{what}: not after {HANG} s");
    }
}
