//! Tests with a hostile release or a hostile host: each rule has an outcome in bounded time and memory, the faulty one
//! is named, and the others are still evaluated.

use std::time::{Duration, Instant};

use super::*;

/// Maximum time for the rules of a release.
const LIMIT: Duration = Duration::from_secs(20);

/// Maximum memory that rules may add to the process, in KiB.
const MEMORY_KIB: u64 = 512 << 10;

/// Returns an expression that doubles a text this many times.
fn doubling_expression(times: usize) -> String {
    (0..times).fold("['0123456789abcdef']".to_owned(), |list, _| format!("{list}.map(a,a+a)"))
}

/// Returns expressions that would take all time or all memory if they were evaluated, each with a name.
fn explosions() -> Vec<(&'static str, String)> {
    let ten = "[1,2,3,4,5,6,7,8,9,0]";
    let over_facts = (0..8).fold("true".to_owned(), |inner, level| format!("facts.modules.all(v{level}, {inner})"));
    let over_maps = (0..8).fold("[1]".to_owned(), |inner, level| format!("facts.map(v{level}, {inner})"));
    vec![
        ("nested parentheses", format!("{}1{} == 1", "(".repeat(900), ")".repeat(900))),
        ("nested lists", format!("{}{} == []", "[".repeat(900), "]".repeat(900))),
        ("a long expression", format!("'{}' == ''", "a".repeat(100_000))),
        ("macros over macros", (0..9).fold("1".to_owned(), |inner, level| format!("{ten}.map(v{level}, {inner})"))),
        ("macros over facts", over_facts),
        ("macros over maps", over_maps),
        ("a doubled text", doubling_expression(60)),
        ("doubled lists", (0..60).fold("[[1,2,3]]".to_owned(), |list, _| format!("{list}.map(a,a+a)"))),
        ("a call of what is not known", "facts.hostname.matches('(a+)+$')".to_owned()),
    ]
}

/// Returns a rule that is not met, with an expression in one of its fields.
fn with_field(field: &str, cel: &str) -> Rule {
    let mut hostile = Rule { name: "hostile".to_owned(), ..rule("false") };
    match field {
        "require" => cel.clone_into(&mut hostile.require),
        "message" => hostile.message = expression_text(cel),
        "measured" => hostile.measured = Some(expression_text(cel)),
        "threshold" => hostile.threshold = Some(expression_text(cel)),
        "fix" => hostile.fix = expression_text(cel),
        _ => hostile.commands = vec![text("true"), expression_text(cel)],
    }
    hostile
}

#[test]
fn hostile_rule_spoils_no_other() {
    for (what, cel) in explosions() {
        for field in ["require", "message", "measured", "threshold", "fix", "commands"] {
            let rules = [rule("facts.cores > 1"), with_field(field, &cel), rule("facts.cores > 1000")];
            let begin = Instant::now();
            let judged = judge(&rules, &inputs());
            assert!(begin.elapsed() < LIMIT, "{what} in {field} took {:?}", begin.elapsed());
            assert!(matches!(judged[0].outcome, Outcome::Met { .. }), "{what} in {field}: {:?}", judged[0]);
            assert!(matches!(judged[2].outcome, Outcome::NotMet { .. }), "{what} in {field}: {:?}", judged[2]);
            assert_eq!(judged[1].name, "hostile");
            let begins = format!("`{field}`: ");
            let is_named =
                matches!(&judged[1].outcome, Outcome::Unusable(why) if why.starts_with(&begins) && why.len() < 1000);
            assert!(is_named, "{what} in {field}: {:?}", judged[1]);
            let samples = Inputs::samples(&ReleaseView::from(&release()));
            let fault = check(&rules, &samples).expect_err(what).to_string();
            assert!(fault.starts_with(&format!("`{field}` of rule `hostile`: ")), "{fault}");
        }
    }
}

/// The file of facts may also be hostile: the inputs of rules are larger than those of any real host.
#[test]
fn hostile_facts_are_judged_in_time() {
    let mut hostile = inputs();
    let many: Vec<String> = (0..200_000).map(|number| format!("module-{number}")).collect();
    hostile.facts["modules"] = json!(many);
    hostile.facts["hostname"] = json!("x".repeat(8 << 20));
    let rules = [
        rule("facts.cores >= 4"),
        rule("facts.modules.all(a, facts.modules.exists(b, a == b))"),
        rule("size(facts.modules.map(m, facts.hostname + m)) > 0"),
        Rule { message: expression_text("facts.hostname"), ..rule("facts.cores > 1000") },
    ];
    let begin = Instant::now();
    let judged = judge(&rules, &hostile);
    assert!(begin.elapsed() < LIMIT, "{:?}", begin.elapsed());
    assert!(matches!(judged[0].outcome, Outcome::Met { .. }), "{:?}", judged[0].outcome);
    for refused in &judged[1..3] {
        assert!(matches!(&refused.outcome, Outcome::Unusable(why) if why.contains("steps")), "{refused:?}");
    }
    let is_cut = |message: &str| message.chars().count() <= 1001 && message.ends_with('…');
    let Outcome::NotMet { message, .. } = &judged[3].outcome else { panic!("it is met, or was not judged") };
    assert!(is_cut(message), "{} bytes", message.len());
}

/// Returns the peak memory of this process so far in KiB.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse().unwrap()
}

/// The test runs in its own process, so that no other test adds to the measured memory.
#[test]
fn hostile_rules_use_bounded_memory() {
    const INSIDE: &str = "LANDFALL_TEST_MEMORY";
    if std::env::var_os(INSIDE).is_none() {
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "tests::hostile::hostile_rules_use_bounded_memory", "--nocapture"]).env(INSIDE, "yes");
        let output = command.output().unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
        return;
    }
    let before = peak_kib();
    // These include the longest chain that is still allowed.
    let chains = (1..60).map(|times| format!("size({}) == 1", doubling_expression(times)));
    for cel in explosions().into_iter().map(|(_, cel)| cel).chain(chains) {
        let _any = judge(&[rule(&cel)], &inputs());
        let taken = peak_kib() - before;
        assert!(taken < MEMORY_KIB, "{cel} took {taken} KiB");
    }
}
