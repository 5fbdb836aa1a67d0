//! Acceptance of warnings by name. A blocker cannot be accepted, because knowing it does not change it. An unknown name
//! is refused, because the person would wrongly believe that a warning is accepted.

use std::collections::BTreeSet;

use landfall_documents::warning::{AcceptedBy, AcceptedWarning};
use landfall_engine::step::StepError;
use landfall_error_codes::codes;
use landfall_release_document::ReleaseDocument;
use landfall_suggestion::nearest;

use super::catalog;
use super::finding::{Finding, Severity};

/// Marks the accepted warnings. Every name in `command_line` must be that of a finding; names in `site` may belong to
/// findings of other times.
pub fn accept(findings: &mut [Finding], command_line: &[String], site: &[String]) -> Result<(), StepError> {
    let names = |wanted: fn(&Finding) -> bool| -> BTreeSet<&str> {
        findings.iter().filter(|finding| wanted(finding)).map(|finding| finding.name.as_str()).collect()
    };
    let offered = names(|finding| finding.severity == Severity::Warning);
    refuse(command_line, &names(|_| true), &offered, "no finding has the name")?;
    for finding in findings {
        let by = if command_line.contains(&finding.name) {
            AcceptedBy::CommandLine
        } else if site.contains(&finding.name) {
            AcceptedBy::SiteConfiguration
        } else {
            continue;
        };
        match finding.severity {
            Severity::Warning => finding.accepted = Some(by),
            // The blocker is listed in any case; naming it has no effect.
            Severity::Blocker => {
                let gap = if finding.fix.is_empty() { "" } else { " " };
                finding.fix.push_str(gap);
                finding.fix.push_str("A blocker cannot be accepted.");
            }
            Severity::Unknown | Severity::Passed => {}
        }
    }
    Ok(())
}

/// Fails for names in the site configuration that no finding of this release can have.
pub fn refuse_unknown(site: &[String], release: &ReleaseDocument) -> Result<(), StepError> {
    let mut names: BTreeSet<&str> = catalog::names().collect();
    names.extend(release.rules.iter().map(|rule| rule.name.as_str()));
    refuse(site, &names, &names, "no finding can have the name that `accept` in the site configuration has:")
}

/// Returns the accepted warnings for the journal.
pub fn accepted_warnings(findings: &[Finding]) -> Vec<AcceptedWarning> {
    let accepted = findings.iter().filter_map(|finding| {
        Some(AcceptedWarning {
            name: finding.name.clone(),
            message: finding.message.clone(),
            measured: finding.measured.clone(),
            threshold: finding.threshold.clone(),
            by: finding.accepted?,
        })
    });
    accepted.collect()
}

/// Fails for the first unknown name, and suggests the nearest name that can be accepted, or all of them.
fn refuse(wanted: &[String], known: &BTreeSet<&str>, offered: &BTreeSet<&str>, what: &str) -> Result<(), StepError> {
    let Some(unknown) = wanted.iter().find(|name| !known.contains(name.as_str())) else { return Ok(()) };
    let listed: Vec<&str> = offered.iter().copied().collect();
    let near = match nearest(unknown, listed.iter().copied()) {
        Some(near) => format!("Did you mean `{near}`? `landfall preflight` lists the names of all findings."),
        None if listed.is_empty() => "There is no warning to accept.".to_owned(),
        None => format!("What can be accepted is {}.", listed.join(", ")),
    };
    Err(StepError::new(codes::ACCEPTED_UNKNOWN, format!("{what} `{}`", unknown.escape_debug())).hint(near))
}

#[cfg(test)]
mod tests {
    use landfall_error_codes::CodedError;

    use super::*;
    use crate::testing::release;

    fn findings() -> Vec<Finding> {
        vec![
            Finding::new(codes::TOO_FEW_CORES, "1", "2"),
            Finding::to_accept(codes::FIREWALL_FLUSHES, "it flushes", "Do something."),
            Finding::warning(codes::CLOCK_WRONG, "set back", "Set it."),
            Finding::passed(codes::TOO_LITTLE_MEMORY, "There is enough memory", String::new(), String::new()),
        ]
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn hint_of(error: &StepError) -> String {
        CodedError::hint(error).unwrap()
    }

    #[test]
    fn accepted_findings_no_longer_stop() {
        let mut found = findings();
        let stops = |found: &[Finding]| found.iter().filter(|finding| finding.stops()).count();
        assert_eq!(stops(&found), 2);
        assert!(found[1].next().ends_with("`--accept firewall-flush`, or `accept` in the site configuration."));
        accept(&mut found, &names(&["firewall-flush", "memory"]), &names(&["clock", "swap"])).unwrap();
        assert_eq!(stops(&found), 1, "the blocker");
        assert_eq!(found[1].next(), "Do something.");
        let kept = accepted_warnings(&found);
        let kept: Vec<_> = kept.iter().map(|one| (one.name.as_str(), one.measured.as_str(), one.by)).collect();
        assert_eq!(
            kept,
            [
                ("firewall-flush", "it flushes", AcceptedBy::CommandLine),
                ("clock", "set back", AcceptedBy::SiteConfiguration)
            ]
        );
        assert!(found[1].note().ends_with("Accepted on the command line (firewall-flush)."), "{}", found[1].note());
    }

    #[test]
    fn blocker_cannot_be_accepted() {
        for (command_line, site) in [(&["cores"][..], &[][..]), (&[], &["cores"])] {
            let mut found = findings();
            accept(&mut found, &names(command_line), &names(site)).unwrap();
            assert!(found[0].stops() && found[0].fix.ends_with("A blocker cannot be accepted."), "{:?}", found[0]);
            assert_eq!(accepted_warnings(&found), []);
        }
    }

    #[test]
    fn unknown_finding_suggests_the_nearest() {
        let error = accept(&mut findings(), &names(&["firewal-flush"]), &[]).unwrap_err();
        assert_eq!(
            (error.code(), error.to_string().as_str()),
            (codes::ACCEPTED_UNKNOWN, "no finding has the name `firewal-flush`")
        );
        assert!(hint_of(&error).starts_with("Did you mean `firewall-flush`?"));
        let error = accept(&mut findings(), &names(&["zzz"]), &[]).unwrap_err();
        assert_eq!(hint_of(&error), "What can be accepted is clock, firewall-flush.", "no blocker");
        // A known name without a current finding is refused on the command line.
        let error = accept(&mut findings(), &names(&["selinux"]), &[]).unwrap_err();
        assert_eq!(error.to_string(), "no finding has the name `selinux`");
    }

    #[test]
    fn configuration_may_accept_known_names() {
        assert!(refuse_unknown(&names(&["selinux", "license"]), &release()).is_ok());
        let error = refuse_unknown(&names(&["selinus"]), &release()).unwrap_err();
        assert!(hint_of(&error).starts_with("Did you mean `selinux`?"), "{error:?}");
        let mut release = release();
        release.rules = serde_json::from_value(serde_json::json!([
            {"name": "no-swap", "severity": "must-accept", "require": "true", "message": "m", "fix": "f"}
        ]))
        .unwrap();
        assert!(refuse_unknown(&names(&["no-swap"]), &release).is_ok());
    }
}
