"""Verifies a log, after FORMAT.md and nothing else. Usage: verify.py DIRECTORY [CHECKPOINT]"""
import base64, hashlib, json, os, re, sys

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def add(a, b):  # RFC 8032 section 5.1.4, extended coordinates
    s, t = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    u, v = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    e, f, g, h = t - s, v - u, v + u, t + s
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(n, point):
    result = (0, 1, 1, 0)
    while n:
        if n & 1:
            result = add(result, point)
        point, n = add(point, point), n >> 1
    return result


def decompress(b):
    y = int.from_bytes(b, "little")
    sign, y = y >> 255, y & (1 << 255) - 1
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    assert y < P and (x * x - x2) % P == 0, "no point of the curve"
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


BASE = decompress((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def signed(key, text, signature):
    r, s = decompress(signature[:32]), int.from_bytes(signature[32:], "little")
    k = int.from_bytes(hashlib.sha512(signature[:32] + key + text).digest(), "little") % L
    a, b = times(s, BASE), add(r, times(k, decompress(key)))
    return s < L and (a[0] * b[2] - b[0] * a[2]) % P == 0 and (a[1] * b[2] - b[1] * a[2]) % P == 0


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def fail(what, n):
    sys.exit(f"broken at record {n}: {what}")


def checkpoint(note, key, n):
    name, hash_, public = key.split("+", 2)
    text, _, signatures = note.rpartition("\n\n")
    lines = (text + "\n").split("\n")
    for line in signatures.splitlines():
        dash, who, b64 = line.split(" ")
        raw = base64.b64decode(b64)
        if dash == "\u2014" and who == name and raw[:4].hex() == hash_ and base64.b64encode(raw).decode() == b64:
            if lines[0] == name and signed(base64.b64decode(public)[1:], (text + "\n").encode(), raw[4:]):
                return int(lines[1]), base64.b64decode(lines[2])
    fail("a checkpoint is not signed by the log's key", n)


class Tree:
    def __init__(self):
        self.n, self.peaks = 0, []  # (height, hash), highest first

    def add(self, line):
        node = (0, sha256(b"\0", line))
        while self.peaks and self.peaks[-1][0] == node[0]:
            node = (node[0] + 1, sha256(b"\1", self.peaks.pop()[1], node[1]))
        self.peaks.append(node)
        self.n += 1

    def root(self):
        if not self.peaks:
            return sha256()
        root = self.peaks[-1][1]
        for _, left in reversed(self.peaks[:-1]):
            root = sha256(b"\1", left, root)
        return root


def personal(line, values, n):
    record = json.loads(line)
    client, request = record.get("client") or {}, record.get("request") or {}
    for name, commitment in (("addr", client.get("addr")), ("user", client.get("user")), ("url", request.get("url"))):
        if name in values:
            salt, value = base64.b64decode(values[name]["s"]), values[name]["v"].encode()
            if commitment is None or len(salt) != 16 or sha256(salt, value) != base64.b64decode(commitment["c"]):
                fail(f"the value of {name} was changed", n)


def main(directory, *kept):
    def read(name):
        path = os.path.join(directory, name)
        return open(path, "rb").read() if os.path.exists(path) else b""

    key, tree, good = read("key.pub").decode().strip(), Tree(), 0
    outside = [checkpoint(note.decode(), key, 0) for note in [read("checkpoint")] + [open(p, "rb").read() for p in kept] if note]
    names = sorted(name for name in os.listdir(directory) if re.fullmatch(r"records-\d{16}\.jsonl", name))
    for name in names:
        if int(name[8:24]) != tree.n:
            fail("records are missing", tree.n)
        lines = (json.loads(line) for line in read("personal" + name[7:]).split(b"\n")[:-1] if line.strip())
        values, begun, batch = {line["n"]: line for line in lines}, False, []
        for line in read(name).split(b"\n")[:-1]:
            if not line.startswith(b'{"checkpoint":'):
                if not begun:
                    fail("a file does not begin with a checkpoint", tree.n)
                batch.append(line)
                continue
            forked = False
            for record in batch:
                tree.add(record)
                forked = forked or any(size == tree.n and root != tree.root() for size, root in outside)
            if (tree.n, tree.root()) != checkpoint(json.loads(line)["checkpoint"], key, good):
                fail("not what was signed", good)
            if forked:
                fail("a fork: a checkpoint covers other records", good)
            for i, record in enumerate(batch):
                personal(record, values.get(good + i, {}), good + i)
            begun, batch, good = True, [], tree.n
        if name != names[-1] and (batch or not begun):
            fail("a file does not end with a checkpoint", good)
    if any(size > good for size, _ in outside):
        fail("the end was cut off", good)
    print(f"{good} records {base64.b64encode(tree.root()).decode()}")


main(*sys.argv[1:])
