//! Samples and helpers for tests of this crate and of those above it.
#![expect(clippy::missing_panics_doc, reason = "for tests")]

mod release;

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Mutex;

use jiff::Timestamp;
use landfall_backup::{Backup, BackupKind};
use landfall_documents::license::LicenseTerms;
use landfall_license::Entitlements;
use landfall_media::progress::{Event, Progress};

use crate::backups::logs::{AFTER, LINK, STREAM};

pub use release::{artifact, blob, release};

/// Progress that collects notes.
#[derive(Default)]
pub struct Notes(pub Mutex<Vec<String>>);

impl Progress for Notes {
    fn event(&self, event: Event) {
        if let Event::Note(text) = event {
            self.0.lock().unwrap().push(text);
        }
    }
}

/// Returns a folder on another filesystem than temporary files, which may be in memory.
pub fn other_disk() -> tempfile::TempDir {
    let device = |folder: &Path| std::fs::metadata(folder).unwrap().dev();
    let temporary = device(&std::env::temp_dir());
    let other = ["/dev/shm", "/var/tmp"].into_iter().find(|folder| device(Path::new(folder)) != temporary);
    tempfile::tempdir_in(other.unwrap()).unwrap()
}

/// Returns a time from minutes since the epoch.
pub fn minute(minute: i64) -> Timestamp {
    Timestamp::from_second(60 * minute).unwrap()
}

/// Returns a log backup of `db/rows` that began in this minute.
pub fn log(began: i64, after: &str, link: &str) -> Backup {
    let facts = [(STREAM, "db/rows"), (AFTER, after), (LINK, link)];
    Backup {
        id: format!("{began:064x}").parse().unwrap(),
        kind: BackupKind::Log,
        sequence: None,
        time: minute(began),
        ended: None,
        facts: facts.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect::<BTreeMap<_, _>>(),
        streams: Vec::new(),
        proof: None,
        disproof: None,
    }
}

/// Terms of a license that ends soon.
pub fn license_terms() -> LicenseTerms {
    LicenseTerms {
        id: "acme-1".to_owned(),
        vendor: "Example".to_owned(),
        customer: "Acme".to_owned(),
        contact: "licenses@example.com".to_owned(),
        release: "starter".to_owned(),
        issued: "2025-12-01T00:00:00Z".to_owned(),
        not_before: "2025-12-01T00:00:00Z".to_owned(),
        ends: Some("2026-12-01T00:00:00Z".to_owned()),
        grace_ends: Some("2026-12-31T00:00:00Z".to_owned()),
        overage_percent: 10,
        entitlements: Entitlements {
            components: vec!["assistant".to_owned()],
            nodes: Some(3),
            ..Entitlements::default()
        },
        standing: "ending".to_owned(),
        permits: true,
        days_left: Some(11),
        warning_days: Some(14),
        text: "valid; it ends in 11 days, on 2026-12-01T00:00:00Z".to_owned(),
    }
}
