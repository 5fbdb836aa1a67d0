use landfall_error_codes::CodedError as _;
use serde_json::json;

use super::*;
use crate::render::tests::{component, definition, starter};

const POD: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a, namespace: database}\n\
    spec:\n  selector: {matchLabels: {app: a}}\n  template:\n    metadata: {labels: {app: a}}\n    spec:\n      \
    securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}\n      containers:\n        - name: \
    a\n          image: busybox\n          resources: {limits: {cpu: 1, memory: 64Mi}}\n          env:\n            - \
    {name: PASSWORD, valueFrom: {secretKeyRef: {name: database-password, key: password}}}\n          securityContext: \
    {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}\n      volumes:\n        - \
    {name: scratch, emptyDir: {sizeLimit: 64Mi}}\n";

const CRD: &str = r"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.example.com}
spec:
  group: example.com
  names: {kind: Thing, plural: things}
  scope: Namespaced
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema:
          type: object
          required: [spec]
          properties:
            spec:
              type: object
              required: [size, mode]
              x-kubernetes-validations:
                - {rule: self.size < 10 || self.mode == 'safe', message: a large one has to be safe}
              properties:
                size: {type: integer, minimum: 0, exclusiveMinimum: true}
                mode: {type: string, default: fast, enum: [fast, safe]}
                port: {x-kubernetes-int-or-string: true, anyOf: [{type: integer}, {type: string}]}
                note: {type: string, nullable: true}
                free: {type: object, x-kubernetes-preserve-unknown-fields: true, properties: {a: {type: string}}}
                labels: {type: object, additionalProperties: {type: string}}
";

const THING: &str = "apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: a}\nspec: \
    {size: 1, port: http, note: null, free: {b: 2}, labels: {x: z}}\n";

fn check_texts(definition: &Definition, texts: &[(&str, &str)]) -> Result<()> {
    let components: Vec<_> = texts.iter().map(|(name, text)| component(definition, name, text)).collect();
    check(definition, &components)
}

fn plain() -> Definition {
    definition("name: small", "name: small")
}

/// Error of the component `database` with this text.
fn refusal(definition: &Definition, text: &str) -> String {
    let error = check_texts(definition, &[("database", text)]).expect_err(text);
    format!("{} {error}", error.code().id)
}

fn replace_once(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from}");
    text.replacen(from, to, 1)
}

#[test]
fn builtin_fields_are_checked_strictly() {
    check_texts(&plain(), &[("database", POD)]).expect("good");
    let claims = "  serviceName: a\n  volumeClaimTemplates:\n    - metadata: {name: a}\n      spec: \
        {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}\n  selector:";
    let with_claims = replace_once(&replace_once(POD, "kind: Deployment", "kind: StatefulSet"), "  selector:", claims);
    check_texts(&plain(), &[("database", &with_claims)]).expect("a claim template need not state its kind");
    let refusals: Vec<_> = [
        ("resources:", "resourses:"),
        ("emptyDir:", "empty_dir:"),
        ("seccompProfile: {type", "seccompProfile: {kind"),
        ("name: scratch", "name: 7"),
        ("  selector: {matchLabels: {app: a}}\n", ""),
        ("kind: Deployment", "kind: Deploymnet"),
        ("spec:\n  selector", "spec:\n  replicas: one\n  selector"),
    ]
    .into_iter()
    .map(|(from, to)| refusal(&plain(), &replace_once(POD, from, to)))
    .collect();
    insta::assert_snapshot!(refusals.join("\n"));
}

#[test]
fn custom_resources_fit_release_schemas() {
    let with_crd = |thing: &str| format!("{CRD}---\n{thing}");
    check_texts(&plain(), &[("database", &with_crd(THING))]).expect("good");
    let refusals: Vec<_> = [
        ("size: 1", "size: 0"),
        ("size: 1, ", ""),
        ("size: 1", "size: many"),
        ("size: 1", "size: 10"),
        ("port: http", "prot: http"),
        ("x: z", "x: 1"),
        ("example.com/v1", "example.com/v2"),
    ]
    .into_iter()
    .map(|(from, to)| refusal(&plain(), &with_crd(&replace_once(THING, from, to))))
    .collect();
    insta::assert_snapshot!(refusals.join("\n"));
}

#[test]
fn unknown_kind_is_refused() {
    let refused = refusal(&plain(), THING);
    assert!(refused.starts_with("LF2034") && refused.ends_with("no component brings its kind"), "{refused}");
    let declared =
        definition("    secrets:", "    madeOnSite: [CustomResourceDefinition/things.example.com]\n    secrets:");
    check_texts(&declared, &[("database", THING)]).expect("its software makes the kind");
    assert!(refusal(&declared, &replace_once(THING, "example.com", "other.example.com")).contains("no component"));
    assert!(
        refusal(&plain(), &replace_once(POD, "apps/v1", "apps/v1beta2"))
            .contains("does not serve apps/v1beta2; it has apps/v1")
    );
}

#[test]
fn custom_resource_needs_defining_component() {
    let network = [("network", CRD)];
    let things = |name: &'static str| [network[0], (name, THING)];
    check_texts(&plain(), &things("database")).expect("needed");
    check_texts(&plain(), &things("assistant")).expect("needed through the database");
    let without = definition("    needs: [network]\n", "");
    for name in ["database", "assistant"] {
        let refused = check_texts(&without, &things(name)).expect_err(name);
        assert_eq!(refused.code().id, "LF2035");
        assert!(refused.to_string().contains("comes with the component `network`"), "{refused}");
    }
    check_texts(&without, &[("database", CRD), ("assistant", THING)]).expect("another brings it");
}

#[test]
fn pods_match_namespace_security_level() {
    let levels = |from: &str, to: &str| {
        let text = replace_once(POD, from, to);
        ["restricted", "baseline", "privileged"].map(|level| {
            let of_level = definition("    secrets:", &format!("    podSecurity: {level}\n    secrets:"));
            check_texts(&of_level, &[("database", &text)]).is_ok()
        })
    };
    let only_privileged = [false, false, true];
    let all_but_restricted = [false, true, true];
    assert_eq!(levels("kind: Deployment", "kind: Deployment"), [true; 3]);
    for (from, to) in [
        ("runAsNonRoot: true, ", ""),
        ("runAsNonRoot: true", "runAsNonRoot: true, runAsUser: 0"),
        (", seccompProfile: {type: RuntimeDefault}", ""),
        ("allowPrivilegeEscalation: false, ", ""),
        ("{drop: [ALL]}", "{drop: [ALL], add: [CHOWN]}"),
        ("{drop: [ALL]}", "{drop: [NET_RAW]}"),
        ("emptyDir: {sizeLimit: 64Mi}", "nfs: {server: a, path: /}"),
    ] {
        assert_eq!(levels(from, to), all_but_restricted, "{to}");
    }
    for (from, to) in [
        ("      volumes:", "      hostNetwork: true\n      volumes:"),
        ("emptyDir: {sizeLimit: 64Mi}", "hostPath: {path: /}"),
        ("allowPrivilegeEscalation: false", "privileged: true"),
        ("{drop: [ALL]}", "{drop: [ALL], add: [SYS_ADMIN]}"),
        ("{type: RuntimeDefault}", "{type: Unconfined}"),
        ("          env:", "          ports: [{containerPort: 80, hostPort: 80}]\n          env:"),
        ("runAsNonRoot: true", "runAsNonRoot: true, sysctls: [{name: kernel.msgmax, value: '1'}]"),
    ] {
        assert_eq!(levels(from, to), only_privileged, "{to}");
    }
    assert_eq!(levels("{drop: [ALL]}", "{drop: [ALL], add: [NET_BIND_SERVICE]}"), [true; 3]);
    let wrong = replace_once(&replace_once(POD, "runAsNonRoot: true, ", ""), "{drop: [ALL]}", "{}");
    insta::assert_snapshot!(refusal(&plain(), &wrong));
}

#[test]
fn pod_refusal_names_sufficient_level() {
    for (from, to, level) in
        [("runAsNonRoot: true, ", "", "baseline"), ("emptyDir: {sizeLimit: 64Mi}", "hostPath: {path: /}", "privileged")]
    {
        let error = check_texts(&plain(), &[("database", &replace_once(POD, from, to))]).expect_err("refused");
        let hint = landfall_error_codes::CodedError::hint(&error).unwrap_or_default();
        assert!(hint.contains(&format!("or write `podSecurity: {level}` for the component, the strictest")), "{hint}");
    }
}

#[test]
fn pod_references_must_exist() {
    let settings = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {a: b}\n";
    let from_settings = |key: &str| {
        let variable =
            format!("            - {{name: A, valueFrom: {{configMapKeyRef: {{name: settings, key: {key}}}}}}}\n");
        replace_once(POD, "          env:\n", &format!("          env:\n{variable}")) + settings
    };
    check_texts(&plain(), &[("database", &from_settings("a"))]).expect("good");
    let refusals: Vec<_> = [
        replace_once(POD, "key: password", "key: pasword"),
        replace_once(POD, "database-password", "database-passwort"),
        from_settings("b"),
        replace_once(POD, "emptyDir: {sizeLimit: 64Mi}", "persistentVolumeClaim: {claimName: model}"),
        replace_once(POD, "emptyDir: {sizeLimit: 64Mi}", "configMap: {name: nowhere}"),
        replace_once(POD, "      volumes:", "      serviceAccountName: nobody\n      volumes:"),
    ]
    .iter()
    .map(|text| refusal(&plain(), text))
    .collect();
    insta::assert_snapshot!(refusals.join("\n"));

    let tls = replace_once(POD, "emptyDir: {sizeLimit: 64Mi}", "secret: {secretName: webhook-tls}");
    assert!(refusal(&plain(), &tls).starts_with("LF2037"));
    check_texts(&plain(), &[("database", &tls.replace("webhook-tls", "webhook-tls, optional: true"))])
        .expect("optional");
    let declared = definition("    secrets:", "    madeOnSite: [Secret/webhook-tls]\n    secrets:");
    check_texts(&declared, &[("database", &tls)]).expect("made on site");
    // A claim in another component's namespace does not exist here.
    let mount = replace_once(POD, "emptyDir: {sizeLimit: 64Mi}", "persistentVolumeClaim: {claimName: model}");
    let mount = mount
        .replace("{name: PASSWORD, valueFrom: {secretKeyRef: {name: database-password, key: password}}}", "{name: A}")
        .replace("namespace: database", "namespace: assistant");
    check_texts(&plain(), &[("assistant", &mount)]).expect("mounted");
}

#[test]
fn pods_are_found_in_all_kinds() {
    let template = json!({ "metadata": {}, "spec": { "containers": [] } });
    for (version, kind, spec) in [
        ("apps/v1", "DaemonSet", json!({ "template": template })),
        ("batch/v1", "CronJob", json!({ "jobTemplate": { "spec": { "template": template } } })),
        ("v1", "Pod", template["spec"].clone()),
    ] {
        assert!(pods::of(&json!({ "apiVersion": version, "kind": kind, "spec": spec })).is_some(), "{kind}");
    }
    assert!(
        pods::of(&json!({ "apiVersion": "example.com/v1", "kind": "Job", "spec": { "template": template } })).is_none()
    );
}

#[test]
fn starter_release_passes() {
    let (definition, components) = starter();
    check(&definition, &components).expect("fits");
}

#[test]
fn site_secrets_are_used_not_rendered() {
    let declared =
        "    siteSecrets:\n      - {name: directory, meaning: A password, value: {password: {}}}\n    secrets:";
    let asked = definition("    secrets:", declared);
    let reading = replace_once(POD, "name: database-password, key: password", "name: directory, key: password");
    check_texts(&asked, &[("database", &reading)]).expect("good");
    let unused = refusal(&asked, POD);
    assert!(unused.starts_with("LF2023 ") && unused.contains("names the Secret `directory`"), "{unused}");
    let misspelt = refusal(&asked, &replace_once(&reading, "directory, key: password", "directory, key: pasword"));
    assert!(misspelt.contains("has no key `pasword`; did you mean `password`?"), "{misspelt}");
    let schema = crate::render::site_schema(&asked).unwrap();
    let validator = jsonschema::validator_for(&schema).expect("schema");
    assert!(validator.is_valid(&json!({"secrets": {"directory": {"fromFile": "/root/password"}}})));
    assert!(!validator.is_valid(&json!({"secrets": {"directory": "a-password"}})));
    let brought = format!("{reading}---\napiVersion: v1\nkind: Secret\nmetadata: {{name: directory}}\n");
    let refused = refusal(&asked, &brought);
    assert!(refused.contains("asks the site for this Secret"), "{refused}");
}

#[test]
fn invalid_defaults_are_refused_by_line() {
    let judged = |path: &str| {
        let target = "{component: database, kind: StatefulSet, name: database, \
            path: /spec/template/spec/containers/0/resources/limits/memory}";
        let other = format!("{{component: database, kind: Deployment, name: a, path: {path}}}");
        let definition = definition(target, &other);
        let components = [component(&definition, "database", POD)];
        crate::render::check_defaults(&definition, &components).map_err(|error| error.to_string())
    };
    let container = "/spec/template/spec/containers/0";
    judged(&format!("{container}/resources/limits/memory")).expect("2Gi is an amount of memory");
    for (path, why) in [
        (format!("{container}/securityContext/allowPrivilegeEscalation"), "invalid type"),
        (format!("{container}/image/none"), ""),
    ] {
        let found = judged(&path).err().unwrap_or_default();
        assert_eq!(found.contains("values[0].default"), !why.is_empty(), "{found}");
        assert!(found.contains(why), "{why}: {found}");
    }
    let (starter, components) = starter();
    crate::render::check_defaults(&starter, &components).expect("the starter's defaults fit");
}

#[test]
fn gpu_requests_must_be_satisfiable() {
    let gpus = |gpus: &str| definition("data: 10Gi}", &format!("data: 10Gi{gpus}}}"));
    let declared = gpus(", gpus: {count: 1, plugin: {}}");
    let asking = |resources: &str| replace_once(POD, "{limits: {cpu: 1, memory: 64Mi}}", resources);
    for fine in [
        "{limits: {memory: 64Mi, nvidia.com/gpu: 1}}",
        "{limits: {memory: 64Mi, nvidia.com/gpu: \"2\"}, requests: {nvidia.com/gpu: 2}}",
        "{limits: {memory: 64Mi, nvidia.com/mig-1g.10gb: 1}}",
    ] {
        check_texts(&declared, &[("database", &asking(fine))]).expect(fine);
    }
    check_texts(&plain(), &[("database", &asking("{limits: {memory: 64Mi, nvidia.com/gpu: 0}}"))])
        .expect("none is asked for");
    let refusals = [
        (&declared, "{limits: {nvidia.com/gpus: 1}}", "`nvidia.com/gpus` is not a resource of NVIDIA's device plugin"),
        (&declared, "{limits: {nvidia.com/gpu: 500m}}", "`nvidia.com/gpu` is \"500m\", which is not a whole number"),
        (&declared, "{requests: {nvidia.com/gpu: 1}}", "is requested without the same limit"),
        (
            &declared,
            "{limits: {nvidia.com/gpu: 2}, requests: {nvidia.com/gpu: 1}}",
            "is requested without the same limit",
        ),
        (&plain(), "{limits: {nvidia.com/gpu: 1}}", "the release has no `requirements.gpus`"),
        (
            &gpus(", gpus: {count: 1}"),
            "{limits: {nvidia.com/gpu: 1}}",
            "does not say under `plugin` how GPUs are offered",
        ),
    ];
    for (definition, resources, expected) in refusals {
        let refused = refusal(definition, &asking(resources));
        assert!(refused.starts_with("LF2024 ") && refused.contains(expected), "{resources}: {refused}");
        assert!(refused.contains("/spec/template/spec/containers/0/resources"), "{refused}");
    }
}

#[test]
fn node_ports_must_be_valid() {
    let service = |name: &str, port: &str| {
        format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec: {{type: NodePort, ports: [{port}]}}\n"
        )
    };
    let web = service("web", "{port: 80, nodePort: 31443}");
    let both = |other: &str| check_texts(&plain(), &[("database", &web), ("database", other)]);
    assert!(both(&service("other", "{name: a, port: 80, nodePort: 31444}, {name: b, port: 81}")).is_ok());
    assert!(both(&service("other", "{port: 80, nodePort: 31443, protocol: UDP}")).is_ok());
    let twice = both(&service("other", "{port: 80, nodePort: 31443}")).unwrap_err();
    assert_eq!(twice.code().id, "LF2089");
    assert!(twice.to_string().ends_with("asks for node port 31443, which the Service web of database has"), "{twice}");
    let outside = refusal(&plain(), &service("web", "{port: 80, nodePort: 8080}"));
    assert!(outside.ends_with("asks for node port 8080, outside of 30000 to 32767"), "{outside}");
}
