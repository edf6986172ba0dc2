//! What an operator can set about the proxy and its shutdown.

use crate::units::Period;
use serde::{Deserialize, Serialize};

/// Where connections are so many that this is too few, several processes are better.
const MOST_THREADS: usize = 64;

/// The `[proxy]` section.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether queries are decoded. Where not, a session is only forwarded once the server has let the client in.
    pub profiling: bool,
    /// Threads that move bytes; a connection stays with one. 0, the default, stands for one a processor, and four at
    /// most.
    pub threads: usize,
    /// How long to wait for each address of the upstream server, and for its name to be resolved. Default 5 s.
    pub connect_timeout: Period,
    /// How long a client may take to send its first packet. Default 60 s, as PostgreSQL's
    /// `authentication_timeout`.
    pub startup_timeout: Period,
    /// Connections at one time; further clients get an ErrorResponse with SQLSTATE 53300. Default 500.
    pub max_connections: usize,
    /// Silence before the first TCP keep-alive probe, on both legs; `0s` sends none. Default 60 s.
    pub keepalive_idle: Period,
    /// Time between TCP keep-alive probes. Default 30 s.
    pub keepalive_interval: Period,
    /// Unanswered TCP keep-alive probes after which a peer is lost. Default 10: a peer may be away for
    /// six minutes, so that an outage which a direct connection survives is survived here too.
    pub keepalive_count: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            profiling: true,
            threads: 0,
            connect_timeout: Period::secs(5),
            startup_timeout: Period::secs(60),
            max_connections: 500,
            keepalive_idle: Period::secs(60),
            keepalive_interval: Period::secs(30),
            keepalive_count: 10,
        }
    }
}

impl Settings {
    /// Refuses values that cannot work; the text names the key and what to write instead.
    pub fn check(&self) -> Result<(), String> {
        let second = Period::secs(1);
        if self.threads > MOST_THREADS {
            return Err(format!(
                "threads: more than {MOST_THREADS} only wait for each other; write `0` for one a processor"
            ));
        }
        if self.connect_timeout.0.is_zero() {
            return Err("connect_timeout: no connection is made in no time; write `5s`".into());
        }
        if self.startup_timeout.0.is_zero() {
            return Err("startup_timeout: no client is that fast; write `60s`".into());
        }
        if self.max_connections == 0 {
            return Err("max_connections: 0 would refuse every client; write `500`".into());
        }
        if !self.keepalive_idle.0.is_zero() && self.keepalive_idle < second {
            return Err(
                "keepalive_idle: is counted in seconds; write `60s`, or `0s` for none".into(),
            );
        }
        if self.keepalive_interval < second {
            return Err("keepalive_interval: is counted in seconds; write `30s`".into());
        }
        if !(1..=127).contains(&self.keepalive_count) {
            return Err("keepalive_count: must be from 1 to 127; write `10`".into());
        }
        Ok(())
    }
}

/// The `[shutdown]` section.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ShutdownSettings {
    /// How long open connections may go on after SIGTERM or SIGINT. Default 10 s.
    pub grace: Period,
}

impl Default for ShutdownSettings {
    fn default() -> Self {
        Self {
            grace: Period::secs(10),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn defaults_survive_a_round_trip_and_work() {
        let text = toml::to_string(&Settings::default()).unwrap();
        assert!(text.contains("connect_timeout = \"5s\""), "{text}");
        assert_eq!(
            toml::from_str::<Settings>(&text).unwrap(),
            Settings::default()
        );
        assert_eq!(Settings::default().check(), Ok(()));
    }

    #[test]
    fn one_key_leaves_the_others_at_their_defaults() {
        let settings: ShutdownSettings = toml::from_str("grace = \"1m 30s\"").unwrap();
        assert_eq!(settings.grace, Period::secs(90));
        let settings: Settings = toml::from_str("max_connections = 7").unwrap();
        assert_eq!(settings.max_connections, 7);
        assert_eq!(settings.connect_timeout, Period::secs(5));
    }

    #[test]
    fn mistakes_say_what_to_write() {
        let unknown = toml::from_str::<Settings>("max_conections = 7").unwrap_err();
        assert!(unknown.to_string().contains("max_conections"), "{unknown}");
        let bare = toml::from_str::<Settings>("connect_timeout = \"5\"").unwrap_err();
        assert!(bare.to_string().contains("\"250ms\""), "{bare}");
    }

    #[test]
    fn impossible_values_are_refused_by_name() {
        for text in [
            "connect_timeout = \"0s\"",
            "startup_timeout = \"0s\"",
            "max_connections = 0",
            "threads = 65",
            "keepalive_idle = \"10ms\"",
            "keepalive_interval = \"0s\"",
            "keepalive_count = 0",
        ] {
            let settings: Settings = toml::from_str(text).unwrap();
            let key = text.split(' ').next().unwrap();
            assert!(settings.check().unwrap_err().starts_with(key), "{text}");
        }
    }
}
