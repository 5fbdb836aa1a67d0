//! `cargo xtask documents`: generates documents from code. Part `lint` compares them with the code's current output.
#![expect(clippy::disallowed_methods, reason = "documents of the tree, regenerated when lost")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::site::tool;
use crate::{builds, printer, workspace};

/// Folder of the schemas of printed documents, in the tree.
const SCHEMAS: &str = "docs/schemas";

/// Documents that programs print.
const PRINTED: [(&str, &str, &[&str]); 2] = [
    ("docs/ERRORS.md", "landfall", &["errors", "--markdown"]),
    ("docs/openapi.json", "landfall-appliance", &["openapi"]),
];

/// Write the documents that are generated from code: error codes, JSON Schemas, the API's document.
#[derive(Debug, clap::Args)]
pub struct Arguments {}

/// Runs the command. The API's document contains schemas, so the program that generates it is built after the schemas
/// are written.
pub fn run(_: &Arguments) -> Result<u8> {
    let root = workspace::root();
    let made = schemas(&builds::landfall()?)?;
    for (path, content) in &made {
        write(&root.join(path), content)?;
    }
    for path in left_over(&made)? {
        std::fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
    }
    for (path, content) in printed_documents(&builds::landfall()?)? {
        write(&root.join(path), &content)?;
    }
    Ok(0)
}

/// Fails if a document differs from the code's output.
pub fn check() -> Result<()> {
    let landfall = builds::landfall()?;
    let made = schemas(&landfall)?;
    let mut stale = left_over(&made)?;
    for (path, content) in made.into_iter().chain(printed_documents(&landfall)?) {
        let path = workspace::root().join(path);
        if std::fs::read(&path).unwrap_or_default() != content {
            stale.push(path);
        }
    }
    let names: Vec<String> = stale.iter().map(|path| path.display().to_string()).collect();
    ensure!(names.is_empty(), "run `cargo xtask documents`: the code makes others than {}", names.join(", "));
    Ok(())
}

/// Returns the schemas that this `landfall` writes, by path in the tree.
fn schemas(landfall: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let folder = tempfile::tempdir().context("cannot create a temporary folder")?;
    tool::output(Command::new(landfall).args(["--quiet", "schemas", "--output"]).arg(folder.path()))?;
    let mut schemas = BTreeMap::new();
    for entry in folder.path().read_dir().context("cannot list the schemas")? {
        let entry = entry?;
        let content = std::fs::read(entry.path()).context("cannot read a schema")?;
        schemas.insert(Path::new(SCHEMAS).join(entry.file_name()), content);
    }
    ensure!(!schemas.is_empty(), "landfall wrote no schemas");
    Ok(schemas)
}

/// Returns the documents that programs next to this `landfall` print, by path in the tree.
fn printed_documents(landfall: &Path) -> Result<Vec<(PathBuf, Vec<u8>)>> {
    let print = |(path, program, words): (&str, &str, &[&str])| {
        let program = landfall.with_file_name(program);
        let output = Command::new(&program).args(words).output();
        let output = output.with_context(|| format!("cannot start {}", program.display()))?;
        ensure!(
            output.status.success() && !output.stdout.is_empty(),
            "{} {} printed nothing",
            program.display(),
            words.join(" ")
        );
        Ok((PathBuf::from(path), output.stdout))
    };
    PRINTED.into_iter().map(print).collect()
}

/// Returns schemas in the tree whose document no command prints any longer.
fn left_over(made: &BTreeMap<PathBuf, Vec<u8>>) -> Result<Vec<PathBuf>> {
    let folder = workspace::root().join(SCHEMAS);
    let entries = folder.read_dir().with_context(|| format!("cannot list {}", folder.display()))?;
    let names = entries.map(|entry| Ok(entry?.file_name())).collect::<Result<Vec<_>>>()?;
    let left = names.into_iter().filter(|name| !made.contains_key(&Path::new(SCHEMAS).join(name)));
    Ok(left.map(|name| folder.join(name)).collect())
}

fn write(path: &Path, content: &[u8]) -> Result<()> {
    if std::fs::read(path).unwrap_or_default() == content {
        return Ok(());
    }
    std::fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))?;
    printer::note(format!("written: {}", path.display()));
    Ok(())
}
