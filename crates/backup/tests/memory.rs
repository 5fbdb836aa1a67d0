//! Memory use of a backup of any size: a separate test program, which does nothing else.

use std::collections::BTreeMap;
use std::io::{self, Read};

use landfall_backup::{NewBackup, Repository, RepositoryKey};
use landfall_progress::SilentProgress;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use uuid::Uuid;

const MIB: u64 = 1 << 20;

/// Size above any buffer, but quick enough.
const STREAM_BYTES: u64 = 640 * MIB;

/// Memory limit for storing, reading and checking together: a site's smallest host has 8 GiB for everything.
const LIMIT_BYTES: u64 = 256 * MIB;

/// Reader of bytes that neither compress nor repeat.
struct Random(StdRng);

impl Read for Random {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.fill_bytes(buffer);
        Ok(buffer.len())
    }
}

/// Returns the peak memory of this program.
fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

#[test]
fn large_stream_takes_little_memory() {
    let folder = tempfile::tempdir().unwrap();
    let repository = Repository::create(folder.path(), Uuid::nil(), &RepositoryKey::generate()).unwrap();
    let mut stream = Random(StdRng::seed_from_u64(1)).take(STREAM_BYTES);
    let new = NewBackup {
        kind: landfall_backup::BackupKind::Full,
        time: jiff::Timestamp::UNIX_EPOCH,
        facts: BTreeMap::new(),
        streams: vec![("database".parse().unwrap(), &mut stream)],
        documents: Vec::new(),
    };
    // restic's key used 128 MiB, which were freed.
    let saved = repository.save(new).unwrap();
    let opened = repository.open_backup(saved.id).unwrap();
    let mut reader = opened.read(&saved.streams[0].name).unwrap();
    assert_eq!(io::copy(&mut reader, &mut io::sink()).unwrap(), STREAM_BYTES);
    assert_eq!(repository.check(&SilentProgress).unwrap(), []);
    let peak = peak_bytes();
    assert!(peak < LIMIT_BYTES, "{} MiB", peak / MIB);
}
