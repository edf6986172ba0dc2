//! The least that a proxy on tokio can do: one thread that copies bytes both ways. What pgscope is measured against.
//!
//! Usage: bare_relay LISTEN UPSTREAM, both HOST:PORT.

use std::error::Error;
use std::net::SocketAddr;
use tokio::io::copy_bidirectional_with_sizes;
use tokio::net::{TcpListener, TcpStream};

/// As in pgscope's own relay, see `src/proxy/pipe.rs`.
const CHUNK: usize = 16 * 1024;

async fn relay(mut client: TcpStream, upstream: SocketAddr) -> std::io::Result<()> {
    let mut server = TcpStream::connect(upstream).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    copy_bidirectional_with_sizes(&mut client, &mut server, CHUNK, CHUNK).await?;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let (Some(listen), Some(upstream)) = (words.next(), words.next()) else {
        return Err("usage: bare_relay LISTEN UPSTREAM".into());
    };
    let upstream = upstream.parse()?;
    let listener = TcpListener::bind(&listen).await?;
    loop {
        let (client, _) = listener.accept().await?;
        tokio::spawn(async move {
            // A connection that fails is its two peers' matter.
            let _ = relay(client, upstream).await;
        });
    }
}
