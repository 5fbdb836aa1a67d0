//! Transfer of a request's bytes to the host, in pieces, of which one is in memory at a time. Nothing is kept here.

use axum::body::{Body, BodyDataStream};
use futures_util::StreamExt as _;
use hyper::body::Bytes;
use landfall_error_codes::codes;
use landfall_peer::PIECE_BYTES;
use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;

use crate::access::Caller;
use crate::api::site::note;
use crate::audit::{Author, Event};
use crate::context::Context;
use crate::error::Context as _;
use crate::host::{HostError, Upload};
use crate::refusal::Refusal;
use crate::task::spawn_for_request;

/// Maximum bytes read of a refused body: as much as the page sends in one request.
const FORGOTTEN_BYTES: usize = 16 << 20;

/// Transfers the body, which belongs to this upload at this offset. Bytes that the host has accepted stay there,
/// whatever happens to the rest of the request. An empty body makes the host check the received bytes again.
pub(super) async fn arrive(
    context: &Context,
    caller: &Caller,
    (id, offset): (&str, u64),
    body: Body,
) -> Result<Upload, Refusal> {
    let turn = context.arriving.clone().try_acquire_owned().map_err(|_| Refusal::Arriving)?;
    let (context, author, id) = (context.clone(), caller.author(), id.to_owned());
    let mut arrival = Arrival { context, author, id, offset, pieces: Pieces::from_body(body), turn: Some(turn) };
    loop {
        let after = arrival.pieces.fill().await;
        let upload = match arrival.hand_over().await {
            Ok(upload) => upload,
            Err(refusal) => {
                arrival.pieces.forget_rest().await;
                return Err(refusal);
            }
        };
        match after {
            Continuation::More => {}
            Continuation::End => return Ok(upload),
            Continuation::Cut => {
                return Err(Refusal::Invalid("the body was cut off; what had arrived of it is kept".to_owned()));
            }
        }
    }
}

/// A request with bytes of an upload. If it ends early, because its sender is gone or too slow, the received bytes are
/// transferred anyway.
struct Arrival {
    context: Context,
    author: Author,
    id: String,
    /// Offset of the piece being read.
    offset: u64,
    pieces: Pieces,
    turn: Option<OwnedSemaphorePermit>,
}

impl Arrival {
    /// Transfers the read bytes to the host. The outcome is recorded even if the browser no longer waits.
    async fn hand_over(&mut self) -> Result<Upload, Refusal> {
        let piece = self.pieces.take();
        let (length, offset) = (piece.len() as u64, self.offset);
        let taking = spawn_for_request(take(self.context.clone(), self.author.clone(), self.id.clone(), offset, piece));
        let upload = taking.await.context(codes::BUG, || "a piece of an upload was interrupted".to_owned())??;
        self.offset += length;
        Ok(upload)
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        let piece = self.pieces.take();
        if piece.is_empty() || Handle::try_current().is_err() {
            return;
        }
        let (context, author, id) = (self.context.clone(), self.author.clone(), std::mem::take(&mut self.id));
        let (offset, turn) = (self.offset, self.turn.take());
        spawn_for_request(async move {
            if let Err(refusal) = take(context, author, id, offset, piece).await {
                tracing::debug!(?refusal, "the end of a request that was cut off is not kept");
            }
            drop(turn);
        });
    }
}

async fn take(context: Context, author: Author, id: String, offset: u64, piece: Vec<u8>) -> Result<Upload, Refusal> {
    match context.site.add_piece(&id, offset, piece).await {
        Ok(upload) => {
            if upload.medium.is_some() {
                note(&context, &author, Event::done("upload.end", &upload.name).with(&id)).await?;
            }
            Ok(upload)
        }
        Err(error) => {
            if let HostError::Refused(problem) = &error
                && problem.status == 422
            {
                let why = format!("{}: {}", problem.code.as_deref().unwrap_or_default(), problem.title);
                note(&context, &author, Event::refused("upload.end", &id, &why)).await?;
            }
            Err(error.into())
        }
    }
}

/// Continuation after a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Continuation {
    More,
    /// The body has ended.
    End,
    /// The sender is gone.
    Cut,
}

/// A body, split into pieces.
struct Pieces {
    body: BodyDataStream,
    /// Bytes of the current piece.
    piece: Vec<u8>,
    /// Received bytes of the next piece.
    rest: Bytes,
}

impl Pieces {
    fn from_body(body: Body) -> Self {
        Self { body: body.into_data_stream(), piece: Vec::new(), rest: Bytes::new() }
    }

    /// Reads a piece of the full size, or a shorter one at the end of the body. Cancellation loses no bytes.
    async fn fill(&mut self) -> Continuation {
        loop {
            let taken = self.rest.split_to(self.rest.len().min(PIECE_BYTES - self.piece.len()));
            self.piece.extend_from_slice(&taken);
            if !self.rest.is_empty() {
                return Continuation::More;
            }
            match self.body.next().await {
                Some(Ok(frame)) => self.rest = frame,
                Some(Err(_)) => return Continuation::Cut,
                None => return Continuation::End,
            }
        }
    }

    /// Reads the rest of the body, within limits. An earlier answer would close a connection that still receives bytes.
    /// The sender might lose the answer and send the piece again; it would learn only that its upload is gone, not why.
    async fn forget_rest(&mut self) {
        let mut left = FORGOTTEN_BYTES;
        while left > 0
            && let Some(Ok(frame)) = self.body.next().await
        {
            left = left.saturating_sub(frame.len());
        }
    }

    /// Returns the piece, and forgets it.
    fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.piece)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    /// Returns the lengths of the pieces of a body with these frames, and its end.
    async fn pieces_of(frames: &[usize], is_cut: bool) -> (Vec<usize>, Continuation) {
        let frame = |length: &usize| Ok(Bytes::from(vec![7; *length]));
        let mut all: Vec<Result<Bytes, std::io::Error>> = frames.iter().map(frame).collect();
        if is_cut {
            all.push(Err(std::io::Error::other("gone")));
        }
        let mut pieces = Pieces::from_body(Body::from_stream(stream::iter(all)));
        let mut lengths = Vec::new();
        loop {
            let after = pieces.fill().await;
            lengths.push(pieces.take().len());
            if after != Continuation::More {
                return (lengths, after);
            }
        }
    }

    #[tokio::test]
    async fn refused_body_is_drained_within_limits() {
        for (frames, read) in [(3, 3), (40, 16)] {
            let count = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
            let counted = count.clone();
            let body = stream::iter(0..frames).map(move |_| {
                counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                Ok::<_, std::io::Error>(Bytes::from(vec![7; 1 << 20]))
            });
            Pieces::from_body(Body::from_stream(body)).forget_rest().await;
            assert_eq!(count.load(std::sync::atomic::Ordering::Relaxed), read);
        }
    }

    #[tokio::test]
    async fn pieces_are_bounded() {
        const FULL: usize = PIECE_BYTES;
        assert_eq!(pieces_of(&[], false).await, (vec![0], Continuation::End));
        assert_eq!(pieces_of(&[3, 4], false).await, (vec![7], Continuation::End));
        assert_eq!(pieces_of(&[FULL], false).await, (vec![FULL], Continuation::End), "an empty piece follows");
        assert_eq!(pieces_of(&[1, 2 * FULL], false).await, (vec![FULL, FULL, 1], Continuation::End));
        assert_eq!(pieces_of(&[FULL - 1, 2, 5], true).await, (vec![FULL, 6], Continuation::Cut));
    }
}
