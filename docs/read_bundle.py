#!/usr/bin/env python3
"""Reads and verifies a Landfall bundle of format 1 with nothing but Python's standard library.

    read_bundle.py --trust ROOT.json|sha256:... BUNDLE [PART ...]
    read_bundle.py --vectors FOLDER

A second implementation of docs/FORMAT.md, for people who want to understand it or to check the first one. Hashes and
signatures that the library lacks are in read_bundle_arithmetic.py beside it. Everything is computed in Python: BLAKE3
makes it slow (a few hundred KiB a second), so large bundles want --sha256-only, which checks the contents of blobs by
SHA-256 alone. Prints one line per file; exits with 3 when the bundle is refused.
"""

import argparse
import base64
import binascii
import hashlib
import json
import pathlib
import re
import sys

from read_bundle_arithmetic import ED25519_PREFIX, MIB, P256_PREFIX, is_key, merge, subtree, verifies

LIMITS = {"landfall.json": 64 << 10, "area file": 64 << 10, "signatures": 16, "roots": 1024, "trust": 8 << 20,
          "blobs.json": 8 << 20, "chunks.b3": 64 << 20, "document": 16 << 20, "documents": 32 << 20, "blob": 1 << 45,
          "depth": 32, "integer": (1 << 53) - 1, "containers": 1 << 17, "values": 1 << 20}
PLACES = ["landfall", "oci-layout", "index.json"]
MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"


class Refused(Exception):
    """Why a bundle is refused: a code of docs/ERRORS.md and a few words."""

    def __init__(self, code, text):
        super().__init__(f"{code}: {text}")
        self.code = code


def require(condition, code, text):
    if not condition:
        raise Refused(code, text)


# Strict JSON: one encoding.

def parse(name, data, floats=False):
    """A JSON value without duplicate names. Floats only where the signer's version may know more than this."""

    def pairs(items):
        found = {}
        for key, value in items:
            require(key not in found, "LF1010", f"{key!r} occurs twice in {name}")
            found[key] = value
        return found

    def refuse(text):
        raise Refused("LF1012", f"{name} holds the number {text}")

    def integer(text):
        value = int(text) if len(text) < 400 else refuse(text[:20])
        return value if floats or abs(value) <= LIMITS["integer"] and text != "-0" else refuse(text)

    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=pairs, parse_float=float if floats else refuse,
                           parse_int=integer, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise Refused("LF1012", f"{name} is not JSON: {error}") from None
    check_values(name, value)
    return value


def check_values(name, value):
    """Depth, number of values, and texts that are none: half a surrogate pair is no character."""
    level, depth, values, containers = [value], 0, 0, 0
    while level:
        values += len(level)
        following, inside = [], 0
        for item in level:
            if isinstance(item, str):
                require(is_text(item), "LF1012", f"{name} holds half a surrogate pair")
            if isinstance(item, dict):
                require(all(map(is_text, item)), "LF1012", f"{name} holds half a surrogate pair")
                following += item.values()
            elif isinstance(item, list):
                following += item
            inside += isinstance(item, (dict, list))
        containers += inside
        depth += inside > 0
        require(depth <= LIMITS["depth"], "LF1012", f"{name} is nested too deeply")
        level = following
    require(values <= LIMITS["values"] and containers <= LIMITS["containers"], "LF1014", f"{name} holds too many values")


def is_text(text):
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8")


def check_type(name, value, expected):
    found = value.get("type") if isinstance(value, dict) else None
    require(found == expected, "LF1013", f"{name} is of type {found}; its place requires {expected}")


def check_canonical(name, value, data):
    require(canonical(value) == data, "LF1011", f"{name} is not canonical JSON")


def fields(name, value, /, optional=(), **expected):
    """Refuses missing and unknown fields, and fields that do not pass their test."""
    require(isinstance(value, dict), "LF1012", f"{name} is not an object")
    unknown = set(value) - set(expected)
    missing = set(expected) - set(value) - set(optional)
    require(not unknown and not missing, "LF1012", f"{name}: unknown {sorted(unknown)}, missing {sorted(missing)}")
    for field, passes in expected.items():
        require(field not in value or passes(value[field]), "LF1012", f"{name}: {field} is not valid")


def matches(pattern):
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value, re.ASCII) is not None


def at_most(limit):
    return lambda value: type(value) is int and 0 <= value <= limit


def a_list(value):
    return isinstance(value, list)


def a_dict(value):
    return isinstance(value, dict)


SHA256 = matches("sha256:[0-9a-f]{64}")
LABEL = matches("[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
VERSION = matches("[A-Za-z0-9][A-Za-z0-9.+_-]{0,63}")
DOCUMENT = matches(r"(?=.{1,100}$)documents(/[a-z0-9][a-z0-9._-]*)+")
ANY_INTEGER = at_most(LIMITS["integer"])


def is_time(text):
    if not matches(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")(text):
        return False
    year, month, day, hour, minute, second = (int(part) for part in re.findall(r"\d+", text))
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    days = [31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    return 1 <= month <= 12 and 1 <= day <= days[month - 1] and hour < 24 and minute < 60 and second < 60


# The tar: a header is a function of name, size and mode.

def header(name, size, mode=0o644):
    octal = lambda value, digits: f"{value:0{digits}o}".encode() + b"\0"
    length = octal(size, 11) if size < 1 << 33 else b"\x80" + size.to_bytes(11, "big")
    before = name.encode().ljust(100, b"\0") + octal(mode, 7) + octal(0, 7) * 2 + length + octal(0, 11)
    after = (b"0" + bytes(100) + b"ustar\x0000" + bytes(64) + octal(0, 7) * 2).ljust(356, b"\0")
    total = sum(before) + 8 * ord(" ") + sum(after)
    return before + f"{total:06o}\0 ".encode() + after


class Source:
    """Bytes in order, never more than asked for, from files read one after the other."""

    def __init__(self, files):
        self.files = list(files)

    def read_some(self, length):
        data = b""
        while len(data) < length and self.files:
            more = self.files[0].read(length - len(data))
            data += more
            if not more:
                self.files.pop(0)
        return data

    def read(self, length, place):
        data = self.read_some(length)
        require(len(data) == length, "LF1001", f"the bundle ends inside {place}")
        return data

    def at_end(self):
        return all(not file.read(1) for file in self.files)

    def file(self, size, name):
        data = self.read(size, name)
        require(not any(self.read(-size % 512, name)), "LF1015", f"the padding after {name} is not zero")
        return data

    def known_file(self, name, digest, found=None):
        found = found if found is not None else self.read(512, name)
        require(found == header(name, digest["size"]), "LF1006", f"the header of {name} is damaged")
        data = self.file(digest["size"], name)
        right = "sha256:" + hashlib.sha256(data).hexdigest() == digest["sha256"]
        require(right, "LF1007", f"{name} does not have its digest")
        return data


def decode(text):
    """Base64 in its canonical encoding; None for anything else."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError, TypeError):
        return None
    return data if base64.b64encode(data).decode() == text else None


# Trust: root documents, and the walk from the first trust to the root that counts.

KEY_ID = matches("[0-9a-f]{64}")
ROLES = ("license", "release", "revocation", "root")


class Signed:
    """A document with its signatures over the canonical bytes of `signed`. Unknown fields of `signed` are ignored."""

    def __init__(self, name, data, expected):
        require(len(data) <= LIMITS["area file"], "LF1014", f"{name} is too large")
        value = parse(name, data)
        check_type(name, value.get("signed") if isinstance(value, dict) else None, expected)
        check_canonical(name, value, data)
        fields(name, value, signatures=a_dict, signed=a_dict)
        valid = all(KEY_ID(key) and isinstance(text, str) for key, text in value["signatures"].items())
        require(valid, "LF1012", f"{name} has signatures that are not valid")
        self.name, self.data, self.signed = name, data, value["signed"]
        self.signatures = {key: decode(text) for key, text in sorted(value["signatures"].items())}
        require(None not in self.signatures.values(), "LF1110", f"a signature of {name} is not base64")
        self.message = canonical(self.signed)


def known(name, value, /, **expected):
    """Checks the fields that this version knows, and ignores all other fields."""
    require(isinstance(value, dict), "LF1012", f"{name} is not an object")
    fields(name, {field: value[field] for field in expected if field in value}, **expected)


class Root(Signed):
    """A root document whose structure was checked."""

    def __init__(self, name, data):
        super().__init__(name, data, "landfall.dev/root/1")
        signed = self.signed
        known(name, signed, number=ANY_INTEGER, development=lambda value: type(value) is bool, keys=a_dict, roles=a_dict)
        known(name, signed["roles"], license=a_dict, release=a_dict, revocation=a_dict, root=a_dict)
        self.roles = {role: signed["roles"][role] for role in ROLES}
        for role in self.roles.values():
            known(name, role, keys=lambda keys: a_list(keys) and all(map(KEY_ID, keys)), threshold=ANY_INTEGER)
        require(all(map(KEY_ID, signed["keys"])), "LF1012", f"{name} has keys that are not valid")
        self.number, self.development = signed["number"], signed["development"]
        require(self.number > 0, "LF1110", f"the number of {name} is 0")
        for role in self.roles.values():
            require(role["keys"] == sorted(set(role["keys"])), "LF1110", f"keys of {name} are not sorted")
            require(0 < role["threshold"] <= len(role["keys"]), "LF1110", f"a threshold of {name} cannot be met")
            require(set(role["keys"]) <= set(signed["keys"]), "LF1110", f"{name} does not hold a key that a role names")
        self.keys = {}
        for key, text in sorted(signed["keys"].items()):
            if isinstance(text, str):
                self.read_key(key, decode(text))

    def read_key(self, key, der):
        require(der is not None, "LF1110", f"key {key} of {self.name} is not base64")
        require(hashlib.sha256(der).hexdigest() == key, "LF1110", f"key {key} of {self.name} is another key")
        if is_key(der):
            self.keys[key] = der
        # A key of a later kind is kept and does not count; one of a known kind in another encoding could count twice.
        else:
            encoding = der[2:].startswith((P256_PREFIX[2:23], ED25519_PREFIX[2:9]))
            require(not encoding, "LF1112", f"key {key} of {self.name} is not in its canonical encoding")

    def signers(self, role, name, message, signatures):
        """Which keys of a role signed; each must match. Strangers and keys of unknown kinds do not count."""
        counted = [key for key in signatures if key in self.roles[role]["keys"] and key in self.keys]
        for key in counted:
            require(verifies(self.keys[key], message, signatures[key]), "LF1106", f"a signature of {name} does not match")
        return counted

    def verify(self, role, name, message, signatures):
        require(signatures, "LF1104", f"{name} has no signature")
        signers, threshold = self.signers(role, name, message, signatures), self.roles[role]["threshold"]
        require(signers, "LF1105", f"{name} is signed by no key of the role {role}")
        require(len(signers) >= threshold, "LF1107", f"too few keys have signed {name}")

    def verify_own(self):
        self.verify("root", self.name, self.message, self.signatures)

    def verify_next(self, other):
        require(other.number == self.number + 1, "LF1108", f"{other.name} does not follow number {self.number}")
        require(other.development == self.development, "LF1108", f"{other.name} changes the development mark")
        for signer in (self, other):
            count = len(signer.signers("root", other.name, other.message, other.signatures))
            enough = count >= signer.roles["root"]["threshold"]
            require(enough, "LF1108", f"too few root keys of number {signer.number} have signed {other.name}")


class Revocation(Signed):
    """Which releases must not be installed."""

    def __init__(self, name, data):
        super().__init__(name, data, "landfall.dev/revocation/1")
        known(name, self.signed, number=ANY_INTEGER, releases=a_list)
        text = matches("(?s:.*)")
        for release in self.signed["releases"]:
            known(name, release, name=text, version=text, reason=text)
            require("bundle" not in release or release["bundle"] is None or SHA256(release["bundle"]), "LF1012",
                    f"{name} names a bundle that is not valid")
            right = LABEL(release["name"]) and VERSION(release["version"]) and len(release["reason"]) <= 500
            require(right, "LF1133", f"{name} names a release that is not valid")
        require(self.signed["number"] > 0, "LF1133", f"the number of {name} is 0")
        places = [(one["name"], one["version"], one.get("bundle") or "") for one in self.signed["releases"]]
        require(places == sorted(set(places)), "LF1133", f"the releases of {name} are not sorted")

    def check(self, name, version, bundle):
        for release in self.signed["releases"]:
            same = (release["name"], release["version"]) == (name, version)
            require(not same or release.get("bundle") not in (None, bundle), "LF1131", f"{name} {version} is revoked")


def walk(trust, chain):
    """The root that counts. `trust` is a Root or a fingerprint."""
    if isinstance(trust, Root):
        trust.verify_own()
        pinned = trust
    else:
        found = [root for root in chain if "sha256:" + hashlib.sha256(root.data).hexdigest() == trust]
        require(found, "LF1103", "no root document has the trusted fingerprint")
        pinned = found[0]
    for root in chain:
        same = root.number != pinned.number or root.message == pinned.message
        require(same, "LF1109", f"{root.name} differs from the trusted document of the same number")
    if chain:
        require(chain[0].number <= pinned.number, "LF1130", f"the chain begins after number {pinned.number}")
        chain[0].verify_own()
        for one, following in zip(chain, chain[1:]):
            one.verify_next(following)
    return chain[-1] if chain and chain[-1].number > pinned.number else pinned


def read_trust(text):
    if not text.startswith("sha256:") and pathlib.Path(text).is_file():
        return Root("the trusted root document", pathlib.Path(text).read_bytes())
    require(SHA256(text), "LF1102", f"{text} is not a fingerprint")
    return text


# The bundle.

class Area:
    """Signatures, roots and a revocation. A file that is not understood does not count and is refused later."""

    def __init__(self, source):
        self.signatures, self.roots, self.revocation, self.problem = {}, [], None, None
        signatures = trusts = total = 0
        while True:
            self.after = source.read(512, "the signature and trust area")
            name, size = small_header(self.after)
            if name is None or not name.startswith(("signatures/", "trust/")):
                return
            require(size <= LIMITS["area file"], "LF1014", f"{name} is too large")
            if name.startswith("signatures/"):
                signatures += 1
            else:
                trusts, total = trusts + 1, total + size
            within = signatures <= LIMITS["signatures"] and trusts <= LIMITS["roots"] + 1 and total <= LIMITS["trust"]
            require(within, "LF1014", "too many signatures or root documents")
            data = source.file(size, name)
            try:
                self.add(name, data, trusts)
            except Refused as refused:
                self.problem = self.problem or refused

    def add(self, name, data, trusts):
        if name.startswith("signatures/"):
            require(not trusts, "LF1016", f"{name} comes after trust/")
            key, digest, signature = read_signature(name, data)
            require(key > max(self.signatures, default=""), "LF1016", f"{name} is not in the order of key ids")
            self.signatures[key] = digest, signature
            return
        require(self.revocation is None, "LF1016", f"{name} comes after the revocation")
        if name == "trust/revocation.json":
            self.revocation = Revocation(name, data)
            return
        expected = self.roots and f"trust/{self.roots[-1].number + 1}.root.json"
        require(not expected or name == expected, "LF1016", f"{name} is where the format expects {expected}")
        root = Root(name, data)
        require(name == f"trust/{root.number}.root.json", "LF1016", f"{name} has number {root.number}")
        self.roots.append(root)

    def trust(self, trust, message):
        """The root that counts, once it and the signatures under landfall.json were checked."""
        try:
            require(self.signatures, "LF1104", "landfall.json has no signature")
            root = walk(trust, self.roots)
            digest = hashlib.sha256(message).digest()
            same = all(found == digest for found, _ in self.signatures.values())
            require(same, "LF1106", "a signature is of another landfall.json")
            signatures = {key: signature for key, (_, signature) in self.signatures.items()}
            root.verify("release", "landfall.json", message, signatures)
            return root, self.trusted_revocation(root)
        except Refused as refused:
            raise self.problem or refused from None

    def trusted_revocation(self, root):
        if self.revocation is None:
            return None
        verify = lambda root: root.verify("revocation", self.revocation.name, self.revocation.message,
                                          self.revocation.signatures)
        try:
            verify(root)
            return self.revocation
        except Refused:
            # An older bundle at a site with a newer root: it must be valid for the bundle's own root, and has no effect.
            if not self.roots or self.roots[-1].number >= root.number:
                raise
        verify(self.roots[-1])
        return None


def small_header(found):
    """Name and size of a file of the head; two times None for a header that is not of one."""
    try:
        name, size = found[:100].split(b"\0")[0].decode(), int(found[124:135].decode("ascii"), 8)
    except ValueError:
        return None, None
    return (name, size) if size >= 0 and header(name, size) == found else (None, None)


def read_signature(name, data):
    value = parse(name, data)
    try:
        hint, message = value["verificationMaterial"]["publicKey"]["hint"], value["messageSignature"]
        text, digest = message["signature"], message["messageDigest"]["digest"]
    except (KeyError, TypeError):
        raise Refused("LF1111", f"{name} is not a Sigstore bundle") from None
    key, signature = decode(hint), decode(text)
    valid = key is not None and signature is not None and decode(digest) is not None and len(decode(digest)) == 32
    require(valid, "LF1111", f"{name} is not a Sigstore bundle")
    again = {"mediaType": MEDIA_TYPE, "verificationMaterial": {"publicKey": {"hint": hint}},
             "messageSignature": {"messageDigest": {"algorithm": "SHA2_256", "digest": digest}, "signature": text}}
    right = canonical(again) == data and name == f"signatures/{key.hex()}.sigstore.json"
    require(right, "LF1111", f"{name} is not encoded as the format requires")
    return key.hex(), decode(digest), signature


def check_announcement(data, bundle, revocation):
    """What every version understands of a signed landfall.json: its type, whether it is revoked, what it requires."""
    name = "landfall.json"
    value = parse(name, data, floats=True)
    value = value if isinstance(value, dict) else {}
    kind = value.get("type") if isinstance(value.get("type"), str) else ""
    require(kind.startswith("landfall.dev/bundle/"), "LF1013", f"{name} is of type {kind!r}")
    if revocation:
        revocation.check(value.get("name"), value.get("version"), bundle)
    requires = value.get("requires", [])
    require(a_list(requires) and not requires, "LF1004", f"a newer Landfall is needed: {requires}")
    right = type(value.get("format")) is int and value["format"] == 1 and kind == "landfall.dev/bundle/1"
    require(right, "LF1003", f"{name} has another format than 1")


def read_landfall(data):
    name = "landfall.json"
    value = parse(name, data)
    check_canonical(name, value, data)
    fields(name, value, type=matches(".*"), format=ANY_INTEGER, name=LABEL, version=VERSION, counter=ANY_INTEGER,
           built_at=is_time, payload_bytes=ANY_INTEGER, requires=a_list, blobs=a_dict, chunks=a_dict, documents=a_list,
           program=a_dict)
    fields(name, value["blobs"], sha256=SHA256, size=at_most(LIMITS["blobs.json"]))
    fields(name, value["chunks"], sha256=SHA256, size=at_most(LIMITS["chunks.b3"]))
    fields(name, value["program"], offset=ANY_INTEGER, sha256=SHA256, size=at_most(LIMITS["blob"]))
    for document in value["documents"]:
        fields(name, document, name=DOCUMENT, sha256=SHA256, size=at_most(LIMITS["document"]))
    names = [document["name"] for document in value["documents"]]
    require(names == sorted(set(names)), "LF1012", f"the documents of {name} are not sorted")
    total = sum(document["size"] for document in value["documents"])
    require(total <= LIMITS["documents"], "LF1012", f"the documents of {name} are too large together")
    return value


def read_blobs(data):
    name = "blobs.json"
    value = parse(name, data)
    check_type(name, value, "landfall.dev/blobs/1")
    check_canonical(name, value, data)
    fields(name, value, type=matches(".*"), entries=a_list)
    for entry in value["entries"]:
        fields(name, entry, optional=("place", "layer"), sha256=SHA256, blake3=matches("blake3:[0-9a-f]{64}"),
               size=at_most(LIMITS["blob"]), media_type=matches(r"[A-Za-z0-9!#$&\-^_.+/;=]{1,255}"),
               place=lambda place: place in PLACES, layer=a_dict)
        if "layer" in entry:
            fields(name, entry["layer"], diff_id=SHA256, unpacked_bytes=ANY_INTEGER, inodes=ANY_INTEGER)
            require("place" not in entry, "LF1012", "a placed file cannot be a layer")
    places = [entry.get("place") for entry in value["entries"]]
    require(places == PLACES + [None] * (len(places) - 3), "LF1012", f"the places of {name} are not in order")
    digests = [entry["sha256"] for entry in value["entries"][3:]]
    require(len(set(digests)) == len(digests), "LF1012", f"a blob occurs twice in {name}")
    return value["entries"]


def chunk_lists(entries, data):
    """Every entry's chaining values, checked against its root."""
    counts = [-(-entry["size"] // MIB) if entry["size"] > MIB else 0 for entry in entries]
    require(len(data) == 32 * sum(counts), "LF1009", "chunks.b3 does not have the values of blobs.json")
    lists, offset = [], 0
    for entry, count in zip(entries, counts):
        values = [data[offset + 32 * i:offset + 32 * i + 32] for i in range(count)]
        offset += 32 * count
        right = not values or "blake3:" + merge(values, entry["size"]).hex() == entry["blake3"]
        require(right, "LF1009", f"chunks.b3 does not belong to {entry['sha256']}")
        lists.append(values)
    return lists


def read_head(source, trust):
    """landfall.json, the entries of blobs.json and their chaining values, once trusted."""
    trust = read_trust(trust)
    magic = b"landfall.json\0"
    first = source.read_some(512)
    require(first and magic.startswith(first[:len(magic)]), "LF1002", "this is not a Landfall bundle")
    require(len(first) == 512, "LF1001", "the bundle ends inside the first header")
    digits = first[124:135]
    size = int(digits, 8) if re.fullmatch(rb"[0-7]{11}", digits) else -1
    require(size >= 0 and header("landfall.json", size) == first, "LF1006", "the header of landfall.json is damaged")
    require(size <= LIMITS["landfall.json"], "LF1014", "landfall.json is too large")
    message = source.file(size, "landfall.json")
    area = Area(source)
    root, revocation = area.trust(trust, message)
    check_announcement(message, "sha256:" + hashlib.sha256(message).hexdigest(), revocation)
    if area.problem:
        raise area.problem
    landfall = read_landfall(message)
    name, _ = small_header(area.after)
    require(name in (None, "blobs.json"), "LF1016", f"{name} is where the format expects blobs.json")
    blobs_data = source.known_file("blobs.json", landfall["blobs"], area.after)
    entries = read_blobs(blobs_data)
    lists = chunk_lists(entries, source.known_file("chunks.b3", landfall["chunks"]))
    documents = {document["name"]: source.known_file(document["name"], document) for document in landfall["documents"]}
    sizes = [landfall["blobs"]["size"], landfall["chunks"]["size"]] + [len(data) for data in documents.values()]
    before, after = (sum(512 + size + -size % 512 for size in sizes)
                     for sizes in (sizes, [entry["size"] for entry in entries]))
    require(before + after + 1024 == landfall["payload_bytes"], "LF1017", "blobs.json does not add up to the length")
    program = {"offset": before + 512, "sha256": entries[0]["sha256"], "size": entries[0]["size"]}
    require(landfall["program"] == program, "LF1012", "the program is not the first blob")
    return message, landfall, entries, lists, documents, root


def check_chunk(entry, values, index, data):
    if not values:
        right = "blake3:" + subtree(data, 0, True).hex() == entry["blake3"]
    else:
        right = subtree(data, index * 1024) == values[index]
    require(right, "LF1008", f"{entry['sha256']} is damaged in MiB {index}")


def read_payload(source, entries, lists, sha256_only, is_delta):
    found = None
    for entry, values in zip(entries, lists):
        digits = entry["sha256"].partition(":")[2]
        name = entry.get("place") or f"blobs/sha256/{digits}"
        mode = 0o755 if name == "landfall" else 0o644
        found = found or source.read(512, f"the header of {name}")
        right = found == header(name, entry["size"], mode)
        if is_delta and not right:
            # Left out, or damaged: then no later entry has this header either, and the end is not zero.
            print(f"{entry['sha256']}  {entry['size']:>14}  {name}, left out")
            continue
        require(right, "LF1006", f"the header of {name} is damaged")
        found = None
        digest = hashlib.sha256()
        for index, offset in enumerate(range(0, max(entry["size"], 1), MIB)):
            data = source.read(min(MIB, entry["size"] - offset), name)
            digest.update(data)
            if not sha256_only:
                check_chunk(entry, values, index, data)
        require(digest.hexdigest() == digits, "LF1008", f"{name} does not have its SHA-256")
        zeros = not any(source.read(-entry["size"] % 512, name))
        require(zeros, "LF1015", f"the padding after {name} is not zero")
        print(f"{entry['sha256']}  {entry['size']:>14}  {name}")
    end = (found or b"") + source.read(512 if found else 1024, "the end of the archive")
    require(not any(end), "LF1015", "the end blocks are not zero")


def read_bundle(paths, trust, sha256_only=False):
    """Verifies a bundle in one or more files, or a delta or a head if the name says so; returns the SHA-256 of landfall.json."""
    source = Source(open(path, "rb") for path in paths)
    message, landfall, entries, lists, documents, root = read_head(source, trust)
    mark = ", a development root" if root.development else ""
    print(f"{landfall['name']} {landfall['version']}, built {landfall['built_at']}, trusted by root {root.number}{mark}")
    for name, data in documents.items():
        print(f"sha256:{hashlib.sha256(data).hexdigest()}  {len(data):>14}  {name}")
    if not str(paths[0]).endswith(".head"):
        read_payload(source, entries, lists, sha256_only, re.search(r"\.delta(\.\d{3})?$", str(paths[0])))
    require(source.at_end(), "LF1005", "there is data after the end")
    return "sha256:" + hashlib.sha256(message).hexdigest()


def read_vectors(folder):
    """Every vector must be accepted with its id or refused with its code; every header must be regenerated."""
    index = json.loads((folder / "index.json").read_text())
    wrong = 0
    for vector in index["vectors"]:
        trust = vector["trust"]
        trust = str(folder / trust) if trust.startswith("vendor/") else trust
        try:
            result = read_bundle([folder / vector["file"]], trust)
        except Refused as refused:
            result = refused.code
        expected = vector.get("id") or vector["code"]
        wrong += result != expected
        print(f"{'ok' if result == expected else 'WRONG'}  {vector['file']}: {result}, expected {expected}")
    for vector in index["headers"]:
        right = header(vector["name"], vector["size"], vector["mode"]) == base64.b64decode(vector["header"])
        wrong += not right
        print(f"{'ok' if right else 'WRONG'}  header of {vector['size']} bytes")
    print(f"{len(index['vectors']) + len(index['headers'])} vectors, {wrong} wrong")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trust", help="a root document, or the fingerprint of root document 1")
    parser.add_argument("--sha256-only", action="store_true", help="check contents by SHA-256 alone")
    parser.add_argument("--vectors", type=pathlib.Path, help="run the test vectors in a folder")
    parser.add_argument("files", nargs="*", type=pathlib.Path)
    arguments = parser.parse_args()
    if arguments.vectors:
        return 1 if read_vectors(arguments.vectors) else 0
    if not arguments.files:
        parser.error("name a bundle or a delta, its parts in order, or its head")
    try:
        require(arguments.trust, "LF1101", "no root of trust was given")
        print("accepted", read_bundle(arguments.files, arguments.trust, arguments.sha256_only))
    except Refused as refused:
        print(f"refused: {refused}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
