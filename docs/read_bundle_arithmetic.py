"""The arithmetic of read_bundle.py, of which docs/FORMAT.md says only what it is called: BLAKE3 (as much of it as chunks
need), and verification of ECDSA signatures on P-256 with SHA-256 and of Ed25519 ones. Python's standard library has none
of it. Everything here is public, so nothing needs to be constant in time.
"""

import hashlib

MIB = 1 << 20


# BLAKE3, as much of it as the format needs.

IV = (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19)
PERMUTATION = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
MIXED = ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
         (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14))
MASK = 0xFFFFFFFF


def compress(value, block, counter, flags):
    words = [int.from_bytes(block[i:i + 4].ljust(4, b"\0"), "little") for i in range(0, 64, 4)]
    state = [*value, *IV[:4], counter & MASK, counter >> 32, len(block), flags]
    for _ in range(7):
        for index, (a, b, c, d) in enumerate(MIXED):
            for rotate_d, rotate_b, word in ((16, 12, words[2 * index]), (8, 7, words[2 * index + 1])):
                state[a] = (state[a] + state[b] + word) & MASK
                x = state[d] ^ state[a]
                state[d] = (x >> rotate_d | x << 32 - rotate_d) & MASK
                state[c] = (state[c] + state[d]) & MASK
                x = state[b] ^ state[c]
                state[b] = (x >> rotate_b | x << 32 - rotate_b) & MASK
        words = [words[i] for i in PERMUTATION]
    return [state[i] ^ state[i + 8] for i in range(8)]


def to_bytes(words):
    return b"".join(word.to_bytes(4, "little") for word in words)


def parent(left, right, root):
    return to_bytes(compress(IV, left + right, 0, 4 | (8 if root else 0)))


def left_length(length, unit):
    """The largest power of two times `unit` below the length."""
    left = unit
    while left * 2 < length:
        left *= 2
    return left


def subtree(data, counter=0, root=False):
    """The chaining value of at most a MiB that begins at this chunk of BLAKE3's, or the root of all there is."""
    if len(data) > 1024:
        left = left_length(len(data), 1024)
        return parent(subtree(data[:left], counter), subtree(data[left:], counter + left // 1024), root)
    value, blocks = IV, [data[i:i + 64] for i in range(0, len(data), 64)] or [b""]
    for index, block in enumerate(blocks):
        last = index == len(blocks) - 1
        flags = (1 if index == 0 else 0) | (2 if last else 0) | (8 if last and root else 0)
        value = compress(value, block, counter, flags)
    return to_bytes(value)


def merge(values, size, root=True):
    """The root of a blob of this size from the chaining values of its MiBs."""
    if len(values) == 1:
        return values[0]
    left = left_length(size, MIB)
    middle = left // MIB
    return parent(merge(values[:middle], left, False), merge(values[middle:], size - left, False), root)


# Signatures.

P = 2**256 - 2**224 + 2**192 + 2**96 - 1
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
G = (0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
     0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5)
P256_PREFIX = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")
ED25519_PREFIX = bytes.fromhex("302a300506032b6570032100")


def p256_add(a, b):
    if a is None or b is None:
        return a or b
    if a[0] == b[0] and (a[1] + b[1]) % P == 0:
        return None
    slope = ((3 * a[0] * a[0] - 3) * pow(2 * a[1], -1, P) if a == b else (b[1] - a[1]) * pow(b[0] - a[0], -1, P)) % P
    x = (slope * slope - a[0] - b[0]) % P
    return x, (slope * (a[0] - x) - a[1]) % P


def multiply(add, scalar, point, result):
    while scalar:
        if scalar & 1:
            result = add(result, point)
        point, scalar = add(point, point), scalar >> 1
    return result


def der_integers(data):
    """Two positive integers in DER; None for anything else."""
    numbers, rest = [], data[2:]
    if len(data) < 8 or data[0] != 0x30 or data[1] != len(rest):
        return None
    while rest:
        if len(rest) < 3 or rest[0] != 2 or not 1 <= rest[1] <= len(rest) - 2:
            return None
        body, rest = rest[2:2 + rest[1]], rest[2 + rest[1]:]
        if body[0] & 0x80 or (len(body) > 1 and body[0] == 0 and not body[1] & 0x80):
            return None
        numbers.append(int.from_bytes(body, "big"))
    return numbers if len(numbers) == 2 else None


def p256_verifies(der, message, signature):
    key = int.from_bytes(der[27:59], "big"), int.from_bytes(der[59:], "big")
    if max(key) >= P or (key[1] ** 2 - key[0] ** 3 + 3 * key[0] - B) % P:
        return False
    numbers = der_integers(signature)
    if numbers is None or not all(0 < number < N for number in numbers):
        return False
    inverse = pow(numbers[1], -1, N)
    digest = int.from_bytes(hashlib.sha256(message).digest(), "big")
    one = multiply(p256_add, digest * inverse % N, G, None)
    two = multiply(p256_add, numbers[0] * inverse % N, key, None)
    point = p256_add(one, two)
    return point is not None and point[0] % N == numbers[0]


Q = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, Q) % Q


def ed_add(a, b):
    one, two = (a[1] - a[0]) * (b[1] - b[0]) % Q, (a[1] + a[0]) * (b[1] + b[0]) % Q
    three, four = 2 * a[3] * b[3] * D % Q, 2 * a[2] * b[2] % Q
    e, f, g, h = two - one, four - three, four + three, two + one
    return e * f % Q, g * h % Q, f * g % Q, e * h % Q


def ed_point(data):
    number = int.from_bytes(data, "little")
    y, sign = number & ((1 << 255) - 1), number >> 255
    square = (y * y - 1) * pow(D * y * y + 1, -1, Q) % Q
    x = pow(square, (Q + 3) // 8, Q)
    if (x * x - square) % Q:
        x = x * pow(2, (Q - 1) // 4, Q) % Q
    if y >= Q or (x * x - square) % Q or (x == 0 and sign):
        return None
    x = Q - x if x & 1 != sign else x
    return x, y, 1, x * y % Q


ED_BASE = ed_point((4 * pow(5, -1, Q) % Q).to_bytes(32, "little"))


def ed25519_verifies(der, message, signature):
    if len(signature) != 64:
        return False
    key, commitment = ed_point(der[12:]), ed_point(signature[:32])
    scalar = int.from_bytes(signature[32:], "little")
    if key is None or commitment is None or scalar >= L:
        return False
    challenge = int.from_bytes(hashlib.sha512(signature[:32] + der[12:] + message).digest(), "little") % L
    zero = (0, 1, 1, 0)
    left = multiply(ed_add, scalar, ED_BASE, zero)
    right = ed_add(commitment, multiply(ed_add, challenge, key, zero))
    return all((left[i] * right[2] - right[i] * left[2]) % Q == 0 for i in (0, 1))


def is_key(der):
    """Whether this is a public key of a known kind in its canonical encoding."""
    return (der.startswith(P256_PREFIX) and len(der) == 91) or (der.startswith(ED25519_PREFIX) and len(der) == 44)


def verifies(der, message, signature):
    """Whether the signature is this key's of this message; the key must be one for `is_key`."""
    return (p256_verifies if der.startswith(P256_PREFIX) else ed25519_verifies)(der, message, signature)
