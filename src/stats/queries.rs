//! Queries by database, user and verb.

use super::Settings;
use super::histogram::Durations;
use super::names::Names;
use super::statements::StatementSlot;
use crate::sql::Verb;
use std::collections::HashMap;

/// How many verbs there are.
pub(crate) const VERBS: usize = Verb::ALL.len();

/// A database and user as [`super::Stats`] knows them; valid for the life of the `Stats` that gave it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SessionKey {
    pub(super) database: u16,
    pair: u32,
}

/// One query, at its end.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct QuerySample {
    /// What [`super::Stats::statement`] said just before; `None` for a query without a known text.
    pub statement: Option<StatementSlot>,
    /// Its command.
    pub verb: Verb,
    /// It ended with ErrorResponse.
    pub error: bool,
    /// Last byte of the request read to last byte of the reply read, ns.
    pub nanos: u64,
    /// Last byte of the request read to first byte of the reply read, ns.
    pub first_byte_nanos: u64,
    /// Of that, the client did not take the reply, ns.
    pub stalled_nanos: u64,
    /// Rows.
    pub rows: u64,
}

/// Queries of one database and user by verb.
#[derive(Clone, Copy, Debug)]
pub struct PairRow {
    /// Index into the databases of the snapshot.
    pub database: u16,
    /// Index into the users of the snapshot.
    pub user: u16,
    /// By verb: succeeded, failed.
    pub queries: [[u64; 2]; VERBS],
}

/// Times and rows of one database and verb.
#[derive(Clone, Copy, Debug)]
pub struct VerbRow {
    /// Index into the databases of the snapshot.
    pub database: u16,
    /// The verb.
    pub verb: Verb,
    /// To the last byte of the reply.
    pub duration: Durations,
    /// To the first byte of the reply.
    pub first_byte: Durations,
    /// From the first byte of the reply to the last, less the time in which the client did not take it, ns.
    pub transfer_nanos: u64,
    /// In which replies waited for the client, ns.
    pub stalled_nanos: u64,
    /// Rows.
    pub rows: u64,
}

/// Rows appear when first used, each kind in one flat vector, so that a copy for a scrape is a few `memcpy`s.
#[derive(Debug)]
pub(super) struct Queries {
    pub(super) databases: Names,
    pub(super) users: Names,
    pub(super) pairs: Vec<PairRow>,
    pub(super) verbs: Vec<VerbRow>,
    pair_numbers: HashMap<(u16, u16), u32>,
    /// By database: where the row of each verb is.
    verb_numbers: Vec<[u32; VERBS]>,
    pair_limit: usize,
    pub(super) refused_pairs: u64,
}

/// A verb without a row.
const NONE: u32 = u32::MAX;

impl Queries {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            databases: Names::new(settings.databases),
            users: Names::new(settings.users),
            pairs: Vec::new(),
            verbs: Vec::new(),
            pair_numbers: HashMap::new(),
            verb_numbers: Vec::new(),
            pair_limit: settings.database_users,
            refused_pairs: 0,
        }
    }

    /// The key of a session; bounded, see [`Settings`].
    pub(super) fn session(&mut self, database: &str, user: &str) -> SessionKey {
        let database = self.databases.number(database);
        let user = self.users.number(user);
        let known = self.verb_numbers.len().max(usize::from(database) + 1);
        self.verb_numbers.resize(known, [NONE; VERBS]);
        let pair = match self.pair_numbers.get(&(database, user)) {
            Some(pair) => *pair,
            // `other` of each database always has room: there are as many as databases.
            None if user == 0 || self.named_pairs() < self.pair_limit => {
                self.add_pair(database, user)
            }
            None => {
                self.refused_pairs += 1;
                match self.pair_numbers.get(&(database, 0)) {
                    Some(pair) => *pair,
                    None => self.add_pair(database, 0),
                }
            }
        };
        SessionKey { database, pair }
    }

    /// Pairs whose user has a name.
    pub(super) fn named_pairs(&self) -> usize {
        self.pairs.iter().filter(|pair| pair.user != 0).count()
    }

    fn add_pair(&mut self, database: u16, user: u16) -> u32 {
        let pair = self.pairs.len() as u32;
        self.pairs.push(PairRow {
            database,
            user,
            queries: [[0; 2]; VERBS],
        });
        self.pair_numbers.insert((database, user), pair);
        pair
    }

    /// Counts a query.
    pub(super) fn query(&mut self, key: SessionKey, sample: &QuerySample) {
        let verb = sample.verb as usize;
        if let Some(pair) = self.pairs.get_mut(key.pair as usize)
            && let Some(by_status) = pair.queries.get_mut(verb)
        {
            by_status[usize::from(sample.error)] += 1;
        }
        if let Some(row) = self.verb_row(key.database, sample.verb) {
            row.duration.record(sample.nanos);
            row.first_byte.record(sample.first_byte_nanos);
            let apart = sample.first_byte_nanos.saturating_add(sample.stalled_nanos);
            row.transfer_nanos += sample.nanos.saturating_sub(apart);
            row.stalled_nanos += sample.stalled_nanos;
            row.rows = row.rows.saturating_add(sample.rows);
        }
    }

    /// Counts time in which the end of a reply waited for the client.
    pub(super) fn stalled(&mut self, key: SessionKey, verb: Verb, nanos: u64) {
        if let Some(row) = self.verb_row(key.database, verb) {
            row.stalled_nanos += nanos;
        }
    }

    fn verb_row(&mut self, database: u16, verb: Verb) -> Option<&mut VerbRow> {
        let numbers = self.verb_numbers.get_mut(usize::from(database))?;
        let number = numbers.get_mut(verb as usize)?;
        if *number == NONE {
            *number = self.verbs.len() as u32;
            self.verbs.push(VerbRow {
                database,
                verb,
                duration: Durations::default(),
                first_byte: Durations::default(),
                transfer_nanos: 0,
                stalled_nanos: 0,
                rows: 0,
            });
        }
        self.verbs.get_mut(*number as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queries(databases: usize, users: usize, database_users: usize) -> Queries {
        Queries::new(&Settings {
            databases,
            users,
            database_users,
            ..Settings::default()
        })
    }

    fn sample(verb: Verb, error: bool) -> QuerySample {
        QuerySample {
            statement: None,
            verb,
            error,
            nanos: 2_000_000,
            first_byte_nanos: 1_000_000,
            stalled_nanos: 0,
            rows: 3,
        }
    }

    #[test]
    fn queries_count_by_database_user_verb_and_status() {
        let mut queries = queries(4, 4, 16);
        let web = queries.session("app", "web");
        let task = queries.session("app", "task");
        queries.query(web, &sample(Verb::Select, false));
        queries.query(web, &sample(Verb::Select, true));
        queries.query(task, &sample(Verb::Select, false));
        assert_eq!(queries.pairs[0].queries[Verb::Select as usize], [1, 1]);
        assert_eq!(queries.pairs[1].queries[Verb::Select as usize], [1, 0]);
        let [row] = queries.verbs[..] else {
            panic!("one database, one verb: one row")
        };
        assert_eq!((row.duration.count(), row.rows), (3, 9));
        assert_eq!(row.first_byte.seconds(), 0.003);
    }

    #[test]
    fn a_full_table_of_pairs_counts_for_other_of_the_same_database() {
        let mut queries = queries(4, 4, 1);
        let first = queries.session("app", "web");
        let second = queries.session("app", "task");
        let third = queries.session("logs", "task");
        assert_ne!(first, second);
        assert_eq!(second, queries.session("app", "cron"), "both are `other`");
        assert_ne!(second.database, third.database);
        assert_eq!(queries.refused_pairs, 3);
        let users: Vec<u16> = queries.pairs.iter().map(|pair| pair.user).collect();
        assert_eq!(users, [1, 0, 0]);
    }

    #[test]
    fn rows_saturate_rather_than_overflow() {
        let mut queries = queries(1, 1, 1);
        let key = queries.session("app", "web");
        for _ in 0..2 {
            queries.query(
                key,
                &QuerySample {
                    rows: u64::MAX,
                    ..sample(Verb::Other, false)
                },
            );
        }
        assert_eq!(queries.verbs[0].rows, u64::MAX);
    }
}
