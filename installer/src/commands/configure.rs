//! `landfall configure`: changes settings of the installed release.

use std::fmt::Write;

use landfall_engine::plan::Plan;
use landfall_lifecycle::operations::{ConfigureOutcome, ObjectEdit, Operations, PreparedConfigure};
use landfall_lifecycle::plan::configure::{FieldChange, SettingChange};
use landfall_lifecycle::steps::action::Action;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::edits;
use super::install::refusal;
use super::site::operations_of_root;
use super::upgrade;
use crate::cli::{ConfigureArguments, edits};
use crate::document::Document;
use crate::failure::Failure;
use crate::logging;
use crate::printer::Printer;
use crate::secrets;

/// Output of `--dry-run`.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ConfigureDryRun<'a> {
    /// Changes to objects of components.
    changes: &'a [FieldChange],
    /// Changes to Landfall's own settings.
    settings: &'a [SettingChange],
    /// Fields of changing objects that other managers have set to other values, each with the fate of the edit. If an
    /// edit would not stay, the command is refused (LF4036) unless it has `--overwrite-edits`.
    edits: &'a [ObjectEdit],
    /// Planned steps, with each action as the journal would keep it.
    #[schemars(with = "Plan<serde_json::Value>")]
    plan: &'a Plan<Action>,
}

impl Document for ConfigureDryRun<'_> {
    const KIND: &'static str = "configureDryRun";
}

impl<'a> ConfigureDryRun<'a> {
    /// Creates the document of a dry run.
    pub(super) fn from_prepared(prepared: &'a PreparedConfigure<'_>) -> Self {
        let (changes, settings) = (prepared.changes(), prepared.settings());
        Self { changes, settings, edits: prepared.edits(), plan: prepared.plan() }
    }
}

impl Document for ConfigureOutcome {
    const KIND: &'static str = "configure";
}

/// Changes the settings, or prints the changes.
pub(crate) fn run(arguments: ConfigureArguments, printer: Printer) -> Result<(), Failure> {
    if arguments.abort {
        return upgrade::abort(printer);
    }
    let operations = operations_of_root(printer)?;
    let given = arguments.secrets;
    let given =
        if arguments.dry_run { secrets::noninteractive_secrets(given) } else { secrets::interactive_secrets(given) };
    let policy = edits(arguments.overwrite_edits);
    let prepared = operations.prepare_configure(arguments.site.as_deref(), &given, policy).map_err(refusal)?;
    change(&operations, prepared, arguments.dry_run, printer)
}

/// Executes the prepared change, or prints it.
pub(super) fn change(
    operations: &Operations,
    prepared: PreparedConfigure<'_>,
    dry_run: bool,
    printer: Printer,
) -> Result<(), Failure> {
    if dry_run {
        printer.report(&ConfigureDryRun::from_prepared(&prepared), |dry_run| {
            let (changes, edits) = (changes_text(dry_run.changes, dry_run.settings), edits::text(dry_run.edits));
            format!("{changes}{edits}\nprinting it changes nothing")
        })?;
        return Ok(());
    }
    logging::keep(&operations.paths.logs(), "configure");
    note_changes(&prepared, printer);
    let configured = prepared.run()?;
    printer.report(&configured, summary)?;
    Ok(())
}

fn note_changes(prepared: &PreparedConfigure<'_>, printer: Printer) {
    let (changes, settings) = (prepared.changes(), prepared.settings());
    if !changes.is_empty() || !settings.is_empty() {
        printer.note(&format!("{}{}", changes_text(changes, settings), edits::text(prepared.edits())));
    }
}

/// Text about the changed fields, each with its old and new value.
fn changes_text(changes: &[FieldChange], settings: &[SettingChange]) -> String {
    let mut text = match changes.len() + settings.len() {
        0 => "nothing changes".to_owned(),
        1 => "one setting changes:".to_owned(),
        count => format!("{count} settings change:"),
    };
    for SettingChange { setting, from, to } in settings {
        let shown = |value: Option<&Value>| value.map_or_else(|| "the default".to_owned(), ToString::to_string);
        let _infallible = write!(text, "\n  {setting} = {}, before {}", shown(to.as_ref()), shown(from.as_ref()));
    }
    for FieldChange { component, value, kind, name, path, from, to } in changes {
        let (from, to) = (value_text(from.as_ref()), value_text(to.as_ref()));
        let _infallible = write!(text, "\n  {component}: {value} = {to}, before {from} ({kind} {name}, {path})");
    }
    text
}

fn value_text(value: Option<&Value>) -> String {
    value.map_or_else(|| "the release's own".to_owned(), ToString::to_string)
}

/// Text after a change.
pub(super) fn summary(configured: &ConfigureOutcome) -> String {
    let ConfigureOutcome { release, version, components, settings } = configured;
    let text = format!("{release} {version} has its new settings; changed");
    match (components.as_slice(), settings.as_slice()) {
        ([], []) => format!("{release} {version} has these settings already: nothing was changed"),
        ([], settings) => format!("{text}: {}", settings.join(", ")),
        (components, []) => format!("{text} and ready: {}", components.join(", ")),
        (components, settings) => {
            format!("{text}: {}; changed and ready: {}", settings.join(", "), components.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn changes_show_both_values() {
        let change = |from: Option<Value>, to: Option<Value>| FieldChange {
            component: "assistant".to_owned(),
            value: "assistant.replicas".to_owned(),
            kind: "Deployment".to_owned(),
            name: "assistant".to_owned(),
            path: "/spec/replicas".to_owned(),
            from,
            to,
        };
        assert_eq!(changes_text(&[], &[]), "nothing changes");
        let setting = SettingChange { setting: "backups.time".to_owned(), from: None, to: Some(json!("03:00")) };
        let changes = [change(Some(json!(1)), Some(json!(2))), change(Some(json!("a")), None)];
        insta::assert_snapshot!(changes_text(&changes, &[setting]), @r#"
        3 settings change:
          backups.time = "03:00", before the default
          assistant: assistant.replicas = 2, before 1 (Deployment assistant, /spec/replicas)
          assistant: assistant.replicas = the release's own, before "a" (Deployment assistant, /spec/replicas)
        "#);
    }
}
