use landfall_error_codes::CodedError as _;
use serde_json::Value;

use super::{check_rendered, inject};
use crate::definition::Definition;
use crate::proofs::tests::read_text;
use crate::rendered::{Origin, RenderedComponent};

const GOOD: &str = include_str!("../definition/good.yaml");

/// The assistant reaches the database, and serves the cluster.
const ASSISTANT: &str = "needs: [database]\n    reaches: [database]\n    offers: [{port: 8080, to: cluster}]\n";

/// The database serves those that reach it, and everyone at another port.
const DATABASE: &str =
    "needs: [network]\n    offers: [{port: 5432}, {port: 5432, protocol: UDP}, {port: 8443, to: everyone}]\n";

fn text() -> String {
    GOOD.replacen("needs: [database]\n", ASSISTANT, 1).replacen("needs: [network]\n", DATABASE, 1)
}

fn rendered(definition: &Definition, name: &str, ports: &str) -> RenderedComponent {
    let index = definition.release.components.iter().position(|it| it.name.value == name).expect("component");
    let object = format!(
        "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: a}}, \
         spec: {{template: {{spec: {{containers: [{{name: a, ports: {ports}}}]}}}}}}}}"
    );
    let objects = vec![serde_saphyr::from_str::<Value>(&object).expect("object")];
    RenderedComponent { index, origin: Origin::Folder("manifests".into()), objects }
}

#[test]
fn policies_allow_stated_traffic() {
    let definition = read_text(&text()).expect("good");
    let mut components = ["network", "database", "assistant"].map(|name| rendered(&definition, name, "[]"));
    inject(&definition, &mut components);
    let policies = components.iter().flat_map(|component| component.objects.iter().skip(1));
    let policies: Vec<_> = policies.map(|policy| serde_json::to_string_pretty(policy).expect("text")).collect();
    assert_eq!(policies.len(), 2, "the network states no traffic");
    insta::assert_snapshot!(policies.join("\n"));
}

/// The error of a definition with one text replaced.
fn refusal(from: &str, to: &str) -> String {
    let text = text();
    assert!(text.contains(from), "{from}");
    let error = read_text(&text.replacen(from, to, 1)).expect_err(to);
    let message = error.to_string();
    format!("{} {}", error.code().id, message.split_once(".yaml:").expect("file").1)
}

#[test]
fn impossible_traffic_is_refused() {
    let refusals = [
        refusal("reaches: [database]", "reaches: [databse]"),
        refusal("reaches: [database]", "reaches: [network]"),
        refusal("reaches: [database]", "reaches: [database, assistant]"),
        refusal("{port: 5432}, ", "{port: 8443}, "),
        refusal("{port: 5432}, ", "{port: 0}, "),
        refusal("{port: 5432}, ", "{port: 65536}, "),
        refusal("to: everyone", "to: anyone"),
    ];
    insta::assert_snapshot!(refusals.join("\n"));
}

#[test]
fn offered_ports_are_served() {
    let definition = read_text(&text()).expect("good");
    let refusal = |ports: &str| {
        let error = check_rendered(&definition, &[rendered(&definition, "database", ports)]).err()?;
        Some(format!("{} {}", error.code().id, error.to_string().split_once(": ").expect("place").1))
    };
    let all = "[{containerPort: 5432}, {containerPort: 5432, protocol: UDP}, {containerPort: 8443}]";
    assert_eq!(refusal(all), None);
    assert_eq!(
        refusal("[{containerPort: 5432}, {containerPort: 8443}]").as_deref(),
        Some(
            "offers[1].port: no container and no Service of the component has the UDP port 5432; they have: 5432/TCP, \
             8443/TCP"
        )
        .map(|what| format!("LF2098 {what}"))
        .as_deref()
    );
    // Software without pods in the release makes them at the site.
    let mut without_pods = rendered(&definition, "database", "[]");
    without_pods.objects.clear();
    check_rendered(&definition, &[without_pods]).expect("not judged");
}

#[test]
fn service_ports_count_as_served() {
    let definition = read_text(&GOOD.replacen("needs: [network]\n", "needs: [network]\n    offers: [{port: 80}]\n", 1))
        .expect("good");
    let mut component = rendered(&definition, "database", "[]");
    let service = "{kind: Service, metadata: {name: a}, spec: {ports: [{port: 80}, {port: 81, targetPort: web}]}}";
    component.objects.push(serde_saphyr::from_str(service).expect("service"));
    check_rendered(&definition, &[component]).expect("served");
}
