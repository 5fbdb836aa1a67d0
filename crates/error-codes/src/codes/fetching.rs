//! Codes of fetching: registries, hubs, indexes and files.

use crate::code::registry;
use crate::{Code, ExitClass};

registry! {
    // LF21: fetching.
    REGISTRIES_INVALID = "LF2101", Usage, "The registries file is not valid", "Correct the named line of the \
        registries file.";
    FETCH_FAILED = "LF2102", Resumable, "A registry or server did not deliver the content", "Run the same command \
        again; it continues where it stopped.";
    IMAGE_MISSING = "LF2103", Usage, "An image or artifact is not in its registry", "Correct the reference in the \
        lock, or push what it names.";
    FETCH_MISMATCH = "LF2104", Usage, "A registry or server delivers content that differs from what is pinned", "Find \
        out who changed it before you run `landfall lock`.";
    CREDENTIALS_REFUSED = "LF2105", Usage, "A registry refuses access", "Log in to the registry, so that the Docker \
        configuration has its credentials.";
    PLAIN_HTTP_REFUSED = "LF2106", Usage, "Plain HTTP is used only for loopback or where configured", "Use HTTPS, or \
        set `plainHttp` in the registries file.";
    FILE_MISSING = "LF2107", Usage, "A file is not where the lock says", "Correct the address in the lock, or name a \
        mirror that has the file.";
    ARCHIVE_INVALID = "LF2108", Usage, "An archive does not contain what the lock names", "Correct the members of the \
        archive in the lock.";
    RANGE_WRONG = "LF2109", Usage, "A server sends a different part of a file than the requested one", "Name a mirror, \
        or another address of the file: the joined parts would not be the file.";
    // LF211x: model hubs, endless bodies, and old images.
    HUB_ANSWER = "LF2110", Usage, "A hub's list of files cannot be used", "Check the address of the hub and the name \
        of the repository in the lock.";
    HUB_COMMIT = "LF2111", Usage, "A hub serves a different commit than the pinned one", "Find out who changed it \
        before you trust it; `landfall lock` pins the commit that the revision names now.";
    HUB_ACCESS = "LF2112", Usage, "A hub refuses access to a repository", "Check the name, accept the model's terms on \
        its page, and supply a token: HF_TOKEN for huggingface.co, else the Docker configuration or `headers` of the \
        registries file.";
    HUB_REALM = "LF2113", Usage, "A hub asks for its token to be sent to another server", "Do not log in there. \
        Correct the address of the hub in the lock, or name a mirror.";
    BODY_TOO_LONG = "LF2114", Usage, "A server sends more bytes than the content can have", "Name another mirror or \
        address; nothing of it was kept.";
    BODY_STALLED = "LF2115", Resumable, "A server stalls in the middle of an answer", "Run the same command again: it \
        continues where it stopped. If that repeats, name another mirror or address.";
    IMAGE_SCHEMA_1 = "LF2116", Usage, "An image has the format that Docker used before 2016", "Convert it and push it \
        to a registry of your own (`skopeo copy --format v2s2`), or name a newer image.";
    LAYER_MISMATCH = "LF2117", Usage, "A layer's contents differ from what its image states", "Do not use the image: \
        its configuration and its layers do not match. Ask its publisher, or pin another image.";
    IMAGE_UNSIGNED = "LF2118", Usage, "An image lacks a signature that the lock requires", "Sign the image with one of \
        the keys of the rule (`cosign sign --key`), correct the rule under `signatures`, or set `required: false`.";
    IMAGE_SIGNED_BY_OTHERS = "LF2119", Usage, "An image is signed by keys that the lock does not name", "Find out who \
        signed it. Name the key under `signatures` of the lock only if its publisher confirms it over another channel.";
    // LF212x: sets of wheels.
    REQUIREMENTS_UNREADABLE = "LF2120", Usage, "A file of requirements cannot be used", "Correct the named line, or \
        write the file again with `pip-compile --generate-hashes`, `uv pip compile --generate-hashes` or `uv export`.";
    REQUIREMENT_UNHASHED = "LF2121", Usage, "A requirement states no SHA-256", "Write the file with hashes: \
        `pip-compile --generate-hashes`, `uv pip compile --generate-hashes`, or `uv export`.";
    REQUIREMENT_UNPINNED = "LF2122", Usage, "A requirement does not name one version", "Pin it with `==`, as \
        `pip-compile`, `uv pip compile` and `uv export` do.";
    REQUIREMENT_ELSEWHERE = "LF2123", Usage, "A requirement does not come from a package index", "Publish the package \
        as a wheel on an index, or remove the line and bring its files as an artifact of their own.";
    INDEX_ANSWER = "LF2124", Usage, "A package index's answer cannot be used", "Check the address of the index in the \
        lock: it is the one that ends with `/simple` for pip and uv.";
    PACKAGE_MISSING = "LF2125", Usage, "A package index does not have a package or its version", "Name an index that \
        has it, or pin another version in the file of requirements.";
    WHEEL_NOT_PUBLISHED = "LF2126", Usage, "A package is published only as source", "Build a wheel of it (`pip \
        wheel`), publish it on an index of your own, and add its hash to the file of requirements.";
    WHEEL_FOR_OTHERS = "LF2127", Usage, "A package has no wheel for the target", "Check `python` and `platform` in the \
        lock, or pin a version that has such a wheel.";
    WHEEL_HASH = "LF2128", Usage, "A package's wheel is not one that the file of requirements allows", "Find out why \
        the hashes differ; then write the file of requirements again, for this index and this target.";
    PROJECT_LOCK_UNREADABLE = "LF2129", Usage, "The lock of a Python project cannot be used", "Correct the named line, \
        or write the file again for the Python of the target: `uv lock`, or `uv export --format pylock.toml`.";
    // LF2130: access to registries and servers.
    RATE_LIMITED = "LF2130", Resumable, "A registry's rate limit is reached", "Log in to the registry (`docker \
        login`), wait, or name a mirror; then run the same command again.";
    HOST_UNREACHABLE = "LF2131", Resumable, "A server or proxy cannot be reached", "Check the name, the network and \
        the proxy (HTTP_PROXY, HTTPS_PROXY, NO_PROXY, or `proxies` of the registries file), then run the same command \
        again.";
    CERTIFICATE_UNKNOWN = "LF2132", Usage, "A server's certificate is not trusted", "Name the certificate of its \
        authority under `authorities` of the registries file.";
    // LF2133: sets of npm packages.
    PACKAGE_LOCK_UNREADABLE = "LF2133", Usage, "A package-lock.json cannot be used", "Write it again with npm 7 or \
        later (`npm install --package-lock-only`), whose lockfileVersion is 2 or 3.";
    PACKAGE_UNVERIFIABLE = "LF2134", Usage, "A package in a package-lock.json has no SHA-512", "Remove the package's \
        entry and run `npm install --package-lock-only`, so that npm states `integrity` with sha512.";
    PACKAGE_ELSEWHERE = "LF2135", Usage, "A package in a package-lock.json does not come from a registry", "Publish \
        the package on a registry, or bring its files as an artifact of their own.";
    // LF2136: locks of Python projects.
    PROJECT_SELECTION = "LF2136", Usage, "The lock of a Python project lacks a selected project, extra or group",
        "Correct `project`, `extras` or `groups` in the lock, or add them to the project and run `uv lock`.";
    PROJECT_CONFLICT = "LF2137", Usage, "Extras or groups of a Python project exclude one another", "Choose one of the \
        named ones, and write a separate entry for the other.";
    PROJECT_LOCK_OUTDATED = "LF2138", Usage, "A `uv.lock` is older than the `pyproject.toml` beside it", "Run `uv \
        lock` in the folder of the project, test it, and run `landfall lock` again.";
    HOST_PACK_INVALID = "LF2139", Usage, "The definition of a host pack cannot be used", "Correct the named field of \
        `host-pack.yaml`.";
    // LF2140: sets of npm packages in a package index.
    NPM_TWICE = "LF2140", Usage, "A package index has one version of an npm package twice", "Remove one of the two \
        named tarballs.";
    NPM_TOO_MANY = "LF2141", Usage, "A package index has more npm packages than can be listed", "Serve what belongs to \
        one lock file by one component, and the rest by another one.";
    NPM_VERSIONS = "LF2142", Usage, "An npm package has too many or too large versions for one document", "Remove \
        versions of the named package that no lock file names, or serve them by another component.";
    // LF2143: signatures of images.
    SIGNATURE_OF_OTHER_IMAGE = "LF2143", Usage, "An image's signature covers another digest", "Do not use the image: \
        its registry presents the signature of something else. Ask its publisher to sign this digest.";
    SIGNATURE_OF_OTHER_NAME = "LF2144", Usage, "An image's signature names another repository", "If the image is a \
        copy, name the repository that its publisher signed under `identities` of the rule; otherwise do not use it.";
    ATTESTATION_MISSING = "LF2145", Usage, "An image lacks an attestation that the lock requires", "Attest the image \
        with one of the keys of the rule (`cosign attest --key`), or correct `attestations` of the rule.";
    SIGNATURE_UNREADABLE = "LF2146", Usage, "A signature or an attestation of an image cannot be read", "Sign the \
        image again with cosign and one of the keys of the rule.";
    SIGNATURES_UNCHECKED = "LF2147", Usage, "The lock does not state who signed an image", "Run `landfall lock`: it \
        checks the signatures of the image that the lock pins.";
    // GPUs of containers.
    GPU_TOOLS_MISSING = "LF2148", Usage, "The node pack lacks the programs with which containers get GPUs", "Add an \
        artifact of kind `node` with NVIDIA's container toolkit to the lock, and to `artifacts` of the node pack.";
    // LF2149: published checksums, and content that images only name.
    SUMS_WITHOUT_FILE = "LF2149", Usage, "Published checksums lack the SHA-256 of a file", "Name the checksum file of \
        this version under `sums`: one with a line for the file, or with its digest alone.";
    SUMS_DIFFER = "LF2150", Usage, "Published checksums state another SHA-256 for a file", "Do not use the file before \
        its publisher explains the difference. If the checksum file belongs to another version, correct `sums` of the \
        lock.";
    FOREIGN_LAYER = "LF2151", Usage, "An image has a foreign layer, which no bundle may carry", "Use another image, or \
        have its publisher push it with all of its layers into the registry.";
    LOCK_LACKS_IMAGES = "LF2152", NotReady, "A release names images that its lock lacks", "Run `landfall lock`, which \
        adds them, and review the change of the lock.";
    PYTHON_PATCH = "LF2153", Usage, "The required packages depend on Python's patch version", "Write the full version \
        of the Python that installs them into `python` of the lock's entry, such as \"3.12.4\".";
    OLLAMA_STORE = "LF2154", Usage, "A model in Ollama's store cannot be used", "Pull the model again (`ollama pull \
        NAME`) into the store that the lock names, and check `path` and `ollama` of the entry.";
    // LF2155: models in buckets, and archives as layers of artifacts.
    OBJECT_LIST = "LF2155", Usage, "A bucket's list of objects cannot be used", "Check `endpoint`, `bucket`, `prefix` \
        and `pathStyle` of the lock's entry: the server must speak S3.";
    OBJECT_REFUSED = "LF2156", Usage, "The server of a bucket with models refuses a request", "Check `region`, \
        `bucket` and `pathStyle` of the lock's entry, and the keys: those of the environment are used for Amazon's \
        servers and for the one that AWS_ENDPOINT_URL_S3 names, those under `buckets` of the registries file for any \
        other one.";
    ARTIFACT_LAYER_MISMATCH = "LF2157", Usage, "A layer's contents differ from what its artifact states", "Do not use \
        the artifact: its manifest and its layers do not match. Ask its publisher, or pin another artifact.";
    ARTIFACT_ARCHIVE = "LF2158", Usage, "A layer of an artifact cannot be unpacked", "If the artifact is not yours, do \
        not use it. If it is, pack plain files under relative names, or push each file as a separate layer.";
    FOLDER_UNFIT = "LF2159", Usage, "A folder of this machine cannot be used as an artifact", "Name a folder beside \
        the lock, replace links in it with their targets (`cp --recursive --dereference`), and give its files plain \
        names.";
    // LF2160: tokens of registries.
    REGISTRY_REALM = "LF2160", Usage, "A registry asks for credentials to be sent to another server", "If that \
        server issues the registry's tokens, name it under `tokens` of the registry's entry in `hosts` of the \
        registries file. Otherwise log out of the registry (`docker logout`), and ask its operator.";
}
