//! For programs. `docs/ci.md` describes the keys.

use crate::cli::exec::outcome::Outcome;
use serde_json::{json, to_string_pretty};

/// All of it.
pub fn json(outcome: &Outcome) -> serde_json::Result<String> {
    let seen = &outcome.seen;
    let blind: serde_json::Map<String, serde_json::Value> = (seen.blind.iter())
        .map(|(reason, count)| ((*reason).to_owned(), (*count).into()))
        .collect();
    let value = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "verdict": outcome.verdict,
        "connections": seen.connections,
        "requests": seen.requests,
        "queries": seen.queries,
        "blind": blind,
        "notes": outcome.notes,
        "findings": outcome.causes,
        "budgets": outcome.checks,
        "routes": seen.routes,
        "stale": outcome.stale,
    });
    Ok(to_string_pretty(&value)? + "\n")
}
