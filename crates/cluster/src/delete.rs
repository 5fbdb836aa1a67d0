//! Deletion of objects, including the wait until they are gone.

use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};

use super::connection::Call;
use super::labels::{Owner, is_managed};
use super::retry::Failure;
use super::{Cluster, ClusterError, ObjectName};

impl Cluster {
    /// Deletes one of Landfall's objects with all dependents, and waits until it is gone. A missing object is not an
    /// error. Leaves any other object unchanged, and returns false.
    pub fn delete(&self, object: &ObjectName, limit: Duration) -> Result<bool, ClusterError> {
        self.delete_if(object, limit, is_managed)
    }

    /// Like [`Self::delete`], but only for an object of this component. Leaves an object that another component has
    /// taken over unchanged, and returns false.
    pub fn delete_of(&self, owner: &Owner, object: &ObjectName, limit: Duration) -> Result<bool, ClusterError> {
        self.delete_if(object, limit, |live| owner.owns(live))
    }

    fn delete_if(
        &self,
        object: &ObjectName,
        limit: Duration,
        may_go: impl FnOnce(&Value) -> bool,
    ) -> Result<bool, ClusterError> {
        let Some(live) = self.get(object)? else { return Ok(true) };
        if !may_go(&live) {
            return Ok(false);
        }
        let uid = self.request_deletion(object, &live, "Foreground")?;
        self.wait_until_gone(object, &uid, limit)?;
        Ok(true)
    }

    /// Requests the deletion of exactly this object, whoever owns it, and of its dependents before or after it. Returns
    /// its UID.
    pub(super) fn request_deletion(
        &self,
        object: &ObjectName,
        live: &Value,
        propagation: &str,
    ) -> Result<Value, ClusterError> {
        let uid = live.pointer("/metadata/uid").cloned().unwrap_or_default();
        let body = json!({
            "apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation,
            "preconditions": {"uid": uid},
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
                // The object was deleted in the meantime, or replaced by another one of the same name.
                Failure::Status(status) if matches!(status.code, 404 | 409) => Ok(uid),
                _ => Err(self.error(&call, given_up)),
            },
        }
    }

    pub(super) fn wait_until_gone(
        &self,
        object: &ObjectName,
        uid: &Value,
        limit: Duration,
    ) -> Result<(), ClusterError> {
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

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::connection::tests::at;

    /// Returns an API server with one `ConfigMap` of the component `web`, until a request deletes it, and the methods
    /// of the requests for it.
    fn server() -> (tempfile::TempDir, Cluster, Arc<Mutex<Vec<String>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (folder, cluster) = at(listener.local_addr().unwrap());
        let methods = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&methods);
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                answer(&mut connection.unwrap(), &mut seen.lock().unwrap());
            }
        });
        (folder, cluster, methods)
    }

    fn answer(connection: &mut TcpStream, methods: &mut Vec<String>) {
        let mut reader = BufReader::new(connection.try_clone().unwrap());
        let mut lines = reader.by_ref().lines().map(Result::unwrap);
        let first = lines.next().unwrap();
        let (method, path) = first.split_once(' ').unwrap();
        let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
        let length =
            head.iter().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        // Closing a connection with unread bytes would lose its answer.
        reader.read_exact(&mut vec![0; length.unwrap_or_default()]).unwrap();
        let body = if path.starts_with("/api/v1 ") {
            json!({"resources": [{"name": "configmaps", "kind": "ConfigMap", "namespaced": true}]})
        } else {
            let mut live = json!({"metadata": {"name": "moved", "namespace": "default", "uid": "1"}});
            owner("web").mark(&mut live);
            live
        };
        let is_gone = methods.iter().any(|method| method == "DELETE");
        if path.contains("/moved ") {
            methods.push(method.to_owned());
        }
        let missing =
            json!({"kind": "Status", "status": "Failure", "code": 404, "message": "no", "reason": "NotFound"});
        let (code, body) = if is_gone { (404, missing) } else { (200, body) };
        let text = body.to_string();
        write!(connection, "HTTP/1.1 {code} x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}", text.len())
            .unwrap();
    }

    fn owner(component: &str) -> Owner {
        Owner { release: "sample".to_owned(), component: component.to_owned() }
    }

    #[test]
    fn object_of_another_component_stays() {
        let (_folder, cluster, methods) = server();
        let object = ObjectName::new("v1", "ConfigMap", "default", "moved");
        let limit = Duration::from_secs(5);
        assert!(!cluster.delete_of(&owner("db"), &object, limit).unwrap());
        assert_eq!(*methods.lock().unwrap(), ["GET"], "nothing was deleted");
        assert!(cluster.delete_of(&owner("web"), &object, limit).unwrap());
        assert_eq!(*methods.lock().unwrap(), ["GET", "GET", "DELETE", "GET"]);
    }
}
