//! Maps each command of `cargo xtask` to the kinds of work it does, and thus to what it needs of the machine.

use std::collections::BTreeSet;

/// A kind of work with its own requirements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Work {
    /// Compiling the commands themselves, which sign and hash with C code.
    Compile,
    /// Removing machines. It compiles the commands too, but must run on a full disk.
    Removal,
    /// Compiling `landfall`, which contains C code.
    Program,
    /// Formatting and linting.
    Lint,
    /// Running tests, which include other software that reads the same formats.
    Tests,
    /// Driving a browser, and checking pages in it.
    Browser,
    /// Running fuzz targets.
    Fuzz,
    /// Compiling Ollama, which reads and writes stores of models.
    Ollama,
    /// Running programs for another processor.
    Emulator,
    /// Assembling the real parts: the node pack from Go modules, images from Debian packages, a model and wheels.
    Parts,
    /// Booting test machines.
    Machines,
    /// Booting virtual machines with their own kernel.
    VirtualMachines,
    /// Building a release of twenty gibibytes.
    LargeRelease,
}

/// All kinds of work that need space.
const ALL: &[Work] = &[
    Work::Compile,
    Work::Program,
    Work::Lint,
    Work::Tests,
    Work::Browser,
    Work::Fuzz,
    Work::Ollama,
    Work::Emulator,
    Work::Parts,
    Work::Machines,
    Work::VirtualMachines,
    Work::LargeRelease,
];

/// Parts of `cargo xtask test`, each with its work in addition to compiling the commands.
pub const TEST_PARTS: &[(&str, &[Work])] = &[
    ("setup", &[Work::Lint, Work::Tests, Work::Browser]),
    ("newcomer", &[Work::Program, Work::Lint, Work::Tests, Work::Browser, Work::Parts, Work::Machines]),
    ("build", &[Work::Program]),
    ("lint", &[Work::Program, Work::Lint, Work::Tests]),
    ("unit", &[Work::Program, Work::Tests]),
    ("filesystems", &[Work::Program, Work::Tests]),
    ("gpu", &[Work::Program]),
    ("pages", &[Work::Program, Work::Parts, Work::Tests, Work::Browser]),
    ("machines", &[Work::Program, Work::Machines]),
    ("images", &[Work::Program, Work::Parts, Work::Tests]),
    ("cluster", &[Work::Program, Work::Parts]),
    ("vendor", &[Work::Program, Work::Parts, Work::Tests]),
    ("buckets", &[Work::Program, Work::Parts, Work::Tests]),
    ("bench", &[Work::Program, Work::Parts, Work::Tests]),
    ("release", &[Work::Program, Work::Tests]),
    ("stock", &[Work::Program, Work::Parts, Work::VirtualMachines]),
    ("demo", &[Work::Program, Work::Parts, Work::Machines]),
    ("site", &[Work::Program, Work::Parts, Work::Tests, Work::Machines]),
    ("upgrades", &[Work::Program, Work::Parts, Work::Tests, Work::Machines]),
    ("figures", &[Work::Program, Work::Parts, Work::Tests, Work::Browser]),
    ("site-figures", &[Work::Program, Work::Parts, Work::Tests, Work::Machines]),
    ("large", &[Work::Program, Work::Parts, Work::Tests, Work::Machines, Work::LargeRelease]),
    ("busy-log", &[Work::Program, Work::Parts, Work::Tests, Work::Machines]),
    ("interruptions", &[Work::Program, Work::Parts, Work::Tests, Work::Machines]),
    ("cuts", &[Work::Program, Work::Parts, Work::Tests, Work::Machines]),
    ("faults", &[Work::Program, Work::Parts, Work::Tests, Work::Machines]),
    ("drills", &[Work::Program, Work::Parts, Work::Tests, Work::Machines]),
    ("demo-upgrade", &[Work::Program, Work::Parts, Work::Machines]),
    ("recovery", &[Work::Program, Work::Parts, Work::Tests, Work::Machines]),
    ("administration", &[Work::Program, Work::Parts, Work::Tests, Work::Machines]),
    ("licensed", &[Work::Program, Work::Parts, Work::Tests, Work::Machines]),
    ("browser", &[Work::Program, Work::Parts, Work::Tests, Work::Machines, Work::Browser]),
    ("node", &[Work::Program, Work::Parts, Work::Tests, Work::Machines]),
    ("reproducible", &[Work::Program, Work::Parts, Work::Tests]),
    ("compiled", &[Work::Program, Work::Tests, Work::Emulator]),
    ("strings", &[Work::Program, Work::Parts, Work::Tests]),
    ("ollama", &[Work::Program, Work::Parts, Work::Tests, Work::Ollama]),
    ("fuzz", &[Work::Program, Work::Fuzz]),
    ("vm", &[Work::Program, Work::Parts, Work::VirtualMachines]),
];

/// Parts that only `--full` runs. Other parts run always or in turns; the latter need nothing more than the former.
pub const PARTS_WHEN_FULL: &[&str] = &[
    "figures",
    "site-figures",
    "large",
    "busy-log",
    "stock",
    "interruptions",
    "cuts",
    "faults",
    "drills",
    "demo-upgrade",
    "recovery",
    "compiled",
    "ollama",
    "fuzz",
    "vm",
];

/// Returns the work of a command line, given without the program's name. An unknown command counts as all work.
pub fn work_of(arguments: &[String]) -> BTreeSet<Work> {
    if removes_machines(arguments) {
        return BTreeSet::from([Work::Removal]);
    }
    let mut works: BTreeSet<Work> = match arguments.iter().map(String::as_str).find(|word| !word.starts_with('-')) {
        None | Some("help") => BTreeSet::new(),
        _ if arguments.iter().any(|word| word == "--help" || word == "-h") => BTreeSet::new(),
        Some("dist" | "documents" | "gpu") => BTreeSet::from([Work::Program]),
        Some("fuzz") => BTreeSet::from([Work::Program, Work::Fuzz]),
        Some("site") => BTreeSet::from([Work::Machines]),
        Some("images") => BTreeSet::from([Work::Parts]),
        Some("bench") if arguments.iter().any(|word| word == "--site") => {
            BTreeSet::from([Work::Program, Work::Parts, Work::Tests, Work::Machines])
        }
        Some("bench") => BTreeSet::from([Work::Program, Work::Parts, Work::Tests]),
        Some("demo") => BTreeSet::from([Work::Program, Work::Parts, Work::Machines]),
        Some("test") => work_of_test(arguments),
        Some("vm") => BTreeSet::from([Work::Program, Work::Parts, Work::VirtualMachines]),
        Some(_) => ALL.iter().copied().collect(),
    };
    works.insert(Work::Compile);
    works
}

/// Returns true for `site down` and `demo --down`.
fn removes_machines(arguments: &[String]) -> bool {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    words.starts_with(&["site", "down"]) || (words.first() == Some(&"demo") && words.contains(&"--down"))
}

/// Returns true if `--only TEXT` selects this part. It selects the part of that name or, if there is none, every part
/// whose name contains the text.
pub fn is_asked_for(only: &str, part: &str) -> bool {
    if TEST_PARTS.iter().any(|(name, _)| *name == only) {
        part == only
    } else {
        part.contains(only)
    }
}

/// Returns the work of `cargo xtask test`. `--full` adds the parts that CI omits.
fn work_of_test(arguments: &[String]) -> BTreeSet<Work> {
    let only = value_of(arguments, "--only");
    let is_full = arguments.iter().any(|word| word == "--full");
    let runs = |name: &str| match only {
        Some(only) => is_asked_for(only, name),
        None => is_full || !PARTS_WHEN_FULL.contains(&name),
    };
    let works: BTreeSet<Work> =
        TEST_PARTS.iter().filter(|(name, _)| runs(name)).flat_map(|(_, works)| works.iter().copied()).collect();
    // An unknown part counts as all work.
    if works.is_empty() {
        return ALL.iter().copied().collect();
    }
    works
}

fn value_of<'a>(arguments: &'a [String], option: &str) -> Option<&'a str> {
    arguments.iter().enumerate().find_map(|(index, word)| {
        let rest = word.strip_prefix(option)?;
        rest.strip_prefix('=').or_else(|| if rest.is_empty() { Some(arguments.get(index + 1)?.as_str()) } else { None })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work(line: &str) -> BTreeSet<Work> {
        work_of(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn unit_tests_need_no_machines() {
        for line in ["test --only unit", "test --only=unit", "test --keep-going --only unit"] {
            assert_eq!(work(line), BTreeSet::from([Work::Compile, Work::Program, Work::Tests]), "{line}");
        }
    }

    #[test]
    fn help_needs_only_compiling() {
        for line in ["", "--help", "help", "demo --help", "test -h"] {
            assert_eq!(work(line), BTreeSet::from([Work::Compile]), "{line}");
        }
    }

    #[test]
    fn removal_of_machines_is_work_alone() {
        for line in ["site down", "site down busy-1", "demo --down"] {
            assert_eq!(work(line), BTreeSet::from([Work::Removal]), "{line}");
        }
        assert!(work("site up down").contains(&Work::Machines));
    }

    #[test]
    fn full_tests_need_everything() {
        let ordinary = work("test");
        let extraordinary = [Work::Fuzz, Work::Ollama, Work::Emulator, Work::VirtualMachines, Work::LargeRelease];
        assert!(extraordinary.iter().all(|work| !ordinary.contains(work)));
        assert_eq!(ordinary.len(), ALL.len() - extraordinary.len());
        assert_eq!(work("test --full").len(), ALL.len());
    }

    #[test]
    fn gpu_command_needs_only_program() {
        for line in ["gpu", "gpu --keep h200", "gpu --kept h200"] {
            assert_eq!(work(line), BTreeSet::from([Work::Compile, Work::Program]), "{line}");
        }
    }

    #[test]
    fn exact_part_name_wins() {
        assert!(!work("test --only figures").contains(&Work::Machines));
        assert!(work("test --only figure").contains(&Work::Machines));
        assert!(work("test --only site-figures").contains(&Work::Machines));
    }

    #[test]
    fn unknown_commands_need_everything() {
        for line in ["appliance", "test --only appliance"] {
            assert_eq!(work(line).len(), ALL.len(), "{line}");
        }
    }
}
