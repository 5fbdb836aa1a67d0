//! Files that a step places on the host and later removes: compared byte by byte, written durably.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use landfall_error_codes::{cases, codes};
use landfall_media::durable;

use landfall_engine::step::{ObservedState, StepError};

/// A file that belongs entirely to Landfall.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnFile {
    /// Its path.
    pub path: PathBuf,
    /// Its exact content.
    pub bytes: Vec<u8>,
    /// Permission bits.
    pub mode: u32,
}

impl OwnFile {
    /// Creates a file with this content and these permission bits.
    pub fn new(path: PathBuf, text: impl Into<Vec<u8>>, mode: u32) -> Self {
        Self { path, bytes: text.into(), mode }
    }
}

/// Observes files: `Done` if all exist with their content and no temporary sibling is left, `Absent` if none exists.
pub fn observe(files: &[OwnFile]) -> Result<ObservedState, StepError> {
    let mut right = 0;
    let mut first_wrong = None;
    let mut present = 0;
    for file in files {
        let found = read(&file.path)?;
        present += usize::from(found.is_some());
        if found.as_deref() == Some(&file.bytes) {
            right += 1;
        } else {
            first_wrong.get_or_insert(&file.path);
        }
    }
    Ok(match first_wrong {
        None => ObservedState::Done,
        Some(_) if present == 0 => ObservedState::Absent,
        Some(path) => {
            ObservedState::Partial(format!("{right} of {} files are right, not {}", files.len(), path.display()))
        }
    })
}

/// Writes all files and their folders, durably.
pub fn write(files: &[OwnFile]) -> Result<(), StepError> {
    for file in files {
        if let Some(folder) = file.path.parent() {
            durable::create_folder(folder)?;
        }
        durable::write_file(&file.path, &file.bytes, file.mode)?;
    }
    Ok(())
}

/// Removes all files, and leftovers of interrupted writes.
pub fn remove(files: &[OwnFile]) -> Result<(), StepError> {
    for file in files {
        durable::remove_file(&file.path)?;
    }
    remove_leftovers(files.iter().map(|file| file.path.as_path()))
}

/// Removes leftovers of interrupted writes of these files. Lists each of their folders once.
pub fn remove_leftovers<'a>(files: impl IntoIterator<Item = &'a Path>) -> Result<(), StepError> {
    let mut folders: BTreeMap<&Path, Vec<String>> = BTreeMap::new();
    for file in files {
        let (Some(folder), Some(name)) = (file.parent(), file.file_name()) else { continue };
        folders.entry(folder).or_default().push(name.to_string_lossy().into_owned());
    }
    for (folder, names) in folders {
        let Ok(entries) = fs_err::read_dir(folder) else { continue };
        for path in entries.flatten().map(|entry| entry.path()).filter(|path| durable::is_temporary(path)) {
            let temporary = path.file_name().unwrap_or_default().to_string_lossy();
            if names.iter().any(|name| temporary.contains(name.as_str())) {
                durable::remove_file(&path)?;
            }
        }
    }
    Ok(())
}

/// Reads a file; `None` if it does not exist.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>, StepError> {
    match fs_err::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(file_error("read", path, error)),
    }
}

/// Reads a file that anyone may have written: at most one byte more than the limit, which shows its reader that it is
/// too long.
///
/// # Errors
/// Fails if it cannot be opened or read.
pub fn read_at_most(path: &Path, most_bytes: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs_err::File::open(path)?.take(most_bytes.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads a text file; `None` if it does not exist.
pub fn read_text(path: &Path) -> Result<Option<String>, StepError> {
    Ok(read(path)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
}

/// Removes one of Landfall's folders if it is empty.
pub fn remove_folder_if_empty(path: &Path) -> Result<(), StepError> {
    match fs_err::read_dir(path) {
        Ok(mut entries) => {
            if entries.next().is_none() {
                durable::remove_folder(path)?;
            }
            Ok(())
        }
        Err(error) if is_absent(&error) => Ok(()),
        Err(error) => Err(file_error("list", path, error)),
    }
}

fn is_absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
}

/// Returns an error about a file; `operation` is a verb.
pub fn file_error(operation: &str, path: &Path, error: std::io::Error) -> StepError {
    let what = format!("cannot {operation} {}", path.display());
    let step_error = match cases::of_file(&error) {
        Some(case) => StepError::new(codes::NODE_FILE, what).hint(case.next),
        None => StepError::new(codes::NODE_FILE, what),
    };
    step_error.because(error)
}

#[cfg(test)]
mod tests {
    use landfall_error_codes::CodedError;

    use super::*;

    #[test]
    fn limited_read_shows_excess() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        durable::write_file(&path, b"12345", 0o644).unwrap();
        let read = |most_bytes| read_at_most(&path, most_bytes).unwrap();
        assert_eq!([read(3), read(4), read(5)], [b"1234".to_vec(), b"12345".to_vec(), b"12345".to_vec()]);
        assert_eq!(read_at_most(folder.path(), 5).unwrap_err().kind(), std::io::ErrorKind::IsADirectory);
    }

    #[test]
    fn file_errors_have_specific_hints() {
        let next = |number| {
            let error = file_error("read", Path::new("/nope"), std::io::Error::from_raw_os_error(number));
            (error.code().id, CodedError::hint(&error))
        };
        for (number, case) in [
            (2, Some(cases::FILE_MISSING)),
            (13, Some(cases::FILE_FORBIDDEN)),
            (30, Some(cases::FILE_READ_ONLY)),
            (28, Some(cases::FILE_NO_ROOM)),
            (11, None),
        ] {
            assert_eq!(next(number), ("LF4101", case.map(|case| case.next.to_owned())), "{number}");
        }
    }
}
