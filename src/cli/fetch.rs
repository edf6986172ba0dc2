//! Requests to the admin server of a running pgscope.

use clap::{Arg, ArgMatches, ValueHint, value_parser};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use ureq::Agent;

/// A findings list is bounded; an answer above this is not one. Bytes.
const LARGEST: u64 = 64 << 20;

/// Why there is no answer.
#[derive(Debug)]
pub struct Failure {
    /// Exit code.
    pub code: u8,
    /// What went wrong.
    pub what: String,
    /// What to do about it.
    pub hint: String,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "error: {}\n  hint: {}", self.what, self.hint)
    }
}

/// `--admin` and `--token-file`: whom to ask.
pub fn arguments() -> [Arg; 2] {
    [
        Arg::new("admin")
            .long("admin")
            .value_name("URL")
            .env("PGSCOPE_ADMIN")
            .hide_env_values(true)
            .default_value("http://127.0.0.1:9187")
            .help("Admin address of the running pgscope: http://HOST:PORT or HOST:PORT"),
        Arg::new("token-file")
            .long("token-file")
            .value_name("FILE")
            .value_hint(ValueHint::FilePath)
            .env("PGSCOPE_ADMIN_TOKEN_FILE")
            .hide_env_values(true)
            .value_parser(value_parser!(PathBuf))
            .help("File that holds the bearer token, where the proxy asks for one"),
    ]
}

/// Asks one admin server.
pub struct Client {
    agent: Agent,
    base: String,
    authorization: Option<String>,
}

impl Client {
    /// For the address and the token that the arguments name; each answer is waited for so long.
    pub fn new(matches: &ArgMatches, patience: Duration) -> Result<Self, Failure> {
        let admin = matches
            .get_one::<String>("admin")
            .map_or("", String::as_str);
        let base = base(admin)?;
        let file = matches.get_one::<PathBuf>("token-file");
        let file = file.filter(|path| !path.as_os_str().is_empty());
        let authorization = file
            .map(|path| Ok(format!("Bearer {}", token(path)?)))
            .transpose()?;
        let agent = Agent::config_builder()
            .timeout_global(Some(patience))
            .http_status_as_error(false)
            // The token is for this address only, and a proxy of the environment cannot reach a loopback address.
            .max_redirects(0)
            .proxy(None)
            // The server closes what is idle: a connection kept for the next request may be gone by then.
            .max_idle_connections(0)
            .build()
            .into();
        Ok(Self {
            agent,
            base,
            authorization,
        })
    }

    /// `http://HOST:PORT`.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The text under a path.
    pub fn get(&self, path: &str) -> Result<String, Failure> {
        let base = &self.base;
        let failed = |what: String, hint: &str| Failure {
            code: super::FAILED,
            what,
            hint: hint.into(),
        };
        let mut request = self.agent.get(format!("{base}{path}"));
        if let Some(value) = &self.authorization {
            request = request.header("Authorization", value);
        }
        let mut response = request.call().map_err(|error| {
            failed(
                format!("no answer from {base}: {error}"),
                "is `pgscope serve` running? Name its admin address with --admin http://HOST:PORT",
            )
        })?;
        let status = response.status().as_u16();
        let body = response
            .body_mut()
            .with_config()
            .limit(LARGEST)
            .read_to_string()
            .map_err(|error| {
                failed(
                    format!("the answer of {base} broke off: {error}"),
                    "try again; look at the log of that pgscope",
                )
            })?;
        if status == 200 {
            return Ok(body);
        }
        let hint = match status {
            401 => "it asks for a token: name the file that holds it with --token-file",
            403 | 421 => {
                "it does not know that host name: add it to `admin.allowed_hosts`, or name its IP address"
            }
            404 => "is this the admin address of a pgscope, and not another HTTP server?",
            _ => "look at the log of that pgscope",
        };
        Err(failed(format!("{base} answered HTTP {status}"), hint))
    }
}

fn base(admin: &str) -> Result<String, Failure> {
    let refused = |hint: &str| Failure {
        code: super::REFUSED,
        what: format!("--admin: cannot use `{}`", crate::config::mask(admin)),
        hint: hint.into(),
    };
    let address = match admin.split_once("://") {
        Some(("http", rest)) => rest,
        Some(("https", _)) => {
            return Err(refused(
                "the admin server speaks plain HTTP: write http://HOST:PORT",
            ));
        }
        Some(_) => return Err(refused("write http://HOST:PORT")),
        None => admin,
    };
    let address = address.trim_end_matches('/');
    if address.is_empty()
        || address.contains(['/', '@', '?', '#'])
        || address.contains(char::is_whitespace)
    {
        return Err(refused(
            "write only http://HOST:PORT, such as http://127.0.0.1:9187",
        ));
    }
    Ok(format!("http://{}", reachable(address)))
}

/// The address to listen on every interface (`0.0.0.0`) is not one to call; the loopback of its family is.
fn reachable(address: &str) -> String {
    match address.parse::<SocketAddr>() {
        Ok(mut socket) if socket.ip().is_unspecified() => {
            socket.set_ip(match socket.ip() {
                IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
            });
            socket.to_string()
        }
        _ => address.to_owned(),
    }
}

fn token(path: &Path) -> Result<String, Failure> {
    let refused = |what: String| Failure {
        code: super::REFUSED,
        what: format!("--token-file: {}: {what}", path.display()),
        hint: "give the file that `admin.token_file` of the running pgscope names".into(),
    };
    crate::config::read_token(path).map_err(refused)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_address_becomes_a_url_that_can_be_called() {
        for (given, url) in [
            ("127.0.0.1:9187", "http://127.0.0.1:9187"),
            ("http://web:9187/", "http://web:9187"),
            ("0.0.0.0:9187", "http://127.0.0.1:9187"),
            ("[::]:9187", "http://[::1]:9187"),
        ] {
            assert_eq!(base(given).unwrap(), url);
        }
    }

    #[test]
    fn what_is_no_address_is_refused_without_its_password() {
        for given in [
            "https://a:1",
            "ftp://a:1",
            "http://a:hunter2@b:1",
            "http://a:1/x",
            "",
        ] {
            let failure = base(given).unwrap_err();
            assert_eq!(failure.code, 2);
            assert!(!failure.what.contains("hunter2"), "{}", failure.what);
        }
    }
}
