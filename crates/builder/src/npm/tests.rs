use std::fmt::Write as _;
use std::path::Path;

use landfall_error_codes::CodedError as _;
use serde_json::{Value, json};

use super::{Cpu, Integrity, LockfileContent, OmittedGroup, Registry, name, read};

/// SHA-512 of the empty string.
const EMPTY: &str = "sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==";

fn read_packages(packages: &Value, registry: Option<&str>, omit: &[OmittedGroup]) -> LockfileContent {
    let document = json!({ "name": "shop", "lockfileVersion": 3, "packages": packages });
    let registry = registry.map(|text| Registry::new(text).expect("registry"));
    read(Path::new("package-lock.json"), document.to_string().as_bytes(), registry.as_ref(), omit, Some(Cpu::X64))
}

fn at(url: &str) -> Value {
    json!({ "version": "1.0.0", "resolved": url, "integrity": EMPTY })
}

fn with(mut entry: Value, field: &str, value: Value) -> Value {
    entry[field] = value;
    entry
}

#[test]
fn npm_packages_have_distinct_paths() {
    let host = "https://registry.example";
    let packages = json!({
        "": { "name": "shop", "version": "1.0.0" },
        "packages/own": { "version": "1.0.0" },
        "node_modules/own": { "resolved": "packages/own", "link": true },
        "node_modules/a": at(&format!("{host}/a/-/a-1.0.0.tgz")),
        "node_modules/b/node_modules/a": at(&format!("{host}/a/-/a-1.0.0.tgz")),
        "node_modules/b/node_modules/inside": { "version": "1.0.0", "inBundle": true },
        "node_modules/@scope/a": at(&format!("{host}/@scope/a/-/a-1.0.0.tgz")),
        "node_modules/alias": with(at(&format!("{host}/real/-/real-1.0.0.tgz")), "name", json!("real")),
        "node_modules/native": with(at(&format!("{host}/native/-/native-1.0.0.tgz")), "os", json!(["darwin"])),
    });
    let LockfileContent { packages, skipped, faults } = read_packages(&packages, None, &[]);
    assert!(faults.is_empty(), "{faults:?}");
    let paths: Vec<_> = packages.iter().map(|package| package.path.as_str()).collect();
    let expected = ["@scope/a/-/a-1.0.0.tgz", "a/-/a-1.0.0.tgz", "native/-/native-1.0.0.tgz", "real/-/real-1.0.0.tgz"];
    assert_eq!(paths, expected);
    assert_eq!(packages[0].url.to_string(), format!("{host}/@scope/a/-/a-1.0.0.tgz"));
    assert_eq!(skipped.len(), 2, "{skipped:?}");
}

#[test]
fn omitted_packages_match_npm() {
    let named = |name: &str| at(&format!("https://registry.example/{name}/-/{name}-1.0.0.tgz"));
    let flags = ["dev", "optional", "peer", "devOptional"];
    let mut packages = json!({ "node_modules/plain": named("plain") });
    for flag in flags {
        let name = flag.to_lowercase();
        packages[format!("node_modules/{name}")] = with(named(&name), flag, json!(true));
    }
    let left = |omit: &[OmittedGroup]| {
        let found = read_packages(&packages, None, omit);
        found.packages.iter().map(|package| package.at.replace("node_modules/", "")).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(left(&[]), "dev devoptional optional peer plain");
    assert_eq!(left(&[OmittedGroup::Dev]), "devoptional optional peer plain");
    assert_eq!(left(&[OmittedGroup::Optional, OmittedGroup::Peer]), "dev devoptional plain");
    assert_eq!(left(&[OmittedGroup::Dev, OmittedGroup::Optional]), "peer plain");
}

#[test]
fn other_registry_replaces_stated_one() {
    for (registry, resolved, expected) in [
        (
            "https://packages.example.com",
            "https://registry.example/a/-/a-1.0.0.tgz",
            "https://packages.example.com/a/-/a-1.0.0.tgz",
        ),
        (
            "http://127.0.0.1:4873/",
            "https://registry.example:8443/a/-/a-1.0.0.tgz",
            "http://127.0.0.1:4873/a/-/a-1.0.0.tgz",
        ),
        (
            "https://packages.example.com/npm/",
            "https://registry.example/a/-/a-1.0.0.tgz",
            "https://packages.example.com/npm/a/-/a-1.0.0.tgz",
        ),
        (
            "https://packages.example.com/npm",
            "https://registry.example/npm/a/-/a-1.0.0.tgz",
            "https://packages.example.com/npm/a/-/a-1.0.0.tgz",
        ),
        (
            "https://packages.example.com/npm",
            "https://registry.example/npmx/a/-/a-1.0.0.tgz",
            "https://packages.example.com/npm/npmx/a/-/a-1.0.0.tgz",
        ),
    ] {
        let found = read_packages(&json!({ "node_modules/a": at(resolved) }), Some(registry), &[]);
        assert_eq!(found.packages[0].url.to_string(), expected);
    }
    // A file without URLs, as npm writes it with `omit-lockfile-registry-resolved`.
    let bare = json!({ "node_modules/@scope/a": { "version": "1.0.0", "integrity": EMPTY } });
    let found = read_packages(&bare, Some("https://packages.example.com/npm/"), &[]);
    assert_eq!(found.packages[0].url.to_string(), "https://packages.example.com/npm/@scope/a/-/a-1.0.0.tgz");
    for (text, said) in [
        ("https://packages.example.com?x=y", "it has something after its path"),
        ("packages", "relative URL without a base"),
    ] {
        let refused = Registry::new(text).expect_err(text).to_string();
        assert!(refused.ends_with(said), "{refused}");
    }
}

#[test]
fn package_lock_faults_are_listed() {
    let good = "https://registry.example/a/-/a-1.0.0.tgz";
    let cases = json!({
        "node_modules/a": at("git+ssh://git@git.example/a.git#0123"),
        "node_modules/b": at("file:../b.tgz"),
        "node_modules/c": at("../c.tgz"),
        "node_modules/d": { "version": "1.0.0", "integrity": EMPTY },
        "node_modules/e": with(at(good), "integrity", json!("sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=")),
        "node_modules/f": { "version": "1.0.0", "resolved": good },
        "node_modules/g": with(at(good), "integrity", json!("sha512-AAAA")),
        "node_modules/h": with(at(good), "version", json!("../1")),
        "node_modules/../i": at(good),
        "node_modules/@scope/j/k": at(good),
        "node_modules/k": at("https://files.example/k-1.0.0.tgz"),
        "node_modules/l": at("https://u:secret@registry.example/l.tgz"),
        "node_modules/m": at("https://registry.example/m.tgz?token=secret"),
        "node_modules/n": at("https://registry.example/n/-/n-1.0.0.tgz"),
        "node_modules/o/node_modules/n": with(at("https://registry.example/n/-/n-1.0.0.tgz"), "integrity",
            json!(format!("sha512-{}A==", "A".repeat(85)))),
    });
    let mut faults = read_packages(&cases, None, &[]).faults;
    for text in
        ["{", "{\"lockfileVersion\": 1, \"dependencies\": {}}", "{\"lockfileVersion\": 3, \"packages\": {\"\": {}}}"]
    {
        faults.extend(read(Path::new("package-lock.json"), text.as_bytes(), None, &[], None).faults);
    }
    let said = faults.iter().fold(String::new(), |mut lines, fault| {
        let _ = writeln!(lines, "{} {fault}", fault.code().id);
        lines
    });
    assert!(!said.contains("secret"), "{said}");
    insta::assert_snapshot!(said);
}

/// npm omits them if it writes a file next to modules of another system, and refuses the file at the site.
#[test]
fn missing_target_packages_are_reported() {
    let names =
        json!({ "@esbuild/darwin-arm64": "1.0.0", "@esbuild/linux-arm64": "1.0.0", "@esbuild/linux-x64": "1.0.0" });
    let native = |name: &str| at(&format!("https://registry.example/@esbuild/{name}/-/{name}-1.0.0.tgz"));
    let mut packages = json!({
        "": { "name": "shop", "optionalDependencies": { "fsevents": "^2" } },
        "node_modules/a/node_modules/esbuild":
            with(at("https://registry.example/esbuild/-/esbuild-1.0.0.tgz"), "optionalDependencies", names),
        "node_modules/@esbuild/darwin-arm64": native("darwin-arm64"),
    });
    let faults = read_packages(&packages, None, &[]).faults;
    assert_eq!(faults.len(), 1, "{faults:?}");
    let said = faults[0].to_string();
    assert_eq!(faults[0].code().id, "LF2096");
    assert!(said.contains("node_modules/a/node_modules/esbuild") && said.contains("@esbuild/linux-x64"), "{said}");
    let hint = format!("{:?}", faults[0]);
    assert!(hint.contains("npm install --package-lock-only --prefix ."), "{hint}");
    assert!(read_packages(&packages, None, &[OmittedGroup::Optional]).faults.is_empty());
    for place in ["node_modules/@esbuild/linux-x64", "node_modules/a/node_modules/@esbuild/linux-x64"] {
        packages[place] = native("linux-x64");
        assert!(read_packages(&packages, None, &[]).faults.is_empty(), "{place}");
        packages.as_object_mut().expect("object").remove(place);
    }
}

/// Paths of registries below another path, and of those that repeat the scope before the file name.
#[test]
fn tarball_addresses_must_fit_index() {
    for (name, resolved) in [
        ("a", "https://art.example/api/npm/own/a/-/a-1.0.0.tgz"),
        ("@scope/a", "https://registry.example/@scope%2fa/-/a-1.0.0.tgz"),
        ("@scope/a", "https://art.example/api/npm/own/@scope/a/-/@scope/a-1.0.0.tgz"),
    ] {
        let found = read_packages(&json!({ format!("node_modules/{name}"): at(resolved) }), None, &[]);
        assert!(found.faults.is_empty(), "{:?}", found.faults);
    }
    for resolved in ["https://git.example/o/a/archive/v1.0.0.tgz", "https://files.example/a/-/b-1.0.0.tgz"] {
        let faults = read_packages(&json!({ "node_modules/a": at(resolved) }), None, &[]).faults;
        let said = faults[0].to_string();
        assert!(said.contains(resolved) && said.contains("`a@1.0.0`"), "{said}");
        assert_eq!(faults[0].code().id, "LF2135");
    }
}

#[test]
fn only_sha_512_counts() {
    let empty: [u8; 64] = <sha2::Sha512 as sha2::Digest>::digest(b"").into();
    for text in [EMPTY.to_owned(), format!("sha1-x {EMPTY}?a"), format!("{EMPTY} sha512-{}A==", "A".repeat(85))] {
        assert!(Integrity::read(&text).expect(&text).is_of(&empty), "{text}");
    }
    assert!(!Integrity::read(&format!("sha512-{}A==", "A".repeat(85))).expect("a hash").is_of(&empty));
    for (text, said) in [
        ("", "states no hash"),
        ("sha512", "states no hash"),
        ("md5-x", "states only md5, which does not prove what it is"),
        ("sha512-", "`` is not a SHA-512"),
        ("sha512-*", "`*` is not a SHA-512"),
        ("sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", "states only sha256, which does not prove what it is"),
    ] {
        assert_eq!(Integrity::read(text), Err(said.to_owned()), "{text}");
    }
}

#[test]
fn tarball_paths_parse_back() {
    for (name, version) in [("left-pad", "1.3.0"), ("@a/b.c", "1.0.0-rc.1"), ("JSONStream", "1.3.5")] {
        let path = name::tarball(name, version).expect(name);
        let read = landfall_packages::npm::package_of_path(&format!("web-packages/{path}"));
        assert_eq!(read, Some((name.to_owned(), version.to_owned())));
    }
}

#[test]
fn misleading_names_have_no_path() {
    assert_eq!(name::tarball("@a/b.c", "1.0.0-rc.1+x").as_deref(), Ok("@a/b.c/-/b.c-1.0.0-rc.1+x.tgz"));
    let long = "a".repeat(300);
    for name in [
        "",
        "a/b",
        "@a",
        "@a/b/c",
        "..",
        "@../a",
        "@a/..",
        "a b",
        "a\\b",
        "a%2fb",
        "-",
        "-a",
        "_a",
        "favicon.ico",
        &long,
    ] {
        let refused = name::tarball(name, "1.0.0").expect_err(name);
        assert!(refused.ends_with(" is not the name of a package"), "{refused}");
    }
    for version in ["", "1", "1/2", "1 2", "1.0.0\u{1b}", "v1.0.0", "1.0.0+a/b", &format!("1.0.0-{long}")] {
        let refused = name::tarball("a", version).expect_err(version);
        assert!(refused.ends_with(" is not a version"), "{refused}");
    }
}
