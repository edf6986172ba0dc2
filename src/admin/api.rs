//! Lists as JSON.

use super::json::{Boundary, Finding, Request, Route, Session, Statement};
use super::state::AdminState;
use crate::stats::{Filter, Order, StatementOrder};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::SystemTime;

/// A list of the API.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum List {
    Findings,
    Requests,
    Routes,
    Statements,
    Sessions,
    Boundaries,
}

impl List {
    /// All lists with their name in the path and the filters that mean something for them.
    pub(super) const ALL: [(Self, &'static str, &'static [&'static str]); 6] = [
        (
            Self::Findings,
            "findings",
            &["limit", "since", "database", "route"],
        ),
        (
            Self::Requests,
            "requests",
            &["limit", "since", "database", "route", "order"],
        ),
        (Self::Routes, "routes", &["limit", "route"]),
        (
            Self::Statements,
            "statements",
            &["limit", "database", "order"],
        ),
        (Self::Sessions, "sessions", &["limit", "since", "database"]),
        (Self::Boundaries, "boundaries", &["limit", "database"]),
    ];
}

/// Reads the query string of a list. A filter that would have no effect is an error: an unfiltered answer would
/// pass for a filtered one.
pub(super) fn filter(
    list: List,
    parameters: Vec<(String, String)>,
    known: &[&str],
    state: &AdminState,
    now: SystemTime,
) -> Result<Filter, String> {
    let mut filter = Filter::default();
    for (name, value) in parameters {
        match name.as_str() {
            name if !known.contains(&name) => {
                let known = known.join(", ");
                return Err(format!(
                    "unknown parameter {name:?}; this list knows {known}"
                ));
            }
            "limit" => {
                filter.limit = value
                    .parse()
                    .map_err(|_| format!("limit: {value:?} is not a number"))?;
            }
            "since" => {
                let time = humantime::parse_rfc3339(&value).ok();
                let ago = || now.checked_sub(humantime::parse_duration(&value).ok()?);
                let time = time.or_else(ago).ok_or_else(|| {
                    format!(
                        "since: {value:?} is neither a time (2026-01-31T12:00:00Z) nor an age (10m)"
                    )
                })?;
                filter.since = Some(state.moment(time));
            }
            "database" => filter.database = Some(value),
            "order" if list == List::Statements => {
                filter.statement_order = word("order", &value, &StatementOrder::ALL)?;
            }
            "order" => filter.order = word("order", &value, &Order::ALL)?,
            _ => filter.route = Some(value),
        }
    }
    Ok(filter)
}

/// What a word of a closed set stands for.
fn word<T: Copy>(name: &str, value: &str, known: &[(&str, T)]) -> Result<T, String> {
    let found = known.iter().find(|(word, _)| *word == value);
    found.map(|(_, meaning)| *meaning).ok_or_else(|| {
        let words: Vec<&str> = known.iter().map(|(word, _)| *word).collect();
        format!("{name}: {value:?} is none of {}", words.join(", "))
    })
}

/// The list as a JSON object: its entries under its name.
pub(super) fn render(
    list: List,
    name: &'static str,
    filter: &Filter,
    state: &AdminState,
) -> serde_json::Result<Vec<u8>> {
    let source = &state.source;
    match list {
        List::Findings => object(name, source.findings(filter), |entry| {
            Finding::new(entry, state)
        }),
        List::Requests => object(name, source.requests(filter), |entry| {
            Request::new(entry, state)
        }),
        List::Routes => object(name, source.routes(filter), Route::new),
        List::Statements => object(name, source.statements(filter), Statement::new),
        List::Sessions => {
            let mut sessions = source.sessions();
            sessions.retain(|session| {
                has_database(filter, &session.database)
                    && filter.since.is_none_or(|since| session.since >= since)
            });
            sessions.truncate(filter.limit);
            object(name, sessions, |session| Session::new(session, state))
        }
        List::Boundaries => {
            let mut classes = source.boundaries();
            classes.retain(|class| has_database(filter, &class.database));
            classes.truncate(filter.limit);
            object(name, classes, Boundary::new)
        }
    }
}

fn has_database(filter: &Filter, database: &str) -> bool {
    filter
        .database
        .as_deref()
        .is_none_or(|wanted| wanted == database)
}

fn object<T, J: Serialize>(
    name: &'static str,
    entries: Vec<T>,
    json: impl Fn(T) -> J,
) -> serde_json::Result<Vec<u8>> {
    let entries: Vec<J> = entries.into_iter().map(json).collect();
    serde_json::to_vec(&BTreeMap::from([(name, entries)]))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::admin::fixture;
    use crate::session::At;
    use std::time::Duration;

    fn parse(known: &[&str], text: &[(&str, &str)]) -> Result<Filter, String> {
        let state = fixture::state();
        let now = state.base + Duration::from_secs(3600);
        let parameters = text
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        filter(List::Requests, parameters.collect(), known, &state, now)
    }

    #[test]
    fn since_is_a_time_or_an_age() {
        let since = |text| parse(&["since"], &[("since", text)]).map(|filter| filter.since);
        let half_past = Ok(Some(At(1_800_000_000_000)));
        assert_eq!(since("30m"), half_past);
        assert_eq!(since("2026-01-31T12:30:00Z"), half_past);
        assert_eq!(since("1999-01-01T00:00:00Z"), Ok(Some(At(0))));
        assert_eq!(since("9999999999 years"), Ok(Some(At(0))));
        let problem = since("yesterday").unwrap_err();
        assert!(
            problem.starts_with("since: \"yesterday\" is neither"),
            "{problem}"
        );
    }

    #[test]
    fn parameters_that_do_nothing_are_refused() {
        let error = parse(&["limit", "database"], &[("route", "wines/")]).unwrap_err();
        assert_eq!(
            error,
            "unknown parameter \"route\"; this list knows limit, database"
        );
        let error = parse(&["order"], &[("order", "total")]).unwrap_err();
        assert_eq!(
            error,
            "order: \"total\" is none of recent, slowest, queries"
        );
        let error = parse(&["limit"], &[("limit", "-1")]).unwrap_err();
        assert_eq!(error, "limit: \"-1\" is not a number");
    }
}
