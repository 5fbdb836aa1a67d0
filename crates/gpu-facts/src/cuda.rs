//! The CUDA versions that a driver supports, and the devices that can run an image's machine code. The tables are
//! NVIDIA's, published in the release notes of CUDA and the guides that `docs/GPU.md` cites.

use crate::version::{ComputeCapability, CudaVersion, DriverVersion};

/// Driver shipped with each CUDA, newest first: that driver and newer ones support all features of that CUDA.
const NATIVE: &[(CudaVersion, [u32; 3])] = &[
    (CudaVersion::new(13, 1), [590, 44, 1]),
    (CudaVersion::new(13, 0), [580, 65, 6]),
    (CudaVersion::new(12, 9), [575, 51, 3]),
    (CudaVersion::new(12, 8), [570, 26, 0]),
    (CudaVersion::new(12, 6), [560, 28, 3]),
    (CudaVersion::new(12, 5), [555, 42, 2]),
    (CudaVersion::new(12, 4), [550, 54, 14]),
    (CudaVersion::new(12, 3), [545, 23, 6]),
    (CudaVersion::new(12, 2), [535, 54, 3]),
    (CudaVersion::new(12, 1), [530, 30, 2]),
    (CudaVersion::new(12, 0), [525, 60, 13]),
    (CudaVersion::new(11, 8), [520, 61, 5]),
    (CudaVersion::new(11, 7), [515, 43, 4]),
    (CudaVersion::new(11, 6), [510, 39, 1]),
    (CudaVersion::new(11, 5), [495, 29, 5]),
    (CudaVersion::new(11, 4), [470, 42, 1]),
    (CudaVersion::new(11, 3), [465, 19, 1]),
    (CudaVersion::new(11, 2), [460, 27, 3]),
    (CudaVersion::new(11, 1), [455, 23, 0]),
    (CudaVersion::new(11, 0), [450, 51, 5]),
];

/// Oldest driver on which programs of any minor version of a CUDA run (minor version compatibility).
const COMPATIBLE: &[(u32, [u32; 3])] = &[(13, [580, 65, 6]), (12, [525, 60, 13]), (11, [450, 80, 2])];

/// Oldest device for which each CUDA still compiles and provides libraries.
const OLDEST_DEVICE: &[(u32, ComputeCapability)] =
    &[(13, ComputeCapability::new(7, 5)), (12, ComputeCapability::new(5, 0)), (11, ComputeCapability::new(3, 5))];

/// Returns the newest CUDA of the table that shipped with this driver or an older one. Returns `None` if the driver is
/// older than CUDA 11. A driver newer than the table supports at least the newest CUDA of the table: the driver's own
/// answer takes precedence.
pub fn newest_cuda(driver: &DriverVersion) -> Option<CudaVersion> {
    NATIVE.iter().find(|(_, oldest)| driver.is_at_least(*oldest)).map(|(cuda, _)| *cuda)
}

/// How programs of a CUDA run on a driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CudaFit {
    /// All features work.
    Full,
    /// Programs run by minor version compatibility: machine code runs, but code that the driver would have to compile
    /// (PTX) does not.
    MachineCodeOnly,
    /// The driver is too old.
    TooOld {
        /// Branch, release and patch of the oldest sufficient driver.
        oldest: [u32; 3],
    },
    /// The CUDA is not in the tables, and the driver does not report that it supports it.
    NotKnown,
}

/// Returns how programs of `wanted` run on `driver`, which reports that it supports `reported`.
pub fn cuda_fit(wanted: CudaVersion, driver: &DriverVersion, reported: Option<CudaVersion>) -> CudaFit {
    if reported.or_else(|| newest_cuda(driver)).is_some_and(|newest| newest >= wanted) {
        return CudaFit::Full;
    }
    match COMPATIBLE.iter().find(|(major, _)| *major == wanted.major) {
        Some((_, oldest)) if driver.is_at_least(*oldest) => CudaFit::MachineCodeOnly,
        Some((_, oldest)) => CudaFit::TooOld { oldest: *oldest },
        None => CudaFit::NotKnown,
    }
}

/// Returns true if a CUDA still supports a device; `None` for a CUDA that is not in the table.
pub fn supports_device(cuda: CudaVersion, device: ComputeCapability) -> Option<bool> {
    OLDEST_DEVICE.iter().find(|(major, _)| *major == cuda.major).map(|(_, oldest)| device >= *oldest)
}

/// Machine code or PTX in an image, for one compute capability.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// Machine code, such as `sm_90`: runs on devices with the same major number and the same or a higher minor number.
    Machine(ComputeCapability),
    /// Machine code for exactly one architecture, such as `sm_90a`.
    MachineOfArchitecture(ComputeCapability),
    /// PTX, such as `compute_90`: the driver compiles it for that device and newer ones.
    Ptx(ComputeCapability),
    /// PTX for exactly one architecture, such as `compute_90a`.
    PtxOfArchitecture(ComputeCapability),
}

/// How a device runs an image's code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CodeFit {
    /// The device cannot run the code.
    Nothing,
    /// The driver compiles the code at every start, which takes time and requires a driver as new as the CUDA.
    Compiled,
    /// The device runs the code directly.
    AsItIs,
}

impl Code {
    /// Returns how a device runs the code.
    pub fn fit(self, device: ComputeCapability) -> CodeFit {
        let (runs, fit) = match self {
            Self::Machine(code) => (device.major == code.major && device.minor >= code.minor, CodeFit::AsItIs),
            Self::MachineOfArchitecture(code) => (device == code, CodeFit::AsItIs),
            Self::Ptx(code) => (device >= code, CodeFit::Compiled),
            Self::PtxOfArchitecture(code) => (device == code, CodeFit::Compiled),
        };
        if runs { fit } else { CodeFit::Nothing }
    }
}

/// Returns the best way in which a device runs an image's code. PTX is ignored if the driver supports only machine code
/// of the CUDA.
pub fn code_fit(image: &[Code], device: ComputeCapability, cuda: CudaFit) -> CodeFit {
    let best = image.iter().map(|code| code.fit(device)).max().unwrap_or(CodeFit::Nothing);
    if best == CodeFit::Compiled && cuda != CudaFit::Full { CodeFit::Nothing } else { best }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn driver(text: &str) -> DriverVersion {
        text.parse().expect(text)
    }

    const fn cc(major: u32, minor: u32) -> ComputeCapability {
        ComputeCapability::new(major, minor)
    }

    #[test]
    fn tables_are_sorted() {
        assert!(NATIVE.windows(2).all(|pair| pair[0].0 > pair[1].0 && pair[0].1 > pair[1].1));
        for (major, oldest) in COMPATIBLE {
            let first = NATIVE.iter().rfind(|(cuda, _)| cuda.major == *major).expect("a first minor version");
            assert!(*oldest >= first.1, "CUDA {major}: compatibility began with the first driver or later");
        }
    }

    #[test]
    fn newest_cuda_matches_release_notes() {
        for (version, newest) in [
            ("590.44.01", Some((13, 1))),
            ("580.159.04", Some((13, 0))),
            ("575.57.08", Some((12, 9))),
            ("570.26", Some((12, 8))),
            ("565.57.01", Some((12, 6))),
            ("535.104.05", Some((12, 2))),
            ("525.60.13", Some((12, 0))),
            ("525.60.12", Some((11, 8))),
            ("470.256.02", Some((11, 4))),
            ("390.157", None),
            ("700.10", Some((13, 1))),
        ] {
            let newest = newest.map(|(major, minor)| CudaVersion::new(major, minor));
            assert_eq!(newest_cuda(&driver(version)), newest, "{version}");
        }
    }

    #[test]
    fn older_driver_runs_machine_code_only() {
        let wanted = CudaVersion::new(12, 9);
        assert_eq!(cuda_fit(wanted, &driver("580.65.06"), None), CudaFit::Full);
        assert_eq!(cuda_fit(wanted, &driver("535.104.05"), None), CudaFit::MachineCodeOnly);
        assert_eq!(cuda_fit(wanted, &driver("520.61.05"), None), CudaFit::TooOld { oldest: [525, 60, 13] });
        assert_eq!(
            cuda_fit(CudaVersion::new(13, 0), &driver("575.57.08"), None),
            CudaFit::TooOld { oldest: [580, 65, 6] }
        );
    }

    #[test]
    fn driver_answer_overrides_table() {
        let future = CudaVersion::new(14, 2);
        assert_eq!(cuda_fit(future, &driver("700.10"), Some(future)), CudaFit::Full);
        assert_eq!(cuda_fit(future, &driver("700.10"), Some(CudaVersion::new(14, 1))), CudaFit::NotKnown);
        assert_eq!(
            cuda_fit(CudaVersion::new(12, 7), &driver("565.57.01"), Some(CudaVersion::new(12, 7))),
            CudaFit::Full
        );
    }

    #[test]
    fn code_fits_compatible_devices() {
        assert_eq!(Code::Machine(cc(8, 0)).fit(cc(8, 9)), CodeFit::AsItIs);
        assert_eq!(Code::Machine(cc(8, 9)).fit(cc(8, 0)), CodeFit::Nothing);
        assert_eq!(Code::Machine(cc(8, 0)).fit(cc(9, 0)), CodeFit::Nothing);
        assert_eq!(Code::MachineOfArchitecture(cc(9, 0)).fit(cc(9, 0)), CodeFit::AsItIs);
        assert_eq!(Code::MachineOfArchitecture(cc(10, 0)).fit(cc(10, 3)), CodeFit::Nothing);
        assert_eq!(Code::Ptx(cc(8, 0)).fit(cc(12, 0)), CodeFit::Compiled);
        assert_eq!(Code::PtxOfArchitecture(cc(9, 0)).fit(cc(10, 0)), CodeFit::Nothing);
    }

    #[test]
    fn best_code_of_image_counts() {
        let image = [Code::Machine(cc(8, 0)), Code::Machine(cc(9, 0)), Code::Ptx(cc(9, 0))];
        assert_eq!(code_fit(&image, cc(8, 6), CudaFit::Full), CodeFit::AsItIs);
        assert_eq!(code_fit(&image, cc(12, 0), CudaFit::Full), CodeFit::Compiled);
        assert_eq!(code_fit(&image, cc(12, 0), CudaFit::MachineCodeOnly), CodeFit::Nothing);
        assert_eq!(code_fit(&image, cc(7, 5), CudaFit::Full), CodeFit::Nothing);
        assert_eq!(code_fit(&[], cc(9, 0), CudaFit::Full), CodeFit::Nothing);
    }

    #[test]
    fn cuda_13_drops_devices_before_turing() {
        assert_eq!(supports_device(CudaVersion::new(13, 0), cc(7, 0)), Some(false));
        assert_eq!(supports_device(CudaVersion::new(13, 0), cc(7, 5)), Some(true));
        assert_eq!(supports_device(CudaVersion::new(12, 9), cc(6, 1)), Some(true));
        assert_eq!(supports_device(CudaVersion::new(99, 0), cc(9, 0)), None);
    }
}
