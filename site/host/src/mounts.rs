//! What is mounted, as the kernel tells it of a process.

use std::path::{Path, PathBuf};

use crate::files;
use landfall_engine::step::StepError;

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Where.
    pub point: PathBuf,
    /// The part of a filesystem that is seen there.
    pub shown: Part,
}

/// A folder or file of a filesystem, wherever that is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Major and minor number of the filesystem.
    device: String,
    /// The path from its root.
    path: PathBuf,
}

impl Part {
    /// The part that is seen at an absolute path without links.
    pub fn at(path: &Path, mounts: &[Mount]) -> Option<Self> {
        // What was mounted last hides what was mounted there before.
        let covers = mounts.iter().filter(|mount| path.starts_with(&mount.point));
        let nearest = covers.max_by_key(|mount| mount.point.as_os_str().len())?;
        let rest = path.strip_prefix(&nearest.point).ok()?;
        Some(Self { device: nearest.shown.device.clone(), path: nearest.shown.path.join(rest) })
    }

    /// Whether it is this part or lies in it.
    pub fn is_within(&self, other: &Self) -> bool {
        self.device == other.device && self.path.starts_with(&other.path)
    }
}

/// All mounts of this process, in the order in which they were mounted.
pub fn own() -> Result<Vec<Mount>, StepError> {
    read(Path::new("/proc/self/mountinfo"))
}

/// All mounts that another process sees.
pub fn of(pid: i32) -> Result<Vec<Mount>, StepError> {
    read(Path::new(&format!("/proc/{pid}/mountinfo")))
}

/// Whether something is mounted at exactly this path.
pub fn is_mounted(path: &Path) -> Result<bool, StepError> {
    Ok(own()?.iter().any(|mount| mount.point == path))
}

fn read(path: &Path) -> Result<Vec<Mount>, StepError> {
    let text = fs_err::read_to_string(path).map_err(|error| files::failed("read", path, error))?;
    Ok(text.lines().filter_map(parse).collect())
}

/// `ID PARENT MAJOR:MINOR ROOT POINT …`
fn parse(line: &str) -> Option<Mount> {
    let mut fields = line.split(' ').skip(2);
    let device = fields.next()?.to_owned();
    let path = unescape(fields.next()?).into();
    Some(Mount { point: unescape(fields.next()?).into(), shown: Part { device, path } })
}

/// The kernel writes spaces and the like of a path in octal, as `\040`.
fn unescape(text: &str) -> String {
    let mut parts = text.split('\\');
    let mut result = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let code = part.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        if let Some(code) = code {
            result.push(code.into());
            result.push_str(&part[3..]);
        } else {
            result.push('\\');
            result.push_str(part);
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mounts(text: &str) -> Vec<Mount> {
        text.lines().map(|line| parse(line).unwrap()).collect()
    }

    #[test]
    fn mount_points_are_unescaped() {
        assert_eq!(unescape(r"/a\040b\134c"), r"/a b\c");
        assert!(is_mounted(Path::new("/proc")).unwrap());
        assert!(!is_mounted(Path::new("/proc/self")).unwrap());
        let pid = i32::try_from(std::process::id()).unwrap();
        assert_eq!(of(pid).unwrap(), own().unwrap());
    }

    #[test]
    fn a_volume_is_recognized_in_a_container() {
        let storage = Path::new("/var/lib/landfall/storage");
        let root = mounts("21 1 8:1 / / rw - ext4 /dev/a rw");
        let disk = mounts("21 1 8:1 / / rw - ext4 /dev/a rw\n40 21 8:17 / /var/lib/landfall rw - ext4 /dev/b rw");
        let (on_root, on_disk) = (Part::at(storage, &root).unwrap(), Part::at(storage, &disk).unwrap());
        let sees = |text: &str, storage: &Part| mounts(text).iter().any(|mount| mount.shown.is_within(storage));
        let volume = "90 80 8:1 /var/lib/landfall/storage/pvc-1/data /data rw - ext4 /dev/a rw";
        assert!(sees(volume, &on_root) && !sees(volume, &on_disk));
        let volume = "90 80 8:17 /storage/pvc-1 /data rw - ext4 /dev/b rw";
        assert!(sees(volume, &on_disk) && !sees(volume, &on_root));
        let others = "90 80 0:50 / / rw - overlay overlay rw\n91 80 8:17 /storage-of-others /data rw - ext4 /dev/b rw\n\
                      92 80 8:17 /kubelet/pods/1/etc-hosts /etc/hosts rw - ext4 /dev/b rw";
        assert!(!sees(others, &on_disk));
    }
}
