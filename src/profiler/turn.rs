//! Whose turn it is at what connections share.

use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

/// Taken by whoever is longer at what connections share than an event or two: a thread of the relay that looks at what
/// it has put aside, and a scrape that copies. It orders them and guards nothing itself. A thread of the relay never
/// waits for it while it has room to put more aside, so that no connection waits for a copy.
#[derive(Default)]
pub struct Turn(Mutex<()>);

impl Turn {
    /// Waits for it.
    pub fn take(&self) -> MutexGuard<'_, ()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `None` where it is somebody else's.
    pub fn take_if_free(&self) -> Option<MutexGuard<'_, ()>> {
        match self.0.try_lock() {
            Ok(turn) => Some(turn),
            Err(TryLockError::Poisoned(turn)) => Some(turn.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}
