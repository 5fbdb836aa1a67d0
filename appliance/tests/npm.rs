//! Tests with real npm, and pnpm and Yarn if installed, against the registry as a program: no other source, and locks
//! of other registries.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use landfall_bundle_spec::Sha256;
use landfall_media::durable;
use landfall_packages::npm::{NpmList, NpmPackage, inspect, sample};
use program::Program;
use serde_json::{Value, json};

mod program;

/// The registry that the locks name, which does not exist.
const ELSEWHERE: &str = "registry.example.com";

/// Registry of a set of packages, which ends with the test.
struct RunningRegistry {
    folder: tempfile::TempDir,
    program: Program,
    packages: Vec<NpmPackage>,
}

impl RunningRegistry {
    /// Starts a registry in which `tool` needs `small` and, only on another system, `other`.
    fn begin() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tool = json!({
            "dependencies": { "small": "^1.0.0" }, "optionalDependencies": { "@scope/other": "1.0.0" },
            "bin": "index.js",
        });
        let packages = [
            sample::package("@scope/tool", "1.0.0", &tool),
            sample::package("@scope/other", "1.0.0", &json!({ "os": ["aix"] })),
            sample::package("small", "1.0.0", &json!({})),
            sample::package("small", "1.1.0", &json!({})),
            sample::package("small", "2.0.0", &json!({})),
        ];
        let listed = packages.iter().map(|(file, bytes)| {
            let (path, digest) = (format!("web/{file}"), Sha256::of(bytes));
            let place = folder.path().join("packages").join(&path);
            durable::create_folder(place.parent().unwrap()).unwrap();
            durable::write_file(&place, bytes, 0o644).unwrap();
            inspect(&path, digest, bytes.len() as u64, bytes.as_slice()).unwrap()
        });
        let packages: Vec<NpmPackage> = listed.collect();
        let parts = NpmList::new(packages.clone()).unwrap().to_parts().unwrap();
        durable::write_file(&folder.path().join("npm.json"), &parts[0], 0o644).unwrap();
        let of = |name: &str| folder.path().join(name).into_os_string();
        let program = Program::begin(&[
            ("--npm-digest", NpmList::digest(&parts).to_string().into()),
            ("--folder", of("packages")),
            ("--npm-list", of("npm.json")),
        ]);
        Self { folder, program, packages }
    }

    fn registry(&self) -> String {
        format!("http://{}/npm/", self.program.address)
    }

    fn package(&self, name: &str, version: &str) -> &NpmPackage {
        self.packages.iter().find(|package| package.name == name && package.version == version).unwrap()
    }

    /// Creates a folder with a project that needs `tool`, and `small` in its older version.
    fn project(&self, name: &str) -> PathBuf {
        let folder = self.folder.path().join(name);
        durable::create_folder(&folder).unwrap();
        write(&folder, "package.json", &project());
        folder
    }

    /// Returns a lock of the project as npm writes it with another registry, with the integrity of these packages.
    fn lock(&self) -> Value {
        let locked = |name: &str, version: &str, more: Value| {
            let package = self.package(name, version);
            let mut entry = json!({
                "version": version, "resolved": format!("https://{ELSEWHERE}/{}", package.address()),
                "integrity": package.integrity,
            });
            entry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            entry
        };
        let mut root = project();
        root.as_object_mut().unwrap().remove("private");
        json!({ "name": "project", "version": "1.0.0", "lockfileVersion": 3, "requires": true, "packages": {
            "": root,
            "node_modules/small": locked("small", "1.0.0", json!({})),
            "node_modules/@scope/tool": locked("@scope/tool", "1.0.0", json!({
                "dependencies": { "small": "^1.0.0" }, "optionalDependencies": { "@scope/other": "1.0.0" },
                "bin": { "tool": "index.js" },
            })),
            "node_modules/@scope/other": locked("@scope/other", "1.0.0", json!({ "optional": true, "os": ["aix"] })),
        } })
    }

    /// Runs a client in a folder, without the settings of the machine.
    fn run(&self, program: &str, folder: &Path, arguments: &[&str]) -> Output {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars() {
            let lower = name.to_ascii_lowercase();
            if lower.starts_with("npm_") || lower.starts_with("yarn_") || lower.ends_with("_proxy") {
                command.env_remove(name);
            }
        }
        command.env("HOME", self.folder.path()).env("CI", "false").current_dir(folder).args(arguments);
        let (of_npm, none) = (self.registry(), |name: &str| self.folder.path().join("missing").join(name));
        command.env("npm_config_registry", &of_npm);
        command.env("npm_config_userconfig", none("user")).env("npm_config_globalconfig", none("global"));
        // Yarn since version 2.
        command
            .env("YARN_NPM_REGISTRY_SERVER", of_npm.trim_end_matches('/'))
            .env("YARN_UNSAFE_HTTP_WHITELIST", "127.0.0.1");
        command
            .env("YARN_NODE_LINKER", "node-modules")
            .env("YARN_NPM_MINIMAL_AGE_GATE", "0")
            .env("YARN_ENABLE_TELEMETRY", "0")
            .env("YARN_ENABLE_GLOBAL_CACHE", "0");
        command.output().unwrap_or_else(|error| panic!("{program} cannot be started, which this test needs: {error}"))
    }

    /// Runs npm with the registry as its only source: the script that `LANDFALL_NPM` names, or the one in `PATH`.
    fn npm(&self, folder: &Path, arguments: &[&str]) -> Output {
        let (registry, cache) = (self.registry(), self.folder.path().join(folder.with_extension("cache")));
        let usual =
            ["--offline=false", "--registry", &registry, "--cache", cache.to_str().unwrap(), "--no-audit", "--no-fund"];
        let more = ["--no-update-notifier", "--fetch-retries=0"];
        match std::env::var("LANDFALL_NPM") {
            Ok(script) => self.run("node", folder, &[&[script.as_str()], arguments, &usual, &more].concat()),
            Err(_) => self.run("npm", folder, &[arguments, &usual, &more].concat()),
        }
    }
}

fn write(folder: &Path, name: &str, document: &Value) {
    durable::write_file(&folder.join(name), document.to_string().as_bytes(), 0o644).unwrap();
}

fn project() -> Value {
    json!({ "name": "project", "version": "1.0.0", "private": true,
        "dependencies": { "@scope/tool": "1.0.0", "small": "1.0.0" } })
}

fn output_text(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned()).join("\n")
}

/// Checks that the project has its dependencies, and nothing for another system.
fn expect_installed(folder: &Path, output: &Output) {
    assert!(output.status.success(), "{}", output_text(output));
    let modules = folder.join("node_modules");
    for file in ["small/index.js", "small/package.json", "@scope/tool/index.js", ".bin/tool"] {
        assert!(modules.join(file).exists(), "{file} is not in {}: {}", modules.display(), output_text(output));
    }
    let module = std::fs::read_to_string(modules.join("small/index.js")).unwrap();
    assert_eq!(module, "module.exports = '1.0.0';\n");
    assert!(!modules.join("@scope/other").exists(), "a package of another system was installed");
}

#[test]
fn npm_installs_from_foreign_lock() {
    let index = RunningRegistry::begin();
    // The first value is npm's default behavior for addresses of the public registry.
    for replaced in [ELSEWHERE, "always"] {
        let folder = index.project(&format!("ci-{replaced}"));
        write(&folder, "package-lock.json", &index.lock());
        let output = index.npm(&folder, &["ci", &format!("--replace-registry-host={replaced}")]);
        expect_installed(&folder, &output);
    }
}

#[test]
fn npm_refuses_mismatched_package() {
    let index = RunningRegistry::begin();
    let folder = index.project("wrong");
    let mut lock = index.lock();
    lock["packages"]["node_modules/small"]["integrity"] = json!(index.package("small", "2.0.0").integrity);
    write(&folder, "package-lock.json", &lock);
    let output = index.npm(&folder, &["ci", "--replace-registry-host=always"]);
    assert!(!output.status.success() && output_text(&output).contains("EINTEGRITY"), "{}", output_text(&output));
    assert!(!folder.join("node_modules/small/index.js").exists());
}

#[test]
fn npm_writes_listed_integrity() {
    let index = RunningRegistry::begin();
    let folder = index.project("named");
    write(&folder, "package.json", &json!({ "name": "project", "version": "1.0.0" }));
    let output = index.npm(&folder, &["install", "--save-exact", "@scope/tool", "small@1.0.0"]);
    expect_installed(&folder, &output);
    let lock: Value = serde_json::from_slice(&std::fs::read(folder.join("package-lock.json")).unwrap()).unwrap();
    for (name, version) in [("small", "1.0.0"), ("@scope/tool", "1.0.0"), ("@scope/other", "1.0.0")] {
        let (entry, package) = (&lock["packages"][format!("node_modules/{name}")], index.package(name, version));
        assert_eq!(entry["integrity"], json!(package.integrity), "{name}");
        assert_eq!(entry["resolved"], json!(format!("{}{}", index.registry(), package.address())), "{name}");
    }
    // npm can install again by its own lock.
    std::fs::remove_dir_all(folder.join("node_modules")).unwrap();
    let output = index.npm(&folder, &["ci"]);
    expect_installed(&folder, &output);
    let shown = index.npm(&folder, &["view", "small", "versions", "dist-tags.latest", "--json"]);
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(shown, json!({ "versions": ["1.0.0", "1.1.0", "2.0.0"], "dist-tags.latest": "2.0.0" }));
}

/// Makes a client resolve a project, and install it again by its own lock.
fn works_with(program: &str, first: &[&str], frozen: &[&str]) {
    let index = RunningRegistry::begin();
    let folder = index.project(program);
    expect_installed(&folder, &index.run(program, &folder, first));
    std::fs::remove_dir_all(folder.join("node_modules")).unwrap();
    expect_installed(&folder, &index.run(program, &folder, frozen));
}

#[test]
#[ignore = "needs pnpm, which Debian does not have"]
fn pnpm_installs_from_registry() {
    works_with(
        "pnpm",
        &["install", "--no-frozen-lockfile", "--store-dir=store"],
        &["install", "--frozen-lockfile", "--store-dir=other"],
    );
}

#[test]
#[ignore = "needs Yarn, of which Debian has an old version under another name"]
fn yarn_installs_from_registry() {
    works_with("yarn", &["install"], &["install", "--frozen-lockfile"]);
}
