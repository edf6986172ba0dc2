//! How long to leave a server alone that cannot be reached.

use std::time::Duration;

/// The longest wait.
const LONGEST: Duration = Duration::from_secs(300);

/// Waits that double, from one interval to five minutes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The server could not be reached: how long to wait, and whether it is the first time in a row.
    pub fn failed(&mut self, interval: Duration) -> (Duration, bool) {
        let factor = 2_u32.saturating_pow(self.failures);
        self.failures = self.failures.saturating_add(1);
        let wait = interval.saturating_mul(factor).min(LONGEST.max(interval));
        (wait, self.failures == 1)
    }

    /// The server answered: whether it had not before.
    pub fn succeeded(&mut self) -> bool {
        std::mem::take(&mut self.failures) > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_five_minutes() {
        let mut backoff = Backoff::default();
        let waits: Vec<(u64, bool)> = (0..11)
            .map(|_| backoff.failed(Duration::from_secs(1)))
            .map(|(wait, first)| (wait.as_secs(), first))
            .collect();
        assert_eq!(waits[..3], [(1, true), (2, false), (4, false)]);
        assert_eq!(waits[8..], [(256, false), (300, false), (300, false)]);
        assert!(backoff.succeeded() && !backoff.succeeded());
        assert_eq!(backoff.failed(Duration::from_secs(1)).0.as_secs(), 1);
    }
}
