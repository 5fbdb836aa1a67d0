//! Credentials for a bucket, in a file that only root can read. They are nowhere else: no setting, bundle, journal, log
//! or error contains them.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rusty_s3::Credentials;
use zeroize::Zeroizing;

use crate::error::{BucketError, Result, Trouble};

/// Size limit above the size of any such file.
const LONGEST_FILE: u64 = 64 << 10;

const KEY: &str = "aws_access_key_id";
const SECRET: &str = "aws_secret_access_key";

/// An access key and its secret. It has no `Debug` form.
#[derive(Clone)]
pub struct BucketCredentials(pub(super) Credentials);

impl BucketCredentials {
    /// Reads a file in the form of Amazon's own tools, such as
    ///
    /// ```text
    /// aws_access_key_id = AKIAIOSFODNN7EXAMPLE
    /// aws_secret_access_key = …
    /// ```
    ///
    /// with at most one profile. The file must belong to root or to the user of this process, and only its owner may
    /// read it.
    pub fn read(path: &Path) -> Result<Self> {
        let refused = |why: String| BucketError::new(path, Trouble::Credentials, why);
        let file = File::open(path).map_err(|error| refused(error.to_string()))?;
        let metadata = file.metadata().map_err(|error| refused(error.to_string()))?;
        let own = rustix::process::geteuid().as_raw();
        if !metadata.is_file() {
            return Err(refused("it is not a file".to_owned()).into());
        }
        if ![0, own].contains(&metadata.uid()) {
            return Err(refused(format!("it belongs to the user {}, not to root", metadata.uid())).into());
        }
        if metadata.mode() & 0o077 != 0 {
            let mode = metadata.mode() & 0o7777;
            let why = format!("others than its owner may use it (mode {mode:04o}); run `chmod 600 {}`", path.display());
            return Err(refused(why).into());
        }
        let mut text = Zeroizing::new(String::new());
        file.take(LONGEST_FILE).read_to_string(&mut text).map_err(|error| refused(error.to_string()))?;
        Self::parse(&text).map_err(|why| refused(why).into())
    }

    fn parse(text: &str) -> Result<Self, String> {
        let (mut key, mut secret, mut profiles) = (None, None, 0);
        for (line, number) in text.lines().map(str::trim).zip(1..) {
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            if line.starts_with('[') && line.ends_with(']') {
                profiles += 1;
                continue;
            }
            let found = match line.split_once('=').map(|(name, value)| (name.trim(), value.trim())) {
                Some((KEY, value)) => key.replace(value.to_owned()),
                Some((SECRET, value)) => secret.replace(value.to_owned()),
                // The line may contain a secret.
                _ => return Err(format!("line {number} is neither `{KEY} = …` nor `{SECRET} = …`")),
            };
            if found.is_some() || profiles > 1 {
                return Err(format!("it holds more than one profile, from line {number} on"));
            }
        }
        let given = |value: Option<String>, name: &str| {
            value.filter(|value| !value.is_empty()).ok_or_else(|| format!("it has no `{name} = …`"))
        };
        Ok(Self(Credentials::new(given(key, KEY)?, given(secret, SECRET)?)))
    }
}

#[cfg(test)]
mod tests {
    use landfall_error_codes::{CodedError as _, codes};
    use landfall_media::durable;

    use super::*;

    #[test]
    fn errors_never_quote_credentials() {
        let read = |text: &str| BucketCredentials::parse(text);
        let lines = "aws_access_key_id = AKIA\naws_secret_access_key=s3=cret/\n";
        for good in [lines.to_owned(), format!("# mine\n[default]\n\n{lines}")] {
            let BucketCredentials(found) = read(&good).unwrap();
            assert_eq!((found.key(), found.secret()), ("AKIA", "s3=cret/"));
        }
        let bad = [
            "",
            "s3cret",
            "aws_access_key_id = AKIA",
            "aws_secret_access_key = s3cret",
            "aws_access_key_id = AKIA\naws_secret_access_key =",
            "aws_secret = s3cret",
            &format!("{lines}{lines}"),
            &format!("[a]\n{lines}[b]\naws_access_key_id = AKIB"),
        ];
        for text in bad {
            let why = read(text).err().unwrap();
            assert!(!why.contains("s3cret") && !why.contains("AKI"), "{why}");
        }
    }

    #[test]
    fn credentials_readable_by_others_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("credentials");
        let lines = b"aws_access_key_id = AKIA\naws_secret_access_key = s3cret\n";
        let code = || BucketCredentials::read(&path).err().map(|error| error.code());
        assert_eq!(code(), Some(codes::BUCKET_CREDENTIALS));
        for mode in [0o640, 0o604, 0o660] {
            durable::write_file(&path, lines, mode).unwrap();
            assert_eq!(code(), Some(codes::BUCKET_CREDENTIALS), "{mode:o}");
        }
        for mode in [0o600, 0o400] {
            durable::write_file(&path, lines, mode).unwrap();
            assert_eq!(code(), None, "{mode:o}");
        }
    }
}
