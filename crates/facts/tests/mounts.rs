//! Test of the program in a container whose mounts hide those of the node.

use std::process::{Command, Output};

use landfall_host::facts::{Facts, host};
use landfall_host::paths::SitePaths;

const PROGRAM: &str = env!("CARGO_BIN_EXE_landfall-facts");

fn error_text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// An empty `/etc` hides the real one, as a container's own does.
#[test]
#[ignore = "needs root, with which `cargo xtask test` runs it"]
fn facts_follow_given_mounts() {
    let folder = tempfile::tempdir().unwrap();
    let hidden = |arguments: &str| {
        let script = format!("mount --bind \"$1\" /etc && exec \"$2\" {arguments}");
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c", &script, "sh"]);
        let output = command.arg(folder.path()).arg(PROGRAM).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", error_text(&output));
        Facts::parse(&output.stdout).unwrap()
    };
    let own = host::operating_system(&SitePaths::default());
    assert_ne!(hidden("").operating_system, own);
    let entered = hidden(&format!("--mounts /proc/{}/ns/mnt", std::process::id()));
    assert_eq!((entered.operating_system, entered.speeds), (own, None));
}

#[test]
fn invalid_mounts_file_is_refused() {
    for file in ["/dev/null", "/nonexistent"] {
        let refused = Command::new(PROGRAM).args(["--mounts", file]).output().unwrap();
        assert_eq!((refused.status.code(), refused.stdout.as_slice()), (Some(2), &b""[..]));
        let text = error_text(&refused);
        assert!(text.starts_with("error[LF9003]: the mounts that ") && text.contains("\n  because: "), "{text}");
    }
}
