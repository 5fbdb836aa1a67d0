//! A volume whose data the new release changes is copied while its workload is stopped. Undo brings the copy back, whatever the
//! new release has made of the data by then.

use std::path::{Path, PathBuf};

use landfall_host::command::HostCommand;
use landfall_host::mounts;
use landfall_media::durable;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::stop::Stop;
use crate::site::Site;
use landfall_engine::step::{Observed, Step, StepError};

/// What the names of copies begin with. No volume's folder does.
pub(crate) const KEPT_COPY: &str = "before-upgrade.";

/// What the name of an unfinished copy begins with.
pub(crate) const UNFINISHED_COPY: &str = "unfinished-copy.";

/// Parameters of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeepCopy {
    /// Name of the volume's folder in the folder of volumes.
    pub folder: String,
    /// What names the operation: the copy of another one is never taken for this one's.
    pub token: String,
    /// How its workload is stopped; it is stopped already when the step begins.
    pub stopped: Stop,
}

impl KeepCopy {
    /// Name of the copy, in the folder of volumes.
    pub fn copy(&self) -> String {
        format!("{KEPT_COPY}{}.{}", self.token, self.folder)
    }

    fn unfinished(&self) -> String {
        format!("{UNFINISHED_COPY}{}.{}", self.token, self.folder)
    }

    fn path(site: &Site, name: &str) -> PathBuf {
        site.paths.storage().join(name)
    }
}

impl KeepCopy {
    fn put_back(copy: &Path, volume: &Path) -> Result<(), StepError> {
        mounts::remove_tree(volume)?;
        Ok(durable::rename(copy, volume)?)
    }
}

impl Step<Site> for KeepCopy {
    fn observe(&self, site: &mut Site) -> Result<Observed, StepError> {
        Ok(if Self::path(site, &self.copy()).exists() { Observed::Done } else { Observed::Absent })
    }

    fn act(&self, site: &mut Site, _before: &Value) -> Result<Value, StepError> {
        let unfinished = Self::path(site, &self.unfinished());
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
        mounts::remove_tree(&Self::path(site, &self.unfinished()))?;
        let (volume, copy) = (Self::path(site, &self.folder), Self::path(site, &self.copy()));
        if !copy.exists() {
            return Ok(());
        }
        // The earlier release's objects are back by now, and their pods may run on the later one's data.
        self.stopped.stop(site)?;
        Self::put_back(&copy, &volume)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use landfall_cluster::ObjectName;
    use landfall_host::command::Subprocesses;

    use super::*;
    use crate::steps::tests::site;

    fn step() -> KeepCopy {
        let workload = ObjectName::new("apps/v1", "StatefulSet", "db", "db");
        let stopped = Stop { workload, pods: "app=db".to_owned(), replicas: 1 };
        KeepCopy { folder: "pvc-1_db_data".to_owned(), token: "0f".to_owned(), stopped }
    }

    #[test]
    fn a_copy_is_whole_before_it_has_its_name_and_takes_the_place_of_changed_data() {
        let (_root, mut site) = site();
        site.commands = Arc::new(Subprocesses);
        let volume = KeepCopy::path(&site, &step().folder);
        durable::create_folder(&volume.join("base")).unwrap();
        durable::write_file(&volume.join("base/rows"), b"rows", 0o640).unwrap();
        // An earlier attempt was cut, and another operation left a copy.
        durable::create_folder(&KeepCopy::path(&site, &step().unfinished())).unwrap();
        let other = KeepCopy { token: "other".to_owned(), ..step() };
        durable::create_folder(&KeepCopy::path(&site, &other.copy())).unwrap();
        assert_eq!(step().observe(&mut site).unwrap(), Observed::Absent);
        step().act(&mut site, &Value::Null).unwrap();
        assert_eq!(step().observe(&mut site).unwrap(), Observed::Done);
        assert!(!KeepCopy::path(&site, &step().unfinished()).exists());

        mounts::remove_tree(&volume.join("base")).unwrap();
        KeepCopy::put_back(&KeepCopy::path(&site, &step().copy()), &volume).unwrap();
        assert_eq!(fs_err::read(volume.join("base/rows")).unwrap(), b"rows");
        // Without a copy there is nothing to undo, and no cluster is asked.
        step().undo(&mut site, &Value::Null).unwrap();
        assert_eq!(fs_err::read(volume.join("base/rows")).unwrap(), b"rows");
    }
}
