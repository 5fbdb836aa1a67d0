//! A hub's list for a revision: the commit, the files, and the license in the model card.
//!
//! Threats: a hub, or an attacker in front of it, may list files that lead out of a folder, a name twice, or more files
//! than fit into memory. Sizes may be absurd, digests malformed, and texts may control a terminal. Names and sizes are
//! checked before any fetch; a digest in the list is a claim that the bytes must confirm.

use std::collections::HashSet;

use landfall_bundle_spec::{Sha256, limits};
use landfall_error_codes::codes;
use serde::Deserialize;
use serde_json::Value;

use super::{Commit, HubName};
use crate::error::{BuildError, Result};
use crate::file_url::FileUrl;
use crate::paths::is_plain_path;
use crate::patterns::{Patterns, not_taken};

/// Maximum number of files in a list.
const FILES: usize = 10_000;

/// Maximum length of a license, in bytes.
const LICENSE_BYTES: usize = 128;

/// A hub's list for a revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// Commit that the revision names.
    pub commit: Commit,
    /// License in the model card, if stated.
    pub license: Option<String>,
    /// Files, sorted by name.
    pub files: Vec<ListedFile>,
}

/// A file of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedFile {
    /// Path within the repository.
    pub path: String,
    /// Size in bytes.
    pub size: u64,
    /// Kind and digest of its content.
    pub content: ListedContent,
}

/// Kind and digest of a file's content, as listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListedContent {
    /// A large file, with its SHA-256.
    Large(Sha256),
    /// A small file, with its Git object ID: SHA-1 of a header and the bytes. Some hubs omit it.
    Small(Option<[u8; 20]>),
}

#[derive(Deserialize)]
struct Answer {
    sha: String,
    siblings: Vec<Sibling>,
    #[serde(default, rename = "cardData")]
    card: Value,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
    #[serde(default)]
    size: Option<u64>,
    #[serde(default, rename = "blobId")]
    blob: Option<String>,
    #[serde(default)]
    lfs: Option<LfsFile>,
}

#[derive(Deserialize)]
struct LfsFile {
    sha256: String,
    size: u64,
}

impl Listing {
    /// Maximum size of a response, in bytes.
    pub const LIMIT_BYTES: usize = 16 << 20;

    /// Parses the response of a hub.
    pub fn read(url: &FileUrl, bytes: &[u8]) -> Result<Self> {
        let refuse = |what: String| BuildError::new(codes::HUB_ANSWER, format!("the list of files at {url} {what}"));
        let answer: Answer =
            serde_json::from_slice(bytes).map_err(|error| refuse("is malformed".to_owned()).because(error))?;
        let commit: Commit = answer.sha.parse().map_err(|error| refuse(format!("names no commit: {error}")))?;
        if answer.siblings.len() > FILES {
            return Err(refuse(format!("has {} files, more than {FILES}", answer.siblings.len())));
        }
        let mut paths = HashSet::new();
        let mut files = Vec::with_capacity(answer.siblings.len());
        for sibling in answer.siblings {
            let file = listed_file(sibling).map_err(&refuse)?;
            if !paths.insert(file.path.clone()) {
                return Err(refuse(format!("names `{}` twice", file.path.escape_default())));
            }
            files.push(file);
        }
        files.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(Self { commit, license: license(&answer.card), files })
    }

    /// Selected files. Fails if a pattern matches no file, or if no file is selected.
    pub fn select(&self, name: &HubName, patterns: &Patterns) -> Result<Vec<&ListedFile>> {
        let taken: Vec<_> = self.files.iter().filter(|file| patterns.takes(&file.path)).collect();
        let paths: Vec<_> = self.files.iter().map(|file| file.path.as_str()).collect();
        let idle = patterns.idle(&paths);
        let what = match idle.first() {
            Some(pattern) => format!("no file of {name} fits the pattern `{pattern}`"),
            None if taken.is_empty() => format!("the patterns take no file of {name}"),
            None => return Ok(taken),
        };
        Err(not_taken(&what, paths.iter().copied().map(str::escape_default), "no files")
            .hint("Correct `include` and `exclude` of the lock's entry."))
    }
}

fn listed_file(sibling: Sibling) -> Result<ListedFile, String> {
    let path = sibling.rfilename;
    let shown = path.escape_default().to_string();
    if !is_plain_path(&path) {
        return Err(format!("names a file `{shown}` that leads elsewhere"));
    }
    let (size, content) = if let Some(large) = sibling.lfs {
        let digest = format!("sha256:{}", large.sha256).parse::<Sha256>();
        let digest = digest.map_err(|_| format!("names no SHA-256 of `{shown}`"))?;
        (Some(large.size), ListedContent::Large(digest))
    } else {
        let blob = sibling.blob.map(|text| git_name(&text).ok_or_else(|| format!("names no blob of `{shown}`")));
        (sibling.size, ListedContent::Small(blob.transpose()?))
    };
    let size = size.ok_or_else(|| format!("names no size of `{shown}`"))?;
    if size > limits::BLOB_BYTES {
        return Err(format!("names {size} bytes for `{shown}`"));
    }
    Ok(ListedFile { path, size, content })
}

/// Parses a Git object ID of 40 hexadecimal digits.
fn git_name(text: &str) -> Option<[u8; 20]> {
    let _: Commit = text.parse().ok()?;
    let mut name = [0; 20];
    for (byte, pair) in name.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(name)
}

/// License in a model card: one, several, or a custom name.
fn license(card: &Value) -> Option<String> {
    let stated = match &card["license"] {
        Value::String(text) if text == "other" => card["license_name"].as_str().unwrap_or(text).to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(several) => several.iter().map(Value::as_str).collect::<Option<Vec<_>>>()?.join(" OR "),
        _ => return None,
    };
    let is_plain = (1..=LICENSE_BYTES).contains(&stated.len()) && !stated.chars().any(char::is_control);
    is_plain.then_some(stated)
}

#[cfg(test)]
mod tests {
    use landfall_error_codes::CodedError as _;
    use serde_json::json;

    use super::*;

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    fn read(answer: &Value) -> Result<Listing> {
        Listing::read(
            &"https://hub.example/api/models/a/b/revision/main".parse().expect("address"),
            answer.to_string().as_bytes(),
        )
    }

    fn answer(siblings: &Value, card: &Value) -> Value {
        json!({ "sha": COMMIT, "siblings": siblings, "cardData": card, "private": false })
    }

    #[test]
    fn listing_has_digests_and_license() {
        let large = json!({ "rfilename": "model.safetensors", "size": 9, "blobId": COMMIT,
            "lfs": { "sha256": "ab".repeat(32), "size": 9, "pointerSize": 134 } });
        let small = json!({ "rfilename": "config.json", "size": 2, "blobId": COMMIT });
        let listing = read(&answer(&json!([large, small]), &json!({ "license": "apache-2.0" }))).expect("good");
        assert_eq!((listing.commit.as_str(), listing.license.as_deref()), (COMMIT, Some("apache-2.0")));
        let contents: Vec<_> =
            listing.files.iter().map(|file| (file.path.as_str(), file.size, &file.content)).collect();
        let blob = git_name(COMMIT);
        assert_eq!(
            contents,
            [
                ("config.json", 2, &ListedContent::Small(blob)),
                ("model.safetensors", 9, &ListedContent::Large(Sha256([0xab; 32])))
            ]
        );
        for (card, stated) in [
            (json!({ "license": "other", "license_name": "llama3.3" }), Some("llama3.3")),
            (json!({ "license": ["mit", "apache-2.0"] }), Some("mit OR apache-2.0")),
            (json!({ "license": "a\u{1b}[31m" }), None),
            (json!({}), None),
            (json!(null), None),
        ] {
            assert_eq!(read(&answer(&json!([small]), &card)).expect("good").license.as_deref(), stated, "{card}");
        }
    }

    #[test]
    fn hostile_lists_are_refused() {
        let file = |name: &str| json!({ "rfilename": name, "size": 1 });
        let bad = [
            json!([file("../x")]),
            json!([file("/etc/passwd")]),
            json!([file("a\u{1b}[31m")]),
            json!([file("a"), file("a")]),
            json!([{ "rfilename": "a" }]),
            json!([{ "rfilename": "a", "size": u64::MAX }]),
            json!([{ "rfilename": "a", "lfs": { "sha256": "12", "size": 1 } }]),
            json!([{ "rfilename": "a", "size": 1, "blobId": "x" }]),
        ];
        for siblings in bad {
            let error = read(&answer(&siblings, &json!({}))).expect_err("refused");
            assert_eq!(error.code(), codes::HUB_ANSWER, "{siblings}");
            assert!(!error.to_string().contains('\u{1b}'), "{error}");
        }
        for (answer, said) in
            [(json!({ "sha": "main", "siblings": [] }), "names no commit"), (json!(""), "is malformed")]
        {
            let error = read(&answer).expect_err(said);
            assert!(error.code() == codes::HUB_ANSWER && error.to_string().contains(said), "{error}");
        }
    }

    #[test]
    fn unmatched_pattern_is_named() {
        let listing = read(&answer(&json!([{ "rfilename": "config.json", "size": 1 }]), &json!({}))).expect("good");
        let name = HubName::new("https://hub.example", "a/b", "main").expect("good");
        let patterns = |include: &str| Patterns::new(&[include.to_owned()], &[]).expect("good");
        assert_eq!(listing.select(&name, &patterns("*.json")).expect("taken").len(), 1);
        let error = listing.select(&name, &patterns("*.safetensor")).expect_err("refused");
        assert_eq!(error.code(), codes::FILE_MISSING);
        assert!(error.to_string().contains("`*.safetensor`") && error.to_string().contains("`config.json`"), "{error}");
    }
}
