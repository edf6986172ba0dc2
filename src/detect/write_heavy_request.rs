//! # What it finds
//!
//! Requests with `min_writes` writes or more, or whose writes take `min_time` or longer together. `info` where the loops of
//! writes that are reported for the same request explain the number, and where nothing shows that it is an HTTP request.
//!
//! # Why it hurts
//!
//! A user waits for work that nobody looks at yet, a worker is taken meanwhile, and a request that is sent again does it all again.
//!
//! # Example
//!
//! ```python
//! def import_prices(request):                               # 400 writes, then the answer
//!     apply_prices(read_prices(request.FILES["prices"]))
//!
//! def import_prices(request):                               # 1 write: the task does the others
//!     upload = Upload.objects.create(file=request.FILES["prices"])
//!     transaction.on_commit(lambda: apply_prices_task.delay(upload.pk))
//! ```
//!
//! # Settings
//!
//! | key | default | |
//! |---|---|---|
//! | `enabled` | `true` | |
//! | `min_writes` | `50` | INSERTs, UPDATEs, DELETEs and their kin |
//! | `min_time` | `"1s"` | their time together |
//! | `severity` | `"auto"` | `"info"`, `"warning"` or `"critical"` for all of its findings |
//! | `allow` | empty | `routes` only, since it accuses a request and not a statement |
//!
//! # When it is wrong
//!
//! Some answers need all of the writes: allow their route. What has a route in its comments, or reads a session or a token,
//! is taken for HTTP; a command without comments may be named, as `info`. Tasks are left out, and so are requests whose
//! limits are a guess.

use super::{Allow, Cause, Detector, Evidence, Finding, Severity, Subject};
use super::{delete_loop, get_or_create_loop, insert_loop, m2m_add_loop, update_loop};
use crate::request::{Confidence, Kind, Request};
use crate::units::Period;

/// Name of the detector.
pub(super) const NAME: &str = "write_heavy_request";

/// Detectors whose findings explain writes.
const EXPLAINING: [&str; 5] = [
    insert_loop::NAME,
    update_loop::NAME,
    delete_loop::NAME,
    get_or_create_loop::NAME,
    m2m_add_loop::NAME,
];

/// Tables that only HTTP requests read as a matter of course.
const OF_HTTP: [&str; 2] = ["django_session", "authtoken_token"];

/// Settings of `[detectors.write_heavy_request]`.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether it looks at all.
    pub enabled: bool,
    /// Writes that are many; at least 2.
    pub min_writes: u32,
    /// Time of all writes that is long; above 0.
    pub min_time: Period,
    /// Severity of its findings.
    pub severity: super::SeverityChoice,
    /// What is accepted.
    pub allow: Allow,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            min_writes: 50,
            min_time: Period::secs(1),
            severity: super::SeverityChoice::default(),
            allow: Allow::default(),
        }
    }
}

impl Settings {
    pub(super) fn validate(&self) -> Result<(), String> {
        if self.min_writes < 2 {
            return Err(format!(
                "detectors.{NAME}.min_writes = {}: a form writes once; write 2 or more",
                self.min_writes
            ));
        }
        if self.min_time.nanos() == 0 {
            return Err(format!(
                "detectors.{NAME}.min_time = \"{}\": every write would be too long; write \"1s\"",
                self.min_time
            ));
        }
        self.allow.only_routes(NAME)
    }
}

/// Finds requests that write much.
pub(super) struct WriteHeavyRequest {
    settings: Settings,
}

impl WriteHeavyRequest {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings }
    }
}

fn is_http(request: &Request) -> bool {
    let named = !request.route.starts_with('~');
    let reads = |table: &str| OF_HTTP.contains(&table);
    request.kind == Kind::Http
        && (named || (request.groups.iter()).any(|group| reads(&group.statement.facts.table)))
}

impl Detector for WriteHeavyRequest {
    fn name(&self) -> &'static str {
        NAME
    }

    fn inspect(&self, request: &Subject<'_>, findings: &mut Vec<Finding>) {
        let writes = || (request.groups.iter()).filter(|group| group.statement.facts.is_write());
        let count = writes().fold(0u32, |sum, group| sum.saturating_add(group.calls));
        let nanos: u64 = writes().map(|group| group.nanos).sum();
        let explained = (findings.iter())
            .filter(|finding| EXPLAINING.contains(&finding.cause.detector))
            .fold(0u32, |sum, finding| sum.saturating_add(finding.count));
        let many = count >= self.settings.min_writes;
        let long = explained == 0 && count > 1 && nanos >= self.settings.min_time.nanos();
        if !(many || long)
            || request.boundary.confidence() < Confidence::Medium
            || request.kind != Kind::Http
        {
            return;
        }
        // Loops have remedies of their own, and a command may write as much as it likes.
        let looped = many && count.saturating_sub(explained) < self.settings.min_writes;
        let severity = if looped || !is_http(request) {
            Severity::Info
        } else {
            Severity::Warning
        };
        let most = writes().max_by_key(|group| group.calls);
        findings.push(Finding {
            cause: Cause {
                detector: NAME,
                route: request.route.clone(),
                parent: None,
                fingerprint: None,
            },
            severity,
            evidence: Evidence::Measured,
            kind: "",
            parent: String::new(),
            relation: String::new(),
            fix: "write in a background task (Celery), started with transaction.on_commit(), and make it safe to run \
                  twice"
                .to_owned(),
            query: most.map_or_else(Default::default, |group| group.statement.text.clone()),
            count,
            wasted_seconds: 0.0,
        });
    }
}
