//! Registries that require authentication, and connections that could be intercepted.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use landfall_xtask::registry::Registry;
use landfall_xtask::token_server::{Limit, TokenServer};
use landfall_xtask::vendor::Vendor;
use landfall_xtask::workspace;

use super::outcome::Outcome;
use super::starter::{Starter, release, starter};

/// A line of `htpasswd -B`: the user `vendor` with [`PASSWORD`].
const USER: &str = "vendor:$2y$05$LandfallTestsVendorUuuCdQEgMTofs3zn3CPNXAKoUfu5Zcw6vm\n";

/// Password of the registry.
const PASSWORD: &str = "correct horse battery";

/// `vendor:` and [`PASSWORD`] in the form that Docker stores.
const AUTH: &str = "dmVuZG9yOmNvcnJlY3QgaG9yc2UgYmF0dGVyeQ==";

/// `vendor:wrong` in the same form.
const WRONG_AUTH: &str = "dmVuZG9yOndyb25n";

#[expect(clippy::disallowed_methods, reason = "a throw-away file of a test")]
fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// Resolves the checked-in lock with a Docker configuration that contains these credentials, or none.
fn lock(starter: &Starter, vendor: &Vendor, folder: &Path, auth: Option<&str>) -> Result<Outcome> {
    let docker = folder.join("docker");
    std::fs::create_dir_all(&docker)?;
    let address = vendor.registries_file();
    let address = std::fs::read_to_string(address)?;
    let (_, address) = address.split_once("http://").context("no endpoint")?;
    let address = address.lines().next().unwrap_or_default();
    let auths = auth.map_or_else(|| serde_json::json!({}), |auth| serde_json::json!({ address: { "auth": auth } }));
    write(&docker.join("config.json"), &serde_json::json!({ "auths": auths }).to_string())?;
    let mut command = starter.landfall_lock();
    command.arg(release()).arg("--lock").arg(workspace::root().join("tests/images/assembled.lock"));
    command.arg("--registries").arg(vendor.registries_file()).arg("--output").arg(folder.join("new.lock"));
    Outcome::of(command.env("DOCKER_CONFIG", docker))
}

#[test]
#[ignore = "needs cargo xtask test"]
fn docker_credentials_open_registry() -> Result<()> {
    let starter = starter()?;
    let folder = starter.scratch()?;
    let users = folder.path().join("htpasswd");
    write(&users, USER)?;
    let vendor = starter.vendor(folder.path(), Registry::start_for_users(starter.tree(), &users)?)?;

    for auth in [None, Some(WRONG_AUTH)] {
        let refused = lock(starter, &vendor, folder.path(), auth)?;
        assert_eq!((refused.code, refused.error()), (2, Some("LF2105")), "{}", refused.stderr);
        assert!(refused.stderr.contains("127.0.0.1:") && refused.stderr.contains(" refuses "), "{}", refused.stderr);
        assert!(refused.stderr.contains("Docker configuration"), "{}", refused.stderr);
        assert!(!refused.stderr.contains("trying again"), "a refused request was repeated: {}", refused.stderr);
    }
    let accepted = lock(starter, &vendor, folder.path(), Some(AUTH))?;
    assert_eq!(accepted.code, 0, "{}", accepted.stderr);
    assert_eq!(std::fs::read(folder.path().join("new.lock"))?, std::fs::read(starter.lock_file())?);

    // Blobs are pulled with the same credentials into an empty store.
    let arguments = vendor.build_arguments(&release(), Path::new("-"), &["-vv"]);
    let mut build = starter.command(&vendor, &arguments);
    build.env("DOCKER_CONFIG", folder.path().join("docker")).env("LANDFALL_LOG", "debug");
    let output = build.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?.wait_with_output()?;
    let said = String::from_utf8(output.stderr)?;
    assert!(output.status.success(), "{said}");
    assert!(said.contains("fetching"), "the store was not empty: {said}");
    assert!(!said.contains(AUTH) && !said.contains(PASSWORD), "the credentials were logged");
    Ok(())
}

#[test]
#[ignore = "needs cargo xtask test"]
fn rate_limited_token_server_is_awaited() -> Result<()> {
    let starter = starter()?;
    let folder = starter.scratch()?;
    let tokens = TokenServer::start(Limit { requests: 1, wait_seconds: 2 })?;
    let vendor = starter.vendor(folder.path(), Registry::start_for_tokens(starter.tree(), &tokens)?)?;
    let begun = Instant::now();
    let locked = lock(starter, &vendor, folder.path(), None)?;
    assert_eq!(locked.code, 0, "{}", locked.stderr);
    assert!(begun.elapsed() >= Duration::from_secs(2) && tokens.remaining_refusals() == 0, "{:?}", begun.elapsed());
    let said = format!("its token server {} answers 429 Too Many Requests", tokens.address());
    assert!(
        locked.stderr.contains(&said) && locked.stderr.contains("after the 2 s that it asks for"),
        "{}",
        locked.stderr
    );
    assert_eq!(std::fs::read(folder.path().join("new.lock"))?, std::fs::read(starter.lock_file())?);

    let folder = starter.scratch()?;
    let tokens = TokenServer::start(Limit { requests: usize::MAX, wait_seconds: 21_600 })?;
    let vendor = starter.vendor(folder.path(), Registry::start_for_tokens(starter.tree(), &tokens)?)?;
    let refused = lock(starter, &vendor, folder.path(), None)?;
    assert_eq!(refused.error(), Some("LF2130"), "{}", refused.stderr);
    let said = format!("its token server {} answers 429 Too Many Requests", tokens.address());
    for part in [said.as_str(), "without a login", "docker login 127.0.0.1:", "asks for a wait of 21600 s"] {
        assert!(refused.stderr.contains(part), "{part} is not in: {}", refused.stderr);
    }
    Ok(())
}

#[test]
#[ignore = "needs cargo xtask test"]
fn plain_http_needs_explicit_setting() -> Result<()> {
    let starter = starter()?;
    let folder = starter.scratch()?;
    let registries = folder.path().join("registries.yaml");
    let lock = || {
        let mut command = starter.landfall_lock();
        command.arg(release()).arg("--lock").arg(workspace::root().join("tests/images/assembled.lock"));
        command.arg("--registries").arg(&registries).arg("--output").arg(folder.path().join("new.lock"));
        Outcome::of(&mut command)
    };
    write(&registries, "mirrors:\n  - host: \"*\"\n    endpoint: http://192.0.2.7:5000\n")?;
    let refused = lock()?;
    assert_eq!((refused.code, refused.error()), (2, Some("LF2106")), "{}", refused.stderr);
    let place = format!("{}:3: mirrors[0].endpoint: ", registries.display());
    assert!(refused.stderr.contains(&place), "{}", refused.stderr);
    assert!(!folder.path().join("new.lock").exists());

    // A host name that only resembles loopback does not count as loopback.
    write(&registries, "mirrors:\n  - host: \"*\"\n    endpoint: http://127.0.0.1.example:5000\n")?;
    assert_eq!(lock()?.error(), Some("LF2106"));
    Ok(())
}

/// Script with two hosts in one separate network namespace: a plain HTTP registry at a non-loopback address, and a
/// build whose lock names it. `$1` is the port, `$2` the log of the server, followed by the command.
const PLAIN_REGISTRY: &str = r#"
port=$1 log=$2; shift 2
ip link set lo up && ip address add 192.0.2.7/32 dev lo || exit 99
python3 -u -m http.server --bind 192.0.2.7 "$port" >"$log" 2>&1 &
server=$!
tries=0
until grep -q Serving "$log"; do tries=$((tries + 1)); [ "$tries" -lt 200 ] || exit 99; sleep 0.05; done
"$@"; code=$?
kill "$server"
exit $code
"#;

#[test]
#[ignore = "needs cargo xtask test"]
fn remote_registry_requires_tls() -> Result<()> {
    let starter = starter()?;
    let folder = starter.scratch()?;
    let lock = folder.path().join("images.lock");
    let entry =
        "  - {reference: '192.0.2.7:5000/pause:1', digest: unresolved, mediaType: unresolved, size: unresolved}\n";
    write(&lock, &format!("assembled: true\nplatform: linux/amd64\nimages:\n{entry}artifacts: []\n"))?;
    let run = |registries: Option<&Path>| -> Result<(Outcome, String)> {
        let log = folder.path().join("log");
        let mut landfall = starter.landfall_lock();
        landfall.arg(release()).arg("--lock").arg(&lock).arg("--output").arg(folder.path().join("new.lock"));
        if let Some(registries) = registries {
            landfall.arg("--registries").arg(registries);
        }
        let mut command = Command::new("unshare");
        command.args(["--net", "sh", "-c", PLAIN_REGISTRY, "sh", "5000"]).arg(&log);
        command.arg(landfall.get_program()).args(landfall.get_args()).current_dir(folder.path());
        let outcome = Outcome::of(&mut command)?;
        assert_ne!(outcome.code, 99, "{}", outcome.stderr);
        Ok((outcome, String::from_utf8_lossy(&std::fs::read(&log)?).into_owned()))
    };
    let (refused, served) = run(None)?;
    assert_eq!((refused.code, refused.error()), (5, Some("LF2102")), "{}", refused.stderr);
    // The server's error message depends on the random bytes of the TLS greeting.
    assert!(served.contains("code 400"), "TLS was not tried:\n{served}");
    assert!(!served.contains("GET "), "a plain request was made:\n{served}");

    // With an explicit setting, it is contacted, and answers that it is not a registry.
    let registries = folder.path().join("registries.yaml");
    write(
        &registries,
        "mirrors:\n  - host: '192.0.2.7:5000'\n    endpoint: http://192.0.2.7:5000\n    plainHttp: true\n",
    )?;
    let (asked, served) = run(Some(&registries))?;
    assert!(served.contains("GET /v2/"), "{served}\n{}", asked.stderr);
    assert_eq!((asked.code, asked.error()), (2, Some("LF2103")), "{}", asked.stderr);
    Ok(())
}
