//! The part "pages": the console in a browser. With `--report`, its screenshots become those of the handbook's pages
//! on the console.

use std::process::Command;

use anyhow::{Context, Result};
use landfall_launcher::packages;

use crate::bench::console::MEASUREMENT;
use crate::workspace::{self, cargo};
use crate::{images, npm, python_tools, setup};

/// Name of the part.
pub(super) const NAME: &str = "pages";

/// Screenshots that the documents show.
const PICTURES: [&str; 15] = [
    "first",
    "overview",
    "overview-dark",
    "overview-phone",
    "components",
    "upgrade",
    "upload",
    "plan",
    "upgrade-running",
    "upgrade-undone",
    "backups",
    "restore",
    "settings",
    "license",
    "audit",
];

/// Runs the part. Each test has its own browser. A test that waits for a page to refresh needs no processor.
pub(super) fn run() -> Result<()> {
    ensure()?;
    super::invocation::run_end_to_end(NAME, &["--test-threads", "2", "--skip", MEASUREMENT])?;
    // The accessibility checker is installed with npm, which the test of the package index uses as well.
    workspace::run(
        cargo().args(["test", "--quiet", "--workspace", "--test", "npm"]).env("LANDFALL_NPM", npm::client()?),
    )
}

/// Provides everything that its tests need.
fn ensure() -> Result<()> {
    ensure_packages()?;
    // Sources of directory users.
    images::ensure_dex()?;
    images::ensure_slapd()?;
    // Reverse proxy in front of a console behind an ingress.
    images::ensure_nginx()?;
    python_tools::schemathesis().map(drop)
}

fn ensure_packages() -> Result<()> {
    setup::ensure_packages(packages::TESTS)?;
    ensure_browser()
}

/// Provides the browser, and the checker of its pages.
pub(super) fn ensure_browser() -> Result<()> {
    setup::ensure_programs(packages::BROWSER)?;
    npm::axe().map(drop)
}

/// Maximum number of colors of a kept screenshot: its file, which every program carries, is half as large with a
/// palette.
const COLORS: &str = "256";

/// Copies the screenshots of the latest run into the documents, with fewer colors.
pub(super) fn keep_pictures() -> Result<()> {
    setup::ensure_packages(packages::PICTURES)?;
    let (from, to) = (workspace::target_folder().join("pages"), workspace::root().join("docs/console"));
    std::fs::create_dir_all(&to).with_context(|| format!("cannot create {}", to.display()))?;
    for name in PICTURES {
        let file = format!("{name}.png");
        let mut reduce = Command::new("pngquant");
        reduce.args(["--force", "--strip", "--output"]).arg(to.join(&file)).arg(COLORS).arg(from.join(&file));
        workspace::run(&mut reduce)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Place and value of the color type in a PNG with a palette (PNG specification, 11.2.1).
    const PALETTE: (usize, u8) = (25, 3);

    #[test]
    fn documented_pictures_match_kept_ones() {
        let folder = workspace::root().join("docs/console").read_dir().unwrap();
        let pages =
            folder.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|end| end == "md"));
        let text: String = pages.map(|path| std::fs::read_to_string(path).unwrap()).collect();
        let shown = text.split("](").skip(1).filter_map(|rest| rest.split(')').next()?.strip_suffix(".png"));
        let mut shown: Vec<&str> = shown.collect();
        let mut kept = PICTURES.to_vec();
        shown.sort_unstable();
        kept.sort_unstable();
        assert_eq!(shown, kept);
        for name in kept {
            let path = workspace::root().join("docs/console").join(name).with_extension("png");
            let picture = std::fs::read(&path).unwrap();
            assert_eq!(picture[PALETTE.0], PALETTE.1, "{} has too many colors", path.display());
        }
    }
}
