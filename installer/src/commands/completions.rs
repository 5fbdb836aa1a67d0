//! `landfall completions SHELL`: prints completions for a shell.

use clap_complete::Shell;

use crate::cli;
use crate::failure::Failure;
use crate::printer::Printer;

/// Additions for bash: names that only this site knows.
const BASH: &str = r#"
_landfall_of_site() {
    local current="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD-1]}" kind=""
    case "${COMP_WORDS[1]} $previous" in
        "logs logs" | "events events" | "restore --component") kind=components ;;
        "rollback --to") kind=releases ;;
    esac
    if [[ -n $kind && $current != -* ]]; then
        COMPREPLY=($(compgen -W "$(landfall values $kind 2> /dev/null)" -- "$current"))
        return 0
    fi
    _landfall "$@"
}
complete -F _landfall_of_site -o bashdefault -o default landfall
"#;

/// Additions for zsh.
const ZSH: &str = r#"
_landfall_of_site() {
    case "${words[2]} ${words[CURRENT-1]}" in
        "logs logs" | "events events" | "restore --component")
            compadd -- ${(f)"$(landfall values components 2> /dev/null)"} ;;
        "rollback --to") compadd -- ${(f)"$(landfall values releases 2> /dev/null)"} ;;
        *) _landfall "$@" ;;
    esac
}
compdef _landfall_of_site landfall
"#;

/// Additions for fish.
const FISH: &str = r#"
complete -c landfall -n "__fish_seen_subcommand_from logs events" -f -a "(landfall values components 2> /dev/null)"
complete -c landfall -n "__fish_seen_subcommand_from restore" -l component -x \
    -a "(landfall values components 2> /dev/null)"
complete -c landfall -n "__fish_seen_subcommand_from rollback" -l to -x -a "(landfall values releases 2> /dev/null)"
"#;

/// Prints completions for a shell.
pub(crate) fn run(shell: Shell, printer: Printer) -> Result<(), Failure> {
    printer.data(script(shell).trim_end())
}

/// Completions for a shell, with the names of a site.
pub(super) fn script(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut cli::command(), "landfall", &mut script);
    let of_site = match shell {
        Shell::Bash => BASH,
        Shell::Zsh => ZSH,
        Shell::Fish => FISH,
        _ => "",
    };
    String::from_utf8_lossy(&script).into_owned() + of_site
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn visible_commands_are_completed() {
        let command = cli::command();
        let names = command.get_subcommands().filter(|below| !below.is_hide_set()).map(clap::Command::get_name);
        let names: Vec<_> = names.collect();
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = script(shell);
            for name in &names {
                assert!(script.contains(name), "{shell} does not complete {name}");
            }
        }
        for name in ["kubectl", "logs", "schemas", "status"] {
            assert!(names.contains(&name), "{name}");
        }
    }
}
