//! SPDX 2.3 as JSON.

use serde_json::{Map, Value, json};

use super::Tool;
use super::bill::{Bill, Class, Item};

const UNKNOWN: &str = "NOASSERTION";

/// Returns the document of a bill.
pub(super) fn document(bill: &Bill, tool: Tool<'_>) -> Value {
    let about = &bill.items[0];
    let version = about.version.as_ref().map(|version| format!(" {version}")).unwrap_or_default();
    let describes = json!({
        "spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": id(0, about),
    });
    let contains = bill.items.iter().enumerate().flat_map(|(position, item)| {
        item.contains.iter().map(move |inner| {
            json!({
                "spdxElementId": id(position, item),
                "relationshipType": "CONTAINS",
                "relatedSpdxElement": id(*inner, &bill.items[*inner]),
            })
        })
    });
    json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": format!("{}{version}", about.name),
        "documentNamespace": format!("https://landfall.dev/spdx/{}", bill.key.to_hex()),
        "creationInfo": {
            "created": bill.created,
            "creators": [format!("Tool: {}-{}", tool.name, tool.version)],
        },
        "packages": bill.items.iter().enumerate().map(|(position, item)| package(position, item)).collect::<Vec<_>>(),
        "relationships": std::iter::once(describes).chain(contains).collect::<Vec<_>>(),
    })
}

/// Returns the identifier of an item: letters, digits, full stops and hyphens.
fn id(position: usize, item: &Item) -> String {
    let name = item.name.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' });
    format!("SPDXRef-{position}-{}", name.take(64).collect::<String>())
}

fn package(position: usize, item: &Item) -> Value {
    let declared = item.license.as_deref();
    let expression = declared.filter(|license| is_expression(license));
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    put("SPDXID", id(position, item).into());
    put("name", item.name.clone().into());
    if let Some(version) = &item.version {
        put("versionInfo", version.clone().into());
    }
    put("downloadLocation", UNKNOWN.into());
    put("filesAnalyzed", false.into());
    put("licenseConcluded", UNKNOWN.into());
    put("licenseDeclared", expression.unwrap_or(UNKNOWN).into());
    if let Some(license) = declared.filter(|_| expression.is_none()) {
        put("licenseComments", format!("Declared as: {license}").into());
    }
    put("copyrightText", UNKNOWN.into());
    if let Some(purpose) = purpose(item.class) {
        put("primaryPackagePurpose", purpose.into());
    }
    if let Some(digest) = item.sha256 {
        put("checksums", json!([{ "algorithm": "SHA256", "checksumValue": digest.to_hex() }]));
    }
    if let Some(url) = &item.purl {
        let reference = json!({
            "referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": url,
        });
        put("externalRefs", json!([reference]));
    }
    if !item.unread.is_empty() {
        let unread = item.unread.iter().map(|file| format!("Not read: {}: {}", file.path, file.reason));
        put("comment", unread.collect::<Vec<_>>().join("\n").into());
    }
    fields.into()
}

fn purpose(class: Class) -> Option<&'static str> {
    Some(match class {
        Class::Release | Class::Programs | Class::Chart => "APPLICATION",
        Class::Image => "CONTAINER",
        Class::Package => "LIBRARY",
        Class::File => "FILE",
        Class::Model | Class::Data => return None,
    })
}

/// Returns true if a license is an SPDX license expression; other texts are quoted unchanged.
pub(super) fn is_expression(license: &str) -> bool {
    spdx::Expression::parse(license).is_ok()
}
