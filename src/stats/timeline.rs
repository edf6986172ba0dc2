//! What a closed request did, query by query, as far as it is kept.

use super::label::{LABEL_BYTES, bounded};
use crate::request::{Entry, Request, Transaction};
use crate::session::At;
use crate::sql::Fingerprint;
use std::sync::Arc;

/// Most spans of a request that are kept.
const MAX_SPANS: usize = 100;
/// Most transaction blocks of a request that are kept.
const MAX_TRANSACTIONS: usize = 20;

/// Consecutive queries of one statement from one line of code.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// The statement.
    pub fingerprint: Fingerprint,
    /// The first was sent.
    pub started: At,
    /// From there to the end of the last, ns.
    pub wall_nanos: u64,
    /// Sum of their durations, ns.
    pub nanos: u64,
    /// Queries.
    pub calls: u32,
    /// Rows.
    pub rows: u64,
    /// Queries that failed.
    pub errors: u32,
    /// That line, or empty.
    pub callsite: Arc<str>,
    /// All ran inside a transaction block.
    pub in_transaction: bool,
}

/// The queries of a request in order, those of one statement and line that follow each other folded.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    /// The spans; at most 100.
    pub spans: Vec<Span>,
    /// Queries that found no place in them.
    pub left_out: u32,
    /// Transaction blocks; at most 20.
    pub transactions: Vec<Transaction>,
}

impl Timeline {
    /// Takes what a request did; memory is reused.
    pub(super) fn fill(&mut self, request: &Request) {
        self.spans.clear();
        let lines = request.callsites.names();
        let lines: Vec<Arc<str>> = lines
            .map(|name| bounded(name, LABEL_BYTES).into())
            .collect();
        let mut kept = 0;
        let mut line = 0;
        for entry in &request.entries {
            let Some(group) = request.groups.get(usize::from(entry.group)) else {
                continue;
            };
            let fingerprint = group.statement.fingerprint;
            if let Some(last) = self.spans.last_mut()
                && last.fingerprint == fingerprint
                && line == entry.callsite
            {
                last.add(entry);
            } else if self.spans.len() < MAX_SPANS {
                line = entry.callsite;
                let place = usize::from(line).checked_sub(1);
                let name = place.and_then(|place| lines.get(place)).cloned();
                self.spans
                    .push(Span::new(fingerprint, entry, name.unwrap_or_default()));
            } else {
                break;
            }
            kept += 1;
        }
        self.left_out = request.queries.saturating_sub(kept);
        self.transactions.clear();
        let transactions = request.transactions.iter().take(MAX_TRANSACTIONS);
        self.transactions.extend(transactions);
    }
}

impl Span {
    fn new(fingerprint: Fingerprint, entry: &Entry, callsite: Arc<str>) -> Self {
        Self {
            fingerprint,
            started: entry.started,
            wall_nanos: entry.nanos,
            nanos: entry.nanos,
            calls: 1,
            rows: u64::from(entry.rows),
            errors: u32::from(entry.failed),
            callsite,
            in_transaction: entry.in_transaction,
        }
    }

    fn add(&mut self, entry: &Entry) {
        self.wall_nanos = entry.started.since(self.started) + entry.nanos;
        self.nanos += entry.nanos;
        self.calls += 1;
        self.rows += u64::from(entry.rows);
        self.errors += u32::from(entry.failed);
        self.in_transaction &= entry.in_transaction;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Group;
    use crate::sql::Statement;

    /// Queries of 1 ms, one every 2 ms, of these groups.
    fn request(groups: &[u16]) -> Request {
        let mut request = Request {
            queries: u32::try_from(groups.len()).unwrap_or(0),
            ..Request::default()
        };
        for number in 0..200 {
            let statement = Statement::new(Fingerprint(number), "SELECT ?");
            request.groups.push(Group::new(Arc::new(statement)));
        }
        for (place, group) in groups.iter().enumerate() {
            request.entries.push(Entry {
                group: *group,
                started: At(place as u64 * 2_000_000),
                nanos: 1_000_000,
                rows: 3,
                ..Entry::default()
            });
        }
        request
    }

    #[test]
    fn queries_of_one_statement_in_a_row_are_one_span() {
        let mut timeline = Timeline::default();
        timeline.fill(&request(&[0, 1, 1, 1, 0]));
        let spans = timeline.spans.iter();
        let seen: Vec<_> = spans
            .map(|span| {
                (
                    span.fingerprint.0,
                    span.calls,
                    span.started.0,
                    span.wall_nanos,
                    span.nanos,
                    span.rows,
                )
            })
            .collect();
        assert_eq!(
            seen,
            [
                (0, 1, 0, 1_000_000, 1_000_000, 3),
                (1, 3, 2_000_000, 5_000_000, 3_000_000, 9),
                (0, 1, 8_000_000, 1_000_000, 1_000_000, 3),
            ]
        );
        assert_eq!(timeline.left_out, 0);
    }

    #[test]
    fn what_has_no_place_is_counted() {
        let groups: Vec<u16> = (0..150).collect();
        let mut timeline = Timeline::default();
        timeline.fill(&request(&groups));
        assert_eq!((timeline.spans.len(), timeline.left_out), (MAX_SPANS, 50));
        timeline.fill(&request(&[0]));
        assert_eq!((timeline.spans.len(), timeline.left_out), (1, 0));
    }
}
