//! Figures as short as a column is narrow, and rates from two readings.

use std::time::{SystemTime, UNIX_EPOCH};

/// What cannot be said: there is only one reading, or the counter began anew.
pub const UNKNOWN: &str = "-";

/// How much a counter grew a second between two readings. None where it went back: another pgscope runs there now, or the
/// entry left its table and came back.
pub fn rate(before: u64, after: u64, seconds: f64) -> Option<f64> {
    let grown = after.checked_sub(before)?;
    (seconds > 0.0).then(|| grown as f64 / seconds)
}

/// A count: `99999`, `123k`, `4.5M`.
pub fn count(count: u64) -> String {
    match count {
        0..100_000 => count.to_string(),
        100_000..1_000_000 => format!("{}k", count / 1000),
        1_000_000..100_000_000 => format!("{:.1}M", count as f64 / 1e6),
        _ => format!("{:.0}M", count as f64 / 1e6),
    }
}

/// A quotient: `0.05`, `3.5`, `250`.
pub fn ratio(value: f64) -> String {
    match value {
        0.0 => "0".into(),
        value if value < 0.095 => format!("{value:.2}"),
        value if value < 99.95 => format!("{value:.1}"),
        value => format!("{value:.0}"),
    }
}

/// The same of what may be unknown.
pub fn rated(value: Option<f64>) -> String {
    value.map_or_else(|| UNKNOWN.into(), ratio)
}

/// A length of time: `0.25ms`, `12.3ms`, `4.56s`, `12m`, `3h`, `5d`.
pub fn duration(seconds: f64) -> String {
    match seconds {
        0.0 => "0".into(),
        seconds if seconds < 0.01 => format!("{:.2}ms", seconds * 1e3),
        seconds if seconds < 1.0 => format!("{:.1}ms", seconds * 1e3),
        seconds if seconds < 120.0 => format!("{seconds:.2}s"),
        seconds if seconds < 7200.0 => format!("{:.0}m", seconds / 60.0),
        seconds if seconds < 172_800.0 => format!("{:.0}h", seconds / 3600.0),
        seconds => format!("{:.0}d", seconds / 86_400.0),
    }
}

/// Seconds from a time of the API to a time of day. None where it is not written as RFC 3339.
pub fn age(time: &str, now: f64) -> Option<f64> {
    let time = humantime::parse_rfc3339(time).ok()?;
    Some((now - since_1970(time)).max(0.0))
}

/// In words: `5s ago`.
pub fn ago(time: &str, now: f64) -> String {
    match age(time, now) {
        Some(seconds) if seconds < 120.0 => format!("{seconds:.0}s ago"),
        Some(seconds) => format!("{} ago", duration(seconds)),
        None => UNKNOWN.into(),
    }
}

/// A time of day in seconds.
pub fn since_1970(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0.0, |passed| passed.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_that_went_back_has_no_rate() {
        assert_eq!(rate(10, 30, 2.0), Some(10.0));
        assert_eq!(rate(30, 10, 2.0), None);
        assert_eq!(rate(10, 30, 0.0), None);
    }

    #[test]
    fn figures_are_short() {
        let counts = [99_999, 123_456, 4_560_000, 123_456_789].map(count);
        assert_eq!(counts, ["99999", "123k", "4.6M", "123M"]);
        let ratios = [0.0, 0.05, 3.51, 99.96].map(ratio);
        assert_eq!(ratios, ["0", "0.05", "3.5", "100"]);
        assert_eq!(duration(0.0), "0");
        let durations = [0.000_25, 0.0123, 4.56, 600.0, 10_000.0, 400_000.0].map(duration);
        assert_eq!(durations, ["0.25ms", "12.3ms", "4.56s", "10m", "3h", "5d"]);
    }

    #[test]
    fn an_age_is_never_negative() {
        assert_eq!(age("1970-01-01T00:01:00Z", 90.0), Some(30.0));
        assert_eq!(age("1970-01-01T00:01:00Z", 30.0), Some(0.0));
        assert_eq!(ago("1970-01-01T00:01:00Z", 90.0), "30s ago");
        assert_eq!(ago("soon", 90.0), UNKNOWN);
    }
}
