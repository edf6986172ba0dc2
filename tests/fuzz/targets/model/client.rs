//! A client: what it sends, how far ahead of the answers, and how it ends.

use super::request::{HAS_DATA, Request};
use super::server::Server;
use super::sql::{Effect, NAMES, Text, effective, plain, several};
use super::{Choices, Conversation, message};
use std::collections::VecDeque;

/// So that no statement in flight is too far back to be looked for (`LOOK_BACK` of the session).
const MAX_AHEAD: usize = 100;

struct Talk<'c, 'b> {
    choices: &'c mut Choices<'b>,
    conversation: Conversation,
    server: Server,
    /// Sent, and not yet read by the server.
    inbox: VecDeque<Request>,
    sent: usize,
}

/// A conversation of at most so many units, such as a query or a batch.
pub fn converse(choices: &mut Choices<'_>, units: usize) -> Conversation {
    let mut talk = Talk {
        choices,
        conversation: Conversation::default(),
        server: Server::new(),
        inbox: VecDeque::new(),
        sent: 0,
    };
    talk.startup();
    for _ in 0..units {
        if talk.choices.is_empty() {
            break;
        }
        talk.unit();
        if talk.inbox.len() > MAX_AHEAD {
            talk.drain();
        }
    }
    talk.end();
    talk.conversation
}

impl Talk<'_, '_> {
    fn raw(&mut self, bytes: Vec<u8>) {
        self.sent += 1;
        self.conversation.client(bytes);
    }

    fn answer(&mut self, bytes: Vec<u8>) {
        self.conversation
            .server(bytes, self.sent - self.inbox.len());
    }

    fn startup(&mut self) {
        for code in [80_877_103_u32, 80_877_104] {
            if self.choices.once_in(4) {
                self.raw([8_u32.to_be_bytes(), code.to_be_bytes()].concat());
                self.answer(b"N".to_vec());
            }
        }
        let names: &[u8] = match self.choices.below(3) {
            0 => b"user\0web\0database\0shop\0application_name\0django\0\0",
            1 => b"user\0web\0\0",
            _ => b"user\0task\0database\0shop\0replication\0database\0\0",
        };
        let length = (8 + names.len() as u32).to_be_bytes();
        self.raw([&length[..], &[0, 3, 0, 0], names].concat());
        if self.choices.once_in(3) {
            self.answer(message(b'R', &[b"\0\0\0\x0aSCRAM-SHA-256\0\0"]));
            self.raw(message(b'p', &[b"SCRAM-SHA-256\0\0\0\0\x04zqxj"]));
            self.answer(message(b'R', &[b"\0\0\0\x0bzqxj"]));
            self.raw(message(b'p', &[b"zqxj"]));
            self.answer(message(b'R', &[b"\0\0\0\x0czqxj"]));
        }
        self.answer(message(b'R', &[&[0; 4]]));
        self.answer(message(b'S', &[b"standard_conforming_strings\0on\0"]));
        self.answer(message(b'K', &[&[7; 8]]));
        self.answer(message(b'Z', &[b"I"]));
    }

    fn send(&mut self, request: Request) {
        self.raw(request.encode());
        self.inbox.push_back(request);
    }

    /// The server reads a message and answers it.
    fn serve(&mut self) {
        let Some(request) = self.inbox.pop_front() else {
            return;
        };
        self.server.take(&request, self.choices);
        for reply in std::mem::take(&mut self.server.replies) {
            self.answer(reply);
        }
    }

    fn drain(&mut self) {
        while !self.inbox.is_empty() {
            self.serve();
        }
    }

    fn name(&mut self) -> &'static str {
        // Mostly the unnamed one.
        let lots = NAMES.len() + 3;
        NAMES[self.choices.below(lots).saturating_sub(3)]
    }

    fn unit(&mut self) {
        match self.choices.below(16) {
            0 | 1 => {
                let text = several(self.choices);
                self.send(Request::Query(text));
            }
            2 | 3 => {
                for _ in 0..=self.choices.below(5) {
                    self.extended();
                }
                self.send(Request::Sync);
            }
            4 => self.extended(),
            5 => self.send(Request::Sync),
            6 => self.send(Request::FunctionCall),
            7 => self.copy(),
            8 => self.effective(),
            9 | 10 => self.repeat(),
            11 | 12 => {
                for _ in 0..=self.choices.below(8) {
                    self.serve();
                }
            }
            _ => self.drain(),
        }
    }

    fn extended(&mut self) {
        let (statement, portal) = (self.name(), self.name());
        match self.choices.below(10) {
            0..4 => {
                let text = several(self.choices);
                self.send(Request::Parse(statement, text));
                self.send(Request::Bind(portal, statement, 0));
                if self.choices.below(2) == 0 {
                    self.send(Request::DescribePortal(portal));
                }
                let limit = self.choices.below(4) as u8;
                self.send(Request::Execute(portal, limit));
            }
            4 => {
                let text = several(self.choices);
                self.send(Request::Parse(statement, text));
            }
            5 => {
                let value = self.choices.below(3) as u8;
                self.send(Request::Bind(portal, statement, value));
                if self.choices.below(2) == 0 {
                    self.send(Request::Execute(portal, 0));
                }
            }
            6 => {
                let limit = self.choices.below(4) as u8;
                self.send(Request::Execute(portal, limit));
            }
            7 => self.send(Request::DescribeStatement(statement)),
            8 => match self.choices.below(2) {
                0 => self.send(Request::CloseStatement(statement)),
                _ => self.send(Request::ClosePortal(portal)),
            },
            _ => self.send(Request::Flush),
        }
    }

    /// A loop, or `executemany`.
    fn repeat(&mut self) {
        let (times, many) = (3 + self.choices.below(30), self.choices.below(2) == 1);
        let (sql, effect) = plain(self.choices);
        if !many {
            for number in 0..times {
                let sql = sql.replace("zqxj", &format!("zqxj{number}"));
                self.send(Request::Query(Text::one(sql, effect.clone())));
                self.drain();
            }
            return;
        }
        self.send(Request::Parse("", Text::one(sql, effect)));
        for number in 0..times {
            self.send(Request::Bind("", "", number as u8));
            self.send(Request::Execute("", 0));
        }
        self.send(Request::Sync);
    }

    /// A COPY; the client waits for the server to want its data, or does not.
    fn copy(&mut self) {
        let simple = self.choices.below(2) == 0;
        let from = ("COPY t FROM STDIN".to_owned(), Effect::CopyIn);
        let fails = self.choices.once_in(4);
        // A Sync that the server does not read while it copies.
        let swallowed = !simple && self.choices.below(2) == 1;
        let copies = if simple { 1 + self.choices.below(2) } else { 1 };
        if simple {
            let mut parts = vec![from; copies];
            parts.extend((0..self.choices.below(2)).map(|_| plain(self.choices)));
            if self.choices.once_in(4) {
                parts.insert(0, ("COPY t TO STDOUT".into(), Effect::CopyOut));
            }
            self.send(Request::Query(Text::new(&parts, "")));
        } else {
            self.send(Request::Parse("", Text::new(&[from], "")));
            self.send(Request::Bind("", "", 0));
            self.send(Request::Execute("", HAS_DATA));
            if swallowed {
                self.send(Request::Sync);
            }
        }
        let waits = self.choices.below(2) == 0;
        for number in 0..copies {
            if waits {
                self.drain();
                if !self.server.is_copying() {
                    break;
                }
            }
            for _ in 0..self.choices.below(4) {
                self.send(Request::CopyData(true));
            }
            let last = number + 1 == copies;
            match fails && last {
                true if self.choices.below(2) == 0 => self.send(Request::CopyFail),
                true => {
                    self.send(Request::CopyData(false));
                    self.send(Request::CopyDone);
                }
                false => self.send(Request::CopyDone),
            }
        }
        if !simple {
            self.send(Request::Sync);
        }
    }

    /// SQL that changes names is waited for: what is sent behind it could not know what the names mean.
    fn effective(&mut self) {
        self.drain();
        let text = effective(self.choices);
        let both = text.effects.first() == Some(&Effect::CopyBoth);
        if both || self.choices.below(2) == 0 {
            self.send(Request::Query(text));
            self.drain();
            if self.server.is_copying() {
                for _ in 0..self.choices.below(3) {
                    self.send(Request::CopyData(true));
                }
                self.send(Request::CopyDone);
            }
        } else {
            self.send(Request::Parse("", text));
            self.send(Request::Bind("", "", 0));
            self.send(Request::Execute("", 0));
            self.send(Request::CloseStatement(""));
            self.send(Request::Sync);
        }
        self.drain();
    }

    fn end(&mut self) {
        let ending = self.choices.below(5);
        if ending == 4 {
            let left: Vec<_> = self.inbox.drain(..).collect();
            self.server.lose(&left);
        } else {
            self.drain();
            // A batch that was never synced owes nothing either.
            self.conversation.answered = !self.server.is_copying();
        }
        match ending {
            2 => {
                self.raw(Request::Terminate.encode());
            }
            3 => {
                let fatal = b"SFATAL\0VFATAL\0C57P01\0Mzqxj\0\0";
                self.answer(message(b'E', &[fatal]));
            }
            _ => {}
        }
        self.conversation.queries = std::mem::take(&mut self.server.queries);
    }
}
