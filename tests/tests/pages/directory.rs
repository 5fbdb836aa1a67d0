//! People from a directory, in a real browser: an identity provider (Dex) and a directory server (slapd) on loopback.

use anyhow::{Context, Result, ensure};
use landfall_test_browser::{Browser, PASSWORD, accessibility, expect_no_faults, faults, until};

use super::browser;
use super::console::Console;
use super::dex::{CLIENT, Dex, SECRET};
use super::slapd::{OWN_PASSWORD, Slapd, group};
use landfall_xtask::npm;

/// Selector of a refusal that a screen reader announces immediately.
const REFUSAL: &str = ".notice.bad:not([hidden])[role=alert]";
/// Selector of the link to the provider.
const PROVIDER: &str = "a[href='/sign-in/directory']";

/// Signs in at the provider, whose page does not belong to the console.
async fn sign_in_at_provider(browser: &Browser, name: &str) -> Result<()> {
    browser.open("/sign-in").await?;
    browser.click(PROVIDER).await?;
    let is_there = async || Ok(browser.driver.count("#submit-login").await? > 0 || browser.path().await? == "/");
    until("the provider asks, or knows the person", is_there).await?;
    if browser.driver.count("#submit-login").await? > 0 {
        browser.fill("#login", name).await?;
        browser.fill("#password", PASSWORD).await?;
        browser.click("#submit-login").await?;
    }
    Ok(())
}

/// Fails if the browser found errors, except those about requests to the provider.
async fn expect_no_faults_here(browser: &Browser, issuer: &str) -> Result<()> {
    let found = faults(browser).await?;
    let own: Vec<_> = found.iter().filter(|fault| !fault.contains(&issuer.replace("/dex", ""))).collect();
    ensure!(own.is_empty(), "the browser found faults: {own:?}");
    Ok(())
}

fn oidc(console: &Console, dex: &Dex) -> String {
    format!(
        "oidc:\n  issuer: {}\n  client: {CLIENT}\n  console: {}\n  label: Example\n  scopes: [profile, email, \
         groups]\n  roles:\n    administrator: [admins]\n    operator: [operators]\n    viewer: [staff]\n",
        dex.issuer,
        console.origin()
    )
}

fn ldap(url: &str, way: &str, groups: &str) -> String {
    format!(
        "ldap:\n  url: {url}\n{way}{groups}  roles:\n    administrator: ['{}']\n    operator: ['{}']\n    viewer: \
         ['{}']\n",
        group("admins"),
        group("operators").to_uppercase(),
        group("staff").replace(',', ", ")
    )
}

const SEARCH: &str = "  search:\n    user: cn=console,dc=example,dc=org\n    base: ou=people,dc=example,dc=org\n    \
                      filter: (&(objectClass=inetOrgPerson)(uid={name}))\n";
const DIRECT: &str = "  bind: 'uid={name},ou=people,dc=example,dc=org'\n";
/// Settings with which people search for their own entry, as with Active Directory.
const DIRECT_SEARCH: &str = "  bind: 'uid={name},ou=people,dc=example,dc=org'\n  search:\n    base: \
    ou=people,dc=example,dc=org\n    filter: (&(objectClass=inetOrgPerson)(uid={name}))\n";
/// Settings with which the bound name and the found entry can belong to two people, because a description is not a
/// name.
const TWO_PEOPLE: &str = "  bind: 'uid={name},ou=people,dc=example,dc=org'\n  search:\n    \
                          base: ou=people,dc=example,dc=org\n    filter: (description={name})\n";
const ENTRIES: &str =
    "  groups:\n    base: ou=groups,dc=example,dc=org\n    filter: (&(objectClass=groupOfNames)(member={dn}))\n";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium and Dex: run by `cargo xtask test --only pages`"]
async fn people_use_identity_provider() -> Result<()> {
    let mut console = Console::begin().await?;
    let administrator = browser::begin_as_administrator(&console).await?;
    let slapd = Slapd::begin().await?;
    let mut dex = Dex::begin(&slapd, &console.origin()).await?;
    let (settings, authority) = (oidc(&console, &dex), dex.authority.clone());
    let files =
        [("directory.yaml", settings.as_str()), ("oidc-authority.crt", &authority), ("oidc-client-secret", SECRET)];
    console.use_directory(&files).await?;

    let axe = std::fs::read_to_string(npm::axe()?)?;
    let browser = browser::begin(&console).await?;
    browser.open("/sign-in").await?;
    let found = accessibility(&browser, &axe).await?;
    ensure!(found.is_empty(), "the page of the sign-in: {found:?}");
    sign_in_at_provider(&browser, "otto").await?;
    browser.expect_path("/").await?;
    browser.expect(".who", "otto").await?;
    browser.expect(".who", "operator").await?;
    browser.open("/account").await?;
    ensure!(browser.count("#present").await? == 0, "an account of the directory has a password here");

    administrator.open("/users").await?;
    administrator.expect("tbody", "OpenID Connect").await?;
    administrator.expect("main", &dex.issuer).await?;
    let found = accessibility(&administrator, &axe).await?;
    ensure!(found.is_empty(), "the page of users: {found:?}");
    administrator.open("/users/otto").await?;
    ensure!(administrator.count("#role, #password").await? == 0, "role and password can be changed here");
    administrator.click("#disable summary").await?;
    administrator.click("form[action='/users/otto/disable'] button").await?;
    administrator.expect(".notice.good", "The user is disabled").await?;
    browser.open("/").await?;
    browser.expect_path("/sign-in").await?;
    sign_in_at_provider(&browser, "otto").await?;
    browser.expect("main", "the user is disabled").await?;
    administrator.open("/users/otto").await?;
    administrator.click("form[action='/users/otto/enable'] button").await?;
    administrator.expect(".notice.good", "may sign in again").await?;
    sign_in_at_provider(&browser, "otto").await?;
    browser.expect_path("/").await?;
    browser.click(".who button").await?;
    browser.expect(".notice.good", "You are signed out of the console.").await?;
    expect_no_faults_here(&browser, &dex.issuer).await?;

    let nobody = browser::begin(&console).await?;
    sign_in_at_provider(&nobody, "eve").await?;
    nobody.expect("main", "no group of the person has a role").await?;
    expect_no_faults_here(&nobody, &dex.issuer).await?;

    // Without the provider, all other users can still sign in. The console caches the provider's address for an hour,
    // and the browser would find no server there, so the console is restarted.
    dex.stop();
    console.use_directory(&files).await?;
    let other = browser::begin(&console).await?;
    other.open("/sign-in").await?;
    other.click(PROVIDER).await?;
    other.expect("main", "The directory does not answer").await?;
    other.open("/sign-in").await?;
    other.sign_in("ada", PASSWORD).await?;
    other.expect_path("/").await?;
    for browser in [browser, nobody, other] {
        browser.close().await?;
    }
    administrator.close().await
}

/// Returns the result of a name and a password: the role, or the text of the refusal.
async fn outcome(console: &Console, name: &str, password: &str) -> Result<String> {
    let browser = browser::begin(console).await?;
    browser.open("/sign-in").await?;
    browser.driver.execute("document.querySelector('#password').required = false", Vec::new()).await?;
    browser.sign_in(name, password).await?;
    until("the console has decided", async || Ok(browser.driver.count(&format!("{REFUSAL}, .who span")).await? > 0))
        .await?;
    let is_in = browser.driver.count(".who span").await? > 0;
    let said = browser.text(if is_in { ".who span" } else { REFUSAL }).await?;
    expect_no_faults(&browser).await?;
    browser.close().await?;
    Ok(said)
}

/// Returns the console's settings files for a directory server.
fn files<'a>(settings: &'a str, slapd: &'a Slapd) -> [(&'a str, &'a str); 3] {
    [("directory.yaml", settings), ("ldap-authority.crt", &slapd.authority), ("ldap-bind-password", OWN_PASSWORD)]
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium and slapd: run by `cargo xtask test --only pages`"]
async fn people_use_directory_password() -> Result<()> {
    let mut console = Console::begin().await?;
    let administrator = browser::begin_as_administrator(&console).await?;
    let slapd = Slapd::begin().await?;
    let (tls, plain) = (format!("ldaps://127.0.0.1:{}", slapd.tls), format!("ldap://127.0.0.1:{}", slapd.plain));
    let ways = [
        (ldap(&tls, SEARCH, ""), "a search, groups in an attribute"),
        (ldap(&plain, SEARCH, ENTRIES), "StartTLS, a search, groups in entries"),
        (ldap(&tls, DIRECT_SEARCH, ""), "the person's own name and a search, groups in an attribute"),
        (ldap(&tls, DIRECT, ENTRIES), "the person's own name, groups in entries"),
    ];
    // Trent is an administrator whose description is another person's name.
    console.use_directory(&files(&ldap(&tls, TWO_PEOPLE, ""), &slapd)).await?;
    let mallory = outcome(&console, "mallory", PASSWORD).await?;
    ensure!(mallory.contains("User name or password is wrong"), "mallory is signed in with trent's rights: {mallory}");
    for (settings, what) in &ways {
        console.use_directory(&files(settings, &slapd)).await?;
        for (name, role) in [("alma", "administrator"), ("Otto", "operator"), ("vera", "viewer"), ("mallory", "viewer")]
        {
            let found = outcome(&console, name, PASSWORD).await.with_context(|| format!("{what}: {name}"))?;
            ensure!(found == role, "{what}: {name} is {found}, not {role}");
        }
        // Her only group has a name that contains another group's name.
        let eve = outcome(&console, "eve", PASSWORD).await?;
        ensure!(eve.contains("no group of the person has a role"), "{what}: {eve}");
    }
    let wrong = [
        ("vera", "gravel tuba cinnamon orange"),
        ("vera", ""),
        ("nobody-here", PASSWORD),
        ("*", PASSWORD),
        ("vera)(uid=*", PASSWORD),
        ("vera,ou=people", PASSWORD),
        ("console", OWN_PASSWORD),
    ];
    for (name, password) in wrong {
        let found = outcome(&console, name, password).await?;
        ensure!(found.contains("User name or password is wrong"), "{name:?} with {password:?}: {found}");
    }
    // A local user's password is never sent to the directory, and works without the directory.
    drop(slapd);
    let ada = outcome(&console, "ada", PASSWORD).await?;
    ensure!(ada == "administrator", "{ada}");
    let vera = outcome(&console, "vera", PASSWORD).await?;
    ensure!(vera.contains("The directory does not answer"), "{vera}");
    administrator.open("/audit").await?;
    let log = administrator.text("tbody").await?;
    ensure!(log.contains("session.begin") && log.contains("name or password is wrong"), "{log}");
    administrator.close().await
}
