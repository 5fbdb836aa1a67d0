//! The description of a license that a vendor writes in YAML. It is read strictly: an unknown or misspelled field would
//! be a promise that no license keeps.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use landfall_bundle_spec::trust::KeyId;
use serde::Deserialize;

use crate::binding::{Binding, Identifier};
use crate::error::{LicenseError, Result};
use crate::terms::{Entitlements, LICENSE_TYPE, Terms};

/// The description as written.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Description {
    id: String,
    vendor: String,
    customer: String,
    contact: String,
    release: String,
    #[serde(default)]
    not_before: Option<String>,
    #[serde(default)]
    ends: Option<String>,
    #[serde(default = "thirty")]
    grace_days: u64,
    #[serde(default = "ten")]
    overage_percent: u64,
    entitlements: GrantedTerms,
    #[serde(default)]
    binding: Option<SiteBinding>,
    /// Key id as printed by `landfall license show`.
    #[serde(default)]
    site_key: Option<String>,
    #[serde(default)]
    supersedes: BTreeSet<String>,
}

const fn thirty() -> u64 {
    30
}

const fn ten() -> u64 {
    10
}

/// The grants. A missing limit means no limit.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct GrantedTerms {
    #[serde(default)]
    components: BTreeSet<String>,
    #[serde(default)]
    features: BTreeSet<String>,
    #[serde(default)]
    namespaces: Option<u64>,
    #[serde(default)]
    nodes: Option<u64>,
    #[serde(default)]
    gpus: Option<u64>,
    #[serde(default)]
    users: Option<u64>,
    #[serde(default)]
    newest_release: Option<String>,
}

/// The site, as printed there by `landfall license show`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SiteBinding {
    needed: u64,
    identifiers: BTreeSet<String>,
}

/// Returns the terms that a description requests, issued at this time with the vendor's revocation of this number (0
/// for none). `name` is the file's name, for errors.
pub fn describe(name: &str, text: &str, issued: Timestamp, revocation: u64) -> Result<Terms> {
    let invalid = |reason: String| LicenseError::Description { name: name.to_owned(), line: None, reason };
    let description: Description = serde_saphyr::from_str(text).map_err(|error| {
        let plain = error.without_snippet();
        let line = plain.location().map(|location| location.line());
        let said = plain.to_string();
        // The error has a separate field for the line. Advice about configuring the parser does not help the author of
        // the file.
        let said = said.rsplit_once(" at line ").map_or(said.as_str(), |(what, _)| what);
        let said = said.split_once(", set DuplicateKeyPolicy").map_or(said, |(what, _)| what);
        LicenseError::Description { name: name.to_owned(), line, reason: said.to_owned() }
    })?;
    let terms = description.terms(issued, revocation).map_err(invalid)?;
    terms.check().map_err(invalid)?;
    Ok(terms)
}

impl Description {
    fn terms(self, issued: Timestamp, revocation: u64) -> Result<Terms, String> {
        // Whole seconds, so that the signed text has a single representation.
        let issued = Timestamp::from_second(issued.as_second()).map_err(|error| error.to_string())?;
        let granted = self.entitlements;
        Ok(Terms {
            document_type: LICENSE_TYPE.to_owned(),
            id: self.id,
            vendor: self.vendor,
            customer: self.customer,
            contact: self.contact,
            release: self.release,
            issued,
            not_before: time("notBefore", self.not_before)?.unwrap_or(issued),
            ends: time("ends", self.ends)?,
            grace_days: self.grace_days,
            overage_percent: self.overage_percent,
            entitlements: Entitlements {
                components: granted.components.into_iter().collect(),
                features: granted.features.into_iter().collect(),
                namespaces: granted.namespaces,
                nodes: granted.nodes,
                gpus: granted.gpus,
                users: granted.users,
                newest_release: time("entitlements.newestRelease", granted.newest_release)?,
            },
            binding: self.binding.map(SiteBinding::binding).transpose()?,
            site_key: self.site_key.as_deref().map(site_key).transpose()?,
            supersedes: self.supersedes.into_iter().collect(),
            revocation,
            requires: Vec::new(),
        })
    }
}

impl SiteBinding {
    fn binding(self) -> Result<Binding, String> {
        let read = |text: &String| text.parse::<Identifier>().map_err(|error| format!("binding.identifiers: {error}"));
        let identifiers: BTreeSet<Identifier> = self.identifiers.iter().map(read).collect::<Result<_, _>>()?;
        Ok(Binding { needed: self.needed, identifiers: identifiers.into_iter().collect() })
    }
}

fn site_key(text: &str) -> Result<KeyId, String> {
    text.parse().map_err(|_| format!("siteKey: `{text}` is not the id of a key: 64 lower-case hexadecimal digits"))
}

/// Parses a date, which means its first moment in UTC, or a time in RFC 3339, in whole seconds.
fn time(field: &str, text: Option<String>) -> Result<Option<Timestamp>, String> {
    let Some(text) = text else { return Ok(None) };
    let date = text.parse::<Date>().ok().filter(|_| text.len() == "2026-12-01".len());
    let time = match date {
        Some(date) => date.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp()),
        None => text.parse::<Timestamp>().ok(),
    };
    let time = time.and_then(|time| Timestamp::from_second(time.as_second()).ok());
    time.map(Some).ok_or_else(|| {
        format!("{field}: `{text}` is neither a date such as 2026-12-01 nor a time in the format of RFC 3339")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn description_result(text: &str) -> String {
        describe("acme.yaml", text, Timestamp::UNIX_EPOCH, 0)
            .map_or_else(|error| error.to_string(), |_| "fine".to_owned())
    }

    const LEAST: &str = "id: acme-1\nvendor: V\ncustomer: C\ncontact: a@b\nrelease: starter\nentitlements: {}\n";

    #[test]
    fn description_becomes_terms_with_defaults() {
        let text = format!("{LEAST}ends: 2027-12-01\nsupersedes: [b, a]\n");
        let terms = describe("acme.yaml", &text, "2026-11-22T10:00:00.5Z".parse().unwrap(), 3).unwrap();
        insta::assert_snapshot!(serde_json::to_string(&terms).unwrap(), @r#"{"type":"landfall.dev/license/1","id":"acme-1","vendor":"V","customer":"C","contact":"a@b","release":"starter","issued":"2026-11-22T10:00:00Z","notBefore":"2026-11-22T10:00:00Z","ends":"2027-12-01T00:00:00Z","graceDays":30,"overagePercent":10,"entitlements":{},"supersedes":["a","b"],"revocation":3}"#);
        assert_eq!(Terms::limit_with_overage(25, terms.overage_percent), 27);
        assert_eq!(terms.grace_ends().unwrap().to_string(), "2027-12-31T00:00:00Z");
    }

    #[test]
    fn description_faults_are_named() {
        assert_eq!(description_result(LEAST), "fine");
        for (more, wrong) in [
            ("ends: tomorrow\n", "`tomorrow` is neither a date"),
            ("ends: 1969-01-01\n", "ends before it begins"),
            ("graceDays: 99999\n", "days of grace"),
            ("expires: 2027-01-01\n", "acme.yaml:7"),
            ("supersedes: [acme-1]\n", "supersedes itself"),
            ("supersedes: [Acme]\n", "is not a superseded id"),
            ("binding: {needed: 1, identifiers: []}\n", "needs 1 of 0 identifiers"),
            ("binding: {needed: 1, identifiers: [disk]}\n", "`disk` is not an identifier"),
            ("siteKey: 'sha256:00'\n", "siteKey: `sha256:00` is not the id of a key"),
        ] {
            let said = description_result(&format!("{LEAST}{more}"));
            assert!(said.contains(wrong), "{more}: {said}");
        }
    }
}
