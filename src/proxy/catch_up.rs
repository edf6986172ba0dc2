//! Has the threads look at what they have put aside, for whoever is about to read what came of it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::time::timeout;

/// How long all threads together are waited for. They take milliseconds; one that is stuck must not keep its own metrics
/// from being read.
const PATIENCE: Duration = Duration::from_secs(1);

/// The threads that put chunks aside.
#[derive(Default)]
pub struct CatchUp(Mutex<Vec<UnboundedSender<Called>>>);

/// A call. Dropped when all that had been put aside before it has been looked at.
pub(super) type Called = oneshot::Sender<()>;

impl CatchUp {
    /// One more thread, which has to answer calls until it drops what is returned.
    pub(super) fn join(&self) -> UnboundedReceiver<Called> {
        let (thread, calls) = unbounded_channel();
        self.threads().push(thread);
        calls
    }

    /// Waits until all that was relayed before this call has been looked at, for a second at most.
    pub async fn wait(&self) {
        let threads = self.threads().clone();
        let all = async {
            // One after the other: two would wait for each other's turn.
            for thread in threads {
                let (called, looked) = oneshot::channel();
                // Where the thread has ended, nothing is left to be looked at.
                if thread.send(called).is_ok() {
                    let _ = looked.await;
                }
            }
        };
        let _ = timeout(PATIENCE, all).await;
    }

    fn threads(&self) -> MutexGuard<'_, Vec<UnboundedSender<Called>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::join;

    #[tokio::test]
    async fn it_waits_for_every_thread_that_is_there() {
        let all = CatchUp::default();
        all.wait().await;
        let (gone, mut one, mut other) = (all.join(), all.join(), all.join());
        drop(gone);
        let mut answered = Vec::new();
        let answers = async {
            for (name, calls) in [("one", &mut one), ("other", &mut other)] {
                let called = calls.recv().await;
                answered.push(name);
                drop(called);
            }
        };
        join!(all.wait(), answers);
        assert_eq!(answered, ["one", "other"]);
    }

    #[tokio::test]
    async fn it_does_not_wait_for_ever() {
        let all = CatchUp::default();
        let _stuck = all.join();
        all.wait().await;
    }
}
