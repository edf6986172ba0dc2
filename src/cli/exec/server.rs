//! Where the server is, and what the command is told instead.

use super::url::{Url, pairs};
use crate::config::{Address, Problem, Source, UpstreamList};
use std::collections::BTreeMap;
use std::ffi::OsString;

const URL: &str = "DATABASE_URL";

/// Ports that libpq takes where none is written.
const PORT: &str = "5432";

/// The variables of libpq and Django that name a server.
pub struct Environment {
    host: Option<String>,
    port: String,
    url: Option<String>,
}

impl Environment {
    /// That of this process.
    pub fn read() -> Self {
        let variable = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
        Self {
            host: variable("PGHOST"),
            port: variable("PGPORT").unwrap_or_default(),
            url: variable(URL),
        }
    }

    /// The server that it names, where no setting does.
    pub fn upstream(&self) -> Result<UpstreamList, Problem> {
        let url = self.url.as_deref().and_then(Url::parse);
        let url = url.map(|url| written(&url.servers()));
        let url = url.filter(|servers| !servers.is_empty());
        let host = (self.host.as_deref()).map(|hosts| written(&pairs(hosts, &self.port)));
        let (name, servers) = match (url, host) {
            (Some(url), Some(host)) if url != host => {
                return Err(Problem {
                    source: Source::Default,
                    what: format!(
                        "PGHOST names {host} and {URL} {url}: which of them should pgscope forward to?"
                    ),
                    hint: "say so with --upstream HOST:PORT; CMD is pointed at pgscope by both"
                        .into(),
                });
            }
            (Some(url), _) => (URL, url),
            (None, Some(host)) => ("PGHOST", host),
            (None, None) => return Err(self.missing()),
        };
        servers.parse().map_err(|error| Problem {
            source: Source::Variable(name.into()),
            what: format!("{error}"),
            hint: "or name the server with --upstream HOST:PORT".into(),
        })
    }

    fn missing(&self) -> Problem {
        let what = match &self.url {
            Some(url) if Url::parse(url).is_none() => {
                "`upstream` is not set, and DATABASE_URL is not one of PostgreSQL"
            }
            Some(_) => "`upstream` is not set, and DATABASE_URL names no server",
            None => "`upstream` is not set, nor are PGHOST and DATABASE_URL",
        };
        Problem {
            source: Source::Default,
            what: format!("{what}: which PostgreSQL server should pgscope forward to?"),
            hint: "give `--upstream HOST:PORT`, or set PGHOST and PGPORT, or DATABASE_URL".into(),
        }
    }

    /// What the command finds in its environment instead, and what it must not find there.
    pub fn pointed_at(&self, address: &Address) -> BTreeMap<&'static str, Option<OsString>> {
        let (host, port) = match address {
            Address::Tcp { host, port } => (host.clone(), *port),
            Address::Unix(path) => (path.display().to_string(), 0),
        };
        let mut variables = BTreeMap::from([
            ("PGHOST", Some(OsString::from(&host))),
            ("PGPORT", Some(port.to_string().into())),
            // It would win over PGHOST.
            ("PGHOSTADDR", None),
        ]);
        if let Some(url) = self.url.as_deref().and_then(Url::parse) {
            variables.insert(URL, Some(url.with_server(&host, port).into()));
        }
        variables
    }
}

/// Servers as `upstream` has them, or nothing where one has no host.
fn written(servers: &[(String, String)]) -> String {
    let servers = servers.iter().map(|(host, port)| {
        let port = if port.is_empty() { PORT } else { port };
        match host.as_str() {
            "" => None,
            host if host.starts_with('/') || !host.contains(':') => Some(format!("{host}:{port}")),
            host => Some(format!("[{host}]:{port}")),
        }
    });
    let servers: Option<Vec<String>> = servers.collect();
    servers.unwrap_or_default().join(",")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn upstream(host: &str, port: &str, url: &str) -> Result<String, String> {
        let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let environment = Environment {
            host: given(host),
            port: port.into(),
            url: given(url),
        };
        let found = environment.upstream();
        found
            .map(|list| list.to_string())
            .map_err(|problem| problem.to_string())
    }

    #[test]
    fn the_environment_names_the_server() {
        for (host, port, url, expected) in [
            ("db", "", "", "db:5432"),
            ("db", "7", "", "db:7"),
            ("::1", "", "", "[::1]:5432"),
            ("/tmp", "7", "", "/tmp/.s.PGSQL.7"),
            ("a,b", "1,2", "", "a:1,b:2"),
            ("", "", "postgres://u:p@db/app", "db:5432"),
            ("db", "5432", "postgres://u:p@db/app", "db:5432"),
            ("db", "", "postgres:///app", "db:5432"),
            ("db", "", "sqlite:///x", "db:5432"),
        ] {
            assert_eq!(upstream(host, port, url).unwrap(), expected);
        }
    }

    #[test]
    fn what_names_none_or_two_is_refused_without_the_password() {
        for (host, url, expected) in [
            ("", "", "nor are PGHOST and DATABASE_URL"),
            ("", "sqlite:///x", "DATABASE_URL is not one of PostgreSQL"),
            ("", "postgres:///app", "DATABASE_URL names no server"),
            (
                "a",
                "postgres://u:hunter2@b/app",
                "PGHOST names a:5432 and DATABASE_URL b:5432",
            ),
            (
                "",
                "postgres://u:hunter2@b:x/app",
                "environment variable DATABASE_URL: `x` is not a port",
            ),
        ] {
            let problem = upstream(host, "", url).unwrap_err();
            assert!(problem.contains(expected), "{problem}");
            assert!(!problem.contains("hunter2"), "{problem}");
        }
    }
}
