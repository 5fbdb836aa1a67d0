//! Go's downloads and compiled packages, shared by builds that run together and removed after the last of them: they
//! take 13 GB for the node pack, and only the programs are needed again.

use std::fs::File;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::cache::{Cache, remove_folder};

/// Name of the folder in the cache, and of the lock that its users share.
const NAME: &str = "go-work";

/// The folder while it is in use. Dropping the last one removes the folder.
pub struct GoWork<'a> {
    cache: &'a Cache,
    folder: PathBuf,
    shared: Option<File>,
}

impl<'a> GoWork<'a> {
    /// Starts a use of the cache's folder, which `go` creates with its first file.
    pub fn start(cache: &'a Cache) -> Result<Self> {
        let shared = cache.lock_shared(NAME)?;
        Ok(Self { cache, folder: cache.root().join(NAME), shared: Some(shared) })
    }

    /// Returns a `go` command that keeps everything in the folder.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new("go");
        command.env("GOCACHE", self.folder.join("packages")).env("GOMODCACHE", self.folder.join("modules"));
        command
    }
}

impl Drop for GoWork<'_> {
    fn drop(&mut self) {
        drop(self.shared.take());
        // If another user has the lock, that user removes the folder.
        if let Ok(Some(_alone)) = self.cache.try_lock(NAME) {
            // A folder that stays costs only space, and the next user removes it.
            let _ = remove_folder(&self.folder);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_user_removes_folder() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path()).unwrap();
        let (first, second) = (GoWork::start(&cache).unwrap(), GoWork::start(&cache).unwrap());
        let work = first.folder.clone();
        std::fs::create_dir_all(work.join("packages")).unwrap();
        drop(first);
        assert!(work.exists());
        drop(second);
        assert!(!work.exists());
    }
}
