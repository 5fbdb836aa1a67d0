//! Resolves model repositories: the commit that a revision names, and the digest of each file.
//!
//! A hub lists the SHA-256 of large files; it is pinned as stated, and `landfall build` refuses other content. Small
//! files are fetched at the commit, compared with their Git object ID, and kept.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use landfall_bundle_spec::Sha256;
use landfall_error_codes::codes;
use sha2::Digest as _;

use super::resolve::{MovedPin, Outcome, Resolver};
use crate::error::{BuildError, Result};
use crate::fetch::{FileRequest, RequestTarget};
use crate::hub::{Commit, ListedContent, ListedFile, Listing};
use crate::lock::LockEntry;
use crate::lock::hub::{HubFields, HubPinned};
use crate::lock::pinned::PinnedFile;

/// Number of small files in one repository that are fetched in parallel.
const PARALLEL: usize = 4;

/// Maximum size of a file that is fetched for its digest: hubs omit the SHA-256 only for small files.
const SMALL_BYTES: u64 = 64 << 20;

impl Resolver<'_> {
    /// Resolves the commit and pins its files.
    pub(super) async fn hub(self, entry: &LockEntry, fields: &HubFields) -> Result<Outcome> {
        let url = fields.name.list_url().ok_or_else(|| unaddressable(fields, "its list"))?;
        let asked = FileRequest { url: &url, of: RequestTarget::HubList };
        let bytes = self.client.document(asked, Listing::LIMIT_BYTES, self.progress).await?;
        let listing = Listing::read(&url, &bytes)?;
        if let Some(pinned) = fields.pinned.as_ref().filter(|_| fields.is_confirmed()) {
            if pinned.commit != listing.commit {
                let (pinned, now) = (pinned.commit.to_string(), listing.commit.to_string());
                return Ok(Outcome::Moved(MovedPin { reference: fields.name.to_string(), pinned, now }));
            }
            check_unchanged(fields, pinned, &listing)?;
            return Ok(Outcome::Holds);
        }
        let taken = listing.select(&fields.name, &fields.patterns)?;
        let commit = &listing.commit;
        let files = stream::iter(taken).map(|file| self.pin_file(fields, commit, file)).buffered(PARALLEL);
        let files: Vec<PinnedFile> = files.try_collect().await?;
        fields.must_have(&files)?;
        let Listing { commit, license, .. } = listing;
        let found = HubPinned { resolved: fields.source(), commit, license, files };
        self.replacement_outcome([fields.replacement(self.lock, &found)], &entry.reference.value)
    }

    /// Pin of a listed file.
    async fn pin_file(self, fields: &HubFields, commit: &Commit, file: &ListedFile) -> Result<PinnedFile> {
        let (path, size) = (file.path.clone(), file.size);
        let git_name = match &file.content {
            ListedContent::Large(digest) => return Ok(PinnedFile { path, digest: *digest, size }),
            ListedContent::Small(git_name) => git_name,
        };
        let too_large = || {
            let what = format!("{} lists `{path}` of {size} bytes without its SHA-256", fields.name);
            BuildError::new(codes::HUB_ANSWER, what)
        };
        let limit = usize::try_from(size).ok().filter(|_| size <= SMALL_BYTES).ok_or_else(too_large)?;
        let url = fields.name.file_url(commit, &path).ok_or_else(|| unaddressable(fields, &path))?;
        let asked = FileRequest { url: &url, of: RequestTarget::Hub { commit, digest: None, size } };
        let bytes = self.client.document(asked, limit, self.progress).await?;
        if bytes.len() as u64 != size {
            let what = format!("{url} has {} bytes where the list of its files says {size}", bytes.len());
            return Err(BuildError::new(codes::FETCH_MISMATCH, what));
        }
        if git_name.is_some_and(|listed| listed != git_name_of(&bytes)) {
            let what = format!("{url} is not the file that the list of its repository names");
            return Err(BuildError::new(codes::FETCH_MISMATCH, what));
        }
        let digest: Sha256 = self.store.ingest_bytes(&bytes)?.sha256;
        Ok(PinnedFile { path, digest, size })
    }
}

/// Returns an error if the list of a commit differs from its pins: a commit never changes.
fn check_unchanged(fields: &HubFields, pinned: &HubPinned, listing: &Listing) -> Result<()> {
    for file in &pinned.files {
        let listed = listing.files.iter().find(|listed| listed.path == file.path);
        let is_same = listed.is_some_and(|listed| {
            listed.size == file.size && !matches!(listed.content, ListedContent::Large(digest) if digest != file.digest)
        });
        if !is_same {
            let what = format!(
                "{} lists another `{}` for the commit {} than is pinned",
                fields.name, file.path, pinned.commit
            );
            return Err(BuildError::new(codes::FETCH_MISMATCH, what));
        }
    }
    Ok(())
}

/// Git object ID of some content: SHA-1 of its type and length, and its bytes.
fn git_name_of(bytes: &[u8]) -> [u8; 20] {
    let mut hasher = sha1::Sha1::new_with_prefix(format!("blob {}\0", bytes.len()));
    hasher.update(bytes);
    hasher.finalize().into()
}

fn unaddressable(fields: &HubFields, what: &str) -> BuildError {
    BuildError::new(codes::LOCK_UNREADABLE, format!("{} has no address for {what}", fields.name))
}

#[cfg(test)]
mod tests {
    use super::git_name_of;

    #[test]
    fn content_names_match_git() {
        // `printf 'hello\n' | git hash-object --stdin`
        assert_eq!(hex::encode(git_name_of(b"hello\n")), "ce013625030ba8dba906f756967f9e9ca394464a");
    }
}
