//! A server's list of the objects of a bucket below a prefix, page by page.
//!
//! Threats: a server, or an attacker in front of it, may list objects that are elsewhere or lead out of a folder. It
//! may list a name twice, endless pages, absurd sizes, or texts that control a terminal. Names and sizes are checked
//! before any fetch.

use std::collections::HashSet;

use landfall_bundle_spec::limits;
use landfall_error_codes::codes;
use rusty_s3::actions::ListObjectsV2;

use super::BucketName;
use crate::error::{BuildError, Result};
use crate::paths::is_plain_path;
use crate::patterns::{Patterns, not_taken};

/// Maximum number of objects below a prefix, and of pages of their list.
const OBJECTS: usize = 10_000;
const PAGES: usize = 100;

/// Maximum length of an object's tag, in bytes.
const TAG_BYTES: usize = 128;

/// An object of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedObject {
    /// Path below the prefix.
    pub path: String,
    /// Size in bytes.
    pub size: u64,
    /// `ETag` without quotation marks; it changes with the content.
    pub tag: String,
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectPage {
    /// Objects, without those that represent folders.
    pub objects: Vec<ListedObject>,
    /// Continuation token of the next page, if there is one.
    pub next: Option<String>,
}

/// All objects below a prefix.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectListing {
    objects: Vec<ListedObject>,
    pages: usize,
}

fn list_error(name: &BucketName, what: &str) -> BuildError {
    BuildError::new(codes::OBJECT_LIST, format!("the list of objects below {name} {what}"))
}

impl ObjectPage {
    /// Maximum size of a response, in bytes.
    pub const LIMIT_BYTES: usize = 16 << 20;

    /// Parses the response of a server.
    ///
    /// # Errors
    ///
    /// `OBJECT_LIST` if it is not an S3 response, or lists an object that is not below the prefix.
    pub fn read(name: &BucketName, bytes: &[u8]) -> Result<Self> {
        let malformed = || list_error(name, "is malformed");
        let text = std::str::from_utf8(bytes).map_err(|error| malformed().because(error))?;
        let page = ListObjectsV2::parse_response(text).map_err(|error| malformed().because(error.to_string()))?;
        let mut objects = Vec::with_capacity(page.contents.len());
        for object in page.contents {
            let shown = object.key.escape_default();
            let Some(path) = object.key.strip_prefix(name.prefix()) else {
                return Err(list_error(name, &format!("names `{shown}`, which is not below it")));
            };
            if path.is_empty() || path.ends_with('/') {
                continue;
            }
            let tag = object.etag.as_deref().map(|tag| tag.trim_matches('"').to_owned());
            let tag =
                tag.filter(|tag| is_tag(tag)).ok_or_else(|| list_error(name, &format!("names no tag of `{shown}`")))?;
            let size = object.size.ok_or_else(|| list_error(name, &format!("names no size of `{shown}`")))?;
            objects.push(ListedObject { path: path.to_owned(), size, tag });
        }
        Ok(Self { objects, next: page.next_continuation_token })
    }
}

impl ObjectListing {
    /// Adds a page; returns the continuation token of the next one.
    ///
    /// # Errors
    ///
    /// `OBJECT_LIST` if there are too many objects or pages.
    pub fn add(&mut self, name: &BucketName, page: ObjectPage) -> Result<Option<String>> {
        let ObjectPage { objects, next } = page;
        self.objects.extend(objects);
        self.pages += 1;
        if self.objects.len() > OBJECTS || (next.is_some() && self.pages >= PAGES) {
            let what = format!("has more than {OBJECTS} objects, or more than {PAGES} pages: name a longer `prefix`");
            return Err(list_error(name, &what));
        }
        Ok(next)
    }

    /// Selected objects, sorted by name: at least one, and at least one for each pattern.
    ///
    /// # Errors
    ///
    /// `FILE_MISSING` if a pattern matches nothing, `OBJECT_LIST` if a selected object has an invalid name or size for
    /// a file.
    pub fn select(&self, name: &BucketName, patterns: &Patterns) -> Result<Vec<&ListedObject>> {
        let mut taken: Vec<_> = self.objects.iter().filter(|object| patterns.takes(&object.path)).collect();
        taken.sort_by(|one, other| one.path.cmp(&other.path));
        let paths: Vec<_> = self.objects.iter().map(|object| object.path.as_str()).collect();
        let what = match patterns.idle(&paths).first() {
            Some(pattern) => format!("no object below {name} fits the pattern `{pattern}`"),
            None if taken.is_empty() => format!("there is no object to take below {name}"),
            None => {
                check(name, &taken)?;
                return Ok(taken);
            }
        };
        Err(not_taken(&what, paths.iter().copied().map(str::escape_default), "no objects")
            .hint("Correct `bucket`, `prefix`, `include` and `exclude` of the lock's entry."))
    }
}

/// Returns an error for objects that cannot be files of an artifact.
fn check(name: &BucketName, taken: &[&ListedObject]) -> Result<()> {
    let mut paths = HashSet::new();
    for object in taken {
        let shown = object.path.escape_default();
        if !is_plain_path(&object.path) {
            return Err(list_error(name, &format!("names an object `{shown}` that cannot be a file")));
        }
        if object.size > limits::BLOB_BYTES {
            return Err(list_error(name, &format!("names {} bytes for `{shown}`", object.size)));
        }
        if !paths.insert(object.path.as_str()) {
            return Err(list_error(name, &format!("names `{shown}` twice")));
        }
    }
    Ok(())
}

/// Returns true if a text is a valid `ETag` for the lock.
fn is_tag(text: &str) -> bool {
    (1..=TAG_BYTES).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\'')
}

#[cfg(test)]
mod tests {
    use landfall_error_codes::CodedError as _;

    use super::super::BucketParts;
    use super::*;

    fn name() -> BucketName {
        let (endpoint, region) = ("https://s3.example", "us-east-1");
        BucketName::new(BucketParts { endpoint, region, bucket: "models", prefix: "llama", path_style: true })
            .expect("good")
    }

    fn object(key: &str, size: &str, tag: &str) -> String {
        format!("<Contents><Key>{key}</Key><ETag>{tag}</ETag><Size>{size}</Size></Contents>")
    }

    fn page(objects: &str, more: &str) -> Result<ObjectPage> {
        let text = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult \
             xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
             <EncodingType>url</EncodingType>{more}{objects}</ListBucketResult>"
        );
        ObjectPage::read(&name(), text.as_bytes())
    }

    fn listing(objects: &str) -> ObjectListing {
        let mut listing = ObjectListing::default();
        assert_eq!(listing.add(&name(), page(objects, "").expect("page")).expect("added"), None);
        listing
    }

    fn patterns(include: &[&str]) -> Patterns {
        let include: Vec<_> = include.iter().map(|text| (*text).to_owned()).collect();
        Patterns::new(&include, &[]).expect("good")
    }

    #[test]
    fn object_pages_are_read_below_prefix() {
        let objects = [
            object("llama/", "0", "\"d4\""),
            object("llama/b%2Bc+d.gguf", "7", "&quot;ab-2&quot;"),
            object("llama/sub/", "0", "\"d4\""),
        ];
        let more = "<IsTruncated>true</IsTruncated><NextContinuationToken>next</NextContinuationToken>";
        let page = page(&objects.concat(), more).expect("good");
        let found = ListedObject { path: "b+c d.gguf".to_owned(), size: 7, tag: "ab-2".to_owned() };
        assert_eq!(page, ObjectPage { objects: vec![found], next: Some("next".to_owned()) });
    }

    #[test]
    fn hostile_lists_are_refused() {
        let bad = [
            object("other/x", "1", "\"a\""),
            object("llama/x", "1", ""),
            object("llama/x", "1", "\"a&#10;b\""),
            "<Contents><Key>llama/x</Key><ETag>\"a\"</ETag></Contents>".to_owned(),
        ];
        for objects in bad {
            let error = page(&objects, "").expect_err("refused");
            assert_eq!(error.code(), codes::OBJECT_LIST, "{objects}");
            assert!(!error.to_string().contains('\u{1b}'), "{error}");
        }
        assert_eq!(ObjectPage::read(&name(), b"<html/>").expect_err("refused").code(), codes::OBJECT_LIST);
        let all = patterns(&[]);
        for key in ["llama/../x", "llama//x", "llama/a%1B%5B31m", "llama/a%5Cb"] {
            let error = listing(&object(key, "1", "\"a\"")).select(&name(), &all).expect_err("refused");
            assert_eq!(error.code(), codes::OBJECT_LIST, "{key}");
            assert!(!error.to_string().contains('\u{1b}'), "{error}");
        }
        let large = listing(&object("llama/x", "18446744073709551615", "\"a\""));
        assert_eq!(large.select(&name(), &all).expect_err("refused").code(), codes::OBJECT_LIST);
        let twice = [object("llama/x", "1", "\"a\""), object("llama/x", "2", "\"b\"")].concat();
        assert_eq!(listing(&twice).select(&name(), &all).expect_err("refused").code(), codes::OBJECT_LIST);
    }

    #[test]
    fn endless_pages_are_refused() {
        let mut listing = ObjectListing::default();
        let endless = ObjectPage { objects: Vec::new(), next: Some("again".to_owned()) };
        let added: Vec<_> = (0..PAGES).map(|_| listing.add(&name(), endless.clone())).collect();
        assert!(added[..PAGES - 1].iter().all(Result::is_ok));
        assert_eq!(added[PAGES - 1].as_ref().expect_err("refused").code(), codes::OBJECT_LIST);
    }

    #[test]
    fn objects_match_include_patterns() {
        let objects = [object("llama/b.gguf", "1", "\"a\""), object("llama/a.json", "2", "\"b\"")].concat();
        let listing = listing(&objects);
        let taken = |include: &[&str]| {
            let found = listing.select(&name(), &patterns(include))?;
            Ok::<Vec<String>, BuildError>(found.into_iter().map(|object| object.path.clone()).collect())
        };
        assert_eq!(taken(&[]).expect("all"), ["a.json", "b.gguf"]);
        assert_eq!(taken(&["*.gguf"]).expect("one"), ["b.gguf"]);
        let error = taken(&["*.safetensors"]).expect_err("refused");
        assert_eq!(error.code(), codes::FILE_MISSING);
        assert!(error.to_string().contains("`*.safetensors`") && error.to_string().contains("`b.gguf`"), "{error}");
    }
}
