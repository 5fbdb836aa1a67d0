//! Exports of a backup as files for a person: a stream as it was saved, or cluster objects in a form that can be
//! applied. Both read only the repository, so they work without the cluster.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use landfall_backup::{Backup, OpenBackup};
use landfall_cluster::{ObjectName, applicable, is_managed};
use landfall_engine::step::StepError;
use landfall_error_codes::{cases, codes};
use landfall_host::files;
use landfall_media::durable;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::Operations;
use super::backup::find_in;
use super::error::Result;
use landfall_site::backups::cluster::{self, OBJECTS, read_objects};
use landfall_site::backups::fetch::Fetch;
use landfall_site::backups::{newest_proven, unusable};

/// Mode of an exported file: only root may read it, because a backup contains Secrets.
const MODE: u32 = 0o600;

/// Stream that was written into a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExportedStream {
    /// ID of the backup, in hexadecimal.
    pub backup: String,
    /// Read time of the backup's data, RFC 3339 in UTC.
    pub time: String,
    /// Name of the stream.
    pub stream: String,
    /// Written file.
    pub file: PathBuf,
    /// Size of the file in bytes.
    pub size_bytes: u64,
}

/// Objects that were written into a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExportedObjects {
    /// ID of the backup, in hexadecimal.
    pub backup: String,
    /// Read time of the backup's data, RFC 3339 in UTC.
    pub time: String,
    /// Written file.
    pub file: PathBuf,
    /// Number of objects of each kind, by API version and kind.
    pub objects: BTreeMap<String, u64>,
    /// Number of matching objects of the release itself, which were omitted: the release contains them.
    pub of_release: u64,
    /// Kinds whose objects could not be listed at the time of the backup.
    pub unreadable: Vec<String>,
}

/// Selection of objects: those that match each non-empty list.
#[derive(Debug, Clone, Default)]
pub struct ObjectSelection {
    /// Namespaces, each including its own object.
    pub namespaces: Vec<String>,
    /// Kinds, such as `ConfigMap`, case-insensitive.
    pub kinds: Vec<String>,
    /// Names.
    pub names: Vec<String>,
}

impl ObjectSelection {
    fn fits(&self, object: &ObjectName) -> bool {
        let namespace = match &object.namespace {
            None if object.group().is_empty() && object.kind == "Namespace" => Some(&object.name),
            namespace => namespace.as_ref(),
        };
        (self.namespaces.is_empty() || namespace.is_some_and(|namespace| self.namespaces.contains(namespace)))
            && (self.kinds.is_empty() || self.kinds.iter().any(|kind| kind.eq_ignore_ascii_case(&object.kind)))
            && (self.names.is_empty() || self.names.contains(&object.name))
    }
}

impl Operations {
    /// Writes a stream of the named or newest proven backup into a new file. On return, the file is on the disk,
    /// complete and compared with the saved digest. On failure, there is no file.
    pub fn export_stream(&self, backup: Option<&str>, stream: &str, file: &Path) -> Result<ExportedStream> {
        let (backup, open) = self.backup_to_export(backup)?;
        let unnamed = |_| StepError::of(cases::BACKUP_STREAM_UNKNOWN, format!("the backup has no stream {stream}"));
        let name = cluster::name(stream).map_err(unnamed)?;
        let fetch = Fetch { paths: &self.paths, backup: &open, progress: &*self.progress };
        let size_bytes = write_new_file(file, |output, path| fetch.write_to(&name, output, path))?;
        let (backup, time) = (backup.id.to_string(), backup.time.to_string());
        Ok(ExportedStream { backup, time, stream: stream.to_owned(), file: file.to_owned(), size_bytes })
    }

    /// Writes the selected objects of a backup, without the release's own, into a new file for `kubectl apply`. It is
    /// meant for objects that do not exist. The file is on the disk on return; on failure, there is none.
    pub fn export_objects(
        &self,
        backup: Option<&str>,
        wanted: &ObjectSelection,
        file: &Path,
    ) -> Result<ExportedObjects> {
        let (backup, open) = self.backup_to_export(backup)?;
        let fetch = Fetch { paths: &self.paths, backup: &open, progress: &*self.progress };
        let from = fetch.guarded_reader(open.read(&cluster::name(OBJECTS)?).map_err(unusable)?, file)?;
        let exported = write_new_file(file, |output, path| {
            let mut list = ObjectList::new(BufWriter::new(&mut *output), path)?;
            let mut of_release = 0;
            let read = read_objects(from, |object| {
                match (wanted.fits(&ObjectName::of(&object)?), is_managed(&object)) {
                    (true, false) => list.add(&applicable(object))?,
                    (fits, _) => of_release += u64::from(fits),
                }
                Ok(())
            })?;
            if let Some(difference) = read.difference() {
                return Err(StepError::new(codes::BACKUP_DAMAGED, format!("the stream {OBJECTS} has {difference}")));
            }
            let objects = list.finish()?;
            durable::sync_file(output, path)?;
            Ok((objects, of_release, read.unreadable().map(str::to_owned).collect::<Vec<_>>()))
        });
        let (objects, of_release, unreadable) = exported?;
        let (backup, time) = (backup.id.to_string(), backup.time.to_string());
        Ok(ExportedObjects { backup, time, file: file.to_owned(), objects, of_release, unreadable })
    }

    fn backup_to_export(&self, id: Option<&str>) -> Result<(Backup, OpenBackup)> {
        let repository = self.repository()?;
        let known = repository.backups().map_err(unusable)?;
        let newest = || {
            let case = if known.is_empty() { cases::BACKUPS_NONE } else { cases::BACKUPS_UNPROVEN };
            let unproven = || StepError::of(case, "no backup is proven");
            newest_proven(known.iter()).cloned().ok_or_else(|| unproven().into())
        };
        let backup = id.map_or_else(newest, |id| find_in(&known, id))?;
        let open = repository.open_backup(backup.id).map_err(unusable)?;
        Ok((backup, open))
    }
}

/// Writes a new file under a temporary name, and renames it once it is complete.
fn write_new_file<T>(
    file: &Path,
    write: impl FnOnce(&mut File, &Path) -> Result<T, StepError>,
) -> Result<T, StepError> {
    if file.symlink_metadata().is_ok() {
        return Err(StepError::new(codes::EXPORT_EXISTS, format!("{} exists", file.display())));
    }
    let temporary = file.with_added_extension(durable::TEMPORARY_SUFFIX.trim_start_matches('.'));
    durable::remove_file(&temporary)?;
    let mut output = durable::create_file(&temporary, MODE)?;
    let written = write(&mut output, &temporary).and_then(|done| {
        durable::rename(&temporary, file)?;
        Ok(done)
    });
    if written.is_err() {
        // The partial file is useless, and the earlier error counts.
        let _left = durable::remove_file(&temporary);
    }
    written
}

/// Writer of a list of objects.
struct ObjectList<'a, W> {
    output: W,
    path: &'a Path,
    counts: BTreeMap<String, u64>,
}

impl<'a, W: Write> ObjectList<'a, W> {
    fn new(output: W, path: &'a Path) -> Result<Self, StepError> {
        let mut list = Self { output, path, counts: BTreeMap::new() };
        list.write(br#"{"apiVersion": "v1", "kind": "List", "items": ["#)?;
        Ok(list)
    }

    fn add(&mut self, object: &Value) -> Result<(), StepError> {
        let name = ObjectName::of(object)?;
        self.write(if self.counts.is_empty() { b"\n" } else { b",\n" })?;
        let text = serde_json::to_vec_pretty(object)
            .map_err(|error| StepError::new(codes::BUG, "an object cannot be written").because(error))?;
        self.write(&text)?;
        *self.counts.entry(format!("{} {}", name.api_version, name.kind)).or_default() += 1;
        Ok(())
    }

    /// Ends the list. Returns the number of objects of each kind; an empty list is an error.
    fn finish(mut self) -> Result<BTreeMap<String, u64>, StepError> {
        if self.counts.is_empty() {
            let what = "the backup has no such objects beside the release's own";
            return Err(StepError::of(cases::BACKUP_OBJECTS_NONE, what));
        }
        self.write(b"\n]}\n")?;
        self.output.flush().map_err(|error| files::file_error("write", self.path, error))?;
        Ok(self.counts)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), StepError> {
        self.output.write_all(bytes).map_err(|error| files::file_error("write", self.path, error))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use landfall_backup::{BackupKind, NewBackup, Proof};
    use landfall_error_codes::CodedError;
    use serde_json::json;

    use super::*;
    use crate::operations::testing::operations;
    use landfall_site::backups::BackupFolder;

    fn object(kind: &str, namespace: &str, name: &str) -> Value {
        json!({"apiVersion": "v1", "kind": kind, "metadata": {"namespace": namespace, "name": name}})
    }

    /// Returns a stream of these objects, with a last line that reports this many listed objects.
    fn stream(objects: &[Value], listed: &Value) -> String {
        let last = json!({"landfallListing": {"counts": listed, "leftOut": {}, "unreadable": {}}});
        objects.iter().chain([&last]).map(|line| format!("{line}\n")).collect::<Vec<_>>().concat()
    }

    /// Saves these objects in a backup of a new site, and returns a prefix of its ID.
    fn save(operations: &Operations, objects: &str, is_proven: bool) -> String {
        let paths = &operations.paths;
        durable::create_folder(&paths.data()).unwrap();
        durable::write_file(&paths.data_uuid(), uuid::Uuid::from_u128(7).to_string().as_bytes(), 0o644).unwrap();
        let repository = BackupFolder::of(paths).open_or_create().unwrap();
        let mut objects = objects.as_bytes();
        let streams: Vec<(_, &mut dyn Read)> = vec![(cluster::name(OBJECTS).unwrap(), &mut objects)];
        let known = i64::try_from(repository.backups().unwrap().len()).unwrap();
        let (time, facts) = (jiff::Timestamp::from_second(known).unwrap(), BTreeMap::new());
        let documents = vec![("LANDFALL/secrets/encryption.yaml".parse().unwrap(), b"key".to_vec())];
        let new = NewBackup { kind: BackupKind::Full, time, facts, streams, documents };
        let saved = repository.save(new).unwrap();
        if is_proven {
            repository.mark_proven(saved.id, Proof { time, report: String::new() }).unwrap();
        }
        saved.id.to_string()
    }

    fn team() -> String {
        let mut of_release = object("ConfigMap", "team", "settings-of-the-release");
        of_release["metadata"]["labels"] = json!({"app.kubernetes.io/managed-by": "landfall"});
        let mut owned = object("Secret", "team", "token");
        owned["metadata"]["ownerReferences"] = json!([{"uid": "1"}]);
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}});
        let objects = [
            namespace,
            object("ConfigMap", "other", "settings"),
            object("ConfigMap", "team", "settings"),
            of_release,
            owned,
        ];
        stream(&objects, &json!({"v1 Namespace": 1, "v1 ConfigMap": 3, "v1 Secret": 1}))
    }

    #[test]
    fn namespace_export_omits_release_objects() {
        let (root, operations) = operations();
        save(&operations, &team(), true);
        let file = root.path().join("team.json");
        let wanted = ObjectSelection { namespaces: vec!["team".to_owned()], ..ObjectSelection::default() };
        let exported = operations.export_objects(None, &wanted, &file).unwrap();
        let counts = ["v1 ConfigMap", "v1 Namespace", "v1 Secret"].map(|kind| (kind.to_owned(), 1));
        assert_eq!((exported.objects, exported.of_release), (BTreeMap::from(counts), 1));
        let list: Value = serde_json::from_slice(&fs_err::read(&file).unwrap()).unwrap();
        let names: Vec<&str> =
            list["items"].as_array().unwrap().iter().filter_map(|item| item["metadata"]["name"].as_str()).collect();
        assert_eq!((list["kind"].as_str(), names), (Some("List"), vec!["team", "settings", "token"]));
        assert!(list["items"][2]["metadata"]["ownerReferences"].is_null(), "it could not be applied: {list}");
        let again = operations.export_objects(None, &wanted, &file).unwrap_err();
        assert_eq!(again.code(), codes::EXPORT_EXISTS);
    }

    #[test]
    fn failed_export_leaves_no_file() {
        let (root, operations) = operations();
        let file = root.path().join("objects.json");
        let export = |wanted: &ObjectSelection| operations.export_objects(None, wanted, &file).unwrap_err().code();
        assert_eq!(export(&ObjectSelection::default()), codes::BACKUP_UNKNOWN, "there are no backups");
        save(&operations, &team(), true);
        for wanted in [
            ObjectSelection { kinds: vec!["Widget".to_owned()], ..ObjectSelection::default() },
            ObjectSelection { names: vec!["settings-of-the-release".to_owned()], ..ObjectSelection::default() },
        ] {
            assert_eq!(export(&wanted), codes::BACKUP_UNKNOWN, "{wanted:?}");
        }
        let lost = stream(&[object("ConfigMap", "team", "settings")], &json!({"v1 ConfigMap": 2}));
        save(&operations, &lost, true);
        assert_eq!(export(&ObjectSelection::default()), codes::BACKUP_DAMAGED);
        let missing = operations.export_stream(None, "cluster/etcd", &file).unwrap_err();
        assert_eq!(missing.code(), codes::BACKUP_UNKNOWN);
        let left: Vec<_> = fs_err::read_dir(root.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["var"]);
    }

    #[test]
    fn unnamed_export_needs_proven_backup() {
        use std::os::unix::fs::PermissionsExt as _;
        let (root, operations) = operations();
        let id = save(&operations, &team(), false);
        let file = root.path().join("encryption.yaml");
        let name = "LANDFALL/secrets/encryption.yaml";
        let unproven = operations.export_stream(None, name, &file).unwrap_err();
        assert_eq!(unproven.code(), codes::BACKUP_UNKNOWN);
        let exported = operations.export_stream(Some(&id[..8]), name, &file).unwrap();
        assert_eq!((exported.size_bytes, exported.backup), (3, id));
        assert_eq!(fs_err::read(&file).unwrap(), b"key");
        assert_eq!(fs_err::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn selection_lists_must_all_fit() {
        let name = |namespace: &str, kind: &str| ObjectName::new("v1", kind, namespace, "a");
        let wanted = |namespaces: &[&str], kinds: &[&str]| ObjectSelection {
            namespaces: namespaces.iter().map(|name| (*name).to_owned()).collect(),
            kinds: kinds.iter().map(|kind| (*kind).to_owned()).collect(),
            names: Vec::new(),
        };
        assert!(wanted(&[], &[]).fits(&name("team", "Secret")));
        assert!(wanted(&["team"], &["secret"]).fits(&name("team", "Secret")));
        assert!(!wanted(&["team"], &["secret"]).fits(&name("other", "Secret")));
        assert!(wanted(&["a"], &[]).fits(&name("", "Namespace")) && !wanted(&["a"], &[]).fits(&name("", "Node")));
    }
}
