//! Judgment of a site's license for a release: the stored license, or one that a person passes with the command.

use std::collections::BTreeSet;
use std::path::Path;

use jiff::Timestamp;
use landfall_bundle_spec::Verified;
use landfall_bundle_spec::head::Opened;
use landfall_bundle_spec::trust::{Revocation, Root, TrustAnchor};
use landfall_engine::step::StepError;
use landfall_error_codes::{CodedError, codes};
use landfall_host::files;
use landfall_host::identifiers::host_identifiers;
use landfall_host::paths::SitePaths;
use landfall_host::site_time;
use landfall_host::site_time::{LicenseLock, machine_clocks};
use landfall_license::{
    Circumstances, Identifier, License, LicenseError, Need, SealedLicense, Shortfall, Standing, TrustedTime, shortfalls,
};
use landfall_release_document::ReleaseDocument;

use super::record::{LicenseRecord, why};
use crate::findings::Finding;
use crate::marks::Marks;

/// Maximum size of a license in bytes, because a stick may bring a file of any length.
const MOST_BYTES: u64 = landfall_license::FILE_BYTES as u64;

/// Machine for which a license is judged.
pub enum LicensedHost<'a> {
    /// This machine, with its cluster's identifier if it answers.
    Here {
        /// The paths of the host.
        paths: &'a SitePaths,
        /// Identifier of its cluster.
        cluster: Option<Identifier>,
    },
    /// A machine that a file describes, with its clock at that time. Its identifiers are unknown.
    Elsewhere(Timestamp),
}

/// The trusted release for which a license is judged.
pub struct LicensedRelease<'a> {
    /// Its verified head.
    pub verified: &'a Verified,
    /// Its name.
    pub name: &'a str,
    /// Its signed build time.
    pub built_at: Timestamp,
}

/// A license that a person passes: the vendor's signed bytes, and a name for errors.
#[derive(Debug, Clone)]
pub struct GivenLicense {
    name: String,
    bytes: Vec<u8>,
}

impl GivenLicense {
    /// Reads the file of a license.
    pub fn read(path: &Path) -> Result<Self, StepError> {
        let bytes = files::read_at_most(path, MOST_BYTES).map_err(|error| files::file_error("read", path, error))?;
        Ok(Self { name: path.display().to_string(), bytes })
    }

    /// Returns a license that the console sent.
    pub fn from_console(text: &str) -> Self {
        Self { name: "that the console sent".to_owned(), bytes: text.as_bytes().to_vec() }
    }
}

/// The applicable license of an operation, and its standing.
#[derive(Debug, Clone)]
pub struct Licensing {
    held: Option<HeldLicense>,
    /// Newest signed time that the operation brings.
    signed: Timestamp,
    /// Reason why the site's license is unusable, if it is.
    pub note: Option<String>,
}

/// Standing of a license, and the date by which it was judged.
#[derive(Debug, Clone)]
pub struct DatedStanding {
    /// Standing of the license.
    pub standing: Standing,
    /// Trusted time.
    pub date: Timestamp,
}

impl DatedStanding {
    /// Describes the standing, including the date if another date would change it.
    fn text(&self, license: &License) -> String {
        let text = self.standing.text(license);
        match self.standing {
            Standing::Ended | Standing::NotYetValid => format!("{text}, judged by the date {:.0}", self.date),
            _ => text,
        }
    }
}

/// Advice for an end that only a wrong date causes. After a clock that was ahead, or a confirmed wrong date, no new
/// license is needed.
const WRONG_DATE: &str =
    "If that date is wrong, set the clock, run `landfall license confirm-date`, then the same command again.";

#[derive(Debug, Clone)]
struct HeldLicense {
    record: LicenseRecord,
    license: License,
    judged: DatedStanding,
    /// True if a person passed it. It is stored when the operation begins.
    is_new: bool,
}

impl Licensing {
    /// Judges the license that a person passes, or the stored one, for a trusted release. Fails for a license that this
    /// site must not have. Changes nothing.
    pub fn look(
        place: &LicensedHost<'_>,
        release: &LicensedRelease<'_>,
        given: Option<&GivenLicense>,
    ) -> Result<Self, StepError> {
        let (root, signed) = (release.verified.trusted_root().root(), release.built_at);
        let before = match place {
            LicensedHost::Here { paths, .. } => LicenseRecord::read(paths),
            LicensedHost::Elsewhere(_) => Ok(None),
        };
        let mut note = before.as_ref().err().map(why);
        let before = before.ok().flatten();
        let found = match given {
            Some(given) => Some(verify_license(given, root, release.name, before.as_ref())?),
            None => before.and_then(|record| match stored_license(record, release) {
                Ok(found) => Some(found),
                Err(error) => {
                    note = Some(why(&error));
                    None
                }
            }),
        };
        let Some((mut record, license)) = found else { return Ok(Self { held: None, signed, note }) };
        let signed = signed.max(license.terms().issued);
        if let LicensedHost::Here { cluster, paths } = place {
            record.remember(cluster.iter().copied().chain(host_identifiers(paths)));
        }
        let brought = release.verified.revocation();
        let judged = judge(place, &record, &license, (signed, brought))?;
        let standing = &judged.standing;
        if given.is_some() && !standing.permits() {
            refuse_worse(place, release, (&license, &judged), signed)?;
        }
        if let (Some(_), Standing::OtherSite { .. } | Standing::Revoked { .. }) = (given, standing) {
            let code = standing.code().unwrap_or(codes::LICENSE_OTHER_SITE);
            let what = format!("the license {} is {}", license.terms().id, judged.text(&license));
            return Err(StepError::new(code, what));
        }
        Ok(Self { held: Some(HeldLicense { record, license, judged, is_new: given.is_some() }), signed, note })
    }

    /// Returns the applicable license.
    pub fn license(&self) -> Option<&License> {
        self.held.as_ref().map(|held| &held.license)
    }

    /// Returns the blockers of an install or an upgrade to this release.
    pub fn blockers(&self, release: &ReleaseDocument, built_at: Timestamp) -> Vec<Finding> {
        let held = self.held.as_ref().map(|held| (&held.license, &held.judged.standing));
        let blocker = |shortfall: Shortfall| {
            let mut blocker = Finding::new(shortfall.code, shortfall.found, shortfall.needed);
            if let Some(note) = &self.note {
                blocker.measured = format!("{}: {note}", blocker.measured);
            }
            if let Some(fix) = shortfall.fix {
                blocker.fix = fix;
            }
            self.add_date(&mut blocker);
            blocker
        };
        shortfalls(&needs(release), built_at, held).into_iter().map(blocker).collect()
    }

    /// Adds the date by which a license has ended or does not apply yet.
    fn add_date(&self, blocker: &mut Finding) {
        let Some(held) = &self.held else { return };
        if [codes::LICENSE_ENDED, codes::LICENSE_NOT_YET].iter().any(|code| blocker.code == *code) {
            blocker.measured = format!("{}, judged by the date {:.0}", blocker.measured, held.judged.date);
        }
        if blocker.code == codes::LICENSE_ENDED {
            blocker.fix = format!("{} {WRONG_DATE}", blocker.fix);
        }
    }

    /// Stores the license, its revocation and the signed times of the operation. On the disk on return. Without a
    /// license, stores nothing.
    pub fn store(&self, paths: &SitePaths) -> Result<(), StepError> {
        let Some(held) = &self.held else { return Ok(()) };
        if held.is_new {
            if let Some(revocation) = held.license.revocation() {
                Marks::learn(paths, revocation).map_err(|error| StepError::new(error.code(), error.to_string()))?;
            }
            tracing::info!(license = held.license.terms().id, "the license is stored");
        }
        let lock = LicenseLock::take(paths)?;
        // Before the license: without trusted time, it would be judged by the clock.
        site_time::learn(paths, &lock, &machine_clocks(paths), self.signed)?;
        // Another command may have changed it in the meantime.
        let current = LicenseRecord::read(paths).ok().flatten();
        let mut record = match current {
            current if held.is_new => LicenseRecord::with(&held.license, current.as_ref())?,
            Some(current) => current,
            None => held.record.clone(),
        };
        record.remember(held.record.identifiers(paths));
        record.write(paths)
    }
}

/// Fails for a license that is not valid now if the stored one is, because a replaced license never returns.
fn refuse_worse(
    place: &LicensedHost<'_>,
    release: &LicensedRelease<'_>,
    (given, found): (&License, &DatedStanding),
    signed: Timestamp,
) -> Result<(), StepError> {
    let LicensedHost::Here { paths, .. } = place else { return Ok(()) };
    let Some(record) = LicenseRecord::read(paths).ok().flatten() else { return Ok(()) };
    let Ok((record, license)) = stored_license(record, release) else { return Ok(()) };
    let kept = judge(place, &record, &license, (signed, release.verified.revocation()))?;
    if !kept.standing.permits() || license.terms().id == given.terms().id {
        return Ok(());
    }
    let (id, kept) = (&given.terms().id, &license.terms().id);
    let what = format!("the license {id} is {}; {kept}, which this site has, still counts", found.text(given));
    let code = found.standing.code().unwrap_or(codes::LICENSE_OLDER);
    let error = StepError::new(code, what);
    Err(if found.standing == Standing::Ended { error.hint(format!("{} {WRONG_DATE}", code.fix)) } else { error })
}

/// Returns the stored license, if it is from the vendor of this release: an earlier installation may have left another
/// vendor's. The license stays even if its signer has lost the role.
fn stored_license(record: LicenseRecord, release: &LicensedRelease<'_>) -> Result<(LicenseRecord, License), StepError> {
    let (license, trusted) = (record.license()?, release.verified.trusted_root().root());
    let terms = license.terms();
    if terms.release != release.name {
        let what = format!("the license {} is for {}", terms.id, terms.release);
        return Err(StepError::new(codes::LICENSE_OTHER_RELEASE, what));
    }
    let accepted = license.root();
    let is_in_chain = || {
        let opened = Opened::read_file(release.verified.head_bytes());
        opened.is_ok_and(|opened| opened.roots().iter().any(|root| root.says_the_same(accepted)))
    };
    if accepted.says_the_same(trusted) || record.is_accepted_by(trusted) || is_in_chain() {
        return Ok((record, license));
    }
    let what = format!("the license {} was accepted under a root that does not lead to this release", terms.id);
    Err(StepError::new(codes::LICENSE_RECORD, what))
}

/// Verifies a license that a person passes, and creates its record.
fn verify_license(
    GivenLicense { name, bytes }: &GivenLicense,
    root: &Root,
    release: &str,
    before: Option<&LicenseRecord>,
) -> Result<(LicenseRecord, License), StepError> {
    let sealed = SealedLicense::read(name, bytes).map_err(license_error)?;
    let license = sealed.verify(&TrustAnchor::Root(root.bytes().to_vec())).map_err(license_error)?;
    let terms = license.terms();
    if terms.release != release {
        let what = format!("the license {} is for {}, and this release is {release}", terms.id, terms.release);
        return Err(StepError::new(codes::LICENSE_OTHER_RELEASE, what));
    }
    Ok((LicenseRecord::with(&license, before)?, license))
}

fn license_error(error: LicenseError) -> StepError {
    let step = StepError::new(error.code(), error.to_string());
    let step = match error.hint() {
        Some(hint) => step.hint(hint),
        None => step,
    };
    match error {
        LicenseError::Refused { source, .. } => step.because(source),
        _ => step,
    }
}

/// Judges a license for a machine at the current time, with a release's newest signed time and revocation.
pub fn judge(
    place: &LicensedHost<'_>,
    record: &LicenseRecord,
    license: &License,
    (signed, brought): (Timestamp, Option<&Revocation>),
) -> Result<DatedStanding, StepError> {
    let (now, identifiers, known) = match place {
        LicensedHost::Here { paths, .. } => {
            let now = site_time::would_learn(paths, &machine_clocks(paths), signed)?.now();
            let known = Marks::read(paths).and_then(|marks| marks.revocation());
            let known = known.map_err(|error| StepError::new(error.code(), error.to_string()))?;
            (now, Some(record.identifiers(paths)), known)
        }
        LicensedHost::Elsewhere(wall) => {
            let clocks = landfall_license::Clocks { wall: *wall, boot: "", uptime: std::time::Duration::ZERO };
            (TrustedTime::begin(signed, &clocks).now(), None, None)
        }
    };
    let revocation = newest([known.as_ref(), license.revocation(), brought]);
    let superseded: &BTreeSet<String> = record.superseded_ids();
    let circumstances = Circumstances { now, identifiers: identifiers.as_ref(), revocation, superseded };
    Ok(DatedStanding { standing: license.standing(&circumstances), date: now })
}

/// Returns the revocation with the highest number, which is in force.
fn newest(known: [Option<&Revocation>; 3]) -> Option<&Revocation> {
    known.into_iter().flatten().max_by_key(|revocation| revocation.number())
}

/// Returns the needs of a release's components.
pub fn needs(release: &ReleaseDocument) -> Vec<Need<'_>> {
    let components = release.components.iter();
    components
        .filter_map(|component| {
            let entitlement = component.entitlement.as_deref()?;
            Some(Need { component: &component.name, entitlement })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newest_revocation_counts() {
        let [first, second] = [1, 2].map(|number| Revocation::new(number, Vec::new()).unwrap());
        let number = |known| newest(known).map(Revocation::number);
        assert_eq!(number([None; 3]), None);
        assert_eq!(number([None, None, Some(&first)]), Some(1), "a fresh host knows only the release's");
        for known in [
            [Some(&second), Some(&first), None],
            [Some(&first), Some(&second), None],
            [None, Some(&first), Some(&second)],
        ] {
            assert_eq!(number(known), Some(2));
        }
    }
}
