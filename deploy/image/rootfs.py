# SPDX-License-Identifier: Apache-2.0
"""What is in the image: the program, the shared libraries that it is linked with, the authorities' certificates, a user. Nothing else: no shell,
no package manager, no time zones. Libraries are those of this machine's Debian packages, each checked against what its package says of it."""

import dataclasses
import hashlib
import pathlib
import re
import subprocess

USER = 65532  # "nonroot", as other images without a distribution call it
CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"
OWN = "chard-image"  # whose the few files are that belong to no package
FIELDS = ("Package", "Status", "Section", "Maintainer", "Architecture", "Source", "Version", "Description")


class Wrong(Exception):
    """Why there can be no image."""


@dataclasses.dataclass
class Entry:
    path: str  # without a leading slash
    package: str
    kind: str = "file"  # or "folder", "link"
    mode: int = 0o644
    data: bytes = b""
    target: str = ""  # of a link
    owner: int = 0


def output(*command):
    done = subprocess.run(command, capture_output=True, text=True, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"})
    if done.returncode != 0:
        raise Wrong(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


# --- Debian's packages ----------------------------------------------------------------------------------


@dataclasses.dataclass
class Package:
    name: str
    version: str
    architecture: str
    source: str
    source_version: str
    maintainer: str
    status: str  # its paragraph, as scanners of images read it


def package(text):
    """Of what `dpkg-query -s` says of it."""
    fields = dict(re.findall(r"^(\S+): (.*)$", text, re.M))
    source, _, source_version = fields.get("Source", fields["Package"]).partition(" ")
    kept = "".join(f"{field}: {fields[field]}\n" for field in FIELDS if field in fields)
    return Package(fields["Package"], fields["Version"], fields["Architecture"], source, source_version.strip("()") or fields["Version"],
                   fields["Maintainer"], kept)


def described(names):
    return sorted((package(text) for text in output("dpkg-query", "-s", *sorted(names)).split("\n\n") if text.strip()), key=lambda found: found.name)


def spellings(path):
    """How dpkg may call a file that lies below /usr, or lay there before the folders were merged."""
    text = str(path)
    return [text, text.removeprefix("/usr")] if text.startswith("/usr/lib") else [text, f"/usr{text}"]


def owners_of(paths):
    """{file: its package}"""
    done = subprocess.run(["dpkg-query", "-S", *sorted({text for path in paths for text in spellings(path)})], capture_output=True, text=True)
    of = {file: names.partition(",")[0] for names, file in (line.rsplit(": ", 1) for line in done.stdout.splitlines())}
    found = {path: next((of[text] for text in spellings(path) if text in of), None) for path in paths}
    if strays := [str(path) for path in paths if not found[path]]:
        raise Wrong(f"{', '.join(strays)}: in no Debian package; the image holds only files of which the package is known")
    return found


def sums_of(name):
    """{file: md5} as the package was made."""
    info = next((path for path in (pathlib.Path(f"/var/lib/dpkg/info/{name}.md5sums"), *pathlib.Path("/var/lib/dpkg/info").glob(f"{name.partition(':')[0]}:*.md5sums"))
                 if path.exists()), None)
    if not info:
        raise Wrong(f"nothing says what the package {name} consists of")
    return {f"/{file}": md5 for md5, file in (line.split(None, 1) for line in info.read_text().splitlines())}


def genuine(path, name):
    """The file's bytes, if they are those that its package came with."""
    data = path.read_bytes()
    sums = sums_of(name)
    wanted = next((sums[text] for text in spellings(path) if text in sums), None)
    if wanted != hashlib.md5(data, usedforsecurity=False).hexdigest():
        raise Wrong(f"{path} is not as the package {name} came")
    return data


# --- what goes in -----------------------------------------------------------------------------------------


def libraries(program):
    """(name by which it is looked for, file) of each shared library, the loader among them."""
    for line in output("ldd", program).splitlines():
        found = re.search(r"(\S+) => (/\S+)", line) or re.match(r"\s*()(/\S+)", line)
        if found:
            yield pathlib.Path(found[2]), pathlib.Path(found[2]).resolve()
        elif "linux-vdso" not in line:
            raise Wrong(f"{program}: {line.strip()}")


def merged(path):
    """Where a file lies in the image, in which /lib and /lib64 are links into /usr."""
    text = str(path)
    return text.lstrip("/") if text.startswith("/usr/") else f"usr{text}"


def library_entries(program, packages):
    found = list(libraries(program))
    owners = owners_of([file for _, file in found])
    packages.update(owners.values())
    for called, file in found:
        name = owners[file]
        real, link = merged(file), merged(called)
        yield Entry(real, name, mode=0o755, data=genuine(file, name))
        if link != real:
            target = file.name if pathlib.Path(link).parent == pathlib.Path(real).parent else f"/{real}"
            yield Entry(link, name, "link", target=target)


def certificate_entries(packages):
    """The bundle is made of the package's own files: what this machine trusts besides is its own affair."""
    name = "ca-certificates"
    packages.add(name)
    files = sorted(pathlib.Path(path) for path in output("dpkg-query", "-L", name).split() if path.endswith(".crt"))
    if not files:
        raise Wrong("ca-certificates has no certificates")
    yield Entry(CERTIFICATES, name, data=b"".join(genuine(file, name).rstrip() + b"\n" for file in files))
    yield Entry("usr/lib/ssl/certs", name, "link", target="/etc/ssl/certs")
    yield Entry("usr/lib/ssl/cert.pem", name, "link", target=f"/{CERTIFICATES}")


def release_entries(packages):
    packages.add("base-files")
    yield Entry("usr/lib/os-release", "base-files", data=genuine(pathlib.Path("/usr/lib/os-release"), "base-files"))
    yield Entry("etc/os-release", "base-files", "link", target="../usr/lib/os-release")


def own_entries():
    yield Entry("etc/passwd", OWN, data=f"root:x:0:0::/:/nonexistent\nchard:x:{USER}:{USER}::/var/lib/chard:/nonexistent\n".encode())
    yield Entry("etc/group", OWN, data=f"root:x:0:\nchard:x:{USER}:\n".encode())
    yield Entry("etc/nsswitch.conf", OWN, data=b"passwd: files\ngroup: files\nhosts: files dns\n")
    for link in ("lib", "lib64", "bin"):
        yield Entry(link, OWN, "link", target=f"usr/{link}")
    yield Entry("tmp", OWN, "folder", mode=0o1777)
    for folder in ("run/chard", "var/lib/chard"):
        yield Entry(folder, OWN, "folder", mode=0o750, owner=USER)


def document_entries(packages):
    """Each package's licence, and its paragraph for scanners of images."""
    for found in packages:
        file = pathlib.Path(f"/usr/share/doc/{found.name}/copyright")
        yield Entry(f"usr/share/doc/{found.name}/copyright", found.name, data=file.resolve().read_bytes())
        yield Entry(f"var/lib/dpkg/status.d/{found.name}", OWN, data=found.status.encode())


def folders(entries):
    """The folders that the entries lie in."""
    have = {entry.path for entry in entries}
    inside = {str(parent) for entry in entries for parent in pathlib.PurePath(entry.path).parents} - {"."}
    return [Entry(path, OWN, "folder", mode=0o755) for path in inside - have]


def unique(entries):
    found = {}
    for entry in entries:
        found.setdefault(entry.path, entry)
    return list(found.values())


def complete(entries):
    whole = unique(entries)
    return sorted(whole + folders(whole), key=lambda entry: entry.path)


def base(program):
    """All but the program itself, and the packages that it is from. Changes only when they do."""
    names = set()
    entries = [*library_entries(program, names), *certificate_entries(names), *release_entries(names), *own_entries()]
    packages = described(names)
    plain = {name: name.partition(":")[0] for name in names}
    for entry in entries:
        entry.package = plain.get(entry.package, entry.package)
    return complete(entries + list(document_entries(packages))), packages


def own(program, licence):
    """The program, stripped, and its licence."""
    return complete([Entry("usr/bin/chard", "chard", mode=0o755, data=program),
                     Entry("usr/share/doc/chard/copyright", "chard", data=licence)])
