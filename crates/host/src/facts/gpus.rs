//! GPUs: bus and driver as the kernel shows them, and the report of NVIDIA's library if its driver is loaded.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use landfall_gpu_facts::driver::DriverState;
use landfall_gpu_facts::hardware::Hardware;
use landfall_gpu_facts::look::Root;
use landfall_gpu_facts::report::{NotAsked, NvmlFailure, NvmlFailureKind};
use landfall_gpu_facts::{GpuReport, NvmlState, Outcome, SCHEMA, probe};

use crate::paths::SitePaths;

/// Name of the program that queries the library, which a static program cannot load.
const PROGRAM: &str = "landfall-gpu";

/// Time limit of the program. It limits the library to half a second less on its own.
pub(super) const TIME_LIMIT: Duration = Duration::from_secs(5);

/// Returns the path of the program. It is next to this one, as on a stick, or else among the files of the installed
/// release. A release has it if it needs GPUs.
pub(super) fn program(paths: &SitePaths) -> PathBuf {
    let beside = std::env::current_exe().map_or_else(|_| PROGRAM.into(), |this| this.with_file_name(PROGRAM));
    if beside.exists() { beside } else { find_program(paths).unwrap_or(beside) }
}

/// Returns the newest copy among the files of artifacts; during an upgrade they contain two. Only Landfall's own copy
/// is executable.
fn find_program(paths: &SitePaths) -> Option<PathBuf> {
    let folders = fs_err::read_dir(paths.files()).ok()?;
    let found = folders.flatten().filter_map(|folder| {
        let program = folder.path().join(PROGRAM);
        let metadata = fs_err::symlink_metadata(&program).ok()?;
        let is_program = metadata.is_file() && metadata.mode() & 0o111 != 0;
        is_program.then_some((metadata.ctime(), program))
    });
    found.max().map(|(_, program)| program)
}

/// Result of reading the kernel's files.
pub(super) enum Look {
    /// The report is complete; the library is not queried.
    Complete(GpuReport),
    /// The driver is loaded, so its library knows more.
    Queryable(KernelFacts),
}

/// Facts that the kernel shows of GPUs and their driver.
pub(super) struct KernelFacts {
    pub(super) hardware: Hardware,
    pub(super) driver: DriverState,
}

/// Reads the kernel's files. Without a loaded driver, they are all that can be known.
pub(super) fn look(paths: &SitePaths) -> Look {
    let root = paths.host("/");
    let root = Root::new(&root);
    let (hardware, driver) = (root.hardware(), root.driver());
    let not_asked = if !root.is_machine() {
        NotAsked::OtherRoot
    } else if !driver.can_be_queried() {
        NotAsked::DriverNotLoaded
    } else {
        return Look::Queryable(KernelFacts { hardware, driver });
    };
    Look::Complete(GpuReport { schema: SCHEMA, hardware, driver, nvml: NvmlState::NotAsked(not_asked) })
}

impl KernelFacts {
    /// Queries the library through the program, within this time.
    pub(super) fn query(self, program: &Path, time_limit: Duration) -> GpuReport {
        self.or(ask(program, time_limit))
    }

    /// Like [`Self::query`], with a program that the caller vouches for, by a path that cannot be replaced.
    pub(super) fn query_held(self, program: &Path) -> GpuReport {
        self.or(run(program, TIME_LIMIT, program))
    }

    /// Returns the answer, or the kernel's facts with the outcome of the query.
    fn or(self, answer: Result<GpuReport, NvmlState>) -> GpuReport {
        answer.unwrap_or_else(|nvml| {
            let Self { hardware, driver } = self;
            GpuReport { schema: SCHEMA, hardware, driver, nvml }
        })
    }
}

/// Refuses a program that users other than root and the caller could have replaced, because it runs as the caller, who
/// is often root. A copy next to `this` program, which the caller already runs, is trusted as much as `this`. On a
/// stick that a desktop mounted, every file belongs to the desktop's user.
fn check_owner(program: &Path, this: Option<&Path>) -> Result<PathBuf, String> {
    let program = fs_err::canonicalize(program).map_err(|error| error.to_string())?;
    let metadata = |path: &Path| fs_err::symlink_metadata(path).map_err(|error| error.to_string());
    let own = rustix::process::geteuid().as_raw();
    let Some(folder) = program.parent() else { return Err(format!("{} is not a program", program.display())) };
    match this.filter(|this| this.parent() == Some(folder)) {
        Some(this) => {
            let this = metadata(this)?;
            check_replaceable(&program, &metadata(&program)?, &[0, own, this.uid()], this.mode())?;
        }
        None => {
            for path in [&*program, folder] {
                check_replaceable(path, &metadata(path)?, &[0, own], 0)?;
            }
        }
    }
    Ok(program)
}

/// Refuses a path that users other than these owners could have written, or whose permissions exceed this mode.
fn check_replaceable(path: &Path, metadata: &Metadata, owners: &[u32], mode: u32) -> Result<(), String> {
    let (owner, found) = (metadata.uid(), metadata.mode() & 0o7777);
    if !owners.contains(&owner) {
        return Err(format!("{} belongs to the user {owner}", path.display()));
    }
    if found & !mode & 0o022 != 0 {
        return Err(format!("users other than its owner may write to {} (mode {found:o})", path.display()));
    }
    Ok(())
}

/// Returns the program's report, or the outcome of the query. Without time left, the program is not started.
fn ask(program: &Path, time_limit: Duration) -> Result<GpuReport, NvmlState> {
    if time_limit.is_zero() {
        return Err(over(TIME_LIMIT));
    }
    let this = std::env::current_exe().ok();
    let checked = check_owner(program, this.as_deref()).map_err(|reason| not_started(program, &reason))?;
    run(&checked, time_limit, program)
}

fn over(after: Duration) -> NvmlState {
    NvmlState::TimedOut(u64::try_from(after.as_millis()).unwrap_or(u64::MAX))
}

fn not_started(program: &Path, reason: &str) -> NvmlState {
    let detail = format!("{} could not be started: {reason}", program.display());
    NvmlState::Failed(NvmlFailure { kind: NvmlFailureKind::Other, detail })
}

/// Runs the program; messages call it `named`.
fn run(program: &Path, time_limit: Duration, named: &Path) -> Result<GpuReport, NvmlState> {
    match probe(program, time_limit) {
        Outcome::Facts(report) => Ok(*report),
        Outcome::NotRun { reason, .. } => Err(not_started(named, &reason.to_string())),
        Outcome::TimedOut { after, .. } => Err(over(after)),
        Outcome::Malformed { reason, .. } => Err(NvmlState::Crashed(reason)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use landfall_media::durable;
    use landfall_test_support::runnable::write_program;

    use super::*;

    #[test]
    fn other_root_never_asks_library() {
        let device = "/sys/bus/pci/devices/0000:01:00.0";
        let files = [("vendor", "0x10de\n"), ("device", "0x2330\n"), ("class", "0x030200\n")];
        let files: Vec<_> = files.iter().map(|(name, text)| (format!("{device}/{name}"), *text)).collect();
        let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
        let (_folder, paths) = super::super::sample::host(&files);
        let Look::Complete(report) = look(&paths) else { panic!("the library of this machine would be asked") };
        assert_eq!((report.hardware.devices.len(), report.nvml), (1, NvmlState::NotAsked(NotAsked::OtherRoot)));
    }

    #[test]
    fn only_executable_probe_is_found() {
        let (_folder, paths) = super::super::sample::host(&[
            ("/var/lib/landfall/files/ab12/landfall-gpu", "program"),
            ("/var/lib/landfall/files/cd34/landfall-gpu", "a file of a vendor"),
            ("/var/lib/landfall/files/cd34/weights", ""),
        ]);
        assert_eq!(find_program(&paths), None);
        let own = paths.host("/var/lib/landfall/files/ab12/landfall-gpu");
        fs_err::set_permissions(&own, Permissions::from_mode(0o555)).unwrap();
        assert_eq!(find_program(&paths), Some(own.clone()));
        assert_eq!(program(&paths), own, "there is none beside this test");
        assert_eq!(find_program(&super::super::sample::host(&[]).1), None);
    }

    #[test]
    fn writable_program_is_not_run() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join(PROGRAM);
        durable::write_file(&program, b"#!/bin/sh\ntouch \"$0.ran\"\n", 0o755).unwrap();
        let mode = |path: &Path, mode| fs_err::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        for (path, bad, good) in [(folder.path(), 0o777, 0o700), (&program, 0o775, 0o755), (&program, 0o757, 0o755)] {
            mode(path, bad);
            let NvmlState::Failed(failure) = ask(&program, TIME_LIMIT).unwrap_err() else { panic!("not refused") };
            assert!(failure.detail.contains("users other than its owner may write to"), "{}", failure.detail);
            mode(path, good);
        }
        assert!(!folder.path().join("landfall-gpu.ran").exists());
        assert!(check_owner(&program, None).is_ok());
    }

    #[test]
    fn probe_may_share_programs_owner() {
        let folder = tempfile::tempdir().unwrap();
        let folder = fs_err::canonicalize(folder.path()).unwrap();
        let (program, this) = (folder.join(PROGRAM), folder.join("landfall"));
        let mode = |path: &Path, mode| fs_err::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        for file in [&program, &this] {
            durable::write_file(file, b"#!/bin/sh\n", 0o755).unwrap();
            mode(file, 0o777);
        }
        mode(&folder, 0o777);
        assert_eq!(check_owner(&program, Some(&this)), Ok(program.clone()), "who writes one writes the other");
        for this in [None, Some(Path::new("/usr/bin/landfall"))] {
            let refused = check_owner(&program, this).unwrap_err();
            assert!(refused.starts_with("users other than its owner may write to"), "{refused}");
        }
        mode(&this, 0o755);
        let refused = check_owner(&program, Some(&this)).unwrap_err();
        assert!(refused.starts_with("users other than its owner may write to"), "{refused}");
        let metadata = fs_err::metadata(&program).unwrap();
        let owners = [metadata.uid() + 1000];
        let refused = check_replaceable(&program, &metadata, &owners, 0o777).unwrap_err();
        assert!(refused.ends_with(&format!("belongs to the user {}", metadata.uid())), "{refused}");
    }

    #[test]
    fn probe_failures_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join(PROGRAM);
        let stored = concat!(env!("CARGO_MANIFEST_DIR"), "/../gpu-facts/testdata/machines/two-l4.json");
        let says = |script: &str| {
            write_program(&program, format!("#!/bin/sh\n{script}\n"));
            ask(&program, TIME_LIMIT)
        };
        let report = says(&format!("cat '{stored}'")).unwrap();
        assert_eq!(landfall_gpu_facts::judge::gpus(&report).count(), 2);
        assert!(matches!(says("echo nonsense"), Err(NvmlState::Crashed(_))));
        let missing = ask(Path::new("/nonexistent/landfall-gpu"), TIME_LIMIT).unwrap_err();
        let NvmlState::Failed(failure) = missing else { panic!("{missing:?}") };
        assert!(failure.detail.starts_with("/nonexistent/landfall-gpu could not be started: "), "{}", failure.detail);
    }
}
