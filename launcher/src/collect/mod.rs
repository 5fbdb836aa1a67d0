//! Collects facts about this machine. A fact that cannot be determined counts as good: the real command reports the
//! problem.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::Work;
use crate::facts::{Cgroups, Disk, Facts, Go, Rust, System, Version};
use crate::toolchain::cargo;
use crate::{cache, packages, probe, TARGET};

/// Folder of the node pack's recipes, relative to the clone.
const GO_RECIPES: &str = "tests/images/node-pack";

/// Kernel modules that Kubernetes networking needs, each with a file that exists while the module is in use.
const MODULES: &[(&str, &str)] =
    &[("vxlan", "/sys/module/vxlan"), ("br_netfilter", "/proc/sys/net/bridge"), ("nf_tables", "/sys/module/nf_tables")];

/// Kind of the cache entry that is built last, from all real parts.
const LAST_ENTRY: &str = "registry";

/// Kind of the cache entry that npm fills.
const AXE: &str = "axe";

/// Collects the facts that the checks of this work need. Package sources are tried only if something must be
/// downloaded.
pub fn facts(clone: &Path, works: &BTreeSet<Work>) -> Facts {
    let missing_packages = missing_packages(&packages::of(works));
    let has_pip = !works.contains(&Work::Parts) || succeeds("python3", &["-m", "pip", "--version"]);
    let missing_browser = if works.contains(&Work::Browser) { missing_browser() } else { BTreeSet::new() };
    let is_warm = cache::holds(LAST_ENTRY);
    let fetches_packages = !missing_packages.is_empty() || !missing_browser.is_empty() || !has_pip;
    let has_npm = !missing_browser.contains("npm");
    let rust = rust(clone, works.contains(&Work::Lint));
    // An outdated cargo queries differently; its replacement is queried once it is installed.
    let is_new_enough = rust.as_ref().map_or(false, |rust| rust.version >= rust.wanted);
    let sources = probe::Sources {
        crates: is_new_enough && !probe::has_crates(clone),
        go: works.contains(&Work::Parts) && !is_warm,
        python: works.contains(&Work::Parts) && !is_warm && has_pip,
        npm: works.contains(&Work::Browser) && has_npm && !cache::holds(AXE),
        debian: fetches_packages || (works.contains(&Work::Parts) && !is_warm),
    };
    Facts {
        is_root: effective_user() == Some(0),
        system: system(),
        architecture: read("/proc/sys/kernel/arch").or_else(|| output("uname", &["-m"])).unwrap_or_default(),
        rust,
        missing_programs: missing_programs(&packages::of(works), &missing_packages),
        missing_packages,
        go: if works.contains(&Work::Parts) { go() } else { None },
        go_wanted: go_wanted(&clone.join(GO_RECIPES)),
        has_pip,
        missing_browser,
        memory_bytes: memory_bytes(),
        disks: disks(clone),
        is_warm,
        has_loop_devices: Path::new("/dev/loop-control").exists(),
        cgroups: cgroups(),
        missing_modules: missing_modules(),
        loopback_proxy: loopback_proxy(|name| std::env::var(name).ok()),
        unreachable: probe::unreachable(clone, sources),
    }
}

fn read(path: impl AsRef<Path>) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}

/// Returns a program's stdout if it succeeds. The program runs in `/`, so that no project configures it.
fn output(program: impl AsRef<OsStr>, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).current_dir("/").output().ok()?;
    if !output.status.success() {
        return None;
    }
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn succeeds(program: &str, arguments: &[&str]) -> bool {
    output(program, arguments).is_some()
}

fn effective_user() -> Option<u32> {
    let status = read("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

fn system() -> System {
    let mut system = parse_system(&read("/etc/os-release").unwrap_or_default());
    let lists = fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten().flatten().map(|entry| entry.path());
    system.has_apt_sources = lists
        .chain([PathBuf::from("/etc/apt/sources.list")])
        .any(|list| names_a_source(&read(list).unwrap_or_default()));
    system
}

fn parse_system(text: &str) -> System {
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.unwrap_or_default().trim_matches(['"', '\''].as_slice()).to_owned()
    };
    System { id: value("ID"), version: value("VERSION_ID"), name: value("PRETTY_NAME"), has_apt_sources: false }
}

/// Returns true if an apt source list, in either format, has an active source.
fn names_a_source(text: &str) -> bool {
    text.lines()
        .map(str::trim_start)
        .any(|line| line.starts_with("deb ") || line.starts_with("deb\t") || line.starts_with("URIs:"))
}

fn rust(clone: &Path, lints: bool) -> Option<Rust> {
    let text = output("rustc", &["--version"])?;
    let sysroot = output("rustc", &["--print", "sysroot"])?;
    let libraries = Path::new(&sysroot).join("lib/rustlib").join(TARGET).join("lib");
    let has_target = fs::read_dir(libraries).map_or(false, |entries| {
        entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("libcore-"))
    });
    let companions: &[(&str, &str)] = if lints { &[("rustfmt", "fmt"), ("clippy", "clippy")] } else { &[] };
    let missing = |(name, command): &(&'static str, &str)| {
        let there = Command::new(cargo()).args([command, "--version"]).current_dir("/").output();
        let there = there.map_or(false, |output| output.status.success());
        if there {
            None
        } else {
            Some(*name)
        }
    };
    Some(Rust {
        version: version_in(&text)?,
        wanted: read(clone.join("Cargo.toml")).and_then(|text| rust_wanted(&text)).unwrap_or_default(),
        // rustup sets this variable for every program that it starts, so rustup manages this toolchain.
        has_rustup: std::env::var_os("RUSTUP_TOOLCHAIN").is_some() && succeeds("rustup", &["--version"]),
        has_target,
        missing_components: companions.iter().filter_map(missing).collect(),
    })
}

fn rust_wanted(manifest: &str) -> Option<Version> {
    version_in(manifest.lines().find_map(|line| line.strip_prefix("rust-version"))?)
}

/// Parses the first dotted number in a text: `rustc 1.95.0 (…)`, `go1.26.8`, `"1.95"`.
fn version_in(text: &str) -> Option<Version> {
    let begin = text.find(|letter: char| letter.is_ascii_digit())?;
    let text = &text[begin..];
    let end = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
    let mut numbers = text[..end].split('.').map_while(|number| number.parse().ok());
    Some((numbers.next()?, numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)))
}

fn missing_packages(wanted: &BTreeSet<&'static str>) -> BTreeSet<&'static str> {
    if wanted.is_empty() {
        return BTreeSet::new();
    }
    // The query fails if a package is unknown, but still prints the known ones.
    let query = Command::new("dpkg-query")
        .args(["--show", "--showformat=${Package} ${db:Status-Status}\n"])
        .args(wanted)
        .output();
    let text = query.map_or_else(|_| Vec::new(), |output| output.stdout);
    let text = String::from_utf8_lossy(&text).into_owned();
    let installed: BTreeSet<&str> = text.lines().filter_map(|line| line.strip_suffix(" installed")).collect();
    wanted.iter().copied().filter(|package| !installed.contains(package)).collect()
}

fn missing_programs(
    wanted: &BTreeSet<&'static str>,
    missing: &BTreeSet<&'static str>,
) -> BTreeSet<(&'static str, &'static str)> {
    let expected =
        packages::PROGRAMS.iter().filter(|(package, _)| wanted.contains(package) && !missing.contains(package));
    expected.copied().filter(|(_, program)| !is_in_path(program)).collect()
}

fn missing_browser() -> BTreeSet<&'static str> {
    packages::BROWSER.iter().filter(|(_, program)| !is_in_path(program)).map(|(package, _)| *package).collect()
}

/// Returns true if a program can be started by its name, without a path.
pub fn is_in_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    found
}

fn go() -> Option<Go> {
    let text = output("go", &["env", "GOVERSION", "GOTOOLCHAIN"])?;
    let mut lines = text.lines();
    Some(Go { version: version_in(lines.next()?)?, toolchain: lines.next().unwrap_or_default().to_owned() })
}

/// Returns the newest Go version that any recipe's go.mod requires.
fn go_wanted(recipes: &Path) -> Version {
    let modules = fs::read_dir(recipes).into_iter().flatten().flatten();
    let texts = modules.filter_map(|module| read(module.path().join("go.mod")));
    texts
        .filter_map(|text| version_in(text.lines().find_map(|line| line.strip_prefix("go "))?))
        .max()
        .unwrap_or_default()
}

/// Returns the machine's memory, or the limit of this process's cgroup if that is lower.
fn memory_bytes() -> u64 {
    let text = read("/proc/meminfo").unwrap_or_default();
    let total =
        text.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    let limit = read("/sys/fs/cgroup/memory.max").and_then(|text| text.parse().ok()).unwrap_or(u64::MAX);
    total.map_or(u64::MAX, |kib| kib * 1024).min(limit)
}

fn disks(clone: &Path) -> Vec<Disk> {
    let mut disks = Vec::<(u64, Disk)>::new();
    let folders = [(Some(clone.to_owned()), true), (cache::root(), false)];
    for (folder, is_clone) in folders {
        let folder = match folder {
            Some(folder) => nearest(&folder),
            None => continue,
        };
        let (device, free_bytes) = match (fs::metadata(&folder), free_bytes(&folder)) {
            (Ok(metadata), Some(free)) => (metadata.dev(), free),
            _ => continue,
        };
        match disks.iter_mut().find(|(known, _)| *known == device) {
            Some((_, disk)) => disk.has_cache |= !is_clone,
            None => disks.push((device, Disk { folder, free_bytes, has_clone: is_clone, has_cache: !is_clone })),
        }
    }
    disks.into_iter().map(|(_, disk)| disk).collect()
}

/// Returns the folder itself or its nearest existing ancestor.
fn nearest(folder: &Path) -> PathBuf {
    folder.ancestors().find(|folder| folder.exists()).unwrap_or_else(|| Path::new("/")).to_owned()
}

/// Returns the free bytes for this user, as reported by `df`.
fn free_bytes(folder: &Path) -> Option<u64> {
    let text = output("df", &["--output=avail", "--block-size=1", folder.to_str()?])?;
    text.lines().last()?.trim().parse().ok()
}

fn cgroups() -> Cgroups {
    let root = Path::new("/sys/fs/cgroup");
    let is_version2 = root.join("cgroup.controllers").exists();
    if !is_version2 && !root.join("unified/cgroup.controllers").exists() {
        return Cgroups::NoVersion2;
    }
    if is_read_only(&read("/proc/self/mounts").unwrap_or_default(), "/sys/fs/cgroup") && is_version2 {
        return Cgroups::ReadOnly;
    }
    // Only the machine's own root cgroup has no type, and only it may hold processes next to groups with controllers.
    let list = |name: &str| read(root.join(name)).unwrap_or_default();
    let enabled = list("cgroup.subtree_control");
    let lacks = |name: &str| !enabled.split_whitespace().any(|known| known == name);
    let is_occupied = root.join("cgroup.type").exists()
        && !list("cgroup.procs").is_empty()
        && list("cgroup.controllers").split_whitespace().any(lacks);
    if is_version2 && is_occupied {
        Cgroups::Occupied
    } else {
        Cgroups::Delegable
    }
}

fn is_read_only(mounts: &str, folder: &str) -> bool {
    let fields = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let last = mounts.lines().map(fields).rfind(|fields| fields.get(1).map_or(false, |found| found == folder));
    last.and_then(|fields| fields.get(3).map(|options| options.split(',').any(|option| option == "ro")))
        .unwrap_or(false)
}

fn missing_modules() -> BTreeSet<&'static str> {
    let release = read("/proc/sys/kernel/osrelease").unwrap_or_default();
    let folder = Path::new("/lib/modules").join(release);
    // Without a modules folder, nothing can be loaded, and no list shows built-in modules. They count as present.
    if !folder.is_dir() {
        return BTreeSet::new();
    }
    let loaded = read("/proc/modules").unwrap_or_default();
    let lists = [read(folder.join("modules.builtin")), read(folder.join("modules.dep"))];
    let is_there = |(name, sign): &&(&str, &str)| {
        Path::new(sign).exists()
            || loaded.lines().any(|line| line.split(' ').next() == Some(*name))
            || lists.iter().flatten().any(|list| is_listed(list, name))
    };
    MODULES.iter().filter(|module| !is_there(module)).map(|(name, _)| *name).collect()
}

/// Returns true if a list that ships with the kernel contains a module. Its lines begin with a path, such as
/// `kernel/drivers/a/b.ko.xz:`.
fn is_listed(list: &str, module: &str) -> bool {
    list.lines()
        .filter_map(|line| line.split(':').next()?.rsplit('/').next()?.split('.').next())
        .any(|name| name.replace('-', "_") == module)
}

/// Returns the HTTP proxy if nothing exempts loopback from it. Requests to loopback are plain HTTP.
fn loopback_proxy(variable: impl Fn(&str) -> Option<String>) -> Option<String> {
    let either =
        |name: &str| variable(name).or_else(|| variable(&name.to_ascii_uppercase())).filter(|value| !value.is_empty());
    let proxy = either("http_proxy").or_else(|| either("all_proxy"))?;
    let exempt = either("no_proxy").unwrap_or_default();
    let is_exempt = exempt.split(',').map(str::trim).any(|name| matches!(name, "*" | "127.0.0.1" | "127.0.0.0/8"));
    if is_exempt {
        None
    } else {
        Some(without_credentials(&proxy))
    }
}

/// Removes credentials from a proxy's address: a password must not reach a log.
fn without_credentials(address: &str) -> String {
    match (address.find("://"), address.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => format!("{}://{}", &address[..scheme], &address[at + 1..]),
        (None, Some(at)) => address[at + 1..].to_owned(),
        _ => address.to_owned(),
    }
}

#[cfg(test)]
mod tests;
