//! Flipped bits in the real bundle, on a machine. Each is refused with its expected code, and nothing changes outside
//! the data folder.
//!
//! Damage in the head is found before anything is written, so each such bundle is installed separately. Damage after it
//! is found while staging, which keeps good data. The first such bundle is installed, and each later one resumed, in
//! the order of the stream. Together, they thus read it once.

use std::fs::File;
use std::io::BufReader;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use landfall_bundle_spec::trust::TrustAnchor;
use landfall_xtask::printer;

use super::damage::{Flip, code_of, flips};
use super::engineer::{Engineer, STICK};
use super::fixture::fixture;
use super::memory;
use super::refusals::{REFUSED, Sticks, change};

/// Folder of the damaged bundle on the stick.
const CASE: &str = "flipped";

/// Bytes that contain the signed document, its signature and the root. The rest of the head is far larger, and has one
/// rule.
const AREA_BYTES: u64 = 6 << 10;

/// Number of refusals between two checks of the machine.
const FLIPS_PER_LOOK: usize = 5;

/// The real bundle, with one wrong bit at a time.
struct FlippedBundle {
    parts: Vec<PathBuf>,
    head_bytes: u64,
    anchor: TrustAnchor,
}

impl FlippedBundle {
    /// Flips a bit, calls `look` with the expected code, and flips it back.
    fn with(&self, flip: Flip, look: impl FnOnce(&str) -> Result<()>) -> Result<()> {
        self.flip(flip)?;
        let stream = BufReader::new(File::open(&self.parts[0]).context("cannot open the first part")?);
        look(code_of(flip, self.head_bytes, stream, &self.anchor)?)?;
        self.flip(flip)
    }

    fn flip(&self, flip: Flip) -> Result<()> {
        let mut within = flip.at;
        for part in &self.parts {
            let length = std::fs::metadata(part).with_context(|| format!("there is no {}", part.display()))?.len();
            if within < length {
                return change(part, |file| {
                    let mut byte = [0];
                    file.read_exact_at(&mut byte, within)?;
                    file.write_all_at(&[byte[0] ^ flip.bit], within)
                });
            }
            within -= length;
        }
        anyhow::bail!("the bundle has no byte {}", flip.at)
    }
}

/// Installs and resumes with one damaged bundle after another.
pub(crate) fn flips_change_nothing(engineer: Engineer<'_>, sticks: &Sticks) -> Result<()> {
    let begun = Instant::now();
    let bundle = fixture()?;
    let damaged = FlippedBundle {
        parts: sticks.real(CASE)?,
        head_bytes: bundle.head_bytes,
        anchor: TrustAnchor::fingerprint(&bundle.fingerprint)?,
    };
    let (head, total) = (bundle.head_bytes, bundle.total_bytes);
    let mut flips = flips("flips on a machine", &[0..AREA_BYTES, head..total, 0..head, head..total])?;
    flips.sort();
    flips.dedup_by_key(|flip| flip.at);
    let (in_head, behind): (Vec<_>, Vec<_>) = flips.into_iter().partition(|flip| flip.at < bundle.head_bytes);
    ensure!(in_head.len() > 20 && behind.len() > 20, "too few bits: {} and {}", in_head.len(), behind.len());
    damage_of_the_head_changes_nothing(engineer, &damaged, &in_head)?;
    damage_behind_it_stays_in_the_data_folder(engineer, &damaged, &behind)?;
    printer::note(format!(
        "{} flipped bits, each refused with its own code, nothing changed outside the data folder: {:.0} s",
        in_head.len() + behind.len(),
        begun.elapsed().as_secs_f64()
    ));
    sticks.remove(CASE)
}

fn damage_of_the_head_changes_nothing(engineer: Engineer<'_>, damaged: &FlippedBundle, flips: &[Flip]) -> Result<()> {
    let (place, trust) = (format!("{STICK}/{CASE}"), &fixture()?.fingerprint);
    let mut found = Vec::new();
    for flips in flips.chunks(FLIPS_PER_LOOK) {
        for flip in flips {
            damaged.with(*flip, |code| {
                let said = engineer.landfall(&["install", &place, "--trust", trust])?;
                said.expect_refusal(&format!("install with {flip:?}"), code, REFUSED)?;
                found.push(code.to_owned());
                Ok(())
            })?;
        }
        engineer.expect_unchanged(&format!("after refusing {flips:?}"), &[])?;
    }
    found.sort();
    found.dedup();
    printer::note(format!("{} flipped bits of the head: {}", flips.len(), found.join(", ")));
    Ok(())
}

fn damage_behind_it_stays_in_the_data_folder(
    engineer: Engineer<'_>,
    damaged: &FlippedBundle,
    flips: &[Flip],
) -> Result<()> {
    let (place, trust) = (format!("{STICK}/{CASE}"), &fixture()?.fingerprint);
    let mut is_begun = false;
    for flips in flips.chunks(FLIPS_PER_LOOK) {
        for flip in flips {
            damaged.with(*flip, |code| {
                let verb = if is_begun { "resume" } else { "install" };
                let arguments: &[&str] =
                    if is_begun { &[verb, "--bundle", &place] } else { &[verb, &place, "--trust", trust] };
                let (said, peak) = memory::peak_of(engineer.machine(), verb, || engineer.landfall(arguments))?;
                said.expect_refusal(&format!("{verb} with {flip:?}"), code, REFUSED)?;
                memory::expect_little(verb, peak)
            })?;
            is_begun = true;
        }
        // The command for the resume is in the path from the first record on.
        let begun = ["/usr/local/bin/landfall", "/var/lib/landfall", "/var/log/landfall"];
        engineer.expect_unchanged(&format!("after refusing {flips:?}"), &begun)?;
    }
    engineer.uninstall_all()?;
    engineer.expect_unchanged("after damage behind the head and an uninstall", &["/var/log/landfall"])
}
