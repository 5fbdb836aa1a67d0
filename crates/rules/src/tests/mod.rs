use landfall_release_document::{ReleaseDocument, Rule, RuleExpression, RuleSeverity, RuleText};
use proptest::prelude::*;
use serde_json::json;

use super::*;

mod hostile;

fn release() -> ReleaseDocument {
    let document = json!({
        "type": "landfall.dev/release/1", "name": "shop", "version": "1.0.0", "counter": 1, "assembled": false,
        "platform": "linux/amd64", "node_packs": [], "images": [], "artifacts": [], "components": [],
        "values": [{ "name": "db.storage", "schema": {}, "default": 20, "targets": [] }],
        "requirements": { "cores": 2, "memory_bytes": 1, "data_bytes": 1 },
    });
    ReleaseDocument::read(&serde_json::to_vec(&document).unwrap()).unwrap()
}

fn text(text: &str) -> RuleText {
    RuleText::Text(text.to_owned())
}

fn expression_text(cel: &str) -> RuleText {
    RuleText::Expression(RuleExpression { cel: cel.to_owned() })
}

fn rule(require: &str) -> Rule {
    Rule {
        name: "some".to_owned(),
        severity: RuleSeverity::Blocker,
        require: require.to_owned(),
        message: text("It is not so"),
        measured: None,
        threshold: None,
        fix: text("Make it so."),
        commands: Vec::new(),
    }
}

fn inputs() -> Inputs {
    Inputs::samples(&ReleaseView::from(&release())).remove(0)
}

fn outcome(rule: Rule) -> Outcome {
    judge(&[rule], &inputs()).remove(0).outcome
}

fn is_met(require: &str) -> bool {
    match outcome(rule(require)) {
        Outcome::Met { .. } => true,
        Outcome::NotMet { .. } => false,
        Outcome::Unusable(reason) => panic!("{require}: {reason}"),
    }
}

fn fault(require: &str) -> String {
    check(&[rule(require)], &Inputs::samples(&ReleaseView::from(&release()))).expect_err(require).to_string()
}

#[test]
fn two_sample_inputs_are_built() {
    assert_eq!(Inputs::samples(&ReleaseView::from(&release())).len(), 2);
}

#[test]
fn rules_read_facts_release_and_site() {
    for (require, met) in [
        ("facts.cores >= 4", true),
        ("facts.cores > 4", false),
        ("facts.memoryBytes / 1073741824 == 16", true),
        ("facts.filesystems.exists(f, '/var/lib/landfall' in f.paths && f.freeBytes > 85899345919)", true),
        ("facts.filesystems.all(f, f.readOnly)", false),
        ("facts.operatingSystem.startsWith('debian ') || facts.operatingSystem.startsWith('ubuntu ')", true),
        ("facts.limits['fs.inotify.max_user_instances'] == 128", true),
        ("release.name == 'shop' && release.requirements.cores <= facts.cores", true),
        ("site.values['db.storage'] == 20", true),
        ("has(site.node.name)", false),
        ("size(facts.modules.filter(m, m == 'vxlan')) == 1", true),
        ("facts.selinux == null", true),
    ] {
        check(&[rule(require)], &Inputs::samples(&ReleaseView::from(&release()))).ok();
        assert_eq!(is_met(require), met, "{require}");
    }
}

#[test]
fn texts_are_evaluated_for_unmet_rules() {
    let rule = Rule {
        message: expression_text("'Only ' + string(facts.cores) + ' cores'"),
        measured: Some(expression_text("facts.cores")),
        threshold: Some(text("8 cores")),
        commands: vec![text("lscpu"), expression_text("'echo ' + facts.hostname")],
        ..rule("facts.cores >= 8")
    };
    check(std::slice::from_ref(&rule), &Inputs::samples(&ReleaseView::from(&release()))).unwrap();
    let expected = Outcome::NotMet {
        message: "Only 4 cores".to_owned(),
        measured: "4".to_owned(),
        threshold: "8 cores".to_owned(),
        fix: "Make it so.".to_owned(),
        commands: vec!["lscpu".to_owned(), "echo node-1".to_owned()],
    };
    assert_eq!(outcome(rule), expected);
}

#[test]
fn check_names_rule_and_field() {
    let begins = "`require` of rule `some`: ";
    for (require, part) in [
        ("facts.memroyBytes > 1", "`facts` has no field `memroyBytes`; did you mean `facts.memoryBytes`?"),
        ("facts.cores >= 1 || facts.network.adresses.size() > 0", "did you mean `facts.network.addresses`?"),
        ("fact.cores > 1", "`fact` is not a variable: there are facts, release, site"),
        ("facts.cores", "on a sample host: it is a number, and must be true or false"),
        ("facts.cores > 'four'", "on a sample host: "),
        ("facts.hostname.matches('a+')", "`matches` cannot be called"),
        ("duration('1h') > duration('1m')", "`duration` cannot be called"),
        ("size(facts.modules, 1) > 0", "`size` has 2 operands, and takes 1"),
        ("facts.filesystems[7].freeBytes > 1", "on a sample host: "),
        ("facts.cores >", ""),
        ("", ""),
    ] {
        let fault = fault(require);
        assert!(fault.starts_with(begins) && fault.contains(part), "{require}: {fault}");
    }
    let bad = Rule { fix: expression_text("facts.filesystems"), ..rule("true") };
    let fault = check(&[bad], &Inputs::samples(&ReleaseView::from(&release()))).unwrap_err();
    assert_eq!((fault.index, fault.field), (0, "fix"));
}

/// Each of these would take all time or all memory if it were evaluated.
#[test]
fn hostile_rules_are_refused_quickly() {
    let ten = "[1,2,3,4,5,6,7,8,9,0]";
    let nested = (0..9).fold("true".to_owned(), |inner, level| format!("{ten}.all(v{level}, {inner})"));
    let doubled = (0..60).fold("['aaaaaaaaaaaaaaaa']".to_owned(), |list, _| format!("{list}.map(a,a+a)"));
    let lists = (0..60).fold("[[1,2,3]]".to_owned(), |list, _| format!("{list}.map(a,a+a)"));
    let deep = format!("{}1{} == 1", "(".repeat(900), ")".repeat(900));
    let indexed = format!("facts{}", "[0".repeat(500) + &"]".repeat(500));
    let long = format!("1{} > 0", "+1".repeat(1000));
    let ternary = format!("{}true", "true ? true : ".repeat(140));
    for hostile in [nested, doubled, format!("{lists} == []"), deep, indexed, long, ternary, "a".repeat(5000)] {
        let begin = std::time::Instant::now();
        let found = outcome(rule(&hostile));
        assert!(matches!(found, Outcome::Unusable(_)), "{hostile}: {found:?}");
        assert!(begin.elapsed().as_secs() < 5, "{hostile} took {:?}", begin.elapsed());
    }
}

/// The parser removes pairs of negations.
#[test]
fn long_negations_need_no_stack() {
    assert!(is_met(&format!("{}true", "!".repeat(2000))));
    assert!(!is_met(&format!("{}true", "!".repeat(2001))));
}

#[test]
fn failing_rule_is_unusable() {
    let rules = [rule("facts.cores > 1"), rule("facts.none.such"), rule("1 / 0 == 1"), rule("facts.cores > 1000")];
    let outcomes: Vec<Outcome> = judge(&rules, &inputs()).into_iter().map(|judgment| judgment.outcome).collect();
    assert!(
        matches!(outcomes[0], Outcome::Met { .. }) && matches!(outcomes[3], Outcome::NotMet { .. }),
        "{outcomes:?}"
    );
    for unusable in &outcomes[1..3] {
        assert!(matches!(unusable, Outcome::Unusable(reason) if reason.starts_with("`require`: ")), "{unusable:?}");
    }
}

#[test]
fn rules_share_evaluation_budget() {
    let costly = rule(
        "facts.modules.all(a, facts.modules.all(b, facts.modules.all(c, facts.modules.all(d, a != b || c != d))))",
    );
    let rules: Vec<Rule> = std::iter::repeat_n(costly, 500).collect();
    let begin = std::time::Instant::now();
    let outcomes = judge(&rules, &inputs());
    assert_eq!(outcomes.len(), 500);
    let is_over =
        |judgment: &Judgment| matches!(&judgment.outcome, Outcome::Unusable(reason) if reason.contains("steps"));
    assert!(outcomes.last().is_some_and(is_over), "{:?}", outcomes.last());
    assert!(begin.elapsed().as_secs() < 15, "{:?}", begin.elapsed());
}

#[test]
fn empty_rules_yield_nothing() {
    assert_eq!(judge(&[], &inputs()), []);
    assert_eq!(check(&[], &[]), Ok(()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn arbitrary_text_never_panics(require in ".{0,80}") {
        let _any = outcome(rule(&require));
    }

    #[test]
    fn arbitrary_expressions_end_in_time(
        parts in proptest::collection::vec(prop::sample::select(vec![
            "facts", ".cores", ".modules", ".map(a,", ".filter(a,", ".all(a,", "a", "+", "==", "(", ")", "[", "]", "1",
            "'x'", "?", ":", "!", "-", "&&", "||", "in", "size(", "string(", ",", "{", "}", "has(", "site", ".?x",
            "[?0]",
        ]), 0..24)
    ) {
        let begin = std::time::Instant::now();
        let _any = outcome(rule(&parts.concat()));
        prop_assert!(begin.elapsed().as_secs() < 8);
    }
}
