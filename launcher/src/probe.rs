//! Sends a small request to each package source through the source's own client, and thus with the client's
//! configuration of mirrors, proxies and credentials.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::facts::UnreachableSource;
use crate::toolchain::cargo;
use crate::TARGET;

/// Maximum time for a source to answer.
const PATIENCE: Duration = Duration::from_secs(40);

/// A widely used crate without dependencies.
const CRATE: &str = "cfg-if";

/// The sources from which something must be downloaded.
#[derive(Clone, Copy, Debug, Default)]
#[allow(clippy::struct_excessive_bools)] // one per source, each independent
pub struct Sources {
    /// Cargo's source.
    pub crates: bool,
    /// Go's source.
    pub go: bool,
    /// pip's source.
    pub python: bool,
    /// npm's source.
    pub npm: bool,
    /// apt's source.
    pub debian: bool,
}

/// Returns true if every crate of the lock file is already on this machine.
pub fn has_crates(clone: &Path) -> bool {
    let mut command = Command::new(cargo());
    command.args(["metadata", "--offline", "--locked", "--format-version", "1", "--filter-platform", TARGET]);
    command.current_dir(clone).output().map_or(false, |output| output.status.success())
}

/// Queries one source, with its files in a separate folder. Returns None if the source answers.
type Probe = fn(&Path, &Path) -> Option<UnreachableSource>;

/// Tries the sources in parallel, and returns those that do not answer.
pub fn unreachable(clone: &Path, sources: Sources) -> Vec<UnreachableSource> {
    let folder = clone.join("target/launcher/probe");
    let wanted: [(bool, Probe); 5] = [
        (sources.debian, debian),
        (sources.crates, crates),
        (sources.go, go),
        (sources.python, python),
        (sources.npm, npm),
    ];
    thread::scope(|scope| {
        let folder = &folder;
        let probes = wanted.iter().filter(|(is_wanted, _)| *is_wanted);
        let probes: Vec<_> = probes.map(|(_, probe)| scope.spawn(move || probe(clone, folder))).collect();
        probes.into_iter().filter_map(|probe| probe.join().ok().flatten()).collect()
    })
}

fn crates(_clone: &Path, folder: &Path) -> Option<UnreachableSource> {
    let folder = folder.join("crates");
    let manifest = format!(
        "[package]\nname = \"probe\"\nversion = \"0.0.0\"\n[lib]\npath = \"lib.rs\"\n\
         [dependencies]\n{CRATE} = \"1\"\n[workspace]\n"
    );
    write(&folder, "Cargo.toml", &manifest)?;
    write(&folder, "lib.rs", "")?;
    let _ = fs::remove_file(folder.join("Cargo.lock"));
    let mut command = Command::new(cargo());
    command.arg("fetch").current_dir(&folder);
    command.env("CARGO_NET_RETRY", "0").env("CARGO_HTTP_TIMEOUT", "15").env("CARGO_NET_OFFLINE", "false");
    ask("crates", &format!("cargo info {CRATE}"), &mut command)
}

/// Queries a module that the smallest recipe with dependencies names.
fn go(clone: &Path, folder: &Path) -> Option<UnreachableSource> {
    let text = fs::read_to_string(clone.join("tests/images/node-pack/runc/go.mod")).ok()?;
    let module =
        text.lines().find_map(|line| line.trim().trim_start_matches("require ").split_once(" v"))?.0.to_owned();
    let folder = folder.join("go");
    write(&folder, "go.mod", "module probe\n")?;
    let mut command = Command::new("go");
    // The query is about modules, so no toolchain is downloaded.
    command.args(["list", "-m", &format!("{module}@latest")]).current_dir(&folder);
    command.env("GOFLAGS", "-mod=mod").env("GOTOOLCHAIN", "local");
    ask("Go modules", &format!("go list -m {module}@latest"), &mut command)
}

/// Queries a platform-independent wheel of the starter release.
fn python(clone: &Path, folder: &Path) -> Option<UnreachableSource> {
    let text = fs::read_to_string(clone.join("releases/starter/requirements.txt")).ok()?;
    let pin = text.lines().find(|line| line.starts_with("packaging=="))?.to_owned();
    let folder = folder.join("python");
    write(&folder, "requirements.txt", &pin)?;
    let mut command = Command::new("python3");
    command.args([
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--no-cache-dir",
        "--retries",
        "0",
        "--timeout",
        "15",
    ]);
    command.args(["--dest", "wheels", "--requirement", "requirements.txt"]).current_dir(&folder);
    let name = pin.split("==").next().unwrap_or_default();
    ask("Python packages", &format!("python3 -m pip download --no-deps {name}"), &mut command)
}

/// Queries the one package that the tests install.
fn npm(_clone: &Path, folder: &Path) -> Option<UnreachableSource> {
    let folder = folder.join("npm");
    // npm's cache from an earlier probe would answer instead of the registry.
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).ok()?;
    let mut command = Command::new("npm");
    command.args(["view", "axe-core", "name", "--fetch-retries=0", "--fetch-timeout=15000", "--loglevel=error"]);
    command.arg("--cache").arg(folder.join("cache")).current_dir(&folder);
    ask("npm packages", "npm view axe-core", &mut command)
}

/// Queries the signed index of the first suite in apt's own configuration, cached or not.
fn debian(_clone: &Path, folder: &Path) -> Option<UnreachableSource> {
    let mut command = Command::new("apt-get");
    command.args(["indextargets", "--no-release-info", "--format", "$(REPO_URI) $(RELEASE)", "Created-By: Packages"]);
    let output = command.stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (address, suite) = text.lines().next()?.split_once(' ')?;
    let folder = folder.join("debian");
    fs::create_dir_all(&folder).ok()?;
    let address = format!("{}/dists/{suite}/InRelease", address.trim_end_matches('/'));
    let mut command = Command::new("/usr/lib/apt/apt-helper");
    command.args(["-oAcquire::Retries=0", "-oAcquire::http::Timeout=15", "-oAcquire::https::Timeout=15"]);
    command.args(["download-file", &address]).arg(folder.join("InRelease"));
    ask("Debian packages", "apt-get update", &mut command)
}

/// Writes a file of a probe. The next probe overwrites it.
#[allow(clippy::disallowed_methods)]
fn write(folder: &Path, name: &str, text: &str) -> Option<()> {
    fs::create_dir_all(folder).ok()?;
    fs::write(folder.join(name), text).ok()
}

fn ask(what: &'static str, command: &str, client: &mut Command) -> Option<UnreachableSource> {
    let failed = |reason: String| Some(UnreachableSource { what, command: command.to_owned(), reason });
    match within(PATIENCE, client) {
        // A missing client is a separate finding.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => failed(error.to_string()),
        Ok(None) => failed(format!("no answer within {} s", PATIENCE.as_secs())),
        Ok(Some(output)) if output.status.success() => None,
        Ok(Some(output)) => failed(reason(&String::from_utf8_lossy(&output.stderr))),
    }
}

/// Runs a client until it ends. Returns None if it takes too long. Clients print little, so they never block on output.
fn within(patience: Duration, command: &mut Command) -> std::io::Result<Option<Output>> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    let begun = Instant::now();
    while child.try_wait()?.is_none() {
        if begun.elapsed() > patience {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(Duration::from_millis(50));
    }
    child.wait_with_output().map(Some)
}

/// Returns the most informative line: the last non-empty one, shortened.
fn reason(text: &str) -> String {
    // npm's last line only names its log file.
    let says_why = |line: &&str| !line.is_empty() && !line.contains("A complete log of this run");
    let line = text.lines().map(str::trim).rfind(says_why).unwrap_or("it printed nothing");
    line.chars().filter(|letter| !letter.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hanging_client_is_stopped() {
        let mut sleep = Command::new("sleep");
        let begun = Instant::now();
        assert!(within(Duration::from_millis(100), sleep.arg("30")).unwrap().is_none());
        assert!(begun.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn failing_client_is_quoted() {
        let mut shell = Command::new("sh");
        let found =
            ask("crates", "cargo info", shell.args(["-c", "echo one >&2; echo 'two: no route' >&2; exit 1"])).unwrap();
        assert_eq!((found.reason.as_str(), found.what), ("two: no route", "crates"));
        assert_eq!(
            reason("npm error network no route\n\nnpm error A complete log of this run is in x\n"),
            "npm error network no route"
        );
        assert_eq!(ask("crates", "cargo info", &mut Command::new("/no/such/client")), None);
        assert_eq!(ask("crates", "cargo info", &mut Command::new("true")), None);
    }
}
