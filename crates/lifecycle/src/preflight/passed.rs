//! Passed findings, which show in a report all that was checked, not only problems.

use landfall_error_codes::{Code, codes};
use landfall_host::facts::Facts;

use super::storage::{SYNC_MICROS, SYSTEM_BYTES, data_options, milliseconds};
use super::{CONTROLLERS, KERNEL, Subject, distribution, host};
use landfall_site::findings::Finding;
use landfall_site::room::{DATA, EVICTION_BYTES, size};

/// A passed finding for codes without a finding, with its measured and needed values.
struct PassedFinding {
    codes: &'static [Code],
    message: &'static str,
    measured: fn(&Subject<'_>) -> String,
    threshold: fn(&Subject<'_>) -> String,
}

const PASSING: &[PassedFinding] = &[
    PassedFinding {
        codes: &[codes::NOT_ROOT],
        message: "The facts were collected as root",
        measured: |_| String::new(),
        threshold: |_| String::new(),
    },
    PassedFinding {
        codes: &[codes::WRONG_PLATFORM],
        message: "The bundle is for this architecture",
        measured: |subject| subject.facts.platform.clone(),
        threshold: |subject| subject.release.platform.clone(),
    },
    PassedFinding {
        codes: &[codes::TOO_FEW_CORES],
        message: "There are enough processor cores",
        measured: |subject| format!("{} cores", subject.facts.cores),
        threshold: |subject| format!("{} cores", subject.release.requirements.cores),
    },
    PassedFinding {
        codes: &[codes::TOO_LITTLE_MEMORY],
        message: "There is enough memory",
        measured: |subject| size(subject.facts.memory_bytes),
        threshold: |subject| size(subject.release.requirements.memory_bytes),
    },
    PassedFinding {
        codes: &[codes::KERNEL_TOO_OLD],
        message: "The kernel is new enough",
        measured: |subject| subject.facts.kernel.clone(),
        threshold: |_| format!("{}.{} or newer", KERNEL.0, KERNEL.1),
    },
    PassedFinding {
        codes: &[codes::KERNEL_OPTIONS],
        message: "The kernel was built with what Kubernetes needs",
        measured: |_| String::new(),
        threshold: |_| String::new(),
    },
    PassedFinding {
        codes: &[codes::DISTRIBUTION],
        message: "The distribution is new enough",
        measured: |subject| distribution::standing(subject.facts),
        threshold: |_| String::new(),
    },
    PassedFinding {
        codes: &[codes::ENDPOINT_SECURITY],
        message: "No known program of endpoint security runs",
        measured: |_| String::new(),
        threshold: |_| String::new(),
    },
    PassedFinding {
        codes: &[codes::HARDWARE_CLOCK],
        message: "System clock and hardware clock agree",
        measured: |subject| host::hardware_clock_difference(subject.facts),
        threshold: |_| String::new(),
    },
    PassedFinding {
        codes: &[codes::NO_BARRIERS],
        message: "The filesystem of the data folder keeps synced writes",
        measured: |_| String::new(),
        threshold: |_| String::new(),
    },
    PassedFinding {
        codes: &[codes::SYSTEMD_MISSING],
        message: "systemd runs as pid 1",
        measured: |_| String::new(),
        threshold: |_| String::new(),
    },
    PassedFinding {
        codes: &[codes::CGROUPS_UNFIT],
        message: "Control groups have all controllers",
        measured: |subject| format!("version {}", subject.facts.cgroups.version),
        threshold: |_| CONTROLLERS.join(", "),
    },
    PassedFinding {
        codes: &[codes::SELINUX_ENFORCING],
        message: "SELinux lets programs start from the data folder",
        measured: |subject| subject.facts.selinux.clone().unwrap_or_else(|| "off".to_owned()),
        threshold: |_| "permissive or off".to_owned(),
    },
    PassedFinding {
        codes: &[codes::MODULE_MISSING],
        message: "The kernel has all modules",
        measured: |_| String::new(),
        threshold: |_| String::new(),
    },
    PassedFinding {
        codes: &[codes::DATA_FILESYSTEM],
        message: "The data folder is on a suitable filesystem",
        measured: |subject| subject.facts.data_folder.kind.clone(),
        threshold: |_| "local ext4, XFS or Btrfs".to_owned(),
    },
    PassedFinding {
        codes: &[codes::MOUNT_NOT_PERMANENT],
        message: "The mount of the data folder survives a reboot",
        measured: |subject| subject.facts.data_folder.mount.clone(),
        threshold: |_| String::new(),
    },
    PassedFinding {
        codes: &[codes::READ_ONLY, codes::NO_EXEC],
        message: "All filesystems are writable, and programs can run from the data folder",
        measured: |_| String::new(),
        threshold: |_| String::new(),
    },
    PassedFinding {
        codes: &[codes::TOO_LITTLE_SPACE],
        message: "There is enough free space on every filesystem",
        measured: |subject| free(subject).map_or_else(String::new, |free| format!("{} free for data", size(free))),
        threshold: |subject| {
            let needed = subject.sizes.room.total_bytes().saturating_add(EVICTION_BYTES).saturating_add(SYSTEM_BYTES);
            format!("up to {}", size(needed))
        },
    },
    PassedFinding {
        codes: &[codes::TOO_FEW_INODES],
        message: "There are enough free inodes",
        measured: |_| String::new(),
        threshold: |subject| subject.sizes.unpacked_inodes.to_string(),
    },
    PassedFinding {
        codes: &[codes::CLOCK_WRONG, codes::NODE_CLOCK],
        message: "The clock is plausible",
        measured: |subject| subject.facts.collected_at.clone(),
        threshold: |subject| format!("later than {}", subject.built_at),
    },
    PassedFinding {
        codes: &[codes::OTHER_KUBERNETES],
        message: "No other Kubernetes or container runtime is installed",
        measured: |_| String::new(),
        threshold: |_| String::new(),
    },
    PassedFinding {
        codes: &[codes::PORT_IN_USE],
        message: "All ports that the site needs are free",
        measured: |_| String::new(),
        threshold: |_| String::new(),
    },
    PassedFinding {
        codes: &[
            codes::BAD_HOSTNAME,
            codes::IPV6_UNSUPPORTED,
            codes::NO_ADDRESS,
            codes::ADDRESS_AMBIGUOUS,
            codes::ADDRESS_NOT_HERE,
        ],
        message: "The host has a name and an address for the node",
        measured: |subject| subject.facts.hostname.clone(),
        threshold: |_| String::new(),
    },
    PassedFinding {
        codes: &[codes::RANGES_OVERLAP],
        message: "The cluster's address ranges overlap no network of the host",
        measured: |_| String::new(),
        threshold: |_| String::new(),
    },
    PassedFinding {
        codes: &[codes::SWAP_ON],
        message: "Swap is off",
        measured: |_| String::new(),
        threshold: |_| String::new(),
    },
    PassedFinding {
        codes: &[codes::PROGRAM_RULES],
        message: "No fapolicyd decides which programs may run",
        measured: |_| String::new(),
        threshold: |_| String::new(),
    },
    PassedFinding {
        codes: &[codes::NO_NAMESERVER],
        message: "Pods can use a nameserver of the host",
        measured: |subject| subject.facts.network.nameservers.join(", "),
        threshold: |_| String::new(),
    },
    PassedFinding {
        codes: &[codes::SLOW_SYNC],
        message: "The disk makes writes durable fast enough",
        measured: |subject| {
            let slow = subject.facts.speeds.map(|speeds| milliseconds(speeds.sync_p99_micros));
            slow.map(|slow| format!("99 of 100 within {slow}")).unwrap_or_default()
        },
        threshold: |_| milliseconds(SYNC_MICROS),
    },
    PassedFinding {
        codes: &[codes::FIREWALL_CLOSED],
        message: "No firewall blocks traffic from pods",
        measured: |_| String::new(),
        threshold: |_| String::new(),
    },
];

fn free(subject: &Subject<'_>) -> Option<u64> {
    let mut filesystems = subject.facts.filesystems.iter();
    filesystems.find(|filesystem| filesystem.paths.iter().any(|path| path == DATA)).map(|found| found.free_bytes)
}

/// Returns true if the facts suffice for the finding of this code: an unchecked one did not pass.
fn is_known(facts: &Facts, code: Code) -> bool {
    let security = facts.security.as_ref();
    match code {
        // Only root sees the packet filter.
        codes::FIREWALL_CLOSED => facts.root,
        codes::SLOW_SYNC => facts.speeds.is_some(),
        codes::KERNEL_OPTIONS => facts.missing_kernel_options.is_some(),
        codes::DISTRIBUTION => distribution::is_named(facts),
        codes::ENDPOINT_SECURITY => security.is_some_and(|security| security.endpoint_programs.is_some()),
        codes::HARDWARE_CLOCK => facts.ahead_of_hardware_clock_seconds.is_some(),
        codes::NO_BARRIERS => data_options(facts).is_some_and(|options| !options.is_empty()),
        _ => true,
    }
}

/// Returns the passed findings, given the other findings.
pub(super) fn findings(subject: &Subject<'_>, found: &[Finding]) -> Vec<Finding> {
    let is_found = |code: &Code| found.iter().any(|finding| finding.code == *code);
    let passing = PASSING.iter().filter(|passing| !passing.codes.iter().any(is_found));
    let passing = passing.filter(|passing| passing.codes.first().is_some_and(|code| is_known(subject.facts, *code)));
    passing
        .filter_map(|passing| {
            let code = *passing.codes.first()?;
            let (measured, threshold) = ((passing.measured)(subject), (passing.threshold)(subject));
            Some(Finding::passed(code, passing.message, measured, threshold))
        })
        .collect()
}
