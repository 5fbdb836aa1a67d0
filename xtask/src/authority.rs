//! A certificate authority made with openssl, and a certificate that it issues for servers on loopback.
#![expect(clippy::disallowed_methods, reason = "files of the tests, removed with them")]

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::outcome::Outcome;

/// Creates an authority in a folder, with its certificate in `authority.pem`. It issues a certificate for these names,
/// in `leaf.pem`, with its key in `leaf.key`.
pub fn certify(folder: &Path, names: &[&str]) -> Result<()> {
    let names: Vec<_> = names.iter().map(|name| format!("DNS:{name}")).collect();
    let extensions = format!("basicConstraints=critical,CA:FALSE\nsubjectAltName={}\n", names.join(","));
    std::fs::write(folder.join("leaf.ext"), extensions).context("cannot write the extensions of a certificate")?;
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    let authority: [&[&str]; 3] = [
        &["req", "-x509", "-days", "2", "-subj", "/CN=Corporate authority", "-out", "authority.pem"],
        &["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign"],
        &["-keyout", "authority.key"],
    ];
    let request = ["req", "-subj", "/CN=proxy", "-keyout", "leaf.key", "-out", "leaf.csr"];
    let sign =
        ["x509", "-req", "-in", "leaf.csr", "-CA", "authority.pem", "-CAkey", "authority.key", "-CAcreateserial"];
    let signed = ["-days", "2", "-extfile", "leaf.ext", "-out", "leaf.pem"];
    for arguments in
        [[&authority.concat()[..], &key].concat(), [&request[..], &key].concat(), [&sign[..], &signed].concat()]
    {
        Outcome::success(Command::new("openssl").args(&arguments).current_dir(folder))?;
    }
    Ok(())
}
