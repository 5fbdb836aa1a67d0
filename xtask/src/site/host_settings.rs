//! Kernel settings that a machine shares with the host: recorded while sites exist, restored afterwards.
//!
//! Settings that an install or a kubelet changes ([`COPIED`]) are separate files in each machine. Machines of different
//! sites run at the same time, and each checks that an uninstall restores them. The Debian inside applies its sysctl
//! files to all other settings. When the last site has ended, values that differ from those before the first site are
//! restored.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::files;
use super::process::boot_id;
use crate::printer;

/// Folder of the kernel's settings.
const ROOT: &str = "/proc/sys";

/// Parts of `/proc/sys` without a namespace (`net` has one).
const PARTS: [&str; 3] = ["fs", "kernel", "vm"];

/// Entries that are not settings: actions on write, values that change on their own, and entries with a namespace.
const EXCLUDED: [&str; 14] = [
    "fs/binfmt_misc",
    "kernel/domainname",
    "kernel/hostname",
    "kernel/msg",
    "kernel/ns_last_pid",
    "kernel/pid_max",
    "kernel/random",
    "kernel/sem",
    "kernel/shm",
    "kernel/pty",
    "fs/mqueue",
    "vm/compact_memory",
    "vm/drop_caches",
    "vm/stat_refresh",
];

/// Settings of which each machine has a copy. A copy has no effect; the host itself gets [`LIMITS`].
const COPIED: [&str; 8] = [
    "fs/inotify/max_user_instances",
    "fs/inotify/max_user_watches",
    "kernel/keys/root_maxbytes",
    "kernel/keys/root_maxkeys",
    "kernel/panic",
    "kernel/panic_on_oops",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
];

/// Limits that all machines share, high enough for a few clusters.
const LIMITS: [(&str, u64); 2] = [("fs/inotify/max_user_instances", 8192), ("fs/inotify/max_user_watches", 1 << 20)];

/// Values of one boot of the host, by path below `/proc/sys`.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostSettings {
    boot: String,
    values: BTreeMap<String, String>,
}

impl HostSettings {
    /// Reads the current values.
    pub fn read() -> Self {
        Self::read_below(Path::new(ROOT))
    }

    fn read_below(root: &Path) -> Self {
        let mut values = BTreeMap::new();
        for part in PARTS {
            collect(root, Path::new(part), &mut values);
        }
        Self { boot: boot_id().to_owned(), values }
    }

    /// Returns a machine's own settings at boot.
    pub fn boot_settings(&self) -> BTreeMap<String, String> {
        let copied =
            |(name, value): (&String, &String)| COPIED.contains(&name.as_str()).then(|| (name.clone(), value.clone()));
        self.values.iter().filter_map(copied).collect()
    }

    /// Restores the values that differ, unless the host has booted since. Values that cannot be written are reported,
    /// but are not an error.
    pub fn restore(&self) {
        self.restore_below(Path::new(ROOT));
    }

    fn restore_below(&self, root: &Path) {
        if self.boot != boot_id() {
            return;
        }
        let now = Self::read_below(root);
        for (name, value) in &self.values {
            if now.values.get(name).is_some_and(|current| current != value)
                && let Err(error) = files::set(&root.join(name), value)
            {
                printer::note(format_args!("cannot restore the host's setting {name}: {error:#}"));
            }
        }
    }
}

/// Records the settings at the start of the first site, and then raises the host's limits. An existing file is older
/// and thus correct. Returns the recorded settings.
pub fn remember(path: &Path) -> Result<HostSettings> {
    if path.exists() {
        return files::read_json(path);
    }
    let settings = HostSettings::read();
    files::write_json(path, &settings)?;
    for (name, least) in LIMITS {
        if settings.values.get(name).and_then(|value| value.parse().ok()).is_some_and(|value: u64| value < least) {
            files::set(&Path::new(ROOT).join(name), &least.to_string())?;
        }
    }
    Ok(settings)
}

/// Restores the settings recorded in the file, and removes the file. A missing file is not an error.
pub fn restore(path: &Path) -> Result<()> {
    restore_from(path, HostSettings::restore)
}

fn restore_from(path: &Path, restore: impl FnOnce(&HostSettings)) -> Result<()> {
    if path.exists() {
        restore(&files::read_json(path)?);
        std::fs::remove_file(path)?;
    }
    Ok(())
}

fn collect(root: &Path, relative: &Path, values: &mut BTreeMap<String, String>) {
    use std::os::unix::fs::PermissionsExt;
    let name = relative.to_string_lossy().into_owned();
    if EXCLUDED.iter().any(|excluded| name.starts_with(excluded)) {
        return;
    }
    let path = root.join(relative);
    if path.is_dir() {
        let Ok(entries) = path.read_dir() else { return };
        let mut names: Vec<PathBuf> = entries.flatten().map(|entry| relative.join(entry.file_name())).collect();
        names.sort();
        for name in names {
            collect(root, &name, values);
        }
    } else if path.metadata().is_ok_and(|found| found.permissions().mode() & 0o200 != 0)
        && let Ok(value) = std::fs::read_to_string(&path)
    {
        values.insert(name, value.trim().to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubelet_settings_are_included() {
        let settings = HostSettings::read();
        for name in ["vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops"] {
            assert!(settings.values.contains_key(name), "{name} is missing");
        }
        assert!(!settings.values.contains_key("vm/drop_caches"));
        assert_eq!(settings.boot_settings().len(), COPIED.len());
    }

    /// A folder stands in for the kernel's settings, which only root may write; `tests/site.rs` checks the kernel's
    /// own.
    #[test]
    fn changed_setting_is_restored_once() {
        let folder = tempfile::tempdir().unwrap();
        let (kernel, path) = (folder.path().join("sys"), folder.path().join("settings.json"));
        std::fs::create_dir_all(kernel.join("vm")).unwrap();
        let value = |name: &str| std::fs::read_to_string(kernel.join(name)).unwrap().trim().to_owned();
        let set = |name: &str, value: &str| files::write(&kernel.join(name), value).unwrap();
        set("vm/page-cluster", "3\n");
        set("vm/swappiness", "60\n");
        files::write_json(&path, &HostSettings::read_below(&kernel)).unwrap();
        set("vm/page-cluster", "2\n");
        restore_from(&path, |settings| settings.restore_below(&kernel)).unwrap();
        assert_eq!([value("vm/page-cluster"), value("vm/swappiness")], ["3", "60"]);
        assert!(!path.exists());

        let mut of_another_boot = HostSettings::read_below(&kernel);
        of_another_boot.boot = "another".to_owned();
        set("vm/page-cluster", "2\n");
        of_another_boot.restore_below(&kernel);
        assert_eq!(value("vm/page-cluster"), "2", "the host has booted since, and set it again");
    }
}
