//! Tensor types of GGUF: the numbers in a block, and the bytes of a block.

/// Number of the type, name, numbers of a block, and bytes of a block, from the GGUF specification.
const TYPES: [(u32, &str, u64, u64); 34] = [
    (0, "F32", 1, 4),
    (1, "F16", 1, 2),
    (2, "Q4_0", 32, 18),
    (3, "Q4_1", 32, 20),
    (6, "Q5_0", 32, 22),
    (7, "Q5_1", 32, 24),
    (8, "Q8_0", 32, 34),
    (9, "Q8_1", 32, 36),
    (10, "Q2_K", 256, 84),
    (11, "Q3_K", 256, 110),
    (12, "Q4_K", 256, 144),
    (13, "Q5_K", 256, 176),
    (14, "Q6_K", 256, 210),
    (15, "Q8_K", 256, 292),
    (16, "IQ2_XXS", 256, 66),
    (17, "IQ2_XS", 256, 74),
    (18, "IQ3_XXS", 256, 98),
    (19, "IQ1_S", 256, 50),
    (20, "IQ4_NL", 32, 18),
    (21, "IQ3_S", 256, 110),
    (22, "IQ2_S", 256, 82),
    (23, "IQ4_XS", 256, 136),
    (24, "I8", 1, 1),
    (25, "I16", 1, 2),
    (26, "I32", 1, 4),
    (27, "I64", 1, 8),
    (28, "F64", 1, 8),
    (29, "IQ1_M", 256, 56),
    (30, "BF16", 1, 2),
    (34, "TQ1_0", 256, 54),
    (35, "TQ2_0", 256, 66),
    (39, "MXFP4", 32, 17),
    (40, "NVFP4", 64, 36),
    (41, "Q1_0", 128, 18),
];

/// Mixtures of types by their number in `general.file_type`, if their usual name is not that of the main type.
const MIXTURES: [(u32, &str); 12] = [
    (10, "Q2_K"),
    (11, "Q3_K_S"),
    (12, "Q3_K_M"),
    (13, "Q3_K_L"),
    (14, "Q4_K_S"),
    (15, "Q4_K_M"),
    (16, "Q5_K_S"),
    (17, "Q5_K_M"),
    (18, "Q6_K"),
    (25, "IQ4_NL"),
    (30, "IQ4_XS"),
    (38, "MXFP4"),
];

/// A tensor type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TensorType {
    /// Name of the type.
    pub name: &'static str,
    /// Numbers of a block; a row consists of whole blocks.
    pub block_numbers: u64,
    /// Bytes of a block.
    pub block_bytes: u64,
}

impl TensorType {
    /// Returns the type with this number, or `None` if it is unknown.
    pub fn of(number: u32) -> Option<Self> {
        let (_, name, block_numbers, block_bytes) = *TYPES.iter().find(|(known, ..)| *known == number)?;
        Some(Self { name, block_numbers, block_bytes })
    }

    /// Returns the bytes of a tensor with this shape, whose first dimension is the length of a row. Returns `None` if
    /// rows do not consist of whole blocks, or if the result exceeds 64 bits.
    pub fn bytes(self, shape: &[u64]) -> Option<u64> {
        let row = shape.first().copied().unwrap_or(1);
        if !row.is_multiple_of(self.block_numbers) {
            return None;
        }
        let rows = shape.iter().skip(1).try_fold(1_u64, |rows, dimension| rows.checked_mul(*dimension))?;
        (row / self.block_numbers).checked_mul(self.block_bytes)?.checked_mul(rows)
    }
}

/// Returns the usual name of a mixture of types.
pub fn mixture(file_type: u64) -> Option<&'static str> {
    MIXTURES.iter().find(|(number, _)| u64::from(*number) == file_type).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_count_whole_blocks() {
        let kind = TensorType::of(12).expect("known");
        assert_eq!((kind.name, kind.bytes(&[512, 10])), ("Q4_K", Some(2 * 144 * 10)));
        assert_eq!(kind.bytes(&[100, 10]), None);
        assert_eq!(kind.bytes(&[256, u64::MAX]), None);
        assert_eq!(TensorType::of(4), None);
        assert_eq!(TensorType::of(0).and_then(|kind| kind.bytes(&[])), Some(4));
    }
}
