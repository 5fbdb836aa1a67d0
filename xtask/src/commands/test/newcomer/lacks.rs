//! Items that a machine may lack, with the way to remove each and the words that name it.

use super::bare::Machine;

/// One item that a machine may lack.
pub struct Lack {
    /// Name used in this test.
    pub name: &'static str,
    /// Function that removes it.
    pub take: fn(&mut Machine),
    /// Words that the launcher must then report.
    pub words: &'static [&'static str],
    /// Reason why it is not named if everything is missing.
    pub stays_alone: Option<&'static str>,
}

const fn lack(name: &'static str, take: fn(&mut Machine), words: &'static [&'static str]) -> Lack {
    Lack { name, take, words, stays_alone: None }
}

/// Fake interpreter without pip.
const PYTHON: &str = "exit 1";

/// Fake `dpkg-query` that knows no package.
const DPKG: &str = "exit 1";

/// Every item that can be removed without changing the machine.
pub const LACKS: &[Lack] = &[
    lack("C compiler for the target", |machine| machine.hide(&["musl-gcc"]), &["musl-gcc in PATH"]),
    lack("linker", |machine| machine.hide(&["ld.lld"]), &["ld.lld in PATH: the package lld"]),
    lack("C compiler's own name", |machine| machine.hide(&["gcc"]), &["gcc in PATH: the package gcc"]),
    lack("mmdebstrap", |machine| machine.hide(&["mmdebstrap"]), &["mmdebstrap in PATH"]),
    lack("iptables", |machine| machine.hide(&["iptables-nft"]), &["iptables-nft in PATH: the package iptables"]),
    lack("readelf", |machine| machine.hide(&["readelf"]), &["readelf in PATH"]),
    Lack {
        name: "Go",
        take: |machine| machine.hide(&["go"]),
        words: &["go cannot be started"],
        stays_alone: Some("an old Go takes its place"),
    },
    lack(
        "newer Go",
        |machine| machine.fake("go", "printf 'go1.22.1\\nlocal\\n'"),
        &["this one is 1.22.1, and GOTOOLCHAIN=local"],
    ),
    lack("pip", |machine| machine.fake("python3", PYTHON), &["python3-pip"]),
    lack(
        "browser",
        |machine| machine.hide(&["chromium", "chromedriver", "npm"]),
        &["chromium", "chromium-driver", "npm"],
    ),
    Lack {
        name: "Debian packages",
        take: |machine| machine.fake("dpkg-query", DPKG),
        words: &["Debian packages: b3sum", "mmdebstrap", "tcpdump"],
        stays_alone: Some("missing programs belong to installed packages"),
    },
    lack(
        "known system",
        |machine| machine.cover("/etc/os-release", "ID=fedora\nVERSION_ID=44\nPRETTY_NAME=\"Fedora Linux 44\"\n"),
        &["this machine runs Fedora Linux 44"],
    ),
    lack("memory", |machine| machine.cover("/proc/meminfo", "MemTotal:  4000000 kB\n"), &["8 GiB of memory"]),
    lack("loop devices", Machine::without_devices, &["loop devices:"]),
    lack(
        "kernel modules",
        Machine::without_modules,
        &["kernel modules that Kubernetes' network needs: br_netfilter nf_tables vxlan"],
    ),
    lack("cgroups", Machine::without_cgroups, &["a cgroup version 2 hierarchy"]),
    Lack {
        name: "cgroups without processes in their root",
        take: Machine::with_occupied_cgroups,
        words: &["a root cgroup without processes", "(EBUSY)"],
        stays_alone: Some("there are no cgroups at all"),
    },
    Lack {
        name: "cgroups that can be changed",
        take: Machine::with_read_only_cgroups,
        words: &["cgroups that can be changed: they are mounted read-only"],
        stays_alone: Some("there are no cgroups at all"),
    },
    lack("root", Machine::without_root, &["root: tests, images and test machines"]),
    lack(
        "network",
        Machine::cut_off,
        &[
            "access to crates",
            "access to Debian packages",
            "requests to 127.0.0.1 would go to the proxy http://127.0.0.1:9",
        ],
    ),
    // This follows the entries that move the cache. The number of bytes distinguishes it from this machine's own disk,
    // which may be nearly full as well.
    lack("disk", Machine::small_cache, &[": 0.0 GiB are free"]),
    Lack {
        name: "network for Go, Python and npm",
        take: Machine::cut_off,
        words: &["access to Go modules", "access to Python packages", "access to npm packages"],
        stays_alone: Some("their clients are also missing"),
    },
];
