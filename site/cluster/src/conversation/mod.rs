//! The conversation with a program in a container: its standard streams and its end, as channels of one WebSocket.
//!
//! kube asks the API server for `v5.channel.k8s.io`, in which a client can close a program's standard input and still
//! read its output. kube's `AttachedProcess` does both over that protocol, but is not used here:
//!
//! - It handles one message at a time, in whichever direction. While a piece of standard input waits to be sent, no output
//!   is read: a program that must write before it reads more waits forever, and so does the client.
//! - Its pipes stay open when the conversation fails or the other half is dropped. A program that ends early leaves the
//!   writer of its standard input waiting, and a broken connection leaves the reader of its output waiting.
//! - It pings. An API server closes a connection right behind the status; a ping that arrives afterwards makes its kernel
//!   reset the connection, and a slow reader loses the output that was still on its way.
//!
//! The status is the only sign of a program's end, and it comes after all output. A connection that ends without one broke
//! off. A status of success alone does not show that the output is whole: see [`trailer`].

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

use super::execute::Program;
use super::no_answer::NoAnswer;
use super::output::{Beginning, Output};
use trailer::Trailer;

/// Channel of standard input.
pub(super) const STDIN: u8 = 0;
/// Channel of standard output.
pub(super) const STDOUT: u8 = 1;
/// Channel of standard error.
pub(super) const STDERR: u8 = 2;
/// Channel on which the API server reports how the program ended.
pub(super) const STATUS: u8 = 3;
/// Not a channel: announces that the channel in the next byte has ended.
pub(super) const CLOSE: u8 = 255;

/// Pieces that wait between a conversation and who feeds or reads it; the API server's pieces have up to 32 KiB. When all
/// places are taken, nothing more is read, and in the end the program waits.
pub(super) const WAITING_PIECES: usize = 16;

/// What is fed to a program.
pub(super) enum Input {
    /// Bytes behind the number of their channel.
    Piece(Bytes),
    /// Nothing more: standard input is closed.
    End,
}

/// How a program ended, after all its output was passed on.
#[derive(Debug)]
pub(super) struct Ended {
    /// Its exit code.
    pub(super) exit_code: i32,
    /// Its standard output, where it is kept.
    pub(super) stdout: Output,
    /// Bytes of its standard output.
    pub(super) stdout_bytes: u64,
    /// Its standard error.
    pub(super) stderr: Output,
    /// Bytes of standard input that were sent.
    pub(super) sent_bytes: u64,
    /// Whether the trailer behind the output of a program that succeeded was found, where there should be one.
    pub(super) is_whole: bool,
}

/// Starts a program. With `has_input`, its standard input is open until [`Input::End`].
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

/// Passes everything on until the program ends.
pub(super) async fn converse(
    connection: Connection,
    input: Option<mpsc::Receiver<Input>>,
    mut output: StandardOutput,
) -> Result<Ended, NoAnswer> {
    let (sink, source) = connection.into_stream().split();
    let sent_bytes = AtomicU64::new(0);
    let mut stderr = Beginning::default();
    let status = tokio::select! {
        status = receive(source, &mut output, &mut stderr) => status?,
        abandoned = send(sink, input, &sent_bytes) => return Err(abandoned),
    };
    let exit_code = status::exit_code(status)?;
    let (is_whole, stdout, stdout_bytes) = output.end(exit_code).await?;
    let sent_bytes = sent_bytes.into_inner();
    Ok(Ended { exit_code, stdout, stdout_bytes, stderr: stderr.output(), sent_bytes, is_whole })
}

/// Passes outputs on until the status comes.
async fn receive(
    mut source: impl Stream<Item = Result<Message, tungstenite::Error>> + Unpin,
    output: &mut StandardOutput,
    stderr: &mut Beginning,
) -> Result<Status, NoAnswer> {
    loop {
        let message = source.next().await.ok_or_else(NoAnswer::broken_off)?;
        let Message::Binary(frame) = message.map_err(|error| NoAnswer::Connection(error.into()))? else { continue };
        let Some((channel, content)) = frame.split_first() else { continue };
        match *channel {
            // The API server announces that a channel is open.
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

/// Sends what comes, and the end of it. Returns only if the feeder vanished before the end: a program that ends, or a
/// connection that breaks off, is learned of by [`receive`] alone.
async fn send(
    mut sink: impl Sink<Message> + Unpin,
    input: Option<mpsc::Receiver<Input>>,
    sent_bytes: &AtomicU64,
) -> NoAnswer {
    let Some(mut input) = input else { return std::future::pending().await };
    loop {
        let Some(next) = input.recv().await else { return abandoned() };
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
    // Closing the channel here makes the feeder stop.
    drop(input);
    std::future::pending().await
}

fn abandoned() -> NoAnswer {
    NoAnswer::Connection("it was closed before the program ended".into())
}

/// Where the standard output of a program goes.
pub(super) struct StandardOutput {
    target: Target,
    trailer: Option<Trailer>,
    bytes: u64,
}

enum Target {
    Kept(Beginning),
    Passed(mpsc::Sender<Bytes>),
}

impl StandardOutput {
    /// Its beginning is kept.
    pub(super) fn kept(trailer: Option<Trailer>) -> Self {
        Self { target: Target::Kept(Beginning::default()), trailer, bytes: 0 }
    }

    /// All of it is passed on, as fast as it is taken.
    pub(super) fn passed(to: mpsc::Sender<Bytes>, trailer: Option<Trailer>) -> Self {
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
            Target::Passed(to) => to.send(piece).await.map_err(|_| abandoned())?,
        }
        Ok(())
    }

    /// Whether the output is whole, as far as the program can show it; what was kept of it, and its bytes.
    async fn end(mut self, exit_code: i32) -> Result<(bool, Output, u64), NoAnswer> {
        let is_whole = match self.trailer.take() {
            Some(trailer) if exit_code == 0 => trailer.is_reached(),
            // A program that failed leaves no trailer: all that was held back is output.
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
