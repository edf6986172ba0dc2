//! Valid conversations: a client that does what drivers do, a server that answers as PostgreSQL does, and what a
//! profiler has to make of it.
//!
//! The server's rules are those of `src/backend/tcop/postgres.c` and of the manual, "Message Flow", written down a
//! second time and from its own point of view: it has statements and portals, where the profiler has only bytes.

mod client;
mod request;
mod run;
mod server;
mod sql;

pub use client::converse;

use libfuzzer_sys::arbitrary::Unstructured;

/// Who sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    Client,
    Server,
}

/// One message, or what takes the place of one.
#[derive(Clone)]
pub struct Step {
    pub side: Side,
    pub bytes: Vec<u8>,
    /// Of the server's: how many of the client's have to be there before its first byte.
    pub after: usize,
}

/// How a query ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ended {
    Complete,
    Empty,
    Suspended,
    Error,
    Lost,
}

/// A query as a profiler has to report it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Expected {
    pub ended: Ended,
    pub rows: u64,
    /// Of its rows and COPY data; open where it failed.
    pub bytes: u64,
    /// Its normalised text. `None` where that is open: the server knows no statement of the name.
    pub statement: Option<String>,
}

/// A conversation from the startup packet to the end of the connection.
#[derive(Default)]
pub struct Conversation {
    pub steps: Vec<Step>,
    pub queries: Vec<Expected>,
    /// The server owes nothing at the end.
    pub answered: bool,
}

impl Conversation {
    fn client(&mut self, bytes: Vec<u8>) {
        self.steps.push(Step {
            side: Side::Client,
            bytes,
            after: 0,
        });
    }

    fn server(&mut self, bytes: Vec<u8>, after: usize) {
        self.steps.push(Step {
            side: Side::Server,
            bytes,
            after,
        });
    }
}

/// What the input decides. Where it is used up, everything takes its usual course.
pub struct Choices<'b>(Unstructured<'b>);

impl<'b> Choices<'b> {
    pub fn new(bytes: &'b [u8]) -> Self {
        Self(Unstructured::new(bytes))
    }

    /// Less than `count`; 0 at the end of the input.
    pub fn below(&mut self, count: usize) -> usize {
        self.0.int_in_range(0..=count.max(1) - 1).unwrap_or(0)
    }

    /// Once in so many times.
    pub fn once_in(&mut self, count: usize) -> bool {
        self.below(count) == count - 1
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A message of these parts.
pub fn message(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length = 4 + parts.iter().map(|part| part.len()).sum::<usize>() as u32;
    let mut bytes = vec![tag];
    bytes.extend_from_slice(&length.to_be_bytes());
    parts.iter().for_each(|part| bytes.extend_from_slice(part));
    bytes
}
