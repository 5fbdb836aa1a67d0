//! A machine that lacks things, made of links to files of this machine.
#![expect(clippy::disallowed_methods, reason = "files of a test, recreated when lost")]

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, ensure};

use super::{name_of, tool};
use crate::workspace::{self, TARGET};
use landfall_test_support::runnable::write_program;

/// Time limit of one run, in seconds.
const PATIENCE: &str = "240";

/// Exit code of `timeout` if it had to end a program.
const TIMED_OUT: i32 = 124;

/// Address of a proxy that does not exist.
const DEAD_PROXY: &str = "http://127.0.0.1:9";

/// Folders of a toolchain that compilers need; documentation is not needed.
const TOOLCHAIN_FOLDERS: [&str; 3] = ["bin", "lib", "libexec"];

/// Programs of a toolchain that a build starts.
const TOOLCHAIN_PROGRAMS: [&str; 7] =
    ["cargo", "rustc", "rustdoc", "cargo-clippy", "clippy-driver", "cargo-fmt", "rustfmt"];

/// A fresh clone, a toolchain without the target, and an empty cache.
pub struct Bare {
    places: Places,
    rustup: Option<PathBuf>,
    components: Option<String>,
    cases: AtomicU32,
}

/// Paths of a [`Bare`] machine.
#[derive(Clone)]
struct Places {
    folder: PathBuf,
    /// Folder of this machine's own toolchain.
    sysroot: PathBuf,
}

impl Places {
    fn clone_folder(&self) -> PathBuf {
        self.folder.join("clone")
    }

    fn cache(&self) -> PathBuf {
        self.folder.join("cache")
    }

    fn rustup_home(&self) -> PathBuf {
        self.folder.join("rustup")
    }

    fn toolchain(&self) -> PathBuf {
        self.rustup_home().join("toolchains").join(name_of(&self.sysroot))
    }

    fn first_crate(&self) -> PathBuf {
        self.folder.join("first-crate")
    }
}

/// The toolchain whose programs are in `PATH`.
#[derive(Clone, Copy)]
pub enum Toolchain {
    /// The toolchain of this machine.
    Whole,
    /// A copy without the target that ships.
    WithoutTarget,
}

impl Bare {
    /// Creates the files in a folder, which is emptied first.
    pub fn make(folder: &Path) -> Result<Self> {
        if folder.exists() {
            std::fs::remove_dir_all(folder).with_context(|| format!("cannot empty {}", folder.display()))?;
        }
        std::fs::create_dir_all(folder.join("cache/registry"))?;
        let sysroot = tool(Command::new("rustc").args(["--print", "sysroot"]).current_dir("/"))?;
        let sysroot = Path::new(&sysroot).canonicalize().context("rustc's sysroot is missing")?;
        let rustup = folders_of_path().into_iter().map(|folder| folder.join("rustup")).find(|program| program.exists());
        // A distribution's Rust may exist next to an unrelated rustup.
        let rustup = rustup.filter(|_| sysroot.parent().is_some_and(|parent| parent.ends_with("toolchains")));
        let components = std::fs::read_to_string(sysroot.join("lib/rustlib/components")).ok();
        let places = Places { folder: folder.to_owned(), sysroot };
        let bare = Self { places, rustup, components, cases: AtomicU32::new(0) };
        clone(&bare.places.clone_folder())?;
        bare.copy_toolchain().context("cannot copy the toolchain without its target")?;
        Ok(bare)
    }

    /// Returns the folder of the fresh clone.
    pub fn clone_folder(&self) -> PathBuf {
        self.places.clone_folder()
    }

    /// Returns true if rustup manages this machine's Rust.
    pub fn has_rustup(&self) -> bool {
        self.rustup.is_some()
    }

    /// Copies the toolchain: hard links to files that rustup never writes to, and copies of the other files.
    fn copy_toolchain(&self) -> Result<()> {
        let (sysroot, toolchain) = (&self.places.sysroot, self.places.toolchain());
        std::fs::create_dir_all(&toolchain)?;
        for name in TOOLCHAIN_FOLDERS.iter().filter(|name| sysroot.join(name).exists()) {
            let from = sysroot.join(name);
            let copy = |how: &str| tool(Command::new("cp").args(["--archive", how]).arg(&from).arg(&toolchain));
            // Hard links do not work across filesystems.
            copy("--link").or_else(|_| copy("--reflink=auto"))?;
        }
        let libraries = toolchain.join("lib/rustlib");
        for entry in libraries.read_dir()?.flatten().filter(|entry| entry.path().is_file()) {
            let text = std::fs::read(entry.path())?;
            std::fs::remove_file(entry.path())?;
            std::fs::write(entry.path(), without_target(&entry.path(), text))?;
        }
        let _ = std::fs::remove_file(libraries.join(format!("manifest-rust-std-{TARGET}")));
        let _ = std::fs::remove_dir_all(libraries.join(TARGET));
        let settings = format!(
            "version = \"12\"\ndefault_toolchain = \"{}\"\nprofile = \"minimal\"\nauto_self_update = \"disable\"\n",
            name_of(sysroot)
        );
        std::fs::write(self.places.rustup_home().join("settings.toml"), settings)
            .context("cannot write rustup's settings")
    }

    /// Runs `cargo xtask` in the clone, on a machine that lacks something.
    pub fn xtask(&self, arguments: &[&str], take: impl FnOnce(&mut Machine)) -> Result<Output> {
        let case = self.places.folder.join(format!("case-{}", self.cases.fetch_add(1, Ordering::Relaxed)));
        std::fs::create_dir_all(&case)?;
        let mut machine = Machine {
            places: self.places.clone(),
            case,
            hidden: BTreeSet::new(),
            fakes: Vec::new(),
            files: Vec::new(),
            script: String::new(),
        };
        machine.setting("LANDFALL_CACHE", &self.places.cache().display().to_string());
        machine.setting("RUSTUP_AUTO_INSTALL", "0");
        if self.has_rustup() {
            machine.setting("RUSTUP_HOME", &self.places.rustup_home().display().to_string());
        } else {
            machine.plain(Toolchain::WithoutTarget);
        }
        take(&mut machine);
        machine.run(arguments)
    }

    /// Fails unless the run compiled a crate of the project's dependencies.
    pub fn expect_first_crate(&self, output: &Output, of: &str) -> Result<()> {
        let text = String::from_utf8_lossy(&output.stderr);
        ensure!(self.places.first_crate().exists(), "{of}: no crate was compiled for {TARGET}:\n{text}");
        std::fs::remove_file(self.places.first_crate()).context("cannot forget the first crate")
    }

    /// Fails if the run compiled a crate of the project's dependencies.
    pub fn expect_no_crate(&self, of: &str) -> Result<()> {
        ensure!(!self.places.first_crate().exists(), "{of}: a crate was compiled for {TARGET}");
        Ok(())
    }

    /// Fails if this machine's toolchain has changed.
    pub fn expect_machine_unharmed(&self) -> Result<()> {
        let components = std::fs::read_to_string(self.places.sysroot.join("lib/rustlib/components")).ok();
        ensure!(components == self.components, "the toolchain of this machine was changed: {components:?}");
        Ok(())
    }
}

/// Clones this project with uncommitted changes. New files are included if they have been added to git.
fn clone(folder: &Path) -> Result<()> {
    let root = workspace::root();
    let git = || {
        let mut git = Command::new("git");
        git.arg("-C").arg(&root);
        git
    };
    let changed = tool(git().args(["stash", "create"]))?;
    tool(git().args(["clone", "--quiet", "--no-checkout", "."]).arg(folder))?;
    if changed.is_empty() {
        return tool(Command::new("git").arg("-C").arg(folder).args(["checkout", "--quiet"])).map(drop);
    }
    let objects = tool(git().args(["rev-parse", "--path-format=absolute", "--git-path", "objects"]))?;
    std::fs::write(folder.join(".git/objects/info/alternates"), format!("{objects}\n"))?;
    tool(Command::new("git").arg("-C").arg(folder).args(["checkout", "--quiet", &changed])).map(drop)
}

/// Removes the target from rustup's record of a toolchain.
fn without_target(path: &Path, content: Vec<u8>) -> Vec<u8> {
    let Ok(text) = String::from_utf8(content.clone()) else { return content };
    let kept = |separator: &str| {
        let kept: Vec<&str> = text.split(separator).filter(|item| !item.contains(TARGET)).collect();
        kept.join(separator).into_bytes()
    };
    match name_of(path).as_str() {
        "components" => kept("\n"),
        "multirust-config.toml" => kept("\n\n"),
        _ => content,
    }
}

fn folders_of_path() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).filter(|folder| folder.is_dir()).collect()
}

/// A machine that lacks certain things.
pub struct Machine {
    places: Places,
    case: PathBuf,
    hidden: BTreeSet<String>,
    fakes: Vec<(String, String)>,
    files: Vec<(PathBuf, String)>,
    /// First commands of its shell, which run in a separate mount namespace.
    script: String,
}

impl Machine {
    /// Removes programs from `PATH`.
    pub fn hide(&mut self, programs: &[&str]) {
        self.hidden.extend(programs.iter().map(|program| (*program).to_owned()));
    }

    /// Replaces a program by a shell script.
    pub fn fake(&mut self, program: &str, script: &str) {
        self.fakes.push((program.to_owned(), format!("#!/bin/sh\n{script}\n")));
    }

    /// Adds a toolchain's own programs to `PATH`, and removes rustup from it.
    pub fn plain(&mut self, toolchain: Toolchain) {
        let folder = match toolchain {
            Toolchain::Whole => self.places.sysroot.clone(),
            Toolchain::WithoutTarget => self.places.toolchain(),
        };
        self.hide(&["rustup"]);
        for name in TOOLCHAIN_PROGRAMS {
            self.fake(name, &format!("exec {} \"$@\"", folder.join("bin").join(name).display()));
        }
    }

    /// Covers a system file with another text.
    pub fn cover(&mut self, file: &str, text: &str) {
        let cover = self.case.join(file.replace('/', "_"));
        self.files.push((cover.clone(), text.to_owned()));
        self.first(&format!("mount --bind {} {file}", cover.display()));
    }

    /// Provides a cache with 64 MiB, at its current path.
    pub fn small_cache(&mut self) {
        self.first("mkdir -p \"$LANDFALL_CACHE\" && mount -t tmpfs -o size=64m tmpfs \"$LANDFALL_CACHE\"");
    }

    /// Provides devices, but no loop device.
    pub fn without_devices(&mut self) {
        self.first("mount -t tmpfs tmpfs /dev && mknod -m 666 /dev/null c 1 3 && mknod -m 666 /dev/urandom c 1 9");
    }

    /// Removes the cgroup hierarchy.
    pub fn without_cgroups(&mut self) {
        self.first("mount -t tmpfs tmpfs /sys/fs/cgroup");
    }

    /// Provides cgroups as in a container whose root group holds processes: the kernel would refuse controllers below
    /// it.
    pub fn with_occupied_cgroups(&mut self) {
        self.without_cgroups();
        let files = [("controllers", "cpu memory pids"), ("type", "domain"), ("procs", "1"), ("subtree_control", "")];
        for (name, text) in files {
            self.first(&format!("echo '{text}' >/sys/fs/cgroup/cgroup.{name}"));
        }
    }

    /// Provides read-only cgroups, as in an unprivileged container.
    pub fn with_read_only_cgroups(&mut self) {
        self.with_occupied_cgroups();
        self.first("mount -o remount,ro /sys/fs/cgroup");
    }

    /// Provides a kernel whose modules for pod networks are neither loaded, built in, nor on the disk. Kernels without
    /// any modules have no modules folder, so this one is elsewhere.
    pub fn without_modules(&mut self) {
        let folder = self.case.join("modules").display().to_string();
        self.cover("/proc/sys/kernel/osrelease", &folder);
        self.first(&format!("mkdir '{folder}' && : >'{folder}/modules.builtin' && : >'{folder}/modules.dep'"));
        self.first(&format!("{{ [ ! -e /proc/modules ] || mount --bind '{folder}/modules.dep' /proc/modules; }}"));
        for signs in ["/sys/module", "/proc/sys/net"] {
            self.first(&format!("mount -t tmpfs tmpfs {signs}"));
        }
    }

    /// Runs as an unprivileged user who owns the same files.
    pub fn without_root(&mut self) {
        self.script += "set -- unshare --user -- \"$@\"\n";
    }

    /// Removes all caches, and sends every connection through a proxy that does not exist.
    pub fn cut_off(&mut self) {
        for name in ["http_proxy", "https_proxy"] {
            self.setting(name, DEAD_PROXY);
            self.setting(&name.to_ascii_uppercase(), DEAD_PROXY);
        }
        self.script += "unset no_proxy NO_PROXY PIP_FIND_LINKS\n";
        for (name, folder) in [("LANDFALL_CACHE", "empty-cache"), ("CARGO_HOME", "cargo")] {
            let folder = self.case.join(folder).display().to_string();
            self.setting(name, &folder);
        }
    }

    /// Ends the build after one crate was compiled for the target, and records that in a file.
    pub fn stop_after_first_crate(&mut self) {
        let script = format!(
            "case \" $* \" in\n*\" --crate-name ___ \"*) exec \"$@\" ;;\n\
             *\" --target {TARGET} \"*) [ -e {0} ] && exit 1; \"$@\" || exit 1; : >{0}; exit 1 ;;\nesac\nexec \"$@\"",
            self.places.first_crate().display()
        );
        self.fake("stop-after-first-crate", &script);
        self.setting("RUSTC_WRAPPER", "stop-after-first-crate");
    }

    fn first(&mut self, command: &str) {
        let _ = writeln!(self.script, "{command} || exit 99");
    }

    fn setting(&mut self, name: &str, value: &str) {
        let _ = writeln!(self.script, "export {name}='{value}'");
    }

    fn run(&self, arguments: &[&str]) -> Result<Output> {
        let path = self.make_path()?;
        for (file, text) in &self.files {
            std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
        }
        let script = format!("{}exec \"$@\"\n", self.script);
        let mut command = Command::new("timeout");
        command.args([
            "--kill-after=5",
            PATIENCE,
            "unshare",
            "--mount",
            "--propagation",
            "private",
            "sh",
            "-c",
            &script,
            "sh",
        ]);
        command.args(["cargo", "xtask"]).args(arguments).current_dir(self.places.clone_folder());
        for (name, _) in std::env::vars_os().filter(|(name, _)| is_of_this_build(name)) {
            command.env_remove(name);
        }
        let output = command.env("PATH", path).output().context("cannot run unshare")?;
        ensure!(output.status.code() != Some(99), "{}", String::from_utf8_lossy(&output.stderr));
        ensure!(output.status.code() != Some(TIMED_OUT), "cargo xtask {} took over {PATIENCE} s", arguments.join(" "));
        Ok(output)
    }

    /// Returns a `PATH` with a folder of fakes, followed by the original folders. A folder with a hidden program is
    /// replaced by a folder of links.
    fn make_path(&self) -> Result<OsString> {
        let fakes = self.case.join("bin");
        std::fs::create_dir_all(&fakes)?;
        for (name, script) in &self.fakes {
            let path = fakes.join(name);
            // If one program has two fakes, the last one is used.
            write_program(&path, script);
        }
        let mut folders = vec![fakes];
        for (index, folder) in folders_of_path().into_iter().enumerate() {
            let holds_hidden = self.hidden.iter().any(|name| folder.join(name).exists());
            folders.push(if holds_hidden { self.link_all(&folder, index)? } else { folder });
        }
        std::env::join_paths(folders).context("a folder of PATH has a colon")
    }

    fn link_all(&self, folder: &Path, index: usize) -> Result<PathBuf> {
        let links = self.case.join(format!("bin-{index}"));
        std::fs::create_dir(&links)?;
        for program in folder.read_dir()?.flatten().map(|entry| entry.path()) {
            let name = name_of(&program);
            if !self.hidden.contains(&name) {
                symlink(&program, links.join(&name)).with_context(|| format!("cannot link {name}"))?;
            }
        }
        Ok(links)
    }
}

/// Returns true for variables that cargo and rustup set for this program, or that a user set only for this build.
fn is_of_this_build(name: &OsString) -> bool {
    const BEGINNINGS: [&str; 6] =
        ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_TARGET_", "CARGO_BUILD_", "RUSTC", "LANDFALL_"];
    const NAMES: [&str; 5] = ["CARGO", "CARGO_BIN_NAME", "RUSTUP_TOOLCHAIN", "RUSTFLAGS", "LD_LIBRARY_PATH"];
    let name = name.to_string_lossy();
    NAMES.contains(&name.as_ref()) || BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))
}
