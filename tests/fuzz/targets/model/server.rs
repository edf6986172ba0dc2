//! A server: takes one message after the other and answers.

use super::request::{HAS_DATA, Request};
use super::sql::{Effect, Text};
use super::{Choices, Ended, Expected, message};
use std::collections::HashMap;
use std::rc::Rc;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Fresh,
    Suspended,
    Done,
}

pub(super) struct Portal {
    pub(super) text: Rc<Text>,
    pub(super) state: State,
}

/// A text that is being run; a COPY waits for data in the middle of it.
pub(super) struct Running {
    pub(super) text: Rc<Text>,
    pub(super) next: usize,
    pub(super) simple: bool,
    pub(super) copied: u64,
}

/// The server's side of a connection.
pub struct Server {
    pub replies: Vec<Vec<u8>>,
    pub queries: Vec<Expected>,
    pub(super) statements: HashMap<&'static str, Rc<Text>>,
    pub(super) portals: HashMap<&'static str, Portal>,
    pub(super) status: u8,
    /// Everything up to the next Sync is discarded.
    pub skipping: bool,
    pub(super) copying: Option<Running>,
    /// Of rows and COPY data since the last query ended.
    pub(super) bytes: u64,
}

impl Server {
    pub fn new() -> Self {
        Self {
            replies: Vec::new(),
            queries: Vec::new(),
            statements: HashMap::new(),
            portals: HashMap::new(),
            status: b'I',
            skipping: false,
            copying: None,
            bytes: 0,
        }
    }

    pub fn is_copying(&self) -> bool {
        self.copying.is_some()
    }

    pub fn take(&mut self, request: &Request, choices: &mut Choices<'_>) {
        if self.copying.is_some() {
            return self.copy(request, choices);
        }
        if self.skipping && !matches!(request, Request::Sync) {
            return;
        }
        match request {
            Request::Query(text) => self.query(text, choices),
            Request::Parse(name, text) => self.parse(*name, text, choices),
            Request::Bind(portal, statement, _) => self.bind(*portal, statement, choices),
            Request::DescribeStatement(name) => match self.statements.contains_key(name) {
                true => {
                    self.reply(b't', &[0, 0], choices);
                    self.describe(choices);
                }
                false => self.fail(false, b"26000", choices),
            },
            Request::DescribePortal(name) => match self.portals.contains_key(name) {
                true => self.describe(choices),
                false => self.fail(false, b"34000", choices),
            },
            Request::Execute(portal, limit) => self.execute(*portal, u64::from(*limit), choices),
            Request::CloseStatement(name) => {
                self.statements.remove(name);
                self.reply(b'3', b"", choices);
            }
            Request::ClosePortal(name) => {
                self.portals.remove(name);
                self.reply(b'3', b"", choices);
            }
            Request::Sync => {
                if !self.skipping && choices.once_in(16) {
                    // A deferred constraint.
                    self.fail(false, b"23503", choices);
                }
                self.skipping = false;
                self.ready(choices);
            }
            Request::FunctionCall => {
                let failed = self.status == b'E' || choices.once_in(8);
                match failed {
                    true => self.failed(None, b"42883", choices),
                    false => {
                        self.reply(b'V', &[0xff; 4], choices);
                        self.ended(Ended::Complete, 0, None);
                    }
                }
                self.ready(choices);
            }
            Request::Flush
            | Request::CopyData(_)
            | Request::CopyDone
            | Request::CopyFail
            | Request::Terminate => {}
        }
    }

    /// What the connection's end leaves unanswered, `rest` not even read.
    pub fn lose(&mut self, rest: &[Request]) {
        if let Some(copying) = self.copying.take() {
            self.ended(
                Ended::Lost,
                0,
                copying.text.normal.get(copying.next).cloned(),
            );
        }
        for request in rest {
            match request {
                Request::Sync => self.skipping = false,
                Request::Query(_) | Request::Execute(..) | Request::FunctionCall
                    if !self.skipping =>
                {
                    self.ended(Ended::Lost, 0, None);
                }
                _ => {}
            }
        }
    }

    /// Says something; at times the server speaks of other things first.
    pub(super) fn reply(&mut self, tag: u8, body: &[u8], choices: &mut Choices<'_>) {
        match choices.below(24) {
            22 => self
                .replies
                .push(message(b'N', &[b"SNOTICE\0VNOTICE\0C00000\0Mzqxj\0\0"])),
            23 => self.replies.push(message(b'S', &[b"TimeZone\0UTC\0"])),
            _ => {}
        }
        if matches!(tag, b'D' | b'd') {
            self.bytes += body.len() as u64;
        }
        self.replies.push(message(tag, &[body]));
    }

    pub(super) fn ended(&mut self, ended: Ended, rows: u64, statement: Option<String>) {
        let bytes = std::mem::take(&mut self.bytes);
        self.queries.push(Expected {
            ended,
            rows,
            bytes,
            statement,
        });
    }

    fn error(&mut self, sqlstate: &[u8; 5], choices: &mut Choices<'_>) {
        let body = [b"SERROR\0VERROR\0C", &sqlstate[..], b"\0Mzqxj\0\0"].concat();
        self.reply(b'E', &body, choices);
        match self.status {
            b'I' => self.portals.clear(),
            _ => self.status = b'E',
        }
    }

    /// An error in the extended protocol: of a query, or of what is none.
    fn fail(&mut self, query: bool, sqlstate: &[u8; 5], choices: &mut Choices<'_>) {
        if query {
            self.ended(Ended::Error, 0, None);
        }
        self.error(sqlstate, choices);
        self.skipping = true;
    }

    /// An error of a query or function call.
    pub(super) fn failed(
        &mut self,
        statement: Option<String>,
        sqlstate: &[u8; 5],
        choices: &mut Choices<'_>,
    ) {
        self.ended(Ended::Error, 0, statement);
        self.error(sqlstate, choices);
    }

    pub(super) fn ready(&mut self, choices: &mut Choices<'_>) {
        if self.status == b'I' {
            self.portals.clear();
        }
        self.reply(b'Z', &[self.status], choices);
        if self.status == b'I' && choices.once_in(16) {
            self.replies
                .push(message(b'A', &[b"\0\0\0\x01channel\0zqxj\0"]));
        }
    }

    fn describe(&mut self, choices: &mut Choices<'_>) {
        match choices.below(2) {
            0 => self.reply(b'T', &[0, 0], choices),
            _ => self.reply(b'n', b"", choices),
        }
    }

    fn parse(&mut self, name: &'static str, text: &Rc<Text>, choices: &mut Choices<'_>) {
        if name.is_empty() {
            self.statements.remove(name);
        }
        if self.statements.contains_key(name) {
            return self.fail(true, b"42P05", choices);
        }
        if text.effects.len() > 1 || self.refuses(text.effects.first()) || choices.once_in(12) {
            return self.fail(true, b"42601", choices);
        }
        self.statements.insert(name, Rc::clone(text));
        self.reply(b'1', b"", choices);
    }

    fn bind(&mut self, portal: &'static str, statement: &str, choices: &mut Choices<'_>) {
        let Some(text) = self.statements.get(statement).cloned() else {
            return self.fail(true, b"26000", choices);
        };
        let taken = !portal.is_empty() && self.portals.contains_key(portal);
        if taken || self.refuses(text.effects.first()) || choices.once_in(16) {
            return self.fail(true, b"42P03", choices);
        }
        self.portals.insert(
            portal,
            Portal {
                text,
                state: State::Fresh,
            },
        );
        self.reply(b'2', b"", choices);
    }

    /// In a failed transaction nothing runs but its end.
    pub(super) fn refuses(&self, effect: Option<&Effect>) -> bool {
        self.status == b'E' && !matches!(effect, None | Some(Effect::Commit | Effect::Rollback))
    }

    fn execute(&mut self, name: &'static str, limit: u64, choices: &mut Choices<'_>) {
        let Some(portal) = self.portals.get_mut(name) else {
            return self.fail(true, b"34000", choices);
        };
        let (text, state) = (Rc::clone(&portal.text), portal.state);
        let effect = text.effects.first().cloned();
        let rows = matches!(effect, Some(Effect::Select | Effect::Declare(_)));
        let again = state == State::Done && !rows;
        let dataless = effect == Some(Effect::CopyIn) && limit != u64::from(HAS_DATA);
        portal.state = State::Done;
        if again || dataless || self.refuses(effect.as_ref()) || choices.once_in(16) {
            return self.fail(true, b"55000", choices);
        }
        let statement = text.normal.first().cloned();
        if effect.is_none() {
            self.reply(b'I', b"", choices);
            return self.ended(Ended::Empty, 0, statement);
        }
        // A cursor of a DECLARE, rather than the DECLARE itself.
        let is_cursor = matches!(effect, Some(Effect::Declare(cursor)) if cursor == name);
        if rows && (is_cursor || effect == Some(Effect::Select)) {
            let left = if state == State::Done {
                0
            } else {
                choices.below(6) as u64
            };
            let suspends = limit > 0 && left >= limit;
            let sent = if suspends { limit } else { left };
            (0..sent).for_each(|_| self.reply(b'D', b"\0\x01\0\0\0\x04zqxj", choices));
            if suspends {
                self.portals
                    .entry(name)
                    .and_modify(|portal| portal.state = State::Suspended);
                self.reply(b's', b"", choices);
            } else {
                self.complete(&format!("SELECT {sent}"), choices);
            }
            let ended = if suspends {
                Ended::Suspended
            } else {
                Ended::Complete
            };
            return self.ended(ended, sent, statement);
        }
        self.run(
            Running {
                text,
                next: 0,
                simple: false,
                copied: 0,
            },
            choices,
        );
    }

    fn query(&mut self, text: &Rc<Text>, choices: &mut Choices<'_>) {
        self.statements.remove("");
        self.portals.remove("");
        if text.effects.is_empty() {
            self.reply(b'I', b"", choices);
            self.ended(Ended::Empty, 0, text.normal.first().cloned());
            return self.ready(choices);
        }
        if choices.once_in(16) {
            self.failed(text.normal.first().cloned(), b"42601", choices);
            return self.ready(choices);
        }
        self.run(
            Running {
                text: Rc::clone(text),
                next: 0,
                simple: true,
                copied: 0,
            },
            choices,
        );
    }
}
