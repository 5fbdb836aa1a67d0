//! Mounts, settings, cgroups and processes of a machine.

use anyhow::{Context, Result};

use super::Items;
use crate::site::cgroup;
use crate::site::machine::Machine;
use crate::site::process::ProcessId;

/// Returns mounts by mount point. Several mounts on one point are numbered.
pub fn mounts(first: &ProcessId) -> Result<Items> {
    let mut items = Items::new();
    for mount in mount_lines(first)? {
        let mut name = mount.point.clone();
        let mut count = 1;
        while items.contains_key(&name) {
            count += 1;
            name = format!("{} ({count})", mount.point);
        }
        items.insert(name, mount.description);
    }
    Ok(items)
}

/// Returns the mount points of memory filesystems that hold a machine's runtime files.
pub fn memory_mounts(first: &ProcessId) -> Result<Vec<String>> {
    let mounts = mount_lines(first)?.into_iter();
    let in_memory = mounts.filter(|mount| matches!(mount.kind.as_str(), "tmpfs" | "ramfs"));
    let points = in_memory.map(|mount| mount.point);
    Ok(points.filter(|point| ["/run", "/dev/shm"].iter().any(|top| super::expected::is_below(point, top))).collect())
}

struct Mount {
    point: String,
    kind: String,
    description: String,
}

fn mount_lines(first: &ProcessId) -> Result<Vec<Mount>> {
    let path = first.proc("mountinfo");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    text.lines().map(|line| parse_mount(line).with_context(|| format!("cannot understand the mount: {line}"))).collect()
}

/// Parses a line of `/proc/PID/mountinfo`. Omits values that differ between boots: IDs of mounts and peer groups, and
/// the loop device of the disk. Also omits the name of the machine's cgroup, which differs between sites and is visible
/// on the host in the root of cgroup mounts.
fn parse_mount(line: &str) -> Option<Mount> {
    let (left, right) = line.split_once(" - ")?;
    let mut left = left.split(' ').skip(3);
    let (root, point, options) = (left.next()?, left.next()?, left.next()?);
    let propagation = left.map(|field| field.split(':').next().unwrap_or(field)).collect::<Vec<_>>().join(" ");
    let mut right = right.splitn(3, ' ');
    let (kind, source, flags) = (right.next()?, right.next()?, right.next()?);
    let source = if source.starts_with("/dev/loop") { "disk" } else { source };
    let root = if kind.starts_with("cgroup") { inside_own_cgroup(root) } else { root };
    let description = format!("{kind} {source} {root} {options} {flags} {propagation}").trim().to_owned();
    Some(Mount { point: point.to_owned(), kind: kind.to_owned(), description })
}

/// Returns the path of a cgroup as seen by the machine to whose cgroup it belongs.
fn inside_own_cgroup(path: &str) -> &str {
    let Some((_, own)) = path.split_once("/landfall-") else { return path };
    own.find('/').map_or("/", |end| &own[end..])
}

/// Returns the kernel settings as seen inside.
pub fn settings(machine: &Machine) -> Result<Items> {
    let output = machine.try_run("sysctl --all 2> /dev/null")?;
    let mut items = Items::new();
    for line in output.stdout.lines() {
        if let Some((name, value)) = line.split_once(" = ").or_else(|| line.split_once(" =")) {
            let content: &mut String = items.entry(name.to_owned()).or_default();
            content.push_str(value);
        }
    }
    anyhow::ensure!(items.len() > 100, "sysctl prints too few settings on {}: {}", machine.name(), output.stderr);
    Ok(items)
}

/// Returns cgroups below the machine's own. Their names begin with the hierarchy.
pub fn cgroups(machine: &Machine) -> Result<Items> {
    let mut items = Items::new();
    for group in machine.groups()? {
        let hierarchy = group.iter().nth(4).map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        for path in cgroup::descendants(&group) {
            items.insert(format!("{hierarchy} {path}"), "present".to_owned());
        }
    }
    Ok(items)
}

/// Returns processes by command line, with their number.
pub fn processes(first: &ProcessId) -> Result<Items> {
    let namespace = std::fs::read_link(first.proc("ns/pid")).context("the machine has just ended")?;
    let mut counts = std::collections::BTreeMap::<String, u32>::new();
    for entry in std::path::Path::new("/proc").read_dir().context("cannot read /proc")?.flatten() {
        let path = entry.path();
        if !std::fs::read_link(path.join("ns/pid_for_children")).is_ok_and(|found| found == namespace)
            || !std::fs::read_link(path.join("ns/pid")).is_ok_and(|found| found == namespace)
        {
            continue;
        }
        // A process that has just ended has no command line.
        let line = std::fs::read(path.join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ").trim().to_owned();
        if !line.is_empty() {
            *counts.entry(line).or_default() += 1;
        }
    }
    Ok(counts.into_iter().map(|(line, count)| (line, count.to_string())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_description_is_stable_across_boots() {
        let one = parse_mount("22 1 7:0 / / rw,relatime shared:1 - ext4 /dev/loop0 rw").unwrap();
        let two = parse_mount("93 8 7:3 / / rw,relatime shared:7 - ext4 /dev/loop3 rw").unwrap();
        assert_eq!(one.description, two.description);
        assert_eq!(one.description, "ext4 disk / rw,relatime rw shared");
        assert_eq!(one.point, "/");
    }

    #[test]
    fn cgroup_mount_is_same_across_sites() {
        let line = |site: &str, above: &str| {
            let root = format!("{above}/landfall-{site}-node-1");
            parse_mount(&format!("30 22 0:28 {root} /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory")).unwrap()
        };
        assert_eq!(line("saved-1-2", "/box/1").description, line("from-saved-1-3", "").description);
        assert_eq!(line("saved-1-2", "").description, "cgroup cgroup / rw rw,memory");
        assert_eq!(inside_own_cgroup("/box/landfall-a-node-1/system.slice"), "/system.slice");
        assert_eq!(inside_own_cgroup("/"), "/");
    }
}
