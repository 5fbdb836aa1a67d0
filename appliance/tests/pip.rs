//! Tests with real pip and real uv against the index as a program: no other source, and required hashes.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use landfall_bundle_spec::Sha256;
use landfall_media::durable;
use landfall_packages::{WheelList, inspect, sample};
use program::Program;

mod program;

/// Index of a set of wheels, which ends with the test.
struct RunningIndex {
    folder: tempfile::TempDir,
    program: Program,
    /// Requirements of every wheel, with hashes.
    requirements: String,
}

impl RunningIndex {
    /// Starts an index in which `small` needs `other-one`; a later `small` requires a Python that no machine has.
    fn begin() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let wheels = [
            ("small", "1.0", "Requires-Python: >=3.8\nRequires-Dist: Other.One>=2\n"),
            ("small", "3.0", "Requires-Python: >=99\n"),
            ("other_one", "2.0+cpu", ""),
        ];
        let mut requirements = String::new();
        let listed = wheels.iter().map(|(name, version, more)| {
            let (file, bytes) = sample::wheel(name, version, more);
            let path = format!("set/{file}");
            durable::create_folder(&folder.path().join("wheels/set")).unwrap();
            durable::write_file(&folder.path().join("wheels").join(&path), &bytes, 0o644).unwrap();
            let digest = Sha256::of(&bytes);
            if *version != "3.0" {
                writeln!(requirements, "{name}=={version} --hash=sha256:{}", digest.to_hex()).unwrap();
            }
            inspect(&path, digest, bytes.len() as u64, bytes.as_slice()).unwrap()
        });
        let list = WheelList::new(listed.collect()).unwrap().to_bytes().unwrap();
        durable::write_file(&folder.path().join("wheels.json"), &list, 0o644).unwrap();
        let digest = Sha256::of(&list).to_string();
        let of = |name: &str| folder.path().join(name).into_os_string();
        let program =
            Program::begin(&[("--digest", digest.into()), ("--folder", of("wheels")), ("--list", of("wheels.json"))]);
        Self { folder, program, requirements }
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        durable::write_file(&path, text.as_bytes(), 0o644).unwrap();
        path
    }

    /// Installs to a folder, with a program's own arguments first, without the settings of the machine.
    fn install(&self, program: &[&str], into: &str, arguments: &[&str]) -> (Output, PathBuf) {
        let target = self.folder.path().join(into);
        let mut command = Command::new(program[0]);
        for (name, _) in std::env::vars().filter(|(name, _)| {
            name.starts_with("PIP_") || name.starts_with("UV_") || name.to_ascii_lowercase().ends_with("_proxy")
        }) {
            command.env_remove(name);
        }
        command.env("HOME", self.folder.path()).env("PIP_CONFIG_FILE", "/dev/null");
        command.args(&program[1..]).args(["--index-url", &format!("http://{}/simple/", self.program.address)]);
        command.arg("--target").arg(&target).args(arguments);
        (command.output().unwrap(), target)
    }
}

const PIP: &[&str] = &["python3", "-m", "pip", "--disable-pip-version-check", "install", "--no-cache-dir"];
const UV: &[&str] = &["uv", "pip", "install", "--no-cache", "--no-config"];

fn expect_installed((output, target): (Output, PathBuf), modules: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stdout));
    for module in modules {
        assert!(target.join(module).is_file(), "{module} is not in {}: {said}", target.display());
    }
}

fn expect_refused((output, target): (Output, PathBuf), why: &str) {
    let said = String::from_utf8_lossy(&output.stderr).to_ascii_lowercase();
    assert!(!output.status.success() && said.contains(why), "{said}");
    assert!(!target.join("small.py").exists());
}

/// Tests what every client can do with the index.
fn works_with(client: &[&str], of_wrong_hash: &str) {
    let index = RunningIndex::begin();
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let requirements = path(&index.file("requirements.txt", &index.requirements));
    let hashed = ["--require-hashes", "--no-deps", "--requirement", &requirements];
    expect_installed(index.install(client, "hashed", &hashed), &["small.py", "other_one.py"]);

    // The later version requires another Python; the dependency is found under another spelling of its name.
    expect_installed(index.install(client, "resolved", &["Small"]), &["small.py", "other_one.py"]);
    let version = std::fs::read_to_string(index.folder.path().join("resolved/small.py")).unwrap();
    assert_eq!(version, "VERSION = \"1.0\"\n");

    let wrong: String = index.requirements.replace("sha256:", "sha256:0000");
    let wrong: String = wrong.lines().map(|line| line[..line.len() - 4].to_owned() + "\n").collect();
    let wrong = path(&index.file("wrong.txt", &wrong));
    let hashed = ["--require-hashes", "--no-deps", "--requirement", &wrong];
    expect_refused(index.install(client, "wrong", &hashed), of_wrong_hash);
}

#[test]
fn pip_installs_from_index() {
    works_with(PIP, "do not match the hashes");
}

#[test]
#[ignore = "needs uv: cargo xtask test --only vendor"]
fn uv_installs_from_index() {
    works_with(UV, "hash");
}
