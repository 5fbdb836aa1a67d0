//! Tests that equal inputs give equal bytes in any folder, and that secrets stay secret.

use std::io::Read;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result};
use landfall_xtask::vendor::KEY_PASSWORD;

use super::outcome::Outcome;
use super::starter::{PART_SIZE, starter};
use super::tools::{digest, sums};

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

#[test]
#[ignore = "needs cargo xtask test"]
fn rebuild_differs_only_in_ecdsa_signature() -> Result<()> {
    let starter = starter()?;
    let folder = starter.scratch()?;
    let output = folder.path().join("stick");
    let mut again = starter.rebuild(&output.display().to_string(), &["--part-size", PART_SIZE, "--json"])?;
    let again = Outcome::success(&mut again)?.json()?;
    starter.same_but_for_the_signature(&output, &again)?;
    // Another time results in another bundle, because the time is part of it.
    let mut later = starter.rebuild(&folder.path().join("later").display().to_string(), &["--json"])?;
    let later = Outcome::success(later.env("SOURCE_DATE_EPOCH", "1793491201"))?.json()?;
    assert_ne!(later["id"], starter.report["id"]);
    Ok(())
}

#[test]
#[ignore = "needs cargo xtask test"]
fn ed25519_builds_are_identical() -> Result<()> {
    let starter = starter()?;
    let folder = starter.scratch()?;
    let keys = folder.path().join("keys");
    let mut new = starter.landfall(&["key", "new", "--development", "--kind", "ed25519", "--output"]);
    Outcome::success(new.arg(&keys).env("LANDFALL_KEY_PASSWORD", KEY_PASSWORD))?;
    let [first, second] = ["first", "second"].map(|name| folder.path().join(name));
    for output in [&first, &second] {
        let mut build = starter.rebuild_with_keys(&keys, &output.display().to_string(), &["--part-size", "fat32"])?;
        Outcome::success(&mut build)?;
    }
    let expected = sums("sha256sum", &first)?;
    assert_eq!(expected.len(), 6, "bundle, head, sheet, handbook, provenance and sums: {expected:?}");
    assert_eq!(sums("sha256sum", &second)?, expected);

    let build = starter.rebuild_with_keys(&keys, "-", &[]);
    let mut child = build?.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut messages = child.stderr.take().context("no standard error")?;
    let said = std::thread::spawn(move || {
        let mut said = String::new();
        messages.read_to_string(&mut said).map(|_| said)
    });
    let (piped, bytes) = digest(child.stdout.take().context("no standard output")?)?;
    let said = said.join().ok().context("the reader of messages panicked")??;
    assert!(child.wait()?.success(), "{said}");
    let file = expected.iter().find(|(name, _)| name.ends_with(".landfall")).context("no single file")?;
    assert_eq!((file.1, bytes), (&piped, std::fs::metadata(first.join(file.0))?.len()));
    assert!(said.contains("starter 1.0.0"), "the report of a piped build is for the person: {said}");
    Ok(())
}

#[test]
#[ignore = "needs cargo xtask test"]
fn closed_pipe_is_an_error() -> Result<()> {
    let starter = starter()?;
    let mut child =
        starter.rebuild("-", &[])?.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut beginning = vec![0; 1 << 20];
    let mut stream = child.stdout.take().context("no standard output")?;
    stream.read_exact(&mut beginning)?;
    drop(stream);
    let output = child.wait_with_output()?;
    let said = String::from_utf8(output.stderr)?;
    assert_eq!(output.status.code(), Some(5), "{said}");
    assert!(said.contains("error[LF1201]: cannot write the output stream"), "{said}");

    let refused = Outcome::of(&mut starter.rebuild("-", &["--part-size", "fat32"])?)?;
    assert_eq!((refused.code, refused.error()), (2, Some("LF9003")), "{}", refused.stderr);
    Ok(())
}

#[test]
#[ignore = "needs cargo xtask test"]
fn private_key_and_password_stay_secret() -> Result<()> {
    let starter = starter()?;
    let folder = starter.scratch()?;
    let output = folder.path().join("stick");
    let mut command = starter.rebuild(&output.display().to_string(), &["--json", "-vv"])?;
    let outcome = Outcome::success(command.env("LANDFALL_LOG", "trace"))?;
    let key = String::from_utf8(read(&starter.keys().join("cosign.key"))?)?;
    let body: String = key.lines().filter(|line| !line.starts_with("-----")).collect();
    // Parts of the key that would also be in a copy with other line lengths.
    let pieces: Vec<&str> = (0..4).map(|index| &body[index * 64..index * 64 + 32]).collect();
    let mut small = vec![outcome.stdout, outcome.stderr.into_bytes()];
    for entry in output.read_dir()? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "landfall") {
            small.push(read(&path)?);
        }
    }
    assert_eq!(small.len(), 7, "messages, report, head, sheet, handbook, provenance and sums");
    for bytes in &small {
        let text = String::from_utf8_lossy(bytes);
        for piece in &pieces {
            assert!(!text.contains(piece), "a piece of the private key was written");
        }
    }
    // The word also occurs in Landfall's output about a root; a password would appear as a separate word.
    let spoken = String::from_utf8_lossy(&small[1]);
    assert!(
        !spoken.contains(&format!("\"{KEY_PASSWORD}\"")) && !spoken.to_lowercase().contains("password"),
        "{spoken}"
    );
    Ok(())
}
