//! The bytes of a request on their way to the host: in pieces, of which one is in memory at a time. Nothing is kept here.

use axum::body::{Body, BodyDataStream};
use futures_util::StreamExt as _;
use hyper::body::Bytes;
use landfall_error_codes::codes;
use landfall_peer::PIECE_BYTES;

use crate::access::Caller;
use crate::api::site::note;
use crate::audit::{Author, Event};
use crate::context::Context;
use crate::error::Context as _;
use crate::host::{HostError, Upload};
use crate::refusal::Refusal;

/// Hands the body over, which belongs to this upload at this offset. What the host has taken stays there, whatever becomes of the rest of the
/// request. An empty body has the host judge again what has arrived.
pub(super) async fn arrive(
    context: &Context,
    caller: &Caller,
    (id, mut offset): (&str, u64),
    body: Body,
) -> Result<Upload, Refusal> {
    let _turn = context.arriving.try_acquire().map_err(|_| Refusal::Arriving)?;
    let author = caller.author();
    let mut pieces = Pieces { body: body.into_data_stream(), rest: Bytes::new() };
    loop {
        let (piece, after) = pieces.next().await;
        let length = piece.len() as u64;
        // Whether or not the browser still waits, what became of it is recorded.
        let taking = tokio::spawn(take(context.clone(), author.clone(), id.to_owned(), offset, piece));
        let upload = taking.await.context(codes::BUG, || "a piece of an upload was interrupted".to_owned())??;
        offset += length;
        match after {
            After::More => {}
            After::End => return Ok(upload),
            After::Cut => {
                return Err(Refusal::Invalid("the body was cut off; what had arrived of it is kept".to_owned()));
            }
        }
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

/// What follows a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    More,
    /// The body is at its end.
    End,
    /// The sender is gone.
    Cut,
}

/// A body in pieces.
struct Pieces {
    body: BodyDataStream,
    /// What has come and belongs to the next piece.
    rest: Bytes,
}

impl Pieces {
    /// The next piece, as long as pieces are, or shorter where the body ends.
    async fn next(&mut self) -> (Vec<u8>, After) {
        let mut piece = Vec::new();
        loop {
            let taken = self.rest.split_to(self.rest.len().min(PIECE_BYTES - piece.len()));
            piece.extend_from_slice(&taken);
            if !self.rest.is_empty() {
                return (piece, After::More);
            }
            match self.body.next().await {
                Some(Ok(frame)) => self.rest = frame,
                Some(Err(_)) => return (piece, After::Cut),
                None => return (piece, After::End),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    /// Lengths of the pieces of a body of these frames, and how it ends.
    async fn pieces_of(frames: &[usize], is_cut: bool) -> (Vec<usize>, After) {
        let mut all: Vec<Result<Bytes, std::io::Error>> =
            frames.iter().map(|length| Ok(vec![7; *length].into())).collect();
        if is_cut {
            all.push(Err(std::io::Error::other("gone")));
        }
        let body = Body::from_stream(stream::iter(all));
        let mut pieces = Pieces { body: body.into_data_stream(), rest: Bytes::new() };
        let mut lengths = Vec::new();
        loop {
            let (piece, after) = pieces.next().await;
            lengths.push(piece.len());
            if after != After::More {
                return (lengths, after);
            }
        }
    }

    #[tokio::test]
    async fn pieces_are_bounded_whatever_the_frames_are() {
        const FULL: usize = PIECE_BYTES;
        assert_eq!(pieces_of(&[], false).await, (vec![0], After::End));
        assert_eq!(pieces_of(&[3, 4], false).await, (vec![7], After::End));
        assert_eq!(pieces_of(&[FULL], false).await, (vec![FULL], After::End), "no empty piece follows");
        assert_eq!(pieces_of(&[1, 2 * FULL], false).await, (vec![FULL, FULL, 1], After::End));
        assert_eq!(pieces_of(&[FULL - 1, 2, 5], true).await, (vec![FULL, 6], After::Cut));
    }
}
