//! A field engineer at a machine: types `landfall`, reads its output, waits.

use std::net::Ipv4Addr;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use landfall_cluster_snapshot::Snapshot;
use landfall_xtask::proofs::administer;
use landfall_xtask::site::{Machine, Stream};
use landfall_xtask::{documents, printer};
use serde_json::Value;

use super::fixture::fixture;

/// Mount point of the stick on every machine.
pub(crate) const STICK: &str = "/media/stick";

/// Time limit of any one verb.
pub(crate) const VERB_LIMIT: &str = "600";

/// Time limit for a site to be ready again after a boot.
pub(crate) const READY_LIMIT: Duration = Duration::from_mins(5);

/// A foreign address to which a test sends a packet, to see it recorded.
pub(crate) const PLANTED: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 77);

/// The output of a verb.
#[derive(Debug)]
pub(crate) struct Said {
    /// Outcome of the run.
    pub(crate) status: ExitStatus,
    /// Its standard output.
    pub(crate) data: String,
    /// The lines of its standard error.
    pub(crate) lines: Vec<String>,
}

impl Said {
    /// Returns the report. Fails without one.
    pub(crate) fn report(&self, verb: &str) -> Result<Value> {
        let lines = self.lines.join("\n");
        ensure!(self.status.success(), "landfall {verb} ended with {}:\n{lines}\n{}", self.status, self.data);
        documents::read(&self.data).with_context(|| format!("landfall {verb}:\n{lines}"))
    }

    /// Returns the report of a status, and checks that its exit code matches the verdict.
    pub(crate) fn checked_status(&self) -> Result<Value> {
        documents::status(self.status.code().map(i64::from), &self.data).with_context(|| self.lines.join("\n"))
    }

    /// Messages for people: notes, and titles of steps.
    pub(crate) fn notes(&self) -> Result<Vec<String>> {
        let documents = documents::lines(&self.lines.join("\n"))?;
        let said = documents.iter().filter_map(|line| line["text"].as_str().or(line["title"].as_str()));
        Ok(said.map(str::to_owned).collect())
    }

    /// Returns the error. Fails without one.
    pub(crate) fn failure(&self, verb: &str) -> Result<Value> {
        ensure!(!self.status.success(), "landfall {verb} succeeded: {}", self.data);
        let named = || format!("landfall {verb} named no code ({}):\n{}", self.status, self.lines.join("\n"));
        let last = documents::lines(&self.lines.join("\n")).with_context(named)?.pop().with_context(named)?;
        ensure!(last["kind"] == "error" && last["exitCode"] == Value::from(self.status.code()), "{}", named());
        Ok(last)
    }

    /// Fails unless it ended with this code and this exit code; returns the error.
    pub(crate) fn expect_refusal(&self, verb: &str, code: &str, exit: i32) -> Result<Value> {
        let failure = self.failure(verb)?;
        ensure!(failure["code"] == code, "landfall {verb} was refused with {failure}, not with {code}");
        ensure!(self.status.code() == Some(exit), "landfall {verb} ended with {}, not with {exit}", self.status);
        Ok(failure)
    }
}

/// An engineer at one machine.
#[derive(Clone, Copy)]
pub(crate) struct Engineer<'a> {
    machine: &'a Machine,
    program: Option<&'a str>,
}

impl<'a> Engineer<'a> {
    /// Creates an engineer at this machine.
    pub(crate) fn at(machine: &'a Machine) -> Self {
        Self { machine, program: None }
    }

    /// Returns the engineer with this `landfall`.
    pub(crate) fn with_program(self, program: &'a str) -> Self {
        Self { program: Some(program), ..self }
    }

    /// The machine.
    pub(crate) fn machine(self) -> &'a Machine {
        self.machine
    }

    /// Returns the available `landfall`: the stick's, or without a stick the one that the site keeps.
    pub(crate) fn program(self) -> Result<String> {
        if let Some(program) = self.program {
            return Ok(program.to_owned());
        }
        let line = format!("ls {STICK}/landfall /var/lib/landfall/releases/*/landfall 2> /dev/null | head -n 1");
        let found = self.machine.try_run(&line)?.stdout.trim().to_owned();
        ensure!(!found.is_empty(), "there is no landfall on {}", self.machine.name());
        Ok(found)
    }

    /// Runs `landfall --json`, and passes on the lines of its standard error while it runs.
    pub(crate) fn watch(self, arguments: &[&str], on_line: impl FnMut(&str)) -> Result<Said> {
        self.watch_program(&self.program()?, arguments, on_line)
    }

    /// Runs a build of `landfall` other than the available one, to its end.
    pub(crate) fn another_landfall(self, arguments: &[&str]) -> Result<Said> {
        let other = "/root/another-landfall";
        self.machine.run(&format!("cp {} {other} && echo >> {other}", self.program()?))?;
        let said = self.watch_program(other, arguments, |_| {});
        self.machine.run(&format!("rm {other}"))?;
        said
    }

    fn watch_program(self, program: &str, arguments: &[&str], mut on_line: impl FnMut(&str)) -> Result<Said> {
        let mut all = vec!["--signal=KILL", VERB_LIMIT, program, "--json"];
        all.extend(arguments);
        let (mut data, mut lines) = (String::new(), Vec::new());
        let status = self.machine.run_streaming("/usr/bin/timeout", &all, |stream, line| match stream {
            Stream::Stdout => {
                data.push_str(line);
                data.push('\n');
            }
            Stream::Stderr => {
                on_line(line);
                lines.push(line.to_owned());
            }
        })?;
        Ok(Said { status, data, lines })
    }

    /// Runs `landfall --json` to its end.
    pub(crate) fn landfall(self, arguments: &[&str]) -> Result<Said> {
        self.watch(arguments, |_| {})
    }

    /// Runs a command of the handbook to its end, with `--json` and these arguments in addition to its own.
    pub(crate) fn follow(self, command: &[String], more: &[&str]) -> Result<Said> {
        let arguments: Vec<&str> = command.iter().map(String::as_str).chain(more.iter().copied()).collect();
        self.landfall(&arguments)
    }

    /// Installs from the stick.
    pub(crate) fn install(self) -> Result<Value> {
        self.landfall(&["install", STICK, "--trust", &fixture()?.fingerprint])?.report("install")
    }

    /// Returns the plan of an install from the stick.
    pub(crate) fn plan(self) -> Result<Value> {
        self.landfall(&["install", STICK, "--trust", &fixture()?.fingerprint, "--dry-run"])?.report("install --dry-run")
    }

    /// Returns the dry run of the head alone, as it arrives by e-mail.
    pub(crate) fn plan_from_the_head(self) -> Result<Value> {
        let folder = "/root/mail";
        self.machine.run(&format!("mkdir {folder} && cp {STICK}/*.head {folder}"))?;
        let head = self.machine.run(&format!("ls {folder}/*.head"))?.stdout.trim().to_owned();
        let said = self.landfall(&["install", &head, "--trust", &fixture()?.fingerprint, "--dry-run"])?;
        self.machine.run(&format!("rm -r {folder}"))?;
        said.report("install --dry-run of a head")
    }

    /// Applies this configuration to the site, through a file that is removed afterwards.
    pub(crate) fn configure(self, configuration: &str) -> Result<()> {
        let file = "/root/site.yaml";
        self.machine.write_file(file, configuration, 0o600)?;
        self.landfall(&["configure", "--site", file])?.report("configure")?;
        self.machine.run(&format!("rm {file}")).map(drop)
    }

    /// Uninstalls with all data, so that nothing is left.
    pub(crate) fn uninstall_all(self) -> Result<Value> {
        let name = self.machine.run("hostname")?.stdout;
        self.uninstall(&["--delete-data", "--confirm", name.trim()])
    }

    /// Uninstalls.
    pub(crate) fn uninstall(self, more: &[&str]) -> Result<Value> {
        self.landfall(&[&["uninstall"], more].concat())?.report("uninstall")
    }

    /// The status.
    pub(crate) fn status(self) -> Result<Value> {
        self.landfall(&["status"])?.checked_status()
    }

    /// The contents of the cluster.
    pub(crate) fn snapshot(self) -> Result<Snapshot> {
        Snapshot::take(|arguments| {
            let said = administer(self.machine, &format!("kubectl {}", arguments.join(" ")))?;
            ensure!(said.status.success(), "kubectl {arguments:?}: {}", said.stderr);
            Ok(said.stdout)
        })
    }

    /// Waits until the site is ready, and prints how long that took. Returns that status.
    pub(crate) fn wait_ready(self, since: &str) -> Result<Value> {
        let begun = Instant::now();
        let mut last = Value::Null;
        while begun.elapsed() < READY_LIMIT {
            last = self.status()?;
            if last["ready"] == true {
                printer::note(format!("ready {:.0} s after {since}", begun.elapsed().as_secs_f64()));
                return Ok(last);
            }
            std::thread::sleep(Duration::from_secs(1));
        }
        bail!("not ready {} s after {since}: {last:#}", READY_LIMIT.as_secs())
    }

    /// Fails unless the machine is in its initial state, except for these paths and everything below them. It must have
    /// sent nothing to a foreign address so far.
    pub(crate) fn expect_unchanged(self, when: &str, but: &[&str]) -> Result<()> {
        let difference = self.machine.difference_since_birth()?.outside(but);
        ensure!(difference.is_empty(), "{when} the machine differs from its initial state:\n{difference}");
        self.expect_quiet(when)
    }

    /// Fails if a packet for a foreign address reached the switch, except the planted one.
    pub(crate) fn expect_quiet(self, when: &str) -> Result<()> {
        let mut foreign = self.machine.switch().foreign_packets()?;
        foreign.retain(|packet| packet.destination != PLANTED);
        ensure!(foreign.is_empty(), "{when} packets had left for foreign addresses: {foreign:#?}");
        Ok(())
    }
}
