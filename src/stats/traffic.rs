//! Counts that every connection adds to without a lock.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// How a connection ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(usize)]
pub enum ConnectionOutcome {
    /// The client said goodbye (Terminate or end of stream) and both sides closed in order.
    Closed,
    /// The client vanished without Terminate, or its socket failed.
    ClientLost,
    /// The server closed first or its socket failed.
    UpstreamLost,
    /// The server could not be reached; the client got an ErrorResponse.
    UpstreamUnreachable,
    /// Over a limit of pgscope's own; the client got an ErrorResponse.
    Refused,
    /// A CancelRequest, forwarded.
    Cancelled,
    /// Closed by pgscope at the end of the shutdown grace.
    Drained,
}

impl ConnectionOutcome {
    /// All outcomes, in the order of their discriminants.
    pub const ALL: [Self; 7] = [
        Self::Closed,
        Self::ClientLost,
        Self::UpstreamLost,
        Self::UpstreamUnreachable,
        Self::Refused,
        Self::Cancelled,
        Self::Drained,
    ];

    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::ClientLost => "client_lost",
            Self::UpstreamLost => "upstream_lost",
            Self::UpstreamUnreachable => "upstream_unreachable",
            Self::Refused => "refused",
            Self::Cancelled => "cancelled",
            Self::Drained => "drained",
        }
    }
}

/// What the profiling spends its own time on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(usize)]
pub enum Stage {
    /// Reading what clients send: decoding, normalising.
    Frontend,
    /// Reading what the server sends: pairing, attribution, counting, detectors.
    Backend,
}

impl Stage {
    /// All stages, in the order of their discriminants.
    pub const ALL: [Self; 2] = [Self::Frontend, Self::Backend];

    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Frontend => "frontend",
            Self::Backend => "backend",
        }
    }
}

/// What came of a question on the side connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(usize)]
pub enum ExplainOutcome {
    /// The server answered.
    Ok,
    /// The server refused it: the text cannot be planned, a time limit, a missing privilege.
    Failed,
    /// It is not put to the server: not one plain SELECT.
    Skipped,
    /// The server could not be reached, or did not let pgscope in.
    Unreachable,
}

impl ExplainOutcome {
    /// All outcomes, in the order of their discriminants.
    pub const ALL: [Self; 4] = [Self::Ok, Self::Failed, Self::Skipped, Self::Unreachable];

    /// The label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Unreachable => "unreachable",
        }
    }
}

/// Lock-free totals of the relay. Relaxed order: a scrape needs each number, not their instant.
#[derive(Debug, Default)]
pub struct Traffic {
    frontend_bytes: AtomicU64,
    backend_bytes: AtomicU64,
    open: AtomicI64,
    outcomes: [AtomicU64; 7],
    profiling: [AtomicU64; Stage::ALL.len()],
    scram_plus_removed: AtomicU64,
    panics: AtomicU64,
    explain: [AtomicU64; ExplainOutcome::ALL.len()],
}

impl Traffic {
    /// Bytes read from the client.
    pub fn frontend_bytes(&self, bytes: usize) {
        self.frontend_bytes
            .fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Bytes read from the server.
    pub fn backend_bytes(&self, bytes: usize) {
        self.backend_bytes
            .fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// A connection was accepted.
    pub fn opened(&self) {
        self.open.fetch_add(1, Ordering::Relaxed);
    }

    /// A connection ended; pairs with [`Traffic::opened`].
    pub fn closed(&self, outcome: ConnectionOutcome) {
        self.open.fetch_sub(1, Ordering::Relaxed);
        self.outcomes[outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// `SCRAM-SHA-256-PLUS` was taken out of a server's offer.
    pub fn scram_plus_removed(&self) {
        self.scram_plus_removed.fetch_add(1, Ordering::Relaxed);
    }

    /// Offers that [`Traffic::scram_plus_removed`] counted: the only messages that pgscope changed.
    pub fn offers_changed(&self) -> u64 {
        self.scram_plus_removed.load(Ordering::Relaxed)
    }

    /// Adds what the profiling itself took, nanoseconds.
    pub fn profiled(&self, stage: Stage, nanos: u64) {
        self.profiling[stage as usize].fetch_add(nanos, Ordering::Relaxed);
    }

    /// What the profiling has taken, nanoseconds.
    pub fn profiling(&self, stage: Stage) -> u64 {
        self.profiling[stage as usize].load(Ordering::Relaxed)
    }

    /// A question on the side connection came to this.
    pub fn explained(&self, outcome: ExplainOutcome) {
        self.explain[outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Questions that [`Traffic::explained`] counted.
    pub fn explanations(&self, outcome: ExplainOutcome) -> u64 {
        self.explain[outcome as usize].load(Ordering::Relaxed)
    }

    /// Something panicked.
    pub fn panicked(&self) {
        self.panics.fetch_add(1, Ordering::Relaxed);
    }

    /// Panics since the start.
    pub fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }

    /// Open connections.
    pub fn open(&self) -> i64 {
        self.open.load(Ordering::Relaxed)
    }

    /// Connections that ended so.
    pub fn ended(&self, outcome: ConnectionOutcome) -> u64 {
        self.outcomes[outcome as usize].load(Ordering::Relaxed)
    }

    /// Bytes read from clients and from the server.
    pub fn bytes(&self) -> (u64, u64) {
        (
            self.frontend_bytes.load(Ordering::Relaxed),
            self.backend_bytes.load(Ordering::Relaxed),
        )
    }
}
