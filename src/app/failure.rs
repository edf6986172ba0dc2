//! Why a proxy could not start or go on, and what to do.

use crate::proxy::TlsError;
use std::fmt::{self, Display};
use std::io;

/// Why a proxy could not start or go on.
#[derive(Debug)]
pub enum Failure {
    /// An address could not be bound.
    Bind {
        /// Key of the address.
        key: &'static str,
        /// Its flag.
        flag: &'static str,
        /// The address.
        address: String,
        /// What the system said.
        error: io::Error,
    },
    /// The service manager passed something that clients cannot connect to.
    Inherit(String),
    /// A certificate or a key cannot be used.
    Tls(TlsError),
    /// The system refused a thread, a signal handler or an event loop.
    System(io::Error),
    /// The relay ended without being asked to.
    Relay(String),
}

impl Failure {
    pub(super) fn bind(
        key: &'static str,
        flag: &'static str,
        address: &dyn Display,
        error: io::Error,
    ) -> Self {
        Self::Bind {
            key,
            flag,
            address: address.to_string(),
            error,
        }
    }
}

impl Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bind {
                key,
                flag,
                address,
                error,
            } => {
                let advice = match error.kind() {
                    io::ErrorKind::AddrInUse => {
                        "another process listens there; stop it, or choose another address"
                    }
                    io::ErrorKind::PermissionDenied => {
                        "a port below 1024, or a directory of somebody else, needs a privilege; choose another address"
                    }
                    io::ErrorKind::AddrNotAvailable => {
                        "this host has no such address; choose 127.0.0.1, or 0.0.0.0 for every IPv4 address,"
                    }
                    _ => "choose another address",
                };
                write!(
                    out,
                    "error: cannot listen on {address} (`{key}`): {error}\n  hint: {advice} with {flag}"
                )
            }
            Self::Inherit(reason) => write!(
                out,
                "error: cannot use what was passed with LISTEN_FDS: {reason}\n  hint: pass one listening stream socket \
                 (ListenStream= in the .socket unit), or unset LISTEN_FDS to have pgscope bind `listen` itself"
            ),
            Self::Tls(error) => write!(out, "error: {error}\n  hint: {}", error.hint),
            Self::System(error) => write!(
                out,
                "error: the system refused to start pgscope: {error}\n  hint: look at the limits of open files and \
                 of processes (ulimit -n, ulimit -u)"
            ),
            Self::Relay(reason) => write!(
                out,
                "error: the relay stopped: {reason}\n  hint: start pgscope again; please report this with the log"
            ),
        }
    }
}

impl std::error::Error for Failure {}

impl From<TlsError> for Failure {
    fn from(error: TlsError) -> Self {
        Self::Tls(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}
