//! When backups begin by themselves, as the host's list of backups has it.

use serde::Deserialize;

/// When backups and drills begin by themselves.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupTimes {
    pub daily: String,
    pub next: String,
    #[serde(default)]
    pub delay_minutes: u64,
    pub log_minutes: Option<u64>,
}
