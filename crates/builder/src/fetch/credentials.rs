//! Credentials as Docker stores them: in its configuration file, or through a credential helper.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use landfall_error_codes::codes;
use serde::Deserialize;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::error::{BuildError, Place, Result};

/// Key of the credentials for docker.io.
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";

/// User name that a helper returns with an identity token.
const TOKEN_USER: &str = "<token>";

/// Output of a helper for an unknown registry.
const HELPER_KNOWS_NONE: &str = "credentials not found";

/// The part of the Docker configuration that concerns registries.
#[derive(Debug, Clone, Default)]
pub struct DockerConfiguration {
    path: PathBuf,
    /// Folder of the credential helpers; `None` for those in PATH.
    helpers: Option<PathBuf>,
    document: DockerDocument,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DockerDocument {
    #[serde(default)]
    auths: BTreeMap<String, DockerAuth>,
    #[serde(default)]
    cred_helpers: BTreeMap<String, String>,
    #[serde(default)]
    creds_store: Option<String>,
}

#[derive(Clone, Default, Deserialize)]
struct DockerAuth {
    #[serde(default)]
    auth: Option<String>,
    #[serde(default)]
    username: Option<String>,
    #[serde(default)]
    password: Option<String>,
    #[serde(default)]
    identitytoken: Option<String>,
    #[serde(default)]
    registrytoken: Option<String>,
}

impl std::fmt::Debug for DockerAuth {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("DockerAuth(hidden)")
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HelperAnswer {
    username: String,
    secret: String,
}

/// Credentials for a registry.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Credentials {
    /// No credentials.
    Anonymous,
    /// User name and password.
    Basic { user: String, password: String },
    /// A registry token.
    Bearer(String),
    /// A token that is exchanged for a registry token.
    Identity(String),
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Credentials(hidden)")
    }
}

impl DockerConfiguration {
    /// Loads the configuration of this user: `$DOCKER_CONFIG/config.json` or `~/.docker/config.json`. A missing file is
    /// not an error.
    pub fn load() -> Result<Self> {
        let folder = std::env::var_os("DOCKER_CONFIG").map(PathBuf::from);
        let folder = folder.or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".docker")));
        folder.map_or_else(|| Ok(Self::default()), |folder| Self::read(&folder.join("config.json")))
    }

    /// Reads a configuration; a missing file has no credentials.
    pub fn read(path: &Path) -> Result<Self> {
        let unusable = |what| BuildError::at(codes::CREDENTIALS_REFUSED, Place::file(path), what);
        let bytes = match fs_err::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(unusable("the Docker configuration cannot be read").because(error)),
        };
        let document = serde_json::from_slice(&bytes)
            .map_err(|error| unusable("the Docker configuration is not valid JSON").because(error))?;
        Ok(Self { path: path.to_owned(), helpers: None, document })
    }

    /// Credentials for a registry; anonymous if none are stored.
    pub(super) async fn credentials(&self, registry: &str) -> Result<Credentials> {
        let keys = keys(registry);
        let helper = keys.iter().find_map(|key| self.document.cred_helpers.get(key));
        if let Some(helper) = helper {
            return Ok(self.ask(helper, &keys).await?.unwrap_or(Credentials::Anonymous));
        }
        let entry = keys.iter().find_map(|key| self.document.auths.get(key));
        if let Some(found) = entry.map(|entry| self.entry_credentials(entry, registry)).transpose()?.flatten() {
            return Ok(found);
        }
        match &self.document.creds_store {
            Some(helper) => Ok(self.ask(helper, &keys).await?.unwrap_or(Credentials::Anonymous)),
            None => Ok(Credentials::Anonymous),
        }
    }

    fn refuse(&self, what: String) -> BuildError {
        BuildError::at(codes::CREDENTIALS_REFUSED, Place::file(&self.path), what)
    }

    fn entry_credentials(&self, entry: &DockerAuth, registry: &str) -> Result<Option<Credentials>> {
        if let Some(token) = entry.registrytoken.as_ref().filter(|token| !token.is_empty()) {
            return Ok(Some(Credentials::Bearer(token.clone())));
        }
        if let Some(token) = entry.identitytoken.as_ref().filter(|token| !token.is_empty()) {
            return Ok(Some(Credentials::Identity(token.clone())));
        }
        if let (Some(username), Some(password)) = (&entry.username, &entry.password) {
            return Ok(Some(Credentials::Basic { user: username.clone(), password: password.clone() }));
        }
        let Some(auth) = entry.auth.as_ref().filter(|auth| !auth.is_empty()) else { return Ok(None) };
        let malformed = || self.refuse(format!("auths.{registry}.auth is not base64 of user:password"));
        let text = STANDARD.decode(auth).ok().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(malformed)?;
        let (username, password) = text.trim_end_matches('\0').split_once(':').ok_or_else(malformed)?;
        Ok(Some(Credentials::Basic { user: username.to_owned(), password: password.to_owned() }))
    }

    /// Runs `docker-credential-NAME` for the keys in order; returns the first known credentials.
    async fn ask(&self, helper: &str, keys: &[String]) -> Result<Option<Credentials>> {
        let name = format!("docker-credential-{helper}");
        let program = self.helpers.as_ref().map_or_else(|| PathBuf::from(&name), |folder| folder.join(&name));
        for key in keys {
            let (success, answer) = run_helper(&program, key)
                .await
                .map_err(|error| self.refuse(format!("the credential helper {name} does not run")).because(error))?;
            if success {
                let answer: HelperAnswer = serde_json::from_slice(&answer).map_err(|error| {
                    self.refuse(format!("the credential helper {name} gave no credentials")).because(error)
                })?;
                if answer.username == TOKEN_USER {
                    return Ok(Some(Credentials::Identity(answer.secret)));
                }
                return Ok(Some(Credentials::Basic { user: answer.username, password: answer.secret }));
            }
            let said = String::from_utf8_lossy(&answer).trim().to_owned();
            if !said.contains(HELPER_KNOWS_NONE) {
                return Err(self.refuse(format!("the credential helper {name} failed for {key}: {said}")));
            }
        }
        Ok(None)
    }
}

async fn run_helper(program: &Path, key: &str) -> std::io::Result<(bool, Vec<u8>)> {
    let mut child = Command::new(program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(key.as_bytes()).await?;
    }
    let output = child.wait_with_output().await?;
    Ok((output.status.success(), output.stdout))
}

/// Keys under which Docker may store a registry's credentials.
fn keys(registry: &str) -> Vec<String> {
    if matches!(registry, "docker.io" | "index.docker.io" | "registry-1.docker.io") {
        return vec![DOCKER_HUB_KEY.to_owned(), "index.docker.io".to_owned(), "docker.io".to_owned()];
    }
    vec![
        registry.to_owned(),
        format!("https://{registry}"),
        format!("https://{registry}/v1/"),
        format!("https://{registry}/v2/"),
    ]
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn configuration(text: &str) -> DockerConfiguration {
        let mut file = tempfile::NamedTempFile::new().expect("file");
        file.write_all(text.as_bytes()).expect("text");
        DockerConfiguration::read(file.path()).expect("valid")
    }

    fn basic(user: &str, password: &str) -> Credentials {
        Credentials::Basic { user: user.to_owned(), password: password.to_owned() }
    }

    #[tokio::test]
    async fn docker_credentials_match_all_key_forms() {
        let auth = STANDARD.encode("user:pass:word");
        let text = format!(
            r#"{{"auths": {{"https://index.docker.io/v1/": {{"auth": "{auth}"}},
                "https://ghcr.io": {{"username": "a", "password": "b"}}}}, "HttpHeaders": {{}}}}"#
        );
        let found = configuration(&text);
        assert_eq!(found.credentials("docker.io").await.expect("hub"), basic("user", "pass:word"));
        assert_eq!(found.credentials("ghcr.io").await.expect("ghcr"), basic("a", "b"));
        assert_eq!(found.credentials("quay.io").await.expect("none"), Credentials::Anonymous);
    }

    #[tokio::test]
    async fn missing_docker_configuration_is_anonymous() {
        let none = DockerConfiguration::read(Path::new("/nonexistent/config.json")).expect("none");
        assert_eq!(none.credentials("docker.io").await.expect("none"), Credentials::Anonymous);
        let token = configuration(r#"{"auths": {"x.example": {"identitytoken": "t"}}}"#);
        assert_eq!(token.credentials("x.example").await.expect("token"), Credentials::Identity("t".to_owned()));
    }

    #[tokio::test]
    async fn helper_refusals_are_distinguished() {
        let folder = tempfile::tempdir().expect("folder");
        let helper = folder.path().join("docker-credential-test");
        let script = "#!/bin/sh\nread -r key || true\ncase \"$key\" in\n\
                      ghcr.io) echo '{\"ServerURL\":\"ghcr.io\",\"Username\":\"u\",\"Secret\":\"s\"}';;\n\
                      token.example) echo '{\"Username\":\"<token>\",\"Secret\":\"s\"}';;\n\
                      locked.example) echo 'the keyring is locked'; exit 1;;\n\
                      *) echo 'credentials not found in native keychain'; exit 1;;\nesac\n";
        landfall_test_support::runnable::write_program(&helper, script);
        let mut found =
            configuration(r#"{"credHelpers": {"ghcr.io": "test", "gone.example": "gone"}, "credsStore": "test"}"#);
        found.helpers = Some(folder.path().to_owned());
        assert_eq!(found.credentials("ghcr.io").await.expect("helper"), basic("u", "s"));
        assert_eq!(found.credentials("quay.io").await.expect("unknown"), Credentials::Anonymous);
        let token = found.credentials("token.example").await.expect("token");
        assert_eq!(token, Credentials::Identity("s".to_owned()));
        for (registry, said) in [("locked.example", "the keyring is locked"), ("gone.example", "does not run")] {
            let refused = found.credentials(registry).await.expect_err(registry).to_string();
            assert!(refused.contains(said), "{refused}");
        }
    }
}
