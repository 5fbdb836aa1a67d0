//! Folders of settings: files of a Secret that an administrator creates. A missing file counts as absent; an unreadable
//! one is a fault.

mod authority;
mod follow;
mod pem;

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

pub use authority::{authority, trusting};
pub use follow::follow;
pub use pem::{pair_fault, pem_fault};

/// Maximum size of a file, in bytes. Certificates are the largest.
const LIMIT: u64 = 1 << 20;

/// The files at a single moment, with the faults of unreadable ones.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Files {
    contents: BTreeMap<&'static str, Vec<u8>>,
    pub faults: Vec<String>,
}

impl Files {
    /// Reads files with these names. Blocks.
    pub fn read(folder: &Path, names: &[&'static str]) -> Self {
        let mut files = Self::default();
        for name in names {
            match read(&folder.join(name)) {
                Ok(Some(content)) => drop(files.contents.insert(name, content)),
                Ok(None) => {}
                Err(why) => files.faults.push(format!("{name} {why}")),
            }
        }
        files
    }

    /// Returns true if there are neither files nor faults.
    pub fn is_empty(&self) -> bool {
        self.contents.is_empty() && self.faults.is_empty()
    }

    /// Returns a file, if it exists.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.contents.get(name).map(Vec::as_slice)
    }

    /// Parses a settings file in YAML. Of several faults, the reason names the first.
    pub fn yaml<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<T, String> {
        let bytes = self.get(name).ok_or_else(|| format!("{name} is missing"))?;
        let text = std::str::from_utf8(bytes).map_err(|_| format!("{name} is not UTF-8"))?;
        serde_saphyr::from_str(text).map_err(|error| {
            let error = error.to_string();
            format!("{name} cannot be read: {}", error.lines().next().unwrap_or_default())
        })
    }

    /// Parses a file of PEM certificates, if it exists: at least one.
    pub fn certificates(&self, name: &str) -> Option<Result<Vec<CertificateDer<'static>>, String>> {
        let certificates = CertificateDer::pem_slice_iter(self.get(name)?).collect::<Result<Vec<_>, _>>();
        Some(match certificates {
            Err(error) => Err(format!("{name} is not a certificate in PEM: {}", pem_fault(&error))),
            Ok(certificates) if certificates.is_empty() => Err(format!("{name} holds no certificate")),
            Ok(certificates) => Ok(certificates),
        })
    }

    /// Returns a file of one line, without its line end.
    pub fn line(&self, name: &str) -> Option<Result<String, String>> {
        let content = self.get(name)?;
        let text = std::str::from_utf8(content).ok().map(|text| text.trim_end_matches(['\r', '\n']));
        let is_line = |text: &&str| !text.is_empty() && !text.contains(char::is_control);
        Some(text.filter(is_line).map(str::to_owned).ok_or_else(|| format!("{name} is not one line of text")))
    }
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, String> {
    let metadata = match fs_err::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("cannot be read: {}", error.kind())),
    };
    if metadata.len() > LIMIT {
        return Err(format!("is longer than {LIMIT} bytes"));
    }
    fs_err::read(path).map(Some).map_err(|error| format!("cannot be read: {}", error.kind()))
}
