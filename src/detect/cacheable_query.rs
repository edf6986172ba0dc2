//! # What it finds
//!
//! The same SELECT with the same values and the same rows in answer, request after request: `min_calls` times within
//! `window`, in at least `min_requests` requests, the answer unchanged in `unchanged_percent` of them and its tables not
//! written meanwhile. Only a proxy can prove that, since it sees the rows. It is worth knowing, and a warning where these
//! queries took a second of the server's time or more.
//!
//! # Why it hurts
//!
//! The database computes, and the network carries, what the application was told a moment ago.
//!
//! # Example
//!
//! ```python
//! categories = list(Category.objects.order_by("name"))                           # on each page
//!
//! categories = cache.get_or_set("categories", lambda: list(Category.objects.order_by("name")), 300)
//! ```
//!
//! # Settings
//!
//! | key | default | |
//! |---|---|---|
//! | `enabled` | `true` | |
//! | `min_calls` | `20` | queries within `window` |
//! | `min_requests` | `5` | requests that they come from |
//! | `window` | `"5m"` | the time over which they count |
//! | `unchanged_percent` | `90` | of the answers are the same as the one before |
//! | `severity` | `"auto"` | `"info"`, `"warning"` or `"critical"` for all of its findings |
//! | `allow` | empty | `tables`, `fingerprints` |
//!
//! # When it is wrong
//!
//! Others may write to the tables without passing pgscope, and the answer must not be old. Only the first 64 KiB of an answer,
//! its size and its number of rows are compared. Left out are locks, cursors, empty answers, what asks for the time or for
//! chance, the tables of sessions, users and permissions, and what is asked for one user (`user_id` and its like). A write
//! counts when its transaction ends. It waits two seconds for those of other connections: it tells of a query when that comes
//! again so long after it has come often enough. Queries are remembered as they come, 4,096 at a time by statement and
//! values; one that makes room for others begins anew, and counts in `table_evictions_total`. Tasks are left out, and so are
//! requests whose limits are a guess.

use super::monitor::{
    Generations, Monitor, Observed, Pace, What, check_least, check_percent, is_share,
};
use super::{Allow, Evidence, Finding, Severity, accuse};
use crate::request::{Confidence, Entry, Group, Kind, Request};
use crate::session::At;
use crate::sql::{Facts, Statement, Verb};
use crate::units::Period;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// Name of the detector.
pub(super) const NAME: &str = "cacheable_query";

/// Queries, told apart by database, statement and values, that are watched.
const MAX_QUERIES: usize = 4096;
/// Tables whose last write is remembered.
const MAX_TABLES: usize = 1024;
/// Statements whose last finding is remembered.
const MAX_PACES: usize = 512;
/// How much later than a query a write before it may be seen, nanoseconds: connections are looked at up to a quarter of a
/// second apart, and by threads that may have to wait for a processor.
const SETTLED: u64 = 2_000_000_000;
/// Time of the server from which it is a mistake.
const COSTLY: u64 = 1_000_000_000;
/// Words of a statement whose answer changes by itself.
const VOLATILE: [&str; 11] = [
    "now(",
    "current_timestamp",
    "current_date",
    "current_time",
    "localtime",
    "statement_timestamp(",
    "clock_timestamp(",
    "transaction_timestamp(",
    "random(",
    "nextval(",
    "pg_",
];
/// Columns that stand for one person.
const PERSONAL: [&str; 9] = [
    "user_id",
    "owner_id",
    "author_user_id",
    "customer_id",
    "account_id",
    "profile_id",
    "session_key",
    "session_id",
    "created_by_id",
];

/// Settings of `[detectors.cacheable_query]`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether it looks at all.
    pub enabled: bool,
    /// Queries within `window`; at least 2.
    pub min_calls: u32,
    /// Requests that they come from; at least 2.
    pub min_requests: u32,
    /// The time over which they count; above 0.
    pub window: Period,
    /// Share of answers that are the same as the one before, per cent.
    pub unchanged_percent: u32,
    /// Severity of its findings.
    pub severity: super::SeverityChoice,
    /// What is accepted.
    pub allow: Allow,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            min_calls: 20,
            min_requests: 5,
            window: Period::secs(300),
            unchanged_percent: 90,
            severity: super::SeverityChoice::default(),
            allow: Allow::default(),
        }
    }
}

impl Settings {
    pub(super) fn validate(&self) -> Result<(), String> {
        check_least(NAME, "min_calls", self.min_calls, 2)?;
        check_least(NAME, "min_requests", self.min_requests, 2)?;
        check_percent(NAME, "unchanged_percent", self.unchanged_percent)?;
        if self.window.nanos() == 0 {
            return Err(format!(
                "detectors.{NAME}.window = \"{}\": nothing happens within it; write \"5m\"",
                self.window
            ));
        }
        if !self.allow.routes.is_empty() {
            return Err(format!(
                "detectors.{NAME}.allow.routes: it accuses a statement, on whatever route; write tables or fingerprints"
            ));
        }
        Ok(())
    }
}

/// One query with its values.
#[derive(Debug, Default)]
struct Seen {
    since: At,
    calls: u32,
    unchanged: u32,
    requests: u32,
    /// The request at hand, as [`CacheableQuery::serial`] counts them.
    last_request: u64,
    answer: u64,
    nanos: u64,
    /// When it had come often enough.
    enough: Option<At>,
}

/// What the queries of a group have in common.
struct Watched<'r> {
    statement: &'r Statement,
    /// Of its database and fingerprint.
    hash: u64,
    /// The last write to its tables.
    written: Option<At>,
}

/// Finds answers that do not change. Keeps [`MAX_QUERIES`] queries and [`MAX_TABLES`] tables, as hashes.
pub(super) struct CacheableQuery {
    settings: Settings,
    queries: Generations<u64, Seen>,
    written: Generations<u64, Option<At>>,
    /// Up to this moment any table may have been written: one that was is forgotten or not told.
    unknown_before: At,
    forgotten: u64,
    paces: Generations<u64, Pace>,
    serial: u64,
}

impl CacheableQuery {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            queries: Generations::new(MAX_QUERIES),
            written: Generations::new(MAX_TABLES),
            unknown_before: At(0),
            forgotten: 0,
            paces: Generations::new(MAX_PACES),
            serial: 0,
        }
    }

    /// `facts`: none where any table may have been written.
    fn note_write(&mut self, at: At, database: &str, facts: Option<&Facts>) {
        let database = xxh3_64(database.as_bytes());
        for table in facts.into_iter().flat_map(super::tables) {
            let last = self.written.get(table_key(database, table));
            *last = (*last).max(Some(at));
        }
        let (_, forgotten) = self.written.size();
        if facts.is_none() || forgotten > self.forgotten {
            self.forgotten = forgotten;
            self.unknown_before = self.unknown_before.max(at);
        }
    }

    /// What the queries of each group have in common; `None` for a group none of whose answers is watched.
    fn watched<'r>(&mut self, request: &'r Request) -> Vec<Option<Watched<'r>>> {
        let database = xxh3_64(request.database.as_bytes());
        let mut watched = |group: &'r Group| {
            if group.rows == 0 || !is_suspect(group) {
                return None;
            }
            let statement = &group.statement;
            let written = super::tables(&statement.facts)
                .map(|table| *self.written.get(table_key(database, table)));
            let fingerprint = statement.fingerprint.0;
            Some(Watched {
                statement,
                hash: xxh3_64_with_seed(request.database.as_bytes(), fingerprint),
                written: written.max().flatten(),
            })
        };
        request.groups.iter().map(&mut watched).collect()
    }

    fn note(&mut self, at: At, opened: At, of: &Watched<'_>, entry: &Entry) -> Option<Seen> {
        let key = of.hash.rotate_left(17) ^ entry.literals;
        let seen = self.queries.get(key);
        let unknown_before = self.unknown_before;
        let written_since = |since| unknown_before >= since || of.written >= Some(since);
        if written_since(opened) {
            // Before this query or after: the next request will show.
            *seen = Seen::default();
            return None;
        }
        let settings = &self.settings;
        let serial = self.serial;
        let answer = entry.digest ^ entry.bytes.rotate_left(32) ^ u64::from(entry.rows);
        if seen.calls == 0
            || written_since(seen.since)
            || at.since(seen.since) > settings.window.nanos()
        {
            *seen = Seen {
                since: opened,
                answer,
                calls: 1,
                requests: 1,
                last_request: serial,
                nanos: entry.nanos,
                ..Seen::default()
            };
            return None;
        }
        seen.calls = seen.calls.saturating_add(1);
        seen.unchanged += u32::from(seen.answer == answer);
        seen.requests += u32::from(seen.last_request != serial);
        seen.last_request = serial;
        seen.answer = answer;
        seen.nanos = seen.nanos.saturating_add(entry.nanos);
        let stable = is_share(
            u64::from(seen.unchanged),
            u64::from(seen.calls - 1),
            settings.unchanged_percent,
        );
        let found =
            seen.calls >= settings.min_calls && seen.requests >= settings.min_requests && stable;
        if !found {
            seen.enough = None;
            return None;
        }
        let enough = *seen.enough.get_or_insert(at);
        // Texts are looked through only where all else says yes; the pace of a volatile one is nobody else's.
        if at.since(enough) < SETTLED
            || !self.paces.get(of.hash).is_due(at)
            || is_volatile(&of.statement.text)
        {
            return None;
        }
        // What follows counts anew, from the answer at hand.
        let next = Seen {
            since: at,
            answer,
            ..Seen::default()
        };
        Some(std::mem::replace(seen, next))
    }
}

/// `database`: a hash of its name.
fn table_key(database: u64, table: &str) -> u64 {
    xxh3_64_with_seed(table.as_bytes(), database)
}

/// A SELECT whose answer depends on nothing but the data, and which is not asked for one person.
fn is_suspect(group: &Group) -> bool {
    let facts = &group.statement.facts;
    let table = facts.table.as_str();
    let private = [
        "pg_",
        "auth_",
        "django_session",
        "django_migrations",
        "authtoken_",
    ];
    let personal = |name: &str| PERSONAL.contains(&name);
    facts.is_read()
        && facts.verb != Verb::Declare
        && !table.is_empty()
        && !private.iter().any(|prefix| table.starts_with(prefix))
        && !facts.for_update
        && !facts.skip_locked
        && !facts.random_order
        && !facts
            .equalities
            .iter()
            .chain(&facts.in_column)
            .any(|column| personal(&column.name))
}

/// Whether a text has one of [`VOLATILE`], in any case.
fn is_volatile(text: &str) -> bool {
    let bytes = text.as_bytes();
    VOLATILE.iter().any(|word| {
        bytes
            .windows(word.len())
            .any(|part| part.eq_ignore_ascii_case(word.as_bytes()))
    })
}

impl Monitor for CacheableQuery {
    fn name(&self) -> &'static str {
        NAME
    }

    fn table(&self) -> Option<(u64, u64)> {
        Some(self.queries.size())
    }

    fn observe(&mut self, seen: &Observed<'_>, findings: &mut Vec<Finding>) {
        let request = match seen.what {
            What::Request(request) => request,
            What::Wrote { database, facts } => return self.note_write(seen.at, database, facts),
            _ => return,
        };
        self.serial += 1;
        if request.boundary.confidence() < Confidence::Medium || request.kind == Kind::Task {
            return;
        }
        let watched = self.watched(request);
        // Who asks again and again until there is an answer does not want the old one.
        for entry in (request.entries.iter()).filter(|entry| !entry.failed && entry.rows > 0) {
            let Some(Some(of)) = watched.get(usize::from(entry.group)) else {
                continue;
            };
            let Some(found) = self.note(seen.at, request.opened, of, entry) else {
                continue;
            };
            let statement = of.statement;
            if self.settings.allow.allows_tables(&statement.facts) {
                continue;
            }
            let severity = if found.nanos >= COSTLY {
                Severity::Warning
            } else {
                Severity::Info
            };
            let fix = format!(
                "cache.get_or_set(…): the answer from {} is the same request after request",
                statement.facts.table
            );
            findings.push(Finding {
                severity,
                evidence: Evidence::Proven,
                count: found.calls,
                wasted_seconds: super::wasted_seconds(found.nanos, found.calls),
                ..accuse::everywhere(NAME, statement, fix)
            });
        }
    }
}
