//! The security of a complete pull: targets of redirects, and token servers.

use super::*;

/// Address of another machine that does not respond: a request would fail with an error other than the refusal.
const ELSEWHERE: &str = "192.0.2.1";

/// Results of requests for a manifest and a blob in one registry.
struct RequestResults {
    registry: Registry,
    manifest: crate::error::Result<RawManifest>,
    blob: crate::error::Result<()>,
}

impl RequestResults {
    /// Requests both from a registry with these faults.
    async fn new(docker: &str, plan: impl FnOnce(&mut landfall_test_registry::Faults)) -> Self {
        let registry = Registry::start(plan).await;
        let folder = tempfile::tempdir().expect("folder");
        let file = folder.path().join("config.json");
        let docker = docker.replace("REGISTRY", &registry.address().to_string());
        landfall_media::durable::write_file(&file, docker.as_bytes(), 0o600).expect("file");
        let client = Client::new(Registries::default(), DockerConfiguration::read(&file).expect("read"), QUICK);
        let document = br#"{"schemaVersion": 2, "layers": []}"#;
        registry.add_manifest("library/thing", "1", "application/vnd.oci.image.manifest.v1+json", document);
        let bytes = bytes(1000);
        registry.add_blob(&bytes);
        let (reference, notes) = (reference(&registry), Notes::default());
        let manifest = client.manifest(&reference, &notes).await;
        let store = ContentStore::at(folder.path().join("store"));
        let blob = fetch_blob(&client, Origin::Registry(&reference), expected_blob(&bytes), &store, &notes).await;
        Self { registry, manifest, blob }
    }

    fn refusals(self) -> [crate::BuildError; 2] {
        [self.manifest.expect_err("manifest"), self.blob.expect_err("blob")]
    }
}

/// An error with all its causes.
fn text_with_causes(error: &crate::BuildError) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

const WITH_PASSWORD: &str = r#"{"auths": {"REGISTRY": {"username": "user", "password": "word"}}}"#;

#[tokio::test]
async fn redirect_target_gets_no_credentials() {
    for (bytes, is_right) in [(bytes(1000), true), (vec![7; 4000], false)] {
        let target = Registry::start(|_| ()).await;
        let blob = target.add_file("blob", &bytes);
        let manifest = target.add_file("manifest", br#"{"schemaVersion": 2, "layers": []}"#);
        let asked = RequestResults::new(WITH_PASSWORD, |faults| {
            faults.ask_for_token("http://SELF/token");
            faults.on_manifests([Fault::Redirect(manifest)]);
            faults.on_blobs([Fault::Redirect(blob)]);
        })
        .await;
        asked.manifest.expect("followed");
        assert_eq!(asked.blob.is_ok(), is_right, "other bytes never enter the store");
        assert_eq!(target.file_authorizations(), [None, None], "credentials and tokens stay with the registry");
        assert_eq!(asked.registry.token_requests().len(), 1);
    }
}

/// The target of a redirect may also ask for credentials, but its challenge is not the registry's, and only the
/// registry receives the user's credentials.
#[tokio::test]
async fn redirect_target_receives_no_token_request() {
    for docker in [WITH_PASSWORD, r#"{"auths": {"REGISTRY": {"identitytoken": "who I am"}}}"#] {
        let target = Registry::start(|faults| faults.ask_for_token("http://SELF/token")).await;
        let asked = RequestResults::new(docker, |faults| {
            faults.ask_for_token("http://SELF/token");
            faults.lead_to(&target);
        })
        .await;
        asked.manifest.expect("by the challenge of the registry");
        assert_eq!(target.token_requests(), []);
        assert!(target.authorizations().iter().all(Option::is_none));
        assert_eq!(asked.registry.token_requests().len(), 1);
    }
}

const IDENTITY: &str = r#"{"auths": {"REGISTRY": {"identitytoken": "who I am"}}}"#;

/// Registries that many companies run respond to `/v2/` with 200 for everyone, and require authentication for each
/// repository.
#[tokio::test]
async fn repository_challenge_is_answered() {
    for docker in ["{}", WITH_PASSWORD, IDENTITY] {
        let asked = RequestResults::new(docker, |faults| {
            faults.open_itself();
            faults.ask_for_token("http://SELF/token");
        })
        .await;
        asked.manifest.expect("opened");
        asked.blob.expect("opened");
        let requests = asked.registry.token_requests();
        assert_eq!(requests.len(), 1, "{requests:?}");
        let credentials = (docker == WITH_PASSWORD).then(|| "Basic dXNlcjp3b3Jk".to_owned());
        assert_eq!(requests[0].1, credentials);
        assert_eq!(requests[0].0.contains("refresh_token=who+I+am"), docker == IDENTITY);
    }
    let password = "Basic dXNlcjp3b3Jk";
    let asked = RequestResults::new(WITH_PASSWORD, |faults| {
        faults.open_itself();
        faults.ask_for_password(password);
    })
    .await;
    asked.manifest.expect("opened");
    asked.blob.expect("opened");
    let sent = asked.registry.authorizations();
    assert_eq!(
        sent.iter().flatten().collect::<Vec<_>>(),
        [password, password],
        "the first requests have none: {sent:?}"
    );
}

#[tokio::test]
async fn bearer_challenge_is_found_among_others() {
    let bearer = r#"Bearer realm="REALM",service="it""#;
    let (in_one, scoped) =
        (format!(r#"Basic realm="it", {bearer}"#), format!(r#"{bearer},scope="repository:other:pull""#));
    for (challenges, scope) in [
        (&[r#"Basic realm="it""#, bearer][..], "library%2Fthing"),
        (&[bearer, r#"Basic realm="it""#], "library%2Fthing"),
        (&["Negotiate", bearer], "library%2Fthing"),
        (&[&in_one], "library%2Fthing"),
        (&[&scoped], "other"),
    ] {
        let asked = RequestResults::new("{}", |faults| {
            faults.ask_for_token("http://SELF/token");
            faults.challenge_with(challenges);
        })
        .await;
        asked.manifest.unwrap_or_else(|error| panic!("{challenges:?}: {}", text_with_causes(&error)));
        asked.blob.expect("opened");
        let path = format!("/token?scope=repository%3A{scope}%3Apull&service=it");
        assert_eq!(asked.registry.token_requests(), [(path, None)], "{challenges:?}");
    }
}

#[tokio::test]
async fn foreign_repository_realm_gets_no_credentials() {
    let asked = RequestResults::new(WITH_PASSWORD, |faults| {
        faults.open_itself();
        faults.ask_for_token(&format!("https://{ELSEWHERE}/token"));
    })
    .await;
    let sent = asked.registry.authorizations();
    assert!(sent.iter().all(Option::is_none), "{sent:?}");
    for refused in asked.refusals() {
        assert_eq!(refused.code(), codes::REGISTRY_REALM, "{}", text_with_causes(&refused));
    }
}

#[tokio::test]
async fn identity_token_is_exchanged() {
    let docker = r#"{"auths": {"REGISTRY": {"identitytoken": "who I am"}}}"#;
    let asked = RequestResults::new(docker, |faults| faults.ask_for_token("http://SELF/token")).await;
    asked.manifest.expect("opened");
    asked.blob.expect("opened");
    let form = "/token form \
        grant_type=refresh_token&client_id=landfall&service=it&scope=repository%3Alibrary%2Fthing%3Apull&\
        refresh_token=who+I+am";
    assert_eq!(asked.registry.token_requests(), [(form.to_owned(), None)]);
}

#[tokio::test]
async fn token_is_requested_once_per_repository() {
    let asked = RequestResults::new(WITH_PASSWORD, |faults| faults.ask_for_token("http://SELF/token")).await;
    asked.manifest.expect("opened");
    asked.blob.expect("opened");
    let path = "/token?scope=repository%3Alibrary%2Fthing%3Apull&service=it".to_owned();
    assert_eq!(asked.registry.token_requests(), [(path, Some("Basic dXNlcjp3b3Jk".to_owned()))]);
}

#[tokio::test]
async fn plain_http_realm_gets_no_credentials() {
    let asked =
        RequestResults::new(WITH_PASSWORD, |faults| faults.ask_for_token(&format!("http://{ELSEWHERE}/token"))).await;
    for refused in asked.refusals() {
        assert_eq!(refused.code(), codes::PLAIN_HTTP_REFUSED, "{}", text_with_causes(&refused));
    }
}

/// The URL has TLS and does not respond: a request would fail with an error other than the refusal.
#[tokio::test]
async fn foreign_realm_gets_no_credentials() {
    let elsewhere = format!("https://{ELSEWHERE}/token");
    for docker in [WITH_PASSWORD, r#"{"auths": {"REGISTRY": {"identitytoken": "who I am"}}}"#] {
        let asked = RequestResults::new(docker, |faults| faults.ask_for_token(&elsewhere)).await;
        let sent = asked.registry.authorizations();
        assert!(!sent.is_empty() && sent.iter().all(Option::is_none), "{sent:?}");
        for refused in asked.refusals() {
            let said = text_with_causes(&refused);
            assert_eq!(refused.code(), codes::REGISTRY_REALM, "{said}");
            assert!(said.contains(&format!("names {ELSEWHERE} as the place of its tokens")), "{said}");
        }
    }
}

#[tokio::test]
async fn password_is_sent_on_request() {
    let asked = RequestResults::new(WITH_PASSWORD, |_| ()).await;
    asked.manifest.expect("open to everyone");
    asked.blob.expect("open to everyone");
    let sent = asked.registry.authorizations();
    assert!(sent.len() >= 3 && sent.iter().all(Option::is_none), "{sent:?}");

    let password = "Basic dXNlcjp3b3Jk";
    let asked = RequestResults::new(WITH_PASSWORD, |faults| faults.ask_for_password(password)).await;
    asked.manifest.expect("opened");
    asked.blob.expect("opened");
    let sent = asked.registry.authorizations();
    assert_eq!((sent.first(), sent.last()), (Some(&None), Some(&Some(password.to_owned()))), "{sent:?}");
}
