//! A detector's line in the registry.

use super::{Allow, Detector, Monitor, Settings, Severity};

/// A detector's line in the list.
pub struct Registration {
    /// Its name: the label value, the configuration section and the heading of its documentation.
    pub name: &'static str,
    /// What it finds, in a sentence.
    pub summary: &'static str,
    /// Builds it, where the settings enable it.
    pub(super) build: fn(&Settings) -> Option<Built>,
    /// What its findings must not concern.
    pub(super) allow: fn(&Settings) -> &Allow,
    /// Severity of its findings, where the user has chosen one.
    pub(super) severity: fn(&Settings) -> Option<Severity>,
    /// Refuses impossible settings.
    pub(super) validate: fn(&Settings) -> Result<(), String>,
    /// Its source, which begins with its documentation.
    pub(super) source: &'static str,
}

impl Registration {
    /// What it finds, why it hurts, an example, its settings and when it is wrong, in Markdown.
    pub fn documentation(&self) -> String {
        let lines = self.source.lines();
        let comment = lines.map_while(|line| line.strip_prefix("//!"));
        let lines: Vec<&str> = comment
            .map(|line| line.strip_prefix(' ').unwrap_or(line))
            .collect();
        lines.join("\n")
    }
}

/// A detector of either kind.
pub(super) enum Built {
    Detector(Box<dyn Detector>),
    Monitor(Box<dyn Monitor>),
}
