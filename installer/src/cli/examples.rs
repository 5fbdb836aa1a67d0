//! Examples of every command that a person types, as its help and its manual page show them.

use clap::Command;

/// The words of a command, and complete commands as a person types them.
type Examples = (&'static str, &'static [&'static str]);

/// All examples, in the order of the groups of commands.
const EXAMPLES: &[Examples] = &[
    // For a vendor.
    ("init", &["landfall init manifests/ --output releases/shop", "landfall init chart.tgz --output shop --name shop"]),
    (
        "lock",
        &[
            "landfall lock releases/shop",
            "landfall lock releases/shop --update postgres",
            "landfall lock releases/shop --check",
        ],
    ),
    ("build", &["landfall build releases/shop --key cosign.key --roots keys --output /media/stick"]),
    ("key new", &["landfall key new --output keys", "landfall key new --output alice --no-root --kind ed25519"]),
    ("trust init", &["landfall trust init --key root=alice.pub --key release=bob.pub --output keys"]),
    ("trust rotate", &["landfall trust rotate --roots keys --add release=carol.pub --remove release=bob.pub"]),
    ("trust revoke", &["landfall trust revoke shop 1.2.0 --roots keys --reason 'It loses orders'"]),
    ("trust sign", &["landfall trust sign keys/2.root.json --key cosign.key"]),
    ("trust show", &["landfall trust show keys/2.root.json", "landfall trust show keys/2.root.json --message to-sign"]),
    ("trust import", &["landfall trust import /media/stick/revocation.json"]),
    ("license issue", &["landfall license issue acme.yaml --key license.key --roots keys --output licenses"]),
    ("license revoke", &["landfall license revoke acme-2026 --roots keys --reason 'Replaced by acme-2027'"]),
    ("license inspect", &["landfall license inspect acme.license --trust keys/1.root.json"]),
    ("license import", &["landfall license import /media/stick/acme.license"]),
    ("license show", &["landfall license show"]),
    ("license usage", &["landfall license usage"]),
    ("license report", &["landfall license report --output /media/stick/usage.json"]),
    (
        "license check-report",
        &["landfall license check-report usage.json --license acme.license --trust keys/1.root.json"],
    ),
    ("license confirm-date", &["landfall license confirm-date"]),
    ("stage", &["landfall stage /media/stick --trust keys/1.root.json --store /srv/store"]),
    // At a desk.
    ("inspect", &["landfall inspect /media/stick", "landfall inspect shop-1.2.0.head --json"]),
    ("verify", &["landfall verify /media/stick --trust sha256:2f6c…", "landfall verify --installed"]),
    ("provenance", &["landfall provenance shop-1.2.0.head --trust keys/1.root.json"]),
    (
        "sbom",
        &["landfall sbom shop-1.2.0.head --format spdx", "landfall sbom shop.head --format cyclonedx --image postgres"],
    ),
    ("diff", &["landfall diff shop-1.1.0.head shop-1.2.0.head"]),
    ("models fit", &["landfall models fit shop-1.2.0.head --facts facts.json"]),
    ("facts", &["landfall facts --output facts.json", "landfall facts facts.json --html facts.html"]),
    ("probe", &["landfall probe --kubeconfig ~/.kube/config --image registry.example/facts:1 --output nodes"]),
    (
        "preflight",
        &[
            "landfall preflight /media/stick --trust sha256:2f6c…",
            "landfall preflight shop.head --trust sha256:2f6c… --facts facts.json --fix-script fixes.sh",
        ],
    ),
    ("plan", &["landfall plan shop-1.2.0.head --trust sha256:2f6c… --facts facts.json --html plan.html"]),
    ("audit verify", &["landfall audit verify audit.jsonl --key site.pub"]),
    ("audit show", &["landfall audit show"]),
    ("carry out", &["landfall carry out --output /media/stick"]),
    ("carry in", &["landfall carry in /media/stick"]),
    ("carry read", &["landfall carry read /media/stick/berlin-2026-11-29 --site-key 7d1f…"]),
    ("carry delta", &["landfall carry delta shop-1.2.0.landfall --from shop-1.1.0.head --output /media/stick"]),
    // For an engineer.
    (
        "install",
        &[
            "landfall install /media/stick --trust sha256:2f6c… --site site.yaml",
            "landfall install /media/stick --trust sha256:2f6c… --dry-run --html plan.html",
        ],
    ),
    ("resume", &["landfall resume", "landfall resume --bundle /media/other"]),
    ("upgrade", &["landfall upgrade /media/stick --dry-run", "landfall upgrade /media/stick"]),
    ("rollback", &["landfall rollback --dry-run", "landfall rollback --to 1.1.0 --data keep"]),
    (
        "configure",
        &["landfall configure --site site.yaml --dry-run", "landfall configure --secret directory=password.txt"],
    ),
    ("backup run", &["landfall backup run"]),
    ("backup log", &["landfall backup log"]),
    ("backup list", &["landfall backup list", "landfall backup list --json"]),
    ("backup forget", &["landfall backup forget --lost"]),
    ("backup check", &["landfall backup check", "landfall backup check s3:offsite"]),
    ("backup repair", &["landfall backup repair", "landfall backup repair /mnt/vault"]),
    ("backup schedule", &["landfall backup schedule", "landfall backup schedule --time 03:15"]),
    ("backup copy", &["landfall backup copy", "landfall backup copy /mnt/vault s3:offsite"]),
    ("backup key", &["landfall backup key > /media/stick/backup.key"]),
    ("backup key rotate", &["landfall backup key rotate"]),
    ("backup adopt", &["landfall backup adopt /mnt/vault/berlin --key /media/stick/backup.key"]),
    ("backup objects", &["landfall backup objects --namespace team --output team.json"]),
    ("backup export", &["landfall backup export postgres/database --output database.tar"]),
    ("drill", &["landfall drill", "landfall drill 4fe1"]),
    ("restore", &["landfall restore --dry-run", "landfall restore --component postgres --at 2026-11-22T06:00:00Z"]),
    ("replaced-data list", &["landfall replaced-data list"]),
    ("replaced-data remove", &["landfall replaced-data remove before-restore.postgres-data"]),
    ("uninstall", &["landfall uninstall", "landfall uninstall --delete-data"]),
    // For a customer.
    ("status", &["landfall status", "landfall status --watch"]),
    ("doctor", &["landfall doctor", "landfall doctor --json"]),
    ("logs", &["landfall logs postgres --since 15m", "landfall logs postgres --container postgres --previous"]),
    ("top", &["landfall top"]),
    ("events", &["landfall events", "landfall events postgres"]),
    ("history", &["landfall history", "landfall history --limit 100"]),
    ("history show", &["landfall history show 3"]),
    ("releases", &["landfall releases", "landfall releases --details"]),
    ("settings", &["landfall settings"]),
    ("prove", &["landfall prove", "landfall prove shop-answers"]),
    ("console", &["landfall console", "landfall console --no-token"]),
    ("approvals list", &["landfall approvals list"]),
    ("approvals require", &["landfall approvals require"]),
    ("approvals waive", &["landfall approvals waive"]),
    ("approvals approve", &["landfall approvals approve 4fe1a20c"]),
    ("approvals refuse", &["landfall approvals refuse 4fe1a20c"]),
    ("support collect", &["landfall support collect --output /media/stick/support.tar.gz --since 2h"]),
    ("support analyze", &["landfall support analyze support.tar.gz"]),
    ("kubectl", &["landfall kubectl get pods --all-namespaces"]),
    // About Landfall itself.
    (
        "handbook",
        &["landfall handbook", "landfall handbook ERRORS", "landfall handbook --output /media/stick/handbook"],
    ),
    ("explain", &["landfall explain LF4408", "landfall explain 4408 --json"]),
    ("errors", &["landfall errors"]),
    ("version", &["landfall version", "landfall version --json"]),
    ("completions", &["landfall completions bash > /etc/bash_completion.d/landfall"]),
    ("manuals", &["landfall manuals --output /usr/local/share/man/man1"]),
    ("schemas", &["landfall schemas --output schemas"]),
];

/// The examples of the command with these words.
pub(crate) fn examples_of(words: &str) -> &'static [&'static str] {
    EXAMPLES.iter().find(|(known, _)| *known == words).map(|(_, examples)| *examples).unwrap_or_default()
}

/// The same program, whose commands show their examples.
pub(super) fn add_examples(program: Command) -> Command {
    below(program, "")
}

fn below(command: Command, words: &str) -> Command {
    let names: Vec<String> = command.get_subcommands().map(|below| below.get_name().to_owned()).collect();
    let command = names.iter().fold(command, |command, name| {
        let words = format!("{words} {name}");
        command.mut_subcommand(name, |command| below(command, words.trim_start()))
    });
    match examples_of(words) {
        [] => command,
        examples => command.after_help(text(examples)),
    }
}

fn text(examples: &[&str]) -> String {
    let style = clap::builder::Styles::styled();
    let header = style.get_header();
    let lines = examples.iter().map(|example| format!("\n  {example}"));
    lines.fold(format!("{header}Examples:{header:#}"), |text, line| text + &line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{command, parse, with_kubectl_apart};

    /// The words of every command that a person types: what no command is below, and `backup key`, which works alone.
    fn collect_commands(command: &Command, words: &str, found: &mut Vec<String>) {
        let listed = |below: &&Command| !below.is_hide_set() && !["help", "node"].contains(&below.get_name());
        let below: Vec<_> = command.get_subcommands().filter(listed).collect();
        if below.is_empty() || !command.is_subcommand_required_set() {
            found.push(words.to_owned());
        }
        for one in below {
            collect_commands(one, format!("{words} {}", one.get_name()).trim_start(), found);
        }
    }

    #[test]
    fn typed_commands_have_examples() {
        let mut all = Vec::new();
        collect_commands(&command(), "", &mut all);
        assert!(all.len() > 75, "only {} commands were found", all.len());
        for words in &all {
            assert!(words.is_empty() || !examples_of(words).is_empty(), "`{words}` has no example in cli/examples.rs");
        }
        for (words, _) in EXAMPLES {
            assert!(all.iter().any(|known| known == words), "there is no command `{words}`");
        }
    }

    #[test]
    fn examples_parse() {
        for (words, examples) in EXAMPLES {
            for example in *examples {
                assert!(example.starts_with(&format!("landfall {words}")), "{example}");
                let own = example.split_whitespace().take_while(|word| *word != ">");
                // A shell takes quoted words as one.
                let own =
                    own.filter(|word| !word.ends_with('\'') && (word.starts_with('\'') || !is_quoted(example, word)));
                let arguments = with_kubectl_apart(own.map(Into::into));
                if let Err(error) = parse(arguments) {
                    panic!("{example}: {error}");
                }
            }
        }
    }

    /// Whether a word of an example is inside of its quoted part.
    fn is_quoted(example: &str, word: &str) -> bool {
        example.split('\'').nth(1).is_some_and(|quoted| quoted.split_whitespace().any(|one| one == word))
    }
}
