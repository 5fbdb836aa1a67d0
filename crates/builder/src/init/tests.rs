//! Tests of `landfall init`. A script replaces kubectl, because these tests concern the handling of rendered objects;
//! the tests crate renders with the real one.

use landfall_error_codes::CodedError as _;
use landfall_test_support::runnable::write_program;

use super::*;

/// Fake kubectl: prints the files that a kustomization names.
const KUBECTL: &str = "#!/bin/sh\ncd \"$2\" || exit 1\nsed -n 's/^  - \\(.*ya*ml\\)$/\\1/p' kustomization.yaml | while \
    read -r file; do printf -- '---\\n'; cat \"$file\"; done\n";

const WEB: &str = "# The shop.\napiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n---\n# Its pages.\n\
    apiVersion: apps/v1\nkind: Deployment\n\
    metadata: {name: web, namespace: shop}\nspec:\n  selector: {matchLabels: {app: web}}\n  template:\n    metadata: \
    {labels: {app: web}}\n    spec:\n      containers:\n        - name: web\n          image: \
    ghcr.io/shop/web:2.3.0\n          env:\n            - name: PASSWORD\n              valueFrom: \
    {secretKeyRef: {name: database, key: password}}\n            - name: TOKEN\n              valueFrom: \
    {secretKeyRef: {name: mail, key: token}}\n          volumeMounts: [{name: models, mountPath: /models}]\n      \
    volumes:\n        - name: models\n          persistentVolumeClaim: {claimName: models}\n\
    ---\napiVersion: v1\nkind: Secret\nmetadata: {name: database, namespace: shop}\nstringData: \
    {password: hunter2, username: shop}\n";

const DATABASE: &str = "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: database, namespace: shop}\nspec:\n  \
    replicas: 1\n  serviceName: database\n  selector: {matchLabels: {app: database}}\n  template:\n    metadata: \
    {labels: {app: database}}\n    spec:\n      hostNetwork: true\n      containers:\n        - \
    {name: metrics, image: 'docker.io/library/busybox'}\n        - name: database\n          image: \
    postgres\n          volumeMounts: [{name: data, mountPath: /data}]\n  volumeClaimTemplates: \
    [{metadata: {name: data}, spec: {accessModes: [ReadWriteOnce]}}]\n";

struct Case {
    folder: tempfile::TempDir,
}

impl Case {
    fn new(files: &[(&str, &str)]) -> Self {
        let case = Self { folder: tempfile::tempdir().expect("folder") };
        case.write("kubectl", KUBECTL, 0o755);
        for (path, text) in files {
            case.write(path, text, 0o644);
        }
        case
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str, mode: u32) {
        let path = self.path(name);
        durable::create_folder(path.parent().expect("folder")).expect("folder");
        match mode {
            0o755 => write_program(&path, text),
            _ => durable::write_file(&path, text.as_bytes(), mode).expect("file"),
        }
    }

    fn run(&self, sources: &[&str]) -> Result<InitReport> {
        self.run_with(sources, true)
    }

    fn run_with(&self, sources: &[&str], console: bool) -> Result<InitReport> {
        init(&InitOptions {
            console,
            sources: sources.iter().map(|source| self.path(source)).collect(),
            output: self.path("releases/shop"),
            name: None,
            lock: None,
            kubectl: self.path("kubectl"),
            helm: self.path("helm"),
        })
    }

    fn read(&self, name: &str) -> String {
        fs_err::read_to_string(self.path("releases/shop").join(name)).expect("file")
    }

    /// Number of files next to the release, which must be 0.
    fn leftovers(&self) -> usize {
        fs_err::read_dir(self.path("releases")).map_or(0, std::iter::Iterator::count)
    }
}

/// A vendor's folder often contains files of other programs next to the manifests.
#[test]
fn foreign_files_are_refused_by_path() {
    for (name, text, has) in [
        ("docker-compose.yml", "services:\n  web: {image: 'ghcr.io/shop/web:2.3.0'}\n", "the fields services"),
        ("values.yaml", "- a\n- b\n", "no fields"),
        ("half.yaml", "kind: ConfigMap\nmetadata: {name: a}\n", "the fields kind, metadata"),
    ] {
        let path = format!("k8s/{name}");
        let case = Case::new(&[("k8s/web.yaml", WEB), (&path, text)]);
        let error = case.run(&["k8s"]).expect_err("refused");
        let said = error.to_string();
        assert!(said.starts_with(&case.path(&path).display().to_string()) && said.contains(has), "{said}");
        assert!(landfall_error_codes::CodedError::hint(&error).expect("hint").contains("Move the file"), "{name}");
        assert_eq!(case.leftovers(), 0);
    }
}

/// Manifests are copied into a folder that no longer exists when a user reads the message.
#[test]
fn kubectl_errors_name_vendor_file() {
    let case = Case::new(&[("k8s/web.yaml", WEB)]);
    case.write("kubectl", "#!/bin/sh\necho \"error: $2/web.yaml cannot be used\" >&2\nexit 1\n", 0o755);
    let error = case.run(&["k8s"]).expect_err("refused");
    let causes = std::iter::successors(std::error::Error::source(&error), |cause| cause.source());
    let said = causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"));
    assert!(!said.contains(".landfall-init-"), "{said}");
    assert!(said.contains(&case.path("k8s/web.yaml").display().to_string()), "{said}");
}

#[test]
fn plain_manifests_become_release() {
    let case = Case::new(&[("k8s/web.yaml", WEB), ("k8s/database.yml", DATABASE), ("k8s/README.md", "hunter2")]);
    let report = case.run(&["k8s"]).expect("made");
    assert_eq!((report.name.as_str(), report.components.len()), ("shop", 1));
    let text = case.read("release.yaml");
    let own = case.read("manifests/k8s/component.yaml");
    insta::assert_snapshot!(format!("{}\n{own}", &text[text.find("components:").expect("components")..]));
    assert_eq!(report.fill_in.len(), 4, "{:?}", report.fill_in);

    let lock = case.read("images.lock");
    for image in ["ghcr.io/shop/web:2.3.0", "docker.io/library/postgres:latest", "registry.k8s.io/kube-apiserver:v1."] {
        assert!(lock.contains(&format!("  - reference: {image}")), "{image} is not in\n{lock}");
    }
    assert!(lock.contains(
        "  # Named without a version: write the tag that you ship.\n  - reference: docker.io/library/postgres:latest"
    ));
    assert_eq!(lock.matches("docker.io/library/busybox").count(), 1, "the starter's version");

    // Objects that Landfall creates are left out, and no value of a Secret is written.
    let copied = case.read("manifests/k8s/web.yaml");
    assert!(copied.starts_with("# Its pages.") && !copied.contains("Namespace"), "{copied}");
    for file in
        ["manifests/k8s/component.yaml", "images.lock", "manifests/k8s/web.yaml", "manifests/k8s/kustomization.yaml"]
    {
        assert!(!case.read(file).contains("hunter2"), "{file}");
    }
    assert_eq!(case.leftovers(), 1);

    let refused = crate::release::read(&case.path("releases/shop")).expect_err("unfinished");
    assert_eq!(refused.code(), codes::RELEASE_UNFINISHED);
    assert!(refused.to_string().contains("4 fields are to be filled in:\n  "), "{refused}");
    assert!(refused.to_string().contains("manifests/k8s/component.yaml:"), "{refused}");
    let with_model =
        text.replace("artifacts:\n", "artifacts:\n  - {name: models, kind: model, reference: ghcr.io/shop/models}\n");
    case.write("releases/shop/release.yaml", &with_model, 0o644);
    let filled = own
        .replace("artifact: FILL-IN, claim: models", "artifact: models, claim: models")
        .replace("save: [FILL-IN]", "save: [tar, -cf, '-', /data]")
        .replace("load: [FILL-IN]", "load: [tar, -xf, '-']")
        .replace("shows: FILL-IN, arguments: [FILL-IN]", "shows: It is there, arguments: [ls, /data]");
    case.write("releases/shop/manifests/k8s/component.yaml", &filled, 0o644);
    let definition = crate::release::read(&case.path("releases/shop")).expect("complete");
    assert_eq!(definition.release.components.len(), 5);
}

#[test]
fn console_is_included_by_default() {
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: b}\n";
    let made = |folder: &str, console: bool| {
        let path = format!("{folder}/map.yaml");
        let case = Case::new(&[(path.as_str(), map)]);
        case.run_with(&[folder], console).expect("made");
        let definition = crate::release::read(&case.path("releases/shop")).expect("nothing to fill in");
        let names = definition.release.components.iter().map(|component| component.name.value.clone());
        let names: Vec<String> = names.collect();
        (
            names.join(" "),
            case.path("releases/shop/manifests/console/stateful-set.yaml").is_file(),
            case.read("release.yaml"),
        )
    };
    let (names, has_manifests, text) = made("k8s", true);
    assert_eq!((names.as_str(), has_manifests), ("network dns storage console k8s", true));
    assert!(text.contains("  - {name: console, from: manifests/console, namespace: landfall-console}\n"), "{text}");
    let (names, has_manifests, text) = made("k8s", false);
    assert_eq!((names.as_str(), has_manifests), ("network dns storage k8s", false));
    assert!(!text.contains("console"), "{text}");
    let (names, has_manifests, text) = made("console", true);
    assert_eq!((names.as_str(), has_manifests), ("network dns storage console", false), "the vendor's own component");
    assert!(text.contains("  - {name: console, from: manifests/console, namespace: console}\n"), "{text}");
}

#[test]
fn subfolders_become_components() {
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: NAME}\ndata: {a: b}\n";
    let crd = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: \
        {name: owns.own.example}\nspec: {group: own.example, names: {kind: Own}, scope: Namespaced}\n";
    let own = "apiVersion: own.example/v1\nkind: Own\nmetadata: {name: one}\n";
    let case = Case::new(&[
        ("all/a/own.yaml", own),
        ("all/b/crd.yaml", crd),
        ("all/c/kustomization.yaml", "resources:\n  - map.yaml\n"),
        ("all/c/map.yaml", map),
        ("all/notes/text.md", "nothing"),
    ]);
    case.run(&["all"]).expect("made");
    let text = case.read("release.yaml");
    for name in ["a", "c"] {
        let entry = format!("  - {{name: {name}, from: manifests/{name}, namespace: {name}}}\n");
        assert!(text.contains(&entry), "{text}");
    }
    assert!(text.contains("  - {name: storage, from: manifests/storage, namespace: local-path-storage}\n"), "{text}");
    assert!(case.read("manifests/a/component.yaml").contains("\nneeds: [dns, b]\n"));
    assert!(case.read("manifests/c/component.yaml").contains("\nmanifests: ../../../../all/c\n"));
    let definition = crate::release::read(&case.path("releases/shop")).expect("nothing to fill in");
    assert!(definition.resolve(Path::new("../../all/c")).join("map.yaml").is_file());
    assert!(case.read("manifests/dns/service.yaml").contains("kube-dns"));
}

#[test]
fn crd_providers_become_needs() {
    let crd = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: \
        {name: gateways.gateway.networking.k8s.io}\n\
        spec: {group: gateway.networking.k8s.io, names: {kind: Gateway}, scope: Namespaced}\n";
    let gateway = "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: one}\n";
    let case = Case::new(&[("web/gateway.yaml", gateway), ("gateways/crd.yaml", crd)]);
    case.run(&["web", "gateways"]).expect("made");
    let text = case.read("manifests/web/component.yaml");
    assert!(text.contains("\nneeds: [dns, gateways]\n"), "{text}");
}

#[test]
fn nested_manifests_join_component() {
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: NAME}\ndata: {a: b}\n";
    let case = Case::new(&[
        ("k8s/web.yaml", WEB),
        ("k8s/database/server.yml", DATABASE),
        ("k8s/database/settings/map.yaml", map),
        ("k8s/.github/workflows/ci.yaml", "on: push\n"),
        ("all/a/web/map.yaml", map),
        ("all/notes/more/text.md", "nothing"),
    ]);
    let report = case.run(&["k8s", "all"]).expect("made");
    let names: Vec<_> = report.components.iter().map(|component| component.name.as_str()).collect();
    assert_eq!(names, ["k8s", "a"]);
    assert!(report.components[0].images.contains(&"docker.io/library/postgres".to_owned()), "{report:?}");
    let kustomization = case.read("manifests/k8s/kustomization.yaml");
    assert!(
        kustomization.ends_with("resources:\n  - web.yaml\n  - database/server.yml\n  - database/settings/map.yaml\n"),
        "{kustomization}"
    );
    assert_eq!(case.read("manifests/k8s/database/server.yml"), DATABASE);
    assert_eq!(case.read("manifests/a/web/map.yaml"), map);
}

#[test]
fn nested_sources_must_be_named() {
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: NAME}\ndata: {a: b}\n";
    let case = Case::new(&[
        ("k8s/a.yaml", map),
        ("k8s/own/kustomization.yaml", "resources:\n  - map.yaml\n"),
        ("k8s/own/map.yaml", map),
        ("charted/a.yaml", map),
        ("charted/inner/web/Chart.yaml", "{name: web, version: 1.0.0}\n"),
        ("all/overlays/site/kustomization.yaml", "resources:\n  - map.yaml\n"),
    ]);
    for (source, path) in [("k8s", "k8s/own"), ("charted", "charted/inner/web"), ("all", "all/overlays/site")] {
        let error = case.run(&[source]).expect_err("refused");
        let path = case.path(path).canonicalize().expect("path");
        assert_eq!(error.code(), codes::INIT_SOURCE);
        assert!(error.to_string().starts_with(&format!("{}: ", path.display())), "{error}");
        assert_eq!(landfall_error_codes::CodedError::hint(&error).as_deref(), Some(sources::NAME_IT));
    }
    let report = case.run(&["k8s", "k8s/own"]).expect("made");
    let names: Vec<_> = report.components.iter().map(|component| component.name.as_str()).collect();
    assert_eq!(names, ["k8s", "own"]);
    assert!(!case.read("manifests/k8s/kustomization.yaml").contains("own"));
}

#[test]
fn unusable_sources_leave_nothing() {
    let case = Case::new(&[
        ("k8s/web.yaml", WEB),
        ("bad/a.yaml", "a: [\n"),
        ("empty/notes.md", ""),
        ("one/k8s/a.yaml", DATABASE),
        (
            "mixed/a.yaml",
            "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n--- # web\napiVersion: v1\nkind: Service\nmetadata: \
             {name: a}\n",
        ),
        (
            "list/a.yaml",
            "apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: Namespace, metadata: {name: a}}]\n",
        ),
    ]);
    for (sources, code) in [
        (&["mixed"][..], codes::INIT_SOURCE),
        (&["list"], codes::INIT_SOURCE),
        (&["bad"], codes::INIT_SOURCE),
        (&["empty"], codes::INIT_SOURCE),
        (&["nothing"], codes::INIT_SOURCE),
        (&["kubectl"], codes::INIT_SOURCE),
        (&["k8s", "one/k8s"], codes::INIT_SOURCE),
        (&[], codes::INIT_SOURCE),
    ] {
        let error = case.run(sources).expect_err("refused");
        assert_eq!(error.code(), code, "{sources:?}: {error}");
        assert_eq!(case.leftovers(), 0, "{sources:?}");
    }
    case.write("releases/shop/notes", "mine", 0o644);
    let error = case.run(&["k8s"]).expect_err("occupied");
    assert_eq!(error.code(), codes::INIT_OCCUPIED);
    assert_eq!((case.read("notes").as_str(), case.leftovers()), ("mine", 1));
}

#[test]
fn chart_needing_values_reports_problem() {
    let case = Case::new(&[
        ("charts/web/Chart.yaml", "{name: web, version: 1.0.0}\n"),
        ("charts/web/templates/a.yaml", "a: b\n"),
    ]);
    case.write(
        "helm",
        "#!/bin/sh\n[ \"$1\" = version ] && echo v3.21.4 && exit\necho 'Error: values: image is required' >&2\nexit \
         1\n",
        0o755,
    );
    let report = case.run(&["charts/web"]).expect("made");
    let problem = report.components[0].problem.as_deref().expect("a problem");
    assert!(problem.starts_with("LF2082: ") && problem.contains("image is required"), "{problem}");
    let text = case.read("manifests/web/component.yaml");
    assert!(text.contains(&format!("# {problem}\nchart: {{folder: ../../../../charts/web}}")), "{text}");
    crate::release::read(&case.path("releases/shop")).expect("readable");
}

/// Output of `helm create` with such a test.
const TESTED: &str = "---\n# Source: web/templates/a.yaml\napiVersion: v1\nkind: ConfigMap\n\
    metadata: {name: web}\ndata: {a: b}\n---\n\
    # Source: web/templates/tests/test-connection.yaml\napiVersion: v1\nkind: Pod\nmetadata: \
    {name: web-test-connection, annotations: {helm.sh/hook: test}}\n\
    spec: {containers: [{name: wget, image: docker.io/library/busybox, command: [wget], args: ['web:80']}]}\n---\n\
    # Source: web/templates/cleanup.yaml\napiVersion: v1\nkind: ServiceAccount\nmetadata: \
    {name: web-cleanup, annotations: {helm.sh/hook: pre-delete}}\n";

#[test]
fn chart_tests_and_hooks_are_omitted() {
    let case = Case::new(&[
        ("charts/web/Chart.yaml", "{name: web, version: 1.0.0}\n"),
        ("charts/web/templates/a.yaml", "a: b\n"),
    ]);
    let helm = format!("#!/bin/sh\n[ \"$1\" = version ] && echo v3.21.4 && exit\ncat <<'END'\n{TESTED}END\n");
    case.write("helm", &helm, 0o755);
    let report = case.run(&["charts/web"]).expect("made");
    assert_eq!((report.components[0].problem.as_deref(), report.components[0].images.len()), (None, 0));
    let text = case.read("manifests/web/component.yaml");
    let chart = "# shows belongs under `proofs`.\nchart: \
        {folder: ../../../../charts/web, leaveOut: [Pod/web-test-connection, ServiceAccount/web-cleanup]}";
    assert!(text.contains(chart), "{text}");
    let definition = crate::release::read(&case.path("releases/shop")).expect("readable");
    let left_out = definition.release.components.iter().filter_map(|it| it.chart()).map(|it| it.leave_out.len());
    assert_eq!(left_out.collect::<Vec<_>>(), [2]);
}

#[test]
fn starter_parts_are_found() {
    let (images, artifacts) = starter::references().expect("read");
    assert_eq!((images.len(), artifacts.len()), (11, 5));
    let donors = Donors::read(None).expect("lock");
    assert!(starter::kubernetes(&donors).expect("version").starts_with("v1."));
    assert_eq!(starter::NAMES.map(starter::namespace), ["kube-flannel", "kube-system", "local-path-storage"]);
    assert_eq!(starter::namespace(starter::CONSOLE), "landfall-console");
    assert!(starter::component_file("storage").contains("reference: docker.io/library/busybox\n"));
    assert!(starter::component_file(starter::CONSOLE).contains("console: true\n"));
    let values = starter::NAMES.map(|name| starter::component_file(name).matches("  - name: cluster.").count());
    assert_eq!(values, [1, 3, 0]);
    assert_eq!(starter::artifacts().lines().count(), 5);
    assert!(starter::node_packs().contains("      registry: docker.io/library/registry\n"));
}

#[test]
fn own_file_of_source_is_listed() {
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: b}\n";
    let case = Case::new(&[
        ("parts/web/kustomization.yaml", "resources:\n  - map.yaml\n"),
        ("parts/web/map.yaml", map),
        ("parts/web/component.yaml", "needs: [dns]\npodSecurity: baseline\n"),
    ]);
    case.write("parts/index/component.yaml", "needs: [dns]\npackageIndex: [wheels]\n", 0o644);
    case.run(&["parts"]).expect("made");
    let text = case.read("release.yaml");
    assert!(text.contains("  - {name: index, from: ../../parts/index, namespace: index}\n"), "{text}");
    assert!(text.contains("  - {name: web, from: ../../parts/web, namespace: web}\n"), "{text}");
    assert!(!case.path("releases/shop/manifests/web").exists());
    // Nobody has listed its artifact yet.
    let refused = crate::release::read(&case.path("releases/shop")).expect_err("no artifact").to_string();
    assert!(
        refused.contains("parts/index/component.yaml:2: packageIndex[0]: `wheels` is not an artifact"),
        "{refused}"
    );
}
