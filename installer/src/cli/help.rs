//! The program's arguments as help shows them: commands by who needs them, examples, and the exit codes.

use std::ffi::OsString;
use std::io::IsTerminal as _;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, CommandFactory, FromArgMatches};
use landfall_error_codes::ExitClass;

use super::{Cli, examples, groups, suggestion};

/// Heading of the options that every command has.
pub(super) const GLOBAL: &str = "Global options";

/// Widest help, in columns.
const WIDEST: usize = 100;

/// What the exit code of the process means, by class.
const EXIT_CODES: [(ExitClass, &str); 7] = [
    (ExitClass::Bug, "a bug in Landfall; please report it"),
    (ExitClass::Usage, "wrong usage, or a bad release definition"),
    (ExitClass::Refused, "the bundle was refused, for damage or trust"),
    (ExitClass::NotReady, "the site is not ready; nothing was changed"),
    (ExitClass::Resumable, "failed; what was begun continues with `landfall resume`"),
    (ExitClass::Stuck, "stuck: neither forward nor back without a person"),
    (ExitClass::License, "the license does not allow it"),
];

/// The meaning of a class, as help has it.
pub(crate) fn meaning(class: ExitClass) -> &'static str {
    EXIT_CODES.iter().find(|(known, _)| *known == class).map_or("", |(_, meaning)| meaning)
}

/// The exit codes, a line for each.
pub(crate) fn exit_codes() -> String {
    let failed = EXIT_CODES.iter().map(|(class, meaning)| format!("  {}  {meaning}\n", class.exit_code()));
    failed.fold(String::from("  0  done; for reports, everything is ready\n"), |text, line| text + &line)
}

/// The arguments of the program, with everything that its help shows.
pub(crate) fn command() -> Command {
    command_within(columns())
}

/// The same, whose help has so many columns.
pub(super) fn command_within(columns: usize) -> Command {
    let help = Arg::new("help").short('h').long("help").action(ArgAction::Help);
    let version = Arg::new("version").short('V').long("version").action(ArgAction::Version);
    let program = Cli::command()
        .disable_help_flag(true)
        .disable_version_flag(true)
        .arg(help.help("Print help (a summary with '-h')").global(true).help_heading(GLOBAL))
        .arg(version.help("Print version").global(true).help_heading(GLOBAL));
    let program = examples::add_examples(program);
    let style = clap::builder::Styles::styled();
    let header = style.get_header();
    let template = format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n\
         {groups}{header}{GLOBAL}:{header:#}\n{{options}}{{after-help}}",
        groups = groups::format_groups(&program, columns),
    );
    let after = format!(
        "{header}Exit codes:{header:#}\n{}\n`landfall COMMAND --help` has options and examples of a command; `landfall \
         explain CODE` explains an error; `landfall handbook` has everything else.",
        exit_codes()
    );
    program.help_template(template).after_help(after)
}

/// How wide help may be: as the terminal, or as wide as it ever is.
fn columns() -> usize {
    let stdout = std::io::stdout();
    let size = stdout.is_terminal().then(|| rustix::termios::tcgetwinsize(&stdout).ok()).flatten();
    size.map(|size| usize::from(size.ws_col))
        .filter(|columns| *columns > 0)
        .map_or(WIDEST, |columns| columns.min(WIDEST))
}

/// Reads the arguments of the process. Help of all commands is made only for who reads it: it takes as long as the
/// start of the program.
pub(crate) fn parse<A: Into<OsString> + Clone>(arguments: impl IntoIterator<Item = A>) -> Result<Cli, clap::Error> {
    let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
    let mut command = Cli::command();
    let mut matches = match command.try_get_matches_from_mut(&arguments) {
        Ok(matches) => matches,
        Err(version) if version.kind() == ErrorKind::DisplayVersion => return Err(version),
        Err(_) => {
            command = self::command();
            command.try_get_matches_from_mut(&arguments).map_err(suggestion::improve_suggestions)?
        }
    };
    refuse_trust_of_installed(&mut command, &matches)?;
    Cli::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))
}

/// Refuses `--trust` for what is installed, whose root the site knows. That the variable gives one is no conflict.
fn refuse_trust_of_installed(command: &mut Command, matches: &ArgMatches) -> Result<(), clap::Error> {
    let Some(("verify", verify)) = matches.subcommand() else { return Ok(()) };
    if verify.get_flag("installed") && verify.value_source("trust") == Some(ValueSource::CommandLine) {
        let what = "the argument '--installed' cannot be used with '--trust': the site knows its root";
        return Err(command.error(ErrorKind::ArgumentConflict, what));
    }
    Ok(())
}
