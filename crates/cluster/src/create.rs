//! Creation of objects that must not exist yet, which requires only the right to create them.

use http::Method;
use serde_json::Value;

use super::connection::Call;
use super::labels::FIELD_MANAGER;
use super::{Cluster, ClusterError, ObjectName};

impl Cluster {
    /// Creates an object. If an answer was lost and the request repeated, the API server may report the object as
    /// existing.
    pub(super) fn create(&self, object: &Value) -> Result<(), ClusterError> {
        let name = ObjectName::of(object)?;
        let kind = self.resource(&name.api_version, &name.kind)?;
        let options = format!("fieldManager={FIELD_MANAGER}&fieldValidation=Strict");
        let call = Call {
            method: Method::POST,
            path: format!("{}?{options}", kind.collection(name.namespace.as_deref())),
            content_type: "application/json",
            body: object.to_string().into_bytes(),
            verb: "create",
            what: &name,
        };
        self.call(&call).map(drop)
    }
}
