//! Error codes: each one keeps its meaning and its exit code.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

use crate::earlier;

/// Exit code and title of each code.
type Codes = BTreeMap<String, (String, String)>;

/// Rows of a table in the folder of the earlier program, without its heading.
fn rows<const CELLS: usize>(table: &str) -> Vec<[String; CELLS]> {
    let text = fs_err::read_to_string(earlier(table)).expect("a table");
    let row = |line: &str| line.split('\t').map(str::to_owned).collect::<Vec<_>>().try_into().expect("cells");
    text.lines().skip(1).map(row).collect()
}

/// Codes of the earlier program, with those titles that have said the same in better words since.
fn earlier_codes() -> Codes {
    let earlier = rows("codes.tsv").into_iter().map(|[code, exit, title]| (code, (exit, title)));
    let mut codes: Codes = earlier.collect();
    for [code, title] in rows("reworded.tsv") {
        codes.get_mut(&code).expect("a code of the earlier program").1 = title;
    }
    codes
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
