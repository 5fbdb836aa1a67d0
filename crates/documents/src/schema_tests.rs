use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

use crate::backups::BackupList;
use crate::history::OperationHistory;
use crate::license::{LicenseReport, UsageStatus};
use crate::releases::ReleaseList;
use crate::settings::SiteSettings;
use crate::status::StatusReport;

/// Compares the definitions and fields of a document with its published schema.
fn is_published<T: JsonSchema>(kind: &str) {
    let path = format!("{}/../../docs/schemas/{kind}.json", env!("CARGO_MANIFEST_DIR"));
    let mut published: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let generated = SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<T>();
    let generated = generated.to_value();
    for field in ["kind", "schema"] {
        published["properties"].as_object_mut().unwrap().remove(field);
    }
    for part in ["$defs", "properties"] {
        assert_eq!(generated[part], published[part], "{kind}: {part}");
    }
    let required = |schema: &Value, skipped: usize| schema["required"].as_array().unwrap()[skipped..].to_vec();
    assert_eq!(required(&generated, 0), required(&published, 2), "{kind}");
}

#[test]
fn schemas_are_published() {
    is_published::<StatusReport>("status");
    is_published::<OperationHistory>("history");
    is_published::<BackupList>("backups");
    is_published::<ReleaseList>("releases");
    is_published::<SiteSettings>("settings");
    is_published::<LicenseReport>("licenseStatus");
    is_published::<UsageStatus>("licenseUsage");
}
