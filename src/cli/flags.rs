//! Flags and environment variables, made from the tree of settings.

use crate::config::{Input, Kind, Leaf, Scalar, Schema, Source, manual, nearest};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, ValueHint, value_parser};
use std::path::PathBuf;

const CONFIG_VARIABLE: &str = "PGSCOPE_CONFIG";

/// Variables of `exec` that are no settings.
const OF_EXEC: [&str; 5] = [
    "PGSCOPE_FAIL_ON",
    "PGSCOPE_MAX_QUERIES",
    "PGSCOPE_BUDGET",
    "PGSCOPE_BASELINE",
    "PGSCOPE_REPORT",
];

/// Flags that the short help shows.
const COMMON: &[&str] = &["listen", "upstream", "admin.listen"];

/// `--config`.
pub fn config() -> Arg {
    Arg::new("config")
        .long("config")
        .short('c')
        .value_name("FILE")
        .value_hint(ValueHint::FilePath)
        .env(CONFIG_VARIABLE)
        .hide_env_values(true)
        .value_parser(value_parser!(PathBuf))
        .help("Configuration file in TOML; without one the defaults hold")
}

/// The variable that named the configuration file, if it was not the flag.
pub fn config_variable(matches: &ArgMatches) -> Option<String> {
    let from_environment = matches.value_source("config") == Some(ValueSource::EnvVariable);
    from_environment.then(|| CONFIG_VARIABLE.to_owned())
}

/// One flag for each key.
pub fn settings(schema: &Schema) -> Vec<Arg> {
    let meanings = manual::meanings();
    // Sorted by section, so that a heading appears once, and in the order of the file within it.
    let mut leaves: Vec<&Leaf> = schema.leaves().collect();
    leaves.sort_by_key(|leaf| {
        (
            leaf.section().starts_with("detectors"),
            leaf.section().to_owned(),
        )
    });
    leaves
        .into_iter()
        .map(|leaf| {
            let meaning = meanings.get(&leaf.path).map_or("", String::as_str);
            let common = COMMON.contains(&leaf.path.as_str());
            let argument = Arg::new(leaf.path.clone())
                .long(leaf.flag())
                .value_name(value_name(leaf))
                .value_hint(value_hint(leaf))
                .env(leaf.variable())
                .hide_env_values(true)
                .allow_negative_numbers(true)
                .help(help(leaf, first_sentence(meaning)))
                .long_help(help(leaf, meaning))
                .hide_short_help(!common);
            if common {
                argument
            } else {
                argument.help_heading(heading(leaf))
            }
        })
        .collect()
}

fn first_sentence(meaning: &str) -> &str {
    let end = meaning.find(". ");
    end.map_or(meaning, |end| &meaning[..=end])
}

fn help(leaf: &Leaf, meaning: &str) -> String {
    match &leaf.default {
        toml::Value::String(text) if text.is_empty() => meaning.to_owned(),
        toml::Value::String(text) => format!("{meaning} [default: {text}]"),
        toml::Value::Array(list) if list.is_empty() => meaning.to_owned(),
        default => format!("{meaning} [default: {default}]"),
    }
}

fn heading(leaf: &Leaf) -> String {
    match leaf.section().split_once('.') {
        Some((first, rest)) => format!("Settings of [{first}.{rest}]"),
        None => format!("Settings of [{}]", leaf.section()),
    }
}

fn value_name(leaf: &Leaf) -> &'static str {
    match leaf.kind {
        Kind::List(_) => "LIST",
        Kind::One(Scalar::Duration) => "DURATION",
        Kind::One(Scalar::Integer | Scalar::Float) => "NUMBER",
        Kind::One(Scalar::Boolean) => "true|false",
        Kind::One(Scalar::Text) if leaf.path.ends_with("listen") => "ADDR",
        Kind::One(Scalar::Text) if leaf.path == "upstream" => "HOST:PORT",
        Kind::One(Scalar::Text) if leaf.path.ends_with("_file") => "FILE",
        Kind::One(Scalar::Text) => "TEXT",
    }
}

/// What a shell may complete.
fn value_hint(leaf: &Leaf) -> ValueHint {
    match value_name(leaf) {
        "FILE" => ValueHint::FilePath,
        _ => ValueHint::Other,
    }
}

/// What the environment and the flags say; an empty variable says nothing.
pub fn inputs(schema: &Schema, matches: &ArgMatches) -> Vec<Input> {
    schema
        .leaves()
        .filter_map(|leaf| {
            // Not every command has every setting.
            let text = matches.try_get_one::<String>(&leaf.path).ok()??.clone();
            let source = match matches.value_source(&leaf.path)? {
                ValueSource::EnvVariable if text.is_empty() => return None,
                ValueSource::EnvVariable => Source::Variable(leaf.variable()),
                _ => Source::Flag(leaf.flag()),
            };
            Some(Input {
                path: leaf.path.clone(),
                text,
                source,
            })
        })
        .collect()
}

/// A warning for each variable that looks like a slip of one of ours. It is no error because others name variables so
/// too: Kubernetes sets `PGSCOPE_PORT` and more in every pod beside a service named `pgscope`.
pub fn strays(schema: &Schema) -> Vec<String> {
    let mut known: Vec<String> = schema.leaves().map(Leaf::variable).collect();
    known.push(CONFIG_VARIABLE.to_owned());
    known.extend(OF_EXEC.map(str::to_owned));
    let mut strays: Vec<String> = std::env::vars_os()
        .filter_map(|(name, _)| name.into_string().ok())
        .filter(|name| name.starts_with("PGSCOPE_") && !known.contains(name))
        .filter_map(|name| {
            let meant = nearest(&name, known.iter().map(String::as_str))?;
            Some(format!(
                "environment variable {name} is not known; did you mean {meant}?"
            ))
        })
        .collect();
    strays.sort();
    strays
}
