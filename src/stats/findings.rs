//! Findings, folded by cause.

use super::Filter;
use super::finding::{FindingEntry, FindingRow, FindingTotals};
use super::label::{LABEL_BYTES, OTHER, bounded_arc};
use super::settings::MAX_WORDS;
use crate::sql::Fingerprint;
use lru::LruCache;
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Key {
    detector: &'static str,
    route: Arc<str>,
    parent: Option<Fingerprint>,
    fingerprint: Option<Fingerprint>,
}

/// The bounded table of causes: when full, the one not seen for longest is added to `other`.
#[derive(Debug)]
pub(super) struct Findings {
    causes: LruCache<Key, FindingEntry>,
    other: FindingTotals,
    limit: usize,
    evictions: u64,
}

impl Findings {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            causes: LruCache::unbounded(),
            other: FindingTotals::default(),
            limit: limit.max(1),
            evictions: 0,
        }
    }

    /// Folds a finding into the entry of its cause.
    pub(super) fn finding(&mut self, row: &FindingRow<'_>, database: u16) {
        let key = key(row);
        if self.causes.len() >= self.limit
            && !self.causes.contains(&key)
            && let Some((_, evicted)) = self.causes.pop_lru()
        {
            self.evictions += 1;
            self.forget(&evicted);
        }
        let route = Arc::clone(&key.route);
        let entry = self
            .causes
            .get_or_insert_mut(key, || FindingEntry::new(row, route));
        // The labels of `n_plus_one_total` may not change under a running count: the old series ends where better
        // evidence gives better words, its count moves to `other`, and the new series starts.
        if row.evidence < entry.evidence {
            if entry.is_n_plus_one() {
                self.other.n_plus_one += entry.labelled;
            }
            entry.labelled = 0;
            entry.describe(row);
        }
        entry.fold(row, database);
    }

    /// A finding that was counted has grown; where its entry has gone since, nothing is left to tell it.
    pub(super) fn grow(&mut self, row: &FindingRow<'_>, queries: u32, seconds: f64) {
        if let Some(entry) = self.causes.peek_mut(&key(row)) {
            entry.grow(row, queries, seconds);
        }
    }

    /// Keeps the totals of a cause that loses its entry.
    fn forget(&mut self, entry: &FindingEntry) {
        let detectors = &mut self.other.by_detector;
        let known = |name: &str| detectors.iter().position(|(word, _)| *word == name);
        let place = match known(entry.detector) {
            None if detectors.len() >= MAX_WORDS => known(OTHER).ok_or(OTHER),
            place => place.ok_or(entry.detector),
        };
        let place = place.unwrap_or_else(|name| {
            detectors.push((name, [0; 3]));
            detectors.len() - 1
        });
        for (count, more) in detectors[place].1.iter_mut().zip(entry.by_severity) {
            *count += more;
        }
        if entry.is_n_plus_one() {
            self.other.n_plus_one += entry.labelled;
            self.other.n_plus_one_wasted_seconds += entry.wasted_seconds;
        }
        if entry.is_slow_query() {
            self.other.slow_queries += entry.count;
        }
    }

    /// All entries, in no order.
    pub(super) fn all(&self) -> Vec<FindingEntry> {
        self.causes.iter().map(|(_, entry)| entry.clone()).collect()
    }

    /// What causes without an entry left.
    pub(super) fn other(&self) -> &FindingTotals {
        &self.other
    }

    /// Requests by detector, those of causes without an entry as well.
    pub(super) fn by_detector(&self) -> Vec<(&'static str, u64)> {
        let mut counts: BTreeMap<&'static str, u64> = BTreeMap::new();
        let kept = self.causes.iter();
        let kept = kept.map(|(_, entry)| (entry.detector, entry.by_severity));
        for (detector, requests) in kept.chain(self.other.by_detector.iter().copied()) {
            *counts.entry(detector).or_default() += requests.iter().sum::<u64>();
        }
        counts.into_iter().collect()
    }

    /// (entries, entries evicted).
    pub(super) fn entries(&self) -> (usize, u64) {
        (self.causes.len(), self.evictions)
    }

    /// Entries that pass the filter, worst first, then by what they cost.
    pub(super) fn list(&self, filter: &Filter, database: Option<u16>) -> Vec<FindingEntry> {
        let mut entries: Vec<&FindingEntry> = self
            .causes
            .iter()
            .map(|(_, entry)| entry)
            .filter(|entry| {
                filter.has_route(&entry.route)
                    && filter.since.is_none_or(|since| entry.last_seen >= since)
                    && database.is_none_or(|number| entry.databases.contains(number))
            })
            .collect();
        entries.sort_by(|a, b| {
            (b.severity.cmp(&a.severity)).then(b.wasted_seconds.total_cmp(&a.wasted_seconds))
        });
        entries.into_iter().take(filter.limit).cloned().collect()
    }
}

fn key(row: &FindingRow<'_>) -> Key {
    Key {
        detector: row.detector,
        route: bounded_arc(row.route, LABEL_BYTES),
        parent: row.parent_fingerprint,
        fingerprint: row.fingerprint,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::{Evidence, Severity};
    use crate::request::Boundary;
    use crate::session::At;

    struct Case {
        detector: &'static str,
        route: &'static str,
        fingerprint: u64,
        severity: Severity,
        evidence: Evidence,
        relation: &'static str,
        callsite: &'static str,
        wasted_seconds: f64,
        at: u64,
    }

    const CASE: Case = Case {
        detector: "n_plus_one",
        route: "wines/",
        fingerprint: 7,
        severity: Severity::Warning,
        evidence: Evidence::Proven,
        relation: "vineyard",
        callsite: "",
        wasted_seconds: 0.5,
        at: 10,
    };

    fn find(findings: &mut Findings, case: Case) {
        let row = FindingRow {
            detector: case.detector,
            kind: "forward_fk",
            severity: case.severity,
            evidence: case.evidence,
            database: "app",
            route: &case.route.into(),
            boundary: Boundary::Probe,
            fingerprint: Some(Fingerprint(case.fingerprint)),
            parent: "cellar_wine",
            parent_fingerprint: None,
            relation: case.relation,
            fix: "select_related",
            query: &"SELECT ?".into(),
            callsite: case.callsite,
            count: 20,
            wasted_seconds: case.wasted_seconds,
            at: At(case.at),
        };
        findings.finding(&row, 1);
    }

    fn all() -> Filter {
        Filter::default()
    }

    #[test]
    fn repeats_of_a_cause_fold_into_one_entry() {
        let mut findings = Findings::new(10);
        find(&mut findings, Case { at: 30, ..CASE });
        find(
            &mut findings,
            Case {
                severity: Severity::Critical,
                wasted_seconds: 1.0,
                at: 50,
                ..CASE
            },
        );
        let [entry] = &findings.list(&all(), None)[..] else {
            panic!("one cause, one entry")
        };
        assert_eq!((entry.requests, entry.count), (2, 40));
        assert_eq!(entry.wasted_seconds, 1.5);
        assert_eq!((entry.first_seen, entry.last_seen), (At(30), At(50)));
        assert_eq!(entry.severity, Severity::Critical);
        assert_eq!(entry.by_severity, [0, 1, 1]);
    }

    #[test]
    fn route_and_fingerprint_tell_causes_apart() {
        let mut findings = Findings::new(10);
        find(&mut findings, CASE);
        find(
            &mut findings,
            Case {
                route: "beers/",
                ..CASE
            },
        );
        find(
            &mut findings,
            Case {
                fingerprint: 8,
                ..CASE
            },
        );
        assert_eq!(findings.entries(), (3, 0));
        let beers = Filter {
            route: Some("beers/".to_owned()),
            ..all()
        };
        assert_eq!(findings.list(&beers, None).len(), 1);
    }

    #[test]
    fn the_worst_come_first_then_the_dearest() {
        let mut findings = Findings::new(10);
        let cases = [
            (1, Severity::Info, 9.0),
            (2, Severity::Critical, 0.1),
            (3, Severity::Critical, 0.2),
        ];
        for (fingerprint, severity, wasted_seconds) in cases {
            find(
                &mut findings,
                Case {
                    fingerprint,
                    severity,
                    wasted_seconds,
                    at: fingerprint,
                    ..CASE
                },
            );
        }
        let order = |filter: &Filter| -> Vec<Option<Fingerprint>> {
            let list = findings.list(filter, None);
            list.iter().map(|entry| entry.fingerprint).collect()
        };
        assert_eq!(order(&all()), [3, 2, 1].map(|id| Some(Fingerprint(id))));
        let late = Filter {
            since: Some(At(2)),
            limit: 1,
            ..all()
        };
        assert_eq!(order(&late), [Some(Fingerprint(3))]);
    }

    #[test]
    fn surer_evidence_renames_a_cause_and_its_count_starts_anew() {
        let mut findings = Findings::new(10);
        let guess = || Case {
            evidence: Evidence::Count,
            relation: "",
            ..CASE
        };
        find(&mut findings, guess());
        find(&mut findings, guess());
        find(&mut findings, CASE);
        find(&mut findings, guess());
        let [entry] = &findings.all()[..] else {
            panic!("one cause, one entry")
        };
        assert_eq!(&*entry.relation, "vineyard");
        assert_eq!(entry.evidence, Evidence::Proven);
        assert_eq!((entry.labelled, entry.requests), (2, 4));
        assert_eq!(findings.other().n_plus_one, 2, "together all four");
    }

    #[test]
    fn an_evicted_cause_lives_on_in_the_totals() {
        let mut findings = Findings::new(2);
        find(&mut findings, CASE);
        find(
            &mut findings,
            Case {
                detector: "slow_query",
                fingerprint: 8,
                ..CASE
            },
        );
        for fingerprint in 20..22 {
            find(
                &mut findings,
                Case {
                    detector: "chatty",
                    fingerprint,
                    ..CASE
                },
            );
        }
        assert_eq!(findings.entries(), (2, 2));
        let other = findings.other();
        assert_eq!((other.n_plus_one, other.slow_queries), (1, 20));
        assert_eq!(other.n_plus_one_wasted_seconds, 0.5);
        assert_eq!(
            other.by_detector,
            [("n_plus_one", [0, 1, 0]), ("slow_query", [0, 1, 0])]
        );
    }

    #[test]
    fn a_cost_that_is_no_number_is_not_added() {
        let mut findings = Findings::new(2);
        for wasted_seconds in [f64::NAN, f64::INFINITY, -1.0, 0.25] {
            find(
                &mut findings,
                Case {
                    wasted_seconds,
                    ..CASE
                },
            );
        }
        assert_eq!(findings.all()[0].wasted_seconds, 0.25);
    }
}
