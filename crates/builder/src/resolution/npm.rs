//! Resolves sets of npm packages: each tarball is fetched once, because a `package-lock.json` states neither its
//! SHA-256 nor its size, and must have the stated SHA-512.

use std::io::Read as _;
use std::path::Path;

use futures_util::{StreamExt as _, stream};
use landfall_error_codes::codes;
use landfall_media::durable;
use landfall_media::progress::Event;
use sha2::{Digest as _, Sha512};

use super::resolve::{Outcome, Resolver};
use crate::error::{BuildError, Place, Result};
use crate::fetch::MeasuredFile;
use crate::lock::LockEntry;
use crate::lock::set::{PARALLEL, SetFields, SetPackage};
use crate::npm::{self, Cpu, LockfileContent, OmittedGroup, Package, Registry};

/// Bytes of a tarball that are hashed at once.
const PIECE_BYTES: usize = 1 << 20;

/// A set of npm packages.
#[derive(Clone, Copy)]
pub(super) struct NpmSet<'a> {
    pub(super) fields: &'a SetFields,
    pub(super) registry: Option<&'a Registry>,
    pub(super) omit: &'a [OmittedGroup],
    /// CPU of the target machines, if the file must have all packages for it.
    pub(super) cpu: Option<Cpu>,
}

impl NpmSet<'_> {
    /// Packages that are selected, and all errors in the file.
    pub(super) fn packages(&self) -> LockfileContent {
        match self.fields.content() {
            Ok((bytes, _)) => npm::read(&self.fields.file.path, bytes, self.registry, self.omit, self.cpu),
            Err(error) => LockfileContent { faults: vec![error], ..LockfileContent::default() },
        }
    }
}

impl Resolver<'_> {
    /// Fetches and pins each tarball; each that differs from its integrity is a separate error.
    pub(super) async fn npm(self, entry: &LockEntry, set: NpmSet<'_>) -> Result<Outcome, Vec<BuildError>> {
        let LockfileContent { packages, skipped, faults } = set.packages();
        for note in skipped {
            self.progress.event(Event::Note(note));
        }
        let path = set.fields.file.path.as_path();
        let found = stream::iter(&packages).map(|package| async move {
            let place = Place::field(path, 0, package.at.escape_default().to_string());
            self.tarball(set, package).await.map_err(|error| error.within(place))
        });
        let found = found.buffered(PARALLEL).collect().await;
        self.pin_set(entry, set.fields, found, faults)
    }

    /// Fetches a tarball into the store, unless the store already has it with the stated integrity.
    async fn tarball(self, set: NpmSet<'_>, package: &Package) -> Result<SetPackage> {
        let (path, url) = (package.path.clone(), package.url.to_string());
        let pinned = set.fields.pinned.as_ref().and_then(|pinned| pinned.files.iter().find(|file| file.url == url));
        if let Some(SetPackage { digest, size, .. }) = pinned.filter(|file| self.store.contains(file.digest))
            && package.integrity.is_of(&sha512(&self.store.path(*digest)).await?)
        {
            return Ok(SetPackage { path, url, digest: *digest, size: *size });
        }
        let MeasuredFile { digest, size } = self.client.measure(&package.url, self.store, self.progress).await?;
        let stored = self.store.path(digest);
        if !package.integrity.is_of(&sha512(&stored).await?) {
            durable::remove_file(&stored)?;
            let what = format!("{url} is not what the file states, {}", package.integrity);
            return Err(BuildError::new(codes::FETCH_MISMATCH, what));
        }
        Ok(SetPackage { path, url, digest, size })
    }
}

/// SHA-512 of a stored blob.
async fn sha512(path: &Path) -> Result<[u8; 64]> {
    let path = path.to_owned();
    let hashed = tokio::task::spawn_blocking(move || -> std::io::Result<[u8; 64]> {
        let mut file = fs_err::File::open(path)?;
        let (mut hasher, mut piece) = (Sha512::new(), vec![0; PIECE_BYTES]);
        loop {
            match file.read(&mut piece)? {
                0 => return Ok(hasher.finalize().into()),
                length => hasher.update(&piece[..length]),
            }
        }
    });
    let hashed =
        hashed.await.map_err(|error| BuildError::new(codes::BUG, "a thread that hashes died").because(error))?;
    hashed.map_err(|error| {
        BuildError::new(codes::BUILD_INTERRUPTED, "a tarball in the store cannot be read").because(error)
    })
}
