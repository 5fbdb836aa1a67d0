//! Requests and usage of a component.

use axum::Json;
use axum::extract::{Path, State};
use landfall_error_codes::codes;

use crate::context::Context;
use crate::host::{ComponentResources, HostError, is_component};
use crate::refusal::Refusal;

/// Return the resources of a component
///
/// CPU and memory that its containers request, may use and use now, and its volumes with their space. A figure that was
/// not measured is `null`, never 0.
#[utoipa::path(
    get,
    path = "/api/v1/components/{name}/resources",
    operation_id = "getComponentResources",
    tag = "site",
    params(("name" = String, Path, description = "name of the component", max_length = 63, pattern = "^[a-z0-9-]+$")),
    responses(
        (status = 200, description = "resources of the component",
            body = ref("#/components/schemas/ComponentResources")),
        (status = "default", description = "refused or failed", content_type = "application/problem+json",
            body = ref("#/components/schemas/Problem")),
    ),
)]
pub async fn of_component(
    State(context): State<Context>,
    Path(name): Path<String>,
) -> Result<Json<ComponentResources>, Refusal> {
    let unknown = || Refusal::NotThere(format!("component {name}"));
    if !is_component(&name) {
        return Err(unknown());
    }
    match context.site.resources(&name).await {
        Ok(found) => Ok(Json(found)),
        Err(unavailable) if is_unknown(&unavailable.error) => Err(unknown()),
        Err(unavailable) => Err(unavailable.into()),
    }
}

/// Returns true if the host reports that no component has the name.
fn is_unknown(error: &HostError) -> bool {
    matches!(error, HostError::Refused(problem) if problem.code.as_deref() == Some(codes::UNKNOWN_COMPONENT.id))
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use landfall_peer::Problem;
    use serde_json::Value;

    use super::*;
    use crate::people::Scope;
    use crate::testing::Site;

    #[tokio::test]
    async fn unmeasured_resources_are_null() {
        let site = Site::begin().await;
        let program = site.program("vera", &[Scope::Read]).await;
        let found = program.get("/api/v1/components/postgres/resources").await;
        assert_eq!(found.status, StatusCode::OK, "{}", found.body);
        let found = found.json();
        assert_eq!(found["component"], "postgres");
        let (server, exporter) = (&found["pods"][0]["containers"][0], &found["pods"][0]["containers"][1]);
        assert_eq!(server["amounts"]["cpuUsedMillicores"], 62);
        assert_eq!(exporter["amounts"]["cpuUsedMillicores"], Value::Null);
        for name in ["A", "a%2f..", &"a".repeat(64)] {
            let reply = program.get(&format!("/api/v1/components/{name}/resources")).await;
            assert_eq!(reply.status, StatusCode::NOT_FOUND, "{name}: {}", reply.body);
        }
    }

    #[test]
    fn only_unused_name_is_unknown() {
        let refused = |code: &str| {
            let title = "the release has no component x".to_owned();
            let code = Some(code.into());
            HostError::from(Problem { status: 400, title, detail: None, code, hint: None })
        };
        assert!(is_unknown(&refused(codes::UNKNOWN_COMPONENT.id)));
        assert!(!is_unknown(&refused(codes::CLUSTER_UNREACHABLE.id)));
        assert!(!is_unknown(&HostError::unreachable(&"connection refused")));
    }
}
