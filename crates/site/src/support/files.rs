//! Files of the host: the ends of logs. Links are not followed, because pods may have planted them.

use std::fs::OpenOptions;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::OFlags;

/// The end of a file.
#[derive(Debug)]
pub struct Tail {
    /// Complete lines.
    pub bytes: Vec<u8>,
    /// True if the file has more before them.
    pub is_cut: bool,
}

/// Reads the last bytes of a regular file.
pub fn tail_of_file(path: &Path, bytes: u64) -> io::Result<Tail> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let mut file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a plain file"));
    }
    let from = metadata.len().saturating_sub(bytes);
    file.seek(SeekFrom::Start(from))?;
    let mut kept = Vec::new();
    file.take(bytes).read_to_end(&mut kept)?;
    if from > 0 {
        drop_cut_line(&mut kept);
    }
    Ok(Tail { bytes: kept, is_cut: from > 0 })
}

/// Removes the first line of a cut text: it may begin within a secret, where no pattern matches.
pub(super) fn drop_cut_line(text: &mut Vec<u8>) {
    let end = text.iter().position(|byte| *byte == b'\n').map_or(text.len(), |at| at + 1);
    text.drain(..end);
}

/// Returns regular files below a folder that changed since a time, down to a depth; the newest first.
pub fn walk(folder: &Path, depth: usize, since: SystemTime) -> Vec<PathBuf> {
    let mut found = Vec::new();
    collect(folder, depth, since, &mut found);
    found.sort_by(|left, right| right.cmp(left));
    found.into_iter().map(|(_, path)| path).collect()
}

/// Maximum number of files of a walk.
const MAX_FOUND: usize = 20_000;

fn collect(folder: &Path, depth: usize, since: SystemTime, found: &mut Vec<(SystemTime, PathBuf)>) {
    let Ok(entries) = folder.read_dir() else { return };
    for entry in entries.flatten() {
        let Ok(metadata) = entry.metadata() else { continue };
        if found.len() >= MAX_FOUND {
            return;
        }
        // This is the metadata of a link itself.
        if metadata.is_dir() && depth > 0 {
            collect(&entry.path(), depth - 1, since, found);
        } else if let Some(changed) = metadata.modified().ok().filter(|changed| metadata.is_file() && *changed >= since)
        {
            found.push((changed, entry.path()));
        }
    }
}
