//! The data of a volume is set aside, and an empty folder takes its place. Undo brings the data back, whatever is in that
//! folder by then. Nothing is copied: both are names in one folder.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use landfall_host::{files, mounts};
use landfall_media::durable;
use rustix::fs::{Gid, Uid};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::site::Site;
use landfall_engine::step::{Observed, Step, StepError};

/// What the names of data that is set aside begin with. No volume's folder does.
const PREFIX: &str = "before-restore.";

/// The mode of a volume's folder, as the provisioner makes it, where there is none to take it from.
const VOLUME_MODE: u32 = 0o777;

/// Parameters of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetAside {
    /// Name of the volume's folder in the folder of volumes.
    pub folder: String,
}

impl SetAside {
    fn volume(&self, site: &Site) -> PathBuf {
        site.paths.storage().join(&self.folder)
    }

    /// Name of the folder that has the data meanwhile, in the folder of volumes.
    pub fn name_aside(&self) -> String {
        format!("{PREFIX}{}", self.folder)
    }

    fn aside(&self, site: &Site) -> PathBuf {
        site.paths.storage().join(self.name_aside())
    }

    /// Makes the volume's folder anew, empty, with the owner and mode of the data that was set aside.
    pub(super) fn empty(&self, site: &Site) -> Result<(), StepError> {
        let volume = self.volume(site);
        mounts::remove_tree(&volume)?;
        let (mode, owner) = match fs_err::metadata(self.aside(site)) {
            Ok(found) => (found.mode() & 0o7777, Some((found.uid(), found.gid()))),
            Err(_) => (VOLUME_MODE, None),
        };
        durable::create_folder_with_mode(&volume, mode)?;
        if let Some((uid, gid)) = owner {
            give(&volume, uid, gid)?;
        }
        // The process's own mask may have taken bits away, and a new owner takes some, too.
        Ok(durable::set_mode(&volume, mode)?)
    }
}

fn give(folder: &Path, uid: u32, gid: u32) -> Result<(), StepError> {
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    rustix::fs::chown(folder, Some(uid), Some(gid))
        .map_err(|error| files::failed("set the owner of", folder, error.into()))
}

impl Step<Site> for SetAside {
    fn observe(&self, site: &mut Site) -> Result<Observed, StepError> {
        Ok(match (self.aside(site).exists(), self.volume(site).exists()) {
            (true, true) => Observed::Done,
            (true, false) => Observed::Partial("the data is set aside".to_owned()),
            (false, _) => Observed::Absent,
        })
    }

    fn act(&self, site: &mut Site, _before: &Value) -> Result<Value, StepError> {
        let (volume, aside) = (self.volume(site), self.aside(site));
        if volume.exists() && !aside.exists() {
            mounts::refuse_mounted(&volume)?;
            durable::rename(&volume, &aside)?;
        }
        self.empty(site)?;
        Ok(Value::Null)
    }

    fn undo(&self, site: &mut Site, _before: &Value) -> Result<(), StepError> {
        let (volume, aside) = (self.volume(site), self.aside(site));
        if aside.exists() {
            mounts::remove_tree(&volume)?;
            durable::rename(&aside, &volume)?;
        }
        Ok(())
    }
}
