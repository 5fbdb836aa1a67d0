//! Fetches a blob from a registry or a server into the content store, resumed by Range after a broken connection.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::StreamExt as _;
use landfall_error_codes::codes;
use landfall_media::progress::{Event, Progress};
use landfall_media::store::{ContentStore, ExpectedBlob, PartialBlob};
use tokio::sync::mpsc;

use super::ask::FileRequest;
use super::client::{BlobBytes, Client, Failure};
use crate::error::{BuildError, Result};
use crate::reference::Reference;

/// Number of pieces that may wait for the disk before the connection is throttled.
pub(super) const PIECES_IN_FLIGHT: usize = 32;

/// Source of a blob.
#[derive(Debug, Clone, Copy)]
pub(super) enum Origin<'a> {
    /// Repository of this reference.
    Registry(&'a Reference),
    /// Server that publishes it as a file.
    File(FileRequest<'a>),
}

/// Fetches a blob. On return it is in the store and synced to disk.
pub(super) async fn fetch_blob(
    client: &Client,
    origin: Origin<'_>,
    blob: ExpectedBlob,
    store: &ContentStore,
    progress: &dyn Progress,
) -> Result<()> {
    let opened = store.clone();
    let Some(mut partial) = blocking(move || opened.partial(blob)).await?? else {
        progress.event(Event::Present { bytes: blob.size });
        return Ok(());
    };
    progress.event(Event::Present { bytes: partial.length() });
    let mut tries = client.tries();
    while partial.length() < blob.size {
        let offset = partial.length();
        if offset > 0 {
            progress.event(Event::Note(format!("resuming {} at byte {offset} by Range", blob.digest)));
        }
        let failure = match open(client, origin, blob, offset).await? {
            Ok(bytes) => {
                let (returned, end) = receive(partial, bytes, blob.size, progress).await?;
                if matches!(end, End::TooLong) {
                    blocking(move || returned.discard()).await??;
                    let (host, what) = host_and_name(client, origin, blob)?;
                    let what = format!("{host} sends more than the {} bytes that are pinned for {what}", blob.size);
                    return Err(BuildError::new(codes::BODY_TOO_LONG, what));
                }
                partial = returned;
                end.failure()
            }
            Err(failure) => Some(failure),
        };
        if Failure::is_after_progress(failure.as_ref(), partial.length().saturating_sub(offset)) {
            tries = client.tries();
        }
        let failure = match failure {
            Some(failure) => failure,
            None if partial.length() == blob.size => break,
            None => Failure::transient(io::Error::from(io::ErrorKind::UnexpectedEof)),
        };
        let (host, what) = host_and_name(client, origin, blob)?;
        if let Err(error) = client.pause_or_give_up(&host, &what, failure, &mut tries, progress).await {
            // There is no data that a later run could resume.
            if partial.length() == 0 {
                blocking(move || partial.discard()).await??;
            }
            return Err(error);
        }
    }
    blocking(move || partial.finish()).await??;
    Ok(())
}

async fn open(
    client: &Client,
    origin: Origin<'_>,
    blob: ExpectedBlob,
    offset: u64,
) -> Result<std::result::Result<BlobBytes, Failure>> {
    match origin {
        Origin::Registry(reference) => client.blob(reference, blob.digest, blob.size, offset).await,
        Origin::File(asked) => client.pinned_file(asked, blob.size, offset).await,
    }
}

/// Server of a blob, and the blob's name in messages.
fn host_and_name(client: &Client, origin: Origin<'_>, blob: ExpectedBlob) -> Result<(String, String)> {
    Ok(match origin {
        Origin::Registry(reference) => {
            let what = format!("blob sha256:{}… of {reference}", &blob.digest.to_hex()[..12]);
            (client.registries.endpoint(&reference.host).registry, what)
        }
        Origin::File(asked) => (client.server(asked.url)?, format!("the file {}", asked.url)),
    })
}

/// End of a stream.
enum End {
    /// The stream ended normally.
    Complete,
    /// The connection broke.
    Broken(io::Error),
    /// The stream continued beyond the last byte of the blob.
    TooLong,
}

impl End {
    fn failure(self) -> Option<Failure> {
        match self {
            Self::Broken(error) => Some(Failure::from_body_error(error)),
            Self::Complete | Self::TooLong => None,
        }
    }
}

/// Writes the stream until it ends, breaks or exceeds the blob's size; returns the partial blob.
async fn receive(
    partial: PartialBlob,
    mut bytes: BlobBytes,
    size: u64,
    progress: &dyn Progress,
) -> Result<(PartialBlob, End)> {
    let (sender, receiver) = mpsc::channel(PIECES_IN_FLIGHT);
    let length = Arc::new(AtomicU64::new(partial.length()));
    let resumed = bytes.resumed;
    let mut shown = if resumed { partial.length() } else { 0 };
    let mut left = size.saturating_sub(shown);
    let seen = Arc::clone(&length);
    let writer = tokio::task::spawn_blocking(move || write(partial, resumed, receiver, &seen));
    let mut end = End::Complete;
    while let Some(piece) = bytes.stream.next().await {
        match piece {
            Ok(piece) if piece.len() as u64 > left => {
                end = End::TooLong;
                break;
            }
            Ok(piece) => {
                left -= piece.len() as u64;
                // A closed channel means that the writer failed: its error is returned below.
                if sender.send(piece).await.is_err() {
                    break;
                }
            }
            Err(error) => {
                end = End::Broken(error);
                break;
            }
        }
        let now = length.load(Ordering::Relaxed);
        progress.event(Event::Advanced { bytes: now.saturating_sub(shown) });
        shown = shown.max(now);
    }
    drop(sender);
    let partial = writer.await.map_err(bug)??;
    progress.event(Event::Advanced { bytes: partial.length().saturating_sub(shown) });
    Ok((partial, end))
}

fn write(
    mut partial: PartialBlob,
    resumed: bool,
    mut receiver: mpsc::Receiver<Bytes>,
    length: &AtomicU64,
) -> landfall_media::Result<PartialBlob> {
    if !resumed {
        partial.restart()?;
    }
    while let Some(piece) = receiver.blocking_recv() {
        partial.append(&piece)?;
        length.store(partial.length(), Ordering::Relaxed);
    }
    Ok(partial)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(bug)
}

fn bug(error: tokio::task::JoinError) -> BuildError {
    BuildError::new(codes::BUG, "a thread that writes a blob died").because(error)
}
