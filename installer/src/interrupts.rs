//! Ctrl-C: a command that it ends says so, and ends with the exit code of what may be continued. Nothing needs to be cleared up: files
//! take their places whole, and operations of a site are in a journal.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use landfall_error_codes::codes;
use tokio::signal::unix::{SignalKind, signal};

use crate::failure::Failure;
use crate::printer::Printer;

/// Interrupts that end no process.
pub(crate) struct Interrupts(Receiver<()>);

impl Interrupts {
    /// From now on, interrupts of the terminal are only counted here.
    pub(crate) fn held() -> io::Result<Self> {
        let (interrupted, receiver) = channel();
        on_interrupt(move || interrupted.send(()).is_ok())?;
        Ok(Self(receiver))
    }

    /// Waits for an interrupt, at most so long; returns whether there was one.
    pub(crate) fn wait(&self, limit: Duration) -> bool {
        // Nobody is left who could interrupt.
        !matches!(self.0.recv_timeout(limit), Err(RecvTimeoutError::Timeout))
    }
}

/// Ends this process at an interrupt: with an error that says what is left, or, where an interrupt is how the command ends, with 0.
pub(crate) fn end_at_interrupt(printer: Printer, is_usual: bool) {
    let ended = on_interrupt(move || {
        if is_usual {
            end(0);
        }
        let failure = Failure::new(codes::INTERRUPTED, "interrupted from the terminal");
        printer.last_failure(&failure);
        end(failure.code().class.exit_code());
    });
    if let Err(error) = ended {
        tracing::debug!(%error, "interrupts end this process without a word");
    }
}

/// Ends this process, whatever its other threads do.
#[expect(clippy::disallowed_methods, reason = "the thread that runs the command waits for something else")]
fn end(code: u8) -> ! {
    std::process::exit(code.into())
}

/// Does something at each interrupt, until it returns false. The handler is there when this returns.
fn on_interrupt(act: impl Fn() -> bool + Send + 'static) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let mut signals = runtime.block_on(async { signal(SignalKind::interrupt()) })?;
    let listen = move || {
        runtime.block_on(async { while signals.recv().await.is_some() && act() {} });
    };
    std::thread::Builder::new().name("interrupts".to_owned()).spawn(listen).map(drop)
}
