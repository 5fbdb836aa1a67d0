//! A stick that is full before a build, or becomes full in the middle of it.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::outcome::Outcome;
use super::starter::starter;
use super::tools::sums;

/// Script that runs a command with a separate small filesystem at `$1`, of `$2` bytes. `$3` helps to fill it, and `$4`
/// receives a list of the remaining files. The mount ends with the process.
const WITH_SMALL_STICK: &str = r#"
stick=$1 bytes=$2 fill=$3 listing=$4; shift 4
mount -t tmpfs -o "size=$bytes" stick "$stick" || exit 99
if [ "$fill" = fill ]; then
    # Takes the rest as soon as the first part has grown to 64 MiB: the build found enough space when it looked.
    ( while sleep 0.01; do
          for part in "$stick"/*.partial; do
              if [ "$(stat -c %s "$part" 2>/dev/null || echo 0)" -gt 67108864 ]; then
                  cat /dev/zero > "$stick/filler" 2>/dev/null
                  exit 0
              fi
          done
      done ) &
    filler=$!
fi
"$@"; code=$?
if [ "$fill" = fill ]; then kill "$filler" 2>/dev/null; fi
ls -A "$stick" > "$listing"
exit $code
"#;

/// Builds onto a small stick. Returns the outcome and the names of the remaining files.
fn build_onto(bytes: u64, fill: &str, folder: &Path, more: &[&str]) -> Result<(Outcome, Vec<String>)> {
    let stick = folder.join("stick");
    std::fs::create_dir(&stick)?;
    let listing = folder.join("listing");
    let build = starter()?.rebuild(&stick.display().to_string(), more)?;
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", WITH_SMALL_STICK, "sh"]);
    command.arg(&stick).arg(bytes.to_string()).arg(fill).arg(&listing).arg(build.get_program()).args(build.get_args());
    for (name, value) in build.get_envs() {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    let outcome = Outcome::of(&mut command)?;
    assert_ne!(outcome.code, 99, "{}", outcome.stderr);
    let left = std::fs::read_to_string(&listing).context("the stick was not listed")?;
    Ok((outcome, left.lines().map(str::to_owned).collect()))
}

#[test]
#[ignore = "needs cargo xtask test"]
fn small_stick_is_refused_before_writing() -> Result<()> {
    let folder = starter()?.scratch()?;
    let (outcome, left) = build_onto(starter()?.total_bytes()? / 2, "keep", folder.path(), &[])?;
    assert_eq!((outcome.code, outcome.error()), (5, Some("LF1202")), "{}", outcome.stderr);
    assert!(outcome.stderr.contains("bytes free; the bundle needs"), "{}", outcome.stderr);
    assert!(!outcome.stderr.contains("writing the bundle"), "{}", outcome.stderr);
    assert_eq!(left, Vec::<String>::new());
    Ok(())
}

/// Space for the whole bundle is allocated before its first byte, so another program that fills the rest takes nothing
/// from it.
#[test]
#[ignore = "needs cargo xtask test"]
fn reserved_space_survives_other_program() -> Result<()> {
    let folder = starter()?.scratch()?;
    let parts = ["--part-size", super::starter::PART_SIZE];
    let (outcome, left) = build_onto(starter()?.total_bytes()? + (32 << 20), "fill", folder.path(), &parts)?;
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert!(left.contains(&"filler".to_owned()), "nothing filled the stick: {left:?}");
    let written = left.iter().filter(|name| name.starts_with("starter-1.0.0-") && name.contains(".landfall"));
    assert_eq!(written.count(), starter()?.part_paths().len(), "{left:?}");
    Ok(())
}

#[test]
#[ignore = "needs cargo xtask test"]
fn identical_bundle_is_kept() -> Result<()> {
    let starter = starter()?;
    let before = sums("sha256sum", &starter.stick())?;
    let parts = ["--part-size", super::starter::PART_SIZE];
    let rebuilt = Outcome::success(&mut starter.rebuild(&starter.stick().display().to_string(), &parts)?)?;
    assert!(rebuilt.text()?.contains("nothing has changed: the bundle of "), "{}", rebuilt.text()?);
    assert!(!rebuilt.stderr.contains("writing the bundle"), "{}", rebuilt.stderr);
    assert_eq!(sums("sha256sum", &starter.stick())?, before);
    Ok(())
}
