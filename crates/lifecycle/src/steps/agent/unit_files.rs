//! Files of Landfall's systemd units.

use std::path::{Path, PathBuf};

use crate::context::NodeContext;
use landfall_agent::units::{
    AGENT, BACKUP, BACKUP_TIMER, CONTAINERD, FOLDER, KUBELET, LOG_BACKUP, LOG_BACKUP_TIMER, OPERATION,
    RANDOM_DELAY_HOURS, SLICE,
};
use landfall_host::files::OwnFile;
use landfall_host::pack::PackId;
use landfall_site::configuration::TimeOfDay;

/// Common settings of services. `KillMode=process` keeps pods running when a service stops or restarts. There is no
/// start limit, because no administrator at a site would lift it. `NotifyAccess=exec` lets preparations report their
/// waits.
const SERVICE: &str = "\
Slice=landfall.slice
Type=notify
NotifyAccess=exec
UnsetEnvironment=HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY http_proxy https_proxy all_proxy no_proxy
KillMode=process
UMask=0022
OOMScoreAdjust=-999
Restart=always
RestartSec=5
TimeoutStartSec=300
";

/// Settings of the unit that ends operations. It is outside the site's slice, which an operation may stop. It starts
/// once, so that a step that takes the machine down does not repeat.
const OPERATING: &str = "\
Type=exec
UnsetEnvironment=HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY http_proxy https_proxy all_proxy no_proxy
UMask=0022
OOMScoreAdjust=-900
TimeoutStopSec=30
";

/// Settings of the units of backups and drills, which yield to serving software.
pub(crate) const BACKUP_LIMITS: [&str; 4] = [
    "UnsetEnvironment=HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY http_proxy https_proxy all_proxy no_proxy",
    "UMask=0077",
    "Nice=10",
    "IOSchedulingClass=idle",
];

/// Settings of the unit that answers the console, whose port is open to everything that reaches the node. A plan is
/// made in a separate process within these limits. That process may run the program that a bundle carries, in memory.
const ANSWERING: &str = "\
Type=exec
UnsetEnvironment=HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY http_proxy https_proxy all_proxy no_proxy
UMask=0077
Restart=always
RestartSec=5
TimeoutStopSec=10
NoNewPrivileges=yes
LimitNOFILE=4096
MemoryMax=1G
OOMPolicy=continue
TasksMax=256
";

/// Settings of the two services that start pods' processes or manage control groups.
const RUNTIME: &str = "\
Delegate=yes
CPUAccounting=yes
MemoryAccounting=yes
LimitNOFILE=1048576
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity
";

/// Paths of the programs that a unit runs.
struct Programs {
    landfall: PathBuf,
    node: PathBuf,
    /// Link to the node pack's programs.
    link: PathBuf,
}

/// Returns all files of units.
pub fn files(context: &NodeContext, landfall: PathBuf, pack: &PackId) -> Vec<OwnFile> {
    let programs =
        Programs { landfall, node: context.host.paths.node_programs(pack), link: context.host.paths.node_link() };
    let configuration = context.host.paths.runtime_configuration();
    [
        (SLICE, slice()),
        (CONTAINERD, containerd(&programs, &configuration)),
        (KUBELET, kubelet(&programs)),
        (AGENT, agent(&programs)),
        (OPERATION, operation(&programs)),
    ]
    .map(|(name, text)| OwnFile::new(path(context, name), text, 0o644))
    .into()
}

/// Returns the files of the daily backup.
pub fn backup_files(context: &NodeContext, landfall: &Path, time: Option<TimeOfDay>) -> Vec<OwnFile> {
    let what = "a backup of all data, and the drill that proves it";
    timer_files(context, (BACKUP, backup(landfall, what, "run")), (BACKUP_TIMER, backup_timer(time)))
}

/// Returns the files of log backups.
pub fn log_backup_files(context: &NodeContext, landfall: &Path) -> Vec<OwnFile> {
    let what = "a backup of what was written since the last one";
    timer_files(context, (LOG_BACKUP, backup(landfall, what, "log")), (LOG_BACKUP_TIMER, log_backup_timer()))
}

/// Returns the text of the unit that answers the console's pods.
pub fn host_api(landfall: &Path) -> String {
    format!(
        "{}After={AGENT} network-online.target
Wants=network-online.target
RequiresMountsFor=/var/lib/landfall /etc/landfall /var/log
StartLimitIntervalSec=0

[Service]
ExecStart={} node serve
{ANSWERING}
[Install]
WantedBy=multi-user.target
",
        header("answers for this site's console"),
        landfall.display(),
    )
}

fn timer_files(context: &NodeContext, service: (&str, String), timer: (&str, String)) -> Vec<OwnFile> {
    [service, timer].map(|(name, text)| OwnFile::new(path(context, name), text, 0o644)).into()
}

/// Returns the path of a unit's file.
pub fn path(context: &NodeContext, unit: &str) -> PathBuf {
    context.host.paths.host(FOLDER).join(unit)
}

fn header(description: &str) -> String {
    format!("# Written by Landfall; `landfall uninstall` removes it.\n[Unit]\nDescription=Landfall: {description}\n")
}

fn slice() -> String {
    format!("{}Before=slices.target\n", header("what runs this site"))
}

fn service(description: &str, after: &str, lines: &str) -> String {
    format!(
        "{}After=network.target local-fs.target systemd-modules-load.service systemd-sysctl.service{after}
RequiresMountsFor=/var/lib/landfall /etc/landfall /var/log
StartLimitIntervalSec=0

[Service]
{lines}{SERVICE}
[Install]
WantedBy=multi-user.target
",
        header(description)
    )
}

/// Returns the `PATH` by which helpers are found. containerd stores the path of its shim with each container and uses
/// it again when it starts. That path must outlive the node pack.
fn path_variable(node: &Path) -> String {
    format!("Environment=PATH={}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n", node.display())
}

fn containerd(programs: &Programs, configuration: &Path) -> String {
    let lines = format!(
        "ExecStartPre={} node prepare containerd\nExecStart={} --config {}\n{}{RUNTIME}",
        programs.landfall.display(),
        programs.node.join("containerd").display(),
        configuration.display(),
        path_variable(&programs.link),
    );
    service("containerd, which runs this site's containers", "", &lines)
}

/// Returns the kubelet's unit. kubeadm's file does not exist before kubeadm has run; the preparation waits for it.
fn kubelet(programs: &Programs) -> String {
    let lines = format!(
        "EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
ExecStartPre={} node prepare kubelet
ExecStart={} --bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf \
         --config=/var/lib/kubelet/config.yaml $KUBELET_KUBEADM_ARGS
{}{RUNTIME}",
        programs.landfall.display(),
        programs.node.join("kubelet").display(),
        path_variable(&programs.node),
    );
    service("the kubelet, which runs this site's pods", &format!(" {CONTAINERD}\nWants={CONTAINERD}"), &lines)
}

fn operation(programs: &Programs) -> String {
    format!(
        "{}After={AGENT}\nRequiresMountsFor=/var/lib/landfall /etc/landfall /var/log\n\n[Service]\n\
         ExecStart={} node operate\n{OPERATING}",
        header("the operation that is open"),
        programs.landfall.display(),
    )
}

fn backup(landfall: &Path, what: &str, verb: &str) -> String {
    format!(
        "{}After={AGENT}\nRequiresMountsFor=/var/lib/landfall /etc/landfall /var/log\n\n[Service]\n\
         ExecStart={} backup {verb}\n\
         Type=oneshot\n{}\nTimeoutStartSec=infinity\n",
        header(what),
        landfall.display(),
        BACKUP_LIMITS.join("\n"),
    )
}

/// Returns the timer of log backups. It counts from the end of the previous backup, so a slow one does not restart at
/// once. Written data is saved within five minutes: the timer takes up to ten seconds, and the backup has the rest of
/// the fifth minute.
fn log_backup_timer() -> String {
    format!(
        "{}\n[Timer]\nOnActiveSec=4min\nOnUnitInactiveSec=4min\nAccuracySec=10s\n\n[Install]\nWantedBy=timers.target\n",
        header("the time between two backups of what was written")
    )
}

/// Returns the timer of the daily backup. It is not `Persistent`: a machine that was off at night would make its backup
/// during its start, and systemd would leave a mark.
///
/// Without a time of the site's own, a random delay keeps machines that share a disk from starting at the same moment.
fn backup_timer(time: Option<TimeOfDay>) -> String {
    let calendar =
        time.map_or_else(|| format!("01:30\nRandomizedDelaySec={RANDOM_DELAY_HOURS}h"), |time| time.to_string());
    format!(
        "{}\n[Timer]\nOnCalendar=*-*-* {calendar}\n\n[Install]\nWantedBy=timers.target\n",
        header("the time of each day's backup")
    )
}

fn agent(programs: &Programs) -> String {
    service(
        "certificates, names and the network's configuration",
        "",
        &format!("ExecStart={} node run\n", programs.landfall.display()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_backup_time_is_exact() {
        let usual = backup_timer(None);
        assert!(usual.contains("OnCalendar=*-*-* 01:30\nRandomizedDelaySec=1h\n"), "{usual}");
        let own = backup_timer(Some("03:15".parse().unwrap()));
        assert!(own.contains("OnCalendar=*-*-* 03:15\n") && !own.contains("RandomizedDelaySec"), "{own}");
    }
}
