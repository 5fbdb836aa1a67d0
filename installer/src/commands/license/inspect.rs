//! `landfall license inspect`: shows the content of a license file. Without `--trust` it verifies nothing, and says so.

use std::fmt::Write;

use landfall_license::{Entitlements, SealedLicense, Terms};
use landfall_lifecycle::operations::Trust;
use schemars::JsonSchema;
use serde::Serialize;

use super::report::read;
use super::{entitlements_text, time};
use crate::cli::LicenseInspectArguments;
use crate::document::Document;
use crate::failure::Failure;
use crate::printer::Printer;

/// Content of a license file.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Inspection {
    /// True if its signatures were checked against the anchor of `--trust`.
    verified: bool,
    /// ID of the license.
    id: String,
    /// Vendor that issued it.
    vendor: String,
    /// Customer to whom it was issued.
    customer: String,
    /// Contact for another license.
    contact: String,
    /// Name of the licensed release.
    release: String,
    /// Time of issue, RFC 3339 in UTC.
    issued: String,
    /// Start of its validity, RFC 3339 in UTC.
    not_before: String,
    /// End of its validity, RFC 3339 in UTC; null if it does not end.
    ends: Option<String>,
    /// Days after the end during which it is still valid.
    grace_days: u64,
    /// Tolerated overage of a limit, in percent.
    overage_percent: u64,
    /// Entitlements that it grants.
    entitlements: Entitlements,
    /// Number of identifiers that must match the site's; null if it is bound to no site.
    identifiers_needed: Option<u64>,
    /// Digests of the identifiers of the site to which it is bound.
    identifiers: Vec<String>,
    /// ID of the key with which the site signs its usage reports; null if the license names none.
    site_key: Option<String>,
    /// IDs of the licenses that it replaces.
    supersedes: Vec<String>,
    /// Number of the revocation with which it was issued; 0 for none.
    revocation: u64,
    /// IDs of the keys that signed; if it was not verified, of the keys that claim to have signed.
    signed_by: Vec<String>,
    /// Numbers of the root documents in the file.
    roots: Vec<u64>,
}

impl Document for Inspection {
    const KIND: &'static str = "license";
}

/// Shows a license file.
pub(super) fn run(arguments: &LicenseInspectArguments, printer: Printer) -> Result<(), Failure> {
    let path = &arguments.license;
    let sealed = SealedLicense::read(&path.display().to_string(), &read("license", path)?)?;
    let inspection = if let Some(trust) = &arguments.trust.trust {
        let anchor = Trust::read(Some(trust), path)?.anchor;
        let license = sealed.verify(&anchor)?;
        let signers = license.signers().iter().map(ToString::to_string).collect();
        Inspection::from_license(&sealed, license.terms(), true, signers)
    } else {
        let claimed = sealed.claimed_signers().iter().map(ToString::to_string).collect();
        Inspection::from_license(&sealed, &sealed.untrusted_terms()?, false, claimed)
    };
    printer.report(&inspection, text)?;
    Ok(())
}

impl Inspection {
    fn from_license(sealed: &SealedLicense, terms: &Terms, verified: bool, signed_by: Vec<String>) -> Self {
        let identifiers = terms.binding.iter().flat_map(|binding| &binding.identifiers);
        Self {
            verified,
            id: terms.id.clone(),
            vendor: terms.vendor.clone(),
            customer: terms.customer.clone(),
            contact: terms.contact.clone(),
            release: terms.release.clone(),
            issued: time(terms.issued),
            not_before: time(terms.not_before),
            ends: terms.ends.map(time),
            grace_days: terms.grace_days,
            overage_percent: terms.overage_percent,
            entitlements: terms.entitlements.clone(),
            identifiers_needed: terms.binding.as_ref().map(|binding| binding.needed),
            identifiers: identifiers.map(ToString::to_string).collect(),
            site_key: terms.site_key.map(|key| key.to_string()),
            supersedes: terms.supersedes.clone(),
            revocation: terms.revocation,
            signed_by,
            roots: sealed.roots().iter().map(landfall_bundle_spec::trust::Root::number).collect(),
        }
    }
}

fn text(inspection: &Inspection) -> String {
    let mut text = String::new();
    if !inspection.verified {
        text.push_str("NOT VERIFIED: this is what the file says about itself; `--trust` checks it.\n\n");
    }
    let ends = inspection.ends.as_ref().map_or_else(
        || "it never expires".to_owned(),
        |ends| format!("ends {ends}, then {} days of grace", inspection.grace_days),
    );
    let Inspection { id, vendor, customer, contact, release, issued, not_before, .. } = inspection;
    for (what, value) in [
        ("license", id.clone()),
        ("issued by", format!("{vendor}, {issued}; questions to {contact}")),
        ("for", format!("{customer}, release {release}")),
        ("applies", format!("from {not_before}; {ends}")),
    ] {
        let _infallible = writeln!(text, "{what:<10} {value}");
    }
    text.push_str(&entitlements_text(&inspection.entitlements, inspection.overage_percent));
    let bound = match inspection.identifiers_needed {
        Some(needed) => format!("to a site with {needed} of {} identifiers", inspection.identifiers.len()),
        None => "to no site".to_owned(),
    };
    let _infallible = writeln!(text, "{:<10} {bound}", "bound");
    if let Some(key) = &inspection.site_key {
        let _infallible = writeln!(text, "{:<10} {key}", "site's key");
    }
    if !inspection.supersedes.is_empty() {
        let _infallible = writeln!(text, "{:<10} {}", "replaces", inspection.supersedes.join(", "));
    }
    let _infallible = write!(text, "{:<10} {}", "signed by", inspection.signed_by.join(", "));
    text
}

#[cfg(test)]
mod tests {
    use landfall_bundle_spec::sample::Vendor;
    use landfall_bundle_spec::trust::KeyKind;
    use landfall_license::sample;

    use super::*;

    fn inspection(verified: bool) -> Inspection {
        let vendor = Vendor::new(KeyKind::Ed25519).unwrap();
        let terms = sample::terms("acme-1", "2026-11-22T10:00:00Z".parse().unwrap()).unwrap();
        let sealed = sample::seal_license(&vendor, &terms, None).unwrap();
        Inspection::from_license(&sealed, &terms, verified, vec!["0123".to_owned()])
    }

    #[test]
    fn unverified_license_is_marked_first() {
        assert!(text(&inspection(false)).starts_with("NOT VERIFIED: "));
        insta::assert_snapshot!(text(&inspection(true)), @r"
        license    acme-1
        issued by  Example, 2026-11-22T10:00:00Z; questions to licenses@example.com
        for        Acme, release tiny
        applies    from 2026-11-22T10:00:00Z; ends 2027-11-22T10:00:00Z, then 30 days of grace
          components     analytics
          features       none
          nodes          3
        bound      to no site
        signed by  0123
        ");
    }
}
