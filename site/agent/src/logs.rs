//! Logs of the programs that the agent runs: they append, so that a log can be cut while they run, and it is.

use std::path::Path;

use fs_err::File;

use landfall_engine::step::StepError;
use landfall_host::files;
use landfall_host::paths::SitePaths;

/// What writes logs that grow for as long as the site lives: the agent itself, and what it runs.
const LIVING: [&str; 3] = ["agent", "containerd", "kubelet"];
/// Bytes at which a log is moved aside; one earlier log is kept.
const LIMIT_BYTES: u64 = 32 << 20;

/// Opens the log of a program for appending.
pub fn open(paths: &SitePaths, program: &str) -> Result<File, StepError> {
    let path = paths.logs().join(format!("{program}.log"));
    fs_err::create_dir_all(paths.logs()).map_err(|error| files::failed("create the folder of", &path, error))?;
    fs_err::OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .map_err(|error| files::failed("open", &path, error))
}

/// Moves aside every log that has grown too large.
pub fn rotate_all(paths: &SitePaths) -> Result<(), StepError> {
    // All of them, also after one that failed.
    LIVING.map(|program| rotate(paths, program)).into_iter().collect()
}

/// Moves a log that has grown too large to `NAME.log.1` by copying and cutting, since the program keeps it open. What
/// it writes in between is lost, as with any log cut this way. A log that cannot be copied is cut all the same: the
/// likeliest cause is a full disk, and what fills it is the log.
#[expect(clippy::disallowed_methods, reason = "a copy of a log need not survive a power cut")]
fn rotate(paths: &SitePaths, program: &str) -> Result<(), StepError> {
    let path = paths.logs().join(format!("{program}.log"));
    if fs_err::metadata(&path).is_ok_and(|metadata| metadata.len() > LIMIT_BYTES) {
        let copied = fs_err::copy(&path, path.with_extension("log.1"));
        cut(&path)?;
        copied.map_err(|error| files::failed("keep a copy of", &path, error))?;
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

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn every_large_log_is_cut_even_one_that_cannot_be_copied() {
        let folder = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(folder.path());
        let log = |program: &str, extension: &str| paths.logs().join(program).with_extension(extension);
        let size = |path: &Path| fs_err::metadata(path).unwrap().len();
        let mut logs = LIVING.map(|program| open(&paths, program).unwrap());
        for log in &logs {
            log.set_len(LIMIT_BYTES + 1).unwrap();
        }
        // A folder in the way of the copy.
        fs_err::create_dir(log("agent", "log.1")).unwrap();
        let error = rotate_all(&paths).unwrap_err().to_string();
        assert!(error.starts_with("cannot keep a copy of") && error.ends_with("agent.log"), "{error}");
        for program in LIVING {
            assert_eq!(size(&log(program, "log")), 0, "{program}");
        }
        assert_eq!(size(&log("kubelet", "log.1")), LIMIT_BYTES + 1);
        logs[0].write_all(b"on").unwrap();
        assert_eq!(fs_err::read(log("agent", "log")).unwrap(), b"on");
        fs_err::remove_dir(log("agent", "log.1")).unwrap();
        rotate_all(&paths).unwrap();
        assert_eq!(size(&log("agent", "log")), 2, "a small one stays");
    }
}
