//! The standing of a license at a site. It is a pure function: the same license, site and time always give the same
//! result.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use landfall_bundle_spec::trust::Revocation;
use landfall_error_codes::{Code, codes};

use crate::binding::Identifier;
use crate::document::License;

/// Days before the end at which a site is warned, in order of time.
pub const WARNING_DAYS: [u64; 6] = [90, 60, 30, 14, 7, 1];

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// The circumstances that determine a license's standing.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances<'a> {
    /// The site's trusted time; never a wall clock.
    pub now: Timestamp,
    /// The site's identifiers; `None` if unknown, as when planning for a host elsewhere.
    pub identifiers: Option<&'a BTreeSet<Identifier>>,
    /// The newest revocation that the site knows.
    pub revocation: Option<&'a Revocation>,
    /// Ids of licenses that later ones replaced.
    pub superseded: &'a BTreeSet<String>,
}

/// The standing of a license.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It applies, and does not end soon.
    Valid,
    /// It applies, and ends soon.
    Ending {
        /// Days until the end, rounded up.
        days_left: u64,
        /// The most recently passed threshold in [`WARNING_DAYS`].
        warning: u64,
    },
    /// It has ended, but is still valid for some days.
    Grace {
        /// Days until it is no longer valid, rounded up.
        days_left: u64,
    },
    /// It has ended, and so has its grace.
    Ended,
    /// It does not apply yet.
    NotYetValid,
    /// The vendor has revoked it.
    Revoked {
        /// The vendor's reason.
        reason: String,
    },
    /// A later license has replaced it.
    Superseded,
    /// It is bound to another site.
    OtherSite {
        /// Number of its identifiers that match this site.
        matched: u64,
        /// Number of identifiers that must match.
        needed: u64,
    },
}

impl License {
    /// Computes the standing of the license in these circumstances.
    pub fn standing(&self, circumstances: &Circumstances<'_>) -> Standing {
        let (terms, now) = (self.terms(), circumstances.now);
        if let Some(entry) = circumstances.revocation.and_then(|revocation| revocation.license_entry(&terms.id)) {
            return Standing::Revoked { reason: entry.reason.clone() };
        }
        if circumstances.superseded.contains(&terms.id) {
            return Standing::Superseded;
        }
        if let (Some(binding), Some(site)) = (&terms.binding, circumstances.identifiers) {
            let (matched, needed) = (binding.matching_count(site), binding.needed);
            if matched < needed {
                return Standing::OtherSite { matched, needed };
            }
        }
        self.by_time(now)
    }

    /// Updates a standing that was computed some seconds ago: a license that ended in between grants nothing.
    pub fn standing_since(&self, judged: &Standing, now: Timestamp) -> Standing {
        match judged {
            Standing::Revoked { .. } | Standing::Superseded | Standing::OtherSite { .. } => judged.clone(),
            _ => self.by_time(now),
        }
    }

    fn by_time(&self, now: Timestamp) -> Standing {
        let terms = self.terms();
        if now < terms.not_before {
            return Standing::NotYetValid;
        }
        match (terms.ends, terms.grace_ends()) {
            (Some(ends), _) if now < ends => before_end(days_between(now, ends)),
            (Some(_), Some(grace)) if now < grace => Standing::Grace { days_left: days_between(now, grace) },
            (Some(_), _) => Standing::Ended,
            (None, _) => Standing::Valid,
        }
    }
}

fn before_end(days_left: u64) -> Standing {
    match WARNING_DAYS.into_iter().rev().find(|warning| days_left <= *warning) {
        Some(warning) => Standing::Ending { days_left, warning },
        None => Standing::Valid,
    }
}

/// Days from one time to a later one, rounded up.
fn days_between(from: Timestamp, to: Timestamp) -> u64 {
    let seconds = u64::try_from(to.duration_since(from).as_secs()).unwrap_or_default();
    seconds.div_ceil(DAY.as_secs().unsigned_abs())
}

impl Standing {
    /// Returns true if entitled components may be installed.
    pub const fn permits(&self) -> bool {
        matches!(self, Self::Valid | Self::Ending { .. } | Self::Grace { .. })
    }

    /// Name of the standing in reports.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Ending { .. } => "ending",
            Self::Grace { .. } => "grace",
            Self::Ended => "ended",
            Self::NotYetValid => "not-yet-valid",
            Self::Revoked { .. } => "revoked",
            Self::Superseded => "superseded",
            Self::OtherSite { .. } => "other-site",
        }
    }

    /// Error code of the refusal; `None` if the standing refuses nothing.
    pub const fn code(&self) -> Option<Code> {
        match self {
            Self::Valid | Self::Ending { .. } | Self::Grace { .. } => None,
            Self::Ended => Some(codes::LICENSE_ENDED),
            Self::NotYetValid => Some(codes::LICENSE_NOT_YET),
            Self::Revoked { .. } => Some(codes::LICENSE_REVOKED),
            Self::Superseded => Some(codes::LICENSE_OLDER),
            Self::OtherSite { .. } => Some(codes::LICENSE_OTHER_SITE),
        }
    }

    /// Describes the standing in a few words, for people.
    pub fn text(&self, license: &License) -> String {
        let terms = license.terms();
        let day = |time: Option<Timestamp>| time.map(|time| format!("{time:.0}")).unwrap_or_default();
        let days = |days: u64| if days == 1 { "1 day".to_owned() } else { format!("{days} days") };
        match self {
            Self::Valid => match terms.ends {
                Some(_) => format!("valid; it ends on {}", day(terms.ends)),
                None => "valid; it never expires".to_owned(),
            },
            Self::Ending { days_left, .. } => format!("valid; it ends in {}, on {}", days(*days_left), day(terms.ends)),
            Self::Grace { days_left } => {
                format!("ended on {}; it still counts for {}", day(terms.ends), days(*days_left))
            }
            Self::Ended => format!("ended on {}, and so has its grace", day(terms.ends)),
            Self::NotYetValid => format!("not valid before {}", day(Some(terms.not_before))),
            Self::Revoked { reason } => format!("revoked by the vendor: {reason}"),
            Self::Superseded => "replaced by a newer license".to_owned(),
            Self::OtherSite { matched, needed } => {
                format!("for another site: {matched} of its identifiers are this site's, and {needed} must be")
            }
        }
    }
}
