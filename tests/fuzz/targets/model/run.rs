//! How the server runs a text: its statements one after the other, a COPY with the client's data.

use super::request::{COPY_DATA, Request};
use super::server::{Portal, Running, Server, State};
use super::sql::Effect;
use super::{Choices, Ended};
use std::rc::Rc;

impl Server {
    /// Runs what is left of a text, up to a COPY that waits for data.
    pub(super) fn run(&mut self, mut running: Running, choices: &mut Choices<'_>) {
        while let Some(effect) = running.text.effects.get(running.next).cloned() {
            let statement = running.text.normal.get(running.next).cloned();
            if self.refuses(Some(&effect)) || choices.once_in(24) || self.cannot(&effect) {
                self.failed(statement, b"22012", choices);
                return match running.simple {
                    true => self.ready(choices),
                    false => self.skipping = true,
                };
            }
            if effect == Effect::CopyIn || effect == Effect::CopyBoth {
                let tag = if effect == Effect::CopyIn { b'G' } else { b'W' };
                self.reply(tag, &[0, 0, 0], choices);
                self.copying = Some(running);
                return;
            }
            let rows = self.effect(&effect, running.simple, choices);
            if let Effect::Declare(cursor) = effect {
                let portal = Portal {
                    text: Rc::clone(&running.text),
                    state: State::Fresh,
                };
                self.portals.insert(cursor, portal);
            }
            self.ended(Ended::Complete, rows, statement);
            running.next += 1;
        }
        if running.simple {
            self.ready(choices);
        }
    }

    /// A cursor needs a transaction and a free name, a prepared statement a free one.
    fn cannot(&self, effect: &Effect) -> bool {
        match effect {
            Effect::Declare(name) => self.status != b'T' || self.portals.contains_key(name),
            Effect::Prepare(name, _) => self.statements.contains_key(name),
            Effect::Deallocate(name) => !self.statements.contains_key(name),
            Effect::DiscardAll => self.status != b'I',
            _ => false,
        }
    }

    pub(super) fn complete(&mut self, tag: &str, choices: &mut Choices<'_>) {
        self.reply(b'C', &[tag.as_bytes(), b"\0"].concat(), choices);
    }

    /// A statement that goes well: its rows.
    fn effect(&mut self, effect: &Effect, simple: bool, choices: &mut Choices<'_>) -> u64 {
        let mut rows = 0;
        let tag = match effect {
            Effect::Select => {
                rows = choices.below(4) as u64;
                if simple {
                    self.reply(b'T', &[0, 0], choices);
                }
                (0..rows).for_each(|_| self.reply(b'D', b"\0\x01\0\0\0\x04zqxj", choices));
                format!("SELECT {rows}")
            }
            Effect::Write => {
                rows = choices.below(4) as u64;
                format!("INSERT 0 {rows}")
            }
            Effect::CopyOut => {
                rows = choices.below(4) as u64;
                self.reply(b'H', &[0, 0, 0], choices);
                (0..rows).for_each(|_| self.reply(b'd', b"zqxj\n", choices));
                self.reply(b'c', b"", choices);
                format!("COPY {rows}")
            }
            Effect::Begin => {
                self.status = b'T';
                "BEGIN".into()
            }
            Effect::Commit | Effect::Rollback => {
                let committed = *effect == Effect::Commit && self.status != b'E';
                self.status = b'I';
                self.portals.clear();
                if committed { "COMMIT" } else { "ROLLBACK" }.into()
            }
            Effect::Set => "SET".into(),
            Effect::Prepare(name, text) => {
                self.statements.insert(name, Rc::clone(text));
                "PREPARE".into()
            }
            Effect::Deallocate(name) => {
                self.statements.remove(name);
                "DEALLOCATE".into()
            }
            Effect::DeallocateAll => {
                self.statements.clear();
                "DEALLOCATE ALL".into()
            }
            Effect::DiscardAll => {
                self.statements.clear();
                self.portals.clear();
                "DISCARD ALL".into()
            }
            Effect::Declare(_) => "DECLARE CURSOR".into(),
            Effect::CopyIn | Effect::CopyBoth => unreachable!("waits for data"),
        };
        self.complete(&tag, choices);
        rows
    }

    pub(super) fn copy(&mut self, request: &Request, choices: &mut Choices<'_>) {
        let Some(mut running) = self.copying.take() else {
            return;
        };
        let both = running.text.effects.get(running.next) == Some(&Effect::CopyBoth);
        let statement = running.text.normal.get(running.next).cloned();
        match request {
            Request::CopyData(true) => {
                running.copied += 1;
                self.bytes += COPY_DATA.len() as u64;
                if both {
                    self.reply(b'd', b"zqxj", choices);
                }
                self.copying = Some(running);
            }
            Request::CopyDone if both => {
                self.reply(b'c', b"", choices);
                self.complete("COPY 0", choices);
                self.complete("START_REPLICATION", choices);
                self.ended(Ended::Complete, 0, statement);
                self.ready(choices);
            }
            Request::CopyDone => {
                self.complete(&format!("COPY {}", running.copied), choices);
                self.ended(Ended::Complete, running.copied, statement);
                running.next += 1;
                self.run(running, choices);
            }
            Request::CopyData(false) | Request::CopyFail => {
                self.failed(statement, b"57014", choices);
                match running.simple {
                    true => self.ready(choices),
                    false => self.skipping = true,
                }
            }
            // Ignored, Sync as well.
            _ => self.copying = Some(running),
        }
    }
}
