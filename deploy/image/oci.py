# SPDX-License-Identifier: Apache-2.0
"""An image as files: the layout of the OCI image specification, version 1.1. The same entries make the same bytes."""

import gzip
import hashlib
import io
import json
import pathlib
import tarfile

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
EMPTY = "application/vnd.oci.empty.v1+json"
KINDS = {"file": tarfile.REGTYPE, "folder": tarfile.DIRTYPE, "link": tarfile.SYMTYPE}


def digest(data):
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def layer(entries, epoch):
    """A tar of the entries."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for entry in entries:
            info = tarfile.TarInfo(entry.path)
            info.type, info.mode, info.mtime = KINDS[entry.kind], entry.mode if entry.kind != "link" else 0o777, epoch
            info.uid = info.gid = entry.owner
            info.size, info.linkname = len(entry.data), entry.target
            tar.addfile(info, io.BytesIO(entry.data))
    return out.getvalue()


def as_json(value):
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()


class Layout:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        index = self.folder / "index.json"
        self.manifests = json.loads(index.read_text())["manifests"] if index.exists() else []

    def blob(self, data, media, **more):
        """Stores it; its descriptor."""
        name = digest(data)
        path = self.folder / "blobs" / name.replace(":", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return {"mediaType": media, "digest": name, "size": len(data)} | more

    def read(self, descriptor):
        data = (self.folder / "blobs" / descriptor["digest"].replace(":", "/")).read_bytes()
        if digest(data) != descriptor["digest"]:
            raise ValueError(f"{descriptor['digest']} is not what lies there")
        return data

    def layer(self, data):
        """Stores a tar, compressed; its descriptor. What it is uncompressed is named by digest(data)."""
        return self.blob(gzip.compress(data, 9, mtime=0), "application/vnd.oci.image.layer.v1.tar+gzip")

    def manifest(self, value, annotations, **more):
        """Stores a manifest and lists it in the index; its descriptor."""
        value = {"schemaVersion": 2, "mediaType": MANIFEST} | value
        descriptor = self.blob(as_json(value), MANIFEST)
        self.manifests.append(descriptor | more | {"annotations": annotations})
        return descriptor

    def attach(self, subject, media, data, annotations):
        """Stores something that is said of an image, as an artifact that refers to it."""
        empty = self.blob(b"{}", EMPTY)
        content = self.blob(data, media, annotations=annotations)
        return self.manifest({"artifactType": media, "config": empty, "layers": [content], "subject": subject}, annotations, artifactType=media)

    def write(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "oci-layout").write_bytes(as_json({"imageLayoutVersion": "1.0.0"}))
        index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": self.manifests}
        (self.folder / "index.json").write_bytes(as_json(index))


def archive(folder, path, epoch):
    """The layout in one tar, as `docker load` and `skopeo copy oci-archive:` take it."""
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for file in sorted(pathlib.Path(folder).rglob("*")):
            info = tarfile.TarInfo(str(file.relative_to(folder)))
            info.mtime, info.mode = epoch, 0o755 if file.is_dir() else 0o644
            info.type = tarfile.DIRTYPE if file.is_dir() else tarfile.REGTYPE
            data = b"" if file.is_dir() else file.read_bytes()
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
