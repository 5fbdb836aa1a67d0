//! Records of objects that were read, next to the content store, so that a repeated or resumed lock does not read them
//! again. An object with another tag or size counts as another object.

use std::path::PathBuf;

use landfall_bundle_spec::Sha256;
use landfall_media::store::ContentStore;
use serde::{Deserialize, Serialize};

use super::ListedObject;
use crate::error::Result;
use crate::file_url::FileUrl;
use crate::record;

const RECORD_TYPE: &str = "landfall.dev/object/1";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    #[serde(rename = "type")]
    document_type: String,
    digest: Sha256,
}

/// SHA-256 of an object that was read before, if its content is still in the store.
pub fn recorded_digest(store: &ContentStore, url: &FileUrl, object: &ListedObject) -> Option<Sha256> {
    let record: Record = record::read(&path(store, url, object))?;
    (record.document_type == RECORD_TYPE && store.contains(record.digest)).then_some(record.digest)
}

/// Records the SHA-256 of an object. The record is synced.
///
/// # Errors
///
/// Fails if it cannot be written.
pub fn keep(store: &ContentStore, url: &FileUrl, object: &ListedObject, digest: Sha256) -> Result<()> {
    let record = Record { document_type: RECORD_TYPE.to_owned(), digest };
    record::write(&path(store, url, object), &record, "an object's record")
}

fn path(store: &ContentStore, url: &FileUrl, ListedObject { size, tag, .. }: &ListedObject) -> PathBuf {
    // Tags contain no newline.
    record::path(store, "objects", Sha256::of(format!("{url}\n{tag}\n{size}").as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seen_object_requires_stored_blob() {
        let folder = tempfile::tempdir().expect("folder");
        let store = ContentStore::at(folder.path());
        let url: FileUrl = "https://s3.example/models/a".parse().expect("address");
        let object = ListedObject { path: "a".to_owned(), size: 3, tag: "t".to_owned() };
        assert_eq!(recorded_digest(&store, &url, &object), None);
        let digest = store.ingest_bytes(b"abc").expect("ingested").sha256;
        keep(&store, &url, &object, digest).expect("kept");
        assert_eq!(recorded_digest(&store, &url, &object), Some(digest));
        for other in
            [ListedObject { size: 4, ..object.clone() }, ListedObject { tag: "u".to_owned(), ..object.clone() }]
        {
            assert_eq!(recorded_digest(&store, &url, &other), None, "{other:?}");
        }
        assert_eq!(recorded_digest(&store, &"https://s3.example/models/b".parse().expect("address"), &object), None);
        fs_err::remove_file(store.path(digest)).expect("removed");
        assert_eq!(recorded_digest(&store, &url, &object), None);
    }
}
