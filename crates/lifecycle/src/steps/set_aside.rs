//! Sets the data of a volume aside and puts an empty folder in its place. Undo restores the data and keeps the later
//! content of that folder, because clients may have written to it. If nothing may have run on the loaded data yet, undo
//! removes it. Nothing is copied: all are names in one folder.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use landfall_host::{files, mounts};
use landfall_media::durable;
use rustix::fs::{Gid, Uid};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use landfall_engine::step::{ObservedState, Step, StepError};

use super::aside::{AsideData, Reason};
use super::begin_use::note_use;
use super::stop::Stop;
use crate::context::Site;
use landfall_site::backups::LiveVolume;

/// Default mode of a volume's folder, equal to the provisioner's, if there is no folder to take it from.
const VOLUME_MODE: u32 = 0o777;

/// Parameters of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetAside {
    /// Name of the volume's folder in the folder of volumes.
    pub folder: String,
    /// Token of the operation, which keeps set-aside data of different operations apart.
    pub token: String,
    /// Parameters for stopping its workload, which is already stopped when the step begins.
    pub stopped: Stop,
}

impl SetAside {
    /// Returns the step for this volume, in the operation of that token.
    pub(crate) fn of(volume: LiveVolume, token: &str) -> Self {
        Self { folder: volume.folder, token: token.to_owned(), stopped: volume.stop }
    }

    /// Returns the name of the folder with the set-aside data, in the folder of volumes.
    pub fn name_aside(&self) -> String {
        self.aside_data().name()
    }

    /// Returns the set-aside data as data that undo may restore.
    pub(crate) fn aside_data(&self) -> AsideData<'_> {
        AsideData { reason: Reason::Restore, token: &self.token, folder: &self.folder }
    }

    /// Replaces the volume's folder by an empty one, with the owner and mode of the set-aside data. Fails if none was
    /// set aside, because the folder then has the only copy.
    fn empty(&self, site: &Site) -> Result<(), StepError> {
        let (volume, aside) = (self.aside_data().volume(&site.data.paths), self.aside_data().path(&site.data.paths));
        let found = fs_err::metadata(&aside).map_err(|error| files::file_error("look at", &aside, error))?;
        let mode = found.mode() & 0o7777;
        mounts::remove_tree(&volume)?;
        durable::create_folder_with_mode(&volume, mode)?;
        give(&volume, found.uid(), found.gid())?;
        // The process's umask and the change of owner may have cleared bits.
        Ok(durable::set_mode(&volume, mode)?)
    }

    /// Fills the volume by `fill`; the data is on the disk on return. Removes a partial earlier attempt, or an empty
    /// database that a pod made.
    pub(crate) fn fill(&self, site: &Site, fill: impl FnOnce() -> Result<(), StepError>) -> Result<(), StepError> {
        self.make_ready(site)?;
        fill()?;
        site.hosts.only()?.sync_filesystem(&site.data.volumes())
    }

    /// Prepares the load: removes files that pods wrote to the empty volume. Until the load is put to use, undo may
    /// remove the volume's content.
    fn make_ready(&self, site: &Site) -> Result<(), StepError> {
        self.aside_data().forget_use(&site.data.paths)?;
        self.empty(site)
    }

    /// Removes loaded data, unless pods may have written to the volume. Then notes on the disk that pods may write to
    /// the empty volume, so undo keeps their data.
    pub(crate) fn unload(&self, site: &Site) -> Result<(), StepError> {
        let aside = self.aside_data();
        if aside.is_used(&site.data.paths) || !aside.path(&site.data.paths).exists() {
            return Ok(());
        }
        self.empty(site)?;
        note_use(&site.data.paths, &aside.name())
    }
}

fn give(folder: &Path, uid: u32, gid: u32) -> Result<(), StepError> {
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    rustix::fs::chown(folder, Some(uid), Some(gid))
        .map_err(|error| files::file_error("set the owner of", folder, error.into()))
}

impl Step<Site> for SetAside {
    /// `act` makes sure that the folder is empty and has its owner.
    fn observe(&self, site: &mut Site) -> Result<ObservedState, StepError> {
        let is_aside = self.aside_data().path(&site.data.paths).exists();
        Ok(if is_aside { ObservedState::Partial("the data is set aside".to_owned()) } else { ObservedState::Absent })
    }

    fn act(&self, site: &mut Site, _before: &Value) -> Result<Value, StepError> {
        let (volume, aside) = (self.aside_data().volume(&site.data.paths), self.aside_data().path(&site.data.paths));
        if !aside.exists() && volume.exists() {
            mounts::refuse_mounted(&volume)?;
            durable::rename(&volume, &aside)?;
        } else if !aside.exists() {
            // The folder was lost, so undo restores an empty one.
            durable::create_folder_with_mode(&aside, VOLUME_MODE)?;
            durable::set_mode(&aside, VOLUME_MODE)?;
        }
        self.empty(site)?;
        Ok(Value::Null)
    }

    fn undo(&self, site: &mut Site, _before: &Value) -> Result<(), StepError> {
        // Restored objects may have started pods on the loaded data.
        self.aside_data().bring_back(&site.data.paths, || self.stopped.stop(&site.cluster))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use std::path::PathBuf;

    use landfall_cluster::ObjectName;
    use landfall_media::power::{Fate, Recording};

    use super::*;
    use crate::replaced_data;
    use crate::steps::begin_use::{BeginUse, note_of};
    use crate::steps::remove_aside::RemoveAside;
    use crate::steps::tests::site;

    fn step() -> SetAside {
        let workload = ObjectName::new("apps/v1", "StatefulSet", "db", "db");
        let stopped = Stop { workload, pods: "app=db".to_owned(), replicas: 1 };
        SetAside { folder: "pvc-1_db_data".to_owned(), token: "0f".to_owned(), stopped }
    }

    /// Undoes the step after the workload is stopped.
    fn undo(site: &Site) {
        step().aside_data().bring_back(&site.data.paths, || Ok(())).unwrap();
    }

    fn with_rows(site: &Site) -> PathBuf {
        let volume = step().aside_data().volume(&site.data.paths);
        durable::create_folder(&volume).unwrap();
        durable::set_mode(&volume, 0o2770).unwrap();
        durable::write_file(&volume.join("rows"), b"rows", 0o600).unwrap();
        volume
    }

    fn is_as_before(site: &Site) -> bool {
        let volume = step().aside_data().volume(&site.data.paths);
        fs_err::read(volume.join("rows")).is_ok_and(|rows| rows == b"rows")
            && !step().aside_data().path(&site.data.paths).exists()
    }

    #[test]
    fn data_returns_after_cut_act() {
        let (_root, site) = site();
        let volume = with_rows(&site);
        let cuts: [&dyn Fn(&Site); 4] = [
            &|_| {},
            &|site| {
                durable::rename(
                    &step().aside_data().volume(&site.data.paths),
                    &step().aside_data().path(&site.data.paths),
                )
                .unwrap();
            },
            &|site| drop(step().act(&mut site.clone(), &Value::Null).unwrap()),
            &|site| {
                step().act(&mut site.clone(), &Value::Null).unwrap();
                durable::write_file(&step().aside_data().volume(&site.data.paths).join("half"), b"loaded", 0o600)
                    .unwrap();
            },
        ];
        for (index, cut) in cuts.iter().enumerate() {
            cut(&site);
            undo(&site);
            assert!(is_as_before(&site), "cut {index}");
            assert_eq!(
                replaced_data::all(&site.data.paths).unwrap(),
                [],
                "cut {index}: nothing ran on what was loaded"
            );
            assert_eq!(volume.metadata().unwrap().permissions().mode() & 0o7777, 0o2770, "cut {index}");
        }
    }

    /// Returns a volume with loaded data in use.
    fn in_use(site: &Site, loaded: &[u8]) -> PathBuf {
        let volume = with_rows(site);
        step().act(&mut site.clone(), &Value::Null).unwrap();
        durable::write_file(&volume.join("rows"), loaded, 0o600).unwrap();
        BeginUse { apart: vec![step().name_aside()] }.act(&mut site.clone(), &Value::Null).unwrap();
        volume
    }

    fn replaced_rows(site: &Site) -> Vec<(String, Vec<u8>)> {
        let all = replaced_data::all(&site.data.paths).unwrap().into_iter();
        all.map(|kept| (kept.name, fs_err::read(kept.path.join("rows")).unwrap())).collect()
    }

    #[test]
    fn cut_undo_keeps_client_writes() {
        let first = "after-restore.0f.pvc-1_db_data";
        let cuts: [&dyn Fn(&Site); 4] = [
            &|_| {},
            // Between the two renames.
            &|site| {
                durable::rename(&step().aside_data().volume(&site.data.paths), &site.data.paths.storage().join(first))
                    .unwrap();
            },
            // Before the note is removed.
            &|site| step().aside_data().put_back(&site.data.paths).unwrap(),
            &|site| undo(site),
        ];
        for (index, cut) in cuts.iter().enumerate() {
            let (_root, site) = site();
            in_use(&site, b"loaded, and more");
            cut(&site);
            undo(&site);
            assert!(is_as_before(&site), "cut {index}");
            assert_eq!(replaced_rows(&site), [(first.to_owned(), b"loaded, and more".to_vec())], "cut {index}");
            assert!(!note_of(&site.data.paths, &step().name_aside()).exists(), "cut {index}");
            assert!(
                step().aside_data().has_replaced(first)
                    && !step().aside_data().has_replaced("after-upgrade.0f.pvc-1_db_data")
            );
        }
    }

    #[test]
    fn undone_load_keeps_later_writes() {
        for written in [None, Some(b"written during the undo")] {
            let (_root, site) = site();
            let volume = with_rows(&site);
            step().act(&mut site.clone(), &Value::Null).unwrap();
            durable::write_file(&volume.join("half"), b"loaded", 0o600).unwrap();
            step().unload(&site).unwrap();
            assert!(!volume.join("half").exists() && note_of(&site.data.paths, &step().name_aside()).exists());
            if let Some(rows) = written {
                durable::write_file(&volume.join("rows"), rows, 0o600).unwrap();
                // After a power cut, it may be called again.
                step().unload(&site).unwrap();
            }
            undo(&site);
            assert!(is_as_before(&site));
            let rows: Vec<_> = replaced_rows(&site).into_iter().map(|(_, rows)| rows).collect();
            assert_eq!(rows, written.map(|rows| rows.to_vec()).into_iter().collect::<Vec<_>>());
        }
        // Completely loaded data in use stays unchanged.
        let (_root, site) = site();
        let volume = in_use(&site, b"loaded, and more");
        step().unload(&site).unwrap();
        assert_eq!(fs_err::read(volume.join("rows")).unwrap(), b"loaded, and more");
    }

    #[test]
    fn writes_before_load_are_kept() {
        for begins in [false, true] {
            let (_root, mut site) = site();
            let volume = with_rows(&site);
            step().act(&mut site, &Value::Null).unwrap();
            BeginUse { apart: vec![step().name_aside()] }.act(&mut site, &Value::Null).unwrap();
            durable::write_file(&volume.join("rows"), b"of a pod", 0o600).unwrap();
            if begins {
                step().make_ready(&site).unwrap();
                assert_eq!(fs_err::read_dir(&volume).unwrap().count(), 0);
                durable::write_file(&volume.join("half"), b"loaded", 0o600).unwrap();
            }
            step().unload(&site).unwrap();
            undo(&site);
            assert!(is_as_before(&site));
            assert_eq!(replaced_rows(&site).len(), usize::from(!begins), "{begins}: {:?}", replaced_rows(&site));
            assert!(!note_of(&site.data.paths, &step().name_aside()).exists());
        }
    }

    #[test]
    fn running_workload_keeps_loaded_data() {
        let (_root, mut site) = site();
        let volume = in_use(&site, b"loaded");
        // No cluster exists that could stop anything.
        let error = step().undo(&mut site, &Value::Null).unwrap_err().to_string();
        assert!(error.starts_with("cannot use the kubeconfig "), "{error}");
        assert_eq!(fs_err::read(volume.join("rows")).unwrap(), b"loaded");
        // After the commit, the earlier data and its note are removed, and the loaded data stays.
        let remove = RemoveAside { folder: step().name_aside() };
        remove.act(&mut site, &Value::Null).unwrap();
        assert_eq!(fs_err::read_dir(site.data.paths.storage()).unwrap().count(), 1);
    }

    #[test]
    fn repeated_act_keeps_data_aside() {
        let (_root, mut site) = site();
        let volume = with_rows(&site);
        for _ in 0..2 {
            step().act(&mut site, &Value::Null).unwrap();
            assert_eq!(fs_err::read_dir(&volume).unwrap().count(), 0);
            assert_eq!(volume.metadata().unwrap().permissions().mode() & 0o7777, 0o2770);
        }
        undo(&site);
        assert!(is_as_before(&site));
    }

    #[test]
    fn data_of_another_operation_is_ignored() {
        let (_root, mut site) = site();
        with_rows(&site);
        let other = SetAside { token: "other".to_owned(), ..step() };
        durable::create_folder(&other.aside_data().path(&site.data.paths)).unwrap();
        assert_eq!(step().observe(&mut site).unwrap(), ObservedState::Absent);
        // The only copy is not removed.
        let error = step().empty(&site).unwrap_err().to_string();
        assert_eq!(error, format!("cannot look at {}", step().aside_data().path(&site.data.paths).display()));
        // This operation set nothing aside, so no cluster is contacted.
        step().undo(&mut site, &Value::Null).unwrap();
        assert!(is_as_before(&site));
    }

    #[test]
    fn set_aside_survives_power_cuts() {
        let (root, mut site) = site();
        let (volume, aside) = (with_rows(&site), step().aside_data().path(&site.data.paths));
        let recording = Recording::begin(root.path()).unwrap();
        step().act(&mut site, &Value::Null).unwrap();
        let states = recording.end(&[Fate::Lost, Fate::Kept, Fate::Mixed(1), Fate::Mixed(2)]);
        assert!(states.len() > 2, "{}", states.len());
        for (index, left) in states.iter().enumerate() {
            fs_err::remove_dir_all(root.path()).unwrap();
            left.place(root.path()).unwrap();
            let what = format!("{} acts, {:?}", left.edge, left.fate);
            // The operation continues and is then undone, or is undone at once.
            if index.is_multiple_of(2) {
                step().act(&mut site, &Value::Null).unwrap();
                assert_eq!(fs_err::read(aside.join("rows")).unwrap(), b"rows", "{what}");
                assert_eq!(fs_err::read_dir(&volume).unwrap().count(), 0, "{what}");
            }
            undo(&site);
            assert!(is_as_before(&site), "{what}");
        }
    }
}
