//! The header of an installed package in RPM's database: an index of tags, and the data to which it points.

use super::super::{license, short};
use crate::package::{Package, PackageKind};

/// Bytes of an entry of the index: tag, type, offset and count.
const ENTRY_BYTES: usize = 16;

const NAME: u32 = 1000;
const VERSION: u32 = 1001;
const RELEASE: u32 = 1002;
const EPOCH: u32 = 1003;
const LICENSE: u32 = 1014;
const ARCHITECTURE: u32 = 1022;

/// Type of a number of 32 bits.
const INT32: u32 = 4;

/// Types of texts: one, several, and one in several languages.
const TEXTS: [u32; 3] = [6, 8, 9];

/// Name of the packages in which RPM keeps trusted keys.
const KEY: &str = "gpg-pubkey";

const TORN: &str = "the header of a package contradicts itself";

struct Header<'a> {
    index: &'a [u8],
    data: &'a [u8],
}

/// Returns the package of a header; `None` for a key.
pub(super) fn package(bytes: &[u8]) -> Result<Option<Package>, String> {
    let header = Header::read(bytes)?;
    let (Some(name), Some(version), Some(release)) = (header.text(NAME)?, header.text(VERSION)?, header.text(RELEASE)?)
    else {
        return Err("a package has no name, no version or no release".to_owned());
    };
    if name == KEY {
        return Ok(None);
    }
    let epoch = header.number(EPOCH)?.filter(|epoch| *epoch > 0).map(|epoch| format!("{epoch}:")).unwrap_or_default();
    let package = Package::new(PackageKind::Rpm, &name, &format!("{epoch}{version}-{release}"))?;
    let licenses = header.text(LICENSE)?;
    let package = Package {
        architecture: header.text(ARCHITECTURE)?.map(|text| short(&text)).filter(|text| !text.is_empty()),
        license: licenses.as_deref().and_then(license),
        ..package
    };
    package.check()?;
    Ok(Some(package))
}

impl<'a> Header<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, String> {
        let (entries, data) = (number(bytes, 0)? as usize, number(bytes, 4)? as usize);
        let rest = bytes.get(8..).ok_or(TORN)?;
        let index = entries.checked_mul(ENTRY_BYTES).filter(|length| *length <= rest.len()).ok_or(TORN)?;
        let (index, rest) = rest.split_at(index);
        Ok(Self { index, data: rest.get(..data).ok_or(TORN)? })
    }

    /// Returns the data from the beginning of a tag, if the tag exists with one of these types.
    fn find(&self, tag: u32, types: &[u32]) -> Result<Option<&'a [u8]>, String> {
        for entry in self.index.chunks_exact(ENTRY_BYTES) {
            if number(entry, 0)? == tag && types.contains(&number(entry, 4)?) {
                let data = self.data.get(number(entry, 8)? as usize..).ok_or(TORN)?;
                return Ok(Some(data));
            }
        }
        Ok(None)
    }

    /// Returns the first text of a tag.
    fn text(&self, tag: u32) -> Result<Option<String>, String> {
        let Some(data) = self.find(tag, &TEXTS)? else { return Ok(None) };
        let length = data.iter().position(|byte| *byte == 0).ok_or(TORN)?;
        Ok(Some(String::from_utf8_lossy(&data[..length]).into_owned()))
    }

    /// Returns the first number of a tag.
    fn number(&self, tag: u32) -> Result<Option<u32>, String> {
        self.find(tag, &[INT32])?.map(|data| number(data, 0)).transpose()
    }
}

/// Reads a big-endian number of 32 bits.
fn number(bytes: &[u8], at: usize) -> Result<u32, String> {
    let bytes = bytes.get(at..at + 4).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok()).ok_or(TORN)?;
    Ok(u32::from_be_bytes(bytes))
}
