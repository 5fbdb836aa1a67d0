use std::path::Path;

use landfall_audit::Head;
use landfall_error_codes::{CodedError as _, codes};
use landfall_media::durable;

use super::*;
use crate::audit::{CheckpointSigner, page};
use crate::database::{Database, FILE, Storage, check, file};
use crate::host::Site as Hosted;
use crate::host::fake::FakeHost;
use crate::people::{Role, create_user};
use crate::testing::{PASSWORD, Site, author, note};

/// Kind of damage to a file.
type Damage = fn(&mut Vec<u8>);

const DAMAGES: [(&str, Damage); 5] = [
    ("another program's file", |bytes| *bytes = b"no database at all, but of some length".repeat(500)),
    ("a header of zeros", |bytes| bytes[..100].fill(0)),
    ("a schema of zeros", |bytes| bytes[100..4096].fill(0)),
    ("a page of nonsense", |bytes| bytes[8192..12288].fill(0x5a)),
    ("half of a file", |bytes| bytes.truncate(bytes.len() / 8192 * 4096)),
];

/// Damages the closed database of a folder; returns the file's new content.
fn damage(folder: &Path, how: Damage) -> Vec<u8> {
    let mut bytes = fs_err::read(file(folder)).unwrap();
    how(&mut bytes);
    durable::write_file(&file(folder), &bytes, 0o600).unwrap();
    bytes
}

/// Returns a folder whose database has some entries, and is closed.
async fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(folder.path()).await.unwrap();
    for number in 0..40 {
        note(&database, &format!("entry {number}")).await;
    }
    database.close().await;
    folder
}

#[tokio::test]
async fn damaged_database_is_kept_and_recorded() {
    for (name, how) in DAMAGES {
        let folder = folder().await;
        let damaged = damage(folder.path(), how);
        durable::write_file(&folder.path().join(format!("{FILE}-wal")), b"changes", 0o600).unwrap();
        let database = Database::open(folder.path()).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        let [aside] = database.kept_databases() else { panic!("{name}: {:?}", database.kept_databases()) };
        assert_eq!(
            fs_err::read(folder.path().join(&aside.name)).unwrap(),
            damaged,
            "{name}: the kept file was changed"
        );
        let first = page(database.read(), Some(2), 1).await.unwrap().remove(0).1.unwrap();
        assert_eq!((first.action.as_str(), &first.object), ("database.replace", &aside.name), "{name}");
        assert!(!first.detail.is_empty(), "{name}: the entry names no reason");
        note(&database, "after").await;
        database.close().await;
        assert_eq!(check(folder.path(), &Storage::File).await.unwrap().users, 0, "{name}");
        let again = Database::open(folder.path()).await.unwrap();
        assert_eq!(
            (again.kept_databases().len(), page(again.read(), None, 9).await.unwrap().len()),
            (1, 2),
            "{name}: once"
        );
    }
}

#[tokio::test]
async fn overview_names_damaged_database() {
    let folder = folder().await;
    damage(folder.path(), DAMAGES[3].1);
    let site = Site::with(folder).await;
    let page = site.visitor().get("/sign-in").await;
    assert!(page.body.contains("landfall console"), "the page names no way in");
    create_user(&site.context, &author(), "root", Role::Administrator, PASSWORD).await.unwrap();
    let overview = site.sign_in("root").await.get("/").await;
    let name = &site.context.database.kept_databases()[0].name;
    let code = format!("kept as <code>{name}</code>");
    for part in [code.as_str(), "<code>console</code>"] {
        assert!(overview.body.contains(part), "no {part}: {}", overview.body);
    }
    assert!(overview.has("href", "/restore"), "{}", overview.body);
}

#[tokio::test]
async fn overview_reports_runtime_damage() {
    let site = Site::begin().await;
    let root = site.sign_in("root").await;
    // The write-ahead log is merged into the file, which is then damaged without the console's knowledge.
    let mut writer = site.context.database.writer.sqlite().acquire().await.unwrap();
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut *writer).await.unwrap();
    let tables = "SELECT rootpage FROM sqlite_schema WHERE name = 'audit'";
    let number: i64 = sqlx::query_scalar(tables).fetch_one(&mut *writer).await.unwrap();
    drop(writer);
    let place = usize::try_from(number - 1).unwrap() * 4096;
    let damaged = file(site.data.path());
    let output = fs_err::OpenOptions::new().write(true).open(&damaged).unwrap();
    std::os::unix::fs::FileExt::write_all_at(output.file(), &[0x5a; 4096], u64::try_from(place).unwrap()).unwrap();
    site.context.audit.look(&site.context.database).await.unwrap();
    assert!(site.context.audit.damage().is_some());
    let overview = root.get("/").await;
    assert!(overview.section("matters").contains("database is damaged"), "{}", overview.body);
    assert!(overview.has("href", "/restore"), "{}", overview.body);
    let refused = root.get("/audit").await;
    assert_eq!(refused.refusal(), (500, "LF5055"));
}

/// The host knows what it signed of the lost log.
#[tokio::test]
async fn host_signs_new_log_as_restart() {
    let folder = folder().await;
    let (host, database) = (FakeHost::new(), Database::open(folder.path()).await.unwrap());
    let site = Hosted::new(host.clone());
    CheckpointSigner::default().sign(&database, &site).await.unwrap();
    let before = host.audit.lock().unwrap().ledger.last.clone().unwrap();
    database.close().await;
    damage(folder.path(), DAMAGES[3].1);
    let database = Database::open(folder.path()).await.unwrap();
    let signing = CheckpointSigner::default();
    signing.sign(&database, &site).await.unwrap();
    note(&database, "a person").await;
    signing.sign(&database, &site).await.unwrap();
    let last = host.audit.lock().unwrap().ledger.last.clone().unwrap();
    let restart = last.restart.unwrap();
    assert_eq!((last.restarts, restart.abandoned, restart.kept), (1, before.head, Head::EMPTY));
    let actions: Vec<_> =
        page(database.read(), None, 9).await.unwrap().into_iter().filter_map(|(_, entry)| entry).collect();
    let actions: Vec<&str> = actions.iter().rev().map(|entry| entry.action.as_str()).collect();
    assert_eq!(actions, ["database.replace", "test", "audit.restart"]);
}

#[tokio::test]
async fn interrupted_damage_move_is_completed() {
    let folder = folder().await;
    damage(folder.path(), DAMAGES[0].1);
    let first = set_aside(folder.path()).unwrap();
    durable::write_file(&folder.path().join(format!("{FILE}-wal")), b"changes", 0o600).unwrap();
    complete(folder.path()).unwrap();
    assert_eq!(fs_err::read(folder.path().join(format!("{}-wal", first.name))).unwrap(), b"changes");
    for count in 2..=3 {
        durable::write_file(&file(folder.path()), b"damaged once more", 0o600).unwrap();
        let opened = Database::open(folder.path()).await.unwrap();
        assert_eq!(opened.kept_databases().len(), count);
        opened.close().await;
    }
    durable::write_file(&file(folder.path()), b"damaged once more", 0o600).unwrap();
    let error = Database::open(folder.path()).await.unwrap_err();
    assert_eq!(error.code(), codes::APPLIANCE_DATABASE_DAMAGED);
    assert_eq!(fs_err::read(file(folder.path())).unwrap(), b"damaged once more", "the file was moved");
    assert_eq!(kept_databases(folder.path()).unwrap().len(), 3);
}
