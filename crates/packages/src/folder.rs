//! The folder of an index's files. Files are opened only below it: links and `..` are not followed.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};

/// An open folder. A later mount on its path does not change it.
#[derive(Debug)]
pub struct Folder(OwnedFd);

impl Folder {
    /// Opens the folder.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(openat(CWD, path, flags, Mode::empty())?))
    }

    /// Opens a regular file of `size` bytes below the folder. A file of any other length is not the listed one, and is
    /// an error.
    pub fn file(&self, path: &str, size: u64) -> io::Result<File> {
        // Otherwise a pipe would block the caller.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let file = File::from(openat2(&self.0, path, flags, Mode::empty(), resolve)?);
        let found = file.metadata()?;
        if !found.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        if found.len() != size {
            return Err(io::Error::other(format!("it has {} bytes where {size} were listed", found.len())));
        }
        Ok(file)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use rustix::io::Errno;

    use super::*;

    #[test]
    fn links_and_outside_files_are_refused() {
        let outer = tempfile::tempdir().unwrap();
        let inner = outer.path().join("wheels");
        std::fs::create_dir_all(inner.join("set")).unwrap();
        let write = |path: &Path| {
            use std::io::Write as _;
            std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap().write_all(b"wheel").unwrap();
        };
        write(&inner.join("set/a.whl"));
        write(&outer.path().join("secret"));
        symlink("../../secret", inner.join("set/link.whl")).unwrap();
        symlink("a.whl", inner.join("set/near.whl")).unwrap();
        symlink("set", inner.join("other")).unwrap();
        rustix::fs::mkfifoat(CWD, inner.join("set/pipe.whl"), Mode::RUSR).unwrap();

        let folder = Folder::open(&inner).unwrap();
        assert!(folder.file("set/a.whl", 5).is_ok());
        assert!(folder.file("set/a.whl", 4).unwrap_err().to_string().contains("5 bytes where 4"));
        let outside = outer.path().join("secret");
        let refused = |path: &str| folder.file(path, 5).unwrap_err();
        let number = |path: &str| refused(path).raw_os_error();
        for path in ["../secret", outside.to_str().unwrap(), "/proc/self/root"] {
            assert_eq!(number(path), Some(Errno::XDEV.raw_os_error()), "{path}");
        }
        // The kernel refuses `..` with a different error number while any file is being renamed.
        let up = number("set/../../secret");
        assert!([Errno::XDEV, Errno::AGAIN].iter().any(|errno| up == Some(errno.raw_os_error())), "{up:?}");
        for path in ["set/link.whl", "set/near.whl", "other/a.whl"] {
            assert_eq!(number(path), Some(Errno::LOOP.raw_os_error()), "{path}");
        }
        for path in ["set/pipe.whl", "set"] {
            assert_eq!(refused(path).to_string(), "it is not a regular file", "{path}");
        }
        for path in ["", "set/missing.whl"] {
            assert_eq!(refused(path).kind(), io::ErrorKind::NotFound, "{path}");
        }
    }
}
