//! Query budgets: what a request of a route may cost.

use super::fail_on::FailOn;
use super::seen::Route;
use crate::config::{Problem, document};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use toml::Spanned;

/// The file that is read where it exists and none is named.
pub const FILE: &str = "pgscope-budget.toml";

/// What a request, or a route, may cost at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Queries of any one request.
    max_queries: Option<u32>,
    /// Seconds of any one request in the database.
    max_database_seconds: Option<f64>,
    /// Causes of at least a warning that no baseline accepts.
    max_findings: Option<u32>,
}

/// Files of tests, as Django and pytest find them, and what they are built with.
const TEST_CODE: [&str; 7] = [
    "tests.py",
    "*/tests.py",
    "tests/*",
    "*/tests/*",
    "test_*",
    "*/test_*",
    "*conftest.py",
];

/// The file as it is written.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    fail_on: Option<Spanned<Vec<String>>>,
    test_code: Option<Vec<String>>,
    #[serde(rename = "default")]
    any: Option<Spanned<Limits>>,
    routes: BTreeMap<String, Spanned<Limits>>,
}

/// Limits by route.
#[derive(Clone, Debug, Default)]
pub struct Budget {
    /// Findings that fail, where no flag says it.
    pub fail_on: Option<FailOn>,
    /// Patterns of files whose lines are those of tests, where they are not the usual ones.
    test_code: Option<Vec<String>>,
    any: Limits,
    /// Pattern and limits; the one that says most comes first.
    routes: Vec<(String, Limits)>,
}

/// Reads a limit, where it is set.
type Allowed = fn(&Limits) -> Option<f64>;

/// One limit of one route.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Check {
    pub route: String,
    /// `max_queries`, …
    pub limit: &'static str,
    pub allowed: f64,
    pub found: f64,
    /// `[routes."…"]` or `[default]`.
    pub section: String,
    pub kept: bool,
}

impl Budget {
    /// Reads a file.
    pub fn read(file: &Path) -> Result<Self, Problem> {
        let text = document::read(file, "give the path of a file with budgets, in TOML")?;
        let File {
            fail_on,
            test_code,
            any,
            routes,
        } = document::parse(file, &text)?;
        let place = |span: std::ops::Range<usize>| document::at(file, &text, span.start);
        let fail_on = fail_on.map(|words| {
            FailOn::parse(words.get_ref().iter().map(String::as_str)).map_err(|(what, hint)| {
                Problem {
                    source: place(words.span()),
                    what: format!("`fail_on`: {what}"),
                    hint,
                }
            })
        });
        for limits in routes.values().chain(&any) {
            let seconds = limits.get_ref().max_database_seconds;
            if seconds.is_some_and(|seconds| !(seconds.is_finite() && seconds >= 0.0)) {
                return Err(Problem {
                    source: place(limits.span()),
                    what: "`max_database_seconds` is no length of time".into(),
                    hint: "write a number of seconds, such as 0.5".into(),
                });
            }
        }
        let routes = routes.into_iter();
        let mut routes: Vec<_> = routes
            .map(|(name, limits)| (name, limits.into_inner()))
            .collect();
        routes.sort_by_key(|(pattern, _)| {
            let wild = pattern.contains('*');
            (wild, std::cmp::Reverse(pattern.len()))
        });
        Ok(Self {
            fail_on: fail_on.transpose()?,
            test_code,
            any: any.map(Spanned::into_inner).unwrap_or_default(),
            routes,
        })
    }

    /// The same with this limit for each request of a route that has none of its own.
    pub fn with_max_queries(mut self, most: Option<u32>) -> Self {
        self.any.max_queries = most.or(self.any.max_queries);
        self
    }

    /// Whether a line of code is one of the tests themselves.
    pub fn is_test_code(&self, callsite: &str) -> bool {
        let file = callsite.rsplit_once(':').map_or(callsite, |(file, _)| file);
        let fits = |pattern: &str| matches(pattern, file);
        match &self.test_code {
            Some(patterns) => patterns.iter().any(|pattern| fits(pattern)),
            None => TEST_CODE.iter().any(|pattern| fits(pattern)),
        }
    }

    /// Nothing is limited.
    pub fn is_empty(&self) -> bool {
        (self.routes.iter().map(|(_, limits)| limits))
            .chain([&self.any])
            .all(|limits| *limits == Limits::default())
    }

    /// Every limit of a route, `findings` being its causes that count; those of `[default]` only where it has some.
    pub fn checks(&self, route: &Route, findings: u64, with_default: bool) -> Vec<Check> {
        let limits: [(_, Allowed, f64); 3] = [
            (
                "max_queries",
                |l| l.max_queries.map(f64::from),
                route.most_queries as f64,
            ),
            (
                "max_database_seconds",
                |l| l.max_database_seconds,
                route.most_database_seconds,
            ),
            (
                "max_findings",
                |l| l.max_findings.map(f64::from),
                findings as f64,
            ),
        ];
        let mut checks = Vec::new();
        for (limit, of, found) in limits {
            let own = (self.routes.iter())
                .filter(|(pattern, _)| matches(pattern, &route.route))
                .find_map(|(pattern, limits)| Some((format!("[routes.{pattern:?}]"), of(limits)?)));
            let any = || Some(("[default]".to_owned(), of(&self.any)?));
            if let Some((section, allowed)) = own.or_else(|| any().filter(|_| with_default)) {
                checks.push(Check {
                    route: route.route.clone(),
                    limit,
                    allowed,
                    found,
                    section,
                    kept: found <= allowed,
                });
            }
        }
        checks
    }

    /// Patterns that no route fits: a slip, or a route that no longer is.
    pub fn unused(&self, routes: &[Route]) -> Vec<&str> {
        let used = |pattern: &str| routes.iter().any(|route| matches(pattern, &route.route));
        let patterns = self.routes.iter().map(|(pattern, _)| pattern.as_str());
        patterns.filter(|pattern| !used(pattern)).collect()
    }
}

/// `*` stands for any run of characters, and nothing else for anything but itself: routes hold `?` and `[`.
fn matches(pattern: &str, route: &str) -> bool {
    if pattern == route {
        return true;
    }
    let Some((first, rest)) = pattern.split_once('*') else {
        return false;
    };
    let Some(mut left) = route.strip_prefix(first) else {
        return false;
    };
    let mut parts = rest.split('*').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return left.ends_with(part);
        }
        match left.find(part) {
            Some(at) => left = &left[at + part.len()..],
            None => return false,
        }
    }
    true
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Budget, String> {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("b.toml");
        std::fs::write(&file, text).unwrap();
        let shown = format!("{}/", directory.path().display());
        Budget::read(&file).map_err(|problem| problem.to_string().replace(&shown, ""))
    }

    fn route(name: &str, queries: u64, seconds: f64) -> Route {
        Route {
            route: name.into(),
            most_queries: queries,
            most_database_seconds: seconds,
            ..Route::default()
        }
    }

    #[test]
    fn a_star_is_any_run_of_characters() {
        for (pattern, name, fits) in [
            ("wines/<int:pk>/", "wines/<int:pk>/", true),
            ("wines/*", "wines/<int:pk>/", true),
            ("*/edit/", "wines/<int:pk>/edit/", true),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxc", false),
            ("api/[0-9]?/*", "api/[0-9]?/x", true),
            ("wines/", "wines/x", false),
            ("a*a", "a", false),
            ("*", "~shop_wine", true),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
    }

    #[test]
    fn each_limit_is_that_of_the_pattern_that_says_most() {
        let budget = read(
            "fail_on = [\"n_plus_one\"]\n[default]\nmax_queries = 30\nmax_findings = 0\n\
             [routes.\"wines/*\"]\nmax_queries = 20\nmax_database_seconds = 0.5\n\
             [routes.\"wines/<int:pk>/\"]\nmax_queries = 12\n[routes.\"beers/\"]\nmax_queries = 1\n",
        )
        .unwrap();
        let broken = |name: &str, queries, seconds, findings| -> Vec<String> {
            let checks = budget.checks(&route(name, queries, seconds), findings, true);
            let broken = checks.into_iter().filter(|check| !check.kept);
            broken
                .map(|check| format!("{} {}", check.limit, check.section))
                .collect()
        };
        assert_eq!(
            broken("wines/<int:pk>/", 13, 0.0, 0),
            ["max_queries [routes.\"wines/<int:pk>/\"]"]
        );
        assert_eq!(
            broken("wines/<int:pk>/", 12, 0.6, 0),
            ["max_database_seconds [routes.\"wines/*\"]"]
        );
        assert_eq!(broken("wines/new/", 20, 0.5, 1), ["max_findings [default]"]);
        assert_eq!(broken("other/", 31, 9.0, 0), ["max_queries [default]"]);
        assert!(budget.fail_on.as_ref().unwrap().names("n_plus_one"));
        assert_eq!(
            budget.unused(&[route("wines/new/", 1, 0.0)]),
            ["wines/<int:pk>/", "beers/"]
        );
    }

    #[test]
    fn a_flag_is_for_routes_without_a_limit() {
        let budget =
            read("[default]\nmax_queries = 30\n[routes.\"a/\"]\nmax_queries = 5\n").unwrap();
        let budget = budget.with_max_queries(Some(10));
        assert_eq!(budget.checks(&route("a/", 6, 0.0), 0, true)[0].allowed, 5.0);
        assert_eq!(
            budget.checks(&route("b/", 6, 0.0), 0, true)[0].allowed,
            10.0
        );
        assert!(Budget::default().is_empty() && !budget.is_empty());
    }

    #[test]
    fn mistakes_have_a_place_and_advice() {
        for (text, expected) in [
            (
                "[default]\nmax_querys = 3\n",
                "error: b.toml:2:1: unknown key `max_querys`\n  hint: did you mean `max_queries`?",
            ),
            (
                "[route.\"a/\"]\nmax_queries = 3\n",
                "error: b.toml:1:2: unknown key `route`\n  hint: did you mean `routes`?",
            ),
            (
                "[default]\nmax_queries = \"3\"\n",
                "error: b.toml:2:15: invalid type: string \"3\", expected u32\n  hint: numbers stand without quotes",
            ),
            (
                "fail_on = [\"n_plus_on\"]\n",
                "error: b.toml:1:11: `fail_on`: no detector is called `n_plus_on`\n  hint: did you mean `n_plus_one`?",
            ),
            (
                "[default]\nmax_database_seconds = nan\n",
                "`max_database_seconds` is no length of time\n  hint: write a number of seconds",
            ),
            ("[default\n", "error: b.toml:1:9: not valid TOML: "),
        ] {
            let problem = read(text).unwrap_err();
            assert!(problem.contains(expected), "{problem}");
        }
    }
}
