//! The host's own information: output of programs, files and logs.

use std::path::Path;
use std::time::{Duration, SystemTime};

use landfall_agent::units;
use landfall_host::paths::SitePaths;

use super::CollectorResults;
use landfall_site::support::{PROGRAM, ProgramOutput, run, tail_of_file, walk};

/// Programs, each with the file for its output. None of them prints arguments of processes.
const PROGRAMS: [(&str, &[&str]); 13] = [
    ("units", &["systemctl", "list-units", "--all", "--no-pager", "--plain", "--no-legend", "landfall*"]),
    (
        "unit-status",
        &[
            "systemctl",
            "show",
            "--property=Id,ActiveState,SubState,Result,NRestarts,ExecMainStatus,StatusText",
            "landfall*",
        ],
    ),
    ("failed-units", &["systemctl", "list-units", "--failed", "--no-pager", "--plain", "--no-legend"]),
    ("clock", &["timedatectl"]),
    ("filesystems", &["df", "--local", "--print-type"]),
    ("inodes", &["df", "--local", "--inodes"]),
    ("data-folder", &["du", "--one-file-system", "--max-depth=2", "--block-size=1M", "/var/lib/landfall"]),
    ("disks", &["lsblk", "--output", "NAME,SIZE,TYPE,FSTYPE,MOUNTPOINT,ROTA,MODEL"]),
    ("addresses", &["ip", "address"]),
    ("routes", &["ip", "route", "show", "table", "all"]),
    ("listening", &["ss", "--listening", "--tcp", "--udp", "--numeric"]),
    ("packet-filter", &["nft", "list", "ruleset"]),
    ("processes", &["ps", "-eo", "pid,ppid,stat,rss,etime,comm"]),
];

/// Files that show the host's state.
const FILES: [&str; 11] = [
    "/etc/os-release",
    "/etc/resolv.conf",
    "/etc/hosts",
    "/proc/meminfo",
    "/proc/loadavg",
    "/proc/uptime",
    "/proc/version",
    "/proc/self/mountinfo",
    "/proc/pressure/cpu",
    "/proc/pressure/io",
    "/proc/pressure/memory",
];

/// Maximum size of such a file in bytes.
const FILE_BYTES: u64 = 1 << 20;

/// Maximum number of bytes from one log.
const LOG_BYTES: u64 = 1 << 20;

/// Maximum total size of logs of one kind.
const LOGS_BYTES: usize = 64 << 20;

/// Folder depth of pods' logs: `NAMESPACE_POD_UID/CONTAINER/0.log`.
const LOG_DEPTH: usize = 2;

/// Maximum lines of a unit's log.
const LINES: &str = "--lines=20000";

pub(super) fn bring_host(paths: &SitePaths, brought: &mut CollectorResults) {
    for (name, words) in PROGRAMS {
        bring_program(&format!("host/{name}.txt"), words, brought);
    }
    for file in FILES {
        let name = format!("host/files/{}", file.trim_start_matches('/').replace('/', "-"));
        match read_file(&paths.host(file)) {
            Ok(bytes) => brought.text(name, bytes, false),
            // Not every kernel measures pressure.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => brought.add_failure(format!("{file}: {error}")),
        }
    }
}

/// Reads a file to its end: files of `/proc` report no size, and `/etc/resolv.conf` is often a link.
fn read_file(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    fs_err::File::open(path)?.take(FILE_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

pub(super) fn bring_journald(since: Duration, brought: &mut CollectorResults) {
    let since = format!("--since=-{}s", since.as_secs());
    let common = ["journalctl", "--no-pager", "--output=short-iso-precise", "--utc", LINES, since.as_str()];
    let with = |words: &[&'static str]| [&common[..], words].concat();
    for unit in [
        units::CONTAINERD,
        units::KUBELET,
        units::AGENT,
        units::OPERATION,
        units::BACKUP,
        units::LOG_BACKUP,
        units::HOST_API,
    ] {
        let name = unit.trim_end_matches(".service");
        bring_program(&format!("journald/{name}.log"), &with(&["--unit", unit]), brought);
    }
    bring_program("journald/kernel.log", &with(&["--dmesg", "--priority=warning"]), brought);
}

fn bring_program(name: &str, words: &[&str], brought: &mut CollectorResults) {
    let ProgramOutput { output, is_cut, failure } = run(words, &[], PROGRAM);
    // The output before a failure may explain it.
    if !output.is_empty() {
        brought.text(name, output, is_cut);
    }
    if let Some(failure) = failure {
        brought.add_failure(failure);
    }
}

/// Adds the ends of the logs below a folder that were written in the requested time, the newest first.
pub(super) fn bring_logs(folder: &Path, name: &str, after: SystemTime, brought: &mut CollectorResults) {
    let (mut left, mut omitted) = (LOGS_BYTES, 0_usize);
    for file in walk(folder, LOG_DEPTH, after) {
        let shown = file.strip_prefix(folder).unwrap_or(&file).to_string_lossy();
        // The kubelet compresses rotated logs.
        if shown.ends_with(".gz") {
            continue;
        }
        if left == 0 {
            omitted += 1;
            continue;
        }
        match tail_of_file(&file, LOG_BYTES) {
            Ok(tail) => {
                left = left.saturating_sub(tail.bytes.len());
                brought.text(log_name(name, &shown), tail.bytes, tail.is_cut);
            }
            // The pod was deleted in the meantime.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => brought.add_failure(format!("{}: {error}", file.display())),
        }
    }
    if omitted > 0 {
        brought.add_failure(format!("{omitted} older logs are left out, because {} MiB are reached", LOGS_BYTES >> 20));
    }
}

/// Returns `pods/NAMESPACE/POD/CONTAINER-0.log` for `NAMESPACE_POD_UID/CONTAINER/0.log`; other names stay.
pub(super) fn log_name(kind: &str, path: &str) -> String {
    let parts: Vec<_> = path.split('/').collect();
    let log = |name: &str| {
        if Path::new(name).extension().is_some_and(|extension| extension == "log") {
            name.to_owned()
        } else {
            format!("{name}.log")
        }
    };
    match parts[..] {
        [pod, container, file] => {
            let ids: Vec<_> = pod.splitn(3, '_').collect();
            let (namespace, pod) = (ids.first().unwrap_or(&pod), ids.get(1).unwrap_or(&pod));
            format!("{kind}/{namespace}/{pod}/{container}-{}", log(file))
        }
        _ => format!("{kind}/{}", log(path)),
    }
}
