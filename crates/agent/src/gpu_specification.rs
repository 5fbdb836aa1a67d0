//! Access of containers to GPUs: a CDI specification that NVIDIA's own tool derives from its driver's report. Only the
//! site's containerd reads its folder, which a boot empties. With a node pack that lacks the tool, containers get no
//! GPUs.
//!
//! Threats: the tool loads the driver's library, which may hang or crash with a broken GPU. Therefore it runs within
//! limits, and never in the agent's loop. The driver's own files are not read there either, because such reads wait for
//! the driver. The tool's output is validated before containerd sees it, because root follows its instructions.

use std::path::PathBuf;
use std::process::Command;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use landfall_engine::step::StepError;
use landfall_error_codes::codes;
use landfall_gpu_facts::cdi::{GENERATOR, HOOK, Specification};
use landfall_gpu_facts::child::{self, Limits, RunEnd};
use landfall_gpu_facts::driver::GpuLayout;
use landfall_gpu_facts::look::Root;
use landfall_host::paths::SitePaths;
use landfall_media::durable;

/// Time limit of the tool. It initializes idle GPUs, which takes seconds if there are many.
const TIME_LIMIT: Duration = Duration::from_secs(20);

/// Maximum output of the tool, in bytes.
const OUTPUT_BYTES: usize = 4 << 20;

/// Time between two failed attempts: each one with a hanging library may leave a process that the kernel cannot end.
const AGAIN: Duration = Duration::from_mins(10);

/// `PATH` in which the tool finds `modprobe` and `ldconfig`.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Options with which the tool prints a specification as JSON. A device is named by its UUID and its index. The root is
/// explicit, because another container toolkit's configuration on the host may name a different one.
const GENERATE: [&str; 7] = [
    "cdi",
    "generate",
    "--mode=nvml",
    "--format=json",
    "--driver-root=/",
    "--device-name-strategy=uuid",
    "--device-name-strategy=index",
];

/// Options with which the tool loads the driver's other modules and creates their device files. Otherwise, this would
/// happen only with the first CUDA program, and a specification only contains existing files.
const MAKE_FILES: [&str; 4] = ["system", "create-device-nodes", "--control-devices", "--load-kernel-modules"];

/// Folder of NVIDIA's driver, if it is loaded.
const DRIVER: &str = "/proc/driver/nvidia";

/// NVIDIA's programs in the running node pack.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Tools {
    generator: PathBuf,
    hook: PathBuf,
    /// Target of the link to the node pack.
    programs: PathBuf,
}

impl Tools {
    /// Returns the programs of the node pack; `None` if it lacks one.
    fn of(paths: &SitePaths) -> Option<Self> {
        let link = paths.node_link();
        let (generator, hook) = (link.join(GENERATOR), link.join(HOOK));
        let programs = fs_err::read_link(&link).ok()?;
        (generator.exists() && hook.exists()).then_some(Self { generator, hook, programs })
    }

    fn run(&self, arguments: &[&str]) -> Result<Vec<u8>, StepError> {
        let hook = format!("--nvidia-cdi-hook-path={}", self.hook.display());
        let mut command = Command::new(&self.generator);
        // Only its error messages are kept: warnings about features that a driver lacks may exceed the limit.
        command.args(arguments).env_clear().env("PATH", PATH).env("NVIDIA_CTK_QUIET", "true");
        if arguments == GENERATE {
            command.arg(hook);
        }
        let failed = |how: String| {
            let what = format!("`{} {}` {how}", self.generator.display(), arguments[..2].join(" "));
            StepError::new(codes::GPU_SPECIFICATION, what)
        };
        match child::run(&mut command, Limits { time: TIME_LIMIT, output_bytes: OUTPUT_BYTES }) {
            Ok(RunEnd::ByItself { status, output, .. }) if status.success() => Ok(output),
            Ok(RunEnd::ByItself { status, errors, .. }) => {
                Err(failed(format!("failed ({status}): {}", last_line(&errors))))
            }
            Ok(RunEnd::TimeOver) => Err(failed(format!("did not end in {} seconds", TIME_LIMIT.as_secs()))),
            Ok(RunEnd::TooMuchOutput) => Err(failed(format!("printed more than {OUTPUT_BYTES} bytes"))),
            Err(error) => Err(failed("cannot be started".to_owned()).because(error)),
        }
    }
}

/// Returns the last line, because the tool may print other messages before its error.
fn last_line(errors: &str) -> &str {
    errors.lines().last().unwrap_or("it gave no reason")
}

/// Inputs of a specification.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    /// No GPU, no driver, or no tool: no specification is written.
    Nothing,
    /// GPUs, and the tool.
    Gpus { tools: Tools, layout: GpuLayout },
}

impl Source {
    fn of(paths: &SitePaths) -> Self {
        let root = paths.host("/");
        let found = || Some(Self::Gpus { tools: Tools::of(paths)?, layout: Root::new(&root).gpu_layout()? });
        found().unwrap_or(Self::Nothing)
    }

    /// Returns true if it is certainly [`Self::Nothing`], judging by files that do not wait for the driver.
    fn is_certainly_nothing(paths: &SitePaths) -> bool {
        Tools::of(paths).is_none() || !paths.host(DRIVER).exists()
    }
}

/// Creates the folder that containerd watches for specifications, if the node pack can write one.
pub(crate) fn make_folder(paths: &SitePaths) -> Result<(), StepError> {
    if Tools::of(paths).is_some() {
        durable::create_folder(&paths.gpu_specifications())?;
    }
    Ok(())
}

/// Writes the specification before any pod starts, within a minute. Does nothing without inputs.
pub(crate) fn before_pods(paths: &SitePaths) -> Result<(), StepError> {
    write(paths, &Source::of(paths)).map(drop)
}

/// Writes the specification, or removes it without inputs. Returns true if the disk changed.
fn write(paths: &SitePaths, source: &Source) -> Result<bool, StepError> {
    let path = paths.gpu_specification();
    let Source::Gpus { tools, .. } = source else {
        let exists = path.exists();
        durable::remove_file(&path)?;
        return Ok(exists);
    };
    if let Err(error) = tools.run(&MAKE_FILES) {
        // Drivers without graphics lack one of the modules, and some distributions create the files themselves.
        tracing::debug!("device files of the GPUs' driver may be missing: {error}");
    }
    let bytes = tools.run(&GENERATE)?;
    Specification::read(&bytes, &tools.hook).map_err(|fault| {
        let what = format!("{} printed a specification with {fault}", tools.generator.display());
        StepError::new(codes::GPU_SPECIFICATION_UNFIT, what)
    })?;
    if fs_err::read(&path).is_ok_and(|found| found == bytes) {
        return Ok(false);
    }
    durable::create_folder(&paths.gpu_specifications())?;
    durable::write_file(&path, &bytes, 0o644)?;
    Ok(true)
}

/// A check by the agent: the inputs found, and the result of writing the specification; `None` if nothing had changed.
#[derive(Debug)]
struct LookResult {
    source: Source,
    written: Option<Result<bool, StepError>>,
}

impl LookResult {
    fn now(paths: &SitePaths, last: Option<&Source>) -> Self {
        let source = Source::of(paths);
        let written = (last != Some(&source)).then(|| write(paths, &source));
        Self { source, written }
    }
}

/// The agent's part: it keeps the specification in line with the driver, the GPUs, their division and the node pack.
#[derive(Debug, Default)]
pub(crate) struct GpuSpecification {
    /// Inputs of the last write or attempt; `None` before the first look.
    last: Option<Source>,
    running: Option<JoinHandle<LookResult>>,
    /// Time of the next attempt after a failure.
    again: Option<Instant>,
}

impl GpuSpecification {
    /// Checks on a separate thread, which writes the specification if something changed. Returns the result of a
    /// finished write, if any.
    pub(crate) fn tend(&mut self, paths: &SitePaths, now: Instant) -> Option<Result<bool, StepError>> {
        if let Some(running) = self.running.take() {
            if !running.is_finished() {
                self.running = Some(running);
                return None;
            }
            let Ok(LookResult { source, written }) = running.join() else {
                (self.last, self.again) = (None, Some(now + AGAIN));
                let what = "the thread that writes the specification ended";
                return Some(Err(StepError::new(codes::GPU_SPECIFICATION, what)));
            };
            self.last = Some(source);
            if let Some(written) = &written {
                self.again = written.is_err().then(|| now + AGAIN);
            }
            return written;
        }
        let waits = self.again.is_some_and(|again| now < again);
        let is_idle = match &self.last {
            None => waits,
            Some(Source::Nothing) => self.again.is_none() && Source::is_certainly_nothing(paths),
            Some(Source::Gpus { .. }) => false,
        };
        if is_idle {
            return None;
        }
        // Some time after a failure, the specification is written again from the same inputs.
        let last = self.last.clone().filter(|_| waits || self.again.is_none());
        let paths = paths.clone();
        self.running = Some(std::thread::spawn(move || LookResult::now(&paths, last.as_ref())));
        None
    }
}

#[cfg(test)]
mod tests {
    use landfall_error_codes::CodedError as _;
    use landfall_gpu_facts::sample::Tree;
    use landfall_test_support::runnable::write_program;

    use super::*;

    /// Returns the output of a successful tool for GPUs of these names.
    fn tool_output(paths: &SitePaths, names: &[&str]) -> String {
        let device = |name: &&str| {
            format!(r#"{{"name":"{name}","containerEdits":{{"deviceNodes":[{{"path":"/dev/nvidia0"}}]}}}}"#)
        };
        let devices: Vec<String> = names.iter().map(device).collect();
        let hook = paths.node_link().join(HOOK);
        format!(
            concat!(
                r#"{{"cdiVersion":"0.5.0","kind":"nvidia.com/gpu","devices":[{}],"containerEdits":{{"hooks":["#,
                r#"{{"hookName":"createContainer","path":"{}","args":["nvidia-cdi-hook","update-ldcache"]}}]}}}}"#,
            ),
            devices.join(","),
            hook.display()
        )
    }

    /// Installs a node pack whose tool is this script, which records its arguments.
    fn tools(paths: &SitePaths, script: &str) {
        let programs = paths.node().join("pack/bin");
        durable::create_folder(&programs).unwrap();
        let noted = format!("#!/bin/sh\necho \"$@\" >> \"$(dirname \"$0\")/calls\"\n{script}\n");
        write_program(&programs.join(GENERATOR), noted);
        write_program(&programs.join(HOOK), "#!/bin/sh\n");
        durable::symlink(&programs, &paths.node_link()).unwrap();
    }

    /// Returns a machine with the driver and a GPU.
    fn machine() -> (Tree, SitePaths) {
        const ADDRESS: &str = "0000:01:00.0";
        let tree = Tree::empty().pci(ADDRESS, 0x10de, 0x27b8, 0x03_0200).nvidia_driver("580.159.04", &[ADDRESS]);
        let paths = SitePaths::below(tree.path());
        (tree, paths)
    }

    fn calls(paths: &SitePaths) -> Vec<String> {
        let text = fs_err::read_to_string(paths.node_link().join("calls")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    fn read_specification(paths: &SitePaths) -> Option<String> {
        fs_err::read_to_string(paths.gpu_specification()).ok()
    }

    /// Tends until a result arrives, or nothing runs.
    fn settle(tended: &mut GpuSpecification, paths: &SitePaths, now: Instant) -> Option<Result<bool, StepError>> {
        loop {
            match tended.tend(paths, now) {
                None if tended.running.is_some() => std::thread::sleep(Duration::from_millis(5)),
                news => return news,
            }
        }
    }

    #[test]
    fn specification_is_written_once() {
        let (_tree, paths) = machine();
        make_folder(&paths).unwrap();
        assert!(!paths.gpu_specifications().exists(), "a node pack without the tool writes nothing");
        before_pods(&paths).unwrap();
        assert_eq!(read_specification(&paths), None);
        tools(&paths, &format!("[ \"$1\" = system ] || echo '{}'", tool_output(&paths, &["GPU-1", "0", "all"])));
        make_folder(&paths).unwrap();
        assert!(paths.gpu_specifications().exists());
        before_pods(&paths).unwrap();
        assert!(read_specification(&paths).unwrap().contains("GPU-1"));
        let hook = paths.node_link().join(HOOK);
        let generate = format!("{} --nvidia-cdi-hook-path={}", GENERATE.join(" "), hook.display());
        assert_eq!(calls(&paths), [MAKE_FILES.join(" "), generate]);
        assert!(!write(&paths, &Source::of(&paths)).unwrap(), "the same bytes are not written again");
    }

    #[test]
    fn specification_follows_driver_and_gpus() {
        let (tree, paths) = machine();
        tools(&paths, &format!("[ \"$1\" = system ] || echo '{}'", tool_output(&paths, &["GPU-1"])));
        let (mut tended, now) = (GpuSpecification::default(), Instant::now());
        let mut news = || settle(&mut tended, &paths, now).transpose().unwrap();
        assert_eq!((news(), news()), (Some(true), None), "nothing changed since");
        let tree = tree.file("proc/driver/nvidia/capabilities/gpu0/mig/gi1/ci0/access", "DeviceFileMinor: 13\n");
        tools(&paths, &format!("[ \"$1\" = system ] || echo '{}'", tool_output(&paths, &["MIG-1"])));
        assert_eq!((news(), news()), (Some(true), None));
        assert!(read_specification(&paths).unwrap().contains("MIG-1"));
        fs_err::remove_dir_all(tree.path().join("proc/driver")).unwrap();
        assert_eq!(
            (news(), read_specification(&paths), news()),
            (Some(true), None, None),
            "without a driver there is none"
        );
    }

    #[test]
    fn separate_thread_reads_driver_files() {
        let (tree, paths) = machine();
        tools(&paths, &format!("[ \"$1\" = system ] || echo '{}'", tool_output(&paths, &["GPU-1"])));
        let (mut tended, now) = (GpuSpecification::default(), Instant::now());
        assert!(settle(&mut tended, &paths, now).unwrap().unwrap());
        assert!(tended.tend(&paths, now).is_none() && tended.running.is_some(), "a driver may block its readers");
        assert!(settle(&mut tended, &paths, now).is_none());
        fs_err::remove_dir_all(tree.path().join("proc/driver")).unwrap();
        assert!(settle(&mut tended, &paths, now).unwrap().unwrap());
        assert!(
            tended.tend(&paths, now).is_none() && tended.running.is_none(),
            "a host without a driver has no thread"
        );
    }

    #[test]
    fn failed_tool_keeps_earlier_specification() {
        let (_tree, paths) = machine();
        tools(
            &paths,
            "[ \"$1\" = system ] && exit 1; echo 'level=warning' >&2; echo 'failed to initialize NVML' >&2; exit 1",
        );
        durable::create_folder(&paths.gpu_specifications()).unwrap();
        durable::write_file(&paths.gpu_specification(), b"earlier", 0o644).unwrap();
        let (mut tended, now) = (GpuSpecification::default(), Instant::now());
        let error = settle(&mut tended, &paths, now).unwrap().unwrap_err();
        assert_eq!(error.code(), codes::GPU_SPECIFICATION);
        assert!(error.to_string().ends_with("failed (exit status: 1): failed to initialize NVML"), "{error}");
        assert_eq!(read_specification(&paths).as_deref(), Some("earlier"));
        assert!(settle(&mut tended, &paths, now).is_none(), "not at once");
        tools(&paths, &format!("[ \"$1\" = system ] || echo '{}'", tool_output(&paths, &["GPU-1"])));
        assert!(settle(&mut tended, &paths, now + AGAIN).unwrap().unwrap());
        assert!(read_specification(&paths).unwrap().contains("GPU-1"));
    }

    #[test]
    fn unfit_specification_is_refused() {
        let (_tree, paths) = machine();
        let foreign = tool_output(&paths, &["GPU-1"]).replace("/dev/nvidia0", "/etc/shadow");
        tools(&paths, &format!("[ \"$1\" = system ] || echo '{foreign}'"));
        let error = before_pods(&paths).unwrap_err();
        assert_eq!(error.code(), codes::GPU_SPECIFICATION_UNFIT);
        assert!(error.to_string().contains("`/etc/shadow`, which is not below /dev"), "{error}");
        assert_eq!(read_specification(&paths), None);
    }
}
