//! One version of a package, as listed for a registry.

use std::io::{self, Read};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use landfall_bundle_spec::Sha256;
use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha2::{Digest as _, Sha512};

use super::archive;
use super::error::{NpmError, NpmFault};
use super::name::{file_name_of, tarball_of};
use super::package_json::PackageJson;

/// A tarball that may be served, with the facts for documents that `package.json` lacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NpmPackage {
    /// Name of the package.
    pub name: String,
    /// Version, as a registry writes it.
    pub version: String,
    /// Path in the folder of the index, with `/`.
    pub path: String,
    /// Digest of its bytes.
    pub sha256: Sha256,
    /// Size in bytes.
    pub size: u64,
    /// SHA-512 of its bytes in the form of locks: `sha512-…`.
    pub integrity: String,
    /// SHA-1 of its bytes in hexadecimal, which older clients keep in their locks.
    pub shasum: String,
    /// Digest of its `package.json`.
    pub package_json: Sha256,
    /// Size of its `package.json` in bytes.
    pub package_json_size: u64,
    /// True if it runs a script when it is installed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_install_script: bool,
    /// True if it contains its own lock.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_shrinkwrap: bool,
}

impl NpmPackage {
    /// Returns its file name in an address: that of a registry, whatever its name in the artifact.
    pub fn file_name(&self) -> String {
        file_name_of(&self.name, &self.version)
    }

    /// Returns its address relative to that of the registry.
    pub fn address(&self) -> String {
        tarball_of(&self.name, &self.version)
    }
}

/// Reads a tarball whose bytes have this digest and size. `path` is its future path in the index.
pub fn inspect(path: &str, sha256: Sha256, size: u64, tarball: impl Read) -> Result<NpmPackage, NpmError> {
    read(path, sha256, size, tarball).map_err(|source| NpmError::Package { file: path.to_owned(), source })
}

fn read(path: &str, sha256: Sha256, size: u64, tarball: impl Read) -> Result<NpmPackage, NpmFault> {
    let mut hashing = HashingReader { reader: tarball, sha512: Sha512::new(), sha1: Sha1::new(), bytes: 0 };
    let contents = archive::contents(&mut hashing)?;
    io::copy(&mut hashing, &mut io::sink())?;
    if hashing.bytes != size {
        return Err(NpmFault::Tarball(format!("has {} bytes where {size} were expected", hashing.bytes)));
    }
    let package = PackageJson::read(&contents.package_json)?;
    Ok(NpmPackage {
        path: path.to_owned(),
        sha256,
        size,
        integrity: format!("sha512-{}", STANDARD.encode(hashing.sha512.finalize())),
        shasum: format!("{:x}", hashing.sha1.finalize()),
        package_json: Sha256::of(&contents.package_json),
        package_json_size: contents.package_json.len() as u64,
        has_install_script: package.has_install_script(contents.has_gyp),
        has_shrinkwrap: contents.has_shrinkwrap,
        name: package.name,
        version: package.version,
    })
}

/// Returns the `package.json` of a tarball, or an error if it is not the listed one.
pub fn package_json_of(package: &NpmPackage, tarball: impl Read) -> Result<Vec<u8>, NpmFault> {
    archive::package_json_with(tarball, package.package_json)
}

/// A reader that computes the digests that clients know.
struct HashingReader<R> {
    reader: R,
    sha512: Sha512,
    sha1: Sha1,
    bytes: u64,
}

impl<R: Read> Read for HashingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.sha512.update(&buffer[..count]);
        self.sha1.update(&buffer[..count]);
        self.bytes += count as u64;
        Ok(count)
    }
}
