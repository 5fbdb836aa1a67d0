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

from read_bundle_arithmetic import MIB, is_key, merge, subtree, verifies

LIMITS = {"landfall.json": 64 << 10, "area file": 64 << 10, "area": 16, "blobs.json": 8 << 20, "chunks.b3": 64 << 20,
          "document": 16 << 20, "documents": 32 << 20, "blob": 1 << 45, "depth": 32, "integer": (1 << 53) - 1}
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

def parse(name, data):
    def pairs(items):
        names = [key for key, _ in items]
        twice = [key for key in names if names.count(key) > 1]
        require(not twice, "LF1010", f"{twice} stands twice in {name}")
        return dict(items)

    def refuse(text):
        raise Refused("LF1012", f"{name} holds the number {text}")

    def integer(text):
        value = int(text)
        return value if abs(value) <= LIMITS["integer"] and text != "-0" else refuse(text)

    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=pairs, parse_float=refuse, parse_int=integer,
                           parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise Refused("LF1012", f"{name} is not JSON: {error}") from None

    def depth(value):
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
        return 0 if inner is None else 1 + max((depth(item) for item in inner), default=0)

    require(depth(value) <= LIMITS["depth"], "LF1012", f"{name} is nested too deeply")
    return value


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

    def small_header(self, expected):
        """Name and size of a file of the head that is not known yet."""
        found = self.read(512, expected)
        try:
            name, size = found[:100].split(b"\0")[0].decode(), int(found[124:135].decode("ascii"), 8)
        except ValueError:
            raise Refused("LF1006", f"the header of {expected} is damaged") from None
        require(header(name, size) == found, "LF1006", f"the header of {expected} is damaged")
        return name, size

    def known_file(self, name, digest, found=None):
        found = found if found is not None else self.read(512, name)
        require(found == header(name, digest["size"]), "LF1006", f"the header of {name} is damaged")
        data = self.file(digest["size"], name)
        right = "sha256:" + hashlib.sha256(data).hexdigest() == digest["sha256"]
        require(right, "LF1007", f"{name} does not have its digest")
        return data


def decode(text):
    """Base64 in its one encoding; None for anything else."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError, TypeError):
        return None
    return data if base64.b64encode(data).decode() == text else None


# Trust: root documents, and the walk from the first trust to the root that counts.

class Root:
    """A root document whose structure was checked."""

    def __init__(self, name, data):
        require(len(data) <= LIMITS["area file"], "LF1014", f"{name} is too large")
        value = parse(name, data)
        check_type(name, value.get("signed") if isinstance(value, dict) else None, "landfall.dev/root/1")
        check_canonical(name, value, data)
        fields(name, value, signatures=a_dict, signed=a_dict)
        self.name, self.data, signed = name, data, value["signed"]
        fields(name, signed, type=matches(".*"), number=ANY_INTEGER, development=lambda value: type(value) is bool,
               keys=a_dict, roles=a_dict)
        key_id = matches("[0-9a-f]{64}")
        fields(name, signed["roles"], license=a_dict, release=a_dict, revocation=a_dict, root=a_dict)
        for role in signed["roles"].values():
            fields(name, role, keys=lambda keys: a_list(keys) and all(map(key_id, keys)), threshold=ANY_INTEGER)
        for names in (signed["keys"], value["signatures"]):
            valid = all(key_id(key) and isinstance(text, str) for key, text in names.items())
            require(valid, "LF1012", f"{name} has keys or signatures that are not valid")
        self.number, self.development, self.roles = signed["number"], signed["development"], signed["roles"]
        require(self.number > 0, "LF1110", f"the number of {name} is 0")
        for role in self.roles.values():
            require(role["keys"] == sorted(set(role["keys"])), "LF1110", f"keys of {name} are not sorted")
            require(0 < role["threshold"] <= len(role["keys"]), "LF1110", f"a threshold of {name} cannot be met")
        used = {key for role in self.roles.values() for key in role["keys"]}
        require(used == set(signed["keys"]), "LF1110", f"the keys of {name} are not those of its roles")
        self.keys = {key: decode(text) or b"" for key, text in sorted(signed["keys"].items())}
        for key, der in self.keys.items():
            require(is_key(der), "LF1112", f"key {key} of {name} is not a P-256 or Ed25519 key in its one encoding")
            require(hashlib.sha256(der).hexdigest() == key, "LF1110", f"key {key} of {name} is another key")
        self.signatures = {key: decode(text) for key, text in sorted(value["signatures"].items())}
        require(None not in self.signatures.values(), "LF1110", f"a signature of {name} is not base64")
        self.message = canonical(signed)

    def verify(self, role, name, message, signatures):
        require(signatures, "LF1104", f"{name} has no signature")
        keys = self.roles[role]["keys"]
        for key, signature in signatures.items():
            require(key in keys, "LF1105", f"{name} is signed by {key}, which has no role {role}")
            require(verifies(self.keys[key], message, signature), "LF1106", f"the signature of {name} does not match")
        require(len(signatures) >= self.roles[role]["threshold"], "LF1107", f"too few keys have signed {name}")

    def count_signers(self, other):
        known = [key for key in other.signatures if key in self.roles["root"]["keys"]]
        for key in known:
            valid = verifies(self.keys[key], other.message, other.signatures[key])
            require(valid, "LF1106", f"the signature of {other.name} by {key} does not match")
        return len(known)

    def verify_next(self, other):
        require(other.number == self.number + 1, "LF1108", f"{other.name} does not follow number {self.number}")
        require(other.development == self.development, "LF1108", f"{other.name} changes the development mark")
        known = set(self.roles["root"]["keys"]) | set(other.roles["root"]["keys"])
        require(set(other.signatures) <= known, "LF1108", f"{other.name} is signed by a key that is no root key")
        for signer in (self, other):
            enough = signer.count_signers(other) >= signer.roles["root"]["threshold"]
            require(enough, "LF1108", f"too few root keys of number {signer.number} have signed {other.name}")


def walk(trust, chain):
    """The root that counts. `trust` is a Root or a fingerprint."""
    if isinstance(trust, Root):
        enough = trust.count_signers(trust) >= trust.roles["root"]["threshold"]
        require(enough, "LF1107", "too few keys have signed the trusted root document")
        pinned = trust
    else:
        found = chain and chain[0].number == 1 and "sha256:" + hashlib.sha256(chain[0].data).hexdigest() == trust
        require(found, "LF1103", "trust/1.root.json does not have the trusted fingerprint")
        pinned = chain[0]
    if chain:
        require(chain[0].number == 1, "LF1108", "the chain of root documents does not begin with number 1")
        chain[0].verify("root", chain[0].name, chain[0].message, chain[0].signatures)
        for one, following in zip(chain, chain[1:]):
            one.verify_next(following)
    for root in chain:
        same = root.number != pinned.number or root.message == pinned.message
        require(same, "LF1109", f"{root.name} differs from the trusted document of the same number")
    return chain[-1] if chain and chain[-1].number > pinned.number else pinned


def read_trust(text):
    if not text.startswith("sha256:") and pathlib.Path(text).is_file():
        return Root("the trusted root document", pathlib.Path(text).read_bytes())
    require(SHA256(text), "LF1102", f"{text} is not a fingerprint")
    return text


# The bundle.

def read_area(source, message):
    """Signatures by key id and the chain of roots; the header of blobs.json is read then."""
    signatures, roots = {}, []
    while True:
        name, size = source.small_header("the signature and trust area")
        if name == "blobs.json":
            return signatures, roots, header(name, size)
        require(len(signatures) + len(roots) < LIMITS["area"], "LF1014", "too many signatures and roots")
        require(size <= LIMITS["area file"], "LF1014", f"{name} is too large")
        data = source.file(size, name)
        if name.startswith("signatures/") and not roots:
            key, signature = read_signature(name, data, message)
            ordered = not signatures or max(signatures) < key
            require(ordered, "LF1016", f"{name} is not in the order of key ids")
            signatures[key] = signature
            continue
        expected = f"trust/{len(roots) + 1}.root.json"
        require(name == expected, "LF1016", f"{name} stands where the format has {expected} or blobs.json")
        roots.append(Root(name, data))
        require(roots[-1].number == len(roots), "LF1016", f"{name} has another number")


def read_signature(name, data, message):
    value = parse(name, data)
    digest = base64.b64encode(hashlib.sha256(message).digest()).decode()
    try:
        hint, text = value["verificationMaterial"]["publicKey"]["hint"], value["messageSignature"]["signature"]
    except (KeyError, TypeError):
        raise Refused("LF1111", f"{name} is not a Sigstore bundle") from None
    key, signature = decode(hint), decode(text)
    require(key is not None and signature is not None, "LF1111", f"{name} is not a Sigstore bundle")
    again = {"mediaType": MEDIA_TYPE, "verificationMaterial": {"publicKey": {"hint": hint}},
             "messageSignature": {"messageDigest": {"algorithm": "SHA2_256", "digest": digest}, "signature": text}}
    right = canonical(again) == data and name == f"signatures/{key.hex()}.sigstore.json"
    require(right, "LF1111", f"{name} is not encoded as the format has it, or signs other bytes")
    return key.hex(), signature


def read_landfall(data):
    name = "landfall.json"
    value = parse(name, data)
    check_type(name, value, "landfall.dev/bundle/1")
    require(type(value.get("format")) is int and value["format"] == 1, "LF1003", f"{name} has another format than 1")
    check_canonical(name, value, data)
    fields(name, value, type=matches(".*"), format=ANY_INTEGER, name=LABEL, version=VERSION, counter=ANY_INTEGER,
           built_at=is_time, payload_bytes=ANY_INTEGER, requires=a_list, blobs=a_dict, chunks=a_dict, documents=a_list)
    for requirement in value["requires"]:
        fields(name, requirement, feature=LABEL, landfall=VERSION)
    fields(name, value["blobs"], sha256=SHA256, size=at_most(LIMITS["blobs.json"]))
    fields(name, value["chunks"], sha256=SHA256, size=at_most(LIMITS["chunks.b3"]))
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
    require(len(set(digests)) == len(digests), "LF1012", f"a blob stands twice in {name}")
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
    magic = b"landfall.json\0"
    first = source.read_some(512)
    require(first and magic.startswith(first[:len(magic)]), "LF1002", "this is not a Landfall bundle")
    require(len(first) == 512, "LF1001", "the bundle ends inside the first header")
    digits = first[124:135]
    size = int(digits, 8) if re.fullmatch(rb"[0-7]{11}", digits) else -1
    require(size >= 0 and header("landfall.json", size) == first, "LF1006", "the header of landfall.json is damaged")
    require(size <= LIMITS["landfall.json"], "LF1014", "landfall.json is too large")
    message = source.file(size, "landfall.json")
    landfall = read_landfall(message)
    signatures, roots, found = read_area(source, message)
    blobs_data = source.known_file("blobs.json", landfall["blobs"], found)
    entries = read_blobs(blobs_data)
    lists = chunk_lists(entries, source.known_file("chunks.b3", landfall["chunks"]))
    documents = {document["name"]: source.known_file(document["name"], document) for document in landfall["documents"]}
    sizes = [landfall["blobs"]["size"], landfall["chunks"]["size"]]
    sizes += [len(data) for data in documents.values()] + [entry["size"] for entry in entries]
    total = sum(512 + size + -size % 512 for size in sizes) + 1024
    require(total == landfall["payload_bytes"], "LF1017", "blobs.json does not add up to the signed length")

    require(signatures, "LF1104", "landfall.json has no signature")
    root = walk(read_trust(trust), roots)
    root.verify("release", "landfall.json", message, signatures)
    for requirement in landfall["requires"]:
        raise Refused("LF1004", f"Landfall {requirement['landfall']} is needed for {requirement['feature']}")
    return message, landfall, entries, lists, documents, root


def check_chunk(entry, values, index, data):
    if not values:
        right = "blake3:" + subtree(data, 0, True).hex() == entry["blake3"]
    else:
        right = subtree(data, index * 1024) == values[index]
    require(right, "LF1008", f"{entry['sha256']} is damaged in MiB {index}")


def read_payload(source, entries, lists, sha256_only):
    for entry, values in zip(entries, lists):
        digits = entry["sha256"].partition(":")[2]
        name = entry.get("place") or f"blobs/sha256/{digits}"
        mode = 0o755 if name == "landfall" else 0o644
        right = source.read(512, f"the header of {name}") == header(name, entry["size"], mode)
        require(right, "LF1006", f"the header of {name} is damaged")
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
    require(not any(source.read(1024, "the end of the archive")), "LF1015", "the end blocks are not zero")


def read_bundle(paths, trust, sha256_only=False):
    """Verifies a bundle in one or more files, or a head if the name says so; returns the SHA-256 of landfall.json."""
    source = Source(open(path, "rb") for path in paths)
    message, landfall, entries, lists, documents, root = read_head(source, trust)
    mark = ", a development root" if root.development else ""
    print(f"{landfall['name']} {landfall['version']}, built {landfall['built_at']}, trusted by root {root.number}{mark}")
    for name, data in documents.items():
        print(f"sha256:{hashlib.sha256(data).hexdigest()}  {len(data):>14}  {name}")
    if not str(paths[0]).endswith(".head"):
        read_payload(source, entries, lists, sha256_only)
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
        parser.error("name a bundle, its parts in order, or its head")
    try:
        require(arguments.trust, "LF1101", "no root of trust was given")
        print("accepted", read_bundle(arguments.files, arguments.trust, arguments.sha256_only))
    except Refused as refused:
        print(f"refused: {refused}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
