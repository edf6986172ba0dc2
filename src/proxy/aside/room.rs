//! Values one behind the other, in memory that is used again and again.

use std::hint::black_box;

/// A line of the processor's caches, bytes.
const LINE: usize = 64;

/// Like a vector that keeps its capacity, but what lies behind its end may be read: see [`bring_near`].
#[derive(Default)]
pub(super) struct Room<T> {
    /// As many as there is room for.
    values: Vec<T>,
    filled: usize,
}

impl<T: Copy + Default> Room<T> {
    pub(super) fn len(&self) -> usize {
        self.filled
    }

    pub(super) fn is_empty(&self) -> bool {
        self.filled == 0
    }

    /// Forgets all values and keeps their room.
    pub(super) fn clear(&mut self) {
        self.filled = 0;
    }

    /// The values.
    pub(super) fn filled(&self) -> &[T] {
        self.values.get(..self.filled).unwrap_or_default()
    }

    pub(super) fn get_mut(&mut self, place: usize) -> Option<&mut T> {
        self.values.get_mut(place)
    }

    /// Puts values behind the last.
    pub(super) fn extend(&mut self, values: &[T]) {
        let end = self.filled + values.len();
        if end > self.values.len() {
            let room = end.max(2 * self.values.len());
            self.values.resize(room, T::default());
        }
        if let Some(free) = self.values.get_mut(self.filled..end) {
            free.copy_from_slice(values);
        }
        self.filled = end;
    }

    /// Brings near where the next so many values will be written to.
    pub(super) fn bring_near(&self, values: usize) {
        let next = self.values.get(self.filled..).unwrap_or_default();
        bring_near(next.get(..values).unwrap_or(next));
    }
}

/// Reads something of each line of the caches that these values are in.
///
/// What was written long ago is far from the processor, and a few values at a time give it nothing to fetch ahead: each
/// access waits for its own. Here they wait together.
pub(super) fn bring_near<T: Copy>(values: &[T]) {
    for value in values.iter().step_by(LINE / size_of::<T>()) {
        black_box(*value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_behind_each_other_and_their_room_is_used_again() {
        let mut room = Room::default();
        room.bring_near(100);
        for round in 0..3 {
            assert!(room.is_empty());
            for value in 0..100_u8 {
                room.extend(&[value, round]);
                room.bring_near(100);
            }
            assert_eq!(room.len(), 200);
            let expected: Vec<_> = (0..100).flat_map(|value| [value, round]).collect();
            assert_eq!(room.filled(), expected);
            assert_eq!(room.values.len(), 256);
            room.clear();
        }
    }
}
