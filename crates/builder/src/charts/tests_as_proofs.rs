//! Chart tests that can become proofs: pods that only send one request to a Service of the component.

use serde_json::Value;
use serde_saphyr::Spanned;
use url::Url;

use super::hooks::{hook_error, is_companion};
use super::output::SourcedObject;
use crate::definition::{ComponentDefinition, ProofDefinition, RequestDefinition};
use crate::error::Result;
use crate::rendered::title;

/// Option of curl that makes an error response a failure; its short form is `f`.
const FAIL: &str = "--fail";

/// Options of curl that do not change the request.
const OPTIONS: [&str; 3] = [FAIL, "--silent", "--show-error"];

/// Short forms of [`OPTIONS`].
const SHORT_OPTIONS: [char; 3] = ['f', 's', 'S'];

/// The request of a test pod.
struct TestRequest {
    service: String,
    port: u16,
    path: String,
}

/// Converts a chart's tests to proofs, in their order. Companions such as a service account are dropped, because a
/// proof does not use them.
pub fn proofs(component: &ComponentDefinition, tests: &[SourcedObject]) -> Result<Vec<ProofDefinition>> {
    let pods = tests.iter().filter(|test| !is_companion(&test.object));
    pods.enumerate().map(|(number, test)| proof(component, number, test)).collect()
}

/// Returns true if a test can become a proof.
pub fn is_proof(component: &ComponentDefinition, test: &SourcedObject) -> bool {
    test_request(&test.object, &component.namespace.value).is_some()
}

/// Converts a test to a proof. The name of the first one, number 0, has no number.
fn proof(component: &ComponentDefinition, number: usize, test: &SourcedObject) -> Result<ProofDefinition> {
    let Some(asked) = test_request(&test.object, &component.namespace.value) else {
        let what = "the test is something other than one `curl --fail` of a Service of the component, which is what a \
            proof can be";
        let title = title(&test.object);
        let hint = format!(
            "List it under `leaveOut` of the chart (`leaveOut: [{title}]`), and declare a proof of your own under \
             `proofs`."
        );
        return Err(hook_error(test, what.to_owned()).hint(hint));
    };
    let suffix = if number == 0 { String::new() } else { format!("-{}", number + 1) };
    let name = format!("{}-chart-test{suffix}", component.name.value);
    let shows = format!("The Service {} of the component {} answers", asked.service, component.name.value);
    let spanned = |text: String| Spanned { value: text, ..component.name.clone() };
    Ok(ProofDefinition {
        name: spanned(name),
        component: component.name.clone(),
        shows: spanned(shows),
        limit_seconds: None,
        command: None,
        request: Some(RequestDefinition {
            service: spanned(asked.service),
            port: Spanned::new(asked.port, component.name.referenced, component.name.defined),
            method: landfall_release_document::RequestMethod::Get,
            path: spanned(asked.path),
            headers: None,
            body: None,
            expect: None,
        }),
    })
}

fn test_request(pod: &Value, namespace: &str) -> Option<TestRequest> {
    let spec = pod.get("spec").filter(|_| pod["kind"] == "Pod")?;
    let has_more =
        ["initContainers", "volumes"].iter().any(|key| spec[*key].as_array().is_some_and(|list| !list.is_empty()));
    let [container] = spec["containers"].as_array()?.as_slice() else { return None };
    if has_more || container.get("env").is_some() || container.get("envFrom").is_some() {
        return None;
    }
    let words = ["command", "args"].into_iter().flat_map(|key| container[key].as_array().into_iter().flatten());
    let words: Vec<&str> = words.map(Value::as_str).collect::<Option<_>>()?;
    let (program, arguments) = words.split_first()?;
    // wget follows redirects, and sends HEAD with `--spider`.
    if program.rsplit('/').next()? != "curl" {
        return None;
    }
    let (options, addresses): (Vec<&str>, Vec<&str>) =
        arguments.iter().copied().partition(|word| word.starts_with('-'));
    let [address] = addresses.as_slice() else { return None };
    fails(&options).then(|| service(address, namespace))?
}

/// Returns true if curl with these options fails on an error response, and does nothing else.
fn fails(options: &[&str]) -> bool {
    let is_short =
        |option: &str| letters(option).is_some_and(|rest| rest.chars().all(|it| SHORT_OPTIONS.contains(&it)));
    let is_fail = |option: &str| option == FAIL || letters(option).is_some_and(|rest| rest.contains('f'));
    let is_known = options.iter().all(|option| OPTIONS.contains(option) || is_short(option));
    is_known && options.iter().any(|option| is_fail(option))
}

/// The letters of short options.
fn letters(option: &str) -> Option<&str> {
    option.strip_prefix('-').filter(|rest| !rest.is_empty() && !rest.starts_with('-'))
}

/// Service, port and path of a URL.
fn service(address: &str, namespace: &str) -> Option<TestRequest> {
    // curl expands these characters: one URL becomes many.
    if address.contains(['[', ']', '{', '}']) {
        return None;
    }
    let whole = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
    let is_plain = |url: &Url| url.scheme() == "http" && url.username().is_empty() && url.password().is_none();
    let url = Url::parse(&whole).ok().filter(is_plain)?;
    let host = url.host_str()?.trim_end_matches('.');
    let host = host.strip_suffix(".cluster.local").unwrap_or(host);
    let host = host.strip_suffix(".svc").unwrap_or(host);
    let service = host.strip_suffix(&format!(".{namespace}")).unwrap_or(host);
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    let is_name = !service.is_empty() && !service.contains('.');
    is_name.then(|| TestRequest {
        service: service.to_owned(),
        port: url.port_or_known_default().unwrap_or(80),
        path: format!("{}{query}", url.path()),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request_text(container: &Value) -> Option<String> {
        let pod = json!({ "kind": "Pod", "metadata": { "name": "t" }, "spec": { "containers": [container] } });
        test_request(&pod, "web").map(|asked| format!("{}:{}{}", asked.service, asked.port, asked.path))
    }

    #[test]
    fn chart_tests_become_proofs() {
        let mut component: ComponentDefinition = serde_saphyr::from_str("chart: {folder: shop}").expect("component");
        "shop".clone_into(&mut component.name.value);
        "web".clone_into(&mut component.namespace.value);
        let test = |kind: &str, name: &str, command: &[&str]| {
            let spec = json!({ "containers": [{ "command": command }] });
            let object = json!({ "kind": kind, "metadata": { "name": name }, "spec": spec });
            SourcedObject { file: "shop/templates/tests/a.yaml".into(), object }
        };
        let account = test("ServiceAccount", "tests", &[]);
        let (page, health) =
            (test("Pod", "page", &["curl", "-f", "shop"]), test("Pod", "b", &["curl", "-f", "shop:81/b"]));
        let found = proofs(&component, &[account.clone(), page.clone(), health]).expect("proofs");
        let shown = |proof: &ProofDefinition| {
            let request = proof.request.as_ref().expect("request");
            format!("{} {}{}", proof.name.value, request.port.value, request.path.value)
        };
        assert_eq!(found.iter().map(shown).collect::<Vec<_>>(), ["shop-chart-test 80/", "shop-chart-test-2 81/b"]);
        assert!(proofs(&component, &[account]).expect("none").is_empty());
        let error = proofs(&component, &[page, test("Pod", "script", &["sh", "-c", "a"])]).expect_err("refused");
        assert!(
            error.to_string().contains("Pod/script") && error.to_string().contains("something other than"),
            "{error}"
        );
    }

    #[test]
    fn single_service_request_is_proof() {
        let command = |words: &[&str]| request_text(&json!({ "command": words }));
        assert_eq!(command(&["curl", "--fail", "--silent", "shop:8080"]).as_deref(), Some("shop:8080/"));
        assert_eq!(
            command(&["/usr/bin/curl", "-fsS", "http://shop.web.svc.cluster.local/health?full=1"]).as_deref(),
            Some("shop:80/health?full=1")
        );
        assert_eq!(
            request_text(&json!({ "command": ["curl"], "args": ["-s", "-f", "shop.web:1/a"] })).as_deref(),
            Some("shop:1/a")
        );
        for words in [
            &["sh", "-c", "curl -f shop:80"][..],
            &["curl", "-f", "https://shop:8443"],
            &["curl", "-f", "--header=a: b", "shop:80"],
            &["curl", "-f", "shop.other:80"],
            &["curl", "-f", "a", "b"],
            &["curl", "-f"],
            &[],
            // These accept any response, a redirect's response, or the response to a different request.
            &["curl", "shop:80"],
            &["curl", "-sS", "shop:80"],
            &["curl", "-fL", "shop:80"],
            &["curl", "-f", "--location", "shop:80"],
            &["curl", "-fI", "shop:80"],
            &["curl", "-f", "http://a:b@shop:80"],
            &["curl", "-f", "http://shop:80/[1-3]"],
            &["wget", "shop:80"],
            &["wget", "-qO-", "shop:80"],
            &["wget", "--spider", "shop:80"],
        ] {
            assert_eq!(command(words), None, "{words:?}");
        }
        assert_eq!(request_text(&json!({ "command": ["curl", "-f", "shop:80"], "env": [] })), None);
    }
}
