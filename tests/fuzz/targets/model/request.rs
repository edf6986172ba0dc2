//! The messages of a client.

use super::message;
use super::sql::Text;
use std::rc::Rc;

/// The limit of the Execute of a COPY that data follows. The server refuses any other: the client would not know that
/// it is asked for data.
pub const HAS_DATA: u8 = 99;

/// A row of a COPY.
pub const COPY_DATA: &[u8] = b"1\tzqxj\n";

/// A message of the client's.
#[derive(Clone, Debug)]
pub enum Request {
    Query(Rc<Text>),
    Parse(&'static str, Rc<Text>),
    /// Portal, statement, value.
    Bind(&'static str, &'static str, u8),
    DescribeStatement(&'static str),
    DescribePortal(&'static str),
    /// Portal, most rows.
    Execute(&'static str, u8),
    CloseStatement(&'static str),
    ClosePortal(&'static str),
    Sync,
    Flush,
    FunctionCall,
    /// Whether the server can read it.
    CopyData(bool),
    CopyDone,
    CopyFail,
    Terminate,
}

impl Request {
    pub fn encode(&self) -> Vec<u8> {
        let name = |name: &str| [name.as_bytes(), b"\0"].concat();
        match self {
            Self::Query(text) => message(b'Q', &[&name(&text.sql)]),
            Self::Parse(what, text) => message(b'P', &[&name(what), &name(&text.sql), &[0, 0]]),
            Self::Bind(portal, statement, value) => {
                let value = [0, 0, 0, 1, 0, 0, 0, 5, b'z', b'q', b'x', b'j', *value, 0, 0];
                message(b'B', &[&name(portal), &name(statement), &value])
            }
            Self::DescribeStatement(what) => message(b'D', &[b"S", &name(what)]),
            Self::DescribePortal(what) => message(b'D', &[b"P", &name(what)]),
            Self::Execute(portal, limit) => message(b'E', &[&name(portal), &[0, 0, 0, *limit]]),
            Self::CloseStatement(what) => message(b'C', &[b"S", &name(what)]),
            Self::ClosePortal(what) => message(b'C', &[b"P", &name(what)]),
            Self::Sync => message(b'S', &[]),
            Self::Flush => message(b'H', &[]),
            Self::FunctionCall => message(b'F', &[&[0; 10]]),
            Self::CopyData(good) => message(b'd', &[if *good { COPY_DATA } else { b"\n" }]),
            Self::CopyDone => message(b'c', &[]),
            Self::CopyFail => message(b'f', &[b"stop\0"]),
            Self::Terminate => message(b'X', &[]),
        }
    }
}
