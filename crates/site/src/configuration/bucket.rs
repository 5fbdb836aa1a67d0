//! A bucket of an S3 server for copies of the backups. Its credentials are not settings, because journals contain
//! settings.

use std::path::{Path, PathBuf};

use landfall_backup::BucketAddress;
use serde::{Deserialize, Serialize};
use url::Url;

/// Prefix that distinguishes a bucket's name from a folder.
const SCHEME: &str = "s3:";

/// Maximum length of a bucket's name, which is part of a file's name.
const LONGEST_NAME: usize = 63;

/// Location of a bucket and of its credentials.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BucketSettings {
    /// The site's name for it: lower-case letters, digits and `-`.
    pub name: String,
    /// Its server, such as `https://s3.example.com:9000`.
    pub endpoint: String,
    /// Region for which requests are signed.
    #[serde(default = "default_region")]
    pub region: String,
    /// The bucket.
    pub bucket: String,
    /// Prefix of the used part of the bucket; by default all of it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prefix: String,
    /// True if the bucket's name is in the path of the address (the default), false if it is in the host name.
    #[serde(default = "yes")]
    pub path_style: bool,
    /// File with the credentials, which only root may read.
    pub credentials: PathBuf,
    /// File with the server's certificate authority as PEM; by default, those of the system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<PathBuf>,
}

impl BucketSettings {
    /// Returns the name that can be used in place of a folder.
    pub fn place(&self) -> PathBuf {
        PathBuf::from(format!("{SCHEME}{}", self.name))
    }

    /// Returns the name of the bucket that a place denotes, if any.
    pub(crate) fn name_in(place: &Path) -> Option<&str> {
        place.to_str()?.strip_prefix(SCHEME)
    }

    /// Returns the address of the part with this name below the bucket's prefix.
    pub(crate) fn address(&self, below: &str) -> BucketAddress {
        let parts = [self.prefix.as_str(), below];
        let prefix: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        BucketAddress {
            endpoint: self.endpoint.clone(),
            region: self.region.clone(),
            bucket: self.bucket.clone(),
            prefix: prefix.join("/"),
            path_style: self.path_style,
        }
    }

    /// Returns the problems that types cannot exclude.
    pub fn problems(&self) -> Vec<String> {
        let Self { name, endpoint, region, bucket, prefix, credentials, authority, path_style: _ } = self;
        let mut problems = Vec::new();
        let is_made_of = |text: &str, others: &str| {
            text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || others.contains(c))
        };
        if name.is_empty() || name.len() > LONGEST_NAME || !is_made_of(name, "-") {
            problems.push(format!("`{name}` is not a name of lower-case letters, digits and hyphens"));
        }
        if let Err(why) = server(endpoint) {
            problems.push(format!("the endpoint of {name} {why}"));
        }
        if region.is_empty() || !is_made_of(region, "-") {
            problems.push(format!("`{region}` is not a region such as us-east-1"));
        }
        if bucket.len() < 3 || bucket.len() > 63 || !is_made_of(bucket, ".-") {
            problems.push(format!("`{bucket}` is not the name of a bucket"));
        }
        let is_part = |part: &str| {
            part.starts_with(|first: char| first.is_ascii_alphanumeric())
                && part.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
        };
        if !prefix.is_empty() && !prefix.split('/').all(is_part) {
            problems.push(format!("`{prefix}` is not a prefix such as sites/hall-3, without `/` at its ends"));
        }
        for path in [Some(credentials), authority.as_ref()].into_iter().flatten().filter(|path| !path.is_absolute()) {
            problems.push(format!("{} must begin with /", path.display()));
        }
        problems
    }
}

/// Fails if the text is not a server's address. It is written to journals and messages, so it must not contain a
/// password.
fn server(endpoint: &str) -> Result<(), String> {
    // The error repeats nothing that may be a password.
    let url = Url::parse(endpoint).map_err(|error| format!("is no address: {error}"))?;
    if !["https", "http"].contains(&url.scheme()) || !url.has_host() {
        return Err("must begin with https:// or http://, and name a host".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not hold credentials: name their file".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must end with the host, its port, or a path".to_owned());
    }
    Ok(())
}

fn default_region() -> String {
    "us-east-1".to_owned()
}

fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFSITE: &str = r#"{"name": "offsite", "endpoint": "https://s3.example.com:9000", "bucket": "backups",
        "prefix": "sites/hall-3", "credentials": "/etc/landfall/offsite.credentials"}"#;

    fn offsite() -> BucketSettings {
        serde_json::from_str(OFFSITE).unwrap()
    }

    #[test]
    fn bucket_settings_hold_no_secret() {
        let bucket = offsite();
        assert_eq!(bucket.problems(), Vec::<String>::new());
        assert_eq!((bucket.region.as_str(), bucket.path_style), ("us-east-1", true));
        assert_eq!(bucket.address("landfall-backups-n").prefix, "sites/hall-3/landfall-backups-n");
        assert_eq!(BucketSettings { prefix: String::new(), ..offsite() }.address("a").prefix, "a");
        assert_eq!(BucketSettings::name_in(&bucket.place()), Some("offsite"));
        assert_eq!(BucketSettings::name_in(Path::new("/mnt/s3:offsite")), None);
        let secret = OFFSITE.replace("\"bucket\"", "\"secretAccessKey\": \"s3cret\", \"bucket\"");
        let error = serde_json::from_str::<BucketSettings>(&secret).unwrap_err().to_string();
        assert!(error.starts_with("unknown field `secretAccessKey`"), "{error}");
    }

    #[test]
    fn malformed_bucket_settings_are_refused() {
        let changes: [fn(&mut BucketSettings); 11] = [
            |bucket| bucket.name = String::new(),
            |bucket| bucket.name = "../offsite".to_owned(),
            |bucket| bucket.endpoint = "s3.example.com".to_owned(),
            |bucket| bucket.endpoint = "ftp://s3.example.com".to_owned(),
            |bucket| bucket.endpoint = "https://AKIA:s3cret@s3.example.com".to_owned(),
            |bucket| bucket.endpoint = "https://s3.example.com/?X-Amz-Signature=s3cret".to_owned(),
            |bucket| bucket.region = String::new(),
            |bucket| bucket.bucket = "Backups".to_owned(),
            |bucket| bucket.prefix = "/sites".to_owned(),
            |bucket| bucket.prefix = "sites/../other".to_owned(),
            |bucket| bucket.credentials = "offsite.credentials".into(),
        ];
        for change in changes {
            let mut bucket = offsite();
            change(&mut bucket);
            let problems = bucket.problems();
            assert_eq!(problems.len(), 1, "{bucket:?}");
            assert!(!problems[0].contains("s3cret"), "{problems:?}");
        }
    }
}
