//! A session: a pure state machine that turns the bytes of one connection into events.
//!
//! Two layers, kept apart. *Framing* ([`crate::wire::Framer`]) cuts the streams into messages; once lost
//! it is lost for good. *Pairing* (`pairing.rs`) keeps the queue of answers owed and matches each reply to
//! what it answers; lost, it may return at a quiet ReadyForQuery. Neither can fail the connection: they
//! report [`Event::Blind`] and stop looking.
//!
//! Time and limits are arguments. The same bytes give the same events, however they were cut.

mod backend;
mod command;
mod event;
mod frontend;
mod kept;
mod names;
mod owed;
mod pairing;
mod prepared;
mod rows;
mod shape;

pub use event::{
    At, BlindReason, CancelKey, DROP_REASONS, Event, Outcome, Protocol, Query, SqlState,
    TransactionStatus,
};
pub use rows::{RowsSeen, Widest};
pub use shape::{RowColumn, RowShape};

use crate::wire::{FirstPacket, Framer, MAX_STARTUP_LENGTH, first_packet, startup_parameters};
use pairing::Pairing;

/// Takes the events of a session.
pub type Sink<'s> = dyn FnMut(Event<'_>) + 's;

#[derive(Debug)]
enum Phase {
    /// Before the startup packet; holds what has arrived of it.
    Opening(Vec<u8>),
    /// The client asked for encryption and the server has yet to answer; holds what the client sent since.
    Encryption(BlindReason, Vec<u8>),
    /// Messages flow.
    Open,
    /// A CancelRequest: no answer but the server's close.
    Cancel,
    /// Forwarded unread.
    Blind,
}

/// One connection as seen from its bytes.
#[derive(Debug)]
pub struct Session {
    phase: Phase,
    front: Framer,
    back: Framer,
    pairing: Pairing,
    /// When the first byte of the message was read that the client is in the middle of.
    began: At,
}

impl Default for Session {
    fn default() -> Self {
        Self::new()
    }
}

impl Session {
    /// A connection of which nothing has been seen.
    pub fn new() -> Self {
        Self {
            phase: Phase::Opening(Vec::new()),
            front: Framer::new(),
            back: Framer::new(),
            pairing: Pairing::new(),
            began: At::default(),
        }
    }

    /// Bytes from the client. Show them before any reply to them is shown to [`Session::backend`].
    pub fn frontend(&mut self, bytes: &[u8], at: At, sink: &mut Sink<'_>) {
        match &mut self.phase {
            Phase::Open => self.messages_from_client(bytes, at, sink),
            Phase::Opening(buffer) => {
                buffer.extend_from_slice(bytes);
                self.open(at, sink);
            }
            Phase::Encryption(_, buffer) => {
                buffer.extend_from_slice(bytes);
                self.bound_early_bytes(sink);
            }
            Phase::Cancel | Phase::Blind => {}
        }
    }

    /// Bytes from the server. `stalled`: nanoseconds for which the client kept these bytes from being written.
    pub fn backend(&mut self, bytes: &[u8], at: At, stalled: u64, sink: &mut Sink<'_>) {
        match &mut self.phase {
            Phase::Open => self.messages_from_server(bytes, at, stalled, sink),
            Phase::Encryption(reason, buffer) => match bytes.split_first() {
                None => {}
                Some((b'N', rest)) => {
                    self.phase = Phase::Opening(std::mem::take(buffer));
                    self.open(at, sink);
                    self.backend(rest, at, stalled, sink);
                }
                Some((b'S' | b'G', _)) => {
                    let reason = *reason;
                    self.go_blind(reason, sink);
                }
                Some(_) => self.go_blind(BlindReason::Startup, sink),
            },
            Phase::Opening(_) if !bytes.is_empty() => self.go_blind(BlindReason::Startup, sink),
            Phase::Opening(_) | Phase::Cancel | Phase::Blind => {}
        }
    }

    /// The connection ended: every query that was owed an answer is lost.
    pub fn close(&mut self, at: At, sink: &mut Sink<'_>) {
        if matches!(self.phase, Phase::Open) {
            self.pairing.close(at, sink);
        }
    }

    /// Stops decoding for good.
    pub fn go_blind(&mut self, reason: BlindReason, sink: &mut Sink<'_>) {
        if matches!(self.phase, Phase::Blind) {
            return;
        }
        self.phase = Phase::Blind;
        self.pairing.drop_all("blind", sink);
        self.front = Framer::new();
        self.back = Framer::new();
        self.pairing = Pairing::new();
        sink(Event::Blind { reason });
    }

    /// Nothing is decoded any more.
    pub fn is_blind(&self) -> bool {
        matches!(self.phase, Phase::Blind)
    }

    /// The first packet was a CancelRequest.
    pub fn is_cancel(&self) -> bool {
        matches!(self.phase, Phase::Cancel)
    }

    /// The conversation is over in good order: the client has sent Terminate, or the server has refused its startup.
    pub fn is_terminated(&self) -> bool {
        self.pairing.is_terminated()
    }

    /// The server owes nothing and the client is not in the middle of a message.
    pub fn is_quiet(&self) -> bool {
        self.pairing.is_quiet() && !self.front.is_inside()
    }

    /// The server has yet to answer a message. False where nobody can tell: blind, or before the startup packet. What is
    /// owed to the startup does not count: a client may leave in the middle of authentication, as libpq does to ask
    /// its user for a password.
    pub fn is_owed(&self) -> bool {
        matches!(self.phase, Phase::Open) && self.pairing.is_owed()
    }

    /// Status of the last ReadyForQuery.
    pub fn status(&self) -> TransactionStatus {
        self.pairing.status()
    }

    fn open(&mut self, at: At, sink: &mut Sink<'_>) {
        let Phase::Opening(buffer) = &mut self.phase else {
            return;
        };
        match first_packet(buffer) {
            FirstPacket::Incomplete(_) => {}
            FirstPacket::Ssl => {
                let rest = buffer.split_off(8);
                self.phase = Phase::Encryption(BlindReason::Encrypted, rest);
                self.bound_early_bytes(sink);
            }
            FirstPacket::Gss => {
                let rest = buffer.split_off(8);
                self.phase = Phase::Encryption(BlindReason::Gss, rest);
                self.bound_early_bytes(sink);
            }
            FirstPacket::Cancel(_) => {
                if let Some(key) = cancel_key(buffer) {
                    sink(Event::Cancel(key));
                }
                self.phase = Phase::Cancel;
            }
            FirstPacket::DirectTls => self.go_blind(BlindReason::Encrypted, sink),
            FirstPacket::Unknown => self.go_blind(BlindReason::Startup, sink),
            FirstPacket::Startup(length) => {
                let rest = buffer.split_off(length);
                let Some(parameters) = startup_parameters(buffer) else {
                    return self.go_blind(BlindReason::Startup, sink);
                };
                let get = |name: &str| parameters.get(name).map_or("", String::as_str);
                let user = get("user");
                let database = if get("database").is_empty() {
                    user
                } else {
                    get("database")
                };
                sink(Event::Startup {
                    user,
                    database,
                    application: get("application_name"),
                });
                self.pairing.startup(at);
                self.phase = Phase::Open;
                self.messages_from_client(&rest, at, sink);
            }
        }
    }

    /// What a client sends before the server has answered its request for encryption is no more than a startup packet.
    fn bound_early_bytes(&mut self, sink: &mut Sink<'_>) {
        if let Phase::Encryption(_, early) = &self.phase
            && early.len() > MAX_STARTUP_LENGTH
        {
            self.go_blind(BlindReason::Startup, sink);
        }
    }

    fn messages_from_client(&mut self, bytes: &[u8], at: At, sink: &mut Sink<'_>) {
        if !self.front.is_inside() {
            self.began = at;
        }
        let mut input = bytes;
        while !input.is_empty() {
            match self.front.next(&mut input, frontend::cap) {
                Ok(Some(message)) => {
                    self.pairing.frontend(message, self.began, at, sink);
                    self.began = at;
                }
                Ok(None) => return,
                Err(_) => return self.go_blind(BlindReason::Framing, sink),
            }
        }
    }

    fn messages_from_server(&mut self, bytes: &[u8], at: At, stalled: u64, sink: &mut Sink<'_>) {
        self.pairing.client_inside = self.front.is_inside();
        let mut input = bytes;
        while !input.is_empty() {
            match self.back.next(&mut input, backend::cap) {
                Ok(Some(message)) => self.pairing.backend(message, at, sink),
                Ok(None) => break,
                Err(_) => return self.go_blind(BlindReason::Framing, sink),
            }
        }
        if let Some(tag) = self.back.open_message() {
            self.pairing.first_byte(tag, at);
        }
        self.pairing.stalled(stalled, sink);
    }
}

/// The key of the CancelRequest that these bytes begin with.
pub fn cancel_key(bytes: &[u8]) -> Option<CancelKey<'_>> {
    match first_packet(bytes) {
        FirstPacket::Cancel(length) => CancelKey::new(bytes.get(8..length)?),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
