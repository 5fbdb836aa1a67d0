//! `landfall upgrade` and `landfall rollback`: replace the installed release with another one.

use std::fmt::Write;
use std::time::Duration;

use indicatif::{HumanBytes, HumanDuration};
use landfall_documents::backups::BackupSummary;
use landfall_documents::change::DataChoice;
use landfall_engine::plan::Plan;
use landfall_lifecycle::operations::{AbortOutcome, ObjectEdit, PreparedUpgrade, UpgradeOutcome, UpgradeRequest};
use landfall_lifecycle::plan::configure::SettingChange;
use landfall_lifecycle::plan::upgrade::{
    CanaryChoice, ComponentChange, ComponentOutlook, DataFate, Fate, Interruption, NodeChange, Outlook, PointOfNoReturn,
};
use landfall_lifecycle::replaced_data;
use landfall_lifecycle::steps::action::Action;
use landfall_release_document::notes_title;
use landfall_site::room::FilesystemPeak;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::confirmation::site_named;
use super::edits;
use super::install::refusal;
use super::site::operations_of_root;
use crate::cli::{RollbackArguments, RollbackData, UpgradeArguments, edits};
use crate::document::Document;
use crate::failure::Failure;
use crate::logging;
use crate::printer::Printer;
use crate::{secrets, shown};

/// Output of `--dry-run`.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct UpgradeDryRun<'a> {
    /// Name and version of the installed release.
    from: String,
    /// Name and version of the target release.
    to: String,
    /// Vendor's release notes, as Markdown.
    #[serde(skip_serializing_if = "Option::is_none")]
    notes: Option<&'a str>,
    /// Bytes that would be copied from the media.
    missing_bytes: u64,
    /// Change of the node, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<&'a NodeChange>,
    /// Changes by component.
    components: &'a [ComponentChange],
    /// Backup that would supply the data, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    backup: Option<&'a BackupSummary>,
    /// Fields of changing objects that other managers have set to other values, each with the fate of the edit. If an
    /// edit would not stay, the command is refused (LF4036) unless it has `--overwrite-edits`.
    edits: &'a [ObjectEdit],
    /// Values of the installed release that would differ in the target release: another default, or none.
    values: &'a [SettingChange],
    /// Components that stop and their downtime, the fate of data, and the step after which undo is no longer automatic.
    outlook: &'a Outlook,
    /// Peak use of each filesystem, in addition to existing data.
    space: &'a [FilesystemPeak],
    /// Planned steps, with each action as the journal would keep it.
    #[schemars(with = "Plan<serde_json::Value>")]
    plan: &'a Plan<Action>,
}

impl Document for UpgradeDryRun<'_> {
    const KIND: &'static str = "upgradeDryRun";
}

impl Document for UpgradeOutcome {
    const KIND: &'static str = "upgrade";
}

/// Result of a rollback.
#[derive(Serialize, JsonSchema)]
#[serde(transparent)]
pub(super) struct RolledBack(UpgradeOutcome);

impl Document for RolledBack {
    const KIND: &'static str = "rollback";
}

impl Document for AbortOutcome {
    const KIND: &'static str = "abort";
}

/// Upgrades the site, prints the changes, or undoes an open upgrade.
pub(crate) fn run(arguments: UpgradeArguments, printer: Printer) -> Result<(), Failure> {
    let Some(bundle) = &arguments.bundle else { return abort(printer) };
    let operations = operations_of_root(printer)?;
    let given = arguments.secrets;
    let given =
        if arguments.dry_run { secrets::noninteractive_secrets(given) } else { secrets::interactive_secrets(given) };
    let request = UpgradeRequest {
        bundle,
        license: arguments.license.as_deref(),
        policy: edits(arguments.overwrite_edits),
        accept: &arguments.accept.accept,
        secrets: &given,
    };
    let prepared = operations.prepare_upgrade(&request).map_err(refusal)?;
    prepared.warnings().iter().for_each(|warning| printer.note(warning));
    if arguments.dry_run {
        print_plan(&prepared, printer)?;
        return Ok(());
    }
    logging::keep(&operations.paths.logs(), "upgrade");
    printer.note(&changes_text(&prepared));
    let upgraded = prepared.run()?;
    printer.report(&upgraded, |upgraded| summary("is installed", upgraded))?;
    Ok(())
}

/// Returns the site to an earlier release, or prints the changes.
pub(crate) fn roll_back(arguments: RollbackArguments, printer: Printer) -> Result<(), Failure> {
    let RollbackArguments { to, data, overwrite_edits, dry_run, confirm } = arguments;
    let operations = operations_of_root(printer)?;
    let choice = data.map(|data| match data {
        RollbackData::Keep => DataChoice::Keep,
        RollbackData::Restore => DataChoice::Restore,
    });
    let prepared = operations.prepare_rollback(to.as_deref(), choice, edits(overwrite_edits)).map_err(refusal)?;
    if dry_run {
        print_plan(&prepared, printer)?;
        return Ok(());
    }
    printer.note(&changes_text(&prepared));
    let confirmation = match prepared.backup() {
        Some(backup) => Some(site_named(confirm, &operations, &loss_text(&prepared, backup), printer)?),
        None => None,
    };
    logging::keep(&operations.paths.logs(), "rollback");
    let upgraded = RolledBack(match confirmation {
        Some(confirmation) => prepared.run_confirmed(&confirmation)?,
        None => prepared.run()?,
    });
    printer.report(&upgraded, |RolledBack(upgraded)| summary("is installed again", upgraded))?;
    Ok(())
}

/// Undoes the open change.
pub(super) fn abort(printer: Printer) -> Result<(), Failure> {
    let operations = operations_of_root(printer)?;
    logging::keep(&operations.paths.logs(), "abort");
    let aborted = operations.abort_change()?;
    printer.report(&aborted, abort_text)?;
    Ok(())
}

fn abort_text(aborted: &AbortOutcome) -> String {
    let mut text = format!("the change was undone: {} is as it was before", aborted.release);
    for replaced in &aborted.replaced_data {
        let _infallible = write!(text, "\n  {}", replaced_data::note(replaced));
    }
    text
}

impl<'a> UpgradeDryRun<'a> {
    /// Creates the document of a dry run.
    pub(super) fn from_prepared(prepared: &'a PreparedUpgrade<'_>) -> Self {
        UpgradeDryRun {
            from: prepared.from(),
            to: prepared.to(),
            notes: prepared.notes(),
            missing_bytes: prepared.missing_bytes(),
            node: prepared.node(),
            components: prepared.components(),
            backup: prepared.backup(),
            edits: prepared.edits(),
            values: prepared.values(),
            outlook: prepared.outlook(),
            space: prepared.peaks(),
            plan: prepared.plan(),
        }
    }
}

fn print_plan(prepared: &PreparedUpgrade<'_>, printer: Printer) -> Result<(), Failure> {
    let dry_run = UpgradeDryRun::from_prepared(prepared);
    printer.report(&dry_run, |_| format!("{}\nprinting it changes nothing", changes_text(prepared)))
}

/// Text about the data that a rollback with a restore loses.
fn loss_text(prepared: &PreparedUpgrade<'_>, backup: &BackupSummary) -> String {
    let is_restored = |change: &&ComponentChange| {
        let begin = format!("load/{}/", change.component);
        prepared.plan().steps.iter().any(|step| step.id.0.starts_with(&begin))
    };
    let components: Vec<&str> =
        prepared.components().iter().filter(is_restored).map(|change| change.component.as_str()).collect();
    format!("what was written to {} since {} will be lost", components.join(", "), backup.time)
}

/// Text about the changes of each component.
fn changes_text(prepared: &PreparedUpgrade<'_>) -> String {
    let mut text = format!("from {} to {}", prepared.from(), prepared.to());
    if prepared.missing_bytes() > 0 {
        let _infallible = write!(text, ", {} from the media", HumanBytes(prepared.missing_bytes()));
    }
    text.push_str(&prepared.notes().map(notes_text).unwrap_or_default());
    text.push_str(&prepared.node().map(node_text).unwrap_or_default());
    text.push_str(&components_text(prepared.components()));
    if let Some(backup) = prepared.backup() {
        let _infallible = write!(text, "\n  from the backup of {}: {}", backup.time, loss_text(prepared, backup));
    }
    text.push_str(&edits::text(prepared.edits()));
    text.push_str(&values_text(prepared.values()));
    text.push_str(&outlook_text(prepared.outlook()));
    text.push_str(&space_text(prepared.peaks()));
    text
}

/// Title line of the release notes.
fn notes_text(notes: &str) -> String {
    format!("\n  notes: {}", shown::line(notes_title(notes)))
}

/// Computed values of the site that change.
fn values_text(values: &[SettingChange]) -> String {
    let shown_value = |value: Option<&Value>| value.map_or_else(|| "none".to_owned(), ToString::to_string);
    let line = |change: &SettingChange| {
        format!(
            "\n  {}: {} now, {} then",
            change.setting,
            shown_value(change.from.as_ref()),
            shown_value(change.to.as_ref())
        )
    };
    values.iter().map(line).collect()
}

/// Text about the duration, interruptions, data, and actions without undo.
pub(super) fn outlook_text(outlook: &Outlook) -> String {
    let by = if outlook.is_predicted { "estimated" } else { "by earlier operations of this site" };
    let mut text = format!("\n  all of it takes {}, {by}", HumanDuration(Duration::from_secs(outlook.seconds)));
    for ComponentOutlook { component, interruption, expected_seconds, is_predicted, data } in &outlook.components {
        let pods = match interruption {
            Interruption::None => None,
            Interruption::Replaced => Some("its pods are replaced"),
            Interruption::Stops => Some("stops"),
            Interruption::Removed => Some("its pods are removed"),
        };
        let seconds = expected_seconds.map(|seconds| {
            if *is_predicted {
                format!(", an estimated {seconds} s")
            } else {
                format!(", {seconds} s by earlier operations of this site")
            }
        });
        let pods = pods.map(|pods| format!("{pods}{}", seconds.unwrap_or_default()));
        let data = match data {
            DataFate::None => None,
            DataFate::Kept => Some("its data is kept"),
            DataFate::Copied => Some("its data is copied, then changed"),
            DataFate::Restored => Some("its data is that of the backup"),
        };
        let parts: Vec<String> = pods.into_iter().chain(data.map(str::to_owned)).collect();
        if !parts.is_empty() && *interruption != Interruption::None {
            let _infallible = write!(text, "\n  during the change, {component}: {}", parts.join("; "));
        }
    }
    let PointOfNoReturn { after, lost } = &outlook.point_of_no_return;
    let _infallible = write!(text, "\n  whatever fails is undone until the commit, which follows the step \"{after}\"");
    for lost in lost {
        let _infallible = write!(text, "\n    after it, {lost}");
    }
    text
}

/// Text about the peak use of each filesystem.
pub(super) fn space_text(peaks: &[FilesystemPeak]) -> String {
    let mut text = String::new();
    for FilesystemPeak { folder, needed_bytes, free_bytes, parts, .. } in peaks {
        let parts: Vec<String> =
            parts.iter().map(|part| format!("{} {}", HumanBytes(part.bytes), part.purpose)).collect();
        let (needed, free) = (HumanBytes(*needed_bytes), HumanBytes(*free_bytes));
        let _infallible =
            write!(text, "\n  space in {folder}: {needed} at the peak, {free} free ({})", parts.join(", "));
    }
    text
}

fn node_text(change: &NodeChange) -> String {
    let NodeChange { kubernetes_before: from, kubernetes_after: to, .. } = change;
    let kubernetes = if from == to { format!("Kubernetes stays {to}") } else { format!("Kubernetes {from} to {to}") };
    let mut text = format!("\n  node: changed; {kubernetes}; pods keep running while it changes");
    if change.replaces_control_plane {
        text.push_str("\n    the API server does not answer for some minutes");
    }
    for (images, what) in [(&change.images_before, "no longer runs"), (&change.images_after, "runs")] {
        for image in images {
            let _infallible = write!(text, "\n    {what} {image}");
        }
    }
    text
}

fn components_text(components: &[ComponentChange]) -> String {
    let mut text = String::new();
    let unchanged = components.iter().filter(|change| change.fate == Fate::Unchanged);
    for change in components.iter().filter(|change| change.fate != Fate::Unchanged) {
        let stops = if change.stops { "; stops during the change" } else { "" };
        let _infallible = write!(text, "\n  {}: {}{stops}", change.component, fate_text(change.fate));
        for object in &change.objects {
            let _infallible = write!(text, "\n    {} {}", object.object, fate_text(object.fate));
        }
        for (images, what) in [(&change.images_before, "no longer runs"), (&change.images_after, "runs")] {
            for image in images {
                let _infallible = write!(text, "\n    {what} {image}");
            }
        }
        text.push_str(&change.canary.as_ref().map(canary_text).unwrap_or_default());
    }
    let (stopped, unchanged): (Vec<&ComponentChange>, Vec<&ComponentChange>) =
        unchanged.partition(|change| change.stops);
    for change in stopped {
        let _infallible = write!(text, "\n  {}: unchanged; stops while data that it uses changes", change.component);
    }
    let unchanged: Vec<&str> = unchanged.into_iter().map(|change| change.component.as_str()).collect();
    if !unchanged.is_empty() {
        let _infallible = write!(text, "\n  unchanged: {}", unchanged.join(", "));
    }
    text
}

/// Text about the canary of a component, or the reason why it has none.
fn canary_text(canary: &CanaryChoice) -> String {
    match canary {
        CanaryChoice::Tried { workload, proofs, soak_seconds } => {
            let watched = match soak_seconds {
                0 => String::new(),
                seconds => format!(", and is watched for {seconds} s while it serves"),
            };
            let proofs = proofs.join(", ");
            format!("\n    first one pod of {workload} beside the others: it must pass {proofs}{watched}")
        }
        CanaryChoice::Skipped { reason } => format!("\n    no canary: {reason}"),
    }
}

fn fate_text(fate: Fate) -> &'static str {
    match fate {
        Fate::Added => "added",
        Fate::Changed => "changed",
        Fate::Removed => "removed; its data stays",
        Fate::Unchanged => "unchanged",
    }
}

/// Text after an upgrade or a rollback.
pub(super) fn summary(what: &str, upgraded: &UpgradeOutcome) -> String {
    let UpgradeOutcome { release, version, previous, changed, removed, restored, restored_from, kubernetes } = upgraded;
    let mut text = format!("{release} {version} {what}, and its proofs passed");
    if let Some(kubernetes) = kubernetes {
        let _infallible = write!(text, "; the node runs Kubernetes {kubernetes}");
    }
    if !changed.is_empty() {
        let _infallible = write!(text, "; changed and ready: {}", changed.join(", "));
    }
    if !removed.is_empty() {
        let _infallible = write!(text, "; removed: {}", removed.join(", "));
    }
    if let Some(time) = restored_from {
        let _infallible = write!(text, "; as it was at {time}: {}", restored.join(", "));
    }
    let _infallible = write!(text, "; `landfall rollback` returns to {previous}");
    text
}

#[cfg(test)]
mod tests {
    use landfall_lifecycle::plan::upgrade::ObjectChange;
    use landfall_site::room::PeakPart;

    use super::*;

    #[test]
    fn plan_lists_components_objects_images() {
        let change = |component: &str, fate, objects: &[(&str, Fate)], images: [&[&str]; 2]| ComponentChange {
            component: component.to_owned(),
            fate,
            stops: component == "db" || component == "web",
            objects: objects
                .iter()
                .map(|(object, fate)| ObjectChange { object: (*object).to_owned(), fate: *fate })
                .collect(),
            images_before: images[0].iter().map(|image| (*image).to_owned()).collect(),
            images_after: images[1].iter().map(|image| (*image).to_owned()).collect(),
            canary: match component {
                "front" => Some(CanaryChoice::Tried {
                    workload: "Deployment/front".to_owned(),
                    proofs: vec!["answers".to_owned(), "rows".to_owned()],
                    soak_seconds: 20,
                }),
                "counter" => Some(CanaryChoice::Skipped { reason: "nothing of it runs yet".to_owned() }),
                _ => None,
            },
        };
        let objects = [
            ("Service db/db", Fate::Added),
            ("apps/StatefulSet db/db", Fate::Changed),
            ("ConfigMap db/old", Fate::Removed),
        ];
        let components = [
            change("dns", Fate::Unchanged, &[], [&[], &[]]),
            change("web", Fate::Unchanged, &[], [&[], &[]]),
            change("db", Fate::Changed, &objects, [&["db:17.1"], &["db:17.2"]]),
            change("front", Fate::Changed, &[], [&[], &[]]),
            change("counter", Fate::Added, &[("Service counter/counter", Fate::Added)], [&[], &["counter:1"]]),
            change("cache", Fate::Removed, &[], [&[], &[]]),
        ];
        insta::assert_snapshot!(components_text(&components));
    }

    #[test]
    fn plan_shows_node_changes() {
        let change = NodeChange {
            kubernetes_before: "v1.36.3".to_owned(),
            kubernetes_after: "v1.36.4".to_owned(),
            images_before: vec!["registry.k8s.io/etcd:3.7.3-0".to_owned()],
            images_after: vec!["registry.k8s.io/etcd:3.7.3-1".to_owned()],
            replaces_control_plane: true,
        };
        insta::assert_snapshot!(node_text(&change), @r"
          node: changed; Kubernetes v1.36.3 to v1.36.4; pods keep running while it changes
            the API server does not answer for some minutes
            no longer runs registry.k8s.io/etcd:3.7.3-0
            runs registry.k8s.io/etcd:3.7.3-1
        ");
        let runtime = NodeChange {
            kubernetes_after: "v1.36.3".to_owned(),
            images_before: Vec::new(),
            images_after: Vec::new(),
            replaces_control_plane: false,
            ..change
        };
        insta::assert_snapshot!(node_text(&runtime), @r"
          node: changed; Kubernetes stays v1.36.3; pods keep running while it changes
        ");
    }

    #[test]
    fn plan_shows_interruptions_and_space() {
        let component = |component: &str, interruption, expected: Option<(u64, bool)>, data| ComponentOutlook {
            component: component.to_owned(),
            interruption,
            expected_seconds: expected.map(|(seconds, _)| seconds),
            is_predicted: expected.is_some_and(|(_, is_predicted)| is_predicted),
            data,
        };
        let lost = vec!["the copies of the data of db are removed".to_owned()];
        let outlook = Outlook {
            seconds: 312,
            is_predicted: true,
            components: vec![
                component("dns", Interruption::None, None, DataFate::None),
                component("db", Interruption::Stops, Some((42, false)), DataFate::Copied),
                component("web", Interruption::Replaced, Some((20, true)), DataFate::None),
                component("cache", Interruption::Removed, None, DataFate::Kept),
            ],
            point_of_no_return: PointOfNoReturn { after: "mark the release as the newest one".to_owned(), lost },
        };
        let part = |purpose: &str, bytes| PeakPart { purpose: purpose.to_owned(), bytes };
        let peak = FilesystemPeak {
            folder: "/var/lib/landfall".to_owned(),
            needed_bytes: 4 << 30,
            free_bytes: 9 << 30,
            needed_inodes: 21_000,
            free_inodes: None,
            parts: vec![part("for a backup", 3 << 30), part("that stays free", 1 << 30)],
        };
        insta::assert_snapshot!(format!("{}{}", outlook_text(&outlook), space_text(&[peak])));
    }

    #[test]
    fn summary_names_rollback() {
        let upgraded = UpgradeOutcome {
            release: "starter".to_owned(),
            version: "1.1.0".to_owned(),
            previous: "1.0.0".to_owned(),
            changed: vec!["db".to_owned(), "counter".to_owned()],
            removed: vec!["cache".to_owned()],
            restored: Vec::new(),
            restored_from: None,
            kubernetes: Some("v1.36.4".to_owned()),
        };
        insta::assert_snapshot!(summary("is installed", &upgraded), @"starter 1.1.0 is installed, and its proofs passed; the node runs Kubernetes v1.36.4; changed and ready: db, counter; removed: cache; `landfall rollback` returns to 1.0.0");
    }
}
