//! Cost of opening restic's key file. scrypt slows down guesses of a password; a key is already random, so any cost
//! protects it equally.

use scrypt::Params;
use zeroize::Zeroizing;

use crate::error::{BackupError, Result};
use crate::master::Master;

/// Usual block size and parallelism of scrypt.
const BLOCKS: u32 = 8;
const LANES: u32 = 1;

/// The cost, as a power of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Derivation {
    exponent: u8,
}

impl Default for Derivation {
    /// Returns scrypt's recommendation: 128 MiB of memory and a few tenths of a second.
    fn default() -> Self {
        Self { exponent: 17 }
    }
}

impl Derivation {
    /// Minimal cost, for keys that are created and dropped in large numbers.
    pub const LEAST: Self = Self { exponent: 4 };

    /// Returns the parameters of restic's key file: `N`, `r` and `p`.
    pub(crate) fn numbers(self) -> (u32, u32, u32) {
        (1 << self.exponent, BLOCKS, LANES)
    }

    /// Derives the key that seals a file for this password.
    pub(crate) fn lock(self, password: &str, salt: &[u8]) -> Result<Master> {
        let unfit = |error: &dyn std::fmt::Display| BackupError::Bug(format!("scrypt: {error}"));
        let params = Params::new(self.exponent, BLOCKS, LANES).map_err(|error| unfit(&error))?;
        let mut derived = Zeroizing::new([0; Master::BYTES]);
        scrypt::scrypt(password.as_bytes(), salt, &params, &mut *derived).map_err(|error| unfit(&error))?;
        Ok(Master::from_fn(|bytes| bytes.copy_from_slice(&*derived)))
    }
}
