//! Helpers for tests that need a special filesystem (full, or without executable programs) or their own network.

use std::path::PathBuf;
use std::process::Command;

/// Variable with the filesystem's path, for the test that runs inside.
const ROOT: &str = "LANDFALL_TEST_ROOT";

/// Runs the calling test, given by its full name, a second time on a fresh tmpfs with these options. The second run has
/// its own mount namespace, so nothing is mounted on the machine. Returns the path of the tmpfs to the second run.
/// Returns `None` to the first run, after the second one has passed.
///
/// # Panics
///
/// Panics if the second run fails, which fails the test.
pub fn on_tmpfs(test: &str, options: &str) -> Option<PathBuf> {
    if let Some(root) = std::env::var_os(ROOT) {
        return Some(root.into());
    }
    let folder = tempfile::tempdir().unwrap();
    let script = r#"mount -t tmpfs -o "$1" none "$2" && shift 2 && exec "$@""#;
    let mut second = in_namespaces();
    second.args(["--mount", "sh", "-c", script, "sh", options]).arg(folder.path()).env(ROOT, folder.path());
    run_again(second, test);
    None
}

/// Variable that is set in the process with its own network namespace.
const INSIDE: &str = "LANDFALL_TEST_NAMESPACE";

/// Runs the calling test, given by its full name, a second time in its own network namespace, after these commands.
/// Returns true to the second run. Returns false to the first run, after the second one has passed.
///
/// # Panics
///
/// Panics if the second run fails, which fails the test.
pub fn in_own_network(test: &str, commands: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let line = format!("ip link set lo up; {commands}\n\"$@\"");
    let mut second = in_namespaces();
    second.args(["--net", "sh", "-euc", &line, "sh"]).env(INSIDE, "yes");
    run_again(second, test);
    false
}

/// Runs a test of this program as the last arguments of a command. Panics if the test fails.
fn run_again(mut command: Command, test: &str) {
    command.arg(std::env::current_exe().unwrap()).args(["--include-ignored", "--exact", test, "--nocapture"]);
    let output = command.output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

/// Returns an `unshare` command, to which the caller adds namespaces and a program. A user other than root becomes root
/// in a separate user namespace. The kernel allows that to every user unless it is configured otherwise.
fn in_namespaces() -> Command {
    let mut unshare = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        unshare.args(["--user", "--map-root-user"]);
    }
    unshare
}
