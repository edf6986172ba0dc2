//! Which servers can be reached, as far as anybody tried.

use std::sync::atomic::{AtomicU8, Ordering};

/// Most servers that may be named: each is a series of `upstream_up`.
pub const MAX_UPSTREAMS: usize = 16;

const UNKNOWN: u8 = 0;
const UP: u8 = 1;
const DOWN: u8 = 2;

/// The servers by name, in the order in which they are tried, and what came of the last attempt to connect to each.
#[derive(Debug, Default)]
pub struct Upstreams(Vec<(String, AtomicU8)>);

impl Upstreams {
    /// Nobody tried yet.
    pub fn new(names: impl Iterator<Item = String>) -> Self {
        Self(names.map(|name| (name, AtomicU8::new(UNKNOWN))).collect())
    }

    /// Notes the last attempt; returns what was known before.
    pub fn set(&self, index: usize, up: bool) -> Option<bool> {
        let (_, state) = self.0.get(index)?;
        read(state.swap(if up { UP } else { DOWN }, Ordering::Relaxed))
    }

    /// Each server, and whether the last attempt to connect to it succeeded, where anybody tried.
    pub fn all(&self) -> impl Iterator<Item = (&str, Option<bool>)> {
        let servers = self.0.iter();
        servers.map(|(name, state)| (name.as_str(), read(state.load(Ordering::Relaxed))))
    }

    /// Each server that somebody tried to connect to, and whether the last attempt succeeded.
    pub fn tried(&self) -> impl Iterator<Item = (&str, bool)> {
        self.all().filter_map(|(name, up)| Some((name, up?)))
    }
}

fn read(state: u8) -> Option<bool> {
    (state != UNKNOWN).then_some(state == UP)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_tried_is_told() {
        let upstreams = Upstreams::new(["a:1", "b:2"].map(str::to_owned).into_iter());
        assert_eq!(upstreams.tried().count(), 0);
        assert_eq!(upstreams.set(1, false), None);
        assert_eq!(upstreams.set(1, true), Some(false));
        assert_eq!(upstreams.tried().collect::<Vec<_>>(), [("b:2", true)]);
        assert_eq!(upstreams.set(2, true), None, "there is none");
    }
}
