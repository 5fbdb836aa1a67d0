//! A file that arrives in pieces. Each piece is on the disk before the next one is requested. The contents are not
//! checked here.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::OFlags;

use crate::counters::Counters;
use crate::disk::{DiskFile, PacedFile};
use crate::durable;
use crate::error::{MediaError, PathContext as _, Result};

/// A file that grows at its end. After an error, it is no longer usable: the caller reopens it with its previous
/// length.
#[derive(Debug)]
pub struct GrowingFile(PacedFile);

impl GrowingFile {
    /// Creates an empty file that only its owner can read. Fails if the file exists. On return, its name is on the
    /// disk.
    pub fn create(path: &Path) -> Result<Self> {
        let file = durable::create_file(path, 0o600)?;
        path.parent().map_or(Ok(()), durable::sync_folder)?;
        Ok(Self(PacedFile::new(DiskFile::writing(file), path.to_owned(), 0, Counters::new())))
    }

    /// Opens the file for appending after its first `length` bytes, which are known to be on the disk. Drops the bytes
    /// that follow; returns an error if the file is shorter.
    pub fn open(path: &Path, length: u64) -> Result<Self> {
        let no_link = OFlags::NOFOLLOW.bits().cast_signed();
        let file = OpenOptions::new().read(true).write(true).custom_flags(no_link).open(path).at("open", path)?;
        let found = file.metadata().at("look at", path)?.len();
        if found < length {
            return Err(MediaError::Short { path: path.to_owned(), missing: length - found });
        }
        let mut file = PacedFile::new(DiskFile::writing(file), path.to_owned(), length, Counters::new());
        file.truncate(length)?;
        Ok(Self(file))
    }

    /// Appends bytes. On return, they are on the disk.
    pub fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.0.write(bytes)?;
        self.0.sync()?;
        #[cfg(any(test, feature = "testing"))]
        {
            durable::note_written(self.0.path());
            durable::note_synced(self.0.path());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use landfall_error_codes::{CodedError as _, codes};

    use super::*;
    use crate::testing::random_bytes;

    #[test]
    fn growing_file_drops_unknown_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let bytes = random_bytes(9 << 20, 3);
        let mut file = GrowingFile::create(&path).unwrap();
        for piece in [&bytes[..1], &bytes[1..4097], &bytes[4097..6 << 20]] {
            file.append(piece).unwrap();
        }
        // An existing file is not replaced.
        assert_eq!(GrowingFile::create(&path).unwrap_err().to_string(), format!("cannot create {}", path.display()));
        drop(file);
        let mut file = GrowingFile::open(&path, 5000).unwrap();
        assert_eq!(path.metadata().unwrap().len(), 5000);
        file.append(&bytes[5000..]).unwrap();
        assert!(std::fs::read(&path).unwrap() == bytes);
        assert_eq!(GrowingFile::open(&path, 10 << 20).unwrap_err().code(), codes::BUNDLE_SHORT);
        let link = folder.path().join("link");
        durable::symlink(&path, &link).unwrap();
        assert_eq!(GrowingFile::open(&link, 0).unwrap_err().to_string(), format!("cannot open {}", link.display()));
        assert_eq!(path.metadata().unwrap().len(), 9 << 20);
    }

    #[test]
    fn growing_file_resumes_after_full_disk() {
        let test = "growing::tests::growing_file_resumes_after_full_disk";
        let Some(disk) = crate::mounted::on_tmpfs(test, "size=4m") else { return };
        let path = disk.join("file");
        let bytes = random_bytes(6 << 20, 5);
        let mut file = GrowingFile::create(&path).unwrap();
        file.append(&bytes[..3 << 20]).unwrap();
        assert_eq!(file.append(&bytes[3 << 20..]).unwrap_err().code(), codes::NO_SPACE);
        drop(file);
        rustix::mount::mount_remount(&disk, rustix::mount::MountFlags::empty(), c"size=40m").unwrap();
        let mut file = GrowingFile::open(&path, 3 << 20).unwrap();
        file.append(&bytes[3 << 20..]).unwrap();
        assert!(std::fs::read(&path).unwrap() == bytes);
    }
}
