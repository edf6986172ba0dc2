//! Numbers by statement.

use super::histogram::{Durations, Quantiles, Summary};
use super::names::DatabaseSet;
use super::queries::QuerySample;
use super::row_counts::{RowCounts, RowSummary};
use super::{Filter, StatementOrder};
use crate::sql::{Fingerprint, Statement, Verb};
use lru::LruCache;
use std::sync::Arc;

/// Where the numbers of a statement are, until the next call of [`super::Stats::statement`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StatementSlot(u32);

impl StatementSlot {
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// Totals of one statement, or of all that have no row of their own.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct StatementTotals {
    /// Queries by duration; their number is the number of calls.
    pub durations: Durations,
    /// Queries that failed.
    pub errors: u64,
    /// Rows.
    pub rows: u64,
}

impl StatementTotals {
    fn add(&mut self, other: &Self) {
        self.durations.add(&other.durations);
        self.errors += other.errors;
        self.rows = self.rows.saturating_add(other.rows);
    }
}

/// A statement and its numbers.
#[derive(Debug)]
pub struct StatementRow {
    /// The statement.
    pub statement: Arc<Statement>,
    /// Its totals since it has the row.
    pub totals: StatementTotals,
    quantiles: Quantiles,
    rows: RowCounts,
    databases: DatabaseSet,
}

/// What a statement takes, for who looks for those that take most.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Load {
    /// The statement.
    pub fingerprint: Fingerprint,
    /// Time of all its queries, seconds.
    pub seconds: f64,
    /// Its slow queries.
    pub slow: u64,
}

/// A statement as the API shows it.
#[derive(Clone, Debug)]
pub struct StatementEntry {
    /// The statement.
    pub statement: Arc<Statement>,
    /// Its totals since it has a row.
    pub totals: StatementTotals,
    /// Quantiles of its durations.
    pub summary: Summary,
}

/// A statement with all that is known of it.
#[derive(Clone, Debug)]
pub struct StatementDetail {
    /// The statement.
    pub entry: StatementEntry,
    /// (upper bound in seconds, queries) of the durations, the empty ones left out.
    pub durations: Vec<(f64, u64)>,
    /// Rows a query.
    pub rows: RowSummary,
}

impl StatementEntry {
    fn new(row: &StatementRow) -> Self {
        Self {
            statement: Arc::clone(&row.statement),
            totals: row.totals,
            summary: row.quantiles.summary(),
        }
    }
}

/// The bounded table: when full, the least recently used row is added to `other` and its memory reused.
///
/// An index of slots beside a flat vector, so that a query costs one look-up and a scrape reads memory in order.
#[derive(Debug)]
pub(super) struct Statements {
    slots: LruCache<Fingerprint, u32>,
    rows: Vec<StatementRow>,
    other: StatementTotals,
    limit: usize,
    evictions: u64,
}

impl Statements {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            // Bounded here rather than in the cache, which would allocate its bound at once.
            slots: LruCache::unbounded(),
            rows: Vec::new(),
            other: StatementTotals::default(),
            limit: limit.max(1),
            evictions: 0,
        }
    }

    /// The slot of a statement; `make` is called where it has none yet.
    pub(super) fn slot(
        &mut self,
        fingerprint: Fingerprint,
        make: impl FnOnce() -> Arc<Statement>,
    ) -> StatementSlot {
        if let Some(slot) = self.slots.get(&fingerprint) {
            return StatementSlot(*slot);
        }
        let evicted = match self.slots.len() >= self.limit {
            true => self.slots.pop_lru(),
            false => None,
        };
        let slot = match evicted {
            Some((_, slot)) => {
                self.evictions += 1;
                if let Some(row) = self.rows.get_mut(slot as usize) {
                    self.other.add(&row.totals);
                    row.statement = make();
                    row.totals = StatementTotals::default();
                    row.quantiles.clear();
                    row.rows.clear();
                    row.databases = DatabaseSet::default();
                }
                slot
            }
            None => {
                self.rows.push(StatementRow {
                    statement: make(),
                    totals: StatementTotals::default(),
                    quantiles: Quantiles::default(),
                    rows: RowCounts::default(),
                    databases: DatabaseSet::default(),
                });
                (self.rows.len() - 1) as u32
            }
        };
        self.slots.push(fingerprint, slot);
        StatementSlot(slot)
    }

    /// Counts a query of the statement in a slot.
    pub(super) fn query(&mut self, slot: StatementSlot, database: u16, sample: &QuerySample) {
        if let Some(row) = self.rows.get_mut(slot.0 as usize) {
            row.totals.durations.record(sample.nanos);
            row.totals.errors += u64::from(sample.error);
            row.totals.rows = row.totals.rows.saturating_add(sample.rows);
            row.quantiles.record(sample.nanos);
            row.rows.record(sample.rows);
            row.databases.insert(database);
        }
    }

    /// All rows, in no order.
    pub(super) fn rows(&self) -> &[StatementRow] {
        &self.rows
    }

    /// What each SELECT takes. A query counts as slow from the first bucket of the histogram that begins at `slow` or above.
    pub(super) fn loads(&self, slow: u64) -> Vec<Load> {
        let selects = |row: &&StatementRow| row.statement.facts.verb == Verb::Select;
        (self.rows.iter().filter(selects))
            .map(|row| Load {
                fingerprint: row.statement.fingerprint,
                seconds: row.totals.durations.seconds(),
                slow: row.totals.durations.above(slow),
            })
            .collect()
    }

    /// A statement and the databases it was seen in.
    pub(super) fn find(&self, fingerprint: Fingerprint) -> Option<(&Arc<Statement>, DatabaseSet)> {
        let slot = *self.slots.peek(&fingerprint)?;
        let row = self.rows.get(slot as usize)?;
        Some((&row.statement, row.databases))
    }

    /// One row with all that is known of it.
    pub(super) fn entry(&self, fingerprint: Fingerprint) -> Option<StatementDetail> {
        let slot = *self.slots.peek(&fingerprint)?;
        let row = self.rows.get(slot as usize)?;
        Some(StatementDetail {
            entry: StatementEntry::new(row),
            durations: row.quantiles.buckets().collect(),
            rows: row.rows.summary(),
        })
    }

    /// What evicted rows left.
    pub(super) fn other(&self) -> &StatementTotals {
        &self.other
    }

    /// Rows evicted.
    pub(super) fn evictions(&self) -> u64 {
        self.evictions
    }

    /// Rows seen in `database` (all rows without one), in the order of the filter.
    pub(super) fn entries(&self, database: Option<u16>, filter: &Filter) -> Vec<StatementEntry> {
        let seen =
            |row: &&StatementRow| database.is_none_or(|number| row.databases.contains(number));
        let rows = self.rows.iter().filter(seen);
        let mut rows: Vec<(f64, &StatementRow)> = rows
            .map(|row| (row.rank(filter.statement_order), row))
            .collect();
        rows.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        let rows = rows.into_iter().take(filter.limit);
        rows.map(|(_, row)| StatementEntry::new(row)).collect()
    }
}

impl StatementRow {
    /// What an order of the list goes by.
    fn rank(&self, order: StatementOrder) -> f64 {
        let durations = &self.totals.durations;
        match order {
            StatementOrder::Total => durations.seconds(),
            StatementOrder::Calls => durations.count() as f64,
            StatementOrder::Mean => durations.seconds() / durations.count().max(1) as f64,
            StatementOrder::P99 => self.quantiles.p99(),
            StatementOrder::Max => self.quantiles.max(),
            StatementOrder::Rows => self.totals.rows as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn call(table: &mut Statements, number: u64, nanos: u64, rows: u64, error: bool) {
        let fingerprint = Fingerprint(number);
        let slot = table.slot(fingerprint, || {
            Arc::new(Statement::new(fingerprint, "SELECT ?"))
        });
        let sample = QuerySample {
            statement: Some(slot),
            verb: Verb::Select,
            error,
            nanos,
            first_byte_nanos: nanos,
            stalled_nanos: 0,
            rows,
        };
        table.query(slot, 1, &sample);
    }

    #[test]
    fn the_least_recently_used_row_goes_to_other() {
        let mut table = Statements::new(2);
        call(&mut table, 1, 5_000_000, 1, false);
        call(&mut table, 2, 7_000_000, 2, true);
        call(&mut table, 1, 5_000_000, 1, false);
        call(&mut table, 3, 1_000_000, 0, false);
        let kept: Vec<u64> = table
            .entries(None, &Filter::default())
            .iter()
            .map(|entry| entry.statement.fingerprint.0)
            .collect();
        assert_eq!(kept, [1, 3], "by total time");
        assert_eq!(table.evictions(), 1);
        let other = table.other();
        assert_eq!(
            (other.durations.count(), other.rows, other.errors),
            (1, 2, 1)
        );
        let newest = &table.entries(None, &Filter::default())[1];
        assert_eq!(newest.summary.max, 0.001, "nothing of the row before it");
    }

    #[test]
    fn a_known_statement_is_not_made_again() {
        let mut table = Statements::new(2);
        call(&mut table, 1, 1, 0, false);
        table.slot(Fingerprint(1), || unreachable!("it has a row"));
    }

    #[test]
    fn slow_queries_are_those_in_the_buckets_above() {
        let mut table = Statements::new(2);
        let loads = |table: &Statements, slow: u64| table.loads(slow * 1_000_000)[0].slow;
        for millis in [1, 90, 100, 101, 300] {
            call(&mut table, 1, millis * 1_000_000, 0, false);
        }
        assert_eq!(loads(&table, 100), 2);
        assert_eq!(loads(&table, 200), 1, "never more than there are");
        assert_eq!(loads(&table, 0), 5);
        assert_eq!(table.loads(0)[0].seconds, 0.592);
    }

    #[test]
    fn entries_can_be_those_of_one_database() {
        let mut table = Statements::new(2);
        call(&mut table, 1, 1, 0, false);
        assert_eq!(table.entries(Some(1), &Filter::default()).len(), 1);
        assert_eq!(table.entries(Some(2), &Filter::default()).len(), 0);
    }

    proptest! {
        #[test]
        fn no_stream_of_statements_loses_a_call(
            limit in 1usize..6,
            calls in prop::collection::vec((0u64..12, 0u64..100_000_000_000, 0u64..1000, any::<bool>()), 0..400),
        ) {
            let mut table = Statements::new(limit);
            let mut fed = StatementTotals::default();
            let mut other_before = 0;
            for (number, nanos, rows, error) in calls {
                call(&mut table, number, nanos, rows, error);
                fed.durations.record(nanos);
                fed.rows += rows;
                fed.errors += u64::from(error);
                prop_assert!(table.rows().len() <= limit);
                prop_assert!(table.other().durations.count() >= other_before);
                other_before = table.other().durations.count();
            }
            let mut counted = *table.other();
            for row in table.rows() {
                counted.add(&row.totals);
            }
            prop_assert_eq!(counted, fed);
        }
    }
}
