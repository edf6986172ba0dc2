//! What a scrape costs with every table full: the copy under the lock, and the text.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pgscope::admin::Metrics;
use pgscope::finding::{Evidence, Severity};
use pgscope::request::{Boundary, Kind, Request};
use pgscope::session::At;
use pgscope::sql::{Dialect, Digest, Fingerprint, Statement, Verb};
use pgscope::stats::{
    BoundaryInfo, Filter, FindingEntry, FindingRow, Overview, QuerySample, RecentRequest,
    RouteEntry, SessionInfo, Settings, Snapshot, Source, StatementDetail, StatementEntry, Stats,
    Summary, Traffic,
};
use std::hint::black_box;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Statistics behind a lock, as the profiler keeps them.
struct Full {
    stats: Mutex<Stats>,
    traffic: Traffic,
}

impl Full {
    fn stats(&self) -> MutexGuard<'_, Stats> {
        self.stats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Source for Full {
    fn snapshot(&self) -> Snapshot {
        self.stats().snapshot()
    }
    fn findings(&self, filter: &Filter) -> Vec<FindingEntry> {
        self.stats().findings(filter)
    }
    fn requests(&self, filter: &Filter) -> Vec<RecentRequest> {
        self.stats().requests(filter)
    }
    fn routes(&self, filter: &Filter) -> Vec<(RouteEntry, Summary)> {
        self.stats().routes(filter)
    }
    fn statements(&self, filter: &Filter) -> Vec<StatementEntry> {
        self.stats().statements(filter)
    }
    fn request(&self, id: u64) -> Option<RecentRequest> {
        self.stats().request_by_id(id)
    }
    fn statement_entry(&self, fingerprint: Fingerprint) -> Option<StatementDetail> {
        self.stats().statement_entry(fingerprint)
    }
    fn texts(&self, fingerprints: &[Fingerprint]) -> Vec<Option<Arc<Statement>>> {
        self.stats().texts(fingerprints)
    }
    fn overview(&self) -> Overview {
        self.stats().overview()
    }
    fn sessions(&self) -> Vec<SessionInfo> {
        Vec::new()
    }
    fn boundaries(&self) -> Vec<BoundaryInfo> {
        Vec::new()
    }
    fn traffic(&self) -> &Traffic {
        &self.traffic
    }
}

/// A statement of eight columns and its text of about 400 bytes.
fn statement(number: usize) -> Arc<Statement> {
    let columns: Vec<_> = (0..8)
        .map(|n| format!(r#""shop_book_{number}"."column_{n}""#))
        .collect();
    let sql = format!(
        r#"SELECT {} FROM "shop_book_{number}" WHERE "shop_book_{number}"."id" = 1 LIMIT 21"#,
        columns.join(", ")
    );
    let mut digest = Digest::new();
    digest.read(sql.as_bytes(), sql.len(), Dialect::default());
    let part = digest.parts().first().copied().unwrap_or_default();
    Arc::new(Statement::new(part.fingerprint, digest.text(&part)))
}

fn request(route: usize, nanos: u64) -> Request {
    Request {
        database: "shop".into(),
        route: format!("shops/<int:shop>/books/{route}/<slug:title>/").into(),
        controller: "book".into(),
        boundary: Boundary::Trace,
        kind: Kind::Http,
        opened: At(0),
        closed: At(2 * nanos),
        queries: 12,
        nanos,
        think_nanos: 0,
        groups: Vec::new(),
        entries: Vec::new(),
        ..Request::default()
    }
}

/// Every table as full as its default lets it be.
fn full() -> Full {
    let settings = Settings::default();
    let mut stats = Stats::new(&settings);
    let session = stats.session("shop", "django");
    for number in 0..settings.statements {
        let statement = statement(number);
        for call in 0..20 {
            let nanos = 100_000 << (call % 16);
            let slot = stats.statement(statement.fingerprint, || Arc::clone(&statement));
            let sample = QuerySample {
                statement: Some(slot),
                verb: Verb::Select,
                error: false,
                nanos,
                first_byte_nanos: nanos,
                stalled_nanos: 0,
                rows: 21,
            };
            stats.query(session, &sample);
        }
        let request = request(number % settings.routes, 1_000_000 << (number % 12));
        stats.request(&request, &["n_plus_one"]);
        if number < settings.findings {
            stats.finding(&FindingRow {
                detector: "n_plus_one",
                kind: "forward_fk",
                severity: Severity::Warning,
                evidence: Evidence::Proven,
                database: "shop",
                route: &request.route,
                boundary: Boundary::Trace,
                fingerprint: Some(statement.fingerprint),
                parent: "shop_author",
                parent_fingerprint: None,
                relation: "author",
                fix: r#"select_related("author") on the query that reads shop_book"#,
                query: &statement.text,
                callsite: "shop/views.py:42",
                count: 20,
                wasted_seconds: 0.02,
                at: At(1),
            });
        }
    }
    Full {
        stats: Mutex::new(stats),
        traffic: Traffic::default(),
    }
}

fn scrape(criterion: &mut Criterion) {
    let source: Arc<dyn Source> = Arc::new(full());
    let metrics = Metrics::new(Arc::clone(&source), Arc::default());
    let write = || {
        let mut text = Vec::new();
        metrics.write(&mut text).map(|()| text)
    };
    let Ok(text) = write() else {
        panic!("no metrics");
    };
    let mut group = criterion.benchmark_group("scrape");
    group.bench_function("snapshot, under the lock", |bencher| {
        bencher.iter(|| black_box(source.snapshot()));
    });
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("whole", |bencher| bencher.iter(|| black_box(write())));
    group.finish();
}

criterion_group!(benches, scrape);
criterion_main!(benches);
