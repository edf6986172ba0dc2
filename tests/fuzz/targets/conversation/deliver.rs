//! The ways in which a conversation may reach who watches it.

use crate::model::{Side, Step};

/// Where to cut: a stream of numbers.
pub struct Cuts(u64);

impl Cuts {
    pub fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    fn below(&mut self, count: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % count.max(1)
    }
}

/// Chunks of one side's bytes, as they are shown.
struct Chunk<'f> {
    side: Side,
    bytes: Vec<u8>,
    show: &'f mut dyn FnMut(Side, &[u8]),
}

impl Chunk<'_> {
    fn add(&mut self, side: Side, bytes: &[u8], cuts: &mut Cuts) {
        if side != self.side {
            self.flush();
            self.side = side;
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            // Whole, in small pieces, or together with what follows.
            let piece = match cuts.below(4) {
                0 => 1 + cuts.below(7),
                _ => rest.len(),
            };
            let (piece, after) = rest.split_at(piece.min(rest.len()));
            self.bytes.extend_from_slice(piece);
            rest = after;
            if cuts.below(2) == 0 {
                self.flush();
            }
        }
    }

    fn flush(&mut self) {
        if !self.bytes.is_empty() {
            (self.show)(self.side, &self.bytes);
            self.bytes.clear();
        }
    }
}

/// Shows all bytes in chunks. Messages end in the order of the steps; but a message may begin while those of the other
/// side are under way, as far as the one that it answers is there.
pub fn deliver(steps: &[Step], cuts: &mut Cuts, early: bool, show: &mut dyn FnMut(Side, &[u8])) {
    let mut chunk = Chunk {
        side: Side::Client,
        bytes: Vec::new(),
        show,
    };
    let mut shown = vec![0; steps.len()];
    let mut sent = 0;
    for (at, step) in steps.iter().enumerate() {
        if early && cuts.below(4) == 0 {
            let next = steps[at..].iter().position(|other| other.side != step.side);
            if let Some(next) = next.map(|behind| at + behind)
                && (step.side == Side::Server || steps[next].after <= sent)
            {
                let begun = cuts.below(steps[next].bytes.len());
                if begun > shown[next] {
                    let part = &steps[next].bytes[shown[next]..begun];
                    chunk.add(steps[next].side, part, cuts);
                    shown[next] = begun;
                }
            }
        }
        chunk.add(step.side, &step.bytes[shown[at]..], cuts);
        sent += usize::from(step.side == Side::Client);
    }
    chunk.flush();
}
