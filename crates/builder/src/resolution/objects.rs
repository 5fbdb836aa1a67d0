//! Resolves parts of buckets: lists the objects, and computes the SHA-256 of each.
//!
//! S3 servers do not list SHA-256 digests, so each object is read once, resumed by Range after a broken connection, and
//! kept in the store. Its `ETag` and size are pinned with its digest: they show a replacement without reading it.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use landfall_error_codes::codes;

use super::resolve::{MovedPin, Outcome, Resolver};
use crate::bucket::{BucketName, ListedObject, ObjectListing, ObjectPage, keep, recorded_digest};
use crate::error::{BuildError, Result};
use crate::fetch::{FileRequest, RequestTarget};
use crate::lock::LockEntry;
use crate::lock::bucket::{BucketFields, BucketFile, BucketPinned};

/// Number of objects in one bucket that are read in parallel.
const PARALLEL: usize = 4;

impl Resolver<'_> {
    /// Lists the objects and pins them.
    pub(super) async fn bucket(self, entry: &LockEntry, fields: &BucketFields) -> Result<Outcome> {
        let listing = self.objects(&fields.name).await?;
        let taken = listing.select(&fields.name, &fields.patterns)?;
        if let Some(pinned) = fields.pinned.as_ref().filter(|_| fields.is_confirmed()) {
            let (reference, changed) = (fields.name.to_string(), first_change(pinned, &taken));
            return Ok(
                changed.map_or(Outcome::Holds, |(pinned, now)| Outcome::Moved(MovedPin { reference, pinned, now }))
            );
        }
        let files = stream::iter(taken).map(|object| self.object(&fields.name, object)).buffered(PARALLEL);
        let files = files.try_collect().await?;
        let found = BucketPinned { resolved: fields.source(), files };
        self.replacement_outcome([fields.replacement(self.lock, &found)], &entry.reference.value)
    }

    /// Lists all objects below a prefix.
    async fn objects(self, name: &BucketName) -> Result<ObjectListing> {
        let url = name.list_url().ok_or_else(|| unaddressable(name, "its list"))?;
        let (mut listing, mut after) = (ObjectListing::default(), None::<String>);
        loop {
            let of =
                RequestTarget::ObjectList { region: name.region(), prefix: name.prefix(), after: after.as_deref() };
            let asked = FileRequest { url: &url, of };
            let bytes = self.client.document(asked, ObjectPage::LIMIT_BYTES, self.progress).await?;
            after = listing.add(name, ObjectPage::read(name, &bytes)?)?;
            if after.is_none() {
                return Ok(listing);
            }
        }
    }

    /// Pin of an object, from an earlier record or by reading it.
    async fn object(self, name: &BucketName, object: &ListedObject) -> Result<BucketFile> {
        let ListedObject { path, size, tag } = object;
        let url = name.object_url(path).ok_or_else(|| unaddressable(name, path))?;
        let digest = if let Some(digest) = recorded_digest(self.store, &url, object) {
            digest
        } else {
            let asked = FileRequest { url: &url, of: RequestTarget::Object { region: name.region(), tag: Some(tag) } };
            let measured = self.client.measure_request(asked, self.store, self.progress).await?;
            if measured.size != *size {
                self.forget(measured.digest)?;
                let what = format!("{url} has {} bytes where the list of its bucket says {size}", measured.size);
                return Err(BuildError::new(codes::FETCH_MISMATCH, what));
            }
            keep(self.store, &url, object, measured.digest)?;
            measured.digest
        };
        Ok(BucketFile { path: path.clone(), etag: tag.clone(), digest, size: *size })
    }
}

/// The first object that differs from its pin: pinned and current state.
fn first_change(pinned: &BucketPinned, taken: &[&ListedObject]) -> Option<(String, String)> {
    let described =
        |path: &str, size: u64, tag: &str| format!("`{}` of {size} bytes with the ETag `{tag}`", path.escape_default());
    let none = |path: &str| format!("no `{}`", path.escape_default());
    let replaced = pinned.files.iter().find_map(|file| {
        let is_same = |now: &ListedObject| now.size == file.size && now.tag == file.etag;
        let now = taken.iter().copied().find(|object| object.path == file.path);
        let now = match now {
            Some(now) if is_same(now) => return None,
            Some(now) => described(&now.path, now.size, &now.tag),
            None => none(&file.path),
        };
        Some((described(&file.path, file.size, &file.etag), now))
    });
    replaced.or_else(|| {
        let is_pinned = |object: &ListedObject| pinned.files.iter().any(|file| file.path == object.path);
        let added = taken.iter().copied().find(|object| !is_pinned(object))?;
        Some((none(&added.path), described(&added.path, added.size, &added.tag)))
    })
}

fn unaddressable(name: &BucketName, what: &str) -> BuildError {
    BuildError::new(codes::LOCK_UNREADABLE, format!("{name} has no address for {what}"))
}

#[cfg(test)]
mod tests {
    use landfall_bundle_spec::Sha256;

    use super::*;

    fn sample_pins(files: &[(&str, &str, u64)]) -> BucketPinned {
        let file = |(path, etag, size): &(&str, &str, u64)| BucketFile {
            path: (*path).to_owned(),
            etag: (*etag).to_owned(),
            digest: Sha256([1; 32]),
            size: *size,
        };
        BucketPinned { resolved: String::new(), files: files.iter().map(file).collect() }
    }

    #[test]
    fn changed_objects_are_named() {
        let pinned = sample_pins(&[("a", "1", 3), ("b", "2", 4)]);
        let object = |path: &str, tag: &str, size| ListedObject { path: path.to_owned(), size, tag: tag.to_owned() };
        let (a, b, c) = (object("a", "1", 3), object("b", "2", 4), object("c", "9", 9));
        assert_eq!(first_change(&pinned, &[&a, &b]), None);
        let text = |taken: &[&ListedObject]| {
            let (before, now) = first_change(&pinned, taken).expect("changed");
            format!("{before}: {now}")
        };
        let of_b = "`b` of 4 bytes with the ETag `2`";
        assert_eq!(text(&[&a, &object("b", "3", 4)]), format!("{of_b}: `b` of 4 bytes with the ETag `3`"));
        assert_eq!(text(&[&a]), format!("{of_b}: no `b`"));
        assert_eq!(text(&[&a, &b, &c]), "no `c`: `c` of 9 bytes with the ETag `9`");
    }
}
