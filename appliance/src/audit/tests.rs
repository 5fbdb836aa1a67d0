use std::sync::Arc;
use std::sync::atomic::Ordering;

use landfall_audit::{LogKnowledge, Report, verify};
use landfall_error_codes::{CodedError as _, codes};
use landfall_host_api::testing::Signer;
use landfall_peer::{AUDIT_BYTES, AUDIT_PAUSE};

use super::*;
use crate::database::fixture::Lease;
use crate::database::{Database, Storage, query};
use crate::host::Site;
use crate::host::fake::FakeHost;
use crate::testing::ground;

/// A console's database with a host that signs.
struct Console {
    folder: tempfile::TempDir,
    storage: Storage,
    database: Database,
    host: Arc<FakeHost>,
    site: Arc<Site>,
    signing: CheckpointSigner,
    _lease: Option<Lease>,
}

impl Console {
    async fn begin() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (storage, lease) = ground().await;
        let database = Database::open_in(folder.path(), &storage).await.unwrap();
        let host = FakeHost::new();
        let site = Site::new(host.clone());
        Self { folder, storage, database, host, site, signing: CheckpointSigner::default(), _lease: lease }
    }

    async fn write(&self, count: usize, object: &str) {
        let author = Author { name: "alice".into(), from: "192.0.2.7".into(), correlation: "c".into() };
        for _ in 0..count {
            let mut write = self.database.write().await.unwrap();
            record(&mut write, &author, Event::done("test", object)).await.unwrap();
            write.commit().await.unwrap();
        }
    }

    /// Inserts an entry of this length, as only the owner of the database can write it.
    async fn plant(&self, bytes: usize) {
        let mut write = self.database.write().await.unwrap();
        let before = head(&mut write).await.unwrap();
        let text = Entry {
            action: "test".into(),
            actor: "alice".into(),
            at: jiff::Timestamp::UNIX_EPOCH,
            correlation: "c".into(),
            detail: String::new(),
            from: "192.0.2.7".into(),
            number: before.number + 1,
            object: "x".repeat(bytes),
            outcome: Outcome::Done,
        };
        let text = text.canonical().unwrap();
        query("INSERT INTO audit (number, entry, hash) VALUES ($1, $2, $3)")
            .bind(before.number + 1)
            .bind(&text)
            .bind(landfall_audit::hash(&before.hash, &text).to_string())
            .execute(&mut *write)
            .await
            .unwrap();
        write.commit().await.unwrap();
    }

    /// Returns the actions of the console itself.
    async fn console_actions(&self) -> Vec<String> {
        let entries = page(self.database.read(), None, 1000).await.unwrap();
        let entries = entries.into_iter().rev().filter_map(|(_, entry)| entry);
        entries.map(|entry| entry.action).filter(|action| action.starts_with("audit.")).collect()
    }

    async fn sign(&self) -> crate::error::Result<()> {
        self.signing.sign(&self.database, &self.site).await
    }

    /// Returns the state after a restart of the process, which remembers nothing.
    fn again(self) -> Self {
        Self { signing: CheckpointSigner::default(), ..self }
    }

    async fn change(&self, sql: &'static str) {
        let mut write = self.database.write().await.unwrap();
        query(sql).execute(&mut *write).await.unwrap();
        write.commit().await.unwrap();
    }

    async fn export(&self) -> String {
        let export = Export::begin(self.database.read()).await.unwrap();
        let (mut text, mut after) = (String::new(), Some(0));
        while let Some(number) = after {
            let (more, next) = export.page(self.database.read(), number, Form::JsonLines).await.unwrap();
            text.push_str(&more);
            after = next;
        }
        text
    }

    /// Returns the result of a verifier on the host.
    async fn verify_export(&self) -> Report {
        let text = self.export().await;
        let (key, last) = {
            let signer = self.host.audit.lock().unwrap();
            (signer.key.public().clone(), signer.ledger.last.clone())
        };
        let found = verify(text.as_bytes(), &LogKnowledge { keys: vec![key], last, ..LogKnowledge::default() });
        found.unwrap_or_else(|error| panic!("{error}"))
    }
}

#[tokio::test]
async fn database_export_is_complete() {
    let console = Console::begin().await;
    console.write(1203, "object").await;
    let author = Author { name: "alice".into(), from: "192.0.2.7".into(), correlation: "c".into() };
    let mut write = console.database.write().await.unwrap();
    record(&mut write, &author, Event::done("test", "undone")).await.unwrap();
    drop(write);
    console.sign().await.unwrap();
    console.write(2, "after").await;
    let report = console.verify_export().await;
    let covered = report.covered.unwrap();
    assert_eq!((report.head.number, covered.head.number), (1205, 1203));
    assert!(report.verified > 1, "one request took all entries");
    assert_eq!(console.signing.last(), Some(covered));
    let mut connection = console.database.read().acquire().await.unwrap();
    let chain = Chain::read(&mut connection).await.unwrap();
    assert!(matches!(chain, Chain::Whole(last) if last == report.head), "{chain:?}");
    let mut of_host = Vec::new();
    super::export(console.folder.path(), &console.storage, &mut of_host).await.unwrap();
    let found = verify(&*of_host, &LogKnowledge::default()).unwrap();
    assert_eq!((found.head, found.unverified), (report.head, report.verified), "the exports differ");
    assert_eq!(
        page(console.database.read(), Some(11), 3).await.unwrap().iter().map(|(number, _)| *number).collect::<Vec<_>>(),
        [10, 9, 8]
    );
}

#[tokio::test]
async fn lost_answer_is_recovered() {
    let console = Console::begin().await;
    console.sign().await.unwrap();
    assert_eq!(console.signing.last(), None, "an empty log was signed");
    console.write(3, "a").await;
    console.sign().await.unwrap();
    let first = console.signing.last().unwrap();
    console.host.is_silent.store(true, Ordering::SeqCst);
    console.sign().await.unwrap();
    console.host.is_silent.store(false, Ordering::SeqCst);
    console.change("DELETE FROM audit_checkpoints").await;
    let console = console.again();
    console.sign().await.unwrap();
    assert_eq!(console.signing.last(), Some(first), "the host's memory was ignored");
    assert_eq!(console.verify_export().await.verified, 1);
}

#[tokio::test]
async fn silent_host_is_reported() {
    let console = Console::begin().await;
    console.write(3, "a").await;
    console.host.is_silent.store(true, Ordering::SeqCst);
    assert_eq!(console.sign().await.unwrap_err().code(), codes::HOST_SILENT);
    let since = console.signing.failing().unwrap().since;
    console.signing.sign_soon(&console.database, &console.site).await;
    assert_eq!(console.signing.failing().unwrap().since, since);
    console.host.is_silent.store(false, Ordering::SeqCst);
    console.sign().await.unwrap();
    assert!(console.signing.failing().is_none());
    assert_eq!(console.verify_export().await.covered.unwrap().head.number, 3);
}

#[tokio::test]
async fn restored_log_records_restart() {
    let console = Console::begin().await;
    console.write(5, "a").await;
    console.sign().await.unwrap();
    console.write(5, "a").await;
    console.sign().await.unwrap();
    let before = console.signing.last().unwrap();
    // A restore leaves the database of an earlier time.
    console.change("DELETE FROM audit WHERE number > 7").await;
    console.change("DELETE FROM audit_checkpoints WHERE number > 7").await;
    let console = console.again();
    console.sign().await.unwrap();
    let last = console.host.audit.lock().unwrap().ledger.last.clone();
    assert_eq!(last, Some(before.clone()), "a drill replaced the log");
    console.write(1, "after the restore").await;
    console.sign().await.unwrap();
    let covered = console.verify_export().await.covered.unwrap();
    let restart = covered.restart.unwrap();
    assert_eq!((covered.head.number, covered.restarts, restart.kept.number), (9, 1, 5));
    assert_eq!(restart.abandoned, before.head);
    let newest = page(console.database.read(), None, 1).await.unwrap().remove(0).1.unwrap();
    assert_eq!((newest.action.as_str(), newest.object), ("audit.restart", before.head.to_string()));
    console.write(1, "later").await;
    console.sign().await.unwrap();
    assert_eq!(console.verify_export().await.covered.unwrap().restarts, 1, "a later checkpoint dropped the restart");
}

#[tokio::test]
async fn lost_database_begins_new_log() {
    let console = Console::begin().await;
    console.write(5, "a").await;
    console.sign().await.unwrap();
    console.change("DELETE FROM audit").await;
    console.change("DELETE FROM audit_checkpoints").await;
    let console = console.again();
    console.sign().await.unwrap();
    console.write(1, "b").await;
    console.sign().await.unwrap();
    let covered = console.verify_export().await.covered.unwrap();
    assert_eq!((covered.head.number, covered.restart.unwrap().kept.number), (2, 0));
}

/// The owner of the database rewrites the log; the host still has its own signatures.
#[tokio::test]
async fn rewritten_log_is_not_signed() {
    let console = Console::begin().await;
    console.write(4, "a").await;
    console.sign().await.unwrap();
    let before = console.signing.last().unwrap();
    console.change("DELETE FROM audit").await;
    console.write(4, "rewritten").await;
    let text = console.export().await;
    let key = console.host.audit.lock().unwrap().key.public().clone();
    let error = verify(text.as_bytes(), &LogKnowledge { keys: vec![key], ..LogKnowledge::default() }).unwrap_err();
    assert_eq!(error.code(), codes::AUDIT_REWRITTEN);
    console.change("DELETE FROM audit_checkpoints").await;
    let console = console.again();
    console.sign().await.unwrap();
    console.write(1, "rewritten").await;
    console.sign().await.unwrap();
    let covered = console.verify_export().await.covered.unwrap();
    assert_eq!((covered.restarts, covered.restart.unwrap().abandoned), (1, before.head));
}

#[tokio::test]
async fn broken_log_is_not_signed() {
    let console = Console::begin().await;
    console.write(2, "a").await;
    console.sign().await.unwrap();
    console.write(2, "a").await;
    console.change("UPDATE audit SET entry = replace(entry, 'alice', 'mallory') WHERE number = 3").await;
    assert_eq!(console.sign().await.unwrap_err().code(), codes::AUDIT_BROKEN);
    let failing = console.signing.failing().unwrap();
    assert!(failing.why.contains("entry 3 is not as it was written"), "{}", failing.why);
}

/// Checks which entry is the first broken one.
fn assert_broken(watch: &Watch, number: i64) {
    let broken = watch.broken_entry().unwrap();
    assert!(broken.contains(&format!("entry {number} ")), "{broken}");
}

#[tokio::test]
async fn watch_checks_new_entries_first() {
    let console = Console::begin().await;
    let watch = Watch::default();
    console.write(3, "a").await;
    watch.look_again(&console.database).await.unwrap();
    console.write(3, "a").await;
    console.change("UPDATE audit SET entry = replace(entry, 'alice', 'mallory') WHERE number = 2").await;
    watch.look_again(&console.database).await.unwrap();
    assert_eq!(watch.broken_entry(), None, "a known entry was checked again");
    console.change("UPDATE audit SET entry = replace(entry, 'alice', 'mallory') WHERE number = 5").await;
    console.write(1, "a").await;
    watch.look_again(&console.database).await.unwrap();
    assert_eq!(watch.broken_entry(), None, "a known entry was checked again");
    console.write(2, "a").await;
    console.change("UPDATE audit SET entry = replace(entry, 'alice', 'mallory') WHERE number = 8").await;
    watch.look_again(&console.database).await.unwrap();
    assert_broken(&watch, 8);
    // From now on, the watch checks the whole log.
    watch.look_again(&console.database).await.unwrap();
    assert_broken(&watch, 2);
}

#[tokio::test]
async fn truncated_log_is_checked_from_start() {
    let console = Console::begin().await;
    let watch = Watch::default();
    console.write(4, "a").await;
    watch.look_again(&console.database).await.unwrap();
    console.change("UPDATE audit SET entry = replace(entry, 'alice', 'mallory') WHERE number = 1").await;
    console.change("DELETE FROM audit WHERE number = 4").await;
    watch.look_again(&console.database).await.unwrap();
    assert_broken(&watch, 1);
}

#[tokio::test]
async fn new_host_key_is_recorded() {
    let console = Console::begin().await;
    console.write(2, "a").await;
    console.sign().await.unwrap();
    *console.host.audit.lock().unwrap() = Signer::generate().unwrap();
    console.write(1, "a").await;
    console.sign().await.unwrap();
    let report = console.verify_export().await;
    assert_eq!((report.head.number, report.verified, report.unverified), (4, 1, 1));
    let newest = page(console.database.read(), None, 1).await.unwrap().remove(0).1.unwrap();
    assert_eq!(newest.action, "audit.key");
}

#[tokio::test]
async fn shortened_entry_shows_cut() {
    let console = Console::begin().await;
    let (long, whole) = ("€".repeat(201), "€".repeat(200));
    let author = Author { name: long.clone(), from: long.clone(), correlation: long.clone() };
    let mut write = console.database.write().await.unwrap();
    record(&mut write, &author, Event::refused("test", &long, &whole)).await.unwrap();
    write.commit().await.unwrap();
    let entry = page(console.database.read(), None, 1).await.unwrap().remove(0).1.unwrap();
    let cut = format!("{whole}… [cut: 200 of 201 characters]");
    for field in [entry.actor, entry.from, entry.correlation, entry.object] {
        assert_eq!(field, cut);
    }
    assert_eq!(entry.detail, whole);
}

#[tokio::test]
async fn long_entry_is_signed() {
    let console = Console::begin().await;
    console.write(3, "a").await;
    console.plant(3 * AUDIT_BYTES).await;
    console.write(3, "b").await;
    console.sign().await.unwrap();
    let report = console.verify_export().await;
    assert_eq!((report.head.number, report.covered.unwrap().head.number, report.verified), (7, 7, 3));
    // Two entries that do not fit into one request together.
    console.plant(AUDIT_BYTES / 3 * 2).await;
    console.plant(AUDIT_BYTES / 3 * 2).await;
    console.sign().await.unwrap();
    assert_eq!(console.verify_export().await.covered.unwrap().head.number, 9);
    console.plant(landfall_audit::ENTRY_BYTES).await;
    let error = console.sign().await.unwrap_err();
    assert!(error.code() == codes::AUDIT_BROKEN && error.to_string().starts_with("entry 10 "), "{error}");
}

#[tokio::test]
async fn paced_signing_is_retried_soon() {
    let console = Console::begin().await;
    console.write(1203, "a").await;
    console.host.checkpoints.store(1, Ordering::SeqCst);
    let signed = console.sign().await;
    assert_eq!(super::signing::pause_after(&signed), AUDIT_PAUSE);
    assert_eq!(signed.unwrap_err().code(), codes::CHECKPOINTS_TOO_MANY);
    let first = console.signing.last().unwrap();
    assert!(first.head.number > 100, "{first:?}");
    assert!(console.signing.failing().unwrap().why.contains("in 10 seconds"));
    console.host.checkpoints.store(1, Ordering::SeqCst);
    assert_eq!(console.sign().await.unwrap_err().code(), codes::CHECKPOINTS_TOO_MANY);
    assert!(console.signing.last().unwrap().head.number > first.head.number, "the second checkpoint covers no more");
    console.host.checkpoints.store(usize::MAX, Ordering::SeqCst);
    let signed = console.sign().await;
    assert!(super::signing::pause_after(&signed) > AUDIT_PAUSE);
    assert_eq!(console.verify_export().await.covered.unwrap().head.number, 1203);
    assert!(console.signing.failing().is_none());
}

#[tokio::test]
async fn restart_reads_latest_checkpoint() {
    let console = Console::begin().await;
    console.signing.recall(&console.database).await.unwrap();
    assert_eq!(console.signing.last(), None);
    // Names of keys are random: whatever their order, the later checkpoint is the latest one.
    for count in 1..=4 {
        console.write(count, "a").await;
        console.sign().await.unwrap();
        *console.host.audit.lock().unwrap() = Signer::generate().unwrap();
    }
    let latest = console.signing.last().unwrap();
    console.write(1, "a").await;
    let console = console.again();
    console.host.is_silent.store(true, Ordering::SeqCst);
    console.signing.recall(&console.database).await.unwrap();
    assert_eq!(console.signing.last(), Some(latest.clone()), "the silent host was needed");
    console.host.is_silent.store(false, Ordering::SeqCst);
    console.sign().await.unwrap();
    assert!(console.signing.last().unwrap().head.number > latest.head.number, "the host was not asked");
}

#[tokio::test]
async fn forgetful_host_relearns_checkpoints() {
    let console = Console::begin().await;
    console.write(3, "a").await;
    console.sign().await.unwrap();
    let earlier = console.host.audit.lock().unwrap().ledger.clone();
    console.write(3, "a").await;
    console.sign().await.unwrap();
    let latest = console.signing.last().unwrap();
    // The host's files are restored from a copy.
    console.host.audit.lock().unwrap().ledger = earlier;
    let console = console.again();
    console.sign().await.unwrap();
    assert!(console.console_actions().await.is_empty(), "a drill told the host");
    console.write(1, "b").await;
    console.sign().await.unwrap();
    assert_eq!(console.console_actions().await, ["audit.forgotten"]);
    let report = console.verify_export().await;
    let covered = report.covered.unwrap();
    assert_eq!((covered.head.number, covered.sequence, report.verified), (8, latest.sequence + 1, 3));
    assert_eq!(console.signing.last(), Some(covered));
}

/// The host has another key and has signed another log, and refuses: each try used to write both entries again.
#[tokio::test]
async fn key_and_restart_notes_appear_once() {
    let console = Console::begin().await;
    console.write(2, "a").await;
    console.sign().await.unwrap();
    let other = Console::begin().await;
    other.write(5, "other").await;
    other.sign().await.unwrap();
    let signer = std::mem::replace(&mut *other.host.audit.lock().unwrap(), Signer::generate().unwrap());
    *console.host.audit.lock().unwrap() = signer;
    console.host.checkpoints.store(0, Ordering::SeqCst);
    console.write(1, "a").await;
    for _ in 0..3 {
        let (one, two) = tokio::join!(console.sign(), console.sign());
        for signed in [one, two] {
            assert_eq!(signed.unwrap_err().code(), codes::CHECKPOINTS_TOO_MANY);
        }
    }
    assert_eq!(console.console_actions().await, ["audit.key", "audit.restart"]);
    console.host.checkpoints.store(usize::MAX, Ordering::SeqCst);
    console.sign().await.unwrap();
    assert_eq!(console.verify_export().await.covered.unwrap().head.number, 5);
}
