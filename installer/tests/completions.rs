//! Completions of the real program, as used by bash.

use std::process::Command;

/// Completes a line in a shell with a fake `landfall values` for a site.
fn complete_line(words: &str, last: usize) -> String {
    let script = format!(
        "source <(\"$1\" completions bash)\n\
         landfall() {{ [ \"$*\" = 'values components' ] && printf 'postgres\\nvalkey\\n'; \
         [ \"$*\" = 'values releases' ] && printf '1.0.0\\n'; }}\n\
         COMP_WORDS=({words}); COMP_CWORD={last}\n\
         _landfall_of_site landfall \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"\n\
         echo \"${{COMPREPLY[@]}}\""
    );
    let output = Command::new("bash").args(["-c", &script, "bash", env!("CARGO_BIN_EXE_landfall")]).output();
    let output = output.expect("bash");
    assert!(output.stderr.is_empty(), "{words}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

#[test]
fn components_and_releases_are_completed() {
    assert_eq!(complete_line("landfall logs po", 2), "postgres");
    assert_eq!(complete_line("landfall restore --component ''", 3), "postgres valkey");
    assert_eq!(complete_line("landfall rollback --to 1", 3), "1.0.0");
    assert_eq!(complete_line("landfall roll", 1), "rollback");
    assert!(complete_line("landfall logs --fo", 2).contains("--follow"));
}
