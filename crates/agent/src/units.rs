//! Landfall's systemd units: their names, and their state as systemd reports it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use landfall_host::command::{CommandRunner, HostCommand};

/// Folder of the units of the host's administrator.
pub const FOLDER: &str = "/etc/systemd/system";
/// Maximum delay of each day's backup in hours, if the site sets no time.
pub const RANDOM_DELAY_HOURS: u8 = 1;
/// Service that runs the site's containers.
pub const CONTAINERD: &str = "landfall-containerd.service";
/// Service that runs the node's pods.
pub const KUBELET: &str = "landfall-kubelet.service";
/// Service that maintains certificates, names and the network's configuration.
pub const AGENT: &str = "landfall-agent.service";
/// Service that continues the open operation; started if there is one, and never at boot by systemd itself.
pub const OPERATION: &str = "landfall-operation.service";
/// Service that makes and proves a backup; started by its timer.
pub const BACKUP: &str = "landfall-backup.service";
/// Timer that starts a backup every night.
pub const BACKUP_TIMER: &str = "landfall-backup.timer";
/// Service that saves data logged since the last run; started by its timer.
pub const LOG_BACKUP: &str = "landfall-log-backup.service";
/// Timer that starts a log backup every four minutes.
pub const LOG_BACKUP_TIMER: &str = "landfall-log-backup.timer";
/// Service of a drill that the console requested; systemd knows it only while it runs.
pub const DRILL: &str = "landfall-drill.service";
/// Service that answers the console's pods; nothing that runs depends on it.
pub const HOST_API: &str = "landfall-host-api.service";
/// Slice of the three services.
pub const SLICE: &str = "landfall.slice";
/// The services, in the order of their start.
pub const SERVICES: [&str; 3] = [CONTAINERD, KUBELET, AGENT];

/// Number of lines of the kubelet's log that are searched for its last error.
const LINES: &str = "300";
/// Maximum length of a quoted error, in characters.
const QUOTED: usize = 400;

/// Returns `systemctl` with these arguments.
pub fn systemctl(arguments: &[&str]) -> HostCommand {
    HostCommand::new("/bin/systemctl").arguments(arguments.iter().copied())
}

/// State of a unit as systemd reports it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnitState {
    /// `active`, `activating`, `inactive` or `failed`; empty if systemd does not answer.
    pub active: String,
    /// The finer state, such as `start-pre` or `auto-restart`.
    pub sub: String,
    /// The unit's own status line.
    pub status: String,
}

impl UnitState {
    /// Queries systemd. A manager that does not answer yields an empty state.
    pub fn of(unit: &str, commands: &dyn CommandRunner) -> Self {
        let ask = systemctl(&["show", "--property", "ActiveState,SubState,StatusText", unit]);
        let output = commands.run(&ask, None).unwrap_or_default();
        Self::parse(&String::from_utf8_lossy(&output.stdout))
    }

    fn parse(text: &str) -> Self {
        let fields: BTreeMap<_, _> = text.lines().filter_map(|line| line.split_once('=')).collect();
        let field = |name: &str| fields.get(name).copied().unwrap_or_default().to_owned();
        Self { active: field("ActiveState"), sub: field("SubState"), status: field("StatusText") }
    }

    /// Returns true if the unit's program runs.
    pub fn is_active(&self) -> bool {
        self.active == "active"
    }

    /// Returns true if the unit's program runs, is about to, or has not ended yet.
    pub fn is_on(&self) -> bool {
        matches!(self.active.as_str(), "active" | "activating" | "reloading" | "deactivating")
    }
}

/// State of a timer as systemd reports it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TimerState {
    /// True if the timer will start its service again; false if systemd does not answer.
    pub is_active: bool,
    /// Time of the timer's next start; `None` if that depends on the end of the current run.
    pub next: Option<Timestamp>,
}

impl TimerState {
    /// Queries systemd. A manager that does not answer yields an inactive timer.
    pub fn of(timer: &str, commands: &dyn CommandRunner) -> Self {
        let ask = systemctl(&["show", "--property", "ActiveState,NextElapseUSecRealtime", timer]);
        // systemd writes times in the time zone of its caller.
        let output = commands.run(&ask.variable("TZ", "UTC"), None).unwrap_or_default();
        Self::parse(&String::from_utf8_lossy(&output.stdout))
    }

    fn parse(text: &str) -> Self {
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        let is_active = field("ActiveState") == Some("active");
        Self { is_active, next: field("NextElapseUSecRealtime").and_then(time).filter(|_| is_active) }
    }
}

/// Parses a time as systemd writes it, such as `Fri 2026-11-27 01:47:12 UTC`.
fn time(text: &str) -> Option<Timestamp> {
    let (_, time) = text.split_once(' ')?;
    format!("{}Z", time.strip_suffix(" UTC")?.replace(' ', "T")).parse().ok()
}

/// Returns the last error that the kubelet logged since the machine started; `None` without one, or if the log cannot
/// be read.
pub fn last_kubelet_error(commands: &dyn CommandRunner) -> Option<String> {
    let ask = HostCommand::new("/bin/journalctl").arguments([
        "--boot",
        "--quiet",
        "--no-pager",
        "--output",
        "cat",
        "--lines",
        LINES,
        "--unit",
        KUBELET,
    ]);
    let output = commands.run(&ask, None).ok().filter(|output| output.success)?;
    last_error(&String::from_utf8_lossy(&output.stdout))
}

/// Returns the text of the last line that klog marks as an error, such as `E1120 22:15:34.948951 97 server.go:72] "…"`.
fn last_error(log: &str) -> Option<String> {
    let error = |line: &str| {
        let (level, date) = line.split_at_checked(1)?;
        let is_error = matches!(level, "E" | "F") && date.get(..4)?.bytes().all(|byte| byte.is_ascii_digit());
        let (_, text) = line.split_once("] ")?;
        is_error.then(|| text.chars().filter(|letter| !letter.is_control()).take(QUOTED).collect())
    };
    log.lines().rev().find_map(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unit_state_is_parsed() {
        let state = UnitState::parse("ActiveState=activating\nSubState=start-pre\nStatusText=waits: a=b\n");
        assert_eq!((state.sub.as_str(), state.status.as_str()), ("start-pre", "waits: a=b"));
        assert!(!state.is_active() && UnitState::parse("ActiveState=active\n").is_active());
        assert_eq!(UnitState::parse(""), UnitState::default());
        let is_on = |active: &str| UnitState::parse(&format!("ActiveState={active}\n")).is_on();
        assert!(["active", "activating", "reloading", "deactivating"].into_iter().all(is_on));
        assert!(!["inactive", "failed", ""].into_iter().any(is_on));
    }

    #[test]
    fn timer_state_is_parsed() {
        let timer = TimerState::parse("NextElapseUSecRealtime=Fri 2026-11-27 01:47:12 UTC\nActiveState=active\n");
        assert_eq!(timer, TimerState { is_active: true, next: Some("2026-11-27T01:47:12Z".parse().unwrap()) });
        for text in
            ["ActiveState=active\nNextElapseUSecRealtime=\n", "ActiveState=active\nNextElapseUSecRealtime=n/a\n"]
        {
            assert_eq!(TimerState::parse(text), TimerState { is_active: true, next: None }, "{text}");
        }
        let stopped = "ActiveState=inactive\nNextElapseUSecRealtime=Fri 2026-11-27 01:47:12 UTC\n";
        assert_eq!(TimerState::parse(stopped), TimerState::default());
        assert_eq!(TimerState::parse(""), TimerState::default());
    }

    #[test]
    fn last_kubelet_error_is_found() {
        let log = "\
E1120 22:15:33.000001      97 kubelet.go:10] \"an earlier one\"
I1120 22:15:34.948900      97 server.go:70] \"Started\"
E1120 22:15:34.948951      97 run.go:72] \"command failed\" err=\"running with swap on is not supported\"
Error: not of klog
I1120 22:15:34.948999      97 server.go:70] \"Shutting down\"
";
        let found = last_error(log).unwrap();
        assert_eq!(found, "\"command failed\" err=\"running with swap on is not supported\"");
        assert_eq!(last_error("I1120 22:15:34.9 97 a.go:1] fine\nEvery day ] is fine\n"), None);
        let endless = format!("E1120 22:15:34.9 97 a.go:1] {}\u{1b}", "x".repeat(1000));
        assert_eq!(last_error(&endless).unwrap().len(), QUOTED);
    }
}
