//! A wheel, as listed for an index.

use landfall_bundle_spec::Sha256;
use rawzip::ReaderAt;
use serde::{Deserialize, Serialize};

use crate::archive;
use crate::error::{PackagesError, WheelFault};
use crate::file_name::WheelName;
use crate::metadata::Metadata;
use crate::name::normalize_name;
use crate::version;

/// A wheel that may be served, with the facts for pages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Wheel {
    /// Path in the folder of the index, with `/`.
    pub path: String,
    /// Digest of its bytes.
    pub sha256: Sha256,
    /// Size in bytes.
    pub size: u64,
    /// Version, as in its `METADATA`.
    pub version: String,
    /// Required versions of Python, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requires_python: Option<String>,
    /// Digest of its `METADATA`.
    pub metadata: Sha256,
}

impl Wheel {
    /// Returns its file name, without folders.
    pub fn file_name(&self) -> &str {
        self.path.rsplit_once('/').map_or(self.path.as_str(), |(_, name)| name)
    }
}

/// Reads a wheel whose bytes have this digest and size. `path` is its future path in the index.
pub fn inspect(path: &str, sha256: Sha256, size: u64, archive: impl ReaderAt) -> Result<Wheel, PackagesError> {
    let wheel = Wheel {
        path: path.to_owned(),
        sha256,
        size,
        version: String::new(),
        requires_python: None,
        metadata: Sha256([0; 32]),
    };
    let read = || {
        let named = WheelName::read(wheel.file_name())?;
        let contents = archive::contents(archive, size)?;
        let metadata = Metadata::read(&contents.metadata)?;
        check(&named, &contents.folder, &metadata)?;
        Ok((metadata, Sha256::of(&contents.metadata)))
    };
    let (metadata, digest) = read().map_err(|source| PackagesError::Wheel { file: path.to_owned(), source })?;
    Ok(Wheel { version: metadata.version, requires_python: metadata.requires_python, metadata: digest, ..wheel })
}

/// Returns the bytes of a wheel's `METADATA`. The caller must compare their digest with the list's.
pub fn metadata_of(archive: impl ReaderAt, size: u64) -> Result<Vec<u8>, WheelFault> {
    Ok(archive::contents(archive, size)?.metadata)
}

/// Checks that all names mean one package: pip takes the name from the file, from the folder and from the field.
fn check(named: &WheelName, folder: &str, metadata: &Metadata) -> Result<(), WheelFault> {
    let differs =
        |found: String| Err(WheelFault::Differs { named: format!("{} {}", named.project, named.version), found });
    if normalize_name(&metadata.name) != named.project || !version::is_same(&metadata.version, &named.version) {
        return differs(format!("{} {}", metadata.name, metadata.version));
    }
    let (name, of_folder) = folder.split_once('-').unwrap_or((folder, ""));
    if normalize_name(name) != named.project || !version::is_same(of_folder, &named.version) {
        return differs(format!("is in the folder {}.dist-info", folder.escape_default()));
    }
    Ok(())
}
