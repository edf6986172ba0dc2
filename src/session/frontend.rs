//! Messages from the client.

use super::Sink;
use super::event::At;
use super::owed::Kind;
use super::pairing::{LOOK_BACK, Pairing};
use super::prepared::Text;
use crate::sql::{MAX_KEYS, value};
use crate::wire::{Message, Reader};
use xxhash_rust::xxh3::xxh3_64;

/// Bytes of a statement text that are read.
const TEXT_CAP: usize = 64 * 1024;
/// Bytes of a Bind that are hashed.
const BIND_CAP: usize = 16 * 1024;
/// Names are at most `NAMEDATALEN` where they are identifiers, but statement and portal names may be longer.
const NAME_CAP: usize = 1024;

/// How many body bytes of a frontend message are looked at. Never any of a `p` message: passwords.
pub(super) fn cap(tag: u8) -> usize {
    match tag {
        b'Q' => TEXT_CAP,
        b'P' => TEXT_CAP + NAME_CAP,
        b'B' => BIND_CAP,
        b'C' | b'D' | b'E' => NAME_CAP,
        _ => 0,
    }
}

impl Pairing {
    /// Notes what the server will owe for a message. `began`: its first byte was read; `at`: its last.
    pub fn frontend(&mut self, message: Message<'_>, began: At, at: At, sink: &mut Sink<'_>) {
        // A COPY of many rows is many of these, and nothing else is to be known of one.
        if message.tag == b'd' && self.client_copies && !self.answered_early {
            self.head.bytes += u64::from(message.length);
            return;
        }
        if self.is_quiet() {
            self.idled += began.since(self.idle_since);
            self.idle_since = self.idle_since.max(began);
        }
        if std::mem::take(&mut self.answered_early) {
            return;
        }
        match message.tag {
            b'S' => return self.sync(at, sink),
            b'X' => return self.terminated = true,
            b'c' | b'f' => return self.copy_end(at, sink),
            b'd' => return self.copy_data(message.length, at, sink),
            b'H' | b'p' => return,
            _ => {}
        }
        if self.skipping {
            return;
        }
        let kind = match (message.tag, message.body.first()) {
            (b'Q', _) => Kind::Query,
            (b'P', _) => Kind::Parse,
            (b'B', _) => Kind::Bind,
            (b'E', _) => Kind::Execute,
            (b'D', Some(b'S')) => Kind::DescribeStatement,
            (b'D', _) => Kind::DescribePortal,
            (b'C', Some(b'S')) => Kind::CloseStatement,
            (b'C', _) => Kind::ClosePortal,
            (b'F', _) => Kind::FunctionCall,
            // A type that this version does not know owes nothing that could be told.
            _ => return,
        };
        if !self.push(kind, at, sink) {
            self.redefined(kind, message.body);
            return self.count_frontend(kind, sink);
        }
        if kind.is_extended() {
            self.unsynced.get_or_insert(began);
        } else {
            // Its own ReadyForQuery parts what came before it from what comes after.
            self.unsynced = None;
        }
        match kind {
            Kind::Query => self.query(message, sink),
            Kind::Parse => self.parse(message, sink),
            Kind::Bind => self.bind(message.body, message.length),
            Kind::Execute => self.execute(message.body),
            Kind::DescribeStatement
            | Kind::DescribePortal
            | Kind::CloseStatement
            | Kind::ClosePortal => self.describe_or_close(kind, message.body),
            _ => {}
        }
    }

    fn describe_or_close(&mut self, kind: Kind, body: &[u8]) {
        let Some(name) = closed(body) else { return };
        let text = match kind {
            Kind::DescribeStatement => self.names.find(name),
            Kind::DescribePortal => self.portal_text(name),
            _ => None,
        };
        let describes = text.map(|text| text.part.fingerprint.0);
        if let Some(owed) = self.queue.back_mut() {
            owed.describes = describes;
            if matches!(kind, Kind::CloseStatement | Kind::ClosePortal) {
                owed.name = Some(name.into());
            }
        }
    }

    fn sync(&mut self, at: At, sink: &mut Sink<'_>) {
        // The server ignores Sync while it takes COPY data (`src/backend/commands/copyfromparse.c`).
        if self.client_copies {
            return;
        }
        let began = self.unsynced.unwrap_or(at);
        if !self.push(Kind::Sync, began, sink) {
            return self.count_frontend(Kind::Sync, sink);
        }
        self.skipping = false;
        self.unsynced = None;
    }

    fn copy_end(&mut self, at: At, sink: &mut Sink<'_>) {
        if self.client_copies {
            self.client_copies = false;
        } else if !self.skipping && self.lost.is_none() && !self.queue.is_empty() {
            self.push(Kind::CopyEnd, at, sink);
        }
    }

    fn copy_data(&mut self, length: u32, at: At, sink: &mut Sink<'_>) {
        let bytes = u64::from(length);
        if !self.skipping && self.lost.is_none() {
            match self.queue.back_mut() {
                None => {}
                Some(last) if last.kind == Kind::CopyData => last.values += bytes,
                Some(_) => {
                    if self.push(Kind::CopyData, at, sink)
                        && let Some(owed) = self.queue.back_mut()
                    {
                        owed.values = bytes;
                    }
                }
            }
        }
    }

    /// While pairing is lost, a name that the client gives or takes back stands for nothing known.
    fn redefined(&mut self, kind: Kind, body: &[u8]) {
        let name = match kind {
            Kind::Parse => Reader::new(body).cstr(),
            Kind::CloseStatement => closed(body),
            Kind::Query => Some(&b""[..]),
            _ => None,
        };
        if let Some(name) = name {
            self.names.close(name);
        }
    }

    fn query(&mut self, message: Message<'_>, sink: &mut Sink<'_>) {
        let text = Reader::new(message.body).cstr().unwrap_or(message.body);
        let total = (message.length as usize).saturating_sub(1).max(text.len());
        if let Some(owed) = self.queue.back_mut() {
            let read = || self.texts.read(b"", text, total, self.dialect, sink);
            owed.text.get_or_insert_with(read);
        }
    }

    fn parse(&mut self, message: Message<'_>, sink: &mut Sink<'_>) {
        let text = self.parsed_text(message, sink);
        self.names.parse(text);
    }

    fn parsed_text(&mut self, message: Message<'_>, sink: &mut Sink<'_>) -> Option<Text> {
        let mut reader = Reader::new(message.body);
        let name = reader.cstr().filter(|name| name.len() < NAME_CAP)?;
        let rest = reader.rest();
        let text = reader.cstr().unwrap_or(rest);
        let total = if text.len() < rest.len() {
            text.len()
        } else {
            (message.length as usize)
                .saturating_sub(name.len() + 1)
                .max(text.len())
        };
        // A cap on what is read must not depend on the length of the name.
        let text = &text[..text.len().min(TEXT_CAP)];
        Some(self.texts.read(name, text, total, self.dialect, sink))
    }

    fn bind(&mut self, body: &[u8], length: u32) {
        let mut reader = Reader::new(body);
        let (Some(portal), Some(name)) = (reader.cstr(), reader.cstr()) else {
            return;
        };
        let Some(owed) = self.queue.back_mut() else {
            return;
        };
        owed.name = (!portal.is_empty()).then(|| portal.into());
        owed.unnamed = name.is_empty();
        if let Some(text) = self.names.find(name) {
            owed.text.get_or_insert_with(|| text.clone());
        }
        owed.values = bound_values(reader, body.len() < length as usize, length);
        owed.binary = read_bound(reader, owed.text.as_mut()).unwrap_or(false);
    }

    /// What a portal will execute, be its Bind in flight or done. The last entry is what asks.
    fn portal_text(&self, portal: &[u8]) -> Option<&Text> {
        let mut in_flight = self.queue.iter().rev().skip(1).take(LOOK_BACK);
        match in_flight.find(|sent| sent.binds(portal)) {
            Some(bind) => bind.text.as_ref(),
            None => self.names.portal_of(portal)?.text.as_ref(),
        }
    }

    fn execute(&mut self, body: &[u8]) {
        let Some(portal) = Reader::new(body).cstr() else {
            return;
        };
        let mut entries = self.queue.iter_mut().rev();
        let Some(owed) = entries.next() else { return };
        let bind = entries.take(LOOK_BACK).find(|sent| sent.binds(portal));
        let (text, executed) = if let Some(bind) = bind {
            (owed.values, owed.binary) = (bind.values, bind.binary);
            (&bind.text, &mut bind.resumed)
        } else if let Some(bound) = self.names.portal_mut(portal) {
            (owed.values, owed.binary) = (bound.values, bound.binary);
            (&bound.text, &mut bound.executed)
        } else {
            return;
        };
        if let Some(text) = text {
            owed.text.get_or_insert_with(|| text.clone());
        }
        owed.resumed = std::mem::replace(executed, true);
    }
}

/// Puts bound values in the places of the parameters that a text asks for; whether its rows are wanted in binary. `None`
/// where the body ends before.
fn read_bound(mut reader: Reader<'_>, text: Option<&mut Text>) -> Option<bool> {
    let formats = usize::from(reader.u16()?);
    let formats = reader.take(formats * 2)?;
    // One code stands for all; without any all are text.
    let is_binary = |parameter: usize| {
        let at = if formats.len() == 2 { 0 } else { parameter };
        formats.get(at * 2 + 1) == Some(&1)
    };
    let mut keys = text.map(|text| &mut text.part.keys);
    for parameter in 0..usize::from(reader.u16()?) {
        let length = reader.i32()?;
        let Ok(length) = usize::try_from(length) else {
            continue;
        };
        let bytes = reader.take(length)?;
        let Some(keys) = keys.as_mut().filter(|keys| keys.has_params()) else {
            continue;
        };
        for key in 0..MAX_KEYS {
            if keys.param(key) == Some(parameter as u64 + 1) {
                let read = if is_binary(parameter) {
                    value::binary
                } else {
                    value::text
                };
                keys.bind(key, read(bytes));
            }
        }
    }
    let formats = usize::from(reader.u16()?);
    let formats = reader.take(formats * 2)?;
    Some(!formats.is_empty() && formats.chunks_exact(2).all(|code| code == [0, 1]))
}

/// The name in a Close or Describe; `None` where it is too long to have been remembered.
fn closed(body: &[u8]) -> Option<&[u8]> {
    Reader::new(body.get(1..)?).cstr()
}

/// Hash of a Bind's parameter values; 0 without parameters.
fn bound_values(mut reader: Reader<'_>, cut: bool, length: u32) -> u64 {
    let formats = usize::from(reader.u16().unwrap_or(0));
    let seen = reader.take(formats * 2).is_some();
    let rest = reader.rest();
    // Without a value in what was read, the length is all that can tell one Bind from another.
    if seen && reader.u16().unwrap_or(0) == 0 {
        return 0;
    }
    let hash = xxh3_64(rest) ^ if cut { u64::from(length) } else { 0 };
    hash.max(1)
}
