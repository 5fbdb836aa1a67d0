//! Builds the programs of the node pack from small Go modules, which pin upstream's code by version and hash.
#![expect(clippy::disallowed_methods, reason = "files of the tests' tools, recreated when lost")]

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use landfall_launcher::packages;

use super::{Workshop, last_lines};
use crate::cache::Key;
use crate::setup;

mod work;

pub use work::GoWork;

/// Folder of a module with headers that its upstream lacks.
const INCLUDE: &str = "include";

/// C and C++ compiler flags for programs that only tests run.
const QUICK: &str = "-O0 -g0";

/// A Go module in the recipes' folder `node-pack`.
pub struct GoModule {
    /// Name of its folder.
    pub name: &'static str,
    /// Module whose version is the true version of the programs; empty for Landfall's own programs.
    pub upstream: &'static str,
    /// Version that the programs report instead, in tests of upgrades.
    pub stamp: Option<&'static str>,
    /// Programs to build.
    pub programs: &'static [Program],
    /// Parameters of the build.
    pub build: Build,
    /// Variables that the linker sets, in which `{version}`, `{major}` and `{minor}` stand for upstream's version.
    pub variables: &'static [(&'static str, &'static str)],
}

/// A program of a [`GoModule`].
pub struct Program {
    /// Import path of its main package.
    pub package: &'static str,
    /// Name of the file.
    pub file: &'static str,
}

/// Method by which a module is compiled.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Build {
    /// Without C.
    Go,
    /// With C code, linked statically, from the libraries of [`packages::NODE_PACK`].
    StaticC {
        /// Build tags.
        tags: &'static str,
    },
    /// With C and C++ code, linked statically, and with headers from the recipe's folder `include`. The C and C++ code
    /// is not optimized, because tests use only the program's Go code.
    StaticCpp {
        /// Build tags.
        tags: &'static str,
    },
    /// With C code that loads a library of the host at run time, which a static program cannot do. The program needs
    /// only the host's glibc.
    LoadingC,
}

impl GoModule {
    /// Returns the version that the programs report, such as `v1.36.3`: the stamp if there is one, else the version in
    /// the module's go.mod.
    pub fn version(&self, workshop: &Workshop) -> Result<String> {
        if let Some(stamp) = self.stamp {
            return Ok(stamp.to_owned());
        }
        let path = self.folder(workshop).join("go.mod");
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        required_version(&text, self.upstream)
            .with_context(|| format!("{} does not require {}", path.display(), self.upstream))
    }

    fn folder(&self, workshop: &Workshop) -> PathBuf {
        workshop.recipe("node-pack").join(self.name)
    }

    /// Returns the build tags; None without C.
    fn tags(&self) -> Option<&'static str> {
        match self.build {
            Build::Go => None,
            Build::StaticC { tags } | Build::StaticCpp { tags } => Some(tags),
            Build::LoadingC => Some(""),
        }
    }

    /// Returns the key of the built programs: module files, Go version, flags and, with C, the C compiler's version.
    pub fn key(&self, workshop: &Workshop) -> Result<Key> {
        let mut key = Key::new().with("go", go_version()?).with("flags", self.linker_flags(workshop)?.join(" "));
        for file in module_files(&self.folder(workshop))? {
            key = key.with_file(&file.file_name().unwrap_or_default().to_string_lossy(), &file)?;
        }
        for program in self.programs {
            key = key.with(program.file, program.package);
        }
        if let Some(tags) = self.tags() {
            setup::ensure_packages(packages::NODE_PACK)?;
            key = key.with("tags", tags).with("compiler", first_line(Command::new("gcc").arg("--version"))?);
        }
        if matches!(self.build, Build::StaticCpp { .. }) {
            setup::ensure_packages(packages::OLLAMA)?;
            key = key.with_folder(INCLUDE, &self.folder(workshop).join(INCLUDE))?;
        }
        Ok(key)
    }

    fn linker_flags(&self, workshop: &Workshop) -> Result<Vec<String>> {
        let mut flags = vec!["-s".to_owned(), "-w".to_owned()];
        if !self.variables.is_empty() {
            let version = if self.upstream.is_empty() { String::new() } else { self.version(workshop)? };
            let mut numbers = version.trim_start_matches('v').split('.');
            let (major, minor) = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
            for (name, value) in self.variables {
                let value = value.replace("{version}", &version).replace("{major}", major).replace("{minor}", minor);
                flags.extend(["-X".to_owned(), format!("{name}={value}")]);
            }
        }
        if matches!(self.build, Build::StaticC { .. } | Build::StaticCpp { .. }) {
            flags.extend(["-linkmode", "external", "-extldflags", "-static"].map(str::to_owned));
        }
        Ok(flags)
    }

    /// Builds the programs if they are missing; returns their folder.
    pub fn ensure(&self, workshop: &Workshop) -> Result<PathBuf> {
        let key = self.key(workshop)?;
        workshop.entry("go", self.name, &key, |folder| {
            setup::ensure_packages(packages::INSPECTION)?;
            // Compilers use much memory and both cores, so only one runs at a time, at low priority.
            let _one = workshop.cache().lock("go-build")?;
            let work = GoWork::start(workshop.cache())?;
            let source = tempfile::tempdir().context("cannot create a folder for the module")?;
            for file in module_files(&self.folder(workshop))? {
                let name = file.file_name().context("a file has a name")?;
                std::fs::copy(&file, source.path().join(name))
                    .with_context(|| format!("cannot copy {}", file.display()))?;
            }
            for program in self.programs {
                let output = folder.join(program.file);
                self.compile(workshop, &work, program, source.path(), &output)?;
                match self.build {
                    Build::Go | Build::StaticC { .. } | Build::StaticCpp { .. } => check_static(&output)?,
                    Build::LoadingC => check_loading(&output)?,
                }
            }
            Ok(())
        })
    }

    fn compile(
        &self,
        workshop: &Workshop,
        work: &GoWork<'_>,
        program: &Program,
        source: &Path,
        output: &Path,
    ) -> Result<()> {
        let (cgo, tags) = self.tags().map_or(("0", ""), |tags| ("1", tags));
        let mut command = work.command();
        if matches!(self.build, Build::StaticCpp { .. }) {
            command.env("CGO_CPPFLAGS", format!("-I{}", self.folder(workshop).join(INCLUDE).display()));
            command.env("CGO_CFLAGS", QUICK).env("CGO_CXXFLAGS", QUICK);
        }
        let result = command
            .args(["build", "-tags", tags, "-ldflags"])
            .arg(self.linker_flags(workshop)?.join(" "))
            .arg("-o")
            .arg(output)
            .arg(program.package)
            .current_dir(source)
            .env("CGO_ENABLED", cgo)
            .env("GOFLAGS", "-mod=readonly -modcacherw -trimpath -buildvcs=false")
            .env("GOOS", "linux")
            .env("GOARCH", "amd64")
            .output()
            .context("cannot run go: install Go 1.26 or newer")?;
        ensure!(result.status.success(), "go build {} failed:\n{}", program.package, last_lines(&result.stderr));
        Ok(())
    }
}

/// Fails unless the program needs no shared library: `readelf` finds neither NEEDED nor an interpreter.
pub fn check_static(program: &Path) -> Result<()> {
    let headers = headers(program)?;
    let dynamic = headers.lines().find(|line| line.contains("(NEEDED)") || line.contains("INTERP"));
    if let Some(line) = dynamic {
        bail!("{} is not static, and the host has no libraries for it: {}", program.display(), line.trim());
    }
    Ok(())
}

/// Fails unless the program needs only glibc.
fn check_loading(program: &Path) -> Result<()> {
    let headers = headers(program)?;
    let needed: Vec<&str> = headers.lines().filter(|line| line.contains("(NEEDED)")).collect();
    let is_glibc = matches!(needed[..], [library] if library.contains("[libc.so.6]"));
    ensure!(is_glibc, "{} needs other libraries than glibc: {}", program.display(), needed.join(", "));
    Ok(())
}

/// Returns the output of `readelf` about a program.
fn headers(program: &Path) -> Result<String> {
    let output = Command::new("readelf")
        .args(["--dynamic", "--program-headers", "--wide"])
        .arg(program)
        .output()
        .context("cannot run readelf")?;
    ensure!(output.status.success(), "readelf cannot read {}", program.display());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(text.contains("Program Headers"), "readelf found no program headers in {}", program.display());
    Ok(text)
}

/// Returns the Go release on this machine, such as `go1.26.8`.
fn go_version() -> Result<String> {
    first_line(Command::new("go").args(["env", "GOVERSION"])).context("cannot run go: install Go 1.26 or newer")
}

fn first_line(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot run {}", command.get_program().display()))?;
    ensure!(output.status.success(), "{} failed", command.get_program().display());
    Ok(String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned())
}

fn module_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = folder.read_dir().with_context(|| format!("cannot read {}", folder.display()))?;
    let mut files: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_, std::io::Error>>()?;
    files.retain(|file| {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        name == "go.mod" || name == "go.sum" || file.extension().is_some_and(|extension| extension == "go")
    });
    files.sort();
    Ok(files)
}

/// Returns the version that a go.mod requires of a module, in a `require` block or line.
fn required_version(text: &str, module: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let mut words = line.trim().trim_start_matches("require ").split_whitespace();
        (words.next() == Some(module)).then(|| words.next())?.filter(|word| word.starts_with('v')).map(str::to_owned)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn required_version_ignores_replacements() {
        let text = "module m\nrequire one.example/a v1.2.3\nrequire (\n\ttwo.example/b v0.1.0 // indirect\n)\n\
                    replace three.example/c => three.example/c v9.9.9\n";
        assert_eq!(required_version(text, "one.example/a").as_deref(), Some("v1.2.3"));
        assert_eq!(required_version(text, "two.example/b").as_deref(), Some("v0.1.0"));
        assert_eq!(required_version(text, "three.example/c"), None);
    }

    #[test]
    fn dynamic_program_is_refused() {
        let error = check_static(Path::new("/bin/ls")).unwrap_err().to_string();
        assert!(error.contains("is not static"), "{error}");
    }
}
