//! The list, its documentation and its settings.

use super::*;
use std::collections::BTreeSet;

const SECTIONS: [&str; 5] = [
    "What it finds",
    "Why it hurts",
    "Example",
    "Settings",
    "When it is wrong",
];
const DOCUMENTATION: &str = include_str!("../../../docs/detectors.md");

/// Headings of a level, in order, with the text below each.
fn sections<'a>(text: &'a str, heading: &str) -> Vec<(&'a str, &'a str)> {
    let parts: Vec<&str> = text.split(&format!("\n{heading} ")).skip(1).collect();
    parts
        .into_iter()
        .map(|part| part.split_once('\n').unwrap_or((part, "")))
        .collect()
}

fn assert_complete(name: &str, found: &[(&str, &str)]) {
    let titles: Vec<&str> = found.iter().map(|(title, _)| *title).collect();
    assert_eq!(titles, SECTIONS, "{name}");
    for (title, text) in found {
        assert!(text.trim().len() > 20, "{name}: {title} says nothing");
    }
}

#[test]
fn names_are_unique_words() {
    let names: BTreeSet<&str> = Detectors::names().collect();
    assert_eq!(names.len(), REGISTRY.len());
    for name in names {
        assert!(
            name.chars()
                .all(|c| matches!(c, 'a'..='z' | '0'..='9' | '_')),
            "{name}"
        );
    }
}

#[test]
fn every_detector_has_a_section_in_the_configuration() {
    let table = toml::Table::try_from(Settings::default()).unwrap();
    let sections: BTreeSet<&str> = table.keys().map(String::as_str).collect();
    assert_eq!(sections, Detectors::names().collect());
    for section in table.values() {
        assert_eq!(section["enabled"].as_bool(), Some(true));
        assert!(section["allow"]["routes"].as_array().unwrap().is_empty());
    }
}

#[test]
fn every_source_file_documents_its_detector() {
    for registration in REGISTRY {
        let docs: String = (registration.source.lines())
            .take_while(|line| line.starts_with("//!"))
            .map(|line| format!("\n{}", line.trim_start_matches("//!").trim_start()))
            .collect();
        assert_complete(
            registration.name,
            &sections(&with_code_indented(&docs), "#"),
        );
    }
}

/// The page that the sources make: its own beginning, then each detector's documentation.
fn generated() -> String {
    let start = DOCUMENTATION.find("\n## `").unwrap_or(DOCUMENTATION.len());
    let mut page = DOCUMENTATION[..start].trim_end().to_owned() + "\n";
    for registration in REGISTRY {
        page += &format!("\n## `{}`\n\n", registration.name);
        let lines = registration.source.lines();
        let mut code = false;
        for line in lines.take_while(|line| line.starts_with("//!")) {
            let line = line.trim_start_matches("//!");
            let line = line.strip_prefix(' ').unwrap_or(line);
            code ^= line.starts_with("```");
            let heading = !code && line.starts_with("# ");
            page += &format!("{}{line}\n", if heading { "##" } else { "" });
        }
    }
    page
}

#[test]
fn the_documentation_is_that_of_the_sources() {
    let page = generated();
    if std::env::var_os("UPDATE").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/detectors.md");
        std::fs::write(path, &page).unwrap();
    } else {
        assert!(
            page == DOCUMENTATION,
            "docs/detectors.md is old; write it with UPDATE=1 cargo test"
        );
    }
}

/// Indents code: a comment in Python looks like a heading.
fn with_code_indented(text: &str) -> String {
    let mut code = false;
    let mut kept = String::new();
    for line in text.lines() {
        let fence = line.starts_with("```");
        code ^= fence;
        if code && !fence {
            kept.push_str("    ");
        }
        kept.push_str(line);
        kept.push('\n');
    }
    kept
}

#[test]
fn the_documentation_names_every_setting() {
    let table = toml::Table::try_from(Settings::default()).unwrap();
    for (title, text) in sections(DOCUMENTATION, "##") {
        let section = table[title.trim_matches('`')].as_table().unwrap();
        for key in section.keys() {
            assert!(text.contains(&format!("`{key}`")), "{title}: {key}");
        }
    }
}

fn refusal(text: &str) -> String {
    let settings: Settings = toml::from_str(text).unwrap();
    settings.validate().unwrap_err()
}

#[test]
fn defaults_are_possible() {
    assert_eq!(Settings::default().validate(), Ok(()));
    assert_eq!(Settings::default().slow_threshold_nanos(), 100_000_000);
}

#[test]
fn impossible_values_are_refused_with_what_to_write() {
    for (text, key, instead) in [
        (
            "n_plus_one = { min_calls = 1 }",
            "n_plus_one.min_calls = 1",
            "write 2",
        ),
        (
            "n_plus_one = { count_calls = 4 }",
            "n_plus_one.count_calls = 4",
            "write 5",
        ),
        (
            "n_plus_one = { critical_calls = 0 }",
            "n_plus_one.critical_calls",
            "write 1",
        ),
        (
            "duplicate_query = { min_calls = 0 }",
            "duplicate_query.min_calls",
            "write 2",
        ),
        (
            "slow_query = { threshold = \"0s\" }",
            "slow_query.threshold",
            "\"100ms\"",
        ),
        (
            "slow_query = { threshold = \"1s\" }",
            "slow_query.critical",
            "\"1s\" or more",
        ),
        (
            "request_query_count = { info = 0 }",
            "request_query_count.info",
            "write 1",
        ),
        (
            "request_query_count = { info = 40 }",
            "request_query_count.warning",
            "write 40",
        ),
        (
            "request_query_count = { allow = { tables = [\"lib_book\"] } }",
            "request_query_count.allow",
            "write routes",
        ),
        (
            "insert_loop = { min_calls = 1 }",
            "insert_loop.min_calls = 1",
            "write 2",
        ),
        (
            "save_all_columns = { min_columns = 0 }",
            "save_all_columns.min_columns",
            "write 1",
        ),
        (
            "save_all_columns = { min_bytes = 0 }",
            "save_all_columns.min_bytes",
            "write 1",
        ),
        (
            "write_heavy_request = { min_writes = 1 }",
            "write_heavy_request.min_writes = 1",
            "write 2",
        ),
        (
            "write_heavy_request = { min_time = \"0s\" }",
            "write_heavy_request.min_time",
            "\"1s\"",
        ),
        (
            "idle_in_transaction = { threshold = \"0s\" }",
            "idle_in_transaction.threshold",
            "\"200ms\"",
        ),
        (
            "long_transaction = { critical = \"1ms\" }",
            "long_transaction.critical",
            "\"1s\" or more",
        ),
        (
            "long_transaction = { max_queries = 1 }",
            "long_transaction.max_queries = 1",
            "write 2",
        ),
        (
            "idle_in_transaction = { allow = { tables = [\"lib_book\"] } }",
            "idle_in_transaction.allow",
            "write routes",
        ),
        (
            "n_plus_one = { allow = { fingerprints = [\"xyz\"] } }",
            "n_plus_one.allow.fingerprints",
            "16 hex digits",
        ),
        (
            "n_plus_one = { allow = { tables = [\"*\"] } }",
            "n_plus_one.allow.tables",
            "enabled = false",
        ),
        (
            "serializer_depth = { depth = 1 }",
            "serializer_depth.depth = 1",
            "write 2",
        ),
        (
            "large_result = { rows = 0 }",
            "large_result.rows",
            "write 1",
        ),
        (
            "large_result = { bytes = 0 }",
            "large_result.bytes",
            "write 1",
        ),
        (
            "unbounded_select = { rows = 1 }",
            "unbounded_select.rows = 1",
            "write 2",
        ),
        (
            "unbounded_select = { rows = 2000 }",
            "unbounded_select.critical",
            "write 2000",
        ),
        (
            "unbounded_select = { bytes = 0 }",
            "unbounded_select.bytes",
            "write 1",
        ),
        (
            "wide_rows = { rows = 51 }",
            "wide_rows.rows = 51",
            "write 2 to 50",
        ),
        (
            "wide_rows = { columns = 0 }",
            "wide_rows.columns",
            "write 1",
        ),
        (
            "deep_offset = { offset = 0 }",
            "deep_offset.offset",
            "write 1",
        ),
        (
            "deep_offset = { critical = 9 }",
            "deep_offset.critical",
            "write 1000",
        ),
        (
            "random_order = { threshold = \"0s\" }",
            "random_order.threshold",
            "\"20ms\"",
        ),
        (
            "huge_in_list = { members = 1 }",
            "huge_in_list.members = 1",
            "write 2",
        ),
        (
            "count_then_fetch = { warning = 0 }",
            "count_then_fetch.warning",
            "write 1",
        ),
        (
            "non_sargable = { threshold = \"0s\" }",
            "non_sargable.threshold",
            "\"20ms\"",
        ),
        (
            "slow_request = { pause = \"0s\" }",
            "slow_request.pause",
            "\"1s\"",
        ),
        (
            "slow_request = { threshold = \"9s\" }",
            "slow_request.critical",
            "\"9s\" or more",
        ),
        (
            "slow_request = { longest = \"1s\" }",
            "slow_request.longest",
            "\"5s\" or more",
        ),
        (
            "slow_request = { allow = { tables = [\"lib_book\"] } }",
            "slow_request.allow",
            "write routes",
        ),
    ] {
        let error = refusal(text);
        assert!(error.starts_with("detectors."), "{error}");
        assert!(error.contains(key) && error.contains(instead), "{error}");
    }
}

#[test]
fn unknown_keys_are_refused() {
    for text in ["n_plus_two = {}", "slow_query = { treshold = \"1s\" }"] {
        assert!(toml::from_str::<Settings>(text).is_err(), "{text}");
    }
}
