//! Files of a machine, read from the host through `/proc/PID/root`. Links are never followed.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use anyhow::Result;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Items, system};
use crate::site::files::still_there;
use crate::site::process::ProcessId;

/// Digests by inode, change time and size.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Hashes(BTreeMap<String, String>);

impl Hashes {
    fn key(found: &Metadata) -> String {
        format!("{}-{}.{:09}-{}", found.ino(), found.ctime(), found.ctime_nsec(), found.size())
    }
}

/// Reads every file of the machine's disk.
pub fn disk(first: &ProcessId, known: Option<&Hashes>) -> Result<(Items, Hashes)> {
    let mut walk = Walk { items: Items::new(), known, hashes: Hashes::default() };
    walk.walk(&first.proc("root"), Path::new("/"))?;
    Ok((walk.items, walk.hashes))
}

/// Reads every file in memory: in `/run`, `/dev/shm`, and memory filesystems mounted below them.
pub fn memory(first: &ProcessId) -> Result<Items> {
    let mut walk = Walk { items: Items::new(), known: None, hashes: Hashes::default() };
    for mount in system::memory_mounts(first)? {
        walk.walk(&first.proc("root"), Path::new(&mount))?;
    }
    Ok(walk.items)
}

struct Walk<'a> {
    items: Items,
    known: Option<&'a Hashes>,
    hashes: Hashes,
}

impl Walk<'_> {
    /// Walks one filesystem of the machine, from the folder `top` inside.
    fn walk(&mut self, root: &Path, top: &Path) -> Result<()> {
        let outside = |inside: &Path| root.join(inside.strip_prefix("/").unwrap_or(inside));
        let device = match outside(top).metadata() {
            Ok(found) => found.dev(),
            Err(_) => return Ok(()),
        };
        let mut pending = vec![top.to_path_buf()];
        while let Some(folder) = pending.pop() {
            let Some(entries) = still_there(outside(&folder).read_dir())? else { continue };
            for entry in entries {
                let Some(entry) = still_there(entry)? else { continue };
                let inside = folder.join(entry.file_name());
                let Some(found) = still_there(entry.metadata())? else { continue };
                if found.dev() != device {
                    continue;
                }
                let Some(value) = still_there(self.describe(&entry.path(), &found))? else { continue };
                if found.is_dir() {
                    pending.push(inside.clone());
                }
                self.items.insert(inside.to_string_lossy().into_owned(), value);
            }
        }
        Ok(())
    }

    fn describe(&mut self, path: &Path, found: &Metadata) -> std::io::Result<String> {
        let kind = found.file_type();
        let owner = format!("{:04o} {}:{}", found.mode() & 0o7777, found.uid(), found.gid());
        let attributes = attributes(path)?;
        let text = if kind.is_symlink() {
            format!("link to {}", std::fs::read_link(path)?.display())
        } else if kind.is_dir() {
            format!("folder {owner}")
        } else if kind.is_file() {
            format!("file {owner} {} bytes {}", found.size(), self.digest(path, found)?)
        } else if kind.is_char_device() || kind.is_block_device() {
            format!("device {owner} {:x}", found.rdev())
        } else if kind.is_socket() {
            format!("socket {owner}")
        } else {
            format!("pipe {owner}")
        };
        Ok(text + &attributes)
    }

    fn digest(&mut self, path: &Path, found: &Metadata) -> std::io::Result<String> {
        let key = Hashes::key(found);
        let digest = match self.known.and_then(|known| known.0.get(&key)) {
            Some(digest) => digest.clone(),
            None => hash(path)?,
        };
        self.hashes.0.insert(key, digest.clone());
        Ok(digest)
    }
}

fn hash(path: &Path) -> std::io::Result<String> {
    let mut file = std::fs::File::open(path)?;
    let mut sha = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let size = std::io::Read::read(&mut file, &mut buffer)?;
        if size == 0 {
            return Ok(hex::encode(&sha.finalize()[..16]));
        }
        sha.update(&buffer[..size]);
    }
}

/// Returns extended attributes, which hold capabilities and access lists.
fn attributes(path: &Path) -> std::io::Result<String> {
    let mut names = vec![0_u8; 1024];
    let size = match rustix::fs::llistxattr(path, &mut names) {
        Ok(size) => size,
        Err(rustix::io::Errno::OPNOTSUPP) => 0,
        Err(error) => return Err(error.into()),
    };
    let mut text = String::new();
    for name in names[..size].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let mut value = vec![0_u8; 4096];
        let size = rustix::fs::lgetxattr(path, std::ffi::OsStr::from_bytes(name), &mut value)?;
        text.push(' ');
        text.push_str(&String::from_utf8_lossy(name));
        text.push('=');
        text.push_str(&hex::encode(&value[..size]));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "throw-away files of a test")]
    fn changed_byte_defeats_known_digests() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let look = |known: Option<&Hashes>| {
            let mut walk = Walk { items: Items::new(), known, hashes: Hashes::default() };
            walk.walk(folder.path(), Path::new("/")).unwrap();
            (walk.items["/file"].clone(), walk.hashes)
        };
        std::fs::write(&path, "one").unwrap();
        let (before, hashes) = look(None);
        assert_eq!(look(Some(&hashes)).0, before);
        std::thread::sleep(std::time::Duration::from_millis(20));
        std::fs::write(&path, "two").unwrap();
        assert_ne!(look(Some(&hashes)).0, before);
    }

    #[test]
    fn machine_paths_are_relative_to_root() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("run/a")).unwrap();
        let mut walk = Walk { items: Items::new(), known: None, hashes: Hashes::default() };
        walk.walk(folder.path(), Path::new("/run")).unwrap();
        assert_eq!(walk.items.keys().collect::<Vec<_>>(), ["/run/a"]);
    }
}
