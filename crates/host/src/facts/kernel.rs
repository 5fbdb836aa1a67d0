//! Facts of the kernel's build and of settings that software requires.

use std::collections::BTreeMap;
use std::io::Read as _;

use flate2::read::GzDecoder;

use super::host::read;
use crate::paths::SitePaths;

/// Options that kubelet, containerd, flannel and kube-proxy (which writes nftables rules) require, as the kernel's
/// build names them. Those that exist as modules are also checked among the modules.
const NEEDED: [&str; 24] = [
    "BRIDGE",
    "BRIDGE_NETFILTER",
    "CFS_BANDWIDTH",
    "CGROUPS",
    "CGROUP_BPF",
    "CGROUP_PIDS",
    "CPUSETS",
    "IPC_NS",
    "MEMCG",
    "NETFILTER",
    "NET_NS",
    "NFT_CT",
    "NFT_MASQ",
    "NFT_NAT",
    "NFT_NUMGEN",
    "NFT_REJECT",
    "NF_CONNTRACK",
    "NF_TABLES",
    "OVERLAY_FS",
    "PID_NS",
    "SECCOMP_FILTER",
    "UTS_NS",
    "VETH",
    "VXLAN",
];

/// Upper limit of a kernel's configuration in bytes: ten times that of distributions.
const CONFIGURATION_BYTES: u64 = 4 << 20;

/// Settings that rules of releases may query, in addition to those with a minimum of Landfall's own.
const SETTINGS: [&str; 9] = [
    "fs.file-max",
    "kernel.pid_max",
    "kernel.threads-max",
    "net.core.somaxconn",
    "net.netfilter.nf_conntrack_max",
    "user.max_user_namespaces",
    "vm.max_map_count",
    "vm.overcommit_memory",
    "vm.swappiness",
];

/// Returns needed options that the running kernel lacks; `None` if its configuration cannot be read.
pub(super) fn missing_options(paths: &SitePaths) -> Option<Vec<String>> {
    let text = configuration(paths)?;
    // An option that the text does not mention may have another name in that kernel: only an explicit "not set" counts
    // as missing.
    let is_denied = |option: &&&str| {
        let denial = format!("# CONFIG_{option} is not set");
        text.lines().any(|line| line == denial)
    };
    Some(NEEDED.iter().filter(is_denied).map(|option| format!("CONFIG_{option}")).collect())
}

/// Returns the configuration of the running kernel: its own copy, or the distribution's.
fn configuration(paths: &SitePaths) -> Option<String> {
    let own = fs_err::File::open(paths.host("/proc/config.gz")).ok().and_then(|file| {
        let mut text = String::new();
        GzDecoder::new(file).take(CONFIGURATION_BYTES).read_to_string(&mut text).ok()?;
        Some(text)
    });
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let places = [format!("/boot/config-{release}"), format!("/lib/modules/{release}/config")];
    let kept = places.iter().map(|place| read(&paths.host(place)));
    own.into_iter().chain(kept).find(|text| !text.is_empty())
}

/// Returns current values of the settings, by name.
pub(super) fn settings(paths: &SitePaths) -> BTreeMap<String, u64> {
    let current = |name: &str| read(&paths.host("/proc/sys").join(name.replace('.', "/"))).trim().parse().ok();
    SETTINGS.iter().filter_map(|name| Some(((*name).to_owned(), current(name)?))).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::facts::sample::host;

    #[test]
    fn only_denied_options_are_missing() {
        let release = rustix::system::uname().release().to_string_lossy().into_owned();
        let text = "CONFIG_NETFILTER=y\nCONFIG_VXLAN=m\n# CONFIG_NFT_NUMGEN is not set\n# CONFIG_BRIDGE is not set\n\
                    # CONFIG_NFT_NUMGEN_EXTRA is not set\n";
        for place in [format!("/boot/config-{release}"), format!("/lib/modules/{release}/config")] {
            let (_folder, paths) = host(&[(&place, text)]);
            let missing = missing_options(&paths).unwrap();
            assert_eq!(missing, ["CONFIG_BRIDGE", "CONFIG_NFT_NUMGEN"], "{place}");
        }
        assert_eq!(missing_options(&host(&[("/boot/config-1.0", text)]).1), None, "another kernel's");
    }

    #[test]
    fn running_kernel_configuration_comes_first() {
        let release = rustix::system::uname().release().to_string_lossy().into_owned();
        let kept = format!("/boot/config-{release}");
        let (_folder, paths) = host(&[("/proc/config.gz", ""), (&kept, "# CONFIG_VETH is not set\n")]);
        assert_eq!(missing_options(&paths).unwrap(), ["CONFIG_VETH"], "an empty file is no copy");
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(b"CONFIG_VETH=y\n# CONFIG_VXLAN is not set\n").unwrap();
        let own = paths.host("/proc/config.gz");
        landfall_media::durable::write_file(&own, &packed.finish().unwrap(), 0o444).unwrap();
        assert_eq!(missing_options(&paths).unwrap(), ["CONFIG_VXLAN"]);
    }

    #[test]
    fn only_numeric_kernel_settings_are_read() {
        let (_folder, paths) = host(&[
            ("/proc/sys/vm/max_map_count", "65530\n"),
            ("/proc/sys/vm/overcommit_memory", "many\n"),
            ("/proc/sys/kernel/threads-max", "127000\n"),
        ]);
        let expected = [("kernel.threads-max", 127_000), ("vm.max_map_count", 65_530)];
        assert_eq!(settings(&paths), BTreeMap::from(expected.map(|(name, value)| (name.to_owned(), value))));
    }
}
