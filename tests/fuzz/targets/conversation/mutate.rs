//! What may happen to the messages of a conversation.

use crate::model::Step;

/// Does what the bytes say, four at a time; false where they say nothing.
pub fn mutate(steps: &mut Vec<Step>, mutations: &[u8]) -> bool {
    let mut mutated = false;
    for mutation in mutations.chunks_exact(4) {
        let &[what, high, low, value] = mutation else {
            continue;
        };
        if steps.is_empty() {
            break;
        }
        let at = usize::from(u16::from_be_bytes([high, low])) % steps.len();
        let step = &mut steps[at];
        let place = usize::from(value) % step.bytes.len().max(1);
        match what % 16 {
            1 | 2 => _ = steps.remove(at),
            3 | 4 => {
                let again = steps[at].clone();
                steps.insert(at, again);
            }
            5 | 6 if at > 0 => steps.swap(at - 1, at),
            7 => step.bytes.truncate(place),
            8 | 9 => step.bytes[place..]
                .iter_mut()
                .take(1)
                .for_each(|byte| *byte = what.wrapping_mul(value)),
            10 => step.bytes.insert(place, value),
            // The message as one of another type, or to the other side.
            11 => step.bytes.iter_mut().take(1).for_each(|byte| *byte = value),
            12 => {
                let other = usize::from(value) % steps.len();
                steps.swap(at, other);
            }
            13 => steps.truncate(at + 1),
            _ => continue,
        }
        mutated = true;
    }
    mutated
}
