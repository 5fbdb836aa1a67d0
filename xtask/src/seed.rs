//! Repeatable random numbers.

use anyhow::{Context, Result};

use crate::printer;

/// The default seed.
const USUAL: u64 = 20_261_120;

/// Environment variable with another seed.
const VARIABLE: &str = "LANDFALL_SEED";

/// A sequence of numbers that depends only on the seed and a name.
pub struct SeededNumbers(u64);

impl SeededNumbers {
    /// Creates the sequence of this name, from `LANDFALL_SEED` or the default seed. Prints the seed.
    pub fn with_name(name: &str) -> Result<Self> {
        let seed = seed_of(std::env::var_os(VARIABLE).map(|text| text.to_string_lossy().into_owned()).as_deref())?;
        printer::note(format!("{name}: {VARIABLE}={seed}"));
        Ok(Self(name.bytes().fold(seed, |state, byte| state.wrapping_mul(0x0100_0000_01b3) ^ u64::from(byte))))
    }

    /// Returns a number of at least `from` and below `to`.
    pub fn within(&mut self, from: u64, to: u64) -> u64 {
        // The SplitMix64 algorithm.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        from + (mixed ^ (mixed >> 31)) % (to - from)
    }

    /// Returns one of these items.
    pub fn one_of<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        let index = self.within(0, items.len() as u64);
        &items[usize::try_from(index).unwrap_or_default()]
    }
}

/// Returns the seed in the variable. Fails if it is not a number, instead of using the default seed.
fn seed_of(text: Option<&str>) -> Result<u64> {
    text.map_or(Ok(USUAL), |text| text.trim().parse().with_context(|| format!("{VARIABLE}={text} is not a number")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn non_numeric_seed_is_refused() {
        assert_eq!(seed_of(None).unwrap(), USUAL);
        assert_eq!(seed_of(Some("7")).unwrap(), 7);
        assert_eq!(seed_of(Some("seven")).unwrap_err().to_string(), "LANDFALL_SEED=seven is not a number");
        assert_eq!(seed_of(Some("")).unwrap_err().to_string(), "LANDFALL_SEED= is not a number");
    }
}
