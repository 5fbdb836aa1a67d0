//! The cgroups of a machine, on hosts with version 1 (one hierarchy per controller) and version 2 (one for all).

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use super::files;
use super::process::wait_until;

/// Version 1 controllers, each in its own hierarchy, that a machine gets if the host has them.
const CONTROLLERS: [&str; 8] = ["cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids"];

/// Version 2 tree without controllers that version 1 hosts may have. The systemd inside uses it if it exists.
const UNIFIED: &str = "unified";

const MOUNT: &str = "/sys/fs/cgroup";

/// The cgroup layout of this host, as seen by this process.
#[derive(Debug)]
pub enum Layout {
    /// One folder per controller below [`MOUNT`], each with this process's path in it.
    Version1(Vec<(String, PathBuf)>),
    /// One tree. Machines get a branch at its top, because a branch with processes can have no controllers below it.
    Version2(PathBuf),
}

impl Layout {
    /// Detects the layout of this host.
    pub fn detect() -> Result<Self> {
        if Path::new(MOUNT).join("cgroup.controllers").exists() {
            return Ok(Self::Version2(Path::new(MOUNT).join("landfall-sites")));
        }
        let path = "/proc/self/cgroup";
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
        let mut groups = parse_own_groups(&text);
        groups.retain(|(_, folder)| folder.is_dir());
        Ok(Self::Version1(groups))
    }

    /// Returns `1` or `2`.
    pub fn version(&self) -> &'static str {
        match self {
            Self::Version1(_) => "1",
            Self::Version2(_) => "2",
        }
    }

    /// Returns the version 1 controllers to mount inside a machine.
    pub fn controllers(&self) -> String {
        match self {
            Self::Version1(groups) => {
                let names = groups.iter().map(|(name, _)| name.as_str());
                let names = names.filter(|name| !matches!(*name, "systemd" | UNIFIED));
                names.collect::<Vec<_>>().join(" ")
            }
            Self::Version2(_) => String::new(),
        }
    }

    /// Returns the folders of a machine's cgroups, which may not exist yet.
    pub fn groups_of(&self, name: &str) -> Vec<PathBuf> {
        match self {
            Self::Version1(groups) => groups.iter().map(|(_, path)| path.join(name)).collect(),
            Self::Version2(top) => vec![top.join(name)],
        }
    }

    /// Creates a machine's cgroups, ready for processes.
    pub fn create(&self, name: &str) -> Result<()> {
        if let Self::Version2(top) = self {
            create(top)?;
            enable_controllers(Path::new(MOUNT))?;
            enable_controllers(top)?;
        }
        for group in self.groups_of(name) {
            create(&group)?;
            if group.join("cpuset.cpus").exists() && matches!(self, Self::Version1(_)) {
                inherit_cpus(&group)?;
            }
        }
        Ok(())
    }
}

/// Parses `/proc/self/cgroup`: lines of `number:controllers:path`.
fn parse_own_groups(text: &str) -> Vec<(String, PathBuf)> {
    let mut groups = Vec::new();
    for line in text.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
        let name = if controllers.is_empty() { UNIFIED } else { controllers };
        let name = name.strip_prefix("name=").unwrap_or(name);
        if matches!(name, "systemd" | UNIFIED) || name.split(',').any(|controller| CONTROLLERS.contains(&controller)) {
            let folder = Path::new(MOUNT).join(name).join(path.trim_start_matches('/'));
            groups.push((name.to_owned(), folder));
        }
    }
    groups
}

fn create(group: &Path) -> Result<()> {
    std::fs::create_dir_all(group).with_context(|| format!("cannot create the cgroup {}", group.display()))
}

/// Enables every controller of a version 2 group for its children.
fn enable_controllers(group: &Path) -> Result<()> {
    let names = |file: &str| -> Result<Vec<String>> {
        let path = group.join(file);
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(text.split_whitespace().map(str::to_owned).collect())
    };
    let enabled = names("cgroup.subtree_control")?;
    let missing = names("cgroup.controllers")?.into_iter().filter(|name| !enabled.contains(name));
    for name in missing {
        files::set(&group.join("cgroup.subtree_control"), &format!("+{name}"))?;
    }
    Ok(())
}

/// Sets the processors of a new version 1 cpuset. It has none initially, so nothing could run in it.
fn inherit_cpus(group: &Path) -> Result<()> {
    let parent = group.parent().context("a cgroup has a parent")?;
    for name in ["cpuset.cpus", "cpuset.mems"] {
        let path = parent.join(name);
        let value = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        files::set(&group.join(name), value.trim())?;
    }
    files::set(&group.join("cgroup.clone_children"), "1")
}

/// Freezes every process of a machine. Returns when all are frozen.
///
/// A container runtime uses the version 1 freezer while it sets up a container. A process frozen that way never reaches
/// the version 2 freeze, and no signal ends it. So these groups are thawed first, and their processes freeze like the
/// others.
pub fn freeze(groups: &[PathBuf]) -> Result<()> {
    let group = version2_group(groups)?;
    files::set(&group.join("cgroup.freeze"), "1")?;
    let events = group.join("cgroup.events");
    wait_until("the stop of every process of a machine", Duration::from_mins(2), || {
        for group in groups {
            thaw(group)?;
        }
        let text = std::fs::read_to_string(&events).with_context(|| format!("cannot read {}", events.display()))?;
        Ok(text.lines().any(|line| line == "frozen 1").then_some(()))
    })
}

/// Thaws a group of a version 1 freezer and the groups below it. Other groups have no such state. A group that is
/// removed in the meantime has no processes left.
fn thaw(group: &Path) -> Result<()> {
    let state = group.join("freezer.state");
    match std::fs::read_to_string(&state) {
        Ok(text) if text.trim() == "THAWED" => {}
        Ok(_) => files::set(&state, "THAWED")?,
        Err(_) => return Ok(()),
    }
    let below = group.read_dir().with_context(|| format!("cannot read {}", group.display()))?;
    for entry in below.filter_map(Result::ok).filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        thaw(&entry.path())?;
    }
    Ok(())
}

/// Kills every process of a machine. Frozen processes do not run another instruction.
pub fn kill(groups: &[PathBuf]) -> Result<()> {
    files::set(&version2_group(groups)?.join("cgroup.kill"), "1")
}

/// Returns the group in a version 2 tree, which version 1 hosts have in addition to their hierarchies.
fn version2_group(groups: &[PathBuf]) -> Result<&PathBuf> {
    let found = groups.iter().find(|group| group.join("cgroup.freeze").exists());
    found.context("this host has no cgroup version 2 tree (at /sys/fs/cgroup or /sys/fs/cgroup/unified)")
}

/// Removes cgroups with everything below them, deepest first. Their processes must have ended.
pub fn remove(groups: &[PathBuf]) -> Result<()> {
    for group in groups {
        wait_until(&format!("the removal of the cgroup {}", group.display()), Duration::from_secs(10), || {
            Ok((!group.exists() || remove_tree(group).is_ok()).then_some(()))
        })?;
    }
    Ok(())
}

fn remove_tree(group: &Path) -> std::io::Result<()> {
    for entry in group.read_dir()? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    std::fs::remove_dir(group)
}

/// Returns every group below the given one, as paths relative to it.
pub fn descendants(group: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut pending = vec![PathBuf::new()];
    while let Some(relative) = pending.pop() {
        let Ok(entries) = group.join(&relative).read_dir() else { continue };
        for entry in entries.flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                let path = relative.join(entry.file_name());
                found.push(path.to_string_lossy().into_owned());
                pending.push(path);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_cgroups_are_found() {
        let text = "5:name=systemd:/\n4:memory:/box/1\n3:cpu,cpuacct:/\n2:rdma:/\n0::/box\n";
        let groups = parse_own_groups(text);
        let paths: Vec<String> = groups.iter().map(|(_, path)| path.display().to_string()).collect();
        assert_eq!(
            paths,
            [
                "/sys/fs/cgroup/systemd/",
                "/sys/fs/cgroup/memory/box/1",
                "/sys/fs/cgroup/cpu,cpuacct/",
                "/sys/fs/cgroup/unified/box"
            ]
        );
        assert_eq!(Layout::Version1(groups).controllers(), "memory cpu,cpuacct");
    }
}
