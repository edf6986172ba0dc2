//! What a type cannot say: ranges, and settings that do not fit together.

use super::Settings;
use super::layers::Sources;
use super::problem::{Problem, nearest};
use super::secret::mask;
use super::sections::{self, Address};
use super::tree::{Leaf, Schema};
use std::net::{IpAddr, SocketAddr};
use toml::Value;

/// What `serve` says when nobody named the server, and what to do.
pub const UPSTREAM_MISSING: (&str, &str) = (
    "`upstream` is not set: which PostgreSQL server should pgscope forward to?",
    "give `--upstream HOST:PORT`, set PGSCOPE_UPSTREAM=HOST:PORT, or write upstream = \"HOST:PORT\" in the file",
);

/// Turns a refusal by a section's type into what is wrong and what to write instead.
pub(super) fn explain(leaf: &Leaf, value: &Value, message: &str) -> (String, String) {
    let path = &leaf.path;
    let shown = mask(&value.to_string());
    if shown != value.to_string() {
        // What the section says of it might repeat the password.
        return (
            format!("`{path}` cannot be `{shown}`: it is more than an address"),
            "write only the host and the port, such as `db:5432`; user and password stay in Django's settings".into(),
        );
    }
    if let Some((what, hint)) = advice(message) {
        return (format!("`{path}`: {what}"), hint);
    }
    if message.contains("socket address") {
        return (
            format!("`{path}` must be an IP address and a port, not `{shown}`"),
            format!(
                "write an address of this host, such as {}; names are not looked up",
                leaf.default
            ),
        );
    }
    if message.contains("unknown variant") {
        let expected = message
            .split_once("expected")
            .map_or("", |(_, expected)| expected);
        // Names stand in backquotes, so each second piece is one.
        let names: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
        let listed: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
        let listed = listed.join(", ");
        let hint = match nearest(shown.trim_matches('"'), names.iter().copied()) {
            Some(name) => format!("did you mean \"{name}\"? Known are {listed}"),
            None => format!("write one of {listed}"),
        };
        return (format!("`{path}` cannot be `{shown}`"), hint);
    }
    let what = if message.starts_with("invalid value: integer") {
        "the number is out of range"
    } else {
        message
    };
    (
        format!("`{path}` cannot be `{shown}`: {what}"),
        leaf.example(),
    )
}

/// Parts `what is wrong; write this` or `what is wrong: write this`, as the sections say it.
fn advice(message: &str) -> Option<(&str, String)> {
    let at = [": write ", "; write "]
        .iter()
        .filter_map(|mark| message.find(mark))
        .min()?;
    Some((&message[..at], message[at + 2..].to_owned()))
}

/// Settings that are fine alone but not together.
pub(super) fn together(schema: &Schema, settings: &Settings, sources: &Sources) -> Vec<Problem> {
    let problem = |paths: &[&str], what: String, hint: String| {
        let given = paths.iter().find_map(|path| sources.get(*path));
        Problem {
            source: given.cloned().unwrap_or_default(),
            what,
            hint,
        }
    };
    let mut problems: Vec<Problem> = sections::check(settings)
        .into_iter()
        .map(|(section, message)| {
            let (path, what, hint) = refusal(schema, section, &message);
            problem(&[&path], what, hint)
        })
        .collect();
    let (listen, admin) = (settings.listen.address(), socket(settings.admin.listen));
    let servers = settings.upstream.iter().flat_map(|upstream| upstream.all());
    for upstream in servers.map(|server| server.address()) {
        for (key, own) in [("listen", listen), ("admin.listen", &admin)] {
            if reaches(upstream, own) {
                problems.push(problem(
                    &["upstream", key],
                    format!("`upstream` {upstream} is pgscope's own address: `{key}` is {own}"),
                    format!("let `upstream` name the PostgreSQL server, or choose another address for `{key}`"),
                ));
            }
        }
    }
    if reaches(listen, &admin) || reaches(&admin, listen) {
        problems.push(problem(
            &["admin.listen", "listen"],
            format!("`listen` {listen} and `admin.listen` {admin} are the same port"),
            "PostgreSQL and HTTP cannot share one; choose another port for `admin.listen`".into(),
        ));
    }
    problems
}

/// The key that a section's message begins with, the message about it, and what to write instead.
fn refusal(schema: &Schema, section: &str, message: &str) -> (String, String, String) {
    let is_path = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    let end = message.find(|c| !is_path(c)).unwrap_or(message.len());
    let (key, rest) = message.split_at(end);
    let path = match schema.leaf(key) {
        Some(_) => key.to_owned(),
        None => format!("{section}.{key}"),
    };
    let example = || schema.leaf(&path).map_or_else(String::new, Leaf::example);
    let (rest, hint) = advice(rest).unwrap_or_else(|| (rest, example()));
    let what = format!("`{path}`{rest}");
    (path, what, hint)
}

fn socket(address: SocketAddr) -> Address {
    Address::Tcp {
        host: address.ip().to_string(),
        port: address.port(),
    }
}

/// Whether a connection to `target` would reach a listener on `own`, as far as that shows without a look-up.
fn reaches(target: &Address, own: &Address) -> bool {
    match (target, own) {
        (Address::Unix(target), Address::Unix(own)) => target == own,
        (
            Address::Tcp { host: target, port },
            Address::Tcp {
                host: own,
                port: own_port,
            },
        ) => {
            let (target, own) = (ip(target), ip(own));
            let local = |ip: &IpAddr| ip.is_loopback() || ip.is_unspecified();
            *port != 0
                && port == own_port
                && match (target, own) {
                    (Ok(target), Ok(own)) => {
                        target == own || own.is_unspecified() && local(&target)
                    }
                    (target, own) => target == own,
                }
        }
        _ => false,
    }
}

/// The address that a host is written as, or its name.
fn ip(host: &str) -> Result<IpAddr, &str> {
    match host {
        "localhost" => Ok(IpAddr::from([127, 0, 0, 1])),
        host => host.parse().map_err(|_| host),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::sections::{ListenAddress, UpstreamList};
    use super::*;

    #[test]
    fn a_loop_is_seen() {
        let reaches = |upstream: &str, listen: &str| {
            let upstream: UpstreamList = upstream.parse().unwrap();
            let listen: ListenAddress = listen.parse().unwrap();
            super::reaches(upstream.all()[0].address(), listen.address())
        };
        assert!(reaches("127.0.0.1:6432", "127.0.0.1:6432"));
        assert!(reaches("localhost:6432", "127.0.0.1:6432"));
        assert!(reaches("127.0.0.1:6432", "0.0.0.0:6432"));
        assert!(reaches("pgscope:6432", "pgscope:6432"));
        assert!(reaches("/tmp/.s.PGSQL.6432", "/tmp"));
        assert!(!reaches("127.0.0.1:5432", "127.0.0.1:6432"));
        assert!(!reaches("db:6432", "0.0.0.0:6432"));
        assert!(!reaches("/tmp", "127.0.0.1:5432"));
    }

    #[test]
    fn what_sections_say_becomes_key_fault_and_advice() {
        let schema = Schema::new().unwrap();
        for (message, path, what, hint) in [
            (
                "idle_close: is nothing; write `1s`",
                "request.idle_close",
                "`request.idle_close`: is nothing",
                "write `1s`",
            ),
            (
                "request.idle_close must be more than 0",
                "request.idle_close",
                "`request.idle_close` must be more than 0",
                "for example `\"1s\"`, the default",
            ),
            (
                "request.max_queries = 1: too few; write 10 or more",
                "request.max_queries",
                "`request.max_queries` = 1: too few",
                "write 10 or more",
            ),
        ] {
            assert_eq!(
                refusal(&schema, "request", message),
                (path.into(), what.into(), hint.into())
            );
        }
    }
}
