//! The part "newcomer": a fresh clone on a machine that lacks things. The launcher must name all missing items before
//! any part of the project is compiled. It must install what it may install, and then continue.
//!
//! The tests use this machine's own tools. A folder of links replaces `PATH`, hard links replace the toolchain, and
//! system files are covered in a mount namespace. The machine itself is not changed.

use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context, Result, bail, ensure};

use crate::printer;
use crate::workspace::{self, TARGET};

mod bare;
mod lacks;

use bare::{Bare, Toolchain};
use lacks::LACKS;

/// Runs the part.
pub(super) fn run() -> Result<()> {
    let folder = workspace::target_folder().join("newcomer");
    let bare = Bare::make(&folder)?;
    without_a_compiler(&bare)?;
    everything_that_is_missing_is_named(&bare)?;
    everything_at_once(&bare)?;
    a_distributions_rust(&bare)?;
    the_target_is_brought(&bare)?;
    bare.expect_machine_unharmed()?;
    std::fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))
}

/// Returns the launcher's output. Fails unless the launcher refused with an error message, not with a stack trace.
fn refusal(output: &Output, of: &str) -> Result<String> {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(!output.status.success(), "{of}: the launcher let it through:\n{text}");
    ensure!(!text.contains("panicked") && !text.contains("RUST_BACKTRACE"), "{of}: a trace instead of words:\n{text}");
    Ok(text)
}

fn expect_words(text: &str, words: &str, of: &str) -> Result<()> {
    ensure!(text.contains(words), "{of}: the launcher does not say {words:?}, but:\n{text}");
    Ok(())
}

/// Without a linker, the launcher itself cannot be built; the linker wrapper reports it. This test comes first, before
/// anything is built.
fn without_a_compiler(bare: &Bare) -> Result<()> {
    let output = bare.xtask(&["preflight", "test"], |machine| machine.hide(&["cc", "gcc", "apt-get"]))?;
    expect_words(&refusal(&output, "cc")?, "this machine has no C compiler", "cc")
}

/// Checks that each item is named if only that item is missing, and not named if it exists.
fn everything_that_is_missing_is_named(bare: &Bare) -> Result<()> {
    let whole = bare.xtask(&["preflight", "test"], |_| ())?;
    let whole = String::from_utf8_lossy(&whole.stderr).into_owned();
    // This machine always lacks the target, whose report shows that the check ran.
    expect_words(&whole, TARGET, "a machine that lacks only the target")?;
    for lack in LACKS {
        let text = refusal(&bare.xtask(&["preflight", "test"], lack.take)?, lack.name)?;
        for words in lack.words {
            ensure!(
                !whole.contains(words),
                "{}: {words:?} is also reported for the whole machine:\n{whole}",
                lack.name
            );
            expect_words(&text, words, lack.name)?;
        }
    }
    // Every command is compiled, including C code, even if it only removes things.
    let down = bare.xtask(&["preflight", "demo", "--down"], |machine| machine.hide(&["musl-gcc"]))?;
    expect_words(&refusal(&down, "a command that only removes")?, "musl-gcc in PATH", "a command that only removes")?;
    printer::note(format!("named when missing: {}", LACKS.iter().map(|lack| lack.name).collect::<Vec<_>>().join(", ")));
    Ok(())
}

/// Checks toolchains in `PATH` without rustup: one with the standard library for the target, and one without.
fn a_distributions_rust(bare: &Bare) -> Result<()> {
    let without = bare.xtask(&["preflight", "test"], |machine| machine.plain(Toolchain::WithoutTarget))?;
    let text = refusal(&without, "a distribution's Rust without the target")?;
    expect_words(&text, &format!("Rust's standard library for {TARGET}"), "a distribution's Rust without the target")?;
    ensure!(!text.contains("rustup target add"), "rustup is missing, but its command is given:\n{text}");
    let with = bare.xtask(&["--help"], |machine| {
        machine.plain(Toolchain::Whole);
        machine.stop_after_first_crate();
    })?;
    bare.expect_first_crate(&with, "a distribution's Rust with the target")
}

/// Checks that one report names everything if everything is missing, and that nothing was compiled.
fn everything_at_once(bare: &Bare) -> Result<()> {
    let take = |machine: &mut bare::Machine| {
        LACKS.iter().filter(|lack| lack.stays_alone.is_none()).for_each(|lack| (lack.take)(machine));
    };
    let text = refusal(&bare.xtask(&["test"], take)?, "everything at once")?;
    for lack in LACKS.iter().filter(|lack| lack.stays_alone.is_none()) {
        for words in lack.words {
            expect_words(&text, words, "everything at once")?;
        }
    }
    ensure!(!bare.clone_folder().join("target").join(TARGET).exists(), "something of the project was compiled");
    Ok(())
}

/// Checks that the launcher installs the target, the one item that it always installs. Without rustup, Rust cannot add
/// it: then a command that builds names it, and stops before anything is compiled. With a toolchain that has it, the
/// command builds, as [`a_distributions_rust`] proves.
fn the_target_is_brought(bare: &Bare) -> Result<()> {
    let output = bare.xtask(&["--help"], bare::Machine::stop_after_first_crate)?;
    if bare.has_rustup() {
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        expect_words(&text, &format!("installing Rust's standard library for {TARGET}"), "the target")?;
        return bare.expect_first_crate(&output, "the target");
    }
    let of = "the target without rustup";
    let text = refusal(&output, of)?;
    expect_words(&text, &format!("Rust's standard library for {TARGET}"), of)?;
    expect_words(&text, "install the distribution's package of it, or Rust with rustup", of)?;
    ensure!(!text.contains("installing"), "{of}: the launcher tries to add it:\n{text}");
    bare.expect_no_crate(of)?;
    printer::note(
        "this machine's Rust came without rustup: proved that the target is named, and that nothing is compiled",
    );
    Ok(())
}

/// Runs a tool and returns its output. Fails if the tool fails.
fn tool(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot run {}", command.get_program().display()))?;
    if !output.status.success() {
        bail!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
