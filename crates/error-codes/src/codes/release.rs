//! Codes of a release definition and its lock.

use crate::code::registry;
use crate::{Code, ExitClass};

registry! {
    // LF20: release definition and lock.
    RELEASE_UNREADABLE = "LF2001", Usage, "The release definition is not valid YAML or has unknown fields", "Correct \
        the named line of the release definition.";
    RELEASE_INVALID = "LF2002", Usage, "The release definition contradicts itself", "Correct the named field of the \
        release definition.";
    RELEASE_UNKNOWN_COMPONENT = "LF2003", Usage, "Unknown component", "Correct the name, or add the component.";
    RELEASE_CYCLE = "LF2004", Usage, "Components need one another in a cycle", "Remove one of the named components \
        from another's `needs`.";
    LOCK_UNREADABLE = "LF2005", Usage, "The lock is not valid", "Correct the named line of the lock.";
    LOCK_UNRESOLVED = "LF2006", Usage, "The lock has unresolved entries", "Run `landfall lock` on a machine that \
        reaches the registries.";
    IMAGE_NOT_LOCKED = "LF2007", Usage, "An image, artifact or chart is not in the lock", "Run `landfall lock`: it \
        adds images. Artifacts and charts, and images without a version, need an entry of yours.";
    REFERENCE_UNDECLARED = "LF2008", Usage, "An object names an undeclared image outside its `image` fields", "Declare \
        it under `imageFields` of the release or `references` of the component; or, if it is no image, under \
        `notImages`.";
    MANIFEST_INVALID = "LF2009", Usage, "A component's manifests cannot be used", "Correct the named manifest.";
    VALUE_INVALID = "LF2010", Usage, "A site value does not fit its schema or the rendered objects", "Correct the \
        named value of the release definition.";
    ASSEMBLED_UNDER_RELEASE_KEY = "LF2011", Usage, "Images assembled for tests may only be signed by a development key",
    "Build from a lock of upstream images, or sign with a development key.";
    ARTIFACT_INVALID = "LF2012", Usage, "An artifact or image does not have the form that its kind requires", "Correct \
        the artifact in the registry and run `landfall lock`.";
    SIGNING_REFUSED = "LF2013", Usage, "The release cannot be signed with the given key and roots", "Pass a key that \
        the newest root document names for releases.";
    OUTPUT_REFUSED = "LF2014", Usage, "The bundle cannot be written to the output folder",
    "Name another output folder.";
    TOOL_MISSING = "LF2015", Usage, "A program that building needs is missing", "Install the named program or give its \
        path.";
    BUILD_INTERRUPTED = "LF2016", Resumable, "Building failed because of a problem on this machine", "Fix the named \
        cause, then run the same command again.";
    NODE_PROGRAM_DYNAMIC = "LF2017", Usage, "A program for the node needs libraries of its host", "Put a static build \
        of the named file into the lock, or one that needs only glibc: no other library is certain to exist on a host.";
    RELEASE_RULE = "LF2018", Usage, "A rule of the release cannot be used", "Correct the named rule in the release \
        definition; `landfall handbook vendor/rules` lists what an expression may use.";
    LOCK_OUTDATED = "LF2019", NotReady, "The lock differs from what upstream has now", "Run `landfall lock`. To follow \
        a moved tag or revision, run it with `--update` and the name of the entry; replace what was withdrawn.";
    RELEASE_UNFINISHED = "LF2020", Usage, "The release definition has fields to fill in", "Replace each `FILL-IN`, as \
        the comment above it says.";
    INIT_OCCUPIED = "LF2021", Usage, "The folder for a new release is in use", "Name a folder that does not exist, or \
        an empty one.";
    INIT_SOURCE = "LF2022", Usage, "A release cannot be made from this folder or file", "Name a folder with manifests \
        or a kustomization, a chart's folder, or a chart's archive.";
    SITE_SECRET_UNUSED = "LF2023", Usage, "Nothing uses a secret that a site must give", "Name the Secret in a pod or \
        another object of the component, or remove it from `siteSecrets`.";
    GPU_RESOURCE = "LF2024", Usage, "Pods ask for GPUs in a way that no site can meet", "Correct the named resource of \
        the container, or `requirements.gpus` of the release definition.";
    LOCK_NOT_EXTENDED = "LF2025", Usage, "New images cannot be added to the lock", "Write each entry of `images` in \
        lines of its own, the first of which begins with `-`; or add the named images yourself, and run `landfall \
        lock` again.";
    IMAGE_FIELD_UNUSED = "LF2026", Usage, "A line of `imageFields` matches nothing", "Correct group, kind, name, path \
        or prefix as the objects are rendered, or remove the line.";
    RELEASE_NOTES = "LF2027", Usage, "The notes of the release cannot be shown", "Write them as plain Markdown in \
        UTF-8, of at most 64 KiB, in the definition or in a file of its folder.";
    PACKAGE_INDEX_UNNAMED = "LF2028", Usage, "No package index is named for a set of wheels", "Write `packageIndex` \
        into the registries file (`--registries`), as pip and uv are given it, or `index` into the entry of the lock.";
    // LF204x: proofs of a release.
    PROOF_INVALID = "LF2040", Usage, "The declaration of a proof is invalid", "Correct the named field of the proof.";
    PROOF_TARGET = "LF2041", Usage, "A proof names something that its component does not have", "Name a workload, \
        container, Service and port of the component's manifests, or a file of an artifact.";
    // Canary of a component.
    CANARY_IMPOSSIBLE = "LF2042", Usage, "A component cannot have a canary", "Remove `canary` from the component, or \
        the named obstacle. Only a Deployment of several pods that share no volume for one node can run in two forms \
        at once.";
    LOCK_STALE = "LF2030", Usage, "A digest of the lock belongs to another name", "Run `landfall lock`: it resolves \
        the name again.";
    INSTALLER_UNFIT = "LF2031", Usage, "The `landfall` that travels cannot run at the site", "Name a static `landfall` \
        for the release's platform with --installer.";
    RENDERER_UNPINNED = "LF2032", Usage, "The program that renders is not the one in the lock", "Use the kubectl and \
        the Helm that the lock names, or run `landfall lock` with the ones to use from now on.";
    REMOTE_BASE = "LF2033", Usage, "A kustomization includes a remote resource", "Copy it into the folder of the \
        component, so that every build renders the same bytes.";
    OBJECT_UNFIT = "LF2034", Usage, "An object does not match its kind's schema, or the kind is missing", "Correct the \
        named field or version, or add the kind's definition: the API server at the site would refuse the object.";
    NEED_MISSING = "LF2035", Usage, "A component does not need the one whose kinds it uses",
    "Add the named component to `needs`.";
    POD_REFUSED = "LF2036", Usage, "Pods break the Pod Security level of their namespace", "Correct the named fields, \
        or set another `podSecurity` for the component.";
    DANGLING_REFERENCE = "LF2037", Usage, "A pod names something that is not in the release", "Correct the name, or \
        list it under `madeOnSite` if running software creates it.";
    EDITABLE_INVALID = "LF2038", Usage, "An editable field does not exist", "Correct kind, name and path of the field: \
        a JSON Pointer into an object that the component renders.";
    RULE_PROGRAM = "LF2039", Usage, "A backup rule runs a program that its image does not have", "Correct the program \
        of the rule, name the container that has it, or use an image with it; a stream's program also needs `sh`.";
    // LF206x: wheels in a package index.
    WHEELS_MISSING = "LF2060", Usage, "A package index has no wheels", "Name an artifact that has wheels, or remove \
        the component.";
    WHEEL_NAME = "LF2061", Usage, "A file is not named like a wheel", "Give the wheel the name that its publisher gave \
        it: NAME-VERSION-PYTHON-ABI-PLATFORM.whl.";
    WHEEL_ARCHIVE = "LF2062", Usage, "A wheel's archive cannot be read", "Fetch the named wheel again from its \
        publisher, and push it unchanged.";
    WHEEL_METADATA = "LF2063", Usage, "A wheel's METADATA cannot be used", "Use another build of the named wheel: pip \
        and uv need one METADATA, with one name and one version.";
    WHEEL_DIFFERS = "LF2064", Usage, "A wheel's METADATA and its file name name different packages", "Find out where \
        the wheel comes from before you use it; push it under the name that its publisher gave it.";
    WHEEL_TWICE = "LF2065", Usage, "Two wheels of a package index have the same file name", "Remove one of the two \
        named wheels, or serve their artifacts by components of their own.";
    WHEELS_TOO_MANY = "LF2066", Usage, "A package index has more wheels than can be listed", "Split the wheels into \
        several artifacts, and serve each by a component of its own.";
    NPM_MISSING = "LF2067", Usage, "A package index has no npm packages", "Push tarballs as `npm pack` makes them, \
        whose names end with `.tgz`, or remove the artifact from the package index.";
    NPM_TARBALL = "LF2068", Usage, "The tarball of an npm package cannot be read", "Fetch the named tarball again from \
        its publisher, and push it unchanged.";
    NPM_PACKAGE_JSON = "LF2069", Usage, "The package.json of an npm package cannot be used", "Use another version of \
        the named package: npm needs one package.json, with a name and a version.";
    // LF207x: models.
    MODEL_HEADER = "LF2071", Usage, "The header of a model's weights is refused", "Fetch the named file again from its \
        publisher, and push it into the artifact unchanged.";
    MODEL_COUNT = "LF2074", Usage, "There are more models or files than Landfall reads", "Split the artifact or \
        folder, or move the models into several releases.";
    MODEL_UNREADABLE = "LF2075", Usage, "A file of a model cannot be read", "Check the path and its permissions, then \
        run the same command again.";
    NO_MODELS = "LF2076", Usage, "No model was found", "Name a bundle whose release has a model, or a GGUF file or a \
        folder with safetensors files.";
    // LF208x: charts.
    CHART_UNREADABLE = "LF2080", Usage, "A chart cannot be used as it is", "Fetch the chart again from its publisher, \
        or correct the named file in it.";
    CHART_DEPENDENCY = "LF2081", Usage, "A chart lacks a dependency", "Run `helm dependency build` in the chart's \
        folder.";
    CHART_REFUSED = "LF2082", Usage, "Helm cannot render a chart", "Correct the chart's values, or the named template.";
    CHART_LOOKUP = "LF2083", Usage, "A chart looks up objects of a cluster", "Set values with which the chart needs no \
        look-up, such as the name of an existing Secret; or write `lookups: empty` under `chart`, where an empty \
        answer is right at every install and upgrade.";
    CHART_UNSTEADY = "LF2084", Usage, "A chart renders differently each time", "Set the values that the chart would \
        generate, or declare the Secret under `secrets` of the component.";
    CHART_HOOK = "LF2085", Usage, "A chart's hook has no place in a release", "Turn the hook off in the chart's \
        values, or list its object under `leaveOut` of the chart.";
    CHART_LIMIT = "LF2086", Usage, "A chart is too large", "Split the chart, or remove files that it does not need.";
    CHART_NOT_OFFERED = "LF2087", Usage, "A repository of charts does not have a chart", "Correct the name, the \
        version or the repository in the lock.";
    CHART_UPGRADE = "LF2088", Usage, "A chart renders different objects for an upgrade than for an install", "List the \
        named objects under `repeatable` of the chart if every upgrade may apply them, or under `leaveOut`.";
    NODE_PORT = "LF2089", Usage, "A Service asks for a node port that it cannot have", "Give each Service a `nodePort` \
        of its own within the named range, or none: Kubernetes then chooses a free one.";
    // LF209x: inventories.
    NO_INVENTORY = "LF2090", Usage, "A bundle does not list the packages of its images", "Ask the vendor for a bundle \
        that this version of Landfall, or a later one, built.";
    INVENTORY_REFUSED = "LF2091", Usage, "The packages of a release cannot be listed", "Split the release, or correct \
        the named text.";
    IMAGE_UNKNOWN = "LF2092", Usage, "A name matches no image of the bundle, or several", "Name one of the listed \
        images, in full.";
    // LF209x: fetched content that cannot be used at the site.
    PLATFORM_VARIANT = "LF2093", Usage, "An image is published only for variants of the platform", "Have the \
        platform's baseline published as well, or name another tag or image.";
    PLACEHOLDER = "LF2094", Usage, "A file is a pointer of Git LFS, not the file itself", "Fetch the files with `git \
        lfs install` and `git lfs pull` in their repository, then run the same command again.";
    SHARD_MISSING = "LF2095", Usage, "A model lacks a file that its index names", "Include the named file with the \
        model (`include`, `exclude` or `files` of the lock's entry), or fetch it again if it is lost.";
    NPM_TARGET = "LF2096", Usage, "A package-lock.json lacks packages of the target platform", "Complete the file with \
        the named command, commit it, and run `landfall lock` again.";
    NOTHING_OFFERED = "LF2097", Usage, "A component reaches one that offers no port", "State the ports under `offers` \
        in the file of the reached component, or remove the name from `reaches`.";
    OFFER_UNSERVED = "LF2098", Usage, "No pod serves an offered port", "Correct the port under `offers`, or name it \
        under `ports` of the container that serves it.";
    COMPONENT_INCOMPLETE = "LF2099", Usage, "A component lacks a probe, limits or a proof", "Add what the message names, \
        or say under `without` in the component's own file why a site can do without it.";
}
