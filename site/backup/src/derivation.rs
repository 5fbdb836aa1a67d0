//! The work that opening restic's file of a key takes. scrypt makes guesses of a password slow; a key is random already, so any work protects
//! it as well.

use scrypt::Params;
use zeroize::Zeroizing;

use crate::error::{BackupError, Result};
use crate::master::Master;

/// Block size and parallelism of scrypt, as everyone has them.
const BLOCKS: u32 = 8;
const LANES: u32 = 1;

/// The work, as a power of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Derivation {
    exponent: u8,
}

impl Default for Derivation {
    /// What scrypt recommends: 128 MiB of memory and some tenths of a second.
    fn default() -> Self {
        Self { exponent: 17 }
    }
}

impl Derivation {
    /// Hardly any: for keys of which many are made and dropped.
    pub const LEAST: Self = Self { exponent: 4 };

    /// The numbers that restic's file of a key has: `N`, `r` and `p`.
    pub(crate) fn numbers(self) -> (u32, u32, u32) {
        (1 << self.exponent, BLOCKS, LANES)
    }

    /// What seals a file for this password.
    pub(crate) fn lock(self, password: &str, salt: &[u8]) -> Result<Master> {
        let unfit = |error: &dyn std::fmt::Display| BackupError::Bug(format!("scrypt: {error}"));
        let params = Params::new(self.exponent, BLOCKS, LANES).map_err(|error| unfit(&error))?;
        let mut derived = Zeroizing::new([0; Master::BYTES]);
        scrypt::scrypt(password.as_bytes(), salt, &params, &mut *derived).map_err(|error| unfit(&error))?;
        Ok(Master::filled(|bytes| bytes.copy_from_slice(&*derived)))
    }
}
