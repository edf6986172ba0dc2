//! Where to listen and where the server is, as people write it.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// PostgreSQL's own port.
const UPSTREAM_PORT: u16 = 5432;
/// pgscope's own port.
const LISTEN_PORT: u16 = 6432;
/// How libpq begins the name of a socket (`UNIXSOCK_PATH` in `src/include/libpq/pqcomm.h`).
const SOCKET_PREFIX: &str = ".s.PGSQL.";

/// A TCP host and port, or the path of a unix socket.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Address {
    /// `HOST:PORT`; the host is a name or an IP address, IPv6 without its brackets.
    Tcp {
        /// Name or IP address.
        host: String,
        /// Port; 0 lets the system choose one to listen on.
        port: u16,
    },
    /// The socket itself, not its directory.
    Unix(PathBuf),
}

/// An address that cannot be used, and what to write instead.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AddressError(String);

impl fmt::Display for AddressError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for AddressError {}

impl AddressError {
    pub(super) fn new(message: String) -> Self {
        Self(message)
    }
}

impl Address {
    fn parse(text: &str, default_port: u16) -> Result<Self, AddressError> {
        let fail = |message: String| Err(AddressError(message));
        if text.is_empty() {
            return fail(format!(
                "the address is empty: write HOST:PORT such as `127.0.0.1:{default_port}`, or the directory of a unix socket such as `/run/postgresql`"
            ));
        }
        // A URL may hold a password, so it is not repeated.
        if text.contains("://") {
            return fail(format!(
                "a URL is not an address: write only its host and port, such as `127.0.0.1:{default_port}`"
            ));
        }
        if text.starts_with('/') {
            return Ok(Self::Unix(socket_path(text, default_port)));
        }
        let (host, port) = match text.strip_prefix('[').map(|rest| rest.split_once(']')) {
            Some(Some((host, rest))) => (host, rest.strip_prefix(':')),
            Some(None) => {
                return fail(format!("`{text}` has no `]`: write `[::1]:{default_port}`"));
            }
            None if text.matches(':').count() > 1 => {
                return fail(format!(
                    "`{text}` is unclear: write an IPv6 address in brackets, such as `[::1]:{default_port}`"
                ));
            }
            None => match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        let Some(port) = port else {
            return fail(if text.bytes().all(|byte| byte.is_ascii_digit()) {
                format!("`{text}` has no host: write `127.0.0.1:{text}`")
            } else {
                format!("`{text}` has no port: write `{text}:{default_port}`")
            });
        };
        if host.is_empty() {
            return fail(format!("`{text}` has no host: write `127.0.0.1:{port}`"));
        }
        match port.parse() {
            Ok(port) => Ok(Self::Tcp {
                host: host.to_owned(),
                port,
            }),
            Err(_) => fail(format!(
                "`{port}` is not a port: write a number from 1 to 65535, such as `{default_port}`"
            )),
        }
    }
}

/// A path that is not a socket's own is its directory, with the port after a colon, as libpq has `host` and `port`.
fn socket_path(text: &str, default_port: u16) -> PathBuf {
    let is_socket = |path: &Path| {
        path.file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with(SOCKET_PREFIX))
    };
    if is_socket(Path::new(text)) {
        return PathBuf::from(text);
    }
    // A colon may also be part of the directory (`/cloudsql/project:region:instance`).
    let (directory, port) = match text.rsplit_once(':') {
        Some((directory, port)) => match port.parse() {
            Ok(port) => (directory, port),
            Err(_) => (text, default_port),
        },
        None => (text, default_port),
    };
    Path::new(directory).join(format!("{SOCKET_PREFIX}{port}"))
}

impl fmt::Display for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(out, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(out, "{host}:{port}"),
            Self::Unix(path) => write!(out, "{}", path.display()),
        }
    }
}

macro_rules! role {
    ($(#[$doc:meta])* $name:ident, $port:expr, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Address);

        impl $name {
            /// The address itself.
            pub fn address(&self) -> &Address {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = AddressError;

            fn from_str(text: &str) -> Result<Self, AddressError> {
                let address = Address::parse(text.trim(), $port)?;
                $check(&address)?;
                Ok(Self(address))
            }
        }

        impl TryFrom<String> for $name {
            type Error = AddressError;

            fn try_from(text: String) -> Result<Self, AddressError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(out)
            }
        }
    };
}

role! {
    /// Where to listen: `HOST:PORT` (port 0: any free one), `/run/pgscope` (port 6432) or `/run/pgscope:5432`.
    ListenAddress, LISTEN_PORT, |_: &Address| Ok(())
}

impl Default for ListenAddress {
    /// pgscope's own port on the loopback interface.
    fn default() -> Self {
        Self(Address::Tcp {
            host: "127.0.0.1".to_owned(),
            port: LISTEN_PORT,
        })
    }
}

role! {
    /// Where the server is: `HOST:PORT`, `[::1]:5432`, `/var/run/postgresql` (port 5432),
    /// `/var/run/postgresql:5433` or the path of the socket.
    UpstreamAddress, UPSTREAM_PORT, |address: &Address| match address {
        Address::Tcp { host, port: 0 } => Err(AddressError(format!(
            "no server listens on port 0: write `{host}:{UPSTREAM_PORT}`"
        ))),
        _ => Ok(()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn upstream(text: &str) -> String {
        match text.parse::<UpstreamAddress>() {
            Ok(address) => address.to_string(),
            Err(error) => format!("error: {error}"),
        }
    }

    #[test]
    fn reads_every_form_of_an_upstream() {
        for (text, expected) in [
            ("db:5432", "db:5432"),
            ("127.0.0.1:5433", "127.0.0.1:5433"),
            ("[::1]:5432", "[::1]:5432"),
            ("/var/run/postgresql", "/var/run/postgresql/.s.PGSQL.5432"),
            ("/var/run/postgresql/", "/var/run/postgresql/.s.PGSQL.5432"),
            (
                "/var/run/postgresql:5433",
                "/var/run/postgresql/.s.PGSQL.5433",
            ),
            ("/tmp/.s.PGSQL.7", "/tmp/.s.PGSQL.7"),
            ("/cloudsql/a:b:c", "/cloudsql/a:b:c/.s.PGSQL.5432"),
        ] {
            assert_eq!(upstream(text), expected);
            assert_eq!(upstream(expected), expected, "reads its own output");
        }
    }

    #[test]
    fn errors_say_what_to_write() {
        for (text, advice) in [
            ("", "write HOST:PORT"),
            ("db", "write `db:5432`"),
            ("5432", "write `127.0.0.1:5432`"),
            (":5432", "write `127.0.0.1:5432`"),
            ("::1:5432", "write an IPv6 address in brackets"),
            ("[::1:5432", "write `[::1]:5432`"),
            ("[::1]", "write `[::1]:5432`"),
            ("db:postgres", "write a number"),
            ("db:70000", "write a number"),
            ("db:0", "write `db:5432`"),
        ] {
            let message = upstream(text);
            assert!(
                message.starts_with("error: ") && message.contains(advice),
                "{text}: {message}"
            );
        }
    }

    #[test]
    fn a_url_is_refused_without_its_password() {
        let message = upstream("postgres://me:secret@db/cellar");
        assert!(
            message.contains("host and port") && !message.contains("secret"),
            "{message}"
        );
    }

    #[test]
    fn listens_on_its_own_port_by_default() {
        let listen = |text: &str| {
            text.parse::<ListenAddress>()
                .map(|address| address.to_string())
        };
        assert_eq!(
            listen("/run/pgscope").unwrap(),
            "/run/pgscope/.s.PGSQL.6432"
        );
        assert_eq!(
            listen("/run/pgscope:5432").unwrap(),
            "/run/pgscope/.s.PGSQL.5432"
        );
        assert_eq!(listen("127.0.0.1:0").unwrap(), "127.0.0.1:0");
        assert!(
            listen("localhost")
                .unwrap_err()
                .to_string()
                .contains("`localhost:6432`")
        );
    }
}
