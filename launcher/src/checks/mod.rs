//! Checks that turn facts into a list of missing items. They are pure functions.

use std::collections::BTreeSet;

use crate::command::Work;
use crate::facts::{Cgroups, Disk, Facts, Go, Rust, System, Version};
use crate::{packages, TARGET};

const GIB: u64 = 1 << 30;

/// Required memory: that of an 8 GiB machine, less the kernel's share.
const MEMORY_BYTES: u64 = 7 * GIB + GIB / 4;

/// Space for the whole cache, if it is empty and if it is filled.
const CACHE_COLD_BYTES: u64 = 15 * GIB;
const CACHE_WARM_BYTES: u64 = 3 * GIB;

/// Space for this clone's build folder with tests, demo and bundle, and for compiling only the commands.
const BUILD_BYTES: u64 = 10 * GIB;
const COMMANDS_BYTES: u64 = GIB;

/// Space for files that the tests create: bundles on sticks, vendors' trees, and disks of machines.
const TESTS_BYTES: u64 = 6 * GIB;

/// Supported systems, with the oldest release of each.
const SYSTEMS: &[(&str, u32)] = &[("debian", 12), ("ubuntu", 22)];

/// A missing item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The item, and what was found instead.
    pub what: String,
    /// Commands that fix it, or a sentence if no command does.
    pub help: Vec<String>,
    /// The fix that the launcher may apply.
    pub remedy: Remedy,
}

/// The means of providing a missing item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Only a user can provide it.
    Person,
    /// Packages, which apt installs as root.
    Packages(BTreeSet<&'static str>),
    /// The target, which rustup adds.
    Target,
    /// Components, which rustup adds.
    Components(Vec<&'static str>),
}

impl Finding {
    fn of_a_person(what: impl Into<String>, help: &[&str]) -> Self {
        let help = help.iter().map(|line| (*line).to_owned()).collect();
        Self { what: what.into(), help, remedy: Remedy::Person }
    }
}

/// Returns everything that this machine lacks for this work, in the order in which a user would provide it.
pub fn findings(facts: &Facts, works: &BTreeSet<Work>) -> Vec<Finding> {
    let does = |work: Work| works.contains(&work);
    let assembles = does(Work::Parts) || does(Work::Machines) || does(Work::VirtualMachines);
    let mut found = Vec::new();
    found.extend(architecture(&facts.architecture));
    if works.len() > 1 {
        found.extend(system(&facts.system));
    }
    // Some tests mount failing and full disks.
    if (assembles || does(Work::Tests)) && !facts.is_root {
        found.push(root());
    }
    found.extend(rust(facts.rust.as_ref(), does(Work::Lint)));
    found.extend(debian_packages(facts, does(Work::Parts)));
    found.extend(browser_of_ubuntu(facts));
    if does(Work::Parts) {
        found.extend(go(facts.go.as_ref(), facts.go_wanted));
    }
    if does(Work::Parts) || does(Work::Browser) {
        found.extend(loopback(facts.loopback_proxy.as_deref()));
    }
    if does(Work::Machines) || does(Work::VirtualMachines) {
        found.extend(memory(facts.memory_bytes));
    }
    found.extend(facts.disks.iter().filter_map(|disk| room(disk, works, facts.is_warm)));
    if does(Work::Machines) {
        found.extend(kernel(facts));
    }
    found.extend(facts.unreachable.iter().map(|source| Finding {
        what: format!("access to {}: {}", source.what, source.reason),
        help: vec![source.command.clone(), "check the client's own configuration, and HTTPS_PROXY".to_owned()],
        remedy: Remedy::Person,
    }));
    found
}

fn architecture(name: &str) -> Option<Finding> {
    let wrong = name != "x86_64";
    wrong.then(|| Finding::of_a_person(format!("an x86-64 machine: this one is {name}"), &["use an x86-64 machine"]))
}

fn system(system: &System) -> Option<Finding> {
    let known = SYSTEMS.iter().find(|(id, _)| *id == system.id);
    let name = if system.name.is_empty() { "an unknown one" } else { system.name.as_str() };
    let release = system.version.split('.').next().and_then(|number| number.parse::<u32>().ok());
    match known {
        None => Some(Finding::of_a_person(
            format!("Debian 12 or Ubuntu 22.04, or a newer one of either: this machine runs {name}"),
            &["run the command on one of them, or in a virtual machine that does"],
        )),
        // A Debian testing release has no number yet.
        Some((_, oldest)) if release.map_or(false, |release| release < *oldest) => Some(Finding::of_a_person(
            format!("Debian 12 or Ubuntu 22.04, or a newer one of either: this machine runs {name}"),
            &["upgrade the machine"],
        )),
        _ if !system.has_apt_sources => Some(Finding::of_a_person(
            "a package source in apt's configuration: there is none",
            &["add the distribution's archive to /etc/apt/sources.list.d", "apt-get update"],
        )),
        _ => None,
    }
}

fn root() -> Finding {
    Finding::of_a_person(
        "root: tests, images and test machines are made of mounts, namespaces and loop devices",
        &["run the same command as root, for example from `sudo --login`"],
    )
}

fn rust(rust: Option<&Rust>, lints: bool) -> Vec<Finding> {
    let rust = match rust {
        Some(rust) => rust,
        None => return vec![Finding::of_a_person("Rust: rustc cannot be started", &["check that rustc is in PATH"])],
    };
    if rust.version < rust.wanted {
        let help = if rust.has_rustup {
            format!("rustup update stable && rustup default stable, or rustup default {}", version_text(rust.wanted))
        } else {
            format!("install Rust {} or newer with rustup: this one came without it", version_text(rust.wanted))
        };
        let what = format!("Rust {} or newer: this one is {}", version_text(rust.wanted), version_text(rust.version));
        // Anything else that this toolchain lacks does not matter, because another one replaces it.
        return vec![Finding::of_a_person(what, &[&help])];
    }
    let mut found = Vec::new();
    if !rust.has_target {
        found.push(target(rust.has_rustup));
    }
    if lints && !rust.missing_components.is_empty() {
        found.push(components(rust));
    }
    found
}

fn target(has_rustup: bool) -> Finding {
    let what = format!("Rust's standard library for {TARGET}");
    if has_rustup {
        return Finding { what, help: vec![format!("rustup target add {TARGET}")], remedy: Remedy::Target };
    }
    Finding::of_a_person(
        what,
        &["install the distribution's package of it, or Rust with rustup instead of the distribution's"],
    )
}

fn components(rust: &Rust) -> Finding {
    let names = rust.missing_components.join(" ");
    let what = format!("Rust components for the lints: {names}");
    if rust.has_rustup {
        let remedy = Remedy::Components(rust.missing_components.clone());
        return Finding { what, help: vec![format!("rustup component add {names}")], remedy };
    }
    Finding::of_a_person(what, &["install the distribution's packages of them"])
}

fn debian_packages(facts: &Facts, assembles: bool) -> Vec<Finding> {
    let mut missing = facts.missing_packages.clone();
    if assembles && !facts.has_pip {
        missing.extend(packages::PYTHON);
    }
    missing.extend(facts.missing_browser.iter().filter(|package| !is_foreign(facts, package)));
    let mut found = Vec::new();
    if !missing.is_empty() {
        let names = missing.iter().copied().collect::<Vec<_>>().join(" ");
        found.push(Finding {
            what: format!("Debian packages: {names}"),
            help: vec![format!("apt-get install --no-install-recommends {names}")],
            remedy: if facts.is_root { Remedy::Packages(missing) } else { Remedy::Person },
        });
    }
    found.extend(facts.missing_programs.iter().map(|(package, program)| {
        Finding::of_a_person(
            format!("{program} in PATH: the package {package} is installed, and PATH does not lead to its program"),
            &[&format!("dpkg --listfiles {package}"), "add the folder of the program to PATH"],
        )
    }));
    found
}

/// Returns true if Ubuntu has this package only in a form that differs from Debian's.
fn is_foreign(facts: &Facts, package: &str) -> bool {
    facts.system.id == "ubuntu" && packages::BROWSER_OF_DEBIAN.contains(&package)
}

/// Reports a missing browser on Ubuntu. Its browser packages install a snap, which does not work in a container.
fn browser_of_ubuntu(facts: &Facts) -> Option<Finding> {
    let is_missing = facts.missing_browser.iter().any(|package| is_foreign(facts, package));
    is_missing.then(|| {
        Finding::of_a_person(
            "chromium and chromedriver in PATH: Ubuntu has no packages with them",
            &[
                "snap install chromium && ln -s /snap/bin/chromium.chromedriver /usr/local/bin/chromedriver",
                "or leave these tests out: cargo xtask test --only NAME runs another part",
            ],
        )
    })
}

fn go(go: Option<&Go>, wanted: Version) -> Option<Finding> {
    let newer = format!("Go {} or newer", version_text(wanted));
    let install = format!("install {newer}, and put its bin folder first in PATH");
    let go = match go {
        Some(go) => go,
        None => return Some(Finding::of_a_person(format!("{newer}: go cannot be started"), &[&install])),
    };
    if go.version >= wanted {
        return None;
    }
    let what = format!("{newer}: this one is {}", version_text(go.version));
    // Since version 1.21, Go downloads a newer toolchain automatically, unless it is configured to stay local.
    if go.version < (1, 21, 0) {
        return Some(Finding::of_a_person(what, &[&install]));
    }
    let stays = go.toolchain == "local" || go.toolchain.starts_with("go1");
    let what = format!("{what}, and GOTOOLCHAIN={} keeps it from fetching a newer one", go.toolchain);
    stays.then(|| Finding::of_a_person(what, &["go env -w GOTOOLCHAIN=auto, or unset the variable", &install]))
}

fn loopback(proxy: Option<&str>) -> Option<Finding> {
    proxy.map(|proxy| {
        Finding::of_a_person(
            format!("direct access to loopback: requests to 127.0.0.1 would go to the proxy {proxy}"),
            &["export NO_PROXY=127.0.0.1,localhost"],
        )
    })
}

fn memory(bytes: u64) -> Option<Finding> {
    let what = format!("8 GiB of memory for a machine that runs Kubernetes: {} are here", gib(bytes));
    (bytes < MEMORY_BYTES).then(|| Finding::of_a_person(what, &["use a machine with more memory"]))
}

/// Returns a finding if the filesystem has too little space for the files of this work.
fn room(disk: &Disk, works: &BTreeSet<Work>, is_warm: bool) -> Option<Finding> {
    let mut wanted = 0;
    if disk.has_clone && !works.contains(&Work::Removal) {
        wanted += if works.len() > 1 { BUILD_BYTES } else { COMMANDS_BYTES };
        wanted += if works.contains(&Work::Tests) { TESTS_BYTES } else { 0 };
    }
    let fills = [Work::Parts, Work::Machines, Work::VirtualMachines].iter().any(|work| works.contains(work));
    if disk.has_cache && fills {
        wanted += if is_warm { CACHE_WARM_BYTES } else { CACHE_COLD_BYTES };
    }
    let folder = disk.folder.display();
    let what = format!("{} of free disk at {folder}: {} are free", gib(wanted), gib(disk.free_bytes));
    let help: &[&str] = if disk.has_cache {
        &["free some space, or name a folder elsewhere: export LANDFALL_CACHE=/path"]
    } else {
        &["free some space, or clone elsewhere"]
    };
    (disk.free_bytes < wanted).then(|| Finding::of_a_person(what, help))
}

fn kernel(facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    if !facts.has_loop_devices {
        found.push(Finding::of_a_person(
            "loop devices: /dev/loop-control is missing, and test machines have their own disks",
            &["modprobe loop", "in a container: docker run --privileged --volume /dev:/dev …"],
        ));
    }
    found.extend(cgroups(facts.cgroups));
    if !facts.missing_modules.is_empty() {
        let names = facts.missing_modules.iter().copied().collect::<Vec<_>>().join(" ");
        found.push(Finding::of_a_person(
            format!("kernel modules that Kubernetes' network needs: {names}"),
            &[&format!("modprobe --all {names}"), "in a container: load them on its host"],
        ));
    }
    found
}

fn cgroups(cgroups: Cgroups) -> Option<Finding> {
    let (what, help): (&str, &[&str]) = match cgroups {
        Cgroups::Delegable => return None,
        Cgroups::NoVersion2 => (
            "a cgroup version 2 hierarchy: test machines are frozen and killed through it",
            &["mkdir -p /sys/fs/cgroup/unified && mount -t cgroup2 none /sys/fs/cgroup/unified"],
        ),
        Cgroups::ReadOnly => (
            "cgroups that can be changed: they are mounted read-only",
            &["in a container: docker run --privileged --cgroupns host …"],
        ),
        Cgroups::Occupied => (
            "a root cgroup without processes: this container's has some, so the kernel refuses groups below it (EBUSY)",
            &[
                "mkdir -p /sys/fs/cgroup/init && \
                 xargs -rn1 sh -c 'echo $0 >/sys/fs/cgroup/init/cgroup.procs' </sys/fs/cgroup/cgroup.procs",
                "or start the container with --cgroupns host",
            ],
        ),
    };
    Some(Finding::of_a_person(what, help))
}

fn version_text(version: Version) -> String {
    format!("{}.{}.{}", version.0, version.1, version.2)
}

/// Formats bytes as GiB, rounded down to a tenth so that the available amount is never overstated.
fn gib(bytes: u64) -> String {
    format!("{}.{} GiB", bytes / GIB, bytes % GIB * 10 / GIB)
}

#[cfg(test)]
mod tests;
