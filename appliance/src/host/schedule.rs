//! When backups begin by themselves, as the host's list of backups has it.

use serde::Deserialize;

/// When backups and drills begin by themselves.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupTimes {
    pub daily: String,
    /// None where the timer is not active, or where systemd has not said it.
    pub next: Option<String>,
    /// Whether the timer is active; none from a host that does not say it.
    #[serde(default)]
    pub active: Option<bool>,
    #[serde(default)]
    pub delay_minutes: u64,
    pub log_minutes: Option<u64>,
}
