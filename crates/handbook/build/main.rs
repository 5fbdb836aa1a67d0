//! Renders the handbook with mdBook, and packs it for `src/lib.rs`. The output depends only on the text of the pages:
//! neither on the folder of the build nor on its time or environment.
#![expect(clippy::disallowed_methods, reason = "files of a build, which the next build replaces")]
#![expect(clippy::print_stdout, reason = "Cargo reads the output of a build script")]

mod links;
mod pack;
mod single_page;
mod source;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use mdbook_driver::MDBook;
use mdbook_driver::config::Config;

use source::Source;

/// Starts of names of rendered files that no page of the handbook needs: the styles of a theme that it does not offer,
/// and settings of hosting services.
const UNUSED: [&str; 2] = ["ayu-", ".nojekyll"];

/// Suffix of rendered pages.
const PAGE: &str = ".html";

/// Styles that mdBook writes into pages, with the same as classes of `docs/theme/book.css`. A strict content security
/// policy refuses styles and scripts inside of pages.
const STYLES: [(&str, &str); 4] = [
    (r#"style="break-before: page; page-break-before: always;""#, r#"class="new-page""#),
    (r#"style="text-align: left""#, r#"class="left""#),
    (r#"style="text-align: center""#, r#"class="center""#),
    (r#"style="text-align: right""#, r#"class="right""#),
];

fn main() -> Result<()> {
    let crate_folder = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").context("Cargo runs build scripts")?);
    let output = PathBuf::from(std::env::var_os("OUT_DIR").context("Cargo runs build scripts")?);
    let root = crate_folder.join("../..").canonicalize().context("cannot find the root of the tree")?;
    println!("cargo::rerun-if-changed=build");
    let source = Source::read(&root)?;
    for file in source.inputs() {
        println!("cargo::rerun-if-changed={}", root.join(file).display());
    }
    let folder = tempfile::tempdir_in(&output).context("cannot make a folder for the book")?;
    source.write(&folder.path().join("src"))?;
    let mut files = render(&root, folder.path())?;
    for page in source.pages() {
        files.insert(page.book.clone(), page.text.clone().into_bytes());
    }
    let single_page = single_page::compose(&files, source.pages())?;
    pack::write(&files, source.pages(), &single_page, &output)
}

/// Style that mdBook's search sets in an attribute, and the class of `docs/theme/book.css` with the same.
const SEARCH_STYLE: [&str; 2] =
    ["tmp.setAttribute('style', 'position: absolute; opacity: 0;');", "tmp.className = 'unfocused';"];

/// Renders the pages in `src` of a folder, and returns the files of the book by path.
fn render(root: &Path, folder: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let docs = root.join("docs");
    copy_folder(&docs.join("theme"), &folder.join("theme"))?;
    let mut config = Config::from_disk(docs.join("book.toml"))?;
    config.book.src = PathBuf::from("src");
    config.build.build_dir = PathBuf::from("book");
    let book = MDBook::load_with_config(folder, config)?;
    book.build()?;
    let mut files = BTreeMap::new();
    collect_files(&folder.join("book"), "", &mut files)?;
    files.retain(|name, _| !UNUSED.iter().any(|start| name.starts_with(start)));
    for (name, bytes) in files.iter_mut().filter(|(name, _)| name.ends_with(PAGE)) {
        *bytes = without_styles(std::str::from_utf8(bytes)?).with_context(|| name.clone())?.into_bytes();
    }
    for (_, bytes) in files.iter_mut().filter(|(name, _)| name.starts_with("searcher-")) {
        let script = std::str::from_utf8(bytes)?;
        ensure!(script.contains(SEARCH_STYLE[0]), "mdBook's search no longer sets the style that is replaced here");
        *bytes = script.replace(SEARCH_STYLE[0], SEARCH_STYLE[1]).into_bytes();
    }
    Ok(files)
}

/// Returns a page with classes for its styles. Fails if the page still contains a style or a script.
fn without_styles(page: &str) -> Result<String> {
    let page = STYLES.iter().fold(page.to_owned(), |page, (style, class)| page.replace(style, class));
    for refused in [" style=\"", "<style", "<script>"] {
        ensure!(!page.contains(refused), "the page contains `{refused}`, which the console's browsers refuse");
    }
    Ok(page)
}

/// Copies a folder without folders in it, and makes Cargo watch its files.
fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    println!("cargo::rerun-if-changed={}", from.display());
    for entry in from.read_dir().with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// Reads all files below a folder, by path with `/`.
fn collect_files(folder: &Path, prefix: &str, files: &mut BTreeMap<String, Vec<u8>>) -> Result<()> {
    for entry in folder.read_dir().with_context(|| format!("cannot read {}", folder.display()))? {
        let entry = entry?;
        let name = entry.file_name().into_string().ok().context("a file of the book has a name that is no text")?;
        let name = format!("{prefix}{name}");
        if entry.file_type()?.is_dir() {
            collect_files(&entry.path(), &format!("{name}/"), files)?;
        } else {
            files.insert(name, std::fs::read(entry.path())?);
        }
    }
    Ok(())
}
