//! Deleting objects, and waiting until they are gone.

use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};

use super::connection::Call;
use super::labels::is_managed;
use super::retry::Failure;
use super::{Cluster, ClusterError, ObjectName};

impl Cluster {
    /// Deletes an object of Landfall's with everything that depends on it, and waits until it is gone. A missing object
    /// is no error; one that is not Landfall's is left alone, and the answer is false.
    pub fn delete(&self, object: &ObjectName, limit: Duration) -> Result<bool, ClusterError> {
        let Some(live) = self.get(object)? else { return Ok(true) };
        if !is_managed(&live) {
            return Ok(false);
        }
        let uid = self.request_deletion(object, &live, "Foreground")?;
        self.wait_until_gone(object, &uid, limit)?;
        Ok(true)
    }

    /// Has exactly this object deleted, whoever owns it, and what depends on it before or after it. Returns its UID.
    pub(super) fn request_deletion(
        &self,
        object: &ObjectName,
        live: &Value,
        propagation: &str,
    ) -> Result<Value, ClusterError> {
        let uid = live.pointer("/metadata/uid").cloned().unwrap_or_default();
        let body = json!({
            "apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation, "preconditions": {"uid": uid},
        });
        let call = Call {
            method: Method::DELETE,
            path: self.path(object)?,
            content_type: "application/json",
            body: body.to_string().into_bytes(),
            verb: "delete",
            what: object,
        };
        match self.attempt(&call) {
            Ok(_) => Ok(uid),
            Err(given_up) => match &given_up.failure {
                // Gone in the meantime, or replaced by another of the same name: the object to delete no longer exists.
                Failure::Status(status) if matches!(status.code, 404 | 409) => Ok(uid),
                _ => Err(self.error(&call, given_up)),
            },
        }
    }

    fn wait_until_gone(&self, object: &ObjectName, uid: &Value, limit: Duration) -> Result<(), ClusterError> {
        let started = Instant::now();
        loop {
            let Some(live) = self.get(object)?.filter(|live| live.pointer("/metadata/uid") == Some(uid)) else {
                return Ok(());
            };
            if started.elapsed() > limit {
                let finalizers = live.pointer("/metadata/finalizers").and_then(Value::as_array);
                let finalizers = finalizers.into_iter().flatten().filter_map(|name| name.as_str().map(str::to_owned));
                return Err(ClusterError::NotDeleted {
                    object: object.clone().into(),
                    seconds: started.elapsed().as_secs(),
                    finalizers: finalizers.collect(),
                });
            }
            std::thread::sleep(Duration::from_millis(300));
        }
    }
}
