//! Tests of whole tarballs, lists and documents, including hostile ones.

use std::io::Write as _;

use landfall_bundle_spec::Sha256;
use landfall_error_codes::{Code, CodedError as _, codes};
use proptest::prelude::*;
use serde_json::{Value, json};
use tar::EntryType;

use super::sample::{archive, archive_of, compress, package, package_json};
use super::*;
use crate::http::NpmForm;

const BASE: &str = "http://packages.packages.svc.cluster.local/npm/";

fn inspect_tarball(path: &str, bytes: &[u8]) -> Result<NpmPackage, NpmError> {
    inspect(path, Sha256::of(bytes), bytes.len() as u64, bytes)
}

/// Returns the code and the reason for which a tarball is refused.
fn refusal(bytes: &[u8]) -> (Code, String) {
    let error = inspect_tarball("small.tgz", bytes).unwrap_err();
    let mut text = String::new();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        text = format!("{text}{inner}; ");
        cause = inner.source();
    }
    (error.code(), text)
}

fn small() -> Vec<u8> {
    package_json("small", "1.0.0", &json!({}))
}

fn sample_package(name: &str, version: &str) -> NpmPackage {
    let (path, bytes) = package(name, version, &json!({}));
    inspect_tarball(&format!("set/{path}"), &bytes).unwrap()
}

/// Returns the packument of packages with these `package.json` files, as a registry would write it. Digests of archives
/// change with the library that made them.
fn packument(packages: &[(&str, &str, Value)], form: NpmForm) -> Value {
    let sets = packages.iter().map(|(name, version, more)| {
        let (path, bytes) = package(name, version, more);
        let found = inspect_tarball(&path, &bytes).unwrap();
        (NpmPackage { integrity: integrity(), shasum: "0".repeat(40), ..found }, bytes)
    });
    let sets: Vec<(NpmPackage, Vec<u8>)> = sets.collect();
    let list = NpmList::new(sets.iter().map(|(package, _)| package.clone()).collect()).unwrap();
    let registry = Registry::new(list).unwrap();
    let versions = registry.versions(packages[0].0).unwrap();
    let mut writing = Packument::begin(versions, form);
    for package in versions.packages() {
        let (_, bytes) = sets.iter().find(|(other, _)| other == package).unwrap();
        let package_json = package_json_of(package, bytes.as_slice()).unwrap();
        writing.add(package, &manifest(package, &package_json, form, BASE).unwrap()).unwrap();
    }
    serde_json::from_str(&writing.end()).unwrap()
}

fn integrity() -> String {
    format!("sha512-{}==", "A".repeat(86))
}

#[test]
fn package_is_listed_from_tarball() {
    let more = json!({ "scripts": { "postinstall": "node index.js" } });
    let (path, bytes) = package("@scope/tool", "1.0.0-rc.1", &more);
    assert_eq!(path, "@scope/tool/-/tool-1.0.0-rc.1.tgz");
    let found = inspect_tarball(&format!("web/{path}"), &bytes).unwrap();
    assert_eq!((found.name.as_str(), found.version.as_str()), ("@scope/tool", "1.0.0-rc.1"));
    assert_eq!(found.address(), path);
    assert!(found.has_install_script && !found.has_shrinkwrap);
    let text = package_json("@scope/tool", "1.0.0-rc.1", &more);
    assert_eq!((found.package_json, found.package_json_size), (Sha256::of(&text), text.len() as u64));
    assert_eq!(package_json_of(&found, bytes.as_slice()).unwrap(), text);
    assert_eq!((found.integrity.len(), found.shasum.len()), (95, 40));

    let files: [(&str, &[u8]); 3] =
        [("node/package.json", &small()), ("node/binding.gyp", b"{}"), ("node/npm-shrinkwrap.json", b"{}")];
    let found = inspect_tarball("anywhere/at-all.tgz", &archive(&files)).unwrap();
    assert_eq!((found.address().as_str(), found.path.as_str()), ("small/-/small-1.0.0.tgz", "anywhere/at-all.tgz"));
    assert!(found.has_install_script && found.has_shrinkwrap);
}

#[test]
fn uninstallable_tarballs_are_refused() {
    let small = small();
    let one = |path: &str| refusal(&archive(&[(path, &small)]));
    for path in ["package.json", "package/sub/package.json", "package/../package.json", "package/package.json.txt"] {
        let (code, why) = one(path);
        assert_eq!((code, why.as_str()), (codes::NPM_PACKAGE_JSON, "its package.json is missing; "), "{path}");
    }
    // npm's interpretation of these paths also leads to the file.
    for twice in [
        "package/package.json",
        "other/package.json",
        "package//package.json",
        "package/./package.json",
        "./package.json",
    ] {
        let (code, why) = refusal(&archive(&[("package/package.json", &small), (twice, &small)]));
        assert_eq!(
            (code, why.as_str()),
            (codes::NPM_PACKAGE_JSON, "its package.json occurs several times; "),
            "{twice}"
        );
    }
    let (code, why) = refusal(&archive(&[("package/package.json", b"{")]));
    assert!(code == codes::NPM_PACKAGE_JSON && why.contains("is not JSON"), "{why}");
    let (code, why) = refusal(&archive(&[("package/package.json", &vec![b' '; 600 << 10])]));
    assert!(code == codes::NPM_PACKAGE_JSON && why.contains("more than 524288 bytes"), "{why}");
    for kind in [EntryType::Symlink, EntryType::Link, EntryType::Directory, EntryType::Fifo] {
        let (code, why) = refusal(&archive_of(&[(kind, "package/package.json", b"")]));
        assert!(code == codes::NPM_PACKAGE_JSON && why.contains("is missing"), "{kind:?}: {why}");
    }
    let (code, why) = refusal(b"not an archive");
    assert!(code == codes::NPM_TARBALL && why.contains("cannot be unpacked"), "{why}");
    let (_, bytes) = package("small", "1.0.0", &json!({}));
    let error = inspect("small.tgz", Sha256::of(&bytes), 5, bytes.as_slice()).unwrap_err();
    assert_eq!(error.code(), codes::NPM_TARBALL);
}

#[test]
fn extended_headers_only_rename_files() {
    let small = small();
    let extension = |text: &str| format!("{} {text}\n", text.len() + 4).into_bytes();
    let hidden = extension("path=package/package.json");
    let renamed =
        archive_of(&[(EntryType::XHeader, "PaxHeader/a", &hidden), (EntryType::Regular, "package/readme.txt", &small)]);
    assert_eq!(inspect_tarball("small.tgz", &renamed).unwrap().name, "small");
    let long = archive_of(&[
        (EntryType::GNULongName, "././@LongLink", b"package/package.json\0"),
        (EntryType::Regular, "package/readme.txt", &small),
    ]);
    assert_eq!(inspect_tarball("small.tgz", &long).unwrap().name, "small");
    // The long name of a link is not that of the file after it.
    let of_link = archive_of(&[
        (EntryType::GNULongName, "././@LongLink", b"package/other.json\0"),
        (EntryType::Symlink, "package/link", b""),
        (EntryType::Regular, "package/package.json", &small),
    ]);
    assert_eq!(inspect_tarball("small.tgz", &of_link).unwrap().name, "small");

    let with = |kind: EntryType, content: &[u8]| {
        refusal(&archive_of(&[(kind, "header", content), (EntryType::Regular, "package/package.json", &small)]))
    };
    for text in ["size=1000000", "GNU.sparse.major=1"] {
        let (code, why) = with(EntryType::XHeader, &extension(text));
        assert!(code == codes::NPM_TARBALL && why.contains("two headers state"), "{why}");
    }
    assert!(with(EntryType::XGlobalHeader, &hidden).1.contains("one name"));
    assert!(with(EntryType::GNULongName, &vec![b'a'; 1 << 20]).1.contains("more than 65536 bytes"));
    assert!(with(EntryType::GNUSparse, b"").1.contains("holes"));
    let commented = archive_of(&[
        (EntryType::XGlobalHeader, "pax_global_header", &extension("comment=0123456789")),
        (EntryType::Regular, "repository-1.0/package.json", &small),
    ]);
    assert_eq!(inspect_tarball("small.tgz", &commented).unwrap().name, "small");
}

#[test]
fn tarball_bomb_is_refused() {
    // A member that claims eight exabytes, of which a gigabyte exists.
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_path("package/zeros").unwrap();
    header.set_size(u64::MAX / 2);
    header.set_cksum();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(header.as_bytes()).unwrap();
    for _ in 0..64 {
        gzip.write_all(&vec![0; 1 << 20]).unwrap();
    }
    let (code, why) = refusal(&gzip.finish().unwrap());
    assert_eq!(code, codes::NPM_TARBALL);
    assert!(why.contains("unexpected EOF"), "{why}");
    let (_, bytes) = package("small", "1.0.0", &json!({}));
    for length in 0..bytes.len() {
        assert_eq!(refusal(&bytes[..length]).0, codes::NPM_TARBALL, "{length} bytes");
    }
    // The gzip checksum is damaged.
    let mut damaged = bytes.clone();
    let at = damaged.len() - 6;
    damaged[at] ^= 1;
    assert_eq!(refusal(&damaged).0, codes::NPM_TARBALL);
    assert_eq!(refusal(&compress(&vec![0; 4096])).0, codes::NPM_PACKAGE_JSON);
}

#[test]
fn changed_package_json_is_refused() {
    let (_, bytes) = package("small", "1.0.0", &json!({}));
    let found = inspect_tarball("small.tgz", &bytes).unwrap();
    let (_, other) = package("small", "1.0.0", &json!({ "dependencies": { "other": "1.0.0" } }));
    assert!(matches!(package_json_of(&found, other.as_slice()), Err(NpmFault::Changed)));
    let renamed = NpmPackage { name: "other".to_owned(), ..found };
    let text = package_json_of(&renamed, bytes.as_slice()).unwrap();
    assert!(matches!(manifest(&renamed, &text, NpmForm::Full, BASE), Err(NpmFault::Changed)));
}

#[test]
fn documents_match_client_expectations() {
    let packages = [
        ("@scope/tool", "1.10.0", json!({ "bin": "cli.js", "dependencies": { "small": "^1.0.0" }, "os": "linux" })),
        (
            "@scope/tool",
            "1.9.0",
            json!({ "scripts": { "install": "node-gyp rebuild" }, "hasInstallScript": false, "dist": "x" }),
        ),
        ("@scope/tool", "2.0.0-rc.1", json!({ "description": "A \"tool\"", "engines": { "node": ">=18" } })),
    ];
    let documents = [NpmForm::Abbreviated, NpmForm::Full].map(|form| packument(&packages, form));
    insta::assert_json_snapshot!(documents);
}

#[test]
fn latest_version_is_highest_stable() {
    let latest = |versions: &[&str]| {
        let packages = versions.iter().map(|version| sample_package("small", version)).collect();
        let registry = Registry::new(NpmList::new(packages).unwrap()).unwrap();
        assert_eq!(registry.counts(), (1, versions.len()));
        let versions = registry.versions("small").unwrap();
        assert_eq!(versions.version("latest").unwrap(), versions.latest());
        assert!(versions.version("^1.0.0").is_none() && registry.versions("other").is_none());
        versions.latest().version.clone()
    };
    assert_eq!(latest(&["1.9.0", "1.10.0", "2.0.0-rc.1"]), "1.10.0");
    assert_eq!(latest(&["2.0.0-rc.2", "2.0.0-rc.10"]), "2.0.0-rc.10");
    let registry = Registry::new(NpmList::new(vec![sample_package("@a/b", "1.0.0")]).unwrap()).unwrap();
    assert!(registry.file("@a/b", "b-1.0.0.tgz").is_some() && registry.file("b", "b-1.0.0.tgz").is_none());
    assert!(registry.file("@a/b", "b-1.0.1.tgz").is_none());
}

fn list() -> NpmList {
    NpmList::new(vec![
        sample_package("small", "1.0.0"),
        sample_package("small", "1.1.0"),
        sample_package("@scope/tool", "1.0.0"),
    ])
    .unwrap()
}

#[test]
fn altered_list_is_refused() {
    let parts = list().to_parts().unwrap();
    assert_eq!(parts.len(), 1);
    assert_eq!(NpmList::read(&parts).unwrap(), list());
    let text = String::from_utf8(parts[0].clone()).unwrap();
    let refused = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        let error = NpmList::read(&[text.replacen(from, to, 1).into_bytes()]).expect_err(to);
        assert_ne!(error.code(), codes::NPM_TARBALL);
        error
    };
    refused("set/small", "../small");
    refused("set/small", "/small");
    refused("\"name\":\"small\"", "\"name\":\"../small\"");
    refused("\"version\":\"1.0.0\"", "\"version\":\"v1.0.0\"");
    refused("\"version\":\"1.0.0\"", "\"version\":\"1.0.0+a\"");
    refused("\"integrity\":\"sha512-", "\"integrity\":\"sha384-");
    refused("\"shasum\":\"", "\"shasum\":\"0");
    refused("\"packageJsonSize\":", "\"packageJsonSize\":9999");
    refused("\"type\"", "\"other\":1,\"type\"");
    refused("npm/1", "npm/2");
    assert!(matches!(refused("\"version\":\"1.1.0\"", "\"version\":\"1.0.0\""), NpmError::Twice { .. }));
    assert!(matches!(NpmList::new(Vec::new()), Err(NpmError::Empty)));
    assert!(matches!(NpmList::read(&[]), Err(NpmError::Empty)));
    let twice = NpmList::read(&[parts[0].clone(), parts[0].clone()]).unwrap_err();
    assert_eq!(twice.code(), codes::NPM_TWICE);
}

#[test]
fn long_list_is_split_into_parts() {
    let one = NpmPackage { name: String::new(), ..sample_package("small", "1.0.0") };
    let many = |count: usize| {
        let name = |number| format!("@scope/package-{number}");
        let path = |number| format!("web-packages/@scope/package-{number}/-/package-{number}-1.0.0.tgz");
        let packages = (0..count).map(|number| NpmPackage { name: name(number), path: path(number), ..one.clone() });
        NpmList::new(packages.collect())
    };
    assert_eq!(many(1500).unwrap().to_parts().unwrap().len(), 1, "1,500 packages fit one part");
    let list = many(6000).unwrap();
    let parts = list.to_parts().unwrap();
    assert!(parts.len() > 1 && parts.iter().all(|part| part.len() <= crate::limits::LIST_BYTES));
    assert_eq!(NpmList::read(&parts).unwrap(), list);
    let mut swapped = parts.clone();
    swapped.swap(0, 1);
    assert_ne!(NpmList::digest(&swapped), NpmList::digest(&parts));
    assert!(matches!(many(10_000), Err(NpmError::TooMany { packages: 10_000, .. })));
    assert!(matches!(NpmList::read(&vec![Vec::new(); 5]), Err(NpmError::List(_))));

    let large = (0..20).map(|number| NpmPackage {
        name: "small".to_owned(),
        version: format!("1.{number}.0"),
        package_json_size: 500 << 10,
        ..one.clone()
    });
    let error = NpmList::new(large.collect()).unwrap_err();
    assert_eq!(error.code(), codes::NPM_VERSIONS);
}

proptest! {
    #[test]
    fn altered_tarballs_never_panic(
        at in any::<prop::sample::Index>(),
        to in any::<u8>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let (_, bytes) = package("small", "1.0.0", &json!({ "bin": "a" }));
        let mut changed = bytes.clone();
        let at = at.index(changed.len());
        changed[at] = to;
        let _either = inspect_tarball("small.tgz", &changed);
        let _either = inspect_tarball("small.tgz", &bytes[cut.index(bytes.len())..]);
    }

    #[test]
    fn arbitrary_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        prop_assert_eq!(refusal(&bytes).0, codes::NPM_TARBALL);
        prop_assert!([codes::NPM_TARBALL, codes::NPM_PACKAGE_JSON].contains(&refusal(&compress(&bytes)).0));
    }

    #[test]
    fn listed_packages_are_found(
        names in prop::collection::btree_set("(@[a-z]{1,3}/)?[A-Za-z0-9][a-z0-9._~-]{0,6}", 1..8),
        versions in prop::collection::btree_set("[0-9]{1,2}[.]0[.]1(-[a-z]{1,3})?", 1..4),
    ) {
        let versions: Vec<&String> =
            versions.iter().filter(|version| !version.starts_with('0') || version.starts_with("0.")).collect();
        let packages: Vec<NpmPackage> =
            names.iter().flat_map(|name| versions.iter().map(|version| sample_package(name, version))).collect();
        prop_assume!(!packages.is_empty());
        let list = NpmList::new(packages.clone()).unwrap();
        prop_assert_eq!(&NpmList::read(&list.to_parts().unwrap()).unwrap(), &list);
        let registry = Registry::new(list).unwrap();
        for package in packages {
            let (_, bytes) = super::sample::package(&package.name, &package.version, &json!({}));
            let package_json = package_json_of(&package, bytes.as_slice()).unwrap();
            let document: Value =
                serde_json::from_str(&manifest(&package, &package_json, NpmForm::Abbreviated, BASE).unwrap()).unwrap();
            let path = document["dist"]["tarball"].as_str().unwrap().strip_prefix(BASE).unwrap();
            let Some(Request::Tarball(name, file)) = Request::read(path) else { panic!("{path}") };
            prop_assert_eq!(registry.file(name, file).unwrap(), &package);
            let known = package_of_path(path).unwrap();
            prop_assert_eq!(known, (package.name, package.version));
        }
    }
}
