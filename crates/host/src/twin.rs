//! Small document that a site keeps on both the data disk and the operating system's disk, so that it survives the loss
//! of either.

use std::path::{Path, PathBuf};

use landfall_engine::step::StepError;
use landfall_error_codes::codes;
use landfall_media::durable;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::files;

/// Both places of a document.
#[derive(Debug, Clone)]
pub struct Twin {
    data: PathBuf,
    settings: PathBuf,
}

impl Twin {
    /// Creates the pair of places on the data disk and on the operating system's disk.
    pub fn new(data: PathBuf, settings: PathBuf) -> Self {
        Self { data, settings }
    }

    /// Returns every readable copy; empty on a site without the document. Fails if copies exist but none can be read.
    pub fn read<T: DeserializeOwned>(&self) -> Result<Vec<T>, StepError> {
        let mut copies = Vec::new();
        let mut damage = None;
        for place in [&self.data, &self.settings] {
            match files::read(place)?.map(|bytes| serde_json::from_slice(&bytes)) {
                Some(Ok(copy)) => copies.push(copy),
                Some(Err(error)) => damage = Some(error),
                None => {}
            }
        }
        match damage {
            Some(error) if copies.is_empty() => {
                let what = format!("neither {} nor {} can be read", self.data.display(), self.settings.display());
                Err(StepError::new(codes::LICENSE_RECORD, what).because(error))
            }
            _ => Ok(copies),
        }
    }

    /// Writes both copies and their folders, readable by root, durably.
    pub fn write(&self, document: &impl Serialize) -> Result<(), StepError> {
        for place in [&self.data, &self.settings] {
            let bytes =
                serde_json::to_vec_pretty(document).map_err(|error| files::file_error("write", place, error.into()))?;
            // A license may arrive before an install creates the folders.
            place.parent().map_or(Ok(()), durable::create_own_folder)?;
            durable::write_file(place, &bytes, 0o600)?;
        }
        Ok(())
    }

    /// Removes the copy on the operating system's disk, or both, durably.
    pub fn remove(&self, keep_data: bool) -> Result<(), StepError> {
        durable::remove_file(&self.settings)?;
        if !keep_data {
            durable::remove_file(&self.data)?;
        }
        Ok(())
    }

    /// Returns the path on the data disk.
    pub fn data(&self) -> &Path {
        &self.data
    }
}

#[cfg(test)]
mod tests {
    use landfall_error_codes::CodedError;

    use super::*;

    #[test]
    fn one_intact_copy_is_enough() {
        let folder = tempfile::tempdir().unwrap();
        let twin = Twin::new(folder.path().join("data/x.json"), folder.path().join("settings/x.json"));
        assert!(twin.read::<u64>().unwrap().is_empty());
        twin.write(&7_u64).unwrap();
        assert_eq!(twin.read::<u64>().unwrap(), [7, 7]);
        durable::write_file(&twin.data, b"{", 0o600).unwrap();
        assert_eq!(twin.read::<u64>().unwrap(), [7]);
        twin.remove(true).unwrap();
        assert_eq!(twin.read::<u64>().unwrap_err().code(), codes::LICENSE_RECORD);
        twin.remove(false).unwrap();
        assert!(twin.read::<u64>().unwrap().is_empty());
    }
}
