//! The license of a site as `status` and `landfall license` report it.

use std::collections::BTreeSet;

use jiff::Timestamp;
use landfall_documents::license::{LicenseTerms, TrustedDate};
use landfall_license::{Agreement, Identifier, License, Standing, TrustedTime};

/// Returns a license and its standing.
pub fn license_terms(license: &License, standing: &Standing) -> LicenseTerms {
    let terms = license.terms();
    let time = |time: Timestamp| format!("{time:.0}");
    let (days_left, warning_days) = match standing {
        Standing::Ending { days_left, warning } => (Some(*days_left), Some(*warning)),
        Standing::Grace { days_left } => (Some(*days_left), None),
        _ => (None, None),
    };
    LicenseTerms {
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
        standing: standing.name().to_owned(),
        permits: standing.permits(),
        days_left,
        warning_days,
        text: standing.text(license),
    }
}

/// Returns advice for people; `None` if nothing is to be done.
pub fn terms_note(terms: &LicenseTerms) -> Option<String> {
    let LicenseTerms { id, text, contact, .. } = terms;
    let advice = match terms.standing.as_str() {
        "valid" => return None,
        "ending" | "grace" | "ended" => format!("ask {contact} for a new one; what runs is not affected"),
        "not-yet-valid" => "if that day has come, set the clock and run `landfall license confirm-date`".to_owned(),
        _ => format!("ask {contact}; what runs is not affected"),
    };
    Some(format!("license {id} ({text}): {advice}"))
}

/// Returns trusted time beside the clock.
pub fn trusted_date(time: &TrustedTime, clock: Timestamp) -> TrustedDate {
    let text = |time: Timestamp| format!("{time:.0}");
    let agrees = time.agreement(clock) == Agreement::Agree;
    TrustedDate { now: text(time.now()), least: text(time.least()), clock: text(clock), agrees }
}

/// Returns a note about a clock that disagrees.
pub fn date_note(date: &TrustedDate) -> Option<String> {
    let TrustedDate { now, clock, agrees, .. } = date;
    let advice = "set it if it is wrong (`timedatectl set-time`), then run `landfall license confirm-date`";
    (!agrees).then(|| format!("the clock says {clock}, and licenses are judged by {now}: {advice}"))
}

/// Returns identifiers as sorted text.
pub fn identifier_texts(identifiers: &BTreeSet<Identifier>) -> Vec<String> {
    identifiers.iter().map(ToString::to_string).collect()
}
