//! `DATABASE_URL`: which server it names, and the same URL with another one.

/// Schemes that mean PostgreSQL, as `dj-database-url` and `django-environ` have them. A driver may follow a `+`.
const SCHEMES: [&str; 7] = [
    "postgres",
    "postgresql",
    "psql",
    "pgsql",
    "postgis",
    "timescale",
    "timescalegis",
];

/// Parameters that name a server too, and win over the host before them (libpq, "Connection URIs").
const SERVER: [&str; 3] = ["host", "hostaddr", "port"];

/// A URL in the pieces that matter here. All of them are as they are written.
#[derive(Debug, PartialEq, Eq)]
pub struct Url<'a> {
    scheme: &'a str,
    /// With its `@`, or empty.
    user: &'a str,
    /// `db:5432`, `[::1]`, `a:1,b:2`, or empty.
    servers: &'a str,
    /// From its `/`, or empty.
    path: &'a str,
    /// Without its `?`.
    query: &'a str,
    /// With its `#`, or empty.
    fragment: &'a str,
}

impl<'a> Url<'a> {
    /// Reads it as Python's `urlsplit` does; nothing where it is not one of PostgreSQL.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let kind = scheme.split('+').next().unwrap_or(scheme);
        if !SCHEMES.contains(&kind.to_ascii_lowercase().as_str()) {
            return None;
        }
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        // A password may hold an `@` that was not escaped.
        let (user, servers) = authority.split_at(authority.rfind('@').map_or(0, |at| at + 1));
        let (rest, fragment) = rest.split_at(rest.find('#').unwrap_or(rest.len()));
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        Some(Self {
            scheme,
            user,
            servers,
            path,
            query,
            fragment,
        })
    }

    /// The servers as (host, port), either of which may be empty.
    pub fn servers(&self) -> Vec<(String, String)> {
        let parameter = |name: &str| {
            let mut pairs = self
                .query
                .split('&')
                .filter_map(|pair| pair.split_once('='));
            pairs
                .find(|(key, _)| *key == name)
                .map(|(_, value)| decode(value))
        };
        if let Some(hosts) = parameter("host") {
            let ports = parameter("port").unwrap_or_default();
            return pairs(&hosts, &ports);
        }
        let written = self.servers.split(',').map(|server| {
            let port = server.rfind(':').filter(|at| !server[*at..].contains(']'));
            let (host, port) = port.map_or((server, ""), |at| (&server[..at], &server[at + 1..]));
            let host = decode(host.trim_start_matches('[').trim_end_matches(']'));
            (host, port.to_owned())
        });
        written.collect()
    }

    /// The same with this server alone. User, password, database and parameters stay.
    pub fn with_server(&self, host: &str, port: u16) -> String {
        let kept: Vec<&str> = (self.query.split('&'))
            .filter(|pair| {
                let name = pair.split('=').next().unwrap_or_default();
                !name.is_empty() && !SERVER.contains(&name)
            })
            .collect();
        let Self {
            scheme,
            user,
            path,
            fragment,
            ..
        } = self;
        let mark = if kept.is_empty() { "" } else { "?" };
        let query = kept.join("&");
        format!("{scheme}://{user}{host}:{port}{path}{mark}{query}{fragment}")
    }
}

/// Hosts and ports of libpq's lists: one port serves for all hosts.
pub fn pairs(hosts: &str, ports: &str) -> Vec<(String, String)> {
    let ports: Vec<&str> = ports.split(',').collect();
    let port = |at: usize| match ports[..] {
        [one] => one,
        _ => ports.get(at).copied().unwrap_or_default(),
    };
    let hosts = hosts.split(',').enumerate();
    hosts
        .map(|(at, host)| (host.trim().to_owned(), port(at).trim().to_owned()))
        .collect()
}

/// Percent-decoded; what is no escape stays.
fn decode(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escape = |digits: &[u8]| {
            let digits = std::str::from_utf8(digits).ok()?;
            u8::from_str_radix(digits, 16).ok()
        };
        match tail.get(..2).and_then(escape) {
            Some(byte) if *first == b'%' => {
                out.push(byte);
                rest = &tail[2..];
            }
            _ => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn servers(text: &str) -> Vec<(String, String)> {
        Url::parse(text).unwrap().servers()
    }

    fn pair(host: &str, port: &str) -> (String, String) {
        (host.into(), port.into())
    }

    #[test]
    fn the_server_of_every_way_to_write_it() {
        for (text, host, port) in [
            ("postgres://u:p@db:5433/app", "db", "5433"),
            ("postgresql+psycopg://db", "db", ""),
            ("postgis://u@[::1]:7/app", "::1", "7"),
            ("postgresql://[::1]/app", "::1", ""),
            ("psql://u:p%40:x@db/app?sslmode=require", "db", ""),
            ("postgres://u:p@ss@db/app", "db", ""),
            (
                "postgres://%2Fvar%2Frun%2Fpostgresql/app",
                "/var/run/postgresql",
                "",
            ),
            ("postgres:///app", "", ""),
            ("postgresql:///app?host=/tmp&port=7", "/tmp", "7"),
        ] {
            assert_eq!(servers(text), [pair(host, port)], "{text}");
        }
        assert_eq!(
            servers("postgres://a:1,b/app"),
            [pair("a", "1"), pair("b", "")]
        );
        assert_eq!(pairs("a,b", "7"), [pair("a", "7"), pair("b", "7")]);
        assert_eq!(pairs("a,b", "7,8"), [pair("a", "7"), pair("b", "8")]);
    }

    #[test]
    fn only_the_server_changes() {
        for (text, expected) in [
            (
                "postgres://u:p%2F@db:5433/app?sslmode=prefer#x",
                "postgres://u:p%2F@h:9/app?sslmode=prefer#x",
            ),
            ("postgresql://db", "postgresql://h:9"),
            ("postgres:///app", "postgres://h:9/app"),
            ("postgres://a:1,b:2/app", "postgres://h:9/app"),
            (
                "postgres:///app?host=/tmp&port=7&application_name=a%26b",
                "postgres://h:9/app?application_name=a%26b",
            ),
        ] {
            assert_eq!(Url::parse(text).unwrap().with_server("h", 9), expected);
        }
    }

    #[test]
    fn other_databases_are_none_of_our_business() {
        for text in ["sqlite:///db.sqlite3", "mysql://db/app", "db:5432", ""] {
            assert_eq!(Url::parse(text), None, "{text}");
        }
    }
}
