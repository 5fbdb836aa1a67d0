//! A volume whose data the new release changes is copied while its workload is stopped. Undo brings the copy back, whatever the
//! new release has made of the data by then.

use std::path::PathBuf;

use landfall_host::command::HostCommand;
use landfall_host::mounts;
use landfall_media::durable;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::stop::Stop;
use crate::site::Site;
use landfall_engine::step::{Observed, Step, StepError};

/// What the names of copies begin with. No volume's folder does.
const PREFIX: &str = "before-upgrade.";

/// What the name of an unfinished copy begins with.
const UNFINISHED: &str = "unfinished-copy.";

/// Parameters of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeepCopy {
    /// Name of the volume's folder in the folder of volumes.
    pub folder: String,
    /// How its workload is stopped; it is stopped already when the step begins.
    pub stopped: Stop,
}

impl KeepCopy {
    /// Name of the copy, in the folder of volumes.
    pub fn copy(&self) -> String {
        format!("{PREFIX}{}", self.folder)
    }

    fn path(site: &Site, name: &str) -> PathBuf {
        site.paths.storage().join(name)
    }
}

impl Step<Site> for KeepCopy {
    fn observe(&self, site: &mut Site) -> Result<Observed, StepError> {
        Ok(if Self::path(site, &self.copy()).exists() { Observed::Done } else { Observed::Absent })
    }

    fn act(&self, site: &mut Site, _before: &Value) -> Result<Value, StepError> {
        let unfinished = Self::path(site, &format!("{UNFINISHED}{}", self.folder));
        mounts::remove_tree(&unfinished)?;
        // Owners, modes, times, links, holes and attributes; on a filesystem that can, no block is written twice.
        let copy = HostCommand::new("/bin/cp")
            .arguments(["--archive", "--reflink=auto", "--sparse=auto", "--no-target-directory"])
            .arguments([Self::path(site, &self.folder).into_os_string(), unfinished.clone().into_os_string()]);
        site.run(&copy)?;
        site.sync_filesystem(&unfinished)?;
        // The copy gets its name once it is whole: by that name, undo knows it.
        durable::rename(&unfinished, &Self::path(site, &self.copy()))?;
        Ok(Value::Null)
    }

    fn undo(&self, site: &mut Site, _before: &Value) -> Result<(), StepError> {
        mounts::remove_tree(&Self::path(site, &format!("{UNFINISHED}{}", self.folder)))?;
        let (volume, copy) = (Self::path(site, &self.folder), Self::path(site, &self.copy()));
        if !copy.exists() {
            return Ok(());
        }
        // The earlier release's objects are back by now, and their pods may run on the later one's data.
        self.stopped.stop(site)?;
        mounts::remove_tree(&volume)?;
        Ok(durable::rename(&copy, &volume)?)
    }
}
