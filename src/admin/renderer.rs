//! The thread that makes answers: one at a time, since each may hold a copy of all totals, and always the same one, so that
//! the memory of one answer serves the next.

use super::pieces::Outlet;
use bytes::Bytes;
use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
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
        self.jobs.send(Box::new(job)).map_err(|_| gone())?;
        match made.await {
            Ok(Ok(made)) => Ok(made),
            Ok(Err(panic)) => Err(said(&*panic)),
            Err(_) => Err(gone()),
        }
    }

    /// The pieces that `work` makes, the last of them an error where it fails or panics.
    pub(super) fn pieces(
        &self,
        work: impl FnOnce(&Outlet) -> io::Result<()> + Send + 'static,
    ) -> UnboundedReceiver<io::Result<Bytes>> {
        let (outlet, pieces) = unbounded_channel();
        let last = outlet.clone();
        let job = move || {
            let done = catch_unwind(AssertUnwindSafe(|| work(&outlet)));
            let done = done.unwrap_or_else(|panic| Err(io::Error::other(said(&*panic))));
            if let Err(error) = done {
                // Whoever asked may be gone.
                let _ = outlet.send(Err(error));
            }
        };
        if self.jobs.send(Box::new(job)).is_err() {
            let _ = last.send(Err(io::Error::other(gone())));
        }
        pieces
    }
}

fn gone() -> String {
    "the thread that makes answers is gone".to_owned()
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

    #[tokio::test]
    async fn pieces_come_until_an_error_ends_them() {
        let Ok(renderer) = Renderer::start() else {
            panic!("no thread");
        };
        let mut pieces = renderer.pieces(|outlet| {
            let _ = outlet.send(Ok(Bytes::from_static(b"one")));
            panic!("too much")
        });
        let mut came = Vec::new();
        while let Some(piece) = pieces.recv().await {
            came.push(piece.map_err(|error| error.to_string()));
        }
        let said = "making the answer panicked: too much".to_owned();
        assert_eq!(came, [Ok(Bytes::from_static(b"one")), Err(said)]);
    }
}
