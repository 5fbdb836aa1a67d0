//! A part of a bucket as a lock names it, and the URLs that follow from it.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::{Host, Url};

use crate::file_url::FileUrl;
use crate::hub::InvalidName;
use crate::paths::is_plain_path;

/// Characters that are not escaped in a URL: S3 signs a path in which all others are escaped.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Maximum length of the name of a bucket or a region, in bytes.
const NAME_BYTES: usize = 63;

/// The written parts of a bucket's name.
#[derive(Debug, Clone, Copy)]
pub struct BucketParts<'a> {
    /// URL of the server, such as `https://s3.example.com:9000`.
    pub endpoint: &'a str,
    /// Region for which requests are signed.
    pub region: &'a str,
    /// Name of the bucket.
    pub bucket: &'a str,
    /// Prefix of the keys, with or without a trailing `/`; empty for the whole bucket.
    pub prefix: &'a str,
    /// True if the bucket's name is in the path of the URL, rather than in the host name.
    pub path_style: bool,
}

/// A part of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketName {
    /// Scheme, host and port, without a trailing `/`.
    endpoint: String,
    region: String,
    bucket: String,
    /// Empty, or ends with `/`.
    prefix: String,
    /// URL to which keys of objects are appended, without a trailing `/`.
    base: String,
    path_style: bool,
}

impl BucketName {
    /// Checks each part and creates the name.
    pub fn new(parts: BucketParts<'_>) -> Result<Self, InvalidName> {
        let BucketParts { endpoint, region, bucket, prefix, path_style } = parts;
        let invalid = |field, what: String| InvalidName { field, what };
        let endpoint = endpoint.trim_end_matches('/');
        let server: FileUrl =
            format!("{endpoint}/x").parse().map_err(|error| invalid("endpoint", format!("{error}")))?;
        if server.path() != "/x" {
            let what = format!("`{endpoint}` is not the address of a server: the bucket and its prefix have fields");
            return Err(invalid("endpoint", what));
        }
        if !is_name(region) {
            return Err(invalid("region", format!("`{}` is not a region such as us-east-1", region.escape_default())));
        }
        if !is_name(bucket) {
            return Err(invalid("bucket", format!("`{}` is not the name of a bucket", bucket.escape_default())));
        }
        let prefix = prefix.trim_end_matches('/');
        if !prefix.is_empty() && !is_plain_path(prefix) {
            return Err(invalid("prefix", format!("`{}` is not a relative path", prefix.escape_default())));
        }
        let base = if path_style {
            format!("{endpoint}/{bucket}")
        } else {
            in_host(server.as_url(), bucket).ok_or_else(|| {
                let what = format!("`{bucket}` cannot be a part of the name of {}", server.host());
                invalid("pathStyle", what)
            })?
        };
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        let (endpoint, region, bucket) = (endpoint.to_owned(), region.to_owned(), bucket.to_owned());
        Ok(Self { endpoint, region, bucket, prefix, base, path_style })
    }

    /// Region for which requests are signed.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Prefix of the keys of all objects: empty, or ends with `/`.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// URL at which the server lists the objects, without query.
    pub fn list_url(&self) -> Option<FileUrl> {
        if self.path_style {
            return self.base.parse().ok();
        }
        format!("{}/x", self.base).parse().ok().map(|url: FileUrl| url.of_host())
    }

    /// Query of the first page of the list, for display.
    pub fn list_query(&self) -> String {
        format!("?encoding-type=url&list-type=2&prefix={}", utf8_percent_encode(&self.prefix, ESCAPED))
    }

    /// URL of the object at this path below the prefix.
    pub fn object_url(&self, path: &str) -> Option<FileUrl> {
        let key = format!("{}{path}", self.prefix);
        let segments: Vec<_> =
            key.split('/').map(|segment| utf8_percent_encode(segment, ESCAPED).to_string()).collect();
        format!("{}/{}", self.base, segments.join("/")).parse().ok()
    }
}

impl fmt::Display for BucketName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}/{}", self.endpoint, self.bucket, self.prefix)
    }
}

/// Returns true for a name that needs no escapes in a URL: letters, digits, and `.`, `_` or `-` between them.
fn is_name(text: &str) -> bool {
    let ends_well = |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_alphanumeric());
    text.len() <= NAME_BYTES
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        && ends_well(text.chars().next())
        && ends_well(text.chars().next_back())
}

/// URL of a bucket in the host name; `None` if the server is an IP address.
fn in_host(server: &Url, bucket: &str) -> Option<String> {
    let Some(Host::Domain(host)) = server.host() else { return None };
    let port = server.port().map(|port| format!(":{port}")).unwrap_or_default();
    let base = format!("{}://{bucket}.{host}{port}", server.scheme());
    format!("{base}/x").parse::<FileUrl>().ok().map(|_| base)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARTS: BucketParts<'_> = BucketParts {
        endpoint: "https://s3.example:9000",
        region: "us-east-1",
        bucket: "models",
        prefix: "llama/8b/",
        path_style: true,
    };

    fn addresses(parts: BucketParts<'_>) -> [String; 2] {
        let name = BucketName::new(parts).expect("good");
        [name.list_url(), name.object_url("a b/ü+(1).gguf")].map(|url| url.expect("address").to_string())
    }

    #[test]
    fn bucket_addresses_use_path_or_host() {
        let key = "llama/8b/a%20b/%C3%BC%2B%281%29.gguf";
        assert_eq!(
            addresses(PARTS),
            ["https://s3.example:9000/models".to_owned(), format!("https://s3.example:9000/models/{key}")]
        );
        assert_eq!(
            addresses(BucketParts { path_style: false, ..PARTS }),
            ["https://models.s3.example:9000/".to_owned(), format!("https://models.s3.example:9000/{key}")]
        );
        let name = BucketName::new(PARTS).expect("good");
        assert_eq!(name.to_string(), "https://s3.example:9000/models/llama/8b/");
        assert_eq!(name.list_query(), "?encoding-type=url&list-type=2&prefix=llama%2F8b%2F");
        let whole =
            BucketName::new(BucketParts { prefix: "", endpoint: "http://127.0.0.1:1/", ..PARTS }).expect("good");
        assert_eq!((whole.to_string().as_str(), whole.prefix()), ("http://127.0.0.1:1/models/", ""));
    }

    #[test]
    fn invalid_bucket_names_are_refused() {
        let refused = |parts: BucketParts<'_>| BucketName::new(parts).expect_err("refused").field;
        for endpoint in ["s3.example", "ftp://s3.example", "https://s3.example/models", "https://a:b@s3.example"] {
            assert_eq!(refused(BucketParts { endpoint, ..PARTS }), "endpoint", "{endpoint}");
        }
        for name in ["", "a/b", "..", "-a", "a b", "a\n"] {
            assert_eq!(refused(BucketParts { bucket: name, ..PARTS }), "bucket", "{name}");
            assert_eq!(refused(BucketParts { region: name, ..PARTS }), "region", "{name}");
        }
        for prefix in ["/a", "a//b", "../a", "a/./b", "a\u{1b}"] {
            assert_eq!(refused(BucketParts { prefix, ..PARTS }), "prefix", "{prefix}");
        }
        let in_address = BucketParts { endpoint: "http://127.0.0.1:9000", path_style: false, ..PARTS };
        assert_eq!(refused(in_address), "pathStyle");
        assert_eq!(refused(BucketParts { bucket: "a_B", path_style: false, ..PARTS }), "pathStyle");
    }
}
