//! Asks for readings, now and then.

use super::figures::since_1970;
use super::reading::{Reading, View};
use super::screen::Message;
use crate::cli::fetch::{Client, Failure};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant, SystemTime};

/// Asks one pgscope.
pub struct Poll {
    client: Client,
    interval: Duration,
    start: Instant,
}

impl Poll {
    /// Asks at this interval.
    pub fn new(client: Client, interval: Duration) -> Self {
        Self {
            client,
            interval,
            start: Instant::now(),
        }
    }

    /// Whom it asks.
    pub fn admin(&self) -> &str {
        self.client.base()
    }

    fn clock(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    /// The lists of a view.
    pub fn read(&self, view: View) -> Result<Reading, Failure> {
        let mut reading = Reading::new(view, self.clock(), since_1970(SystemTime::now()));
        for (list, limit) in view.lists() {
            let body = self.client.get(&format!("/api/v1/{list}?limit={limit}"))?;
            reading.read(list, &body).map_err(|error| Failure {
                code: super::super::FAILED,
                what: format!(
                    "{} answered something else than a list of {list}: {error}",
                    self.admin()
                ),
                hint: "is this the admin address of a pgscope?".into(),
            })?;
        }
        Ok(reading)
    }

    /// Reads the view that was asked for last: at once where it is another, and at each interval. Until nobody listens.
    pub fn run(&self, views: &Receiver<View>, to: &Sender<Message>) {
        let mut view = View::Findings;
        loop {
            match views.recv_timeout(self.interval) {
                // Several keys may have been pressed: only the last view is looked at.
                Ok(next) => view = views.try_iter().last().unwrap_or(next),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let message = match self.read(view) {
                Ok(reading) => Message::Reading(Box::new(reading)),
                Err(failure) => Message::Lost(failure.what, self.clock()),
            };
            if to.send(message).is_err() {
                return;
            }
        }
    }
}
