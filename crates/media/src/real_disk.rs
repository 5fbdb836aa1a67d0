//! For tests: a disk with a real filesystem, whose power can be cut while a program writes to it.
//!
//! An ioctl that exists for such tests stops the filesystem without flushing its log, so unwritten data is lost. Then
//! the filesystem is mounted again and recovers, as after a boot. The device below it has no cache of its own, so it
//! keeps everything that the filesystem wrote.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Variable with the disk's folder, for the process whose power is cut.
const DISK: &str = "LANDFALL_TEST_DISK";

/// Timeout for a process to begin or end, and for a filesystem to become free.
const PATIENCE: Duration = Duration::from_mins(1);

/// Polling interval.
const INTERVAL: Duration = Duration::from_millis(1);

/// The filesystems that servers use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filesystem {
    /// The filesystem of Debian and Ubuntu.
    Ext4,
    /// The filesystem of Red Hat.
    Xfs,
}

impl Filesystem {
    /// Both filesystems.
    pub const ALL: [Self; 2] = [Self::Ext4, Self::Xfs];

    fn name(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
        }
    }

    /// Creates the filesystem. `mkfs.xfs` needs an image of at least 300 MiB; blocks that were never written take no
    /// memory.
    fn make(self, image: &Path) {
        let image_bytes = 320 << 20;
        File::options().write(true).create_new(true).open(image).and_then(|file| file.set_len(image_bytes)).unwrap();
        run(Command::new(format!("mkfs.{}", self.name())).arg("-q").arg(image));
    }

    /// Mount options, without those that hide a missing sync before a rename.
    fn options(self) -> &'static str {
        match self {
            Self::Ext4 => "loop,noauto_da_alloc",
            Self::Xfs => "loop",
        }
    }
}

/// A disk with one of these filesystems.
#[derive(Debug)]
pub struct RealDisk {
    folder: PathBuf,
    filesystem: Filesystem,
}

impl RealDisk {
    /// Creates a disk in a folder, which should be in memory, in a mount namespace of the test.
    ///
    /// # Panics
    ///
    /// Panics if this machine cannot create such a disk: that requires root, loop devices, and the packages `e2fsprogs`
    /// and `xfsprogs`.
    pub fn make(folder: &Path, filesystem: Filesystem) -> Self {
        let folder = folder.join(filesystem.name());
        std::fs::create_dir_all(folder.join("disk")).unwrap();
        let disk = Self { folder, filesystem };
        filesystem.make(&disk.folder.join("image"));
        disk.mount();
        disk
    }

    /// The disk's folder, if [`RealDisk::cut`] started the calling process.
    pub fn of_this_process() -> Option<PathBuf> {
        std::env::var_os(DISK).map(|folder| PathBuf::from(folder).join("disk"))
    }

    /// Promises, in that process, that something is on the disk: it must exist after every later power cut.
    ///
    /// # Panics
    ///
    /// Panics if the promise cannot be recorded.
    pub fn promise(what: &str) {
        let Some(folder) = std::env::var_os(DISK) else { return };
        let path = PathBuf::from(folder).join("promised");
        let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
        file.write_all(format!("{what}\n").as_bytes()).unwrap();
    }

    /// Mount point of the disk.
    pub fn path(&self) -> PathBuf {
        self.folder.join("disk")
    }

    /// Filesystem of the disk.
    pub fn filesystem(&self) -> Filesystem {
        self.filesystem
    }

    fn mount(&self) {
        let mut mount = Command::new("mount");
        mount.args(["-t", self.filesystem.name(), "-o", self.filesystem.options()]);
        run(mount.arg(self.folder.join("image")).arg(self.path()));
    }

    fn promises(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.folder.join("promised")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Runs the test with this full name in its own process, with these variables, up to its first promise.
    fn start(&self, test: &str, variables: &[(&str, OsString)]) -> Child {
        let _none_yet = std::fs::remove_file(self.folder.join("promised"));
        let said = OpenOptions::new().write(true).create(true).truncate(true).open(self.folder.join("said")).unwrap();
        let mut program = Command::new(std::env::current_exe().unwrap());
        program.args(["--include-ignored", "--exact", test, "--nocapture"]);
        program.env(DISK, &self.folder).envs(variables.iter().cloned());
        let mut child = program.stdout(Stdio::null()).stderr(said).spawn().unwrap();
        let begun = Instant::now();
        loop {
            // A process that has ended by now made its promises before, so they are read after this.
            let ended = child.try_wait().unwrap();
            if !self.promises().is_empty() {
                return child;
            }
            assert!(ended.is_none(), "the process made no promise, and ended with {ended:?}: {}", self.output_text());
            assert!(begun.elapsed() < PATIENCE, "the process makes no promise: {}", self.output_text());
            std::thread::sleep(INTERVAL);
        }
    }

    fn output_text(&self) -> String {
        std::fs::read_to_string(self.folder.join("said")).unwrap_or_default()
    }

    /// Runs that test to its end. Returns the time from its first promise to its end, and its promises.
    ///
    /// # Panics
    ///
    /// Panics if the test fails.
    pub fn run(&self, test: &str, variables: &[(&str, OsString)]) -> (Duration, Vec<String>) {
        let mut child = self.start(test, variables);
        let begun = Instant::now();
        assert!(child.wait().unwrap().success(), "{}", self.output_text());
        (begun.elapsed(), self.promises())
    }

    /// Runs that test on a disk that fails at an instant after the first promise and accepts no more writes. Waits
    /// until the test ends, and boots. Returns all its promises.
    ///
    /// # Panics
    ///
    /// Panics if the test fails before that instant, or does not end.
    pub fn fail(&self, test: &str, variables: &[(&str, OsString)], instant: Duration) -> Vec<String> {
        let mut child = self.start(test, variables);
        self.cut_power_at(instant, &mut child);
        let begun = Instant::now();
        while child.try_wait().unwrap().is_none() {
            assert!(begun.elapsed() < PATIENCE, "it does not end on a disk that failed: {}", self.output_text());
            std::thread::sleep(INTERVAL);
        }
        let promised = self.promises();
        self.boot();
        promised
    }

    /// Runs that test, cuts the power at an instant after its first promise, and boots. Returns the promises made
    /// before the cut.
    ///
    /// # Panics
    ///
    /// Panics if the test fails before the cut.
    pub fn cut(&self, test: &str, variables: &[(&str, OsString)], instant: Duration) -> Vec<String> {
        let mut child = self.start(test, variables);
        let promised = self.cut_power_at(instant, &mut child);
        // The process may have ended already.
        let _dead = child.kill();
        child.wait().unwrap();
        self.boot();
        promised
    }

    /// Cuts the power at this instant. Returns the promises that the process made before.
    fn cut_power_at(&self, instant: Duration, child: &mut Child) -> Vec<String> {
        std::thread::sleep(instant);
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "{}", self.output_text());
        }
        let promised = self.promises();
        self.cut_power();
        promised
    }

    /// Stops the filesystem immediately.
    fn cut_power(&self) {
        run(Command::new("xfs_io").args(["-x", "-r", "-c", "shutdown"]).arg(self.path()));
    }

    /// Mounts the filesystem again.
    fn boot(&self) {
        let begun = Instant::now();
        while !Command::new("umount").arg(self.path()).stderr(Stdio::null()).status().unwrap().success() {
            assert!(begun.elapsed() < PATIENCE, "the filesystem at {} stays busy", self.path().display());
            std::thread::sleep(INTERVAL);
        }
        self.mount();
    }
}

impl Drop for RealDisk {
    fn drop(&mut self) {
        let _gone = Command::new("umount").args(["--lazy"]).arg(self.path()).stderr(Stdio::null()).status();
        let _gone = std::fs::remove_dir_all(&self.folder);
    }
}

fn run(command: &mut Command) {
    let needs = "this test needs root, loop devices, ext4 and XFS, and the packages e2fsprogs, util-linux and xfsprogs";
    let output = command.output().unwrap_or_else(|error| panic!("{needs}: {command:?}: {error}"));
    assert!(output.status.success(), "{needs}: {command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;
    use crate::durable;
    use crate::mounted::on_tmpfs;

    /// Without syncs, both filesystems lose the written data. So these tests notice a missing sync.
    #[test]
    #[ignore = "needs root, which `cargo xtask test` has"]
    #[expect(clippy::disallowed_methods, reason = "the test is about unsynced files")]
    fn real_filesystem_loses_unsynced_files() {
        let test = "real_disk::tests::real_filesystem_loses_unsynced_files";
        let Some(folder) = on_tmpfs(test, "size=1g") else { return };
        for filesystem in Filesystem::ALL {
            let disk = RealDisk::make(&folder, filesystem);
            let path = |name: &str| disk.path().join(name);
            durable::write_file(&path("synced"), b"before", 0o600).unwrap();
            durable::write_file(&path("replaced"), b"before", 0o600).unwrap();
            std::fs::write(path("not-synced"), b"bytes").unwrap();
            std::fs::write(path("new"), b"after").unwrap();
            std::fs::rename(path("new"), path("replaced")).unwrap();
            // Names without bytes: the result of renaming an unsynced file.
            durable::sync_folder(&disk.path()).unwrap();
            disk.cut_power();
            let failed = std::fs::write(path("later"), b"bytes").unwrap_err();
            assert_eq!(failed.raw_os_error(), Some(Errno::IO.raw_os_error()), "{filesystem:?}: the power is cut");
            disk.boot();
            assert_eq!(std::fs::read(path("synced")).unwrap(), b"before", "{filesystem:?}");
            assert_ne!(std::fs::read(path("not-synced")).unwrap_or_default(), b"bytes", "{filesystem:?}");
            assert_eq!(std::fs::read(path("replaced")).unwrap(), b"", "{filesystem:?}: neither form of it");
        }
    }

    const FILES: usize = 7;

    const TURNS: usize = 200;

    fn text_of(turn: usize) -> String {
        format!("{turn},").repeat(1 + turn * 37 % 9000)
    }

    /// Repeatedly replaces files, gives them second names, and renames and removes their folders.
    fn change_files(disk: &Path) {
        RealDisk::promise("begins");
        for turn in 0..TURNS {
            let (folder, former) = (disk.join("folder"), disk.join("former"));
            durable::create_folder(&folder).unwrap();
            durable::write_file(&folder.join("file"), text_of(turn).as_bytes(), 0o640).unwrap();
            durable::hard_link(&folder.join("file"), &disk.join(format!("promised-{}", turn % FILES))).unwrap();
            RealDisk::promise(&turn.to_string());
            durable::remove_tree(&former).unwrap();
            durable::rename(&folder, &former).unwrap();
        }
    }

    #[test]
    #[ignore = "needs root, which `cargo xtask test` has"]
    fn real_filesystem_never_has_partial_files() {
        let test = "real_disk::tests::real_filesystem_never_has_partial_files";
        if let Some(disk) = RealDisk::of_this_process() {
            return change_files(&disk);
        }
        let Some(folder) = on_tmpfs(test, "size=1g") else { return };
        for filesystem in Filesystem::ALL {
            let (length, _) = RealDisk::make(&folder, filesystem).run(test, &[]);
            for cut in 0..12 {
                let disk = RealDisk::make(&folder, filesystem);
                let promised = disk.cut(test, &[], length * cut / 12);
                let last = promised.last().and_then(|turn| turn.parse::<usize>().ok());
                for name in ["folder/file", "former/file"] {
                    let Ok(found) = std::fs::read_to_string(disk.path().join(name)) else { continue };
                    assert!((0..TURNS).any(|turn| found == text_of(turn)), "{filesystem:?}, cut {cut}: {name}");
                }
                let Some(last) = last else { continue };
                // More turns may have passed before the power was cut.
                let found = std::fs::read_to_string(disk.path().join(format!("promised-{}", last % FILES))).unwrap();
                let mut turns = (last..TURNS).step_by(FILES);
                assert!(turns.any(|turn| found == text_of(turn)), "{filesystem:?}, cut {cut}: {last} was promised");
            }
        }
    }
}
