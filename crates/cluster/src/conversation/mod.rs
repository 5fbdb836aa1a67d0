//! Conversation with a program in a container: its standard streams and its exit, as channels of one WebSocket.
//!
//! kube asks the API server for `v5.channel.k8s.io`, in which a client can close a program's standard input and still
//! read its output. kube's `AttachedProcess` does both over that protocol, but is not used here:
//!
//! - It handles one message at a time, in whichever direction. While a piece of standard input waits to be sent, no
//!   output is read. A program that must write before it reads more then deadlocks with the client.
//! - Its pipes stay open when the conversation fails or the other half is dropped. A program that ends early leaves the
//!   writer of its standard input waiting, and a broken connection leaves the reader of its output waiting.
//! - It pings. An API server closes a connection directly after the status. A ping that arrives later makes the
//!   server's kernel reset the connection. A slow reader then loses output that was still in transit.
//!
//! The status is the only sign that a program has ended, and it comes after all output. A connection that ends without
//! it was broken. A successful status alone does not show that the output is complete: see [`trailer`].

mod status;
pub(super) mod trailer;

use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::{Sink, SinkExt, Stream, StreamExt};
use hyper::body::Bytes;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::api::AttachParams;
use kube::client::Connection;
use kube::{Client, Resource};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::Message;

use super::no_answer::NoAnswer;
use super::output::{Output, OutputHead};
use super::program::Program;
use trailer::Trailer;

/// Channel of standard input.
pub(super) const STDIN: u8 = 0;
/// Channel of standard output.
pub(super) const STDOUT: u8 = 1;
/// Channel of standard error.
pub(super) const STDERR: u8 = 2;
/// Channel on which the API server reports the program's exit.
pub(super) const STATUS: u8 = 3;
/// Marker, not a channel: the channel named by the next byte has ended.
pub(super) const CLOSE: u8 = 255;

/// Number of pieces queued between a conversation and its feeder or reader; pieces of the API server have up to 32 KiB.
/// When the queue is full, nothing more is read, and eventually the program waits.
pub(super) const WAITING_PIECES: usize = 16;

/// Input for a program.
pub(super) enum Input {
    /// Bytes, preceded by the number of their channel.
    Piece(Bytes),
    /// End of the input: standard input is closed.
    End,
}

/// Result of a program, after all its output was passed on.
#[derive(Debug)]
pub(super) struct ConversationResult {
    /// Its exit code.
    pub(super) exit_code: i32,
    /// Its standard output, if kept.
    pub(super) stdout: Output,
    /// Bytes of its standard output.
    pub(super) stdout_bytes: u64,
    /// Its standard error.
    pub(super) stderr: Output,
    /// Bytes of standard input that were sent.
    pub(super) sent_bytes: u64,
    /// True if the trailer was found after the output of a program that succeeded, or if none is expected.
    pub(super) is_whole: bool,
}

/// Starts a program. With `has_input`, its standard input stays open until [`Input::End`].
pub(super) async fn start(
    client: Client,
    program: &Program<'_>,
    arguments: &[String],
    has_input: bool,
) -> Result<Connection, NoAnswer> {
    let parameters = AttachParams::default().container(program.container).stdin(has_input);
    let request = kube::core::Request::new(Pod::url_path(&(), Some(program.namespace)))
        .exec(program.pod, arguments.iter().map(String::as_str), &parameters)
        .map_err(|error| NoAnswer::Connection(error.into()))?;
    let connection = client.connect(request).await?;
    if has_input && !connection.supports_stream_close() {
        return Err(NoAnswer::Connection("the API server cannot close the standard input of a program".into()));
    }
    Ok(connection)
}

/// Forwards input and output until the program ends.
pub(super) async fn converse(
    connection: Connection,
    input: Option<mpsc::Receiver<Input>>,
    mut output: StandardOutput,
) -> Result<ConversationResult, NoAnswer> {
    let (sink, source) = connection.into_stream().split();
    let sent_bytes = AtomicU64::new(0);
    let mut stderr = OutputHead::default();
    let status = tokio::select! {
        status = receive(source, &mut output, &mut stderr) => status?,
        abandoned = send(sink, input, &sent_bytes) => return Err(abandoned),
    };
    let exit_code = status::exit_code(status)?;
    let (is_whole, stdout, stdout_bytes) = output.end(exit_code).await?;
    let sent_bytes = sent_bytes.into_inner();
    Ok(ConversationResult { exit_code, stdout, stdout_bytes, stderr: stderr.output(), sent_bytes, is_whole })
}

/// Forwards outputs until the status arrives.
async fn receive(
    mut source: impl Stream<Item = Result<Message, tungstenite::Error>> + Unpin,
    output: &mut StandardOutput,
    stderr: &mut OutputHead,
) -> Result<Status, NoAnswer> {
    loop {
        let message = source.next().await.ok_or_else(NoAnswer::broken_off)?;
        let Message::Binary(frame) = message.map_err(|error| NoAnswer::Connection(error.into()))? else { continue };
        let Some((channel, content)) = frame.split_first() else { continue };
        match *channel {
            // An empty message announces that a channel is open.
            _ if content.is_empty() => {}
            STDOUT => output.take(frame.slice(1..)).await?,
            STDERR => {
                stderr.add(content);
            }
            STATUS => return serde_json::from_slice(content).map_err(|error| NoAnswer::Connection(error.into())),
            _ => {}
        }
    }
}

/// Sends the input and its end. Returns only if the feeder disappears before the end: only [`receive`] detects the
/// program's end and a broken connection.
async fn send(
    mut sink: impl Sink<Message> + Unpin,
    input: Option<mpsc::Receiver<Input>>,
    sent_bytes: &AtomicU64,
) -> NoAnswer {
    let Some(mut input) = input else { return std::future::pending().await };
    loop {
        let Some(next) = input.recv().await else { return early_close() };
        let (bytes, message, is_last) = match next {
            Input::Piece(frame) => (frame.len() - 1, Message::Binary(frame), false),
            Input::End => (0, Message::binary(vec![CLOSE, STDIN]), true),
        };
        if sink.send(message).await.is_err() {
            break;
        }
        sent_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        if is_last {
            break;
        }
    }
    // Dropping the sender here stops the feeder.
    drop(input);
    std::future::pending().await
}

fn early_close() -> NoAnswer {
    NoAnswer::Connection("it was closed before the program ended".into())
}

/// Destination of a program's standard output.
pub(super) struct StandardOutput {
    target: Target,
    trailer: Option<Trailer>,
    bytes: u64,
}

enum Target {
    Kept(OutputHead),
    Passed(mpsc::Sender<Bytes>),
}

impl StandardOutput {
    /// Keeps the beginning of the output.
    pub(super) fn keep(trailer: Option<Trailer>) -> Self {
        Self { target: Target::Kept(OutputHead::default()), trailer, bytes: 0 }
    }

    /// Passes all output on, as fast as it is consumed.
    pub(super) fn pass_on(to: mpsc::Sender<Bytes>, trailer: Option<Trailer>) -> Self {
        Self { target: Target::Passed(to), trailer, bytes: 0 }
    }

    async fn take(&mut self, piece: Bytes) -> Result<(), NoAnswer> {
        let piece = match &mut self.trailer {
            Some(trailer) => trailer.pass(&piece),
            None => piece,
        };
        self.hand_over(piece).await
    }

    async fn hand_over(&mut self, piece: Bytes) -> Result<(), NoAnswer> {
        self.bytes += piece.len() as u64;
        match &mut self.target {
            _ if piece.is_empty() => {}
            Target::Kept(beginning) => {
                beginning.add(&piece);
            }
            Target::Passed(to) => to.send(piece).await.map_err(|_| early_close())?,
        }
        Ok(())
    }

    /// Returns whether the output is complete, as far as the program can show it, with the kept output and its size in
    /// bytes.
    async fn end(mut self, exit_code: i32) -> Result<(bool, Output, u64), NoAnswer> {
        let is_whole = match self.trailer.take() {
            Some(trailer) if exit_code == 0 => trailer.is_reached(),
            // A program that failed writes no trailer, so everything held back is output.
            Some(trailer) => {
                self.hand_over(trailer.into_held()).await?;
                true
            }
            None => true,
        };
        let kept = match self.target {
            Target::Kept(beginning) => beginning.output(),
            Target::Passed(_) => Output::default(),
        };
        Ok((is_whole, kept, self.bytes))
    }
}
