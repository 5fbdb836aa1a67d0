//! Name of a repository on a hub, its resolved commit, and the URLs that follow from both.

use std::fmt;
use std::str::FromStr;

use url::Url;

use crate::file_url::{FileUrl, without_user};

/// Maximum length of a revision and of each part of a repository's name, in bytes.
const NAME_BYTES: usize = 96;
const REVISION_BYTES: usize = 255;

/// Hexadecimal digits of a commit; hubs use Git with SHA-1.
const COMMIT_DIGITS: usize = 40;

/// A revision of a model repository on a hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubName {
    /// URL of the hub without a trailing `/`, such as `https://huggingface.co`.
    address: Url,
    /// Name of the repository, such as `sentence-transformers/all-MiniLM-L6-v2`.
    repository: String,
    /// A branch, a tag or a commit.
    revision: String,
}

/// Error for one part of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidName {
    /// Field of the lock.
    pub field: &'static str,
    /// Description of the error.
    pub what: String,
}

impl HubName {
    /// Checks each part and creates the name.
    pub fn new(address: &str, repository: &str, revision: &str) -> Result<Self, InvalidName> {
        let invalid = |field, what: String| InvalidName { field, what };
        let plain = address.trim_end_matches('/');
        // The URL of a file is valid if and only if the hub's URL is.
        let file: FileUrl = format!("{plain}/api").parse().map_err(|error| invalid("address", format!("{error}")))?;
        let mut hub = file.as_url().clone();
        if let Ok(mut segments) = hub.path_segments_mut() {
            segments.pop();
        }
        if !is_repository(repository) {
            let shown = without_user(&repository.escape_default().to_string());
            let what = format!("`{shown}` is not the name of a repository, such as owner/model");
            return Err(invalid("repository", what));
        }
        if !is_revision(revision) {
            let what = format!("`{}` is not a branch, a tag or a commit", revision.escape_default());
            return Err(invalid("revision", what));
        }
        Ok(Self { address: hub, repository: repository.to_owned(), revision: revision.to_owned() })
    }

    /// Name of the repository, such as `sentence-transformers/all-MiniLM-L6-v2`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// A branch, a tag or a commit.
    pub fn revision(&self) -> &str {
        &self.revision
    }

    /// URL of the list of files of the revision.
    pub fn list_url(&self) -> Option<FileUrl> {
        let revision = self.revision.as_str();
        let segments = ["api", "models"].into_iter().chain(self.repository.split('/')).chain(["revision", revision]);
        self.below(segments)
    }

    /// Copy of the name with a commit as its revision; `None` if `commit` is not a valid revision.
    pub fn at(&self, commit: &str) -> Option<Self> {
        is_revision(commit).then(|| Self { revision: commit.to_owned(), ..self.clone() })
    }

    /// URL of a file, with placeholders for commit and path.
    pub fn any_file_url(&self) -> Option<FileUrl> {
        self.below(self.repository.split('/').chain(["resolve", "COMMIT", "PATH"]))
    }

    /// URL of a file at a commit.
    pub fn file_url(&self, commit: &Commit, path: &str) -> Option<FileUrl> {
        let segments = self.repository.split('/').chain(["resolve", commit.as_str()]).chain(path.split('/'));
        self.below(segments)
    }

    /// URL below the hub's. Each segment is escaped separately, so that none can add more segments.
    fn below<'a>(&self, segments: impl Iterator<Item = &'a str>) -> Option<FileUrl> {
        let mut url = self.address.clone();
        url.path_segments_mut().ok()?.pop_if_empty().extend(segments);
        url.as_str().parse().ok()
    }
}

impl fmt::Display for HubName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.address.as_str().trim_end_matches('/');
        write!(formatter, "{address}/{}@{}", self.repository, self.revision)
    }
}

fn is_repository(text: &str) -> bool {
    let is_part = |part: &str| {
        (1..=NAME_BYTES).contains(&part.len())
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
            && part.bytes().any(|byte| byte != b'.')
    };
    text.split('/').count() <= 2 && text.split('/').all(is_part)
}

fn is_revision(text: &str) -> bool {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/+".contains(&byte);
    (1..=REVISION_BYTES).contains(&text.len())
        && text.bytes().all(is_good)
        && text.split('/').all(|segment| !matches!(segment, "" | "." | ".."))
}

/// Commit of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit(String);

/// Error for a text that is not a commit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a commit: 40 lower-case hexadecimal digits")]
pub struct InvalidCommit(String);

impl Commit {
    /// Hexadecimal digits of the commit.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Commit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for Commit {
    type Err = InvalidCommit;

    fn from_str(text: &str) -> Result<Self, InvalidCommit> {
        let is_good = text.len() == COMMIT_DIGITS && text.bytes().all(|byte| b"0123456789abcdef".contains(&byte));
        if is_good { Ok(Self(text.to_owned())) } else { Err(InvalidCommit(text.escape_default().to_string())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_as_repository_hides_password() {
        let address = "https://user:canary@hub.example/owner/model";
        let refused = HubName::new("https://hub.example", address, "main").expect_err("an address");
        assert!(refused.what.starts_with("`https://…@hub.example/owner/model` is not "), "{}", refused.what);
    }

    #[test]
    fn address_segments_are_escaped() {
        let name = HubName::new("https://hub.example/mirror/", "owner/model", "refs/pr/1").expect("good");
        assert_eq!(name.to_string(), "https://hub.example/mirror/owner/model@refs/pr/1");
        let list = name.list_url().expect("address").to_string();
        assert_eq!(list, "https://hub.example/mirror/api/models/owner/model/revision/refs%2Fpr%2F1");
        let commit: Commit = "0123456789abcdef0123456789abcdef01234567".parse().expect("commit");
        let file = name.file_url(&commit, "1_Pooling/a b#?%.json").expect("address").to_string();
        assert_eq!(
            file,
            format!("https://hub.example/mirror/owner/model/resolve/{commit}/1_Pooling/a%20b%23%3F%25.json")
        );
        let plain = HubName::new("https://hub.example", "gpt2", "main").expect("good");
        assert_eq!(plain.list_url().expect("address").to_string(), "https://hub.example/api/models/gpt2/revision/main");
    }

    #[test]
    fn misleading_names_are_refused() {
        let field =
            |address, repository, revision| HubName::new(address, repository, revision).map_err(|bad| bad.field);
        for address in ["hub.example", "ftp://hub.example", "https://u:p@hub.example", "https://hub.example?a=b"] {
            assert_eq!(field(address, "a/b", "main"), Err("address"), "{address}");
        }
        for repository in ["", "a/b/c", "a/..", "../b", "a b", "a/b?x", "a/b#x", "/a"] {
            assert_eq!(field("https://hub.example", repository, "main"), Err("repository"), "{repository}");
        }
        for revision in ["", "a/../b", "a b", "a?b", "/main", "main/"] {
            assert_eq!(field("https://hub.example", "a/b", revision), Err("revision"), "{revision}");
        }
        for commit in ["", "main", "0123456789ABCDEF0123456789abcdef01234567", "0123"] {
            assert!(commit.parse::<Commit>().is_err(), "{commit}");
        }
    }
}
