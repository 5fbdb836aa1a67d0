//! Progress as data: mechanisms emit events, the command line draws them.

use std::time::Duration;

/// One thing a person may want to see. Bytes are bytes that reached the disk, not bytes handed to the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A phase begins; `total_bytes` is known where there is a denominator.
    PhaseStarted {
        /// What is done, as a person reads it: `staging`, `control plane`.
        phase: String,
        /// All the bytes of the phase.
        total_bytes: Option<u64>,
    },
    /// So many bytes of the current phase are there from an earlier run: done, and no measure of how fast this one is.
    Present {
        /// Bytes beside those of other such events.
        bytes: u64,
    },
    /// So many more bytes of the current phase are done.
    Advanced {
        /// Bytes since the last such event.
        bytes: u64,
    },
    /// The current phase is done.
    PhaseDone,
    /// A step of a plan begins: the `index`th of `count`, counted from 1.
    StepStarted {
        /// 1 for the first.
        index: usize,
        /// All the steps.
        count: usize,
        /// What it does, as a person reads it.
        title: String,
        /// How long this step and those after it are predicted to take, where the plan says so.
        remaining: Option<Duration>,
    },
    /// Something a person should read; not an error.
    Note(String),
    /// The stick is not needed any more.
    SafeToRemove,
}

/// Takes events; implementations must be cheap, since mechanisms call them per chunk.
pub trait Progress: Send + Sync {
    /// Takes one event.
    fn event(&self, event: Event);
}

/// Shows nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn event(&self, _event: Event) {}
}
