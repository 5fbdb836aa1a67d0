//! `cargo xtask fuzz`: runs every reader of untrusted bytes under libFuzzer.
//!
//! The project's compiler is sufficient: it has the passes that libFuzzer needs. Only sanitizers would need another
//! compiler.
#![expect(clippy::disallowed_methods, reason = "files of the tests' tools, recreated when lost")]

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use landfall_launcher::packages;

use crate::workspace::{self, GLIBC_TARGET, cargo};
use crate::{printer, setup};

/// The targets, as listed in `tests/fuzz/Cargo.toml`.
const TARGETS: [&str; 23] = [
    "head",
    "trust",
    "documents",
    "journal",
    "gpu",
    "models",
    "sums",
    "manifests",
    "layers",
    "charts",
    "archives",
    "elf",
    "licenses",
    "provenance",
    "rules",
    "packages",
    "support",
    "superblocks",
    "chart_indexes",
    "wheels",
    "npm",
    "package_sets",
    "facts",
];

/// Compiler flags that report the code reached by an input to libFuzzer.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

/// Number of targets that run in parallel. Each keeps one processor busy.
const LANES: usize = 2;

/// Largest input, in bytes. It exceeds every vector.
const MAX_BYTES: u64 = 256 << 10;

/// Test every reader of hostile bytes with inputs that libFuzzer generates from the frozen vectors.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Run only this target.
    #[arg(value_name = "TARGET", value_parser = TARGETS)]
    target: Option<String>,
    /// Duration for each target, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    seconds: u32,
}

/// Runs the command. An input that fails a target is an error that names its file.
pub fn run(arguments: &Arguments) -> Result<u8> {
    let programs = build()?;
    let seeds = seeds()?;
    let wanted = |target: &str| arguments.target.as_deref().is_none_or(|only| only == target);
    let targets: Vec<&str> = TARGETS.into_iter().filter(|target| wanted(target)).collect();
    let run = |target: &str| fuzz(&programs.join(target), target, &seeds, arguments.seconds);
    for targets in targets.chunks(LANES) {
        let outcomes: Vec<Result<()>> = std::thread::scope(|scope| {
            let running: Vec<_> = targets.iter().map(|target| scope.spawn(|| run(target))).collect();
            running.into_iter().map(|target| target.join().unwrap_or_else(|_| bail!("a target panicked"))).collect()
        });
        for (target, outcome) in targets.iter().zip(outcomes) {
            outcome?;
            printer::note(format!("{target}: no input fails it"));
        }
    }
    printer::data("fuzz: passed");
    Ok(0)
}

/// Runs every target for this number of seconds.
pub fn every_target(seconds: u32) -> Result<()> {
    run(&Arguments { target: None, seconds }).map(drop)
}

fn folder() -> PathBuf {
    workspace::target_folder().join("fuzz")
}

/// Builds the targets and returns the folder of their programs.
fn build() -> Result<PathBuf> {
    setup::ensure_packages(packages::PROGRAM)?;
    setup::ensure_packages(packages::FUZZ)?;
    let mut build = cargo();
    build.args(["build", "--quiet", "--release", "--bins", "--manifest-path", "tests/fuzz/Cargo.toml"]);
    build.args(["--target", GLIBC_TARGET, "--target-dir"]).arg(folder()).env("RUSTFLAGS", FLAGS);
    workspace::run(&mut build)?;
    Ok(folder().join(GLIBC_TARGET).join("release"))
}

/// Creates a folder of seeds: the frozen vectors, the files in them, and valid inputs for readers of other formats.
fn seeds() -> Result<PathBuf> {
    let seeds = folder().join("seeds");
    if seeds.exists() {
        std::fs::remove_dir_all(&seeds).with_context(|| format!("cannot empty {}", seeds.display()))?;
    }
    let vectors = workspace::root().join("bundle-spec/vectors");
    let mut count = 0;
    for kind in ["good", "bad"] {
        let folder = vectors.join(kind);
        for entry in std::fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
            let vector = entry?.path();
            let name = vector.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let own = seeds.join(kind).join(&name);
            std::fs::create_dir_all(&own).with_context(|| format!("cannot create {}", own.display()))?;
            std::fs::copy(&vector, own.join("whole")).with_context(|| format!("cannot copy {}", vector.display()))?;
            // Many of them are malformed on purpose; tar extracts what it can.
            let _ = Command::new("tar").arg("-C").arg(&own).arg("-xf").arg(&vector).output();
            count += 1;
        }
    }
    ensure!(count > 20, "there are only {count} vectors in {}", vectors.display());
    workspace::run(Command::new("cp").arg("--recursive").arg(workspace::root().join("tests/fuzz/seeds")).arg(&seeds))?;
    Ok(seeds)
}

/// Runs one target. New inputs stay in its corpus, from which the next run starts.
fn fuzz(program: &Path, target: &str, seeds: &Path, seconds: u32) -> Result<()> {
    let (corpus, failures) = (folder().join("corpus").join(target), folder().join("failures").join(target));
    for folder in [&corpus, &failures] {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    let log = folder().join(format!("{target}.log"));
    let output = std::fs::File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let mut command = Command::new(program);
    command.arg(&corpus).arg(seeds).arg(format!("-artifact_prefix={}/", failures.display()));
    command.arg(format!("-max_total_time={seconds}")).arg(format!("-max_len={MAX_BYTES}"));
    command.args(["-timeout=10", "-rss_limit_mb=1024", "-print_final_stats=1", "-verbosity=1"]);
    let status = command.stdout(output.try_clone()?).stderr(output).status();
    let status = status.with_context(|| format!("cannot start {}", program.display()))?;
    ensure!(
        status.success(),
        "an input fails {target} ({status}): it is in {}, and what it did is in {}",
        failures.display(),
        log.display()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn fuzz_targets_are_all_run() {
        let manifest = std::fs::read_to_string(workspace::root().join("tests/fuzz/Cargo.toml")).unwrap();
        let built = manifest.matches("[[bin]]").count();
        assert_eq!(built, TARGETS.len());
        for target in TARGETS {
            assert!(manifest.contains(&format!("name = \"{target}\"")), "{target} is not built");
        }
    }

    /// Returns modules that a source file names by `crate::…` outside of its tests.
    fn named_modules(text: &str) -> BTreeSet<String> {
        let text = text.split("mod tests {").next().unwrap_or_default();
        let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let names = lines.flat_map(|line| line.split("crate::").skip(1));
        let name = |rest: &str| rest.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect();
        names.map(name).collect()
    }

    /// Returns the files of a module that a target includes from elsewhere: one file, or those of a folder.
    fn files_of(path: &Path) -> Vec<PathBuf> {
        if !path.ends_with("mod.rs") {
            return vec![path.to_owned()];
        }
        let entries = path.parent().unwrap().read_dir().unwrap().map(|entry| entry.unwrap().path());
        let is_source =
            |path: &PathBuf| path.extension().is_some_and(|kind| kind == "rs") && !path.ends_with("tests.rs");
        entries.filter(is_source).collect()
    }

    #[test]
    fn fuzz_targets_have_named_modules() {
        let (folder, mut taken) = (workspace::root().join("tests/fuzz/targets"), 0);
        for target in TARGETS {
            let text = std::fs::read_to_string(folder.join(target).with_extension("rs")).unwrap();
            let modules = text.lines().filter_map(|line| line.strip_prefix("mod "));
            let modules: BTreeSet<&str> = modules.map(|name| name.trim_end_matches([' ', '{', ';'])).collect();
            let paths = text.lines().filter_map(|line| line.strip_prefix("#[path = \"")?.strip_suffix("\"]"));
            for file in paths.flat_map(|path| files_of(&folder.join(path))) {
                let names = named_modules(&std::fs::read_to_string(&file).unwrap());
                let missing: Vec<_> = names.into_iter().filter(|name| !modules.contains(name.as_str())).collect();
                assert!(missing.is_empty(), "{target} lacks {missing:?}, which {} names", file.display());
                taken += 1;
            }
        }
        assert!(taken > 10, "targets take {taken} files from elsewhere");
    }
}
