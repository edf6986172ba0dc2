//! The least that a proxy on tokio can do: copy bytes both ways. What pgscope is measured against.
//!
//! Usage: bare_relay LISTEN UPSTREAM THREADS, the first two HOST:PORT. Connections are dealt out in turn; each thread has an
//! event loop of its own, as in pgscope, which costs less than tokio's threads that take work from each other.

use std::error::Error;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc;
use tokio::io::copy_bidirectional_with_sizes;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Handle};

/// As in pgscope's own relay, see `src/proxy/pipe.rs`.
const CHUNK: usize = 16 * 1024;

async fn relay(client: std::net::TcpStream, upstream: SocketAddr) -> io::Result<()> {
    let mut client = TcpStream::from_std(client)?;
    let mut server = TcpStream::connect(upstream).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    copy_bidirectional_with_sizes(&mut client, &mut server, CHUNK, CHUNK).await?;
    Ok(())
}

/// Starts a thread that runs what is spawned on it.
fn event_loop() -> Result<Handle, Box<dyn Error>> {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let _ = tell.send(runtime.handle().clone());
        runtime.block_on(std::future::pending::<io::Result<()>>())
    });
    Ok(told.recv()?)
}

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [listen, upstream, threads] = words.as_slice() else {
        return Err("usage: bare_relay LISTEN UPSTREAM THREADS".into());
    };
    let upstream: SocketAddr = upstream.parse()?;
    let loops = (0..threads.parse::<usize>()?).map(|_| event_loop());
    let loops: Vec<Handle> = loops.collect::<Result<_, _>>()?;
    let listener = TcpListener::bind(listen)?;
    for event_loop in loops.iter().cycle() {
        let (client, _) = listener.accept()?;
        client.set_nonblocking(true)?;
        event_loop.spawn(async move {
            // A connection that fails is its two peers' matter.
            let _ = relay(client, upstream).await;
        });
    }
    Err("a relay needs a thread".into())
}
