//! Streams of any length to and from programs in containers; backups leave and enter pods this way.
//!
//! Bytes are passed on as they arrive. The slower side blocks the other; the buffer in between holds a few pieces.

mod error;
mod read;

use std::io::{ErrorKind, Read, Write};
use std::time::Duration;

use tokio::sync::mpsc;

use super::Cluster;
use super::conversation::{Input, STDIN, StandardOutput, WAITING_PIECES};
use super::execute::ProgramResult;
use super::output::Output;
use super::program::Program;
pub use error::StreamError;
pub use read::OutputStream;

/// Bytes of standard input per message.
const PIECE_BYTES: usize = 32 << 10;

/// Result of a program whose standard output was passed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamResult {
    /// Its exit code.
    pub exit_code: i32,
    /// Bytes of its standard output.
    pub bytes: u64,
    /// Its standard error.
    pub stderr: Output,
}

impl Cluster {
    /// Runs a program in a container, without standard input, and writes its standard output to `to` as it arrives.
    /// Returns the exit code, even of a failure; a connection that breaks off is an error, whatever arrived before.
    ///
    /// The limit includes the time that `to` takes. The API server cuts off an output that pauses for four hours. When
    /// the limit has passed or `to` fails, the connection is closed; the program in the container continues until it
    /// writes.
    pub fn read_stream(
        &self,
        program: &Program<'_>,
        limit: Duration,
        to: &mut (dyn Write + Send),
    ) -> Result<StreamResult, StreamError> {
        let mut stream = self.open_stream(program, limit)?;
        while let Some(piece) = stream.next_piece() {
            to.write_all(&piece).map_err(StreamError::Writing)?;
        }
        to.flush().map_err(StreamError::Writing)?;
        stream.finish()
    }

    /// Starts a program in a container, without standard input, and returns its standard output as a reader. Limit and
    /// connection are as in [`Cluster::read_stream`].
    pub fn open_stream(&self, program: &Program<'_>, limit: Duration) -> Result<OutputStream, StreamError> {
        let (sender, pieces) = mpsc::channel(WAITING_PIECES);
        let running = self.start(program, limit, None, |trailer| StandardOutput::pass_on(sender, trailer))?;
        Ok(OutputStream::new(running, pieces))
    }

    /// Runs a program in a container, feeds it `from` as standard input, closes that at the end, and waits until the
    /// program ends. Returns the exit code, even of a failure, if the program lived until all its input was sent.
    ///
    /// Kubernetes also closes the standard input of a program whose connection breaks off, for any reason. When this
    /// fails, the program may mistake the part that it received for the whole, so its target is worthless until it is
    /// filled again.
    ///
    /// The limit includes the time that `from` takes. It does not interrupt `from` while `from` blocks.
    pub fn write_stream(
        &self,
        program: &Program<'_>,
        limit: Duration,
        from: &mut (dyn Read + Send),
    ) -> Result<ProgramResult, StreamError> {
        let (sender, input) = mpsc::channel(WAITING_PIECES);
        let running = self.start(program, limit, Some(input), StandardOutput::keep)?;
        let read_bytes = feed(from, &sender).map_err(StreamError::Reading)?;
        let ended = running.wait()?;
        if ended.sent_bytes < read_bytes {
            return Err(StreamError::EndedEarly { exit_code: ended.exit_code, stderr: ended.stderr });
        }
        if !ended.is_whole {
            return Err(StreamError::CutOff);
        }
        Ok(ProgramResult { exit_code: ended.exit_code, stdout: ended.stdout, stderr: ended.stderr })
    }
}

/// Feeds a program until the end, or until its conversation ends, which reports the reason. Returns the number of bytes
/// read.
fn feed(from: &mut (dyn Read + Send), to: &mpsc::Sender<Input>) -> std::io::Result<u64> {
    let mut read_bytes = 0;
    loop {
        let mut frame = vec![STDIN; 1 + PIECE_BYTES];
        let read = match from.read(&mut frame[1..]) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            read => read?,
        };
        read_bytes += read as u64;
        frame.truncate(1 + read);
        let next = if read == 0 { Input::End } else { Input::Piece(frame.into()) };
        if to.blocking_send(next).is_err() || read == 0 {
            return Ok(read_bytes);
        }
    }
}

#[cfg(test)]
mod peer;
#[cfg(test)]
mod tests;
