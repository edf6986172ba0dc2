//! What the API of a running pgscope said at one moment.

use crate::cli::report;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What the screen shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum View {
    /// Causes, with the fix.
    Findings,
    /// Requests by route.
    Requests,
    /// Statements.
    Statements,
    /// Open connections.
    Sessions,
}

impl View {
    /// In the order of their keys.
    pub const ALL: [Self; 4] = [
        Self::Findings,
        Self::Requests,
        Self::Statements,
        Self::Sessions,
    ];

    /// Its name.
    pub fn title(self) -> &'static str {
        match self {
            Self::Findings => "Findings",
            Self::Requests => "Requests",
            Self::Statements => "Statements",
            Self::Sessions => "Sessions",
        }
    }

    /// The lists of the API that it needs, and no more: each costs the proxy a copy.
    pub fn lists(self) -> &'static [(&'static str, usize)] {
        match self {
            Self::Findings => &[("findings", 1000)],
            Self::Requests => &[
                ("routes", 1000),
                ("requests", 300),
                ("statements", 1000),
                ("boundaries", 100),
            ],
            Self::Statements => &[("statements", 1000)],
            Self::Sessions => &[("sessions", 1000)],
        }
    }
}

/// The lists of one view. A view's other lists stay empty.
#[derive(Clone, Debug)]
pub struct Reading {
    /// For which view.
    pub view: View,
    /// When it was asked for: seconds of a clock that never goes back.
    pub at: f64,
    /// The time of day then, in seconds since 1970.
    pub now: f64,
    /// Causes.
    pub findings: Vec<Finding>,
    /// The last requests, the newest first.
    pub requests: Vec<Request>,
    /// Requests by route and boundary.
    pub routes: Vec<Route>,
    /// Statements.
    pub statements: Vec<Statement>,
    /// Open connections.
    pub sessions: Vec<Session>,
    /// How requests are told apart.
    pub boundaries: Vec<Boundary>,
}

impl Reading {
    /// Nothing yet.
    pub fn new(view: View, at: f64, now: f64) -> Self {
        Self {
            view,
            at,
            now,
            findings: Vec::new(),
            requests: Vec::new(),
            routes: Vec::new(),
            statements: Vec::new(),
            sessions: Vec::new(),
            boundaries: Vec::new(),
        }
    }

    /// Takes the answer for one list.
    pub fn read(&mut self, list: &str, body: &str) -> serde_json::Result<()> {
        match list {
            "findings" => self.findings = entries(list, body)?,
            "requests" => self.requests = entries(list, body)?,
            "routes" => self.routes = entries(list, body)?,
            "statements" => self.statements = entries(list, body)?,
            "sessions" => self.sessions = entries(list, body)?,
            _ => self.boundaries = entries(list, body)?,
        }
        Ok(())
    }
}

/// Keys that this version does not know are ignored: the proxy may be newer.
fn entries<T: DeserializeOwned>(list: &str, body: &str) -> serde_json::Result<Vec<T>> {
    let mut answer: Value = serde_json::from_str(body)?;
    let entries = answer.get_mut(list).map(Value::take);
    serde_json::from_value(entries.unwrap_or_default())
}

/// An entry of `/api/v1/findings`: what the report knows of it, and more.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Finding {
    #[serde(flatten)]
    pub known: report::Finding,
    pub database: String,
    pub first_seen: String,
    pub last_seen: String,
}

/// An entry of `/api/v1/requests`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Request {
    pub route: String,
    pub boundary: String,
    pub queries: u64,
    pub database_seconds: f64,
    pub duration_seconds: f64,
    pub at: String,
    pub statements: Vec<Part>,
}

/// A statement of a request.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Part {
    pub fingerprint: String,
    pub calls: u64,
    pub seconds: f64,
}

/// An entry of `/api/v1/routes`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Route {
    pub route: String,
    pub boundary: String,
    pub requests: u64,
    pub queries: u64,
    pub database_seconds: f64,
    pub duration_seconds: f64,
    pub p50: f64,
    pub p99: f64,
    pub max: f64,
}

/// An entry of `/api/v1/statements`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Statement {
    pub fingerprint: String,
    pub verb: String,
    pub table: String,
    pub query: String,
    pub calls: u64,
    pub errors: u64,
    pub rows: u64,
    pub total_seconds: f64,
    pub mean_seconds: f64,
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub max: f64,
}

/// An entry of `/api/v1/sessions`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Session {
    pub id: u64,
    pub client: String,
    pub database: String,
    pub user: String,
    pub application: String,
    pub status: String,
    pub since: String,
    pub queries: u64,
    pub cancel_requests: u64,
    pub blind: Option<String>,
}

/// An entry of `/api/v1/boundaries`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Boundary {
    pub client: String,
    pub mode: String,
    pub confidence: String,
    pub hint: String,
}
