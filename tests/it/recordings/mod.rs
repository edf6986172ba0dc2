//! Conversations with PostgreSQL 12 to 18 as they were had, and the events that a session makes of them.
//!
//! Each is fed to a session message by message, in one piece for each turn, byte by byte, and once for every place at
//! which either side's bytes can be cut: the events must be the same, and those that are written beside it.
//! `UPDATE=1 cargo test recordings` writes the `=` lines anew; read the difference before you commit it.

mod format;
mod turns;

use crate::transcripts::show;
use format::{Conversation, Recording, Said};
use pgscope::session::{Event, Session, TransactionStatus};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use turns::{Turn, cut, turns};

/// An event with what does not show in a transcript, for people.
fn line(event: &Event<'_>) -> Option<String> {
    let mut line = show(event)?;
    if let Event::Query(query) = event {
        let status = match query.status_before {
            TransactionStatus::Idle => "",
            TransactionStatus::InTransaction => " | in transaction",
            TransactionStatus::Failed => " | failed",
        };
        line.push_str(status);
        if query.literals != 0 {
            _ = write!(line, " | literals {:016x}", query.literals);
        }
        if !query.comment.is_empty() {
            _ = write!(line, " | comment {}", query.comment.escape_ascii());
        }
    }
    Some(line)
}

/// What a session holds of a conversation that is about to end.
fn end(session: &Session) -> &'static str {
    if session.is_owed() {
        "= an answer is owed\n"
    } else if session.is_terminated() {
        "= ended in order\n"
    } else if session.is_quiet() {
        "= quiet\n"
    } else {
        "= in the middle of a message\n"
    }
}

/// The lines of a conversation with the events that each of them gives, and how many there are of each kind that the
/// suite of the sequences counts at a running pgscope.
fn golden(conversation: &Conversation) -> (String, Vec<String>) {
    let turns = turns(conversation);
    let mut times = turns
        .iter()
        .flat_map(|turn| turn.messages.iter().map(|_| turn.at));
    let mut session = Session::new();
    let mut out = String::new();
    let (mut queries, mut losses) = (0, Vec::<String>::new());
    for said in &conversation.lines {
        _ = writeln!(out, "{}", said.text);
        let mut left = "";
        let mut sink = |event: Event<'_>| {
            match &event {
                Event::Query(_) => queries += 1,
                Event::Blind { reason } => losses.push(format!("blind {}", reason.as_str())),
                Event::Dropped { reason } => losses.push(format!("dropped {reason}")),
                _ => {}
            }
            if let Some(line) = line(&event) {
                _ = writeln!(out, "= {line}");
            }
        };
        for said in &said.said {
            let at = times.next().unwrap();
            match said {
                Said::Frontend(bytes) => session.frontend(bytes, at, &mut sink),
                Said::Backend(bytes) => session.backend(bytes, at, 0, &mut sink),
                Said::Close => {
                    left = end(&session);
                    session.close(at, &mut sink);
                }
            }
        }
        out.push_str(left);
    }
    let mut counts = vec![format!("{queries} queries")];
    losses.sort();
    for group in losses.chunk_by(|one, other| one == other) {
        counts.push(format!("{} {}", group.len(), group[0]));
    }
    (out, counts)
}

/// A file with its `=` lines made anew.
fn made(recording: &Recording) -> String {
    let mut text = format!("{}\n", recording.title);
    for conversation in &recording.conversations {
        let majors: Vec<String> = conversation.majors.iter().map(u32::to_string).collect();
        let (lines, counts) = golden(conversation);
        assert_eq!(
            counts,
            conversation.counts,
            "{} of {}: what the session counts is not what the case expects:\n{lines}",
            recording.name(),
            majors.join(", ")
        );
        _ = write!(
            text,
            "\nmajors {}\ncounts {}\n{lines}",
            majors.join(" "),
            conversation.counts.join(", ")
        );
    }
    text
}

#[test]
fn recorded_conversations_give_the_written_events() {
    let update = std::env::var_os("UPDATE").is_some();
    let mut wrong = Vec::new();
    for recording in format::all() {
        let made = made(&recording);
        if made == recording.text {
            continue;
        }
        if update {
            std::fs::write(&recording.path, made).unwrap();
        } else {
            wrong.push(format!("{} now gives:\n{made}", recording.name()));
        }
    }
    assert!(
        wrong.is_empty(),
        "{}\nIf this is right: UPDATE=1 cargo test recordings",
        wrong.join("\n")
    );
}

#[test]
fn a_cut_anywhere_changes_no_event() {
    let recordings = format::all();
    let (next, cuts) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let conversations: Vec<(String, Vec<Turn>)> = recordings
        .iter()
        .flat_map(|recording| {
            recording.conversations.iter().map(|conversation| {
                let name = format!("{} of {:?}", recording.name(), conversation.majors);
                (name, turns(conversation))
            })
        })
        .collect();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((name, turns)) =
                    conversations.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    cuts.fetch_add(cut(name, turns), Ordering::Relaxed);
                }
            });
        }
    });
    println!(
        "{} conversations, cut in {cuts:?} ways",
        conversations.len()
    );
}

#[test]
fn every_major_version_is_recorded() {
    let recordings = format::all();
    for major in 12..=18 {
        let count = recordings
            .iter()
            .flat_map(|recording| &recording.conversations)
            .filter(|conversation| conversation.majors.contains(&major))
            .count();
        assert!(
            count >= 150,
            "PostgreSQL {major}: only {count} conversations"
        );
    }
}

#[test]
fn each_lesson_names_cases_that_there_are() {
    let suites = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suites");
    let cases = std::fs::read_to_string(suites.join("sequences/cases.py")).unwrap();
    let readme = std::fs::read_to_string(suites.join("README.md")).unwrap();
    let (_, lessons) = readme.split_once("## Lessons of others").unwrap();
    let names: Vec<&str> = lessons.split('"').skip(1).step_by(2).collect();
    assert!(names.len() > 50, "only {} cases are named", names.len());
    for name in names {
        assert!(
            cases.contains(&format!("Case(\"{name}\"")),
            "there is no case {name}"
        );
    }
}
