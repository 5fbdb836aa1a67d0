//! Data of two components that backup tests write and check, the repository that contains it, and a disk for copies.

use anyhow::{Context, Result, bail, ensure};
use landfall_xtask::proofs::{in_pod, sql};
use landfall_xtask::site::Machine;
use serde_json::Value;

use super::engineer::{Engineer, Said};
use super::handbook;

/// Folder of the repository.
const REPOSITORY: &str = "/var/lib/landfall/backups/repository";

/// Mount point of another disk.
pub(crate) const DISK: &str = "/mnt/copies";

/// Heading of the page about backups, and the time to which it restores.
const BACK_UP: &str = "operate/backup";
pub(crate) const TIME_OF_THE_PAGE: &str = "2026-11-21T18:00:00Z";

/// Places at which packs are damaged, in percent of their length. They are tried until one has the intended effect.
const PLACES: [u8; 9] = [50, 40, 60, 30, 70, 20, 80, 10, 90];

/// Command with which the cache's key is written and read.
const CACHE: &str = "export REDISCLI_AUTH=$(cat /run/secrets/valkey/password); valkey-cli -h 127.0.0.1";

/// Length of a repository's key, in hexadecimal digits.
const KEY_DIGITS: usize = 64;

/// Returns the commands of the page about backups: five for backups, and three for restores, the last of which names
/// this time.
pub(crate) fn page(time: &str) -> Result<[Vec<String>; 8]> {
    handbook::arguments(BACK_UP, &[(TIME_OF_THE_PAGE, time)])
}

/// Writes rows and a cache key with this word.
pub(crate) fn write_data(engineer: Engineer<'_>, word: &str) -> Result<()> {
    let machine = engineer.machine();
    sql(machine, "DROP TABLE IF EXISTS kept")?;
    sql(machine, &format!("CREATE TABLE kept AS SELECT '{word}' AS word, generate_series(1, 1000) AS number"))?;
    let set = in_pod(machine, "valkey", "valkey-0", &format!("{CACHE} -e set word {word}"))?;
    ensure!(set.status.success(), "{}", set.stderr);
    Ok(())
}

/// Fails unless both databases contain the data written with this word.
pub(crate) fn expect_data(engineer: Engineer<'_>, word: &str) -> Result<()> {
    let machine = engineer.machine();
    let rows = sql(machine, "SELECT word, count(*), sum(number) FROM kept GROUP BY word")?;
    ensure!(rows == format!("{word}|1000|500500"), "the database has {rows}, not {word}");
    let cached = in_pod(machine, "valkey", "valkey-0", &format!("{CACHE} -e get word"))?.stdout;
    ensure!(cached.trim() == word, "the cache has {cached}, not {word}");
    let left = machine.run("ls /var/lib/landfall/storage")?.stdout;
    ensure!(!left.contains("before-restore"), "data that was set aside is left: {left}");
    Ok(())
}

/// Returns the machine's time, which is also that of its database's commits.
pub(crate) fn time_of(machine: &Machine) -> Result<String> {
    Ok(machine.run("date --utc +%Y-%m-%dT%H:%M:%S.%6NZ")?.stdout.trim().to_owned())
}

/// Mounts an empty disk for copies.
pub(crate) fn connect_disk(machine: &Machine) -> Result<()> {
    machine.run(&format!("mkdir {DISK} && mount -t tmpfs none {DISK}")).map(drop)
}

/// Disconnects the disk for copies, with everything on it.
pub(crate) fn disconnect_disk(machine: &Machine) -> Result<()> {
    machine.run(&format!("umount {DISK} && rmdir {DISK}")).map(drop)
}

/// Returns the key that a user would copy from the screen. It is this command's only output on stdout.
pub(crate) fn printed_key(machine: &Machine, command: &str) -> Result<String> {
    let printed = machine.run(command)?.stdout;
    let key = printed.strip_suffix('\n').unwrap_or(&printed);
    let is_key = key.len() == KEY_DIGITS && key.bytes().all(|byte| byte.is_ascii_hexdigit());
    ensure!(is_key, "`{command}` prints more or less than a key: {} bytes", printed.len());
    Ok(key.to_owned())
}

/// Damages bytes of the repository, until [`mend`], so that this backup has lost data of the database, but no backup
/// has lost its description. Packs have pieces of many streams and backups in arbitrary order, so the check reports the
/// effect at each place. Returns the check's result.
pub(crate) fn damage(engineer: Engineer<'_>, backup: &str) -> Result<Said> {
    let machine = engineer.machine();
    let listed = engineer.landfall(&["backup", "list"])?.report("backup list")?;
    let of_backup = listed["backups"].as_array().into_iter().flatten().find(|one| one["id"] == backup);
    let time = of_backup.and_then(|one| one["time"].as_str()).with_context(|| format!("no {backup}: {listed:#}"))?;
    machine.run(&format!("cp --archive {REPOSITORY} /root/good"))?;
    let packs = "find data -type f -size +100k -printf '%s %p\\n' | sort --numeric-sort --reverse | cut --delimiter ' \
        ' --fields 2";
    let packs = machine.run(&format!("cd {REPOSITORY} && {packs}"))?.stdout;
    for (pack, percent) in packs.lines().flat_map(|pack| PLACES.map(|percent| (pack, percent))) {
        let place = format!("$(($(stat --format %s {pack}) * {percent} / 100))");
        machine.run(&format!(
            "cd {REPOSITORY} && chmod u+w {pack} && \
             printf '\\377\\0\\377' | dd of={pack} bs=1 seek={place} conv=notrunc status=none"
        ))?;
        let said = engineer.landfall(&["backup", "check"])?;
        if takes_the_database_alone(&said.data, time)? {
            return Ok(said);
        }
        machine.run(&format!("cd {REPOSITORY} && cp --archive --remove-destination /root/good/{pack} {pack}"))?;
    }
    bail!("no place in the packs has data of the database of the backup of {time}:\n{packs}")
}

/// Returns true if this backup has lost data of the database, and no backup has lost its description.
fn takes_the_database_alone(report: &str, time: &str) -> Result<bool> {
    let report: Value = serde_json::from_str(report).with_context(|| format!("the check reports {report}"))?;
    let damages = report["damages"].as_array().context("the check lists no damages")?;
    let mut taken = damages.iter().filter_map(Value::as_str).flat_map(|damage| damage.split("; and "));
    let is_described = !taken.clone().any(|taken| taken.contains("LANDFALL/"));
    let of_backup = format!(" of the backup of {time}");
    Ok(is_described && taken.any(|taken| taken.contains("postgres/database") && taken.ends_with(&of_backup)))
}

#[test]
fn damage_affects_one_backup_only() {
    let is_taken = |damages: &[&str]| {
        takes_the_database_alone(&serde_json::json!({ "damages": damages }).to_string(), "1").unwrap()
    };
    let of = |first: &str, second: &str| {
        format!("data/66 has other bytes: takes {first} of the backup of 1; and {second} of the backup of 2")
    };
    assert!(is_taken(&[&of("postgres/database", "cluster/etcd")]));
    assert!(is_taken(&[&of("cluster/etcd, postgres/database", "postgres/database")]));
    assert!(!is_taken(&[&of("cluster/etcd", "postgres/database")]));
    assert!(!is_taken(&[&of("postgres/database", "LANDFALL/manifest.json, postgres/database")]));
    assert!(!is_taken(&[]));
}

/// Restores the repository to its state before the damage.
pub(crate) fn mend(machine: &Machine) -> Result<()> {
    machine.run(&format!("rm -r {REPOSITORY} && cp --archive /root/good {REPOSITORY} && rm -r /root/good"))?;
    Ok(())
}
