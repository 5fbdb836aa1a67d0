//! `wait`: asks before software begins.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use crate::say;
use crate::validator::{Validator, is_settled};

/// After this time no further question is asked; one takes four seconds at most.
const LAST_QUESTION: Duration = Duration::from_secs(24);

/// After this time it ends in any case.
const LIMIT: Duration = Duration::from_secs(29);

/// Between two questions.
const PAUSE: Duration = Duration::from_secs(2);

/// Asks until something that counts is known: an answer, or a kept one in its grace by which the license is granted. Ends after half
/// a minute in any case: a license never stops software.
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
