//! Plausibility of the machine's clock. A dead battery sets it back by years, a wrong time source sets it ahead by
//! years; nothing may be renewed under such a clock.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use landfall_error_codes::codes;
use landfall_media::durable;

use super::validity::CertificateState;
use landfall_engine::step::StepError;
use landfall_host::files;
use landfall_host::paths::SitePaths;

/// Maximum by which the clock may be ahead of the newest time that the site has seen. It is the validity of a
/// certificate, because a site may wait that long in a warehouse. A clock that is ahead by less renews too early at
/// worst, and its certificates are reissued once the clock is right.
const LONGEST_SILENCE: SignedDuration = SignedDuration::from_hours(43_800);

/// Tolerance for a clock earlier than a time that the site has seen: time servers correct clocks by less.
const CORRECTION: SignedDuration = SignedDuration::from_mins(5);

/// Limits of the clock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Evidence {
    /// Start of the cluster's certificate authority: the site did not exist before.
    pub authority_begins: Option<Timestamp>,
    /// End of the cluster's certificate authority: nothing issued later can be valid.
    pub authority_ends: Option<Timestamp>,
    /// The newest time that the site has seen.
    pub seen: Option<Timestamp>,
}

/// Plausibility of the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plausibility {
    /// The clock contradicts no known time.
    Plausible,
    /// The clock is earlier than this time, the newest that the site has seen. Either it was set back, or it was ahead
    /// then.
    Reset(Timestamp),
    /// The clock is earlier than a time that has certainly passed.
    Behind(Timestamp),
    /// The clock is later than this time, the latest plausible one.
    Ahead(Timestamp),
}

/// Evaluates the clock. The lower limit is fixed. If it moved with the newest time seen, one boot with the clock ahead
/// would forbid every repair until that time.
pub fn plausibility(now: Timestamp, evidence: &Evidence) -> Plausibility {
    if let Some(begins) = evidence.authority_begins.filter(|begins| now < *begins) {
        return Plausibility::Behind(begins);
    }
    if let Some(seen) = evidence.seen.filter(|seen| seen.duration_since(now) > CORRECTION) {
        return Plausibility::Reset(seen);
    }
    let known = evidence.seen.max(evidence.authority_begins);
    let silence_ends = known.and_then(|seen| seen.checked_add(LONGEST_SILENCE).ok());
    match [silence_ends, evidence.authority_ends].into_iter().flatten().min() {
        Some(limit) if now > limit => Plausibility::Ahead(limit),
        _ => Plausibility::Plausible,
    }
}

impl Plausibility {
    /// Returns the error for an implausible clock.
    pub fn error(self, now: Timestamp, paths: &SitePaths) -> Option<StepError> {
        let what = match self {
            Self::Plausible | Self::Reset(_) => return None,
            Self::Behind(begins) => format!("the clock says {now:.0}, and this site was installed after {begins:.0}"),
            Self::Ahead(limit) => format!("the clock says {now:.0}, and is not believed later than {limit:.0}"),
        };
        let hint = format!(
            "Set the clock (`timedatectl set-time`); if it is right, run `touch {}`. No certificate is renewed until \
             then.",
            paths.clock().display()
        );
        Some(StepError::new(codes::NODE_CLOCK, what).hint(hint))
    }

    /// Returns a note for people about a clock that blocks nothing.
    pub fn note(self, now: Timestamp, paths: &SitePaths) -> Option<String> {
        let Self::Reset(seen) = self else { return None };
        Some(format!(
            "the clock says {now:.0}, and this site has seen {seen:.0}: set it (`timedatectl set-time`); if it is \
             right, run `touch {}`; certificates are renewed anyway",
            paths.clock().display()
        ))
    }
}

/// Returns the plausibility of this machine's clock, by the times on the site's disk.
pub fn clock_plausibility(paths: &SitePaths, now: Timestamp) -> Plausibility {
    plausibility(now, &evidence(paths))
}

/// Returns the evidence about the time on the site's disk.
pub fn evidence(paths: &SitePaths) -> Evidence {
    let authority = files::read(&paths.kubernetes().join("pki/ca.crt")).ok().flatten();
    let (authority_begins, authority_ends) = match CertificateState::in_pem(authority.as_deref()) {
        CertificateState::Whole(validity) => (Some(validity.begins), Some(validity.ends)),
        CertificateState::Missing | CertificateState::Unreadable => (None, None),
    };
    Evidence { authority_begins, authority_ends, seen: last_seen_time(paths) }
}

/// Returns the newest time that the site has seen. Journals count only as long as no file records that time. A user who
/// confirms the clock with `touch` overrides a journal written while the clock was ahead.
fn last_seen_time(paths: &SitePaths) -> Option<Timestamp> {
    let journals = fs_err::read_dir(paths.journal()).into_iter().flatten().flatten().map(|entry| entry.path());
    modified_time(&paths.clock()).or_else(|| journals.filter_map(|path| modified_time(&path)).max())
}

fn modified_time(path: &Path) -> Option<Timestamp> {
    Timestamp::try_from(fs_err::metadata(path).ok()?.modified().ok()?).ok()
}

/// Stores a plausible time as seen, durably. The file's modification time counts, so that a user can confirm a clock
/// with `touch`. A newer time that the site has seen stays, until the clock reaches it or a user confirms the clock.
pub fn witness(paths: &SitePaths, now: Timestamp) -> Result<(), StepError> {
    if matches!(clock_plausibility(paths, now), Plausibility::Reset(_)) {
        return Ok(());
    }
    let text = format!("{now:.0}\n# Written by Landfall every hour: the newest time that this site has seen.\n");
    durable::create_folder(&paths.node())?;
    Ok(durable::write_file(&paths.clock(), text.as_bytes(), 0o644)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(year: i16) -> Timestamp {
        format!("{year}-06-01T00:00:00Z").parse().unwrap()
    }

    #[test]
    fn clock_is_judged_by_evidence() {
        let installed =
            Evidence { authority_begins: Some(at(2026)), authority_ends: Some(at(2046)), seen: Some(at(2027)) };
        for (now, evidence, expected) in [
            (2027, installed, Plausibility::Plausible),
            (2015, installed, Plausibility::Behind(at(2026))),
            // The machine spent four years in a warehouse.
            (2031, installed, Plausibility::Plausible),
            (2037, installed, Plausibility::Ahead(at(2027) + LONGEST_SILENCE)),
            // The agent or a user has seen it.
            (2037, Evidence { seen: Some(at(2037)), ..installed }, Plausibility::Plausible),
            // The clock was ahead for one boot; afterwards, the correct time must not count as behind.
            (2027, Evidence { seen: Some(at(2030)), ..installed }, Plausibility::Reset(at(2030))),
            (2027, Evidence { seen: Some(at(2027) + CORRECTION), ..installed }, Plausibility::Plausible),
            // A time before the certificate authority takes precedence.
            (2015, Evidence { seen: Some(at(2030)), ..installed }, Plausibility::Behind(at(2026))),
            (2047, Evidence { seen: Some(at(2047)), ..installed }, Plausibility::Ahead(at(2046))),
            (1970, Evidence::default(), Plausibility::Plausible),
        ] {
            assert_eq!(plausibility(at(now), &evidence), expected, "{now}");
        }
    }

    #[test]
    fn witnessed_times_are_evidence() {
        let folder = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(folder.path());
        assert_eq!(evidence(&paths), Evidence::default());
        let now = Timestamp::now();
        witness(&paths, now).unwrap();
        let seen = evidence(&paths).seen.unwrap();
        assert!((seen.as_second() - now.as_second()).abs() < 60, "{seen}");
        let later = now + SignedDuration::from_hours(100_000);
        let ahead = clock_plausibility(&paths, later);
        let error = ahead.error(later, &paths).unwrap();
        assert_eq!(landfall_error_codes::CodedError::code(&error), codes::NODE_CLOCK);
        assert!(landfall_error_codes::CodedError::hint(&error).unwrap().contains("touch"), "{error}");
    }

    #[test]
    fn reset_clock_is_noted_until_confirmed() {
        let folder = tempfile::tempdir().unwrap();
        let paths = SitePaths::below(folder.path());
        let now = Timestamp::now();
        let earlier = now - SignedDuration::from_hours(20_000);
        witness(&paths, now).unwrap();
        // Renewals continue, and the newer time stays.
        witness(&paths, earlier).unwrap();
        assert!(fs_err::read_to_string(paths.clock()).unwrap().starts_with(&format!("{now:.0}\n")));
        let reset = clock_plausibility(&paths, earlier);
        assert!(
            matches!(reset, Plausibility::Reset(seen) if (seen.as_second() - now.as_second()).abs() < 60),
            "{reset:?}"
        );
        assert!(reset.error(earlier, &paths).is_none());
        assert!(reset.note(earlier, &paths).unwrap().contains("`touch "), "{reset:?}");
        // A user runs `touch` under the earlier clock. An older journal does not override that.
        durable::create_folder(&paths.journal()).unwrap();
        durable::write_file(&paths.journal().join("000001-install.journal"), b"", 0o600).unwrap();
        let confirmed = std::fs::FileTimes::new().set_modified(earlier.into());
        std::fs::File::options().write(true).open(paths.clock()).unwrap().set_times(confirmed).unwrap();
        assert_eq!(clock_plausibility(&paths, earlier), Plausibility::Plausible);
        assert_eq!(Plausibility::Plausible.note(earlier, &paths), None);
    }
}
