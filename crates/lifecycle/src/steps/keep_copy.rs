//! Copies a volume whose data the new release changes, while its workload is stopped. Undo restores the copy and keeps
//! the changed data, because clients may have written to it. If nothing may have run on the data yet, undo keeps the
//! volume and removes the copy.

use std::path::PathBuf;

use landfall_host::command::HostCommand;
use landfall_host::mounts;
use landfall_media::durable;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use landfall_engine::step::{ObservedState, Step, StepError};

use super::aside::{AsideData, Reason};
use super::stop::Stop;
use crate::context::Site;

/// Prefix of the names of unfinished copies.
pub(crate) const UNFINISHED_COPY: &str = "unfinished-copy.";

/// Parameters of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeepCopy {
    /// Name of the volume's folder in the folder of volumes.
    pub folder: String,
    /// Token of the operation, which keeps copies of different operations apart.
    pub token: String,
    /// Parameters for stopping its workload, which is already stopped when the step begins.
    pub stopped: Stop,
}

impl KeepCopy {
    /// Returns the name of the copy in the folder of volumes.
    pub fn copy(&self) -> String {
        self.aside_data().name()
    }

    /// Returns the copy as data that undo may restore.
    pub(crate) fn aside_data(&self) -> AsideData<'_> {
        AsideData { reason: Reason::Upgrade, token: &self.token, folder: &self.folder }
    }

    fn unfinished_name(&self) -> String {
        format!("{UNFINISHED_COPY}{}.{}", self.token, self.folder)
    }

    fn path(site: &Site, name: &str) -> PathBuf {
        site.data.volumes().join(name)
    }

    /// Undoes the step. Calls `stop` to end the pods that may run on the data, only if there may be any.
    pub(crate) fn bring_back(
        &self,
        site: &Site,
        stop: impl FnOnce() -> Result<(), StepError>,
    ) -> Result<(), StepError> {
        let (unfinished, aside, paths) =
            (Self::path(site, &self.unfinished_name()), self.aside_data(), &site.data.paths);
        let copy = aside.path(paths);
        mounts::remove_tree(&unfinished)?;
        if copy.exists() && aside.volume(paths).exists() && !aside.is_used(paths) {
            // No pod has run since the copy was made. Its final name promises a complete copy, so the removal begins
            // with a rename.
            durable::rename(&copy, &unfinished)?;
            return mounts::remove_tree(&unfinished);
        }
        aside.bring_back(paths, stop)
    }
}

impl Step<Site> for KeepCopy {
    fn observe(&self, site: &mut Site) -> Result<ObservedState, StepError> {
        Ok(if Self::path(site, &self.copy()).exists() { ObservedState::Done } else { ObservedState::Absent })
    }

    fn act(&self, site: &mut Site, _before: &Value) -> Result<Value, StepError> {
        let unfinished = Self::path(site, &self.unfinished_name());
        mounts::remove_tree(&unfinished)?;
        // Copies owners, modes, times, links, holes and attributes. Filesystems that can share blocks do so.
        let copy = HostCommand::new("/bin/cp")
            .arguments(["--archive", "--reflink=auto", "--sparse=auto", "--no-target-directory"])
            .arguments([Self::path(site, &self.folder).into_os_string(), unfinished.clone().into_os_string()]);
        site.hosts.only()?.run(&copy)?;
        site.hosts.only()?.sync_filesystem(&unfinished)?;
        // Only a complete copy gets the name by which undo recognizes it.
        durable::rename(&unfinished, &Self::path(site, &self.copy()))?;
        Ok(Value::Null)
    }

    fn undo(&self, site: &mut Site, _before: &Value) -> Result<(), StepError> {
        // The earlier release's objects are restored by now, and their pods may run on the later release's data.
        self.bring_back(site, || self.stopped.stop(&site.cluster))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use landfall_cluster::ObjectName;
    use landfall_host::command::Subprocesses;
    use landfall_media::power::{Fate, Recording};

    use super::*;
    use crate::replaced_data;
    use crate::steps::begin_use::{BeginUse, note_of};
    use crate::steps::remove_aside::RemoveAside;
    use crate::steps::tests::{on_host, site};

    fn step() -> KeepCopy {
        let workload = ObjectName::new("apps/v1", "StatefulSet", "db", "db");
        let stopped = Stop { workload, pods: "app=db".to_owned(), replicas: 1 };
        KeepCopy { folder: "pvc-1_db_data".to_owned(), token: "0f".to_owned(), stopped }
    }

    #[test]
    fn changed_data_stays_when_copy_returns() {
        let (_root, mut site) = site();
        site = on_host(&site, site.data.paths.clone(), Arc::new(Subprocesses));
        let volume = KeepCopy::path(&site, &step().folder);
        durable::create_folder(&volume.join("base")).unwrap();
        durable::write_file(&volume.join("base/rows"), b"rows", 0o640).unwrap();
        // An earlier attempt was interrupted, and another operation left a copy.
        durable::create_folder(&KeepCopy::path(&site, &step().unfinished_name())).unwrap();
        let other = KeepCopy { token: "other".to_owned(), ..step() };
        durable::create_folder(&KeepCopy::path(&site, &other.copy())).unwrap();
        assert_eq!(step().observe(&mut site).unwrap(), ObservedState::Absent);
        step().act(&mut site, &Value::Null).unwrap();
        assert_eq!(step().observe(&mut site).unwrap(), ObservedState::Done);
        assert!(!KeepCopy::path(&site, &step().unfinished_name()).exists());

        // Clients of the new release write to the volume.
        durable::write_file(&note_of(&site.data.paths, &step().copy()), b"", 0o600).unwrap();
        durable::write_file(&volume.join("base/rows"), b"more rows", 0o640).unwrap();
        step().aside_data().put_back(&site.data.paths).unwrap();
        assert_eq!(fs_err::read(volume.join("base/rows")).unwrap(), b"rows");
        let kept = replaced_data::all(&site.data.paths).unwrap();
        assert_eq!(kept.iter().map(|kept| kept.name.as_str()).collect::<Vec<_>>(), ["after-upgrade.0f.pvc-1_db_data"]);
        assert_eq!(fs_err::read(kept[0].path.join("base/rows")).unwrap(), b"more rows");
        assert!(step().aside_data().has_replaced(&kept[0].name) && !other.aside_data().has_replaced(&kept[0].name));
        // Without a copy, undo only removes its note and does not contact the cluster.
        assert!(note_of(&site.data.paths, &step().copy()).exists());
        step().undo(&mut site, &Value::Null).unwrap();
        assert_eq!(fs_err::read(volume.join("base/rows")).unwrap(), b"rows");
        assert!(!note_of(&site.data.paths, &step().copy()).exists());
    }

    #[test]
    fn early_undo_keeps_no_second_copy() {
        let (_root, mut site) = site();
        site = on_host(&site, site.data.paths.clone(), Arc::new(Subprocesses));
        let (volume, copy) = (KeepCopy::path(&site, &step().folder), KeepCopy::path(&site, &step().copy()));
        durable::create_folder(&volume).unwrap();
        durable::write_file(&volume.join("rows"), b"rows", 0o640).unwrap();
        step().act(&mut site, &Value::Null).unwrap();
        // No cluster exists that could stop anything. The second undo stands for one after a power cut.
        for _ in 0..2 {
            step().undo(&mut site, &Value::Null).unwrap();
            assert_eq!(fs_err::read(volume.join("rows")).unwrap(), b"rows");
            assert!(!copy.exists() && !KeepCopy::path(&site, &step().unfinished_name()).exists());
            assert_eq!(replaced_data::all(&site.data.paths).unwrap(), []);
        }

        step().act(&mut site, &Value::Null).unwrap();
        let mut begin = BeginUse { apart: vec![step().copy()] };
        assert_eq!(begin.observe(&mut site).unwrap(), ObservedState::Absent);
        begin.act(&mut site, &Value::Null).unwrap();
        assert_eq!(begin.observe(&mut site).unwrap(), ObservedState::Done);
        begin.undo(&mut site, &Value::Null).unwrap();
        // From here on, undo restores the copy after its workload has stopped. Without a cluster, the copy stays.
        let error = step().undo(&mut site, &Value::Null).unwrap_err().to_string();
        assert!(error.starts_with("cannot use the kubeconfig "), "{error}");
        assert!(copy.exists() && volume.exists());
        let mut remove = RemoveAside { folder: begin.apart.remove(0) };
        remove.act(&mut site, &Value::Null).unwrap();
        assert!(!copy.exists() && !note_of(&site.data.paths, &remove.folder).exists());
        remove.folder.push('x');
        assert_eq!(remove.observe(&mut site).unwrap(), ObservedState::Done);
    }

    #[test]
    fn cut_return_of_copy_loses_nothing() {
        let (_root, site) = site();
        let [volume, copy, kept] = [step().folder, step().copy(), "after-upgrade.0f.pvc-1_db_data".to_owned()]
            .map(|name| KeepCopy::path(&site, &name));
        let write = |folder: &std::path::Path, rows: &[u8]| {
            durable::create_folder(folder).unwrap();
            durable::write_file(&folder.join("rows"), rows, 0o640).unwrap();
        };
        write(&copy, b"before");
        write(&volume, b"after");
        durable::write_file(&note_of(&site.data.paths, &step().copy()), b"", 0o600).unwrap();
        // The cut comes between the two renames, and something recreates the volume's folder.
        durable::rename(&volume, &kept).unwrap();
        write(&volume, b"again");
        step().aside_data().put_back(&site.data.paths).unwrap();
        let found: Vec<Vec<u8>> = replaced_data::all(&site.data.paths)
            .unwrap()
            .iter()
            .map(|kept| fs_err::read(kept.path.join("rows")).unwrap())
            .collect();
        assert_eq!(found, [b"again".to_vec(), b"after".to_vec()]);
        assert_eq!(fs_err::read(volume.join("rows")).unwrap(), b"before");
        assert!(
            replaced_data::all(&site.data.paths)
                .unwrap()
                .iter()
                .all(|kept| step().aside_data().has_replaced(&kept.name))
        );
    }

    #[test]
    fn data_returns_after_every_power_cut() {
        let (root, site) = site();
        let (step, replaced) = (step(), "after-upgrade.0f.pvc-1_db_data");
        let (aside, note) = (step.aside_data(), note_of(&site.data.paths, &step.copy()));
        let [volume, copy] = [&step.folder, &step.copy()].map(|name| KeepCopy::path(&site, name));
        for (folder, rows) in [(&copy, "before"), (&volume, "after")] {
            durable::create_folder(folder).unwrap();
            durable::write_file(&folder.join("rows"), rows.as_bytes(), 0o640).unwrap();
        }
        durable::write_file(&note, b"", 0o600).unwrap();
        let back = || aside.bring_back(&site.data.paths, || Ok(())).unwrap();
        let recording = Recording::begin(root.path()).unwrap();
        back();
        let states = recording.end(&[Fate::Lost, Fate::Kept, Fate::Mixed(1), Fate::Mixed(2)]);
        assert!(states.len() > 3, "{}", states.len());
        for left in &states {
            fs_err::remove_dir_all(root.path()).unwrap();
            left.place(root.path()).unwrap();
            back();
            let what = format!("{} acts, {:?}", left.edge, left.fate);
            assert_eq!(fs_err::read(volume.join("rows")).unwrap(), b"before", "{what}");
            let kept = replaced_data::all(&site.data.paths).unwrap();
            assert_eq!(kept.iter().map(|kept| kept.name.as_str()).collect::<Vec<_>>(), [replaced], "{what}");
            assert_eq!(fs_err::read(kept[0].path.join("rows")).unwrap(), b"after", "{what}");
            assert!(!copy.exists() && !note.exists(), "{what}");
        }
    }
}
