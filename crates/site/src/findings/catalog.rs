//! Names and topics of findings by code, in the order in which a person should handle them.

use landfall_error_codes::{Code, codes};

use landfall_host::facts::Topic;

/// Catalog entry for the findings of one code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    /// Name of the findings.
    pub(super) name: &'static str,
    /// Topic of the findings.
    pub(super) topic: Topic,
    /// Position: lower ones come first.
    pub(super) rank: usize,
}

/// Findings that hide others come first. Problems of the machine, packages and reboots, disks, clock, other software,
/// the network and the vendor's decisions follow. The names are stable, because programs and people refer to them.
const ENTRIES: &[(Code, &str, Topic)] = &[
    (codes::NOT_ROOT, "root", Topic::System),
    (codes::WRONG_PLATFORM, "platform", Topic::Machine),
    (codes::TOO_FEW_CORES, "cores", Topic::Machine),
    (codes::TOO_LITTLE_MEMORY, "memory", Topic::Machine),
    (codes::GPU_NOT_KNOWN, "gpu-known", Topic::Gpu),
    (codes::GPU_MISSING, "gpu-present", Topic::Gpu),
    (codes::GPU_DEVICE_LOST, "gpu-answers", Topic::Gpu),
    (codes::GPU_TOO_FEW, "gpu-fit", Topic::Gpu),
    (codes::GPU_STRATEGY_UNFIT, "gpu-mig-strategy", Topic::Gpu),
    (codes::GPU_RESOURCES_SHORT, "gpu-resources", Topic::Gpu),
    (codes::GPU_RESOURCE_UNOFFERED, "gpu-resource-names", Topic::Gpu),
    (codes::GPU_SHARED_TWICE, "gpu-sharing", Topic::Gpu),
    (codes::MODEL_UNFIT, "model-fit", Topic::Gpu),
    (codes::KERNEL_TOO_OLD, "kernel", Topic::System),
    (codes::KERNEL_OPTIONS, "kernel-options", Topic::System),
    (codes::SYSTEMD_MISSING, "systemd", Topic::System),
    (codes::CGROUPS_UNFIT, "cgroups", Topic::System),
    (codes::DISTRIBUTION, "distribution", Topic::System),
    (codes::SELINUX_ENFORCING, "selinux", Topic::System),
    (codes::PROGRAM_RULES, "fapolicyd", Topic::System),
    (codes::ENDPOINT_SECURITY, "endpoint-security", Topic::System),
    (codes::MODULE_MISSING, "kernel-modules", Topic::System),
    (codes::GLIBC_TOO_OLD, "glibc", Topic::System),
    (codes::NODE_GLIBC_TOO_OLD, "glibc-for-programs", Topic::System),
    (codes::GPU_NO_DRIVER, "gpu-driver", Topic::Gpu),
    (codes::GPU_DRIVER_TOO_OLD, "gpu-driver-version", Topic::Gpu),
    (codes::GPU_VERSION_MISMATCH, "gpu-driver-match", Topic::Gpu),
    (codes::GPU_NO_LIBRARY, "gpu-library", Topic::Gpu),
    (codes::GPU_DRIVER_FAILS, "gpu-driver-works", Topic::Gpu),
    (codes::GPU_NOT_PERMITTED, "gpu-permission", Topic::Gpu),
    (codes::GPU_FABRIC_MANAGER, "gpu-fabric-manager", Topic::Gpu),
    (codes::GPU_UNHEALTHY, "gpu-health", Topic::Gpu),
    (codes::DATA_FILESYSTEM, "data-filesystem", Topic::Storage),
    (codes::MOUNT_NOT_PERMANENT, "data-mount", Topic::Storage),
    (codes::READ_ONLY, "read-only", Topic::Storage),
    (codes::NO_EXEC, "noexec", Topic::Storage),
    (codes::TOO_LITTLE_SPACE, "disk-space", Topic::Storage),
    (codes::TOO_FEW_INODES, "inodes", Topic::Storage),
    (codes::SLOW_SYNC, "disk-sync", Topic::Storage),
    (codes::NO_BARRIERS, "disk-barriers", Topic::Storage),
    (codes::SWAP_ON, "swap", Topic::Machine),
    (codes::CLOCK_WRONG, "clock", Topic::Clock),
    (codes::NODE_CLOCK, "clock-ahead", Topic::Clock),
    (codes::HARDWARE_CLOCK, "hardware-clock", Topic::Clock),
    (codes::OTHER_KUBERNETES, "other-kubernetes", Topic::System),
    (codes::PORT_IN_USE, "ports", Topic::Network),
    (codes::BAD_HOSTNAME, "hostname", Topic::Network),
    (codes::IPV6_UNSUPPORTED, "ipv6", Topic::Network),
    (codes::NO_ADDRESS, "address", Topic::Network),
    (codes::ADDRESS_AMBIGUOUS, "address-choice", Topic::Network),
    (codes::ADDRESS_NOT_HERE, "address-of-host", Topic::Network),
    (codes::RANGES_OVERLAP, "address-ranges", Topic::Network),
    (codes::FIREWALL_CLOSED, "firewall", Topic::Network),
    (codes::FIREWALL_UNREAD, "firewall-unread", Topic::Network),
    (codes::FIREWALL_INBOUND, "firewall-inbound", Topic::Network),
    (codes::FIREWALL_FLUSHES, "firewall-flush", Topic::Network),
    (codes::NO_NAMESERVER, "nameserver", Topic::Network),
    (codes::UPGRADE_UNREADY, "site-ready", Topic::Site),
    (codes::KEPT_DATA, "kept-data", Topic::Site),
    (codes::KEPT_AMBIGUOUS, "kept-data-clear", Topic::Site),
    (codes::KEPT_MISSING, "kept-data-present", Topic::Site),
    (codes::KEPT_UNCLAIMED, "kept-data-claimed", Topic::Site),
    (codes::SITE_SECRET_MISSING, "site-secrets", Topic::Site),
    (codes::SITE_SECRET_UNFIT, "site-secrets-fit", Topic::Site),
    (codes::RULE_UNUSABLE, "rule-unusable", Topic::Rules),
    (codes::RULE_NOT_MET, "rule", Topic::Rules),
    (codes::LICENSE_UNJUDGED, "license-unjudged", Topic::License),
];

/// Prefix of the licenses' codes, which share one name.
const OF_LICENSES: &str = "LF47";

/// Returns the catalog entry for a code.
pub(super) fn entry(code: &str) -> Entry {
    let mut numbered = ENTRIES.iter().zip(0..);
    if let Some(((_, name, topic), rank)) = numbered.find(|((known, ..), _)| known.id == code) {
        return Entry { name, topic: *topic, rank };
    }
    let (name, topic) = if code.starts_with(OF_LICENSES) { ("license", Topic::License) } else { ("site", Topic::Site) };
    Entry { name, topic, rank: ENTRIES.len() }
}

/// Returns the names that findings can have, except those of a release's rules.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    ENTRIES.iter().map(|(_, name, _)| *name).chain(["license"])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn catalog_names_are_unique_kebab_case() {
        let mut seen = BTreeSet::new();
        for (code, name, _) in ENTRIES {
            assert!(
                name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'),
                "{name}"
            );
            assert!(seen.insert(*name) && seen.insert(code.id), "{name} or {} occurs twice", code.id);
        }
    }

    /// A blocker that the catalog lacks would share the default name.
    #[test]
    fn preflight_codes_have_own_names() {
        // Errors of a facts file, a command or the probe itself are not findings.
        let none = [
            codes::NOT_READY,
            codes::FACTS_FILE,
            codes::ACCEPTED_UNKNOWN,
            codes::GPU_PROBE_NOT_RUN,
            codes::GPU_PROBE_TIMED_OUT,
            codes::GPU_FACTS_MALFORMED,
            codes::GPU_FACTS_SCHEMA,
            // Refusals of host packs, which are not findings.
            codes::HOST_PACK_UNFIT,
            codes::HOST_PACK_CONFLICT,
            codes::HOST_PACK_DIFFERS,
            codes::HOST_PACKAGES_REFUSED,
            // Errors of a probe of an existing cluster, which prints facts without findings.
            codes::PROBE_NOT_PERMITTED,
            codes::PROBE_NOT_RUN,
            codes::PROBE_NO_FACTS,
            codes::PROBE_LEFTOVER,
        ];
        let of_preflight = codes::ALL.iter().filter(|code| code.id.starts_with("LF30"));
        for code in of_preflight.filter(|code| none.iter().all(|other| other.id != code.id)) {
            assert_ne!(entry(code.id).name, "site", "{}", code.id);
        }
    }
}
