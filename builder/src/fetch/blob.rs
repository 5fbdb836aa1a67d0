//! One blob from a registry into the content store, continued by Range where the connection broke.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::StreamExt as _;
use landfall_bundle_spec::codes;
use landfall_bundle_spec::release::Descriptor;
use landfall_media::progress::{Event, Progress};
use landfall_media::store::{ContentStore, Expected, Partial};
use oci_client::errors::OciDistributionError;
use tokio::sync::mpsc;

use super::client::{BlobBytes, Client, Failure};
use crate::error::{BuildError, Result};
use crate::reference::Reference;

/// Pieces that wait for the disk before the connection is slowed down.
const PIECES_IN_FLIGHT: usize = 32;

/// Fetches a blob that any manifest of `reference`'s repository names. On return it is in the store and on the disk.
pub async fn fetch_blob(
    client: &Client,
    reference: &Reference,
    blob: &Descriptor,
    store: &ContentStore,
    progress: &dyn Progress,
) -> Result<()> {
    let expected = Expected { digest: blob.digest, size: blob.size };
    let opened = store.clone();
    let Some(mut partial) = blocking(move || opened.partial(expected)).await?? else {
        progress.event(Event::Advanced { bytes: blob.size });
        return Ok(());
    };
    progress.event(Event::Advanced { bytes: partial.length() });
    let mut failures = 0;
    while partial.length() < blob.size {
        let offset = partial.length();
        if offset > 0 {
            progress.event(Event::Note(format!("resuming {} at byte {offset} by Range", blob.digest)));
        }
        let failure = match client.blob(reference, blob.digest, blob.size, offset).await? {
            Ok(bytes) => {
                let (returned, failure) = receive(partial, bytes, progress).await?;
                partial = returned;
                failure.map(|error| Failure::Transient(OciDistributionError::IoError(error)))
            }
            Err(failure) => Some(failure),
        };
        if partial.length() > offset {
            failures = 0;
        }
        let failure = match failure {
            Some(failure) => failure,
            None if partial.length() == blob.size => break,
            None => Failure::Transient(OciDistributionError::IoError(std::io::ErrorKind::UnexpectedEof.into())),
        };
        failures += 1;
        let what = format!("blob sha256:{}…", &blob.digest.to_hex()[..12]);
        client.pause_or_give_up(reference, &what, failure, failures, progress).await?;
    }
    blocking(move || partial.finish()).await??;
    Ok(())
}

/// Writes what comes until the stream ends or breaks; the partial blob comes back with all that arrived.
async fn receive(
    partial: Partial,
    mut bytes: BlobBytes,
    progress: &dyn Progress,
) -> Result<(Partial, Option<std::io::Error>)> {
    let (sender, receiver) = mpsc::channel(PIECES_IN_FLIGHT);
    let length = Arc::new(AtomicU64::new(partial.length()));
    let resumed = bytes.resumed;
    let mut shown = if resumed { partial.length() } else { 0 };
    let seen = Arc::clone(&length);
    let writer = tokio::task::spawn_blocking(move || write(partial, resumed, receiver, &seen));
    let mut broken = None;
    while let Some(piece) = bytes.stream.next().await {
        match piece {
            Ok(piece) => {
                // A closed channel means that the writer failed: its error follows below.
                if sender.send(piece).await.is_err() {
                    break;
                }
            }
            Err(error) => {
                broken = Some(error);
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
    Ok((partial, broken))
}

fn write(
    mut partial: Partial,
    resumed: bool,
    mut receiver: mpsc::Receiver<Bytes>,
    length: &AtomicU64,
) -> landfall_media::Result<Partial> {
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
