//! The data that an undo has replaced: rows that clients wrote to it can be read from a copy, with the vendor's own
//! software.

use std::collections::BTreeSet;

use anyhow::Result;
use landfall_xtask::proofs::{run_pod, sql};
use landfall_xtask::site::Machine;
use landfall_xtask::writer;
use serde_json::json;

use crate::end_to_end::engineer::Engineer;

/// Replaced data of the database, in the folder of volumes.
const REPLACED: &str = "/var/lib/landfall/storage/after-upgrade.*_postgres_*";

/// Path of a copy of it.
const COPY: &str = "/var/lib/landfall-copy";

/// Name of the pod that reads the copy.
const POD: &str = "look-at-replaced-data";

/// Returns the IDs of the writer's rows in it; empty if nothing was replaced.
pub(super) fn rows(engineer: Engineer<'_>) -> Result<BTreeSet<u64>> {
    let machine = engineer.machine();
    let listed = machine.run(&format!("ls -d {REPLACED} 2> /dev/null || true"))?.stdout;
    let mut rows = BTreeSet::new();
    for folder in listed.lines() {
        machine.run(&format!("cp --archive {folder} {COPY}"))?;
        rows.extend(numbers(&said_by_database(machine)?));
        machine.run(&format!("rm --recursive {COPY}"))?;
    }
    Ok(rows)
}

/// Returns the database's output about its rows. The database runs on the copy for one query, without a network.
fn said_by_database(machine: &Machine) -> Result<String> {
    let database = sql(machine, "SELECT current_database()")?;
    let ask = format!("echo 'SELECT id FROM written' | exec postgres --single -D /data/pgdata {database}");
    let container = json!({
        "name": "look", "image": writer::image(machine)?, "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-euc", ask], "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    });
    let spec = json!({
        "restartPolicy": "Never",
        "securityContext": {"runAsUser": 999, "runAsGroup": 999},
        "containers": [container],
        "volumes": [{"name": "data", "hostPath": {"path": COPY, "type": "Directory"}}],
    });
    run_pod(machine, POD, &spec)
}

/// Parses the IDs in lines such as `1: id = "17"\t(typeid = 20, len = 8, typmod = -1, byval = t)`.
fn numbers(said: &str) -> impl Iterator<Item = u64> {
    said.lines().filter_map(|line| line.split_once("id = \"")?.1.split_once('"')?.0.parse().ok())
}

#[test]
fn row_ids_are_parsed() {
    let said = "PostgreSQL stand-alone backend 17.6\nbackend> \t 1: id\t(typeid = 20, len = 8, typmod = -1, byval = \
        t)\n\t----\n\t 1: id = \"17\"\t(typeid = 20, len = 8, typmod = -1, byval = t)\n\t----\nbackend> ";
    assert_eq!(numbers(said).collect::<Vec<_>>(), [17]);
}
