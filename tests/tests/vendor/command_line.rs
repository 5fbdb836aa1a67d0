//! The command line, as used by people and by scripts.
#![expect(clippy::disallowed_methods, reason = "files of the tests, removed with them")]

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use landfall_xtask::documents;
use landfall_xtask::help::commands;
use serde_json::{Value, json};

use super::outcome::Outcome;
use super::starter::{PART_SIZE, Starter, release, starter};

/// Returns the help of a command. `landfall kubectl --help` would run kubectl itself if it exists.
fn help(starter: &Starter, words: &[String], flag: &str) -> Result<Outcome> {
    if words == ["kubectl"] {
        return Outcome::success(&mut starter.landfall(&["help", "kubectl"]));
    }
    Outcome::success(starter.landfall(&[]).args(words).arg(flag))
}

/// Returns every command, as the words that call it.
fn all_commands(starter: &Starter) -> Result<Vec<Vec<String>>> {
    let mut found = Vec::new();
    let mut open = vec![Vec::new()];
    while let Some(words) = open.pop() {
        let help = help(starter, &words, "--help")?;
        for name in commands(help.text()?) {
            open.push(words.iter().cloned().chain([name]).collect());
        }
        found.push(words);
    }
    Ok(found)
}

#[test]
#[ignore = "needs cargo xtask test"]
fn every_command_explains_itself() -> Result<()> {
    let starter = starter()?;
    let all = all_commands(starter)?;
    for expected in [
        "key new",
        "lock",
        "build",
        "inspect",
        "verify",
        "stage",
        "plan",
        "install",
        "facts",
        "resume",
        "status",
        "prove",
        "kubectl",
        "logs",
        "schemas",
        "uninstall",
        "node run",
        "completions",
    ] {
        assert!(all.iter().any(|words| words.join(" ") == expected), "{expected} is not listed: {all:?}");
    }
    for words in &all {
        for flag in ["--help", "-h"] {
            let help = help(starter, words, flag)?;
            let text = help.text()?;
            assert!(help.stderr.is_empty(), "{words:?} {flag}: {}", help.stderr);
            let usage = format!("Usage: {}", [&["landfall".to_owned()], &words[..]].concat().join(" "));
            assert!(text.contains(&usage), "{words:?} {flag}:\n{text}");
            assert!(!text.starts_with("Usage"), "{words:?} {flag} says nothing about itself");
            assert!(text.lines().all(|line| line.chars().count() <= 100), "{words:?} {flag} is too wide:\n{text}");
        }
        // Every option has its explanation on its line or below.
        let long = help(starter, words, "--help")?;
        let lines: Vec<_> = long.text()?.lines().collect();
        // A hyphen followed by a space introduces a possible value, not an option.
        let is_option = |line: &str| line.trim_start().starts_with('-') && !line.trim_start().starts_with("- ");
        for (index, line) in lines.iter().enumerate().filter(|(_, line)| is_option(line)) {
            let explained = line.trim_start().contains("  ")
                || lines.get(index + 1).is_some_and(|next| next.starts_with("          "));
            assert!(explained, "{words:?}: {line}");
        }
    }
    Ok(())
}

#[test]
#[ignore = "needs cargo xtask test"]
fn completions_are_scripts_of_their_shells() -> Result<()> {
    let starter = starter()?;
    let folder = starter.scratch()?;
    for (shell, check) in [("bash", "-n"), ("zsh", "-n"), ("fish", "--no-execute")] {
        let completions = Outcome::success(&mut starter.landfall(&["completions", shell]))?;
        assert!(completions.stderr.is_empty(), "{}", completions.stderr);
        for words in all_commands(starter)?.iter().filter(|words| !words.is_empty()) {
            let last = words.last().map(String::as_str).unwrap_or_default();
            assert!(completions.text()?.contains(last), "{shell} does not complete {words:?}");
        }
        let script = folder.path().join(shell);
        std::io::Write::write_all(&mut std::fs::File::create(&script)?, &completions.stdout)?;
        let parsed = Outcome::success(Command::new(shell).arg(check).arg(&script))?;
        assert!(parsed.stderr.is_empty(), "{shell}: {}", parsed.stderr);
    }
    // Bash completes commands with the script.
    let script = "source \"$1\"; COMP_WORDS=(landfall ins); COMP_CWORD=1; _landfall landfall ins landfall; echo \
        \"${COMPREPLY[@]}\"";
    let completed =
        Outcome::success(Command::new("bash").args(["-c", script, "bash"]).arg(folder.path().join("bash")))?;
    assert_eq!(completed.text()?.trim(), "inspect install");
    Ok(())
}

/// Returns the error that a command with `--json` wrote: the last line of standard error.
fn json_error(outcome: &Outcome) -> Result<Value> {
    documents::lines(&outcome.stderr)?.pop().context("nothing was said")
}

#[test]
#[ignore = "needs cargo xtask test"]
fn json_option_makes_errors_json() -> Result<()> {
    let starter = starter()?;
    let stick = starter.stick().display().to_string();
    let nothing = starter.stick().join("nothing").display().to_string();
    let cases: [(&[&str], i32, &str, &str); 9] = [
        (&["inspect", &nothing], 2, "LF1204", "usage"),
        (&["verify", &stick], 3, "LF1101", "refused"),
        (&["verify", &stick, "--trust", "sha256:123"], 2, "LF1102", "usage"),
        (&["verify", &stick, "--trust", "1.rot.json"], 2, "LF1122", "usage"),
        (&["install", &stick, "--trust", "1.rot.json"], 2, "LF1122", "usage"),
        (&["install", &stick, "--trust", "sha256:123"], 2, "LF1102", "usage"),
        (&["inspect"], 2, "LF9003", "usage"),
        (&["instal", &stick], 2, "LF9003", "usage"),
        (&["verify", &stick, "--colour"], 2, "LF9003", "usage"),
    ];
    for (arguments, exit, code, class) in cases {
        let outcome = Outcome::of(starter.landfall(arguments).arg("--json"))?;
        assert_eq!((outcome.code, outcome.stdout.len()), (exit, 0), "{arguments:?}: {}", outcome.stderr);
        let error = json_error(&outcome)?;
        assert_eq!((error["code"].as_str(), error["class"].as_str()), (Some(code), Some(class)), "{arguments:?}");
        for field in ["what", "next"] {
            assert!(error[field].as_str().is_some_and(|text| !text.is_empty()), "{arguments:?}: {error}");
        }
        assert!(error["causes"].is_array(), "{arguments:?}: {error}");
    }
    Ok(())
}

#[test]
#[ignore = "needs cargo xtask test"]
fn wrong_arguments_are_usage_errors() -> Result<()> {
    let starter = starter()?;
    let folder = starter.scratch()?;
    let nothing = folder.path().join("nothing").display().to_string();
    let fingerprint = starter.fingerprint()?;
    let release = release().display().to_string();
    let stick = starter.stick().display().to_string();
    let store = folder.path().join("store").display().to_string();
    let mut cases: Vec<Vec<&str>> = vec![
        vec!["inspect", &nothing],
        vec!["verify", &nothing, "--trust", &fingerprint],
        vec!["stage", &nothing, "--trust", &fingerprint, "--store", &store],
        vec!["install", &nothing, "--trust", &fingerprint],
        vec!["install", &nothing, "--trust", &fingerprint, "--dry-run"],
        vec!["install", &stick, "--trust", &fingerprint, "--site", &nothing, "--dry-run"],
        vec!["verify", &stick, "--trust", &nothing],
        vec!["lock", &nothing],
        vec!["lock", &release, "--lock", &nothing],
        vec!["lock", &release, "--registries", &nothing],
    ];
    // A build detects this before it downloads: its store and output do not exist.
    let (lock, key) =
        (starter.lock_file().display().to_string(), starter.keys().join("cosign.key").display().to_string());
    let roots = starter.keys().display().to_string();
    let kubectl = starter.binaries().join("kubectl").display().to_string();
    let output = folder.path().join("output").display().to_string();
    let good = [
        ("--lock", lock.as_str()),
        ("--key", &key),
        ("--roots", &roots),
        ("--kubectl", &kubectl),
        ("--registries", ""),
        ("--installer", ""),
    ];
    for wrong in good.iter().map(|(option, _)| *option).chain(["release"]) {
        let named = if wrong == "release" { &nothing } else { &release };
        let mut case = vec!["build", named.as_str(), "--output", &output, "--store", &store];
        for (option, value) in good {
            let value = if option == wrong { &nothing } else { value };
            if !value.is_empty() {
                case.extend([option, value]);
            }
        }
        cases.push(case);
    }
    for case in cases {
        let mut command = starter.landfall(&case);
        let outcome = Outcome::of(command.env("LANDFALL_KEY_PASSWORD", landfall_xtask::vendor::KEY_PASSWORD))?;
        assert_eq!(outcome.code, 2, "{case:?}: {}", outcome.stderr);
        assert!(outcome.stdout.is_empty() && outcome.stderr.contains(&nothing), "{case:?}: {}", outcome.stderr);
        assert!(outcome.stderr.contains("\n  next: "), "{case:?}: {}", outcome.stderr);
    }
    assert_eq!(folder.path().read_dir()?.count(), 0, "something was written");
    Ok(())
}

/// With `--json`, each line of standard error has a kind, and the error is the last line. With `--quiet`, it is the
/// only one.
#[test]
#[ignore = "needs cargo xtask test"]
fn progress_is_separate_from_errors() -> Result<()> {
    let starter = starter()?;
    let fingerprint = starter.fingerprint()?;
    let run = |more: &[&str], bundle: &Path| {
        Outcome::of(starter.landfall(&["verify", "--trust", &fingerprint]).args(more).arg(bundle))
    };
    let told = run(&["--json"], &starter.stick())?;
    let report = told.json()?;
    assert_eq!((told.code, report["kind"].as_str()), (0, Some("verify")), "{}", told.stderr);
    let events = documents::lines(&told.stderr)?;
    assert!(events.iter().all(|line| line["kind"] == "progress"), "{}", told.stderr);
    assert_eq!(events[0]["totalBytes"], report["bytes"], "{}", told.stderr);
    let moved: u64 = events.iter().filter_map(|event| event["bytes"].as_u64()).sum();
    assert_eq!(Some(moved), report["bytes"].as_u64(), "a program can add up what was read");
    for more in [&["--json", "--quiet"][..], &["--quiet"]] {
        let quiet = run(more, &starter.stick())?;
        assert_eq!((quiet.code, quiet.stderr.as_str()), (0, ""), "{more:?}");
        assert!(!quiet.stdout.is_empty(), "{more:?}: the result is missing");
    }

    // A bundle that is damaged at its end: progress first, then the error.
    let folder = starter.scratch()?;
    for name in starter.file_names() {
        std::fs::copy(starter.stick().join(name), folder.path().join(name))?;
    }
    let parts = starter.part_paths();
    let last = folder.path().join(parts.last().and_then(|part| part.file_name()).context("no parts")?);
    let file = std::fs::File::options().write(true).open(&last)?;
    std::os::unix::fs::FileExt::write_all_at(&file, &[0xa5; 4096], file.metadata()?.len() / 2)?;
    let refused = run(&["--json"], folder.path())?;
    assert_eq!((refused.code, refused.stdout.len()), (3, 0), "{}", refused.stderr);
    let mut lines = documents::lines(&refused.stderr)?;
    assert!(lines.pop().is_some_and(|line| line["kind"] == "error" && line["exitCode"] == 3), "{}", refused.stderr);
    assert!(!lines.is_empty() && lines.iter().all(|line| line["kind"] == "progress"), "{}", refused.stderr);
    let quiet = documents::lines(&run(&["--json", "--quiet"], folder.path())?.stderr)?;
    assert!(quiet.len() == 1 && quiet[0]["kind"] == "error", "{quiet:?}");
    let quiet = run(&["--quiet"], folder.path())?.stderr;
    assert!(quiet.starts_with("error[") && quiet.matches("\nerror[").count() == 0, "{quiet}");
    assert_eq!(run(&["--quiet", "--verbose"], folder.path())?.code, 2, "they contradict each other");
    Ok(())
}

#[test]
#[ignore = "needs cargo xtask test"]
fn piped_progress_has_plain_lines() -> Result<()> {
    let starter = starter()?;
    let folder = starter.scratch()?;
    let mut build = starter.rebuild(&folder.path().join("stick").display().to_string(), &["--part-size", PART_SIZE])?;
    let said = Outcome::success(&mut build)?.stderr;
    assert!(!said.contains(['\r', '\u{1b}']), "{said:?}");
    assert!(said.ends_with('\n') && said.lines().all(|line| !line.trim().is_empty()), "{said:?}");
    for expected in ["rendering", "writing the bundle: ", "reading back: ", "its media may be unmounted"] {
        assert!(said.contains(expected), "{expected:?} was not said:\n{said}");
    }
    let position = |text: &str| said.find(text).context("not said");
    assert!(position("reading back: ")? < position("its media may be unmounted")?);
    // Output for scripts goes to the other stream, and contains only data.
    assert!(starter.report.is_object());
    Ok(())
}

#[test]
#[ignore = "needs cargo xtask test"]
fn any_name_of_bundle_works() -> Result<()> {
    let starter = starter()?;
    let expected = starter.inspection()?;
    assert_eq!(expected["verified"], false, "inspection verifies nothing and says so");
    let parts = starter.part_paths();
    for path in [&starter.file(".head")?, &parts[0], &parts[1], parts.last().context("no parts")?] {
        let shown = Outcome::success(starter.landfall(&["inspect", "--json"]).arg(path))?;
        assert_eq!(shown.json()?, expected, "{}", path.display());
    }
    // Only the head, as received by e-mail.
    let folder = starter.scratch()?;
    let alone = folder.path().join("mailed.head");
    std::fs::copy(starter.file(".head")?, &alone)?;
    assert_eq!(Outcome::success(starter.landfall(&["inspect", "--json"]).arg(&alone))?.json()?, expected);
    let text = Outcome::success(starter.landfall(&["inspect"]).arg(&alone))?;
    assert!(text.text()?.starts_with("NOT VERIFIED"), "{}", text.text()?);
    assert!(text.text()?.contains(&starter.fingerprint()?) && text.text()?.contains("DEVELOPMENT"));
    let (_, values) = text.text()?.split_once("\nvalue in site.yaml").context("no table of values")?;
    let row = values.lines().find(|line| line.starts_with("postgres.storage ")).context("no postgres.storage")?;
    let words: Vec<_> = row.split_whitespace().collect();
    assert_eq!(words[1..3], ["string", "2Gi"], "{row}");
    assert!(row.contains("Size of the database's volume; ^[1-9]"), "{row}");
    assert!(!values.contains("cluster."), "computed values are listed for people:\n{values}");
    // It cannot be verified without the parts.
    let refused = Outcome::of(starter.landfall(&["verify", "--trust", &starter.fingerprint()?]).arg(&alone))?;
    assert_eq!((refused.code, refused.error()), (3, Some("LF1206")), "{}", refused.stderr);

    // Closing the pipe early is not an error.
    let mut child =
        starter.landfall(&["inspect"]).arg(starter.stick()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    drop(child.stdout.take());
    let output = child.wait_with_output()?;
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// The head is sufficient on any machine for a plan, or for all blockers at once.
#[test]
#[ignore = "needs cargo xtask test"]
fn dry_run_needs_only_head() -> Result<()> {
    let starter = starter()?;
    let mail = starter.scratch()?;
    let name = starter.file_names().into_iter().find(|name| name.contains(".head")).context("there is no head")?;
    let head = mail.path().join(name);
    std::fs::copy(starter.stick().join(name), &head).context("cannot copy the head")?;
    // Without the parts, nothing can be installed, even if the machine is ready.
    assert!(!mail.path().join(starter.file_names()[0]).exists());
    let fingerprint = starter.fingerprint()?;
    let dry_run = |media: &Path, more: &[&str]| {
        let arguments = ["install", "--trust", &fingerprint, "--dry-run", "--json"];
        Outcome::of(starter.landfall(&arguments).args(more).arg(media))
    };
    let file = mail.path().join("facts.json");
    let from_facts = |facts: &Value| {
        serde_json::to_writer(std::fs::File::create(&file)?, facts)?;
        dry_run(&head, &["--facts", &file.display().to_string()])
    };
    let mut facts = ready_machine(starter)?;
    let planned = from_facts(&facts)?;
    assert_eq!(planned.code, 0, "{}", planned.stderr);
    let steps = planned.json()?["plan"]["steps"].as_array().map_or(0, Vec::len);
    assert!(steps > 10, "a plan of {steps} steps");

    facts["cores"] = json!(1);
    let blocked = from_facts(&facts)?;
    let error = json_error(&blocked)?;
    assert_eq!((blocked.code, error["code"].as_str()), (4, Some("LF3020")), "{}", blocked.stderr);
    let blockers = error["blockers"].as_array().context("the blockers are no list")?;
    assert!(!blockers.is_empty(), "{error}");
    for blocker in blockers {
        for field in ["code", "what", "why", "next"] {
            assert!(blocker[field].as_str().is_some_and(|text| !text.is_empty()), "{field} is missing: {blocker}");
        }
    }

    // For this machine, ready or not, the head alone gives the same result as the whole stick.
    let (alone, whole) = (dry_run(&head, &[])?, dry_run(&starter.stick(), &[])?);
    assert_eq!(alone.code, whole.code, "{}\n{}", alone.stderr, whole.stderr);
    assert_eq!(verdict(&alone)?, verdict(&whole)?);
    Ok(())
}

/// Returns the number of a plan's steps, or the codes of its blockers.
fn verdict(outcome: &Outcome) -> Result<Vec<Value>> {
    if outcome.code == 0 {
        return Ok(vec![json!(outcome.json()?["plan"]["steps"].as_array().map_or(0, Vec::len))]);
    }
    let error = json_error(outcome)?;
    let blockers = error["blockers"].as_array().with_context(|| format!("there are no blockers: {error}"))?;
    Ok(blockers.iter().map(|blocker| blocker["code"].clone()).collect())
}

/// Returns facts of a machine that is ready for the release, in the format of `landfall facts`.
fn ready_machine(starter: &Starter) -> Result<Value> {
    let mut facts = Outcome::success(&mut starter.landfall(&["facts"]))?.json()?;
    let ready = json!({
        "collectedAt": "2030-01-01T00:00:00Z", "root": true, "platform": "linux/amd64", "kernel": "6.1.0",
        "hostname": "customer-7", "systemd": true, "cores": 16, "memoryBytes": 64_u64 << 30, "leftovers": [],
        "missingModules": [],
    });
    for (name, value) in ready.as_object().into_iter().flatten() {
        assert!(!facts[name].is_null(), "there is no fact {name}: {facts:#}");
        facts[name] = value.clone();
    }
    facts["cgroups"]["controllers"] = json!(["cpu", "cpuset", "memory", "pids"]);
    facts["filesystems"] = json!([{
        "paths": ["/var/lib/landfall", "/etc", "/usr/local/bin", "/var/log"], "totalBytes": 1_u64 << 40,
        "freeBytes": 1_u64 << 40, "freeInodes": null, "readOnly": false, "rotates": null,
        "noExec": [], "kind": "ext4", "options": ["rw", "relatime"],
    }]);
    facts["network"]["portsInUse"] = json!([22]);
    facts["network"]["firewalld"] = Value::Null;
    facts["network"]["networks"] = json!(["192.0.2.0/24"]);
    facts["network"]["addresses"] = json!([{ "interface": "eth0", "address": "192.0.2.17", "prefix": 24 }]);
    Ok(facts)
}

/// Returns the codes of an error's blockers.
fn blockers(error: &Value) -> Vec<&str> {
    error["blockers"].as_array().into_iter().flatten().filter_map(|one| one["code"].as_str()).collect()
}

/// Checks machines that this one cannot be turned into: the only blocker of each has this code.
fn refuse_each_unfit_machine(ready: &Value, plan: impl Fn(&Value) -> Result<Outcome>) -> Result<()> {
    let six = json!([{ "interface": "eth0", "address": "2001:db8::17", "prefix": 64 }]);
    for (fact, value, code) in [
        ("/selinux", json!("enforcing"), "LF3024"),
        ("/dataFolder/kind", json!("nfs4"), "LF3025"),
        ("/dataFolder/xfsWithoutFtype", json!(true), "LF3025"),
        ("/dataFolder/permanent", json!(false), "LF3026"),
        ("/network/addresses", six, "LF3027"),
    ] {
        let mut facts = ready.clone();
        *facts.pointer_mut(fact).with_context(|| format!("there is no fact {fact}"))? = value;
        let blocked = plan(&facts)?;
        let error = json_error(&blocked)?;
        assert_eq!((blocked.code, blockers(&error)), (4, vec![code]), "{fact}: {error}");
    }
    Ok(())
}

/// Tests use pipes; people use terminals.
#[test]
#[ignore = "needs cargo xtask test"]
fn terminal_output_equals_piped_output() -> Result<()> {
    let starter = starter()?;
    let head = starter.file(".head")?;
    for verb in ["errors".to_owned(), format!("inspect {}", head.display())] {
        let words: Vec<&str> = verb.split(' ').collect();
        let mut command = starter.landfall(&words);
        let line = format!("{} {verb}", command.get_program().display());
        let mut at_a_terminal = Command::new("script");
        at_a_terminal.args(["--quiet", "--return", "--command", &line, "/dev/null"]).stdin(Stdio::null());
        let (piped, shown) = (Outcome::success(&mut command)?, Outcome::success(&mut at_a_terminal)?);
        assert_eq!(shown.text()?.replace("\r\n", "\n"), format!("{}{}", piped.stderr, piped.text()?), "{verb}");
    }
    Ok(())
}

/// A vendor can plan for a customer's machine anywhere, as any user.
#[test]
#[ignore = "needs cargo xtask test"]
fn plan_from_facts_matches_machine() -> Result<()> {
    let starter = starter()?;
    let folder = starter.scratch()?;
    let (file, fingerprint) = (folder.path().join("facts.json"), starter.fingerprint()?);
    let name = starter.file_names().into_iter().find(|name| name.contains(".head")).context("there is no head")?;
    let plan = |facts: &Value| {
        serde_json::to_writer(std::fs::File::create(&file)?, facts)?;
        let mut command = starter.landfall(&["install", "--trust", &fingerprint, "--dry-run", "--json", "--facts"]);
        Outcome::of(command.arg(&file).arg(starter.stick().join(name)))
    };
    let mut facts = ready_machine(starter)?;
    let planned = plan(&facts)?;
    assert_eq!(planned.code, 0, "{}", planned.stderr);
    let report = planned.json()?;
    // Inside another document, it has neither kind nor schema.
    let mut within = facts.clone();
    within.as_object_mut().context("facts are an object")?.retain(|name, _| name != "kind" && name != "schema");
    assert_eq!(report["facts"], within);
    let text = report["plan"].to_string();
    assert!(text.contains("customer-7") && text.contains("192.0.2.17"), "the plan belongs to another machine: {text}");

    facts["cores"] = json!(1);
    facts["network"]["portsInUse"] = json!([22, 6443]);
    let blocked = plan(&facts)?;
    let error = json_error(&blocked)?;
    assert_eq!((blocked.code, blockers(&error)), (4, vec!["LF3006", "LF3011"]), "{error}");

    refuse_each_unfit_machine(&ready_machine(starter)?, plan)?;
    facts["surprise"] = json!(true);
    let unknown = plan(&facts)?;
    assert_eq!((unknown.code, json_error(&unknown)?["code"].as_str()), (2, Some("LF3021")), "{}", unknown.stderr);
    // Facts are for planning: an install applies to the machine on which it runs.
    let mut install = starter.landfall(&["install", "--trust", &fingerprint, "--facts"]);
    assert_eq!(Outcome::of(install.arg(&file).arg(starter.stick()))?.code, 2);
    Ok(())
}
