//! Values of this host that are known to be secret: Landfall's own, Kubernetes', and those that running containers were given. They are
//! found on the disk, so that they are known without an API server.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::SystemTime;

use landfall_host::paths::SitePaths;
use landfall_support::KnownValues;
use landfall_support::redact::is_secret_name;
use serde_json::Value;

use super::files::{tail_of_file, walk};
use crate::configuration::BucketSettings;
use crate::console::AUDIT_FILE;
use crate::site_secrets::SecretStore;

/// Maximum size of a file that holds secrets.
const MAX_FILE: u64 = 1 << 20;

/// How deep folders of secrets are: `pods/UID/volumes/kubernetes.io~secret/NAME/..data/KEY`.
const DEPTH: usize = 6;

/// Values that every manifest uses, and that hide nothing.
const PUBLIC: [&str; 12] = [
    "postgres",
    "postgresql",
    "default",
    "localhost",
    "username",
    "password",
    "administrator",
    "console",
    "landfall",
    "kubernetes",
    "kube-system",
    "https://kubernetes.default.svc.cluster.local",
];

/// Reads all of them, with those of these buckets. What cannot be read is named in `unknown`.
pub(crate) fn known_values(
    paths: &SitePaths,
    buckets: &[BucketSettings],
    known: &mut KnownValues,
    unknown: &mut Vec<String>,
) {
    for bucket in buckets {
        add_credentials(&bucket.credentials, known, unknown);
    }
    for text in PUBLIC {
        known.add_public(text);
    }
    for folder in [paths.secrets(), paths.console()] {
        for file in walk(&folder, DEPTH, SystemTime::UNIX_EPOCH) {
            if file.file_name().is_some_and(|name| name == AUDIT_FILE) {
                add_audit_key(&file, known, unknown);
            } else {
                add_file(&file, known, unknown);
            }
        }
    }
    for file in walk(&paths.site_secrets(), DEPTH, SystemTime::UNIX_EPOCH) {
        add_site_secret(&file, known, unknown);
    }
    for file in [paths.backup_key(), paths.backup_key_next()] {
        add_file(&file, known, unknown);
    }
    // Each line is a key.
    for key in bytes_of(&paths.backup_keys_former(), unknown).unwrap_or_default().split(|byte| *byte == b'\n') {
        known.add(key);
    }
    add_file(&paths.kubeadm_configuration(), known, unknown);
    for file in walk(&paths.kubernetes(), 3, SystemTime::UNIX_EPOCH) {
        let is_secret = file.extension().is_some_and(|end| end == "key" || end == "conf");
        if is_secret {
            add_file(&file, known, unknown);
        }
    }
    mounted(paths, known, unknown);
    environments(paths, known);
}

/// What a file has; what cannot be read is named.
fn bytes_of(path: &Path, unknown: &mut Vec<String>) -> Option<Vec<u8>> {
    match tail_of_file(path, MAX_FILE) {
        Ok(tail) => Some(tail.bytes),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => {
            unknown.push(format!("{}: {error}", path.display()));
            None
        }
    }
}

fn add_file(path: &Path, known: &mut KnownValues, unknown: &mut Vec<String>) {
    if let Some(bytes) = bytes_of(path, unknown) {
        known.add(&bytes);
    }
}

/// A value that the site gave: what certificates say is public, and their keys are not.
fn add_site_secret(path: &Path, known: &mut KnownValues, unknown: &mut Vec<String>) {
    let Some(bytes) = bytes_of(path, unknown) else { return };
    match SecretStore::value_in(&bytes) {
        Some(stored) if stored.is_public() => {}
        Some(stored) => known.add(&stored.secret_part()),
        // A damaged one may have the value anywhere.
        None => known.add(&bytes),
    }
}

/// The key that signs the audit log. What it has signed is no secret: exports have it, and logs name it.
fn add_audit_key(path: &Path, known: &mut KnownValues, unknown: &mut Vec<String>) {
    let Some(bytes) = bytes_of(path, unknown) else { return };
    match serde_json::from_slice::<Value>(&bytes) {
        Ok(record) => known.add(record["key"].as_str().unwrap_or_default().as_bytes()),
        // A damaged one may have the key anywhere.
        Err(_) => known.add(&bytes),
    }
}

/// The values of a file of credentials; the names before them are no secret.
fn add_credentials(path: &Path, known: &mut KnownValues, unknown: &mut Vec<String>) {
    let bytes = bytes_of(path, unknown).unwrap_or_default();
    for value in String::from_utf8_lossy(&bytes).lines().filter_map(|line| Some(line.split_once('=')?.1.trim())) {
        known.add(value.as_bytes());
    }
}

/// Secrets and tokens that pods have mounted.
fn mounted(paths: &SitePaths, known: &mut KnownValues, unknown: &mut Vec<String>) {
    let Ok(pods) = paths.kubelet_mount().join("pods").read_dir() else { return };
    for pod in pods.flatten() {
        for kind in ["kubernetes.io~secret", "kubernetes.io~projected"] {
            for file in walk(&pod.path().join("volumes").join(kind), 3, SystemTime::UNIX_EPOCH) {
                // A projected volume also has the cluster's public certificate and the namespace's name.
                let is_public = file.file_name().is_some_and(|name| name == "ca.crt" || name == "namespace");
                if !is_public {
                    add_file(&file, known, unknown);
                }
            }
        }
    }
}

/// Variables of the containers that run: values with the names of secrets, and what looks like a secret in the others, such as the
/// password of an address.
fn environments(paths: &SitePaths, known: &mut KnownValues) {
    let Ok(containers) = paths.containers().read_dir() else { return };
    let mut seen = BTreeSet::new();
    for container in containers.flatten() {
        let Ok(tail) = tail_of_file(&container.path().join("config.json"), MAX_FILE) else { continue };
        let configuration: Value = serde_json::from_slice(&tail.bytes).unwrap_or_default();
        let variables = configuration.pointer("/process/env").and_then(Value::as_array);
        for variable in variables.into_iter().flatten().filter_map(Value::as_str) {
            let Some((name, value)) = variable.split_once('=') else { continue };
            // The name of a file is no secret.
            let is_secret = is_name_of_secret(name) && !value.starts_with('/');
            if !seen.insert((is_secret, value.to_owned())) {
                continue;
            }
            if is_secret {
                known.add(value.as_bytes());
            } else {
                known.add_parts(value.as_bytes());
            }
        }
    }
}

/// Whether a variable's value is secret by its name. A key of a container is one, such as `FERNET_KEY`; in the texts that redaction reads,
/// a key may also be the one of a map.
fn is_name_of_secret(name: &str) -> bool {
    is_secret_name(name) || name.to_ascii_uppercase().ends_with("_KEY")
}
