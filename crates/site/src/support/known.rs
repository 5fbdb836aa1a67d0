//! Known secrets of this host: Landfall's own, Kubernetes', and those of running containers. They are read from the
//! disk, so the API server is not needed.

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

/// Maximum size of a file with secrets.
const MAX_FILE: u64 = 1 << 20;

/// Depth of folders with secrets: `pods/UID/volumes/kubernetes.io~secret/NAME/..data/KEY`.
const DEPTH: usize = 6;

/// Values that every manifest uses and that are not secret.
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

/// Reads all secrets, including those of these buckets. Adds unreadable files to `unknown`.
pub fn known_values(paths: &SitePaths, buckets: &[BucketSettings], known: &mut KnownValues, unknown: &mut Vec<String>) {
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
    add_mounted(paths, known, unknown);
    environments(paths, known);
}

/// Reads a file; adds it to `unknown` if it cannot be read.
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

/// Adds a value that the site gave. Certificates are public, but their keys are not.
fn add_site_secret(path: &Path, known: &mut KnownValues, unknown: &mut Vec<String>) {
    let Some(bytes) = bytes_of(path, unknown) else { return };
    match SecretStore::value_in(&bytes) {
        Some(stored) if stored.is_public() => {}
        Some(stored) => known.add(&stored.secret_part()),
        // A damaged file may have the value anywhere.
        None => known.add(&bytes),
    }
}

/// Adds the key that signs the audit log. Its signatures are not secret: exports and logs contain them.
fn add_audit_key(path: &Path, known: &mut KnownValues, unknown: &mut Vec<String>) {
    let Some(bytes) = bytes_of(path, unknown) else { return };
    match serde_json::from_slice::<Value>(&bytes) {
        Ok(record) => known.add(record["key"].as_str().unwrap_or_default().as_bytes()),
        // A damaged file may have the key anywhere.
        Err(_) => known.add(&bytes),
    }
}

/// Adds the values of a credentials file; the names before them are not secret.
fn add_credentials(path: &Path, known: &mut KnownValues, unknown: &mut Vec<String>) {
    let bytes = bytes_of(path, unknown).unwrap_or_default();
    for value in String::from_utf8_lossy(&bytes).lines().filter_map(|line| Some(line.split_once('=')?.1.trim())) {
        known.add(value.as_bytes());
    }
}

/// Adds Secrets and tokens that pods have mounted.
fn add_mounted(paths: &SitePaths, known: &mut KnownValues, unknown: &mut Vec<String>) {
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

/// Adds variables of running containers: values whose names mark secrets, and secret parts of other values, such as the
/// password in an address.
fn environments(paths: &SitePaths, known: &mut KnownValues) {
    let Ok(containers) = paths.containers().read_dir() else { return };
    let mut seen = BTreeSet::new();
    for container in containers.flatten() {
        let Ok(tail) = tail_of_file(&container.path().join("config.json"), MAX_FILE) else { continue };
        let configuration: Value = serde_json::from_slice(&tail.bytes).unwrap_or_default();
        let variables = configuration.pointer("/process/env").and_then(Value::as_array);
        for variable in variables.into_iter().flatten().filter_map(Value::as_str) {
            let Some((name, value)) = variable.split_once('=') else { continue };
            // The name of a file is not secret.
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

/// Returns true if a variable's name marks its value as secret. A container's variable such as `FERNET_KEY` does; in
/// texts for redaction, a key may also be that of a map.
fn is_name_of_secret(name: &str) -> bool {
    is_secret_name(name) || name.to_ascii_uppercase().ends_with("_KEY")
}
