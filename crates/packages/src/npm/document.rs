//! Documents of a registry: that of one version, and the packument with all versions of a package.
//!
//! Versions are written one by one: a packument is never held as JSON values, which need many times the memory of its
//! text.

use serde_json::{Map, Value, json};

use super::error::NpmFault;
use super::package::NpmPackage;
use super::package_json::PackageJson;
use super::registry::Versions;
use crate::http::NpmForm;
use crate::limits;

/// Returns the document of a version. `base` is the registry's address for the requesting client.
pub fn manifest(package: &NpmPackage, package_json: &[u8], form: NpmForm, base: &str) -> Result<String, NpmFault> {
    let read = PackageJson::read(package_json)?;
    if (&read.name, &read.version) != (&package.name, &package.version) {
        return Err(NpmFault::Changed);
    }
    let mut fields = match form {
        NpmForm::Abbreviated => read.installation_fields(),
        NpmForm::Full => {
            let mut fields = read.all();
            fields.insert("_id".to_owned(), json!(format!("{}@{}", package.name, package.version)));
            fields
        }
    };
    state(&mut fields, package, base);
    Ok(Value::Object(fields).to_string())
}

/// Sets the fields of the list, which take precedence over `package.json`.
fn state(fields: &mut Map<String, Value>, package: &NpmPackage, base: &str) {
    fields.insert("name".to_owned(), json!(package.name));
    fields.insert("version".to_owned(), json!(package.version));
    let flags = [("hasInstallScript", package.has_install_script), ("_hasShrinkwrap", package.has_shrinkwrap)];
    for (name, is_set) in flags {
        fields.remove(name);
        if is_set {
            fields.insert(name.to_owned(), json!(true));
        }
    }
    let tarball = format!("{base}{}", package.address());
    fields.insert(
        "dist".to_owned(),
        json!({ "tarball": tarball, "integrity": package.integrity, "shasum": package.shasum }),
    );
}

/// A packument in preparation.
#[derive(Debug)]
pub struct Packument {
    text: String,
    is_empty: bool,
}

impl Packument {
    /// Begins the packument of a package.
    pub fn begin(versions: &Versions, form: NpmForm) -> Self {
        let latest = versions.latest();
        let (name, tags) = (json!(latest.name), json!({ "latest": latest.version }));
        let id = if form == NpmForm::Full { format!("\"_id\":{name},") } else { String::new() };
        Self { text: format!("{{{id}\"name\":{name},\"dist-tags\":{tags},\"versions\":{{"), is_empty: true }
    }

    /// Adds a version with its document.
    pub fn add(&mut self, package: &NpmPackage, manifest: &str) -> Result<(), NpmFault> {
        // Numbers may be longer than in the original.
        if (self.text.len() + manifest.len()) as u64 > 2 * limits::NPM_DOCUMENT_BYTES {
            return Err(NpmFault::PackageJson("does not fit the document of its package".to_owned()));
        }
        let comma = if self.is_empty { "" } else { "," };
        self.is_empty = false;
        self.text.push_str(comma);
        self.text.push_str(&json!(package.version).to_string());
        self.text.push(':');
        self.text.push_str(manifest);
        Ok(())
    }

    /// Returns the complete text.
    pub fn end(mut self) -> String {
        self.text.push_str("}}");
        self.text
    }
}
