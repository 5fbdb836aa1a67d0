//! Landfall's folder for mounting media while they are read, and the folders in which administrators mount them.

use std::ffi::CStr;
use std::path::{Path, PathBuf};

use landfall_engine::step::StepError;
use landfall_error_codes::codes;
use landfall_host::mounts::{self, Mount};
use landfall_host::paths::SitePaths;
use landfall_media::durable;
use rustix::mount::{MountFlags, UnmountFlags};

use super::devices::{DISC, Device, devices};
use super::filesystem::{Filesystem, FilesystemKind};

/// Options for ext4: replaying its journal would write, and a damaged filesystem could request a kernel panic.
const OF_EXT4: &CStr = c"noload,errors=remount-ro";

/// Folders in which people and desktops mount media.
const CONVENTIONAL: [&str; 3] = ["/media", "/mnt", "/run/media"];

/// A folder in which a person or the host mounted a filesystem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountedPlace {
    /// The folder.
    pub folder: PathBuf,
}

/// Folder below which media are mounted.
#[derive(Debug, Clone)]
pub struct Shelf {
    paths: SitePaths,
}

impl Shelf {
    /// Returns the shelf of a host.
    pub fn of(paths: &SitePaths) -> Self {
        Self { paths: paths.clone() }
    }

    fn folder(&self) -> PathBuf {
        self.paths.run().join("media")
    }

    /// Returns the folder in which a filesystem is mounted while it is read.
    pub fn place(&self, id: &str) -> PathBuf {
        self.folder().join(id)
    }

    /// Returns the filesystem of a path on the shelf; `None` for other paths.
    pub fn filesystem_of(&self, path: &Path) -> Option<String> {
        let rest = path.strip_prefix(self.folder()).ok()?;
        rest.iter().next().map(|id| id.to_string_lossy().into_owned())
    }

    /// Returns true if anything was mounted here since the machine started.
    pub fn is_used(&self) -> bool {
        fs_err::read_dir(self.folder()).is_ok_and(|mut places| places.next().is_some())
    }

    /// Returns true if a filesystem is mounted here from a device that is still connected.
    pub fn is_mounted(&self, id: &str) -> bool {
        let place = self.place(id);
        let mounted = mounts::own().unwrap_or_default();
        mounted.iter().any(|mount| mount.point == place && self.is_there(mount))
    }

    /// Returns the filesystems that are mounted in the conventional folders.
    pub fn conventional(&self) -> Result<Vec<MountedPlace>, StepError> {
        let is_one = |point: &Path| CONVENTIONAL.iter().any(|folder| point.starts_with(self.paths.host(folder)));
        let mut found: Vec<_> = mounts::own()?.into_iter().filter(|mount| is_one(&mount.point)).collect();
        found.sort_by(|one, other| one.point.cmp(&other.point));
        found.dedup_by(|one, other| one.point == other.point);
        Ok(found.into_iter().map(|mount| MountedPlace { folder: mount.point }).collect())
    }

    /// Returns removable devices that are mounted nowhere else, each with its filesystem; `None` if it cannot be read.
    /// A device mounted elsewhere is found there or has another use.
    pub fn unmounted_devices(&self) -> Result<Vec<(Device, Option<Filesystem>)>, StepError> {
        let mounted = mounts::own()?;
        let own = self.folder();
        let is_free = |device: &Device| {
            let on_it = |mount: &Mount| mount.device() == device.number;
            !mounted.iter().any(|mount| on_it(mount) && !mount.point.starts_with(&own))
        };
        let all = devices(&self.paths);
        let is_whole_of_parts =
            |device: &Device| all.iter().any(|part| part.name != device.name && part.name.starts_with(&device.name));
        let mut found: Vec<(Device, Option<Filesystem>)> = Vec::new();
        for device in all.iter().filter(|device| is_free(device)) {
            let filesystem = match Filesystem::of(&device.path) {
                // A drive without a disc.
                Err(_) if device.what == DISC => continue,
                found => found.unwrap_or_default(),
            };
            // A partition table is not a filesystem, and a hybrid image shows one filesystem twice.
            let is_known = |one: &Filesystem| found.iter().any(|(_, other)| other.as_ref() == Some(one));
            if filesystem.as_ref().map_or(is_whole_of_parts(device), is_known) {
                continue;
            }
            found.push((device.clone(), filesystem));
        }
        Ok(found)
    }

    /// Mounts a filesystem unless it is already mounted here, and returns the folder. If its device is gone, it is
    /// mounted again.
    pub fn mount(&self, id: &str) -> Result<PathBuf, StepError> {
        let place = self.place(id);
        if let Some(mount) = mounts::own()?.into_iter().find(|mount| mount.point == place) {
            if self.is_there(&mount) {
                return Ok(place);
            }
            unmount(&place)?;
        }
        let wanted = |(device, found): (Device, Option<Filesystem>)| {
            found.filter(|found| found.id == id).map(|found| (device, found.kind))
        };
        let Some((device, kind)) = self.unmounted_devices()?.into_iter().find_map(wanted) else {
            let what = "the medium is no longer connected";
            return Err(
                StepError::new(codes::MEDIUM_UNREADABLE, what).hint("Connect it again, then look for media again.")
            );
        };
        durable::create_folder_with_mode(&self.folder(), 0o700)?;
        durable::create_folder_with_mode(&place, 0o700)?;
        mount_read_only(&device.path, &place, kind).map_err(|error| {
            remove_empty(&place);
            let what = format!("{} {} cannot be mounted as {}", device.what, device.name, kind.name());
            StepError::new(codes::MEDIUM_UNREADABLE, what).because(error)
        })?;
        Ok(place)
    }

    /// Returns true if the device of a mount still exists.
    fn is_there(&self, mount: &Mount) -> bool {
        self.paths.host("/sys/dev/block").join(mount.device()).exists()
    }

    /// Unmounts everything here except the needed filesystem.
    pub fn clear(&self, needed: Option<&str>) -> Result<(), StepError> {
        let folder = self.folder();
        for mount in mounts::own()?.into_iter().filter(|mount| mount.point.starts_with(&folder)) {
            if self.filesystem_of(&mount.point).as_deref() != needed {
                unmount(&mount.point)?;
            }
        }
        // Folders of failed mounts, or of mounts that were in use when they were detached.
        for entry in fs_err::read_dir(&folder).into_iter().flatten().flatten() {
            if Some(&*entry.file_name().to_string_lossy()) != needed {
                remove_empty(&entry.path());
            }
        }
        Ok(())
    }
}

fn mount_read_only(device: &Path, place: &Path, kind: FilesystemKind) -> std::io::Result<()> {
    let flags = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    let options: Option<&CStr> = match kind {
        FilesystemKind::Ext4 => Some(OF_EXT4),
        _ => None,
    };
    Ok(rustix::mount::mount(device, place, kind.name(), flags, options)?)
}

/// Unmounts, even if the device is gone, and removes the empty folder.
fn unmount(place: &Path) -> Result<(), StepError> {
    rustix::mount::unmount(place, UnmountFlags::DETACH).map_err(|error| {
        StepError::new(codes::MEDIUM_UNREADABLE, format!("cannot unmount {}", place.display())).because(error)
    })?;
    remove_empty(place);
    Ok(())
}

/// Removes a folder of the shelf, unless something is still mounted on it.
fn remove_empty(place: &Path) {
    if let Err(error) = durable::remove_folder(place) {
        tracing::debug!(%error, "a folder of the shelf stays");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shelf_path_names_its_filesystem() {
        let shelf = Shelf::of(&SitePaths::default());
        let path = shelf.place("00ff").join("next/a.landfall");
        assert_eq!(path, Path::new("/run/landfall/media/00ff/next/a.landfall"));
        assert_eq!(shelf.filesystem_of(&path).as_deref(), Some("00ff"));
        assert_eq!(shelf.filesystem_of(Path::new("/media/stick/a.landfall")), None);
        shelf.clear(None).unwrap();
    }

    #[test]
    fn shelf_removes_only_leftover_places() {
        let root = tempfile::tempdir().unwrap();
        let shelf = Shelf::of(&SitePaths::below(root.path()));
        for id in ["00ff", "11ee"] {
            durable::create_folder(&shelf.place(id)).unwrap();
        }
        shelf.clear(Some("00ff")).unwrap();
        assert!(shelf.place("00ff").exists() && !shelf.place("11ee").exists());
        shelf.clear(None).unwrap();
        assert!(!shelf.is_used());
    }

    #[test]
    fn absent_medium_is_not_mounted() {
        let root = tempfile::tempdir().unwrap();
        let shelf = Shelf::of(&SitePaths::below(root.path()));
        assert!(shelf.unmounted_devices().unwrap().is_empty());
        let error = shelf.mount("00ff").unwrap_err();
        assert_eq!(landfall_error_codes::CodedError::code(&error), codes::MEDIUM_UNREADABLE);
        assert!(!shelf.place("00ff").exists());
    }
}
