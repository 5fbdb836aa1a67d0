//! A kustomization, as far as it names what kubectl reads for it. It is parsed here and nowhere else.
//!
//! kubectl compares the names of fields without regard to case, and later versions have more of them. A field that is not
//! known here might name a file that no check sees, so it is refused.

use std::path::Path;

use landfall_error_codes::codes;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::kustomize::parse;
use crate::definition::yaml_text;
use crate::error::Result;

/// Of the objects that configure kubectl, the one that has it fetch a chart.
const INFLATOR: &str = "HelmChartInflationGenerator";

/// What a list of a kustomization has, where it is written.
type Entries<T = String> = Option<Vec<T>>;

/// A kustomization.
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

/// Something that a kustomization, or an object that configures kubectl, names.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Named {
    /// The field, for messages.
    pub field: String,
    /// What is written there.
    pub text: String,
    /// What it may be.
    pub form: Form,
}

/// What a text of a kustomization may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A file, or a folder with a kustomization.
    Resource,
    /// One of these whose objects configure kubectl, or such objects written out.
    Configuration,
    /// A file with a patch, or a patch written out.
    Patch,
    /// A file.
    File,
    /// A file, or `NAME=FILE`.
    Keyed,
}

impl Kustomization {
    /// Reads the text of the file at `path`. kubectl refuses an empty one.
    pub fn read(path: &Path, text: &str) -> Result<Self> {
        Ok(yaml_text::<Option<Self>>(path, text, codes::MANIFEST_INVALID)?.unwrap_or_default())
    }

    /// The field that has kubectl fetch charts.
    pub fn fetches(&self) -> Option<&'static str> {
        let fields =
            [("helmCharts", &self.helm_charts), ("helmChartInflationGenerator", &self.helm_chart_inflation_generator)];
        fields.into_iter().find_map(|(field, value)| value.as_ref().map(|_| field))
    }

    /// Everything that it names.
    pub fn names(&self) -> Vec<Named> {
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
            let named = move |(index, text): (usize, &String)| Named {
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

/// The files that an entry of a kustomization names, or an object that configures kubectl: both have the same fields.
pub(super) fn named_by(place: &str, object: &Value) -> Vec<Named> {
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
        found.extend(texts.into_iter().map(|text| Named { field: field.clone(), text: text.to_owned(), form }));
    }
    found
}

/// Whether an object has kubectl fetch a chart.
pub(super) fn is_inflator(object: &Value) -> bool {
    object.get("kind").and_then(Value::as_str) == Some(INFLATOR)
}

/// The objects that a text is, where it is not the name of a file.
pub(super) fn written_out(text: &str) -> Option<Vec<Value>> {
    parse(text).ok().filter(|objects| !objects.is_empty() && objects.iter().all(Value::is_object))
}
