//! Files that name the packages of a set: requirements files, locks of Python projects, pages of package indexes, and
//! `package-lock.json`. Other software writes them.
#![no_main]

#[allow(dead_code, reason = "some errors cannot occur here")]
#[path = "../../../crates/builder/src/error.rs"]
mod error;
#[allow(dead_code, reason = "nothing is fetched")]
mod fetch {
    /// A page as it was fetched.
    pub struct IndexPage {
        pub bytes: Vec<u8>,
        pub media_type: String,
        pub base: url::Url,
    }
}
#[allow(dead_code, reason = "some parts of an address are not used here")]
#[path = "../../../crates/builder/src/file_url.rs"]
mod file_url;
#[allow(dead_code, unused_imports, reason = "no lock is read here")]
#[path = "../../../crates/builder/src/npm/mod.rs"]
mod npm;
#[allow(dead_code, unused_imports, reason = "no lock is read here")]
#[path = "../../../crates/builder/src/wheels/mod.rs"]
mod wheels;

use std::path::Path;
use std::sync::LazyLock;

use fetch::IndexPage;
use file_url::FileUrl;
use libfuzzer_sys::fuzz_target;
use wheels::{ProjectForm, ProjectPage, Selection, Tags, Target, applicable, choose, read, read_project};

static ADDRESS: LazyLock<FileUrl> =
    LazyLock::new(|| "https://packages.example.com/simple/small".parse().expect("an address"));

static TARGET: LazyLock<Target> = LazyLock::new(|| Target::new("3.12", "manylinux_2_28_x86_64").expect("a target"));

static TAGS: LazyLock<Tags> = LazyLock::new(|| Tags::of(&TARGET));

/// A file that requires the packages that the seeds list.
const REQUIREMENTS: &str =
    "small==1.0 --hash=sha256:0707070707070707070707070707070707070707070707070707070707070707\n";

fuzz_target!(|bytes: &[u8]| {
    let path = Path::new("requirements.txt");
    if let Ok(text) = std::str::from_utf8(bytes) {
        let (all, faults) = read(path, text);
        assert!(!all.is_empty() || !faults.is_empty(), "a file without requirements is a fault");
        let (taken, _faults) = applicable(path, all, &TARGET);
        assert!(taken.iter().all(|requirement| !requirement.hashes.is_empty()));
        projects(text);
    }
    let found = npm::read(Path::new("package-lock.json"), bytes, None, &[], Some(npm::Cpu::X64));
    assert!(!found.packages.is_empty() || !found.faults.is_empty(), "a file without packages is a fault");
    for package in &found.packages {
        assert!(package.path.ends_with(".tgz") && package.path.split('/').all(|part| !matches!(part, "" | "." | "..")));
        assert!(!package.path.contains(['\\', '\0', '%', '\n']));
    }
    let (wanted, _none) = read(path, REQUIREMENTS);
    for media_type in ["application/vnd.pypi.simple.v1+json", "text/html"] {
        let base = format!("{}/", *ADDRESS).parse().expect("an address");
        let page = IndexPage { bytes: bytes.to_vec(), media_type: media_type.to_owned(), base };
        let Ok(page) = ProjectPage::read(&ADDRESS, "small", page) else { continue };
        let Ok(wheel) = choose(&wanted[0], &page.files, &TARGET, &TAGS) else { continue };
        assert!(!wheel.file_name.contains(['/', '\\', '\0']) && wheel.file_name.ends_with(".whl"));
        if let Ok(url) = page.url(wheel) {
            let again: FileUrl = url.to_string().parse().expect("a pinned address names a file");
            assert_eq!(again, url);
        }
    }
});

/// The same text as the lock of a project, in both forms.
fn projects(text: &str) {
    for form in [ProjectForm::Uv, ProjectForm::Pylock] {
        let (locked, faults) = read_project(form, Path::new("project.lock"), text, &TARGET, &Selection::default());
        assert!(!locked.is_empty() || !faults.is_empty(), "a file without packages is a fault");
        for package in &locked {
            let Ok(wheel) = choose(&package.requirement, &package.files, &TARGET, &TAGS) else { continue };
            assert!(!wheel.file_name.contains(['/', '\\', '\0']) && wheel.file_name.ends_with(".whl"));
        }
    }
}
