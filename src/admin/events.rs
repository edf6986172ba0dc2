//! What happens, as server-sent events: once a second the sums, the requests that closed, and findings where they changed.
//!
//! A stream asks for what is new when its reader is ready for more, and says how many requests it had no room for: a slow
//! reader gets less, and traffic never waits for one.

use super::api::{self, List};
use super::detail::Overview;
use super::http::{Shared, render};
use super::json::Request;
use crate::stats::Filter;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use serde::Serialize;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until};

/// Streams at one time: each holds a connection of the admin address.
pub(super) const MAX_STREAMS: usize = 8;
/// Time from one event to the next.
const INTERVAL: Duration = Duration::from_secs(1);
/// Length of a stream; its reader comes back by itself (`retry`) and goes on where it was (`Last-Event-ID`), so that no
/// connection of the admin address is held for ever.
const LENGTH: Duration = Duration::from_secs(50);
/// Requests in one event.
const MAX_REQUESTS: usize = 50;
/// Findings in one event.
const MAX_FINDINGS: usize = 200;

/// Where a reader is.
struct Reader {
    shared: Arc<Shared>,
    _place: OwnedSemaphorePermit,
    /// The newest request that it was told of, or `None` where it has just come.
    last: Option<u64>,
    /// Its findings, as they were sent.
    findings: Vec<u8>,
    next: Instant,
    end: Instant,
}

#[derive(Serialize)]
struct Requests {
    requests: Vec<Request>,
    dropped: u64,
}

/// Answers `/api/v1/events`.
pub(super) async fn events(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let Ok(place) = Arc::clone(&shared.streams).try_acquire_owned() else {
        let text = format!(
            "{MAX_STREAMS} event streams are open already: close a page, or ask the lists.\n"
        );
        return (StatusCode::SERVICE_UNAVAILABLE, text).into_response();
    };
    let last = headers.get("last-event-id");
    let now = Instant::now();
    let reader = Reader {
        shared,
        _place: place,
        last: last.and_then(|id| id.to_str().ok()?.parse().ok()),
        findings: Vec::new(),
        next: now,
        end: now + LENGTH,
    };
    let events = unfold(reader, |mut reader| async {
        let text = reader.next().await?;
        Some((Ok::<_, Infallible>(text), reader))
    });
    let content_type = [(header::CONTENT_TYPE, "text/event-stream")];
    (content_type, Body::from_stream(events)).into_response()
}

impl Reader {
    /// The next events, or `None` at the end of the stream.
    async fn next(&mut self) -> Option<Vec<u8>> {
        let mut stopping = self.shared.stopping.clone();
        tokio::select! {
            () = sleep_until(self.next) => {}
            _ = stopping.wait_for(|stopping| *stopping) => return None,
        }
        let now = Instant::now();
        if now >= self.end {
            return None;
        }
        self.next = now + INTERVAL;
        self.shared.state.relay.catch_up().await;
        let (last, known) = (self.last, std::mem::take(&mut self.findings));
        let rendered = render(Arc::clone(&self.shared), move |shared| {
            written(shared, last, known)
        });
        let (text, last, findings) = rendered.await.ok()?;
        (self.last, self.findings) = (last, findings);
        Some(text)
    }
}

/// The events for a reader that knows requests up to `last` and these findings, and what it knows then.
fn written(
    shared: &Shared,
    last: Option<u64>,
    known: Vec<u8>,
) -> serde_json::Result<(Vec<u8>, Option<u64>, Vec<u8>)> {
    let state = &shared.state;
    let mut text = format!("retry: {}\n\n", INTERVAL.as_millis()).into_bytes();
    event(
        &mut text,
        "overview",
        &serde_json::to_vec(&Overview::new(state))?,
    );
    let mut requests = state.source.requests(&Filter {
        limit: MAX_REQUESTS,
        ..Filter::default()
    });
    let newest = requests.first().map_or(0, |request| request.id);
    // Another process counted from 1 again.
    let last = last.filter(|last| *last <= newest);
    requests.retain(|request| last.is_none_or(|last| request.id > last));
    let closed = last.map_or(requests.len() as u64, |last| newest - last);
    if last.is_none() || closed > 0 {
        let dropped = closed - requests.len() as u64;
        let requests = requests.into_iter();
        let requests = Requests {
            requests: requests.map(|entry| Request::new(entry, state)).collect(),
            dropped,
        };
        text.extend_from_slice(format!("id: {newest}\n").as_bytes());
        event(&mut text, "requests", &serde_json::to_vec(&requests)?);
    }
    let worst = Filter {
        limit: MAX_FINDINGS,
        ..Filter::default()
    };
    let findings = api::render(List::Findings, "findings", &worst, state)?;
    if findings != known {
        event(&mut text, "findings", &findings);
    }
    Ok((text, Some(newest), findings))
}

/// Writes one event; JSON has no line ends.
fn event(text: &mut Vec<u8>, name: &str, json: &[u8]) {
    text.extend_from_slice(format!("event: {name}\ndata: ").as_bytes());
    text.extend_from_slice(json);
    text.extend_from_slice(b"\n\n");
}
