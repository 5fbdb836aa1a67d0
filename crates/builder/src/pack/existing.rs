//! Bundles of the same release that already exist in the output folder.
//!
//! One with the same content is kept, and only its head is read. Any other is replaced with the new one, because a
//! folder with two bundles of one release is refused. A bundle for another platform stays, because a site uses the one
//! for its host.

use std::io::Read as _;
use std::path::Path;

use landfall_bundle_spec::head::Identity;
use landfall_bundle_spec::limits::PROVENANCE_BYTES;
use landfall_bundle_spec::parts::{BundleName, FileKind};
use landfall_bundle_spec::provenance::{BuildDefinition, Provenance};
use landfall_bundle_spec::trust::{Revocation, TrustAnchor};
use landfall_bundle_spec::{Sha256, Verified};
use landfall_media::parts::SUMS_NAME;
use landfall_release_document::{HOST_PACK_DOCUMENT_NAME, HostPackDocument, RELEASE_DOCUMENT_NAME, ReleaseDocument};

use super::build::BuiltFile;

/// Maximum size of a head that is read, in bytes.
const HEAD_LIMIT_BYTES: u64 = 1 << 30;

/// A bundle with the same name and version.
pub struct ExistingBundle {
    /// Base name of its files.
    pub name: BundleName,
    verified: Verified,
}

/// Bundles of the same release or host pack in a folder, if the same roots verify their heads. Unreadable files are
/// skipped silently, and stay.
pub fn existing(folder: &Path, new: &Verified) -> Vec<ExistingBundle> {
    let identity = new.identity();
    let platform_of_new = platform(new);
    let names = file_names(folder);
    let heads = names.iter().filter_map(|name| match BundleName::parse(name)? {
        (bundle, FileKind::Head) => Some((bundle, folder.join(name))),
        _ => None,
    });
    heads
        .filter_map(|(name, path)| {
            let verified = read_head(&path, new)?;
            let is_same_release =
                |other: &Identity| (&other.name, &other.version) == (&identity.name, &identity.version);
            // A host pack may have the name and the version of its release.
            let is_same_kind = is_host_pack(&verified) == is_host_pack(new);
            let is_same =
                is_same_release(&verified.identity()) && is_same_kind && platform(&verified) == platform_of_new;
            (is_same && verified.bundle_name() == name).then_some(ExistingBundle { name, verified })
        })
        .collect()
}

fn is_host_pack(verified: &Verified) -> bool {
    verified.small_document(HOST_PACK_DOCUMENT_NAME).is_some()
}

/// Platform of a bundle; `None` if its document cannot be read.
fn platform(verified: &Verified) -> Option<String> {
    if let Some(release) = verified.small_document(RELEASE_DOCUMENT_NAME) {
        return ReleaseDocument::read(release).ok().map(|release| release.platform);
    }
    let pack = verified.small_document(HOST_PACK_DOCUMENT_NAME)?;
    HostPackDocument::read(pack).ok().map(|pack| pack.platform)
}

fn read_head(path: &Path, new: &Verified) -> Option<Verified> {
    let anchor = TrustAnchor::Fingerprint(new.trusted_root().pinned_fingerprint());
    Verified::read_file(&within(path, HEAD_LIMIT_BYTES)?, &anchor).ok()
}

/// Reads a file of at most `limit_bytes`. The size that the filesystem reports is not used, because the file may grow.
fn within(path: &Path, limit_bytes: u64) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    fs_err::File::open(path).ok()?.take(limit_bytes.saturating_add(1)).read_to_end(&mut bytes).ok()?;
    (bytes.len() as u64 <= limit_bytes).then_some(bytes)
}

fn file_names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

impl ExistingBundle {
    /// Files of the existing bundle, if it equals a new one.
    ///
    /// It must have the same content, keys, root and parts, and a provenance with the same build definition. All files
    /// must exist with their sizes. The time of the build is ignored.
    pub fn same(
        &self,
        folder: &Path,
        new: &Verified,
        stated: &BuildDefinition,
        part_bytes: Option<u64>,
    ) -> Option<Vec<BuiltFile>> {
        let (old, identity) = (&self.verified, new.identity());
        let same = Identity { built_at: identity.built_at.clone(), ..old.identity() } == identity
            && old.blobs().entries() == new.blobs().entries()
            && old.small_documents().eq(new.small_documents())
            && old.signers() == new.signers()
            && old.trusted_root().root().bytes() == new.trusted_root().root().bytes()
            && old.revocation().map(Revocation::bytes) == new.revocation().map(Revocation::bytes)
            && old.document().requires == new.document().requires;
        if !same {
            return None;
        }
        let file = self.name.provenance();
        // A link or a pipe was not written by a build.
        size_of(folder, &file)?;
        if build_definition(&within(&folder.join(file), PROVENANCE_BYTES)?, old)? != *stated {
            return None;
        }
        let ranges = old.layout().parts(part_bytes.unwrap_or(u64::MAX)).ok()?;
        let parts = self.name.parts(ranges.len());
        let sizes = ranges.iter().map(|range| range.end - range.start);
        let whole = parts.iter().zip(sizes).all(|(name, size)| size_of(folder, name) == Some(size));
        if !whole {
            return None;
        }
        let name = &self.name;
        let beside = [name.file(FileKind::Head), name.transfer_sheet(), name.provenance(), name.handbook()];
        let sums = fs_err::read_to_string(folder.join(SUMS_NAME)).ok()?;
        parts.into_iter().chain(beside).map(|name| listed_file(folder, &sums, name)).collect()
    }

    /// Time of its build.
    pub fn built_at(&self) -> String {
        self.verified.identity().built_at
    }

    /// The verified head.
    pub fn verified(&self) -> &Verified {
        &self.verified
    }
}

/// The build definition in a provenance, without the time; `None` unless it belongs to the bundle.
fn build_definition(bytes: &[u8], bundle: &Verified) -> Option<BuildDefinition> {
    let provenance = Provenance::read("provenance", bytes).and_then(|read| read.verify(bundle)).ok()?;
    Some(without_time(provenance.statement().predicate.build_definition.clone()))
}

/// Clears the time of a build definition.
pub fn without_time(mut stated: BuildDefinition) -> BuildDefinition {
    stated.external_parameters.built_at.clear();
    stated
}

fn size_of(folder: &Path, name: &str) -> Option<u64> {
    folder.join(name).symlink_metadata().ok().filter(std::fs::Metadata::is_file).map(|found| found.len())
}

/// A file listed in `SHA256SUMS`, with its size.
fn listed_file(folder: &Path, sums: &str, name: String) -> Option<BuiltFile> {
    let digest = sums.lines().find_map(|line| {
        let (digest, rest) = line.split_once(' ')?;
        (rest.trim_start_matches([' ', '*']) == name).then_some(digest)
    })?;
    let sha256: Sha256 = format!("sha256:{digest}").parse().ok()?;
    Some(BuiltFile { size: size_of(folder, &name)?, name, sha256 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_stops_at_limit() {
        // The kernel reports a size of zero for its own files.
        let endless = Path::new("/proc/self/status");
        assert_eq!(endless.metadata().expect("metadata").len(), 0);
        assert_eq!(within(endless, 16), None);
        // Without the limit, this file would fill the memory.
        assert_eq!(within(Path::new("/dev/zero"), 1 << 20), None);
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("file");
        landfall_media::durable::write_file(&path, b"0123456789", 0o644).expect("file");
        assert_eq!(within(&path, 10).as_deref(), Some(&b"0123456789"[..]));
        assert_eq!(within(&path, 9), None);
    }
}
