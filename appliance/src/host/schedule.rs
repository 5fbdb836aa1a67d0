//! Schedule of backups, from the host's list of backups.

use serde::Deserialize;

/// Scheduled times of backups and drills.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupTimes {
    pub daily: String,
    /// Next time; `None` if the timer is not active, or if systemd has not reported it.
    pub next: Option<String>,
    /// True if the timer is active; `None` from a host that does not report it.
    #[serde(default)]
    pub active: Option<bool>,
    #[serde(default)]
    pub delay_minutes: u64,
    pub log_minutes: Option<u64>,
}
