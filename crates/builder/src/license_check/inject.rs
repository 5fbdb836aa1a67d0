//! Adds the containers, volumes, label and network policy of a license check to the rendered objects of a component.

use landfall_error_codes::codes;
use landfall_release_document::ComponentEntry;
use serde_json::{Value, json};

use super::{VALIDATOR_IMAGE, forms};
use crate::definition::{ComponentDefinition, Definition, LicenseCheckForm};
use crate::error::{BuildError, Result};
use crate::rendered::{RenderedComponent, template};

/// Name of the Service for license answers in the console's namespace, and its port, also in the pods.
const SERVICE: &str = "license";
const PORT: u16 = 8444;

/// Folder in which containers find the site's answer, and address at which the sidecar serves it.
const FOLDER: &str = "/run/landfall-license";
const LISTEN: &str = "127.0.0.1:8445";

/// Folder with the site's key in the license check's containers.
const KEY_FOLDER: &str = "/run/landfall-license-key";

/// Names of volumes, and prefix of container names.
const VOLUME: &str = "landfall-license";
const KEY_VOLUME: &str = "landfall-license-key";

/// Label of pods that may reach the console.
const LABEL: &str = "landfall.dev/license-check";

/// User and group of the license check's containers.
const USER: u32 = 65532;

/// The question of one component, and the console that answers it.
struct LicenseQuestion<'a> {
    component: &'a ComponentDefinition,
    entitlement: &'a str,
    /// Namespace of the console.
    console: &'a str,
    forms: Vec<LicenseCheckForm>,
}

/// Adds the license checks that components declare to their pods.
pub fn inject(definition: &Definition, components: &mut [RenderedComponent]) -> Result<()> {
    let release = &definition.release;
    let console = release.components.iter().position(ComponentDefinition::is_console);
    for position in 0..components.len() {
        let component = &release.components[components[position].index];
        let (Some(declared), Some(forms), Some(console)) = (&component.license_check, forms(component), console) else {
            continue;
        };
        let field = format!("components[{}].licenseCheck", components[position].index);
        let place = definition.place(declared, field);
        let impossible = |what: String| BuildError::at(codes::LICENSE_CHECK_IMPOSSIBLE, place.clone(), what);
        if !components.iter().any(|rendered| rendered.index == console && answers(rendered)) {
            let what = format!(
                "the console `{}` renders no Service `{SERVICE}` with port {PORT}, at which it would answer",
                release.components[console].name.value
            );
            let hint = "Take Service, port, argument and policy over from manifests/console of the starter release.";
            return Err(impossible(what).hint(hint));
        }
        let asking = LicenseQuestion {
            component,
            entitlement: component.entitlement.as_ref().map_or("", |entitlement| &entitlement.value),
            console: &release.components[console].namespace.value,
            forms: forms.iter().map(|form| form.value).collect(),
        };
        asking.inject(&mut components[position]).map_err(impossible)?;
    }
    Ok(())
}

/// Returns true if a component has the Service for license answers.
fn answers(console: &RenderedComponent) -> bool {
    let has_port = |service: &Value| list(&service["spec"]["ports"]).iter().any(|port| port["port"] == PORT);
    let is_it = |object: &&Value| object["kind"] == "Service" && object["metadata"]["name"] == SERVICE;
    console.objects.iter().filter(is_it).any(has_port)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

impl LicenseQuestion<'_> {
    /// Adds the check to all pods of the component. Returns an error text if a pod cannot have it.
    fn inject(&self, rendered: &mut RenderedComponent) -> std::result::Result<(), String> {
        let name = &self.component.name.value;
        let mut pods = 0;
        for object in &mut rendered.objects {
            let Some(pointer) = template(object) else { continue };
            let title = crate::rendered::title(object);
            let namespace = &self.component.namespace.value;
            if object["metadata"]["namespace"].as_str().is_some_and(|found| found != namespace) {
                return Err(format!("{title} is in another namespace than `{namespace}`, where the site's key is"));
            }
            let pod = object.pointer_mut(pointer).ok_or_else(|| format!("{title} has no pod"))?;
            self.add(pod).map_err(|what| format!("the pods of {title} cannot have it: {what}"))?;
            pods += 1;
        }
        if pods == 0 {
            return Err(format!("the component `{name}` renders no pods"));
        }
        rendered.objects.push(self.policy());
        Ok(())
    }

    /// Adds the check to a pod or its template.
    fn add(&self, pod: &mut Value) -> std::result::Result<(), String> {
        let spec = &mut pod["spec"];
        let all = ["initContainers", "containers"].into_iter().flat_map(|field| list(&spec[field]).to_vec());
        let names: Vec<_> = all.chain(list(&spec["volumes"]).to_vec()).map(|it| it["name"].clone()).collect();
        let mut own = self.forms.iter().map(|form| container_name(*form)).chain([VOLUME, KEY_VOLUME]);
        if let Some(taken) = own.find(|own| names.iter().any(|name| name == own)) {
            return Err(format!("they have a container or a volume `{taken}` already"));
        }
        for field in ["initContainers", "containers"] {
            for container in spec[field].as_array_mut().into_iter().flatten() {
                self.offer(container)?;
            }
        }
        push(spec, "volumes", json!({ "name": VOLUME, "emptyDir": { "sizeLimit": "4Mi" } }))?;
        // A pod starts even without the key, but then it gets no answer.
        let key = json!({ "name": ComponentEntry::LICENSE_KEY, "optional": true });
        push(spec, "volumes", json!({ "name": KEY_VOLUME, "configMap": key }))?;
        // They follow the pod's own containers, whose indexes are used by values and references.
        let mut forms = self.forms.clone();
        forms.sort_by_key(|form| *form == LicenseCheckForm::Sidecar);
        for form in forms {
            push(spec, "initContainers", self.container(form))?;
        }
        pod["metadata"]["labels"][LABEL] = json!("true");
        Ok(())
    }

    /// Mounts the answer into a container, and sets variables for it.
    fn offer(&self, container: &mut Value) -> std::result::Result<(), String> {
        let name = container["name"].as_str().unwrap_or_default().to_owned();
        if list(&container["volumeMounts"]).iter().any(|mount| mount["mountPath"] == FOLDER) {
            return Err(format!("the container `{name}` mounts something at {FOLDER} already"));
        }
        push(container, "volumeMounts", json!({ "name": VOLUME, "mountPath": FOLDER, "readOnly": true }))?;
        push(container, "env", json!({ "name": "LANDFALL_LICENSE_FOLDER", "value": FOLDER }))?;
        if self.forms.contains(&LicenseCheckForm::Sidecar) {
            push(container, "env", json!({ "name": "LANDFALL_LICENSE_URL", "value": format!("http://{LISTEN}") }))?;
        }
        Ok(())
    }

    /// The container of a check. It has no probes, because nothing waits for a license.
    fn container(&self, form: LicenseCheckForm) -> Value {
        let command = if form == LicenseCheckForm::Init { "wait" } else { "serve" };
        let mut environment = vec![
            json!({ "name": "LANDFALL_LICENSE_CONSOLE", "value": format!("{SERVICE}.{}.svc:{PORT}", self.console) }),
            json!({ "name": "LANDFALL_LICENSE_KEY",
                "value": format!("{KEY_FOLDER}/{}", ComponentEntry::LICENSE_KEY_FILE) }),
            json!({ "name": "LANDFALL_LICENSE_FOLDER", "value": FOLDER }),
            json!({ "name": "LANDFALL_LICENSE_ENTITLEMENT", "value": self.entitlement }),
        ];
        let mut container = json!({
            "name": container_name(form),
            "image": VALIDATOR_IMAGE,
            "imagePullPolicy": "IfNotPresent",
            "args": [command],
            "resources": { "requests": { "cpu": "5m", "memory": "8Mi" }, "limits": { "memory": "32Mi" } },
            "securityContext": {
                "allowPrivilegeEscalation": false,
                "capabilities": { "drop": ["ALL"] },
                "readOnlyRootFilesystem": true,
                "runAsGroup": USER,
                "runAsNonRoot": true,
                "runAsUser": USER,
                "seccompProfile": { "type": "RuntimeDefault" },
            },
            "volumeMounts": [
                { "name": VOLUME, "mountPath": FOLDER },
                { "name": KEY_VOLUME, "mountPath": KEY_FOLDER, "readOnly": true },
            ],
        });
        if form == LicenseCheckForm::Sidecar {
            container["restartPolicy"] = json!("Always");
            environment.push(json!({ "name": "LANDFALL_LICENSE_LISTEN", "value": LISTEN }));
        }
        container["env"] = Value::Array(environment);
        container
    }

    /// Network policy for a namespace that denies by default: pods with a check may reach the console's license
    /// answers, but no other part of it.
    fn policy(&self) -> Value {
        json!({
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": { "name": format!("{}-license-check", self.component.name.value) },
            "spec": {
                "podSelector": { "matchLabels": { LABEL: "true" } },
                "policyTypes": ["Egress"],
                "egress": [{
                    "to": [{
                        "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": self.console } },
                    }],
                    "ports": [{ "protocol": "TCP", "port": PORT }],
                }],
            },
        })
    }
}

const fn container_name(form: LicenseCheckForm) -> &'static str {
    match form {
        LicenseCheckForm::Init => "landfall-license-wait",
        LicenseCheckForm::Sidecar => "landfall-license-serve",
    }
}

fn push(object: &mut Value, field: &str, item: Value) -> std::result::Result<(), String> {
    let list = &mut object[field];
    if list.is_null() {
        *list = json!([]);
    }
    list.as_array_mut().ok_or_else(|| format!("`{field}` is no list"))?.push(item);
    Ok(())
}
