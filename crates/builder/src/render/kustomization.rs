//! Parses a kustomization, as far as it names files that kubectl reads. No other code parses it.
//!
//! kubectl compares field names without regard to case, and later versions have additional fields. An unknown field
//! might name a file that escapes the checks, so it is refused.

use std::path::Path;

use landfall_error_codes::codes;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::kustomize::parse;
use crate::documents::yaml_text;
use crate::error::Result;

/// Kind of the configuration object with which kubectl fetches a chart.
const INFLATOR: &str = "HelmChartInflationGenerator";

/// A list in a kustomization; `None` if the field is absent.
type Entries<T = String> = Option<Vec<T>>;

/// The fields of a kustomization.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "the fields that name no file are known, and not read")]
pub(super) struct Kustomization {
    resources: Entries,
    bases: Entries,
    components: Entries,
    crds: Entries,
    configurations: Entries,
    generators: Entries,
    transformers: Entries,
    validators: Entries,
    patches_strategic_merge: Entries,
    patches: Entries<Value>,
    #[serde(rename = "patchesJson6902")]
    patches_json: Entries<Value>,
    replacements: Entries<Value>,
    config_map_generator: Entries<Value>,
    secret_generator: Entries<Value>,
    openapi: Option<Value>,
    helm_charts: Option<IgnoredAny>,
    helm_chart_inflation_generator: Option<IgnoredAny>,

    api_version: Option<IgnoredAny>,
    kind: Option<IgnoredAny>,
    metadata: Option<IgnoredAny>,
    name_prefix: Option<IgnoredAny>,
    name_suffix: Option<IgnoredAny>,
    namespace: Option<IgnoredAny>,
    common_labels: Option<IgnoredAny>,
    labels: Option<IgnoredAny>,
    common_annotations: Option<IgnoredAny>,
    images: Option<IgnoredAny>,
    image_tags: Option<IgnoredAny>,
    replicas: Option<IgnoredAny>,
    vars: Option<IgnoredAny>,
    sort_options: Option<IgnoredAny>,
    helm_globals: Option<IgnoredAny>,
    generator_options: Option<IgnoredAny>,
    inventory: Option<IgnoredAny>,
    build_metadata: Option<IgnoredAny>,
}

/// A value that a kustomization, or a configuration object of kubectl, names.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NamedValue {
    /// Name of the field, for messages.
    pub field: String,
    /// The text of the field.
    pub text: String,
    /// Form of the text.
    pub form: Form,
}

/// Forms of a text in a kustomization.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A file, or a folder with a kustomization.
    Resource,
    /// A resource whose objects configure kubectl, or such objects inline.
    Configuration,
    /// A file with a patch, or an inline patch.
    Patch,
    /// A file.
    File,
    /// A file, or `NAME=FILE`.
    Keyed,
}

impl Kustomization {
    /// Parses the text of the file at `path`. kubectl refuses an empty one.
    pub fn read(path: &Path, text: &str) -> Result<Self> {
        Ok(yaml_text::<Option<Self>>(path, text, codes::MANIFEST_INVALID)?.unwrap_or_default())
    }

    /// The field that makes kubectl fetch charts, if there is one.
    pub fn fetches(&self) -> Option<&'static str> {
        let fields =
            [("helmCharts", &self.helm_charts), ("helmChartInflationGenerator", &self.helm_chart_inflation_generator)];
        fields.into_iter().find_map(|(field, value)| value.as_ref().map(|_| field))
    }

    /// Everything that the kustomization names.
    pub fn names(&self) -> Vec<NamedValue> {
        let texts = [
            ("resources", Form::Resource, &self.resources),
            ("bases", Form::Resource, &self.bases),
            ("components", Form::Resource, &self.components),
            ("crds", Form::Resource, &self.crds),
            ("configurations", Form::Resource, &self.configurations),
            ("generators", Form::Configuration, &self.generators),
            ("transformers", Form::Configuration, &self.transformers),
            ("validators", Form::Configuration, &self.validators),
            ("patchesStrategicMerge", Form::Patch, &self.patches_strategic_merge),
        ];
        let texts = texts.into_iter().flat_map(|(field, form, entries)| {
            let named = move |(index, text): (usize, &String)| NamedValue {
                field: format!("{field}[{index}]"),
                text: text.clone(),
                form,
            };
            entries.iter().flatten().enumerate().map(named)
        });
        let objects = [
            ("patches", &self.patches),
            ("patchesJson6902", &self.patches_json),
            ("replacements", &self.replacements),
            ("configMapGenerator", &self.config_map_generator),
            ("secretGenerator", &self.secret_generator),
        ];
        let objects = objects.into_iter().flat_map(|(field, entries)| {
            let named = move |(index, entry)| named_by(&format!("{field}[{index}]"), entry);
            entries.iter().flatten().enumerate().flat_map(named)
        });
        let schema = self.openapi.iter().flat_map(|schema| named_by("openapi", schema));
        texts.chain(objects).chain(schema).collect()
    }
}

/// Files that an entry of a kustomization or a configuration object of kubectl names; both have the same fields.
pub(super) fn named_by(place: &str, object: &Value) -> Vec<NamedValue> {
    let mut found = Vec::new();
    for (key, value) in object.as_object().into_iter().flatten() {
        let field = format!("{place}.{key}");
        let form = match key.to_ascii_lowercase().as_str() {
            "path" | "env" | "envs" => Form::File,
            "files" => Form::Keyed,
            "paths" => Form::Patch,
            "replacements" | "items" => {
                let inner = value.as_array().into_iter().flatten().enumerate();
                found.extend(inner.flat_map(|(index, inner)| named_by(&format!("{field}[{index}]"), inner)));
                continue;
            }
            _ => continue,
        };
        let texts = match value {
            Value::Array(entries) => entries.iter().filter_map(Value::as_str).collect(),
            Value::String(text) => vec![text.as_str()],
            _ => Vec::new(),
        };
        found.extend(texts.into_iter().map(|text| NamedValue { field: field.clone(), text: text.to_owned(), form }));
    }
    found
}

/// Returns true if an object makes kubectl fetch a chart.
pub(super) fn is_inflator(object: &Value) -> bool {
    object.get("kind").and_then(Value::as_str) == Some(INFLATOR)
}

/// The objects of an inline text; `None` if the text is a file name.
pub(super) fn written_out(text: &str) -> Option<Vec<Value>> {
    parse(text).ok().filter(|objects| !objects.is_empty() && objects.iter().all(Value::is_object))
}
