//! A registry that replaces those in a `package-lock.json`.

use std::fmt;

use url::Url;

use crate::file_url::{FileUrl, InvalidFileUrl};

/// URL of a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registry(Url);

impl Registry {
    /// Parses a URL, with the rules for URLs of files.
    pub fn new(text: &str) -> Result<Self, InvalidFileUrl> {
        let plain = text.trim_end_matches('/');
        let file: FileUrl = format!("{plain}/-").parse()?;
        let mut url = file.as_url().clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop();
        }
        Ok(Self(url))
    }

    /// URL of the file in this registry. Like npm's `replace-registry-host`, it keeps the path, below that of the
    /// registry.
    pub fn instead_of(&self, resolved: &Url) -> Url {
        let own = self.0.path().trim_end_matches('/');
        let path = resolved.path();
        let is_below = path.strip_prefix(own).is_some_and(|rest| rest.starts_with('/'));
        let mut url = self.0.clone();
        url.set_path(&if is_below { path.to_owned() } else { format!("{own}{path}") });
        url
    }

    /// The file at this path, which is the same in every registry.
    pub fn file(&self, path: &str) -> Url {
        let mut url = self.0.clone();
        url.set_path(&format!("{}/{path}", self.0.path().trim_end_matches('/')));
        url
    }
}

impl fmt::Display for Registry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0.as_str().trim_end_matches('/'))
    }
}
