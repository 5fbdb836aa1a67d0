//! Error codes: each one keeps its meaning and its exit code.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

use crate::earlier;

/// Exit code and title of each code.
type Codes = BTreeMap<String, (String, String)>;

/// Codes of the earlier program.
fn earlier_codes() -> Codes {
    let text = fs_err::read_to_string(earlier("codes.tsv")).expect("codes");
    let row = |line: &str| {
        let cells: Vec<String> = line.split('\t').map(str::to_owned).collect();
        let [code, exit, title] = cells.try_into().expect("three cells");
        (code, (exit, title))
    };
    text.lines().skip(1).map(row).collect()
}

/// Codes of this program.
fn present_codes() -> Codes {
    let output = Command::new(env!("CARGO_BIN_EXE_landfall")).args(["errors", "--json"]).output().expect("landfall");
    let document: Value = serde_json::from_slice(&output.stdout).expect("a document");
    let codes = document["codes"].as_array().expect("codes").iter();
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    codes.map(|code| (text(&code["code"]), (code["exitCode"].to_string(), text(&code["title"])))).collect()
}

#[test]
fn earlier_codes_keep_their_meaning() {
    let (earlier, present) = (earlier_codes(), present_codes());
    assert!(earlier.len() > 500, "only {} codes", earlier.len());
    for (code, meaning) in earlier {
        assert_eq!(present.get(&code), Some(&meaning), "{code}");
    }
}
