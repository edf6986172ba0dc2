//! What is learned of a class of clients: connections that one deployment opens the same way.

use super::foreign_keys::ForeignKeys;
use super::record::Boundary;
use super::rules::Gaps;
use super::streams::Catalog;
use crate::sql::{Fingerprint, FingerprintHasher};
use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasherDefault;
use std::sync::Arc;

/// What makes two connections alike.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct ClassKey {
    /// Client address without its port.
    pub client: String,
    /// Role name.
    pub user: String,
    /// Database.
    pub database: String,
    /// `application_name`.
    pub application: String,
}

/// How connections of a class are used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Usage {
    /// Nothing seen yet that would tell.
    Unknown,
    /// One connection, one request.
    PerRequest,
    /// Connections serve request after request.
    Persistent,
}

/// Connections remembered to tell [`Usage`].
const REMEMBERED: usize = 100;
/// Statements watched as possible openers of requests.
const MAX_OPENERS: usize = 64;
/// Databases whose foreign keys are kept.
const MAX_DATABASES: usize = 16;

/// How often a statement opened a burst of statements, and how often it was seen at all.
#[derive(Clone, Copy, Debug, Default)]
struct Opener {
    opened: u32,
    seen: u32,
}

/// One class.
#[derive(Debug, Default)]
pub struct Class {
    /// Of the last connections, whether each served more than one request.
    shared: VecDeque<bool>,
    /// Of these, how many did: asked for each query.
    shared_count: usize,
    probes: u64,
    pool_checks: u64,
    discards: u64,
    unannounced: u64,
    /// Data statements that surely begin a request, being the first of a connection or the first after a pause; and those of
    /// them that are known to open requests.
    beginnings: u64,
    anchored: u64,
    transactions: u64,
    queries_in_transaction: u64,
    queries: u64,
    bursts: u64,
    openers: HashMap<Fingerprint, Opener, BuildHasherDefault<FingerprintHasher>>,
    /// Idle times between statements.
    pub(super) gaps: Gaps,
    requests: [u64; 10],
    /// Tables of its database.
    pub(super) catalog: Catalog,
    /// Foreign keys of its database, where the server was asked for them.
    pub(super) foreign_keys: Option<Arc<ForeignKeys>>,
}

impl Class {
    /// How its connections are used, as far as is known: as most of those seen were. A command among web requests, or
    /// a worker among commands, does not change what is thought of the others.
    pub fn usage(&self) -> Usage {
        if self.shared.is_empty() {
            Usage::Unknown
        } else if self.shared_count * 2 >= self.shared.len() {
            Usage::Persistent
        } else {
            Usage::PerRequest
        }
    }

    /// A connection ended after one request (`false`), or has just begun its second (`true`).
    pub(super) fn connection(&mut self, shared: bool) {
        if self.shared.len() == REMEMBERED {
            let oldest = self.shared.pop_front();
            self.shared_count -= usize::from(oldest == Some(true));
        }
        self.shared.push_back(shared);
        self.shared_count += usize::from(shared);
    }

    /// A request of this boundary was closed.
    pub(super) fn closed(&mut self, boundary: Boundary) {
        self.requests[boundary as usize] += 1;
    }

    /// A sign that Django or a pooler gives at the start of a request was seen.
    pub(super) fn announced(&mut self, boundary: Boundary) {
        match boundary {
            Boundary::Probe => self.probes += 1,
            Boundary::PoolCheck => self.pool_checks += 1,
            Boundary::Discard => self.discards += 1,
            _ => {}
        }
    }

    /// A request seems to have begun without such a sign: after a pause, or with a statement that opens requests.
    pub(super) fn unannounced(&mut self) {
        self.unannounced += 1;
    }

    /// A data statement was the first of a connection, or the first after a pause.
    pub(super) fn begins(&mut self, anchor: bool) {
        self.beginnings += 1;
        self.anchored += u64::from(anchor);
    }

    /// Statements that open requests open most of them here. Elsewhere a request that such a statement opened goes on
    /// into those that have none.
    pub(super) fn trusts_anchors(&self) -> bool {
        self.anchored * 2 >= self.beginnings
    }

    /// Requests of this class are announced, so that weaker signs would only cut them to pieces.
    pub fn announces(&self) -> Option<Boundary> {
        let signs = [
            (self.probes, Boundary::Probe),
            (self.pool_checks, Boundary::PoolCheck),
            (self.discards, Boundary::Discard),
        ];
        let (count, boundary) = signs.into_iter().max_by_key(|(count, _)| *count)?;
        // A view may pause several times in a request that was announced once.
        (count > 0 && count * 4 >= self.unannounced).then_some(boundary)
    }

    /// A data statement ran; `in_transaction` tells whether inside a transaction block.
    pub(super) fn query(&mut self, in_transaction: bool) {
        self.queries += 1;
        self.queries_in_transaction += u64::from(in_transaction);
    }

    /// A transaction block began.
    pub(super) fn transaction(&mut self) {
        self.transactions += 1;
    }

    /// Every request seems to be one transaction (`ATOMIC_REQUESTS`): nearly all statements run inside one.
    pub(super) fn is_atomic(&self) -> bool {
        self.transactions >= 50 && self.queries_in_transaction * 20 >= self.queries * 19
    }

    /// A data statement was seen outside a transaction, or first in one; `opens` after a pause of more than 200 ms.
    pub(super) fn opener(&mut self, fingerprint: Fingerprint, opens: bool) {
        self.bursts += u64::from(opens);
        if let Some(opener) = self.openers.get_mut(&fingerprint) {
            opener.seen += 1;
            opener.opened += u32::from(opens);
        } else if opens && self.openers.len() < MAX_OPENERS {
            self.openers
                .insert(fingerprint, Opener { opened: 1, seen: 1 });
        }
    }

    /// The statement was found to open requests: at least 80 % of the bursts begin with it, and it hardly
    /// occurs elsewhere.
    pub(super) fn is_opener(&self, fingerprint: Fingerprint) -> bool {
        self.bursts >= 20
            && self.openers.get(&fingerprint).is_some_and(|opener| {
                u64::from(opener.opened) * 10 >= self.bursts * 8
                    && u64::from(opener.seen) * 10 <= self.bursts * 11
            })
    }

    /// Requests closed so far, by boundary, best first; without those never seen.
    pub fn requests(&self) -> impl Iterator<Item = (Boundary, u64)> {
        Boundary::ALL
            .into_iter()
            .zip(self.requests)
            .filter(|(_, count)| *count > 0)
    }
}

/// All classes; beyond the limit they share one.
#[derive(Debug)]
pub struct Classes {
    limit: usize,
    refused: u64,
    index: HashMap<ClassKey, usize>,
    all: Vec<(ClassKey, Class)>,
    /// By database; at most [`MAX_DATABASES`].
    foreign_keys: HashMap<String, Arc<ForeignKeys>>,
}

impl Classes {
    /// At most `limit` classes are told apart.
    pub fn new(limit: usize) -> Self {
        let other = "other".to_owned();
        let key = ClassKey {
            client: other.clone(),
            user: other.clone(),
            database: other.clone(),
            application: other,
        };
        Self {
            limit,
            refused: 0,
            index: HashMap::new(),
            all: vec![(key, Class::default())],
            foreign_keys: HashMap::new(),
        }
    }

    /// Where a class lives; 0 is shared by all that found no place.
    pub fn find(&mut self, key: ClassKey) -> usize {
        if let Some(&index) = self.index.get(&key) {
            return index;
        }
        if self.index.len() >= self.limit {
            self.refused += 1;
            return 0;
        }
        let index = self.all.len();
        self.index.insert(key.clone(), index);
        let class = Class {
            foreign_keys: self.foreign_keys.get(&key.database).cloned(),
            ..Class::default()
        };
        self.all.push((key, class));
        index
    }

    /// What the server says of the foreign keys of a database, for the requests to come.
    pub fn set_foreign_keys(&mut self, database: &str, keys: &Arc<ForeignKeys>) {
        let known = self.foreign_keys.contains_key(database);
        if !known && self.foreign_keys.len() >= MAX_DATABASES {
            return;
        }
        let own = |(key, _): &&mut (ClassKey, Class)| key.database == database;
        for (_, class) in self.all.iter_mut().skip(1).filter(own) {
            class.foreign_keys = Some(Arc::clone(keys));
        }
        (self.foreign_keys).insert(database.to_owned(), Arc::clone(keys));
    }

    /// The class at a place that [`Classes::find`] gave.
    pub fn get_mut(&mut self, index: usize) -> &mut Class {
        let index = if index < self.all.len() { index } else { 0 };
        &mut self.all[index].1
    }

    /// All classes that have been seen.
    pub fn iter(&self) -> impl Iterator<Item = &(ClassKey, Class)> {
        self.all
            .iter()
            .filter(|(_, class)| class.requests().next().is_some())
    }

    /// Connections whose class found no place.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Classes told apart.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// None yet.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }
}
