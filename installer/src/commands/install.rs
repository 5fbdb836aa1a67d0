//! `landfall install`: installs a bundle on this machine.

use std::fmt::Write;
use std::path::Path;

use landfall_documents::failure::Blocker;
use landfall_lifecycle::operations::{
    InstallOutcome, InstallRequest, OperationError, Operations, PlannedInstall, PreparedHostPack,
};
use landfall_site::findings::Finding;

use super::plan;
use super::site::{DEVELOPMENT_NOTE, operations, operations_of_root};
use crate::cli::InstallArguments;
use crate::document::Document;
use crate::failure::Failure;
use crate::logging;
use crate::printer::Printer;
use crate::secrets;

impl Document for InstallOutcome {
    const KIND: &'static str = "install";
}

/// Installs the bundle, or prints the plan.
pub(crate) fn run(arguments: InstallArguments, printer: Printer) -> Result<(), Failure> {
    let operations = match &arguments.host_pack {
        Some(_) => operations_of_root(printer)?,
        None => operations(printer),
    };
    let given = arguments.secrets;
    let request = InstallRequest {
        bundle: arguments.bundle,
        trust: arguments.trust.trust,
        site: arguments.site,
        adopt_data: arguments.adopt_data,
        license: arguments.license,
        accept: arguments.accept.accept,
        secrets: if arguments.dry_run {
            secrets::noninteractive_secrets(given)
        } else {
            secrets::interactive_secrets(given)
        },
    };
    if let Some(pack) = &arguments.host_pack {
        let prepared = prepare_host_pack(&operations, pack, &request)?;
        if arguments.dry_run {
            note_planned_packages(&prepared, printer);
        } else {
            install_host_pack(&operations, prepared, printer)?;
        }
    }
    if arguments.dry_run {
        return plan::show(&operations, &request, arguments.facts.as_deref(), arguments.html.as_deref(), printer);
    }
    let prepared = operations.prepare_install(&request).map_err(refusal)?;
    note_what_to_know(prepared.planned_install(), printer);
    logging::keep(&operations.paths.logs(), "install");
    let installed = prepared.run()?;
    printer.report(&installed, summary)?;
    Ok(())
}

/// Prepares a host pack, after checking everything about the release except the host, which is checked after the
/// packages are installed.
fn prepare_host_pack<'a>(
    operations: &'a Operations,
    pack: &Path,
    request: &InstallRequest,
) -> Result<PreparedHostPack<'a>, Failure> {
    operations.check_request(request).map_err(refusal)?;
    Ok(operations.prepare_host_pack(pack, request.trust.as_deref())?)
}

fn note_planned_packages(prepared: &PreparedHostPack<'_>, printer: Printer) {
    let (name, packages) = (prepared.name(), prepared.packages().join(", "));
    printer.note(&format!("the host pack {name} would install {packages}; this plan is for the host without them"));
}

fn install_host_pack(operations: &Operations, prepared: PreparedHostPack<'_>, printer: Printer) -> Result<(), Failure> {
    let (name, packages) = (prepared.name(), prepared.packages().join(", "));
    logging::keep(&operations.paths.logs(), "install");
    let state = if prepared.run()? { "were installed before" } else { "are installed" };
    printer.note(&format!(
        "the packages of the host pack {name} {state}: {packages}. A driver is loaded by the next boot at the latest: \
         if it is reported as missing now, reboot, and run the same command again."
    ));
    Ok(())
}

/// Converts an error to a failure that lists every blocker.
pub(super) fn refusal(error: OperationError) -> Failure {
    let blocking = |blocker: &Finding| Blocker {
        code: blocker.code.clone(),
        what: blocker.message.clone(),
        // A rule may have only a message.
        why: Some(blocker.why()).filter(|why| !why.is_empty()).unwrap_or_else(|| blocker.message.clone()),
        next: blocker.next(),
    };
    let blockers = error.blockers().iter().map(blocking).collect();
    Failure::from(error).blocked_by(blockers)
}

/// Prints warnings and notes before anything is changed.
pub(super) fn note_what_to_know(planned: &PlannedInstall, printer: Printer) {
    planned.warnings().iter().for_each(|warning| printer.note(warning));
    if planned.release().verified.trusted_root().development() {
        printer.note(DEVELOPMENT_NOTE);
    }
}

/// Text after an install.
pub(crate) fn summary(installed: &InstallOutcome) -> String {
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
    use landfall_lifecycle::operations::{ConsoleAddress, ServiceStatus};
    use serde_json::Value;

    use super::*;
    use crate::document;

    pub(in crate::commands) fn sample_install() -> InstallOutcome {
        InstallOutcome {
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
                supplied_fingerprint: None,
            }),
            notes: Vec::new(),
            secrets: vec!["/var/lib/landfall/secrets/postgres/postgres.json".into()],
            media_read_bytes: 1,
            store_read_bytes: 0,
            store_written_bytes: 1,
        }
    }

    #[test]
    fn summary_matches_snapshot() {
        insta::assert_snapshot!(summary(&sample_install()));
    }

    #[test]
    fn summary_matches_schema() {
        let (kind, schema) = document::schema_of::<InstallOutcome>();
        let document: Value = serde_json::from_str(&document::pretty(&sample_install())).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let problems: Vec<_> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
        assert!(problems.is_empty() && document["kind"] == kind, "{kind}: {problems:?}");
    }
}
