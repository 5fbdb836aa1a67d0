//! `landfall audit`: checks that an exported audit log is complete and signed by the site, and shows the key for that.

use std::fmt::Write as _;
use std::io::BufReader;
use std::path::Path;

use landfall_audit::{Checkpoint, Head, LogKnowledge, Report, Restart, verify};
use landfall_bundle_spec::trust::PublicKey;
use landfall_error_codes::codes;
use landfall_site::console::AuditRecord;
use schemars::JsonSchema;
use serde::Serialize;

use super::site::{operations, operations_of_root};
use crate::cli::{AuditCommand, AuditVerifyArguments};
use crate::count::format_count;
use crate::document::Document;
use crate::failure::Failure;
use crate::printer::Printer;

/// Result of the verification of an audit log.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AuditVerification {
    /// Number of entries, all of which are unchanged.
    entries: u64,
    /// `NUMBER:HASH` of the last entry.
    head: String,
    /// `NUMBER:HASH` of the last entry that the console dropped for its age, which the first entry follows; absent if
    /// the log is complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    begins_behind: Option<String>,
    /// True if only the chain was checked, without signatures, as with `--chain-only`.
    chain_only: bool,
    /// Last entry that the site signed with a known key; null if only the chain was checked.
    signed: Option<ShownCheckpoint>,
    /// Number of entries after that one, which no signature covers.
    not_signed: u64,
    /// Number of times that the log continued from an earlier entry than the last signed one, under all known keys. On
    /// the host, its own last signature is decisive.
    restarts: u64,
    /// Latest restart.
    restart: Option<ShownRestart>,
    /// Number of checkpoints by unknown keys.
    unknown_checkpoints: u64,
    /// Time of the export, RFC 3339 in UTC, as the file states it: no signature covers it.
    exported: String,
    /// True if the log ends before the last entry that this host signed, as an export of an earlier time may.
    is_earlier: bool,
}

/// Checkpoint of an audit log.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ShownCheckpoint {
    /// `NUMBER:HASH` of the last entry that it covers.
    head: String,
    /// Time of the signature, RFC 3339 in UTC.
    at: String,
    /// UUID of the site.
    site: String,
    /// ID of the signing key.
    key_id: String,
    /// Number of times that the log continued from an earlier entry than the last signed one.
    restarts: u64,
    /// Latest restart.
    restart: Option<ShownRestart>,
}

/// Restart of a log from an earlier entry.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ShownRestart {
    /// Time at which the host learned of the restart, RFC 3339 in UTC.
    at: String,
    /// `NUMBER:HASH` of the signed entry after which the log continued; number 0 for the beginning.
    kept: String,
    /// `NUMBER:HASH` of the last signed entry, which is no longer in the log.
    abandoned: String,
}

/// Signatures of a host on its audit log.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AuditSignatures {
    /// ID of the key; null until the console first requests a checkpoint.
    key_id: Option<String>,
    /// Public key, as PEM; null until the console first requests a checkpoint.
    public_key: Option<String>,
    /// Last checkpoint.
    last: Option<ShownCheckpoint>,
    /// Newest restarts, oldest first.
    restarts: Vec<ShownRestart>,
}

impl Document for AuditVerification {
    const KIND: &'static str = "auditVerification";
}

impl Document for AuditSignatures {
    const KIND: &'static str = "auditKey";
}

impl From<&Restart> for ShownRestart {
    fn from(restart: &Restart) -> Self {
        let Restart { abandoned, at, kept } = restart;
        Self { at: format!("{at:.0}"), kept: kept.to_string(), abandoned: abandoned.to_string() }
    }
}

impl From<&Checkpoint> for ShownCheckpoint {
    fn from(checkpoint: &Checkpoint) -> Self {
        Self {
            head: checkpoint.head.to_string(),
            at: format!("{:.0}", checkpoint.at),
            site: checkpoint.site.clone(),
            key_id: checkpoint.key.to_string(),
            restarts: checkpoint.restarts,
            restart: checkpoint.restart.as_ref().map(ShownRestart::from),
        }
    }
}

impl From<&Report> for AuditVerification {
    fn from(report: &Report) -> Self {
        let covered = report.covered.as_ref();
        let number = |number: i64| u64::try_from(number).unwrap_or_default();
        let signed = covered.map_or(0, |covered| covered.head.number);
        Self {
            entries: number(report.head.number - report.start.number),
            begins_behind: Some(report.start).filter(|start| *start != Head::EMPTY).map(|start| start.to_string()),
            head: report.head.to_string(),
            chain_only: covered.is_none(),
            signed: covered.map(ShownCheckpoint::from),
            not_signed: number(report.head.number - signed),
            restarts: report.restarts,
            restart: report.restart.as_ref().map(ShownRestart::from),
            unknown_checkpoints: report.unverified,
            exported: format!("{:.0}", report.exported),
            is_earlier: report.is_earlier,
        }
    }
}

/// Runs the subcommand.
pub(crate) fn run(command: &AuditCommand, printer: Printer) -> Result<(), Failure> {
    match command {
        AuditCommand::Verify(arguments) => check(arguments, printer),
        AuditCommand::Show => show(printer),
    }
}

fn check(arguments: &AuditVerifyArguments, printer: Printer) -> Result<(), Failure> {
    let known = known_facts(arguments, printer)?;
    if known.keys.is_empty() && !arguments.chain_only {
        let what = format!("the signatures of {} cannot be checked", arguments.file.display());
        return Err(Failure::new(codes::AUDIT_NO_KEY, what));
    }
    let name = arguments.file.display();
    let file = fs_err::File::open(&arguments.file)
        .map_err(|error| Failure::new(codes::AUDIT_FILE, format!("{name} cannot be opened")).because(&error))?;
    let report = verify(BufReader::new(file), &known).map_err(|error| Failure::not_passed(&arguments.file, &error))?;
    printer.report(&AuditVerification::from(&report), verified_text)?;
    Ok(())
}

/// Known facts about the log: from the arguments, or on a host from its own record.
fn known_facts(arguments: &AuditVerifyArguments, printer: Printer) -> Result<LogKnowledge, Failure> {
    let head = arguments.head.as_deref().map(|text| {
        let what = format!("--head: {text} is not an entry's number, a colon and a hash");
        text.parse::<Head>().map_err(|()| Failure::new(codes::BAD_ARGUMENT, what))
    });
    let head = head.transpose()?;
    if !arguments.key.is_empty() {
        let keys = arguments.key.iter().map(|file| read_key(file)).collect::<Result<_, _>>()?;
        return Ok(LogKnowledge { keys, head, ..LogKnowledge::default() });
    }
    // Only root may read the host's record.
    let is_wanted = !arguments.chain_only;
    let record =
        if is_wanted && rustix::process::geteuid().is_root() { operations(printer).audit_record()? } else { None };
    let Some(record) = record else { return Ok(LogKnowledge { head, ..LogKnowledge::default() }) };
    Ok(LogKnowledge {
        keys: vec![record.public_key().clone()],
        head,
        last: record.ledger.last,
        is_earlier_export: arguments.earlier,
    })
}

fn read_key(file: &Path) -> Result<PublicKey, Failure> {
    let failed = |error| Failure::new(codes::AUDIT_KEY, format!("{} cannot be read", file.display())).because(&error);
    key_of(&file.display().to_string(), &fs_err::read_to_string(file).map_err(failed)?)
}

fn key_of(name: &str, pem: &str) -> Result<PublicKey, Failure> {
    let failed = |error| Failure::new(codes::AUDIT_KEY, format!("{name} is not a public key in PEM")).because(&error);
    PublicKey::from_pem(name, pem).map_err(failed)
}

pub(super) fn verified_text(verified: &AuditVerification) -> String {
    let mut text = format!("{} are whole; head {}\n", format_count(verified.entries, "entry"), verified.head);
    if let Some(start) = &verified.begins_behind {
        let number = start.split_once(':').map_or(start.as_str(), |(number, _)| number);
        let _infallible =
            writeln!(text, "begins      behind entry {number}: an entry records that the older ones were dropped");
    }
    match &verified.signed {
        Some(signed) => text.push_str(&checkpoint_text(signed)),
        None => text.push_str(
            "signed      not checked: this is the chain alone, which a compromised console may have rewritten\n",
        ),
    }
    if let Some(restart) = &verified.restart {
        text.push_str(&restarted_text(verified.restarts, restart));
    }
    if verified.signed.is_some() && verified.not_signed > 0 {
        let entries = format_count(verified.not_signed, "entry");
        let _infallible =
            writeln!(text, "not signed  {entries} after that, which a compromised console may have rewritten");
    }
    if verified.unknown_checkpoints > 0 && !verified.chain_only {
        let _infallible = writeln!(
            text,
            "not known   the keys of {}",
            format_count(verified.unknown_checkpoints, "other checkpoint")
        );
    }
    let _infallible = writeln!(text, "exported    at {}, as the file says", verified.exported);
    if verified.is_earlier {
        text.push_str("earlier     the host has signed later entries\n");
    }
    text
}

fn checkpoint_text(signed: &ShownCheckpoint) -> String {
    let ShownCheckpoint { head, at, site, key_id, .. } = signed;
    format!("signed      up to {head}\n            at {at}, by the site {site}, with the key {key_id}\n")
}

fn restarted_text(restarts: u64, restart: &ShownRestart) -> String {
    format!("restarted   {}, the last time {}\n", format_count(restarts, "time"), restart_text(restart))
}

fn restart_text(restart: &ShownRestart) -> String {
    let ShownRestart { at, kept, abandoned } = restart;
    let kept = kept.split_once(':').map_or(kept.as_str(), |(number, _)| number);
    format!("at {at}: the log continued behind entry {kept}, and lacks what was signed up to {abandoned}")
}

fn show(printer: Printer) -> Result<(), Failure> {
    let operations = operations_of_root(printer)?;
    let record = operations.audit_record()?;
    if record.is_none() {
        operations.require_console()?;
    }
    printer.report(&audit_signatures(record.as_ref()), shown_text)?;
    Ok(())
}

/// The document of `show`. A console that has not asked yet is not an error: it asks within minutes of its first entry.
fn audit_signatures(record: Option<&AuditRecord>) -> AuditSignatures {
    let ledger = record.map(|record| &record.ledger);
    AuditSignatures {
        key_id: record.map(|record| record.public_key().id().to_string()),
        public_key: record.map(|record| record.public_key().to_pem()),
        last: ledger.and_then(|ledger| ledger.last.as_ref()).map(ShownCheckpoint::from),
        restarts: ledger.map(|ledger| ledger.restarts.iter().map(ShownRestart::from).collect()).unwrap_or_default(),
    }
}

/// The key comes last, so that PEM parsers accept a file with the whole text.
fn shown_text(shown: &AuditSignatures) -> String {
    let Some(key) = &shown.public_key else {
        return "nothing has been recorded yet: the console has not asked this host to sign its audit log. It asks \
            within five\n\
            minutes of its first entry; the key is made then\n"
            .to_owned();
    };
    let mut text = shown.last.as_ref().map_or_else(|| "signed      nothing yet\n".to_owned(), checkpoint_text);
    if let Some((restarts, restart)) =
        shown.last.as_ref().and_then(|last| Some((last.restarts, last.restart.as_ref()?)))
    {
        text.push_str(&restarted_text(restarts, restart));
    }
    for restart in &shown.restarts {
        let _infallible = writeln!(text, "restart     {}", restart_text(restart));
    }
    text + key
}

#[cfg(test)]
mod tests {
    use landfall_audit::Hash;

    use super::*;

    fn head(number: i64) -> Head {
        Head { number, hash: Hash::BEGIN }
    }

    fn checkpoint(restart: Option<Restart>) -> Checkpoint {
        Checkpoint {
            at: "2026-11-20T08:00:00Z".parse().unwrap(),
            head: head(1203),
            key: "00".repeat(32).parse().unwrap(),
            restarts: restart.is_some().into(),
            restart,
            sequence: 7,
            signature: String::new(),
            site: "7b6f4a52-1c3d-4e5f-8a9b-0c1d2e3f4a5b".to_owned(),
        }
    }

    fn report(covered: Option<Checkpoint>, restart: Option<Restart>) -> Report {
        Report {
            start: Head::EMPTY,
            head: head(1204),
            exported: "2026-11-20T09:00:00Z".parse().unwrap(),
            verified: 7,
            unverified: 0,
            covered,
            restarts: restart.is_some().into(),
            restart,
            is_earlier: false,
        }
    }

    #[test]
    fn report_states_signed_extent() {
        let at = "2026-11-19T08:00:00Z".parse().unwrap();
        let restart = Restart { abandoned: head(1250), at, kept: head(880) };
        let text = |report: &Report| verified_text(&AuditVerification::from(report)).replace(&"0".repeat(64), "HASH");
        insta::assert_snapshot!(text(&report(Some(checkpoint(Some(restart.clone()))), Some(restart.clone()))), @"
        1204 entries are whole; head 1204:HASH
        signed      up to 1203:HASH
                    at 2026-11-20T08:00:00Z, by the site 7b6f4a52-1c3d-4e5f-8a9b-0c1d2e3f4a5b, with the key HASH
        restarted   1 time, the last time at 2026-11-19T08:00:00Z: the log continued behind entry 880, and lacks what was signed up to 1250:HASH
        not signed  1 entry after that, which a compromised console may have rewritten
        exported    at 2026-11-20T09:00:00Z, as the file says
        ");
        // The checkpoint is older than the restart that the host recorded.
        let earlier = Report { unverified: 2, is_earlier: true, ..report(Some(checkpoint(None)), Some(restart)) };
        insta::assert_snapshot!(text(&earlier), @"
        1204 entries are whole; head 1204:HASH
        signed      up to 1203:HASH
                    at 2026-11-20T08:00:00Z, by the site 7b6f4a52-1c3d-4e5f-8a9b-0c1d2e3f4a5b, with the key HASH
        restarted   1 time, the last time at 2026-11-19T08:00:00Z: the log continued behind entry 880, and lacks what was signed up to 1250:HASH
        not signed  1 entry after that, which a compromised console may have rewritten
        not known   the keys of 2 other checkpoints
        exported    at 2026-11-20T09:00:00Z, as the file says
        earlier     the host has signed later entries
        ");
        insta::assert_snapshot!(text(&report(None, None)), @"
        1204 entries are whole; head 1204:HASH
        signed      not checked: this is the chain alone, which a compromised console may have rewritten
        exported    at 2026-11-20T09:00:00Z, as the file says
        ");
    }

    /// A log without entries, checked without a key.
    #[test]
    fn missing_key_fails_unless_chain_only() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("audit.jsonl");
        let line = format!(
            r#"{{"kind":"auditHead","schema":1,"exported":"2026-11-20T09:00:00Z","head":"0:{}"}}"#,
            "0".repeat(64)
        );
        landfall_media::durable::write_file(&file, line.as_bytes(), 0o600).unwrap();
        let arguments = |chain_only| AuditVerifyArguments {
            file: file.clone(),
            key: Vec::new(),
            earlier: false,
            chain_only,
            head: None,
        };
        let printer = Printer::new(false).quiet(true);
        let refused = check(&arguments(false), printer).unwrap_err();
        assert_eq!(refused.code(), codes::AUDIT_NO_KEY);
        assert!(refused.next_step().contains("--chain-only") && refused.next_step().contains("--key"));
        check(&arguments(true), printer).unwrap();
    }

    #[test]
    fn empty_record_shows_nothing() {
        let shown = audit_signatures(None);
        assert!(shown_text(&shown).starts_with("nothing has been recorded yet: "));
        let document = serde_json::to_value(&shown).unwrap();
        assert_eq!(document, serde_json::json!({ "keyId": null, "publicKey": null, "last": null, "restarts": [] }));
    }

    #[test]
    fn shown_text_contains_site_key() {
        let key = landfall_audit::SiteKey::generate().unwrap();
        let at = "2026-11-19T08:00:00Z".parse().unwrap();
        let restart = Restart { abandoned: head(1250), at, kept: head(880) };
        let shown = AuditSignatures {
            key_id: Some(key.public().id().to_string()),
            public_key: Some(key.public().to_pem()),
            last: Some(ShownCheckpoint::from(&checkpoint(Some(restart.clone())))),
            restarts: vec![ShownRestart::from(&restart)],
        };
        let text = crate::shown::block(&shown_text(&shown));
        assert_eq!(&key_of("the file", &format!("{}\n", text.trim_end())).unwrap(), key.public(), "{text}");
        assert!(text.contains("restart     at 2026-11-19T08:00:00Z: the log continued behind entry 880"), "{text}");
        assert_eq!(key_of("the file", "nonsense").unwrap_err().code(), codes::AUDIT_KEY);
    }
}
