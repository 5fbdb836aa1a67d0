//! Third-party tools read a bundle as the formats that it claims to be.
#![expect(clippy::disallowed_methods, reason = "files of the tests, removed with them")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use landfall_xtask::cosign::CosignVerifier;
use landfall_xtask::{images, workspace};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::outcome::Outcome;
use super::starter::{PROVENANCE, starter};
use super::tools::{Lister, sums};

/// The image that is copied out of the bundle.
const PAUSE: &str = "registry.k8s.io/pause:3.10.2";

fn join_parts(paths: &[PathBuf], whole: &Path) -> Result<()> {
    let mut output = std::fs::File::create(whole)?;
    for path in paths {
        std::io::copy(&mut std::fs::File::open(path)?, &mut output)?;
    }
    Ok(())
}

#[test]
#[ignore = "needs cargo xtask test"]
fn concatenated_parts_list_as_one_archive() -> Result<()> {
    let starter = starter()?;
    let parts = starter.part_paths();
    assert!(parts.len() > 2, "{parts:?}");
    let expected = Lister::Gnu.pipe(&parts)?;
    for lister in Lister::ALL {
        assert_eq!(lister.pipe(&parts)?, expected, "{lister:?}");
    }
    let shared: Vec<_> = ["landfall.json", "signatures/", "trust/1.root.json", "blobs.json", "chunks.b3", "documents/"]
        .into_iter()
        .filter(|name| !expected.iter().any(|file| file.name.starts_with(name)))
        .collect();
    assert!(shared.is_empty(), "the listing lacks {shared:?}");
    // Every blob of the signed list exists once, with its size, under its digest or its own name.
    let listed: BTreeMap<_, _> = expected.iter().map(|file| (file.name.as_str(), file.size)).collect();
    assert_eq!(listed.len(), expected.len(), "a name occurs twice");
    let inspection = starter.inspection()?;
    let blobs = inspection["blobs"].as_array().context("no blobs")?;
    assert!(blobs.len() > 50, "{} blobs", blobs.len());
    for (blob, place) in blobs
        .iter()
        .zip(["landfall", "oci-layout", "index.json"].map(Some).into_iter().chain([None].into_iter().cycle()))
    {
        let digest = blob["digest"].as_str().context("no digest")?;
        let name = place.map_or_else(|| format!("blobs/{}", digest.replace(':', "/")), str::to_owned);
        assert_eq!(listed.get(name.as_str()).copied(), blob["size"].as_u64(), "{name}");
    }
    assert_eq!(expected.iter().filter(|file| file.name.starts_with("blobs/")).count(), blobs.len() - 3);
    Ok(())
}

#[test]
#[ignore = "needs cargo xtask test"]
fn tar_extracts_program_with_known_digest() -> Result<()> {
    let starter = starter()?;
    let inside = starter.report["installerSha256"].as_str().context("no digest of the installer")?;
    assert_eq!(starter.inspection()?["installer"], inside);
    // Follows the transfer sheet's instructions for the officer literally.
    let sheet = std::fs::read_to_string(starter.file(".html")?)?;
    let (_, command) = sheet.split_once("<pre>").context("no command")?;
    let (command, _) = command.split_once("</pre>").context("no end of the command")?;
    assert!(sheet.contains(inside) && !command.contains('&') && !command.contains('<'), "{command}");
    let folder = starter.scratch()?;
    for part in starter.part_paths() {
        std::os::unix::fs::symlink(&part, folder.path().join(part.file_name().context("a part has a name")?))?;
    }
    let taken = Outcome::success(Command::new("sh").args(["-c", command]).current_dir(folder.path()))?;
    assert_eq!(taken.text()?, format!("{}  landfall\n", inside.trim_start_matches("sha256:")));
    let runs = Outcome::success(Command::new("./landfall").arg("--version").current_dir(folder.path()))?;
    assert!(runs.text()?.starts_with("landfall "), "{}", runs.text()?);
    Ok(())
}

#[test]
#[ignore = "needs cargo xtask test"]
fn inspect_shows_head_documents() -> Result<()> {
    let starter = starter()?;
    let shown = starter.inspection()?;
    let document = |name: &str| -> Result<Value> {
        // tar reports an unexpected end of the archive, because a head is only its beginning.
        let output = Command::new("tar").arg("-xOf").arg(starter.file(".head")?).arg(name).output()?;
        serde_json::from_slice(&output.stdout).with_context(|| format!("{name} is no JSON"))
    };
    assert_eq!(shown["release"], document("documents/release.json")?);
    assert_eq!(shown["siteSchema"], document("documents/site.schema.json")?);
    let objects = shown["objects"].as_object().context("no objects")?;
    let components = shown["release"]["components"].as_array().context("no components")?;
    assert_eq!((objects.len(), components.len()), (8, 8));
    for component in components {
        let name = component["name"].as_str().context("no name")?;
        assert_eq!(objects[name], document(&format!("documents/objects/{name}.json"))?, "{name}");
        assert!(objects[name].as_array().is_some_and(|objects| !objects.is_empty()), "{name}");
    }
    Ok(())
}

#[test]
#[ignore = "needs cargo xtask test"]
fn skopeo_copies_image_by_reference() -> Result<()> {
    let starter = starter()?;
    let folder = starter.scratch()?;
    let whole = folder.path().join("whole.tar");
    join_parts(&starter.part_paths(), &whole)?;
    let inspection = starter.inspection()?;
    let images = inspection["release"]["images"].as_array().context("no images")?;
    let image = images.iter().find(|image| image["reference"] == PAUSE).context("no pause")?;
    let wanted = image["manifest"]["digest"].as_str().context("no digest")?;

    let copied = folder.path().join("copied");
    let source = format!("oci-archive:{}:{PAUSE}", whole.display());
    let target = format!("dir:{}", copied.display());
    // Skopeo unpacks archives below TMPDIR, because /tmp may be small.
    Outcome::success(
        Command::new("skopeo").args(["copy", "--insecure-policy", &source, &target]).env("TMPDIR", folder.path()),
    )?;
    let manifest = std::fs::read(copied.join("manifest.json"))?;
    let digest = format!("sha256:{}", hex::encode(Sha256::digest(&manifest)));
    assert_eq!(digest, wanted);
    let lock = std::fs::read_to_string(starter.lock_file())?;
    let (_, entry) = lock.split_once(&format!("reference: {PAUSE}\n")).context("the lock has no pause")?;
    let entry = entry.split("- reference:").next().unwrap_or_default();
    assert!(entry.contains(&format!("digest: {digest}\n")), "{entry}");
    // Skopeo compared every blob with its digest; all of them exist.
    let manifest: Value = serde_json::from_slice(&manifest)?;
    let layers = manifest["layers"].as_array().context("no layers")?;
    for blob in layers.iter().chain([&manifest["config"]]) {
        let name = blob["digest"].as_str().context("no digest")?.trim_start_matches("sha256:");
        assert_eq!(std::fs::metadata(copied.join(name))?.len(), blob["size"].as_u64().context("no size")?);
    }

    let absent = format!("oci-archive:{}:registry.k8s.io/pause:0", whole.display());
    let refused = Outcome::of(Command::new("skopeo").args(["inspect", "--raw", &absent]).env("TMPDIR", folder.path()))?;
    assert_ne!(refused.code, 0, "a reference that is not there was found");
    Ok(())
}

#[test]
#[ignore = "needs cargo xtask test"]
fn cosign_accepts_only_bundle_signature() -> Result<()> {
    let starter = starter()?;
    let folder = starter.scratch()?;
    let judged = CosignVerifier::head(&starter.file(".head")?)?;
    let (key, document) = (starter.keys().join("cosign.pub"), judged.document());
    assert!(judged.accepts(&key, &document)?);

    let mut changed = std::fs::read(&document)?;
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    let other = folder.path().join("changed.json");
    std::io::Write::write_all(&mut std::fs::File::create(&other)?, &changed)?;
    assert!(!judged.accepts(&key, &other)?);

    let keys = folder.path().join("keys");
    let mut new = starter.landfall(&["key", "new", "--output"]);
    Outcome::success(new.arg(&keys).env("LANDFALL_KEY_PASSWORD", "another"))?;
    assert!(!judged.accepts(&keys.join("cosign.pub"), &document)?);
    Ok(())
}

/// Follows the instructions of the handbook for a customer's security officer literally.
#[test]
#[ignore = "needs cargo xtask test"]
fn officer_commands_accept_any_bundle_form() -> Result<()> {
    let starter = starter()?;
    let handbook = std::fs::read_to_string(workspace::root().join("docs/vendor/bundle.md"))?;
    let commands: Vec<_> = handbook.lines().filter_map(|line| line.strip_prefix("officer$ ")).collect();
    assert_eq!(commands.len(), 6, "{commands:?}");
    let folder = starter.scratch()?;
    for name in ["cosign.pub", "1.root.json"] {
        std::fs::copy(starter.keys().join(name), folder.path().join(name))?;
    }
    let parts = starter.part_paths();
    let name = parts[0].file_name().and_then(|name| name.to_str()?.split_once(".landfall")).context("no name")?.0;
    let whole = folder.path().join("whole");
    std::fs::create_dir(&whole)?;
    join_parts(&parts, &whole.join(format!("{name}.landfall")))?;
    for beside in [".head", PROVENANCE].map(|end| format!("{name}{end}")) {
        std::fs::copy(starter.stick().join(&beside), whole.join(&beside))?;
    }

    let program =
        |path: &Path| path.parent().map(|folder| folder.display().to_string()).context("a program has a folder");
    let landfall = starter.landfall(&[]);
    let programs = [program(&images::ensure_cosign()?)?, program(Path::new(landfall.get_program()))?].join(":");
    let path = format!("{programs}:{}", std::env::var("PATH")?);
    for media in [starter.stick(), whole] {
        for command in &commands {
            let command = command
                .replace("KEYID", "*")
                .replace("NAME", name)
                .replace("/media/stick", &media.display().to_string());
            let mut shell = Command::new("sh");
            shell.args(["-c", &command]).current_dir(folder.path()).env("PATH", &path).env("HOME", folder.path());
            Outcome::success(&mut shell).with_context(|| format!("`{command}` does not work"))?;
        }
        std::fs::remove_file(folder.path().join("landfall.json"))?;
        std::fs::remove_dir_all(folder.path().join("signatures"))?;
    }
    Ok(())
}

#[test]
#[ignore = "needs cargo xtask test"]
fn extracted_blobs_match_index_sums() -> Result<()> {
    let starter = starter()?;
    let folder = starter.scratch()?;
    let parts = starter.part_paths();
    let mut shell = Command::new("sh");
    shell.args(["-c", "cat \"$@\" | tar --extract", "sh"]).args(&parts).current_dir(folder.path());
    Outcome::success(&mut shell)?;
    let blobs = folder.path().join("blobs/sha256");
    let (blake3, sha256) = (sums("b3sum", &blobs)?, sums("sha256sum", &blobs)?);
    let inspection = starter.inspection()?;
    let of_index = inspection["blobs"].as_array().context("no blobs")?.iter().skip(3);
    let mut checked = 0;
    for blob in of_index {
        let name = blob["digest"].as_str().context("no digest")?.trim_start_matches("sha256:");
        assert_eq!(blake3.get(name).map(String::as_str), blob["blake3"].as_str(), "{name}");
        assert_eq!(sha256.get(name).map(String::as_str), Some(name));
        checked += 1;
    }
    assert_eq!((checked, checked), (blake3.len(), sha256.len()));
    // The three files with their own names.
    let root = sums("b3sum", &starter_files(folder.path())?)?;
    for (blob, name) in
        inspection["blobs"].as_array().into_iter().flatten().zip(["landfall", "oci-layout", "index.json"])
    {
        assert_eq!(root.get(name).map(String::as_str), blob["blake3"].as_str(), "{name}");
    }
    // The program in the bundle is the one that built it.
    let traveled = std::fs::read(folder.path().join("landfall"))?;
    let built = Sha256::digest(std::fs::read(starter.landfall(&[]).get_program())?);
    assert_eq!(Sha256::digest(traveled), built);
    Ok(())
}

/// Copies only the placed files into a folder.
fn starter_files(root: &Path) -> Result<PathBuf> {
    let folder = root.join("placed");
    std::fs::create_dir(&folder)?;
    for name in ["landfall", "oci-layout", "index.json"] {
        std::fs::hard_link(root.join(name), folder.join(name))?;
    }
    Ok(folder)
}

#[test]
#[ignore = "needs cargo xtask test"]
fn sha256sum_and_sheet_list_every_file() -> Result<()> {
    let starter = starter()?;
    let mut check = Command::new("sha256sum");
    let checked = Outcome::success(check.args(["--check", "--strict", "SHA256SUMS"]).current_dir(starter.stick()))?;
    let names = starter.file_names();
    assert_eq!(checked.text()?.lines().count(), names.len());
    for name in &names {
        assert!(checked.text()?.contains(&format!("{name}: OK\n")), "{name}");
    }
    let mut on_stick = Vec::new();
    for entry in starter.stick().read_dir()? {
        on_stick.push(entry?.file_name().into_string().unwrap_or_default());
    }
    on_stick.sort();
    let mut expected: Vec<_> = names.iter().map(ToString::to_string).chain(["SHA256SUMS".to_owned()]).collect();
    expected.sort();
    assert_eq!(on_stick, expected, "nothing else is on the stick");

    let page = |file: &str| {
        let check = workspace::root().join("tests/data/check_page.py");
        Outcome::success(Command::new("python3").arg(check).arg(starter.file(file)?))
    };
    let handbook = page(".handbook.html")?;
    assert!(handbook.text()?.contains("landfall preflight"), "the handbook lacks a command");
    let text = page(".html")?;
    let text = text.text()?;
    assert!(text.contains(&starter.fingerprint()?), "the sheet lacks the fingerprint");
    for file in starter.report["files"].as_array().into_iter().flatten() {
        let name = file["name"].as_str().unwrap_or_default();
        if name.contains(".landfall") {
            let sum = file["sha256"].as_str().unwrap_or_default().trim_start_matches("sha256:");
            assert!(text.contains(name) && text.contains(sum), "the sheet lacks {name} or its digest");
        }
    }
    assert!(text.contains(PAUSE) && text.contains("For development only."));
    Ok(())
}

#[test]
#[ignore = "needs cargo xtask test"]
fn python_reader_reads_formats() -> Result<()> {
    let starter = starter()?;
    let reader = |trust: &str| {
        let mut command = Command::new("python3");
        command.arg("-B").arg(workspace::root().join("docs/read_bundle.py")).args(["--sha256-only", "--trust", trust]);
        Outcome::of(command.args(starter.part_paths()))
    };
    let accepted = reader(&starter.fingerprint()?)?;
    assert_eq!(accepted.code, 0, "{}", accepted.stderr);
    let inspection = starter.inspection()?;
    for blob in inspection["blobs"].as_array().into_iter().flatten().skip(3) {
        let name = blob["digest"].as_str().unwrap_or_default().replace(':', "/");
        assert!(accepted.text()?.contains(&name), "the reader does not name {name}");
    }
    let refused = reader(&format!("sha256:{}", "0".repeat(64)))?;
    assert_eq!(refused.code, 3, "{}", refused.stderr);
    Ok(())
}

#[test]
#[ignore = "needs cargo xtask test"]
fn python_reader_reads_delta() -> Result<()> {
    let starter = starter()?;
    let folder = starter.scratch()?;
    let output = folder.path().join("delta");
    let (stick, trust) = (starter.stick().display().to_string(), starter.fingerprint()?);
    let arguments = ["--json", "carry", "delta", &stick, "--from", &stick, "--trust", &trust, "--output"];
    let report = Outcome::success(starter.landfall(&arguments).arg(&output))?.json()?;
    let file = report["files"][0]["name"].as_str().unwrap_or_default();
    assert!(Path::new(file).extension().is_some_and(|extension| extension == "delta"), "{report}");
    let reader = |path: &Path| {
        let mut command = Command::new("python3");
        command.arg("-B").arg(workspace::root().join("docs/read_bundle.py")).args(["--sha256-only", "--trust", &trust]);
        Outcome::of(command.arg(path))
    };
    let path = output.join(file);
    let accepted = reader(&path)?;
    assert_eq!(accepted.code, 0, "{}", accepted.stderr);
    let left_out = accepted.text()?.lines().filter(|line| line.ends_with(", left out")).count();
    assert_eq!(report["leftOutBlobs"], left_out, "{}", accepted.text()?);
    let verified = Outcome::success(starter.landfall(&["--json", "verify", "--trust", &trust]).arg(&path))?.json()?;
    assert_eq!((&verified["leftOutBlobs"], &verified["bytes"]), (&report["leftOutBlobs"], &report["bytes"]));
    // The last byte before tar's end-of-archive blocks.
    let mut bytes = std::fs::read(&path)?;
    let last = bytes.len() - 1025;
    bytes[last] ^= 1;
    std::fs::write(&path, bytes)?;
    assert_eq!(reader(&path)?.code, 3);
    let refused = Outcome::of(starter.landfall(&["--json", "verify", "--trust", &trust]).arg(&path))?;
    assert!(refused.code == 3 && refused.stderr.contains("LF1208"), "{}", refused.stderr);
    Ok(())
}
