//! What the Markdown files point at is there: files, headings, images, and the paths they name in code.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

/// Folders whose paths the documents name from the root of the project.
const NAMED: [&str; 6] = [
    "benches/",
    "docker/",
    "docs/",
    "proxy-config/",
    "src/",
    "tests/",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn documents() -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && !name.starts_with('.') && name != "target" && name != "node_modules"
            {
                folders.push(path);
            } else if name.ends_with(".md") {
                let text = std::fs::read_to_string(&path).unwrap();
                found.insert(path.strip_prefix(root()).unwrap().to_owned(), text);
            }
        }
    }
    found
}

/// Lines outside of fenced code.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut fenced = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    })
}

/// The parts of a line in backquotes, and the line without them.
fn code_spans(line: &str) -> (Vec<&str>, String) {
    let (mut spans, mut rest, mut plain) = (Vec::new(), line, String::new());
    while let Some((before, after)) = rest.split_once('`') {
        let Some((span, next)) = after.split_once('`') else {
            break;
        };
        plain += before;
        // A link may have nothing but code for its text.
        plain.push('`');
        spans.push(span);
        rest = next;
    }
    (spans, plain + rest)
}

/// Targets of `[text](target)` and `![text](target)`.
fn targets(line: &str) -> Vec<String> {
    let (_, plain) = code_spans(line);
    let ends = plain.match_indices("](");
    ends.filter_map(|(at, _)| {
        let target = plain[at + 2..].split(')').next()?;
        Some(target.split(' ').next()?.to_owned())
    })
    .collect()
}

/// The anchors of a document, as GitHub makes them: a heading in small letters, punctuation left out, blanks as
/// hyphens, a number behind what comes twice.
fn anchors(text: &str) -> Vec<String> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut found = Vec::new();
    for line in prose(text) {
        let heading = line.trim_start_matches('#');
        if heading.len() == line.len() || !heading.starts_with(' ') {
            continue;
        }
        let kept = |letter: &char| letter.is_alphanumeric() || "-_ ".contains(*letter);
        let words = heading.trim().to_lowercase();
        let anchor: String = words.chars().filter(kept).collect();
        let anchor = anchor.replace(' ', "-");
        let before = seen.entry(anchor.clone()).or_default();
        found.push(match *before {
            0 => anchor,
            number => format!("{anchor}-{number}"),
        });
        *before += 1;
    }
    found
}

/// What is wrong with a document.
fn problems(path: &Path, text: &str, documents: &BTreeMap<PathBuf, String>) -> Vec<String> {
    let folder = path.parent().unwrap();
    let mut wrong = Vec::new();
    for line in prose(text) {
        for target in targets(line) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let goal = match file {
                "" => path.to_owned(),
                file => normal(&folder.join(file)),
            };
            if !root().join(&goal).exists() {
                wrong.push(format!("{}: nothing is at `{target}`", path.display()));
            } else if !anchor.is_empty() {
                let read = documents.get(&goal).map(|text| anchors(text));
                if !read.is_some_and(|anchors| anchors.iter().any(|one| one == anchor)) {
                    wrong.push(format!("{}: no heading for `{target}`", path.display()));
                }
            }
        }
        for word in code_spans(line).0.iter().flat_map(|span| span.split(' ')) {
            let word = word.trim_end_matches([',', ';', ':', '.']);
            let is_path = word
                .chars()
                .all(|letter| letter.is_alphanumeric() || "_-./".contains(letter));
            let named = is_path && NAMED.iter().any(|folder| word.starts_with(folder));
            if named && !root().join(word).exists() && !root().join(folder).join(word).exists() {
                wrong.push(format!("{}: `{word}` is not there", path.display()));
            }
        }
    }
    wrong
}

/// A path without `..`.
fn normal(path: &Path) -> PathBuf {
    let mut parts: Vec<&std::ffi::OsStr> = Vec::new();
    for part in path {
        match part.to_str() {
            Some("..") => {
                parts.pop();
            }
            Some(".") => {}
            _ => parts.push(part),
        }
    }
    parts.iter().collect()
}

#[test]
fn what_documents_point_at_is_there() {
    let documents = documents();
    assert!(documents.contains_key(Path::new("README.md")));
    let wrong: Vec<String> = documents
        .iter()
        .flat_map(|(path, text)| problems(path, text, &documents))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_document_can_be_reached_from_the_readme() {
    let documents = documents();
    let mut reached = vec![PathBuf::from("README.md")];
    let mut at = 0;
    while at < reached.len() {
        let path = reached[at].clone();
        at += 1;
        let text = documents.get(&path).map_or("", String::as_str);
        for target in prose(text).flat_map(targets) {
            let file = target.split('#').next().unwrap();
            let goal = normal(&path.parent().unwrap().join(file));
            if documents.contains_key(&goal) && !reached.contains(&goal) {
                reached.push(goal);
            }
        }
    }
    let lost: Vec<&PathBuf> = documents
        .keys()
        .filter(|path| !reached.contains(path))
        .collect();
    assert!(lost.is_empty(), "no link leads to {lost:?}");
}

#[test]
fn what_leads_nowhere_is_noticed() {
    let documents = documents();
    let found = |text: &str| problems(Path::new("docs/tls.md"), text, &documents).len();
    for (text, number) in [
        (
            "[a](operations.md#health), [`b`](../README.md), [c](https://example.com/x)",
            0,
        ),
        ("[a](no.md) and ![b](no.svg)", 2),
        ("[a](operations.md#no-such-heading) [b](#nor-this)", 2),
        ("`src/lib.rs` and `cargo run src/no.rs`, `src/*.rs`", 1),
        ("```\n[a](no.md)\n```\n`[a](no.md)`", 0),
    ] {
        assert_eq!(found(text), number, "{text}");
    }
    let page = "# A `b::c`, (d)!\n## A\n## A\n```\n# no\n```\n#no";
    assert_eq!(anchors(page), ["a-bc-d", "a", "a-1"]);
}
