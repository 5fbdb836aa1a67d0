//! Mount of a path: the filesystem that holds it, its type and its options, as the kernel lists them.

use std::path::{Path, PathBuf};

use super::host::{nearest, read};
use crate::mounts::unescape;
use crate::paths::SitePaths;

/// Options with a value that are kept. Others may name users or contain long lists of folders.
const WITH_VALUE: [&str; 4] = ["barrier=", "commit=", "data=", "errors="];

/// Mount that holds a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PathMount {
    /// Mount point.
    pub(super) point: PathBuf,
    /// The kernel's name for the type of the filesystem.
    pub(super) kind: String,
    /// The device, or its substitute.
    pub(super) source: String,
    /// Options of the mount, then those of the filesystem, each once.
    pub(super) options: Vec<String>,
}

/// Returns the mount that holds a path, given below the root of `paths`, or that will hold it once it exists. `None` if
/// the kernel lists none.
pub(super) fn holding(paths: &SitePaths, path: &Path) -> Option<PathMount> {
    let existing = nearest(path);
    let real = fs_err::canonicalize(&existing).unwrap_or(existing);
    let root = paths.host("/");
    let seen = Path::new("/").join(real.strip_prefix(&root).unwrap_or(&real));
    let text = read(&paths.host("/proc/self/mountinfo"));
    let mounts = text.lines().filter_map(parse_mount).filter(|mount| seen.starts_with(&mount.point));
    // The last mount hides earlier ones, and `max_by_key` returns the last.
    mounts.max_by_key(|mount| mount.point.as_os_str().len())
}

/// Parses `ID PARENT MAJOR:MINOR ROOT POINT OPTIONS … - KIND SOURCE OPTIONS`.
fn parse_mount(line: &str) -> Option<PathMount> {
    let (front, back) = line.split_once(" - ")?;
    let mut front = front.split(' ').skip(4);
    let mut back = back.split(' ');
    let point = unescape(front.next()?).into();
    let of_mount = front.next().unwrap_or_default();
    let (kind, source) = (back.next()?.to_owned(), unescape(back.next()?));
    let mut options: Vec<String> = Vec::new();
    for option in of_mount.split(',').chain(back.next().unwrap_or_default().split(',')) {
        let is_kept = !option.contains('=') || WITH_VALUE.iter().any(|name| option.starts_with(name));
        if is_kept && !option.is_empty() && options.iter().all(|known| known != option) {
            options.push(option.to_owned());
        }
    }
    Some(PathMount { point, kind, source, options })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::sample::host;

    #[test]
    fn mount_options_omit_names_and_lists() {
        let line = "40 21 8:17 / /var/lib/a\\040b rw,nosuid,noatime shared:1 master:2 - ext4 /dev/sdb \
                    rw,nobarrier,errors=remount-ro,username=anna";
        let found = parse_mount(line).unwrap();
        assert_eq!(
            (found.point.as_path(), found.kind.as_str(), found.source.as_str()),
            (Path::new("/var/lib/a b"), "ext4", "/dev/sdb")
        );
        assert_eq!(found.options, ["rw", "nosuid", "noatime", "nobarrier", "errors=remount-ro"]);
        assert_eq!(parse_mount("40 21 8:17 / /var rw"), None);
    }

    #[test]
    fn path_belongs_to_last_longest_mount() {
        let mounts = "21 1 8:1 / / rw - ext4 /dev/a rw\n40 21 8:17 / /var/lib rw - xfs /dev/b rw\n\
            41 21 8:18 / /var/lib rw - btrfs /dev/c rw\n42 21 8:19 / /var/lib/landfall-2 rw - tmpfs none rw\n";
        let (_folder, paths) = host(&[("/proc/self/mountinfo", mounts), ("/var/lib/x", "")]);
        let kind = |path: &str| holding(&paths, &paths.host(path)).map(|mount| mount.kind);
        assert_eq!(kind("/var/lib/landfall/store").as_deref(), Some("btrfs"));
        assert_eq!(kind("/etc").as_deref(), Some("ext4"));
        let (_folder, bare) = host(&[]);
        assert_eq!(holding(&bare, &bare.host("/etc")), None);
    }
}
