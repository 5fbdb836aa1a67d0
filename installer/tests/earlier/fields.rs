//! Forms of documents: a program that reads the earlier program's documents can read this program's. Fields and named
//! values may be added.

use std::path::Path;

use serde_json::Value;

use crate::listing::{Field, Fields, Listing, parse};
use crate::{earlier, repository};

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs_err::read(path).expect("a document")).expect("JSON")
}

/// Fields of all documents that this program prints, below their kinds.
fn documents() -> Fields {
    let mut all = Fields::new();
    for entry in fs_err::read_dir(repository().join("docs/schemas")).expect("schemas") {
        let path = entry.expect("an entry").path();
        let schema = read(&path);
        let mut listing = Listing::of(&schema);
        listing.add(&schema, &path.file_stem().expect("a kind").to_string_lossy());
        all.extend(listing.fields());
    }
    all
}

/// Parameters, bodies and answers of the console's API, below their requests.
fn api() -> Fields {
    let document = read(&repository().join("docs/openapi.json"));
    let mut listing = Listing::of(&document);
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            add_operation(&mut listing, operation, &format!("{} {path}", method.to_uppercase()));
        }
    }
    listing.fields()
}

fn add_operation(listing: &mut Listing<'_>, operation: &Value, request: &str) {
    listing.add_path(request);
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        listing.add(&parameter["schema"], &format!("{request} ?{}", parameter["name"].as_str().expect("a name")));
    }
    add_content(listing, &operation["requestBody"], &format!("{request} body"));
    for (status, answer) in operation["responses"].as_object().into_iter().flatten() {
        let path = format!("{request} {status}");
        listing.add_path(&path);
        add_content(listing, answer, &path);
    }
}

fn add_content(listing: &mut Listing<'_>, value: &Value, path: &str) {
    for (_, content) in value["content"].as_object().into_iter().flatten() {
        listing.add(&content["schema"], path);
    }
}

/// Differences that would mislead a reader of the earlier documents.
fn breaks(earlier: &Fields, present: &Fields) -> Vec<String> {
    let judge = |(path, before): (&String, &Field)| {
        let Some(after) = present.get(path) else { return Some(format!("{path} is gone")) };
        let values: Vec<_> = before.values.difference(&after.values).collect();
        if before.types != after.types {
            Some(format!("{path} was {:?} and is {:?}", before.types, after.types))
        } else if !values.is_empty() {
            Some(format!("{path} lacks {values:?}"))
        } else {
            (after.is_optional && !before.is_optional).then(|| format!("{path} may be missing"))
        }
    };
    earlier.iter().filter_map(judge).collect()
}

fn expect_kept(name: &str, present: &Fields) {
    let earlier = parse(&fs_err::read_to_string(earlier(name)).expect("fields"));
    assert!(earlier.len() > 1000, "{name} has only {} fields", earlier.len());
    assert_eq!(breaks(&earlier, present), [""; 0], "{name}");
}

#[test]
fn earlier_documents_keep_their_fields() {
    expect_kept("documents.tsv", &documents());
}

#[test]
fn earlier_api_keeps_its_fields() {
    expect_kept("api.tsv", &api());
}

#[test]
fn lost_and_changed_fields_are_found() {
    let earlier = parse("a.b\tinteger\trequired\na.c\tstring =x =y\t\na.d\tnull string\t\n");
    let found = |text: &str| breaks(&earlier, &parse(text));
    assert_eq!(found("a.b\tinteger\trequired\na.c\tstring =x =y =z\trequired\na.d\tnull string\t\na.e\t\t\n"), [""; 0]);
    let changed = found("a.b\tinteger\t\na.c\tstring =x\t\na.d\tstring\t\n");
    let expected = ["a.b may be missing", "a.c lacks [\"=y\"]", "a.d was {\"null\", \"string\"} and is {\"string\"}"];
    assert_eq!(changed, expected);
    assert_eq!(found("a.b\tinteger\trequired\na.c\tstring =x =y\t\n"), ["a.d is gone"]);
}

/// Writes the forms of this program's documents, to be kept as those of an earlier one.
#[test]
#[ignore = "writes the tables that it compares with; see tests/earlier/README.md"]
fn write_forms_of_documents() {
    for (name, fields) in [("documents.tsv", documents()), ("api.tsv", api())] {
        let row = |(path, field): (&String, &Field)| {
            let words: Vec<&str> = field.types.iter().chain(&field.values).map(String::as_str).collect();
            format!("{path}\t{}\t{}\n", words.join(" "), if field.is_optional { "" } else { "required" })
        };
        let text: String = fields.iter().map(row).collect();
        landfall_media::durable::write_file(&earlier(name), text.as_bytes(), 0o644).expect("written");
    }
}
