# SPDX-License-Identifier: Apache-2.0
"""A certificate authority and a server certificate for localhost, made with openssl for one test run."""

import dataclasses
import pathlib
import subprocess


@dataclasses.dataclass
class Certificates:
    authority: pathlib.Path  # PEM, what a client trusts
    certificate: pathlib.Path
    key: pathlib.Path


def _openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


def make_certificates(folder, names=("localhost",), addresses=("127.0.0.1",), days=2):
    """Writes them into `folder`. Elliptic keys, because they are made in milliseconds."""
    folder = pathlib.Path(folder)
    made = Certificates(folder / "ca.pem", folder / "server.pem", folder / "server.key")
    ca_key, request, extensions = folder / "ca.key", folder / "server.csr", folder / "server.ext"
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    _openssl("req", "-x509", *curve, "-keyout", ca_key, "-out", made.authority, "-days", days,
             "-subj", "/CN=chard test authority", "-addext", "basicConstraints=critical,CA:TRUE",
             "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    _openssl("req", *curve, "-keyout", made.key, "-out", request, "-subj", f"/CN={names[0]}")
    subjects = [f"DNS:{name}" for name in names] + [f"IP:{address}" for address in addresses]
    extensions.write_text(f"subjectAltName={','.join(subjects)}\nextendedKeyUsage=serverAuth,clientAuth\n")
    _openssl("x509", "-req", "-in", request, "-CA", made.authority, "-CAkey", ca_key, "-CAcreateserial",
             "-out", made.certificate, "-days", days, "-extfile", extensions)
    return made
