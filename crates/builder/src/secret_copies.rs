//! Copies of secrets: a random value that one component generates, and that others get under keys of their own
//! ([ADR 140](../../../docs/adr/0140-a-generated-secret-is-copied-by-key.md)).

use std::collections::BTreeMap;

use landfall_error_codes::codes;
use landfall_release_document::SecretKey;
use landfall_suggestion::did_you_mean;

use crate::definition::{ComponentDefinition, CopyDefinition, Release, SecretDefinition, Sources, needed_by};
use crate::error::{BuildError, Result};

/// Returns an error for a shared key that is not random, and for a copy whose source a component may not have.
pub fn check(sources: &Sources, release: &Release) -> Result<()> {
    for (index, component) in release.components.iter().enumerate() {
        for (number, secret) in component.secrets.iter().enumerate() {
            let field = format!("components[{index}].secrets[{number}]");
            if let Some((number, key)) =
                secret.shared.iter().enumerate().find(|(_, key)| !secret.random.contains_key(&key.value))
            {
                let place = sources.place(key.referenced, format!("{field}.shared[{number}]"));
                let what = format!("`{}` is not a random key of the Secret", key.value);
                return Err(BuildError::at(codes::RELEASE_INVALID, place, what));
            }
            for (key, copy) in &secret.copies {
                let refused = |code, what: String| {
                    BuildError::at(code, sources.place(copy.referenced, format!("{field}.copies.{key}")), what)
                };
                if secret.random.contains_key(key) || secret.fixed.contains_key(key) {
                    return Err(refused(codes::RELEASE_INVALID, format!("`{key}` has another value as well")));
                }
                let source = source(release, component, &copy.value, key).map_err(|what| {
                    let is_unknown = release.components.iter().all(|other| other.name.value != copy.value.component);
                    refused(if is_unknown { codes::RELEASE_UNKNOWN_COMPONENT } else { codes::RELEASE_INVALID }, what)
                })?;
                let other = release.components.iter().position(|other| other.name.value == source.name.value);
                if !other.is_some_and(|other| needed_by(release, index).contains(&other)) {
                    let what = format!(
                        "`{}` does not need `{}`, which generates the value",
                        component.name.value, source.name.value
                    );
                    return Err(refused(codes::RELEASE_INVALID, what).hint("Add it to `needs`."));
                }
            }
        }
    }
    Ok(())
}

/// The component that generates a value. The error says what it lacks.
fn source<'a>(
    release: &'a Release,
    own: &ComponentDefinition,
    copy: &CopyDefinition,
    key: &str,
) -> std::result::Result<&'a ComponentDefinition, String> {
    let CopyDefinition { component, secret, key: named } = copy;
    let key = named.as_deref().unwrap_or(key);
    if *component == own.name.value {
        return Err(format!("`{component}` is the component itself"));
    }
    let components = &release.components;
    let other = components.iter().find(|other| other.name.value == *component).ok_or_else(|| {
        let near = did_you_mean(component, components.iter().map(|other| other.name.value.as_str()));
        format!("`{component}` is not a component of this release{near}")
    })?;
    let found = other.secrets.iter().find(|other| other.name.value == *secret).ok_or_else(|| {
        let near = did_you_mean(secret, other.secrets.iter().map(|other| other.name.value.as_str()));
        format!("`{component}` generates no Secret `{secret}`{near}")
    })?;
    if !found.random.contains_key(key) {
        let near = did_you_mean(key, found.random.keys().map(String::as_str));
        return Err(format!("the Secret `{secret}` of `{component}` has no random key `{key}`{near}"));
    }
    if !found.shared.iter().any(|shared| shared.value == key) {
        return Err(format!(
            "`{component}` does not share `{key}` of its Secret `{secret}`: list it there under `shared`"
        ));
    }
    Ok(other)
}

/// The sources of a Secret's copies, with their namespaces. Each source was checked.
pub fn resolved(release: &Release, secret: &SecretDefinition) -> BTreeMap<String, SecretKey> {
    let copies = secret.copies.iter().filter_map(|(key, copy)| {
        let CopyDefinition { component, secret, key: named } = &copy.value;
        let other = release.components.iter().find(|other| other.name.value == *component)?;
        let source = SecretKey {
            namespace: other.namespace.value.clone(),
            secret: secret.clone(),
            key: named.as_ref().unwrap_or(key).clone(),
        };
        Some((key.clone(), source))
    });
    copies.collect()
}

#[cfg(test)]
mod tests {
    use landfall_error_codes::CodedError as _;
    use landfall_release_document::SecretKey;

    use super::resolved;
    use crate::proofs::tests::{error_text, read_text};

    /// A definition whose assistant copies the password of the database.
    fn text() -> String {
        let good = include_str!("definition/good.yaml");
        let copy = "    secrets:\n      - name: rows\n        fixed: {user: app}\n        copies:\n          \
            key: {component: database, secret: database-password, key: password}\n";
        good.replacen("    mounts:\n", &format!("{copy}    mounts:\n"), 1).replacen(
            "        fixed: {username: app}\n",
            "        fixed: {username: app}\n        shared: [password]\n",
            1,
        )
    }

    #[test]
    fn copies_name_their_source() {
        let release = read_text(&text()).unwrap().release;
        let assistant = release.components.iter().find(|component| component.name.value == "assistant").unwrap();
        let secret = &assistant.secrets[0];
        assert_eq!(secret.keys().collect::<Vec<_>>(), ["user", "key"]);
        let source = SecretKey {
            namespace: "database".to_owned(),
            secret: "database-password".to_owned(),
            key: "password".to_owned(),
        };
        assert_eq!(resolved(&release, secret), [("key".to_owned(), source)].into());
    }

    #[test]
    fn unavailable_sources_are_refused() {
        let refusal = |from: &str, to: &str| {
            let text = text();
            assert!(text.contains(from), "{from}");
            let text = text.replacen(from, to, 1);
            error_text(&read_text(&text).expect_err(to), &text)
        };
        let refusals = [
            refusal("{component: database,", "{component: databse,"),
            refusal("{component: database,", "{component: assistant,"),
            refusal("secret: database-password", "secret: database-pasword"),
            refusal("key: password}", "key: username}"),
            refusal("        shared: [password]\n", ""),
            refusal("shared: [password]", "shared: [username]"),
            refusal("needs: [database]", "needs: [network]"),
            refusal("fixed: {user: app}", "fixed: {user: app, key: a}"),
        ];
        insta::assert_snapshot!(refusals.join("\n"));
        assert_eq!(
            read_text(&text().replacen(", key: password}", "}", 1)).expect_err("no such key").code().id,
            "LF2002"
        );
    }
}
