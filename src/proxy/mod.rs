//! The edge that clients and the server see: sockets in, bytes through, chunks shown to the profiler.
//!
//! # A connection
//!
//! [`serve`] accepts a client, deals it out to one of some threads (`workers.rs`), where it stays, and starts one task
//! there, which owns both sockets, both buffers (16 KiB a direction) and the
//! [`Tap`](crate::profiler::Tap). The server is
//! connected to at once (the first of those named that answers), while the client's first packet is still awaited. Encryption is agreed leg by leg, see `tls/`:
//! by default an SSLRequest is answered with `N` and none is sent. Every byte of the session itself, whatever it is,
//! goes to the other side unchanged, but for one offer of a login that could not work (`tls/scram.rs`). A server that
//! cannot be reached and a limit that is reached are told to the client as an ErrorResponse; once a server has been
//! reached, nothing is ever added.
//!
//! # The order of events in a poll
//!
//! The task is one future that drives both directions. Each time it is polled:
//!
//! 1. **Frontend.** Read from the client, try to write to the server, then show the chunk to the tap. The chunk is
//!    shown *after* the first attempt to write it, so that decoding runs while the server already works on it, and
//!    whatever came of that attempt, so that it is shown *before* step 2: a reply to it cannot be read earlier, and
//!    what a reply answers is always known when the reply is looked at.
//! 2. **Backend.** Read from the server, write all of it to the client, then show the chunk: looking at it is off the
//!    app's way. With it goes the time for which the client kept it from being written, so that a slow client is not
//!    taken for a slow query. If the client's socket failed, the chunk is shown all the same; the query did run.
//!
//! Both show a chunk *now or soon* (`aside.rs`): small ones of a session that is under way are put aside and looked at
//! many at a time, of all connections of a thread, since the caches are warm from the second on: at most a quarter of a
//! second later, or when the totals are read (`catch_up.rs`). Order, moments and answers to questions are as if each were
//! looked at when it is shown.
//!
//! 3. **Alarm.** It is set when the tap first asks for it, and again only when it rings; queries leave it alone. Another
//!    thread keeps it (`pulse.rs`): an event loop with a timer pays for it in each of its waits.
//! 4. **End.** See below.
//!
//! A direction reads a chunk only when the last one is written, which is all there is of back-pressure. It never waits
//! for the other direction: peers may both write before either reads. After 16 chunks it lets others run. The clock is
//! read once per socket read. A short read is not followed by a second one to hear "would block": tokio knows from the
//! length that the socket is empty. So a query costs two reads and two writes, and no allocation.
//!
//! A TLS leg takes bytes before its socket does. So a direction with nothing left to read flushes the leg that it
//! writes to before it waits, and comes back to it until all is out; a plain socket has nothing to flush. Bytes that
//! are decrypted but not read yet are read before the socket is asked for more.
//!
//! # The end
//!
//! End of stream is passed on as `shutdown(SHUT_WR)`, after a close_notify on a TLS leg, while the other direction goes on. If the server's socket fails,
//! what the server had said is delivered first; if the client's fails, what the client had said is. After the server's
//! end the client has a few seconds to end too: closing on unread bytes would reset the connection and could destroy
//! the server's last words, such as the FATAL that explains the end. There are no other time-outs on a session.
//!
//! A panic in the tap ends the watching of that connection, never the connection.

mod address;
mod alarm;
mod aside;
mod catch_up;
mod clock;
mod connection;
mod listener;
mod pipe;
mod pulse;
mod refuse;
mod relay;
mod resolver;
mod serve;
mod servers;
mod settings;
mod shared;
mod startup;
mod stream;
mod tls;
mod unreachable;
mod upstream;
mod watch;
mod workers;

pub use address::{Address, AddressError, ListenAddress, UpstreamAddress};
pub use catch_up::CatchUp;
pub use clock::Clock;
pub use listener::{Inherited, Listener};
pub use resolver::{Found, Resolver};
pub use serve::serve;
pub use servers::UpstreamList;
pub use settings::{Settings, ShutdownSettings};
pub use shared::Shared;
pub use stream::Stream;
pub use tls::{ClientMode, ClientTls, Tls, TlsError, UpstreamMode, UpstreamTls, check_together};
pub use unreachable::Unreachable;
pub use upstream::{dial, probe};
pub use workers::{Threads, threads};
