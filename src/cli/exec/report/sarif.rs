//! SARIF 2.1.0, as code scanning reads it: a detector is a rule, a cause is a result.

use super::said;
use crate::cli::exec::baseline::Entry;
use crate::cli::exec::budget::Check;
use crate::cli::exec::outcome::{Cause, Outcome, Standing};
use crate::cli::report::words::{clean, cost, query};
use crate::detect::REGISTRY;
use serde_json::{Value, json, to_string_pretty};

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// The rule of budgets.
const BUDGET: &str = "query_budget";

/// All of it.
pub fn sarif(outcome: &Outcome) -> serde_json::Result<String> {
    let findings = outcome
        .causes
        .iter()
        .map(|cause| of_finding(cause, outcome.stale.is_some()));
    let budgets = outcome
        .broken()
        .map(|check| of_budget(check, outcome.stale.is_some()));
    let results: Vec<Value> = findings.chain(budgets).collect();
    let notes: Vec<Value> = (outcome.notes.iter())
        .map(|note| json!({"level": "note", "message": {"text": note}}))
        .collect();
    let value = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "pgscope",
                "version": env!("CARGO_PKG_VERSION"),
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules(),
            }},
            "columnKind": "unicodeCodePoints",
            "invocations": [{"executionSuccessful": true, "toolExecutionNotifications": notes}],
            "results": results,
        }],
    });
    Ok(to_string_pretty(&value)? + "\n")
}

fn rules() -> Vec<Value> {
    let detectors = REGISTRY.iter().map(|registration| {
        let help = registration.documentation();
        rule(registration.name, registration.summary, &help)
    });
    let budget = rule(
        BUDGET,
        "a request above its budget",
        "A request made more queries, or took longer in the database, than `--max-queries` or the budget file allows.",
    );
    detectors.chain([budget]).collect()
}

fn rule(name: &str, summary: &str, help: &str) -> Value {
    json!({
        "id": name,
        "name": pascal(name),
        "shortDescription": {"text": summary},
        "fullDescription": {"text": summary},
        "help": {"text": help, "markdown": help},
        "defaultConfiguration": {"level": "warning"},
        "properties": {"tags": ["performance", "database", "django"]},
    })
}

/// `n_plus_one` as `NPlusOne`.
fn pascal(name: &str) -> String {
    let parts = name.split('_').filter_map(|part| {
        let mut letters = part.chars();
        letters
            .next()
            .map(|first| first.to_ascii_uppercase().to_string() + letters.as_str())
    });
    parts.collect()
}

fn of_finding(cause: &Cause, compared: bool) -> Value {
    let finding = &cause.finding;
    let mut message = format!(
        "{}: {}\n{}",
        clean(&finding.route),
        clean(&finding.fix),
        cost(finding)
    );
    if let Some(query) = query(finding) {
        message = format!("{message}\n{query}");
    }
    let level = match finding.rank() {
        0 => "error",
        1 => "warning",
        _ => "note",
    };
    let entry = Entry::from(finding);
    let mut value = result(
        &finding.detector,
        level,
        &message,
        &finding.route,
        &entry.identity(),
    );
    if let Some(place) = physical(&finding.callsite) {
        value["locations"][0]["physicalLocation"] = place;
    }
    value["properties"] = json!({
        "kind": finding.kind,
        "evidence": finding.evidence,
        "fingerprint": finding.fingerprint,
        "standing": cause.standing,
        "wasted_seconds": finding.wasted_seconds,
    });
    if compared {
        let accepted = cause.standing == Standing::Accepted;
        value["baselineState"] = if accepted { "unchanged" } else { "new" }.into();
        if accepted {
            value["suppressions"] =
                json!([{"kind": "external", "justification": "accepted by the baseline"}]);
        }
    }
    value
}

/// File and line, where a comment tells them. What is not relative to the project is no file of the repository.
fn physical(callsite: &str) -> Option<Value> {
    let (file, line) = callsite.rsplit_once(':')?;
    let line: u32 = line.parse().ok().filter(|line| *line > 0)?;
    let relative = !file.is_empty() && !file.starts_with(['/', '.']);
    relative.then(|| {
        json!({
            "artifactLocation": {"uri": encode(file), "uriBaseId": "%SRCROOT%"},
            "region": {"startLine": line},
        })
    })
}

/// A path as a URI reference.
fn encode(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'/' | b'-' | b'.' | b'_' | b'~' => out.push(byte.into()),
            byte if byte.is_ascii_alphanumeric() => out.push(byte.into()),
            byte => out += &format!("%{byte:02X}"),
        }
    }
    out
}

fn of_budget(check: &Check, compared: bool) -> Value {
    let message = format!("{}: {}", clean(&check.route), said(check));
    let identity = format!("{BUDGET}|{}|{}", check.route, check.limit);
    let mut value = result(BUDGET, "error", &message, &check.route, &identity);
    if compared {
        // All results have a state or none.
        value["baselineState"] = "new".into();
    }
    value
}

fn result(rule: &str, level: &str, message: &str, route: &str, identity: &str) -> Value {
    let index = REGISTRY
        .iter()
        .position(|registration| registration.name == rule);
    json!({
        "ruleId": rule,
        "ruleIndex": index.unwrap_or(REGISTRY.len()),
        "level": level,
        "message": {"text": message},
        "locations": [{"logicalLocations": [{"fullyQualifiedName": route, "kind": "resource"}]}],
        "partialFingerprints": {"pgscopeCause/v1": fingerprint(identity)},
    })
}

/// The same in every run for the same cause.
fn fingerprint(identity: &str) -> String {
    format!("{:016x}", xxhash_rust::xxh3::xxh3_64(identity.as_bytes()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_code_is_a_place_in_the_repository() {
        let place = physical("shop/a b.py:42").unwrap();
        assert_eq!(place["artifactLocation"]["uri"], "shop/a%20b.py");
        assert_eq!(place["region"]["startLine"], 42);
        for callsite in [
            "",
            "shop/views.py",
            "shop/views.py:0",
            "/srv/app/views.py:3",
            "../views.py:3",
            ":3",
        ] {
            assert_eq!(physical(callsite), None, "{callsite}");
        }
    }

    #[test]
    fn rules_have_the_names_that_the_format_wants() {
        assert_eq!(pascal("n_plus_one"), "NPlusOne");
        let rules = rules();
        assert_eq!(rules.len(), REGISTRY.len() + 1);
        for rule in &rules[..REGISTRY.len()] {
            let help = rule["help"]["markdown"].as_str().unwrap();
            assert!(help.starts_with("# What it finds\n"), "{rule}");
            assert!(!help.contains("//!"), "{rule}");
        }
    }
}
