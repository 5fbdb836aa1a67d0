//! Keys for S3 servers: in files that the registries file names, or in the environment. They are in no lock, log, error
//! or bundle, and leave the machine only as signatures.

use std::path::{Path, PathBuf};

use landfall_error_codes::codes;
use rusty_s3::Credentials;
use serde::Deserialize;
use serde_saphyr::Spanned;
use url::Url;

use super::web;
use crate::error::{BuildError, Place, Result};

/// Default profile, also for a file without profiles.
const DEFAULT_PROFILE: &str = "default";

/// Names in a file, as in AWS tools.
const KEY: &str = "aws_access_key_id";
const SECRET: &str = "aws_secret_access_key";
const TOKEN: &str = "aws_session_token";

/// Environment variables with the server of the keys, in order of precedence; without one, the keys are only for AWS
/// servers.
const ENDPOINTS: [&str; 2] = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"];

/// Domains of AWS servers.
const AMAZON: [&str; 2] = ["amazonaws.com", "amazonaws.com.cn"];

/// Maximum size of a file in bytes.
const FILE_BYTES: usize = 1 << 20;

/// The written form of an entry in `buckets`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BucketEntry {
    /// Server: host, with the port unless it is the default.
    host: Spanned<String>,
    /// Path of the file with the keys, relative to the registries file.
    credentials: PathBuf,
    /// Profile in that file.
    #[serde(default)]
    profile: Option<String>,
}

/// Keys for one server.
#[derive(Debug, Clone)]
pub(super) struct HostKeys {
    host: String,
    keys: Credentials,
}

impl HostKeys {
    /// The keys, if they are for the server of a URL: the host itself, or one prefixed with a bucket.
    pub(super) fn of(&self, address: &Url) -> Option<&Credentials> {
        is_of(&web::authority(address), &self.host).then_some(&self.keys)
    }
}

/// Keys from the environment.
#[derive(Debug, Clone)]
pub(super) struct EnvironmentKeys {
    keys: Credentials,
    /// Server of the keys; `None` for AWS.
    endpoint: Option<String>,
}

impl EnvironmentKeys {
    /// Reads the environment.
    pub(super) fn read() -> Option<Self> {
        Self::for_server(Credentials::from_env()?, |name| std::env::var(name).ok())
    }

    /// Assigns the keys to the server in a variable.
    fn for_server(keys: Credentials, variable: impl Fn(&str) -> Option<String>) -> Option<Self> {
        // An empty variable counts as unset, so that it does not hide the other one.
        let named = |name| variable(name).filter(|text| !text.is_empty());
        let endpoint = ENDPOINTS.into_iter().find_map(named);
        // Keys for an invalid URL are for no server.
        let endpoint = endpoint.map(|text| Url::parse(&text).ok().map(|url| web::authority(&url)));
        match endpoint {
            Some(None) => None,
            Some(endpoint) => Some(Self { keys, endpoint }),
            None => Some(Self { keys, endpoint: None }),
        }
    }

    /// The keys, if they are for the server of a URL.
    pub(super) fn of(&self, address: &Url) -> Option<&Credentials> {
        let asked = web::authority(address);
        let is_meant = match &self.endpoint {
            Some(host) => is_of(&asked, host),
            None => AMAZON.into_iter().any(|domain| is_of(&asked, domain)),
        };
        is_meant.then_some(&self.keys)
    }
}

/// Returns true if `asked` is the host itself, or the host prefixed with a bucket or a region.
fn is_of(asked: &str, host: &str) -> bool {
    asked.strip_suffix(host).is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

/// Reads the keys of an entry. No error quotes the file.
pub(super) fn read(path: &Path, index: usize, entry: &BucketEntry) -> Result<HostKeys> {
    let line = entry.host.referenced.line();
    let invalid = |what: String| {
        BuildError::at(codes::REGISTRIES_INVALID, Place::field(path, line, format!("buckets[{index}]")), what)
    };
    let from = path.parent().unwrap_or(Path::new("")).join(&entry.credentials);
    let text =
        fs_err::read_to_string(&from).map_err(|error| invalid("the keys cannot be read".to_owned()).because(error))?;
    if text.len() > FILE_BYTES {
        return Err(invalid(format!("{} has more than {FILE_BYTES} bytes", from.display())));
    }
    let profile = entry.profile.as_deref().unwrap_or(DEFAULT_PROFILE);
    let keys = keys_in(&text, profile).map_err(|why| invalid(format!("{} {why}", from.display())))?;
    Ok(HostKeys { host: entry.host.value.clone(), keys })
}

/// Keys of one profile.
fn keys_in(text: &str, profile: &str) -> Result<Credentials, String> {
    let mut current = DEFAULT_PROFILE;
    let mut found: [Option<String>; 3] = [const { None }; 3];
    for (line, number) in text.lines().map(str::trim).zip(1..) {
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            // Section headers in the form of the AWS tools' file `config`.
            current = name.strip_prefix("profile ").unwrap_or(name).trim();
            continue;
        }
        // The line may contain a secret.
        let (name, value) = line.split_once('=').ok_or_else(|| format!("has no `NAME = …` in line {number}"))?;
        let field = [KEY, SECRET, TOKEN].into_iter().position(|known| known == name.trim());
        let Some(field) = field.filter(|_| current == profile) else { continue };
        if found[field].replace(value.trim().to_owned()).is_some() {
            return Err(format!("has `{}` twice for the profile `{profile}`", name.trim()));
        }
    }
    let [key, secret, token] = found.map(|value| value.filter(|value| !value.is_empty()));
    let lacks = |name: &str| format!("has no `{name}` for the profile `{profile}`");
    let (key, secret) = (key.ok_or_else(|| lacks(KEY))?, secret.ok_or_else(|| lacks(SECRET))?);
    Ok(match token {
        Some(token) => Credentials::new_with_token(key, secret, token),
        None => Credentials::new(key, secret),
    })
}

#[cfg(test)]
mod tests {
    use landfall_error_codes::CodedError as _;
    use landfall_media::durable;

    use super::super::registries::Registries;
    use super::*;

    const FILE: &str = "# keys\naws_access_key_id = AKIAPLAIN\naws_secret_access_key = plain/secret=\n\n[models]\n\
        region = eu-1\n\
        aws_access_key_id=AKIAMODELS\naws_secret_access_key=models-secret\n\
        aws_session_token=models-token\n";

    fn address(text: &str) -> Url {
        text.parse().expect("address")
    }

    #[test]
    fn profile_errors_quote_no_secret() {
        let plain = keys_in(FILE, "default").expect("good");
        assert_eq!((plain.key(), plain.secret(), plain.token()), ("AKIAPLAIN", "plain/secret=", None));
        let models = keys_in(FILE, "models").expect("good");
        assert_eq!((models.key(), models.token()), ("AKIAMODELS", Some("models-token")));
        for bad in ["", "[default]\naws_access_key_id=a\n", "a-secret\n", &[FILE, "[default]\n", FILE].concat()] {
            let why = keys_in(bad, "default").expect_err(bad);
            assert!(!why.contains("secret\n") && !why.contains("a-secret"), "{why}");
        }
        assert!(keys_in(FILE, "other").expect_err("missing").contains("`other`"));
    }

    #[test]
    fn bucket_keys_are_bound_to_host() {
        let keys = keys_in(FILE, "default").expect("good");
        let of_host = HostKeys { host: "s3.example:9000".to_owned(), keys: keys.clone() };
        for (asked, is_meant) in [
            ("https://s3.example:9000/models/a", true),
            ("https://models.s3.example:9000/a", true),
            ("https://s3.example/models/a", false),
            ("https://evils3.example:9000/a", false),
            ("https://s3.example.evil.example:9000/a", false),
        ] {
            assert_eq!(of_host.of(&address(asked)).is_some(), is_meant, "{asked}");
        }
        let environment = |endpoint: Option<&str>| {
            let endpoint = endpoint.map(str::to_owned);
            EnvironmentKeys::for_server(keys.clone(), |name| endpoint.clone().filter(|_| name == ENDPOINTS[0]))
        };
        let amazon = environment(None).expect("keys");
        assert!(amazon.of(&address("https://models.s3.eu-central-1.amazonaws.com/a")).is_some());
        assert!(amazon.of(&address("https://s3.example:9000/models/a")).is_none());
        assert!(amazon.of(&address("https://amazonaws.com.evil.example/a")).is_none());
        let own = environment(Some("https://s3.example:9000")).expect("keys");
        assert!(own.of(&address("https://s3.example:9000/models/a")).is_some());
        assert!(own.of(&address("https://s3.eu-central-1.amazonaws.com/a")).is_none());
        assert!(environment(Some("s3 example")).is_none());
        let second = EnvironmentKeys::for_server(keys.clone(), |name| {
            let is_second = name == ENDPOINTS[1];
            Some(if is_second { "https://s3.example:9000".to_owned() } else { String::new() })
        });
        let second = second.expect("keys");
        assert!(second.of(&address("https://s3.example:9000/models/a")).is_some());
        assert!(second.of(&address("https://s3.eu-central-1.amazonaws.com/a")).is_none());
    }

    #[test]
    fn bucket_credentials_stay_hidden() {
        let folder = tempfile::tempdir().expect("folder");
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            durable::write_file(&path, text.as_bytes(), 0o600).expect("file");
            path
        };
        write("keys", FILE);
        let read = |text: &str| Registries::read(&write("registries.yaml", text));
        let found = read("buckets: [{host: 's3.example:9000', credentials: keys, profile: models}]\n").expect("good");
        let keys = found.bucket_keys(&address("https://s3.example:9000/models/a")).expect("keys");
        assert_eq!(keys.key(), "AKIAMODELS");
        assert!(found.bucket_keys(&address("https://other.example/models/a")).is_none());
        assert!(!format!("{found:?}").contains("secret"), "{found:?}");
        for bad in [
            "buckets: [{host: a, credentials: nothing}]\n",
            "buckets: [{host: a, credentials: keys, profile: other}]\n",
            "buckets: [{host: a}]\n",
            "buckets: [{host: a, credentials: keys, secret: x}]\n",
        ] {
            assert_eq!(read(bad).expect_err(bad).code(), codes::REGISTRIES_INVALID, "{bad}");
        }
    }
}
