//! Tests of the program in the form in which a customer gets it: alone, in a mail.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use landfall_error_codes::codes;
use landfall_host::facts::{self, Facts, KIND, ProbedGpus, SCHEMA};
use landfall_host::paths::SitePaths;
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_landfall-facts");

/// Maximum size in bytes of the program in the development profile, with its symbols: a limit of many mail servers. The
/// shipped one is smaller.
const PROGRAM_BYTES: u64 = 20 << 20;

/// Crates of `landfall` that make it large: a cluster's client, databases, and the code that builds and operates.
const HEAVY: [&str; 7] = [
    "kube-client",
    "landfall-appliance",
    "landfall-builder",
    "landfall-cluster",
    "landfall-lifecycle",
    "rustic_core",
    "sqlx-core",
];

/// Runs the program with these arguments, its output in pipes.
fn run(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).args(arguments).stdin(Stdio::null()).output().unwrap()
}

fn lossy_text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Returns standard error of a run that printed nothing else and ended with this code.
fn error_of(output: &Output, exit_code: u8) -> String {
    assert_eq!(output.status.code(), Some(exit_code.into()), "{}", lossy_text(&output.stderr));
    assert_eq!(lossy_text(&output.stdout), "");
    lossy_text(&output.stderr)
}

fn names(folder: &Path) -> Vec<String> {
    folder.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn printed_document_matches_host() {
    let paths = SitePaths::default();
    let gpus = ProbedGpus::now(&paths);
    let here = facts::collect_measured(&paths, &gpus).unwrap();
    for arguments in [&[] as &[&str], &["--json"]] {
        let output = run(arguments);
        assert!(output.status.success() && output.stderr.is_empty(), "{}", lossy_text(&output.stderr));
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&document["kind"], &document["schema"]), (&KIND.into(), &SCHEMA.into()));
        let found = Facts::parse(&output.stdout).unwrap();
        assert!(found.cores > 0 && found.memory_bytes > 0 && !found.filesystems.is_empty());
        let of_host = |facts: &Facts| (facts.hostname.clone(), facts.kernel.clone(), facts.cores, facts.root);
        assert_eq!(of_host(&found), of_host(&here));
        assert_eq!((found.cpu, &found.modules), (here.cpu.clone(), &here.modules));
        // Test machines on the same host change these settings: they are as before or as after the run.
        let later = facts::collect(&paths, &gpus).unwrap();
        assert!([&here.limits, &later.limits].contains(&&found.limits), "{:?}", found.limits);
        assert_eq!((found.speeds.is_some(), found.gpus.is_some()), (here.speeds.is_some(), true));
    }
}

/// The file's mode must not depend on the umask of the person who sends it.
#[test]
fn written_file_matches_output() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("facts.json");
    let with_umask = ["-c", "umask 077; exec \"$0\" --json --output \"$1\"", PROGRAM];
    let output = Command::new("/bin/sh").args(with_umask).arg(&file).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{}", lossy_text(&output.stderr));
    let written = std::fs::read(&file).unwrap();
    assert_eq!(lossy_text(&written), lossy_text(&output.stdout));
    Facts::parse(&written).unwrap();
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o7777, 0o644);
    assert_eq!(names(folder.path()), ["facts.json"]);
}

/// Not even root can write to this path.
#[test]
fn unwritable_file_is_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("missing/facts.json");
    let text = error_of(&run(&["--output", file.to_str().unwrap()]), codes::MEDIA_IO.class.exit_code());
    assert!(text.starts_with("error[LF1201]: cannot ") && text.contains(folder.path().to_str().unwrap()), "{text}");
    assert!(text.contains("\n  because: ") && text.contains("\n  next: "), "{text}");
    let failed = run(&["--json", "--output", file.to_str().unwrap()]);
    let document: Value = serde_json::from_str(&error_of(&failed, codes::MEDIA_IO.class.exit_code())).unwrap();
    assert_eq!((&document["kind"], &document["code"]), (&"error".into(), &"LF1201".into()));
    assert_eq!(document["exitCode"], codes::MEDIA_IO.class.exit_code());
    assert_eq!(names(folder.path()), Vec::<String>::new());
}

#[test]
fn existing_folder_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let taken = folder.path().join("taken");
    std::fs::create_dir(&taken).unwrap();
    let text = error_of(&run(&["--output", taken.to_str().unwrap()]), codes::MEDIA_IO.class.exit_code());
    assert!(text.starts_with("error[LF1201]: "), "{text}");
    assert!(taken.is_dir());
    assert_eq!(names(folder.path()), ["taken"]);
}

#[test]
fn truncated_output_is_error() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = Command::new(PROGRAM).stdin(Stdio::null()).stdout(full).output().unwrap();
    let text = error_of(&output, codes::NO_SPACE.class.exit_code());
    assert!(text.starts_with("error[LF1202]: cannot write standard output"), "{text}");
}

#[test]
fn invalid_arguments_write_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("facts.json");
    let output = run(&["--output", file.to_str().unwrap(), "--what"]);
    let text = error_of(&output, codes::BAD_ARGUMENT.class.exit_code());
    assert!(text.starts_with("error[LF9003]: there is no argument --what"), "{text}");
    assert!(!file.exists());
}

#[test]
fn terminal_gets_text_unless_json() {
    let on_terminal = |arguments: &[&str]| {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let terminal = openpt(flags).unwrap();
        unlockpt(&terminal).unwrap();
        let side = ioctl_tiocgptpeer(&terminal, flags).unwrap();
        let mut child = Command::new(PROGRAM).args(arguments).stdin(Stdio::null()).stdout(side).spawn().unwrap();
        let mut text = Vec::new();
        // Once the program has closed the other side, this ends with an error, as terminals do.
        let _hung_up = File::from(terminal).read_to_end(&mut text);
        assert!(child.wait().unwrap().success());
        lossy_text(&text).replace("\r\n", "\n")
    };
    let text = on_terminal(&[]);
    assert!(text.contains("\nMachine\n  Platform: linux/") && text.contains("\nNetwork\n"), "{text}");
    Facts::parse(on_terminal(&["--json"]).as_bytes()).unwrap();
}

#[test]
fn program_is_static_and_small() {
    let program = std::fs::read(PROGRAM).unwrap();
    let length = u64::try_from(program.len()).unwrap();
    assert!(length <= PROGRAM_BYTES, "{length} bytes, at most {PROGRAM_BYTES}");
    let number = |at: usize, bytes: usize| {
        program[at..at + bytes].iter().rev().fold(0_usize, |number, byte| (number << 8) | usize::from(*byte))
    };
    assert_eq!(&program[..5], b"\x7fELF\x02", "a program of 64 bits");
    let (table, entry_bytes, entries) = (number(32, 8), number(54, 2), number(56, 2));
    let kinds: Vec<usize> = (0..entries).map(|entry| number(table + entry * entry_bytes, 4)).collect();
    assert!(kinds.contains(&1), "it is loaded: {kinds:?}");
    assert!(!kinds.contains(&3), "it names an interpreter, which loads libraries: {kinds:?}");
}

#[test]
fn heavy_dependencies_are_excluded() {
    let mut tree = Command::new(env!("CARGO"));
    tree.args(["tree", "--offline", "--package", "landfall-facts", "--edges", "normal", "--prefix", "none"]);
    let output = tree.args(["--format", "{p}"]).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(output.status.success(), "{}", lossy_text(&output.stderr));
    let lines = lossy_text(&output.stdout);
    let names: Vec<&str> = lines.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(names.contains(&"landfall-host"), "{names:?}");
    let heavy: Vec<_> = HEAVY.iter().filter(|name| names.contains(name)).collect();
    assert!(heavy.is_empty(), "{heavy:?}");
}
