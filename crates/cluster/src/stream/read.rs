//! Standard output of a program, as a reader.

use std::io::{Error, Read, Result as IoResult};

use hyper::body::{Buf, Bytes};
use tokio::sync::mpsc;

use super::{StreamError, StreamResult};
use crate::execute::RunningProgram;

/// Standard output of a program that runs in a container.
///
/// End of file means that the program succeeded and that its whole output was read. Any other end is a read error with
/// a [`StreamError`] inside. Dropping it closes the connection. Like [`Cluster`](crate::Cluster), it must not be used
/// or dropped inside an asynchronous runtime.
pub struct OutputStream {
    pieces: mpsc::Receiver<Bytes>,
    piece: Bytes,
    running: Option<RunningProgram>,
    succeeded: Option<StreamResult>,
}

impl OutputStream {
    pub(super) fn new(running: RunningProgram, pieces: mpsc::Receiver<Bytes>) -> Self {
        Self { pieces, piece: Bytes::new(), running: Some(running), succeeded: None }
    }

    /// Returns the result of the program, once the end of its output was read.
    pub fn result(&self) -> Option<&StreamResult> {
        self.succeeded.as_ref()
    }

    /// Returns the next piece; `None` once the conversation has ended.
    pub(super) fn next_piece(&mut self) -> Option<Bytes> {
        self.pieces.blocking_recv()
    }

    /// Returns the outcome of the conversation, after its last piece.
    pub(super) fn finish(&mut self) -> Result<StreamResult, StreamError> {
        let Some(running) = self.running.take() else {
            return Err(StreamError::Reading(Error::other("reading it has failed before")));
        };
        let ended = running.wait()?;
        if !ended.is_whole {
            return Err(StreamError::CutOff);
        }
        Ok(StreamResult { exit_code: ended.exit_code, bytes: ended.stdout_bytes, stderr: ended.stderr })
    }

    fn end(&mut self) -> IoResult<()> {
        if self.succeeded.is_some() {
            return Ok(());
        }
        let ended = self.finish().map_err(Error::other)?;
        if ended.exit_code != 0 {
            return Err(Error::other(StreamError::Failed { exit_code: ended.exit_code, stderr: ended.stderr }));
        }
        self.succeeded = Some(ended);
        Ok(())
    }
}

impl Read for OutputStream {
    fn read(&mut self, buffer: &mut [u8]) -> IoResult<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        while self.piece.is_empty() {
            match self.next_piece() {
                Some(piece) => self.piece = piece,
                None => return self.end().map(|()| 0),
            }
        }
        let read = buffer.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut buffer[..read]);
        Ok(read)
    }
}
