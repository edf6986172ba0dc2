//! How large the tables may grow, and how many series follow from it.

use super::queries::VERBS;

/// Sizes of the tables, `[stats]` of the configuration.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Statements that keep numbers of their own; the least recently used goes to `other`.
    pub statements: usize,
    /// Pairs of route and boundary that keep numbers of their own; the least recently used goes to `other`.
    pub routes: usize,
    /// Causes that keep an entry of their own; the least recently seen goes to `other`.
    pub findings: usize,
    /// Requests that the API remembers; the oldest goes.
    pub recent_requests: usize,
    /// Databases; those that come later are `other`.
    pub databases: usize,
    /// Users; those that come later are `other`.
    pub users: usize,
    /// Pairs of database and user; those that come later count for user `other` of their database.
    pub database_users: usize,
    /// SQLSTATE codes per database; those that come later are `other`.
    pub sqlstates: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            statements: 1000,
            routes: 200,
            findings: 500,
            recent_requests: 200,
            databases: 16,
            users: 32,
            database_users: 64,
            sqlstates: 100,
        }
    }
}

/// Most entries of any one table: a series ceiling in the millions helps nobody.
const MAX_ENTRIES: usize = 100_000;

/// Most databases; they are numbered in 16 bits with room for each verb.
const MAX_DATABASES: usize = 1024;

/// Distinct reasons of `events_dropped_total`, names of detectors and of tables beyond pgscope's own: all are
/// words of the program, so these bounds only keep a mistake small.
pub(super) const MAX_WORDS: usize = 64;

/// Series of one duration histogram: 17 buckets, `+Inf`, sum, count.
const DURATION_SERIES: usize = 20;

/// Series of `request_queries`: 14 buckets, `+Inf`, sum, count.
const QUERY_COUNT_SERIES: usize = 17;

impl Settings {
    /// Each key with its size and the most that it may be.
    fn sizes(&self) -> [(&'static str, usize, usize); 8] {
        [
            ("statements", self.statements, MAX_ENTRIES),
            ("routes", self.routes, MAX_ENTRIES),
            ("findings", self.findings, MAX_ENTRIES),
            ("recent_requests", self.recent_requests, MAX_ENTRIES),
            ("databases", self.databases, MAX_DATABASES),
            ("users", self.users, MAX_DATABASES),
            ("database_users", self.database_users, MAX_ENTRIES),
            ("sqlstates", self.sqlstates, MAX_ENTRIES),
        ]
    }

    /// Refuses sizes that cannot work; the text names the key and what to write instead.
    pub fn check(&self) -> Result<(), String> {
        let mut sizes = self.sizes().into_iter().zip(Self::default().sizes());
        match sizes.find(|((_, size, max), _)| !(1..=*max).contains(size)) {
            Some(((key, _, max), (_, default, _))) => {
                Err(format!("{key}: must be from 1 to {max}; write `{default}`"))
            }
            None => Ok(()),
        }
    }

    /// The size of a table, where a key here is its.
    pub(super) fn size_of(&self, table: &str) -> Option<usize> {
        let mut sizes = self.sizes().into_iter();
        sizes.find_map(|(name, size, _)| (name == table).then_some(size))
    }

    /// The most series that one scrape can hold with these sizes; `docs/metrics.md` derives it.
    pub fn series_ceiling(&self) -> usize {
        let databases = self.databases + 1;
        let pairs = self.database_users + databases;
        let routes = self.routes + super::requests::BOUNDARIES.len();
        let fixed = 1 // build_info
            + 1 // connections_open
            + super::ConnectionOutcome::ALL.len()
            + 2 // bytes_total
            + super::MAX_UPSTREAMS // upstream_up
            + 1 // scram_plus_removed_total
            + super::ExplainOutcome::ALL.len()
            + super::snapshot::BLIND_REASONS.len()
            + super::Stage::ALL.len()
            + (MAX_WORDS + 1) // events_dropped_total
            + 2 * (MAX_WORDS + 1) // table_entries, table_evictions_total
            + 7; // process_*
        let sessions = 2 * VERBS * pairs; // queries_total
        let per_database = DURATION_SERIES // connection_setup_seconds
            + 1 // cancel_requests_total
            + 1 // health_check_requests_total
            + 1 // think_seconds_total
            + 1 + DURATION_SERIES // batches_total, batch_duration_seconds
            + (2 * DURATION_SERIES + 3) * VERBS // query_*, client_stall_seconds_total
            + (self.sqlstates + 1) // errors_total
            + super::TransactionOutcome::ALL.len() * (1 + 2 * DURATION_SERIES);
        let requests = routes * (1 + QUERY_COUNT_SERIES + 2 * DURATION_SERIES);
        let statements = (self.statements + 1) * (2 + DURATION_SERIES) // calls, rows, duration
            + self.statements; // statement_info
        // Three severities, and either n_plus_one_total with its seconds or slow_queries_total.
        let findings = self.findings * (3 + 2) + 3 * (MAX_WORDS + 1) + 3;
        fixed + sessions + databases * per_database + requests + statements + findings
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_states_the_ceiling() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md");
        let text = std::fs::read_to_string(path).unwrap();
        let settings = Settings::default();
        let databases = settings.databases + 1;
        let per_verb = 2 * (settings.database_users + databases) + 43 * databases;
        let rest = settings.series_ceiling() - per_verb * VERBS;
        let stated = format!("with the defaults {rest} + {per_verb}·V.");
        assert!(text.contains(&stated), "{stated}");
    }

    #[test]
    fn sizes_out_of_range_are_named() {
        assert_eq!(Settings::default().check(), Ok(()));
        let none = Settings {
            routes: 0,
            ..Settings::default()
        };
        assert_eq!(
            none.check(),
            Err("routes: must be from 1 to 100000; write `200`".to_owned())
        );
        let many = Settings {
            databases: 5000,
            ..Settings::default()
        };
        assert_eq!(
            many.check(),
            Err("databases: must be from 1 to 1024; write `16`".to_owned())
        );
    }
}
