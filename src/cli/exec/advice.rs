//! What a reader should know of a run before its numbers: what was not seen, and what a request is taken to be.

use super::seen::{Route, Seen};
use crate::cli::report::words::number;
use std::collections::BTreeMap;

/// The two lines that point Django at pgscope.
const SETTINGS: &str = "    \"HOST\": os.environ.get(\"PGHOST\", \"localhost\"),\n    \"PORT\": os.environ.get(\"PGPORT\", \"5432\"),";

/// The line that tells requests apart.
const MIDDLEWARE: &str = "    MIDDLEWARE = [\"pgscope_comments.middleware\", ...]";

/// All that there is to say, a paragraph each.
pub fn notes(seen: &Seen) -> Vec<String> {
    let mut notes = Vec::new();
    notes.extend(nothing(seen));
    notes.extend(blind(seen));
    if seen.unreachable > 0 {
        notes.push(format!(
            "{} found no server: is --upstream right, and is PostgreSQL up?",
            number(seen.unreachable, "connection", "connections")
        ));
    }
    notes.extend(limits(seen));
    notes
}

fn nothing(seen: &Seen) -> Option<String> {
    if seen.connections == 0 {
        return Some(format!(
            "No connection arrived: does DATABASES read PGHOST and PGPORT, or DATABASE_URL? In settings.py write\n{SETTINGS}"
        ));
    }
    (seen.statements == 0).then(|| {
        format!(
            "{} arrived, but no statement that pgscope could read. CMD must not ask for TLS (`sslmode=prefer` or \
             `disable`, also in DATABASE_URL); the leg to the server has --upstream-tls-mode of its own.",
            number(seen.connections, "connection", "connections")
        )
    })
}

fn blind(seen: &Seen) -> Option<String> {
    let total: u64 = seen.blind.iter().map(|(_, count)| count).sum();
    let reasons = seen.blind.iter().filter(|(_, count)| *count > 0);
    let reasons: Vec<String> = reasons
        .map(|(reason, count)| format!("{reason} {count}"))
        .collect();
    (total > 0).then(|| {
        format!(
            "{} could not be looked into to the end, by reason: {}.",
            number(total, "connection", "connections"),
            reasons.join(", ")
        )
    })
}

/// What a request of this run is.
fn limits(seen: &Seen) -> Option<String> {
    let (named, unnamed): (Vec<&Route>, Vec<&Route>) =
        seen.routes.iter().partition(|route| route.is_named());
    let exact: u64 = (named.iter())
        .filter_map(|route| route.boundaries.get("trace"))
        .sum();
    let all: u64 = named.iter().map(|route| route.requests).sum();
    if seen.requests == 0 {
        None
    } else if all == 0 {
        Some(format!(
            "No query tells its route, so that what is called a request here may be a whole test, or the whole run \
             ({}). Copy proxy-config/django/pgscope_comments.py beside manage.py and write in settings.py, first in \
             the list,\n{MIDDLEWARE}",
            boundaries(&unnamed)
        ))
    } else if exact < all {
        Some(format!(
            "{} told apart by guesses ({}): requests of one route in a row may count as one. \
             proxy-config/django/pgscope_comments.py tells them apart exactly:\n{MIDDLEWARE}",
            were(
                all - exact,
                "request with a route was",
                "requests with a route were"
            ),
            boundaries(&named)
        ))
    } else {
        let rest = seen.requests - all;
        (rest > 0).then(|| {
            format!(
                "{} told apart exactly. What else ran on their connections, such as the set-up of tests, is {}; their \
                 routes begin with `~`.",
                were(all, "request was", "requests were"),
                were(rest, "piece of its own", "pieces of their own")
            )
        })
    }
}

fn were(count: u64, one: &str, many: &str) -> String {
    number(count, one, many)
}

/// `12 by connection, 3 by gap`.
fn boundaries(routes: &[&Route]) -> String {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for (boundary, count) in routes.iter().flat_map(|route| &route.boundaries) {
        *counts.entry(boundary).or_default() += count;
    }
    let counts: Vec<String> = (counts.iter())
        .map(|(boundary, count)| format!("{count} by {boundary}"))
        .collect();
    counts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(routes: &[(&str, &'static str, u64)]) -> Seen {
        let routes: Vec<Route> = (routes.iter())
            .map(|(name, boundary, requests)| Route {
                route: (*name).into(),
                requests: *requests,
                boundaries: BTreeMap::from([(*boundary, *requests)]),
                ..Route::default()
            })
            .collect();
        Seen {
            connections: 1,
            statements: 1,
            requests: routes.iter().map(|route| route.requests).sum(),
            routes,
            ..Seen::default()
        }
    }

    fn first(seen: &Seen) -> String {
        notes(seen).into_iter().next().unwrap_or_default()
    }

    #[test]
    fn nothing_is_told_with_what_to_write() {
        let text = first(&Seen::default());
        assert!(
            text.contains("No connection arrived") && text.contains(SETTINGS),
            "{text}"
        );
        let text = first(&Seen {
            connections: 2,
            ..Seen::default()
        });
        assert!(
            text.contains("2 connections arrived") && text.contains("sslmode=prefer"),
            "{text}"
        );
    }

    #[test]
    fn what_a_request_is_depends_on_the_comments() {
        let text = first(&seen(&[("~a", "connection", 2), ("~b", "gap", 1)]));
        assert!(
            text.contains("may be a whole test") && text.contains("2 by connection, 1 by gap"),
            "{text}"
        );
        assert!(text.contains(MIDDLEWARE), "{text}");
        let text = first(&seen(&[("a/", "route", 2), ("b/", "trace", 1)]));
        assert!(
            text.starts_with(
                "2 requests with a route were told apart by guesses (2 by route, 1 by trace)"
            ),
            "{text}"
        );
        let text = first(&seen(&[("a/", "trace", 2), ("~b", "connection", 1)]));
        assert!(
            text.starts_with("2 requests were told apart exactly.")
                && text.contains("1 piece of its own"),
            "{text}"
        );
        assert_eq!(first(&seen(&[("a/", "trace", 2)])), "");
    }

    #[test]
    fn what_was_lost_is_told() {
        let text = first(&Seen {
            blind: vec![("framing", 2), ("gss", 0)],
            ..seen(&[("a/", "trace", 2)])
        });
        assert_eq!(
            text,
            "2 connections could not be looked into to the end, by reason: framing 2."
        );
    }
}
