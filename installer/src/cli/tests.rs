use std::collections::BTreeSet;

use clap::{CommandFactory, Parser};
use landfall_handbook::{PAGES, Page};

#[test]
fn arguments_are_consistent() {
    super::command().debug_assert();
}

/// Collects the help of a command and of those below it, hidden ones too, by their words.
fn helps(command: &clap::Command, words: &str, found: &mut Vec<(String, String)>) {
    let help = command.clone().term_width(100).render_long_help().to_string();
    found.push((words.to_owned(), help));
    for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
        helps(below, &format!("{words} {}", below.get_name()), found);
    }
}

#[test]
fn help_matches_snapshots() {
    let mut command = super::help::command_within(100);
    command.build();
    let mut found = Vec::new();
    helps(&command, "landfall", &mut found);
    for (words, help) in found {
        insta::assert_snapshot!(format!("help of {words}").replace(' ', "_"), help);
    }
}

#[path = "../../tests/verbs/table.rs"]
mod table;

/// Collects the words of every verb that does something itself, hidden ones too.
fn verbs(command: &clap::Command, words: &str, found: &mut BTreeSet<String>) {
    let mut below = command.get_subcommands().filter(|below| below.get_name() != "help").peekable();
    if below.peek().is_none() || !command.is_subcommand_required_set() {
        found.insert(words.to_owned());
    }
    below.for_each(|below| verbs(below, format!("{words} {}", below.get_name()).trim(), found));
}

#[test]
fn verbs_have_test_rows() {
    let mut found = BTreeSet::new();
    verbs(&super::Cli::command(), "", &mut found);
    let rows: BTreeSet<_> = table::ROWS.iter().map(|(verb, ..)| (*verb).to_owned()).collect();
    let missing: Vec<_> = found.difference(&rows).collect();
    let unknown: Vec<_> = rows.difference(&found).collect();
    assert!(missing.is_empty() && unknown.is_empty(), "without a row: {missing:?}; without a verb: {unknown:?}");
    assert_eq!(rows.len(), table::ROWS.len(), "a verb has two rows");
    for (verb, arguments, _) in table::ROWS {
        let arguments = arguments.split_whitespace();
        let words = ["landfall"].into_iter().chain(verb.split(' ')).chain(arguments).map(Into::into);
        let parsed = super::Cli::try_parse_from(super::with_kubectl_apart(words));
        assert!(parsed.is_ok(), "{verb}: {parsed:?}");
    }
}

#[test]
fn arguments_after_kubectl_are_passed_on() {
    let passed = |words: &[&str]| {
        let arguments = super::with_kubectl_apart(words.iter().map(Into::into));
        let cli = super::parse(arguments).unwrap();
        let super::Command::Kubectl(kubectl) = cli.command else { panic!("{words:?}") };
        let passed: Vec<_> = kubectl.arguments.iter().map(|one| one.to_str().unwrap().to_owned()).collect();
        (cli.json, cli.verbose, passed.join(" "))
    };
    for rest in ["", "--help", "--version", "-h", "get pods -v 6 --json", "exec db-0 -- psql -c x -- y", "-- get", "-q"]
    {
        let words: Vec<_> = ["landfall", "kubectl"].into_iter().chain(rest.split_whitespace()).collect();
        assert_eq!(passed(&words), (false, 0, rest.to_owned()), "{rest}");
    }
    assert_eq!(passed(&["landfall", "-v", "--json", "kubectl", "top", "-v"]), (true, 1, "top -v".to_owned()));
    let untouched = super::with_kubectl_apart(["landfall", "logs", "kubectl"].iter().map(Into::into));
    assert_eq!(untouched, ["landfall", "logs", "kubectl"]);
}

#[test]
fn lock_update_takes_any_names() {
    let update = |words: &str| {
        let words = ["landfall", "lock", "releases/shop"].into_iter().chain(words.split_whitespace());
        let super::Command::Lock(lock) = super::parse(words).expect("arguments").command else { panic!("not a lock") };
        lock.update.map(|names| names.join(" "))
    };
    for (words, names) in [
        ("", None),
        ("--update", Some("")),
        ("--update grafana", Some("grafana")),
        ("--update grafana valkey:8 --output new.lock", Some("grafana valkey:8")),
        ("--update grafana --update=valkey", Some("grafana valkey")),
    ] {
        assert_eq!(update(words).as_deref(), names, "{words}");
    }
    for other in ["--check", "--dry-run"] {
        let words = ["landfall", "lock", "releases/shop", "--update", "grafana", other];
        let refused = super::parse(words).expect_err(other);
        assert_eq!(refused.kind(), clap::error::ErrorKind::ArgumentConflict, "{other}");
    }
}

/// The words of each command in a document's examples, up to a pipe or a redirection.
fn examples(document: &str) -> Vec<Vec<&str>> {
    let commands = document.lines().filter_map(|line| {
        let line = line.trim_start();
        line.strip_prefix("site# ").or_else(|| line.strip_prefix("desk$ "))
    });
    commands.map(|command| command.split_whitespace().take_while(|word| !["|", ">"].contains(word)).collect()).collect()
}

#[test]
fn handbook_commands_parse() {
    let all = PAGES.iter().map(Page::markdown).flat_map(examples);
    let is_own = |words: &Vec<&str>| words.first().is_some_and(|word| word.rsplit('/').next() == Some("landfall"));
    let own: Vec<_> = all.filter(is_own).collect();
    assert!(own.len() > 50, "only {} commands were found", own.len());
    for words in own {
        let arguments = super::with_kubectl_apart(words.iter().map(Into::into));
        if let Err(error) = super::parse(arguments) {
            panic!("{}: {error}", words.join(" "));
        }
    }
}
