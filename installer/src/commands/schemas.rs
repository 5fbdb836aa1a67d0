//! `landfall schemas`: writes docs/schemas, the JSON Schemas of all documents that commands print with `--json`.

use landfall_builder::{InitReport, LockCheck, LockReport, LockRequests, LockUpdate};
use landfall_documents::backups::BackupList;
use landfall_documents::failure::ErrorDocument;
use landfall_documents::history::OperationHistory;
use landfall_documents::license::{LicenseReport, UsageStatus};
use landfall_documents::releases::ReleaseList;
use landfall_documents::settings::SiteSettings;
use landfall_documents::status::StatusReport;
use landfall_host::facts::Facts;
use landfall_license::usage::UsageReport;
use landfall_lifecycle::operations::{
    AbortOutcome, AdoptedBackups, BackedUp, BackupCheckReport, CarriedOut, CollectedSupport, ConfigureOutcome,
    ConfirmedDate, CopiedBackups, Diagnosis, DrillReports, ExportedObjects, ExportedStream, ForgottenBackups,
    InstallOutcome, NewKey, OperationDetails, PreflightReport, ProbeReport, ProofReport, RecoveryKey,
    RemovedReplacedData, RepairedBackups, RestoreOutcome, ResumeOutcome, SavedLogs, ScheduledBackups, SiteEvents,
    SiteUse, SiteVerification, TakenIn, UninstallOutcome, UpgradeOutcome,
};
use landfall_media::durable;
use landfall_support::Index;
use landfall_support::analyze::Analysis;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::trust::{TrustImport, change, revoke, show, sign};
use super::{
    approvals, audit, build, carry, configure, console, diff, errors, explain, handbook, inspect, key, license,
    manuals, models, plan, provenance, replaced_data, restore, stage, upgrade, verify, version,
};
use crate::cli::SchemasArguments;
use crate::document::{Document, schema_of};
use crate::failure::Failure;
use crate::logging::LogLine;
use crate::printer::{Printer, ProgressLine};

/// Written schemas.
#[derive(Serialize, JsonSchema)]
pub(super) struct WrittenSchemas {
    /// Kinds, each with a schema `KIND.json`.
    kinds: Vec<&'static str>,
}

impl Document for WrittenSchemas {
    const KIND: &'static str = "schemas";
}

/// Kind and schema of every document.
fn all() -> Vec<(&'static str, Value)> {
    let mut all = vec![
        schema_of::<AbortOutcome>(),
        schema_of::<ReleaseList>(),
        schema_of::<build::BuiltBundle>(),
        schema_of::<ConfigureOutcome>(),
        schema_of::<configure::ConfigureDryRun<'_>>(),
        schema_of::<SiteSettings>(),
        schema_of::<diff::Difference>(),
        schema_of::<plan::DryRun<'_>>(),
        schema_of::<Diagnosis>(),
        schema_of::<ErrorDocument>(),
        schema_of::<SiteEvents>(),
        schema_of::<errors::ErrorList>(),
        schema_of::<explain::Explanation>(),
        schema_of::<handbook::Contents>(),
        schema_of::<handbook::PrintedPage>(),
        schema_of::<handbook::WrittenHandbook>(),
        schema_of::<version::Version>(),
        schema_of::<Facts>(),
        schema_of::<OperationHistory>(),
        schema_of::<OperationDetails>(),
        schema_of::<inspect::Inspection>(),
        schema_of::<InstallOutcome>(),
        schema_of::<key::NewKey>(),
        schema_of::<InitReport>(),
        schema_of::<LockReport>(),
        schema_of::<LockRequests>(),
        schema_of::<LockCheck>(),
        schema_of::<LockUpdate>(),
        schema_of::<LogLine>(),
        schema_of::<manuals::WrittenManuals>(),
        schema_of::<models::ModelsFit>(),
        schema_of::<PreflightReport>(),
        schema_of::<ProbeReport>(),
        schema_of::<ProgressLine<'_>>(),
        schema_of::<ProofReport>(),
        schema_of::<provenance::ProvenanceReport>(),
        schema_of::<replaced_data::ReplacedDataList>(),
        schema_of::<RemovedReplacedData>(),
        schema_of::<ResumeOutcome>(),
        schema_of::<upgrade::RolledBack>(),
        schema_of::<revoke::RevocationDraft>(),
        schema_of::<change::RootDraft>(),
        schema_of::<WrittenSchemas>(),
        schema_of::<sign::Report>(),
        schema_of::<stage::StagedBundle>(),
        schema_of::<StatusReport>(),
        schema_of::<SiteUse>(),
        schema_of::<Index>(),
        schema_of::<Analysis>(),
        schema_of::<CollectedSupport>(),
        schema_of::<show::TrustDocument>(),
        schema_of::<TrustImport>(),
        schema_of::<UninstallOutcome>(),
        schema_of::<UpgradeOutcome>(),
        schema_of::<upgrade::UpgradeDryRun<'_>>(),
        schema_of::<verify::Verification>(),
        schema_of::<SiteVerification>(),
    ];
    all.extend(of_backups());
    all.extend(of_licenses());
    all.extend(of_console());
    let delta = schema_of::<carry::CarriedDelta>();
    all.extend([schema_of::<CarriedOut>(), schema_of::<TakenIn>(), schema_of::<carry::CarriedContent>(), delta]);
    all
}

/// Documents about backups.
fn of_backups() -> Vec<(&'static str, Value)> {
    vec![
        schema_of::<AdoptedBackups>(),
        schema_of::<BackedUp>(),
        schema_of::<CopiedBackups>(),
        schema_of::<BackupCheckReport>(),
        schema_of::<RepairedBackups>(),
        schema_of::<ForgottenBackups>(),
        schema_of::<BackupList>(),
        schema_of::<DrillReports>(),
        schema_of::<ExportedObjects>(),
        schema_of::<ExportedStream>(),
        schema_of::<RecoveryKey>(),
        schema_of::<restore::RestoreDryRun<'_>>(),
        schema_of::<RestoreOutcome>(),
        schema_of::<SavedLogs>(),
        schema_of::<ScheduledBackups>(),
        schema_of::<NewKey>(),
    ]
}

/// Documents about the console.
fn of_console() -> Vec<(&'static str, Value)> {
    vec![
        schema_of::<console::ConsoleAccess>(),
        schema_of::<approvals::Approval>(),
        schema_of::<approvals::Approvals>(),
        schema_of::<audit::AuditVerification>(),
        schema_of::<audit::AuditSignatures>(),
    ]
}

/// Documents about licenses and usage.
fn of_licenses() -> Vec<(&'static str, Value)> {
    vec![
        schema_of::<LicenseReport>(),
        schema_of::<license::inspect::Inspection>(),
        schema_of::<license::issue::IssuedLicense>(),
        schema_of::<license::site::LicenseImport>(),
        schema_of::<ConfirmedDate>(),
        schema_of::<UsageStatus>(),
        schema_of::<UsageReport>(),
        schema_of::<license::report::UsageExport>(),
        schema_of::<license::report::CheckedReport>(),
    ]
}

fn text(schema: &Value) -> String {
    // A tree of values without NaN always converts to JSON.
    serde_json::to_string_pretty(schema).unwrap_or_default() + "\n"
}

/// Writes the schemas.
pub(crate) fn run(arguments: &SchemasArguments, printer: Printer) -> Result<(), Failure> {
    durable::create_folder(&arguments.output)?;
    let schemas = all();
    for (kind, schema) in &schemas {
        durable::write_file(&arguments.output.join(format!("{kind}.json")), text(schema).as_bytes(), 0o644)?;
    }
    let written = WrittenSchemas { kinds: schemas.into_iter().map(|(kind, _)| kind).collect() };
    printer
        .report(&written, |written| format!("{} schemas are in {}", written.kinds.len(), arguments.output.display()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};
    use std::time::Duration;

    use landfall_documents::failure::Blocker;
    use landfall_error_codes::codes;
    use landfall_media::progress::Event;

    use super::*;
    use crate::commands::install;
    use crate::document;

    fn repository() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
    }

    #[test]
    fn documented_schemas_are_current() {
        let folder = repository().join("docs/schemas");
        let mut expected = BTreeSet::new();
        for (kind, schema) in all() {
            let found = fs_err::read_to_string(folder.join(format!("{kind}.json"))).unwrap_or_default();
            assert!(found == text(&schema), "{kind}.json differs: run `cargo xtask documents`");
            assert!(expected.insert(format!("{kind}.json")), "{kind} exists twice");
        }
        let found = fs_err::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        assert_eq!(found.collect::<BTreeSet<_>>(), expected);
    }

    #[test]
    fn kinds_are_documented() {
        let page = fs_err::read_to_string(repository().join("docs/JSON.md")).unwrap();
        for (kind, _) in all() {
            assert!(page.contains(&format!("`{kind}`")), "docs/JSON.md does not say what prints {kind}");
        }
    }

    /// Every kind in the sources of this crate has a schema.
    #[test]
    fn documents_have_schemas() {
        fn kinds(folder: &Path, found: &mut BTreeSet<String>) {
            for entry in fs_err::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    kinds(&path, found);
                } else {
                    let source = fs_err::read_to_string(&path).unwrap();
                    let named = source.split("const KIND: &'static str = \"").skip(1);
                    found.extend(named.filter_map(|rest| Some(rest.split_once("\";")?.0.to_owned())));
                }
            }
        }
        let elsewhere = [
            landfall_facts::failure::KIND,
            landfall_host::facts::KIND,
            landfall_license::usage::KIND,
            landfall_support::KIND,
        ];
        let mut named = BTreeSet::from(elsewhere.map(str::to_owned));
        kinds(&repository().join("installer/src"), &mut named);
        // This test contains the searched text itself.
        named.retain(|kind| kind.chars().all(char::is_alphanumeric));
        let listed: BTreeSet<_> = all().into_iter().map(|(kind, _)| kind.to_owned()).collect();
        assert_eq!(named, listed);
    }

    /// Asserts that a document matches its schema, in one line and in several.
    fn check<D: Document>(document: &D) {
        let (kind, schema) = schema_of::<D>();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let (line, pretty) = (document::line(document), document::pretty(document));
        assert_eq!(line.lines().count(), 1, "{line}");
        for text in [line, pretty] {
            let value: Value = serde_json::from_str(&text).unwrap();
            let problems: Vec<_> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
            assert!(problems.is_empty(), "{kind}: {problems:?}\n{text}");
            assert_eq!((&value["kind"], &value["schema"]), (&kind.into(), &D::SCHEMA.into()), "{text}");
        }
    }

    #[test]
    fn printed_documents_match_schemas() {
        let uninstalled =
            || UninstallOutcome { release: None, kept: vec!["/var/lib".into()], volumes: Vec::new(), host_pack: None };
        check(&uninstalled());
        check(&ResumeOutcome::Install(Box::new(install::tests::sample_install())));
        check(&ResumeOutcome::Uninstall(uninstalled()));
        check(&ResumeOutcome::Nothing { release: "starter 1.0.0".to_owned() });
        let blocking = Blocker {
            code: "LF3006".into(),
            what: "few".to_owned(),
            why: "1; needed: 2".to_owned(),
            next: "add".to_owned(),
        };
        let failure = Failure::new(codes::NOT_READY, "two\nlines").blocked_by(vec![blocking]);
        check(&failure.because(&std::io::Error::other("a\u{1b}cause")).document());
        for event in [
            Event::PhaseStarted { phase: "staging".to_owned(), total_bytes: Some(7) },
            Event::PhaseStarted { phase: "signing".to_owned(), total_bytes: None },
            Event::Present { bytes: 5 },
            Event::Advanced { bytes: 5 },
            Event::PhaseDone,
            Event::StepStarted {
                index: 1,
                count: 9,
                title: "stage".to_owned(),
                remaining: Some(Duration::from_secs(61)),
            },
            Event::Note("read\nthis".to_owned()),
            Event::SafeToRemove,
            Event::Unknown,
        ] {
            check(&ProgressLine(&event));
        }
    }

    /// Names of fields below a schema, without those of quoted documents.
    fn fields(schema: &Value, found: &mut BTreeSet<String>) {
        match schema {
            Value::Object(object) => {
                if let Some(Value::Object(properties)) = object.get("properties") {
                    found.extend(properties.keys().cloned());
                }
                object.values().for_each(|inner| fields(inner, found));
            }
            Value::Array(items) => items.iter().for_each(|inner| fields(inner, found)),
            _ => {}
        }
    }

    #[test]
    fn fields_are_camel_case() {
        for (kind, schema) in all() {
            let mut found = BTreeSet::new();
            fields(&schema, &mut found);
            let is_camel = |name: &String| {
                name.starts_with(|letter: char| letter.is_ascii_lowercase())
                    && name.chars().all(|c| c.is_ascii_alphanumeric())
            };
            let wrong: Vec<_> = found.iter().filter(|name| !is_camel(name)).collect();
            assert!(wrong.is_empty(), "{kind}: {wrong:?}");
            assert_eq!(schema["properties"]["kind"]["const"], kind);
            assert!(schema["properties"]["schema"]["const"].is_number(), "{kind}");
            jsonschema::meta::validate(&schema).unwrap();
        }
    }
}
