//! Decides which data of an earlier installation an install may use.

use landfall_error_codes::codes;

use super::claims::DeclaredClaim;
use super::coming::DataRelation;
use super::{KeptData, KeptVolume, claims, only_component};
use crate::operations::bundle::TrustedRelease;
use crate::operations::error::{OperationError, Result};
use crate::steps::kept_volumes::AdoptedVolume;
use landfall_host::paths::SitePaths;
use landfall_site::findings::Finding;

/// Default access modes of claims whose own modes are unknown.
const USUAL_MODES: [&str; 3] = ["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany"];

/// An install's treatment of kept data.
#[derive(Debug, Default)]
pub(in crate::operations) struct Adoption {
    /// The blockers.
    pub(in crate::operations) blockers: Vec<Finding>,
    /// Other notes for people.
    pub(in crate::operations) notes: Vec<String>,
    /// Volumes that are used again.
    pub(in crate::operations) volumes: Vec<AdoptedVolume>,
    /// Relation of the install to the data: a new release, or a return.
    coming: DataRelation,
}

impl Adoption {
    /// Finds the kept data of this host. Without `adopt`, kept data blocks; with it, there must be some.
    pub(in crate::operations) fn find(paths: &SitePaths, release: &TrustedRelease, adopt: bool) -> Result<Self> {
        match (KeptData::find(paths)?, adopt) {
            (None, false) => Ok(Self::default()),
            (None, true) => Err(OperationError::NothingKept { data: paths.data() }),
            (Some(kept), false) => {
                let coming = match DataRelation::of(&kept, paths, release) {
                    DataRelation::Back => DataRelation::Declined,
                    _ => DataRelation::New,
                };
                Ok(Self { blockers: vec![refusal(&kept, paths)], coming, ..Self::default() })
            }
            (Some(kept), true) => Self::of(&kept, paths, release),
        }
    }

    /// Returns those of the license's blockers that apply. None apply to a release that returns to its data, because
    /// the end of a license stops no recovery. If the data is not adopted, its own blocker explains the value of
    /// adopting it. A person who deleted the data would learn too late that the license refuses the install.
    pub(in crate::operations) fn applicable_blockers(&mut self, blockers: Vec<Finding>) -> Vec<Finding> {
        match &self.coming {
            DataRelation::New => blockers,
            DataRelation::Back => Vec::new(),
            DataRelation::Declined => {
                let codes: Vec<&str> = blockers.iter().map(|blocker| &*blocker.code).collect();
                for kept in self.blockers.iter_mut().filter(|_| !codes.is_empty()) {
                    kept.fix = format!(
                        "{} With its data this version comes back whatever the license says; without it, the license \
                         refuses it ({}).",
                        kept.fix,
                        codes.join(", ")
                    );
                }
                Vec::new()
            }
            DataRelation::Unclear(why) => blockers.into_iter().map(|blocker| unclear(blocker, why)).collect(),
        }
    }

    fn of(kept: &KeptData, paths: &SitePaths, release: &TrustedRelease) -> Result<Self> {
        let declared = claims::declared_claims(release);
        let (blockers, coming) = (unusable(kept, paths)?, DataRelation::of(kept, paths, release));
        let mut adoption = Self { blockers, coming, ..Self::default() };
        for volume in &kept.volumes {
            let claim = declared.iter().find(|claim| claim.owns(volume));
            if claim.is_none() {
                match left_behind(volume, kept, &declared, release, paths) {
                    Some(blocker) => adoption.blockers.push(blocker),
                    None => adoption.notes.push(format!(
                        "{} is kept for the claim {}/{}, which no component of this release declares",
                        paths.storage().join(&volume.folder).display(),
                        volume.namespace,
                        volume.claim
                    )),
                }
            }
            adoption.volumes.push(adopted_volume(volume, claim));
        }
        Ok(adoption)
    }
}

/// Extends a license's blocker if unreadable backups might have shown that the release was here before.
fn unclear(mut blocker: Finding, why: &str) -> Finding {
    let Finding { measured, .. } = &blocker;
    blocker.measured = format!("{measured}; whether a kept backup is of this release is not known: {why}");
    blocker
}

/// Returns blockers of kept data whose owner among the claims is unclear.
fn unusable(kept: &KeptData, paths: &SitePaths) -> Result<Vec<Finding>> {
    let mut blockers = Vec::new();
    for (claim, folders) in kept.ambiguous() {
        let found = format!("{claim} has {} in {}", folders.join(" and "), paths.storage().display());
        blockers.push(Finding::new(codes::KEPT_AMBIGUOUS, found, "one folder for each claim"));
    }
    let is_missing = |folder: &str| !paths.storage().join(folder).is_dir();
    for name in KeptData::displaced_folders(paths)? {
        let found = format!("{} has data of a change that never ended", paths.storage().join(name).display());
        blockers.push(Finding::new(codes::KEPT_AMBIGUOUS, found, "data in its volume: move it there, or delete it"));
    }
    for volume in kept.volumes.iter().filter(|volume| is_missing(&volume.folder)) {
        let found = format!("{} does not exist", paths.storage().join(&volume.folder).display());
        blockers.push(Finding::new(codes::KEPT_MISSING, found, "the folder"));
    }
    Ok(blockers)
}

/// Returns the blocker of a volume that no claim requests while its component has a claim without a volume: the
/// component would start empty. A component without declared claims gets no blocker, because an operator may create its
/// claims.
fn left_behind(
    volume: &KeptVolume,
    kept: &KeptData,
    declared: &[DeclaredClaim],
    release: &TrustedRelease,
    paths: &SitePaths,
) -> Option<Finding> {
    let component = volume.component.as_deref().or_else(|| only_component(release, &volume.namespace))?;
    let is_empty =
        |claim: &&DeclaredClaim| claim.component == component && !kept.volumes.iter().any(|volume| claim.owns(volume));
    let folder = |name: &str| paths.storage().join(name).display().to_string();
    let ways = declared.iter().filter(is_empty);
    let ways = ways.map(|claim| format!("`mv {} {}`", folder(&volume.folder), folder(&claim.folder_of(volume))));
    let ways: Vec<String> = ways.collect();
    if ways.is_empty() {
        return None;
    }
    let found = format!(
        "{} belongs to the claim {}/{}, which {component} no longer has",
        folder(&volume.folder),
        volume.namespace,
        volume.claim
    );
    let mut blocker = Finding::new(codes::KEPT_UNCLAIMED, found, format!("a volume for each claim of {component}"));
    blocker.fix = format!("Give it to the claim that {component} has now: {}. Then try again.", ways.join(" or "));
    Some(blocker)
}

fn adopted_volume(volume: &KeptVolume, claim: Option<&DeclaredClaim>) -> AdoptedVolume {
    let modes = claim.map(|claim| claim.access_modes.clone()).filter(|modes| !modes.is_empty());
    AdoptedVolume {
        namespace: volume.namespace.clone(),
        claim: volume.claim.clone(),
        folder: volume.folder.clone(),
        component: claim.map(|claim| claim.component.clone()).or_else(|| volume.component.clone()),
        access_modes: modes.unwrap_or_else(|| USUAL_MODES.map(str::to_owned).to_vec()),
    }
}

fn refusal(kept: &KeptData, paths: &SitePaths) -> Finding {
    let whose = match (&kept.release, &kept.site) {
        (Some(release), Some(site)) => format!("data of {release} on {site}"),
        _ => "data of an earlier installation".to_owned(),
    };
    let volumes = kept.volumes.iter().map(|volume| {
        format!("{}/{} in {}", volume.namespace, volume.claim, paths.storage().join(&volume.folder).display())
    });
    let others = kept.others.iter().map(|name| paths.storage().join(name).display().to_string());
    let secrets = kept.secrets.iter().map(|secret| paths.secrets().join(secret).display().to_string());
    let backups = kept.backups.then(|| paths.backups().display().to_string());
    let parts: Vec<String> = volumes.chain(others).chain(secrets).chain(backups).collect();
    Finding::new(codes::KEPT_DATA, format!("{whose}: {}", parts.join(", ")), "none, or `--adopt-data`")
}
