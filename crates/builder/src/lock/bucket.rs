//! Artifacts made of objects of a bucket: their entry in the lock, and the pins that `landfall lock` writes.

use landfall_bundle_spec::Sha256;
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::Lock;
use super::document::Refuse;
use super::edit::Replacement;
use super::pinned::{self, WrittenPinned, quote};
use crate::bucket::{BucketName, BucketParts};
use crate::error::{Place, Result};
use crate::paths::is_relative;
use crate::patterns::Patterns;
use crate::pins::{FilePin, FileSource, Take};

/// Field of an entry.
pub(super) const FIELD: &str = "s3";

/// The bucket of an entry.
#[derive(Debug, Clone)]
pub struct BucketFields {
    /// Server, bucket and prefix.
    pub name: BucketName,
    /// Patterns that select the objects.
    pub patterns: Patterns,
    /// The pins; `None` while unresolved.
    pub pinned: Option<BucketPinned>,
    /// Line of the lock with the key `pinned`, counted from 1.
    line: u64,
}

/// Pins that `landfall lock` found.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BucketPinned {
    /// Text of the entry at that time; the pins are stale if it has changed since.
    pub resolved: String,
    /// Selected objects.
    pub files: Vec<BucketFile>,
}

/// A pinned object.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BucketFile {
    /// Path below the prefix.
    pub path: String,
    /// `ETag` of the server, without quotation marks.
    pub etag: String,
    /// SHA-256 of the object.
    pub digest: Sha256,
    /// Size in bytes.
    pub size: u64,
}

/// The field `s3`, as written.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct WrittenBucket {
    endpoint: String,
    #[serde(default = "default_region")]
    region: String,
    bucket: String,
    #[serde(default)]
    prefix: String,
    #[serde(default = "yes")]
    path_style: bool,
    #[serde(default)]
    include: Vec<String>,
    #[serde(default)]
    exclude: Vec<String>,
    pinned: Spanned<WrittenPinned<BucketPinned>>,
}

fn default_region() -> String {
    "us-east-1".to_owned()
}

fn yes() -> bool {
    true
}

/// Checks the written entry; `text` is that of the lock.
pub(super) fn read(written: WrittenBucket, text: &str, refuse: Refuse<'_>) -> Result<BucketFields> {
    let WrittenBucket { endpoint, region, bucket, prefix, path_style, include, exclude, pinned } = written;
    let parts = BucketParts { endpoint: &endpoint, region: &region, bucket: &bucket, prefix: &prefix, path_style };
    let name = BucketName::new(parts).map_err(|invalid| refuse(&format!("{FIELD}.{}", invalid.field), invalid.what))?;
    let patterns = Patterns::new(&include, &exclude).map_err(|what| refuse(&format!("{FIELD}.include"), what))?;
    let line = pinned::line(text, pinned.referenced.line(), FIELD, refuse)?;
    let pinned = match pinned.value {
        WrittenPinned::Unresolved => None,
        WrittenPinned::Known(known) => {
            let paths = known.files.iter().map(|file| file.path.as_str());
            let is_path = |path: &str| is_relative(path) && name.object_url(path).is_some();
            pinned::check_files(FIELD, paths, is_path, refuse)?;
            Some(known)
        }
    };
    Ok(BucketFields { name, patterns, pinned, line })
}

impl BucketFields {
    /// Text that the pins are resolved from.
    pub fn source(&self) -> String {
        format!("{}{}", self.name, self.patterns)
    }

    /// Returns true if the pins were resolved from the current entry.
    pub fn is_confirmed(&self) -> bool {
        self.pinned.as_ref().is_some_and(|pinned| pinned.resolved == self.source())
    }

    /// Line in the lock, counted from 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// Pins of the objects, in the form that is fetched.
    pub(super) fn pins(&self, lock: &Lock, entry: &str) -> Option<Vec<FilePin>> {
        let pin = |(number, file): (usize, &BucketFile)| {
            let (url, region) = (self.name.object_url(&file.path)?, self.name.region().to_owned());
            let field = format!("{entry}.{FIELD}.pinned.files[{number}]");
            Some(FilePin {
                source: FileSource::Object { url, region },
                digest: file.digest,
                size: file.size,
                take: Take::Whole(file.path.clone()),
                commit: None,
                place: Place::field(&lock.path, self.line, field),
            })
        };
        self.pinned.as_ref()?.files.iter().enumerate().map(pin).collect()
    }

    /// Replacement for the lines below the key `pinned`; `None` if that key is no longer at its line.
    pub(crate) fn replacement(&self, lock: &Lock, found: &BucketPinned) -> Option<Replacement> {
        pinned::replacement(lock, self.line, &lines(found))
    }
}

/// Lines below the key `pinned`.
fn lines(found: &BucketPinned) -> Vec<String> {
    let head = [format!("resolved: {}", quote(&found.resolved)), "files:".to_owned()];
    let files = found.files.iter().map(|BucketFile { path, etag, digest, size }| {
        format!("  - {{path: {}, etag: {}, digest: '{digest}', size: {size}}}", quote(path), quote(etag))
    });
    head.into_iter().chain(files).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use landfall_error_codes::{CodedError as _, codes};

    use super::*;
    use crate::lock::{Content, List};
    use crate::pins::ArtifactPin;

    const OPEN: &str = "assembled: false\nplatform: linux/amd64\nimages: []\nartifacts:\n  - reference: \
        models.example/llama:1\n    s3:\n      endpoint: https://s3.example:9000\n      bucket: models\n      prefix: \
        llama\n      exclude: ['*.md']\n      pinned: unresolved\n";

    fn lock(text: &str) -> Result<Lock> {
        Lock::parse(Path::new("images.lock"), text.to_owned())
    }

    /// The text of a lock with one resolved object.
    fn resolved_lock() -> String {
        let lock = lock(OPEN).expect("good");
        let Content::Bucket(fields) = &lock.list(List::Artifacts)[0].content else { panic!("a bucket") };
        let (path, etag) = ("it's.gguf".to_owned(), "ab-2".to_owned());
        let files = vec![BucketFile { path, etag, digest: Sha256([7; 32]), size: 9 }];
        let found = BucketPinned { resolved: fields.source(), files };
        let replacement = fields.replacement(&lock, &found).expect("the key exists");
        crate::lock::edit::apply(&lock, vec![replacement])
    }

    #[test]
    fn bucket_pins_survive_rereading() {
        let text = resolved_lock();
        let digest = "07".repeat(32);
        let expected = OPEN.replace(
            "pinned: unresolved\n",
            &format!(
                "pinned:\n        resolved: 'https://s3.example:9000/models/llama/ exclude *.md'\n        \
                 files:\n          - {{path: 'it''s.gguf', etag: 'ab-2', digest: 'sha256:{digest}', size: 9}}\n"
            ),
        );
        assert_eq!(text, expected);
        let lock = lock(&text).expect("good");
        let entry = &lock.list(List::Artifacts)[0];
        lock.check_resolved(&[entry]).expect_err("no renderer");
        assert!(entry.unresolved_lines().is_empty() && entry.stale().is_empty(), "{:?}", entry.stale());
        let Some(ArtifactPin::Files(pin)) = lock.artifact_pin(entry) else { panic!("files") };
        let url = "https://s3.example:9000/models/llama/it%27s.gguf".parse().expect("address");
        assert_eq!(pin.files[0].source, FileSource::Object { url, region: "us-east-1".to_owned() });
        let other = Lock::parse(&lock.path, text.replace("bucket: models", "bucket: others")).expect("good");
        assert_eq!(other.list(List::Artifacts)[0].stale().len(), 1);
    }

    #[test]
    fn invalid_bucket_fields_are_refused() {
        for (from, to, field) in [
            ("https://s3.example:9000", "s3.example", "artifacts[0].s3.endpoint"),
            ("bucket: models", "bucket: 'a/b'", "artifacts[0].s3.bucket"),
            ("prefix: llama", "prefix: ../llama", "artifacts[0].s3.prefix"),
            ("'*.md'", "'a b'", "artifacts[0].s3.include"),
            ("    s3:", "    digest: unresolved\n    s3:", "artifacts[0].s3"),
            ("pinned: unresolved", "pinned:\n        resolved: x\n        files: []", "artifacts[0].s3.pinned"),
        ] {
            let error = lock(&OPEN.replace(from, to)).expect_err(to);
            assert_eq!(error.code(), codes::LOCK_UNREADABLE, "{error}");
            assert!(error.to_string().contains(&format!("{field}: ")), "{field} is not in {error}");
        }
        let secret = OPEN.replace("bucket: models", "bucket: models\n      secret: x");
        assert_eq!(lock(&secret).expect_err("unknown").code(), codes::LOCK_UNREADABLE);
        let image = OPEN.replace("images: []\nartifacts:", "images:");
        assert!(lock(&image).expect_err("an image").to_string().contains("comes from a bucket; only artifacts do"));
    }
}
