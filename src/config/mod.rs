//! Settings: one key is a flag, an environment variable and a line of the file.
//!
//! The tree of default settings is the only list of keys. From it come the flags, the names of the variables, the
//! types that values are checked against and the suggestions for a misspelt key; the meaning of each key is the
//! comment above it in `proxy-config/pgscope.toml`. Precedence: flag, environment, file, default.

pub mod document;
mod layers;
pub mod manual;
mod problem;
mod rules;
mod secret;
mod sections;
mod show;
mod token;
mod tree;
mod value;

pub use layers::{Input, Inputs, load};
pub use problem::{Problem, Problems, Source, nearest};
pub use rules::UPSTREAM_MISSING;
pub use secret::mask;
pub use sections::{
    Address, Admin, ClientTls, Detectors, Explain, ListenAddress, Log, LogFormat, LogLevel, Proxy,
    Request, Shutdown, Stats, UpstreamList, UpstreamTls,
};
pub use show::{Change, changes, resolved};
pub use token::{Secrets, read_token, secrets};
pub use tree::{Leaf, Schema};
pub use value::{Kind, Scalar};

use serde::{Deserialize, Serialize};

/// All settings of a running proxy.
///
/// A section may hold booleans, numbers, texts, lists of these, and durations that it serialises as texts (`250ms`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Address that the application connects to. Port 0 lets the system choose.
    pub listen: ListenAddress,
    /// The PostgreSQL servers. Needed by `serve`.
    pub upstream: Option<UpstreamList>,
    /// `[admin]`
    pub admin: Admin,
    /// `[log]`
    pub log: Log,
    /// `[shutdown]`
    pub shutdown: Shutdown,
    /// `[proxy]`
    pub proxy: Proxy,
    /// `[client_tls]`
    pub client_tls: ClientTls,
    /// `[upstream_tls]`
    pub upstream_tls: UpstreamTls,
    /// `[request]`
    pub request: Request,
    /// `[stats]`
    pub stats: Stats,
    /// `[explain]`
    pub explain: Explain,
    /// `[detectors.<name>]`
    pub detectors: Detectors,
}
