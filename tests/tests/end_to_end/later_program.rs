//! A later `landfall`: it has a different digest, and writes an additional field into each of its documents.
#![expect(clippy::disallowed_methods, reason = "files of the tests, removed with them")]

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use landfall_media::later::{LATER_END, mark};
use landfall_test_support::runnable::copy_program;
use landfall_xtask::builds::copy_landfall;

/// Copies `landfall` and the programs next to it into a folder, as later ones; returns the path of `landfall`.
pub(crate) fn copy_later_landfall(folder: &Path) -> Result<PathBuf> {
    let built = folder.join("built");
    std::fs::create_dir_all(&built).with_context(|| format!("cannot create {}", built.display()))?;
    copy_landfall(&built)?;
    for program in ["landfall", "landfall-appliance", "landfall-validator"] {
        let built = built.join(program);
        let bytes = std::fs::read(&built).with_context(|| format!("cannot read {}", built.display()))?;
        let later = later(bytes).with_context(|| format!("{} cannot become a later program", built.display()))?;
        // The copy is executed: a file that this process wrote may still be open for writing in a child of another
        // thread.
        std::fs::write(&built, later).with_context(|| format!("cannot write {}", built.display()))?;
        copy_program(&built, &folder.join(program));
    }
    Ok(folder.join("landfall"))
}

/// Gives a program the mark of a later one.
fn later(mut program: Vec<u8>) -> Result<Vec<u8>> {
    let mark = mark();
    let places = program.windows(mark.len()).enumerate().filter(|(_, bytes)| *bytes == mark).map(|(place, _)| place);
    let places: Vec<usize> = places.collect();
    ensure!(places.len() == 1, "it has its mark {} times", places.len());
    program[places[0] + mark.len() - 1] = LATER_END;
    Ok(program)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_programs_differ_by_one_byte() {
        let program = [b"before", mark(), b"after"].concat();
        let made = later(program.clone()).unwrap();
        assert_eq!(program.iter().zip(&made).filter(|(one, other)| one != other).count(), 1);
        assert_eq!(later(made).unwrap_err().to_string(), "it has its mark 0 times");
    }
}
