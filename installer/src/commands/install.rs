//! `landfall install`: a bundle comes to this machine.

use std::fmt::Write;

use indicatif::{HumanBytes, HumanDuration};
use landfall_engine::plan::{Plan, Undo};
use landfall_host::facts::Facts;
use landfall_lifecycle::operations::{InstallRequest, Installed, OperationError, PlannedInstall};
use landfall_lifecycle::preflight::Finding;
use landfall_lifecycle::steps::action::Action;
use schemars::JsonSchema;
use serde::Serialize;
use std::time::Duration;

use super::site::{DEVELOPMENT_NOTE, operations};
use crate::cli::InstallArguments;
use crate::document::Document;
use crate::failure::{Blocking, Failure};
use crate::logging;
use crate::printer::Printer;

/// What `--dry-run` prints.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct DryRun<'a> {
    /// Id of the bundle.
    bundle: String,
    /// Whether its root is for development only.
    development: bool,
    /// The facts that it was planned from.
    facts: &'a Facts,
    /// What would be done; each action as the journal would keep it.
    #[schemars(with = "Plan<serde_json::Value>")]
    plan: &'a Plan<Action>,
}

impl Document for DryRun<'_> {
    const KIND: &'static str = "dryRun";
}

impl Document for Installed {
    const KIND: &'static str = "install";
}

/// Installs, or prints the plan.
pub(crate) fn run(arguments: InstallArguments, printer: Printer) -> Result<(), Failure> {
    let operations = operations(printer);
    let request = InstallRequest {
        bundle: arguments.bundle,
        trust: arguments.trust.trust,
        site: arguments.site,
        adopt_data: arguments.adopt_data,
        license: arguments.license,
        accept: arguments.accept.accept,
    };
    if let Some(facts) = &arguments.facts {
        let planned = operations.plan_install_from(&request, facts).map_err(refusal)?;
        note_what_to_know(&planned, printer);
        print_plan(&planned, printer);
        return Ok(());
    }
    let prepared = operations.prepare_install(&request).map_err(refusal)?;
    note_what_to_know(prepared.planned(), printer);
    if arguments.dry_run {
        print_plan(prepared.planned(), printer);
        return Ok(());
    }
    logging::keep(&operations.paths.logs(), "install");
    let installed = prepared.run()?;
    printer.report(&installed, summary);
    Ok(())
}

/// The failure, with every blocker of its own.
pub(super) fn refusal(error: OperationError) -> Failure {
    let blocking = |blocker: &Finding| Blocking {
        code: blocker.code,
        what: blocker.message.clone(),
        // A rule may have nothing to say beyond its message.
        why: Some(blocker.why()).filter(|why| !why.is_empty()).unwrap_or_else(|| blocker.message.clone()),
        next: blocker.next(),
    };
    let blockers = error.blockers().iter().map(blocking).collect();
    Failure::from(error).blocked_by(blockers)
}

fn note_what_to_know(planned: &PlannedInstall, printer: Printer) {
    planned.warnings().iter().for_each(|warning| printer.note(warning));
    if planned.release().verified.trusted().development() {
        printer.note(DEVELOPMENT_NOTE);
    }
}

fn print_plan(planned: &PlannedInstall, printer: Printer) {
    let verified = &planned.release().verified;
    let dry_run = DryRun {
        bundle: verified.id().to_string(),
        development: verified.trusted().development(),
        facts: planned.facts(),
        plan: planned.plan(),
    };
    printer.report(&dry_run, |dry_run| plan_text(dry_run.plan, dry_run.facts));
}

fn plan_text(plan: &Plan<Action>, facts: &Facts) -> String {
    let mut text = format!(
        "plan: install {} {}, {} steps; printing it changes nothing\n{}\n",
        plan.release,
        plan.version,
        plan.steps.len(),
        host_text(facts)
    );
    for (index, step) in plan.steps.iter().enumerate() {
        let mut remarks = vec![HumanDuration(Duration::from_secs(step.seconds.max(1))).to_string()];
        if step.bytes > 0 {
            remarks.insert(0, HumanBytes(step.bytes).to_string());
        }
        if step.undo == Undo::Irreversible {
            remarks.push("cannot be undone".to_owned());
        }
        let _infallible =
            writeln!(text, "{:>4}. {:<40} {:<56} {}", index + 1, step.id.to_string(), step.title, remarks.join(", "));
    }
    let (bytes, seconds) =
        plan.steps.iter().fold((0, 0), |(bytes, seconds), step| (bytes + step.bytes, seconds + step.seconds));
    let _infallible =
        writeln!(text, "\n{} to write, about {}", HumanBytes(bytes), HumanDuration(Duration::from_secs(seconds)));
    text
}

/// For which host the plan is, which matters most where it is planned elsewhere.
fn host_text(facts: &Facts) -> String {
    let swap =
        if facts.swap_bytes > 0 { format!("{} of swap", HumanBytes(facts.swap_bytes)) } else { "no swap".to_owned() };
    let tables = &facts.network.filter_tables;
    let tables = if tables.is_empty() { "no tables".to_owned() } else { tables.join(", ") };
    format!(
        "host: {}, {}, kernel {}, {} cores, {} of memory, {swap}\npacket filter: {tables}\n",
        facts.hostname,
        facts.operating_system,
        facts.kernel,
        facts.cores,
        HumanBytes(facts.memory_bytes)
    )
}

/// What a person wants to know after an install.
pub(crate) fn summary(installed: &Installed) -> String {
    let mut text = format!(
        "{} {} is installed on {} ({})\n",
        installed.release, installed.version, installed.node, installed.address
    );
    let _infallible = writeln!(text, "\nkubeconfig     {}", installed.kubeconfig.display());
    for service in &installed.services {
        let ports: Vec<String> = service.ports.iter().map(u64::to_string).collect();
        let address = service.address.as_deref().map(|address| format!(" ({address})")).unwrap_or_default();
        let (component, name, ports) = (&service.component, &service.name, ports.join(", "));
        let _infallible = writeln!(text, "{component:<14} {name}{address}, port {ports}");
    }
    for address in installed.console.iter().flat_map(|console| &console.addresses) {
        let _infallible =
            writeln!(text, "\nconsole        {address}; `landfall console` makes the first administrator");
    }
    if let Some(console) = &installed.console {
        let _infallible = writeln!(text, "certificate    SHA-256 {}", console.fingerprint);
    }
    for note in &installed.notes {
        let _infallible = writeln!(text, "note: {note}; `landfall status` reports why");
    }
    if !installed.secrets.is_empty() {
        let _infallible = writeln!(text, "\ngenerated secrets, readable by root:");
        for secret in &installed.secrets {
            let _infallible = writeln!(text, "  {}", secret.display());
        }
    }
    let _infallible = writeln!(text, "\n`landfall status` reports whether everything is ready.");
    if installed.development {
        let _infallible = writeln!(text, "{DEVELOPMENT_NOTE}");
    }
    text
}

#[cfg(test)]
pub(super) mod tests {
    use landfall_host::facts;
    use landfall_lifecycle::operations::{ConsoleAddress, ServiceStatus};
    use serde_json::{Value, json};

    use super::*;
    use crate::document;

    fn plan() -> Plan<Action> {
        let step = |id: &str, title: &str, action: Value, bytes: u64, seconds: u64, undo: &str| json!({ "id": id, "title": title, "action": action, "bytes": bytes, "seconds": seconds, "undo": undo });
        let ready = json!({ "action": "control-plane-ready", "pack": "v1.36.3-0123456789ab", "seconds": 300 });
        serde_json::from_value(json!({
            "operation": "install",
            "release": "starter",
            "version": "1.0.0",
            "steps": [
                step("stage", "stage the release", json!({ "action": "stage" }), 3_u64 << 30, 95, "reversible"),
                step("control-plane", "wait for the control plane", ready, 0, 40, "reversible"),
                step("storage", "make the folder of volumes", json!({ "action": "storage" }), 4096, 0, "irreversible"),
            ],
        }))
        .unwrap()
    }

    pub(in crate::commands) fn installed() -> Installed {
        Installed {
            release: "starter".to_owned(),
            version: "1.0.0".to_owned(),
            development: true,
            node: "node-1".to_owned(),
            address: "192.0.2.17".to_owned(),
            kubeconfig: "/etc/kubernetes/admin.conf".into(),
            services: vec![ServiceStatus {
                component: "postgres".to_owned(),
                name: "postgres.postgres.svc".to_owned(),
                address: Some("10.96.7.7".to_owned()),
                ports: vec![5432],
            }],
            console: Some(ConsoleAddress {
                addresses: vec!["https://192.0.2.17:31443/".to_owned()],
                reason: None,
                fingerprint: "5B:0C".to_owned(),
                authority_fingerprint: "91:E7".to_owned(),
                certificate_ends: "2029-02-01".to_owned(),
            }),
            notes: Vec::new(),
            secrets: vec!["/var/lib/landfall/secrets/postgres/postgres.json".into()],
            media_read_bytes: 1,
            store_read_bytes: 0,
            store_written_bytes: 1,
        }
    }

    #[test]
    fn the_plan_as_a_person_reads_it() {
        let mut facts = facts::sample::sample();
        insta::assert_snapshot!(plan_text(&plan(), &facts));
        facts.swap_bytes = 2 << 30;
        facts.network.filter_tables = vec!["firewalld".to_owned(), "filter".to_owned()];
        insta::assert_snapshot!(host_text(&facts));
    }

    #[test]
    fn the_summary_as_a_person_reads_it() {
        insta::assert_snapshot!(summary(&installed()));
    }

    #[test]
    fn plan_and_summary_are_what_their_schemas_say() {
        let facts = facts::sample::sample();
        let plan = plan();
        let dry_run = DryRun { bundle: "sha256:ab".to_owned(), development: false, facts: &facts, plan: &plan };
        let documents = [
            (document::schema_of::<DryRun<'_>>(), document::pretty(&dry_run)),
            (document::schema_of::<Installed>(), document::pretty(&installed())),
            (document::schema_of::<Facts>(), document::pretty(&facts)),
        ];
        for ((kind, schema), text) in documents {
            let document: Value = serde_json::from_str(&text).unwrap();
            let validator = jsonschema::validator_for(&schema).unwrap();
            let problems: Vec<_> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
            assert!(problems.is_empty() && document["kind"] == kind, "{kind}: {problems:?}");
        }
    }
}
