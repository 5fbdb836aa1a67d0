//! Tests of host packs with packages that Debian's dpkg builds, installs and removes in a separate root.

use std::ffi::OsString;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use landfall_bundle_spec::blobs::{BlobEntry, BlobsDocument, Place};
use landfall_bundle_spec::chunks::{BlobHasher, BlobSums};
use landfall_bundle_spec::head::{Identity, NewDocument, UnsignedHead};
use landfall_bundle_spec::sample::{Sample, Vendor};
use landfall_bundle_spec::trust::KeyKind;
use landfall_error_codes::{Code, CodedError};
use landfall_host::command::{CommandOutput, HostCommand, Input};
use landfall_release_document::{HOST_PACK_DOCUMENT_NAME, HOST_PACK_DOCUMENT_TYPE};
use serde_json::{Value, json};

use super::super::testing::operations;
use super::*;

const NAME: &str = "landfall-harmless";

/// Runs dpkg on the packages below a folder, as root of a namespace. No other program of the host runs.
struct Dpkg(PathBuf);

impl CommandRunner for Dpkg {
    fn run(&self, command: &HostCommand, input: Option<Input<'_>>) -> io::Result<CommandOutput> {
        let program = command.program.to_str().unwrap();
        let database = match program {
            "dpkg" => format!("--root={}", self.0.display()),
            "dpkg-query" => format!("--admindir={}", self.0.join("var/lib/dpkg").display()),
            "dpkg-deb" => return Subprocesses.run(command, input),
            other => panic!("{other} is no package manager of Debian's"),
        };
        let mut arguments: Vec<OsString> =
            ["--user", "--map-root-user", program, &database].map(OsString::from).to_vec();
        arguments.extend(command.arguments.iter().cloned());
        let wrapped = HostCommand { program: "unshare".into(), arguments, environment: command.environment.clone() };
        Subprocesses.run(&wrapped, input)
    }
}

/// A vendor, a host with Debian 12 and its package manager, and a stick.
struct Host {
    folder: tempfile::TempDir,
    operations: Operations,
    vendor: Vendor,
}

impl Host {
    fn new() -> Self {
        let (folder, operations) = operations();
        let paths = &operations.paths;
        for place in ["/var/lib/dpkg/info", "/var/lib/dpkg/updates", "/var/lib/dpkg/triggers", "/etc"] {
            durable::create_folder(&paths.host(place)).unwrap();
        }
        for (path, text) in [("/var/lib/dpkg/status", ""), ("/etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n")] {
            durable::write_file(&paths.host(path), text.as_bytes(), 0o644).unwrap();
        }
        Self { folder, operations, vendor: Vendor::new(KeyKind::Ed25519).unwrap() }
    }

    fn dpkg(&self) -> Arc<dyn CommandRunner> {
        Arc::new(Dpkg(self.folder.path().to_owned()))
    }

    /// Builds a package with one file.
    fn package(&self, name: &str, version: &str, more: &str) -> Vec<u8> {
        let source = tempfile::tempdir().unwrap();
        let control = format!(
            "Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: Test <test@example.com>\n\
             {more}Description: a test\n"
        );
        durable::create_folder(&source.path().join("DEBIAN")).unwrap();
        durable::create_folder(&source.path().join("opt/harmless")).unwrap();
        durable::write_file(&source.path().join("DEBIAN/control"), control.as_bytes(), 0o644).unwrap();
        durable::write_file(&source.path().join(format!("opt/harmless/{name}")), version.as_bytes(), 0o644).unwrap();
        fs_err::set_permissions(source.path(), Permissions::from_mode(0o755)).unwrap();
        let file = self.folder.path().join("built.deb");
        let mut build = Command::new("dpkg-deb");
        build.args(["--build", "--root-owner-group"]).args([source.path(), &file]);
        assert!(build.output().unwrap().status.success());
        fs_err::read(file).unwrap()
    }

    /// Puts a host pack for Debian 12 on a stick, with packages by name and version.
    fn pack(&self, version: &str, packages: &[(&str, &str, Vec<u8>)]) -> PathBuf {
        let sums: Vec<BlobSums> = packages.iter().map(|(_, _, bytes)| sums(bytes)).collect();
        let listed: Vec<Value> = packages
            .iter()
            .zip(&sums)
            .map(|((name, version, _), sums)| {
                let blob = json!({"mediaType": "application/octet-stream", "digest": sums.sha256, "size": sums.size});
                json!({"name": name, "version": version, "file": format!("{name}.deb"), "blob": blob})
            })
            .collect();
        let document = json!({
            "type": HOST_PACK_DOCUMENT_TYPE, "name": "harmless", "version": version, "counter": 1,
            "platform": host::platform(),
            "recipes": [{"distribution": "debian", "versions": ["12"], "packages": listed}],
        });
        let path = self.folder.path().join(format!("{version}.landfall"));
        let contents = packages.iter().map(|(_, _, bytes)| bytes.clone()).collect();
        durable::write_file(&path, &bundle(&self.vendor, version, &document, contents), 0o644).unwrap();
        path
    }

    fn prepare(&self, pack: &Path) -> Result<PreparedHostPack<'_>> {
        let trust = self.folder.path().join("root.json");
        durable::write_file(&trust, self.vendor.root.bytes(), 0o644).unwrap();
        self.operations.host_pack_by(pack, trust.to_str(), self.dpkg())
    }

    fn refusal_code(&self, pack: &Path) -> Code {
        self.prepare(pack).err().unwrap().code()
    }

    fn present(&self, name: &str) -> crate::host_pack::PackageState {
        Manager::new(PackageFormat::Deb, &*self.dpkg()).present(name).unwrap()
    }

    fn file(&self, name: &str) -> Option<String> {
        fs_err::read_to_string(self.operations.paths.host(format!("/opt/harmless/{name}"))).ok()
    }

    fn expect_nothing_kept(&self) {
        assert!(!self.operations.paths.host_pack().exists());
    }
}

fn sums(bytes: &[u8]) -> BlobSums {
    let mut hasher = BlobHasher::new();
    hasher.update(bytes);
    hasher.finish()
}

fn bundle(vendor: &Vendor, version: &str, document: &Value, mut contents: Vec<Vec<u8>>) -> Vec<u8> {
    contents.splice(0..0, [b"#!/bin/sh\n".to_vec(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec(), b"{}".to_vec()]);
    let sums: Vec<BlobSums> = contents.iter().map(|bytes| sums(bytes)).collect();
    let entries = sums.iter().enumerate().map(|(index, sums)| match Place::ALL.get(index) {
        Some(place) => BlobEntry::with_place(sums, "application/octet-stream", *place),
        None => BlobEntry::blob(sums, "application/octet-stream"),
    });
    let blobs = BlobsDocument::new(entries.collect()).unwrap();
    let values: Vec<&[_]> = sums.iter().map(|sums| sums.chunks.as_slice()).collect();
    let identity = Identity {
        name: "harmless".to_owned(),
        version: version.to_owned(),
        counter: 1,
        built_at: "2025-11-20T08:16:00Z".to_owned(),
    };
    let bytes = document.to_string().into_bytes();
    let documents = vec![NewDocument { name: HOST_PACK_DOCUMENT_NAME.to_owned(), bytes }];
    let mut head = UnsignedHead::new(&identity, documents, &blobs, &values).unwrap();
    head.sign(&vendor.key).unwrap();
    let head = head.finish(std::slice::from_ref(&vendor.root)).unwrap();
    Sample { head, contents }.stream()
}

#[test]
fn packages_install_once_and_uninstall() {
    let host = Host::new();
    let pack = host.pack("1", &[(NAME, "1.2-3", host.package(NAME, "1.2-3", ""))]);
    let prepared = host.prepare(&pack).unwrap();
    assert_eq!((prepared.name(), prepared.packages()), ("harmless 1".to_owned(), vec![format!("{NAME} 1.2-3")]));
    host.expect_nothing_kept();
    assert!(!prepared.run().unwrap());
    assert_eq!(host.file(NAME).as_deref(), Some("1.2-3"));
    assert!(!host.operations.paths.host_pack_store().exists() && !host.operations.paths.host_pack_files().exists());
    // A rerun of the command finds its earlier result.
    assert!(host.prepare(&pack).unwrap().run().unwrap());
    // Another pack does not replace it.
    let other = host.pack("2", &[(NAME, "1.2-3", host.package(NAME, "1.2-3", ""))]);
    assert_eq!(host.refusal_code(&other), codes::HOST_PACK_CONFLICT);
    assert_eq!(host.operations.remove_host_pack_by(host.dpkg()).unwrap().as_deref(), Some("harmless 1"));
    assert_eq!((host.file(NAME), host.present(NAME)), (None, crate::host_pack::PackageState::Absent));
    host.expect_nothing_kept();
    assert_eq!(host.operations.remove_host_pack_by(host.dpkg()).unwrap(), None);
}

#[test]
fn preinstalled_package_stays() {
    let host = Host::new();
    let (own, other) = (host.package(NAME, "1", ""), host.package("landfall-other", "2", ""));
    let first = host.pack("1", &[(NAME, "1", own.clone())]);
    // An administrator installs it by hand.
    let file = host.folder.path().join("own.deb");
    durable::write_file(&file, &own, 0o644).unwrap();
    Manager::new(PackageFormat::Deb, &*host.dpkg()).install(&[file]).unwrap();
    assert!(!host.prepare(&first).unwrap().run().unwrap());
    host.operations.remove_host_pack_by(host.dpkg()).unwrap();
    assert_eq!(host.file(NAME).as_deref(), Some("1"));
    let both = host.pack("2", &[(NAME, "1", own), ("landfall-other", "2", other)]);
    host.prepare(&both).unwrap().run().unwrap();
    assert_eq!(host.file("landfall-other").as_deref(), Some("2"));
    host.operations.remove_host_pack_by(host.dpkg()).unwrap();
    assert_eq!((host.file(NAME).as_deref(), host.file("landfall-other")), (Some("1"), None));
    // Another version of it is not replaced.
    let newer = host.pack("3", &[(NAME, "3", host.package(NAME, "3", ""))]);
    assert_eq!(host.refusal_code(&newer), codes::HOST_PACK_CONFLICT);
}

#[test]
fn failed_install_leaves_nothing() {
    let host = Host::new();
    let needy = host.package("landfall-needy", "1", "Depends: landfall-missing\n");
    let pack = host.pack("1", &[(NAME, "1", host.package(NAME, "1", "")), ("landfall-needy", "1", needy)]);
    let error = host.prepare(&pack).unwrap().run().unwrap_err();
    assert_eq!(error.code(), codes::HOST_PACKAGES_REFUSED);
    assert!(error.to_string().contains("landfall-missing"), "{error}");
    assert_eq!((host.file(NAME), host.file("landfall-needy")), (None, None));
    host.expect_nothing_kept();
    // The file is another package than its list says.
    let wrong = host.pack("2", &[(NAME, "1", host.package("landfall-other", "1", ""))]);
    let error = host.prepare(&wrong).unwrap().run().unwrap_err();
    assert!(error.to_string().contains("landfall-other 1, and listed as landfall-harmless 1"), "{error}");
    assert_eq!(host.file("landfall-other"), None);
    host.expect_nothing_kept();
}

#[test]
fn unfit_and_unknown_packs_are_refused() {
    let host = Host::new();
    let pack = host.pack("1", &[(NAME, "1", host.package(NAME, "1", ""))]);
    let system = host.operations.paths.host("/etc/os-release");
    durable::write_file(&system, b"ID=ubuntu\nVERSION_ID=\"24.04\"\n", 0o644).unwrap();
    assert_eq!(host.refusal_code(&pack), codes::HOST_PACK_UNFIT);
    durable::write_file(&system, b"ID=debian\nVERSION_ID=\"12\"\n", 0o644).unwrap();
    let stranger = Host { vendor: Vendor::new(KeyKind::Ed25519).unwrap(), ..host };
    assert_eq!(stranger.prepare(&pack).err().unwrap().code().class, landfall_error_codes::ExitClass::Refused);
}

/// After a power cut, the same command continues, or an uninstall undoes.
#[test]
fn interrupted_install_continues_or_is_undone() {
    let host = Host::new();
    let pack = host.pack("1", &[(NAME, "1", host.package(NAME, "1", ""))]);
    let interrupt = || {
        let prepared = host.prepare(&pack).unwrap();
        durable::create_folder(&host.operations.paths.host_pack()).unwrap();
        let journals = host.operations.host_journals();
        let lock = journals.lock("test").unwrap();
        let mut journal = journals.create(&lock, prepared.pins()).unwrap();
        let pins = journal.pins().unwrap();
        let payload = Payload::from(prepared.pack.verified.clone());
        let media = HostMedia { payload, path: pack.clone(), io: host.operations.io.clone() };
        let mut site = host.operations.host_site(Some(media), host.dpkg());
        // All steps are done, but the commit is not recorded.
        host.operations.engine(&mut journal, &pins).forward(&mut site).unwrap();
    };
    interrupt();
    assert!(!host.prepare(&pack).unwrap().run().unwrap());
    assert!(host.prepare(&pack).unwrap().run().unwrap());
    host.operations.remove_host_pack_by(host.dpkg()).unwrap();
    interrupt();
    assert_eq!(host.file(NAME).as_deref(), Some("1"));
    assert_eq!(host.operations.remove_host_pack_by(host.dpkg()).unwrap().as_deref(), Some("harmless 1"));
    assert_eq!(host.file(NAME), None);
    host.expect_nothing_kept();
}
