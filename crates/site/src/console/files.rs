//! Files of the console in the data folder. Each is complete or missing, even after an interrupted write.

use std::path::PathBuf;

use fs_err::File;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use landfall_engine::step::StepError;
use landfall_error_codes::codes;
use landfall_host::files;
use landfall_host::paths::SitePaths;
use landfall_media::durable;
use rustix::fs::FlockOperation;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Mode of the folder: only root may read keys and tokens.
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// Lock file, held by the process that creates a file.
const LOCK: &str = "lock";

/// The folder of these files.
#[derive(Debug, Clone)]
pub struct ConsoleFiles {
    pub(super) folder: PathBuf,
}

impl ConsoleFiles {
    /// Returns the files of a site.
    pub fn of(paths: &SitePaths) -> Self {
        Self { folder: paths.console() }
    }

    /// Reads a file; `None` if it does not exist. Errors never quote its content.
    pub(super) fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, StepError> {
        let path = self.folder.join(name);
        let failed = |what: &str| StepError::new(codes::CONSOLE_FILES, format!("{} {what}", path.display()));
        match fs_err::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("cannot be read").because(error)),
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|_| failed("is damaged")),
        }
    }

    /// Writes a file. On the disk on return.
    pub(super) fn write(&self, name: &str, content: &impl Serialize) -> Result<(), StepError> {
        let bytes = serde_json::to_vec_pretty(content)
            .map_err(|error| StepError::new(codes::BUG, format!("cannot write {name} as JSON")).because(error))?;
        durable::create_folder_with_mode(&self.folder, FOLDER_MODE)?;
        Ok(durable::write_file(&self.folder.join(name), &bytes, FILE_MODE)?)
    }

    /// Waits for the lock on creating files that must not be created twice. It is held while the result lives.
    pub(super) fn lock(&self) -> Result<File, StepError> {
        durable::create_folder_with_mode(&self.folder, FOLDER_MODE)?;
        let path = self.folder.join(LOCK);
        let opened = File::options().read(true).write(true).create(true).truncate(false).mode(FILE_MODE).open(&path);
        let file = opened.map_err(|error| files::file_error("open", &path, error))?;
        rustix::fs::flock(&file, FlockOperation::LockExclusive)
            .map_err(|errno| files::file_error("lock", &path, errno.into()))?;
        Ok(file)
    }

    /// Removes a file; a missing one is not an error.
    pub(super) fn remove_one(&self, name: &str) -> Result<(), StepError> {
        Ok(durable::remove_file(&self.folder.join(name))?)
    }

    /// Removes all files.
    pub fn remove(&self) -> Result<(), StepError> {
        Ok(durable::remove_tree(&self.folder)?)
    }
}
