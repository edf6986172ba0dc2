//! The files of `tests/recordings`, which `tests/suites/sequences/recording.py` writes and describes.

use std::path::{Path, PathBuf};

/// What one side said, or the end.
#[derive(Clone)]
pub enum Said {
    Frontend(Vec<u8>),
    Backend(Vec<u8>),
    Close,
}

/// One line that was said.
pub struct Line {
    pub text: String,
    /// More than one for `startup`.
    pub said: Vec<Said>,
}

/// One way in which a case was answered.
pub struct Conversation {
    pub majors: Vec<u32>,
    /// What the case expects: `3 queries, 1 blind framing`.
    pub counts: Vec<String>,
    pub lines: Vec<Line>,
}

/// One case.
pub struct Recording {
    pub path: PathBuf,
    pub text: String,
    /// Its first line: the name of the case.
    pub title: String,
    pub conversations: Vec<Conversation>,
}

impl Recording {
    pub fn name(&self) -> String {
        self.path.file_stem().unwrap().to_string_lossy().into()
    }
}

/// Reads all of them.
pub fn all() -> Vec<Recording> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings");
    let startup = read(folder.join("startup.txt"), &[]).conversations;
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths.into_iter().map(|path| read(path, &startup)).collect()
}

fn read(path: PathBuf, startup: &[Conversation]) -> Recording {
    let text = std::fs::read_to_string(&path).unwrap();
    let mut conversations: Vec<Conversation> = Vec::new();
    let (title, rest) = text.split_once('\n').unwrap();
    for line in rest.lines() {
        let (mark, words) = line.split_once(' ').unwrap_or((line, ""));
        if mark == "majors" {
            conversations.push(Conversation {
                majors: words.split(' ').map(|word| word.parse().unwrap()).collect(),
                counts: Vec::new(),
                lines: Vec::new(),
            });
            continue;
        }
        let said = match mark {
            "" | "=" => continue,
            "counts" => {
                let section = conversations.last_mut().unwrap();
                section.counts = words.split(", ").map(str::to_owned).collect();
                continue;
            }
            ">" => vec![Said::Frontend(message(words))],
            "<" => vec![Said::Backend(message(words))],
            "close" => vec![Said::Close],
            "startup" => beginning(startup, conversations.last().unwrap().majors[0]),
            _ => panic!("{}: unknown line: {line}", path.display()),
        };
        conversations.last_mut().unwrap().lines.push(Line {
            text: line.to_owned(),
            said,
        });
    }
    Recording {
        title: title.to_owned(),
        conversations,
        path,
        text,
    }
}

/// The startup of a version, without its end.
fn beginning(startup: &[Conversation], major: u32) -> Vec<Said> {
    let with = startup
        .iter()
        .find(|section| section.majors.contains(&major));
    with.unwrap()
        .lines
        .iter()
        .flat_map(|line| line.said.iter().cloned())
        .filter(|said| !matches!(said, Said::Close))
        .collect()
}

/// `Q select 1\0` with its length, or the bytes behind `|` as they are.
fn message(words: &str) -> Vec<u8> {
    let (tag, body) = words.split_once(' ').unwrap_or((words, ""));
    let body = bytes(body);
    if tag == "|" {
        return body;
    }
    let length = (body.len() as u32 + 4).to_be_bytes();
    [tag.as_bytes(), &length, &body].concat()
}

fn bytes(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        if *first != b'\\' {
            out.push(*first);
            continue;
        }
        let (kind, tail) = rest.split_first().unwrap();
        rest = tail;
        out.push(match kind {
            b'0' => 0,
            b'n' => b'\n',
            b'x' => {
                let (digits, tail) = rest.split_at(2);
                rest = tail;
                u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap()
            }
            _ => *kind,
        });
    }
    out
}
