//! `landfall version`: describes this program, for a problem report and for a script.

use landfall_bundle_spec::head::FORMAT;
use schemars::JsonSchema;
use serde::Serialize;

use crate::document::Document;
use crate::failure::Failure;
use crate::printer::Printer;

/// Commit of the build; `None` if the build did not set it.
const COMMIT: Option<&str> = option_env!("LANDFALL_COMMIT");

/// Version of this program.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Version {
    /// Version of Landfall.
    landfall: &'static str,
    /// Commit of its source; null if it was built outside of a release.
    commit: Option<&'static str>,
    /// Processor architecture of the program.
    architecture: &'static str,
    /// Format of bundles that it writes and reads.
    bundle_format: u64,
    /// Minor version of Kubernetes whose kinds it applies to a release. A release brings its own version.
    kubernetes: &'static str,
}

impl Document for Version {
    const KIND: &'static str = "version";
}

/// Prints the version.
pub(crate) fn run(printer: Printer) -> Result<(), Failure> {
    printer.report(&version(), text)
}

fn version() -> Version {
    Version {
        landfall: env!("CARGO_PKG_VERSION"),
        commit: COMMIT,
        architecture: std::env::consts::ARCH,
        bundle_format: FORMAT,
        kubernetes: landfall_kinds::MINOR,
    }
}

fn text(version: &Version) -> String {
    let Version { landfall, commit, architecture, bundle_format, kubernetes } = version;
    let commit = commit.unwrap_or("not known: built outside of a release");
    format!(
        "landfall {landfall}\ncommit         {commit}\narchitecture   {architecture}\nbundle format  {bundle_format}\n\
         Kubernetes     {kubernetes} (its kinds; a release brings its own version)"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_names_commit_format_kubernetes() {
        let version = Version { commit: Some("0123abc"), landfall: "1.2.3", architecture: "x86_64", ..version() };
        insta::assert_snapshot!(text(&version), @r"
        landfall 1.2.3
        commit         0123abc
        architecture   x86_64
        bundle format  1
        Kubernetes     v1.36 (its kinds; a release brings its own version)
        ");
    }
}
