//! The floors of docs/architecture.md, checked: a file imports only from floors below, siblings do not import
//! each other, and nothing below the I/O line touches the outside world.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const FLOORS: [(&str, u8); 17] = [
    ("units", 0),
    ("wire", 0),
    ("sql", 0),
    ("session", 1),
    ("request", 2),
    ("finding", 3),
    ("stats", 4),
    ("detect", 4),
    ("profiler", 5),
    ("proxy", 6),
    ("admin", 6),
    ("explain", 6),
    ("config", 7),
    ("app", 8),
    ("cli", 9),
    ("lib", 10),
    ("main", 10),
];

/// The first floor that may do I/O.
const IO_LINE: u8 = 6;

const OUTSIDE_WORLD: [&str; 12] = [
    "tokio",
    "std::net",
    "std::fs",
    "std::env",
    "std::io",
    "std::process",
    "std::thread",
    "Instant::now",
    "SystemTime::now",
    "tracing::",
    "println!",
    "socket2",
];

const LONGEST_FILE: usize = 400;

fn sources() -> BTreeMap<PathBuf, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let is_test = |path: &Path| is_test(path.strip_prefix(&root).unwrap());
    let mut found = BTreeMap::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") && !is_test(&path) {
                let text = std::fs::read_to_string(&path).unwrap();
                found.insert(path.strip_prefix(&root).unwrap().to_owned(), text);
            }
        }
    }
    found
}

/// A file that is compiled for tests only.
fn is_test(path: &Path) -> bool {
    let tests = ["tests", "tests.rs", "testing.rs", "fixture.rs"];
    path.components()
        .any(|part| tests.iter().any(|name| part.as_os_str() == *name))
}

fn module(path: &Path) -> String {
    let first = path
        .components()
        .next()
        .unwrap()
        .as_os_str()
        .to_string_lossy()
        .into_owned();
    first.trim_end_matches(".rs").to_owned()
}

fn floor(module: &str) -> u8 {
    let known = FLOORS.iter().find(|(name, _)| *name == module);
    known
        .unwrap_or_else(|| {
            panic!("src/{module} has no floor: give it one here and in docs/architecture.md")
        })
        .1
}

/// Code without comments and without the test module at its end.
fn code(text: &str) -> String {
    let test_module = |(at, _): &(usize, &str)| {
        let after = text[*at..]
            .lines()
            .skip_while(|line| line.starts_with("#["));
        after
            .take(1)
            .any(|line| line.starts_with("mod ") && line.ends_with('{'))
    };
    let end = text
        .match_indices("#[cfg(test)]\n")
        .find(test_module)
        .map_or(text.len(), |(at, _)| at);
    text[..end]
        .lines()
        .map(|line| line.split("//").next().unwrap())
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn imports_point_downward() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let own = module(&path);
        if matches!(own.as_str(), "lib" | "main") {
            continue;
        }
        for (at, _) in code(&text).match_indices("crate::") {
            let rest = &code(&text)[at + "crate::".len()..];
            let names: Vec<&str> = match rest.strip_prefix('{') {
                Some(group) => group
                    .split('}')
                    .next()
                    .unwrap()
                    .split(',')
                    .map(str::trim)
                    .collect(),
                None => vec![rest],
            };
            for name in names {
                let name: String = name
                    .chars()
                    .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
                    .collect();
                let known = FLOORS.iter().any(|(module, _)| *module == name);
                if known && name != own && floor(&name) >= floor(&own) {
                    wrong.push(format!("src/{} imports {name}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_core_does_no_input_or_output() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        if floor(&module(&path)) >= IO_LINE {
            continue;
        }
        for word in OUTSIDE_WORLD {
            if code(&text).contains(word) {
                wrong.push(format!("src/{} uses {word}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_stay_short() {
    let long: Vec<String> = sources()
        .iter()
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > LONGEST_FILE)
        .map(|(path, lines)| format!("src/{} has {lines} lines", path.display()))
        .collect();
    assert!(
        long.is_empty(),
        "a file over {LONGEST_FILE} lines is two files:\n{}",
        long.join("\n")
    );
}
