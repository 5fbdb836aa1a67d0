//! Later releases of the starter, written from its definition and from `tests/releases`: one that works, and one whose
//! database never starts.
#![expect(clippy::disallowed_methods, reason = "files of the tests, which end with them")]

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::{Context, Result, anyhow, ensure};
use landfall_tests::vendor::Vendor;
use landfall_tests::{printer, workspace};

use super::fixture::{fixture, folder};

/// Where the releases are on every stick.
pub(crate) const NEXT: &str = "/media/stick/next";

/// The release that goes back by itself.
pub(crate) const BROKEN: &str = "/media/stick/broken";

/// Seconds after which the broken database counts as failed.
const BROKEN_SECONDS: u32 = 60;

/// A component that only the later releases have.
const BULLETIN: &str = "
  - name: bulletin
    manifests: BASE/bulletin
    namespace: bulletin
    needs: [dns]
    podSecurity: restricted
    quota: {pods: \"4\", requests.cpu: \"1\", requests.memory: 1Gi, limits.memory: 1Gi}
";

/// What shows that it can be used.
const PROOF: &str = "
  - name: bulletin
    component: bulletin
    shows: The bulletin answers at its service address
    request: {service: bulletin, port: 80, path: /, expect: {status: 200}}
";

/// Builds both releases beside the starter on the stick, with the first call.
pub(crate) fn ensure_later_releases() -> Result<()> {
    static BUILT: OnceLock<Result<(), String>> = OnceLock::new();
    let built = BUILT.get_or_init(|| build().map_err(|error| format!("{error:#}")));
    built.clone().map_err(|error| anyhow!("{error}"))
}

fn build() -> Result<()> {
    let stick = &fixture()?.stick;
    let vendor = Vendor::open(&folder().join("later-vendor"))?;
    // The same people sign all releases.
    let keys = folder().join("vendor/keys");
    workspace::run(
        std::process::Command::new("cp").args(["--recursive", "--no-target-directory"]).args([&keys, &vendor.keys()]),
    )?;
    for (name, text) in [("next", next()?), ("broken", broken()?)] {
        let release = folder().join("later-releases").join(name);
        write(&release.join("release.yaml"), &text)?;
        vendor.lock(&release)?;
        let second = vendor.keys().join("second.key").display().to_string();
        vendor.build(&release, &stick.join(name), &["--part-size", "256MiB", "--key", &second])?;
        printer::note(format!("the release `{name}` is in {}", stick.join(name).display()));
    }
    Ok(())
}

/// 1.1.0: another database, and one component more.
fn next() -> Result<String> {
    let root = workspace::root();
    let starter = std::fs::read_to_string(root.join("releases/starter/release.yaml"))?;
    let text = replaced(&starter, "version: 1.0.0\ncounter: 1\n", "version: 1.1.0\ncounter: 2\n")?;
    let text = replaced(&text, "manifests: ../../manifests/postgres\n", "manifests: BASE/postgres-next\n")?;
    let text = replaced(&text, "\nvalues:\n", &format!("{BULLETIN}\nvalues:\n"))?;
    let text = format!("{}\n{PROOF}", text.trim_end());
    Ok(located(&text, &root))
}

/// 1.2.0: its migration destroys the database, which never starts then; that is known after a minute.
fn broken() -> Result<String> {
    let text = replaced(&next()?, "version: 1.1.0\ncounter: 2\n", "version: 1.2.0\ncounter: 3\n")?;
    let data = "    data: kept\n    backup:\n      - name: database\n";
    let text = replaced(&text, data, &data.replace("kept", "migrated"))?;
    let manifests = "/postgres-next\n    namespace: postgres\n";
    replaced(
        &text,
        manifests,
        &format!("/postgres-broken\n    readySeconds: {BROKEN_SECONDS}\n    namespace: postgres\n"),
    )
}

fn located(text: &str, root: &Path) -> String {
    text.replace("BASE/", &format!("{}/tests/releases/", root.display()))
        .replace("../../", &format!("{}/", root.display()))
}

fn replaced(text: &str, from: &str, to: &str) -> Result<String> {
    ensure!(text.matches(from).count() == 1, "the starter release has {from:?} not once");
    Ok(text.replacen(from, to, 1))
}

fn write(path: &PathBuf, text: &str) -> Result<()> {
    let folder = path.parent().context("a file has a folder")?;
    std::fs::create_dir_all(folder)?;
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
