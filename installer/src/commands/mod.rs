//! One file per command. Each resolves its arguments, calls a library, and reports the result.

mod approvals;
mod audit;
mod backup;
mod build;
mod carry;
mod change;
mod completions;
mod configure;
mod confirmation;
mod console;
mod diff;
mod doctor;
mod edits;
mod errors;
mod events;
mod explain;
mod facts;
mod found_images;
mod handbook;
mod help_files;
mod history;
mod host_api;
mod init;
mod inspect;
mod install;
mod key;
mod kubectl;
mod license;
mod lock;
mod logs;
mod manuals;
mod models;
mod node;
mod pages;
mod plan;
mod preflight;
mod prepared_change;
mod probe;
mod prove;
mod provenance;
mod releases;
mod replaced_data;
mod resolved_change;
mod restore;
mod resume;
mod sbom;
mod schemas;
mod settings;
mod site;
mod source_date;
mod stage;
mod status;
mod support;
mod top;
mod trust;
mod uninstall;
mod upgrade;
mod values;
mod verify;
mod verify_site;
mod version;
mod watch;

use std::process::ExitCode;

use crate::cli::{Cli, Command, VerifyArguments};
use crate::failure::Failure;
use crate::interrupts::end_at_interrupt;
use crate::printer::Printer;

/// Runs the command. Without an error, the exit code is the returned one.
pub(crate) fn run(cli: Cli, printer: Printer) -> Result<ExitCode, Failure> {
    match &cli.command {
        // These commands end in another way, or pass interrupts on.
        Command::Node(_) | Command::Probe(_) | Command::Kubectl(_) => {}
        Command::Status(arguments) if arguments.watch => {}
        command => end_at_interrupt(printer, matches!(command, Command::Logs(arguments) if arguments.follow)),
    }
    let done = match cli.command {
        Command::Status(arguments) => return status::run(&arguments, printer),
        Command::Doctor => return doctor::run(printer),
        Command::Preflight(arguments) => return preflight::run(arguments, printer),
        Command::Probe(arguments) => return probe::run(&arguments, printer),
        Command::Kubectl(arguments) => return kubectl::run(arguments),
        Command::Logs(arguments) => return logs::run(&arguments, printer),
        Command::Events(arguments) => events::run(&arguments, printer),
        Command::Top(arguments) => top::run(&arguments, printer),
        Command::Key(command) => key::run(command, printer),
        Command::Approvals(command) => approvals::run(command, printer),
        Command::Trust(command) => trust::run(command, printer),
        Command::License(command) => license::run(command, printer),
        Command::Init(arguments) => init::run(arguments, printer),
        Command::Lock(arguments) => lock::run(arguments, printer),
        Command::Build(arguments) => build::run(arguments, printer),
        Command::Inspect(arguments) => inspect::run(&arguments, printer),
        Command::Sbom(arguments) => sbom::run(&arguments, printer),
        Command::Diff(arguments) => diff::run(&arguments, printer),
        Command::Provenance(arguments) => provenance::run(&arguments, printer),
        Command::Verify(VerifyArguments { installed: true, .. }) => verify_site::run(printer),
        Command::Verify(arguments) => verify::run(&arguments, printer),
        Command::Stage(arguments) => stage::run(&arguments, printer),
        Command::Completions { shell } => completions::run(shell, printer),
        Command::Values { kind } => values::run(kind, printer),
        Command::Manuals(arguments) => manuals::run(&arguments, printer),
        Command::Schemas(arguments) => schemas::run(&arguments, printer),
        Command::Errors(arguments) => errors::run(&arguments, printer),
        Command::Explain(arguments) => explain::run(&arguments, printer),
        Command::Handbook(arguments) => handbook::run(&arguments, printer),
        Command::Version => version::run(printer),
        Command::Plan(arguments) => plan::run(arguments, printer),
        Command::Install(arguments) => install::run(arguments, printer),
        Command::Configure(arguments) => configure::run(arguments, printer),
        Command::Upgrade(arguments) => upgrade::run(arguments, printer),
        Command::Rollback(arguments) => upgrade::roll_back(arguments, printer),
        Command::Backup(command) => backup::run(&command, printer),
        Command::Drill(arguments) => backup::drill(&arguments, printer),
        Command::Restore(arguments) => restore::run(arguments, printer),
        Command::ReplacedData(command) => replaced_data::run(command, printer),
        Command::Releases(arguments) => releases::run(&arguments, printer),
        Command::History(arguments) => history::run(&arguments, printer),
        Command::Settings => settings::run(printer),
        Command::Facts(arguments) => facts::run(&arguments, printer),
        Command::Models(command) => models::run(&command, printer),
        Command::Resume(arguments) => resume::run(arguments, printer),
        Command::Prove(arguments) => prove::run(&arguments, printer),
        Command::Uninstall(arguments) => uninstall::run(arguments, printer),
        Command::Support(command) => support::run(&command, printer),
        Command::Carry(command) => carry::run(&command, printer),
        Command::Console(arguments) => console::run(&arguments, printer),
        Command::Audit(command) => audit::run(&command, printer),
        Command::Node(command) => node::run(&command, printer),
    };
    done.map(|()| ExitCode::SUCCESS)
}
