//! `package.json` of a package: its name and version, and the fields that a registry's documents state.
//!
//! It may have any shape: fields whose type differs from what clients expect are left out, as a registry does. If a
//! name occurs twice, the last value is effective, as in JavaScript.

use serde_json::{Map, Value};

use super::error::NpmFault;
use super::{name, version};
use crate::limits;

/// Scripts that run when a package is installed.
const INSTALL_SCRIPTS: [&str; 3] = ["preinstall", "install", "postinstall"];

/// Fields that map names to texts.
const TABLES: [&str; 6] =
    ["dependencies", "optionalDependencies", "peerDependencies", "acceptDependencies", "engines", "directories"];

/// Fields with one or several texts.
const LISTS: [&str; 3] = ["os", "cpu", "libc"];

/// Both spellings of the field with the names of bundled packages, or `true` for all dependencies.
const BUNDLES: [&str; 2] = ["bundleDependencies", "bundledDependencies"];

/// Fields with their own forms.
const OTHERS: [&str; 3] = ["bin", "peerDependenciesMeta", "deprecated"];

/// The contents of `package.json`.
#[derive(Debug, Clone, PartialEq)]
pub struct PackageJson {
    /// Name of the package.
    pub name: String,
    /// Version, as a registry writes it.
    pub version: String,
    /// All fields.
    fields: Map<String, Value>,
}

impl PackageJson {
    /// Reads the file, which may begin with a byte order mark.
    pub fn read(bytes: &[u8]) -> Result<Self, NpmFault> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        // In memory, a value takes far more than its bytes.
        let values = bytes.iter().filter(|byte| b",[{".contains(byte)).count();
        if values > limits::PACKAGE_JSON_VALUES {
            return Err(NpmFault::PackageJson(format!("has more than {} values", limits::PACKAGE_JSON_VALUES)));
        }
        let Value::Object(fields) = serde_json::from_slice(bytes)? else {
            return Err(NpmFault::PackageJson("is not an object".to_owned()));
        };
        let text = |field: &str| fields.get(field).and_then(Value::as_str);
        let name = text("name").filter(|name| name::is_name(name));
        let name = name.ok_or_else(|| NpmFault::PackageJson("has no name that npm allows".to_owned()))?.to_owned();
        let version = text("version").and_then(version::parse_clean);
        let version = version.ok_or_else(|| NpmFault::PackageJson("has no version of three numbers".to_owned()))?;
        Ok(Self { name, version: version.to_string(), fields })
    }

    /// Returns true if it names a script that runs at installation, or leaves npm to build it.
    pub fn has_install_script(&self, has_gyp: bool) -> bool {
        let scripts = self.fields.get("scripts");
        let runs = |name: &&str| {
            let script = scripts.and_then(|scripts| scripts.get(*name)).and_then(Value::as_str);
            script.is_some_and(|script| !script.is_empty())
        };
        INSTALL_SCRIPTS.iter().any(runs) || (has_gyp && self.fields.get("gypfile") != Some(&Value::Bool(false)))
    }

    /// The fields that an installation needs, each with the type that clients expect.
    pub fn installation_fields(&self) -> Map<String, Value> {
        let tables = TABLES.iter().map(|field| (*field, self.fields.get(*field).and_then(table)));
        let lists = LISTS.iter().map(|field| (*field, self.fields.get(*field).and_then(list)));
        let bundles = BUNDLES.iter().map(|field| (*field, self.fields.get(*field).and_then(bundle)));
        let others = [
            ("bin", self.fields.get("bin").and_then(|bin| self.programs(bin))),
            ("peerDependenciesMeta", self.fields.get("peerDependenciesMeta").filter(|meta| meta.is_object()).cloned()),
            ("deprecated", self.fields.get("deprecated").filter(|text| text.is_string()).cloned()),
        ];
        let fields = tables.chain(lists).chain(bundles).chain(others);
        fields.filter_map(|(field, value)| Some((field.to_owned(), value?))).collect()
    }

    /// All fields; those that an installation needs have the type that clients expect.
    pub fn all(self) -> Map<String, Value> {
        let needed = self.installation_fields();
        let mut fields = self.fields;
        for field in TABLES.iter().chain(&LISTS).chain(&BUNDLES).chain(&OTHERS) {
            fields.remove(*field);
        }
        fields.extend(needed);
        fields
    }

    /// Returns names and paths of programs. A single path belongs to a program with the package's name.
    fn programs(&self, bin: &Value) -> Option<Value> {
        match bin {
            Value::String(path) => {
                let name = name::without_scope(&self.name).to_owned();
                Some(Value::Object(Map::from_iter([(name, Value::String(path.clone()))])))
            }
            other => table(other),
        }
    }
}

/// Returns the texts of an object.
fn table(value: &Value) -> Option<Value> {
    let texts = value.as_object()?.iter().filter(|(_, value)| value.is_string());
    Some(Value::Object(texts.map(|(name, value)| (name.clone(), value.clone())).collect()))
}

/// Returns a list of texts, which may be given as a single one.
fn list(value: &Value) -> Option<Value> {
    match value {
        Value::String(_) => Some(Value::Array(vec![value.clone()])),
        Value::Array(values) => Some(Value::Array(values.iter().filter(|value| value.is_string()).cloned().collect())),
        _ => None,
    }
}

fn bundle(value: &Value) -> Option<Value> {
    list(value).or_else(|| value.is_boolean().then(|| value.clone()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: &Value) -> Result<PackageJson, NpmFault> {
        PackageJson::read(value.to_string().as_bytes())
    }

    fn refusal(value: &Value) -> String {
        read(value).unwrap_err().to_string()
    }

    #[test]
    fn fields_have_expected_types() {
        let package = read(&json!({
            "name": "@scope/tool", "version": "v1.0.0", "bin": "./cli.js", "dependencies": { "a": "^1", "b": 2 },
            "engines": ["node"], "os": "linux", "cpu": ["x64", 1], "optionalDependencies": null, "deprecated": false,
            "peerDependencies": { "c": "*" }, "peerDependenciesMeta": { "c": { "optional": true } },
            "bundleDependencies": true,
            "description": "A tool", "devDependencies": { "d": "1" },
        }))
        .unwrap();
        assert_eq!((package.name.as_str(), package.version.as_str()), ("@scope/tool", "1.0.0"));
        let needed = json!({
            "bin": { "tool": "./cli.js" }, "dependencies": { "a": "^1" }, "os": ["linux"], "cpu": ["x64"],
            "bundleDependencies": true,
            "peerDependencies": { "c": "*" }, "peerDependenciesMeta": { "c": { "optional": true } },
        });
        assert_eq!(Value::Object(package.installation_fields()), needed);
        let all = Value::Object(package.all());
        assert_eq!((&all["description"], &all["devDependencies"]), (&json!("A tool"), &json!({ "d": "1" })));
        assert_eq!(
            (&all["bin"], all.get("engines"), all.get("deprecated")),
            (&json!({ "tool": "./cli.js" }), None, None)
        );
    }

    #[test]
    fn install_scripts_are_found() {
        let scripts = |scripts: Value| read(&json!({ "name": "a", "version": "1.0.0", "scripts": scripts })).unwrap();
        assert!(scripts(json!({ "postinstall": "node build.js" })).has_install_script(false));
        assert!(!scripts(json!({ "test": "node test.js", "install": "" })).has_install_script(false));
        assert!(scripts(json!(["install"])).has_install_script(true));
        let without = read(&json!({ "name": "a", "version": "1.0.0", "gypfile": false })).unwrap();
        assert!(!without.has_install_script(true));
    }

    #[test]
    fn uninstallable_packages_are_refused() {
        assert!(refusal(&json!([])).contains("is not an object"));
        assert!(refusal(&json!({ "version": "1.0.0" })).contains("no name"));
        assert!(refusal(&json!({ "name": "../a", "version": "1.0.0" })).contains("no name"));
        assert!(refusal(&json!({ "name": 1, "version": "1.0.0" })).contains("no name"));
        assert!(refusal(&json!({ "name": "a", "version": "1.0" })).contains("no version"));
        let many = json!({ "name": "a", "version": "1.0.0", "files": vec![0; 60_000] });
        assert!(refusal(&many).contains("more than 50000 values"));
        let deep =
            format!("{{\"name\":\"a\",\"version\":\"1.0.0\",\"a\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
        assert!(matches!(PackageJson::read(deep.as_bytes()), Err(NpmFault::Json(_))));
        assert!(matches!(PackageJson::read(b"{\"name\":\"a\xff\"}"), Err(NpmFault::Json(_))));
        let marked = [b"\xef\xbb\xbf".as_slice(), br#"{"name":"b","name":"a","version":"1.0.0"}"#].concat();
        assert_eq!(PackageJson::read(&marked).unwrap().name, "a");
    }
}
