//! The routes of the admin address.

use super::api::{self, List};
use super::detail::{Detail, Durations, Overview};
use super::events::{MAX_STREAMS, events};
use super::exposition::Exposition;
use super::guard::Guard;
use super::metrics::Metrics;
use super::pace::Pace;
use super::page;
use super::pieces::Pieces;
use super::process::ProcessMetrics;
use super::renderer::Renderer;
use super::server::{self, Limits};
use super::state::AdminState;
use crate::sql::Fingerprint;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::StreamExt;
use futures_util::stream::{iter, poll_fn};
use prometheus::TEXT_FORMAT;
use std::fmt::Display;
use std::future::Future;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

/// How long the server may take to answer `/healthz`.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(5);

/// What the handlers share.
pub(super) struct Shared {
    pub(super) state: AdminState,
    guard: Guard,
    metrics: Metrics,
    process: ProcessMetrics,
    pace: Pace,
    renderer: Renderer,
    /// Places for event streams.
    pub(super) streams: Arc<Semaphore>,
    /// Turns true when the admin server stops.
    pub(super) stopping: watch::Receiver<bool>,
}

/// Answers on `listener` until `shutdown` completes.
pub async fn serve(
    listener: TcpListener,
    state: AdminState,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    serve_within(Limits::DEFAULT, listener, state, shutdown).await
}

pub(super) async fn serve_within(
    limits: Limits,
    listener: TcpListener,
    state: AdminState,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let hosts = &state.settings.allowed_hosts;
    let guard = Guard::new(listener.local_addr()?, hosts, state.token.as_deref());
    let (stop, stopping) = watch::channel(false);
    let shutdown = async move {
        shutdown.await;
        stop.send_replace(true);
    };
    let shared = Arc::new(Shared {
        metrics: Metrics::new(Arc::clone(&state.source), Arc::clone(&state.upstreams)),
        process: ProcessMetrics::new(),
        pace: Pace::new(Arc::clone(&state.source)),
        state,
        guard,
        renderer: Renderer::start()?,
        streams: Arc::new(Semaphore::new(MAX_STREAMS)),
        stopping,
    });
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/api/v1/overview", get(overview))
        .route("/api/v1/requests/{id}", get(request))
        .route("/api/v1/statements/{fingerprint}", get(statement))
        .route("/api/v1/{list}", get(list))
        .route_layer(from_fn_with_state(Arc::clone(&shared), caught_up))
        // It catches up before each of its events.
        .route("/api/v1/events", get(events))
        .route("/", get(page::index))
        .route("/page/{name}", get(page::file))
        .route("/livez", get("alive\n"))
        .route("/readyz", get(ready))
        .route("/healthz", get(healthy))
        .fallback((StatusCode::NOT_FOUND, "Not found.\n"))
        .layer(from_fn_with_state(Arc::clone(&shared), guarded))
        .with_state(shared);
    server::run(listener, router, limits, shutdown).await;
    Ok(())
}

async fn guarded(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let checked = shared
        .guard
        .check(request.method(), request.uri(), request.headers());
    let mut response = match checked {
        Ok(()) => next.run(request).await,
        Err(refusal) => *refusal,
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
        (
            header::CONTENT_SECURITY_POLICY,
            page::CONTENT_SECURITY_POLICY,
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// What is told is all that was relayed before it was asked for.
async fn caught_up(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    shared.state.relay.catch_up().await;
    next.run(request).await
}

async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    answer(
        "ready",
        shared.state.readiness.check().map_err(str::to_owned),
    )
}

async fn healthy(State(shared): State<Arc<Shared>>) -> Response {
    let state = &shared.state;
    let health = match state.readiness.check() {
        Err(reason) => Err(reason.to_owned()),
        Ok(()) => match tokio::time::timeout(HEALTH_TIMEOUT, state.health.check()).await {
            Ok(health) => health,
            Err(_) => Err("the server did not answer in 5 s".to_owned()),
        },
    };
    answer("healthy", health)
}

fn answer(good: &str, checked: Result<(), String>) -> Response {
    match checked {
        Ok(()) => format!("{good}\n").into_response(),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response(),
    }
}

async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    let worker = Arc::clone(&shared);
    let mut pieces = shared.renderer.pieces(move |outlet| {
        let mut writer = Pieces::new(outlet, &worker.pace);
        worker.metrics.write(&mut writer)?;
        let mut exposition = Exposition::new(&mut writer);
        for family in worker.process.collect() {
            exposition.family(&family).map_err(io::Error::other)?;
        }
        writer.flush()
    });
    // What fails before it has begun is answered with the reason; later the answer breaks off.
    match pieces.recv().await {
        Some(Err(error)) => failed(error),
        first => {
            let rest = poll_fn(move |context| pieces.poll_recv(context));
            let body = Body::from_stream(iter(first).chain(rest));
            ([(header::CONTENT_TYPE, TEXT_FORMAT)], body).into_response()
        }
    }
}

async fn list(
    State(shared): State<Arc<Shared>>,
    Path(path): Path<String>,
    Query(parameters): Query<Vec<(String, String)>>,
) -> Response {
    let list = List::ALL.iter().find(|(_, name, _)| *name == path);
    let Some((list, name, known)) = list else {
        return (StatusCode::NOT_FOUND, "Not found.\n").into_response();
    };
    let filter = match api::filter(*list, parameters, known, &shared.state, shared.state.now()) {
        Ok(filter) => filter,
        Err(problem) => return (StatusCode::BAD_REQUEST, format!("{problem}\n")).into_response(),
    };
    let json = render(shared, move |shared| {
        api::render(*list, name, &filter, &shared.state)
    });
    json_answer(json.await)
}

async fn overview(State(shared): State<Arc<Shared>>) -> Response {
    let json = render(shared, |shared| {
        serde_json::to_vec(&Overview::new(&shared.state))
    });
    json_answer(json.await)
}

async fn request(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Response {
    let found = (id.parse().ok()).and_then(|id| shared.state.source.request(id));
    let Some(found) = found else {
        return gone("This request is no longer kept: stats.recent_requests says how many are.\n");
    };
    let json = render(shared, move |shared| {
        serde_json::to_vec(&Detail::new(found, &shared.state))
    });
    json_answer(json.await)
}

async fn statement(State(shared): State<Arc<Shared>>, Path(fingerprint): Path<String>) -> Response {
    let fingerprint = u64::from_str_radix(&fingerprint, 16).map(Fingerprint).ok();
    let found = fingerprint.and_then(|known| shared.state.source.statement_entry(known));
    let Some(found) = found else {
        return gone(
            "This statement has no row: it never came, or stats.statements others came since.\n",
        );
    };
    let json = render(shared, move |_| serde_json::to_vec(&Durations::new(found)));
    json_answer(json.await)
}

fn gone(text: &'static str) -> Response {
    (StatusCode::NOT_FOUND, text).into_response()
}

fn json_answer(json: Result<Vec<u8>, Response>) -> Response {
    let content_type = [(header::CONTENT_TYPE, "application/json")];
    match json {
        Ok(json) => (content_type, json).into_response(),
        Err(failure) => failure,
    }
}

/// Makes an answer on the thread that is there for it.
pub(super) async fn render<T, E, F>(shared: Arc<Shared>, work: F) -> Result<T, Response>
where
    T: Send + 'static,
    E: Display + Send + 'static,
    F: FnOnce(&Shared) -> Result<T, E> + Send + 'static,
{
    let worker = Arc::clone(&shared);
    let made = shared.renderer.render(move || work(&worker)).await;
    made.map_err(failed)?.map_err(failed)
}

fn failed(problem: impl Display) -> Response {
    (StatusCode::INTERNAL_SERVER_ERROR, format!("{problem}\n")).into_response()
}
