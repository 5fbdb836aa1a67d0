//! Tests of the presets for Valkey and Redis with Debian's servers, which run from unpacked root filesystems. No part
//! of them is installed on this machine.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use landfall_builder::{backup, release};
use landfall_release_document::BackupRule;
use landfall_test_support::{definition, runnable};
use landfall_xtask::images;
use landfall_xtask::site::wait_until;
use tempfile::TempDir;

/// A release definition, whose database gets a rule.
const DEFINITION: &str = include_str!("../../../crates/builder/src/definition/good.yaml");

/// Time limit for a server to answer.
const BEGIN_LIMIT: Duration = Duration::from_secs(20);

/// Number of written keys.
const KEYS: usize = 100;

/// A server of either kind, which starts with an empty volume.
struct KeyStore {
    /// Prefix of its programs and its preset: `valkey` or `redis`.
    name: &'static str,
    port: u16,
    folder: TempDir,
    rule: BackupRule,
    server: Option<Child>,
}

impl KeyStore {
    fn new(name: &'static str, root: &Path) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let programs = folder.path().join("programs");
        std::fs::create_dir(&programs)?;
        std::fs::create_dir(folder.path().join("data"))?;
        for program in ["server", "cli", "check-rdb"] {
            let program = format!("{name}-{program}");
            write_program(&programs.join(&program), root, &program);
        }
        let rule = rule(name, port, &folder.path().join("data"))?;
        Ok(Self { name, port, folder, rule, server: None })
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn program(&self, arguments: &[String]) -> Result<Command> {
        let path = std::env::var("PATH").context("there is no PATH")?;
        let mut command = Command::new(&arguments[0]);
        command.args(&arguments[1..]).current_dir(self.folder.path());
        command.env("PATH", format!("{}:{path}", self.folder.path().join("programs").display()));
        Ok(command)
    }

    fn begin(&mut self) -> Result<()> {
        let server = self.folder.path().join("programs").join(format!("{}-server", self.name));
        let mut command = Command::new(server);
        command.args(["--bind", "127.0.0.1", "--port", &self.port.to_string(), "--appendonly", "yes", "--dir"]);
        command.arg(self.data()).stdin(Stdio::null()).stdout(Stdio::null()).current_dir(self.folder.path());
        self.server = Some(command.spawn().with_context(|| format!("cannot start {}", self.name))?);
        wait_until("the server's answer", BEGIN_LIMIT, || {
            let is_there = TcpStream::connect(("127.0.0.1", self.port)).is_ok();
            Ok((is_there && self.cli(&["ping"])?.stdout == b"PONG\n").then_some(()))
        })
    }

    fn end(&mut self) -> Result<()> {
        if let Some(mut server) = self.server.take() {
            server.kill()?;
            server.wait()?;
        }
        Ok(())
    }

    fn cli(&self, arguments: &[&str]) -> Result<Output> {
        let (program, port) = (format!("{}-cli", self.name), self.port.to_string());
        let asking = ["timeout", "2", &program, "-h", "127.0.0.1", "-p", &port, "-e"];
        let line: Vec<String> = asking.iter().chain(arguments).map(|word| (*word).to_owned()).collect();
        Ok(self.program(&line)?.output()?)
    }

    /// Runs a program of the rule with this input. Returns its output, or an error if it fails.
    fn run(&self, arguments: &[String], input: &[u8]) -> Result<Vec<u8>> {
        let mut command = self.program(arguments)?;
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().context("no shell")?;
        // A program that does not read its input closes it.
        let _closed = child.stdin.take().context("no input")?.write_all(input);
        let output = child.wait_with_output()?;
        ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(output.stdout)
    }

    fn counts(&self) -> Result<String> {
        let program = self.rule.counts.as_ref().context("the preset does not count")?;
        Ok(String::from_utf8(self.run(program, b"")?)?)
    }
}

impl Drop for KeyStore {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

/// Writes a script that runs a program of the root filesystem with its own loader and libraries.
fn write_program(path: &Path, root: &Path, name: &str) {
    let libraries = root.join("usr/lib/x86_64-linux-gnu");
    let (loader, program) = (libraries.join("ld-linux-x86-64.so.2"), root.join("usr/bin").join(name));
    let text = format!(
        "#!/bin/sh\nexec {} --library-path {} {} \"$@\"\n",
        loader.display(),
        libraries.display(),
        program.display()
    );
    runnable::write_program(path, text);
}

/// Returns the rule that the preset of this name generates.
fn rule(preset: &str, port: u16, data: &Path) -> Result<BackupRule> {
    let needs = "    needs: [network]\n";
    let rule = format!(
        "{needs}    data: kept\n    backup:\n      - name: keys\n        workload: StatefulSet/database\n        \
         volume: data\n        preset: {preset}\n        with: {{port: {port}, path: {}}}\n",
        data.display()
    );
    let folder = tempfile::tempdir()?;
    definition::write(folder.path(), &DEFINITION.replacen(needs, &rule, 1));
    let definition = release::read(folder.path())?;
    let components = definition.release.components.iter();
    let index = components.enumerate().find(|(_, one)| one.name.value == "database").map(|(index, _)| index);
    let (_, rules) = backup::rules(&definition, index.context("no component `database`")?)?;
    rules.into_iter().next().context("no rule")
}

/// Holds, counts, saves, loses, loads and recounts keys.
fn comes_back(name: &'static str, root: &Path) -> Result<()> {
    let mut store = KeyStore::new(name, root)?;
    store.begin()?;
    for number in 0..KEYS {
        store.cli(&["set", &format!("key-{number}"), "value"])?;
    }
    store.cli(&["set", "that-ends", "value", "EX", "1000"])?;
    let marker = store.rule.marker.clone().context("the preset has no marker")?;
    store.run(&marker.write_word("w0rd"), b"")?;
    let counted = store.counts()?;
    ensure!(counted == format!("db0={}\n", KEYS + 1), "{name} counts {counted}");

    let hold = store.rule.hold.clone().context("the preset has no hold")?;
    store.run(&hold.begin(), b"")?;
    ensure!(!store.cli(&["set", "meanwhile", "value"])?.status.success(), "{name} writes while it is held");
    ensure!(store.counts()? == counted, "{name} does not count the same while it is held");
    let saved = store.run(&store.rule.save, b"")?;
    ensure!(saved.starts_with(b"snapshot\n"), "the stream of {name} has no first line");
    store.run(&hold.end, b"")?;
    ensure!(store.cli(&["set", "later", "value"])?.status.success(), "{name} does not write after its hold");

    store.end()?;
    let empty = |store: &KeyStore| -> Result<()> {
        std::fs::remove_dir_all(store.data())?;
        Ok(std::fs::create_dir(store.data())?)
    };
    empty(&store)?;
    let mut damaged = saved.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    let refused = store.run(&store.rule.load, &damaged).err();
    let refused = refused.with_context(|| format!("{name} loads a damaged snapshot"))?.to_string();
    ensure!(refused.contains("RDB ERROR DETECTED"), "{name} refuses a damaged snapshot for another reason: {refused}");
    empty(&store)?;
    store.run(&store.rule.load, &saved)?;
    store.begin()?;
    ensure!(store.counts()? == counted, "{name} counts {} after a restore, not {counted}", store.counts()?);
    ensure!(store.run(&marker.read, b"")?.trim_ascii_end() == b"w0rd", "{name} has another word");
    for check in &store.rule.checks {
        store.run(&check.arguments, b"")?;
    }
    let later = store.cli(&["exists", "later"])?.stdout;
    ensure!(later == b"0\n", "{name} has a key that was written after the backup");
    Ok(())
}

#[test]
fn valkey_keys_are_restored() -> Result<()> {
    comes_back("valkey", &images::ensure_valkey()?)
}

#[test]
fn redis_keys_are_restored() -> Result<()> {
    comes_back("redis", &images::ensure_redis()?)
}
