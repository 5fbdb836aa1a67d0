//! Current results of the installed release's proofs, as `landfall prove` reports them.

use std::time::{Duration, Instant};

use landfall_engine::causes::with_causes;

use super::CollectorResults;
use crate::operations::Operations;
use crate::operations::error::OperationError;

/// Part of a collector's time that is reserved for the API server's answers about the last proof.
const MARGIN: Duration = Duration::from_secs(10);

/// Runs the proofs as `landfall prove` does until shortly before the collector's end. They do not run while an
/// operation is open.
pub(super) fn bring_proofs(own: &Operations, until: Instant, brought: &mut CollectorResults) {
    match own.prove_until(until.checked_sub(MARGIN).unwrap_or(until)) {
        Ok((report, undecided)) => {
            brought.document("proofs", 1, Ok::<_, OperationError>(report));
            if !undecided.is_empty() {
                brought.add_failure(format!("no time was left for the proofs {}", undecided.join(", ")));
            }
        }
        Err(error) => brought.add_failure(with_causes(&error)),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::net::TcpListener;

    use landfall_bundle_spec::head::NewDocument;
    use landfall_bundle_spec::sample::Vendor;
    use landfall_bundle_spec::trust::KeyKind;
    use landfall_cluster::Edits;
    use landfall_media::durable;
    use serde_json::{Value, json};

    use super::super::Content;
    use super::*;
    use crate::operations::install::tests::answering::give_cluster;
    use crate::operations::install::tests::{BUILT, Fixture, release, signed_bundle};
    use crate::operations::testing::operations;
    use landfall_site::site_secrets::NO_SECRETS;

    /// Starts a service that answers each request with this text, and returns its port.
    fn service(words: &'static str) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for mut connection in listener.incoming().flatten() {
                let mut lines = BufReader::new(connection.try_clone().unwrap()).lines();
                while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
                let head = format!("HTTP/1.1 200 x\r\ncontent-length: {}\r\nconnection: close", words.len());
                // The client may be gone.
                let _gone = write!(connection, "{head}\r\n\r\n{words}");
            }
        });
        port
    }

    /// Returns a site whose release has two proofs on the Service `reports` at this port: one matches the answer, one
    /// does not.
    fn site(port: u16) -> Fixture {
        let mut release = release(3);
        release["components"] = json!([{
            "name": "reports", "namespace": "reports", "needs": [], "objects": "documents/objects/reports.json",
            "pod_security": "restricted", "ready_seconds": 60,
        }]);
        let proof = |name: &str, body: &str| {
            let expect = json!({"status": 200, "body": {"equals": body}});
            let request = json!({"service": "reports", "port": port, "method": "GET", "path": "/", "expect": expect});
            json!({"name": name, "component": "reports", "shows": "Reports are answered", "limit_seconds": 20,
                "trial": {"request": request}})
        };
        release["proofs"] = json!([proof("answers", "seven"), proof("differs", "eight")]);
        let vendor = Vendor::new(KeyKind::Ed25519).unwrap();
        let objects = NewDocument { name: "documents/objects/reports.json".to_owned(), bytes: b"[]".to_vec() };
        let roots = std::slice::from_ref(&vendor.root);
        let bundle = signed_bundle(&vendor.key, roots, &release, BUILT, vec![objects]);
        let fixture = Fixture::with_root(&vendor.root, &bundle);
        fixture.prepared_install().run().unwrap();
        fixture
    }

    fn collect_proofs(operations: &Operations) -> CollectorResults {
        let mut brought = CollectorResults::default();
        bring_proofs(operations, Instant::now() + Duration::from_mins(1), &mut brought);
        brought
    }

    fn document(brought: &CollectorResults) -> &Value {
        let [(name, Content::Document(document))] = brought.files.as_slice() else { panic!("{:?}", brought.failures) };
        assert_eq!(name, "proofs.json");
        document
    }

    #[test]
    fn proofs_are_collected_with_results() {
        let site = site(service("seven"));
        give_cluster(&site, "pvc-1_reports_data");
        let brought = collect_proofs(&site.operations);
        let document = document(&brought);
        assert_eq!((&document["kind"], &document["schema"]), (&json!("proofs"), &json!(1)));
        assert_eq!((&document["release"], &document["passed"]), (&json!("tiny"), &json!(false)));
        let [answers, differs] = document["proofs"].as_array().unwrap().as_slice() else { panic!("{document}") };
        assert_eq!((&answers["name"], &answers["passed"]), (&json!("answers"), &json!(true)));
        assert_eq!((&differs["name"], &differs["passed"]), (&json!("differs"), &json!(false)));
        assert!(differs["failure"]["found"].as_str().unwrap().contains("seven"), "{differs}");
        assert!(brought.failures.is_empty(), "{:?}", brought.failures);
    }

    #[test]
    fn missing_site_or_cluster_gives_reason() {
        let (_root, empty) = operations();
        let (nothing, silent) = (collect_proofs(&empty), collect_proofs(&site(1).operations));
        assert_eq!(nothing.failures, ["no release is installed on this machine"]);
        let [why] = silent.failures.as_slice() else { panic!("{:?}", silent.failures) };
        assert!(why.starts_with("the cluster does not answer; no proof was run"), "{why}");
        assert!(nothing.files.is_empty() && silent.files.is_empty());
    }

    #[test]
    fn open_change_prevents_proofs() {
        // Without proofs, the cluster is not contacted.
        let site = Fixture::with(&Vendor::new(KeyKind::Ed25519).unwrap(), &release(3));
        site.prepared_install().run().unwrap();
        assert_eq!(document(&collect_proofs(&site.operations))["proofs"], json!([]));
        let settings = site.path("site.yaml");
        durable::write_file(&settings, b"accept: [swap]\n", 0o644).unwrap();
        let change = site.operations.prepare_configure(Some(&settings), &NO_SECRETS, Edits::Refuse).unwrap();
        change.begin().unwrap();
        let open = OperationError::ChangeOpen { release: "tiny 1.0.0".to_owned() };
        let brought = collect_proofs(&site.operations);
        assert_eq!(brought.failures, [open.to_string()]);
        assert!(brought.files.is_empty());
    }

    #[test]
    fn late_proof_neither_passes_nor_fails() {
        // The kernel accepts connections, but nothing answers.
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let site = site(silent.local_addr().unwrap().port());
        give_cluster(&site, "pvc-1_reports_data");
        let mut brought = CollectorResults::default();
        bring_proofs(&site.operations, Instant::now() + MARGIN + Duration::from_secs(3), &mut brought);
        assert_eq!(document(&brought)["proofs"], json!([]));
        assert_eq!(brought.failures, ["no time was left for the proofs answers, differs"]);
    }
}
