use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use landfall_media::durable;
use landfall_release_document::BackupRule;
use landfall_test_support::runnable::write_program;
use serde_json::{Value, json};

use super::{Misfit, fill, names};
use crate::backup::{check_rendered, rules};
use crate::definition::Definition;
use crate::error::BuildError;
use crate::proofs::tests::{error_text, read_text};
use crate::rendered::{Origin, RenderedComponent};

const GOOD: &str = include_str!("../../definition/good.yaml");

/// The valid definition, with these lines in a backup rule of the database.
fn text(lines: &str) -> String {
    let needs = "    needs: [network]\n";
    let head = "    data: kept\n    backup:\n      - name: rows\n        workload: StatefulSet/database\n        \
        volume: data\n";
    GOOD.replacen(needs, &format!("{needs}{head}{lines}"), 1)
}

fn definition(lines: &str) -> Result<Definition, BuildError> {
    read_text(&text(lines))
}

fn rule(lines: &str) -> BackupRule {
    let definition = definition(lines).expect("good");
    let index = definition.release.components.iter().position(|component| !component.rules.is_empty()).expect("rules");
    rules(&definition, index).expect("rules").1.remove(0)
}

/// All scripts of a rule.
fn scripts(rule: &BackupRule) -> Vec<&str> {
    let log = rule.log.iter().flat_map(|log| [&log.keep, &log.save, &log.saved, &log.load, &log.recover]);
    let marker = rule.marker.iter().flat_map(|marker| [&marker.write, &marker.read]);
    let hold = rule.hold.iter().flat_map(|hold| [&hold.begin, &hold.end]);
    let all = [&rule.save, &rule.load].into_iter().chain(log).chain(hold).chain(&rule.counts).chain(marker);
    let all = all.chain(rule.checks.iter().map(|check| &check.arguments));
    all.map(|arguments| {
        let [shell, option, script] = &arguments[..] else { panic!("{arguments:?} is no script") };
        assert_eq!((shell.as_str(), option.as_str()), ("sh", "-euc"));
        script.as_str()
    })
    .collect()
}

/// Lines of a valid rule for each preset, with and without all options.
const WAYS: [&str; 8] = [
    "        preset: files\n        with: {path: /data}\n",
    "        preset: files\n        with: {path: /data/uploads}\n        limitSeconds: 60\n",
    "        preset: postgresql\n",
    "        preset: postgresql\n        with: {user: app, database: a-b, port: 5433, data: /data/pg}\n        \
     pointsInTime: false\n",
    "        preset: redis\n",
    "        preset: redis\n        with: {passwordFile: /run/secrets/redis, port: '6380', path: /data/redis}\n",
    "        preset: valkey\n",
    "        preset: valkey\n        with: {passwordFile: /run/secrets/valkey, port: 6380, path: /data/valkey}\n",
];

#[test]
fn preset_scripts_are_valid_shell() {
    for name in names() {
        assert_eq!(WAYS.iter().filter(|lines| lines.contains(&format!("preset: {name}\n"))).count(), 2, "{name}");
    }
    for lines in WAYS {
        let rule = rule(lines);
        for script in scripts(&rule) {
            assert!(!script.contains("@{") && !script.starts_with('\n'), "{lines}{script}");
            // At the site, Landfall replaces these with words.
            let script = script.replace("%{marker}", "word").replace("%{time}", "time").replace("%{seconds}", "30");
            let read = Command::new("sh").args(["-n", "-c", &script]).output().expect("a shell");
            assert!(read.status.success(), "{lines}{script}{}", String::from_utf8_lossy(&read.stderr));
        }
    }
}

#[test]
fn parameters_reach_preset_scripts() {
    let rule = rule(WAYS[3]);
    for script in scripts(&rule) {
        let begin =
            "export POSTGRES_USER='app'; export POSTGRES_DB='a-b'; export PGPORT='5433'; export PGDATA='/data/pg';\n";
        assert!(script.starts_with(begin), "{script}");
    }
    assert!(rule.log.is_none(), "no points in time are wanted");
    let rule = self::rule(WAYS[7]);
    let save = &rule.save[2];
    assert!(save.starts_with("export REDISCLI_AUTH=$(cat /run/secrets/valkey)\n"), "{save}");
    assert!(save.contains("valkey-cli -h 127.0.0.1 -p 6380 --rdb"), "{save}");
    assert!(rule.load[2].contains("unfinished=/data/valkey/appendonlydir.unfinished\n"));
    assert!(self::rule(WAYS[6]).save[2].starts_with("file=$(mktemp)\n"), "a line without a value goes");
}

#[test]
fn release_checks_precede_slow_ones() {
    let own = "        checks: [{shows: It answers, arguments: [ask]}]\n";
    let rule = rule(&format!("{}{own}", WAYS[2]));
    let shown: Vec<&str> = rule.checks.iter().map(|check| check.shows.as_str()).collect();
    assert_eq!(
        shown,
        [
            "The restored PostgreSQL has finished its recovery",
            "It answers",
            "Every table and B-tree index of every restored database is intact",
        ]
    );
    assert_eq!(rule.checks[2].limit_seconds, 3600, "a site extends the limit by the size of the data");
}

#[test]
fn misfit_presets_are_refused() {
    let refusal = |lines: &str| {
        let text = text(lines);
        error_text(&read_text(&text).expect_err("refused"), &text)
    };
    let refusals = [
        refusal(""),
        refusal("        save: [save]\n"),
        refusal("        save: [save]\n        load: [load]\n        with: {path: /data}\n"),
        refusal("        save: [save]\n        load: [load]\n        pointsInTime: true\n"),
        refusal("        preset: postgres\n"),
        refusal("        preset: oracle\n"),
        refusal("        preset: qdrant\n"),
        refusal("        preset: files\n"),
        refusal("        preset: files\n        with: {paths: /data}\n"),
        refusal("        preset: files\n        with: {path: data}\n"),
        refusal("        preset: files\n        with: {path: \"/data'; rm\"}\n"),
        refusal("        preset: files\n        with: {path: /data}\n        pointsInTime: true\n"),
        refusal("        preset: valkey\n        with: {port: 70000}\n"),
        refusal("        preset: postgresql\n        with: {user: '-U'}\n"),
        refusal("        preset: postgresql\n        save: [pg_dump]\n"),
        refusal("        preset: postgresql\n        marker: {write: [set, '%{marker}'], read: [get]}\n"),
        refusal("        preset: valkey\n        hold: {begin: [hold, '%{seconds}'], end: [free]}\n"),
    ];
    insta::assert_snapshot!(refusals.join("\n"));
}

#[test]
fn preset_values_are_validated() {
    let with = |name: &str, value: Value| fill("postgresql", &BTreeMap::from([(name.to_owned(), value)]));
    for (name, value) in
        [("user", json!("app_1.x-y")), ("port", json!(1)), ("port", json!("65535")), ("data", json!("/a/b.c"))]
    {
        assert!(with(name, value.clone()).is_ok(), "{name}: {value}");
    }
    for (name, value) in [
        ("user", json!("")),
        ("user", json!("a b")),
        ("user", json!("a'b")),
        ("user", json!("$USER")),
        ("user", json!("a".repeat(256))),
        ("user", json!(["a"])),
        ("port", json!(0)),
        ("port", json!("08")),
        ("port", json!(65536)),
        ("port", json!(5.5)),
        ("data", json!("/")),
        ("data", json!("/a//b")),
        ("data", json!("/a/../b")),
        ("data", json!("/a\nb")),
    ] {
        assert!(matches!(with(name, value.clone()), Err(Misfit::Value { .. })), "{name}: {value}");
    }
}

#[test]
fn preset_files_need_rule_volume() {
    let database = json!({
        "kind": "StatefulSet", "metadata": { "name": "database" }, "spec": {
            "volumeClaimTemplates": [{ "metadata": { "name": "data" } }],
            "template": { "spec": { "containers": [{ "name": "server",
                "volumeMounts": [{ "name": "data", "mountPath": "/data" }] }] } },
        },
    });
    let checked = |lines: &str| {
        let text = text(lines);
        let definition = read_text(&text).expect("valid release");
        let components = &definition.release.components;
        let index = components.iter().position(|component| component.name.value == "database").expect("component");
        let origin = Origin::Folder("manifests/database".into());
        let rendered = [RenderedComponent { index, origin, objects: vec![database.clone()] }];
        check_rendered(&definition, &rendered).map_err(|error| error_text(&error, &text))
    };
    for lines in WAYS {
        assert_eq!(checked(lines), Ok(()), "{lines}");
    }
    let elsewhere = checked("        preset: files\n        with: {path: /database}\n").expect_err("refused");
    insta::assert_snapshot!(elsewhere, @"LF2002 <preset: files> backup[0].preset: `path` of the preset `files` is /database, which is not on the volume `data` => It is mounted at /data: set `with: {path: …}`.");
}

#[test]
fn release_hold_fills_preset_hold() {
    let own = "        hold: {begin: [hold, '%{seconds}'], end: [free], limitSeconds: 7}\n";
    let hold = rule(&format!("{}{own}", WAYS[0])).hold.expect("a hold");
    assert_eq!(
        (hold.begin(), hold.end, hold.limit_seconds),
        (vec!["hold".to_owned(), "7".to_owned()], vec!["free".to_owned()], 7)
    );
    assert!(rule(WAYS[0]).hold.is_none());
}

/// Creates a command for a script of the Valkey preset. `folder` is the volume, and contains scripts in place of the
/// programs.
fn valkey(folder: &Path, choose: impl Fn(&BackupRule) -> Vec<String>) -> Command {
    let rule = rule(&format!("        preset: valkey\n        with: {{path: {}}}\n", folder.display()));
    let program = choose(&rule);
    let mut command = Command::new(&program[0]);
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").expect("PATH"));
    command.args(&program[1..]).env("PATH", path).current_dir(folder);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A server with a slow snapshot, which ends when the file `go` exists.
const SLOW_SNAPSHOT: &str = "#!/bin/sh\nfor file; do :; done\nprintf REDIS > \"$file\"\nuntil [ -e go ]; do sleep \
    0.05; done\nprintf rest >> \"$file\"\n";

#[test]
fn slow_snapshot_keeps_valkey_writable() {
    let folder = tempfile::tempdir().expect("folder");
    let at = |name: &str| folder.path().join(name);
    write_program(&at("valkey-cli"), SLOW_SNAPSHOT);
    write_program(&at("valkey-check-rdb"), b"#!/bin/sh\n");
    let mut save = valkey(folder.path(), |rule| rule.save.clone()).spawn().expect("a shell");
    let mut stream = save.stdout.take().expect("a stream");
    let mut first = [0; 9];
    stream.read_exact(&mut first).expect("the first line, before the snapshot ends");
    assert_eq!(&first, b"snapshot\n");
    durable::write_file(&at("go"), b"", 0o644).expect("file");
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).expect("the rest");
    assert!(save.wait().expect("an end").success());
    assert_eq!(rest, b"REDISrest");

    let loaded = |input: &[u8]| {
        let mut load = valkey(folder.path(), |rule| rule.load.clone()).spawn().expect("a shell");
        let _closed = load.stdin.take().expect("input").write_all(input);
        load.wait().expect("an end").success()
    };
    assert!(!loaded(b"REDISrest\n"), "another beginning is not a snapshot");
    assert!(loaded(&[&first[..], &rest].concat()));
    let base = fs_err::read(at("appendonlydir/appendonly.aof.1.base.rdb")).expect("the base of the log");
    assert_eq!(base, rest);

    // If the server refuses, there is no snapshot, and the script fails.
    write_program(&at("valkey-cli"), b"#!/bin/sh\nexit 1\n");
    assert!(!valkey(folder.path(), |rule| rule.save.clone()).output().expect("a shell").status.success());
}

/// A client that records its input, and runs the shell commands in it.
const NOTING_CLIENT: &str = "#!/bin/sh\nwhile IFS= read -r line; do case $line in '\\! '*) sh -c \"${line#??}\" ;; \
    *) printf '%s\\n' \"$line\" >> asked ;; esac; done\n";

#[test]
fn base_backup_reserves_own_slot() {
    let folder = tempfile::tempdir().expect("folder");
    let at = |name: &str| folder.path().join(name);
    write_program(&at("psql"), NOTING_CLIENT);
    let saved = || {
        let with = format!("with: {{user: app, database: app, data: {}}}", folder.path().display());
        let rule = rule(&format!("        preset: postgresql\n        {with}\n"));
        let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").expect("PATH"));
        let mut save = Command::new(&rule.save[0]);
        save.args(&rule.save[1..]).env("PATH", path).current_dir(folder.path()).output().expect("a shell")
    };
    write_program(&at("pg_basebackup"), b"#!/bin/sh\nprintf base\n");
    let output = saved();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.stdout, b"base", "nothing else is in the stream");
    let asked = fs_err::read_to_string(at("asked")).expect("what was asked");
    // The slot is temporary and reserved immediately: it ends with its session.
    assert!(asked.contains("pg_create_physical_replication_slot('landfall_base_"), "{asked}");
    assert!(asked.contains("', true, true)") && asked.contains("ALTER SYSTEM SET max_slot_wal_keep_size"), "{asked}");

    write_program(&at("pg_basebackup"), b"#!/bin/sh\nprintf half\nexit 1\n");
    assert!(!saved().status.success(), "the client hides how the program ended");
}

#[test]
fn expiring_valkey_keys_are_not_counted() {
    let folder = tempfile::tempdir().expect("folder");
    let program = folder.path().join("valkey-cli");
    let keyspace = "#!/bin/sh\nprintf '# \
        Keyspace\\r\\ndb0:keys=7,expires=3,avg_ttl=1,subexpiry=0\\r\\ndb12:keys=2,expires=0,avg_ttl=0\\r\\n'\n";
    write_program(&program, keyspace);
    let counted = || valkey(folder.path(), |rule| rule.counts.clone().expect("counts")).output().expect("a shell");
    assert_eq!(String::from_utf8_lossy(&counted().stdout), "db0=4\ndb12=2\n");
    write_program(&program, b"#!/bin/sh\nexit 1\n");
    assert!(!counted().status.success(), "a refusal counts nothing");
}

#[test]
fn point_in_time_rules_count_data() {
    let counts = |lines: &str| rule(lines).counts;
    let postgresql = counts(WAYS[2]).expect("a log leads to the cut");
    assert!(postgresql[2].contains("SELECT 'from='") && postgresql[2].contains("NOWAIT"), "{postgresql:?}");
    assert_eq!(postgresql[2].matches("SET statement_timeout = 0;").count(), 2, "a database may limit statements");
    // Version 17 and later may also limit transactions. Earlier versions do not know the setting, and refuse to `SET`
    // it.
    let limit =
        "\nSELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'transaction_timeout' \\g /dev/null\n";
    assert_eq!(postgresql[2].matches(limit).count(), 2, "{postgresql:?}");
    // The lock of each table is released before the next one is read, so that the server's lock table does not fill up.
    let releases = "c.oid, c.relfilenode), 'ROLLBACK TO SAVEPOINT locked'\n";
    assert!(postgresql[2].contains(releases) && postgresql[2].contains("max_locks_per_transaction"), "{postgresql:?}");
    // A database without tables is counted as well.
    let locks = "\n\\if :{?tables}\nLOCK TABLE :tables IN SHARE MODE NOWAIT;\n\\endif\n";
    assert!(postgresql[2].contains(locks), "{postgresql:?}");
    assert!(counts(WAYS[6]).is_some(), "clients are held");
    assert_eq!(counts(WAYS[3]), None, "without points in time there is no log");
    assert_eq!(counts(&format!("{}        counted: false\n", WAYS[2])), None);
    let hold = "        hold: {begin: [hold, '%{seconds}'], end: [free]}\n        counts: [count]\n";
    assert_eq!(counts(&format!("{}{hold}", WAYS[0])), Some(vec!["count".to_owned()]), "the preset has none");
    let own = "        save: [save]\n        load: [load]\n        marker: {write: [set, '%{marker}'], read: [get]}\n";
    for (wrong, said) in [
        (format!("{}        counted: true\n", WAYS[0]), "the preset `files` counts nothing"),
        (format!("{}        counts: [count]\n", WAYS[0]), "`counts` without a log or a hold"),
        (format!("{}        counts: [count]\n", WAYS[2]), "has `counts`, and so has its preset `postgresql`"),
        (format!("{own}        counted: false\n"), "has `counted`, which only a preset uses"),
    ] {
        let refused = definition(&wrong).expect_err(&wrong).to_string();
        assert!(refused.contains(said), "{refused}");
    }
}

/// Runs a script of the preset for files; `folder` is the volume.
fn run(folder: &Path, choose: impl Fn(&BackupRule) -> Vec<String>, input: &[u8]) -> Output {
    let rule = rule(&format!("        preset: files\n        with: {{path: {}}}\n", folder.display()));
    let program = choose(&rule);
    let mut child = Command::new(&program[0])
        .args(&program[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a shell");
    // A script that does not read its input may close it.
    let _closed = child.stdin.take().expect("input").write_all(input);
    child.wait_with_output().expect("an end")
}

#[test]
fn files_restore_with_digest_check() {
    let (volume, empty) = (tempfile::tempdir().expect("folder"), tempfile::tempdir().expect("folder"));
    let (from, to) = (volume.path(), empty.path());
    durable::create_folder(&from.join(".hidden/deep")).expect("folder");
    durable::create_folder(&from.join("empty")).expect("folder");
    for (name, mode) in [("a file", 0o644), ("-rf", 0o600), (".hidden/deep/\\x", 0o755), ("..odd", 0o640)] {
        durable::write_file(&from.join(name), name.as_bytes(), mode).expect("file");
    }
    durable::symlink(Path::new("a file"), &from.join("link")).expect("link");
    let marked = run(from, |rule| rule.marker.as_ref().expect("marker").write_word("word"), b"");
    assert!(marked.status.success(), "{marked:?}");
    let saved = run(from, |rule| rule.save.clone(), b"");
    assert!(saved.status.success(), "{}", String::from_utf8_lossy(&saved.stderr));

    let loaded = run(to, |rule| rule.load.clone(), &saved.stdout);
    assert!(loaded.status.success(), "{}", String::from_utf8_lossy(&loaded.stderr));
    let word = run(to, |rule| rule.marker.as_ref().expect("marker").read.clone(), b"");
    assert_eq!(word.stdout, b"word");
    assert!(run(to, |rule| rule.checks[0].arguments.clone(), b"").status.success());
    let compared =
        Command::new("diff").arg("--recursive").arg("--no-dereference").args([from, to]).output().expect("diff");
    assert!(compared.status.success(), "{}", String::from_utf8_lossy(&compared.stdout));
    let mode = |name: &str| {
        use std::os::unix::fs::PermissionsExt as _;
        fs_err::metadata(to.join(name)).expect("file").permissions().mode() & 0o777
    };
    assert_eq!((mode("-rf"), mode(".hidden/deep/\\x")), (0o600, 0o755));

    // A file in the archive differs from the listed one.
    let at = |text: &[u8]| saved.stdout.windows(text.len()).position(|window| window == text);
    let size = at(b"./a file|6|").expect("the entry of a file") + "./a file|".len();
    let mut damaged = saved.stdout.clone();
    damaged[size] = b'7';
    let other = tempfile::tempdir().expect("folder");
    assert!(!run(other.path(), |rule| rule.load.clone(), &damaged).status.success());
}

/// Runs the `files` preset's program with a slow reader. `meanwhile` runs once its output begins.
fn save_slowly(folder: &Path, meanwhile: impl FnOnce()) -> (Output, Vec<u8>) {
    let rule = rule(&format!("        preset: files\n        with: {{path: {}}}\n", folder.display()));
    let mut save = Command::new(&rule.save[0])
        .args(&rule.save[1..])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a shell");
    let mut stream = save.stdout.take().expect("a stream");
    let mut archive = vec![0; 512];
    stream.read_exact(&mut archive).expect("a beginning");
    meanwhile();
    stream.read_to_end(&mut archive).expect("the rest");
    (save.wait_with_output().expect("an end"), archive)
}

/// A volume with more data than fits into a pipe.
fn many_files() -> tempfile::TempDir {
    let volume = tempfile::tempdir().expect("folder");
    for number in 0..200 {
        durable::write_file(&volume.path().join(number.to_string()), &[7; 8192], 0o644).expect("file");
    }
    volume
}

#[test]
fn vanishing_files_are_counted() {
    let (volume, empty) = (many_files(), tempfile::tempdir().expect("folder"));
    let (saved, archive) = save_slowly(volume.path(), || {
        for number in 0..200 {
            fs_err::remove_file(volume.path().join(number.to_string())).expect("file");
        }
    });
    let said = String::from_utf8_lossy(&saved.stderr);
    assert!(saved.status.success() && said.starts_with("files that vanished while they were saved: "), "{said}");
    let loaded = run(empty.path(), |rule| rule.load.clone(), &archive);
    assert!(loaded.status.success(), "{}", String::from_utf8_lossy(&loaded.stderr));
}

#[test]
fn changing_files_fail_stream() {
    let volume = many_files();
    let (saved, _) = save_slowly(volume.path(), || {
        for number in 0..200 {
            durable::write_file(&volume.path().join(number.to_string()), b"another", 0o644).expect("file");
        }
    });
    let said = String::from_utf8_lossy(&saved.stderr);
    assert!(!saved.status.success() && said.contains("files were changed while they were saved"), "{said}");
}

#[test]
fn flat_folder_saves_in_linear_time() {
    let volume = tempfile::tempdir().expect("folder");
    // The names exceed the length of an argument list, and are numerous enough that a quadratic loop would take over an
    // hour.
    let made = Command::new("sh")
        .args(["-c", "cd \"$0\" && seq -f a-file-with-a-name-of-some-length-%06.0f 100000 | xargs touch"])
        .arg(volume.path())
        .status();
    assert!(made.expect("sh").success());
    let begun = std::time::Instant::now();
    let saved = run(volume.path(), |rule| rule.save.clone(), b"");
    assert!(saved.status.success(), "{}", String::from_utf8_lossy(&saved.stderr));
    assert!(begun.elapsed() < std::time::Duration::from_mins(3), "{:?}", begun.elapsed());
}
