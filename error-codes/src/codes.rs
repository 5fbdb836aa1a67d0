//! The one registry of error codes; `docs/ERRORS.md` is generated from it.
//!
//! A code is stable: it is never reused and never changes its meaning. Ranges: LF10 format, LF11 trust, LF12 media
//! and parts, LF20 release definition and lock, LF21 fetching, LF30 site preflight, LF31 site configuration, LF40
//! journal and engine, LF41 node steps, LF42 cluster and apply, LF43 looking at a site,
//! LF44 upgrades and rollback, LF45 proofs, LF46 backups, LF47 licenses, LF48 the console on the host, LF50 the appliance,
//! LF90 bugs.

use crate::code::registry;
use crate::{Code, ExitClass};

registry! {
    // LF10: format.
    TRUNCATED = "LF1001", Refused, "The bundle's data ends too early", "Copy the bundle again from its origin; compare SHA256SUMS.";
    NOT_A_BUNDLE = "LF1002", Refused, "Not a Landfall bundle", "Name the first part, the single .landfall file or the .head file of a bundle.";
    UNKNOWN_FORMAT = "LF1003", Refused, "The bundle has a format that this Landfall does not know", "Use the `landfall` that came with the bundle.";
    UNKNOWN_REQUIREMENT = "LF1004", Refused, "The bundle needs a newer Landfall", "Use the `landfall` that came with the bundle, or the version named.";
    TRAILING_DATA = "LF1005", Refused, "Data follows the end of the head or the stream", "Copy the file again from its origin; nothing may be appended to it.";
    DAMAGED_HEADER = "LF1006", Refused, "A header of the archive differs from the one that the signed list prescribes", "Copy the bundle again from its origin; compare SHA256SUMS.";
    DAMAGED_DOCUMENT = "LF1007", Refused, "A document of the head does not match its digest", "Copy the bundle again from its origin; compare SHA256SUMS.";
    DAMAGED_CHUNK = "LF1008", Refused, "A chunk of a blob is damaged", "Copy the bundle again from its origin; compare SHA256SUMS.";
    DAMAGED_CHUNK_LIST = "LF1009", Refused, "The list of chunks does not belong to the blob", "Ask the vendor for a new bundle; this one was built incorrectly.";
    DUPLICATE_NAME = "LF1010", Refused, "A name occurs twice in a document", "Ask the vendor for a new bundle; this one was built incorrectly.";
    NOT_CANONICAL = "LF1011", Refused, "A document is not canonical JSON", "Copy the bundle again; if the error persists, ask the vendor for a new one.";
    INVALID_DOCUMENT = "LF1012", Refused, "A document has fields that its type does not allow", "Copy the bundle again; if the error persists, ask the vendor for a new one.";
    WRONG_TYPE = "LF1013", Refused, "A document has a different type than its place requires", "Ask the vendor for a new bundle; this one was built incorrectly.";
    TOO_LARGE = "LF1014", Refused, "A size or count exceeds a limit of the format", "Copy the bundle again; if the error persists, ask the vendor for a new one.";
    DAMAGED_PADDING = "LF1015", Refused, "Padding of the archive is not zero", "Copy the bundle again from its origin; compare SHA256SUMS.";
    MISPLACED_FILE = "LF1016", Refused, "A file of the archive is out of place", "Copy the bundle again; if the error persists, ask the vendor for a new one.";
    WRONG_LENGTH = "LF1017", Refused, "The signed list does not add up to the signed length", "Ask the vendor for a new bundle; this one was built incorrectly.";
    UNREADABLE = "LF1018", Refused, "The bundle cannot be read", "Try the stick in another port, or copy the bundle again.";
    INVALID_CONTENTS = "LF1020", Usage, "The contents cannot be written as a bundle", "Correct the value that the message names.";
    PART_SIZE = "LF1021", Usage, "The bundle cannot be split into parts of this size", "Choose a larger part size.";
    // LF11: trust.
    TRUST_MISSING = "LF1101", Refused, "No root of trust was given", "Pass `--trust` with the vendor's root file or its fingerprint, obtained over a channel other than the stick.";
    FINGERPRINT_MALFORMED = "LF1102", Refused, "Malformed fingerprint", "Type `sha256:` and 64 lower-case hexadecimal digits, as the vendor published them.";
    FINGERPRINT_WRONG = "LF1103", Refused, "The bundle's first root document does not have this fingerprint", "Compare the fingerprint with the one the vendor published; if it is right, do not use this bundle.";
    UNSIGNED = "LF1104", Refused, "The bundle is not signed", "Ask the vendor for a signed bundle.";
    UNKNOWN_KEY = "LF1105", Refused, "A signature is by a key that the trusted root does not name for this role", "Do not use this bundle; ask the vendor which key signs releases.";
    BAD_SIGNATURE = "LF1106", Refused, "A signature does not match", "Copy the bundle again; if the error persists, do not use it.";
    THRESHOLD_NOT_MET = "LF1107", Refused, "Too few keys have signed", "Ask the vendor for a bundle signed by as many keys as its root requires.";
    BAD_ROOT_CHAIN = "LF1108", Refused, "The chain of root documents is broken", "Do not use this bundle; ask the vendor for one with an unbroken chain.";
    ROOT_DIFFERS = "LF1109", Refused, "The bundle's root document differs from the trusted one of the same number", "Do not use this bundle; ask the vendor.";
    INVALID_ROOT = "LF1110", Refused, "A root document contradicts itself", "Ask the vendor for a new root document.";
    INVALID_SIGNATURE = "LF1111", Refused, "A signature file is not a Sigstore bundle in Landfall's form", "Copy the bundle again; if the error persists, ask the vendor for a new one.";
    INVALID_PUBLIC_KEY = "LF1112", Refused, "A public key is not a P-256 or Ed25519 key in its canonical encoding", "Use a key made by `landfall key new` or `cosign generate-key-pair`.";
    PRIVATE_KEY = "LF1113", Usage, "The private key cannot be used", "Check the key file and its password.";
    ROOT_MISSING = "LF1114", Usage, "There is no root document for the signature", "Pass the folder that holds the vendor's root documents.";
    ROLLBACK_REFUSED = "LF1120", Refused, "The release is older than one that this site has run", "Use a bundle whose counter is not lower; the site accepts an older release only if it has run it before.";
    ASSEMBLED_REFUSED = "LF1121", Refused, "The release has images assembled for tests, and its root is not for development", "Ask the vendor for a release of upstream's own images.";
    TRUST_UNREADABLE = "LF1122", Usage, "The root document that `--trust` names cannot be read", "Pass `--trust` with the path of the vendor's root document, or with its fingerprint.";
    CHAIN_TOO_YOUNG = "LF1130", Refused, "The bundle's root documents begin after the trusted one", "Ask the vendor for a bundle whose chain of root documents begins at or below the trusted number. Or pass a newer root document with `--trust`, obtained over a channel other than the stick.";
    REVOKED = "LF1131", Refused, "The vendor has revoked this release", "Ask the vendor for a newer release; running software is not changed.";
    REVOCATION_DIFFERS = "LF1132", Refused, "Two revocations have the same number", "Do not use this bundle; ask the vendor which revocation is right.";
    INVALID_REVOCATION = "LF1133", Refused, "A revocation contradicts itself", "Ask the vendor for a new revocation.";
    FOREIGN_SIGNATURE = "LF1134", Usage, "A signature was not made by a key that may sign the document", "Sign exactly the bytes that `landfall trust show --message` writes, with a key that the root documents name.";
    SIGN_COMMAND = "LF1135", Usage, "The signing command failed", "Run the command by hand: it must read the file named by $DOCUMENT and write the signature to the file named by $SIGNATURE.";
    TRUST_INCOMPLETE = "LF1136", Usage, "A trust document lacks signatures", "Sign it with more of the named keys: `landfall trust sign`.";
    TRUST_CHANGE_REFUSED = "LF1137", Usage, "The requested change of a trust document is not possible", "Correct the option that the message names.";
    REVOCATION_OLDER = "LF1138", Usage, "The revocation is not newer than the one this site knows", "Import the vendor's newest revocation.";
    PROVENANCE_FOREIGN = "LF1140", Refused, "The provenance is that of another bundle", "Name the provenance of this bundle with --file: it is stored beside the bundle, under the same name.";
    PROVENANCE_MISSING = "LF1141", Usage, "No provenance is stored beside the bundle", "Name its file with --file. Bundles that went to standard output, or that an earlier Landfall built, have none.";
    PROVENANCE_SIGNER = "LF1142", Refused, "The provenance is signed by no key that may sign releases", "Do not rely on it; ask the vendor for the provenance of this bundle.";
    // LF12: media and parts.
    MEDIA_IO = "LF1201", Resumable, "A file could not be read or written", "Check the disk or stick and the permissions of the named path, then run the same command again.";
    NO_SPACE = "LF1202", Resumable, "The disk or stick is full", "Free space on the named filesystem or use a larger stick, then run the same command again.";
    SYNC_FAILED = "LF1203", Resumable, "The disk or stick failed to make data durable", "Do not trust this disk: look at the kernel's log, replace or remount it, then run the same command again.";
    BUNDLE_NOT_FOUND = "LF1204", Usage, "No bundle found", "Name the bundle's file, its first part, its .head, or the folder that holds the parts.";
    SEVERAL_BUNDLES = "LF1205", Usage, "The folder holds several bundles", "Name the first part of the intended bundle.";
    PART_MISSING = "LF1206", Refused, "A part of the bundle is missing", "Copy the named part into the folder of the other parts, from the stick or from the vendor.";
    PART_FOREIGN = "LF1207", Refused, "A part does not fit its place in the bundle", "Copy the named part and the one before it again; parts of other bundles and changed parts are never used.";
    PAYLOAD_DAMAGED = "LF1208", Refused, "The bundle is damaged", "Copy the named part again from a good copy. Then run the same command again; after `landfall install`, run `landfall resume`. Verified data is kept.";
    SURPLUS_DATA = "LF1209", Refused, "A file continues after the end of the bundle", "Copy the named file again from a good copy.";
    BLOB_MISMATCH = "LF1210", Usage, "A blob does not match its digest", "Ask the provider of the blob: it differs from the one that the lock names.";
    BLOB_MISSING = "LF1211", Usage, "A blob is missing", "Fetch it again: run the command that fills the store.";
    STORE_DAMAGED = "LF1212", Resumable, "The content store is damaged", "Remove the named file and run the command that fills the store again.";
    READ_BACK_FAILED = "LF1213", Resumable, "The stick does not return what was written to it", "Do not use this stick: it is worn or smaller than it claims. Build to another one.";
    OUTPUT_EXISTS = "LF1214", Usage, "The output exists already", "Remove it or name another output folder.";
    BUNDLE_SHORT = "LF1215", Refused, "A file of the bundle ends too early", "Copy the named part again from a good copy.";
    PART_SWAPPED = "LF1216", Refused, "A part has the name of another part", "Give the named files their right names, or copy both parts again; the names are in SHA256SUMS.";
    FILE_TOO_LARGE = "LF1217", Usage, "The filesystem cannot hold files of this size", "Build with --part-size fat32, or use a stick with another filesystem.";
    NOTHING_STAGED = "LF1230", Usage, "Nothing is staged on this machine", "Run `landfall install` with a bundle first.";
    // LF20: release definition and lock.
    RELEASE_UNREADABLE = "LF2001", Usage, "The release definition is not valid YAML or has unknown fields", "Correct the named line of the release definition.";
    RELEASE_INVALID = "LF2002", Usage, "The release definition contradicts itself", "Correct the named field of the release definition.";
    RELEASE_UNKNOWN_COMPONENT = "LF2003", Usage, "Unknown component", "Correct the name, or add the component.";
    RELEASE_CYCLE = "LF2004", Usage, "Components need one another in a cycle", "Remove one of the named components from another's `needs`.";
    LOCK_UNREADABLE = "LF2005", Usage, "The lock is not valid", "Correct the named line of the lock.";
    LOCK_UNRESOLVED = "LF2006", Usage, "The lock has unresolved entries", "Run `landfall lock` on a machine that reaches the registries.";
    IMAGE_NOT_LOCKED = "LF2007", Usage, "An image, artifact or chart is not in the lock", "Add the reference to the lock and run `landfall lock`.";
    REFERENCE_UNDECLARED = "LF2008", Usage, "An object names an undeclared image outside its `image` fields", "Declare it under `references` of the component.";
    MANIFEST_INVALID = "LF2009", Usage, "A component's manifests cannot be used", "Correct the named manifest.";
    VALUE_INVALID = "LF2010", Usage, "A site value does not fit its schema or the rendered objects", "Correct the named value of the release definition.";
    ASSEMBLED_UNDER_RELEASE_KEY = "LF2011", Usage, "Images assembled for tests may only be signed by a development key", "Build from a lock of upstream images, or sign with a development key.";
    ARTIFACT_INVALID = "LF2012", Usage, "An artifact or image does not have the form that its kind requires", "Correct the artifact in the registry and run `landfall lock`.";
    SIGNING_REFUSED = "LF2013", Usage, "The release cannot be signed with the given key and roots", "Pass a key that the newest root document names for releases.";
    OUTPUT_REFUSED = "LF2014", Usage, "The bundle cannot be written to the output folder", "Name another output folder.";
    TOOL_MISSING = "LF2015", Usage, "A program that building needs is missing", "Install the named program or give its path.";
    BUILD_INTERRUPTED = "LF2016", Resumable, "Building failed because of a problem on this machine", "Fix the named cause, then run the same command again.";
    NODE_PROGRAM_DYNAMIC = "LF2017", Usage, "A program for the node needs libraries of its host", "Put a static build of the named file into the lock, or one that needs glibc alone: what else a host has is unknown.";
    RELEASE_RULE = "LF2018", Usage, "A rule of the release cannot be used", "Correct the named rule in the release definition; docs/VENDOR.md lists what an expression may use.";
    LOCK_OUTDATED = "LF2019", NotReady, "The lock is not what upstream has now", "Run `landfall lock`. To take what a moved tag or revision names now, run it with `--update` and the name of the entry; replace what was withdrawn.";
    RELEASE_UNFINISHED = "LF2020", Usage, "The release definition has fields to fill in", "Replace each `FILL-IN`, as the comment above it says.";
    INIT_OCCUPIED = "LF2021", Usage, "The folder for a new release is in use", "Name a folder that does not exist, or an empty one.";
    INIT_SOURCE = "LF2022", Usage, "A release cannot be made from this folder or file", "Name a folder with manifests or a kustomization, a chart's folder, or a chart's archive.";
    // LF204x: proofs that a release declares.
    PROOF_INVALID = "LF2040", Usage, "The declaration of a proof is invalid", "Correct the named field of the proof.";
    PROOF_TARGET = "LF2041", Usage, "A proof names something that its component does not have", "Name a workload, container, Service and port of the component's manifests, or a file of an artifact.";
    // A component's canary.
    CANARY_IMPOSSIBLE = "LF2042", Usage, "A component cannot have a canary", "Remove `canary` from the component, or the named obstacle. Only a Deployment of several pods that share no volume for one node can run in two forms at once.";
    LOCK_STALE = "LF2030", Usage, "A digest of the lock belongs to another name", "Run `landfall lock`: it asks what the name means now.";
    INSTALLER_UNFIT = "LF2031", Usage, "The `landfall` that travels cannot run at the site", "Name a static `landfall` for the release's platform with --installer.";
    RENDERER_UNPINNED = "LF2032", Usage, "The program that renders is not the one in the lock", "Use the kubectl and the Helm that the lock names, or run `landfall lock` with those that are to render from now on.";
    REMOTE_BASE = "LF2033", Usage, "A kustomization includes something from elsewhere", "Copy it into the folder of the component, so that the same bytes are rendered each time.";
    OBJECT_UNFIT = "LF2034", Usage, "An object does not fit the schema of its kind", "Correct the named field: the API server would refuse it at the site.";
    NEED_MISSING = "LF2035", Usage, "A component does not need the one whose kinds it uses", "Add the named component to `needs`.";
    POD_REFUSED = "LF2036", Usage, "Pods break the Pod Security level of their namespace", "Correct the named fields, or set another `podSecurity` for the component.";
    DANGLING_REFERENCE = "LF2037", Usage, "A pod names something that is not in the release", "Correct the name, or list it under `madeOnSite` if running software makes it.";
    EDITABLE_INVALID = "LF2038", Usage, "An editable field does not exist", "Correct kind, name and path of the field: a JSON Pointer into an object that the component renders.";
    RULE_PROGRAM = "LF2039", Usage, "A backup rule runs a program that its image does not have", "Correct the program of the rule, name the container that has it, or take an image with it; a stream's program needs `sh`, too.";
    // LF206x: wheels that an index serves.
    WHEELS_MISSING = "LF2060", Usage, "A package index has no wheels", "Name an artifact that has wheels, or remove the component.";
    WHEEL_NAME = "LF2061", Usage, "A file has no name of a wheel", "Give the wheel the name under which its publisher has it: NAME-VERSION-PYTHON-ABI-PLATFORM.whl.";
    WHEEL_ARCHIVE = "LF2062", Usage, "A wheel's archive cannot be read", "Fetch the named wheel again from its publisher, and push it as it is.";
    WHEEL_METADATA = "LF2063", Usage, "A wheel's METADATA cannot be used", "Take another build of the named wheel: pip and uv need one METADATA, with one name and one version.";
    WHEEL_DIFFERS = "LF2064", Usage, "A wheel's METADATA is of another package than its file name", "Find out where the wheel comes from before you use it; push it under the name that its publisher gave it.";
    WHEEL_TWICE = "LF2065", Usage, "Two wheels of a package index have the same file name", "Remove one of the two named wheels, or serve their artifacts by components of their own.";
    WHEELS_TOO_MANY = "LF2066", Usage, "A package index has more wheels than can be listed", "Split the wheels into several artifacts, and serve each by a component of its own.";
    NPM_MISSING = "LF2067", Usage, "A package index has no npm packages", "Push tarballs as `npm pack` makes them, whose names end with `.tgz`, or remove the artifact from the package index.";
    NPM_TARBALL = "LF2068", Usage, "The tarball of an npm package cannot be read", "Fetch the named tarball again from its publisher, and push it as it is.";
    NPM_PACKAGE_JSON = "LF2069", Usage, "The package.json of an npm package cannot be used", "Take another version of the named package: npm needs one package.json, with a name and a version.";
    // LF207x: models.
    MODEL_HEADER = "LF2071", Usage, "The header of a model's weights is refused", "Fetch the named file again from its publisher, and push it into the artifact as it is.";
    MODEL_COUNT = "LF2074", Usage, "There are more models or files than Landfall reads", "Split the artifact or folder, or move the models into several releases.";
    MODEL_UNREADABLE = "LF2075", Usage, "A file of a model cannot be read", "Check the path and its permissions, then run the same command again.";
    NO_MODELS = "LF2076", Usage, "No model was found", "Name a bundle whose release has a model, or a GGUF file or a folder with safetensors files.";
    // LF208x: charts.
    CHART_UNREADABLE = "LF2080", Usage, "A chart cannot be used as it is", "Fetch the chart again from its publisher, or correct the named file of it.";
    CHART_DEPENDENCY = "LF2081", Usage, "A chart lacks a chart that it needs", "Run `helm dependency build` in the chart's folder.";
    CHART_REFUSED = "LF2082", Usage, "Helm cannot render a chart", "Correct the chart's values, or the named template.";
    CHART_LOOKUP = "LF2083", Usage, "A chart looks up objects of a cluster", "Set values with which the chart needs no look-up, such as the name of an existing Secret.";
    CHART_UNSTEADY = "LF2084", Usage, "A chart renders differently each time", "Set the values that the chart would generate, or declare the Secret under `secrets` of the component.";
    CHART_HOOK = "LF2085", Usage, "A chart's hook has no place in a release", "Switch the hook off by the chart's values, or list its object under `leaveOut` of the chart.";
    CHART_LIMIT = "LF2086", Usage, "A chart is too large", "Split the chart, or remove files that it does not need.";
    CHART_NOT_OFFERED = "LF2087", Usage, "A repository of charts does not have a chart", "Correct the name, the version or the repository in the lock.";
    // LF209x: inventories.
    NO_INVENTORY = "LF2090", Usage, "A bundle does not list the packages of its images", "Ask the vendor for a bundle that this version of Landfall, or a later one, built.";
    INVENTORY_REFUSED = "LF2091", Usage, "The packages of a release cannot be listed", "Split the release, or correct the named text.";
    IMAGE_UNKNOWN = "LF2092", Usage, "A name matches no image of the bundle, or several", "Name one of the listed images, in full.";
    // LF21: fetching.
    REGISTRIES_INVALID = "LF2101", Usage, "The registries file is not valid", "Correct the named line of the registries file.";
    FETCH_FAILED = "LF2102", Resumable, "A registry or server did not deliver the content", "Run the same command again; it continues where it stopped.";
    IMAGE_MISSING = "LF2103", Usage, "An image or artifact is not in its registry", "Correct the reference in the lock, or push what it names.";
    FETCH_MISMATCH = "LF2104", Usage, "A registry or server delivers content that differs from what is pinned", "Find out who changed it before you run `landfall lock`.";
    CREDENTIALS_REFUSED = "LF2105", Usage, "A registry refuses access", "Log in to the registry, so that the Docker configuration has its credentials.";
    PLAIN_HTTP_REFUSED = "LF2106", Usage, "Plain HTTP is used only for loopback or where configured", "Use HTTPS, or set `plainHttp` in the registries file.";
    FILE_MISSING = "LF2107", Usage, "A file is not where the lock says", "Correct the address in the lock, or name a mirror that has the file.";
    ARCHIVE_INVALID = "LF2108", Usage, "An archive does not contain what the lock names", "Correct the members of the archive in the lock.";
    RANGE_WRONG = "LF2109", Usage, "A server answers with another part of a file than was asked for", "Name a mirror, or another address of the file: joining the parts would make another file.";
    // LF211x: hubs of models, bodies without an end, and old images.
    HUB_ANSWER = "LF2110", Usage, "A hub's list of files cannot be used", "Check the address of the hub and the name of the repository in the lock.";
    HUB_COMMIT = "LF2111", Usage, "A hub serves another commit than the lock pins", "Find out who changed it before you trust it; `landfall lock` pins the commit that the revision names now.";
    HUB_ACCESS = "LF2112", Usage, "A hub refuses access to a repository", "Check the name, accept the model's terms on its page, and give a token: HF_TOKEN for huggingface.co, else the Docker configuration or `headers` of the registries file.";
    HUB_REALM = "LF2113", Usage, "A hub asks for its token to be sent to another server", "Do not log in there. Correct the address of the hub in the lock, or name a mirror.";
    BODY_TOO_LONG = "LF2114", Usage, "A server sends more bytes than the content can have", "Name another mirror or address; nothing of it was kept.";
    BODY_STALLED = "LF2115", Resumable, "A server stalls in the middle of an answer", "Run the same command again: it continues where it stopped. If that repeats, name another mirror or address.";
    IMAGE_SCHEMA_1 = "LF2116", Usage, "An image is in the form that Docker used before 2016", "Convert it and push it to a registry of your own (`skopeo copy --format v2s2`), or name a newer image.";
    LAYER_MISMATCH = "LF2117", Usage, "A layer unpacks to something else than its image states", "Do not use the image: its configuration and its layers do not belong together. Ask its publisher, or pin another one.";
    // LF212x: sets of wheels.
    REQUIREMENTS_UNREADABLE = "LF2120", Usage, "A file of requirements cannot be used", "Correct the named line, or write the file again with `pip-compile --generate-hashes`, `uv pip compile --generate-hashes` or `uv export`.";
    REQUIREMENT_UNHASHED = "LF2121", Usage, "A requirement states no SHA-256", "Write the file with hashes: `pip-compile --generate-hashes`, `uv pip compile --generate-hashes`, or `uv export`.";
    REQUIREMENT_UNPINNED = "LF2122", Usage, "A requirement does not name one version", "Pin it with `==`, as `pip-compile`, `uv pip compile` and `uv export` do.";
    REQUIREMENT_ELSEWHERE = "LF2123", Usage, "A requirement is not of a package index", "Publish the package as a wheel on an index, or remove the line and bring its files as an artifact of their own.";
    INDEX_ANSWER = "LF2124", Usage, "A package index's answer cannot be used", "Check the address of the index in the lock: it is the one that ends with `/simple` for pip and uv.";
    PACKAGE_MISSING = "LF2125", Usage, "A package index does not have a package or its version", "Name an index that has it, or pin another version in the file of requirements.";
    WHEEL_NOT_PUBLISHED = "LF2126", Usage, "A package is published only as source", "Build a wheel of it (`pip wheel`), publish it on an index of your own, and add its hash to the file of requirements.";
    WHEEL_FOR_OTHERS = "LF2127", Usage, "A package has no wheel for the target", "Check `python` and `platform` in the lock, or pin a version that has such a wheel.";
    WHEEL_HASH = "LF2128", Usage, "A package's wheel is not one that the file of requirements allows", "Find out why the hashes differ; then write the file of requirements again, for this index and this target.";
    PROJECT_LOCK_UNREADABLE = "LF2129", Usage, "The lock of a Python project cannot be used", "Correct the named line, or write the file again for the Python of the target: `uv lock`, or `uv export --format pylock.toml`.";
    // LF2130: reaching registries and servers.
    RATE_LIMITED = "LF2130", Resumable, "A registry limits how often it may be asked", "Log in to the registry (`docker login`), wait, or name a mirror; then run the same command again.";
    HOST_UNREACHABLE = "LF2131", Resumable, "A server or proxy cannot be reached", "Check the name, the network and the proxy (HTTP_PROXY, HTTPS_PROXY, NO_PROXY, or `proxies` of the registries file), then run the same command again.";
    CERTIFICATE_UNKNOWN = "LF2132", Usage, "A server's certificate is not trusted", "Name the certificate of its authority under `authorities` of the registries file.";
    // LF2133: sets of npm packages.
    PACKAGE_LOCK_UNREADABLE = "LF2133", Usage, "A package-lock.json cannot be used", "Write it again with npm 7 or later (`npm install --package-lock-only`), whose lockfileVersion is 2 or 3.";
    PACKAGE_UNVERIFIABLE = "LF2134", Usage, "A package of a package-lock.json has no SHA-512", "Remove the package's entry and run `npm install --package-lock-only`, so that npm states `integrity` with sha512.";
    PACKAGE_ELSEWHERE = "LF2135", Usage, "A package of a package-lock.json is not of a registry", "Publish the package on a registry, or bring its files as an artifact of their own.";
    // LF2136: locks of Python projects.
    PROJECT_SELECTION = "LF2136", Usage, "The lock of a Python project does not have what is chosen of it", "Correct `project`, `extras` or `groups` in the lock, or add them to the project and run `uv lock`.";
    PROJECT_CONFLICT = "LF2137", Usage, "Extras or groups of a Python project exclude one another", "Choose one of the named ones, and write an entry of its own for the other.";
    PROJECT_LOCK_OUTDATED = "LF2138", Usage, "A `uv.lock` is older than the `pyproject.toml` beside it", "Run `uv lock` in the folder of the project, test it, and run `landfall lock` again.";
    // LF2140: sets of npm packages that an index serves.
    NPM_TWICE = "LF2140", Usage, "A package index has an npm package twice in one version", "Remove one of the two named tarballs.";
    NPM_TOO_MANY = "LF2141", Usage, "A package index has more npm packages than can be listed", "Serve what belongs to one lock file by one component, and the rest by another one.";
    NPM_VERSIONS = "LF2142", Usage, "An npm package has too many or too large versions for one document", "Remove versions of the named package that no lock file names, or serve them by another component.";
    // LF30: site preflight.
    NOT_ROOT = "LF3001", NotReady, "Landfall must run as root", "Run the same command as root.";
    WRONG_PLATFORM = "LF3002", NotReady, "The bundle is for another processor architecture", "Ask the vendor for a bundle for this architecture, or use another machine.";
    KERNEL_TOO_OLD = "LF3003", NotReady, "The kernel is too old", "Install a newer kernel of the operating system, or a supported operating system.";
    SYSTEMD_MISSING = "LF3004", NotReady, "systemd does not run as pid 1", "Use a supported operating system, booted normally.";
    CGROUPS_UNFIT = "LF3005", NotReady, "Control groups lack what Kubernetes needs", "Boot with the named controllers enabled.";
    TOO_FEW_CORES = "LF3006", NotReady, "The machine has too few processor cores", "Use a machine with as many cores as the release needs.";
    TOO_LITTLE_MEMORY = "LF3007", NotReady, "The machine has too little memory", "Use a machine with as much memory as the release needs.";
    TOO_LITTLE_SPACE = "LF3008", NotReady, "A filesystem has too little free space", "Free space on the named filesystem, or mount a larger one there.";
    TOO_FEW_INODES = "LF3009", NotReady, "A filesystem has too few free inodes", "Remove files from the named filesystem, or recreate it with more inodes.";
    READ_ONLY = "LF3010", NotReady, "A filesystem is mounted read-only", "Remount it read-write.";
    PORT_IN_USE = "LF3011", NotReady, "Ports that Kubernetes needs are in use", "Stop the programs that listen on the named ports; `ss -ltnp` shows them.";
    OTHER_KUBERNETES = "LF3012", NotReady, "Another Kubernetes or container runtime is on this machine", "Uninstall it with its own tool, or use another machine.";
    BAD_HOSTNAME = "LF3013", NotReady, "The name of the host cannot be the name of a node", "Set a name of lower-case letters, digits, `-` and `.` with `hostnamectl set-hostname`.";
    NO_ADDRESS = "LF3014", NotReady, "The host has no address that the cluster can use", "Connect and configure a network interface; it needs no access to other networks.";
    ADDRESS_AMBIGUOUS = "LF3015", NotReady, "The host has several addresses and no default route to choose one", "Set `node.address` in the site configuration.";
    ADDRESS_NOT_HERE = "LF3016", NotReady, "The address in the site configuration is not one of this host", "Correct `node.address` in the site configuration.";
    RANGES_OVERLAP = "LF3017", NotReady, "An address range of the cluster overlaps a network of the host", "Set other ranges in the site configuration.";
    MODULE_MISSING = "LF3018", NotReady, "The kernel lacks a module", "Install the package of the operating system that contains the named module.";
    CLOCK_WRONG = "LF3019", NotReady, "The clock is earlier than the release", "Set the clock with `timedatectl set-time`.";
    NOT_READY = "LF3020", NotReady, "The site is not ready", "Remove every blocker that is listed, then run the same command again.";
    FACTS_FILE = "LF3021", Usage, "The facts of a host cannot be used", "Collect them again with `landfall facts` on that host.";
    NO_EXEC = "LF3022", NotReady, "Programs cannot run from a filesystem that will hold them", "Mount it with `exec`: `mount -o remount,exec PATH`, and without `noexec` in /etc/fstab.";
    FIREWALL_CLOSED = "LF3023", NotReady, "A firewall blocks traffic from pods", "Allow traffic from the addresses of pods, or turn the firewall off.";
    SELINUX_ENFORCING = "LF3024", NotReady, "SELinux enforces rules that keep programs in the data folder from starting", "Set `SELINUX=permissive` in /etc/selinux/config and run `setenforce 0`.";
    DATA_FILESYSTEM = "LF3025", NotReady, "The data folder is on an unsuitable filesystem", "Mount a local ext4 filesystem, or XFS made with `ftype=1`, at /var/lib/landfall.";
    MOUNT_NOT_PERMANENT = "LF3026", NotReady, "The mount of the data folder does not survive a reboot", "Add the mount to /etc/fstab, or enable a systemd mount unit.";
    IPV6_UNSUPPORTED = "LF3027", NotReady, "Landfall does not support IPv6 yet", "Give the host an IPv4 address, and set only IPv4 ranges in the site configuration.";
    RULE_NOT_MET = "LF3028", NotReady, "A rule of the release is not met", "Do what the rule says, or ask the vendor.";
    RULE_UNUSABLE = "LF3029", NotReady, "A rule of the release cannot be judged here", "Ask the vendor for a release whose rule works here, and send the facts of this host along.";
    // LF303x and LF304x: GPUs.
    GPU_PROBE_NOT_RUN = "LF3030", NotReady, "The program that reads GPU facts could not be started", "Check that `landfall-gpu` exists and that its filesystem is mounted with `exec`; it needs glibc 2.34 or newer.";
    GPU_PROBE_TIMED_OUT = "LF3031", NotReady, "The program that reads GPU facts did not end in time", "Look for `NVRM` in `dmesg`: a driver that hangs needs a reboot of the host.";
    GPU_FACTS_MALFORMED = "LF3032", NotReady, "The facts about GPUs cannot be used", "Run `landfall-gpu` on that host and look at what it prints.";
    GPU_FACTS_SCHEMA = "LF3033", Usage, "The facts about GPUs have an unknown schema", "Collect them with the `landfall-gpu` of the same release as this `landfall`.";
    GPU_NO_DRIVER = "LF3034", NotReady, "The host has an NVIDIA GPU, but NVIDIA's driver is not loaded", "Install NVIDIA's driver for this distribution and reboot; `nouveau` must not hold the GPU.";
    GPU_NO_LIBRARY = "LF3035", NotReady, "NVIDIA's driver is loaded, but its library NVML is missing", "Install the package of the driver that has `libnvidia-ml.so.1`, in the version of the loaded driver.";
    GPU_VERSION_MISMATCH = "LF3036", NotReady, "NVIDIA's driver and its libraries have different versions", "Reboot the host: the driver was updated while the older one was loaded.";
    GPU_NOT_PERMITTED = "LF3037", NotReady, "This process may not use NVIDIA's driver", "Run as root, or give read and write permission for `/dev/nvidia*`; in a container, pass the devices in.";
    GPU_DRIVER_TOO_OLD = "LF3038", NotReady, "NVIDIA's driver is too old for the release", "Install the named driver version or a newer one, then reboot.";
    GPU_DEVICE_LOST = "LF3039", NotReady, "A GPU does not answer", "Look for `Xid` in `dmesg`, then power the host off and on; a GPU that is lost again must be replaced.";
    GPU_DRIVER_FAILS = "LF3040", NotReady, "NVIDIA's driver fails", "Look for `NVRM` in `dmesg`; `nvidia-smi` should answer before Landfall can use the GPUs.";
    GPU_FABRIC_MANAGER = "LF3041", NotReady, "GPUs are connected by NVSwitch, but Fabric Manager is not running", "Install NVIDIA's Fabric Manager in exactly the version of the driver, and enable its service.";
    GPU_MISSING = "LF3042", NotReady, "The release needs a GPU, and the host has none that it can use", "Use a machine with the GPUs that the release needs; in a virtual machine, pass them through to it.";
    GPU_TOO_FEW = "LF3043", NotReady, "The host has too few GPUs that meet the release's needs", "Use a machine with as many GPUs of the required kind as the release needs.";
    GPU_NOT_KNOWN = "LF3044", NotReady, "It is not known which GPUs the host has", "Collect the facts again with this version of `landfall facts`.";
    GPU_UNHEALTHY = "LF3045", NotReady, "A GPU works, but something is wrong with it", "Do what the message names before users depend on the GPU.";
    // LF305x: more about a site before an operation.
    FIREWALL_FLUSHES = "LF3050", NotReady, "The host's firewall deletes the cluster's rules whenever it starts", "In the file of the firewall's rules, replace `flush ruleset` by one `flush table` for each table of your own.";
    LICENSE_UNJUDGED = "LF3051", NotReady, "It was not checked whether the license suffices", "Run the same command with `--trust`, and with `--license FILE` where the vendor sent a license.";
    ACCEPTED_UNKNOWN = "LF3052", Usage, "A name to accept is the name of no finding", "Name a warning as `landfall preflight` names it.";
    NO_NAMESERVER = "LF3053", NotReady, "The host has no nameserver that pods can reach", "If pods must resolve names outside of the cluster, add a `nameserver` other than a loopback address to /etc/resolv.conf before the install.";
    SWAP_ON = "LF3054", NotReady, "Swap is on", "Turn it off (`swapoff --all`), and remove it from /etc/fstab: etcd and databases are slow while they are swapped out.";
    PROGRAM_RULES = "LF3055", NotReady, "fapolicyd decides which programs may run", "Allow the programs below /var/lib/landfall in a file of /etc/fapolicyd/rules.d, and load it with `fagenrules --load`.";
    SLOW_SYNC = "LF3056", NotReady, "The disk of the data folder is slow to make writes durable", "Use a disk that completes 99 of 100 synced writes within 10 ms, such as an SSD: etcd waits for each.";
    GLIBC_TOO_OLD = "LF3057", NotReady, "The C library is too old for the program that reads GPU facts", "Use a release of the operating system with glibc 2.34 or newer, such as Debian 12, Ubuntu 22.04 or Red Hat Enterprise Linux 9.";
    FIREWALL_INBOUND = "LF3058", NotReady, "A firewall keeps other hosts from the services of the site", "Run the commands that the message names, if other hosts should reach the console or other services.";
    DISTRIBUTION = "LF3059", NotReady, "The distribution is not one on which Landfall is supported", "Use a current one, such as Debian 12 or newer, Ubuntu 22.04 or newer, or Red Hat Enterprise Linux 9 or newer.";
    KERNEL_OPTIONS = "LF3060", NotReady, "The kernel was built without what Kubernetes needs", "Use the distribution's own kernel, or build this one with the options that the message names.";
    ENDPOINT_SECURITY = "LF3061", NotReady, "A program of endpoint security watches files and processes", "Exclude /var/lib/landfall and /var/lib/kubelet from its scans: it may slow down or stop programs of containers.";
    HARDWARE_CLOCK = "LF3062", NotReady, "The hardware clock differs from the system's clock", "Write the system's clock to it (`hwclock --systohc`): the next boot starts from it.";
    NO_BARRIERS = "LF3063", NotReady, "The filesystem of the data folder may lose synced writes in a power cut", "Mount it with barriers, and remove the option from /etc/fstab.";
    MODEL_UNFIT = "LF3064", NotReady, "A model of the release does not run on this host as it is set", "Compare with `landfall models fit`: set other figures under `values` in the site configuration, or ask the vendor for a model that fits.";
    NODE_GLIBC_TOO_OLD = "LF3065", NotReady, "The C library is too old for the release's programs", "Use a newer release of the operating system, or ask the vendor for a release whose programs for the node are linked statically.";
    // LF31: site configuration.
    SITE_FILE = "LF3101", Usage, "The site configuration cannot be read", "Check the path given with --site and its permissions.";
    SITE_SYNTAX = "LF3102", Usage, "The site configuration is not valid YAML", "Correct the line that the message names.";
    SITE_UNKNOWN_KEY = "LF3103", Usage, "The site configuration has an unknown key", "Correct or remove the key; `landfall inspect` lists the values of a release.";
    SITE_VALUE = "LF3104", Usage, "The site configuration has a value that is not allowed", "Correct the values that the message names.";
    SITE_TARGET = "LF3105", Usage, "A value of the release names an object or field that does not exist", "The release is at fault: ask its vendor for a corrected one.";
    SITE_SCHEMA = "LF3106", Usage, "The release's schema of the site configuration is unusable", "The release is at fault: ask its vendor for a corrected one.";
    // LF40: journal and engine.
    JOURNAL_IO = "LF4001", Resumable, "The journal cannot be read or written", "Check the disk of the data folder and its free space, then run the same command again.";
    JOURNAL_SYNC = "LF4002", Resumable, "The disk failed to keep the journal", "Check the disk and the kernel's log; then reboot the machine and run `landfall resume`.";
    JOURNAL_MISSING = "LF4003", Stuck, "The data folder holds a site, but its journal is missing", "Restore the journal from a copy of the data folder; without it Landfall cannot know what to continue or undo.";
    JOURNAL_CORRUPT = "LF4004", Stuck, "The journal is damaged", "Keep a copy of the data folder, restore the journal from a backup, and send the damaged one with a report.";
    JOURNAL_NEWER = "LF4005", Usage, "The journal was written by a newer Landfall", "Use the newer `landfall`, which the site keeps in its data folder.";
    SITE_BUSY = "LF4006", NotReady, "Another operation runs on this site", "Wait for it to end; `landfall status` shows its progress.";
    STEP_FOREIGN = "LF4007", Stuck, "A step found something that is not Landfall's", "Move away what the message names if it is not needed, then run `landfall resume`; or run `landfall uninstall`, which keeps the data.";
    UNDO_FAILED = "LF4008", Stuck, "A step could not be undone", "Remove the cause that the message names, then run `landfall uninstall` again, or `landfall resume` if a change is undone; steps before it are still in place.";
    UNDO_IMPOSSIBLE = "LF4009", Stuck, "An irreversible step has already run", "Ask the vendor how to continue; this attempt changed nothing.";
    ENGINE_MISSING = "LF4010", Usage, "The operation belongs to another landfall, which is missing or damaged", "Run the `landfall` that began the operation; it came with the bundle.";
    OPERATION_OPEN = "LF4011", Resumable, "An operation is unfinished", "Run `landfall resume` to finish it, or `landfall uninstall` to undo it; uninstall keeps the data.";
    ALREADY_INSTALLED = "LF4012", Usage, "A release is already installed on this machine", "Run `landfall status`. A later release of the same name takes its place with `landfall upgrade`; for another one, `landfall uninstall` keeps the data.";
    NOTHING_TO_RESUME = "LF4013", Usage, "There is no unfinished operation", "Run `landfall status` to see what is installed.";
    MARKS_UNREADABLE = "LF4014", Stuck, "The marks of installed releases cannot be read", "Restore one of the two files named from a backup.";
    SITE_IO = "LF4015", Resumable, "A file of the site cannot be read or written", "Check the disk and the named path, then run the same command again.";
    UNINSTALLING = "LF4016", Resumable, "The site is being uninstalled", "Run `landfall uninstall` to finish.";
    OTHER_BUNDLE = "LF4017", Refused, "The media hold a different bundle than the one being installed", "Connect the stick with the bundle that the install began with.";
    KEPT_DATA = "LF4020", NotReady, "Data of an earlier installation is kept on this machine", "Run the same command with `--adopt-data` to use the data again; `landfall uninstall --delete-data` deletes it.";
    KEPT_AMBIGUOUS = "LF4021", NotReady, "Two kept volumes belong to one claim", "Move the folder that is not needed out of the folder of volumes, then run the same command again.";
    KEPT_MISSING = "LF4022", NotReady, "A kept volume is missing from the disk", "Mount the disk that holds the named folder; if its data is not needed, create an empty folder of that name.";
    KEPT_RECORD = "LF4023", Stuck, "The record of kept data cannot be read", "Move the named file away: volumes and secrets are found without it, by the names of their folders.";
    NOTHING_KEPT = "LF4024", Usage, "No data is kept on this machine", "If the data is on a disk of its own, mount it at /var/lib/landfall; for an empty site, install without `--adopt-data`.";
    DELETION_UNCONFIRMED = "LF4025", Usage, "Deleting or replacing data requires the site's name", "Type the name of the site when asked, or add `--confirm NAME`; without `--delete-data`, an uninstall keeps the data.";
    FOREIGN_MOUNT = "LF4026", Resumable, "A filesystem is mounted in a folder that Landfall removes", "Unmount what the message names, then run the same command again.";
    KEPT_UNCLAIMED = "LF4027", NotReady, "A component would start empty beside its kept volume", "Rename the volume's folder after the claim that the component has now, as the message says, then run the same command again.";
    NOT_INSTALLED = "LF4030", Usage, "No release is installed on this machine", "Install one with `landfall install`.";
    CHANGE_OPEN = "LF4031", Resumable, "A change of the site is unfinished", "Run `landfall resume`: it finishes the change, or undoes it.";
    CHANGE_UNDONE = "LF4032", NotReady, "A change failed and was undone", "The site is as it was before. Correct what the message names, then run the same command again.";
    SETTINGS_FIXED = "LF4033", Usage, "Settings of the node and its networks are fixed when a site is installed", "Remove the change from the site configuration; for another address or network, uninstall, which keeps the data, and install again.";
    CHANGE_UNFIT = "LF4034", NotReady, "The cluster would refuse the change", "Correct what the message names, then run the same command again. Some fields, such as the size of a volume, never change once a site is installed.";
    NOTHING_TO_ABORT = "LF4035", Usage, "There is no open change to undo", "Run `landfall status` to see what is installed.";
    EDITED = "LF4036", NotReady, "Fields that the change would set were edited", "Undo the edits that the message names with `landfall kubectl edit`, or run the same command with `--overwrite-edits`, which takes these fields over. To keep an edit, ask the vendor to make its field editable.";
    REPLACED_UNKNOWN = "LF4037", Usage, "There is no such replaced data", "Run `landfall replaced-data list`, and name what it lists.";
    CANARY_FAILED = "LF4038", NotReady, "The canary of a component failed", "Send the message to the vendor; the site is as it was before the upgrade.";
    SETTINGS_SAME = "LF4039", Usage, "The site has these settings already", "Change at least one setting; `landfall settings` shows what each one is.";
    // LF41: node steps.
    NODE_FILE = "LF4101", Resumable, "A file of the host cannot be read or written", "Check the disk and the permissions of the named path, then run `landfall resume`.";
    NODE_PROGRAM = "LF4103", Resumable, "A program that an installation step runs failed", "Read what the program said and the logs below /var/log/landfall, then run `landfall resume`.";
    NODE_TIMEOUT = "LF4104", Resumable, "A part of the node did not become ready in time", "Read `journalctl --unit landfall-kubelet --unit landfall-containerd`, then run `landfall resume`.";
    NODE_BLOB = "LF4105", Resumable, "Staged content that a step needs is missing or damaged", "Connect the stick and run `landfall resume` with the bundle.";
    NODE_IDENTITY = "LF4106", Stuck, "The data folder does not belong to this host", "Mount the disk that holds this site's data folder, then start the service again.";
    NODE_RELEASE = "LF4107", Usage, "The release lacks a part that a node needs", "Ask the vendor: the release definition must name it in its node pack.";
    NODE_SETTINGS = "LF4108", Resumable, "The agent's settings cannot be read", "Run `landfall resume`, which writes them again.";
    NODE_CERTIFICATE = "LF4109", Resumable, "A certificate of the cluster cannot be read or renewed", "Read `journalctl --unit landfall-agent`.";
    NODE_NETWORK = "LF4110", Resumable, "The host's network configuration cannot be read or changed", "Check that the process is root and the interface is up, then run `landfall resume`.";
    NODE_CLEANUP = "LF4111", Stuck, "Something that ran on the node cannot be stopped or removed", "Stop or unmount what the message names, then run `landfall uninstall` again.";
    // LF412x and LF413x: supervision and certificates.
    NODE_CLOCK = "LF4120", NotReady, "The machine's clock cannot be right", "Set the clock (`timedatectl set-time`); no certificate is renewed until then.";
    NODE_WAITS = "LF4121", NotReady, "The kubelet cannot start yet", "Provide what the message names; systemd tries again every few seconds.";
    FILTER_UNREADABLE = "LF4140", Resumable, "The packet filter's tables cannot be read", "Check that the agent runs as root and the kernel has nftables.";
    FILTER_NOT_RESTORED = "LF4141", Resumable, "A lost table of the packet filter was not restored", "Reboot the host, and read the agent's log.";
    // LF42: cluster and apply.
    CLUSTER_KUBECONFIG = "LF4201", Resumable, "The kubeconfig cannot be used", "Check that the control plane was brought up on this node, then run `landfall resume`.";
    CLUSTER_UNREACHABLE = "LF4202", Resumable, "The API server does not answer", "Check with `landfall status` whether it runs, then run `landfall resume`.";
    CLUSTER_REFUSED = "LF4203", Resumable, "The API server refused a request", "Read the API server's reason in the message, correct its cause, then run `landfall resume`.";
    CLUSTER_CONFLICT = "LF4204", Stuck, "Another manager owns a field that Landfall must set", "Remove the other manager's value, or let that manager release the field, then run `landfall resume`.";
    CLUSTER_UNKNOWN_KIND = "LF4205", Resumable, "The cluster does not know a kind of object", "The component that defines the kind must come first; if it does, run `landfall resume`.";
    CLUSTER_BAD_OBJECT = "LF4206", Usage, "A rendered object of the release is malformed", "The release is at fault: ask its vendor for a corrected one.";
    CLUSTER_FOREIGN = "LF4207", Stuck, "An object of that name exists and is not Landfall's", "Remove or rename the object if it is not needed, then run `landfall resume`.";
    CLUSTER_NOT_READY = "LF4208", Resumable, "A component did not become ready in time", "Fix the cause that the message names, then run `landfall resume`.";
    CLUSTER_FAILED = "LF4209", Resumable, "A component failed", "Fix the cause that the message names, then run `landfall resume`.";
    CLUSTER_NOT_DELETED = "LF4210", Stuck, "An object could not be deleted", "Check its finalizers and events with kubectl, then run `landfall resume`.";
    CLUSTER_SECRET_FILE = "LF4211", Stuck, "The file of a generated secret cannot be used", "Restore the file; deleting it would give running software a secret that does not match its data.";
    CLUSTER_ANSWER = "LF4212", Bug, "The API server's answer is not understood", "Please report this with the message and the log.";
    // LF43: looking at a site.
    NO_CLUSTER = "LF4301", NotReady, "There is no cluster on this machine", "See with `landfall status` how far the machine is; `landfall install` and `landfall resume` bring the cluster up.";
    UNKNOWN_COMPONENT = "LF4302", Usage, "The release has no such component", "Run `landfall status`, which lists the components.";
    ADMINISTRATION = "LF4303", Resumable, "A program of the cluster cannot be started", "Check that the data folder is mounted and not read-only; `landfall verify --site` checks what is staged.";
    SUPPORT_UNREADABLE = "LF4304", Usage, "The file is not a whole support bundle", "Copy the file again, or run `landfall support collect` on the site once more.";
    SUPPORT_EXISTS = "LF4305", Usage, "The file that receives a support bundle exists", "Name another file, or remove that one.";
    // LF44: upgrades and rollback.
    UPGRADE_OTHER = "LF4401", Usage, "The bundle holds a different release than the installed one", "Use a bundle of the installed release's name, or install this one on another machine.";
    UPGRADE_SAME = "LF4402", Usage, "The bundle's release is installed already", "Run `landfall status`; nothing is left to do.";
    UPGRADE_OLDER = "LF4403", Usage, "The bundle's release is older than the installed one", "To go back to the release before this one, run `landfall rollback`.";
    UPGRADE_NODE = "LF4404", NotReady, "The node pack of the release cannot take the place of the installed one", "Ask the vendor for a release whose node pack has the same minor versions of Kubernetes and etcd. Images that it changes need new names.";
    UPGRADE_MOVED = "LF4405", Usage, "A component has another namespace in the new release", "Ask the vendor for a release in which the component keeps its namespace: its data cannot move by itself.";
    UPGRADE_UNREADY = "LF4406", NotReady, "The installed release is not ready to be upgraded", "Remove what the message names; `landfall status` shows when everything is ready. To go back to an earlier release, run `landfall rollback`.";
    UPGRADE_UNPROVED = "LF4407", NotReady, "A proof of the new release failed", "Send the message to the vendor: the site is as it was before.";
    ROLLBACK_NOWHERE = "LF4408", Usage, "The site keeps no such earlier release", "Go back to a version that the message names; for any other, install its bundle on a machine of its own.";
    UPGRADE_PATH = "LF4409", Usage, "The installed version cannot be upgraded to this release directly", "First upgrade to the version that the message names. If it names none, ask the vendor for the way.";
    ROLLBACK_DATA = "LF4410", Usage, "The installed release has changed data, and the rollback does not say what to do with it", "Run `landfall rollback` with `--data keep`: the data stays as it is. If the proofs fail with it, the rollback is undone.";
    ROLLBACK_DATA_UNCHANGED = "LF4411", Usage, "There is no data to be restored by a rollback", "Run `landfall rollback` without `--data`.";
    UPGRADE_SOAK = "LF4412", NotReady, "The release did not stay healthy while the upgrade watched it", "Send the message to the vendor; the site is as it was before the upgrade.";

    // LF45: proofs.
    PROOF_FAILED = "LF4501", NotReady, "A proof of the release failed", "Run `landfall status`, remove the cause that the failed proof names, then run `landfall prove` again.";
    PROOF_UNKNOWN = "LF4502", Usage, "The release declares no proof of that name", "Run `landfall prove` without a name, which runs and lists all proofs of the release.";
    PROOF_NO_SITE = "LF4503", NotReady, "No release is installed that could be proved", "Install a release with `landfall install`, then run the same command again.";
    PROOF_NO_CLUSTER = "LF4504", NotReady, "The cluster does not answer, so nothing can be proved", "Run `landfall status`, which reports what is not ready, and run the same command again when the site is ready.";
    // LF46: backups.
    BACKUP_KEY = "LF4601", Usage, "The key of the backup repository cannot be used", "Name the file that holds the repository's key; an existing file is not replaced by a new key.";
    BACKUP_NO_REPOSITORY = "LF4602", Usage, "The folder holds no backup repository", "Check that the disk for backups is mounted, and name the folder of its repository.";
    BACKUP_WRONG_KEY = "LF4603", Usage, "The key does not open the backup repository", "Use the key that was made with this repository; without it, no backup can be read.";
    BACKUP_OTHER_SITE = "LF4604", Usage, "The backup repository belongs to another site", "Name the repository of this site, or an empty folder for a new one.";
    BACKUP_DAMAGED = "LF4605", NotReady, "The backup repository is damaged", "Check the disk and the repository, and make a new backup elsewhere; remove nothing from the folder before that.";
    BACKUP_FOLDER_OCCUPIED = "LF4606", Usage, "The folder for a new backup repository is in use", "Name an empty folder, or open the repository that the folder holds.";
    BACKUP_IN_USE = "LF4607", NotReady, "Another operation is using the backup repository", "Wait until it has ended, then run the same command again.";
    BACKUP_STREAM = "LF4608", Resumable, "The data of a backup could not be read completely", "Remove the cause that the message names, then run the same command again.";
    BACKUP_UNKNOWN = "LF4609", Usage, "Unknown backup, or no such item in it", "List the backups, and name one of them.";
    BACKUP_NAME = "LF4610", Usage, "A backup cannot have this name or fact", "Use a name that the message allows.";
    BACKUP_LIBRARY = "LF4611", Resumable, "An operation on the backup repository failed", "Remove the cause that the message names, then run the same command again.";
    BACKUP_NOT_FREED = "LF4612", Resumable, "Backups were dropped, but their space was not freed", "Remove the cause that the message names; the next removal of old backups frees the space.";
    BACKUP_NO_RULES = "LF4613", Usage, "The release declares no data to back up", "Ask the vendor for a release whose components have backup rules.";
    BACKUP_UNPROVEN = "LF4614", NotReady, "A drill did not prove the backup", "Read which check failed, remove its cause, then run `landfall backup run` again; older backups are as they were.";
    BACKUP_NO_ROOM = "LF4615", NotReady, "There is no room for a backup, a drill or a restore", "Free as much space as the message names, or keep fewer backups (`backups.keep` in site.yaml), then run the same command again.";
    RESTORE_OTHER_VERSION = "LF4616", Usage, "The backup is of a different version than the installed one", "Install that version first, with `landfall rollback` or `landfall upgrade`, then restore.";
    RESTORE_LOAD = "LF4617", NotReady, "Data of a backup could not be loaded", "Read what the program said; the data is as it was before the restore.";
    RESTORE_IMPOSSIBLE = "LF4618", Usage, "The data cannot be restored in place", "Ask the vendor for a component whose data is in a volume of its own, of a Deployment or StatefulSet.";
    RESTORE_CHECK = "LF4619", NotReady, "Restored data failed a check", "Choose another backup: `landfall backup list` shows which of them are proven.";
    BACKUP_POD = "LF4620", NotReady, "A component has no pod whose data can be read", "Run `landfall status`, remove what keeps the component from being ready, then run the same command again.";
    RESTORE_NOTHING = "LF4621", Usage, "The backup holds no data of this component", "Name a component that `landfall backup list` shows, or none to restore all of them.";
    BACKUP_COPY_PLACE = "LF4622", NotReady, "A folder cannot receive copies of the backups", "Mount the disk of the copies, and name a folder on it that exists.";
    BACKUP_NOT_COPIED = "LF4623", NotReady, "Several folders did not receive the copies that they lack", "Remove the causes that the message names, then run `landfall backup copy`; the backups themselves are as they were.";
    RESTORE_TIME = "LF4624", Usage, "Data as of this time cannot be restored", "Run `landfall backup list` for the points in time that can be restored; `landfall backup log` adds those up to now. To restore a backup as it is, use `--backup`.";
    BACKUP_STOPPED = "LF4625", NotReady, "A backup, a drill or a restore was stopped before it filled the disk", "Free as much space as the message names, or keep fewer backups (`backups.keep` in site.yaml), then run the same command again. Older backups are as they were.";
    LOG_UNPROVEN = "LF4626", NotReady, "A drill did not prove the log backups", "Read which check failed and remove its cause; `landfall backup run` begins new points in time, and every backup is as it was.";
    BUCKET_CREDENTIALS = "LF4627", Usage, "The credentials for a bucket cannot be used", "Write them into the file that the settings name, which root alone may read: `aws_access_key_id = …` and `aws_secret_access_key = …`.";
    BUCKET_UNREACHABLE = "LF4628", NotReady, "The server of a bucket does not answer, or fails", "Check the address, the network, the server and its certificate; the next copy adds what lacks, and no backup is lost.";
    BUCKET_REFUSED = "LF4629", NotReady, "The server of a bucket refuses a request", "Check the bucket's name, region and credentials, and this host's clock; the credentials must list, read, write and delete objects.";
    BUCKET_FULL = "LF4630", NotReady, "The server of a bucket stores no more", "Give the bucket more room, or keep fewer backups (`backups.keep` in site.yaml); the copies that it has are as they were.";
    BUCKET_SLOW = "LF4631", NotReady, "The server of a bucket is too slow", "Check the network and the server; what was copied stays, and the next copy continues.";
    BUCKET_ANSWER = "LF4632", NotReady, "The server of a bucket does not answer as S3 does", "Check that the address is that of an S3 server, and whether it expects the bucket's name in the path (`pathStyle`).";
    EXPORT_EXISTS = "LF4633", Usage, "The file for what a backup has exists already", "Name a file that does not exist.";
    // LF47: licenses. None of them stops what runs, a backup, a restore, a rollback or an uninstall.
    LICENSE_MISSING = "LF4701", License, "The release has components that need a license, and this site has none", "Ask the vendor for a license, and pass it with `--license FILE`; what runs is not affected.";
    LICENSE_LACKS = "LF4702", License, "The license does not include an entitlement that the release needs", "Ask the license's contact for a license that includes it, and pass that with `--license FILE`; what runs is not affected.";
    LICENSE_ENDED = "LF4703", License, "The license has ended", "Ask the license's contact for a new one, and import it with `landfall license import FILE`; what runs is not affected.";
    LICENSE_NOT_YET = "LF4704", License, "The license does not apply yet", "Wait until it applies. If its first day has come, set the clock and run `landfall license confirm-date`.";
    LICENSE_REVOKED = "LF4705", License, "The vendor has revoked the license", "Ask the license's contact for a new one; what runs is not affected.";
    LICENSE_OTHER_SITE = "LF4706", License, "The license is for another site", "Send the output of `landfall license show` to the license's contact, and ask for a license for this site.";
    LICENSE_RELEASE_TOO_NEW = "LF4707", License, "The release is newer than the license allows", "Ask the license's contact for a license that includes newer releases; what runs is not affected.";
    LICENSE_OTHER_RELEASE = "LF4708", License, "The license is for another product", "Import the license of the installed release; `landfall license inspect FILE` shows which product a license is for.";
    LICENSE_OLDER = "LF4709", License, "A newer license has replaced this one", "Import the newest license that the vendor has issued; `landfall license show` shows the one that this site has.";
    LICENSE_INVALID = "LF4710", License, "The license contradicts itself", "Ask the vendor for a new license.";
    LICENSE_REQUIREMENT = "LF4711", License, "The license needs a newer Landfall", "Import it with the `landfall` of a newer release, or ask the vendor for a license that this version understands.";
    LICENSE_INCOMPLETE = "LF4712", License, "The license file lacks the revocation that belongs to it", "Ask the vendor for the license file again: a part of it was removed.";
    LICENSE_DESCRIPTION = "LF4713", Usage, "The description of a license cannot be used", "Correct the named field of the description.";
    LICENSE_SIGNING = "LF4714", Usage, "The license cannot be signed with the given keys and roots", "Pass as many license keys as the newest root document asks for.";
    LICENSE_RECORD = "LF4715", License, "The site's record of its license cannot be used", "Import the license again with `landfall license import FILE`; what runs is not affected.";
    LICENSE_NO_ROOT = "LF4716", Usage, "This site trusts no vendor yet, so a license cannot be checked", "Pass the license to the install: `landfall install BUNDLE --trust ROOT --license FILE`.";
    DATE_UNCONFIRMABLE = "LF4717", NotReady, "The machine's date cannot be right", "Set the clock (`timedatectl set-time`), then run `landfall license confirm-date` again.";
    NOT_LICENSED = "LF4718", License, "The license of this site does not allow this release", "Do what each finding advises, then run the same command again; what runs is not affected.";
    LICENSE_ANSWER = "LF4719", Refused, "The answer about the license is not this site's, or not to this question", "Run `landfall status` on the host. If it is in order, look for what answers in place of the console; what runs is not affected.";
    LICENSE_QUESTION = "LF4720", Usage, "The question about the license cannot be understood", "Ask for one entitlement or one feature by its name, with a nonce of 32 hexadecimal digits.";
    LICENSE_QUESTIONS_TOO_MANY = "LF4721", NotReady, "More questions about the license than the site answers", "Wait as long as the message says. Software asks its sidecar, which asks the site once in some minutes.";
    LICENSE_CHECK_IMPOSSIBLE = "LF4722", Usage, "The component cannot have a license check", "Correct the release definition as the message says; the chapter on licenses of docs/VENDOR.md has an example.";
    VALIDATOR_SETTINGS = "LF4723", Usage, "The validator's settings cannot be used", "Leave the containers as `landfall build` wrote them. What runs is not affected.";
    USAGE_BROKEN = "LF4731", License, "The site's record of its usage was edited or cut", "Nothing that runs is affected, and metering continues. Tell the license's contact what happened before you send the next report.";
    USAGE_NONE = "LF4732", License, "This site has measured no usage", "Import the license if the site has none. Usage is measured every hour from then on: try again in an hour.";
    USAGE_REPORT_FORM = "LF4733", Usage, "The file is not a report of usage", "Name a file that `landfall license report` wrote, or that the console's page License offered.";
    USAGE_REPORT_SIGNATURE = "LF4734", Refused, "The site's key did not sign the report of usage", "Ask the customer for the report again, and for the site's key, which `landfall license show` names. A host that was installed again has a new key.";
    USAGE_REPORT_CHAIN = "LF4735", Refused, "Days of the report of usage were edited or cut", "Ask the customer what happened to the site's record on the named day; the days before it are as they were measured.";
    USAGE_REPORT_TOTALS = "LF4736", Refused, "The totals of the report of usage do not follow from its days", "Ask the customer for the report again. If it has the same fault, count the days by hand, and report this as a fault of Landfall.";
    USAGE_REPORT_OTHER = "LF4737", Refused, "The report of usage is about another license or site", "Name the license that the report is about with `--license`, or ask the customer for the report of the right site.";
    // LF48: the host's side of the console.
    CONSOLE_FILES = "LF4801", Resumable, "The host's files of the console cannot be used", "Move the named file away, and keep it; then run `systemctl restart landfall-host-api`, which makes a new one. Exports of the audit log before that need the former key of `audit.json`.";
    CONSOLE_MISSING = "LF4802", NotReady, "This site has no console", "Install or upgrade to a release whose definition has a component with `console: true`.";
    HOST_API = "LF4803", Resumable, "The host's API for the console cannot serve", "Look at `journalctl --unit landfall-host-api`; nothing that runs depends on it.";
    MEDIUM_UNKNOWN = "LF4804", Usage, "Unknown medium", "Look for media again, then choose one of those that are listed.";
    PLAN_UNKNOWN = "LF4805", Usage, "Unknown or expired plan", "Make the plan again, read it, and approve that one. A plan counts once, for an hour, and no longer once the host's API has restarted.";
    PLAN_DIFFERS = "LF4806", NotReady, "What would be done is no longer what was approved", "Nothing was changed. Make the plan again, read it, and approve that one.";
    MEDIUM_UNREADABLE = "LF4807", NotReady, "A medium cannot be read", "Use a stick with exFAT, FAT32, ext4 or ISO 9660, or copy the bundle to another one.";
    CHANGE_QUESTION = "LF4808", Resumable, "A question about a change was not answered", "Ask again; `journalctl --unit landfall-host-api` on the host has details.";
    OTHER_OPERATION = "LF4809", Usage, "This operation is not the open one", "Look at the page again: it shows the operation that is open, if there is one.";
    REQUEST_RUNS = "LF4810", NotReady, "The host is working on another request", "Wait until that one is done, then ask again.";
    MEDIUM_EMPTY = "LF4811", Usage, "A medium holds no bundle", "Copy all files of a bundle onto it: into its first folder, or into a folder there.";
    CHECKPOINTS_TOO_MANY = "LF4812", NotReady, "The console asks for too many checkpoints of its audit log", "Wait as long as the message says. The console asks again by itself, and the next checkpoint covers the same entries. If this continues for hours while few people work, treat the console as taken over.";
    // LF50: the appliance.
    APPLIANCE_SETTINGS = "LF5001", Usage, "The appliance's settings cannot be used", "Correct each setting that the message names, then start the appliance again.";
    APPLIANCE_DATABASE = "LF5002", NotReady, "The appliance's database cannot be used", "Check that the data folder is writable and has free space; `landfall-appliance database check` reports the database's state.";
    APPLIANCE_DATABASE_NEWER = "LF5003", Usage, "A newer appliance wrote this database", "Start the newer appliance, or load a snapshot that this version wrote into an empty data folder.";
    APPLIANCE_SNAPSHOT = "LF5004", Refused, "The data is not a sound database of the appliance", "Load a snapshot that `landfall-appliance database save` wrote.";
    APPLIANCE_DATA_OCCUPIED = "LF5005", Usage, "The data folder already holds a database of the appliance", "Name an empty data folder.";
    APPLIANCE_LISTEN = "LF5006", NotReady, "The appliance cannot accept connections", "Free the address that the message names, or set another one with `--listen`.";
    AUDIT_BROKEN = "LF5007", Refused, "The audit log was changed after it was written", "Keep the file; compare it with an earlier export. The entries before the named one are as they were written.";
    AUDIT_FILE = "LF5008", Usage, "The file is not an exported audit log", "Export the log again with `GET /api/v1/audit`, or name the right file.";
    HOST_SILENT = "LF5010", NotReady, "The host does not answer the console", "Run `landfall status` on the host, which reports whether the agent runs. What is installed keeps running.";
    HOST_ANSWER = "LF5011", NotReady, "The console cannot read the host's answer", "Run `landfall status` on the host; if that works, report this with the appliance's log.";
    SIGN_IN_NEEDED = "LF5020", Usage, "The request needs a sign-in", "Sign in, or send an API key as `Authorization: Bearer KEY`.";
    NOT_PERMITTED = "LF5021", Usage, "The role or the API key does not permit this", "Ask an administrator for the role or the scope that the message names.";
    FOREIGN_REQUEST = "LF5022", Usage, "The request did not come from a page of the console", "Open the console's page again and repeat the action there.";
    REQUEST_INVALID = "LF5023", Usage, "The request cannot be understood", "Correct the field that the message names.";
    NOT_THERE = "LF5024", Usage, "Unknown name", "Check the name; the list one level up shows what exists.";
    TOO_MANY_ATTEMPTS = "LF5025", Usage, "Too many failed sign-ins", "Wait as long as the message says. Or open `/first` with the token that `landfall console` on the host prints: failed sign-ins do not count against it. It works once, within an hour, and has a limit of its own.";
    NAME_TAKEN = "LF5026", Usage, "A user of this name exists", "Choose another name.";
    LAST_ADMINISTRATOR = "LF5027", Usage, "The last administrator cannot be removed or lose the role", "Make another user an administrator first.";
    PASSWORD_UNSUITABLE = "LF5028", Usage, "The password is too easy to guess", "Choose a longer one, for example four unrelated words.";
    TOKEN_REFUSED = "LF5029", Usage, "The host refused the one-use token", "Run `landfall console` on the host for a new token; each works once and for a short time.";
    SIGN_IN_FAILED = "LF5030", Usage, "User name or password is wrong", "Try again. An administrator can set a new password. Without one, open `/first` with the token that `landfall console` on the host prints, which works once, within an hour.";
    FROM_DIRECTORY = "LF5031", Usage, "The user comes from a directory", "Change groups and password in the directory: the role is read again at each sign-in. To keep the user out in any case, disable the user.";
    DIRECTORY_REFUSED = "LF5032", Usage, "The sign-in through the directory was refused", "Try again from the page of the sign-in. An administrator finds the reason in the audit log; local users sign in as ever.";
    DIRECTORY_SILENT = "LF5033", NotReady, "The directory does not answer", "Try again later. Local users sign in as ever; without one, open `/first` with the token that `landfall console` on the host prints. The console's log has the reason.";
    DIRECTORY_SETTINGS = "LF5034", Usage, "The settings of the directory cannot be used", "Correct each fault that the message names in the Secret `console-directory`; the console reads it again within two minutes. Local users sign in as ever.";
    AUDIT_REWRITTEN = "LF5035", Refused, "The audit log is not the one that the site signed", "Keep the file, and compare it with an earlier export. Unless a backup of the console was restored, someone who could write to its database has rewritten the log: treat the console as taken over.";
    AUDIT_TRUNCATED = "LF5036", Refused, "The audit log lacks entries that the site signed", "If the file is an export of an earlier time, pass `--earlier`. Otherwise keep it, and export the log again. If that one lacks them, too, `landfall audit show` on the host reports whether a backup of the console was restored; otherwise treat the console as taken over.";
    AUDIT_FORGED = "LF5037", Refused, "A checkpoint of the audit log is not as the site signed it", "Keep the file. Compare the key with the one that `landfall audit show` prints on the host; if it is the same, the checkpoint was edited.";
    AUDIT_UNSIGNED = "LF5038", Refused, "The audit log has no checkpoint of the site", "Check that the key is this site's: `landfall audit show` on the host prints it. Export the log again while the host answers the console.";
    AUDIT_FORKED = "LF5039", Refused, "The audit log does not continue what the host signed", "Run `landfall audit show` on the host, and compare its last checkpoint with the log. If no backup of the console was restored, treat the console as taken over.";
    AUDIT_KEY = "LF5040", Usage, "The key of the audit log cannot be used", "Name a file with the public key that `landfall audit show` prints on the host.";
    SECOND_PERSON_NEEDED = "LF5041", Usage, "A second person has to approve", "Approve the plan on its page as the first person; another person then approves it. Programs send `POST /api/v1/approvals`, then `POST /api/v1/approvals/ID` with a key of another person.";
    NOT_A_SECOND_PERSON = "LF5042", Refused, "This user cannot approve it as one of two people", "Ask another person. A local user whose account or password another user made counts once two people approve that on the page `Approval`, or once the user has opened `/first` with the token that `landfall console` on the host prints.";
    SYSLOG_SETTINGS = "LF5043", Usage, "The settings of the syslog server cannot be used", "Correct each fault that the page `Audit` names in the Secret `console-syslog`; the console reads it again within two minutes. Nothing is lost meanwhile.";
    AUDIT_NO_KEY = "LF5044", Usage, "No key is known that could have signed the audit log", "Name the site's public key with `--key FILE`; `landfall audit show` prints it on the host. As root on that host no file is needed. Pass `--chain-only` to check the chain alone, which whoever owns the console could have written anew.";
    AUDIT_LINE = "LF5045", Refused, "A line of the audit log is too long", "Check that the file is an export of an audit log, and export the log again. If the line is still there, keep the file: the console writes no such entry, so someone changed its database.";
    PACKAGE_INDEX_UNUSABLE = "LF5046", Usage, "The package index cannot serve", "Name the folder of the wheels, and the list with its digest that `landfall build` wrote. At a site, run `landfall status`.";
    METHOD_NOT_ALLOWED = "LF5047", Usage, "The address is not for this method", "Send the request by a method that the message names.";
    UPLOAD_RUNS = "LF5048", NotReady, "Another upload is on the host", "Continue that one, or wait until it is used. Whoever may upload can also remove it.";
    UPLOAD_OFFSET = "LF5049", Usage, "The bytes do not continue the upload", "Ask with `HEAD /api/v1/uploads/ID` how much has arrived, and send what follows it. The page does so by itself.";
    UPLOAD_TOO_LONG = "LF5050", Usage, "The upload is longer than was announced", "Remove the upload and begin again with the size of the file. A bundle in parts has the size of all its parts together.";
    UPLOAD_NEEDED = "LF5051", NotReady, "An open change reads the upload", "Wait until the change has ended, or undo it; then remove the upload.";
    UPLOAD_PROTOCOL = "LF5052", Usage, "Unknown version of the upload protocol", "Send the header `Tus-Resumable: 1.0.0`.";
    APPLIANCE_DATABASE_LOCKED = "LF5053", NotReady, "The appliance's database is locked", "Try again in a minute. If that does not help, end the program that holds the database in the console's data folder, or delete the console's pod, which starts again.";
    APPLIANCE_DATABASE_FULL = "LF5054", NotReady, "The appliance's database has no space left", "Free space on the disk that holds the console's data; `landfall status` on the host names it. Then try again: the console needs no restart.";
    APPLIANCE_DATABASE_DAMAGED = "LF5055", NotReady, "The appliance's database is damaged", "Restore the component `console` from its newest backup: in the browser, or with `landfall restore --component console` on the host. A console that starts before that keeps the damaged file, and begins an empty database: `landfall console` on the host prints the token with which you get in.";
    // LF90: usage and bugs.
    PASSWORD = "LF9002", Usage, "The password of a private key is missing or wrong", "Set LANDFALL_KEY_PASSWORD or COSIGN_PASSWORD, or run the command at a terminal.";
    BAD_ARGUMENT = "LF9003", Usage, "An argument cannot be used", "See the command's --help.";
    BUG = "LF9001", Bug, "Landfall reached a state that should be impossible", "Please report this with the message and the log.";
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::ALL;

    #[test]
    fn codes_are_well_formed_and_unique() {
        let mut seen = HashSet::new();
        let mut titles = HashSet::new();
        for code in ALL {
            assert!(
                code.id.len() == 6 && code.id.starts_with("LF") && code.id[2..].bytes().all(|b| b.is_ascii_digit())
            );
            assert!(seen.insert(code.id), "{} occurs twice", code.id);
            assert!(titles.insert(code.title), "{} shares its title", code.id);
            assert!(!code.title.ends_with('.') && code.fix.ends_with('.'), "{}", code.id);
        }
    }
}
