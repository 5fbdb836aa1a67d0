//! The renderers on the vendor's machine: kubectl for kustomizations, Helm for charts. The lock pins both.

use std::path::{Path, PathBuf};
use std::process::Command;

use landfall_bundle_spec::Sha256;
use landfall_error_codes::codes;
use schemars::JsonSchema;
use serde::Serialize;

use crate::digests::Digests;
use crate::error::{BuildError, Place, Result};
use crate::lock::{Lock, RendererFields};
use crate::tool::Tool;

/// Supported major version of Helm.
const HELM_MAJOR: &str = "3";

/// Identity of a program that renders: the same program renders the same bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Renderer {
    /// Version that the program reports, such as `v1.36.3`, for people.
    pub version: String,
    /// SHA-256 of the program.
    #[schemars(with = "String")]
    pub digest: Sha256,
}

/// A renderer that was found on this machine.
#[derive(Debug, Clone)]
pub struct Program {
    tool: Tool,
    path: PathBuf,
}

impl Program {
    /// Finds a program: a path is used as given, a bare name is looked up in PATH. The result is absolute, because the
    /// program runs in other folders.
    ///
    /// If it is missing, the error names the program that the lock records.
    pub fn find(tool: Tool, path: &Path, lock: &Lock) -> Result<Self> {
        let (name, renders) = (tool.name(), tool.renders());
        let missing = |what: String| {
            let wanted = match lock.document.renderer(tool).and_then(RendererFields::version_and_digest) {
                Some((version, digest)) => format!("Install {name} {version}, {digest}, which the lock records"),
                None => format!("Install the {name} that renders this release from now on: `landfall lock` records it"),
            };
            let hint = format!("{wanted}, or name its path with --{name}.");
            BuildError::at(codes::TOOL_MISSING, Place::file(path), what).hint(hint)
        };
        if path.components().count() > 1 {
            return if path.is_file() {
                Self::at(tool, path)
            } else {
                Err(missing(format!("there is no such file; {name} renders {renders}")))
            };
        }
        let folders = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&folders)
            .map(|folder| folder.join(path))
            .find(|path| path.is_file())
            .ok_or_else(|| missing(format!("no folder of PATH has it; {name} renders {renders}")))
            .and_then(|path| Self::at(tool, &path))
    }

    fn at(tool: Tool, path: &Path) -> Result<Self> {
        let absolute = std::path::absolute(path)
            .map_err(|error| BuildError::at(codes::TOOL_MISSING, Place::file(path), "has no path").because(error))?;
        Ok(Self { tool, path: absolute })
    }

    /// Creates a command that runs it.
    pub fn command(&self) -> Command {
        Command::new(&self.path)
    }

    /// Version and digest of the program.
    pub fn identity(&self, digests: &Digests) -> Result<Renderer> {
        let digest = self.digest(digests)?;
        Ok(Renderer { version: self.version()?, digest })
    }

    /// Version that the program reports. Returns an error for a Helm version other than 3: Helm 4 silently drops an
    /// object with an unknown hook.
    pub fn version(&self) -> Result<String> {
        let output =
            self.command().args(self.tool.version_arguments()).output().map_err(|error| self.unusable(error))?;
        let refused = |what: String| BuildError::at(codes::TOOL_MISSING, Place::file(&self.path), what);
        let usable = |byte: u8| byte.is_ascii_alphanumeric() || b".+-".contains(&byte);
        let version = self.tool.version(&output.stdout);
        let version = version
            .filter(|version| !version.is_empty() && version.bytes().all(usable))
            .ok_or_else(|| refused(format!("reports no version: is it a {}?", self.tool.name())))?;
        if self.tool == Tool::Helm && version.trim_start_matches('v').split('.').next() != Some(HELM_MAJOR) {
            let what = format!("is Helm {version}, and Landfall renders charts with Helm {HELM_MAJOR} alone");
            let hint = format!("Install Helm {HELM_MAJOR}, or name its path with --helm.");
            return Err(refused(what).hint(hint));
        }
        Ok(version)
    }

    /// Returns an error if the lock records another program. [`Lock::check_resolved`] refuses a lock that records no
    /// kubectl.
    pub fn check(&self, lock: &Lock, digests: &Digests) -> Result<()> {
        let Some(fields) = lock.document.renderer(self.tool) else { return Ok(()) };
        let Some((version, digest)) = fields.version_and_digest() else { return Ok(()) };
        let found = self.digest(digests)?;
        if found == digest {
            return Ok(());
        }
        let field = format!("{}.digest", self.tool.field());
        let place = Place::field(&lock.path, fields.digest.referenced.line(), field);
        let what = format!("{} is {found} where the lock records {version}, {digest}", self.path.display());
        Err(BuildError::at(codes::RENDERER_UNPINNED, place, what))
    }

    /// Like [`check`](Self::check), but also returns an error if the lock records none: only one program guarantees the
    /// same bytes.
    pub fn check_pinned(&self, lock: &Lock, digests: &Digests) -> Result<()> {
        if lock.document.renderer(self.tool).and_then(RendererFields::version_and_digest).is_some() {
            return self.check(lock, digests);
        }
        let (field, name) = (self.tool.field(), self.tool.name());
        let what = format!("`{field}` does not name the {name} that renders: only one program promises the same bytes");
        Err(BuildError::at(codes::RENDERER_UNPINNED, Place::file(&lock.path), what))
    }

    fn digest(&self, digests: &Digests) -> Result<Sha256> {
        digests.program(&self.path).map(|program| program.digest).map_err(|error| self.unusable(error))
    }

    /// Error for a program that cannot be run.
    pub fn unusable(&self, error: std::io::Error) -> BuildError {
        BuildError::at(codes::TOOL_MISSING, Place::file(&self.path), "does not run").because(error)
    }
}

#[cfg(test)]
mod tests {
    use landfall_error_codes::CodedError as _;
    use landfall_test_support::runnable::write_program;

    use super::*;

    #[test]
    fn relative_program_runs_in_any_folder() {
        let here = std::env::current_dir().expect("folder");
        let folder = tempfile::tempdir_in(&here).expect("folder");
        write_program(&folder.path().join("helm"), "#!/bin/sh\n");
        let text = "assembled: false\nplatform: linux/amd64\nimages: []\n";
        let lock = Lock::parse(Path::new("images.lock"), text.into()).expect("lock");
        let relative = folder.path().strip_prefix(&here).expect("below").join("helm");
        let helm = Program::find(Tool::Helm, &Path::new(".").join(relative), &lock).expect("found");
        let status = helm.command().current_dir("/").status().expect("it runs");
        assert!(status.success());
    }

    #[test]
    fn only_helm_3_is_accepted() {
        let folder = tempfile::tempdir().expect("folder");
        let lock =
            Lock::parse(Path::new("images.lock"), "assembled: false\nplatform: linux/amd64\nimages: []\n".into());
        let lock = lock.expect("lock");
        let version = |said: &str| {
            let path = folder.path().join("helm");
            write_program(&path, format!("#!/bin/sh\necho '{said}'\n"));
            Program::find(Tool::Helm, &path, &lock).expect("found").version()
        };
        assert_eq!(version("v3.21.4").expect("Helm 3"), "v3.21.4");
        for said in ["v4.0.1", "v2.17.0", "v30.0.0", "4.1.0-rc.1"] {
            let error = version(said).expect_err(said);
            assert_eq!(error.code(), codes::TOOL_MISSING);
            assert!(error.to_string().contains(&format!("is Helm {said}, and")), "{error}");
        }
    }
}
