//! TLS 1.3 in which each side accepts exactly one certificate. The handshake proves that the other side holds its key;
//! nothing else is checked.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::version::TLS13;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, ServerConfig, SignatureScheme,
};

use super::identity::{Certificate, Identity, IdentityError};

/// Returns the host's server configuration: as `own`, for the holder of `peer`'s key.
pub fn server(own: &Identity, peer: Certificate) -> Result<ServerConfig, IdentityError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Arc::new(PinnedVerifier::new(peer, &provider));
    ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .map_err(mismatch)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![own.certificate.0.clone()], own.key.clone_key())
        .map_err(mismatch)
}

/// Returns the appliance's client configuration: as `own`, to the holder of `peer`'s key. Any server name is accepted.
pub fn client(own: &Identity, peer: Certificate) -> Result<ClientConfig, IdentityError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = Arc::new(PinnedVerifier::new(peer, &provider));
    ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .map_err(mismatch)?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_auth_cert(vec![own.certificate.0.clone()], own.key.clone_key())
        .map_err(mismatch)
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that `map_err` takes")]
fn mismatch(error: Error) -> IdentityError {
    IdentityError::Mismatch(error.to_string())
}

/// Verifier that accepts one certificate.
#[derive(Debug)]
struct PinnedVerifier {
    certificate: Certificate,
    algorithms: WebPkiSupportedAlgorithms,
}

impl PinnedVerifier {
    fn new(certificate: Certificate, provider: &CryptoProvider) -> Self {
        Self { certificate, algorithms: provider.signature_verification_algorithms }
    }

    fn check(&self, certificate: &CertificateDer<'_>) -> Result<(), Error> {
        if *certificate == self.certificate.0 {
            return Ok(());
        }
        Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
    }
}

/// Rejects a TLS 1.2 signature, which never occurs because TLS 1.2 is not offered.
fn no_tls12() -> Result<HandshakeSignatureValid, Error> {
    Err(Error::General("TLS 1.2 is not offered".to_owned()))
}

impl ServerCertVerifier for PinnedVerifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _others: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(certificate).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl ClientCertVerifier for PinnedVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _others: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check(certificate).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio_rustls::{TlsAcceptor, TlsConnector};

    use super::*;

    fn identity(name: &str) -> Identity {
        let (certificate, key) = Identity::generate(name).unwrap();
        Identity::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap()
    }

    /// Checks that both sides can communicate: bytes must go both ways, because a client learns of a rejection only
    /// when it reads. Returns the result of the server, and that of the client.
    async fn speak(server: ServerConfig, client: ClientConfig) -> (std::io::Result<()>, std::io::Result<()>) {
        let (near, far) = duplex(1 << 16);
        let serving = async {
            let mut stream = TlsAcceptor::from(Arc::new(server)).accept(far).await?;
            let mut bytes = [0; 4];
            stream.read_exact(&mut bytes).await?;
            stream.write_all(&bytes).await?;
            stream.shutdown().await
        };
        let asking = async {
            let name = ServerName::try_from("10.0.0.1").unwrap();
            let mut stream = TlsConnector::from(Arc::new(client)).connect(name, near).await?;
            stream.write_all(b"ping").await?;
            let mut bytes = [0; 4];
            stream.read_exact(&mut bytes).await.map(drop)
        };
        tokio::join!(serving, asking)
    }

    #[tokio::test]
    async fn only_pinned_peers_connect() {
        let (host, appliance, stranger) = (identity("host"), identity("appliance"), identity("host"));
        let pin = |identity: &Identity| identity.certificate().clone();
        let known = |own: &Identity, peer: &Identity| server(own, pin(peer)).unwrap();
        let asks = |own: &Identity, peer: &Identity| client(own, pin(peer)).unwrap();
        let (host_side, console_side) = speak(known(&host, &appliance), asks(&appliance, &host)).await;
        host_side.and(console_side).unwrap();
        let refused = "invalid peer certificate: ApplicationVerificationFailure";
        let (host_side, _) = speak(known(&host, &appliance), asks(&stranger, &host)).await;
        assert_eq!(host_side.unwrap_err().to_string(), refused, "an unknown peer asks");
        let (_, console_side) = speak(known(&stranger, &appliance), asks(&appliance, &host)).await;
        assert_eq!(console_side.unwrap_err().to_string(), refused, "an unknown peer serves");
    }

    #[tokio::test]
    async fn certificate_without_key_is_refused() {
        let (host, appliance, thief) = (identity("host"), identity("appliance"), identity("thief"));
        let stolen = Identity { certificate: appliance.certificate.clone(), key: thief.key.clone_key() };
        let refused = client(&stolen, host.certificate().clone());
        assert!(matches!(refused, Err(IdentityError::Mismatch(_))), "{refused:?}");
    }

    #[tokio::test]
    async fn client_without_certificate_is_refused() {
        let (host, appliance) = (identity("host"), identity("appliance"));
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = Arc::new(PinnedVerifier::new(host.certificate().clone(), &provider));
        let bare = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        let (host_side, _) = speak(server(&host, appliance.certificate().clone()).unwrap(), bare).await;
        assert_eq!(host_side.unwrap_err().to_string(), "peer sent no certificates");
    }
}
