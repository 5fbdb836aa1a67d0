//! Check that the cluster's service addresses answer on this host. A lost or closed packet filter can block them while
//! every pod stays ready.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use landfall_documents::status::ServiceAddresses;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

/// Time limit for a service's answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Name that every cluster's nameserver knows.
const NAME: [&str; 5] = ["kubernetes", "default", "svc", "cluster", "local"];

/// Address of a component within the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceStatus {
    /// Name of the component.
    pub component: String,
    /// Name within the cluster.
    pub name: String,
    /// Address within the cluster; null if the name leads to the pods themselves.
    pub address: Option<String>,
    /// Port numbers.
    pub ports: Vec<u64>,
}

/// Tries the addresses of the API server and the nameserver. Returns ready if the services are unknown because the
/// API server does not answer.
pub(super) fn service_addresses(services: &[Value]) -> ServiceAddresses {
    let tried = if services.is_empty() { Ok(()) } else { api_server(services).and_then(|()| nameserver(services)) };
    ServiceAddresses { ready: tried.is_ok(), reason: tried.err() }
}

fn api_server(services: &[Value]) -> Result<(), String> {
    let address = SocketAddr::from((address(services, "default", "kubernetes")?, 443));
    TcpStream::connect_timeout(&address, PATIENCE)
        .map_err(|error| no_answer_text("API server", address, &error))
        .map(drop)
}

fn nameserver(services: &[Value]) -> Result<(), String> {
    let address = SocketAddr::from((address(services, "kube-system", "kube-dns")?, 53));
    ask(address).map_err(|error| no_answer_text("cluster's nameserver", address, &error))
}

/// Returns the address of a service that every cluster has.
fn address(services: &[Value], namespace: &str, name: &str) -> Result<IpAddr, String> {
    let is_it = |service: &&Value| service["metadata"]["namespace"] == namespace && service["metadata"]["name"] == name;
    let found =
        services.iter().find(is_it).and_then(|service| service.pointer("/spec/clusterIP")?.as_str()?.parse().ok());
    found.ok_or_else(|| format!("the service {namespace}/{name} is missing or has no address"))
}

fn no_answer_text(whose: &str, address: SocketAddr, error: &std::io::Error) -> String {
    format!("the {whose} does not answer at its service address {address}: {error}")
}

/// Queries a nameserver over TCP for the API server's name. Any answer without an error shows that it works.
fn ask(address: SocketAddr) -> std::io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(&question())?;
    let mut answer = [0; 6];
    stream.read_exact(&mut answer)?;
    match answer[5] & 0x0f {
        0 => Ok(()),
        code => Err(std::io::Error::other(format!("it answers with DNS error {code}"))),
    }
}

/// Returns a DNS query for an address, with its length prefix for TCP.
fn question() -> Vec<u8> {
    // ID 1, recursion desired, one question.
    let mut bytes = vec![0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in NAME {
        bytes.extend(u8::try_from(label.len()));
        bytes.extend(label.as_bytes());
    }
    // End of the name, type A, class IN.
    bytes.extend([0, 0, 1, 0, 1]);
    let mut framed = u16::try_from(bytes.len()).unwrap_or_default().to_be_bytes().to_vec();
    framed.extend(bytes);
    framed
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// Returns the address of a nameserver that answers one query with this code.
    fn nameserver(code: u8) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = vec![0; question().len()];
            stream.read_exact(&mut asked).unwrap();
            assert_eq!(asked, question());
            stream.write_all(&[0, 4, 0, 1, 0x81, 0x80 | code]).unwrap();
        });
        address
    }

    #[test]
    fn nameserver_error_is_refused() {
        ask(nameserver(0)).unwrap();
        let error = ask(nameserver(2)).unwrap_err();
        assert_eq!(error.to_string(), "it answers with DNS error 2");
        // The listener is dropped at once, so the address is unbound.
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert_eq!(ask(closed).unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
    }

    #[test]
    fn refused_service_address_is_reported() {
        // Nothing listens on port 443 of this loopback address.
        let services = [serde_json::json!({
            "metadata": {"namespace": "default", "name": "kubernetes"},
            "spec": {"clusterIP": "127.96.0.1"},
        })];
        let found = service_addresses(&services);
        assert!(!found.ready);
        assert!(
            found.reason.unwrap().starts_with("the API server does not answer at its service address 127.96.0.1:443: ")
        );
        assert!(service_addresses(&[]).ready, "a cluster that does not answer is judged by that");
        let other = [serde_json::json!({"metadata": {"namespace": "shop", "name": "kubernetes"}})];
        let found = service_addresses(&other);
        assert_eq!(found.reason.unwrap(), "the service default/kubernetes is missing or has no address");
    }
}
