//! Damage anywhere in a bundle, as handled by the program on the host. `verify` refuses it, and `stage` never lets a
//! damaged blob into its store.

use std::collections::BTreeMap;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use landfall_bundle_spec::head::Verified;
use landfall_bundle_spec::sample::{Sample, Vendor};
use landfall_bundle_spec::trust::{KeyKind, TrustAnchor};
use landfall_error_codes::{CodedError, codes};
use landfall_xtask::seed::SeededNumbers;
use landfall_xtask::{builds, documents, printer};
use sha2::{Digest, Sha256};

use super::refusals::REFUSED;

/// Number of flipped bits.
const FLIPS: usize = 50;

/// Number of truncated lengths.
const TRUNCATIONS: u64 = 20;

/// A small bundle of several chunks, the `landfall` that reads it, and a folder for its output.
struct Bench {
    landfall: PathBuf,
    folder: tempfile::TempDir,
    trust: PathBuf,
    anchor: TrustAnchor,
    sample: Sample,
}

impl Bench {
    fn new() -> Result<Self> {
        let vendor = Vendor::new(KeyKind::EcdsaP256)?;
        // No two adjacent bytes are equal, so a neighboring byte cannot mask a flip.
        let blob = |size, step| (0..=250_u8).cycle().step_by(step).take(size).collect::<Vec<u8>>();
        let sample = Sample::with_blobs(&vendor, vec![blob(2_500_000, 3), blob(700, 5), blob(1 << 20, 7)])?;
        let folder = tempfile::tempdir().context("cannot create a folder")?;
        let trust = folder.path().join("1.root.json");
        write(&trust, vendor.root.bytes())?;
        Ok(Self { landfall: builds::landfall()?, folder, trust, anchor: vendor.anchor(), sample })
    }

    /// Verifies and stages a bundle of these bytes. Returns exit code and error code of each.
    fn read(&self, bytes: &[u8]) -> Result<[(Option<i32>, String); 2]> {
        let bundle = self.folder.path().join("sample.landfall");
        let store = self.folder.path().join("store");
        write(&bundle, bytes)?;
        if store.exists() {
            std::fs::remove_dir_all(&store)?;
        }
        let outcomes =
            [self.run("verify", &bundle, &[])?, self.run("stage", &bundle, &[Path::new("--store"), &store])?];
        self.expect_good_blobs(&store)?;
        Ok(outcomes)
    }

    fn run(&self, verb: &str, bundle: &Path, more: &[&Path]) -> Result<(Option<i32>, String)> {
        let mut command = Command::new(&self.landfall);
        command.arg("--json").arg(verb).arg(bundle).arg("--trust").arg(&self.trust).args(more);
        let output = command.output().context("cannot start landfall")?;
        let text = String::from_utf8_lossy(&output.stderr);
        let last = documents::lines(&text)?.pop().unwrap_or_default();
        Ok((output.status.code(), last["code"].as_str().unwrap_or_default().to_owned()))
    }

    /// Fails unless every blob in the store belongs to the bundle and has its digest.
    fn expect_good_blobs(&self, store: &Path) -> Result<()> {
        let good: Vec<String> = self.sample.contents.iter().map(|blob| hex::encode(Sha256::digest(blob))).collect();
        let blobs = store.join("docker/registry/v2/blobs/sha256");
        let Ok(groups) = blobs.read_dir() else { return Ok(()) };
        for group in groups {
            for entry in group?.path().read_dir()? {
                let folder = entry?.path();
                let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let found = hex::encode(Sha256::digest(std::fs::read(folder.join("data"))?));
                ensure!(name == found && good.contains(&found), "the store holds {found} as {name}");
            }
        }
        Ok(())
    }
}

#[expect(clippy::disallowed_methods, reason = "a file of the test")]
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

/// A flipped bit of a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Flip {
    /// Index of its byte in the stream.
    pub(crate) at: u64,
    /// Mask of the bit.
    pub(crate) bit: u8,
}

/// Returns flips of a bundle, distributed equally over these ranges.
pub(crate) fn flips(name: &str, ranges: &[Range<u64>]) -> Result<Vec<Flip>> {
    let mut seeded = SeededNumbers::with_name(name)?;
    let one = |range: &Range<u64>| Flip { at: seeded.within(range.start, range.end), bit: 1 << seeded.within(0, 8) };
    Ok(ranges.iter().cycle().take(FLIPS).map(one).collect())
}

/// Returns the code with which a damaged bundle must be refused. Damage in the head can violate any rule of the head,
/// so the format's own reader decides. Damage after the head is found while reading, and is thus reported as damage.
pub(crate) fn code_of(flip: Flip, head_bytes: u64, stream: impl Read, anchor: &TrustAnchor) -> Result<&'static str> {
    if flip.at >= head_bytes {
        return Ok(codes::PAYLOAD_DAMAGED.id);
    }
    match Verified::read(stream, anchor) {
        Err(error) => Ok(error.code().id),
        Ok(_) => bail!("the format's own reader does not see {flip:?} in the head"),
    }
}

#[test]
#[ignore = "needs cargo xtask test"]
fn flipped_bit_is_found_anywhere() -> Result<()> {
    let bench = Bench::new()?;
    let whole = bench.sample.stream();
    ensure!(bench.read(&whole)?.iter().all(|(exit, _)| *exit == Some(0)), "the whole bundle is refused");
    let head = bench.sample.head.bytes().len() as u64;
    let mut codes = BTreeMap::<&str, u32>::new();
    for flip in flips("flips", &[0..head, head..whole.len() as u64])? {
        let mut bytes = whole.clone();
        bytes[usize::try_from(flip.at)?] ^= flip.bit;
        let code = code_of(flip, head, bytes.as_slice(), &bench.anchor)?;
        for (exit, found) in bench.read(&bytes)? {
            ensure!(exit == Some(REFUSED) && found == code, "{flip:?}: exit {exit:?}, {found}, not {code}");
            *codes.entry(code).or_default() += 1;
        }
    }
    printer::note(format!("{FLIPS} flipped bits, each refused by verify and stage with its own code: {codes:?}"));
    Ok(())
}

/// A length to which a bundle is truncated, and the expected error code.
pub(crate) struct Truncation {
    /// Number of remaining bytes.
    pub(crate) length: u64,
    /// Expected error code.
    pub(crate) code: &'static str,
}

/// Returns truncations of a bundle: within its head, at the end of its head, and within its payload. A bundle that ends
/// with its head is a complete head, but lacks every part.
pub(crate) fn truncations(head_bytes: u64, total_bytes: u64) -> Result<Vec<Truncation>> {
    let mut seeded = SeededNumbers::with_name("truncations")?;
    let one = |number| match number {
        0 => Truncation { length: head_bytes, code: "LF1206" },
        number if number % 2 == 0 => Truncation { length: seeded.within(1, head_bytes), code: "LF1001" },
        _ => Truncation { length: seeded.within(head_bytes + 1, total_bytes), code: "LF1215" },
    };
    Ok((0..TRUNCATIONS).map(one).collect())
}

#[test]
#[ignore = "needs cargo xtask test"]
fn truncated_bundle_is_refused() -> Result<()> {
    let bench = Bench::new()?;
    let whole = bench.sample.stream();
    let head = bench.sample.head.bytes().len() as u64;
    let mut codes = BTreeMap::<&str, u32>::new();
    for Truncation { length, code } in truncations(head, whole.len() as u64)? {
        for (exit, found) in bench.read(&whole[..usize::try_from(length)?])? {
            ensure!(exit == Some(REFUSED), "truncated to {length} bytes: exit {exit:?}, {found}");
            ensure!(found == code, "truncated to {length} of {} bytes: {found}, not {code}", whole.len());
            *codes.entry(code).or_default() += 1;
        }
    }
    printer::note(format!("{TRUNCATIONS} lengths, each refused by verify and stage: {codes:?}"));
    Ok(())
}
