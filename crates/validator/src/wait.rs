//! `wait`: asks before software starts.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use crate::say;
use crate::validator::{Validator, is_settled};

/// Time after which no further question is sent; one takes at most four seconds.
const LAST_QUESTION: Duration = Duration::from_secs(24);

/// Time after which it exits in any case.
const LIMIT: Duration = Duration::from_secs(29);

/// Pause between questions.
const PAUSE: Duration = Duration::from_secs(2);

/// Asks until there is a settled result: a current answer, or a kept grant in its grace. Exits after half a minute in
/// any case: a license never stops software.
pub async fn run(validator: &Validator) {
    let subject = &validator.settings.entitlement;
    let begun = Instant::now();
    let asking = async {
        while !is_settled(&validator.renew(subject).await) && begun.elapsed() < LAST_QUESTION {
            sleep(PAUSE).await;
        }
    };
    validator.look_at_all().await;
    if timeout(LIMIT, asking).await.is_err() {
        say("the site has not answered in time; software begins without knowing what the license allows");
    }
}
