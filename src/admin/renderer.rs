//! The thread that makes answers: one at a time, since each may hold a copy of all totals, and always the same one, so that
//! the memory of one answer serves the next.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use tokio::sync::oneshot;

type Job = Box<dyn FnOnce() + Send>;

/// Makes answers, beside the threads that carry connections.
pub(super) struct Renderer {
    jobs: Sender<Job>,
}

impl Renderer {
    /// Starts the thread; it ends when the renderer is dropped.
    pub(super) fn start() -> io::Result<Self> {
        let (jobs, waiting) = channel::<Job>();
        thread::Builder::new()
            .name("answers".into())
            // At the priority of all others: while it copies the totals it holds the lock that traffic takes.
            .spawn(move || waiting.into_iter().for_each(|job| job()))?;
        Ok(Self { jobs })
    }

    /// What `work` makes, or what it said when it panicked.
    pub(super) async fn render<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, String> {
        let (done, made) = oneshot::channel();
        let job = move || {
            // Whoever asked may be gone.
            let _ = done.send(catch_unwind(AssertUnwindSafe(work)));
        };
        let gone = || "the thread that makes answers is gone".to_owned();
        self.jobs.send(Box::new(job)).map_err(|_| gone())?;
        match made.await {
            Ok(Ok(made)) => Ok(made),
            Ok(Err(panic)) => Err(said(&*panic)),
            Err(_) => Err(gone()),
        }
    }
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    format!("making the answer panicked: {}", text.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_fails_its_answer_and_no_other() {
        let Ok(renderer) = Renderer::start() else {
            panic!("no thread");
        };
        let failed: Result<(), _> = renderer.render(|| panic!("too much")).await;
        assert_eq!(failed, Err("making the answer panicked: too much".into()));
        let name = || thread::current().name().map(str::to_owned);
        assert_eq!(renderer.render(name).await, Ok(Some("answers".into())));
    }
}
