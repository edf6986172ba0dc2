//! Health checks: requests that hold nothing but `SELECT 1` or empty queries.
//!
//! They are no requests to the statistics, which know data queries only; here they are counted. A load balancer's check is
//! a connection with nothing else on it. On a persistent connection Django's own check (`CONN_HEALTH_CHECKS`) comes before
//! the statements of each request, so that the `SELECT 1` of a view for checks is the second of two.

/// What a query of a connection is, as far as health checks go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sign {
    /// `SELECT 1`.
    Probe,
    /// The empty query.
    Empty,
    /// BEGIN, SET and what else holds no data.
    Nothing,
    /// COMMIT or ROLLBACK, after which Django forgets that a query failed.
    Ended,
    /// A data query; `true`: Django will check the connection at the end of the request, since it failed.
    Data(bool),
}

/// Counts the health checks of one connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct HealthChecks {
    /// `SELECT 1`s since the last data query or pause.
    probes: u64,
    /// The last empty query (Django's pool, or another's check) has been followed by no data.
    checked_out: bool,
    /// The next `SELECT 1` ends the request of a failed query.
    failed: bool,
}

impl HealthChecks {
    /// Takes a query; `pause`: it came after a pause that parts requests. Returns how many health checks have ended.
    pub fn observe(&mut self, sign: Sign, pause: bool) -> u64 {
        let stands = !matches!(sign, Sign::Nothing | Sign::Ended);
        let over = if pause && stands || sign == Sign::Empty {
            self.end()
        } else {
            0
        };
        match sign {
            Sign::Empty => self.checked_out = true,
            Sign::Probe if std::mem::take(&mut self.failed) => {}
            Sign::Probe => self.probes += 1,
            Sign::Nothing => {}
            Sign::Ended => self.failed = false,
            Sign::Data(failed) => {
                // The last one announced this request.
                let before = self.probes.saturating_sub(1).div_ceil(2);
                let within = !self.checked_out;
                *self = Self {
                    failed: self.failed || failed,
                    ..Self::default()
                };
                return over + if within { before } else { 0 };
            }
        }
        over
    }

    /// The connection ended, or paused.
    pub fn end(&mut self) -> u64 {
        let checks = if self.checked_out {
            1
        } else {
            self.probes.div_ceil(2)
        };
        *self = Self {
            failed: self.failed,
            ..Self::default()
        };
        checks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `S` is `SELECT 1`, `e` the empty query, `b` BEGIN, `c` COMMIT, `d` data, `x` data that fails, `_` a pause, `.` the end.
    fn count(conversation: &str) -> u64 {
        let mut checks = HealthChecks::default();
        let mut pause = false;
        let mut sum = 0;
        for c in conversation.chars() {
            let sign = match c {
                'S' => Sign::Probe,
                'e' => Sign::Empty,
                'b' => Sign::Nothing,
                'c' => Sign::Ended,
                'd' => Sign::Data(false),
                'x' => Sign::Data(true),
                '.' => {
                    sum += checks.end();
                    continue;
                }
                _ => {
                    pause = true;
                    continue;
                }
            };
            sum += checks.observe(sign, std::mem::take(&mut pause));
        }
        sum
    }

    #[test]
    fn a_connection_of_nothing_else_is_one() {
        assert_eq!(
            ["S.", "e.", "bSc.", "eS.", "", "."].map(count),
            [1, 1, 1, 1, 0, 0]
        );
    }

    #[test]
    fn django_checks_before_each_request_and_a_view_may_ask_again() {
        for (conversation, expected) in [
            ("dSdSdSd.", 0),
            ("dSSSd.", 1),
            ("dSSSSSd.", 2),
            ("dSS_SS_Sd.", 2),
            ("SSSSd.", 2),
            ("S_SS_SS.", 3),
            ("dSbdcSbdc.", 0),
        ] {
            assert_eq!(count(conversation), expected, "{conversation}");
        }
    }

    #[test]
    fn without_health_checks_each_is_one() {
        assert_eq!(count("d_S_S_S_d_S_S."), 5);
    }

    #[test]
    fn the_check_after_an_error_is_none() {
        assert_eq!(count("dSxSSd."), 0);
        assert_eq!(count("xS_d."), 0);
        assert_eq!(count("bxcSSSd."), 1);
    }

    #[test]
    fn a_pool_checks_at_each_checkout() {
        assert_eq!(count("ededed."), 0);
        assert_eq!(count("edeSeSed."), 2);
    }
}
