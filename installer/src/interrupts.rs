//! Ctrl-C: an interrupted command prints an error, and exits with the code of an operation that can be continued. No
//! cleanup is needed: files are renamed into place when complete, and operations of a site have a journal.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use landfall_error_codes::codes;
use signal_hook::consts::SIGINT;
use signal_hook::iterator::Signals;

use crate::failure::Failure;
use crate::printer::Printer;

/// Receives interrupts without ending the process.
pub(crate) struct Interrupts(Receiver<()>);

impl Interrupts {
    /// Starts to count interrupts of the terminal in place of ending the process.
    pub(crate) fn capture() -> io::Result<Self> {
        let (interrupted, receiver) = channel();
        on_interrupt(move || interrupted.send(()).is_ok())?;
        Ok(Self(receiver))
    }

    /// Waits for an interrupt for at most `limit`; returns true if there was one.
    pub(crate) fn wait(&self, limit: Duration) -> bool {
        // A disconnected sender counts as an interrupt, because no further one can arrive.
        !matches!(self.0.recv_timeout(limit), Err(RecvTimeoutError::Timeout))
    }
}

/// Ends this process at an interrupt: with an error, or with 0 for a command that is normally ended this way.
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

/// Ends this process immediately, whatever its other threads do.
#[expect(clippy::disallowed_methods, reason = "the thread that runs the command waits for something else")]
fn end(code: u8) -> ! {
    std::process::exit(code.into())
}

/// Calls a function at each interrupt until it returns false. The handler is installed on return.
fn on_interrupt(act: impl Fn() -> bool + Send + 'static) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT])?;
    let listen = move || {
        let _last = signals.forever().find(|_| !act());
    };
    std::thread::Builder::new().name("interrupts".to_owned()).spawn(listen).map(drop)
}
