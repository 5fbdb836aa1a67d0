//! Mounts, as the kernel reports them for a process.

use std::path::{Path, PathBuf};

use landfall_error_codes::codes;
use landfall_media::durable;

use crate::files;
use landfall_engine::step::StepError;

/// A mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Mount point.
    pub point: PathBuf,
    /// Part of a filesystem that is visible there.
    pub shown: Part,
}

/// A folder or file of a filesystem, wherever it is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Major and minor number of the filesystem.
    device: String,
    /// Path from its root.
    path: PathBuf,
}

impl Mount {
    /// Returns major and minor number of its filesystem, as in `8:17`.
    pub fn device(&self) -> &str {
        &self.shown.device
    }
}

impl Part {
    /// Returns the part that is visible at an absolute path without links.
    pub fn at(path: &Path, mounts: &[Mount]) -> Option<Self> {
        // The last mount hides earlier ones.
        let covers = mounts.iter().filter(|mount| path.starts_with(&mount.point));
        let nearest = covers.max_by_key(|mount| mount.point.as_os_str().len())?;
        let rest = path.strip_prefix(&nearest.point).ok()?;
        Some(Self { device: nearest.shown.device.clone(), path: nearest.shown.path.join(rest) })
    }

    /// Returns true if this part equals the other one or is inside it.
    pub fn is_within(&self, other: &Self) -> bool {
        self.device == other.device && self.path.starts_with(&other.path)
    }
}

/// Returns all mounts of this process, in mount order.
pub fn own() -> Result<Vec<Mount>, StepError> {
    read(Path::new("/proc/self/mountinfo"))
}

/// Returns all mounts that another process sees.
pub fn of(pid: i32) -> Result<Vec<Mount>, StepError> {
    read(Path::new(&format!("/proc/{pid}/mountinfo")))
}

/// Returns true if something is mounted at exactly this path.
pub fn is_mounted(path: &Path) -> Result<bool, StepError> {
    Ok(own()?.iter().any(|mount| mount.point == path))
}

/// Removes a folder with its contents, unless something is mounted at or below it; a missing folder is not an error. A
/// share that another program mounted there must not be emptied.
pub fn remove_tree(path: &Path) -> Result<(), StepError> {
    refuse_mounted(path)?;
    Ok(durable::remove_tree(path)?)
}

/// Fails with the name of a mount at or below a path, if there is one. Changes nothing.
pub fn refuse_mounted(path: &Path) -> Result<(), StepError> {
    let real = match fs_err::canonicalize(path) {
        Ok(real) => real,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(files::file_error("look at", path, error)),
    };
    let found: Vec<String> = own()?
        .iter()
        .filter(|mount| mount.point.starts_with(&real))
        .map(|mount| mount.point.display().to_string())
        .collect();
    if found.is_empty() {
        return Ok(());
    }
    let what = format!("{} is not removed: something is mounted at {}", path.display(), found.join(", "));
    Err(StepError::new(codes::FOREIGN_MOUNT, what))
}

fn read(path: &Path) -> Result<Vec<Mount>, StepError> {
    let text = fs_err::read_to_string(path).map_err(|error| files::file_error("read", path, error))?;
    Ok(text.lines().filter_map(parse).collect())
}

/// Parses `ID PARENT MAJOR:MINOR ROOT POINT …`.
fn parse(line: &str) -> Option<Mount> {
    let mut fields = line.split(' ').skip(2);
    let device = fields.next()?.to_owned();
    let path = unescape(fields.next()?).into();
    Some(Mount { point: unescape(fields.next()?).into(), shown: Part { device, path } })
}

/// Decodes a path in which the kernel wrote spaces and similar characters in octal, such as `\040`.
pub(crate) fn unescape(text: &str) -> String {
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
    fn foreign_mounts_are_named_and_left() {
        let test = "mounts::tests::foreign_mounts_are_named_and_left";
        let Some(root) = landfall_media::mounted::on_tmpfs(test, "size=4m") else { return };
        let (storage, link) = (root.join("storage"), root.join("link"));
        let share = storage.join("a/share");
        durable::create_folder(&share).unwrap();
        durable::create_folder(&root.join("other")).unwrap();
        durable::write_file(&root.join("other/file"), b"x", 0o644).unwrap();
        durable::write_file(&storage.join("a/own"), b"x", 0o644).unwrap();
        durable::symlink(&storage, &link).unwrap();
        // A folder of the same filesystem: only the kernel's list of mounts shows it.
        rustix::mount::mount_bind(root.join("other"), &share).unwrap();
        for path in [&storage, &link, &share, &storage.join("a")] {
            let error = remove_tree(path).unwrap_err();
            assert!(error.to_string().ends_with(&format!("mounted at {}", share.display())), "{error}");
            assert_eq!(landfall_error_codes::CodedError::code(&error), codes::FOREIGN_MOUNT);
        }
        assert!(share.join("file").exists() && storage.join("a/own").exists());
        rustix::mount::unmount(&share, rustix::mount::UnmountFlags::empty()).unwrap();
        remove_tree(&storage).unwrap();
        remove_tree(&storage).unwrap();
        assert!(!storage.exists() && root.join("other/file").exists());
    }

    #[test]
    fn mounted_volume_is_recognized() {
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
