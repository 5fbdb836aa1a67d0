//! The console while a part of its site does not respond.

use std::time::Duration;

use anyhow::Result;
use landfall_test_browser::until_within;
use landfall_xtask::printer;

use super::Customer;

/// Time limit until the console reports a failed or recovered part.
const SILENCE_LIMIT: Duration = Duration::from_mins(2);

/// Path of the API server's static pod, and its path while it is stopped.
const API_SERVER: [&str; 2] = ["/etc/kubernetes/manifests/kube-apiserver.yaml", "/root/kube-apiserver.yaml"];

/// Text on the overview while the host's agent is stopped.
const AGENT_IS_STOPPED: &str = "Agent. The unit landfall-agent.service is inactive";

impl Customer<'_> {
    /// Checks that the console reports a stopped API server, agent and host API, and still shows data of the other
    /// parts.
    pub(super) async fn see_what_does_not_answer(&self) -> Result<()> {
        let [manifest, aside] = API_SERVER;
        self.machine().run(&format!("mv {manifest} {aside}"))?;
        self.expect_on_overview("API server does not answer").await?;
        self.browser.picture("site-api-server-gone").await?;
        self.machine().run(&format!("mv {aside} {manifest}"))?;
        self.engineer.wait_ready("the return of the API server")?;
        self.see_the_agent_stop_and_return().await?;
        self.machine().run("systemctl stop landfall-host-api")?;
        self.expect_on_overview("The host does not answer").await?;
        self.browser.picture("site-host-gone").await?;
        printer::note("proved: the console says that the API server, the agent, or the host, does not run");
        Ok(())
    }

    async fn see_the_agent_stop_and_return(&self) -> Result<()> {
        self.machine().run("systemctl stop landfall-agent")?;
        self.expect_on_overview(AGENT_IS_STOPPED).await?;
        self.browser.picture("site-agent-gone").await?;
        self.machine().run("systemctl start landfall-agent")?;
        self.engineer.wait_ready("the return of the agent")?;
        until_within(SILENCE_LIMIT, "the overview says that everything is ready", async || {
            self.browser.open("/").await?;
            let text = self.browser.text("main").await?;
            Ok(text.contains("are ready.") && !text.contains(AGENT_IS_STOPPED))
        })
        .await
    }

    async fn expect_on_overview(&self, words: &str) -> Result<()> {
        until_within(SILENCE_LIMIT, words, async || {
            Ok(self.browser.open("/").await.is_ok() && self.browser.text("main").await?.contains(words))
        })
        .await
    }
}
