//! A site whose backups are copied to a bucket on another machine, as the handbook's page describes.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Result, ensure};
use landfall_xtask::bucket_server::{ACCESS_KEY, SECRET};
use landfall_xtask::site::{Machine, MachineSpec, Site, wait_until};
use landfall_xtask::{images, printer};
use serde_json::json;

use super::engineer::Engineer;
use super::handbook;

/// Heading of the page, in which the bucket is named `offsite`.
const PAGE: &str = "operate/bucket";

/// Port of the server, and time limit until it listens.
const PORT: u16 = 7070;
const LISTEN_LIMIT: Duration = Duration::from_secs(30);

/// Path of the server on its machine, and of the file with its keys.
const PROGRAM: &str = "/usr/local/bin/versitygw";
const KEYS: &str = "/root/versitygw.keys";

/// Path of the site's credentials.
const CREDENTIALS: &str = "/root/offsite.credentials";

/// Copies the newest backup to a bucket, in addition to the copies in this folder. An unavailable server is reported
/// and does no harm. In the end, the site copies only to the folder.
pub(crate) fn has_the_copies_of_a_site(engineer: Engineer<'_>, site: &Site, folder: &str) -> Result<()> {
    let machine = engineer.machine();
    let desk = server(site)?;
    let address = desk.address();
    let credentials = format!("aws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET}\n");
    machine.write_file(CREDENTIALS, credentials, 0o600)?;
    let bucket =
        format!("{{name: offsite, endpoint: 'http://{address}:{PORT}', bucket: backups, credentials: {CREDENTIALS}}}");
    engineer.configure(&format!("backups: {{copies: [{folder}], buckets: [{bucket}]}}\n"))?;

    let [copy, check] = handbook::arguments(PAGE, &[])?;
    let copied = engineer.follow(&copy, &[])?.report("backup copy s3:offsite")?;
    let first = &copied["copies"][0];
    ensure!(first["count"] == 1 && first["copied"].as_array().is_some_and(|ids| ids.len() == 1), "{copied}");
    let checked = engineer.follow(&check, &[])?.report("backup check s3:offsite")?;
    ensure!(checked["backups"] == 1 && checked["damages"] == json!([]), "{checked}");
    let status = engineer.status()?;
    let known = status["backups"]["copies"].as_array().cloned().unwrap_or_default();
    let in_bucket = known.iter().find(|copy| copy.to_string().contains("s3:offsite"));
    ensure!(
        in_bucket.is_some_and(|copy| copy["newest"].is_string() && copy["reason"].is_null()),
        "the status says of the copies: {known:?}"
    );
    desk.run("systemctl stop versitygw")?;
    engineer.follow(&copy, &[])?.expect_refusal("backup copy to a server that is away", "LF4628", 4)?;
    engineer.configure(&format!("backups: {{copies: [{folder}]}}\n"))?;
    machine.run(&format!("rm {CREDENTIALS}"))?;
    desk.power_cut()?;
    printer::note("proved: a bucket on another machine has a copy of the newest backup, which is whole");
    Ok(())
}

/// Creates another machine in the site's network, which serves the bucket `backups`.
fn server(site: &Site) -> Result<Machine> {
    let desk = site.machine(MachineSpec::new("desk"))?;
    desk.boot()?;
    desk.copy_in(&images::ensure_versitygw()?, PROGRAM, 0o755)?;
    // The credentials are not in the arguments, which every user can read.
    desk.write_file(KEYS, format!("ROOT_ACCESS_KEY={ACCESS_KEY}\nROOT_SECRET_KEY={SECRET}\n"), 0o600)?;
    desk.run("mkdir --parents /srv/buckets/backups /srv/metadata")?;
    let address: Ipv4Addr = desk.address();
    let serve = format!("{PROGRAM} --port {address}:{PORT} --quiet posix --sidecar /srv/metadata /srv/buckets");
    desk.run(&format!("systemd-run --unit versitygw --property EnvironmentFile={KEYS} {serve}"))?;
    wait_until("the server of the bucket", LISTEN_LIMIT, || {
        let asked = desk.try_run(&format!("timeout 2 bash -c 'echo > /dev/tcp/{address}/{PORT}'"))?;
        Ok(asked.status.success().then_some(()))
    })?;
    Ok(desk)
}
