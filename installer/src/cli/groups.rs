//! The commands by who needs them, as `landfall --help` and the manual page list them.

use std::fmt::Write as _;

use clap::Command;

/// Commands of people with one task.
struct Group {
    /// Who needs them, and for what.
    heading: &'static str,
    /// Their names, in the order in which such a person meets them.
    names: &'static [&'static str],
}

/// Every group, in the order of a release's way to its users. A command that two kinds of people need is in two groups.
static GROUPS: [Group; 5] = [
    Group {
        heading: "For a vendor, who builds releases",
        names: &["init", "lock", "build", "key", "trust", "license", "stage"],
    },
    Group {
        heading: "At a desk, without a site",
        names: &[
            "inspect",
            "verify",
            "provenance",
            "sbom",
            "diff",
            "models",
            "facts",
            "probe",
            "preflight",
            "plan",
            "audit",
            "carry",
        ],
    },
    Group {
        heading: "For an engineer, who changes a site",
        names: &[
            "install",
            "resume",
            "upgrade",
            "rollback",
            "configure",
            "backup",
            "drill",
            "restore",
            "replaced-data",
            "uninstall",
        ],
    },
    Group {
        heading: "For a customer, who runs a site",
        names: &[
            "status",
            "doctor",
            "logs",
            "top",
            "events",
            "history",
            "releases",
            "settings",
            "prove",
            "console",
            "approvals",
            "license",
            "carry",
            "support",
            "kubectl",
        ],
    },
    Group {
        heading: "About Landfall itself",
        names: &["handbook", "explain", "errors", "version", "completions", "manuals", "schemas", "node"],
    },
];

/// Heading of commands that no group names.
const OTHERS: &str = "Other commands";

/// How far names are indented, and how far explanations are from them.
const INDENT: usize = 2;

impl Group {
    /// The commands of a program that are in it, those that help does not list left out.
    fn commands<'a>(&self, program: &'a Command) -> Vec<&'a Command> {
        let shown = |name: &&str| program.find_subcommand(name).filter(|command| !command.is_hide_set());
        self.names.iter().filter_map(shown).collect()
    }
}

/// The groups of a program's commands, each with its heading. What no group names comes last.
pub(crate) fn command_groups(program: &Command) -> Vec<(&'static str, Vec<&Command>)> {
    let is_known = |command: &&Command| GROUPS.iter().any(|group| group.names.contains(&command.get_name()));
    let others = program.get_subcommands().filter(|command| !command.is_hide_set() && command.get_name() != "help");
    let groups = GROUPS.iter().map(|group| (group.heading, group.commands(program)));
    let groups = groups.chain([(OTHERS, others.filter(|command| !is_known(command)).collect())]);
    groups.filter(|(_, commands)| !commands.is_empty()).collect()
}

/// The groups as text within so many columns.
pub(super) fn format_groups(program: &Command, columns: usize) -> String {
    let style = clap::builder::Styles::styled();
    let (header, literal) = (style.get_header(), style.get_literal());
    let groups = command_groups(program);
    let names = groups.iter().flat_map(|(_, commands)| commands).map(|command| command.get_name().len());
    let width = names.max().unwrap_or_default();
    let mut text = String::new();
    for (heading, commands) in groups {
        let _infallible = writeln!(text, "{header}{heading}:{header:#}");
        for command in commands {
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            let about = wrap_text(&about, columns.saturating_sub(2 * INDENT + width), 2 * INDENT + width);
            let name = command.get_name();
            let _infallible = writeln!(text, "  {literal}{name:width$}{literal:#}  {about}");
        }
        text.push('\n');
    }
    text
}

/// A text in lines of so many columns; all but the first begin with an indent.
fn wrap_text(text: &str, columns: usize, indent: usize) -> String {
    let (mut wrapped, mut used) = (String::new(), 0);
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if used > 0 && used + 1 + length > columns {
            let _infallible = write!(wrapped, "\n{:indent$}", "");
            used = 0;
        } else if used > 0 {
            wrapped.push(' ');
            used += 1;
        }
        wrapped.push_str(word);
        used += length;
    }
    wrapped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listed_commands_are_grouped() {
        let program = crate::cli::command();
        let groups = command_groups(&program);
        assert!(
            groups.iter().all(|(heading, _)| *heading != OTHERS),
            "a group of cli/groups.rs must name each command"
        );
        assert_eq!(groups.len(), GROUPS.len());
    }

    #[test]
    fn explanations_are_wrapped() {
        assert_eq!(wrap_text("one two three four", 9, 4), "one two\n    three\n    four");
        assert_eq!(wrap_text("", 9, 4), "");
    }
}
