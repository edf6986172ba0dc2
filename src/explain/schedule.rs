//! What to ask next. Knows no clock and no socket.

use super::settings::Settings;
use crate::session::At;
use crate::sql::Fingerprint;
use crate::stats::Load;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Over how long it is measured how busy a statement keeps the server.
const WINDOW: u64 = 60_000_000_000;

/// Answers that are remembered, beyond which those about statements without a row are given up early.
const MOST: usize = 10_000;

/// Something to ask.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Question {
    /// The foreign keys of a database, and the server's limits.
    Catalog(Arc<str>),
    /// A statement's plan, in one of these databases.
    Plan(Fingerprint),
}

/// What was known of a statement's load.
#[derive(Clone, Copy, Debug)]
struct Mark {
    seconds: f64,
    since: At,
    busy: bool,
    /// Slow queries that it was already asked about for.
    slow: u64,
}

/// Remembers what was asked when. As large as the profiler's table of statements, and no larger.
pub(super) struct Schedule {
    slow: u64,
    busy: f64,
    repeat: u64,
    only: Vec<String>,
    marks: HashMap<Fingerprint, Mark>,
    plans: HashMap<(Fingerprint, Arc<str>), At>,
    catalogs: HashMap<Arc<str>, At>,
}

impl Schedule {
    pub fn new(settings: &Settings) -> Self {
        Self {
            slow: settings.slow.nanos(),
            busy: settings.busy.0.as_secs_f64(),
            repeat: settings.repeat.nanos(),
            only: settings.databases.clone(),
            marks: HashMap::new(),
            plans: HashMap::new(),
            catalogs: HashMap::new(),
        }
    }

    /// Nanoseconds from which a query is slow.
    pub fn slow(&self) -> u64 {
        self.slow
    }

    /// What may be asked now, the most urgent first.
    pub fn due(&mut self, databases: &[Arc<str>], loads: &[Load], now: At) -> Vec<Question> {
        self.forget(loads, now);
        let catalog = databases
            .iter()
            .filter(|name| self.may_ask(name))
            .find(|name| self.is_due(self.catalogs.get(*name), now));
        let mut wanted: Vec<&Load> = Vec::new();
        for load in loads {
            if self.wants(load, now) {
                wanted.push(load);
            }
        }
        wanted.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
        let plans = wanted.iter().map(|load| Question::Plan(load.fingerprint));
        (catalog.cloned().map(Question::Catalog).into_iter())
            .chain(plans)
            .collect()
    }

    /// Whether a statement has become slow, or busy enough, since it was last asked about.
    fn wants(&mut self, load: &Load, now: At) -> bool {
        let fresh = Mark {
            seconds: load.seconds,
            since: now,
            busy: false,
            slow: 0,
        };
        let mark = self.marks.entry(load.fingerprint).or_insert(fresh);
        if load.seconds < mark.seconds || load.slow < mark.slow {
            // It lost its row, and got another.
            *mark = fresh;
        }
        let elapsed = now.since(mark.since);
        if elapsed >= WINDOW {
            let taken = load.seconds - mark.seconds;
            mark.busy = taken / (elapsed as f64 / 1e9) >= self.busy;
            (mark.seconds, mark.since) = (load.seconds, now);
        }
        mark.busy || load.slow > mark.slow
    }

    /// The first of these databases in which a statement may be asked about now.
    pub fn database<'a>(
        &self,
        fingerprint: Fingerprint,
        seen: &'a [Arc<str>],
        now: At,
    ) -> Option<&'a Arc<str>> {
        seen.iter().find(|name| {
            let asked = self.plans.get(&(fingerprint, Arc::clone(name)));
            self.may_ask(name) && self.is_due(asked, now)
        })
    }

    /// A statement was asked about, whatever came of it.
    pub fn asked_plan(&mut self, fingerprint: Fingerprint, database: &Arc<str>, now: At) {
        self.plans.insert((fingerprint, Arc::clone(database)), now);
    }

    /// Nothing more is to be asked about a statement until it is slow again: it was asked about wherever it was seen.
    pub fn settled(&mut self, load: &Load) {
        if let Some(mark) = self.marks.get_mut(&load.fingerprint) {
            mark.slow = load.slow;
            mark.busy = false;
        }
    }

    /// A database was asked for its catalog, whatever came of it.
    pub fn asked_catalog(&mut self, database: &Arc<str>, now: At) {
        self.catalogs.insert(Arc::clone(database), now);
    }

    fn may_ask(&self, database: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == database)
    }

    fn is_due(&self, asked: Option<&At>, now: At) -> bool {
        asked.is_none_or(|asked| now.since(*asked) >= self.repeat)
    }

    /// Gives up what is of no more use: statements without a row, answers that are old.
    fn forget(&mut self, loads: &[Load], now: At) {
        if self.marks.len() > loads.len() || self.plans.len() > MOST {
            let known: HashSet<_> = loads.iter().map(|load| load.fingerprint).collect();
            self.marks
                .retain(|fingerprint, _| known.contains(fingerprint));
            self.plans
                .retain(|(fingerprint, _), _| known.contains(fingerprint));
        }
        let repeat = self.repeat;
        self.plans.retain(|_, asked| now.since(*asked) < repeat);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule() -> Schedule {
        Schedule::new(&Settings::default())
    }

    fn at(seconds: u64) -> At {
        At(seconds * 1_000_000_000)
    }

    fn load(number: u64, seconds: f64, slow: u64) -> Load {
        Load {
            fingerprint: Fingerprint(number),
            seconds,
            slow,
        }
    }

    fn plan(number: u64) -> Question {
        Question::Plan(Fingerprint(number))
    }

    #[test]
    fn catalogs_come_first_and_once_an_hour() {
        let mut schedule = schedule();
        let shop: Arc<str> = "shop".into();
        let databases = [Arc::clone(&shop)];
        let loads = [load(1, 1.0, 1)];
        let catalog = Question::Catalog(Arc::clone(&shop));
        assert_eq!(
            schedule.due(&databases, &loads, at(0)),
            [catalog.clone(), plan(1)]
        );
        schedule.asked_catalog(&shop, at(0));
        assert_eq!(schedule.due(&databases, &loads, at(3599)), [plan(1)]);
        assert_eq!(schedule.due(&databases, &[], at(3600)), [catalog]);
    }

    #[test]
    fn slow_statements_are_asked_about_once_an_hour() {
        let mut schedule = schedule();
        let seen: [Arc<str>; 2] = ["shop".into(), "other".into()];
        assert_eq!(
            schedule.due(
                &[],
                &[load(1, 1.0, 1), load(2, 9.0, 3), load(3, 99.0, 0)],
                at(0)
            ),
            [plan(2), plan(1)],
            "those that took most time first"
        );
        let next =
            |schedule: &Schedule, now| schedule.database(Fingerprint(2), &seen, now).cloned();
        assert_eq!(next(&schedule, at(0)), Some("shop".into()));
        schedule.asked_plan(Fingerprint(2), &seen[0], at(0));
        assert_eq!(next(&schedule, at(1)), Some("other".into()));
        schedule.asked_plan(Fingerprint(2), &seen[1], at(1));
        assert_eq!(next(&schedule, at(2)), None);
        assert_eq!(next(&schedule, at(3600)), Some("shop".into()));
        schedule.settled(&load(2, 9.0, 3));
        assert_eq!(schedule.due(&[], &[load(2, 9.5, 3)], at(3600)), []);
        assert_eq!(schedule.due(&[], &[load(2, 9.9, 4)], at(3601)), [plan(2)]);
    }

    #[test]
    fn quick_ones_that_keep_the_server_busy_are_asked_about_too() {
        let mut schedule = schedule();
        assert_eq!(schedule.due(&[], &[load(1, 100.0, 0)], at(0)), []);
        assert_eq!(
            schedule.due(&[], &[load(1, 102.9, 0)], at(60)),
            [],
            "48 ms a second"
        );
        assert_eq!(
            schedule.due(&[], &[load(1, 106.0, 0)], at(120)),
            [plan(1)],
            "52 ms a second"
        );
        assert_eq!(schedule.due(&[], &[load(1, 106.0, 0)], at(180)), []);
    }

    #[test]
    fn other_databases_are_left_alone() {
        let mut schedule = Schedule::new(&Settings {
            databases: vec!["shop".into()],
            ..Settings::default()
        });
        let other: [Arc<str>; 1] = ["other".into()];
        assert_eq!(schedule.due(&other, &[], at(0)), []);
        assert_eq!(schedule.database(Fingerprint(1), &other, at(0)), None);
    }

    #[test]
    fn what_lost_its_row_is_forgotten() {
        let mut schedule = schedule();
        for number in 0..1000 {
            schedule.due(&[], &[load(number, 1.0, 1)], at(number));
            schedule.asked_plan(Fingerprint(number), &"shop".into(), at(number));
        }
        assert!(schedule.marks.len() <= 2, "{}", schedule.marks.len());
        schedule.due(&[], &[], at(10_000));
        assert_eq!(schedule.plans.len(), 0);
    }
}
