//! Data that an uninstall keeps: volumes and generated secrets, with a record of their owners. The folders are
//! authoritative. The record adds facts that their names do not show. It is stored beside them, because it must outlive
//! the journal.

mod adoption;
mod claims;
mod coming;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use landfall_media::durable;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bundle::TrustedRelease;
use super::error::{OperationError, Result};
use crate::steps::aside::Reason;
use crate::steps::keep_copy::UNFINISHED_COPY;
pub(super) use adoption::Adoption;
use landfall_host::paths::SitePaths;
use landfall_site::backups::BackupFolder;
use landfall_site::pins::Pins;

/// Schema number of the record.
const SCHEMA: u32 = 1;

/// Suffix of secrets' files.
const SECRET_SUFFIX: &str = ".json";

/// Kept data of a site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptData {
    schema: u32,
    /// Name of the site, if known.
    pub site: Option<String>,
    /// Name and version of the release that owns the data, if known.
    pub release: Option<String>,
    /// Volumes.
    pub volumes: Vec<KeptVolume>,
    /// Names of other folders and files beside the volumes, which belong to no claim by their names.
    pub others: Vec<String>,
    /// Files of generated secrets, relative to the folder of secrets.
    pub secrets: Vec<PathBuf>,
    /// True if there are backups.
    #[serde(default, skip_serializing_if = "is_false")]
    pub backups: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

/// Volume that is kept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeptVolume {
    /// Namespace of its claim.
    pub namespace: String,
    /// Name of its claim.
    pub claim: String,
    /// Name of its folder in the folder of volumes.
    pub folder: String,
    /// Component that owns it, if known.
    pub component: Option<String>,
}

impl KeptVolume {
    /// Returns the name of its volume, which the folder keeps even if it is renamed for another claim.
    fn volume(&self) -> &str {
        self.folder.split('_').next().unwrap_or_default()
    }

    /// Parses the name of a folder as the provisioner of volumes creates it: `VOLUME_NAMESPACE_CLAIM`. Kubernetes names
    /// contain no underscore.
    fn of_folder(folder: &str) -> Option<Self> {
        let parts: Vec<&str> = folder.split('_').collect();
        let [volume, namespace, claim] = parts[..] else { return None };
        if !volume.starts_with("pvc-") || namespace.is_empty() || claim.is_empty() {
            return None;
        }
        Some(Self {
            namespace: namespace.to_owned(),
            claim: claim.to_owned(),
            folder: folder.to_owned(),
            component: None,
        })
    }
}

/// Owner of the data.
pub(super) struct Origin<'a> {
    pub(super) pins: &'a Pins,
    pub(super) release: &'a TrustedRelease,
}

impl KeptData {
    /// Finds the kept data of this host, if any. Includes volumes that the record names but the disk lacks. Changes
    /// nothing.
    pub(super) fn find(paths: &SitePaths) -> Result<Option<Self>> {
        let record = Self::read_record(paths)?;
        let mut found = Self::on_disk(paths)?;
        if let Some(record) = record {
            found.site = record.site;
            found.release = record.release;
            let missing = |volume: &&KeptVolume| !found.volumes.iter().any(|known| known.volume() == volume.volume());
            let missing: Vec<_> = record.volumes.iter().filter(missing).cloned().collect();
            for volume in &mut found.volumes {
                let known = record.volumes.iter().find(|known| known.volume() == volume.volume());
                volume.component = known.and_then(|known| known.component.clone());
            }
            found.volumes.extend(missing);
            found.volumes.sort();
        }
        Ok(Some(found).filter(|found| !found.is_empty()))
    }

    /// Durably records the data on the disk as that of `origin`; removes the record if there is no data.
    pub(super) fn record(paths: &SitePaths, origin: &Origin<'_>) -> Result<()> {
        let mut found = Self::on_disk(paths)?;
        found.site = Some(origin.pins.place.node().name.clone());
        found.release = Some(format!("{} {}", origin.pins.release, origin.pins.version));
        let declared = claims::declared_claims(origin.release);
        for volume in &mut found.volumes {
            let claim = declared.iter().find(|claim| claim.owns(volume));
            let only = || only_component(origin.release, &volume.namespace).map(str::to_owned);
            volume.component = claim.map(|claim| claim.component.clone()).or_else(only);
        }
        found.write(paths)
    }

    /// Deletes all data, the record last, so that a rerun completes an interrupted deletion. Deletes nothing if another
    /// filesystem is mounted below.
    pub(super) fn delete(paths: &SitePaths) -> Result<()> {
        let folders = [paths.storage(), paths.secrets(), paths.backups()];
        for folder in &folders {
            landfall_host::mounts::refuse_mounted(folder)?;
        }
        for folder in &folders {
            landfall_host::mounts::remove_tree(folder)?;
        }
        Ok(durable::remove_file(&paths.kept_record())?)
    }

    /// Returns folders with data that a change has moved or copied and must put back. Only the change itself can do so.
    pub(super) fn displaced_folders(paths: &SitePaths) -> Result<Vec<String>> {
        let prefixes = [Reason::Restore.before(), Reason::Upgrade.before(), UNFINISHED_COPY];
        let is_displaced = |name: &String| prefixes.iter().any(|prefix| name.starts_with(prefix));
        Ok(names(&paths.storage())?.into_iter().filter(is_displaced).collect())
    }

    /// Describes the kept data in one line.
    pub(super) fn note(&self, paths: &SitePaths) -> String {
        let whose = self.release.as_deref().unwrap_or("an earlier installation");
        let (volumes, secrets) = (self.volumes.len() + self.others.len(), self.secrets.len());
        let backups =
            if self.backups { format!("; its backups are in {}", paths.backups().display()) } else { String::new() };
        format!(
            "data of {whose} is kept in {} ({volumes} volumes) and {} ({secrets} secrets){backups}",
            paths.storage().display(),
            paths.secrets().display()
        )
    }

    fn is_empty(&self) -> bool {
        self.volumes.is_empty() && self.others.is_empty() && self.secrets.is_empty() && !self.backups
    }

    fn write(&self, paths: &SitePaths) -> Result<()> {
        let path = paths.kept_record();
        if self.is_empty() {
            return Ok(durable::remove_file(&path)?);
        }
        let bytes =
            serde_json::to_vec_pretty(self).map_err(|error| OperationError::io("write", &path, error.into()))?;
        Ok(durable::write_file(&path, &bytes, 0o600)?)
    }

    fn read_record(paths: &SitePaths) -> Result<Option<Self>> {
        let path = paths.kept_record();
        let bytes = match fs_err::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(OperationError::io("read", &path, error)),
        };
        let record: Self = landfall_documents::newer::known_part(&bytes)
            .map_err(|source| OperationError::KeptRecord { path: path.clone(), source })?;
        if record.schema != SCHEMA {
            let newer = serde::de::Error::custom(format!("its schema is {}, not {SCHEMA}", record.schema));
            return Err(OperationError::KeptRecord { path, source: newer });
        }
        Ok(Some(record))
    }

    fn on_disk(paths: &SitePaths) -> Result<Self> {
        let (mut volumes, mut others) = (Vec::new(), Vec::new());
        // A mounted filesystem has this folder of its own.
        for name in names(&paths.storage())?.into_iter().filter(|name| name != "lost+found") {
            match KeptVolume::of_folder(&name) {
                Some(volume) => volumes.push(volume),
                None => others.push(name),
            }
        }
        volumes.sort();
        let mut secrets = Vec::new();
        for namespace in names(&paths.secrets())? {
            // Files beside the namespaces' folders are the cluster's own secrets, which are removed with it.
            if !paths.secrets().join(&namespace).is_dir() {
                continue;
            }
            let files = names(&paths.secrets().join(&namespace))?;
            let files = files.into_iter().filter(|name| name.ends_with(SECRET_SUFFIX));
            secrets.extend(files.map(|name| Path::new(&namespace).join(name)));
        }
        let backups = BackupFolder::of(paths).exists();
        Ok(Self { schema: SCHEMA, site: None, release: None, volumes, others, secrets, backups })
    }

    /// Returns claims with more than one kept volume, with the volumes' folders.
    fn ambiguous(&self) -> Vec<(String, Vec<&str>)> {
        let mut folders: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for volume in &self.volumes {
            folders.entry(format!("{}/{}", volume.namespace, volume.claim)).or_default().push(&volume.folder);
        }
        folders.into_iter().filter(|(_, folders)| folders.len() > 1).collect()
    }
}

/// Returns the component of a namespace that has only one.
fn only_component<'a>(release: &'a TrustedRelease, namespace: &str) -> Option<&'a str> {
    let mut components = release.release.components.iter().filter(|component| component.namespace == namespace);
    let first = components.next()?;
    components.next().is_none().then_some(first.name.as_str())
}

/// Returns the sorted names in a folder; empty if the folder is missing.
fn names(folder: &Path) -> Result<Vec<String>> {
    let entries = match fs_err::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(OperationError::io("list", folder, error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| OperationError::io("list", folder, error))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_claim_folders_are_volumes() {
        for name in
            ["pvc-1", "lost+found", "pvc-1_ns", "pvc-1__claim", "pvc-1_ns_", "pvc-1_ns_claim_more", "x_ns_claim"]
        {
            assert_eq!(KeptVolume::of_folder(name), None, "{name}");
        }
    }

    proptest! {
        #[test]
        fn claims_are_read_from_folder_names(
            volume in "pvc-[0-9a-f-]{1,36}", namespace in "[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?",
            claim in "[a-z0-9]([-a-z0-9.]{0,40}[a-z0-9])?",
        ) {
            let folder = format!("{volume}_{namespace}_{claim}");
            prop_assert_eq!(
                KeptVolume::of_folder(&folder),
                Some(KeptVolume { namespace, claim, folder: folder.clone(), component: None })
            );
        }
    }
}
