//! Conversations as turns of either side, and the ways to cut them.

use super::end;
use super::format::{Conversation, Said};
use pgscope::session::{At, Event, Session};
use std::fmt::Write as _;

/// A longer conversation, bytes, is cut around the beginnings of its messages only.
const LONG: usize = 4096;
/// Where a message begins and how its length is read: these many bytes before and behind.
const AROUND: usize = 8;
/// Cuts of the startup that all conversations share are made in the one that is about it.
const STARTUP: &str = "startup";

/// What one side says before the other does, and where its messages begin.
pub struct Turn {
    said: Said,
    pub at: At,
    pub messages: Vec<usize>,
    /// Its cuts are made elsewhere.
    shared: bool,
}

/// A conversation as turns, a millisecond each.
pub fn turns(conversation: &Conversation) -> Vec<Turn> {
    let mut turns: Vec<Turn> = Vec::new();
    for line in &conversation.lines {
        let shared = line.text == STARTUP;
        for said in &line.said {
            if let Some(turn) = turns.last_mut().filter(|turn| turn.shared == shared) {
                let (so_far, more) = match (&mut turn.said, said) {
                    (Said::Frontend(so_far), Said::Frontend(more))
                    | (Said::Backend(so_far), Said::Backend(more)) => (so_far, more),
                    _ => {
                        push(&mut turns, said, shared);
                        continue;
                    }
                };
                turn.messages.push(so_far.len());
                so_far.extend_from_slice(more);
            } else {
                push(&mut turns, said, shared);
            }
        }
    }
    turns
}

fn push(turns: &mut Vec<Turn>, said: &Said, shared: bool) {
    let at = At(1_000_000 * (turns.len() as u64 + 1));
    turns.push(Turn {
        said: said.clone(),
        at,
        messages: vec![0],
        shared,
    });
}

fn feed(session: &mut Session, front: bool, bytes: &[u8], at: At, sink: &mut dyn FnMut(Event<'_>)) {
    if front {
        session.frontend(bytes, at, sink);
    } else {
        session.backend(bytes, at, 0, sink);
    }
}

/// All there is to the events, with the bytes of each turn cut at the places that `places` says, in their order; it is
/// told which turn and its length.
fn play(turns: &[Turn], places: impl Fn(usize, usize) -> Vec<usize>) -> String {
    let mut session = Session::new();
    let mut events = String::new();
    let mut sink = |event: Event<'_>| _ = writeln!(events, "{event:?}");
    for (index, turn) in turns.iter().enumerate() {
        let (front, bytes) = match &turn.said {
            Said::Frontend(bytes) => (true, bytes),
            Said::Backend(bytes) => (false, bytes),
            Said::Close => {
                let left = end(&session);
                session.close(turn.at, &mut sink);
                events.push_str(left);
                break;
            }
        };
        let mut start = 0;
        for end in places(index, bytes.len()).into_iter().chain([bytes.len()]) {
            feed(&mut session, front, &bytes[start..end], turn.at, &mut sink);
            start = end;
        }
    }
    events
}

/// Every way to cut a conversation gives the same events; returns in how many ways it was cut.
pub fn cut(name: &str, turns: &[Turn]) -> usize {
    let whole = play(turns, |_, _| Vec::new());
    let same = |events: String, how: &dyn Fn() -> String| {
        assert_eq!(events, whole, "{name}, {}", how());
    };
    let messages = play(turns, |turn, _| turns[turn].messages[1..].to_vec());
    same(messages, &|| "message by message".into());
    let bytes = play(turns, |_, length| (1..length).collect());
    same(bytes, &|| "byte by byte".into());
    let size: usize = turns.iter().map(Turn::length).sum();
    let mut cuts = 0;
    for (index, turn) in turns.iter().enumerate().filter(|(_, turn)| !turn.shared) {
        for at in 1..turn.length().max(1) {
            if size > LONG
                && !turn
                    .messages
                    .iter()
                    .any(|start| start.abs_diff(at) <= AROUND)
            {
                continue;
            }
            let events = play(turns, |which, _| {
                Vec::from_iter((which == index).then_some(at))
            });
            same(events, &|| format!("turn {index} cut at {at}"));
            cuts += 1;
        }
    }
    if size > LONG {
        println!(
            "{name}: {size} bytes, cut around the beginnings of its messages and byte by byte"
        );
    }
    cuts + 2
}

impl Turn {
    fn length(&self) -> usize {
        match &self.said {
            Said::Frontend(bytes) | Said::Backend(bytes) => bytes.len(),
            Said::Close => 0,
        }
    }
}
