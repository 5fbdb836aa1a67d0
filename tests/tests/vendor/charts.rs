//! Helm charts, processed by the program with the real Helm. Charts of typical kinds, from folders and from a
//! repository of charts, become one release. A snapshot shows the result of each.
#![expect(clippy::disallowed_methods, reason = "files of the tests, removed with them")]

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use landfall_xtask::file_server::FileServer;
use landfall_xtask::{images, workspace};
use serde_json::Value;

use super::applied_charts;
use super::hostile_upstreams::store_files;
use super::outcome::Outcome;
use super::starter::starter;

/// Returns the lock of assembled images, with a chart from a repository.
fn lock() -> Result<String> {
    let lock = std::fs::read_to_string(workspace::root().join("tests/images/assembled.lock"))?;
    Ok(format!(
        "{lock}\ncharts:\n  - reference: charts.example/stable/shop:2.3.0\n    repository: \
         https://charts.example/stable\n    digest: unresolved\n    size: unresolved\n"
    ))
}

/// Packages a chart, with its subcharts as separate archives, into a repository on a file server.
fn publish(helm: &Path, served: &Path) -> Result<()> {
    let charts = served.join("work");
    Outcome::success(
        Command::new("cp").arg("--recursive").arg(workspace::root().join("tests/charts/shop")).arg(&charts),
    )?;
    for name in ["web", "library"] {
        let folder = charts.join("charts").join(name);
        let mut package = Command::new(helm);
        Outcome::success(package.arg("package").arg(&folder).arg("--destination").arg(charts.join("charts")))?;
        std::fs::remove_dir_all(&folder)?;
    }
    let stable = served.join("stable");
    std::fs::create_dir(&stable)?;
    Outcome::success(Command::new(helm).arg("package").arg(&charts).arg("--destination").arg(&stable))?;
    Outcome::success(Command::new(helm).args(["repo", "index"]).arg(&stable))?;
    Ok(())
}

/// Returns a document of a bundle's head.
fn document(head: &Path, name: &str) -> Result<Value> {
    // tar reports an unexpected end of the archive, because a head is only its beginning.
    let output = Command::new("tar").args(["--extract", "--to-stdout", "--file"]).arg(head).arg(name).output()?;
    serde_json::from_slice(&output.stdout).with_context(|| format!("the head has no {name}"))
}

/// Returns the objects of a component, in their order.
fn objects(head: &Path, component: &Value) -> Result<Value> {
    document(head, component["objects"].as_str().context("no objects")?)
}

/// Formats a component of a release for people: its needs, its objects in order, and its Secrets.
fn format_component(head: &Path, component: &Value) -> Result<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut lines = vec![format!(
        "{} in {}, needs {}",
        text(&component["name"]),
        text(&component["namespace"]),
        component["needs"]
    )];
    let objects = objects(head, component)?;
    for object in objects.as_array().into_iter().flatten() {
        let metadata = &object["metadata"];
        let elsewhere = (metadata["namespace"].is_string() && metadata["namespace"] != component["namespace"])
            .then(|| format!(" in {}", text(&metadata["namespace"])));
        lines.push(format!("  {}/{}{}", text(&object["kind"]), text(&metadata["name"]), elsewhere.unwrap_or_default()));
    }
    for secret in component["secrets"].as_array().into_iter().flatten() {
        lines.push(format!(
            "  generated {}: random {}, fixed {}",
            text(&secret["name"]),
            secret["random"],
            secret["fixed"]
        ));
    }
    Ok(lines.join("\n"))
}

/// Checks that a look-up is refused in a text that becomes a template, as is a date from the clock. A text that stays a
/// text is not changed.
fn texts_in_quotes_and_days(template: &Path, output: &Path, build: impl Fn() -> Result<Outcome>) -> Result<()> {
    let with = |text: &str| {
        let object = format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: probe}}\ndata:\n  text: {text}\n");
        std::fs::write(template, object)?;
        build()
    };
    for (text, code, says) in [
        (
            r#"{{ tpl `{{ lookup "v1" "Secret" "a" "b" | toJson }}` . | quote }}"#,
            "LF2083",
            "vectors/templates/probe.yaml:5",
        ),
        (r#"{{ now | date "2006-01-02" | quote }}"#, "LF2084", "/data/text"),
        (r#"{{ tpl "{{ now | date \"2006\" }}" . | quote }}"#, "LF2084", "/data/text"),
    ] {
        let refused = with(text)?;
        assert_eq!((refused.code, refused.error()), (2, Some(code)), "{text}: {}", refused.stderr);
        assert!(refused.stderr.contains(says), "{text}: {}", refused.stderr);
        assert!(!output.exists(), "a refused build wrote something");
    }
    let outcome = with(r#"{{ "{{ lookup \"v1\" }} {{ now }}" | quote }}"#)?;
    ensure!(outcome.code == 0, "{}", outcome.stderr);
    let mut written = std::fs::read_dir(output)?.filter_map(|entry| Some(entry.ok()?.path()));
    let head = written.find(|path| path.extension().is_some_and(|extension| extension == "head")).context("no head")?;
    let release = document(&head, "documents/release.json")?;
    let mut components = release["components"].as_array().into_iter().flatten();
    let vectors = components.find(|component| component["name"] == "vectors").context("no vectors")?;
    let objects = objects(&head, vectors)?;
    let mut objects = objects.as_array().into_iter().flatten();
    let probe = objects.find(|object| object["metadata"]["name"] == "probe").context("no probe")?;
    assert_eq!(probe["data"]["text"], r#"{{ lookup "v1" }} {{ now }}"#);
    Ok(())
}

#[test]
#[ignore = "needs cargo xtask test"]
fn charts_of_many_shapes_become_one_release() -> Result<()> {
    let starter = starter()?;
    let helm = images::ensure_helm()?;
    let folder = starter.scratch()?;
    let path = |name: &str| folder.path().join(name);
    std::fs::create_dir(path("served"))?;
    publish(&helm, &path("served"))?;
    let server = FileServer::start(&path("served"))?;
    let vendor = starter.vendor(folder.path(), starter.registry()?)?;
    let mirrors = std::fs::read_to_string(vendor.registries_file())?;
    let mirror = format!("{mirrors}  - {{host: charts.example, endpoint: '{}'}}\n", server.endpoint);
    std::fs::write(vendor.registries_file(), mirror)?;
    std::fs::write(path("images.lock"), lock()?)?;
    let release = workspace::root().join("tests/releases/charts");

    let mut lock = starter.landfall_lock();
    lock.arg(&release).arg("--lock").arg(path("images.lock")).arg("--registries").arg(vendor.registries_file());
    Outcome::success(lock.arg("--helm").arg(&helm).arg("--output").arg(vendor.lock_file()))?;
    let locked = std::fs::read_to_string(vendor.lock_file())?;
    ensure!(locked.contains("\nhelm: {version: v3."), "the lock names no Helm:\n{locked}");
    ensure!(locked.contains("url: https://charts.example/stable/shop-2.3.0.tgz\n"), "no address:\n{locked}");

    let with_helm = ["--json", "--part-size", "none", "--helm", &helm.display().to_string()];
    let arguments = vendor.build_arguments(&release, &path("stick"), &with_helm);
    let report = Outcome::success(&mut starter.command(&vendor, &arguments))?.json()?;
    let names = report["files"].as_array().into_iter().flatten().filter_map(|file| file["name"].as_str());
    let is_head = |name: &&str| Path::new(name).extension().is_some_and(|extension| extension == "head");
    let head = path("stick").join(names.into_iter().find(is_head).context("no head")?);
    let release = document(&head, "documents/release.json")?;
    let components = release["components"].as_array().context("no components")?;
    let mut lines =
        components.iter().map(|component| format_component(&head, component)).collect::<Result<Vec<_>>>()?;
    lines.push(format!("proofs: {}", serde_json::to_string_pretty(&release["proofs"])?));
    insta::assert_snapshot!(lines.join("\n"));
    applied_charts::are_taken(components, |component| objects(&head, component))?;

    // A value that would make a template look up cluster objects is refused, with the line of the template.
    for (from, to) in [("tests/releases", "releases"), ("tests/charts", "charts")] {
        Outcome::success(Command::new("cp").arg("--recursive").arg(workspace::root().join(from)).arg(path(to)))?;
    }
    let values = path("releases/charts/values/image.yaml");
    std::fs::write(&values, std::fs::read_to_string(&values)? + "apiKey: true\n")?;
    let arguments = vendor.build_arguments(&path("releases/charts"), &path("none"), &with_helm[3..]);
    let (store, lock) = (store_files(vendor.store())?, std::fs::read(vendor.lock_file())?);
    let refused = Outcome::of(&mut starter.command(&vendor, &arguments))?;
    assert_eq!((refused.code, refused.error()), (2, Some("LF2083")), "{}", refused.stderr);
    assert!(refused.stderr.contains("vectors/templates/secret.yaml:3:13"), "{}", refused.stderr);
    assert_eq!((store_files(vendor.store())?, std::fs::read(vendor.lock_file())?), (store, lock));

    std::fs::write(&values, std::fs::read_to_string(&values)?.replace("apiKey: true\n", ""))?;
    let arguments = vendor.build_arguments(&path("releases/charts"), &path("texts"), &with_helm[1..]);
    texts_in_quotes_and_days(&path("charts/vectors/templates/probe.yaml"), &path("texts"), || {
        Outcome::of(&mut starter.command(&vendor, &arguments))
    })?;

    // A Helm version other than the lock's renders nothing.
    let other = path("other-helm");
    std::fs::write(&other, "#!/bin/sh\n")?;
    let with_other = ["--helm", &other.display().to_string()];
    let arguments =
        vendor.build_arguments(&workspace::root().join("tests/releases/charts"), &path("none"), &with_other);
    let refused = Outcome::of(&mut starter.command(&vendor, &arguments))?;
    assert_eq!((refused.code, refused.error()), (2, Some("LF2032")), "{}", refused.stderr);
    assert!(!path("none").exists(), "a refused build wrote something");
    Ok(())
}
