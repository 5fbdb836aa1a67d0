//! The support bundle, over real connections.

use landfall_peer::SUPPORT_PIECE_BYTES;

use super::*;
use crate::testing::SUPPORT_BYTES;

#[tokio::test(flavor = "multi_thread")]
async fn a_support_bundle_is_collected_beside_other_requests_and_read_in_pieces() {
    let looks_on = Arc::new(AtomicBool::new(true));
    let served = Served::begin(Remembering { looks_on: Arc::clone(&looks_on), ..Remembering::default() });
    assert_eq!(served.get("/v1/support").await, (StatusCode::OK, json!({})));
    served.send("/v1/media", wish("00000001", json!({}))).await;
    for hours in [0, 169] {
        let (status, problem) = served.send("/v1/support", wish("00000002", json!({ "hours": hours }))).await;
        assert_eq!((status, &problem["code"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("LF5023")), "{hours}");
    }
    let done = served.outcome("/v1/support", wish("00000002", json!({ "hours": 24 }))).await;
    assert_eq!((&done["state"], &done["verb"]), (&json!("done"), &json!("support")), "although a look hangs");
    assert_eq!(served.end_of("00000002").await["state"], "done");
    let again = served.send("/v1/support", wish("00000002", json!({ "hours": 24 }))).await.0;
    assert_eq!(again, StatusCode::ACCEPTED, "it is known, and not collected again");
    let soon = served.send("/v1/support", wish("00000003", json!({ "hours": 24 }))).await.0;
    assert_eq!(soon, StatusCode::TOO_MANY_REQUESTS);
    looks_on.store(false, Ordering::Relaxed);

    let (_, page) = served.get("/v1/support").await;
    assert_eq!((&page["bundle"]["id"], &page["bundle"]["hours"]), (&json!("00000002"), &json!(24)), "{page}");
    let piece = async |id: &str, offset: usize| {
        let url = format!("https://{}/v1/support/{id}?offset={offset}", served.address);
        let answer = served.client(&served.console).get(url).send().await.unwrap();
        (answer.status(), answer.bytes().await.unwrap().to_vec())
    };
    let (first, last) = (piece("00000002", 0).await, piece("00000002", SUPPORT_PIECE_BYTES).await);
    assert_eq!((first.1.len(), last.1.len()), (SUPPORT_PIECE_BYTES, SUPPORT_BYTES - SUPPORT_PIECE_BYTES));
    assert_eq!([first.1, last.1].concat(), MemorySupport::bytes());
    assert!(piece("00000002", SUPPORT_BYTES).await.1.is_empty(), "its end");
    for id in ["00000003", "..%2f..%2fetc%2fshadow"] {
        assert_eq!(piece(id, 0).await.0, StatusCode::NOT_FOUND, "{id}");
    }
}
