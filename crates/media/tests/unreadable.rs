//! Tests with a stick that cannot return one block: all other defects of the bundle are found in the same pass.
//!
//! One block of a file on the stick lies beyond the end of the disk, so that the kernel itself returns `EIO`. The tests
//! need root.
#![expect(clippy::disallowed_methods, reason = "files of a test, which end with it")]

mod common;

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use landfall_error_codes::CodedError;
use landfall_media::bundle::{BundleMedia, locate};
use landfall_media::counters::Counters;
use landfall_media::pack::pack;
use landfall_media::parts::Output;
use landfall_media::progress::SilentProgress;
use landfall_media::stage::stage;
use landfall_media::store::ContentStore;
use landfall_media::verify::verify;
use landfall_media::{MediaError, Payload};

use crate::common::{MIB, signed_payload};

/// Bytes of the stick. Once it is connected, the disk loses those after `FOUND_BYTES`.
const DISK_BYTES: u64 = 64 * MIB;
const FOUND_BYTES: u64 = 60 * MIB;

/// Number of a block of 4 KiB between the two.
const LOST_BLOCK: &str = "16000";

/// Index of the misplaced block in the file; blocks from 12 on are listed elsewhere.
const BLOCK: u64 = 6;

const PART_BYTES: u64 = 3 * MIB;

/// Index of the largest blob, which is in several parts, and of the last one.
const LARGE: usize = 3;
const LAST: usize = 5;

/// The kernel's error for a place that a disk cannot read.
const EIO: i32 = 5;

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A filesystem in an image file.
struct Stick {
    folder: tempfile::TempDir,
}

/// The mounted stick; unmounted when dropped.
struct Connected {
    folder: PathBuf,
    device: String,
}

impl Stick {
    fn new() -> Self {
        let stick = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(stick.path("mounted")).unwrap();
        File::create(stick.path("image")).unwrap().set_len(DISK_BYTES).unwrap();
        // This form of the filesystem lists the first blocks of a file in its inode, where debugfs can change them.
        run("mkfs.ext2", &["-q", "-F", "-b", "4096", "-E", "nodiscard", &stick.text("image")]);
        stick
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn mount(&self, options: &str) -> Connected {
        // The device keeps its size when the image file shrinks.
        let device = run("losetup", &["--find", "--show", "--direct-io=on", &self.text("image")]);
        let connected = Connected { folder: self.path("mounted"), device };
        run("mount", &["-t", "ext4", "-o", options, &connected.device, &self.text("mounted")]);
        connected
    }

    /// Changes files of a sound stick.
    fn change(&self, act: impl FnOnce(&Path)) {
        File::options().write(true).open(self.path("image")).unwrap().set_len(DISK_BYTES).unwrap();
        let connected = self.mount("rw");
        act(&connected.folder);
        run("umount", &[&self.text("mounted")]);
    }

    /// Moves one block of a file to the place that the disk will lose.
    fn misplace_block(&self, file: &str) {
        let request = format!("set_inode_field /{file} block[{BLOCK}] {LOST_BLOCK}");
        run("debugfs", &["-w", "-R", &request, &self.text("image")]);
        let found = run("debugfs", &["-R", &format!("bmap /{file} {BLOCK}"), &self.text("image")]);
        assert_eq!(found, LOST_BLOCK, "debugfs has not changed {file}");
    }

    /// Connects the stick with a disk that ends too early.
    fn connect(&self) -> Connected {
        let connected = self.mount("ro");
        File::options().write(true).open(self.path("image")).unwrap().set_len(FOUND_BYTES).unwrap();
        connected
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["--lazy", "--quiet"]).arg(&self.folder).output();
        let _ = Command::new("losetup").args(["--detach", &self.device]).output();
    }
}

/// Returns the names of the parts, in order.
fn parts(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name.contains(".landfall.")).collect();
    names.sort();
    names
}

/// Changes one byte of a blob on the stick.
fn flip(folder: &Path, payload: &Payload, blob: usize, offset: u64) {
    let at = payload.layout().entries()[blob].offset() + offset;
    let ranges = payload.layout().parts(PART_BYTES).unwrap();
    let (name, range) = parts(folder).into_iter().zip(ranges).find(|(_, range)| range.contains(&at)).unwrap();
    let file = File::options().read(true).write(true).open(folder.join(name)).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at - range.start).unwrap();
    file.write_all_at(&[byte[0] ^ 1], at - range.start).unwrap();
}

fn is_unreadable(error: &MediaError, part: &str) -> bool {
    let names = |path: &Path| path.file_name().is_some_and(|name| name == part);
    matches!(error, MediaError::Io { operation: "read", path, source }
        if source.raw_os_error() == Some(EIO) && names(path))
}

fn damage(error: &MediaError) -> &str {
    let MediaError::Damaged { what, .. } = error else { panic!("it is not damage: {error}") };
    what
}

fn media(payload: &Payload, folder: &Path) -> BundleMedia {
    locate(folder).unwrap().assemble(payload.clone(), Counters::new()).unwrap()
}

#[test]
#[ignore = "needs root: run by `cargo xtask test --only unit`"]
fn unreadable_block_is_listed_with_damage() {
    let sound = tempfile::tempdir().unwrap();
    let vendor = ContentStore::at(sound.path().join("vendor"));
    let payload = signed_payload(&vendor, &[1, 2, 3, 5 * MIB, 700_000, 3 * MIB]);
    let stick = Stick::new();
    let mut names = Vec::new();
    stick.change(|folder| {
        let output = Output { folder, part_bytes: Some(PART_BYTES), others: &|_| Vec::new(), others_bytes: 0 };
        pack(&payload, &vendor, output, &Counters::new(), &SilentProgress).unwrap();
        names = parts(folder);
        verify(&media(&payload, folder), "verifying", &SilentProgress).unwrap();
    });
    assert!(names.len() >= 3, "{names:?}");
    let bad = &names[1];
    stick.misplace_block(bad);
    {
        let connected = stick.connect();
        let media = media(&payload, &connected.folder);
        let alone = verify(&media, "verifying", &SilentProgress).unwrap_err();
        assert!(is_unreadable(&alone, bad), "{alone}");
        assert_eq!(alone.code().id, "LF1201");
        // Staging ends there and keeps the good blobs.
        let site = ContentStore::at(sound.path().join("site"));
        let ended = stage(&media, &site, &SilentProgress).unwrap_err();
        assert!(is_unreadable(&ended, bad), "{ended}");
        assert!(payload.blobs()[..LARGE].iter().all(|blob| site.contains(blob.sha256)), "good blobs are gone");
        assert!(!site.contains(payload.blobs()[LARGE].sha256), "a blob that could not be read was accepted");
    }

    // The damage is on both sides of the unreadable block in its part, and in another part.
    stick.change(|folder| {
        for (blob, offset) in [(LARGE, 100), (LARGE, 5 * MIB - 100), (LAST, 2 * MIB + 100)] {
            flip(folder, &payload, blob, offset);
        }
    });
    let connected = stick.connect();
    let media = media(&payload, &connected.folder);
    let error = verify(&media, "verifying", &SilentProgress).unwrap_err();
    assert_eq!(error.code().id, "LF1208", "what was refused counts more than what could not be read");
    let MediaError::SeveralDamaged { list, is_complete: true } = &error else { panic!("{error}") };
    let [first, unreadable, last, other] = &list[..] else { panic!("{error}") };
    assert!(is_unreadable(unreadable, bad), "{error}");
    assert!(damage(first).starts_with("chunk 1 of 5 of "), "{error}");
    assert!(damage(last).starts_with("chunk 5 of 5 of "), "{error}");
    assert!(damage(other).starts_with("chunk 3 of 3 of "), "{error}");
    assert!(error.to_string().contains("(os error 5)"), "{error}");
    // One pass: only the pieces to be read together with the bad block, and the beginning of its part, are read twice.
    let (read, total) = (media.counters().totals().read_bytes, media.total_bytes());
    assert!(read >= total - MIB && read <= total + 3 * MIB, "{read} bytes of {total} were read");
}
