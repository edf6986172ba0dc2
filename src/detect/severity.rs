//! Severity as a user wants it.

use super::Severity;

/// The key `severity` of every detector.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SeverityChoice {
    /// As the detector judges.
    #[default]
    Auto,
    /// Always [`Severity::Info`].
    Info,
    /// Always [`Severity::Warning`].
    Warning,
    /// Always [`Severity::Critical`].
    Critical,
}

impl SeverityChoice {
    /// What becomes of all findings, unless the detector is to judge.
    pub(super) fn fixed(self) -> Option<Severity> {
        match self {
            Self::Auto => None,
            Self::Info => Some(Severity::Info),
            Self::Warning => Some(Severity::Warning),
            Self::Critical => Some(Severity::Critical),
        }
    }
}
