//! Backups in a bucket of a real S3 server, which Debian's restic can read as well.
#![expect(clippy::disallowed_methods, reason = "tests damage and make files as they like")]

use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use landfall_backup::{
    Backup, BackupError, BackupKind, Bucket, BucketAddress, BucketCredentials, NewBackup, Place, Proof, Repository,
    RepositoryKey, Retention,
};
use landfall_error_codes::{Code, CodedError as _, codes};
use landfall_host::paths::SitePaths;
use landfall_lifecycle::operations::Operations;
use landfall_media::counters::IoCounters;
use landfall_media::mounted::on_tmpfs;
use landfall_media::progress::SilentProgress;
use landfall_xtask::bucket_server::{ACCESS_KEY, BucketServer, Identity, SECRET};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use uuid::Uuid;

const SITE: Uuid = Uuid::from_u128(0x5117e);

const PREFIX: &str = "sites/hall-3/landfall-backups-node-1";

/// A site with a repository, and a server with a bucket.
struct World {
    folder: TempDir,
    server: BucketServer,
    key: RepositoryKey,
    site: Repository,
}

impl World {
    fn new() -> Self {
        Self::with_server(|folder| {
            std::fs::create_dir_all(folder.join("buckets/backups")).unwrap();
            BucketServer::start(&folder.join("buckets"), &folder.join("beside"), None).unwrap()
        })
    }

    fn with_server(start: impl FnOnce(&Path) -> BucketServer) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = start(folder.path());
        let key = RepositoryKey::generate();
        key.write_new(&folder.path().join("key")).unwrap();
        let site = Repository::create(&folder.path().join("repository"), SITE, &key).unwrap();
        Self { folder, server, key, site }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn credentials(&self, secret: &str) -> PathBuf {
        let path = self.path("credentials");
        let text = format!("[default]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {secret}\n");
        landfall_media::durable::write_file(&path, text.as_bytes(), 0o600).unwrap();
        path
    }

    fn address(&self) -> BucketAddress {
        BucketAddress {
            endpoint: self.server.endpoint(),
            region: "us-east-1".to_owned(),
            bucket: "backups".to_owned(),
            prefix: PREFIX.to_owned(),
            path_style: true,
        }
    }

    /// Returns the repository's place in the bucket, as a new process sees it.
    fn place(&self) -> Place {
        let credentials = BucketCredentials::read(&self.credentials(SECRET)).unwrap();
        Bucket::new(&self.address(), credentials, None, Some(&self.path("lock"))).unwrap().into()
    }

    fn create_repository(&self) -> Repository {
        Repository::create(self.place(), SITE, &self.key).unwrap()
    }

    fn copies(&self) -> Repository {
        Repository::open(self.place(), SITE, &self.key).unwrap()
    }

    fn save(&self, day: u8, rows: &[u8]) -> Backup {
        let mut database = Cursor::new(rows);
        let new = NewBackup {
            kind: BackupKind::Full,
            time: format!("2026-11-{day:02}T12:00:00Z").parse().unwrap(),
            facts: BTreeMap::from([("release".to_owned(), "shop".to_owned()), ("version".into(), "1.0.0".into())]),
            streams: vec![("postgres/database".parse().unwrap(), &mut database)],
            documents: vec![("LANDFALL/secrets/shop/key.json".parse().unwrap(), b"{}".to_vec())],
        };
        let saved = self.site.save(new).unwrap();
        let proof = Proof { time: saved.time, report: "restored".to_owned() };
        self.site.mark_proven(saved.id, proof).unwrap()
    }

    /// Runs Debian's restic on the bucket.
    fn restic(&self, key: &str, arguments: &[&str]) -> Output {
        Command::new("restic")
            .args(["--no-cache", "--quiet", "--repo"])
            .arg(format!("s3:{}/backups/{PREFIX}", self.server.endpoint()))
            .arg("--password-file")
            .arg(self.path(key))
            .args(arguments)
            .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
            .env("AWS_SECRET_ACCESS_KEY", SECRET)
            .output()
            .unwrap()
    }

    fn restic_says(&self, key: &str, arguments: &[&str]) -> Vec<u8> {
        let output = self.restic(key, arguments);
        assert!(output.status.success(), "restic {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// Returns the folder of the objects below the prefix.
    fn objects(&self) -> PathBuf {
        self.path("buckets/backups").join(PREFIX)
    }
}

/// Returns bytes that do not repeat: a chain of digests.
fn rows(seed: u8, digests: usize) -> Vec<u8> {
    let mut last = [seed; 32];
    let mut bytes = Vec::with_capacity(32 * digests);
    for _ in 0..digests {
        last = Sha256::digest(last).into();
        bytes.extend(last);
    }
    bytes
}

fn read(repository: &Repository, backup: &Backup) -> Vec<u8> {
    let mut bytes = Vec::new();
    let opened = repository.open_backup(backup.id).unwrap();
    opened.read(&"postgres/database".parse().unwrap()).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

fn assert_refused(error: &BackupError, code: Code) {
    assert_eq!(error.code(), code, "{error}");
    for text in [format!("{error}"), format!("{error:?}")] {
        assert!(!text.contains(SECRET) && !text.contains(ACCESS_KEY) && !text.contains("X-Amz"), "{text}");
    }
}

#[test]
#[ignore = "needs versitygw and restic, which `cargo xtask test --only buckets` builds and installs"]
fn landfall_and_restic_read_bucket_copies() {
    let world = World::new();
    let (first, second) = (rows(1, 1_200_000), rows(2, 100_000));
    let saved = [world.save(19, &first), world.save(20, &second)];
    assert!(matches!(Repository::open(world.place(), SITE, &world.key), Err(BackupError::NoRepository(_))));
    let copies = world.create_repository();
    for backup in &saved {
        world.site.copy_to(backup.id, &copies).unwrap();
    }
    let copies = world.copies();
    assert_eq!(copies.backups().unwrap(), saved);
    assert!(read(&copies, &saved[0]) == first && read(&copies, &saved[1]) == second);
    assert_eq!(copies.check(&SilentProgress).unwrap(), []);
    assert_eq!(Repository::owner(world.place()).unwrap(), Some(SITE));
    assert_eq!(
        Repository::create(world.place(), SITE, &world.key).err().unwrap().code(),
        codes::BACKUP_FOLDER_OCCUPIED
    );
    let other = Repository::open(world.place(), Uuid::from_u128(8), &world.key).err().unwrap();
    assert_eq!(other.code(), codes::BACKUP_OTHER_SITE);

    world.restic_says("key", &["check", "--read-data"]);
    let listed: serde_json::Value =
        serde_json::from_slice(&world.restic_says("key", &["snapshots", "--json"])).unwrap();
    let ids: Vec<&str> = listed.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 2);
    assert!(world.restic_says("key", &["dump", ids[0], "/postgres/database"]) == first);

    // Backups that are no longer kept are removed, and all others stay readable for both programs.
    let one = Retention { hourly: 0, daily: 1, weekly: 0, monthly: 0, log_days: 7 };
    let forgotten = copies.forget(one).unwrap();
    assert_eq!(forgotten.dropped, [saved[0].clone()]);
    assert_eq!(world.copies().backups().unwrap(), [saved[1].clone()]);
    assert_eq!(world.copies().check(&SilentProgress).unwrap(), []);
    world.restic_says("key", &["check", "--read-data"]);
}

#[test]
#[ignore = "needs versitygw and restic, which `cargo xtask test --only buckets` builds and installs"]
fn only_new_key_opens_bucket_copies() {
    let world = World::new();
    let saved = world.save(19, &rows(1, 10_000));
    world.site.copy_to(saved.id, &world.create_repository()).unwrap();
    let new = RepositoryKey::generate();
    new.write_new(&world.path("new-key")).unwrap();
    world.copies().admit(&new).unwrap();
    world.restic_says("key", &["snapshots"]);
    let repository = Repository::open(world.place(), SITE, &new).unwrap();
    assert_eq!(repository.shut_out(std::slice::from_ref(&world.key)).unwrap(), 0);
    assert_refused(&Repository::open(world.place(), SITE, &world.key).err().unwrap(), codes::BACKUP_WRONG_KEY);
    assert!(!world.restic("key", &["snapshots"]).status.success());
    world.restic_says("new-key", &["check", "--read-data"]);
    assert_eq!(Repository::open(world.place(), SITE, &new).unwrap().check(&SilentProgress).unwrap(), []);
}

/// A small stream may be in the same pack, and is then also named.
fn assert_takes_the_database(damage: &str, how: &str) {
    let takes = damage.split_once(&format!("{how}: takes ")).map(|(_, takes)| takes);
    assert!(takes.is_some_and(|takes| takes.contains("postgres/database")), "{damage}");
}

#[test]
#[ignore = "needs versitygw, which `cargo xtask test --only buckets` builds"]
fn damage_in_a_bucket_is_named() {
    let world = World::new();
    let saved = world.save(19, &rows(1, 100_000));
    world.site.copy_to(saved.id, &world.create_repository()).unwrap();
    let packs = files(&world.objects().join("data"));
    let largest = packs.iter().max_by_key(|pack| pack.metadata().unwrap().len()).unwrap();
    let whole = std::fs::read(largest).unwrap();
    let mut changed = whole.clone();
    changed[whole.len() / 2] ^= 1;
    for damaged in [changed, whole[..100].to_vec()] {
        std::fs::write(largest, damaged).unwrap();
        let found: Vec<String> =
            world.copies().check(&SilentProgress).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), 1, "{found:?}");
        assert_takes_the_database(&found[0], "has other bytes than were written");
    }
    std::fs::remove_file(largest).unwrap();
    let [found] = &world.copies().check(&SilentProgress).unwrap()[..] else { panic!("another number of damages") };
    assert_takes_the_database(&found.to_string(), "is missing");
    std::fs::write(largest, whole).unwrap();
    std::fs::remove_file(world.objects().join("config")).unwrap();
    assert_refused(&Repository::open(world.place(), SITE, &world.key).err().unwrap(), codes::BACKUP_DAMAGED);
}

#[test]
#[ignore = "needs versitygw, which `cargo xtask test --only buckets` builds"]
fn failing_server_costs_no_backup() {
    let mut world = World::new();
    let first = world.save(19, &rows(1, 100_000));
    world.site.copy_to(first.id, &world.create_repository()).unwrap();
    let second = world.save(20, &rows(2, 100_000));

    let credentials = BucketCredentials::read(&world.credentials("another-secret")).unwrap();
    let wrong = Bucket::new(&world.address(), credentials, None, None).unwrap();
    assert_refused(&Repository::open(Place::from(wrong), SITE, &world.key).err().unwrap(), codes::BUCKET_REFUSED);
    let credentials = BucketCredentials::read(&world.credentials(SECRET)).unwrap();
    let elsewhere = BucketAddress { bucket: "another".to_owned(), ..world.address() };
    let elsewhere = Bucket::new(&elsewhere, credentials, None, None).unwrap();
    assert_refused(&Repository::open(Place::from(elsewhere), SITE, &world.key).err().unwrap(), codes::BUCKET_REFUSED);

    let copies = world.copies();
    world.server.kill().unwrap();
    assert_refused(&world.site.copy_to(second.id, &copies).unwrap_err(), codes::BUCKET_UNREACHABLE);
    assert_refused(&copies.check(&SilentProgress).unwrap_err(), codes::BUCKET_UNREACHABLE);
    assert_eq!(world.site.backups().unwrap(), [first.clone(), second.clone()]);
    assert_eq!(world.site.check(&SilentProgress).unwrap(), []);

    let folder = world.folder.path();
    world.server = BucketServer::start(&folder.join("buckets"), &folder.join("beside"), None).unwrap();
    assert_eq!(world.copies().backups().unwrap(), std::slice::from_ref(&first), "the last good one is kept");
    world.site.copy_to(second.id, &world.copies()).unwrap();
    assert_eq!(world.copies().backups().unwrap(), [first, second]);
    assert_eq!(world.copies().check(&SilentProgress).unwrap(), []);
}

#[test]
#[ignore = "needs versitygw, which `cargo xtask test --only buckets` builds"]
fn full_server_keeps_last_good_copy() {
    let Some(disk) = on_tmpfs("full_server_keeps_last_good_copy", "size=48m") else { return };
    let world = World::with_server(|folder| {
        std::fs::create_dir_all(disk.join("buckets/backups")).unwrap();
        BucketServer::start(&disk.join("buckets"), &folder.join("beside"), None).unwrap()
    });
    let first = world.save(19, &rows(1, 500_000));
    world.site.copy_to(first.id, &world.create_repository()).unwrap();
    let second = world.save(20, &rows(2, 2_000_000));
    assert_refused(&world.site.copy_to(second.id, &world.copies()).unwrap_err(), codes::BUCKET_FULL);
    let copies = world.copies();
    assert_eq!(copies.backups().unwrap(), std::slice::from_ref(&first));
    assert!(read(&copies, &first) == rows(1, 500_000));
    // Once there is space, the same copy succeeds.
    let mounted = Command::new("mount").args(["-o", "remount,size=256m"]).arg(&disk).status().unwrap();
    assert!(mounted.success());
    world.site.copy_to(second.id, &world.copies()).unwrap();
    assert_eq!(world.copies().check(&SilentProgress).unwrap(), []);
    assert!(read(&world.copies(), &second) == rows(2, 2_000_000));
}

#[test]
#[ignore = "needs versitygw, which `cargo xtask test --only buckets` builds"]
fn server_certificate_needs_named_authority() {
    let certify = |name: &str| {
        let rcgen::CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        (cert.pem(), signing_key.serialize_pem())
    };
    let ((certificate, key), (stranger, _)) = (certify("127.0.0.1"), certify("127.0.0.1"));
    let world = World::with_server(|folder| {
        std::fs::create_dir_all(folder.join("buckets/backups")).unwrap();
        let identity = Identity { certificate: folder.join("server.pem"), key: folder.join("server-key.pem") };
        std::fs::write(&identity.certificate, &certificate).unwrap();
        std::fs::write(&identity.key, &key).unwrap();
        BucketServer::start(&folder.join("buckets"), &folder.join("beside"), Some(&identity)).unwrap()
    });
    let created = |authority: Option<&str>| {
        let credentials = BucketCredentials::read(&world.credentials(SECRET)).unwrap();
        let bucket = Bucket::new(&world.address(), credentials, authority.map(str::as_bytes), None).unwrap();
        Repository::create(Place::from(bucket), SITE, &world.key)
    };
    for authority in [None, Some(stranger.as_str())] {
        assert_refused(&created(authority).err().unwrap(), codes::BUCKET_UNREACHABLE);
    }
    assert_eq!(created(Some(&certificate)).unwrap().backups().unwrap(), []);
}

#[test]
#[ignore = "needs versitygw, which `cargo xtask test --only buckets` builds"]
fn empty_machine_restores_bucket_backups() {
    let world = World::new();
    let saved = world.save(19, &rows(1, 100_000));
    world.site.copy_to(saved.id, &world.create_repository()).unwrap();

    let root = tempfile::tempdir().unwrap();
    let paths = SitePaths::below(root.path());
    std::fs::create_dir_all(paths.data().parent().unwrap()).unwrap();
    let operations = Operations { paths, progress: std::sync::Arc::new(SilentProgress), io: IoCounters::default() };
    let description = world.path("offsite.yaml");
    let describe = |prefix: &str, bucket: &str| {
        let text = format!(
            "name: offsite\nendpoint: {}\nbucket: {bucket}\nprefix: {prefix}\ncredentials: {}\n",
            world.server.endpoint(),
            world.credentials(SECRET).display()
        );
        std::fs::write(&description, text).unwrap();
    };
    let adopt = || operations.adopt_backups(&description, &world.path("key")).map_err(Box::new);
    describe("sites", "backups");
    assert_eq!(adopt().unwrap_err().code(), codes::BACKUP_NO_REPOSITORY);
    describe("sites/hall-3", "Backups");
    assert_eq!(adopt().unwrap_err().code(), codes::SITE_VALUE);
    assert!(!operations.paths.backups().exists());
    describe("sites/hall-3", "backups");
    let adopted = adopt().unwrap();
    assert_eq!((adopted.backups.len(), adopted.used.version.as_str()), (1, "1.0.0"));
    assert!(operations.paths.secrets().join("shop/key.json").exists());
    let taken = Repository::open(&operations.paths.backup_repository(), SITE, &world.key).unwrap();
    assert!(read(&taken, &saved) == rows(1, 100_000));
    assert_eq!(taken.check(&SilentProgress).unwrap(), []);
}
