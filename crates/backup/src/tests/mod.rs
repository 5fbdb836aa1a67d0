//! Tests of whole repositories.

mod copies;
mod cost;
mod damage;
mod exchange;
mod faults;
mod interrupted;
mod opening;
mod power_cuts;
mod real_disks;
mod retention;
mod rot;
mod round_trip;

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, Cursor, Read, Write as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tempfile::TempDir;
use uuid::Uuid;

use crate::{
    Backup, BackupError, BackupId, BackupKind, Derivation, NewBackup, Repository, RepositoryKey, Result, StreamName,
};

const SITE: Uuid = Uuid::from_u128(0x5117e);

const MIB: usize = 1 << 20;

/// A repository in its own folder.
struct TestRepository {
    folder: TempDir,
    key: RepositoryKey,
    repository: Repository,
}

/// Returns a key that is cheap to create in large numbers.
fn new_key() -> RepositoryKey {
    RepositoryKey::generate().deriving(Derivation::LEAST)
}

fn empty() -> TestRepository {
    let (folder, key) = (tempfile::tempdir().unwrap(), new_key());
    let repository = Repository::create(&folder.path().join("backups"), SITE, &key).unwrap();
    TestRepository { folder, key, repository }
}

fn name(text: &str) -> StreamName {
    text.parse().unwrap()
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Returns bytes that neither compress nor repeat.
fn random(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    StdRng::seed_from_u64(seed).fill_bytes(&mut bytes);
    bytes
}

fn facts(release: &str) -> BTreeMap<String, String> {
    BTreeMap::from([("release".to_owned(), release.to_owned())])
}

/// Stores these streams, and one small document.
fn save(repository: &Repository, at: &str, streams: &[(&str, &[u8])]) -> Result<Backup> {
    let mut readers: Vec<Cursor<&[u8]>> = streams.iter().map(|(_, bytes)| Cursor::new(*bytes)).collect();
    let names = streams.iter().map(|(stream, _)| name(stream));
    let streams = names.zip(readers.iter_mut().map(|reader| reader as &mut dyn Read)).collect();
    let documents = vec![(name("site.json"), b"{}".to_vec())];
    repository.save(NewBackup { kind: BackupKind::Full, time: time(at), facts: facts("starter"), streams, documents })
}

fn read(repository: &Repository, id: BackupId, stream: &str) -> Result<Vec<u8>, io::Error> {
    let mut bytes = Vec::new();
    let opened = repository.open_backup(id).map_err(io::Error::other)?;
    opened.read(&name(stream)).map_err(io::Error::other)?.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reader that fails after its bytes.
struct FailingReader<'a>(&'a [u8]);

impl Read for FailingReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(io::Error::other("the connection was lost")),
            length => Ok(length),
        }
    }
}

/// Returns every file of the repository, relative to its folder, sorted.
fn files(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir().unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(root).unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

/// Overwrites or creates a file, without making it durable.
fn put(path: &Path, bytes: &[u8]) {
    OpenOptions::new().write(true).create(true).truncate(true).open(path).unwrap().write_all(bytes).unwrap();
}

fn stored_bytes(root: &Path) -> u64 {
    files(root).iter().map(|file| root.join(file).metadata().unwrap().len()).sum()
}
