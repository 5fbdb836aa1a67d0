//! For tests that need a special filesystem, a full one or one from which no program runs, or a network of their own.

use std::path::PathBuf;
use std::process::Command;

/// The filesystem's path, for the test that runs inside.
const ROOT: &str = "LANDFALL_TEST_ROOT";

/// Runs the calling test, whose full name this is, a second time on a fresh tmpfs with these options, in a mount
/// namespace of its own, so that nothing is mounted on the machine. Returns its path to the second run, and nothing to
/// the first, once the second has passed.
///
/// # Panics
///
/// If the second run fails, which fails the test.
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

/// Set in the process that runs in a network namespace of its own.
const INSIDE: &str = "LANDFALL_TEST_NAMESPACE";

/// Runs the calling test, whose full name this is, a second time in a network namespace of its own in which these commands
/// ran first. Returns true to the second run, and false to the first, once the second has passed.
///
/// # Panics
///
/// If the second run fails, which fails the test.
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

/// Runs a test of this program, which must pass, as the last arguments of a command.
fn run_again(mut command: Command, test: &str) {
    command.arg(std::env::current_exe().unwrap()).args(["--include-ignored", "--exact", test, "--nocapture"]);
    let output = command.output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

/// `unshare`, to which namespaces and a program are added. Who is not root becomes root in a user namespace of the
/// program's own, which the kernel lets every user make unless it was configured otherwise.
fn in_namespaces() -> Command {
    let mut unshare = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        unshare.args(["--user", "--map-root-user"]);
    }
    unshare
}
