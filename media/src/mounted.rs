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
    let second = in_namespaces()
        .args(["--mount", "sh", "-c", script, "sh", options])
        .arg(folder.path())
        .arg(std::env::current_exe().unwrap())
        .args(["--include-ignored", "--exact", test])
        .env(ROOT, folder.path())
        .output()
        .unwrap();
    let (said, failed) = (String::from_utf8_lossy(&second.stdout), String::from_utf8_lossy(&second.stderr));
    assert!(second.status.success() && said.contains("1 passed"), "{said}{failed}");
    None
}

/// Set in the process that runs in a network namespace of its own.
pub const IN_OWN_NETWORK: &str = "LANDFALL_TEST_NAMESPACE";

/// Runs the calling test, whose full name this is, a second time in a network namespace of its own in which these commands
/// ran first.
///
/// # Panics
///
/// If the second run fails, which fails the test.
pub fn in_own_network(test: &str, commands: &str) {
    let this = std::env::current_exe().unwrap();
    let line = format!("ip link set lo up; {commands}\n\"$0\" --exact {test} --nocapture");
    let mut second = in_namespaces();
    let output = second.args(["--net", "sh", "-euc", &line]).arg(this).env(IN_OWN_NETWORK, "yes").output().unwrap();
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
