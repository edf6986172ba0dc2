//! What the profiler keeps of one connection beside its decoder.

mod ending;
mod writes;

use super::notice::{Reported, ends_connection, finish, health_checks, parts, tell};
use super::standing::Standing;
use super::transaction::Transaction;
use super::{Profiler, Shared};
use crate::detect::{Connection, What};
use crate::request::{self, ClassKey, HealthChecks, Tracker};
use crate::session::{At, Event, Outcome, Protocol, Query, SqlState, TransactionStatus};
use crate::sql::{Class as Whose, Statement, Verb};
use crate::stats::{OTHER, QuerySample, SessionKey, TransactionOutcome};
use std::sync::Arc;
use writes::Writes;

/// Filled in once the server has let the client in.
struct Known {
    key: SessionKey,
    class: usize,
    tracker: Tracker,
}

pub(super) struct Watch {
    id: u64,
    client: String,
    opened: At,
    standing: Arc<Standing>,
    /// What the startup packet said, until the server has let the client in.
    names: Option<ClassKey>,
    known: Option<Known>,
    ready: At,
    transaction: Option<Transaction>,
    /// Of that transaction, or of the one that ends with the next ReadyForQuery.
    writes: Writes,
    queries: u64,
    /// Of the last query.
    verb: Option<Verb>,
    /// How many queries the open request had when detectors last looked at it before its end, and what they found.
    inspected: u32,
    reported: Vec<Reported>,
    /// What detectors are told at its end.
    connection: Connection,
    health_checks: HealthChecks,
}

impl Watch {
    pub fn new(id: u64, client: &str, opened: At, standing: Arc<Standing>) -> Self {
        Self {
            id,
            // Each connection has a port of its own; a class of clients has an address.
            client: client
                .rsplit_once(':')
                .map_or(client, |(address, _)| address)
                .to_owned(),
            opened,
            standing,
            names: None,
            known: None,
            ready: opened,
            transaction: None,
            writes: Writes::default(),
            queries: 0,
            verb: None,
            inspected: 0,
            reported: Vec::new(),
            connection: Connection::default(),
            health_checks: HealthChecks::default(),
        }
    }

    pub fn id(&self) -> u64 {
        self.id
    }

    /// The server has let the client in.
    pub fn is_let_in(&self) -> bool {
        self.known.is_some()
    }

    pub fn observe(&mut self, event: Event<'_>, shared: &mut Shared, profiler: &Profiler) {
        match event {
            Event::Query(query) => self.query(&query, shared, &profiler.settings),
            Event::BackendKey(key) => {
                if let Some(session) = shared.sessions.get_mut(&self.id) {
                    session.cancel_key = Some(key.hash(profiler.seed));
                }
            }
            Event::Cancel(key) => {
                let named = shared.named_by(key.hash(profiler.seed));
                let key = named.and_then(|(_, session)| {
                    session.info.cancel_requests += 1;
                    session.key
                });
                shared.stats.cancel_request(key);
            }
            Event::Ready { status, at, first } => self.ready(status, at, first, shared),
            Event::Startup {
                user,
                database,
                application,
            } => {
                self.startup(user, database, application, shared);
            }
            Event::Error { sqlstate, at } => {
                // Before the server has let the client in, its names are anybody's and get no row.
                let key = match &self.known {
                    Some(known) => known.key,
                    None => shared.stats.session(OTHER, OTHER),
                };
                shared.stats.error(key, sqlstate);
                self.connection.lost |= ends_connection(sqlstate);
                if self.known.is_none() {
                    self.refused(sqlstate, at, shared);
                }
            }
            Event::Batch { nanos } => {
                if let Some(known) = &self.known {
                    shared.stats.batch(known.key, nanos);
                }
            }
            Event::Stalled { nanos } => {
                if let (Some(known), Some(verb)) = (&self.known, self.verb) {
                    shared.stats.stalled(known.key, verb, nanos);
                }
            }
            Event::Blind { reason } => {
                shared.stats.blind(reason);
                if let Some(session) = shared.sessions.get_mut(&self.id) {
                    session.info.blind = Some(reason.as_str());
                }
            }
            Event::Dropped { reason } => shared.stats.dropped(reason),
        }
    }

    /// The server has let no client in. Its names are anybody's: what is told of it is of the class for all others.
    fn refused(&self, sqlstate: SqlState, at: At, shared: &mut Shared) {
        tell(What::Refused(sqlstate), at, 0, OTHER, shared);
    }

    fn startup(&mut self, user: &str, database: &str, application: &str, shared: &mut Shared) {
        if let Some(session) = shared.sessions.get_mut(&self.id) {
            let info = &mut session.info;
            info.database = database.into();
            info.user = user.into();
            info.application = application.into();
        }
        self.names = Some(ClassKey {
            client: self.client.clone(),
            user: user.to_owned(),
            database: database.to_owned(),
            application: application.to_owned(),
        });
    }

    /// The server has let the client in: from now on its names are worth rows in bounded tables.
    fn authenticated(&mut self, shared: &mut Shared) {
        let Some(names) = self.names.take() else {
            return;
        };
        let key = shared.stats.session(&names.database, &names.user);
        if let Some(session) = shared.sessions.get_mut(&self.id) {
            session.key = Some(key);
        }
        self.known = Some(Known {
            key,
            tracker: Tracker::new(names.database.as_str().into()),
            class: shared.classes.find(names),
        });
    }

    fn query(&mut self, query: &Query<'_>, shared: &mut Shared, settings: &request::Settings) {
        let Some(known) = &self.known else { return };
        self.queries += 1;
        let nanos = query.finished.since(query.started);
        let slot = query.statement.map(|text| {
            let fingerprint = query.part.fingerprint;
            shared
                .stats
                .statement(fingerprint, || Arc::new(Statement::new(fingerprint, text)))
        });
        let statement = slot
            .and_then(|slot| shared.stats.statement_at(slot))
            .cloned();
        let facts = statement.as_ref().map(|statement| &statement.facts);
        let verb = match (facts, query.protocol) {
            (Some(facts), _) => facts.verb,
            (None, Protocol::FunctionCall) => Verb::Function,
            (None, _) if query.outcome == Outcome::Empty => Verb::Empty,
            _ => Verb::Other,
        };
        self.verb = Some(verb);
        let whose = facts.map_or(Whose::Data, |facts| facts.class);
        let error = match query.outcome {
            Outcome::Error(sqlstate) => {
                shared.stats.error(known.key, sqlstate);
                true
            }
            Outcome::Lost => true,
            _ => false,
        };
        self.connection.sets_time_zone |= query.part.time_zone;
        self.connection.probes += u32::from(query.part.probe);
        shared.stats.query(
            known.key,
            &QuerySample {
                statement: slot,
                verb,
                error,
                nanos,
                first_byte_nanos: query.first_byte.since(query.started),
                stalled_nanos: query.stalled,
                rows: query.rows,
            },
        );
        let pause = query.started.since(self.ready);
        let ended = health_checks(&mut self.health_checks, query, whose, pause, settings);
        shared.stats.health_checks(known.key, ended);
        let failed = query.status_before == TransactionStatus::Failed;
        if let Some(statement) = &statement
            && statement.facts.may_change_tables()
        {
            self.wrote(statement, query.finished, shared);
        }
        self.transaction_step(query, whose, error, failed, shared);
        let slow = !query.copy && nanos.saturating_sub(query.stalled) >= shared.slow_nanos;
        let Some(known) = &mut self.known else { return };
        let (inspected, reported, requests) = (
            &mut self.inspected,
            &mut self.reported,
            &mut self.connection.requests,
        );
        let (stats, detectors, class, seen) = parts(shared, query.finished, known.class);
        known.tracker.observe(
            query,
            statement.as_ref(),
            slow,
            class,
            settings,
            &mut |request| {
                *requests = requests.saturating_add(1);
                finish(request, stats, detectors, reported, seen);
                reported.clear();
                *inspected = 0;
            },
        );
    }

    fn ready(&mut self, status: TransactionStatus, at: At, first: bool, shared: &mut Shared) {
        // Also where it is not the first that could be told: the pairing may have been lost on the way.
        self.authenticated(shared);
        let Some(known) = &mut self.known else { return };
        if first {
            let setup = at.since(self.opened);
            shared.stats.connection_setup(known.key, setup);
            self.connection.opened = self.opened;
            self.connection.ready = at;
            let database = known.tracker.database();
            tell(What::Opened(setup), at, known.class, database, shared);
        }
        match (status, self.transaction) {
            (TransactionStatus::Idle, Some(transaction)) => {
                // It ended without a COMMIT or ROLLBACK of its own.
                self.transaction = None;
                transaction.end(
                    TransactionOutcome::Rollback,
                    at,
                    known.key,
                    &mut known.tracker,
                    &mut shared.stats,
                );
            }
            // COMMIT AND CHAIN.
            (TransactionStatus::InTransaction | TransactionStatus::Failed, None) => {
                self.transaction = Some(Transaction::begun(at));
            }
            _ => {}
        }
        self.ready = at;
        known.tracker.ready(at);
        if status == TransactionStatus::Idle {
            self.tell_writes(at, shared);
        }
        self.standing.ready(self.queries, status);
    }

    /// Follows transaction blocks by their statements: a whole one may pass between two ReadyForQuerys.
    fn transaction_step(
        &mut self,
        query: &Query<'_>,
        whose: Whose,
        error: bool,
        failed: bool,
        shared: &mut Shared,
    ) {
        let Some(known) = &mut self.known else { return };
        if let Some(transaction) = &mut self.transaction {
            let idle = query.started.since(self.ready);
            transaction.query(idle, matches!(whose, Whose::Commit | Whose::Rollback));
        }
        // What follows in the same batch did not wait for its client.
        self.ready = self.ready.max(query.finished);
        match (whose, self.transaction) {
            (Whose::Begin, None) if !error => {
                self.transaction = Some(Transaction::begun(query.started));
            }
            (Whose::Commit | Whose::Rollback, Some(transaction)) if !error => {
                let committed = whose == Whose::Commit && !failed;
                let outcome = if committed {
                    TransactionOutcome::Commit
                } else {
                    TransactionOutcome::Rollback
                };
                self.transaction = None;
                transaction.end(
                    outcome,
                    query.finished,
                    known.key,
                    &mut known.tracker,
                    &mut shared.stats,
                );
                self.tell_writes(query.finished, shared);
            }
            _ => {}
        }
    }
}
