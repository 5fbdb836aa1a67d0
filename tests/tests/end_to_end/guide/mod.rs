//! The guide of the handbook, from an empty folder to a site, followed literally. It uses a company's proxy with its
//! own certificate authority, a registry whose tokens expire after 30 seconds, a hub and a package index. The target
//! is a machine that has only the stick.

mod at_site;
mod desk;
mod proxy;
mod turns;
mod walk;

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use landfall_test_support::hub_server::{Hub, sha256};
use landfall_test_support::package_server::PackageServer;
use landfall_xtask::images;
use landfall_xtask::outcome::Outcome;
use landfall_xtask::registry::Registry;
use landfall_xtask::token_server::{Limit, TokenServer};
use landfall_xtask::wheel_index::put_wheel;
use serde_json::Value;

use self::desk::Desk;
use self::proxy::Proxy;

/// Repository of the guide's model, and a commit.
const REPOSITORY: &str = "sentence-transformers/all-MiniLM-L6-v2";
const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// Validity of a registry token, in seconds.
const TOKEN_SECONDS: u32 = 30;

/// File names of wheels that no other part of this repository has. One is named by the guide, in a version of the
/// company's own, and the other is its dependency.
const WHEEL_NAMES: [&str; 2] = ["packaging-99.0-py3-none-any.whl", "tally-1.0-py3-none-any.whl"];

/// Script that writes a wheel to the named file, with these additional lines of metadata.
const WHEEL: &str = r#"
import os, sys, zipfile
path, more = sys.argv[1:]
name, version = os.path.basename(path).split("-")[:2]
information = f"{name}-{version}.dist-info"
files = {
    f"{name}/__init__.py": "TOTAL = 6\n",
    f"{information}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{more}",
    f"{information}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
}
record = f"{information}/RECORD"
files[record] = "".join(f"{name},,\n" for name in [*files, record])
with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
    for name, text in files.items():
        archive.writestr(name, text)
"#;

/// Returns weights of one tensor with two numbers.
fn weights() -> Vec<u8> {
    let header = br#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;
    [&(header.len() as u64).to_le_bytes()[..], header, &[0; 8]].concat()
}

/// Starts a hub with the model of the guide.
fn hub() -> Result<Hub> {
    let hub = Hub::start()?;
    let card = b"---\nlicense: apache-2.0\n---\n";
    hub.push(REPOSITORY, COMMIT, &[("model.safetensors", &weights(), true), ("README.md", card, false)]);
    Ok(hub)
}

/// Starts a package index with the wheels, and returns their digests.
fn index(folder: &Path) -> Result<(PackageServer, [String; 2])> {
    let server = PackageServer::start()?;
    let put = |name: &str, more: &str| -> Result<String> {
        let path = folder.join(name);
        Outcome::success(Command::new("python3").args(["-c", WHEEL]).arg(&path).arg(more))?;
        Ok(put_wheel(&server, name, std::fs::read(&path)?))
    };
    let [asked, required] = WHEEL_NAMES;
    let digests = [put(asked, "Requires-Dist: tally>=1\n")?, put(required, "")?];
    Ok((server, digests))
}

/// Converts a URL such as `http://127.0.0.1:5000` to a socket address.
fn address(endpoint: &str) -> Result<std::net::SocketAddr> {
    endpoint.trim_start_matches("http://").parse().with_context(|| format!("{endpoint} is no address"))
}

#[test]
#[ignore = "needs cargo xtask test"]
fn guide_leads_to_running_site() -> Result<()> {
    let parts = images::ensure_all()?;
    let tokens = TokenServer::start(Limit { requests: 0, wait_seconds: 1 })?;
    let registry = Registry::start_for_tokens(&parts.tree.root, &tokens)?;
    let desk = Desk::new()?;
    let (hub, (index, wheels)) = (hub()?, index(desk.around())?);
    let servers = [
        ("registry.test", registry.address()),
        ("tokens.test", tokens.address()),
        ("hub.test", address(&hub.endpoint())?),
        ("packages.test", address(&index.endpoint())?),
    ];
    let proxy = Proxy::start(desk.around(), TOKEN_SECONDS, &servers)?;
    desk.bring_programs(&parts.binaries.join("kubectl"), &proxy)?;

    let for_the_site = desk.follow_the_guide(&proxy)?;
    let shown = Outcome::success(&mut desk.shell("landfall inspect stick --json"))?.json()?;
    expect_release(&shown, &wheels)?;
    expect_way(&proxy.log()?)?;
    expect_nothing_to_ask(&desk, &proxy)?;
    desk.build_next()?;
    at_site::land(&for_the_site, &desk.stick(), &shown)
}

/// Fails if a build downloads content that is already in the store.
fn expect_nothing_to_ask(desk: &Desk, proxy: &Proxy) -> Result<()> {
    let asked = proxy.log()?.len();
    let again =
        "landfall build release --registries registries.yaml --key keys/cosign.key --roots keys --output stick --json";
    let report = Outcome::success(&mut desk.shell(again))?.json()?;
    ensure!(report["kept"].is_string(), "nothing has changed, and the bundle was not kept: {report}");
    let more = proxy.log()?.split_off(asked);
    ensure!(more.is_empty(), "an unchanged build requested {more:?}");
    Ok(())
}

/// Fails unless the release has the chart with its hooks, the model, and the guide's wheel with its dependency.
fn expect_release(shown: &Value, wheels: &[String]) -> Result<()> {
    assert_eq!(shown["name"], "hello");
    let release = &shown["release"];
    let list = |name: &str| release[name].as_array().with_context(|| format!("no {name}"));
    let names: Vec<_> = list("components")?.iter().filter_map(|component| component["name"].as_str()).collect();
    let expected = ["hello-before", "hello", "hello-after", "packages", "console"];
    ensure!(expected.iter().all(|name| names.contains(name)), "{names:?}");
    let file = |artifact: &str, path: &str| -> Result<Value> {
        let found = list("artifacts")?.iter().find(|found| found["name"] == artifact).context("no such artifact")?;
        let mut files = found["files"].as_array().into_iter().flatten();
        Ok(files.find(|file| file["path"] == path).with_context(|| format!("{artifact} has no {path}"))?["blob"]
            .clone())
    };
    assert_eq!(file("model", "model.safetensors")?["digest"], format!("sha256:{}", sha256(&weights())));
    for (name, digest) in WHEEL_NAMES.iter().zip(wheels) {
        assert_eq!(file("wheels", name)?["digest"], format!("sha256:{digest}"));
    }
    Ok(())
}

/// Fails unless everything came through the proxy, under the names that it knows, and tokens expired in the middle of
/// the pull.
fn expect_way(log: &[String]) -> Result<()> {
    let count = |beginning: &str| log.iter().filter(|line| line.starts_with(beginning)).count();
    for server in ["registry.test", "tokens.test", "hub.test", "packages.test"] {
        ensure!(count(&format!("{server} ")) > 0, "{server} was not asked");
    }
    ensure!(count("unknown ") + count("plain ") == 0, "something else was asked: {log:?}");
    let ended = log.iter().filter(|line| line.starts_with("ended ") && line.contains("/blobs/")).count();
    ensure!(ended > 0, "no token expired during the pull");
    Ok(())
}
