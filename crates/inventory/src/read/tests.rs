use proptest::prelude::*;

use super::*;
use crate::package::PackageKind;

fn packages(source: Source, text: &str) -> Vec<(String, String)> {
    match read(source, text.len() as u64, text.as_bytes()).expect("bytes in memory") {
        FileContents::Packages(packages) => {
            packages.into_iter().map(|package| (package.name, package.version)).collect()
        }
        other => panic!("{other:?}"),
    }
}

fn reason(source: Source, text: &str) -> String {
    match read(source, text.len() as u64, text.as_bytes()).expect("bytes in memory") {
        FileContents::Unread(reason) => reason,
        other => panic!("{other:?}"),
    }
}

fn pair(name: &str, version: &str) -> (String, String) {
    (name.to_owned(), version.to_owned())
}

#[test]
fn package_records_are_recognized() {
    for (path, source) in [
        ("/var/lib/dpkg/status", Some(Source::Dpkg)),
        ("/var/lib/dpkg/status.d/base-files", Some(Source::Dpkg)),
        ("/var/lib/dpkg/status.d/base-files.md5sums", None),
        ("/var/lib/dpkg/status-old", None),
        ("/lib/apk/db/installed", Some(Source::Apk)),
        ("/usr/lib/apk/db/installed", Some(Source::Apk)),
        ("/usr/lib/python3/dist-packages/six-1.16.0.dist-info/METADATA", Some(Source::Python)),
        ("/usr/lib/python3/dist-packages/six-1.16.0.egg-info", Some(Source::Python)),
        ("/usr/lib/python3/dist-packages/wheel-0.46.1.egg-info/PKG-INFO", Some(Source::Python)),
        ("/usr/share/doc/METADATA", None),
        ("/app/node_modules/left-pad/package.json", Some(Source::Npm)),
        ("/app/node_modules/@types/node/package.json", Some(Source::Npm)),
        ("/app/node_modules/left-pad/test/package.json", None),
        ("/app/package.json", None),
        ("/var/lib/rpm/rpmdb.sqlite", Some(Source::Rpm)),
        ("/usr/lib/sysimage/rpm/rpmdb.sqlite-wal", Some(Source::RpmLog)),
        ("/usr/share/rpm/rpmdb.sqlite-shm", None),
        ("/var/lib/rpm/Packages", Some(Source::RpmBerkeley)),
        ("/usr/lib/sysimage/rpm/Packages.db", Some(Source::RpmNdb)),
        ("/srv/Packages", None),
        ("/usr/share/doc/libc6/copyright", Some(Source::Copyright)),
        ("/usr/share/doc/libc6/examples/copyright", None),
        ("/etc/os-release", Some(Source::OsRelease)),
        ("os-release", None),
    ] {
        assert_eq!(Source::of(path), source, "{path}");
    }
}

#[test]
fn dpkg_lists_installed_packages() {
    let status = "Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2.41-12\nDescription: \
        GNU\n Version: 9\n\nPackage: gone\nStatus: deinstall ok config-files\nVersion: 1\n\nPackage: half\nStatus: \
        install ok half-installed\nVersion: 1\n\
        \nPackage: tzdata\nVersion: 2025b-4";
    assert_eq!(packages(Source::Dpkg, status), [pair("libc6", "2.41-12"), pair("tzdata", "2025b-4")]);
    let found = read(Source::Dpkg, 1, &b"Package: a\nVersion: 1\nArchitecture: all\n"[..]).expect("read");
    let FileContents::Packages(found) = found else { panic!("{found:?}") };
    assert_eq!((found[0].kind, found[0].architecture.as_deref()), (PackageKind::Deb, Some("all")));
    assert_eq!(reason(Source::Dpkg, "Package: a\n\nPackage: b\nVersion: 1\n"), "a package has no name or no version");
    assert!(reason(Source::Dpkg, &format!("Package: a\nVersion: {}\n", "1".repeat(300))).contains("version of a"));
}

#[test]
fn apk_lists_packages() {
    let installed = "C:Q1\nP:musl\nV:1.2.5-r9\nA:x86_64\nL:MIT\nF:lib\nR:libc.so\n\nP:busybox\nV:1.37.0-r12\nA:x86_64\n\
                     L:GPL-2.0-only\n";
    assert_eq!(packages(Source::Apk, installed), [pair("musl", "1.2.5-r9"), pair("busybox", "1.37.0-r12")]);
}

#[test]
fn python_metadata_ends_at_empty_line() {
    let text = "Metadata-Version: 2.4\r\nName: Typing_.Extensions\nVersion: 4.15.0\nLicense: UNKNOWN\nClassifier: \
        License :: OSI Approved :: MIT License\n\nName: other\nVersion: 9\n";
    assert_eq!(packages(Source::Python, text), [pair("typing-extensions", "4.15.0")]);
    let found = read(Source::Python, 1, text.as_bytes()).expect("read");
    let FileContents::Packages(found) = found else { panic!("{found:?}") };
    assert_eq!(found[0].license.as_deref(), Some("MIT License"));
    assert_eq!(reason(Source::Python, "Name: a\n\nVersion: 1\n"), "it names no package or no version");
}

#[test]
fn npm_manifests_may_lack_name() {
    let text = r#"{"name": "@types/node", "version": "24.0.1", "license": {"type": "MIT"}, "bin": [1]}"#;
    assert_eq!(packages(Source::Npm, text), [pair("@types/node", "24.0.1")]);
    assert_eq!(packages(Source::Npm, r#"{"type": "module"}"#), []);
    assert!(reason(Source::Npm, "{\"name\": 1}").starts_with("it is not the manifest of a package"));
}

#[test]
fn unreadable_sources_are_reported() {
    let found = read(Source::Npm, 2 << 20, io::empty()).expect("read");
    assert_eq!(found, FileContents::Unread("it has 2097152 bytes, more than 1048576".to_owned()));
    assert_eq!(reason(Source::Rpm, "x"), "it is not a database of SQLite");
    let forms = [Source::RpmBerkeley, Source::RpmNdb, Source::RpmLog].map(|source| reason(source, "x"));
    assert_eq!(
        forms,
        [
            "it is a database of Berkeley DB (RPM before version 4.16), which Landfall does not read: its packages are \
             not listed",
            "it is a database of RPM in its form NDB, which Landfall does not read: its packages are not listed",
            "it has changes to rpmdb.sqlite that Landfall does not read",
        ]
    );
    assert_eq!(packages(Source::RpmLog, ""), []);
    let long = format!("Name: {}\nVersion: 1\n", "a".repeat(1 << 17));
    assert!(reason(Source::Python, &long).contains("too long"));
}

#[test]
fn distribution_comes_from_os_release() {
    let system = |text: &str| read(Source::OsRelease, 1, text.as_bytes()).expect("read");
    let debian = System { distribution: "debian".to_owned(), version: Some("13".to_owned()) };
    assert_eq!(system("PRETTY_NAME=\"Debian\"\nVERSION_ID=\"13\"\nID=debian\n"), FileContents::System(debian));
    assert_eq!(system("NAME=x\n"), FileContents::Packages(Vec::new()));
}

proptest! {
    #[test]
    fn results_fit_document(text in "(Package|Version|P|V|Name|Status|A)?(: ?)?[ -~\\n\u{0}-\u{1f}]{0,200}") {
        let copyright = format!("Format: x\n\n{}", text.replace("Name", "License"));
        for (source, text) in [
            (Source::Dpkg, &text),
            (Source::Apk, &text),
            (Source::Rpm, &text),
            (Source::Python, &text),
            (Source::Npm, &text),
            (Source::OsRelease, &text),
            (Source::Copyright, &copyright),
        ] {
            match read(source, 1, text.as_bytes()).expect("bytes in memory") {
                FileContents::Packages(packages) => {
                    packages.iter().try_for_each(Package::check).expect("usable packages");
                }
                FileContents::Unread(reason) => prop_assert!(crate::package::is_text(&reason)),
                FileContents::License(license) => prop_assert!(crate::package::is_text(&license)),
                FileContents::System(_) => {}
            }
        }
    }
}
