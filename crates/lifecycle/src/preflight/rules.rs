//! The release's own rules as findings.

use landfall_error_codes::codes;
use landfall_release_document::RuleSeverity;
use landfall_rules::{Inputs, Judgment, Outcome, ReleaseView, judge};
use serde_json::Value;

use super::Subject;
use landfall_site::findings::{Finding, Severity};

/// Returns the results of the release's rules on this host.
pub(super) fn findings(subject: &Subject<'_>) -> Vec<Finding> {
    let Subject { facts, release, configuration, .. } = *subject;
    if release.rules.is_empty() {
        return Vec::new();
    }
    // Trees of text and numbers always have a JSON form, so neither conversion fails.
    let [facts, site] =
        [serde_json::to_value(facts), serde_json::to_value(configuration)].map(|value| value.unwrap_or(Value::Null));
    judge(&release.rules, &Inputs::new(facts, &ReleaseView::from(release), site)).into_iter().map(finding).collect()
}

fn finding(judgment: Judgment) -> Finding {
    let Judgment { name, severity, outcome } = judgment;
    let rule = format!("rule {name}");
    let finding = match outcome {
        Outcome::Met { measured, threshold } => {
            return Finding { name, ..Finding::passed(codes::RULE_NOT_MET, &rule, measured, threshold) };
        }
        Outcome::NotMet { message, measured, threshold, fix, commands } => Finding {
            severity: match severity {
                RuleSeverity::Blocker => Severity::Blocker,
                RuleSeverity::MustAccept | RuleSeverity::Warning => Severity::Warning,
            },
            must_accept: severity == RuleSeverity::MustAccept,
            message,
            fix,
            commands,
            ..Finding::new(codes::RULE_NOT_MET, measured, threshold)
        },
        // A rule that cannot be judged may be the one that excludes this host.
        Outcome::Unusable(reason) => Finding::new(codes::RULE_UNUSABLE, format!("{rule}: {reason}"), ""),
    };
    Finding { name, ..finding }
}
