//! Tests that no step is silent for long: bytes are counted, and waits say what they wait for.

use std::time::Duration;

use landfall_engine::step::StepError;
use landfall_release_document::{Descriptor, ImageEntry};

use super::*;
use crate::steps::node_images::NodeImages;
use crate::steps::wait;

fn collect_events(fixture: &mut Fixture) -> Arc<EventCollector> {
    let collected = Arc::new(EventCollector::default());
    fixture.site.progress = Arc::clone(&collected) as Arc<dyn Progress>;
    collected
}

#[test]
fn imported_images_are_counted() {
    let mut fixture = Fixture::new();
    let blob = |bytes: &[u8]| Descriptor {
        digest: fixture.ingest(bytes),
        size: bytes.len() as u64,
        media_type: "application/octet-stream".to_owned(),
    };
    let (manifest, config, layer) = (blob(b"manifest"), blob(b"config"), blob(&[7; 5000]));
    // A repeated layer is sent once.
    let layers = vec![layer.clone(), layer];
    let image = ImageEntry { reference: "registry.example/image:1".to_owned(), manifest, config, layers };
    let collected = collect_events(&mut fixture);
    let step = NodeImages { pack: landfall_host::pack::sample(), images: vec![image] };
    // This containerd lists no images.
    assert_eq!(step.act(&mut fixture.site, &Value::Null).unwrap_err().code(), codes::NODE_PROGRAM);
    let events = collected.0.lock().unwrap();
    let total = 8 + 6 + 5000;
    let begins = matches!(&events[0], Event::PhaseStarted { total_bytes: Some(bytes), .. } if *bytes == total);
    assert!(begins, "{events:?}");
    let counted: u64 = events.iter().map(|event| if let Event::Advanced { bytes } = event { *bytes } else { 0 }).sum();
    assert_eq!(counted, total);
    assert_eq!(events.last(), Some(&Event::PhaseDone));
}

#[test]
fn wait_reports_its_reason() {
    let mut fixture = Fixture::new();
    let collected = collect_events(&mut fixture);
    let mut lacks = vec![StepError::new(codes::NODE_TIMEOUT, "it is dark").because("the sun is down")];
    wait::until(&*fixture.site.progress, "it is light", Duration::from_mins(1), || lacks.pop()).unwrap();
    let events = collected.0.lock().unwrap();
    assert_eq!(*events, [Event::Note("waiting until it is light: it is dark: the sun is down".to_owned())]);
}
