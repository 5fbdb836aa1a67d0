use std::io::Write as _;

use landfall_bundle_spec::Sha256;
use landfall_error_codes::{CodedError as _, codes};
use landfall_media::store::ContentStore;

use super::archive::{Limits, members};
use crate::compression::Compression;
use crate::error::BuildError;

const LIMITS: Limits = Limits { entries: 8, member_bytes: 5000, unpacked_bytes: 100_000 };

/// Adds one entry with an arbitrary name, even one that the tar crate would refuse to write.
pub(super) fn add(archive: &mut tar::Builder<Vec<u8>>, name: &str, kind: tar::EntryType, bytes: &[u8]) {
    let mut header = tar::Header::new_ustar();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_size(bytes.len() as u64);
    header.set_mode(0o755);
    if kind.is_symlink() || kind.is_hard_link() {
        header.set_link_name("/etc/passwd").expect("link");
    }
    header.set_cksum();
    archive.append(&header, bytes).expect("entry");
}

fn good(archive: &mut tar::Builder<Vec<u8>>) {
    add(archive, "./", tar::EntryType::Directory, b"");
    add(archive, "bin/ctr", tar::EntryType::Regular, b"one program");
    add(archive, "./bridge", tar::EntryType::Regular, &[7; 4000]);
    add(archive, "LICENSE", tar::EntryType::Regular, b"Apache");
    add(archive, "latest", tar::EntryType::Symlink, b"");
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("compressed");
    encoder.finish().expect("compressed")
}

struct Bench {
    _folder: tempfile::TempDir,
    store: ContentStore,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let store = ContentStore::at(folder.path());
        Self { _folder: folder, store }
    }

    fn archive(&self, fill: impl Fn(&mut tar::Builder<Vec<u8>>)) -> Sha256 {
        let mut archive = tar::Builder::new(Vec::new());
        fill(&mut archive);
        self.store_blob(&gzip(&archive.into_inner().expect("archive")))
    }

    fn store_blob(&self, bytes: &[u8]) -> Sha256 {
        self.store.ingest_bytes(bytes).expect("stored").sha256
    }

    fn take(&self, archive: Sha256, wanted: &[&str]) -> Result<super::archive::Members, BuildError> {
        members(&self.store, "https://dl.example/a.tar.gz", archive, Compression::Gzip, wanted, LIMITS)
    }

    fn refusal(&self, archive: Sha256, wanted: &[&str]) -> String {
        let error = self.take(archive, wanted).expect_err("refused");
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        format!("{} {error}{cause}", error.code().id)
    }
}

#[test]
fn members_are_taken_once() {
    let bench = Bench::new();
    let archive = bench.archive(good);
    let found = bench.take(archive, &["bin/ctr"]).expect("taken");
    assert_eq!(bench.store.read(found["bin/ctr"].digest, 100).expect("member"), b"one program");
    let both = bench.take(archive, &["bin/ctr", "bridge"]).expect("taken");
    assert_eq!((both["bin/ctr"], both["bridge"].size), (found["bin/ctr"], 4000));

    // Recorded members need no archive; missing ones are unpacked again.
    let path = bench.store.path(archive);
    let bytes = bench.store.read(archive, u64::MAX).expect("archive");
    fs_err::remove_file(&path).expect("removed");
    assert_eq!(bench.take(archive, &["bin/ctr", "bridge"]).expect("remembered"), both);
    fs_err::remove_file(bench.store.path(both["bridge"].digest)).expect("lost");
    let refused = bench.take(archive, &["bin/ctr", "bridge"]).expect_err("no archive");
    assert_eq!(refused.code(), codes::BLOB_MISSING);
    assert_eq!(bench.store_blob(&bytes), archive);
    assert_eq!(bench.take(archive, &["bridge"]).expect("again")["bridge"], both["bridge"]);
    assert!(bench.store.contains(both["bridge"].digest));
}

#[test]
fn unexpected_archives_are_refused() {
    use tar::EntryType::{Directory, Link, Regular, Symlink};
    let bench = Bench::new();
    let with = |name: &str, kind, bytes: &[u8]| {
        bench.archive(|archive| {
            good(archive);
            add(archive, name, kind, bytes);
        })
    };
    let whole = bench.archive(good);
    let bytes = bench.store.read(whole, u64::MAX).expect("archive");
    let cut = bench.store_blob(&bytes[..bytes.len() - 9]);
    let mut damaged = bytes.clone();
    let last = damaged.len() - 5;
    damaged[last] ^= 1;
    let damaged = bench.store_blob(&damaged);
    let bomb = bench.store_blob(&gzip(&{
        let mut archive = tar::Builder::new(Vec::new());
        good(&mut archive);
        add(&mut archive, "zeros", Regular, &vec![0; 200_000]);
        archive.into_inner().expect("archive")
    }));
    let refusals = [
        bench.refusal(whole, &["bin/ctr", "bin/crt", "ctr"]),
        bench.refusal(bench.archive(|archive| add(archive, "a/", Directory, b"")), &["a"]),
        bench.refusal(with("link", Symlink, b""), &["link"]),
        bench.refusal(with("hard", Link, b""), &["hard"]),
        bench.refusal(with("folder", Directory, b""), &["folder"]),
        bench.refusal(with("../escape", Regular, b"x"), &["bin/ctr"]),
        bench.refusal(with("bin/../../escape", Symlink, b""), &["bin/ctr"]),
        bench.refusal(with("/etc/passwd", Regular, b"x"), &["bin/ctr"]),
        bench.refusal(with("./bin/ctr", Regular, b"another"), &["bin/ctr"]),
        bench.refusal(with("large", Regular, &[1; 5001]), &["large"]),
        bench.refusal(bomb, &["bin/ctr"]),
        bench.refusal(bench.archive(|archive| (0..9).for_each(|_| add(archive, "a", Directory, b""))), &["b"]),
        bench.refusal(cut, &["bin/ctr"]),
        bench.refusal(damaged, &["bin/ctr"]),
        bench.refusal(bench.store_blob(b"<html>Not found</html>"), &["bin/ctr"]),
    ];
    insta::assert_snapshot!(refusals.join("\n"));
}

#[test]
fn sparse_member_is_refused() {
    let bench = Bench::new();
    let archive = bench.archive(|archive| {
        archive.append_pax_extensions([("GNU.sparse.major", &b"1"[..]), ("GNU.sparse.minor", &b"0"[..])]).expect("pax");
        add(archive, "a", tar::EntryType::Regular, b"0\n");
    });
    let refused = bench.refusal(archive, &["a"]);
    assert!(refused.starts_with("LF2108"), "{refused}");
}
