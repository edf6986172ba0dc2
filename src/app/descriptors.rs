//! Whether the limit of open files is enough, told before clients find out.

use std::fs::read_to_string;

/// Beside two for each connection: refusals on their way (64), the admin server (32), listeners, the log.
const OTHERS: u64 = 128;
/// Of an event loop.
const EACH_LOOP: u64 = 4;

/// Warns where `max_connections` connections could not all be open, with `threads` that relay. What the system does not
/// tell is not doubted.
pub(super) fn check(max_connections: usize, threads: usize) {
    let needed = needed(max_connections, threads);
    let limit = read_to_string("/proc/self/limits").ok();
    if let Some(limit) = limit.as_deref().and_then(soft_limit)
        && limit < needed
    {
        tracing::warn!(
            limit,
            needed,
            "the limit of open files is too low for proxy.max_connections = {max_connections}; raise it with ulimit -n \
             or LimitNOFILE, or lower max_connections"
        );
    }
}

fn needed(max_connections: usize, threads: usize) -> u64 {
    (max_connections as u64)
        .saturating_mul(2)
        .saturating_add(OTHERS + EACH_LOOP * threads as u64)
}

/// The soft limit of `/proc/self/limits` (`proc(5)`); `None` without one.
fn soft_limit(limits: &str) -> Option<u64> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_system_says() {
        let limits = "Limit   Soft Limit  Hard Limit  Units\n\
                      Max processes   63432   63432   processes\n\
                      Max open files            1024                 524288               files\n";
        assert_eq!(soft_limit(limits), Some(1024));
        let unlimited = "Max open files   unlimited   unlimited   files\n";
        assert_eq!(soft_limit(unlimited), None);
        assert_eq!(soft_limit(""), None);
    }

    #[test]
    fn the_default_needs_a_little_more_than_a_thousand() {
        assert_eq!(needed(500, 2), 1136);
    }
}
