//! Record of a site's license, stored in two places like the marks. It holds the vendor's signed file, the root
//! document that accepted it, and facts that must outlive the license.

use std::collections::BTreeSet;

use landfall_bundle_spec::trust::{Root, TrustAnchor};
use landfall_cluster::{Cluster, ObjectName};
use landfall_engine::step::StepError;
use landfall_error_codes::{CodedError, codes};
use landfall_host::identifiers::host_identifiers;
use landfall_host::paths::SitePaths;
use landfall_host::site_time;
use landfall_host::site_time::{LicenseLock, machine_clocks};
use landfall_host::twin::Twin;
use landfall_license::{Identifier, IdentifierKind, License, SealedLicense};
use serde::{Deserialize, Serialize};

use super::usage;

/// Schema number of the record.
const SCHEMA: u32 = 1;

/// Name of the license in errors.
const KEPT: &str = "that this site keeps";

/// The license of a site as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LicenseRecord {
    schema: u32,
    /// Number that grows with every change: of two copies, the greater one is newer.
    sequence: u64,
    /// The vendor's file.
    document: String,
    /// Root document whose license keys accepted it. A later root does not invalidate it; only a revocation does.
    root: String,
    /// IDs of replaced licenses, which are never valid here again.
    superseded: BTreeSet<String>,
    /// Identifiers of the cluster and the site. They include earlier ones of a site whose backups moved to new
    /// hardware.
    identifiers: BTreeSet<Identifier>,
}

fn twin(paths: &SitePaths) -> Twin {
    Twin::new(paths.license(), paths.license_copy())
}

impl LicenseRecord {
    /// Reads the record of this site; `None` on a site without a license. [`LicenseRecord::license`] checks its
    /// signatures.
    pub fn read(paths: &SitePaths) -> Result<Option<Self>, StepError> {
        Ok(twin(paths).read::<Self>()?.into_iter().reduce(Self::merge))
    }

    /// Returns the license, after checking its signatures again under the root document that accepted it.
    pub fn license(&self) -> Result<License, StepError> {
        self.verify(self.root.as_bytes())
    }

    /// Returns true if this root document also accepts the license.
    pub(crate) fn is_accepted_by(&self, root: &Root) -> bool {
        self.verify(root.bytes()).is_ok()
    }

    fn verify(&self, root: &[u8]) -> Result<License, StepError> {
        let unusable = |error: landfall_license::LicenseError| {
            StepError::new(codes::LICENSE_RECORD, "the site's license cannot be used").because(error)
        };
        let sealed = SealedLicense::read(KEPT, self.document.as_bytes()).map_err(unusable)?;
        sealed.verify(&TrustAnchor::Root(root.to_vec())).map_err(unusable)
    }

    /// Returns the record after this license arrives at a site with or without an earlier record. Fails if a newer
    /// license has replaced it, because a replaced license must not return.
    pub fn with(license: &License, before: Option<&Self>) -> Result<Self, StepError> {
        let terms = license.terms();
        let mut superseded: BTreeSet<String> = before.map(|before| before.superseded.clone()).unwrap_or_default();
        let older = |what: String| Err(StepError::new(codes::LICENSE_OLDER, what));
        if superseded.contains(&terms.id) {
            return older(format!("this site has a license that replaced {}", terms.id));
        }
        // Any valid license replaces a damaged one.
        if let Some(held) = before.and_then(|before| before.license().ok()) {
            let held = held.terms();
            if held.issued > terms.issued && !terms.supersedes.contains(&held.id) {
                let (id, issued) = (&held.id, held.issued);
                return older(format!(
                    "{} was issued before {id}, which this site has, issued on {issued:.0}",
                    terms.id
                ));
            }
            if held.id != terms.id {
                superseded.insert(held.id.clone());
            }
        }
        superseded.extend(terms.supersedes.iter().cloned());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Self {
            schema: SCHEMA,
            sequence: before.map_or(1, |before| before.sequence.saturating_add(1)),
            document: text(license.bytes()),
            root: text(license.root().bytes()),
            superseded,
            identifiers: before.map(|before| before.identifiers.clone()).unwrap_or_default(),
        })
    }

    /// Returns the IDs of licenses that are no longer valid here.
    pub fn superseded_ids(&self) -> &BTreeSet<String> {
        &self.superseded
    }

    /// Returns all identifiers of this site: the host's, its cluster's, and those of its lost predecessor.
    pub fn identifiers(&self, paths: &SitePaths) -> BTreeSet<Identifier> {
        self.identifiers.iter().copied().chain(host_identifiers(paths)).collect()
    }

    /// Adds identifiers of the cluster and the site. Returns true if any was new.
    pub fn remember(&mut self, identifiers: impl IntoIterator<Item = Identifier>) -> bool {
        let lasting = |found: &Identifier| matches!(found.kind(), IdentifierKind::Cluster | IdentifierKind::Site);
        let known = self.identifiers.len();
        self.identifiers.extend(identifiers.into_iter().filter(lasting));
        let is_new = self.identifiers.len() > known;
        self.sequence = self.sequence.saturating_add(u64::from(is_new));
        is_new
    }

    /// Writes the record, readable by root. In both places and on the disk on return.
    pub fn write(&self, paths: &SitePaths) -> Result<(), StepError> {
        twin(paths).write(self)
    }

    /// Merges two copies: the newer one counts, but licenses that either has replaced stay replaced.
    fn merge(self, other: Self) -> Self {
        let (mut newer, older) = if other.sequence > self.sequence { (other, self) } else { (self, other) };
        newer.superseded.extend(older.superseded);
        newer.identifiers.extend(older.identifiers);
        newer
    }
}

/// Returns the identifier of a cluster: the UID of the namespace `kube-system`, which lasts as long as the cluster.
pub fn cluster_identifier(cluster: &Cluster) -> Option<Identifier> {
    let [api_version, kind, name] = ["v1", "Namespace", "kube-system"].map(str::to_owned);
    let namespace = ObjectName { api_version, kind, namespace: None, name };
    let found = cluster.get(&namespace).ok().flatten()?;
    Identifier::of(IdentifierKind::Cluster, found.pointer("/metadata/uid")?.as_str()?)
}

/// Stores the cluster's identifiers with the site's license, so that backups contain them. Without a license, stores
/// nothing. A failure is only logged.
pub fn remember_cluster(paths: &SitePaths, cluster: &Cluster) {
    let found = || cluster_identifier(cluster).into_iter().chain(host_identifiers(paths));
    let remember = || {
        if LicenseRecord::read(paths)?.is_none() {
            return Ok(());
        }
        let found: Vec<Identifier> = found().collect();
        let _lock = LicenseLock::take(paths)?;
        let Some(mut record) = LicenseRecord::read(paths)? else { return Ok(()) };
        if record.remember(found) { record.write(paths) } else { Ok(()) }
    };
    if let Err(error) = remember() {
        tracing::warn!(%error, "what identifies this site is not stored with its license");
    }
}

/// Durably removes the license, trusted time and the record of usage from the operating system's disk. Also removes
/// them from the data disk unless data is kept.
pub fn remove(paths: &SitePaths, keep_data: bool) -> Result<(), StepError> {
    twin(paths).remove(keep_data)?;
    usage::remove(paths, keep_data)?;
    site_time::remove(paths, keep_data)
}

/// Names of the license's documents in a backup.
pub const SAVED: [&str; 3] = ["LANDFALL/license.json", "LANDFALL/time.json", "LANDFALL/usage.jsonl"];

/// Returns the license's documents for a backup, by name, each with both copies. Unreadable ones are logged, because
/// they must not stop a backup.
pub fn saved_documents(paths: &SitePaths) -> Vec<(&'static str, Vec<u8>)> {
    let read = |found: Result<Option<Vec<u8>>, StepError>| {
        found.unwrap_or_else(|error| {
            tracing::warn!(error = why(&error), "the backup is made without the license, its date or its usage");
            None
        })
    };
    let json = |found: Result<Option<serde_json::Value>, StepError>| {
        read(found.map(|found| found.map(|found| found.to_string().into_bytes())))
    };
    let record = LicenseRecord::read(paths).map(|record| record.and_then(|record| serde_json::to_value(record).ok()));
    let time = site_time::stored_time(paths).map(|time| time.and_then(|time| serde_json::to_value(time).ok()));
    let saved = [json(record), json(time), read(usage::read_usage(paths))];
    SAVED.into_iter().zip(saved).filter_map(|(name, bytes)| Some((name, bytes?))).collect()
}

/// Adopts a part of a backup that [`saved_documents`] names. On the disk on return. A valid license of this machine
/// stays; an unreadable one is replaced.
pub fn adopt(paths: &SitePaths, name: &str, bytes: &[u8]) -> Result<(), StepError> {
    let lock = LicenseLock::take(paths)?;
    match name {
        "LANDFALL/usage.jsonl" => usage::adopt(paths, &lock, bytes),
        "LANDFALL/time.json" => site_time::adopt(paths, &lock, &machine_clocks(paths), bytes),
        "LANDFALL/license.json" if LicenseRecord::read(paths).ok().flatten().is_none() => {
            match serde_json::from_slice::<LicenseRecord>(bytes) {
                Ok(record) => record.write(paths),
                // A backup is useful without it.
                Err(error) => {
                    tracing::warn!(%error, "the license of a backup cannot be read");
                    Ok(())
                }
            }
        }
        _ => Ok(()),
    }
}

/// Formats an error about a license with its code, for a report that must not fail because of it.
pub fn why(error: &StepError) -> String {
    format!("{} [{}]", landfall_engine::causes::with_causes(error), error.code().id)
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};
    use landfall_bundle_spec::sample::Vendor;
    use landfall_bundle_spec::trust::KeyKind;
    use landfall_license::sample;

    use super::*;

    fn license(vendor: &Vendor, id: &str, day: i64, supersedes: &[&str]) -> License {
        let begin: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
        let mut terms = sample::terms(id, begin + SignedDuration::from_hours(24 * day)).unwrap();
        terms.supersedes = supersedes.iter().map(|id| (*id).to_owned()).collect();
        sample::seal_license(vendor, &terms, None).unwrap().verify(&vendor.anchor()).unwrap()
    }

    #[test]
    fn replaced_license_never_returns() {
        let vendor = Vendor::new(KeyKind::Ed25519).unwrap();
        let of = |id, day, supersedes: &[&str]| license(&vendor, id, day, supersedes);
        let first = LicenseRecord::with(&of("a", 0, &[]), None).unwrap();
        LicenseRecord::with(&of("a", 0, &[]), Some(&first)).expect("the same once more");
        let second = LicenseRecord::with(&of("b", 1, &[]), Some(&first)).unwrap();
        let refused = |license: &License, held: &LicenseRecord| {
            LicenseRecord::with(license, Some(held)).map_or_else(|error| error.code().id, |_| "accepted")
        };
        assert_eq!(refused(&of("a", 0, &[]), &second), codes::LICENSE_OLDER.id);
        assert_eq!(refused(&of("a", 9, &[]), &second), codes::LICENSE_OLDER.id, "whenever it was issued");
        assert_eq!(refused(&of("c", 0, &[]), &second), codes::LICENSE_OLDER.id);
        // A vendor corrects a license with a wrong date.
        let corrected = LicenseRecord::with(&of("d", 0, &["b"]), Some(&second)).unwrap();
        assert_eq!(corrected.superseded_ids(), &BTreeSet::from(["a".to_owned(), "b".to_owned()]));
        assert_eq!(corrected.license().unwrap().terms().id, "d");
    }

    #[test]
    fn record_survives_losing_either_copy() {
        let folder = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(folder.path());
        let vendor = Vendor::new(KeyKind::Ed25519).unwrap();
        let mut record = LicenseRecord::with(&license(&vendor, "a", 0, &[]), None).unwrap();
        record.write(&paths).unwrap();
        let [site, disk] =
            [IdentifierKind::Site, IdentifierKind::Disk].map(|kind| Identifier::of(kind, "one").unwrap());
        assert!(record.remember([site, disk]) && !record.remember([site]), "disks are looked at each time");
        record.write(&paths).unwrap();
        remove(&paths, true).unwrap();
        let read = LicenseRecord::read(&paths).unwrap().unwrap();
        assert_eq!((&read, read.identifiers(&paths)), (&record, BTreeSet::from([site])));
        // The end of the license is edited.
        let text = fs_err::read_to_string(paths.license()).unwrap();
        let edited = text.replacen("2027-11-22", "3000-11-22", 1);
        assert_ne!(text, edited);
        landfall_media::durable::write_file(&paths.license(), edited.as_bytes(), 0o600).unwrap();
        let error = LicenseRecord::read(&paths).unwrap().unwrap().license().unwrap_err();
        assert_eq!(error.code(), codes::LICENSE_RECORD);
        remove(&paths, false).unwrap();
        assert_eq!(LicenseRecord::read(&paths).unwrap(), None);
    }

    #[test]
    fn backup_restores_license_on_new_hardware() {
        let [old, new] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let [old, new] = [&old, &new].map(|folder| SitePaths::below(folder.path()));
        let vendor = Vendor::new(KeyKind::Ed25519).unwrap();
        let mut record = LicenseRecord::with(&license(&vendor, "a", 0, &[]), None).unwrap();
        let cluster = Identifier::of(IdentifierKind::Cluster, "uid").unwrap();
        record.remember([cluster]);
        record.write(&old).unwrap();
        landfall_media::durable::write_file(&old.usage(), b"{\"measured\":1}\n", 0o600).unwrap();
        // One copy of the old machine is damaged, and so is the new machine's earlier license.
        landfall_media::durable::write_file(&old.license(), b"{", 0o600).unwrap();
        landfall_media::durable::create_own_folder(&new.data()).unwrap();
        landfall_media::durable::write_file(&new.license(), b"{", 0o600).unwrap();
        for (name, bytes) in saved_documents(&old) {
            adopt(&new, name, &bytes).unwrap();
        }
        let adopted = LicenseRecord::read(&new).unwrap().unwrap();
        assert!(adopted.identifiers(&new).contains(&cluster));
        assert_eq!(fs_err::read(new.usage()).unwrap(), b"{\"measured\":1}\n", "what was used is not forgotten");
        assert_eq!(adopted.license().unwrap().terms().id, "a");
    }
}
