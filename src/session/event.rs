//! What a session tells: a few kinds of event, borrowed from the session's buffers.

use super::rows::RowsSeen;
use crate::sql::Part;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// A moment: nanoseconds since the process took its first look at the clock. Only differences mean anything.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Hash)]
pub struct At(pub u64);

impl At {
    /// Nanoseconds since `earlier`; 0 where that is later.
    pub fn since(self, earlier: At) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Transaction status of ReadyForQuery.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum TransactionStatus {
    /// `I`: not in a transaction block.
    #[default]
    Idle,
    /// `T`: in a transaction block.
    InTransaction,
    /// `E`: in a failed transaction block.
    Failed,
}

/// A five-character SQLSTATE.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct SqlState(pub [u8; 5]);

impl SqlState {
    /// The code as text; `XX000` where a server sends something that is not ASCII.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("XX000")
    }
}

/// Which protocol carried a query.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Protocol {
    /// Simple query.
    Simple,
    /// Extended query.
    Extended,
    /// Function call.
    FunctionCall,
}

/// How a query ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// CommandComplete.
    Complete,
    /// EmptyQueryResponse.
    Empty,
    /// PortalSuspended: rows remain.
    Suspended,
    /// ErrorResponse.
    Error(SqlState),
    /// The connection ended before the answer.
    Lost,
}

/// Why a session stopped decoding, or counted something it could not tell.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum BlindReason {
    /// TLS from the first byte, or accepted by the server.
    Encrypted,
    /// GSS encryption.
    Gss,
    /// A startup packet that is none of protocol 3.
    Startup,
    /// A length or a type that no peer may send: framing is lost.
    Framing,
    /// A reply that fits nothing that is owed: pairing is lost until the session is quiet.
    Pairing,
    /// The decoder panicked.
    Panic,
    /// `proxy.profiling = false`.
    Off,
}

impl BlindReason {
    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Encrypted => "encrypted",
            Self::Gss => "gss",
            Self::Startup => "startup",
            Self::Framing => "framing",
            Self::Pairing => "pairing",
            Self::Panic => "panic",
            Self::Off => "off",
        }
    }
}

/// What a CancelRequest must name: the body of BackendKeyData. A secret, so that nothing prints it.
#[derive(Clone, Copy)]
pub struct CancelKey<'a>(&'a [u8]);

impl<'a> CancelKey<'a> {
    /// A process number and 4 to 256 bytes; `None` for what is no key.
    pub fn new(body: &'a [u8]) -> Option<Self> {
        (8..=LONGEST_CANCEL_KEY)
            .contains(&body.len())
            .then_some(Self(body))
    }

    /// All that is kept of it.
    pub fn hash(self, seed: u64) -> u64 {
        xxh3_64_with_seed(self.0, seed)
    }
}

impl std::fmt::Debug for CancelKey<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("CancelKey")
    }
}

/// The longest [`CancelKey`]: the process number and the longest key of protocol 3.2.
pub(super) const LONGEST_CANCEL_KEY: usize = 4 + 256;

/// One execution, at its end.
#[derive(Debug)]
pub struct Query<'a> {
    /// Its normalised text; `None` for the empty query, a function call or a statement that was never seen.
    pub statement: Option<&'a str>,
    /// Bodies of the comments of its message, as [`crate::sql::Digest::comment`] has them.
    pub comment: &'a [u8],
    /// What the normaliser read of it; the default without a statement.
    pub part: Part,
    /// Hash over the literals of the text and the values bound to it.
    pub literals: u64,
    /// The protocol.
    pub protocol: Protocol,
    /// Its request's last byte was read, or the query before it in the batch ended, whichever is later.
    pub started: At,
    /// Its first reply byte was read.
    pub first_byte: At,
    /// Its last reply byte was read.
    pub finished: At,
    /// How long the client kept its reply from being written, in nanoseconds, as far as that held up the rest of it.
    pub stalled: u64,
    /// Nanoseconds since the start of the session in which the server owed nothing, up to when this was sent.
    pub idled: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// DataRows, or else the number in the command tag.
    pub rows: u64,
    /// Bytes of its DataRow and CopyData messages.
    pub bytes: u64,
    /// Transaction status of the last ReadyForQuery before it was sent.
    pub status_before: TransactionStatus,
    /// The same statement as the query before it in the same Sync batch: one `executemany`.
    pub continues_batch: bool,
    /// COPY in either direction.
    pub copy: bool,
    /// Its first rows.
    pub seen: RowsSeen<'a>,
}

/// What happened on a session, in the order of the replies.
#[allow(
    clippy::large_enum_variant,
    reason = "an event is handed on by value once and never kept"
)]
#[derive(Debug)]
pub enum Event<'a> {
    /// The startup packet was read.
    Startup {
        /// Role name.
        user: &'a str,
        /// Database; the user's name where the client gave none.
        database: &'a str,
        /// `application_name`, or empty.
        application: &'a str,
    },
    /// BackendKeyData was read.
    BackendKey(CancelKey<'a>),
    /// A CancelRequest was read.
    Cancel(CancelKey<'a>),
    /// A query ended.
    Query(Query<'a>),
    /// ReadyForQuery.
    Ready {
        /// Its status byte.
        status: TransactionStatus,
        /// When it was read.
        at: At,
        /// The first one: authentication is over.
        first: bool,
    },
    /// A Sync was answered, and with it two queries or more.
    Batch {
        /// From the first byte of the first message behind the Sync before to the ReadyForQuery, in nanoseconds.
        nanos: u64,
    },
    /// The client kept bytes from being written that no query was waiting for: the end of a reply.
    Stalled {
        /// For so many nanoseconds.
        nanos: u64,
    },
    /// An ErrorResponse outside any query: refused startup, termination by the administrator.
    Error {
        /// Its code.
        sqlstate: SqlState,
        /// When it was read.
        at: At,
    },
    /// Decoding stopped, for good or (pairing) for a while.
    Blind {
        /// Why.
        reason: BlindReason,
    },
    /// Something could not be told and is missing from the counts.
    Dropped {
        /// Why, a label value: one of [`DROP_REASONS`].
        reason: &'static str,
    },
}

/// Why something could not be told.
pub const DROP_REASONS: [&str; 6] = [
    "blind",
    "pairing",
    "prepared_statements",
    "queue_full",
    "surplus_ready",
    "texts",
];
