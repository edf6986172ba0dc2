//! One GET, and one metric of its answer.

use crate::Failure;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The body of a page that answers 200.
pub async fn get(address: &str, path: &str) -> Result<String, Failure> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("no HTTP")?;
    if !head.starts_with("HTTP/1.0 200 ") {
        return Err(format!("{path}: {answer}").into());
    }
    Ok(body.to_owned())
}

/// The sum of the series of a metric whose labels hold all of these texts.
pub fn sum(metrics: &str, name: &str, labels: &[&str]) -> f64 {
    let of_it = |line: &&str| {
        let rest = line.strip_prefix(name).unwrap_or_default();
        rest.starts_with(['{', ' ']) && labels.iter().all(|label| rest.contains(label))
    };
    let values = metrics.lines().filter(of_it);
    values
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}
