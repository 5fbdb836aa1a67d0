//! URLs of files that upstream publishes.

use std::fmt;
use std::str::FromStr;

use url::Url;

/// URL of a public file: HTTP or HTTPS, a host and a path.
///
/// Provenance repeats it, so it has no credentials, query or fragment. A program cannot detect a secret in a segment of
/// its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileUrl(Url);

/// Error for a text that is not such a URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not the address of a file: {why}")]
pub struct InvalidFileUrl {
    text: String,
    why: String,
}

impl FileUrl {
    /// Host, with the port if one is given.
    pub fn host(&self) -> String {
        let name = self.0.host_str().unwrap_or_default();
        self.0.port().map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"))
    }

    /// Path below the host, including the first `/`.
    pub fn path(&self) -> &str {
        self.0.path()
    }

    /// Last segment of the path.
    pub fn name(&self) -> &str {
        self.path().rsplit('/').next().unwrap_or_default()
    }

    /// URL of its host with the path `/`, at which a server may list the objects of a bucket.
    #[must_use]
    pub fn of_host(&self) -> Self {
        let mut url = self.0.clone();
        url.set_path("/");
        Self(url)
    }

    /// The underlying URL.
    pub fn as_url(&self) -> &Url {
        &self.0
    }
}

impl fmt::Display for FileUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl FromStr for FileUrl {
    type Err = InvalidFileUrl;

    fn from_str(text: &str) -> Result<Self, InvalidFileUrl> {
        let invalid = |why: String| InvalidFileUrl { text: without_user(text), why };
        let url = Url::parse(text).map_err(|error| invalid(error.to_string()))?;
        if !matches!(url.scheme(), "https" | "http") {
            return Err(invalid(format!("Landfall does not speak {}", url.scheme())));
        }
        // The message omits everything that may be secret.
        let hidden = |why: &str| InvalidFileUrl { text: plain(&url), why: why.to_owned() };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(hidden("credentials do not belong in a lock"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(hidden("it has something after its path"));
        }
        if url.as_str() != text {
            return Err(invalid(format!("write it as `{url}`")));
        }
        if url.path().ends_with('/') {
            return Err(invalid("it names a folder".to_owned()));
        }
        Ok(Self(url))
    }
}

/// Scheme, host, port and path of a URL.
fn plain(url: &Url) -> String {
    url[..url::Position::BeforeUsername].to_owned() + &url[url::Position::BeforeHost..url::Position::AfterPath]
}

/// Form of a URL for a message, without user and password. The text need not be a valid URL.
pub fn without_user(text: &str) -> String {
    let (scheme, rest) = text.split_at(text.find("://").map_or(0, |at| at + 3));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let port = authority.rsplit_once(']').map_or(authority, |(_, port)| port).split_once(':');
    // A path may also contain `@`, as in a scoped package.
    let is_server = !authority.contains('@') && port.is_none_or(|(_, port)| is_port(port));
    match rest.rsplit_once('@') {
        Some((_, host)) if !is_server => format!("{scheme}…@{host}"),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_hide_address_users() {
        for (text, shown) in [
            ("ftp://user:secret@dl.example/kubelet", "ftp://…@dl.example/kubelet"),
            ("https://user:sec@ret@dl.example:port/x", "https://…@dl.example:port/x"),
            ("https://user:sec/ret@dl.example:x", "https://…@dl.example:x"),
            ("user:secret@dl.example", "…@dl.example"),
            ("https://token@", "https://…@"),
            ("https://registry.example:8443/@scope/name/", "https://registry.example:8443/@scope/name/"),
            ("http://[2001:db8::7]:80/@scope", "http://[2001:db8::7]:80/@scope"),
            ("kubelet", "kubelet"),
        ] {
            assert_eq!(without_user(text), shown);
            let refused = text.parse::<FileUrl>().expect_err(text).to_string();
            assert!(!["sec", "ret"].iter().any(|hidden| refused.contains(hidden)), "{refused}");
        }
    }

    #[test]
    fn only_plain_addresses_are_accepted() {
        let url: FileUrl = "https://dl.example:8443/v1/kubelet".parse().expect("good");
        assert_eq!((url.host().as_str(), url.path(), url.name()), ("dl.example:8443", "/v1/kubelet", "kubelet"));
        let refusals: Vec<_> = [
            "kubelet",
            "ftp://dl.example/kubelet",
            "https://user:secret@dl.example/kubelet",
            "https://dl.example/kubelet?token=1",
            "https://dl.example/kubelet#1",
            "https://DL.example/a/../kubelet",
            "https://dl.example/v1/",
            "https://dl.example",
        ]
        .into_iter()
        .map(|text| text.parse::<FileUrl>().expect_err(text).to_string())
        .collect();
        let refusals = refusals.join("\n");
        assert!(!["secret", "user", "token"].iter().any(|hidden| refusals.contains(hidden)), "{refusals}");
        insta::assert_snapshot!(refusals);
    }
}
