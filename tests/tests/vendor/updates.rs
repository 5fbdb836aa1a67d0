//! Entries of a lock that are updated by name, from a file server on loopback. There is no registry, so no other entry
//! can be requested.
#![expect(clippy::disallowed_methods, reason = "files of the tests, removed with them")]

use std::process::Command;

use anyhow::{Context, Result};
use landfall_xtask::file_server::FileServer;
use landfall_xtask::workspace;

use super::outcome::Outcome;
use super::starter::{release, starter};

const FIRST: &str = "as upstream says\n";
const SECOND: &str = "as upstream says now\n";

/// SHA-256 of `as upstream says\n`, and of the other text.
const DIGESTS: [&str; 2] = [
    "sha256:9a39e5bc9afecd421c2e2e48f506548a55cdb5f9e745211499f62ea5e01e88b9",
    "sha256:5df81b6aed5d37c47e9601d6992959829a1b557f9424051d693af5bf061e2bdd",
];

/// Returns the checked-in lock with runc as one file.
fn lock() -> Result<String> {
    let lock = std::fs::read_to_string(workspace::root().join("tests/images/assembled.lock"))?;
    let (before, rest) = lock.split_once("  - reference: github.com/opencontainers/runc:").context("no runc")?;
    let after = rest.find("  - reference: ").map_or("", |next| &rest[next..]);
    Ok(format!(
        "{before}  - reference: github.com/opencontainers/runc:v1  # kept\n    files:\n      \
         - {{url: 'https://files.example/NOTICE', digest: unresolved, size: unresolved, path: NOTICE}}\n{after}"
    ))
}

#[test]
#[ignore = "needs cargo xtask test"]
fn named_update_changes_nothing_else() -> Result<()> {
    let starter = starter()?;
    let folder = starter.scratch()?;
    let path = |name: &str| folder.path().join(name);
    std::fs::create_dir_all(path("served"))?;
    std::fs::write(path("served/NOTICE"), FIRST)?;
    let server = FileServer::start(&path("served"))?;
    std::fs::write(
        path("registries.yaml"),
        format!("mirrors: [{{host: files.example, endpoint: '{}'}}]\n", server.endpoint),
    )?;
    std::fs::write(path("images.lock"), lock()?)?;
    let update = |names: &[&str]| -> Command {
        let mut command = starter.landfall(&["lock"]);
        command.arg(release()).arg("--lock").arg(path("images.lock")).arg("--store").arg(path("store"));
        command.arg("--registries").arg(path("registries.yaml")).arg("--update").args(names);
        command
    };

    let shown = path("images.lock").display().to_string();
    let said = Outcome::success(&mut update(&["opencontainers/runc"]))?;
    let of_file = "https://files.example/NOTICE";
    assert_eq!(
        said.text()?.replace(&shown, "LOCK"),
        format!(
            "artifact github.com/opencontainers/runc:v1\n  + {of_file} {of_file} {} (17 bytes)\n\
             LOCK: 1 entry asked for, 1 changed\n",
            DIGESTS[0]
        )
    );
    let locked = std::fs::read_to_string(path("images.lock"))?;
    let pinned = |digest: &str, size: usize| {
        format!("url: '{of_file}', resolved: '{of_file}', digest: {digest}, size: {size}, path: NOTICE")
    };
    let unresolved = format!("url: '{of_file}', digest: unresolved, size: unresolved, path: NOTICE");
    assert_eq!(locked, lock()?.replace(&unresolved, &pinned(DIGESTS[0], 17)));

    std::fs::write(path("served/NOTICE"), SECOND)?;
    let document = Outcome::success(update(&["runc:v1"]).arg("--json"))?.json()?;
    assert_eq!((&document["kind"], &document["schema"]), (&"lockUpdate".into(), &1.into()));
    let input = &document["changed"][0]["inputs"][0];
    assert_eq!([&input["before"]["digest"], &input["after"]["digest"]], DIGESTS);
    let changed = std::fs::read_to_string(path("images.lock"))?;
    assert_eq!(changed, lock()?.replace(&unresolved, &pinned(DIGESTS[1], 21)));
    let said = Outcome::success(&mut update(&["runc"]))?;
    assert_eq!(said.text()?.replace(&shown, "LOCK"), "LOCK: 1 entry asked for, nothing changed\n");

    let refused = Outcome::of(&mut update(&["runk:v1", "runc"]))?;
    assert_eq!((refused.code, refused.error()), (2, Some("LF2007")), "{}", refused.stderr);
    let expected = "no entry is called `runk:v1`; did you mean `github.com/opencontainers/runc:v1`?";
    assert!(refused.stderr.contains(expected), "{}", refused.stderr);
    assert_eq!(std::fs::read_to_string(path("images.lock"))?, changed);
    Ok(())
}
