//! A file that does not belong to Landfall and fills the filesystem of the data folder.

use anyhow::{Context, Result, ensure};
use landfall_xtask::site::Machine;

/// Path of the file, on the disk of the data folder.
const BALLAST: &str = "/var/ballast";

/// Path of a second file, which fills the space left by the first one.
const REST: &str = "/var/ballast-rest";

/// Path, in memory, with the process group that fills any space that becomes free.
const FILLER: &str = "/run/ballast.pid";

/// Space that the first file leaves for the second one: enough for the first file's own block list.
const REST_BYTES: u64 = 1 << 20;

/// Amount of space that stays free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RemainingSpace {
    /// Bytes for every user. The kubelet evicts pods below 1 GiB, and Landfall stops writing below 1.25 GiB.
    ForAll(u64),
    /// Bytes only for root. Root's reserve is filled up to this amount.
    ForRoot(u64),
    /// No bytes for any user.
    Nothing,
}

impl RemainingSpace {
    /// Returns the format of `stat --file-system` for the free blocks, and the bytes.
    fn field(self) -> (&'static str, u64) {
        match self {
            Self::ForAll(bytes) => ("%a", bytes),
            Self::ForRoot(bytes) => ("%f", bytes),
            Self::Nothing => ("%f", REST_BYTES),
        }
    }
}

/// Fills the filesystem immediately. Nothing is written, except the last mebibyte if nothing may stay free.
pub(crate) fn fill(machine: &Machine, left: RemainingSpace) -> Result<()> {
    let (field, bytes) = left.field();
    let free = format!(
        "$(( $(stat --file-system --format={field} /var/lib/landfall) * $(stat --file-system --format=%S \
         /var/lib/landfall) ))"
    );
    // A filesystem withholds some space for its own block lists, even from root, without reporting the amount (ext4: at
    // most 16 MiB). The site also keeps writing. A file that did not fit would leave the disk full permanently.
    let filled = machine.run(&format!(
        "for less in $(seq 0 64); do size=$(( {free} - {bytes} - (less << 20) )); [ $size -gt 0 ] || exit 1; \
         fallocate --length $size {BALLAST} && echo $size && exit 0; rm --force {BALLAST}; done; exit 1"
    ));
    let size: u64 = filled.context("the disk cannot be filled")?.stdout.trim().parse()?;
    ensure!(size > 0, "there was nothing to fill");
    if left == RemainingSpace::Nothing {
        fill_the_rest(machine)?;
    }
    Ok(())
}

/// Fills the last mebibyte, and any space that becomes free while the ballast exists, such as the volume of a finished
/// drill.
fn fill_the_rest(machine: &Machine) -> Result<()> {
    let rest = machine.try_run(&format!("cat /dev/zero > {REST}"))?;
    ensure!(rest.stderr.contains("No space left on device"), "the disk is not full: {}", rest.stderr);
    let refill = format!("while [ -e {BALLAST} ]; do head --bytes=64M /dev/zero >> {REST}; sleep 0.05; done");
    machine.run(&format!("setsid bash -c '{refill}' > /dev/null 2>&1 & echo $! > {FILLER}")).map(drop)
}

/// Removes the ballast.
pub(crate) fn remove(machine: &Machine) -> Result<()> {
    let end = format!("if [ -e {FILLER} ]; then kill -- -$(cat {FILLER}); rm {FILLER}; fi");
    machine.run(&format!("rm --force {BALLAST}; {end}; rm --force {REST}")).map(drop)
}
