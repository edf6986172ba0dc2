//! What the server owes the client, in order.

use super::event::{At, TransactionStatus};
use super::prepared::Text;

/// Which message is waiting for its answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Startup,
    Parse,
    Bind,
    DescribeStatement,
    DescribePortal,
    Execute,
    CloseStatement,
    ClosePortal,
    Query,
    FunctionCall,
    Sync,
    /// CopyData that was sent before the server said that it wants any.
    CopyData,
    /// A CopyDone or CopyFail that was sent before the server said that it wants data.
    CopyEnd,
}

impl Kind {
    /// An error on it makes the server skip to the next Sync.
    pub fn is_extended(self) -> bool {
        matches!(
            self,
            Self::Parse
                | Self::Bind
                | Self::DescribeStatement
                | Self::DescribePortal
                | Self::Execute
                | Self::CloseStatement
                | Self::ClosePortal
        )
    }

    /// ReadyForQuery ends it.
    pub fn is_ended_by_ready(self) -> bool {
        matches!(
            self,
            Self::Startup | Self::Query | Self::FunctionCall | Self::Sync
        )
    }

    /// It was sent in the hope that a COPY begins, and the server answers it with nothing.
    pub fn is_copied(self) -> bool {
        matches!(self, Self::CopyData | Self::CopyEnd)
    }

    /// One execution or more comes of it.
    pub fn is_execution(self) -> bool {
        matches!(self, Self::Execute | Self::Query | Self::FunctionCall)
    }
}

/// How an entry of the queue ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fate {
    Complete,
    Failed,
    /// The server never ran it.
    Skipped,
}

/// One entry of the queue. Small: a client may pipeline tens of thousands.
#[derive(Debug)]
pub(super) struct Owed {
    pub kind: Kind,
    /// It was sent while the client was sending COPY data.
    pub during_copy: bool,
    /// Of an Execute: goes on with a portal that ran before. Of a Bind: its portal is executed already.
    pub resumed: bool,
    /// Of a Bind: of the unnamed statement.
    pub unnamed: bool,
    pub status_before: TransactionStatus,
    /// When its last byte was read. Of a Sync: when the first byte of its batch was.
    pub sent: At,
    /// Of a Parse only when it has failed: until then its text is among the names in flight. It takes 160 bytes:
    /// `get_or_insert_with` makes it here, and need not copy it.
    pub text: Option<Text>,
    /// The name in a Close, the portal of a Bind. `None` is the unnamed portal, or too long to be remembered.
    pub name: Option<Box<[u8]>>,
    /// Hash of bound values. Of CopyData: how many bytes.
    pub values: u64,
    /// Of a Describe: fingerprint of the statement.
    pub describes: Option<u64>,
    /// The rows are wanted in binary.
    pub binary: bool,
}

impl Owed {
    pub fn new(kind: Kind, sent: At, status_before: TransactionStatus) -> Self {
        Self {
            kind,
            during_copy: false,
            resumed: false,
            unnamed: false,
            status_before,
            sent,
            text: None,
            name: None,
            values: 0,
            describes: None,
            binary: false,
        }
    }
}

impl Owed {
    /// A Bind of this portal.
    pub fn binds(&self, portal: &[u8]) -> bool {
        self.kind == Kind::Bind
            && match &self.name {
                None => portal.is_empty(),
                Some(name) => **name == *portal,
            }
    }
}

/// How far the answer to the first entry of the queue has come.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Progress {
    /// Which statement of a simple query is being answered.
    pub part: usize,
    pub first_byte: Option<At>,
    pub rows: u64,
    pub bytes: u64,
    pub stalled: u64,
    pub copy: bool,
    /// COPY in both directions: its own CommandComplete comes before that of the command that began it.
    pub both: bool,
    /// An ErrorResponse ended it: only its ReadyForQuery, or the end of the connection, is still to come.
    pub failed: bool,
}

impl Progress {
    /// The answer to this statement of a simple query is next.
    pub fn of_part(part: usize) -> Self {
        Self {
            part,
            ..Self::default()
        }
    }
}
