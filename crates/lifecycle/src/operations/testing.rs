//! Shared helpers for tests of operations.

use std::ffi::OsString;
use std::io;
use std::sync::Arc;

use landfall_agent::units::BACKUP_TIMER;
use landfall_bundle_spec::sample::Vendor;
use landfall_bundle_spec::trust::KeyKind;
use landfall_host::command::{CommandOutput, CommandRunner, HostCommand, Input};
use landfall_host::paths::SitePaths;
use landfall_media::counters::IoCounters;
use landfall_media::durable;
use landfall_media::progress::SilentProgress;
use serde_json::{Value, json};

use super::Operations;
use super::install::tests::{Fixture, release};
pub(crate) use landfall_site::testing::{Notes, other_disk};

/// Returns operations below a temporary folder, with nothing installed.
pub(super) fn operations() -> (tempfile::TempDir, Operations) {
    let root = tempfile::tempdir().unwrap();
    let operations = Operations {
        paths: SitePaths::below(root.path()),
        progress: Arc::new(SilentProgress),
        io: IoCounters::default(),
    };
    durable::create_folder(operations.paths.data().parent().unwrap()).unwrap();
    (root, operations)
}

/// A fake systemd with the timer of the daily backup, but not the one of log backups.
pub(super) struct Systemd;

impl CommandRunner for Systemd {
    fn run(&self, command: &HostCommand, _input: Option<Input<'_>>) -> io::Result<CommandOutput> {
        assert_eq!(command.environment, [("TZ".to_owned(), OsString::from("UTC"))]);
        let is_daily = command.arguments.iter().any(|argument| argument == BACKUP_TIMER);
        let stdout = if is_daily {
            "ActiveState=active\nNextElapseUSecRealtime=Fri 2026-11-27 03:15:00 UTC\n"
        } else {
            "ActiveState=inactive\nNextElapseUSecRealtime=\n"
        };
        Ok(CommandOutput { success: true, stdout: stdout.into(), stderr: Vec::new() })
    }
}

/// Returns a site with this release and these settings of backups.
pub(super) fn installed_site(release: &Value, backups: Value) -> Fixture {
    let fixture = Fixture::with(&Vendor::new(KeyKind::Ed25519).unwrap(), release);
    let backups = serde_json::from_value(backups).unwrap();
    fixture.configured_install(|settings| settings.backups = backups).run().unwrap();
    fixture
}

/// Returns a release with data that is backed up without a log.
pub(super) fn with_data() -> Value {
    let mut document = release(3);
    document["components"] = json!([{
        "name": "db", "namespace": "db", "needs": [], "objects": "documents/db.json", "pod_security": "baseline",
        "ready_seconds": 60, "data": "kept", "backup": [{
            "name": "rows", "workload": { "kind": "StatefulSet", "name": "db" }, "volume": "data",
            "limit_seconds": 60, "save": ["dump"], "load": ["fill"],
            "marker": { "write": ["set", "%{marker}"], "read": ["get"] },
        }],
    }]);
    document
}
