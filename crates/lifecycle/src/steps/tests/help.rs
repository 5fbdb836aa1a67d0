//! Tests of help files on the host, which an upgrade replaces and an undo removes.

use landfall_host::command::HostCommand;

use super::*;
use crate::steps::help_files::HelpFiles;

const PAGE: &str = "/usr/local/share/man/man1/landfall.1";
const OTHERS: &str = "/usr/local/share/man/man1/other.1";
const HANDBOOK: &str = "/usr/local/share/doc/landfall/operate/backup.html";

/// Returns a fixture whose `landfall` writes these files.
fn helping(files: &'static [(&'static str, &'static str)]) -> Fixture {
    let write = move |command: &HostCommand| {
        assert!(command.to_string().contains("/landfall node write-help "), "{command}");
        let folder = std::path::PathBuf::from(command.arguments.last().unwrap());
        for (name, text) in files {
            let path = folder.join(name);
            durable::create_folder(path.parent().unwrap()).unwrap();
            durable::write_file(&path, text.as_bytes(), 0o644).unwrap();
        }
        true
    };
    let fixture = Fixture::answering(write);
    for release in ["0123456789ab", "fedcba987654"] {
        fixture.folder(&format!("/var/lib/landfall/releases/{release}"));
    }
    fixture
}

#[test]
fn help_files_are_placed_and_undone() {
    let mut fixture = helping(&[("man/man1/landfall.1", "page"), ("doc/landfall/operate/backup.html", "book")]);
    fixture.folder("/usr/local/share/man");
    fixture.there_and_back(&HelpFiles {}, |fixture| {
        assert_eq!([PAGE, HANDBOOK].map(|file| fixture.read(file)), ["page", "book"]);
    });
    assert!(fixture.site.data.paths.host("/usr/local/share/man").exists(), "it was there before");
    assert!(!fixture.site.data.paths.host("/usr/local/share/man/man1").exists());
    assert!(!fixture.site.data.paths.host("/usr/local/share/doc").exists());
}

#[test]
fn foreign_help_files_stay() {
    let mut fixture = helping(&[("man/man1/landfall.1", "page"), ("man/man1/other.1", "mine")]);
    fixture.write(OTHERS, "theirs");
    let before = HelpFiles {}.prepare(&mut fixture.site).unwrap();
    HelpFiles {}.act(&mut fixture.site, &before).unwrap();
    assert_eq!([PAGE, OTHERS].map(|file| fixture.read(file)), ["page", "theirs"]);
    HelpFiles {}.undo(&mut fixture.site, &before).unwrap();
    assert_eq!(fixture.read(OTHERS), "theirs");
    assert!(!fixture.site.data.paths.host(PAGE).exists());
}

#[test]
fn later_release_replaces_help_files() {
    let mut fixture = helping(&[
        ("man/man1/landfall.1", "old"),
        ("man/man1/landfall-gone.1", "old"),
        ("doc/landfall/gone/page.html", "old"),
    ]);
    HelpFiles {}.act(&mut fixture.site, &Value::Null).unwrap();
    let gone = "/usr/local/share/man/man1/landfall-gone.1";
    assert_eq!(fixture.read(gone), "old");
    let later = helping(&[("man/man1/landfall.1", "new")]);
    let commands = later.site.hosts.only().unwrap().commands.clone();
    fixture.site = on_host(&fixture.site, fixture.site.data.paths.clone(), commands);
    fixture.site.releases.own.bundle = "fedcba987654".to_owned();
    assert!(matches!(HelpFiles {}.observe(&mut fixture.site).unwrap(), ObservedState::Partial(_)));
    HelpFiles {}.act(&mut fixture.site, &Value::Null).unwrap();
    assert_eq!(
        (fixture.read(PAGE), HelpFiles {}.observe(&mut fixture.site).unwrap()),
        ("new".to_owned(), ObservedState::Done)
    );
    assert!(!fixture.site.data.paths.host(gone).exists());
    assert!(!fixture.site.data.paths.host("/usr/local/share/doc/landfall").exists());
}

#[test]
fn failed_program_places_nothing() {
    let mut fixture = Fixture::answering(|_| false);
    fixture.folder("/var/lib/landfall/releases/0123456789ab");
    let error = HelpFiles {}.act(&mut fixture.site, &Value::Null).unwrap_err();
    assert_eq!(error.code(), landfall_error_codes::codes::HELP_FILES);
    assert!(!fixture.site.data.paths.host("/usr/local/share").exists());
}
