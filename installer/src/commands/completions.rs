//! `landfall completions SHELL`.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::failure::Failure;
use crate::printer::Printer;

/// Prints completions for a shell.
pub(crate) fn run(shell: Shell, printer: Printer) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "landfall", &mut script);
    printer.data(String::from_utf8_lossy(&script).trim_end())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_that_is_not_hidden_is_completed() {
        let command = Cli::command();
        let names = command.get_subcommands().filter(|below| !below.is_hide_set()).map(clap::Command::get_name);
        let names: Vec<_> = names.collect();
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "landfall", &mut script);
            let script = String::from_utf8(script).unwrap();
            for name in &names {
                assert!(script.contains(name), "{shell} does not complete {name}");
            }
        }
        for name in ["kubectl", "logs", "schemas", "status"] {
            assert!(names.contains(&name), "{name}");
        }
    }
}
