//! Logs of the programs that the agent runs: they append, so that a log can be cut while they run, and it is.

use std::path::Path;

use fs_err::File;

use crate::site::SitePaths;
use crate::step::StepError;
use crate::steps::files;

/// Bytes at which a log is moved aside; one earlier log is kept.
const LIMIT_BYTES: u64 = 32 << 20;

/// Opens the log of a program for appending.
pub(crate) fn open(paths: &SitePaths, program: &str) -> Result<File, StepError> {
    let path = paths.logs().join(format!("{program}.log"));
    fs_err::create_dir_all(paths.logs()).map_err(|error| files::failed("create the folder of", &path, error))?;
    fs_err::OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .map_err(|error| files::failed("open", &path, error))
}

/// Moves a log that has grown too large to `NAME.log.1` by copying and cutting, since the program keeps it open. What
/// it writes in between is lost, as with any log cut this way.
#[expect(clippy::disallowed_methods, reason = "a copy of a log need not survive a power cut")]
pub(crate) fn rotate(paths: &SitePaths, program: &str) -> Result<(), StepError> {
    let path = paths.logs().join(format!("{program}.log"));
    if fs_err::metadata(&path).is_ok_and(|metadata| metadata.len() > LIMIT_BYTES) {
        let earlier = path.with_extension("log.1");
        fs_err::copy(&path, &earlier).map_err(|error| files::failed("copy", &path, error))?;
        cut(&path)?;
    }
    Ok(())
}

fn cut(path: &Path) -> Result<(), StepError> {
    fs_err::OpenOptions::new()
        .write(true)
        .open(path)
        .and_then(|file| file.set_len(0))
        .map_err(|error| files::failed("cut", path, error))
}
