//! Signing by an external program, which reads a file and writes a signature.
//!
//! The program may be cosign (keys in a file, a KMS, a hardware token), openssl with a PKCS#11 provider, or a script
//! that waits for a colleague. Its output is not trusted: the signature must verify with one of the allowed keys.

use std::io::Read;
use std::process::{Command, Stdio};

use landfall_bundle_spec::trust::{KeyId, PublicKey, find_detached_signature};
use landfall_error_codes::codes;
use landfall_media::durable;

use crate::error::{BuildError, Result};

/// Environment variable with the path of the file to sign.
pub const DOCUMENT_VARIABLE: &str = "DOCUMENT";

/// Environment variable with the path of the signature to write.
pub const SIGNATURE_VARIABLE: &str = "SIGNATURE";

/// Maximum size of a signature file in bytes; a Sigstore bundle with log entries has a few KiB.
const SIGNATURE_BYTES: u64 = 64 * 1024;

/// Runs a command that signs a document with one of these keys.
///
/// The command is run by `sh -c` with [`DOCUMENT_VARIABLE`] and [`SIGNATURE_VARIABLE`] set. It may ask for a PIN at the
/// terminal; its output goes to standard error.
///
/// # Errors
///
/// `LF1135` if the command fails or writes nothing, `LF1134` if its output is not a signature of the document by one of
/// the keys.
pub fn sign_by_command(
    command: &str,
    name: &str,
    message: &[u8],
    keys: impl IntoIterator<Item = PublicKey>,
) -> Result<(KeyId, Vec<u8>)> {
    let failed = |what: String| BuildError::new(codes::SIGN_COMMAND, format!("`{command}` {what}"));
    let folder = tempfile::tempdir().map_err(|error| failed("has no folder to work in".to_owned()).because(error))?;
    let (document, signature) = (folder.path().join(name), folder.path().join("signature"));
    durable::write_file(&document, message, 0o600)?;
    let status = Command::new("sh")
        .args(["-c", command])
        .env(DOCUMENT_VARIABLE, &document)
        .env(SIGNATURE_VARIABLE, &signature)
        .stdout(Stdio::from(std::io::stderr()))
        .status()
        .map_err(|error| failed("cannot be run".to_owned()).because(error))?;
    if !status.success() {
        return Err(failed(format!("ended with {status}")));
    }
    let mut bytes = Vec::new();
    fs_err::File::open(&signature)
        .and_then(|file| file.take(SIGNATURE_BYTES).read_to_end(&mut bytes))
        .map_err(|error| failed(format!("wrote no signature to ${SIGNATURE_VARIABLE}")).because(error))?;
    let foreign = || landfall_bundle_spec::Error::ForeignSignature {
        name: format!("what `{command}` wrote"),
        document: name.to_owned(),
    };
    Ok(find_detached_signature(&bytes, message, keys).ok_or_else(foreign)?)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use landfall_bundle_spec::trust::{KeyKind, SigningKey};
    use landfall_error_codes::CodedError;

    use super::*;

    fn code(command: &str, keys: &[&SigningKey]) -> &'static str {
        let keys = keys.iter().map(|key| key.public().clone());
        sign_by_command(command, "landfall.json", b"a message", keys).map_or_else(|error| error.code().id, |_| "signed")
    }

    #[test]
    fn command_signature_must_verify() {
        let [key, other] = [(); 2].map(|()| SigningKey::generate(KeyKind::Ed25519).expect("key"));
        let right = STANDARD.encode(key.sign(b"a message").expect("signature"));
        let says =
            |text: &str| format!("test \"$(cat \"$DOCUMENT\")\" = 'a message' && printf %s '{text}' > \"$SIGNATURE\"");
        let signed = sign_by_command(&says(&right), "landfall.json", b"a message", [key.public().clone()]);
        assert_eq!(signed.expect("signed").0, key.public().id());
        assert_eq!(code(&says(&right), &[&other, &key]), "signed");
        assert_eq!(code(&says(&right), &[&other]), "LF1134");
        assert_eq!(code(&says("junk"), &[&key]), "LF1134");
        assert_eq!(code("true", &[&key]), "LF1135", "nothing written");
        assert_eq!(code("exit 3", &[&key]), "LF1135");
        assert_eq!(code("no-such-program-anywhere", &[&key]), "LF1135");
    }

    #[test]
    fn openssl_signs_as_a_command() {
        // openssl with its own key takes the place of a hardware token with a provider.
        let folder = tempfile::tempdir().expect("folder");
        let private = folder.path().join("key.pem").display().to_string();
        let run = |command: &str| Command::new("sh").args(["-c", command]).output().expect("openssl");
        run(&format!("openssl ecparam -name prime256v1 -genkey -noout -out {private}"));
        let public = run(&format!("openssl pkey -in {private} -pubout"));
        let public = PublicKey::from_pem("openssl", &String::from_utf8(public.stdout).expect("PEM")).expect("key");
        let command = format!("openssl dgst -sha256 -sign {private} -out \"$SIGNATURE\" \"$DOCUMENT\"");
        let (id, signature) =
            sign_by_command(&command, "1.root.json", b"{}", [public.clone()]).expect("openssl's signature");
        assert!(id == public.id() && public.verifies(b"{}", &signature));
    }
}
