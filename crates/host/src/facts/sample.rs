//! Sample facts of a host, for tests that collect none.

use std::collections::BTreeMap;

use super::{
    CgroupDriver, Cgroups, Cpu, DataFolder, Facts, Filesystem, Listener, Network, NodeAddress, Security, Speeds,
};

/// Returns facts about a small, current host that meets all requirements; each test changes the part under test.
pub fn sample() -> Facts {
    Facts {
        collected_at: "2026-01-01T00:00:00Z".to_owned(),
        clock_seen: None,
        root: true,
        platform: "linux/amd64".to_owned(),
        kernel: "6.1.0-18-amd64".to_owned(),
        operating_system: "debian 12".to_owned(),
        hostname: "node-1".to_owned(),
        systemd: true,
        cgroups: Cgroups {
            version: 2,
            driver: CgroupDriver::Systemd,
            controllers: ["cpu", "cpuset", "memory", "pids"].map(str::to_owned).to_vec(),
        },
        lowers_oom_score: true,
        cores: 4,
        memory_bytes: 16 << 30,
        swap_bytes: 0,
        filesystems: vec![filesystem()],
        data_folder: DataFolder {
            mount: "/".to_owned(),
            kind: "ext4".to_owned(),
            xfs_without_ftype: false,
            permanent: true,
        },
        network: network(),
        // As on Debian, all of them are modules, and already loaded.
        modules: ["overlay", "br_netfilter", "nf_conntrack", "vxlan"].map(str::to_owned).to_vec(),
        missing_modules: Vec::new(),
        can_load_modules: true,
        limits: BTreeMap::from([("fs.inotify.max_user_instances".to_owned(), 128)]),
        selinux: None,
        leftovers: Vec::new(),
        gpus: None,
        cpu: Some(cpu()),
        security: Some(security()),
        clock_source: Some("tsc".to_owned()),
        time_program: Some("chronyd".to_owned()),
        glibc: Some("2.36".to_owned()),
        speeds: Some(Speeds {
            write_bytes_per_second: 400 << 20,
            read_bytes_per_second: 500 << 20,
            hash_bytes_per_second: 1 << 30,
            sync_p99_micros: 2000,
        }),
        step_times: BTreeMap::new(),
        missing_kernel_options: Some(Vec::new()),
        kernel_settings: BTreeMap::from([("vm.max_map_count".to_owned(), 65_530)]),
        clock_drift_ppb: None,
        ahead_of_hardware_clock_seconds: Some(0),
    }
}

/// Returns the only filesystem of the same host.
fn filesystem() -> Filesystem {
    Filesystem {
        paths: ["/var/lib/landfall", "/etc", "/usr/local/bin", "/var/log"].map(str::to_owned).to_vec(),
        total_bytes: 100 << 30,
        free_bytes: 80 << 30,
        free_inodes: Some(6_000_000),
        read_only: false,
        no_exec: Vec::new(),
        kind: "ext4".to_owned(),
        options: ["rw", "relatime"].map(str::to_owned).to_vec(),
        rotates: Some(false),
    }
}

fn cpu() -> Cpu {
    Cpu {
        model: "Example processor".to_owned(),
        features: ["sse4_2", "avx", "avx2"].map(str::to_owned).to_vec(),
        level: Some(3),
        numa_nodes: 1,
    }
}

fn security() -> Security {
    Security { secure_boot: Some(false), app_armor: true, fapolicyd: false, endpoint_programs: Some(Vec::new()) }
}

/// Returns the network of the same host.
fn network() -> Network {
    Network {
        addresses: vec![NodeAddress { interface: "eth0".to_owned(), address: [10, 99, 0, 11].into(), prefix: 24 }],
        default_route: Some("eth0".to_owned()),
        mtu: Some(1500),
        nameservers: vec!["10.99.0.1".to_owned()],
        ports_in_use: vec![22],
        udp_ports_in_use: vec![323],
        listeners: vec![Listener { port: 22, program: "sshd".to_owned(), pid: 700 }],
        networks: vec!["10.99.0.0/24".to_owned()],
        filter_tables: Vec::new(),
        firewalld: None,
        closed_chains: Vec::new(),
        legacy_filter_unread: false,
        flushes_ruleset: false,
    }
}

/// Returns a host that has only these files.
#[cfg(test)]
pub(super) fn host(files: &[(&str, &str)]) -> (tempfile::TempDir, crate::paths::SitePaths) {
    let folder = tempfile::tempdir().unwrap();
    let paths = crate::paths::SitePaths::below(folder.path());
    for (path, text) in files {
        let path = paths.host(path);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        landfall_media::durable::write_file(&path, text.as_bytes(), 0o644).unwrap();
    }
    (folder, paths)
}
