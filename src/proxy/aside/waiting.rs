//! The chunks that wait, one behind the other, whatever connection they are of.
//!
//! To put one aside touches the memory that the one before has touched, and nothing of its session's. There are two
//! batches: one that is being filled, and the one before it, until all of that has been looked at.

use super::room::{Room, bring_near};
use crate::session::At;
use std::mem::swap;
use std::sync::Arc;

/// All that one thread has put aside.
#[derive(Default)]
pub(super) struct Waiting {
    filling: Batch,
    looking: Batch,
    /// Who looks has been called.
    pub(super) called: bool,
    /// Chunks of the batch that is being filled at the last look at the one before.
    looked_with: usize,
}

#[derive(Default)]
struct Batch {
    /// A place in one batch is none in another.
    number: u64,
    connections: Vec<Listed>,
    /// Those before this one have been looked at.
    next: usize,
    chunks: Room<Kept>,
    /// Those before this one know the next of their connection. To tell that to a chunk as soon as the next one comes
    /// would be to write to memory that has gone cold.
    linked: usize,
    /// Of all chunks, one behind the other.
    bytes: Room<u8>,
    /// When its first chunk was read. That chunk itself has gone cold.
    began: At,
    /// How long it took to be filled, nanoseconds; once it is under way.
    filled_in: u64,
}

/// A connection that has chunks in a batch.
struct Listed {
    connection: Arc<dyn Look>,
    /// The first and the last of those that are linked and that it has not been shown yet. No first: no last either.
    first: u32,
    last: u32,
}

/// A connection that is shown chunks.
pub(super) trait Look: Send + Sync {
    /// Shows it these.
    fn look(&self, chunks: &mut Chunks<'_>);
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Side {
    #[default]
    Frontend,
    Backend,
}

/// What was read at one time.
pub(super) struct Chunk<'a> {
    pub(super) side: Side,
    pub(super) bytes: &'a [u8],
    pub(super) at: At,
    /// How long the receiver kept it waiting, nanoseconds.
    pub(super) stalled: u64,
}

/// A chunk that waits: half a line of the caches. The limits of what is put aside keep its numbers far below their ends.
#[derive(Clone, Copy, Default)]
struct Kept {
    at: At,
    stalled: u64,
    /// Where its bytes begin among those of its batch.
    start: u32,
    /// The number of its connection.
    listed: u32,
    /// The next of the same connection, or [`NONE`]; once it is linked.
    next: u32,
    length: u16,
    side: Side,
}

/// So many chunks, and bytes of each, have their room brought near at one time. Longer ones are worth a wait of their own.
const NEAR: usize = 16;
const NEAR_BYTES: usize = 128;
/// No chunk.
const NONE: u32 = u32::MAX;

/// Where a connection is in a batch.
#[derive(Clone, Copy)]
pub(super) struct Place {
    batch: u64,
    listed: u32,
}

impl Waiting {
    /// Chunks, and their bytes, of the batch that is being filled.
    pub(super) fn filled(&self) -> (usize, usize) {
        (self.filling.chunks.len(), self.filling.bytes.len())
    }

    /// Nanoseconds between the first and the last of them.
    pub(super) fn filled_in(&self) -> u64 {
        let last = self.filling.chunks.filled().last();
        last.map_or(0, |last| last.at.since(self.filling.began))
    }

    /// The batch before it has not been looked at to its end.
    pub(super) fn is_under_way(&self) -> bool {
        !self.looking.chunks.is_empty()
    }

    /// The batch that is under way, or that would be next, was filled in less than so many nanoseconds.
    pub(super) fn is_hurried(&self, nanos: u64) -> bool {
        let filled_in = match self.is_under_way() {
            true => self.looking.filled_in,
            false => self.filled_in(),
        };
        filled_in < nanos
    }

    /// Chunks put aside since the last look, where that has left something of its batch.
    pub(super) fn since_look(&self) -> usize {
        match self.is_under_way() {
            true => self.filling.chunks.len() - self.looked_with,
            false => 0,
        }
    }

    /// The place is in the batch that is being filled.
    pub(super) fn is_filling(&self, place: Place) -> bool {
        place.batch == self.filling.number
    }

    /// A connection that has no place in the batch that is being filled.
    pub(super) fn list(&mut self, connection: Arc<dyn Look>) -> Place {
        let batch = &mut self.filling;
        let listed = number(batch.connections.len());
        batch.connections.push(Listed {
            connection,
            first: NONE,
            last: NONE,
        });
        Place {
            batch: batch.number,
            listed,
        }
    }

    /// In the batch that is being filled, behind all that are there.
    pub(super) fn put(&mut self, place: Place, chunk: &Chunk<'_>) {
        let batch = &mut self.filling;
        if batch.chunks.is_empty() {
            batch.began = chunk.at;
        }
        if batch.chunks.len().is_multiple_of(NEAR) {
            batch.chunks.bring_near(NEAR);
            batch.bytes.bring_near(NEAR * NEAR_BYTES);
        }
        batch.chunks.extend(&[Kept {
            at: chunk.at,
            stalled: chunk.stalled,
            start: number(batch.bytes.len()),
            listed: place.listed,
            next: NONE,
            length: u16::try_from(chunk.bytes.len()).unwrap_or(0),
            side: chunk.side,
        }]);
        batch.bytes.extend(chunk.bytes);
    }

    /// What has been put aside is a batch that is under way, and the next one is being filled. None must be under way.
    pub(super) fn begin(&mut self) {
        self.filling.filled_in = self.filled_in();
        swap(&mut self.filling, &mut self.looking);
        self.filling.number = self.looking.number + 1;
    }

    /// Looks at so many chunks of the batch that is under way.
    pub(super) fn look(&mut self, most: usize) {
        self.looking.look(most);
        self.looked_with = self.filling.chunks.len();
    }

    /// Looks at all that waits.
    pub(super) fn look_at_all(&mut self) {
        self.look(usize::MAX);
        self.begin();
        self.look(usize::MAX);
    }

    /// Looks at what waits of the connection in this place.
    pub(super) fn look_at(&mut self, place: Place) {
        let batches = [&mut self.looking, &mut self.filling];
        for batch in batches
            .into_iter()
            .filter(|batch| batch.number == place.batch)
        {
            batch.link();
            batch.look_at(place.listed as usize, usize::MAX);
        }
    }
}

impl Batch {
    /// Looks at so many chunks, and is empty behind the last. Its room is used again.
    fn look(&mut self, most: usize) {
        self.link();
        let mut left = most;
        while let Some(listed) = self.connections.get(self.next) {
            if listed.first == NONE {
                self.next += 1;
            } else if left == 0 {
                return;
            } else {
                left = self.look_at(self.next, left);
            }
        }
        self.connections.clear();
        (self.next, self.linked) = (0, 0);
        self.chunks.clear();
        self.bytes.clear();
    }

    /// Tells each chunk which one comes behind it.
    fn link(&mut self) {
        for chunk in self.linked..self.chunks.len() {
            let listed = self.chunks.filled().get(chunk).map(|kept| kept.listed);
            let Some(listed) = listed.and_then(|listed| self.connections.get_mut(listed as usize))
            else {
                continue;
            };
            if listed.first == NONE {
                listed.first = number(chunk);
            } else if let Some(last) = self.chunks.get_mut(listed.last as usize) {
                last.next = number(chunk);
            }
            listed.last = number(chunk);
        }
        self.linked = self.chunks.len();
    }

    /// Shows a connection so many of its chunks. Returns how many more it might have been shown.
    fn look_at(&mut self, listed: usize, most: usize) -> usize {
        let Some(listed) = self.connections.get_mut(listed) else {
            return most;
        };
        let mut chunks = Chunks {
            next: listed.first,
            left: most,
            chunks: self.chunks.filled(),
            bytes: self.bytes.filled(),
        };
        if listed.first != NONE {
            listed.connection.look(&mut chunks);
        }
        listed.first = chunks.next;
        chunks.left
    }
}

/// A connection's chunks of a batch, in their order; not more than may be looked at at a stretch.
pub(super) struct Chunks<'a> {
    next: u32,
    left: usize,
    chunks: &'a [Kept],
    bytes: &'a [u8],
}

impl<'a> Chunks<'a> {
    fn bytes_of(&self, kept: &Kept) -> &'a [u8] {
        let bytes = self.bytes.get(kept.start as usize..).unwrap_or_default();
        bytes.get(..usize::from(kept.length)).unwrap_or_default()
    }
}

impl<'a> Iterator for Chunks<'a> {
    type Item = Chunk<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let left = self.left.checked_sub(1)?;
        let kept = self.chunks.get(self.next as usize)?;
        (self.next, self.left) = (kept.next, left);
        // It comes from afar while this one is looked at.
        if let Some(next) = self.chunks.get(kept.next as usize) {
            bring_near(self.bytes_of(next));
        }
        Some(Chunk {
            side: kept.side,
            bytes: self.bytes_of(kept),
            at: kept.at,
            stalled: kept.stalled,
        })
    }
}

/// As it is kept.
fn number(of: usize) -> u32 {
    u32::try_from(of).unwrap_or(NONE)
}
