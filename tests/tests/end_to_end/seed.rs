//! Chance that can be repeated.

/// The usual seed.
const USUAL: u64 = 20_261_120;

/// A sequence of numbers that depends on the seed and a name alone.
pub(crate) struct Seeded(u64);

impl Seeded {
    /// The sequence of that name, from `LANDFALL_SEED` or the usual seed.
    pub(crate) fn named(name: &str) -> Self {
        let seed = std::env::var("LANDFALL_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(USUAL);
        Self(name.bytes().fold(seed, |state, byte| state.wrapping_mul(0x0100_0000_01b3) ^ u64::from(byte)))
    }

    /// A number from `from` on, below `to`.
    pub(crate) fn within(&mut self, from: u64, to: u64) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        from + (mixed ^ (mixed >> 31)) % (to - from)
    }

    /// One of these.
    pub(crate) fn one_of<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        let index = self.within(0, items.len() as u64);
        &items[usize::try_from(index).unwrap_or_default()]
    }
}
