//! The output folder on the stick: files are synced and read back from the disk itself.

use std::fs::File;
use std::io::{ErrorKind, Read, Write as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use landfall_bundle_spec::chunks::BlobHasher;
use landfall_engine::causes::with_causes;
use landfall_engine::step::StepError;
use landfall_error_codes::codes;
use landfall_host::files;
use landfall_media::{FileDigest, durable, read_back};

use crate::operations::error::Result;

/// Mode of the files: every user may read them, because none is secret.
const MODE: u32 = 0o644;

/// Number of bytes that are copied at once.
const PIECE_BYTES: usize = 256 << 10;

/// A folder that is being filled.
pub(super) struct OutFolder {
    pub(super) path: PathBuf,
}

impl OutFolder {
    /// Creates a new folder in an existing one. An unmounted stick must not become a folder on the host's own disk.
    pub(super) fn create(directory: &Path, site: &str, made: Timestamp) -> Result<Self> {
        let refused = |what: String| StepError::new(codes::CARRY_FOLDER, what);
        if !directory.is_dir() {
            return Err(refused(format!("{} is not a folder", directory.display())).into());
        }
        let short: String = site.chars().take(8).collect();
        let path = directory.join(format!("landfall-{short}-{}", made.strftime("%Y%m%dT%H%M%SZ")));
        if path.symlink_metadata().is_ok() {
            return Err(refused(format!("{} exists already", path.display())).into());
        }
        durable::create_folder(&path)?;
        Ok(Self { path })
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Writes a file. It is on the disk and was read back on return.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> Result<FileDigest> {
        let path = self.file(name);
        durable::write_file(&path, bytes, MODE)?;
        check(&path, FileDigest::of(bytes))
    }

    /// Writes a stream of at most `limit_bytes` into a new file, synced and read back. A failed stream returns a reason
    /// and leaves no file; a failed file is an error.
    pub(super) fn write_stream(
        &self,
        name: &str,
        stream: &mut dyn Read,
        limit_bytes: u64,
    ) -> Result<std::result::Result<FileDigest, String>> {
        let path = self.file(name);
        let file = durable::create_file(&path, MODE)?;
        match copy(stream, &file, &path, limit_bytes)? {
            Ok(written) => {
                durable::sync_file(&file, &path)?;
                durable::sync_folder(&self.path)?;
                check(&path, written).map(Ok)
            }
            Err(reason) => {
                durable::remove_file(&path)?;
                Ok(Err(reason))
            }
        }
    }

    /// Checks a file that other code has written and synced: the disk must have the bytes in memory.
    pub(super) fn check_written(&self, name: &str) -> Result<FileDigest> {
        let path = self.file(name);
        durable::set_mode(&path, MODE)?;
        let file = File::open(&path).map_err(|error| files::file_error("read", &path, error))?;
        let written = digest(file).map_err(|error| files::file_error("read", &path, error))?;
        check(&path, written)
    }

    /// Removes the whole folder, because a folder without its manifest is useless.
    pub(super) fn remove(&self) {
        // A failed removal is not reported, because an earlier error is.
        let _left = durable::remove_tree(&self.path);
    }
}

fn check(path: &Path, written: FileDigest) -> Result<FileDigest> {
    let found = read_back(path)?;
    if found == written {
        return Ok(found);
    }
    let what = format!("{} was written, and the stick returns other bytes", path.display());
    Err(StepError::new(codes::CARRY_READ_BACK, what).into())
}

fn copy(
    stream: &mut dyn Read,
    mut file: &File,
    path: &Path,
    limit_bytes: u64,
) -> Result<std::result::Result<FileDigest, String>> {
    let (mut hasher, mut piece) = (BlobHasher::new(), vec![0; PIECE_BYTES]);
    loop {
        let count = match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Ok(Err(with_causes(&error))),
        };
        hasher.update(&piece[..count]);
        if hasher.size() > limit_bytes {
            return Ok(Err(format!("it is larger than {limit_bytes} bytes")));
        }
        file.write_all(&piece[..count]).map_err(|error| files::file_error("write", path, error))?;
    }
    Ok(Ok(hasher.into()))
}

fn digest(mut file: File) -> std::io::Result<FileDigest> {
    let (mut hasher, mut piece) = (BlobHasher::new(), vec![0; PIECE_BYTES]);
    loop {
        match file.read(&mut piece)? {
            0 => break,
            count => hasher.update(&piece[..count]),
        }
    }
    Ok(hasher.into())
}

#[cfg(test)]
mod tests {
    use std::io;

    use landfall_error_codes::CodedError as _;

    use super::*;

    fn folder(directory: &Path) -> OutFolder {
        OutFolder::create(directory, "7b6f4a52-1c3d-4e5f-8a9b-0c1d2e3f4a5b", Timestamp::UNIX_EPOCH).unwrap()
    }

    #[test]
    fn missing_stick_is_not_created() {
        let directory = tempfile::tempdir().unwrap();
        let made = folder(directory.path());
        assert!(made.path.ends_with("landfall-7b6f4a52-19700101T000000Z"));
        let refused = |directory: &Path| {
            let made = OutFolder::create(directory, "7b6f4a52-1c3d-4e5f-8a9b-0c1d2e3f4a5b", Timestamp::UNIX_EPOCH);
            made.map(drop).unwrap_err().code()
        };
        assert_eq!(refused(directory.path()), codes::CARRY_FOLDER);
        let missing = directory.path().join("stick");
        assert_eq!(refused(&missing), codes::CARRY_FOLDER);
        assert!(!missing.exists());
        made.remove();
        assert!(directory.path().read_dir().unwrap().next().is_none());
    }

    /// Reader that returns some bytes, then an error.
    struct FailingReader(bool);

    impl Read for FailingReader {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if std::mem::replace(&mut self.0, true) {
                return Err(io::Error::other("the pod has gone"));
            }
            buffer[..4].copy_from_slice(b"half");
            Ok(4)
        }
    }

    #[test]
    fn broken_stream_leaves_no_file() {
        let directory = tempfile::tempdir().unwrap();
        let folder = folder(directory.path());
        let bytes = vec![7_u8; 3 * PIECE_BYTES + 5];
        let whole = folder.write_stream("whole", &mut &*bytes, 1 << 20).unwrap();
        assert_eq!(whole, Ok(FileDigest::of(&bytes)));
        assert_eq!(folder.check_written("whole").unwrap(), FileDigest::of(&bytes));
        let broken = folder.write_stream("broken", &mut FailingReader(false), 1 << 20).unwrap();
        assert_eq!(broken, Err("the pod has gone".to_owned()));
        let endless = folder.write_stream("endless", &mut io::repeat(7), 1 << 20).unwrap();
        assert_eq!(endless, Err("it is larger than 1048576 bytes".to_owned()));
        let names = folder.path.read_dir().unwrap().map(|entry| entry.unwrap().file_name());
        assert_eq!(names.collect::<Vec<_>>(), ["whole"]);
    }
}
