//! Identity of a node pack on a host.

use std::fmt;
use std::str::FromStr;

use landfall_bundle_spec::Sha256;
use serde::{Deserialize, Serialize};
use sha2::Digest;

/// Number of hexadecimal digits of the digest in a name.
const DIGITS: usize = 12;

/// Name of the folder of a node pack's programs: the version of Kubernetes, and a digest of the pack's files. Two packs
/// of one Kubernetes version, such as with different versions of containerd, have separate folders. So placing or
/// removing one pack never touches the other's programs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PackId(String);

/// A text that is not the ID of a node pack.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the id of a node pack, such as v1.36.3-0123456789ab")]
pub struct InvalidPackId(String);

impl PackId {
    /// Returns the ID of a pack with this version of Kubernetes, such as `v1.36.3`, and these files. Each file has a
    /// path relative to the pack's folder, a digest, and the names of symbolic links to it. Their order does not
    /// matter.
    pub fn of<'a>(
        kubernetes: &str,
        files: impl IntoIterator<Item = (&'a str, &'a Sha256, &'a [String])>,
    ) -> Result<Self, InvalidPackId> {
        let line = |(path, digest, links): (&str, &Sha256, &[String])| {
            // Paths and names have no control characters: the release document was checked.
            format!("{path}\t{}\t{}\n", digest.to_hex(), links.join("\t"))
        };
        let mut lines: Vec<String> = files.into_iter().map(line).collect();
        lines.sort();
        let digest = hex::encode(sha2::Sha256::digest(lines.concat()));
        format!("{kubernetes}-{}", &digest[..DIGITS]).parse()
    }
}

impl FromStr for PackId {
    type Err = InvalidPackId;

    fn from_str(text: &str) -> Result<Self, InvalidPackId> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let is_version = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        let is_id = text.rsplit_once('-').is_some_and(|(version, digest)| {
            version.starts_with('v')
                && version.len() <= 64
                && version.bytes().all(is_version)
                && digest.len() == DIGITS
                && digest.bytes().all(is_digit)
        });
        if is_id { Ok(Self(text.to_owned())) } else { Err(InvalidPackId(text.to_owned())) }
    }
}

impl TryFrom<String> for PackId {
    type Error = InvalidPackId;

    fn try_from(text: String) -> Result<Self, InvalidPackId> {
        text.parse()
    }
}

impl From<PackId> for String {
    fn from(id: PackId) -> Self {
        id.0
    }
}

impl AsRef<str> for PackId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PackId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Returns a sample ID, for tests.
///
/// # Panics
///
/// Never: its text is a valid ID.
#[cfg(any(test, feature = "testing"))]
pub fn sample() -> PackId {
    "v1.36.3-0123456789ab".parse().expect("an id")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(files: &[(&str, &[u8], &[String])]) -> PackId {
        let digests: Vec<Sha256> = files.iter().map(|(_, bytes, _)| Sha256::of(bytes)).collect();
        let files = files.iter().zip(&digests).map(|((path, _, links), digest)| (*path, digest, *links));
        PackId::of("v1.36.3", files).unwrap()
    }

    #[test]
    fn pack_id_ignores_file_order() {
        let links = ["kubectl".to_owned()];
        let pack = id(&[("kubelet", b"1", &[]), ("runc", b"2", &links)]);
        assert_eq!(pack, id(&[("runc", b"2", &links), ("kubelet", b"1", &[])]));
        for other in [
            id(&[("kubelet", b"1", &[]), ("runc", b"3", &links)]),
            id(&[("kubelet", b"1", &[]), ("runc", b"2", &[])]),
            id(&[("kubelet", b"1", &[]), ("crun", b"2", &links)]),
            id(&[("kubelet", b"1", &[])]),
        ] {
            assert_ne!(pack, other);
            assert!(other.to_string().starts_with("v1.36.3-"), "{other}");
        }
    }

    #[test]
    fn only_folder_names_are_pack_ids() {
        let id = "v1.36.3-0123456789ab";
        assert_eq!(id.parse::<PackId>().unwrap().to_string(), id);
        for text in ["", "v1.36.3", "v1.36.3-0123", "v1.36.3-0123456789aB", "../v1-0123456789ab", "v1/..-0123456789ab"]
        {
            assert_eq!(text.parse::<PackId>(), Err(InvalidPackId(text.to_owned())));
        }
        let error = serde_json::from_str::<PackId>("\"../x-0123456789ab\"").unwrap_err().to_string();
        assert!(error.starts_with("`../x-0123456789ab` is not the id of a node pack"), "{error}");
    }
}
