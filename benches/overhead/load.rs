//! A client that costs little: what pgbench cannot send, and results too large to keep.
//!
//! Usage:
//! load ADDRESS USER DATABASE queries STATEMENTS CLIENTS SECONDS   `SELECT 1 AS c<n>` round robin, one at a time each,
//!                                                                 from a line of the input on
//! load ADDRESS USER DATABASE read SQL                             one query or COPY TO, its result dropped
//! load ADDRESS USER DATABASE write SQL ROWS                       one COPY FROM of rows like those of `wide`
//!
//! Prints one JSON object: queries, seconds, p50_us and p99_us; or rows, bytes and seconds.

use hdrhistogram::Histogram;
use std::error::Error;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

type Failure = Box<dyn Error + Send + Sync>;

const BUFFER: usize = 256 * 1024;
/// Rows of one CopyData message, as libpq's clients fill theirs.
const ROWS_PER_MESSAGE: u64 = 25;

/// What came up to a ReadyForQuery.
#[derive(Default)]
struct Reply {
    rows: u64,
    bytes: u64,
    /// The server waits for CopyData.
    copy_in: bool,
}

/// One connection with trust authentication.
struct Client {
    socket: TcpStream,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Client {
    async fn connect(address: &str, user: &str, database: &str) -> Result<Self, Failure> {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        let mut client = Self {
            socket,
            buffer: vec![0; BUFFER],
            start: 0,
            end: 0,
        };
        let words = format!("user\0{user}\0database\0{database}\0application_name\0load\0\0");
        let mut packet = (words.len() as u32 + 8).to_be_bytes().to_vec();
        packet.extend(196_608_u32.to_be_bytes());
        packet.extend(words.as_bytes());
        client.socket.write_all(&packet).await?;
        client.reply().await?;
        Ok(client)
    }

    async fn send(&mut self, tag: u8, body: &[u8]) -> Result<(), Failure> {
        let mut message = vec![tag];
        message.extend((body.len() as u32 + 4).to_be_bytes());
        message.extend(body);
        Ok(self.socket.write_all(&message).await?)
    }

    async fn query(&mut self, sql: &str) -> Result<Reply, Failure> {
        self.send(b'Q', format!("{sql}\0").as_bytes()).await?;
        self.reply().await
    }

    /// More bytes behind those that are held.
    async fn fill(&mut self) -> Result<(), Failure> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        match self.socket.read(&mut self.buffer[self.end..]).await? {
            0 => Err("the server closed the connection".into()),
            read => {
                self.end += read;
                Ok(())
            }
        }
    }

    /// Reads up to ReadyForQuery or CopyInResponse.
    async fn reply(&mut self) -> Result<Reply, Failure> {
        let mut reply = Reply::default();
        loop {
            while self.end - self.start < 5 {
                self.fill().await?;
            }
            let head = &self.buffer[self.start..self.start + 5];
            let tag = head[0];
            let length = 1 + u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
            if length > BUFFER {
                return Err("a message is larger than this client's buffer".into());
            }
            while self.end - self.start < length {
                self.fill().await?;
            }
            let body = &self.buffer[self.start + 5..self.start + length];
            self.start += length;
            reply.bytes += length as u64;
            match tag {
                b'E' => return Err(String::from_utf8_lossy(body).replace('\0', " ").into()),
                b'D' | b'd' => reply.rows += 1,
                b'G' => reply.copy_in = true,
                _ => {}
            }
            if tag == b'Z' || tag == b'G' {
                return Ok(reply);
            }
        }
    }
}

/// Sends `SELECT 1 AS c<n>` until the time is up; each client begins elsewhere in the round. Gives the client back, so
/// that none leaves while others are measured.
async fn ask(
    mut client: Client,
    first: u64,
    statements: u64,
    until: Instant,
) -> Result<(Client, Histogram<u64>), Failure> {
    let mut latencies = Histogram::new(3)?;
    let mut number = first;
    loop {
        let start = Instant::now();
        if start >= until {
            return Ok((client, latencies));
        }
        client
            .query(&format!("SELECT 1 AS c{}", number % statements))
            .await?;
        latencies.record(start.elapsed().as_nanos() as u64)?;
        number += 1;
    }
}

/// Opens all connections, says so, waits for a line, and then asks.
async fn queries(
    open: impl AsyncFn() -> Result<Client, Failure>,
    statements: u64,
    clients: u64,
    seconds: f64,
) -> Result<(), Failure> {
    let mut ready = Vec::new();
    for _ in 0..clients {
        ready.push(open().await?);
    }
    println!("ready");
    std::io::stdin().read_line(&mut String::new())?;
    let start = Instant::now();
    let until = start + Duration::from_secs_f64(seconds);
    let mut asking = JoinSet::new();
    for (number, client) in (0..).zip(ready) {
        asking.spawn(ask(
            client,
            number * statements / clients,
            statements,
            until,
        ));
    }
    let mut latencies = Histogram::new(3)?;
    let mut done = Vec::new();
    while let Some(asked) = asking.join_next().await {
        let (client, its) = asked??;
        latencies.add(its)?;
        done.push(client);
    }
    print_queries(&latencies, start.elapsed().as_secs_f64());
    // The end of the input: what the connections cost has been read.
    std::io::stdin().read_line(&mut String::new())?;
    drop(done);
    Ok(())
}

/// `wide` is made by `database.py`.
fn wide_rows(first: u64) -> Vec<u8> {
    let blurb = "What the book is about, in some sentences. ".repeat(5);
    (first..first + ROWS_PER_MESSAGE)
        .flat_map(|n| {
            format!(
                "{n}\t{}\tA book with the number {n}\t978-{n:010}\t{}.90\t2024-02-29\ten\tt\t{blurb}\n",
                n % 5000,
                n % 90
            )
            .into_bytes()
        })
        .collect()
}

async fn write(client: &mut Client, sql: &str, rows: u64) -> Result<Reply, Failure> {
    if !client.query(sql).await?.copy_in {
        return Err("not a COPY FROM STDIN".into());
    }
    let mut sent = Reply::default();
    while sent.rows < rows {
        let data = wide_rows(sent.rows);
        client.send(b'd', &data).await?;
        sent.bytes += data.len() as u64;
        sent.rows += ROWS_PER_MESSAGE;
    }
    client.send(b'c', b"").await?;
    client.reply().await?;
    Ok(sent)
}

fn print_queries(latencies: &Histogram<u64>, seconds: f64) {
    let micros = |quantile| latencies.value_at_quantile(quantile) as f64 / 1e3;
    println!(
        r#"{{"queries": {}, "seconds": {seconds:.3}, "p50_us": {:.1}, "p99_us": {:.1}}}"#,
        latencies.len(),
        micros(0.5),
        micros(0.99)
    );
}

fn print_bulk(moved: &Reply, seconds: f64) {
    let Reply { rows, bytes, .. } = moved;
    println!(r#"{{"rows": {rows}, "bytes": {bytes}, "seconds": {seconds:.3}}}"#);
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        [
            address,
            user,
            database,
            "queries",
            statements,
            clients,
            seconds,
        ] => {
            let open = async || Client::connect(address, user, database).await;
            queries(
                open,
                statements.parse()?,
                clients.parse()?,
                seconds.parse()?,
            )
            .await?;
        }
        [address, user, database, "read", sql] => {
            let mut client = Client::connect(address, user, database).await?;
            let start = Instant::now();
            let reply = client.query(sql).await?;
            print_bulk(&reply, start.elapsed().as_secs_f64());
        }
        [address, user, database, "write", sql, rows] => {
            let mut client = Client::connect(address, user, database).await?;
            let start = Instant::now();
            let sent = write(&mut client, sql, rows.parse()?).await?;
            print_bulk(&sent, start.elapsed().as_secs_f64());
        }
        _ => return Err("usage: see the head of load.rs".into()),
    }
    Ok(())
}
