//! A file that does not belong to Landfall, and takes the room of the data folder's filesystem.

use anyhow::{Context, Result, ensure};
use landfall_tests::site::Machine;

/// The file, on the disk of the data folder.
const BALLAST: &str = "/var/ballast";

/// Another one, which takes what the first one leaves.
const REST: &str = "/var/ballast-rest";

/// The process group that fills what becomes free, in memory.
const FILLER: &str = "/run/ballast.pid";

/// What the first one leaves for the other: room for its own list of blocks.
const REST_BYTES: u64 = 1 << 20;

/// How much it leaves free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    /// Bytes for everyone: the kubelet removes pods below 1 GiB, and Landfall stops what it writes below 1.25 GiB.
    ForAll(u64),
    /// Bytes for root, and none for anyone else: what the filesystem reserves for root is taken, too.
    ForRoot(u64),
    /// Nothing, for anyone.
    Nothing,
}

impl Left {
    /// What `stat --file-system` calls it, and the bytes.
    fn field(self) -> (&'static str, u64) {
        match self {
            Self::ForAll(bytes) => ("%a", bytes),
            Self::ForRoot(bytes) => ("%f", bytes),
            Self::Nothing => ("%f", REST_BYTES),
        }
    }
}

/// Fills the filesystem, at once: nothing is written, but the last mebibyte where nothing is left.
pub(crate) fn fill(machine: &Machine, left: Left) -> Result<()> {
    let (field, bytes) = left.field();
    let free = format!(
        "$(( $(stat --file-system --format={field} /var/lib/landfall) * $(stat --file-system --format=%S /var/lib/landfall) ))"
    );
    // A filesystem keeps a little back for its own lists of blocks, from root as well, and does not say how much (ext4: 16 MiB at most). The
    // site writes meanwhile, too. A file that did not fit would leave the disk full for good.
    let filled = machine.run(&format!(
        "for less in $(seq 0 64); do size=$(( {free} - {bytes} - (less << 20) )); [ $size -gt 0 ] || exit 1; \
         fallocate --length $size {BALLAST} && echo $size && exit 0; rm --force {BALLAST}; done; exit 1"
    ));
    let size: u64 = filled.context("the disk cannot be filled")?.stdout.trim().parse()?;
    ensure!(size > 0, "there was nothing to fill");
    if left == Left::Nothing {
        fill_the_rest(machine)?;
    }
    Ok(())
}

/// Fills the last mebibyte, and for as long as the ballast is there whatever becomes free: the volume of a drill that has ended, for example.
fn fill_the_rest(machine: &Machine) -> Result<()> {
    let rest = machine.try_run(&format!("cat /dev/zero > {REST}"))?;
    ensure!(rest.stderr.contains("No space left on device"), "the disk is not full: {}", rest.stderr);
    let refill = format!("while [ -e {BALLAST} ]; do head --bytes=64M /dev/zero >> {REST}; sleep 0.05; done");
    machine.run(&format!("setsid bash -c '{refill}' > /dev/null 2>&1 & echo $! > {FILLER}")).map(drop)
}

/// There is room again.
pub(crate) fn remove(machine: &Machine) -> Result<()> {
    let end = format!("if [ -e {FILLER} ]; then kill -- -$(cat {FILLER}); rm {FILLER}; fi");
    machine.run(&format!("rm --force {BALLAST}; {end}; rm --force {REST}")).map(drop)
}
