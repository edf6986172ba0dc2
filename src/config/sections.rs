//! The sections that [`super::Settings`] is composed of. The one file of the configuration that names other modules.

pub use crate::detect::Settings as Detectors;
pub use crate::explain::Settings as Explain;
pub use crate::proxy::{
    Address, ClientTls, ListenAddress, Settings as Proxy, ShutdownSettings as Shutdown,
    UpstreamList, UpstreamTls,
};
pub use crate::request::Settings as Request;
pub use crate::stats::Settings as Stats;

use super::Settings;
use crate::proxy::check_together;
use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// Keys that may be absent from a serialised [`Settings`] because they have no default. Empty text means the same as
/// not given. All are texts.
pub const OPTIONAL: &[&str] = &[
    "upstream",
    "admin.token_file",
    "client_tls.cert_file",
    "client_tls.key_file",
    "upstream_tls.root_cert_file",
    "upstream_tls.cert_file",
    "upstream_tls.key_file",
    "upstream_tls.server_name",
    "explain.user",
    "explain.password_file",
];

/// Keys whose flag or variable is not spelt after their path: path, flag without dashes, variable.
pub const ALIASES: &[(&str, &str, &str)] = &[("admin.listen", "admin", "PGSCOPE_ADMIN")];

/// What the sections refuse beyond their types: the section, and a message that begins with the key.
pub fn check(settings: &Settings) -> Vec<(&'static str, String)> {
    let unix = settings.upstream.as_ref().is_some_and(|upstream| {
        let mut servers = upstream.all().iter();
        servers.any(|server| matches!(server.address(), Address::Unix(_)))
    });
    [
        ("proxy", settings.proxy.check()),
        ("client_tls", settings.client_tls.check()),
        ("upstream_tls", settings.upstream_tls.check()),
        (
            "upstream_tls",
            check_together(&settings.client_tls, &settings.upstream_tls, unix),
        ),
        ("request", settings.request.validate()),
        ("stats", settings.stats.check()),
        ("explain", settings.explain.check()),
        ("detectors", settings.detectors.validate()),
    ]
    .into_iter()
    .filter_map(|(section, checked)| checked.err().map(|message| (section, message)))
    .collect()
}

/// `[admin]`: metrics, API and page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Admin {
    /// Address of the HTTP server.
    pub listen: SocketAddr,
    /// File that holds the bearer token; none asks for no token.
    pub token_file: Option<PathBuf>,
    /// Names other than the address itself that a `Host` header may carry.
    pub allowed_hosts: Vec<String>,
}

impl Default for Admin {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9187)),
            token_file: None,
            allowed_hosts: Vec::new(),
        }
    }
}

/// `[log]`: what goes to standard error.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// The least severe events that are written.
    pub level: LogLevel,
    /// How they are written.
    pub format: LogFormat,
}

/// Severity of a log event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Nothing at all.
    Off,
    /// Something failed.
    Error,
    /// Something is not as it should be.
    Warn,
    /// What an operator wants to know.
    #[default]
    Info,
    /// What a developer wants to know.
    Debug,
    /// Everything.
    Trace,
}

/// Shape of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}
