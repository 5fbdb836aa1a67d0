//! Faults of texts that should be PEM.

use rustls::pki_types::pem;

/// Describes why a text is not PEM. The parser's own reasons quote the invalid line, which is the whole key if its line
/// ends were lost. Logs and pages show this description instead.
pub fn pem_fault(error: &pem::Error) -> String {
    match error {
        pem::Error::Io(error) => error.to_string(),
        pem::Error::NoItemsFound => "it has no such block".to_owned(),
        _ => "it is damaged; BEGIN and END each have a line of their own".to_owned(),
    }
}

/// Describes why a certificate and its key cannot be used together.
pub fn pair_fault(certificate: &str, key: &str, error: &rustls::Error) -> String {
    match error {
        rustls::Error::InconsistentKeys(_) => format!("{certificate} and {key} do not belong together"),
        error => format!("{certificate} and {key} cannot be used together: {error}"),
    }
}
