//! `landfall lock --check`: whether everything that the lock pins is resolved, fresh, and still what upstream has. Nothing is
//! written, and of what is pinned, no content is fetched.

use std::path::PathBuf;

use futures_util::{StreamExt as _, stream};
use landfall_error_codes::{Code, Coded as _, codes};
use landfall_media::progress::Progress;
use landfall_media::store::ContentStore;
use schemars::JsonSchema;
use serde::Serialize;

use super::resolve::{Asking, Moved, Outcome};
use super::{Content, List, Lock, LockEntry, LockedFile};
use crate::error::{BuildError, Place, Result};
use crate::fetch::{Asked, Client, Of};
use crate::hub::HubName;
use crate::options::SourceOptions;
use crate::reference::Reference;

/// Entries and files that are asked for at the same time.
const PARALLEL: usize = 8;

/// Errors that say that something is no longer published.
const WITHDRAWN: [Code; 3] = [codes::IMAGE_MISSING, codes::FILE_MISSING, codes::CHART_NOT_OFFERED];

/// A lock of which everything is still as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LockCheck {
    /// The lock that was read.
    pub lock: PathBuf,
    /// Manifests, repositories and files that were asked for.
    pub asked: usize,
}

/// Something that is pinned.
enum Pinned<'a> {
    Entry(&'a LockEntry),
    File(&'a LockedFile),
}

/// Checks the lock of a release. One error names everything that is unresolved, stale, moved or withdrawn, and whatever
/// could not be asked.
pub async fn check(source: &SourceOptions, store: &ContentStore, progress: &dyn Progress) -> Result<LockCheck> {
    let path = super::command::path(source)?;
    let lock = Lock::read(&path)?;
    let client = Client::configured(source.registries.as_deref())?;
    let asking = Asking { lock: &lock, client: &client, store, progress };
    let (mut lines, mut pinned) = (Vec::new(), Vec::new());
    for list in List::ALL {
        for entry in lock.list(list) {
            let open = entry.unresolved();
            let stale = if open.is_empty() { entry.stale() } else { Vec::new() };
            let is_fine = open.is_empty() && stale.is_empty();
            lines.extend(open.into_iter().map(|line| format!("{line} is unresolved")));
            lines.extend(stale.into_iter().map(|line| format!("{line} is stale")));
            match &entry.content {
                _ if !is_fine => {}
                Content::Files(files) => pinned.extend(files.iter().map(Pinned::File)),
                _ => pinned.push(Pinned::Entry(entry)),
            }
        }
    }
    let asked = pinned.len();
    let found: Vec<_> = stream::iter(pinned).map(|pinned| one(asking, pinned)).buffered(PARALLEL).collect().await;
    lines.extend(found.into_iter().flatten());
    if lines.is_empty() {
        return Ok(LockCheck { lock: path, asked });
    }
    let noun = if lines.len() == 1 { "entry is" } else { "entries are" };
    let what = format!("{} {noun} not what upstream has now:{}", lines.len(), lines.concat());
    Err(BuildError::at(codes::LOCK_OUTDATED, Place::file(&path), what))
}

/// What is wrong with something that is pinned, in lines.
async fn one(asking: Asking<'_>, pinned: Pinned<'_>) -> Vec<String> {
    match pinned {
        Pinned::File(file) => {
            let at = format!("\n  line {}: {}", file.line(), file.url);
            match asking.client.published(Asked::file(&file.url), asking.progress).await {
                Ok(Some(size)) if file.size.value.known().is_some_and(|pinned| *pinned != size) => {
                    vec![format!("{at} has {size} bytes now")]
                }
                Ok(_) => Vec::new(),
                Err(error) => vec![failed(&at, &error)],
            }
        }
        Pinned::Entry(entry) => {
            let at = format!("\n  line {}: {}", entry.reference.referenced.line(), entry.reference.value);
            let outcome = match &entry.content {
                Content::Manifest(fields) => asking.manifest(entry, fields).await,
                Content::Archive(fields) => asking.archive(entry, fields).await,
                Content::Hub(fields) => asking.hub(entry, fields).await,
                Content::Files(_) => return Vec::new(),
            };
            match outcome {
                Ok(Outcome::Holds | Outcome::Resolved(_)) => Vec::new(),
                Ok(Outcome::Moved(Moved { pinned, now, .. })) => {
                    let moved = format!("{at} names {now} now, and the lock keeps {pinned}");
                    let gone = withdrawn(asking, entry).await.err().map(|error| failed(&at, &error));
                    std::iter::once(moved).chain(gone).collect()
                }
                Err(error) => vec![failed(&at, &error)],
            }
        }
    }
}

/// Asks for what a moved entry pins.
async fn withdrawn(asking: Asking<'_>, entry: &LockEntry) -> Result<()> {
    match &entry.content {
        Content::Manifest(fields) => {
            let reference: Option<Reference> = entry.reference.value.parse().ok();
            let digest = fields.digest.value.known().copied();
            if let Some(pinned) = reference.zip(digest).map(|(reference, digest)| reference.with_digest(digest)) {
                asking.client.manifest(&pinned, asking.progress).await?;
            }
        }
        Content::Hub(fields) => {
            let commit = fields.pinned.as_ref().map(|pinned| pinned.commit.as_str());
            if let Some(url) = commit.and_then(|commit| fields.name.at(commit)).as_ref().and_then(HubName::list_url) {
                asking.client.published(Asked { url: &url, of: Of::HubList }, asking.progress).await?;
            }
        }
        Content::Archive(fields) => {
            if let Some(url) = fields.address() {
                asking.client.published(Asked::file(&url), asking.progress).await?;
            }
        }
        Content::Files(_) => {}
    }
    Ok(())
}

fn failed(at: &str, error: &BuildError) -> String {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    let withdrawn = if WITHDRAWN.contains(&error.code()) { "is withdrawn" } else { "could not be asked for" };
    format!("{at} {withdrawn}: {error}{cause}")
}
