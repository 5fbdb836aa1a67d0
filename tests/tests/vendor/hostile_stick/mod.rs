//! A stick that tries to write to its reader's terminal. Escape codes, control characters and very long names are in
//! every string and field name on it, whether or not its vendor signed them. No verb that reads the stick changes
//! anything but the given store.
#![expect(clippy::disallowed_methods, reason = "files of the tests, removed with them")]

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail, ensure};
use landfall_bundle_spec::sample::{Sample, Vendor};
use landfall_bundle_spec::to_canonical;
use landfall_bundle_spec::trust::KeyKind;
use landfall_xtask::printer;
use landfall_xtask::seed::SeededNumbers;
use serde_json::{Value, json};

use self::harmless::{ESCAPES, MARK, expect, listing};
use self::places::Place;
use self::stick::{Run, Stick, run};
use super::starter::{Starter, starter};

mod harmless;
mod places;
mod stick;

/// Length of a very long name, in bytes.
const LONG_BYTES: usize = 1 << 20;

/// Number of characters that fit into a file name of the head, in addition to its own.
const NAME_CHARACTERS: usize = 30;

/// Minimum number of different strings that must appear in harmless form, so that the test cannot pass by refusals
/// alone.
const SEEN_AT_LEAST: usize = 20;

/// Folders in which Landfall writes on a host.
const OF_THE_HOST: [&str; 4] = ["/var/lib/landfall", "/etc/landfall", "/etc/kubernetes", "/var/log/landfall"];

/// Share of a head's places that a run covers.
#[derive(Clone, Copy)]
enum Share {
    /// Every fourth place, from a seeded start.
    Fourth,
    /// All places.
    All,
}

impl Share {
    fn of<T>(self, places: Vec<T>) -> Result<Vec<T>> {
        let (first, step) = match self {
            Self::Fourth => (SeededNumbers::with_name("strings of a stick")?.within(0, 4), 4),
            Self::All => (0, 1),
        };
        Ok(places.into_iter().skip(usize::try_from(first)?).step_by(step).collect())
    }
}

/// Calls a function for a share of the head's places, with a folder for each thread. Returns the places for which it
/// returned true.
fn for_each_place(
    stick: &Stick,
    share: Share,
    action: impl Fn(&str, &Place, &Path) -> Result<bool> + Sync,
) -> Result<(usize, BTreeSet<String>)> {
    let places = share.of(stick.places()?)?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let work = |places: &[(&str, Place)]| -> Result<BTreeSet<String>> {
        let folder = tempfile::tempdir_in(stick.folder.path()).context("cannot create a folder")?;
        let mut seen = BTreeSet::new();
        for (document, place) in places {
            let what = place.describe(document);
            if action(document, place, folder.path()).with_context(|| what.clone())? {
                seen.insert(what);
            }
        }
        Ok(seen)
    };
    let seen = std::thread::scope(|scope| {
        let chunks = places.chunks(places.len().div_ceil(threads));
        let running: Vec<_> = chunks.map(|chunk| scope.spawn(move || work(chunk))).collect();
        let ended = running.into_iter().map(|thread| thread.join().map_err(|_| anyhow!("a thread panicked"))?);
        ended.collect::<Result<Vec<_>>>()
    })?;
    Ok((places.len(), seen.into_iter().flatten().collect()))
}

/// Fails unless all output was harmless. Returns true if the text appeared.
fn expect_all(runs: &[Run], head: &Path) -> Result<bool> {
    let head_bytes = usize::try_from(head.metadata()?.len())?;
    let mut seen = false;
    for (what, outcome) in runs {
        expect(&what.escape_debug().to_string(), outcome, head_bytes)?;
        seen |= outcome.text()?.contains(MARK) || outcome.stderr.contains(MARK);
    }
    Ok(seen)
}

/// Fails if a run changed the host or the content of the stick.
fn expect_unchanged(stick: &Path, runs: impl FnOnce() -> Result<()>) -> Result<()> {
    let folders: Vec<_> = OF_THE_HOST.iter().map(Path::new).chain([stick]).collect();
    let before = listing(&folders)?;
    runs()?;
    let after = listing(&folders)?;
    ensure!(after == before, "something was changed: {before:#?} {after:#?}");
    Ok(())
}

#[test]
#[ignore = "needs cargo xtask test"]
fn hostile_strings_are_escaped() -> Result<()> {
    escapes_are_harmless(Share::Fourth)
}

#[test]
#[ignore = "needs cargo xtask test"]
fn long_strings_are_shortened() -> Result<()> {
    long_strings_are_harmless(Share::Fourth)
}

#[test]
#[ignore = "needs cargo xtask test --full"]
fn every_string_of_a_stick_is_harmless() -> Result<()> {
    escapes_are_harmless(Share::All)?;
    long_strings_are_harmless(Share::All)
}

/// Checks that escape codes are printed in harmless form.
fn escapes_are_harmless(share: Share) -> Result<()> {
    let stick = Stick::new()?;
    let hostile = format!("{MARK}{ESCAPES}");
    let host: Vec<_> = OF_THE_HOST.iter().map(Path::new).collect();
    let before = listing(&host)?;
    let (places, seen) = for_each_place(&stick, share, |document, place, folder| {
        let heads = stick.heads(document, place, &hostile, folder)?;
        let mut seen = expect_all(&stick.read_by_verbs_without_trust(&heads.forged)?, &heads.forged)?;
        if let Some(head) = &heads.signed {
            seen |= expect_all(&stick.read_by_every_verb(head)?, head)?;
        }
        Ok(seen)
    })?;
    printer::note(format!("{places} kinds of strings, {} of them shown in harmless form", seen.len()));
    ensure!(seen.len() >= SEEN_AT_LEAST, "too few strings were ever shown: {seen:?}");
    ensure!(listing(&host)? == before, "a read-only command changed the host");
    Ok(())
}

/// Checks that a very long string is not printed in full.
fn long_strings_are_harmless(share: Share) -> Result<()> {
    let stick = Stick::new()?;
    let half = LONG_BYTES / 2;
    let hostile = "x".repeat(half) + &ESCAPES.repeat(half / ESCAPES.len());
    for_each_place(&stick, share, |document, place, folder| {
        let heads = stick.heads(document, place, &hostile, folder)?;
        expect_all(&stick.read_by_verbs_without_trust(&heads.forged)?, &heads.forged)?;
        if let Some(head) = &heads.signed {
            expect_all(&stick.read_by_printing_verbs(head)?, head)?;
        }
        Ok(false)
    })?;
    Ok(())
}

/// Checks names, which are also strings: those of the head's files, of the bundle, and of the folder that contains it.
#[test]
#[ignore = "needs cargo xtask test"]
fn hostile_names_are_escaped() -> Result<()> {
    let stick = Stick::new()?;
    let name = format!("{MARK}{}", ESCAPES.replace('\n', ""));
    let mut heads = Vec::new();
    let start: String = name.chars().take(NAME_CHARACTERS).collect();
    for (index, (file, _)) in stick.files.iter().enumerate().filter(|(_, (file, _))| file.len() < 50) {
        let mut forgery = stick.forgery();
        forgery.files[index].0 = file.replace(".json", &format!("{start}.json"));
        heads.push((format!("{index}.head"), forgery.head()));
    }
    heads.push((format!("{name}.head"), stick.forgery().head()));
    let folder = stick.folder.path().join(&name);
    std::fs::create_dir(&folder).context("cannot create a folder")?;
    for (name, head) in &heads {
        let path = folder.join(name);
        std::fs::write(&path, head).with_context(|| format!("cannot write {}", path.display()))?;
        expect_all(&stick.read_by_every_verb(&path)?, &path)?;
    }
    // Several bundles in one folder, each of which is named.
    expect_all(&stick.read_by_every_verb(&folder)?, &folder).map(drop)
}

/// A list of checksums, and a license, which the same stick may contain as files next to the bundle.
#[test]
#[ignore = "needs cargo xtask test"]
fn neighboring_files_are_not_printed() -> Result<()> {
    let stick = Stick::new()?;
    let folder = stick.folder.path().join("stick");
    std::fs::create_dir(&folder).context("cannot create a folder")?;
    let write = |name: &str, bytes: &[u8]| {
        std::fs::write(folder.join(name), bytes).with_context(|| format!("cannot write {name}"))
    };
    write("starter.head", &stick.forgery().head())?;
    let plain = stick.read_by_every_verb(&folder)?;
    let hostile = format!("{MARK}{ESCAPES}");
    let long = "x".repeat(LONG_BYTES);
    for text in [&hostile, &long] {
        write("SHA256SUMS", format!("{}  {text}\n{text}\n", "0".repeat(64)).as_bytes())?;
        write("oci-layout", text.as_bytes())?;
        write("index.json", &to_canonical("an index", &json!({ "manifests": [{ "mediaType": text }] }))?)?;
        expect_unchanged(&folder, || {
            for ((what, outcome), (_, before)) in stick.read_by_every_verb(&folder)?.iter().zip(&plain) {
                expect(what, outcome, 0)?;
                ensure!(outcome.code == before.code, "{what} ends with {}, not {}", outcome.code, before.code);
                let shown = outcome.text()?.contains(text) || outcome.stderr.contains(MARK);
                ensure!(!shown, "{what} prints what is beside the bundle: {}", outcome.stderr);
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// A document that a user receives on a stick, and displays.
#[test]
#[ignore = "needs cargo xtask test"]
fn hostile_trust_documents_are_escaped() -> Result<()> {
    let stick = Stick::new()?;
    let documents: [(&str, Vec<u8>, [&str; 2]); 3] = [
        ("2.root.json", stick.file("trust/1.root.json")?, ["trust", "show"]),
        ("revocation.json", stick.file("trust/revocation.json")?, ["trust", "show"]),
        ("acme.license", stick.license()?, ["license", "inspect"]),
    ];
    let texts = [format!("{MARK}{ESCAPES}"), "x".repeat(LONG_BYTES)];
    for (name, bytes, verb) in &documents {
        let document: Value = serde_json::from_slice(bytes)?;
        let path = stick.folder.path().join(name);
        let shown = path.display().to_string();
        let of_verb = [verb[0], verb[1], &shown];
        for (place, text) in Place::of(&document).iter().flat_map(|place| texts.iter().map(move |text| (place, text))) {
            let mut changed = document.clone();
            place.write(&mut changed, text);
            std::fs::write(&path, to_canonical(name, &changed)?).context("cannot write a document")?;
            let runs = [run(&of_verb)?, run(&[&of_verb[..], &["--json"]].concat())?];
            expect_all(&runs, &path).with_context(|| place.describe(name))?;
        }
    }
    Ok(())
}

/// An index, a manifest and a configuration are blobs: they are checked and copied, but never printed.
#[test]
#[ignore = "needs cargo xtask test"]
fn payload_text_is_not_printed() -> Result<()> {
    let (vendor, folder) = (Vendor::new(KeyKind::EcdsaP256)?, tempfile::tempdir().context("cannot create a folder")?);
    let path = folder.path().join("sample.landfall");
    let [bundle, store] = [&path, &folder.path().join("store")].map(|path| path.display().to_string());
    let trust = ["--trust", &vendor.root.fingerprint().to_string()];
    let verbs: [&[&str]; 3] = [
        &["inspect", &bundle],
        &[&["verify", &bundle], &trust[..]].concat(),
        &[&["stage", &bundle, "--store", &store], &trust[..]].concat(),
    ];
    let documents = oci_documents()?;
    for text in [format!("{MARK}{ESCAPES}"), format!("{MARK}{}", "x".repeat(LONG_BYTES))] {
        for (index, document) in documents.iter().enumerate() {
            for place in Place::of(document) {
                let mut changed = documents.clone();
                place.write(&mut changed[index], &text);
                let [index, manifest, configuration] = changed.map(|document| document.to_string().into_bytes());
                let sample = Sample::with_index(&vendor, index, vec![manifest, configuration])?;
                std::fs::write(&path, sample.stream()).context("cannot write a bundle")?;
                for verb in verbs {
                    let (what, outcome) = run(verb)?;
                    expect(&what, &outcome, 0).with_context(|| place.describe("a blob"))?;
                    ensure!(outcome.code == 0, "{what} refuses a blob for what it says: {}", outcome.stderr);
                    let shown = outcome.text()?.contains(MARK) || outcome.stderr.contains(MARK);
                    ensure!(!shown, "{what} prints what a blob says: {}", outcome.stderr);
                }
            }
        }
    }
    Ok(())
}

/// Returns the starter's index, and the manifest and the configuration of one of its images.
fn oci_documents() -> Result<[Value; 3]> {
    let starter = starter()?;
    let image = &starter.inspection()?["release"]["images"][0];
    let blob = |name: &str| -> Result<Value> {
        let digest = image[name]["digest"].as_str().and_then(|digest| digest.strip_prefix("sha256:"));
        let hex = digest.with_context(|| format!("an image has no {name}: {image}"))?;
        let path = starter.tree().join("docker/registry/v2/blobs/sha256").join(&hex[..2]).join(hex).join("data");
        let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_slice(&bytes).with_context(|| format!("the {name} is not JSON"))
    };
    Ok([index(starter)?, blob("manifest")?, blob("config")?])
}

/// Returns `index.json`, which follows `landfall` in the first part.
fn index(starter: &Starter) -> Result<Value> {
    let first = starter.part_paths().first().cloned().context("the bundle has no parts")?;
    for entry in tar::Archive::new(std::fs::File::open(first)?).entries()? {
        let entry = entry?;
        if entry.path()?.as_os_str() == "index.json" {
            return serde_json::from_reader(entry).context("the index is not JSON");
        }
    }
    bail!("the first part has no index")
}
