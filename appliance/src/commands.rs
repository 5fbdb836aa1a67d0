//! Implementation of the commands: parsed arguments in, a result or an error out.

use std::io::{stdin, stdout};

use landfall_error_codes::codes;

use crate::audit::Chain;
use crate::cli::{Arguments, AuditCommand, Command, DataArguments, DatabaseCommand, DirectoryCommand, PackagesCommand};
use crate::configuration::Configuration;
use crate::database::{Counts, Storage};
use crate::error::{Context as _, Error, Result};
use crate::printer::{line, note};
use crate::{api, audit, database, directory, packages, server};

/// Number of serving threads. A console has a handful of users.
const THREADS: usize = 2;

/// Executes a command completely.
pub fn execute(arguments: Arguments) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build();
    let runtime = runtime.context(codes::BUG, || "no runtime can be made".to_owned())?;
    match arguments.command {
        Command::Serve(arguments) => {
            server::begin_log();
            runtime.block_on(server::serve(Configuration::check(*arguments)?))
        }
        Command::Packages(PackagesCommand::Serve(arguments)) => {
            server::begin_log();
            runtime.block_on(packages::serve(packages::Settings::check(arguments)?))
        }
        Command::OpenApi => {
            let document = serde_json::to_string_pretty(api::document());
            line(&document.context(codes::BUG, || "the document of the API cannot be written".to_owned())?);
            Ok(())
        }
        Command::Database(DatabaseCommand::Save(data)) => {
            let storage = storage(&data)?.in_use(&data.data)?;
            let saved = runtime.block_on(database::save(&data.data, &storage, &mut stdout().lock()));
            saved.map(|chain| warn_of_broken(&chain))
        }
        Command::Database(DatabaseCommand::Load(data)) => {
            let storage = storage(&data)?;
            let loaded = runtime.block_on(database::load(&data.data, &storage, &mut stdin().lock()));
            loaded.map(|chain| warn_of_broken(&chain))
        }
        Command::Database(DatabaseCommand::Check(data)) => {
            show(&runtime.block_on(database::check(&data.data, &storage(&data)?.in_use(&data.data)?))?);
            Ok(())
        }
        Command::Audit(AuditCommand::Export(data)) => {
            let storage = storage(&data)?.in_use(&data.data)?;
            runtime.block_on(audit::export(&data.data, &storage, &mut stdout().lock()))
        }
        Command::Directory(DirectoryCommand::Check(arguments)) => {
            runtime.block_on(directory::check(&arguments.directory))?.iter().for_each(|text| line(text));
            Ok(())
        }
    }
}

/// Returns the place of the data by the settings. The error names every fault.
fn storage(arguments: &DataArguments) -> Result<Storage> {
    Storage::read(&arguments.database, arguments.namespace.as_deref()).map_err(|faults| {
        Error::new(codes::APPLIANCE_SETTINGS, format!("settings cannot be used: {}", faults.join("; ")))
    })
}

fn show(counts: &Counts) {
    line(&format!("schema         {}", counts.schema));
    line(&format!("users          {} ({} administrators)", counts.users, counts.administrators));
    line(&format!("sessions       {}", counts.sessions));
    line(&format!("API keys       {}", counts.keys));
    match &counts.audit {
        Chain::Whole(head) => {
            line(&format!("audit entries  {}", head.number));
            line(&format!("audit head     {head}"));
        }
        Chain::Broken(why) => line(&format!("audit          not whole: {why}")),
    }
    line("the database is sound");
    warn_of_broken(&counts.audit);
}

/// Warns of a changed log, which is saved and loaded unchanged.
fn warn_of_broken(chain: &Chain) {
    if let Chain::Broken(error) = chain {
        note(&format!("the audit log was changed after it was written: {error} [{}]", codes::AUDIT_BROKEN.id));
    }
}
