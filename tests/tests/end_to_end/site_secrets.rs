//! Secrets that a site provides: a release requires a password and a certificate with its key. The values reach the
//! software, but nothing that a user reads or takes away. They can be changed at run time, and are restored if a change
//! fails.

use anyhow::{Context, Result, ensure};
use landfall_xtask::later_releases;
use landfall_xtask::proofs::in_pod;
use landfall_xtask::site::Machine;
use landfall_xtask::vendor::Vendor;
use serde_json::json;

use super::engineer::{Engineer, VERB_LIMIT};
use super::fixture::{fixture, folder, machine_with_stick};
use super::handbook;
use super::support_bundle::{self, FILE as BUNDLE, PLANTED_LOG};

/// Path of the release on every stick.
const RELEASE: &str = "/media/stick/given";

/// Paths on the machine of the files that a user brings.
const SITE: &str = "/root/site.yaml";
const PASSWORD: &str = "/root/password";
const CERTIFICATE: &str = "/root/front.crt";
const KEY: &str = "/root/front.key";

/// Passwords, in their order. The software does not start with the second one.
const PASSWORDS: [&str; 3] =
    ["the-first-password-of-it", "a-password-that-no-directory-takes", "the-last-password-of-it"];

/// Folder in which a site keeps the values.
const VALUES: &str = "/var/lib/landfall/site-secrets/bulletin";

/// File with the output of the install.
const SAID: &str = "/root/said";

/// Files that people read or take away, which must not contain a value.
const OPEN: &str = "/var/lib/landfall/journal /var/log/landfall /etc/landfall /root/support /root/said";

/// Heading of the handbook's page.
const PAGE: &str = "operate/secrets";

/// Builds the release of a separate vendor, whose only key has every role. Returns the fingerprint of its root.
fn ensure_release() -> Result<String> {
    let release = later_releases::define_given(&folder().join("given-release"))?;
    let vendor = Vendor::open(&folder().join("given-vendor"))?;
    vendor.lock(&release)?;
    vendor.build(&release, &fixture()?.stick.join("given"), &["--part-size", "256MiB"])?;
    vendor.fingerprint()
}

#[test]
#[ignore = "needs cargo xtask test"]
fn site_secrets_reach_only_software() -> Result<()> {
    let trust = ensure_release()?;
    let (_site, machine) = machine_with_stick("e2e-site-secrets")?;
    let engineer = Engineer::at(&machine);
    refuses_what_is_missing_or_unfit(engineer, &trust)?;

    let key = give(&machine)?;
    let site = format!("secrets: {{front: {{fromFile: {CERTIFICATE}, keyFromFile: {KEY}}}}}\n");
    machine.write_file(SITE, &site, 0o644)?;
    let given = format!("directory={PASSWORD}");
    let install = ["install", RELEASE, "--trust", &trust, "--site", SITE, "--secret", &given];
    let said = engineer.landfall(&install)?;
    said.report("install")?;
    engineer.wait_ready("the install")?;
    machine.write_file(SAID, said.data + &said.lines.join("\n"), 0o600)?;
    expect_password(&machine, PASSWORDS[0])?;
    let pair = in_pod(&machine, "bulletin", "bulletin-0", "cat /run/front/tls.crt /run/front/tls.key")?;
    ensure!(
        pair.stdout.contains("BEGIN CERTIFICATE") && pair.stdout.contains(key.trim()),
        "{}{}",
        pair.stdout,
        pair.stderr
    );
    expect_values(&machine, &["directory.1.json", "front.1.json"])?;
    expect_listed(engineer, &[("directory", 1), ("front", 1)])?;
    handbook::expect_to_name_everything(&machine)?;

    // The files may be removed afterwards: the same configuration then changes nothing.
    machine.run(&format!("rm {CERTIFICATE} {KEY}"))?;
    let again = engineer.landfall(&["configure", "--site", SITE])?.report("configure with the same files")?;
    ensure!(again["settings"] == json!([]) && again["components"] == json!([]), "{again:#}");

    changes_and_goes_back(engineer)?;
    is_typed(engineer)?;
    is_planned_from_memory(engineer)?;
    expect_no_value(engineer, &key)?;
    engineer.uninstall(&[])?;
    ensure!(!machine.try_run("test -e /var/lib/landfall/site-secrets")?.status.success(), "values outlive their site");
    engineer.uninstall_all()?;
    machine.run(&format!("rm -r {SITE} {PASSWORD} /root/support {BUNDLE} {SAID}"))?;
    support_bundle::wait_until_idle(&machine)?;
    engineer.expect_unchanged("after secrets of a site and an uninstall", &["/var/log/landfall"])
}

/// Writes a certificate with its key, and the first password. Returns the key.
fn give(machine: &Machine) -> Result<String> {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["bulletin.example.com".to_owned()])?;
    let key = signing_key.serialize_pem();
    machine.write_file(CERTIFICATE, cert.pem(), 0o600)?;
    machine.write_file(KEY, &key, 0o600)?;
    machine.write_file(PASSWORD, format!("{}\n", PASSWORDS[0]), 0o600)?;
    Ok(key)
}

/// Checks that all missing and unusable secrets are reported at once, with nothing changed.
fn refuses_what_is_missing_or_unfit(engineer: Engineer<'_>, trust: &str) -> Result<()> {
    let machine = engineer.machine();
    let install = |more: &[&str]| engineer.landfall(&[&["install", RELEASE, "--trust", trust], more].concat());
    let failure = install(&[])?.expect_refusal("install without secrets", "LF3020", 4)?;
    let blockers = failure["blockers"].as_array().context("the blockers are no list")?;
    let missing: Vec<&str> = blockers.iter().filter_map(|blocker| blocker["code"].as_str()).collect();
    ensure!(missing == ["LF3070", "LF3070"], "{failure:#}");
    ensure!(failure.to_string().contains("--secret directory=FILE"), "{failure:#}");

    let key = give(machine)?;
    give(machine)?;
    machine.write_file("/root/other.key", &key, 0o600)?;
    machine.write_file(PASSWORD, "too-short\n", 0o600)?;
    let (password, front, other) =
        (format!("directory={PASSWORD}"), format!("front={CERTIFICATE}"), "front=/root/other.key");
    let failure = install(&["--secret", &password, "--secret", &front, "--secret", other])?;
    let failure = failure.expect_refusal("install with unfit secrets", "LF3020", 4)?.to_string();
    let reasons = ["it is too short", "its key does not belong to its first certificate"];
    ensure!(reasons.iter().all(|reason| failure.contains(reason)) && !failure.contains("too-short"), "{failure}");
    let failure =
        install(&["--secret", "directroy=/root/password"])?.expect_refusal("install", "LF3107", 2)?.to_string();
    ensure!(failure.contains("did you mean `directory`?"), "{failure}");
    machine.write_file(SITE, "secrets: {directory: the-password-itself}\n", 0o644)?;
    let failure = install(&["--site", SITE])?.expect_refusal("install", "LF3104", 2)?.to_string();
    ensure!(failure.contains("a value does not belong here") && !failure.contains("the-password-itself"), "{failure}");
    machine.run(&format!("rm /root/other.key {CERTIFICATE} {KEY} {PASSWORD} {SITE}"))?;
    engineer.expect_unchanged("after an install without secrets", &[])
}

/// Changes the first password to another one. A change to one with which the software does not start is undone
/// automatically.
fn changes_and_goes_back(engineer: Engineer<'_>) -> Result<()> {
    let machine = engineer.machine();
    let [dry_run, configure] = handbook::arguments(PAGE, &[])?;
    machine.write_file(PASSWORD, format!("{}\n", PASSWORDS[1]), 0o600)?;
    let planned = engineer.follow(&dry_run, &[])?.report("configure --secret --dry-run")?;
    let setting = &planned["settings"][0];
    ensure!(setting["setting"] == "secrets.directory" && setting["to"] == "given (2)", "{planned:#}");
    let failure = engineer.follow(&configure, &[])?.expect_refusal("configure --secret", "LF4032", 4)?.to_string();
    ensure!(!failure.contains(PASSWORDS[1]), "{failure}");
    engineer.wait_ready("a change of a secret that was undone")?;
    expect_password(machine, PASSWORDS[0])?;
    expect_values(machine, &["directory.1.json", "front.1.json"])?;

    machine.write_file(PASSWORD, format!("{}\n", PASSWORDS[2]), 0o600)?;
    let report = engineer.follow(&configure, &[])?.report("configure --secret")?;
    ensure!(
        report["settings"] == json!(["secrets.directory"]) && report["components"] == json!(["bulletin"]),
        "{report:#}"
    );
    expect_password(machine, PASSWORDS[2])?;
    expect_values(machine, &["directory.2.json", "front.1.json"])?;
    let again = engineer.follow(&configure, &[])?.report("configure --secret again")?;
    ensure!(again["settings"] == json!([]), "the same value again changed {again:#}");
    expect_listed(engineer, &[("directory", 2), ("front", 1)])
}

/// Fails unless `landfall settings` lists each secret with its number, and without its value.
fn expect_listed(engineer: Engineer<'_>, expected: &[(&str, u64)]) -> Result<()> {
    let settings = engineer.landfall(&["settings"])?.report("settings")?;
    let secrets = settings["secrets"].as_array().context("the settings have no secrets")?;
    for (name, number) in expected {
        let found = secrets.iter().find(|secret| secret["name"] == *name);
        let found = found.with_context(|| format!("{name} is not among {secrets:?}"))?;
        ensure!(found["state"] == "given" && found["number"] == *number, "{found:#}");
    }
    ensure!(PASSWORDS.iter().all(|password| !settings.to_string().contains(password)), "a value is among the settings");
    Ok(())
}

/// Types the first password again, twice, as a user would.
fn is_typed(engineer: Engineer<'_>) -> Result<()> {
    let program = engineer.program()?;
    let password = PASSWORDS[0];
    let configure = format!("{program} configure --secret directory");
    let at_a_terminal = format!("timeout {VERB_LIMIT} script --quiet --return --command '{configure}' /dev/null");
    let said = engineer.machine().try_run(&format!("printf '%s\\n' {password} {password} | {at_a_terminal}"))?;
    ensure!(said.status.success(), "{} {}", said.status, said.stdout);
    expect_password(engineer.machine(), password)
}

/// Checks that values from the console reach the planning process through its standard input, and that its plan has
/// only a number.
fn is_planned_from_memory(engineer: Engineer<'_>) -> Result<()> {
    let (machine, program) = (engineer.machine(), engineer.program()?);
    let input = json!({ "configure": { "values": {}, "secrets": { "directory": PASSWORDS[2] } } }).to_string();
    machine.write_file("/root/input", input, 0o600)?;
    let said = machine.run(&format!("{program} --json node change plan < /root/input && rm /root/input"))?;
    let planned: serde_json::Value = serde_json::from_str(&said.stdout)?;
    let setting = &planned["document"]["settings"][0];
    ensure!(setting["setting"] == "secrets.directory" && setting["to"] == "given (4)", "{planned:#}");
    let is_shown = PASSWORDS.iter().any(|password| said.stdout.contains(password) || said.stderr.contains(password));
    ensure!(!is_shown, "a plan has a value: {planned:#}");
    expect_password(machine, PASSWORDS[0])
}

/// Fails unless the software has this password.
fn expect_password(machine: &Machine, password: &str) -> Result<()> {
    let found = in_pod(machine, "bulletin", "bulletin-0", r#"printf %s "$DIRECTORY_PASSWORD""#)?;
    ensure!(found.stdout == password, "the software has the password {:?}: {}", found.stdout, found.stderr);
    Ok(())
}

/// Fails unless the site keeps exactly one value of each secret.
fn expect_values(machine: &Machine, files: &[&str]) -> Result<()> {
    let found = machine.run(&format!("ls {VALUES}"))?.stdout;
    ensure!(found.lines().collect::<Vec<_>>() == files, "the site keeps {found}");
    let modes = machine.run(&format!("stat --format %a {VALUES}/.. {VALUES} {VALUES}/*"))?.stdout;
    ensure!(modes.lines().eq(["700", "700", "600", "600"]), "the values have the modes {modes}");
    Ok(())
}

/// Fails if a value is in any file that people read or take away, unencoded or in Base64.
fn expect_no_value(engineer: Engineer<'_>, key: &str) -> Result<()> {
    let machine = engineer.machine();
    machine.write_file(PLANTED_LOG, format!("canary {} end\n", PASSWORDS[0]), 0o600)?;
    support_bundle::collect(machine)?;
    machine.run(&format!("rm {PLANTED_LOG}"))?;
    let planted = support_bundle::planted_log(machine)?;
    ensure!(planted.starts_with("canary [redacted:"), "the planted log became {planted:?}");
    let key = key.trim_end();
    let line = key.lines().nth(1).context("a key has lines")?;
    let search = |pattern: &str, places: &str| {
        let grep = "grep --recursive --fixed-strings --text --files-with-matches";
        machine.try_run(&format!("{grep} --file {pattern} {places}"))
    };
    // A line of a key occurs in the plain key, but not in its Base64.
    for (part, value) in PASSWORDS.map(|password| (password, password)).into_iter().chain([(line, key)]) {
        machine.write_file("/root/part", part, 0o600)?;
        machine.write_file("/root/value", value, 0o600)?;
        machine.run("base64 --wrap 0 /root/value | tr --delete '=' > /root/encoded")?;
        for pattern in ["/root/part", "/root/encoded"] {
            let found = search(pattern, OPEN)?;
            // Exit code 1: everything was read, and nothing was found.
            ensure!(found.status.code() == Some(1), "a value is in {}{}", found.stdout, found.stderr);
        }
        let is_kept = search("/root/encoded", VALUES)?.status.success();
        ensure!(is_kept || part != PASSWORDS[0], "the search misses a value where the site keeps it");
        machine.run("rm /root/part /root/value /root/encoded")?;
    }
    Ok(())
}
