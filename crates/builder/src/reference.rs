//! References to images and artifacts, as people write them, completed.

use std::fmt;
use std::str::FromStr;

use landfall_bundle_spec::Sha256;

use crate::file_url::without_user;

/// Default host of a reference.
const DEFAULT_HOST: &str = "docker.io";

/// A full reference: upstream host, repository, and tag or digest if given.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    /// Host, with the port if one is given.
    pub host: String,
    /// Repository below the host.
    pub repository: String,
    /// Tag, if given.
    pub tag: Option<String>,
    /// Digest of a manifest, if given.
    pub digest: Option<Sha256>,
}

/// Error for a text that is not a reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an image reference: {why}")]
pub struct InvalidReference {
    text: String,
    why: &'static str,
}

impl Reference {
    /// Host and repository, without tag and digest.
    pub fn name(&self) -> String {
        format!("{}/{}", self.host, self.repository)
    }

    /// A copy of the reference with the digest of a manifest.
    #[must_use]
    pub fn with_digest(&self, digest: Sha256) -> Self {
        Self { digest: Some(digest), ..self.clone() }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.host, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(formatter, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(formatter, "@{digest}")?;
        }
        Ok(())
    }
}

impl FromStr for Reference {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, InvalidReference> {
        // The text may be a URL with a password; in a reference, `@` precedes the digest.
        let shown = || if text.contains("://") { without_user(text) } else { text.to_owned() };
        let invalid = |why| InvalidReference { text: shown(), why };
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse().map_err(|_| invalid("its digest is malformed"))?)),
            None => (text, None),
        };
        let (rest, tag) = match rest.rsplit_once(':') {
            Some((rest, tag)) if !tag.contains('/') => (rest, Some(tag)),
            _ => (rest, None),
        };
        if tag.is_some_and(|tag| !valid_tag(tag)) {
            return Err(invalid("its tag is malformed"));
        }
        let (host, repository) = match rest.split_once('/') {
            Some((host, repository)) if names_host(host) => (host, repository.to_owned()),
            Some(_) => (DEFAULT_HOST, rest.to_owned()),
            None => (DEFAULT_HOST, format!("library/{rest}")),
        };
        if !valid_host(host) {
            return Err(invalid("its host is malformed"));
        }
        if !repository.split('/').all(valid_segment) {
            return Err(invalid("its repository may hold lower-case letters, digits, `.`, `_` and `-` between `/`"));
        }
        Ok(Self { host: host.to_owned(), repository, tag: tag.map(str::to_owned), digest })
    }
}

/// Returns true if the first segment of a reference is a host, by the rule that container tools share.
fn names_host(segment: &str) -> bool {
    segment.contains('.') || segment.contains(':') || segment == "localhost"
}

fn valid_host(host: &str) -> bool {
    let (name, port) = host.rsplit_once(':').map_or((host, None), |(name, port)| (name, Some(port)));
    let port_is_good = port.is_none_or(|port| !port.is_empty() && port.parse::<u16>().is_ok());
    let label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    port_is_good && name.split('.').all(label)
}

fn valid_segment(segment: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-');
    let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    segment.bytes().all(good) && edge(segment.bytes().next()) && edge(segment.bytes().last())
}

fn valid_tag(tag: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=128).contains(&tag.len()) && tag.bytes().all(good) && !tag.starts_with(['.', '-'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn abbreviations_are_expanded() {
        for (short, full) in [
            ("redis", "docker.io/library/redis"),
            ("redis:8.10.1", "docker.io/library/redis:8.10.1"),
            ("valkey/valkey:9", "docker.io/valkey/valkey:9"),
            ("ghcr.io/a/b/c:v1", "ghcr.io/a/b/c:v1"),
            ("localhost:5000/a", "localhost:5000/a"),
            ("127.0.0.1:5000/a:b", "127.0.0.1:5000/a:b"),
        ] {
            assert_eq!(short.parse::<Reference>().expect(short).to_string(), full);
        }
        let digest = Sha256([7; 32]);
        let bound = format!("registry.k8s.io/pause:3.10@{digest}");
        assert_eq!(bound.parse::<Reference>().expect("bound").to_string(), bound);
    }

    #[test]
    fn invalid_references_are_refused() {
        for (part, texts) in [
            ("repository", &["", "a b", "UPPER", "a:b:c", "a/", "/a", "a//b"][..]),
            ("tag", &["a:"][..]),
            ("digest", &["a@sha256:00"][..]),
            ("host", &["http://x.y/z", "x.y:port/z"][..]),
        ] {
            for text in texts {
                let refused = text.parse::<Reference>().expect_err(text);
                assert!(refused.why.starts_with(&format!("its {part} ")), "{refused}");
            }
        }
        let refused = "https://user:canary@x.example/y/z".parse::<Reference>().expect_err("an address").to_string();
        assert!(refused.starts_with("`https://…@x.example/y/z` is not an image reference: "), "{refused}");
    }
}
