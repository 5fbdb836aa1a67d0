//! Tests of invisible characters in untrusted names.

use super::*;
use crate::database::query;
use crate::people::Scope;

/// Beginning of text that is shown from right to left.
const TURNED: &str = "annual\u{202e}dnalfdnal.\u{2066}\u{200b}\u{feff}";

/// Writes the text directly to names in the database, past every check of names.
async fn plant(site: &Site) {
    site.program("root", &[Scope::Read]).await;
    let mut write = site.context.database.write().await.unwrap();
    for planted in ["UPDATE api_keys SET label = $1", "UPDATE sessions SET browser = $1, address = $1"] {
        query(planted).bind(TURNED).execute(&mut *write).await.unwrap();
    }
    write.commit().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_reveal_hidden_characters() {
    let site = Site::begin().await;
    let root = site.sign_in("root").await;
    let asked = root.post("/users", &[("name", TURNED), ("role", "viewer"), ("password", "short")]).await;
    plant(&site).await;
    let mut pages = vec![("/users again".to_owned(), asked)];
    for rule in RULES.iter().filter(|rule| rule.method == Method::GET && matches!(rule.need, Need::Page(_))) {
        let path =
            rule.path.replace("{*name}", "{name}").replace("{name}", "%E2%80%AEtxt").replace("{id}", "%E2%80%AEtxt");
        pages.push((path.clone(), root.get(&path).await));
    }
    for (path, page) in &pages {
        let hidden = page.body.chars().find(|letter| landfall_peer::is_hidden(*letter) && !letter.is_ascii_control());
        assert_eq!(hidden, None, "{path}: {}", page.body);
    }
    for path in ["/keys", "/account"] {
        let page = &pages.iter().find(|(of, _)| of == path).unwrap().1.body;
        let said = "<bdi>annual[U+202E]dnalfdnal.[U+2066][U+200B][U+FEFF]</bdi>";
        assert!(page.contains(said), "{path}: {page}");
    }
}

#[tokio::test]
async fn forged_address_confirms_nothing() {
    let site = Site::begin().await;
    let (root, other) = (site.sign_in("root").await, site.sign_in("root").await);
    let removed = root.post("/users/vera/remove", &[]).await;
    let place = removed.header("location").to_owned();
    let notice = "The user is removed, with sessions and API keys. The audit log keeps what the user did.";
    assert_eq!(root.follow(&removed).await.notices(), [notice]);
    let mark = place.split("&mark=").nth(1).unwrap();
    for forged in [
        "/users?done=removed".to_owned(),
        format!("/users?done=removed&mark={}", "0".repeat(64)),
        format!("/users?done=created&mark={mark}"),
        format!("/users/olga?done=removed&mark={mark}"),
    ] {
        assert!(!root.get(&forged).await.body.contains("notice good"), "{forged}");
    }
    assert!(!other.get(&place).await.body.contains("notice good"), "the mark works in another browser");
}
