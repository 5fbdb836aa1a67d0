//! Facts of hardware, kernel and operating system.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use landfall_error_codes::codes;
use rustix::fs::{StatVfs, StatVfsMountFlags};

use super::system::System;
use super::{CgroupDriver, Cgroups, Filesystem, mounted};
use crate::paths::SitePaths;
use landfall_engine::step::StepError;

/// Paths whose filesystems matter: data, settings and units, the command, and logs.
const PATHS_IN_QUESTION: [&str; 4] = ["/var/lib/landfall", "/etc", "/usr/local/bin", "/var/log"];

/// Modules that Kubernetes, flannel and kube-proxy need, each with a path that exists if the module is loaded or built
/// in.
const MODULES: [(&str, &str); 4] = [
    ("overlay", "/proc/filesystems:overlay"),
    ("br_netfilter", "/proc/sys/net/bridge"),
    ("nf_conntrack", "/proc/sys/net/netfilter/nf_conntrack_max"),
    ("vxlan", "/sys/module/vxlan"),
];

/// Kernel settings with a minimum; a higher value of the host is kept.
pub const LIMITS: [(&str, u64); 2] =
    [("fs.inotify.max_user_instances", 8192), ("fs.inotify.max_user_watches", 524_288)];

/// Returns the modification time of the site's clock file, which records the newest time seen; without one, that of the
/// record of an uninstall.
pub(super) fn clock_seen(paths: &SitePaths) -> Option<String> {
    let written = |path: PathBuf| jiff::Timestamp::try_from(fs_err::metadata(path).ok()?.modified().ok()?).ok();
    let seen = written(paths.clock()).or_else(|| written(paths.kept_record()))?;
    Some(seen.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

pub(super) fn limits(paths: &SitePaths) -> BTreeMap<String, u64> {
    let current = |name: &str| read(&paths.host("/proc/sys").join(name.replace('.', "/"))).trim().parse().ok();
    LIMITS.iter().filter_map(|(name, _)| Some(((*name).to_owned(), current(name)?))).collect()
}

/// Returns the platform of this program, such as `linux/amd64`.
pub fn platform() -> String {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    format!("linux/{architecture}")
}

/// Returns `ID` and `VERSION_ID` of `/etc/os-release`, such as `debian 12`.
pub fn operating_system(paths: &SitePaths) -> String {
    let text = read(&paths.host("/etc/os-release"));
    let field = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
            .map_or("unknown", |value| value.trim_matches('"'))
            .to_owned()
    };
    format!("{} {}", field("ID"), field("VERSION_ID"))
}

pub(super) fn has_systemd(paths: &SitePaths) -> bool {
    paths.host("/run/systemd/system").is_dir()
}

pub(super) fn cgroups(paths: &SitePaths) -> Cgroups {
    let unified = paths.host("/sys/fs/cgroup/cgroup.controllers");
    let (version, controllers) = if unified.is_file() {
        (2, read(&unified).split_whitespace().map(str::to_owned).collect())
    } else {
        let mounted = read(&paths.host("/proc/self/cgroup"));
        let mut controllers: Vec<String> = mounted
            .lines()
            .filter_map(|line| line.split(':').nth(1))
            .flat_map(|names| names.split(','))
            .filter(|name| !name.is_empty() && !name.contains('='))
            .map(str::to_owned)
            .collect();
        controllers.sort();
        (1, controllers)
    };
    // systemd can create groups for pods only in hierarchies that it manages itself.
    let managed = version == 2 || paths.host("/sys/fs/cgroup/systemd").is_dir();
    let driver = if has_systemd(paths) && managed { CgroupDriver::Systemd } else { CgroupDriver::Cgroupfs };
    Cgroups { version, driver, controllers }
}

pub(super) fn lowers_oom_score(paths: &SitePaths) -> bool {
    const CAP_SYS_RESOURCE: u64 = 1 << 24;
    read(&paths.host("/proc/self/status"))
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|value| u64::from_str_radix(value.trim(), 16).ok())
        .is_some_and(|capabilities| capabilities & CAP_SYS_RESOURCE != 0)
}

/// Returns the number of processor cores that programs can use.
pub fn cores() -> u32 {
    std::thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(u32::MAX))
}

/// Returns the kernel's ID of this boot; `None` if it has none.
pub fn boot_id(paths: &SitePaths) -> Option<String> {
    let id = fs_err::read_to_string(paths.host("/proc/sys/kernel/random/boot_id")).ok()?;
    Some(id.trim().to_owned())
}

pub(super) fn filesystems(paths: &SitePaths, system: &System) -> Result<Vec<Filesystem>, StepError> {
    let mut found: Vec<(u64, Filesystem)> = Vec::new();
    for path in PATHS_IN_QUESTION {
        let existing = nearest(&paths.host(path));
        let failed = |error: std::io::Error| {
            StepError::new(codes::NODE_FILE, format!("cannot measure the filesystem of {}", existing.display()))
                .because(error)
        };
        let device = fs_err::metadata(&existing).map_err(failed)?.dev();
        let measured = rustix::fs::statvfs(&existing).map_err(|errno| failed(errno.into()))?;
        let index = found.iter().position(|(known, _)| *known == device).unwrap_or_else(|| {
            let mount = mounted::holding(paths, &existing);
            let rotates = mount.as_ref().and_then(|mount| system.rotating.get(&mount.point)).copied();
            let (kind, options) = mount.map(|mount| (mount.kind, mount.options)).unwrap_or_default();
            found.push((device, Filesystem { kind, options, rotates, ..empty_filesystem(&measured) }));
            found.len() - 1
        });
        let filesystem = &mut found[index].1;
        filesystem.paths.push(path.to_owned());
        // These flags belong to the mount, and a filesystem may be mounted in several places.
        filesystem.read_only |= measured.f_flag.contains(StatVfsMountFlags::RDONLY);
        if measured.f_flag.contains(StatVfsMountFlags::NOEXEC) {
            filesystem.no_exec.push(path.to_owned());
        }
    }
    Ok(found.into_iter().map(|(_, filesystem)| filesystem).collect())
}

/// Returns a filesystem of which only the size is known.
fn empty_filesystem(measured: &StatVfs) -> Filesystem {
    Filesystem {
        paths: Vec::new(),
        total_bytes: measured.f_blocks * measured.f_frsize,
        free_bytes: measured.f_bavail * measured.f_frsize,
        free_inodes: (measured.f_files > 0).then_some(measured.f_favail),
        read_only: false,
        no_exec: Vec::new(),
        kind: String::new(),
        options: Vec::new(),
        rotates: None,
    }
}

/// Returns the path itself or its nearest existing ancestor.
pub(super) fn nearest(path: &Path) -> PathBuf {
    path.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(Path::new("/")).to_owned()
}

/// Returns the modules that are not built in, loaded or not: the next boot unloads them.
pub(super) fn modules(paths: &SitePaths) -> Vec<String> {
    // Built-in modules without parameters appear only in the list that ships with the kernel.
    MODULES.iter().filter(|(name, _)| !is_built_in(paths, name)).map(|(name, _)| (*name).to_owned()).collect()
}

/// Returns the modules of this list that are not loaded.
pub(super) fn missing_modules(paths: &SitePaths, modules: &[String]) -> Vec<String> {
    let is_there = |sign: &str| match sign.split_once(':') {
        Some((file, word)) => read(&paths.host(file)).split_whitespace().any(|found| found == word),
        None => paths.host(sign).exists(),
    };
    let missing = MODULES.iter().filter(|(name, sign)| modules.iter().any(|module| module == name) && !is_there(sign));
    missing.map(|(name, _)| (*name).to_owned()).collect()
}

fn is_built_in(paths: &SitePaths, name: &str) -> bool {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let listed = paths.host("/lib/modules").join(release);
    // Without modules on the disk, nothing can be loaded: the kernel has only what is built in.
    !listed.is_dir() || read(&listed.join("modules.builtin")).lines().any(|line| line.ends_with(&format!("/{name}.ko")))
}

/// Returns true if all these modules ship with the kernel and the kernel still loads modules.
pub(super) fn are_loadable(paths: &SitePaths, modules: &[String]) -> bool {
    // A hardened host forbids loading until it reboots, and again after the boot.
    if !modules.is_empty() && read(&paths.host("/proc/sys/kernel/modules_disabled")).trim() == "1" {
        return false;
    }
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let listed = read(&paths.host("/lib/modules").join(release).join("modules.dep"));
    modules.iter().all(|module| {
        listed.lines().filter_map(|line| line.split(':').next()).any(|path| {
            let name = path.rsplit('/').next().unwrap_or_default();
            name.split('.').next().is_some_and(|stem| stem.replace('-', "_") == *module)
        })
    })
}

pub(super) fn selinux(paths: &SitePaths) -> Option<String> {
    match read(&paths.host("/sys/fs/selinux/enforce")).trim() {
        "1" => Some("enforcing".to_owned()),
        "0" => Some("permissive".to_owned()),
        _ => None,
    }
}

/// Returns a file's text; empty if it cannot be read, because kernels differ in what they show.
pub(super) fn read(path: &Path) -> String {
    fs_err::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(files: &[(&str, &str)]) -> (tempfile::TempDir, SitePaths) {
        let folder = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(folder.path());
        for (path, text) in files {
            let path = paths.host(path);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            landfall_media::durable::write_file(&path, text.as_bytes(), 0o644).unwrap();
        }
        (folder, paths)
    }

    #[test]
    fn cgroup_versions_and_drivers_are_distinguished() {
        let (_folder, paths) =
            host(&[("/sys/fs/cgroup/cgroup.controllers", "cpu memory pids\n"), ("/run/systemd/system/x", "")]);
        let expected = ["cpu", "memory", "pids"].map(str::to_owned).to_vec();
        assert_eq!(cgroups(&paths), Cgroups { version: 2, driver: CgroupDriver::Systemd, controllers: expected });

        let version_1 = "9:name=systemd:/\n5:cpu,cpuacct:/\n4:memory:/x\n0::/\n";
        let (_folder, paths) = host(&[("/proc/self/cgroup", version_1), ("/sys/fs/cgroup/cpu/tasks", "")]);
        let expected = ["cpu", "cpuacct", "memory"].map(str::to_owned).to_vec();
        assert_eq!(cgroups(&paths), Cgroups { version: 1, driver: CgroupDriver::Cgroupfs, controllers: expected });
    }

    #[test]
    fn host_remembers_last_uninstall_time() {
        let (_folder, paths) = host(&[("/var/lib/landfall/kept.json", "")]);
        let set = |path: PathBuf, time: &str| {
            let times = std::fs::FileTimes::new().set_modified(time.parse::<jiff::Timestamp>().unwrap().into());
            std::fs::File::options().write(true).open(path).unwrap().set_times(times).unwrap();
        };
        set(paths.kept_record(), "2031-01-01T00:00:00Z");
        assert_eq!(clock_seen(&paths).as_deref(), Some("2031-01-01T00:00:00Z"));
        // A user's confirmation takes precedence.
        fs_err::create_dir_all(paths.node()).unwrap();
        landfall_media::durable::write_file(&paths.clock(), b"", 0o644).unwrap();
        set(paths.clock(), "2026-11-21T00:00:00Z");
        assert_eq!(clock_seen(&paths).as_deref(), Some("2026-11-21T00:00:00Z"));
        assert_eq!(clock_seen(&host(&[]).1), None);
    }

    #[test]
    fn noexec_mount_is_seen() {
        let name = "facts::host::tests::noexec_mount_is_seen";
        let Some(root) = landfall_media::mounted::on_tmpfs(name, "noexec") else { return };
        let found = filesystems(&SitePaths::below(root), &System::default()).unwrap();
        assert_eq!((found.len(), &found[0].no_exec), (1, &found[0].paths));
        let usual = filesystems(&SitePaths::below("/"), &System::default()).unwrap();
        assert!(usual.iter().all(|filesystem| filesystem.no_exec.is_empty()), "{usual:?}");
    }

    #[test]
    fn capabilities_and_modules_are_read() {
        let (_folder, paths) = host(&[
            ("/proc/self/status", "Name:\tx\nCapEff:\t000001fffeffffff\n"),
            ("/proc/filesystems", "nodev\toverlay\n"),
            (
                &format!("/lib/modules/{}/modules.builtin", rustix::system::uname().release().to_string_lossy()),
                "kernel/net/netfilter/nf_conntrack.ko\n",
            ),
            ("/etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n"),
        ]);
        assert!(!lowers_oom_score(&paths));
        let modules = modules(&paths);
        assert_eq!(modules, ["overlay", "br_netfilter", "vxlan"], "loaded or not, but not built in");
        assert_eq!(missing_modules(&paths, &modules), ["br_netfilter", "vxlan"]);
        assert_eq!(operating_system(&paths), "debian 12");
    }

    #[test]
    fn disabled_module_loading_makes_modules_missing() {
        let release = rustix::system::uname().release().to_string_lossy().into_owned();
        let listed = format!("/lib/modules/{release}/modules.dep");
        let found = |disabled: &str, modules: &[&str]| {
            let (_folder, paths) = host(&[
                (&listed, "kernel/drivers/net/vxlan/vxlan.ko.xz: kernel/net/ipv4/udp_tunnel.ko.xz\n"),
                ("/proc/sys/kernel/modules_disabled", disabled),
            ]);
            are_loadable(&paths, &modules.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
        };
        assert!(found("0\n", &["vxlan"]) && !found("0\n", &["overlay"]));
        assert!(!found("1\n", &["vxlan"]) && found("1\n", &[]));
    }

    #[test]
    fn filesystem_shows_mount_kind_and_options() {
        let mounts = "21 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw,nobarrier\n";
        let (_folder, paths) = host(&[("/proc/self/mountinfo", mounts)]);
        let found = filesystems(&paths, &System::default()).unwrap();
        assert_eq!((found.len(), found[0].kind.as_str()), (1, "ext4"), "all paths are in one folder");
        assert_eq!(found[0].options, ["rw", "relatime", "nobarrier"]);
    }
}
