//! Reports of the number of users to the host. A license may limit them, but the host does not know them.

use std::time::Duration;

use crate::context::Context;
use crate::database::query_scalar;
use crate::refusal::Refusal;

/// Time between two reports, and before the first one. The host accepts one per minute.
const PAUSE: Duration = Duration::from_mins(10);

/// Repeatedly reports the number to the host, until the process ends.
pub async fn keep_told(context: Context) {
    loop {
        tokio::time::sleep(PAUSE).await;
        if let Err(refusal) = tell(&context).await {
            tracing::debug!(?refusal, "the host does not learn how many users there are");
        }
    }
}

/// Reports to the host the number of users who can sign in.
async fn tell(context: &Context) -> Result<(), Refusal> {
    let users = "SELECT count(*) FROM users WHERE disabled IS NULL";
    let users: i64 = query_scalar(users).fetch_one(context.database.read()).await?;
    Ok(context.site.note_users(u64::try_from(users).unwrap_or_default()).await?)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::testing::Site;

    #[tokio::test]
    async fn active_users_are_counted() {
        let site = Site::begin().await;
        let told = async || {
            tell(&site.context).await.unwrap();
            site.host.users.load(Ordering::SeqCst)
        };
        let before = told().await;
        assert!(before >= 3, "{before}");
        let root = site.sign_in("root").await;
        assert!(root.post("/users/vera/disable", &[]).await.status.is_redirection());
        assert_eq!(told().await, before - 1);
    }
}
