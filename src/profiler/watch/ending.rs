//! The end of requests that nothing on the wire ends, and that of the connection.

use super::super::Shared;
use super::super::notice::{finish, notice, parts, report};
use super::Watch;
use crate::detect::{Observed, What};
use crate::request;
use crate::session::At;
use crate::stats::TransactionOutcome;

impl Watch {
    /// Idle outside a transaction: closes the open request where nothing on the wire will, else lets detectors look
    /// at it as it stands, so that a finding does not wait for the next request.
    pub fn idle(
        &mut self,
        at: At,
        shared: &mut Shared,
        settings: &request::Settings,
    ) -> Option<u64> {
        let known = self.known.as_mut()?;
        let (stats, detectors, class, seen) = parts(shared, at, known.class);
        let mut closed = false;
        let requests = &mut self.connection.requests;
        let wait = known.tracker.idle(at, class, settings, &mut |request| {
            *requests = requests.saturating_add(1);
            finish(request, stats, detectors, &mut self.reported, seen);
            closed = true;
        });
        if closed {
            self.reported.clear();
            self.inspected = 0;
        } else if wait.is_none()
            && let Some(request) = known.tracker.open_request()
            && request.queries != self.inspected
        {
            self.inspected = request.queries;
            for finding in detectors.inspect(request) {
                report(&finding, request, &mut self.reported, stats);
            }
        }
        wait
    }

    pub fn close(&mut self, at: At, shared: &mut Shared) {
        // The answer to a COMMIT may be what was lost.
        self.tell_writes(at, shared);
        if let Some(known) = &mut self.known {
            if let Some(transaction) = self.transaction.take() {
                transaction.end(
                    TransactionOutcome::Lost,
                    at,
                    known.key,
                    &mut known.tracker,
                    &mut shared.stats,
                );
            }
            let (stats, detectors, class, seen) = parts(shared, at, known.class);
            stats.health_checks(known.key, self.health_checks.end());
            let requests = &mut self.connection.requests;
            known.tracker.close(class, &mut |request| {
                *requests = requests.saturating_add(1);
                finish(request, stats, detectors, &mut self.reported, seen);
            });
            self.connection.last_ready = self.ready;
            self.connection.queries = self.queries;
            let what = What::Closed(&self.connection);
            notice(
                Observed { what, ..seen },
                known.tracker.database(),
                stats,
                detectors,
            );
        }
        shared.sessions.remove(&self.id);
    }
}
