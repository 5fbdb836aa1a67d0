//! Runs Helm as a child process on the vendor's machine, on an untrusted chart.
//!
//! Threats: a template may run forever, print without end, or exhaust memory; a JSON Schema of values may refer to a
//! document elsewhere. Time, output and memory are bounded. Helm gets an empty home folder and no inherited
//! environment, so it has no configuration, plugin or cluster. Its proxy is a port without a listener.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use landfall_error_codes::{CodedError as _, codes};
use rustix::process::{Pid, Resource, Rlimit, prlimit};

use super::lookup::SPRUNG;
use crate::error::{BuildError, Place, Result};
use crate::program::Program;

/// Time limit for the rendering of a chart. Real charts take a second.
const LONGEST: Duration = Duration::from_mins(2);

/// Maximum size of rendered output, in bytes. Real charts render to at most a tenth of it.
const OUTPUT_BYTES: u64 = 64 << 20;

/// Bytes of Helm's messages that are read.
const MESSAGE_BYTES: u64 = 64 << 10;

/// Limit of Helm's data segment, in bytes.
const MEMORY_BYTES: u64 = 4 << 30;

/// A port without a listener, so that nothing is fetched during a rendering.
const NO_PROXY: &str = "http://127.0.0.1:9";

/// Helm's message when it leaves out an object because of an unknown hook.
const UNKNOWN_HOOK: &str = "skipping unknown hook";

/// Helm's messages about values that have no effect on templates.
///
/// Either a single value replaces a table of the chart, or a value that must be a table or a boolean is not one. The
/// messages `skipped value` and `Ignoring non-table value` are absent on purpose: there, a table of the vendor replaces
/// a single default of the chart.
const IGNORED_VALUE: [&str; 3] =
    ["cannot overwrite table with non table", "skipping globals because", "returned non-bool value"];

/// Message of a chart that requires the passwords of its install when it is upgraded.
const CURRENT_PASSWORDS: &str = "PASSWORDS ERROR";

/// Hint for a chart that renders only for an install.
const FOR_UPGRADES: &str = "Set values with which the chart also renders for an upgrade, such as the name of an \
    existing Secret, or fix the named template in a chart that is a folder.";

/// One rendering of a chart.
#[derive(Clone, Copy)]
pub struct Rendering<'a> {
    /// Name of the chart in messages.
    pub name: &'a str,
    /// A folder for this rendering only, with the chart, `values-0.yaml` and so on.
    pub folder: &'a Path,
    /// Name of the chart's folder in `folder`.
    pub chart: &'a str,
    /// Number of files of values.
    pub values: usize,
    /// Name of the Helm release, as the chart sees it.
    pub release: &'a str,
    /// Namespace of the Helm release.
    pub namespace: &'a str,
    /// Kubernetes version of the node pack.
    pub kubernetes: &'a str,
    /// API versions and kinds that the cluster serves.
    pub served: &'a [String],
    /// True if templates see an upgrade rather than an install.
    pub is_upgrade: bool,
}

impl Rendering<'_> {
    /// Runs Helm and returns the rendered text.
    pub fn run(&self, helm: &Program) -> Result<String> {
        let mut child = self.command(helm)?.spawn().map_err(|error| helm.unusable(error))?;
        if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
            let limit = Rlimit { current: Some(MEMORY_BYTES), maximum: Some(MEMORY_BYTES) };
            // A process that already ended needs no limit.
            let _ = prlimit(Some(pid), Resource::Data, limit);
        }
        let output = reader(child.stdout.take(), OUTPUT_BYTES);
        let messages = reader(child.stderr.take(), MESSAGE_BYTES);
        let success = self.wait(&mut child)?;
        let output = output.join().unwrap_or_default();
        let messages = String::from_utf8_lossy(&messages.join().unwrap_or_default()).into_owned();
        if output.len() as u64 > OUTPUT_BYTES {
            return Err(self.beyond(format!("renders to more than {OUTPUT_BYTES} bytes")));
        }
        if !success {
            return Err(self.rendering_error(&messages));
        }
        self.check_messages(&messages)?;
        String::from_utf8(output).map_err(|error| self.rendering_error("the result is not UTF-8").because(error))
    }

    /// Returns an error if Helm succeeded but left something out: an object with an unknown hook, or ignored values.
    fn check_messages(&self, messages: &str) -> Result<()> {
        let place = || Place::file(Path::new(self.name));
        for message in messages.lines() {
            if message.contains(UNKNOWN_HOOK) {
                let what = format!(
                    "Helm leaves out an object with a hook that it does not know: {}",
                    escape_messages(message)
                );
                let hint = "Correct its annotation `helm.sh/hook`, or disable the object in the chart's values.";
                return Err(BuildError::at(codes::CHART_HOOK, place(), what).hint(hint).refusing(&self.name));
            }
            if IGNORED_VALUE.iter().any(|ignored| message.contains(ignored)) {
                let what = format!("Helm ignores values: {}", escape_messages(message));
                let hint = "Write the value in the form that the chart's values.yaml has, or mend that file in a chart \
                    that is a folder.";
                return Err(BuildError::at(codes::CHART_REFUSED, place(), what).hint(hint));
            }
        }
        Ok(())
    }

    fn command(&self, helm: &Program) -> Result<Command> {
        let home = self.folder.join("home");
        fs_err::create_dir_all(&home).map_err(|error| super::interruption_error("Helm's home", error))?;
        let mut command = helm.command();
        command.arg("template").arg(self.release).arg(self.folder.join(self.chart));
        command.args(["--namespace", self.namespace, "--include-crds", "--kube-version", self.kubernetes]);
        command.arg("--api-versions").arg(self.served.join(","));
        if self.is_upgrade {
            command.arg("--is-upgrade");
        }
        for number in 0..self.values {
            command.arg("--values").arg(values_file(self.folder, number));
        }
        command.env_clear().env("HOME", &home).env("KUBECONFIG", "/dev/null").current_dir(&home);
        for proxy in ["HTTP_PROXY", "HTTPS_PROXY"] {
            command.env(proxy, NO_PROXY);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Ok(command)
    }

    /// Waits for the child to exit; kills it at a limit.
    fn wait(&self, child: &mut Child) -> Result<bool> {
        let begun = Instant::now();
        loop {
            match child.try_wait() {
                Ok(Some(status)) => return Ok(status.success()),
                Ok(None) if begun.elapsed() < LONGEST => std::thread::sleep(Duration::from_millis(5)),
                Ok(None) => {
                    let _ = child.kill();
                    let _ = child.wait();
                    return Err(self.beyond(format!("is still not rendered after {} seconds", LONGEST.as_secs())));
                }
                Err(error) => return Err(super::interruption_error("Helm", error)),
            }
        }
    }

    fn beyond(&self, what: String) -> BuildError {
        BuildError::at(codes::CHART_LIMIT, Place::file(Path::new(self.name)), what)
    }

    /// Converts Helm's messages to an error.
    fn rendering_error(&self, messages: &str) -> BuildError {
        let place = Place::file(Path::new(self.name));
        let said = escape_messages(messages.trim().trim_start_matches("Error: "));
        let said = said.lines().filter(|line| !line.starts_with("Use --debug")).collect::<Vec<_>>().join("\n");
        if messages.contains(SPRUNG) {
            let what = format!("a template calls `lookup`, which queries a cluster: {}", at(&said));
            return BuildError::at(codes::CHART_LOOKUP, place, what).refusing(&self.name);
        }
        let what = if said.trim().is_empty() { "ended without a message".to_owned() } else { said.trim().to_owned() };
        if let Some(hint) = current_passwords(messages) {
            let what = format!("helm template refuses it without current passwords: {what}");
            return BuildError::at(codes::CHART_REFUSED, place, what).hint(hint);
        }
        if self.is_upgrade {
            let what = format!("helm template refuses it for an upgrade: {what}");
            return BuildError::at(codes::CHART_REFUSED, place, what).hint(FOR_UPGRADES);
        }
        BuildError::at(codes::CHART_REFUSED, place, format!("helm template refuses it: {what}"))
    }
}

/// Returns true if the chart failed because it looks for the passwords of its install and finds none.
pub fn lacks_current_passwords(error: &BuildError) -> bool {
    error.code() == codes::CHART_REFUSED && error.to_string().contains(CURRENT_PASSWORDS)
}

/// Additional text for the refusal of a chart that generates passwords at install and asks for them at upgrade, as
/// Bitnami's charts do.
///
/// `None` for any other refusal.
fn current_passwords(messages: &str) -> Option<String> {
    if !messages.contains(CURRENT_PASSWORDS) {
        return None;
    }
    let named =
        messages.split("' must not be empty").filter_map(|before| before.rsplit_once('\'').map(|(_, name)| name));
    let is_path = |name: &&str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    let named: Vec<_> = named.filter(is_path).map(|name| format!("`{name}`")).collect();
    let values = if named.is_empty() { "the passwords".to_owned() } else { named.join(", ") };
    Some(format!(
        "In the chart's values, name an existing Secret in place of {values}, usually with `existingSecret` beside it. \
         Declare that Secret with its keys under `secrets` of the component: the site generates it once, and keeps it \
         over upgrades."
    ))
}

/// Escapes Helm's messages for a terminal: they may contain arbitrary text from the chart.
fn escape_messages(messages: &str) -> String {
    let letters = messages.chars().flat_map(|letter| match letter {
        '\n' | '"' | '\'' => vec![letter],
        letter => letter.escape_debug().collect(),
    });
    letters.collect()
}

/// Place at which the trap was hit: the last `CHART/templates/FILE:LINE:COLUMN` before Go's error text.
///
/// Helm 3 writes it in one line, Helm 4 in several.
fn at(said: &str) -> &str {
    let before = said.split(SPRUNG).next().unwrap_or(said);
    let is_place = |word: &&str| word.contains("/templates/") && word.ends_with(|last: char| last.is_ascii_digit());
    before.split_whitespace().map(|word| word.trim_end_matches(':')).rfind(is_place).unwrap_or("a template")
}

/// Path of a file of values in the folder of a rendering.
pub fn values_file(folder: &Path, number: usize) -> std::path::PathBuf {
    folder.join(format!("values-{number}.yaml"))
}

/// Reads a pipe to its end, or to one byte above `limit`, and closes it, which stops the writer.
fn reader(pipe: Option<impl Read + Send + 'static>, limit: u64) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(pipe) = pipe {
            let _ = pipe.take(limit + 1).read_to_end(&mut bytes);
        }
        bytes
    })
}

#[cfg(test)]
mod tests {
    use landfall_error_codes::CodedError;
    use landfall_test_support::runnable::write_program;

    use super::*;
    use crate::lock::Lock;
    use crate::tool::Tool;

    /// Renders with a script in place of Helm.
    fn run(script: &str) -> Result<String> {
        run_for(script, false)
    }

    fn run_for(script: &str, is_upgrade: bool) -> Result<String> {
        let folder = tempfile::tempdir().expect("folder");
        let helm = folder.path().join("helm");
        write_program(&helm, format!("#!/bin/sh\n{script}\n"));
        let lock =
            Lock::parse(Path::new("images.lock"), "assembled: false\nplatform: linux/amd64\nimages: []\n".into());
        let helm = Program::find(Tool::Helm, &helm, &lock.expect("lock")).expect("found");
        Rendering {
            name: "shop",
            folder: folder.path(),
            chart: "chart",
            values: 1,
            release: "shop",
            namespace: "web",
            kubernetes: "v1.36.3",
            served: &["v1".to_owned(), "v1/Pod".to_owned()],
            is_upgrade,
        }
        .run(&helm)
    }

    #[test]
    fn helm_environment_is_isolated() {
        let said = run("echo \"$@\" | sed \"s#$HOME#HOME#g; s#${HOME%/home}#FOLDER#g\"; /usr/bin/env | /usr/bin/sed \
            \"s#$HOME#HOME#g\" | /usr/bin/sort | /usr/bin/grep -v '^_=\\|^PWD=\\|^SHLVL=\\|^OLDPWD='")
        .expect("rendered");
        insta::assert_snapshot!(said);
    }

    #[test]
    fn helm_refusals_are_classified() {
        let refusals: Vec<_> = [
            "echo 'Error: execution error at (shop/templates/a.yaml:3:4): set a host\u{1b}[31m' >&2; exit 1",
            "echo 'Error: template: shop/templates/a.yaml:1:3: executing \"x\" at <include \"y\" .>: error calling \
             include: template: shop/charts/b/templates/_helpers.tpl:7:9: executing \"y\" at <fail>: wrong number of \
             args for fail: want 1 got 4' >&2; echo; echo 'Use --debug flag to render out invalid YAML' >&2; exit 1",
            "printf 'Error: shop/templates/a.yaml:3:13\\n  executing \"shop/templates/a.yaml\" at <fail>:\\n    wrong \
             number of args for fail: want 1 got 4\\n' >&2; exit 1",
            "exit 3",
            "printf '\\377'",
            "echo 'manifest_sorter.go:199: info: skipping unknown hook: \"pre-instal\"' >&2",
            "echo 'WARNING: This chart is deprecated' >&2; echo 'coalesce.go:298: warning: cannot overwrite table with \
             non table for shop.image (map[tag:1])' >&2",
            "echo \"dependencies.go:65: Warning: Condition path 'db.on' for chart db returned non-bool value\" >&2",
        ]
        .into_iter()
        .map(|script| run(script).expect_err("refused"))
        .map(|error| format!("{} {error}", error.code().id))
        .collect();
        insta::assert_snapshot!(refusals.join("\n"));
    }

    #[test]
    fn helm_warnings_are_ignored() {
        for remark in
            ["WARNING: This chart is deprecated", "coalesce.go:237: warning: skipped value for shop.args: Not a table."]
        {
            assert_eq!(run(&format!("echo '{remark}' >&2; echo 'kind: A'")).expect("rendered"), "kind: A\n");
        }
    }

    #[test]
    fn upgrade_rendering_names_refusals() {
        let asked = "case \"$*\" in *--is-upgrade*) echo upgrade;; *) echo install;; esac";
        assert_eq!(run(asked).expect("rendered"), "install\n");
        assert_eq!(run_for(asked, true).expect("rendered"), "upgrade\n");
        let error = run_for("echo 'Error: no password' >&2; exit 1", true).expect_err("refused");
        assert!(error.to_string().contains("for an upgrade: no password"), "{error}");
        assert_eq!(CodedError::hint(&error).as_deref(), Some(FOR_UPGRADES));
    }

    #[test]
    fn password_refusals_get_hint() {
        let said = "Error: execution error at (shop/templates/NOTES.txt:1:2):\nPASSWORDS ERROR: You must provide your \
            current passwords when upgrading the release.\n    \u{27}auth.password\u{27} must not be empty, please add \
            it\n    \u{27}auth.rootPassword\u{27} must not be empty";
        let hint = current_passwords(said).expect("known");
        assert!(
            hint.starts_with(
                "In the chart's values, name an existing Secret in place of `auth.password`, `auth.rootPassword`,"
            ),
            "{hint}"
        );
        assert_eq!(current_passwords("Error: no host"), None);
    }

    #[test]
    fn endless_output_is_cut_off() {
        let error = run("exec yes").expect_err("endless");
        assert_eq!(error.code(), codes::CHART_LIMIT, "{error}");
    }
}
