//! Names of MIG profiles. The library reports only numbers, but people know the names.

/// Number of equal parts of a GPU's memory; profile names round memory up to whole parts.
const EIGHTHS: u64 = 8;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// Returns the name that `nvidia-smi` prints for a profile, such as `1g.18gb` or `1g.18gb+me`.
///
/// The memory in the name is the GPU's memory in whole GiB, times the profile's share of it rounded up to eighths; both
/// roundings are NVIDIA's. `kind` is the library's number of the kind of profile. Returns `None` for an unknown kind,
/// or for a GPU without memory.
pub fn profile_name(kind: u32, slices: u32, memory_mib: u64, gpu_memory_bytes: u64) -> Option<String> {
    let suffix = match kind {
        0..=6 | 9 => "",
        7 | 8 => "+me",
        10..=12 => "+gfx",
        13 | 14 => "-me",
        15 | 16 => "+me.all",
        _ => return None,
    };
    if gpu_memory_bytes == 0 {
        return None;
    }
    let share = memory_mib.checked_mul(MIB * EIGHTHS)?.div_ceil(gpu_memory_bytes);
    let rounded = (share.checked_mul(gpu_memory_bytes.div_ceil(GIB))? + EIGHTHS / 2) / EIGHTHS;
    Some(format!("{slices}g.{rounded}gb{suffix}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sizes are from the output of `nvidia-smi mig -lgip`, the names from NVIDIA's MIG user guide.
    #[test]
    fn profile_names_match_user_guide() {
        let a100 = 40_960 * MIB;
        assert_eq!(profile_name(0, 1, 4_864, a100).as_deref(), Some("1g.5gb"));
        assert_eq!(profile_name(7, 1, 4_864, a100).as_deref(), Some("1g.5gb+me"));
        assert_eq!(profile_name(9, 1, 9_856, a100).as_deref(), Some("1g.10gb"));
        assert_eq!(profile_name(1, 2, 9_856, a100).as_deref(), Some("2g.10gb"));
        assert_eq!(profile_name(2, 3, 19_968, a100).as_deref(), Some("3g.20gb"));
        assert_eq!(profile_name(4, 7, 40_192, a100).as_deref(), Some("7g.40gb"));
        let h100 = 81_559 * MIB;
        assert_eq!(profile_name(0, 1, 9_984, h100).as_deref(), Some("1g.10gb"));
        assert_eq!(profile_name(9, 1, 20_096, h100).as_deref(), Some("1g.20gb"));
        assert_eq!(profile_name(3, 4, 40_448, h100).as_deref(), Some("4g.40gb"));
        let h200 = 143_771 * MIB;
        assert_eq!(profile_name(0, 1, 16_384, h200).as_deref(), Some("1g.18gb"));
        assert_eq!(profile_name(1, 2, 33_280, h200).as_deref(), Some("2g.35gb"));
        assert_eq!(profile_name(2, 3, 71_168, h200).as_deref(), Some("3g.71gb"));
        assert_eq!(profile_name(4, 7, 142_848, h200).as_deref(), Some("7g.141gb"));
    }

    #[test]
    fn unknown_profiles_have_no_name() {
        assert_eq!(profile_name(99, 1, 4_864, 40_960 * MIB), None);
        assert_eq!(profile_name(0, 1, 4_864, 0), None);
        assert_eq!(profile_name(0, 1, u64::MAX, 1), None);
    }
}
