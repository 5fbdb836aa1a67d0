//! A Secret whose value the site gave. The value is in a file of the data folder before the operation's first record.
//! The plan and the journal hold only its number.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use landfall_error_codes::codes;
use landfall_release_document::{self as document, SiteSecretValue};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::action::{Action, LastActions};
use super::objects;
use super::objects::{DELETION_SECONDS, RequiredObject};
use crate::context::Site;
use landfall_cluster::{ObjectName, Owner};
use landfall_engine::step::{ObservedState, Step, StepError};
use landfall_site::site_secrets::{SecretKey, SecretNumbers, SecretStore, data};

/// Parameters of the step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SiteSecret {
    /// Namespace of the Secret.
    pub namespace: String,
    /// Its owner.
    pub owner: Owner,
    /// The release's declaration of the secret.
    pub secret: document::SiteSecret,
    /// Number of the value.
    pub number: u64,
}

/// Returns the numbers of the values that a site has.
pub(crate) fn numbers(made: &LastActions) -> SecretNumbers {
    let given = made.values().filter_map(|action| match action {
        Action::SiteSecret(step) => Some(((step.namespace.clone(), step.secret.name.clone()), step.number)),
        _ => None,
    });
    given.collect()
}

impl SiteSecret {
    /// Returns the key of the value that the step applies.
    fn key(&self) -> SecretKey {
        SecretKey { secret: (self.namespace.clone(), self.secret.name.clone()), number: self.number }
    }

    fn object_name(&self) -> ObjectName {
        ObjectName::new("v1", "Secret", &self.namespace, &self.secret.name)
    }

    /// Returns the type of the Secret, which never changes: software finds certificates by it.
    pub(crate) fn secret_type(&self) -> &'static str {
        match self.secret.value {
            SiteSecretValue::Tls(_) => "kubernetes.io/tls",
            _ => "Opaque",
        }
    }

    fn required_object(&self, site: &Site) -> Result<RequiredObject, StepError> {
        let stored = SecretStore::of(&site.secrets.paths).expect(&self.key())?;
        let unfit = |why: String| {
            let what =
                format!("the value {} of the secret {} is not what it was: {why}", self.number, self.secret.name);
            StepError::new(codes::SITE_SECRET_FILE, what)
        };
        let data = data(&self.secret, &stored.value).map_err(unfit)?;
        let data: BTreeMap<String, String> =
            data.into_iter().map(|(key, value)| (key, STANDARD.encode(&*value))).collect();
        let mut object = json!({
            "apiVersion": "v1", "kind": "Secret", "type": self.secret_type(),
            "metadata": {"name": self.secret.name, "namespace": self.namespace},
            "data": data,
        });
        self.owner.mark(&mut object);
        Ok(RequiredObject::new(object))
    }
}

impl Step<Site> for SiteSecret {
    fn observe(&self, site: &mut Site) -> Result<ObservedState, StepError> {
        let wanted = self.required_object(site)?;
        objects::observe(&site.cluster.connect()?, &[wanted])
    }

    fn act(&self, site: &mut Site, _before: &Value) -> Result<Value, StepError> {
        let wanted = self.required_object(site)?;
        objects::apply(&site.cluster.connect()?, &[wanted])?;
        // No digest: a reader of the journal could guess the value from it.
        Ok(json!({"file": SecretStore::of(&site.secrets.paths).file(&self.key())}))
    }

    fn undo(&self, site: &mut Site, _before: &Value) -> Result<(), StepError> {
        // The files are removed with the site.
        if site.undo.removing_cluster {
            return Ok(());
        }
        site.cluster.connect()?.delete(&self.object_name(), Duration::from_secs(DELETION_SECONDS))?;
        SecretStore::of(&site.secrets.paths).remove(&self.key())
    }
}
