//! Tests on a disk that really fails: ext4 on a loop device whose backing file runs out of space. The kernel accepts
//! writes into its memory, loses them, reports that once, and continues to show them.
//!
//! Only root can create such a disk. Without root these tests fail, so they run only where root is requested.

mod common;

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use landfall_bundle_spec::chunks::BlobHasher;
use landfall_error_codes::CodedError;
use landfall_media::bundle::{BundleMedia, locate};
use landfall_media::counters::Counters;
use landfall_media::durable::{self, Batch};
use landfall_media::pack::pack;
use landfall_media::parts::{Output, PartWriter, PlannedFiles};
use landfall_media::progress::SilentProgress;
use landfall_media::stage::stage;
use landfall_media::store::ContentStore;
use landfall_media::verify::{verify, verify_store};
use landfall_media::{Contents, MediaError, Payload};

use crate::common::{MIB, signed_payload};

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A disk that has less space than it claims.
struct ThinDisk {
    folder: tempfile::TempDir,
    device: String,
}

impl ThinDisk {
    /// Creates a disk that claims 256 MiB but can hold only `mib`. Without a journal, it continues after a failure.
    fn with_room(mib: u64) -> Self {
        Self::with_room_and(mib, "^has_journal")
    }

    fn with_room_and(mib: u64, features: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["room", "disk", "copy"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let mut disk = Self { folder, device: String::new() };
        run("mount", &["-t", "tmpfs", "-o", "size=280m", "none", &disk.text("room")]);
        run("truncate", &["--size", "256M", &disk.text("room/image")]);
        let options = "lazy_itable_init=0,nodiscard";
        let image = disk.text("room/image");
        run("mkfs.ext4", &["-q", "-F", "-O", features, "-m", "0", "-E", options, &image]);
        disk.device = run("losetup", &["--find", "--show", &image]);
        disk.mount();
        // The filesystem's own writes must find space, or it fails before the files do.
        fs::create_dir_all(disk.path().join("store")).unwrap();
        durable::sync_filesystem(&disk.path()).unwrap();
        disk.set_room(disk.taken_mib() + mib);
        disk
    }

    /// Creates the folders of a store, and uses so many inodes once that later writes need no new blocks for them. This
    /// filesystem does not survive the loss of its own blocks; the kernel forgets only the loss of files' blocks.
    fn prepare_folders(&self, payload: &Payload) {
        let store = self.store();
        for blob in payload.blobs() {
            let hex = blob.sha256.to_hex();
            fs::create_dir_all(store.path(blob.sha256).parent().unwrap()).unwrap();
            fs::create_dir_all(store.root().join("landfall/records").join(&hex[..2])).unwrap();
        }
        let partial = store.root().join("landfall/partial");
        fs::create_dir_all(&partial).unwrap();
        let used: Vec<_> =
            (0..3 * payload.blobs().len() + 20).map(|index| partial.join(format!("{index:0>80}"))).collect();
        for path in &used {
            durable::write_file(path, b"used", 0o644).unwrap();
        }
        for path in &used {
            fs::remove_file(path).unwrap();
        }
        durable::sync_filesystem(&self.path()).unwrap();
    }

    fn text(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    fn store(&self) -> ContentStore {
        ContentStore::at(self.path().join("store"))
    }

    fn mount(&self) {
        run("mount", &["-t", "ext4", "-o", "errors=continue", &self.device, &self.text("disk")]);
    }

    fn taken_mib(&self) -> u64 {
        let status = rustix::fs::statvfs(self.folder.path().join("room")).unwrap();
        (status.f_blocks - status.f_bfree) * status.f_frsize / MIB + 1
    }

    fn set_room(&self, mib: u64) {
        run("mount", &["-o", &format!("remount,size={mib}m"), &self.text("room")]);
    }

    /// Makes the disk work again.
    fn mend(&self) {
        self.set_room(280);
    }

    /// Clears the page cache, as a boot does.
    fn reboot(&self) {
        run("umount", &[&self.text("disk")]);
        // As at a boot: the filesystem's own metadata writes may also be lost.
        let _ = Command::new("e2fsck").args(["-f", "-y", &self.device]).output().unwrap();
        self.mount();
    }

    /// Runs `look` on the contents that the disk would have if the power were cut now.
    fn after_power_cut<T>(&self, look: impl FnOnce(&Path) -> T) -> T {
        let copy = self.text("copy");
        let image = self.folder.path().join("image");
        run("cp", &["--sparse=always", &self.text("room/image"), image.to_str().unwrap()]);
        // As at a boot.
        let _ = Command::new("e2fsck").args(["-f", "-y"]).arg(&image).output().unwrap();
        run("mount", &["-t", "ext4", "-o", "loop", image.to_str().unwrap(), &copy]);
        let found = look(Path::new(&copy));
        run("umount", &[&copy]);
        found
    }
}

impl Drop for ThinDisk {
    fn drop(&mut self) {
        for name in ["copy", "disk"] {
            let _ = Command::new("umount").args(["--lazy", &self.text(name)]).output();
        }
        if !self.device.is_empty() {
            let _ = Command::new("losetup").args(["--detach", &self.device]).output();
        }
        let _ = Command::new("umount").args(["--lazy", &self.text("room")]).output();
    }
}

/// Builds a bundle with blobs of these sizes on a sound disk.
fn bundle(folder: &Path, sizes: &[u64]) -> (Payload, PathBuf) {
    let vendor = ContentStore::at(folder.join("vendor"));
    let payload = signed_payload(&vendor, sizes);
    let stick = folder.join("stick");
    let output = Output { folder: &stick, part_bytes: None, others: &|_| Vec::new(), others_bytes: 0 };
    pack(&payload, &vendor, output, &Counters::new(), &SilentProgress).unwrap();
    (payload, stick)
}

fn media(payload: &Payload, stick: &Path) -> BundleMedia {
    locate(stick).unwrap().assemble(payload.clone(), Counters::new()).unwrap()
}

/// An event between two runs.
#[derive(Debug, Clone, Copy)]
enum Then {
    Reboot,
    /// No reboot: memory still shows the bytes that the disk lost.
    Nothing,
}

/// Codes of the errors of a failing disk: of a write, of one without space, and of a sync.
const FAILURES: [&str; 3] = ["LF1201", "LF1202", "LF1203"];

/// Stages repeatedly until the disk fails, then with the repaired disk, and examines the contents of the disk.
fn fail_and_resume(sizes: &[u64], order: &[Then]) {
    let sound = tempfile::tempdir().unwrap();
    let (payload, stick) = bundle(sound.path(), sizes);
    let media = media(&payload, &stick);
    let disk = ThinDisk::with_room(200);
    disk.prepare_folders(&payload);
    disk.set_room(disk.taken_mib() + 14);
    for then in order {
        let error = stage(&media, &disk.store(), &SilentProgress).unwrap_err();
        assert!(FAILURES.contains(&error.code().id), "{order:?}: {error}");
        if matches!(then, Then::Reboot) {
            disk.mend();
            disk.reboot();
        }
    }
    disk.mend();
    // The kernel may report an earlier failure once to the next process that syncs the filesystem.
    let again = || stage(&media, &disk.store(), &SilentProgress);
    again().or_else(|_| again()).unwrap();
    disk.after_power_cut(|copy| {
        verify_store(&payload, &ContentStore::at(copy.join("store")), "verifying", &SilentProgress)
            .unwrap_or_else(|error| panic!("{order:?}: called whole, and not on the disk: {error}"));
    });
    disk.reboot();
    verify_store(&payload, &disk.store(), "verifying", &SilentProgress).unwrap();
}

const ORDERS: [&[Then]; 4] =
    [&[Then::Nothing], &[Then::Reboot], &[Then::Nothing, Then::Nothing], &[Then::Nothing, Then::Reboot]];

#[test]
#[ignore = "needs root, which `cargo xtask test` has"]
fn failing_disk_completes_no_large_blob() {
    for order in ORDERS {
        fail_and_resume(&[1, 2, 3, 40 * MIB], order);
    }
}

#[test]
#[ignore = "needs root, which `cargo xtask test` has"]
fn failing_disk_completes_no_small_blob() {
    // Small enough to go through the page cache.
    for order in ORDERS {
        fail_and_resume(&[200_000; 150], order);
    }
}

#[test]
#[ignore = "needs root, which `cargo xtask test` has"]
fn failing_disk_never_completes_downloads_early() {
    let blob: Vec<u8> = (0..25 * MIB).map(|index| index.to_be_bytes()[5] ^ index.to_be_bytes()[6]).collect();
    let mut hasher = BlobHasher::new();
    hasher.update(&blob);
    let sums = hasher.finish();
    let expected = landfall_media::store::ExpectedBlob { digest: sums.sha256, size: sums.size };
    for then in [Then::Nothing, Then::Reboot] {
        let disk = ThinDisk::with_room(14);
        let download = |store: &ContentStore| -> Result<(), MediaError> {
            let Some(mut partial) = store.partial(expected)? else { return Ok(()) };
            let from = usize::try_from(partial.length()).unwrap();
            blob[from..].chunks(100_000).try_for_each(|piece| partial.append(piece).map(drop))?;
            partial.finish().map(drop)
        };
        let error = download(&disk.store()).unwrap_err();
        assert!(FAILURES.contains(&error.code().id), "{then:?}: {error}");
        disk.mend();
        if matches!(then, Then::Reboot) {
            disk.reboot();
        }
        download(&disk.store()).unwrap();
        disk.after_power_cut(|copy| ContentStore::at(copy.join("store")).check(sums.sha256).unwrap());
    }
}

#[test]
#[ignore = "needs root, which `cargo xtask test` has"]
fn failed_sync_is_fatal() {
    let disk = ThinDisk::with_room(2);
    let bytes = vec![7; 8 << 20];
    let error = durable::write_file(&disk.path().join("file"), &bytes, 0o644).unwrap_err();
    assert!(error.is_fatal(), "{error}");
    assert_eq!(error.code().id, "LF1203");
    let batch = Batch::begin(&disk.path()).unwrap();
    batch.write_file(&disk.path().join("another"), &bytes, 0o644).unwrap();
    assert!(batch.commit().unwrap_err().is_fatal());
}

#[test]
#[ignore = "needs root, which `cargo xtask test` has"]
fn durable_changes_survive_power_cut() {
    let disk = ThinDisk::with_room_and(100, "has_journal");
    let path = |name: &str| disk.path().join(name);
    let bytes = vec![7; 3 << 20];
    durable::create_folder(&path("a/b")).unwrap();
    durable::write_file(&path("a/b/file"), &bytes, 0o640).unwrap();
    durable::hard_link(&path("a/b/file"), &path("a/link")).unwrap();
    durable::symlink(Path::new("link"), &path("a/symbolic")).unwrap();
    durable::write_file(&path("gone"), b"", 0o644).unwrap();
    durable::remove_file(&path("gone")).unwrap();
    disk.after_power_cut(|copy| {
        for name in ["a/b/file", "a/link", "a/symbolic"] {
            assert!(fs::read(copy.join(name)).unwrap() == bytes, "{name}");
        }
        assert!(!copy.join("gone").exists());
    });
}

#[test]
#[ignore = "needs root, which `cargo xtask test` has"]
fn committed_removal_survives_power_cut() {
    let disk = ThinDisk::with_room_and(100, "has_journal");
    let gone = disk.path().join("gone");
    durable::write_file(&gone, b"", 0o644).unwrap();
    let batch = Batch::begin(&disk.path()).unwrap();
    batch.remove_file(&gone).unwrap();
    batch.commit().unwrap();
    disk.after_power_cut(|copy| assert!(!copy.join("gone").exists()));
}

#[test]
#[ignore = "needs root, which `cargo xtask test` has"]
fn read_back_bypasses_page_cache() {
    let sound = tempfile::tempdir().unwrap();
    let vendor = ContentStore::at(sound.path().join("vendor"));
    let payload = signed_payload(&vendor, &[1, 2, 3, 5 * MIB]);
    let (_, whole) = bundle(&sound.path().join("other"), &[1, 2, 3, 5 * MIB]);
    let disk = ThinDisk::with_room(100);
    let file = fs::read_dir(&whole).unwrap().map(|entry| entry.unwrap().path());
    let stream = file.into_iter().find(|path| path.extension().is_some_and(|it| it == "landfall")).unwrap();
    let mut stream = fs::read(stream).unwrap();
    // Only the signature in the head differs; the blobs are the same.
    let head = payload.verified_head().head_bytes();
    stream.splice(..stream.len() - usize::try_from(tail_bytes(&payload)).unwrap(), head.iter().copied());
    let stick = disk.path().join("stick");
    let output = Output { folder: &stick, part_bytes: None, others: &|_| Vec::new(), others_bytes: 0 };
    let planned = PlannedFiles::of_bundle(&payload, output.part_bytes).unwrap();
    let mut writer = PartWriter::create(&output, &payload, planned, Counters::new()).unwrap();
    writer.write(&stream).unwrap();
    let parts = writer.finish().unwrap();
    let contents = Contents::all_blobs(&payload);
    verify(&parts.read_back(&payload, &contents).unwrap(), "reading back", &SilentProgress).unwrap();

    // The stick loses a block, but the page cache, which a reader filled, still has it.
    let part = fs::read_dir(disk.path().join("stick")).unwrap().map(|entry| entry.unwrap().path());
    let part = part.into_iter().find(|path| path.to_str().unwrap().ends_with(".landfall.partial")).unwrap();
    assert!(fs::read(&part).unwrap() == stream);
    let block = &stream[4 << 20..(4 << 20) + 4096];
    let image = File::options().read(true).write(true).open(disk.text("room/image")).unwrap();
    image.write_all_at(&[0; 512], find(&image, &block[..512])).unwrap();
    assert!(fs::read(&part).unwrap() == stream, "memory was not warm");
    let error = verify(&parts.read_back(&payload, &contents).unwrap(), "reading back", &SilentProgress).unwrap_err();
    assert_eq!(error.code().id, "LF1213", "{error}");
}

/// Number of bytes of the stream after its head.
fn tail_bytes(payload: &Payload) -> u64 {
    payload.layout().total_bytes() - payload.layout().head_bytes()
}

/// Returns the offset of the sector with these bytes.
fn find(image: &File, wanted: &[u8]) -> u64 {
    let mut buffer = vec![0; 1 << 20];
    for offset in (0..256).map(|index| index * MIB) {
        image.read_exact_at(&mut buffer, offset).unwrap();
        if let Some(sector) = buffer.chunks(512).position(|sector| sector == wanted) {
            return offset + sector as u64 * 512;
        }
    }
    panic!("the image does not contain the block");
}
