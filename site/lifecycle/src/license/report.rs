//! The license of a site as `status` and `landfall license` report it.

use std::collections::BTreeSet;

use jiff::Timestamp;
use landfall_license::{Agreement, Entitlements, Identifier, License, Standing, TrustedTime};
use schemars::JsonSchema;
use serde::Serialize;

/// Everything that `landfall license show` reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LicenseReport {
    /// The license and the installed release; none on a host with neither.
    pub license: Option<LicenseStatus>,
    /// What identifies this host, its cluster and its site, as a vendor binds a license to them: keyed digests, which betray
    /// no serial number.
    pub identifiers: Vec<String>,
    /// Id of the key by which the site signs its reports of usage; none before usage is measured.
    pub site_key: Option<String>,
}

/// What the license comes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LicenseStatus {
    /// The license; none if the site has none that can be used.
    pub terms: Option<LicenseTerms>,
    /// What components of the installed release need.
    pub needs: Vec<NeededEntitlement>,
    /// The site's trusted date; none on a site that keeps none.
    pub date: Option<TrustedDate>,
    /// What a person should know or do.
    pub notes: Vec<String>,
}

/// A license, and what it counts for now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LicenseTerms {
    /// Its id.
    pub id: String,
    /// Who issued it.
    pub vendor: String,
    /// For whom.
    pub customer: String,
    /// Whom to ask for another one.
    pub contact: String,
    /// Name of the release that it is for.
    pub release: String,
    /// When it was issued, RFC 3339 in UTC.
    pub issued: String,
    /// When it begins to apply.
    pub not_before: String,
    /// When it ends; none if it does not.
    pub ends: Option<String>,
    /// Until when it counts, grace included; none if it does not end.
    pub grace_ends: Option<String>,
    /// By how much a limit may be exceeded, in percent.
    pub overage_percent: u64,
    /// What it entitles to.
    pub entitlements: Entitlements,
    /// `valid`, `ending`, `grace`, `ended`, `not-yet-valid`, `revoked`, `superseded` or `other-site`.
    pub standing: &'static str,
    /// Whether entitled components may be installed and upgraded. Nothing that runs depends on it.
    pub permits: bool,
    /// Days until it ends, or, in grace, until that ends; none where neither is near.
    pub days_left: Option<u64>,
    /// The last of 90, 60, 30, 14, 7 and 1 days before the end that was passed; none before.
    pub warning_days: Option<u64>,
    /// The standing in words.
    pub text: String,
}

/// An entitlement that a component needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NeededEntitlement {
    /// The component.
    pub component: String,
    /// What it needs.
    pub entitlement: String,
    /// Whether the license grants it now.
    pub granted: bool,
}

/// The date that licenses are judged by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrustedDate {
    /// It, RFC 3339 in UTC.
    pub now: String,
    /// What has certainly passed: signed times, and the time that the site has run since.
    pub least: String,
    /// What the machine's clock says.
    pub clock: String,
    /// Whether the two differ by a day at most.
    pub agrees: bool,
}

impl LicenseTerms {
    /// Returns a license and its standing.
    pub(crate) fn of(license: &License, standing: &Standing) -> Self {
        let terms = license.terms();
        let time = |time: Timestamp| format!("{time:.0}");
        let (days_left, warning_days) = match standing {
            Standing::Ending { days_left, warning } => (Some(*days_left), Some(*warning)),
            Standing::Grace { days_left } => (Some(*days_left), None),
            _ => (None, None),
        };
        Self {
            id: terms.id.clone(),
            vendor: terms.vendor.clone(),
            customer: terms.customer.clone(),
            contact: terms.contact.clone(),
            release: terms.release.clone(),
            issued: time(terms.issued),
            not_before: time(terms.not_before),
            ends: terms.ends.map(time),
            grace_ends: terms.grace_ends().map(time),
            overage_percent: terms.overage_percent,
            entitlements: terms.entitlements.clone(),
            standing: standing.name(),
            permits: standing.permits(),
            days_left,
            warning_days,
            text: standing.text(license),
        }
    }

    /// Returns advice for people; `None` if nothing is to be done.
    pub(crate) fn note(&self) -> Option<String> {
        let Self { id, text, contact, .. } = self;
        let advice = match self.standing {
            "valid" => return None,
            "ending" | "grace" | "ended" => format!("ask {contact} for a new one; what runs is not affected"),
            "not-yet-valid" => "if that day has come, set the clock and run `landfall license confirm-date`".to_owned(),
            _ => format!("ask {contact}; what runs is not affected"),
        };
        Some(format!("the license {id} is {text}: {advice}"))
    }
}

impl TrustedDate {
    /// Returns trusted time beside the clock.
    pub(crate) fn of(time: &TrustedTime, clock: Timestamp) -> Self {
        let text = |time: Timestamp| format!("{time:.0}");
        let agrees = time.agreement(clock) == Agreement::Agree;
        Self { now: text(time.now()), least: text(time.least()), clock: text(clock), agrees }
    }

    /// Returns a note about a clock that disagrees.
    pub(crate) fn note(&self) -> Option<String> {
        let Self { now, clock, agrees, .. } = self;
        let advice = "set it if it is wrong (`timedatectl set-time`), then run `landfall license confirm-date`";
        (!agrees).then(|| format!("the clock says {clock}, and licenses are judged by {now}: {advice}"))
    }
}

/// Returns identifiers as sorted text.
pub(crate) fn shown(identifiers: &BTreeSet<Identifier>) -> Vec<String> {
    identifiers.iter().map(ToString::to_string).collect()
}
