//! Fields that hold images outside of containers: those of known operators, and those that a release lists under
//! `imageFields`. `landfall lock` and `landfall build` use the same table.

use serde_json::Value;

use super::escape;
use crate::definition::{ImageFieldDefinition, name_in};

/// Fields of custom resources with references: API group, kind and path.
const KNOWN: [(&str, &str, &str); 39] = [
    ("postgresql.cnpg.io", "Cluster", "/spec/imageName"),
    ("postgresql.cnpg.io", "Cluster", "/spec/postgresql/extensions/*/image/reference"),
    ("postgresql.cnpg.io", "ImageCatalog", "/spec/images/*/image"),
    ("postgresql.cnpg.io", "ClusterImageCatalog", "/spec/images/*/image"),
    ("postgresql.cnpg.io", "Pooler", "/spec/template/spec/containers/*/image"),
    ("acid.zalan.do", "postgresql", "/spec/dockerImage"),
    ("postgres-operator.crunchydata.com", "PostgresCluster", "/spec/image"),
    ("postgres-operator.crunchydata.com", "PostgresCluster", "/spec/backups/pgbackrest/image"),
    ("postgres-operator.crunchydata.com", "PostgresCluster", "/spec/proxy/pgBouncer/image"),
    ("monitoring.coreos.com", "Prometheus", "/spec/image"),
    ("monitoring.coreos.com", "Prometheus", "/spec/thanos/image"),
    ("monitoring.coreos.com", "PrometheusAgent", "/spec/image"),
    ("monitoring.coreos.com", "Alertmanager", "/spec/image"),
    ("monitoring.coreos.com", "ThanosRuler", "/spec/image"),
    ("grafana.integreatly.org", "Grafana", "/spec/version"),
    ("k8s.mariadb.com", "MariaDB", "/spec/image"),
    ("kafka.strimzi.io", "Kafka", "/spec/kafka/image"),
    ("kafka.strimzi.io", "KafkaConnect", "/spec/image"),
    ("opensearch.opster.io", "OpenSearchCluster", "/spec/general/image"),
    ("k8s.elastic.co", "Elasticsearch", "/spec/image"),
    ("k8s.elastic.co", "Kibana", "/spec/image"),
    ("k8s.elastic.co", "Logstash", "/spec/image"),
    ("rabbitmq.com", "RabbitmqCluster", "/spec/image"),
    ("k8s.keycloak.org", "Keycloak", "/spec/image"),
    ("dragonflydb.io", "Dragonfly", "/spec/image"),
    ("psmdb.percona.com", "PerconaServerMongoDB", "/spec/image"),
    ("ray.io", "RayCluster", "/spec/*/template/spec/containers/*/image"),
    ("redis.redis.opstreelabs.in", "Redis", "/spec/kubernetesConfig/image"),
    ("minio.min.io", "Tenant", "/spec/image"),
    ("argoproj.io", "ArgoCD", "/spec/image"),
    ("argoproj.io", "Workflow", "/spec/templates/*/container/image"),
    ("argoproj.io", "Workflow", "/spec/templates/*/script/image"),
    ("argoproj.io", "WorkflowTemplate", "/spec/templates/*/container/image"),
    ("argoproj.io", "WorkflowTemplate", "/spec/templates/*/script/image"),
    ("argoproj.io", "ClusterWorkflowTemplate", "/spec/templates/*/container/image"),
    ("argoproj.io", "ClusterWorkflowTemplate", "/spec/templates/*/script/image"),
    ("argoproj.io", "CronWorkflow", "/spec/workflowSpec/templates/*/container/image"),
    ("argoproj.io", "CronWorkflow", "/spec/workflowSpec/templates/*/script/image"),
    ("opentelemetry.io", "OpenTelemetryCollector", "/spec/image"),
];

/// A field of an object that holds an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundField {
    /// JSON Pointer of the field.
    pub pointer: String,
    /// Text before the image.
    pub prefix: String,
    /// The image as written.
    pub written: String,
}

/// Fields of an object in Landfall's table and in the release's.
pub fn of_tables(object: &Value, own: &[ImageFieldDefinition]) -> Vec<FoundField> {
    let known = KNOWN.iter().filter(|(of_group, of_kind, _)| is_of(object, of_group, of_kind));
    let mut found: Vec<_> = known.flat_map(|(.., path)| texts(object, path, "")).collect();
    for field in own {
        for text in of_definition(object, field) {
            if found.iter().all(|other| other.pointer != text.pointer) {
                found.push(text);
            }
        }
    }
    found
}

/// Fields of an object that match one line of the release's table.
pub fn of_definition(object: &Value, field: &ImageFieldDefinition) -> Vec<FoundField> {
    let is_named =
        field.name.as_ref().is_none_or(|name| object.pointer("/metadata/name").and_then(Value::as_str) == Some(name));
    if !is_named || !is_of(object, &field.group, &field.kind) {
        return Vec::new();
    }
    texts(object, &field.path.value, field.prefix.as_deref().unwrap_or_default())
}

fn is_of(object: &Value, group: &str, kind: &str) -> bool {
    let version = object["apiVersion"].as_str().unwrap_or_default();
    let found = version.split_once('/').map_or("", |(group, _)| group);
    found == group && object["kind"] == kind
}

/// Texts at a path that start with a prefix.
fn texts(object: &Value, path: &str, prefix: &str) -> Vec<FoundField> {
    let mut found = Vec::new();
    let segments: Vec<_> = path.split('/').skip(1).collect();
    walk(object, &segments, String::new(), &mut |pointer, text| {
        if let Some(written) = text.strip_prefix(prefix) {
            found.push(FoundField { pointer, prefix: prefix.to_owned(), written: written.to_owned() });
        }
    });
    found
}

fn walk(value: &Value, path: &[&str], pointer: String, found: &mut dyn FnMut(String, &str)) {
    let Some((segment, rest)) = path.split_first() else {
        if let Value::String(text) = value {
            found(pointer, text);
        }
        return;
    };
    match value {
        Value::Object(fields) => {
            for (key, field) in fields {
                let key = escape(key);
                if *segment == "*" || *segment == key {
                    walk(field, rest, format!("{pointer}/{key}"), found);
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let is_meant = match name_in(segment) {
                    Some(name) => item["name"] == name,
                    None => *segment == "*" || *segment == index.to_string(),
                };
                if is_meant {
                    walk(item, rest, format!("{pointer}/{index}"), found);
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use serde_saphyr::Spanned;

    use super::*;

    fn field(text: &str) -> ImageFieldDefinition {
        serde_saphyr::from_str(text).expect("field")
    }

    fn found_fields(object: &Value, own: &[ImageFieldDefinition]) -> Vec<(String, String)> {
        of_tables(object, own).into_iter().map(|found| (found.pointer, found.written)).collect()
    }

    #[test]
    fn image_paths_select_elements() {
        let deployment = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "operator" },
            "spec": { "template": { "spec": { "containers": [{
                "name": "operator",
                "args": ["--port=80", "--reloader-image=quay.io/a/reloader:v1"],
                "env": [{ "name": "LEVEL", "value": "info" },
                    { "name": "RELATED_IMAGE", "value": "quay.io/a/engine:2" }],
            }] } } },
        });
        let pods = "group: apps\nkind: Deployment\npath: /spec/template/spec/containers";
        let args = field(&format!("{pods}/*/args/*\nprefix: --reloader-image=\n"));
        let env = field(&format!("{pods}/0/env/[name=RELATED_IMAGE]/value\nname: operator\n"));
        let container = "/spec/template/spec/containers/0";
        let expected = [
            (format!("{container}/args/1"), "quay.io/a/reloader:v1".to_owned()),
            (format!("{container}/env/1/value"), "quay.io/a/engine:2".to_owned()),
        ];
        assert_eq!(found_fields(&deployment, &[args.clone(), env.clone()]), expected);
        assert_eq!(of_tables(&deployment, &[args])[0].prefix, "--reloader-image=");
        let of_other = ImageFieldDefinition { name: Some("other".to_owned()), ..env.clone() };
        assert!(found_fields(&deployment, &[of_other]).is_empty());
        let path = Spanned { value: "/spec/none".to_owned(), ..env.path.clone() };
        assert!(found_fields(&deployment, &[ImageFieldDefinition { path, ..env }]).is_empty());
    }

    #[test]
    fn table_overlap_is_found_once() {
        let cluster = json!({
            "apiVersion": "postgresql.cnpg.io/v1", "kind": "Cluster", "metadata": { "name": "a" },
            "spec": { "imageName": "ghcr.io/cloudnative-pg/postgresql:17" },
        });
        let twice = field("group: postgresql.cnpg.io\nkind: Cluster\npath: /spec/imageName\n");
        assert_eq!(found_fields(&cluster, &[twice]).len(), 1);
        let settings = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "a" },
            "data": { "a/b": "busybox:1", "c": "d" },
        });
        let own = field("kind: ConfigMap\npath: /data/a~1b\n");
        assert_eq!(found_fields(&settings, &[own]), [("/data/a~1b".to_owned(), "busybox:1".to_owned())]);
    }
}
