//! Tests of secrets that the site gives. A plan knows the numbers of their values, and pods restart when a number
//! changes.

use super::*;

impl Side {
    /// Makes the last component request a password that its pods read.
    fn asking(mut self, secret: &str) -> Self {
        let component = self.release.components.last_mut().unwrap();
        let declared = json!({"name": secret, "meaning": "A password", "value": {"password": {}}});
        component.site_secrets.push(serde_json::from_value(declared).unwrap());
        let document = self.documents.get_mut(&component.objects).unwrap();
        let mut objects: Value = serde_json::from_slice(document).unwrap();
        objects[0]["spec"]["template"]["spec"]["volumes"] = json!([{"name": "v", "secret": {"secretName": secret}}]);
        *document = serde_json::to_vec(&objects).unwrap();
        self
    }
}

#[test]
fn new_secret_value_restarts_readers() {
    let site = side("1.0.0", 1).with("web", "web:1", &[]).asking("directory").with("other", "other:1", &[]);
    let (made, values) = (site.last_actions(), BTreeMap::new());
    let configured = |number: u64| {
        let secrets = SecretNumbers::from([(("web".to_owned(), "directory".to_owned()), number)]);
        let (release, documents) = (&site.release, &site.documents);
        let inputs = ComponentInputs { release, documents, values: &values, secrets: &secrets, node: "node" };
        plan_configure(&inputs, &BackupSettings::default(), &made).unwrap()
    };
    let same = configured(1);
    assert!(same.plan.steps.is_empty() && same.settings.is_empty(), "{:?}", same.plan.steps);
    let plan = configured(2);
    let ids: Vec<&str> = plan.plan.steps.iter().map(|step| step.id.0.as_str()).collect();
    assert_eq!(ids, ["site-secret/web/directory", "component/web", "ready/web"]);
    let [change] = &plan.settings[..] else { panic!("one secret changes") };
    assert_eq!(
        (change.setting.as_str(), &change.from, &change.to),
        ("secrets.directory", &Some(json!("given (1)")), &Some(json!("given (2)")))
    );
    assert!(plan.changes.is_empty(), "{:?}", plan.changes);
}

#[test]
fn upgrade_creates_secret_before_readers() {
    let before = side("1.0.0", 1).with("web", "web:1", &[]);
    let after = side("1.1.0", 2).with("web", "web:1", &[]).asking("directory");
    let upgrade = lines(&before.upgraded_to(&after, Operation::Upgrade).unwrap());
    let position = |wanted: &str| upgrade.iter().position(|line| line == wanted).expect(wanted);
    assert!(position("site-secret/web/directory site-secret") < position("component/web supersede"), "{upgrade:?}");
    let rollback = lines(&after.upgraded_to(&before, Operation::Rollback).unwrap());
    assert!(rollback.iter().all(|line| !line.contains("site-secret")), "{rollback:?}");
}

#[test]
fn secret_type_and_source_are_fixed() {
    let plain = || side("1.0.0", 1).with("web", "web:1", &[]);
    let (given, mut generated, mut other) = (plain().asking("directory"), plain(), plain().asking("directory"));
    let secret = json!({"name": "directory", "random": {"password": 32}});
    generated.release.components[0].secrets = vec![serde_json::from_value(secret).unwrap()];
    other.release.components[0].site_secrets[0].value = serde_json::from_value(json!({"tls": {}})).unwrap();
    for (before, after, why) in [
        (&generated, &given, "is generated now"),
        (&given, &generated, "is given by the site now"),
        (&given, &other, "has another type"),
    ] {
        let refused = before.upgraded_to(after, Operation::Upgrade).unwrap_err();
        assert_eq!(landfall_error_codes::CodedError::code(&refused), codes::CHANGE_UNFIT);
        assert!(refused.to_string().contains(why), "{refused}");
    }
}
