//! `landfall upgrade` and `landfall rollback`: another release takes the place of the installed one.

use std::fmt::Write;

use indicatif::HumanBytes;
use landfall_engine::plan::Plan;
use landfall_lifecycle::operations::{BackupSummary, DataChoice, PreparedUpgrade, Upgraded};
use landfall_lifecycle::plan::upgrade::{ComponentChange, Fate, NodeChange};
use landfall_lifecycle::steps::action::Action;
use schemars::JsonSchema;
use serde::Serialize;

use super::confirmation::site_named;
use super::install::refusal;
use super::site::operations_of_root;
use crate::cli::{RollbackArguments, RollbackData, UpgradeArguments};
use crate::document::Document;
use crate::failure::Failure;
use crate::logging;
use crate::printer::Printer;

/// What `--dry-run` prints.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct UpgradeDryRun<'a> {
    /// Name and version of the installed release.
    from: String,
    /// Name and version of the release that would be there.
    to: String,
    /// Bytes that would be copied from the media.
    missing_bytes: u64,
    /// What would change of the node, if anything would.
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<&'a NodeChange>,
    /// What would change, component by component.
    components: &'a [ComponentChange],
    /// The backup that the data would come from, if any would.
    #[serde(skip_serializing_if = "Option::is_none")]
    backup: Option<&'a BackupSummary>,
    /// What would be done; each action as the journal would keep it.
    #[schemars(with = "Plan<serde_json::Value>")]
    plan: &'a Plan<Action>,
}

impl Document for UpgradeDryRun<'_> {
    const KIND: &'static str = "upgradeDryRun";
}

impl Document for Upgraded {
    const KIND: &'static str = "upgrade";
}

/// The result of a rollback.
#[derive(Serialize, JsonSchema)]
#[serde(transparent)]
pub(super) struct RolledBack(Upgraded);

impl Document for RolledBack {
    const KIND: &'static str = "rollback";
}

/// The result of `--abort`.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Aborted {
    /// Name and version of the release that is installed, as it was before.
    release: String,
}

impl Document for Aborted {
    const KIND: &'static str = "abort";
}

/// Upgrades the site, or prints what would change, or undoes an open upgrade.
pub(crate) fn run(arguments: &UpgradeArguments, printer: Printer) -> Result<(), Failure> {
    let Some(bundle) = &arguments.bundle else { return abort(printer) };
    let operations = operations_of_root(printer)?;
    let prepared = operations.prepare_upgrade(bundle, arguments.license.as_deref()).map_err(refusal)?;
    if arguments.dry_run {
        print_plan(&prepared, printer);
        return Ok(());
    }
    logging::keep(&operations.paths.logs(), "upgrade");
    printer.note(&changes_text(&prepared));
    let upgraded = prepared.run()?;
    printer.report(&upgraded, |upgraded| summary("is installed", upgraded));
    Ok(())
}

/// Returns the site to an earlier release, or prints what would change.
pub(crate) fn roll_back(arguments: RollbackArguments, printer: Printer) -> Result<(), Failure> {
    let RollbackArguments { to, data, dry_run, confirm } = arguments;
    let operations = operations_of_root(printer)?;
    let choice = data.map(|data| match data {
        RollbackData::Keep => DataChoice::Keep,
        RollbackData::Restore => DataChoice::Restore,
    });
    let prepared = operations.prepare_rollback(to.as_deref(), choice)?;
    if dry_run {
        print_plan(&prepared, printer);
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
    printer.report(&upgraded, |RolledBack(upgraded)| summary("is installed again", upgraded));
    Ok(())
}

/// Undoes the open change.
pub(super) fn abort(printer: Printer) -> Result<(), Failure> {
    let operations = operations_of_root(printer)?;
    logging::keep(&operations.paths.logs(), "abort");
    let aborted = Aborted { release: operations.abort_change()? };
    printer.report(&aborted, |aborted| format!("the change was undone: {} is as it was before", aborted.release));
    Ok(())
}

impl<'a> UpgradeDryRun<'a> {
    /// What would change.
    pub(super) fn of(prepared: &'a PreparedUpgrade<'_>) -> Self {
        UpgradeDryRun {
            from: prepared.from(),
            to: prepared.to(),
            missing_bytes: prepared.missing_bytes(),
            node: prepared.node(),
            components: prepared.components(),
            backup: prepared.backup(),
            plan: prepared.plan(),
        }
    }
}

fn print_plan(prepared: &PreparedUpgrade<'_>, printer: Printer) {
    let dry_run = UpgradeDryRun::of(prepared);
    printer.report(&dry_run, |_| format!("{}\nprinting it changes nothing", changes_text(prepared)));
}

/// What a rollback that restores data loses.
fn loss_text(prepared: &PreparedUpgrade<'_>, backup: &BackupSummary) -> String {
    let is_restored = |change: &&ComponentChange| {
        let begin = format!("load/{}/", change.component);
        prepared.plan().steps.iter().any(|step| step.id.0.starts_with(&begin))
    };
    let components: Vec<&str> =
        prepared.components().iter().filter(is_restored).map(|change| change.component.as_str()).collect();
    format!("what was written to {} since {} will be lost", components.join(", "), backup.time)
}

/// What changes, component by component.
fn changes_text(prepared: &PreparedUpgrade<'_>) -> String {
    let mut text = format!("from {} to {}", prepared.from(), prepared.to());
    if prepared.missing_bytes() > 0 {
        let _infallible = write!(text, ", {} from the media", HumanBytes(prepared.missing_bytes()));
    }
    text.push_str(&prepared.node().map(node_text).unwrap_or_default());
    text.push_str(&components_text(prepared.components()));
    if let Some(backup) = prepared.backup() {
        let _infallible = write!(text, "\n  from the backup of {}: {}", backup.time, loss_text(prepared, backup));
    }
    text
}

fn node_text(change: &NodeChange) -> String {
    let NodeChange { kubernetes_before: from, kubernetes_after: to, .. } = change;
    let kubernetes = if from == to { format!("Kubernetes stays {to}") } else { format!("Kubernetes {from} to {to}") };
    let mut text = format!("\n  node: changed; {kubernetes}; pods go on while it changes");
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
        let stops = if change.stops { "; stops meanwhile" } else { "" };
        let _infallible = write!(text, "\n  {}: {}{stops}", change.component, fate_text(change.fate));
        for object in &change.objects {
            let _infallible = write!(text, "\n    {} {}", object.object, fate_text(object.fate));
        }
        for (images, what) in [(&change.images_before, "no longer runs"), (&change.images_after, "runs")] {
            for image in images {
                let _infallible = write!(text, "\n    {what} {image}");
            }
        }
    }
    let (stopped, unchanged): (Vec<&ComponentChange>, Vec<&ComponentChange>) =
        unchanged.partition(|change| change.stops);
    for change in stopped {
        let _infallible = write!(text, "\n  {}: unchanged; stops while data changes that it uses", change.component);
    }
    let unchanged: Vec<&str> = unchanged.into_iter().map(|change| change.component.as_str()).collect();
    if !unchanged.is_empty() {
        let _infallible = write!(text, "\n  unchanged: {}", unchanged.join(", "));
    }
    text
}

fn fate_text(fate: Fate) -> &'static str {
    match fate {
        Fate::Added => "added",
        Fate::Changed => "changed",
        Fate::Removed => "removed; its data stays",
        Fate::Unchanged => "unchanged",
    }
}

/// What a person wants to know after an upgrade or a rollback.
pub(super) fn summary(what: &str, upgraded: &Upgraded) -> String {
    let Upgraded { release, version, previous, changed, removed, restored, restored_from, kubernetes } = upgraded;
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

    use super::*;

    #[test]
    fn a_plan_names_every_component_object_and_image() {
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
            change("counter", Fate::Added, &[("Service counter/counter", Fate::Added)], [&[], &["counter:1"]]),
            change("cache", Fate::Removed, &[], [&[], &[]]),
        ];
        insta::assert_snapshot!(components_text(&components));
    }

    #[test]
    fn a_plan_names_what_changes_of_the_node() {
        let change = NodeChange {
            kubernetes_before: "v1.36.3".to_owned(),
            kubernetes_after: "v1.36.4".to_owned(),
            images_before: vec!["registry.k8s.io/etcd:3.7.3-0".to_owned()],
            images_after: vec!["registry.k8s.io/etcd:3.7.3-1".to_owned()],
            replaces_control_plane: true,
        };
        insta::assert_snapshot!(node_text(&change), @r"
          node: changed; Kubernetes v1.36.3 to v1.36.4; pods go on while it changes
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
          node: changed; Kubernetes stays v1.36.3; pods go on while it changes
        ");
    }

    #[test]
    fn a_summary_names_the_way_back() {
        let upgraded = Upgraded {
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
