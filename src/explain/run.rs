//! One question at a time, and none while the server is away.

use super::ask::Server;
use super::backoff::Backoff;
use super::schedule::{Question, Schedule};
use super::settings::Settings;
use crate::detect::Explained;
use crate::profiler::Inquiry;
use crate::session::At;
use crate::sql::{Fingerprint, Statement};
use crate::stats::{ExplainOutcome, Load};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

/// Longest wait for a login, and for all of an answer. The server has shorter limits of its own.
const LIMIT: Duration = Duration::from_secs(10);

/// How long a connection is kept without a question.
const KEEP: Duration = Duration::from_secs(60);

/// A stream to the server, encrypted where it has to be.
pub trait Socket: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Socket for T {}

/// The way to a new stream.
pub type Connecting = Pin<Box<dyn Future<Output = Result<Box<dyn Socket>, String>> + Send>>;

/// Reaches the server as the connections of clients do.
pub trait Connector: Send + Sync {
    /// Connects anew, or says why it cannot.
    fn connect(&self) -> Connecting;
}

impl<F: Fn() -> Connecting + Send + Sync> Connector for F {
    fn connect(&self) -> Connecting {
        self()
    }
}

/// Everything that the side connection needs.
pub struct Side {
    /// `[explain]`.
    pub settings: Settings,
    /// Of its role.
    pub password: Option<String>,
    /// What to ask about, and who is told.
    pub inquiry: Arc<dyn Inquiry>,
    /// The way to the server.
    pub connector: Arc<dyn Connector>,
    /// The clock of the sessions.
    pub now: Box<dyn Fn() -> At + Send + Sync>,
}

/// What came of a question that was put to the server.
enum Answer {
    Ok,
    Failed(tokio_postgres::Error),
    Unreachable(String),
}

/// Asks until it is dropped.
pub async fn run(side: Side) {
    let mut asker = Asker {
        schedule: Schedule::new(&side.settings),
        backoff: Backoff::default(),
        connection: None,
        side,
    };
    let mut ticks = interval(asker.side.settings.interval.0);
    // One question a tick, also after a long one.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut rest = Instant::now();
    loop {
        ticks.tick().await;
        if Instant::now() >= rest
            && let Some(wait) = asker.ask().await
        {
            rest = Instant::now() + wait;
        }
    }
}

struct Connection {
    server: Server,
    database: Arc<str>,
    used: Instant,
}

struct Asker {
    side: Side,
    schedule: Schedule,
    backoff: Backoff,
    connection: Option<Connection>,
}

impl Asker {
    /// Puts the most urgent question, if there is any; returns how long to leave the server alone where it is away.
    async fn ask(&mut self) -> Option<Duration> {
        let now = (self.side.now)();
        let inquiry = Arc::clone(&self.side.inquiry);
        let loads = inquiry.loads(self.schedule.slow());
        let due = self.schedule.due(&inquiry.databases(), &loads, now);
        for question in due {
            let answer = match question {
                Question::Catalog(database) => {
                    let answer = self.ask_catalog(&database, now).await;
                    if !matches!(answer, Answer::Unreachable(_)) {
                        self.schedule.asked_catalog(&database, now);
                    }
                    answer
                }
                Question::Plan(fingerprint) => {
                    let load = loads.iter().find(|load| load.fingerprint == fingerprint)?;
                    match self.ask_plan(load, now).await {
                        Some(answer) => answer,
                        // Nothing was put to the server.
                        None => continue,
                    }
                }
            };
            return self.settle(answer);
        }
        // The server is spared a session that has nothing to do.
        let idle = |connection: &Connection| connection.used.elapsed() >= KEEP;
        if self.connection.as_ref().is_some_and(idle) {
            self.connection = None;
        }
        None
    }

    /// Counts an answer, and says in the log when the server goes away and when it is back.
    fn settle(&mut self, answer: Answer) -> Option<Duration> {
        let inquiry = &self.side.inquiry;
        let (outcome, reason) = match answer {
            Answer::Ok => (ExplainOutcome::Ok, None),
            Answer::Failed(error) => {
                // The message of the server may quote what is in the database.
                let sqlstate = error.code().map_or("none", |code| code.code());
                tracing::debug!(sqlstate, "explain: the server refused a question");
                (ExplainOutcome::Failed, None)
            }
            Answer::Unreachable(reason) => (ExplainOutcome::Unreachable, Some(reason)),
        };
        inquiry.count(outcome);
        let Some(reason) = reason else {
            if self.backoff.succeeded() {
                tracing::info!("explain: the server answers again");
            }
            return None;
        };
        self.connection = None;
        let (wait, first) = self.backoff.failed(self.side.settings.interval.0);
        if first {
            tracing::warn!(
                reason,
                "explain: the server cannot be asked; trying again, ever less often, up to every five minutes"
            );
        }
        Some(wait)
    }

    async fn ask_catalog(&mut self, database: &Arc<str>, now: At) -> Answer {
        let inquiry = Arc::clone(&self.side.inquiry);
        let server = match self.server(database).await {
            Ok(server) => server,
            Err(reason) => return Answer::Unreachable(reason),
        };
        match timeout(LIMIT, server.catalog()).await {
            Err(_) => Answer::Unreachable(late()),
            Ok(Err(error)) if server.is_lost(&error) => Answer::Unreachable(error.to_string()),
            Ok(Err(error)) => Answer::Failed(error),
            Ok(Ok((keys, limit))) => {
                inquiry.foreign_keys(database, keys);
                if limit > 0 {
                    inquiry.max_connections(database, limit, now);
                }
                Answer::Ok
            }
        }
    }

    /// `None` where the statement is not put to the server, or not now.
    async fn ask_plan(&mut self, load: &Load, now: At) -> Option<Answer> {
        let inquiry = Arc::clone(&self.side.inquiry);
        let fingerprint: Fingerprint = load.fingerprint;
        let (statement, seen) = inquiry.statement(fingerprint)?;
        let Some(database) = self.schedule.database(fingerprint, &seen, now) else {
            self.schedule.settled(load);
            return None;
        };
        let Some(generic) = statement.generic() else {
            inquiry.count(ExplainOutcome::Skipped);
            for database in &seen {
                self.schedule.asked_plan(fingerprint, database, now);
            }
            return None;
        };
        let server = match self.server(database).await {
            Ok(server) => server,
            Err(reason) => return Some(Answer::Unreachable(reason)),
        };
        let answer = match timeout(LIMIT, server.plan(&generic)).await {
            Err(_) => Answer::Unreachable(late()),
            Ok(Err(error)) if server.is_lost(&error) => Answer::Unreachable(error.to_string()),
            Ok(Err(error)) => Answer::Failed(error),
            Ok(Ok((plan, tables))) => {
                let statement: &Arc<Statement> = &statement;
                let explained = Explained {
                    statement,
                    plan: &plan,
                    tables: &tables,
                };
                inquiry.explained(database, &explained, now);
                Answer::Ok
            }
        };
        if !matches!(answer, Answer::Unreachable(_)) {
            self.schedule.asked_plan(fingerprint, database, now);
        }
        Some(answer)
    }

    /// A session in this database: the one that is open, or a new one.
    async fn server(&mut self, database: &Arc<str>) -> Result<&Server, String> {
        let fits = |open: &Connection| open.database == *database && !open.server.is_closed();
        if !self.connection.as_ref().is_some_and(fits) {
            self.connection = None;
            let server = timeout(LIMIT, login(&self.side, database));
            let server = server.await.unwrap_or_else(|_| Err(late()))?;
            self.connection = Some(Connection {
                server,
                database: Arc::clone(database),
                used: Instant::now(),
            });
        }
        let connection = self.connection.as_mut().ok_or_else(late)?;
        connection.used = Instant::now();
        Ok(&connection.server)
    }
}

async fn login(side: &Side, database: &str) -> Result<Server, String> {
    let socket = side.connector.connect().await?;
    let user = side.settings.user.as_deref().unwrap_or_default();
    let login = Server::login(socket, user, side.password.as_deref(), database).await;
    login.map_err(|error| match error.as_db_error() {
        Some(said) => format!("login as {user}: {}", said.message()),
        None => format!("login as {user}: {error}"),
    })
}

fn late() -> String {
    format!("no answer within {}", humantime::format_duration(LIMIT))
}
