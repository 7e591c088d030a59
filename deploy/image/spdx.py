# SPDX-License-Identifier: Apache-2.0
"""What the image consists of, as SPDX 2.3 in JSON: the packages whose files are in it, no others, and every file with its sums."""

import datetime
import hashlib
import json
import re
import uuid

from rootfs import OWN


def reference(*words):
    return "SPDXRef-" + "-".join(re.sub(r"[^A-Za-z0-9.]+", "-", word).strip("-") for word in words)


def sums(data):
    return [{"algorithm": "SHA1", "checksumValue": hashlib.sha1(data, usedforsecurity=False).hexdigest()},
            {"algorithm": "SHA256", "checksumValue": hashlib.sha256(data).hexdigest()}]


def file_record(entry):
    return {"SPDXID": reference("File", entry.path), "fileName": f"./{entry.path}", "checksums": sums(entry.data),
            "licenseConcluded": "NOASSERTION", "licenseInfoInFiles": ["NOASSERTION"], "copyrightText": "NOASSERTION"}


def verification_code(entries):
    """Section 7.9 of the specification."""
    return hashlib.sha1("".join(sorted(hashlib.sha1(entry.data, usedforsecurity=False).hexdigest() for entry in entries)).encode(), usedforsecurity=False).hexdigest()


def package_record(name, version, files, licence="NOASSERTION", **more):
    return {"SPDXID": reference("Package", name), "name": name, "versionInfo": version, "downloadLocation": "NOASSERTION", "filesAnalyzed": True,
            "packageVerificationCode": {"packageVerificationCodeValue": verification_code(files)},
            "licenseConcluded": licence, "licenseDeclared": licence, "licenseInfoFromFiles": ["NOASSERTION"], "copyrightText": "NOASSERTION"} | more


def debian_record(package, distribution, files):
    name, mail = re.match(r"(.*?)\s*(?:<(.*)>)?$", package.maintainer).groups()
    url = f"pkg:deb/debian/{package.name}@{package.version.replace('+', '%2B').replace(':', '%3A')}?arch={package.architecture}&distro={distribution}"
    return package_record(package.name, package.version, files,
                          supplier=f"Person: {name} ({mail})" if mail else f"Person: {name}",
                          sourceInfo=f"built from the source package {package.source} {package.source_version}",
                          externalRefs=[{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": url}])


def document(version, entries, packages, distribution, epoch):
    """The whole, as bytes. `entries` are those of all layers."""
    files = [entry for entry in entries if entry.kind == "file"]
    of = {}
    for entry in files:
        of.setdefault(entry.package, []).append(entry)
    records = [package_record(OWN, version, of[OWN], "Apache-2.0", primaryPackagePurpose="CONTAINER"),
               package_record("chard", version, of["chard"], "Apache-2.0", primaryPackagePurpose="APPLICATION")]
    records += [debian_record(package, distribution, of[package.name]) for package in packages]
    related = [("SPDXRef-DOCUMENT", "DESCRIBES", reference("Package", OWN))]
    related += [(reference("Package", OWN), "CONTAINS", record["SPDXID"]) for record in records[1:]]
    related += [(reference("Package", entry.package), "CONTAINS", reference("File", entry.path)) for entry in files]
    content = hashlib.sha256("".join(record["packageVerificationCode"]["packageVerificationCodeValue"] for record in records).encode()).hexdigest()
    value = {
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": f"chard-{version}",
        "documentNamespace": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, content)}",
        "creationInfo": {"created": datetime.datetime.fromtimestamp(epoch, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
                         "creators": ["Tool: chard-deploy-image"]},
        "documentDescribes": [reference("Package", OWN)], "packages": records, "files": [file_record(entry) for entry in files],
        "relationships": [{"spdxElementId": a, "relationshipType": kind, "relatedSpdxElement": b} for a, kind, b in related]}
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()
