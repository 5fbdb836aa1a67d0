//! The differences between 1.0.0 and 1.1.0 that a site shows. They are an added and a removed component, another
//! default of a setting, and an edited `ConfigMap`. The model and the database's minor version differ as well. The
//! removed component's data stays, and so do an administrator's edits.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use landfall_xtask::edits;
use landfall_xtask::later_releases::{self, DEFAULT_MEMORY};
use landfall_xtask::once::Once;
use landfall_xtask::proofs::{admin_output, in_pod, sql};
use landfall_xtask::site::{Machine, wait_until};
use serde_json::Value;

/// Time limit for pods of a removed component to end.
const END_LIMIT: Duration = Duration::from_mins(1);

/// Client command of the cache, which 1.1.0 lacks.
const CACHE: &str = "export REDISCLI_AUTH=$(cat /run/secrets/valkey/password); valkey-cli -h 127.0.0.1 -e";

/// Value in the cache.
const WORD: &str = "written-before-any-upgrade";

/// Writes to the cache, and edits an object of the database.
pub(crate) fn prepare(machine: &Machine) -> Result<()> {
    let set = in_pod(machine, "valkey", "valkey-0", &format!("{CACHE} set kept {WORD}"))?;
    ensure!(set.status.success(), "the cache takes nothing: {}{}", set.stdout, set.stderr);
    edits::make(machine)
}

/// Fails unless a site with this status has the components and the `ConfigMap` of this version, and everything that
/// [`prepare`] made. The site may have only data of the other version.
pub(crate) fn expect(machine: &Machine, version: &str, status: &Value) -> Result<()> {
    let is_later = version == "1.1.0";
    for (component, is_wanted) in [("bulletin", is_later), ("valkey", !is_later)] {
        let mut components = status["components"].as_array().into_iter().flatten();
        let is_there = components.any(|one| one["component"] == component);
        ensure!(is_there == is_wanted, "{component} is wrong for {version}: {:#}", status["components"]);
        if !is_wanted {
            expect_gone(machine, component)?;
        }
    }
    if is_later {
        expect_copied_password(machine)?;
    }
    let scripts = object(machine, "configmap postgres-first-start")?["data"]["10-vector.sql"].clone();
    let script = scripts.as_str().context("the database has no first script")?;
    ensure!(script.contains("schema_version") == is_later, "{version} has the script {script}");
    expect_model(machine, version)?;
    expect_server(machine, version)
}

/// Fails unless the added component has the database's password, in its own namespace and under a key of its own.
fn expect_copied_password(machine: &Machine) -> Result<()> {
    let password = object(machine, "secret postgres-credentials")?["data"]["password"].clone();
    let copied = admin_output(machine, "kubectl --namespace bulletin get secret database --output json")?;
    let copied: Value = serde_json::from_str(&copied).context("the Secret is no JSON")?;
    // Neither value belongs in a log.
    ensure!(password.is_string() && copied["data"]["login"] == password, "the copied password differs");
    Ok(())
}

/// Fails unless pods read the model of this version, and only that model has a claim.
fn expect_model(machine: &Machine, version: &str) -> Result<()> {
    let [first, later] = model_weights()?;
    let wanted = if version == "1.1.0" { later } else { first };
    let found = in_pod(machine, "assistant", "deployment/assistant", "sha256sum /models/minilm/model.safetensors")?;
    let found = format!("sha256:{}", found.stdout.split(' ').next().unwrap_or_default());
    ensure!(found == wanted, "a pod of {version} reads the model {found}, not {wanted}");
    let claims = admin_output(machine, "kubectl --namespace assistant get persistentvolumeclaims --output name")?;
    let models = claims.lines().filter(|claim| claim.contains("/minilm-")).count();
    ensure!(models == 1, "{version} has these claims: {claims}");
    if version == "1.1.0" { expect_image_volume(machine) } else { Ok(()) }
}

/// Fails unless a pod can read the files of an image volume but not change them. Kubernetes does not allow executing a
/// program from there.
fn expect_image_volume(machine: &Machine) -> Result<()> {
    let script = "head -c 4 /tools/bin/busybox | tail -c 3; touch /tools/planted";
    let said = in_pod(machine, "assistant", "deployment/assistant", script)?;
    let is_mounted = said.stdout.trim() == "ELF" && said.stderr.contains("Read-only file system");
    ensure!(is_mounted, "the image's volume answers {}{}", said.stdout, said.stderr);
    Ok(())
}

/// Returns the digests of the model's weights in 1.0.0 and in 1.1.0.
fn model_weights() -> Result<[String; 2]> {
    static WEIGHTS: Once<[String; 2]> = Once::new();
    WEIGHTS.get(later_releases::model_weights).cloned()
}

/// Returns the minor versions of the database in 1.0.0 and in 1.1.0.
pub(crate) fn server_versions() -> Result<[String; 2]> {
    static VERSIONS: Once<[String; 2]> = Once::new();
    VERSIONS.get(later_releases::server_versions).cloned()
}

/// Fails unless the running database has this version's minor version.
fn expect_server(machine: &Machine, version: &str) -> Result<()> {
    let [first, later] = server_versions()?;
    let wanted = if version == "1.1.0" { later } else { first };
    // Its format is that of `17.12 (Debian 17.12-0+deb13u1)`.
    let found = sql(machine, "SHOW server_version")?;
    ensure!(found.split(' ').next() == Some(wanted.as_str()), "{version} has PostgreSQL {found}, not {wanted}");
    Ok(())
}

/// Fails unless everything that [`prepare`] made still exists, in a site of this version.
pub(crate) fn expect_kept(machine: &Machine, version: &str) -> Result<()> {
    admin_output(machine, "kubectl --namespace valkey get persistentvolumeclaim data-valkey-0")?;
    if version == "1.0.0" {
        let word = in_pod(machine, "valkey", "valkey-0", &format!("{CACHE} get kept"))?;
        ensure!(word.stdout.trim() == WORD, "the cache holds {}{}", word.stdout, word.stderr);
    }
    edits::expect_kept(machine)
}

/// Returns the database's memory limit in this version if the site sets none.
pub(crate) fn default_memory(version: &str) -> &'static str {
    let [first, later] = DEFAULT_MEMORY;
    if version == "1.1.0" { later } else { first }
}

/// Fails unless this is the memory limit of the running database.
pub(crate) fn expect_memory(machine: &Machine, memory: &str) -> Result<()> {
    let found = object(machine, "pod postgres-0")?["spec"]["containers"][0]["resources"]["limits"]["memory"].clone();
    ensure!(found == memory, "the database may use {found}, not {memory}");
    Ok(())
}

/// Fails if a component has pods or other objects of a release. Objects with data stay.
fn expect_gone(machine: &Machine, component: &str) -> Result<()> {
    let kinds = "pods,services,statefulsets,serviceaccounts,configmaps";
    let list = format!("kubectl --namespace {component} get {kinds} --output name");
    let mut left = Vec::new();
    let gone = wait_until(&format!("the end of {component}"), END_LIMIT, || {
        let names = admin_output(machine, &list)?;
        // Kubernetes creates these in each namespace.
        let made = |name: &&str| !["configmap/kube-root-ca.crt", "serviceaccount/default"].contains(name);
        left = names.lines().filter(made).map(str::to_owned).collect();
        Ok(left.is_empty().then_some(()))
    });
    gone.with_context(|| format!("{component} has {left:?}"))
}

/// Returns an object in the database's namespace, by its kind and name.
fn object(machine: &Machine, name: &str) -> Result<Value> {
    let text = admin_output(machine, &format!("kubectl --namespace postgres get {name} --output json"))?;
    serde_json::from_str(&text).with_context(|| format!("{name} is no JSON"))
}
