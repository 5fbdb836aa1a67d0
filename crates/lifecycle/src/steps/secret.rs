//! A Secret whose values are generated once on the site, and never leave it.
//!
//! The values are written to a file of the data folder before the cluster gets them. A rerun, or data that outlives its
//! cluster, gets the same values. They are never logged: the journal holds the file's path and digest.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use landfall_error_codes::codes;
use landfall_media::durable;
use landfall_release_document::{GeneratedSecret, SecretKey};
use rand::TryRng as _;
use rand::distr::{Alphanumeric, SampleString};
use rand::rand_core::UnwrapErr;
use rand::rngs::SysRng;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::objects;
use super::objects::{DELETION_SECONDS, RequiredObject};
use crate::context::Site;
use landfall_cluster::{ObjectName, Owner};
use landfall_engine::step::{ObservedState, Step, StepError};
use landfall_host::files;

/// Mode of the folders of secrets: only root may enter.
const FOLDER_MODE: u32 = 0o700;

/// Mode of a secret's file: only root may read.
const FILE_MODE: u32 = 0o600;

/// Parameters of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secret {
    /// Namespace of the Secret.
    pub namespace: String,
    /// Its owner.
    pub owner: Owner,
    /// Its name and keys.
    pub secret: GeneratedSecret,
}

/// The contents of a secret's file. No `Debug`: values must not reach a log.
#[derive(PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SecretFile {
    namespace: String,
    name: String,
    values: BTreeMap<String, String>,
}

impl Secret {
    /// Returns the path of the file with the values of a secret.
    pub fn file(secrets: &Path, namespace: &str, name: &str) -> PathBuf {
        secrets.join(namespace).join(format!("{name}.json"))
    }

    fn path(&self, site: &Site) -> PathBuf {
        Self::file(&site.secrets.generated(), &self.namespace, &self.secret.name)
    }

    fn object_name(&self) -> ObjectName {
        ObjectName::new("v1", "Secret", &self.namespace, &self.secret.name)
    }

    fn read(&self, path: &Path) -> Result<Option<SecretFile>, StepError> {
        read_file(path, &self.namespace, &self.secret.name)
    }

    /// Returns the complete values: existing ones, new ones for random keys that lack a value, and copies of those of
    /// other components, from this folder of secrets.
    fn complete_values(&self, folder: &Path, known: Option<SecretFile>) -> Result<SecretFile, StepError> {
        let known = known.map(|values| values.values).unwrap_or_default();
        let mut values = self.secret.fixed.clone();
        for (key, source) in &self.secret.copies {
            values.insert(key.clone(), copied(folder, source)?);
        }
        for (key, length) in &self.secret.random {
            let value = match known.get(key) {
                Some(value) => value.clone(),
                None => random_text(*length)?,
            };
            values.insert(key.clone(), value);
        }
        Ok(SecretFile { namespace: self.namespace.clone(), name: self.secret.name.clone(), values })
    }

    fn required_object(&self, values: &SecretFile) -> RequiredObject {
        let data: BTreeMap<&String, String> =
            values.values.iter().map(|(key, value)| (key, STANDARD.encode(value))).collect();
        let mut object = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
            "metadata": {"name": self.secret.name, "namespace": self.namespace},
            "data": data,
        });
        self.owner.mark(&mut object);
        RequiredObject::new(object)
    }
}

/// Returns the value of a key of another component's Secret, from its file in this folder of secrets.
fn copied(folder: &Path, source: &SecretKey) -> Result<String, StepError> {
    let path = Secret::file(folder, &source.namespace, &source.secret);
    let file = read_file(&path, &source.namespace, &source.secret)?;
    file.and_then(|mut file| file.values.remove(&source.key)).ok_or_else(|| {
        let what =
            format!("the secret's file {} has no key {}, of which another is a copy", path.display(), source.key);
        StepError::new(codes::CLUSTER_SECRET_FILE, what)
    })
}

/// Reads the file of a Secret; `None` if it does not exist. An invalid file is never replaced, because its values may be
/// the only key to data.
fn read_file(path: &Path, namespace: &str, name: &str) -> Result<Option<SecretFile>, StepError> {
    let wrong = |problem: &str| {
        StepError::new(codes::CLUSTER_SECRET_FILE, format!("the secret's file {} {problem}", path.display()))
    };
    let bytes = match fs_err::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        bytes => bytes.map_err(|error| wrong("cannot be read").because(error))?,
    };
    // The parser's message could contain a value, so it is left out.
    let values: SecretFile = serde_json::from_slice(&bytes).map_err(|_| wrong("is damaged"))?;
    if (values.namespace.as_str(), values.name.as_str()) != (namespace, name) {
        return Err(wrong("belongs to another secret"));
    }
    Ok(Some(values))
}

/// Returns random letters and digits from the operating system's source.
fn random_text(length: u32) -> Result<String, StepError> {
    // Checked first, because the sampler cannot report a failure.
    SysRng.try_next_u64().map_err(|error| {
        StepError::new(codes::CLUSTER_SECRET_FILE, "the system has no random numbers").because(error)
    })?;
    Ok(Alphanumeric.sample_string(&mut UnwrapErr(SysRng), length as usize))
}

impl Step<Site> for Secret {
    fn observe(&self, site: &mut Site) -> Result<ObservedState, StepError> {
        let path = self.path(site);
        let known = self.read(&path)?;
        let cluster = site.cluster.connect()?;
        let Some(known) = known else {
            return Ok(match cluster.get(&self.object_name())? {
                None => ObservedState::Absent,
                Some(_) => ObservedState::Foreign(format!(
                    "{} exists and its file {} does not",
                    self.object_name(),
                    path.display()
                )),
            });
        };
        let is_complete = self.secret.random.keys().all(|key| known.values.contains_key(key));
        if !is_complete {
            return Ok(ObservedState::Partial(format!("{} lacks keys that the release wants", path.display())));
        }
        let before = known.values.clone();
        let values = self.complete_values(&site.secrets.generated(), Some(known))?;
        if self.secret.copies.keys().any(|key| before.get(key) != values.values.get(key)) {
            return Ok(ObservedState::Partial(format!("{} lacks the values that it copies", path.display())));
        }
        let wanted = self.required_object(&values);
        Ok(match objects::observe(&cluster, &[wanted])? {
            ObservedState::Absent => {
                ObservedState::Partial(format!("{} is written, {} is not", path.display(), self.object_name()))
            }
            observed => observed,
        })
    }

    fn prepare(&self, site: &mut Site) -> Result<Value, StepError> {
        Ok(json!({"file": self.path(site), "file_existed": self.path(site).exists()}))
    }

    fn act(&self, site: &mut Site, _before: &Value) -> Result<Value, StepError> {
        let path = self.path(site);
        let values = self.complete_values(&site.secrets.generated(), self.read(&path)?)?;
        let bytes = serde_json::to_vec_pretty(&values)
            .map_err(|error| StepError::new(codes::BUG, "cannot write a secret as JSON").because(error))?;
        let folder = site.secrets.generated().join(&self.namespace);
        durable::create_folder_with_mode(&site.secrets.generated(), FOLDER_MODE)?;
        durable::create_folder_with_mode(&folder, FOLDER_MODE)?;
        durable::write_file(&path, &bytes, FILE_MODE)?;
        objects::apply(&site.cluster.connect()?, &[self.required_object(&values)])?;
        Ok(json!({"file": path, "sha256": hex::encode(Sha256::digest(&bytes))}))
    }

    fn undo(&self, site: &mut Site, before: &Value) -> Result<(), StepError> {
        // Files of secrets are data: after all steps are undone, they stay or are deleted together with the volumes.
        if site.undo.removing_cluster {
            return Ok(());
        }
        site.cluster.connect()?.delete(&self.object_name(), Duration::from_secs(DELETION_SECONDS))?;
        // Kept data needs its secret.
        if before["file_existed"] == json!(false) && !site.undo.keep_data {
            let path = self.path(site);
            durable::remove_file(&path)?;
            for folder in path.ancestors().skip(1).take(2) {
                files::remove_folder_if_empty(folder)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step() -> Secret {
        let secret = json!({"name": "postgres", "random": {"password": 32}, "fixed": {"username": "app"}});
        Secret {
            namespace: "postgres".to_owned(),
            owner: Owner { release: "starter".to_owned(), component: "postgres".to_owned() },
            secret: serde_json::from_value(secret).unwrap(),
        }
    }

    #[test]
    fn generated_secrets_are_kept() {
        let mut step = step();
        let first = step.complete_values(Path::new(""), None).unwrap();
        let password = &first.values["password"];
        assert!(password.len() == 32 && password.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_ne!(*password, step.complete_values(Path::new(""), None).unwrap().values["password"]);
        let password = password.clone();
        step.secret.random.insert("replication".to_owned(), 8);
        let second = step.complete_values(Path::new(""), Some(first)).unwrap();
        assert_eq!(second.values["password"], password);
        assert_eq!((second.values["replication"].len(), second.values["username"].as_str()), (8, "app"));
        let object = step.required_object(&second).object;
        assert_eq!(object["data"]["username"], STANDARD.encode("app"));
    }

    #[test]
    fn damaged_or_foreign_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("postgres.json");
        assert!(step().read(&path).unwrap().is_none());
        for text in
            ["{\"namespace\": \"postgres\", \"na", "", r#"{"namespace": "other", "name": "postgres", "values": {}}"#]
        {
            durable::write_file(&path, text.as_bytes(), FILE_MODE).unwrap();
            let error = step().read(&path).err().unwrap();
            assert!(landfall_error_codes::CodedError::code(&error).id == "LF4211", "{error}");
        }
    }

    #[test]
    fn copied_values_follow_their_source() {
        let folder = tempfile::tempdir().unwrap();
        let mut copying = step();
        "reports".clone_into(&mut copying.namespace);
        let copies = json!({"login": {"namespace": "postgres", "secret": "postgres", "key": "password"}});
        copying.secret =
            serde_json::from_value(json!({"name": "database", "random": {"own": 16}, "copies": copies})).unwrap();
        let refused = copying.complete_values(folder.path(), None).err().unwrap();
        assert_eq!(landfall_error_codes::CodedError::code(&refused).id, "LF4211");
        let source = step().complete_values(folder.path(), None).unwrap();
        let path = Secret::file(folder.path(), "postgres", "postgres");
        durable::create_folder(path.parent().unwrap()).unwrap();
        durable::write_file(&path, &serde_json::to_vec(&source).unwrap(), FILE_MODE).unwrap();
        let copy = copying.complete_values(folder.path(), None).unwrap();
        assert_eq!(copy.values["login"], source.values["password"]);
        assert_eq!(
            copying.complete_values(folder.path(), Some(copy)).unwrap().values["login"],
            source.values["password"]
        );
    }
}
