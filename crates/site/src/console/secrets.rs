//! Secrets that the console's pods mount: keys by which the host authenticates them, and the certificate for browsers.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use landfall_cluster::Owner;
use landfall_release_document::ComponentEntry;
use serde_json::{Value, json};

use super::certificate::ConsoleCertificate;
use super::keys::PeerKeys;

/// Returns the Secrets of the console's namespace. `host` is the address of the host API.
pub fn secrets(
    namespace: &str,
    owner: &Owner,
    keys: &PeerKeys,
    certificate: &ConsoleCertificate,
    host: SocketAddr,
) -> [Value; 2] {
    let encoded = |text: &str| STANDARD.encode(text);
    let secret = |name: &str, kind: &str, data: Value| {
        let mut object = json!({
            "apiVersion": "v1", "kind": "Secret", "type": kind,
            "metadata": {"name": name, "namespace": namespace},
            "data": data,
        });
        owner.mark(&mut object);
        object
    };
    let keys_of_peer = json!({
        "address": encoded(&host.to_string()),
        "host.crt": encoded(&keys.host.certificate),
        "console.crt": encoded(&keys.console.certificate),
        "console.key": encoded(&keys.console.key),
    });
    let serving = json!({ "tls.crt": encoded(&certificate.chain()), "tls.key": encoded(certificate.key()) });
    let [of_keys, of_certificate] = ComponentEntry::CONSOLE_SECRETS;
    [secret(of_keys, "Opaque", keys_of_peer), secret(of_certificate, "kubernetes.io/tls", serving)]
}
