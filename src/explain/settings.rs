//! `[explain]` of the configuration.

use crate::units::Period;
use std::path::PathBuf;

/// The `[explain]` section: what pgscope may ask the server, and how often.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether it asks at all.
    pub enabled: bool,
    /// Role to log in as; needed.
    pub user: Option<String>,
    /// File that holds its password; without one it logs in without.
    pub password_file: Option<PathBuf>,
    /// Databases to ask in; empty: all that clients use.
    pub databases: Vec<String>,
    /// Time between two questions; at least a second.
    pub interval: Period,
    /// Time until the same question is asked again; at least `interval`.
    pub repeat: Period,
    /// A statement with a query of this length is asked about.
    pub slow: Period,
    /// A statement that takes this much of the server's time each second is asked about.
    pub busy: Period,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: false,
            user: None,
            password_file: None,
            databases: Vec::new(),
            interval: Period::secs(1),
            repeat: Period::secs(3600),
            slow: Period::millis(100),
            busy: Period::millis(50),
        }
    }
}

impl Settings {
    /// Refuses what cannot work; the text names the key and what to write instead.
    pub fn check(&self) -> Result<(), String> {
        if self.interval < Period::secs(1) {
            return Err(format!(
                "interval: {} is more than one question a second; write \"1s\" or more",
                self.interval
            ));
        }
        if self.repeat < self.interval {
            return Err(format!(
                "repeat: {} is less than interval; write \"1h\"",
                self.repeat
            ));
        }
        if self.enabled && self.user.is_none() {
            return Err(
                "user: without a role pgscope cannot log in; write one that may read the tables, such as \
                 `pgscope`, or enabled = false"
                    .into(),
            );
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_work_is_refused_with_what_to_write() {
        let on = Settings {
            enabled: true,
            user: Some("pgscope".into()),
            ..Settings::default()
        };
        assert_eq!(on.check(), Ok(()));
        assert_eq!(Settings::default().check(), Ok(()));
        let nobody = Settings {
            user: None,
            ..on.clone()
        };
        assert!(nobody.check().unwrap_err().starts_with("user: "));
        let hasty = Settings {
            interval: Period::millis(500),
            ..on.clone()
        };
        assert!(hasty.check().unwrap_err().starts_with("interval: "));
        let restless = Settings {
            repeat: Period::millis(500),
            ..on
        };
        assert!(restless.check().unwrap_err().starts_with("repeat: "));
    }
}
