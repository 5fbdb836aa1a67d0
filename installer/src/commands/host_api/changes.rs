//! Changes that the console requests: media are found, plans made, and approved plans started.
//!
//! An attacker in control of the console can choose only among media, uploads, backups and plans of this host. All
//! paths and arguments of processes are the host's own.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use landfall_bundle_spec::Sha256;
use landfall_documents::change::Change;
use landfall_error_codes::{CodedError, cases, codes};
use landfall_lifecycle::operations::Operations;
use landfall_peer::{KeptSecret, Medium, PlanPage, Problem, Refusal, Requester, SecretRequest};
use landfall_site::removable::{Shelf, medium_id};
use landfall_site::uploads::UploadSlot;
use serde::Deserialize;
use serde_json::Value;

use super::child::{Origin, ask, ask_with, refusal, refusal_in};
use super::uploads::ChildJudge;
use super::vault::Vault;
use crate::commands::change::{LookedBundle, shown_name};
use crate::commands::resolved_change::{ApprovedChange, ResolvedChange};

/// Time limit for a search of all media.
const LOOK: Duration = Duration::from_secs(90);
/// Time limit for a plan: the API server checks each changed object.
const PLAN: Duration = Duration::from_mins(5);
/// Time limit for the start of a change, which includes another plan, and for an undo, which stops the unit first.
const BEGIN: Duration = Duration::from_mins(6);
/// Interval between checks of the shelf.
const TEND: Duration = Duration::from_secs(10);

/// Location of a medium.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    /// In a folder where a person mounted it.
    Mounted(PathBuf),
    /// On a device, identified by the digest of its filesystem.
    Device(String),
}

impl Source {
    fn id(&self, relative: &Path) -> String {
        let (kind, name) = match self {
            Self::Mounted(folder) => ("mounted", folder.as_os_str().as_encoded_bytes()),
            Self::Device(id) => ("device", id.as_bytes()),
        };
        medium_id(&[kind.as_bytes(), name, relative.as_os_str().as_encoded_bytes()])
    }
}

/// A medium that a console may name.
struct KnownMedium {
    id: String,
    source: Source,
    /// Path of the bundle's file, relative to the root of the medium.
    relative: PathBuf,
}

/// A folder that is searched.
struct Root {
    source: Source,
    folder: PathBuf,
    /// Name of the place, for a person.
    place: String,
}

/// A plan, as printed by the process that made it.
#[derive(Deserialize)]
struct PlannedChange {
    digest: String,
    site: String,
    document: Value,
}

/// A started change, as printed by the process that started it.
#[derive(Deserialize)]
struct StartedChange {
    /// Notes for a person.
    #[serde(default)]
    notes: Vec<String>,
}

/// Changes of this host.
pub(super) struct Changes {
    operations: Operations,
    shelf: Shelf,
    /// The upload of a browser, which becomes a medium once it is complete.
    pub(super) uploads: UploadSlot<ChildJudge>,
    known: Mutex<Vec<KnownMedium>>,
    /// Values of secrets that a person gave the console.
    vault: Vault,
    /// Held while media are used.
    pub(super) working: Mutex<()>,
}

impl Changes {
    /// Creates the changes for the operations of this host.
    pub(super) fn new(operations: Operations) -> Self {
        let shelf = Shelf::of(&operations.paths);
        let uploads = UploadSlot::open(&operations.paths, ChildJudge::new(operations.clone()));
        Self { operations, shelf, uploads, known: Mutex::default(), vault: Vault::default(), working: Mutex::default() }
    }

    fn working(&self) -> MutexGuard<'_, ()> {
        self.working.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known_media(&self) -> MutexGuard<'_, Vec<KnownMedium>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Searches all folders where people mount media, and all connected but unmounted sticks.
    pub(super) fn look(&self) -> Result<Vec<Medium>, Refusal> {
        let _working = self.working();
        let found = self.look_at_roots();
        self.clear();
        found
    }

    fn look_at_roots(&self) -> Result<Vec<Medium>, Refusal> {
        let (roots, mut media) = self.roots()?;
        let mut arguments = vec!["look".to_owned()];
        arguments.extend(roots.iter().map(|root| root.folder.display().to_string()));
        let looked: Vec<LookedBundle> = if roots.is_empty() { Vec::new() } else { ask(&arguments.into(), LOOK)? };
        let mut known = Vec::new();
        for (index, root) in roots.iter().enumerate() {
            let of_root: Vec<_> = looked.iter().filter(|bundle| bundle.folder == index).collect();
            if of_root.is_empty() && !root.folder.starts_with("/mnt") {
                media.push(unusable(&root.source, &root.place, codes::MEDIUM_EMPTY, "no bundle is on it"));
            }
            for bundle in of_root {
                let Ok(relative) = bundle.path.strip_prefix(&root.folder) else { continue };
                let id = root.source.id(relative);
                media.push(medium(bundle, id.clone(), &root.place));
                known.push(KnownMedium { id, source: root.source.clone(), relative: relative.to_owned() });
            }
        }
        *self.known_media() = known;
        Ok(media)
    }

    /// Folders to search, and media that cannot be searched.
    fn roots(&self) -> Result<(Vec<Root>, Vec<Medium>), Refusal> {
        let (mut roots, mut media) = (Vec::new(), Vec::new());
        for mounted in self.shelf.conventional().map_err(|error| to_refusal(&error))? {
            let place = shown_name(&mounted.folder.display().to_string());
            // A path that is not UTF-8 cannot be passed on.
            if mounted.folder.to_str().is_some() {
                roots.push(Root { source: Source::Mounted(mounted.folder.clone()), folder: mounted.folder, place });
            }
        }
        for (device, filesystem) in self.shelf.unmounted_devices().map_err(|error| to_refusal(&error))? {
            let place = format!("{} {}", device.what, device.name);
            let Some(filesystem) = filesystem else {
                let source = Source::Device(device.name);
                let what = "it has no filesystem that is read here";
                media.push(unusable(&source, &place, codes::MEDIUM_UNREADABLE, what));
                continue;
            };
            let source = Source::Device(filesystem.id.clone());
            match self.shelf.mount(&filesystem.id) {
                Ok(folder) => roots.push(Root { source, folder, place }),
                Err(error) => {
                    let mut medium = unusable(&source, &place, codes::MEDIUM_UNREADABLE, &error.to_string());
                    medium.problem = Some(*to_refusal(&error).problem);
                    media.push(medium);
                }
            }
        }
        Ok((roots, media))
    }

    /// Plans a change.
    pub(super) fn plan(&self, change: &Change) -> Result<PlanPage, Refusal> {
        let _working = self.working();
        let planned = self.resolve(change);
        let planned = planned.and_then(|resolved| ask_with::<PlannedChange>("plan", &resolved, None, PLAN));
        self.clear();
        let PlannedChange { digest, site, document } = planned?;
        let digest = self.approval_digest(digest, change);
        let made = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        Ok(PlanPage { digest, change: change.clone(), site, made, document })
    }

    /// Keeps the value of a secret for a change.
    pub(super) fn keep_secret(&self, request: SecretRequest) -> Result<KeptSecret, Problem> {
        self.vault.keep(request)
    }

    /// The digest that a person approves. For a change with secrets, it also covers the values.
    fn approval_digest(&self, digest: String, change: &Change) -> String {
        match (change, digest.parse::<Sha256>()) {
            (Change::Configure { secrets, .. }, Ok(inner)) => self.vault.bind(inner, secrets).to_string(),
            _ => digest,
        }
    }

    /// Starts the change of a plan for the requester. Returns notes for a person.
    pub(super) fn begin(&self, plan: &PlanPage, asking: &Requester) -> Result<Vec<String>, Refusal> {
        let _working = self.working();
        let approved: Sha256 =
            plan.digest.parse().map_err(|_| refusal(422, codes::PLAN_UNKNOWN, "the plan's digest is not valid"))?;
        let begun = self.resolve(&plan.change).and_then(|change| {
            let approved = ApprovedChange { change, approved: self.vault.unbind(approved) };
            ask_with::<StartedChange>("begin", &approved, Some(Origin::from_requester(asking)), BEGIN)
        });
        match (&begun, &plan.change) {
            (Err(_), _) => {
                self.clear();
            }
            (Ok(_), Change::Configure { secrets, .. }) => self.vault.forget(secrets),
            (Ok(_), _) => {}
        }
        begun.map(|StartedChange { notes }| notes)
    }

    /// Starts the undo of the open change with this number. It uses no medium, and does not wait for work on one.
    pub(super) fn abort(operation: u64) -> Result<(), Refusal> {
        ask::<StartedChange>(&vec!["begin-abort".to_owned(), operation.to_string()].into(), BEGIN).map(drop)
    }

    /// Looks up the objects of a change: a bundle, a kept release, a listed backup, kept values of secrets. On return,
    /// the medium is mounted.
    fn resolve(&self, change: &Change) -> Result<ResolvedChange, Refusal> {
        match change {
            Change::Upgrade { medium } => Ok(ResolvedChange::Upgrade { bundle: self.bundle(medium)? }),
            Change::Rollback { version, data } => {
                let kept = self.operations.releases().map_err(|error| to_refusal(&error))?;
                let kept = kept.into_iter().find(|kept| !kept.installed && kept.version == *version);
                let unknown = || refusal_in(422, cases::ROLLBACK_OTHER, "this site keeps no release of that version");
                Ok(ResolvedChange::Rollback { version: kept.ok_or_else(unknown)?.version, data: *data })
            }
            Change::Restore { backup, at, components } => self.restore(backup.as_deref(), at.as_deref(), components),
            Change::Configure { values, secrets, backup_time } => Ok(ResolvedChange::Configure {
                values: values.clone(),
                secrets: self.vault.secrets(secrets)?,
                backup_time: backup_time.clone(),
            }),
        }
    }

    /// Resolves a restore: a backup in the host's list, a time in the host's format, and components that have backups.
    fn restore(
        &self,
        backup: Option<&str>,
        at: Option<&str>,
        components: &[String],
    ) -> Result<ResolvedChange, Refusal> {
        let known = self.operations.backups().map_err(|error| to_refusal(&error))?;
        let unknown = || refusal_in(422, cases::BACKUP_ID_UNKNOWN, "this site has no backup with that id");
        let listed = |id: &str| known.iter().find(|known| known.id == id).map(|found| found.id.clone());
        let backup = backup.map(|id| listed(id).ok_or_else(unknown)).transpose()?;
        let unreadable = |_| refusal(422, codes::REQUEST_INVALID, "at: a time such as 2026-11-22T06:00:00Z");
        let at = at.map(|at| at.parse::<jiff::Timestamp>().map_err(unreadable)).transpose()?;
        let streams = known.iter().flat_map(|backup| &backup.streams);
        let saved: BTreeSet<&str> = streams.filter_map(|stream| Some(stream.name.split_once('/')?.0)).collect();
        let unknown = || refusal(422, codes::RESTORE_NOTHING, "no backup has data of a component of that name");
        let found = |name: &String| saved.get(name.as_str()).map(|found| (*found).to_owned()).ok_or_else(unknown);
        let components = components.iter().map(found).collect::<Result<_, _>>()?;
        Ok(ResolvedChange::Restore { backup, at, components })
    }

    /// Path of a bundle that was uploaded, or that the last search found; on return, its medium is mounted.
    fn bundle(&self, id: &str) -> Result<PathBuf, Refusal> {
        if let Some(uploaded) = self.uploads.path_of(id) {
            return Ok(uploaded);
        }
        let known = self
            .known_media()
            .iter()
            .find(|known| known.id == id)
            .map(|known| (known.source.clone(), known.relative.clone()));
        let unknown = || refusal(404, codes::MEDIUM_UNKNOWN, "the last look found no such medium");
        let (source, relative) = known.ok_or_else(unknown)?;
        let folder = match source {
            Source::Mounted(folder) => folder,
            Source::Device(filesystem) => self.shelf.mount(&filesystem).map_err(|error| to_refusal(&error))?,
        };
        Ok(folder.join(relative))
    }

    /// Unmounts media that Landfall mounted and no open change reads. Returns true if an open change reads one.
    fn clear(&self) -> bool {
        // If the journal cannot be read, everything stays mounted.
        let Ok(media) = self.operations.media_of_open_change() else { return true };
        let needed = media.and_then(|path| self.shelf.filesystem_of(&path));
        if let Err(error) = self.shelf.clear(needed.as_deref()) {
            tracing::warn!(%error, "a medium stays mounted");
        }
        needed.is_some()
    }

    /// Tends to media and uploads until the process ends.
    ///
    /// It keeps the medium of an open change mounted, also after a reboot or a reconnection, and unmounts others. It
    /// removes uploads that were used or abandoned.
    pub(super) fn tend(&self) {
        let mut is_needed = true;
        loop {
            if is_needed || self.shelf.is_used() {
                let _working = self.working();
                is_needed = self.clear();
                if is_needed {
                    self.mount_again();
                }
            }
            // Skipped between the check of an upload and the change that reads it.
            if let Ok(_working) = self.working.try_lock() {
                self.uploads.tend();
            }
            self.vault.tend();
            std::thread::sleep(TEND);
        }
    }

    /// Mounts the medium of the open change, if necessary, and lets the change continue.
    fn mount_again(&self) {
        let Ok(Some(path)) = self.operations.media_of_open_change() else { return };
        let Some(filesystem) = self.shelf.filesystem_of(&path).filter(|id| !self.shelf.is_mounted(id)) else { return };
        match self.shelf.mount(&filesystem) {
            Ok(_) => self.operations.continue_change(),
            Err(error) => tracing::debug!(%error, "the medium of the open change is not connected"),
        }
    }
}

/// Converts an error to a refusal.
fn to_refusal<E: CodedError + 'static>(error: &E) -> Refusal {
    let code = error.code();
    let source = error.source().map(ToString::to_string);
    let hint = error.hint().unwrap_or_else(|| code.fix.to_owned());
    let refused = *refusal(503, code, error.to_string()).problem;
    Problem { detail: source, hint: Some(hint), ..refused }.into()
}

fn unusable(source: &Source, place: &str, code: landfall_error_codes::Code, what: &str) -> Medium {
    Medium {
        id: source.id(Path::new("")),
        place: place.to_owned(),
        bundle: None,
        release: None,
        size_bytes: None,
        problem: Some(*refusal(422, code, what).problem),
    }
}

fn medium(bundle: &LookedBundle, id: String, place: &str) -> Medium {
    Medium {
        id,
        place: place.to_owned(),
        bundle: Some(shown_name(&bundle.name)),
        release: bundle.release.clone(),
        size_bytes: Some(bundle.size_bytes),
        problem: bundle.problem.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use landfall_host::paths::SitePaths;
    use landfall_media::progress::SilentProgress;
    use serde_json::json;

    use super::*;

    fn changes(root: &Path) -> Changes {
        Changes::new(Operations { paths: SitePaths::below(root), ..Operations::new(Arc::new(SilentProgress)) })
    }

    fn code(refusal: Refusal) -> String {
        refusal.problem.code.unwrap().to_string()
    }

    #[test]
    fn only_known_media_and_backups_are_accepted() {
        let root = tempfile::tempdir().unwrap();
        let changes = changes(root.path());
        for medium in ["3f0c9a1b", "../../etc/shadow", "/media/stick", "--license=/etc/shadow"] {
            let change = Change::Upgrade { medium: medium.to_owned() };
            assert_eq!(code(changes.plan(&change).unwrap_err()), "LF4804", "{medium}");
        }
        let restore = |backup: Option<&str>, at: Option<&str>, components: &[&str]| Change::Restore {
            backup: backup.map(str::to_owned),
            at: at.map(str::to_owned),
            components: components.iter().map(|name| (*name).to_owned()).collect(),
        };
        for (change, expected) in [
            (restore(Some("0f"), None, &[]), "LF4609"),
            (restore(Some("--confirm=node-1"), None, &[]), "LF4609"),
            (restore(None, Some("yesterday"), &[]), "LF5023"),
            (restore(None, Some("2026-11-22T06:00:00Z --backup=0f"), &[]), "LF5023"),
            (restore(None, Some("2026-11-22T06:00:00Z"), &["db", "--dry-run"]), "LF4621"),
        ] {
            assert_eq!(code(changes.plan(&change).unwrap_err()), expected, "{change:?}");
        }
        let begun = restore(None, Some("2026-11-22T07:00:00+01:00"), &[]);
        let resolved = |change: &Change| serde_json::to_value(changes.resolve(change).map_err(code).unwrap()).unwrap();
        let expected = json!({ "restore": { "backup": null, "at": "2026-11-22T06:00:00Z", "components": [] } });
        assert_eq!(resolved(&begun), expected, "the time is the host's own text");
        let values = [("--site=/etc/shadow".to_owned(), Value::from("$(reboot)"))].into();
        let change = Change::Configure { values, secrets: [].into(), backup_time: None };
        let values = json!({ "--site=/etc/shadow": "$(reboot)" });
        let expected = json!({ "configure": { "values": values, "secrets": {}, "backupTime": null } });
        assert_eq!(resolved(&change), expected);
        let timed =
            Change::Configure { values: [].into(), secrets: [].into(), backup_time: Some("03:15; reboot".to_owned()) };
        let expected = json!({ "configure": { "values": {}, "secrets": {}, "backupTime": "03:15; reboot" } });
        assert_eq!(resolved(&timed), expected);
        let secrets = [("directory".to_owned(), "0000000f".to_owned())].into();
        let unknown = Change::Configure { values: [].into(), secrets, backup_time: None };
        assert_eq!(code(changes.plan(&unknown).unwrap_err()), "LF4805", "only a value that it keeps");
        let change = Change::Rollback { version: "1.0.0 --data=restore".to_owned(), data: None };
        assert_eq!(code(changes.plan(&change).unwrap_err()), "LF4408");
        let plan = PlanPage {
            digest: "sha256:odd".to_owned(),
            change,
            site: "node-1".to_owned(),
            made: String::new(),
            document: Value::Null,
        };
        let [request, by, correlation] = ["00000001", "ada", "0123abcd"].map(str::to_owned);
        let asking = Requester { request, by, correlation, first: None };
        assert_eq!(code(changes.begin(&plan, &asking).unwrap_err()), "LF4805");
        assert!(changes.operations.media_of_open_change().unwrap().is_none() && !changes.clear());
    }

    #[test]
    fn id_depends_on_source_and_file() {
        let (one, other) = (Source::Mounted("/media/a".into()), Source::Device("/media/a".to_owned()));
        let file = Path::new("next/a.landfall");
        assert_eq!(one.id(file), one.id(file));
        assert_ne!(one.id(file), other.id(file));
        assert_ne!(one.id(file), one.id(Path::new("a.landfall")));
        assert!(landfall_peer::is_id(&one.id(file)));
    }
}
