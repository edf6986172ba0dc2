//! A large answer piece by piece, so that no more of it is in memory than its reader has left there.

use super::pace::Pace;
use bytes::Bytes;
use std::io::{self, Write};
use tokio::sync::mpsc::UnboundedSender;

/// Bytes of a piece. Each wakes the thread that sends it and the reader, who may be on the same machine.
const PIECE: usize = 64 * 1024;

/// Bytes between two steps of the pace: what is written in some tens of microseconds.
const STEP: usize = 16 * 1024;

/// Where the pieces of an answer go; an error ends the answer in its middle, which its reader notices.
pub(super) type Outlet = UnboundedSender<io::Result<Bytes>>;

/// Collects small writes into pieces. Nobody waits for the reader: what it has not read yet is kept, and is no more than
/// the whole answer.
pub(super) struct Pieces<'a> {
    piece: Vec<u8>,
    outlet: &'a Outlet,
    pace: &'a Pace,
}

impl<'a> Pieces<'a> {
    /// An answer without a piece yet.
    pub(super) fn new(outlet: &'a Outlet, pace: &'a Pace) -> Self {
        Self {
            piece: Vec::with_capacity(PIECE),
            outlet,
            pace,
        }
    }
}

impl Write for Pieces<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.piece.len() + bytes.len() > PIECE {
            self.flush()?;
        }
        let before = self.piece.len() / STEP;
        self.piece.extend_from_slice(bytes);
        if self.piece.len() / STEP > before {
            self.pace.step();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE));
        let sent = self.outlet.send(Ok(piece.into()));
        sent.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        self.pace.step();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::fixture::Fixture;
    use crate::stats::{Settings, Stats};
    use std::sync::Arc;
    use tokio::sync::mpsc::unbounded_channel;

    #[test]
    fn pieces_are_the_answer_cut_where_they_are_full() {
        let pace = Pace::new(Arc::new(Fixture::new(Stats::new(&Settings::default()))));
        let (outlet, mut pieces) = unbounded_channel();
        let mut writer = Pieces::new(&outlet, &pace);
        let line = "a line of the answer\n";
        let lines = 2 * (PIECE / line.len()) + 1;
        for _ in 0..lines {
            assert!(writer.write_all(line.as_bytes()).is_ok());
        }
        assert!(writer.flush().is_ok());
        drop(outlet);
        let mut lengths = Vec::new();
        let mut text = Vec::new();
        while let Some(Ok(piece)) = pieces.blocking_recv() {
            lengths.push(piece.len());
            text.extend_from_slice(&piece);
        }
        assert_eq!(text, line.repeat(lines).into_bytes());
        assert_eq!(lengths.len(), 3);
        assert!(lengths.iter().all(|length| *length <= PIECE));
    }

    #[test]
    fn nobody_writes_for_a_reader_that_is_gone() {
        let pace = Pace::new(Arc::new(Fixture::new(Stats::new(&Settings::default()))));
        let (outlet, pieces) = unbounded_channel();
        drop(pieces);
        let mut writer = Pieces::new(&outlet, &pace);
        let kind = writer.write_all(b"text").and_then(|()| writer.flush());
        assert_eq!(
            kind.map_err(|error| error.kind()),
            Err(io::ErrorKind::BrokenPipe)
        );
    }
}
