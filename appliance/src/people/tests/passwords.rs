//! Tests of accepted passwords, and of their exact comparison.

use super::*;

#[tokio::test]
async fn passwords_are_compared_exactly() {
    let site = Site::begin().await;
    let long = "velvet anchor puffin lantern granite ".repeat(9);
    let passwords = [
        " gravel tuba cinnamon orbit ",
        "GRAVEL tuba CINNAMON",
        "ungewöhnlich ≈ç√ Ωmega",
        "合言葉はとても長い日本語です",
        &long,
    ];
    for (number, password) in passwords.into_iter().enumerate() {
        let name = format!("user-{number}");
        create_user(&site.context, &author(), &name, Role::Viewer, password).await.unwrap();
        let door = site.at_the_door("/sign-in").await;
        let enter =
            async |text: &str| door.post("/sign-in", &[("name", name.as_str()), ("password", text)]).await.status;
        let first: String = password.chars().take(72).collect();
        for other in [password.trim(), &password.to_lowercase(), &password.to_uppercase(), &first] {
            if other != password {
                assert_eq!(enter(other).await, StatusCode::UNAUTHORIZED, "{other:?} in place of {password:?}");
            }
        }
        assert_eq!(enter(password).await, StatusCode::SEE_OTHER, "{password:?}");
    }
}

#[tokio::test]
async fn password_fields_allow_managers() {
    let site = Site::begin().await;
    let (root, anonymous) = (site.sign_in("root").await, site.visitor());
    let mut count = 0;
    for (visitor, page) in [
        (&anonymous, "/sign-in"),
        (&anonymous, "/first"),
        (&root, "/account"),
        (&root, "/users"),
        (&root, "/users/vera"),
    ] {
        let body = visitor.get(page).await.body;
        let inputs = body.split("<input").skip(1).filter_map(|part| part.split('>').next());
        let of_password = |input: &&str| {
            ["password", "present", "new", "again"].iter().any(|name| input.contains(&format!("name=\"{name}\"")))
        };
        for input in inputs.filter(of_password) {
            assert!(input.contains("type=\"password\"") && input.contains("-password\""), "{page}: {input}");
            for obstacle in ["maxlength", "pattern", "readonly"] {
                assert!(!input.contains(obstacle), "{page}: {input}");
            }
            count += 1;
        }
    }
    assert_eq!(count, 8);
}

#[tokio::test]
async fn throttling_is_per_user() {
    let site = Site::begin().await;
    let door = site.at_the_door("/sign-in").await;
    let sign_in = async |name: &str, password: &str| {
        let door = door.clone();
        door.post("/sign-in", &[("name", name), ("password", password)]).await
    };
    for _ in 0..6 {
        assert_eq!(sign_in("vera", "wrong").await.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(sign_in("olga", PASSWORD).await.status, StatusCode::SEE_OTHER, "another user is throttled");
    let waits = sign_in("vera", PASSWORD).await;
    assert_eq!(waits.refusal(), (429, "LF5025"));
    let seconds: u64 = waits.header("retry-after").parse().unwrap();
    assert!((1..=2).contains(&seconds), "{seconds}");
    tokio::time::sleep(std::time::Duration::from_secs(seconds)).await;
    assert_eq!(sign_in("vera", PASSWORD).await.status, StatusCode::SEE_OTHER, "the stated wait was too short");
}
