//! A program at a site that writes continuously. Every row that the database acknowledged must exist in the end,
//! whatever happens to the site.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Result, ensure};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::proofs::{admin_output, administer, sql};
use crate::site::{Machine, wait_until};

/// Program that writes a row, prints its number once the database has acknowledged it, and repeats. The number is the
/// time in nanoseconds: none is used twice, even if an undo restores earlier data.
const PROGRAM: &str = "\
export PGPASSWORD=$(cat /run/secrets/postgres/password) PGCONNECT_TIMEOUT=3
while :; do
  psql -h postgres.postgres.svc.cluster.local -U \"$POSTGRES_USER\" -d \"$POSTGRES_DB\" -XqtA \
    -c \"INSERT INTO written VALUES ($(date +%s%N)) RETURNING id\" 2> /dev/null || true
  sleep 0.2
done";

/// Command that prints the logs of all its runs, in the container runtime's format: time, stream, tag, text.
const LOGS: &str = "cat /var/log/pods/postgres_writer_*/writer/*.log";

/// Time limit until the next row is acknowledged. The cluster's DNS remembers for half a minute that the database had
/// no address.
const NEXT_LIMIT: Duration = Duration::from_mins(2);

/// Acknowledgments of the database.
#[derive(Debug)]
pub struct AcknowledgedRows {
    /// Numbers of rows, with the time of each acknowledgment, oldest first.
    rows: Vec<(Timestamp, u64)>,
}

/// Starts the writer as a pod in the namespace of the starter's database.
pub fn start(machine: &Machine) -> Result<()> {
    sql(machine, "CREATE TABLE written (id bigint PRIMARY KEY)")?;
    let pod = pod(&image(machine)?).to_string();
    let made = administer(machine, &format!("kubectl apply --filename - <<'POD'\n{pod}\nPOD"))?;
    ensure!(made.status.success(), "the writer cannot be started: {}", made.stderr);
    // A site with a pod that is still starting is not ready to be upgraded.
    let ready = administer(machine, "kubectl --namespace postgres wait --for=condition=Ready pod/writer --timeout=2m")?;
    ensure!(ready.status.success(), "the writer does not start: {}", ready.stderr);
    next_acknowledged(machine).map(drop)
}

/// Returns the image of the starter's database.
pub fn image(machine: &Machine) -> Result<String> {
    let image = "kubectl --namespace postgres get pod postgres-0 --output jsonpath='{.spec.containers[0].image}'";
    Ok(admin_output(machine, image)?.trim().to_owned())
}

fn pod(image: &str) -> Value {
    let variable = |name: &str, key: &str| {
        json!({"name": name,
        "valueFrom": {"secretKeyRef": {"name": "postgres-credentials", "key": key}}})
    };
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "writer", "namespace": "postgres"},
        "spec": {
            "automountServiceAccountToken": false, "enableServiceLinks": false, "terminationGracePeriodSeconds": 1,
            "securityContext": {"runAsNonRoot": true, "runAsUser": 999, "runAsGroup": 999, "fsGroup": 999,
                "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{
                "name": "writer", "image": image, "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c", PROGRAM],
                "env": [variable("POSTGRES_USER", "username"), variable("POSTGRES_DB", "database")],
                "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}},
                "securityContext": {"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
                    "capabilities": {"drop": ["ALL"]}},
                "volumeMounts": [{"name": "password", "mountPath": "/run/secrets/postgres", "readOnly": true}],
            }],
            "volumes": [{"name": "password", "secret": {"secretName": "postgres-credentials", "defaultMode": 288,
                "items": [{"key": "password", "path": "password"}]}}],
        },
    })
}

/// Returns all acknowledgments so far.
pub fn acknowledgments(machine: &Machine) -> Result<AcknowledgedRows> {
    let mut rows: Vec<_> = machine.run(LOGS)?.stdout.lines().filter_map(row).collect();
    rows.sort_unstable();
    Ok(AcknowledgedRows { rows })
}

/// Like [`acknowledgments`], but first waits until another row has been acknowledged.
pub fn next_acknowledged(machine: &Machine) -> Result<AcknowledgedRows> {
    let now = Timestamp::now();
    wait_until("a row that the database acknowledges", NEXT_LIMIT, || {
        let acknowledged = acknowledgments(machine)?;
        Ok(acknowledged.rows.last().is_some_and(|(time, _)| *time > now).then_some(acknowledged))
    })
}

/// Parses a log line whose text is the number of a row.
fn row(line: &str) -> Option<(Timestamp, u64)> {
    let (time, number) = parse_log_line(line)?;
    Some((time, number.parse().ok()?))
}

/// Parses time and text of a container's log line, such as `2026-11-22T02:00:00.123456789Z stdout F 17`. Returns None
/// for a line torn by a power cut, or whose text has several words.
pub(crate) fn parse_log_line(line: &str) -> Option<(Timestamp, &str)> {
    let mut fields = line.split(' ');
    let time = fields.next()?.parse().ok()?;
    let text = fields.nth(2)?.trim();
    fields.next().is_none().then_some((time, text))
}

/// Returns the longest time between two of these times, which are sorted, in seconds. `from` is the first time, and
/// earlier ones are ignored.
pub(crate) fn longest_pause(times: impl Iterator<Item = Timestamp>, from: Timestamp) -> f64 {
    let times: Vec<Timestamp> = std::iter::once(from).chain(times.filter(|time| *time >= from)).collect();
    let pauses = times.windows(2).map(|pair| pair[1].duration_since(pair[0]).as_secs_f64());
    pauses.max_by(f64::total_cmp).unwrap_or_default()
}

impl AcknowledgedRows {
    /// Fails unless every acknowledged row is in the database. Returns the number of rows.
    pub fn expect_kept(&self, machine: &Machine) -> Result<usize> {
        let lost = self.missing(machine)?;
        ensure!(lost.is_empty(), "{} acknowledged rows are lost: {lost:?}", lost.len());
        Ok(self.rows.len())
    }

    /// Returns the acknowledged rows that are not in the database.
    pub fn missing(&self, machine: &Machine) -> Result<BTreeSet<u64>> {
        ensure!(!self.rows.is_empty(), "nothing was acknowledged");
        let found = sql(machine, "SELECT coalesce(string_agg(id::text, ','), '') FROM written")?;
        let found: BTreeSet<u64> = found.split(',').filter_map(|id| id.parse().ok()).collect();
        Ok(self.rows.iter().map(|(_, id)| *id).filter(|id| !found.contains(id)).collect())
    }

    /// Returns the largest acknowledged number; 0 if there is none.
    pub fn largest(&self) -> u64 {
        self.rows.iter().map(|(_, id)| *id).max().unwrap_or_default()
    }

    /// Returns the longest time without an acknowledgment since `from`, in seconds. Of a pause that began earlier, only
    /// the part after `from` counts.
    pub fn longest_pause(&self, from: Timestamp) -> f64 {
        longest_pause(self.rows.iter().map(|(time, _)| *time), from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn torn_acknowledgments_are_ignored() {
        let (time, number) = row("2026-11-22T02:00:00.5Z stdout F 17").unwrap();
        assert_eq!((time.to_string().as_str(), number), ("2026-11-22T02:00:00.5Z", 17));
        for torn in ["", "2026-11-22T02:00:00.5Z stdout F ", "2026-11-22T02", "2026-11-22T02:00:00Z stderr F no 1"] {
            assert!(row(torn).is_none(), "{torn}");
        }
        let at = |second: i64, id| (Timestamp::from_second(second).unwrap(), id);
        let acknowledged = AcknowledgedRows { rows: vec![at(1, 1), at(9, 2), at(10, 3), at(12, 4)] };
        assert_eq!(acknowledged.largest(), 4);
        let pause = |from| acknowledged.longest_pause(Timestamp::from_second(from).unwrap());
        assert!((pause(5) - 4.0).abs() < 1e-9 && (pause(9) - 2.0).abs() < 1e-9);
    }
}
