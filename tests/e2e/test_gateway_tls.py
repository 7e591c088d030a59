# SPDX-License-Identifier: Apache-2.0
"""The gateway with TLS: requests, a stream, and what it refuses."""

import http.client
import pathlib
import shutil
import ssl

import pytest
from servers import make_certificates
from support.gateway import Gateway

CHAT = {"user_id": "u1", "lang": "en", "text": "Where does a milk carton go?"}


def test_it_speaks_tls_alone(chard, database, tmp_path):
    chard.prepare()
    for name in "one", "other":
        (tmp_path / name).mkdir()
    pems, others = (make_certificates(tmp_path / name) for name in ("one", "other"))
    trusting = ssl.create_default_context(cafile=pems.authority)
    with Gateway(chard, "--tls-cert", pems.certificate, "--tls-key", pems.key, tls=trusting) as gateway:
        id = gateway.post("/v1/chat", CHAT).json["id"]
        stream = gateway.connect()
        stream.request("GET", f"/v1/jobs/{id}/events")
        reply = stream.getresponse()
        assert reply.status == 200 and reply.readline().startswith(b"retry")
        with chard.worker():
            assert gateway.get(f"/v1/jobs/{id}?wait=30").json["state"] == "SUCCESS"
        assert b"event: end" in reply.read()
        stream.close()
        large = gateway.post("/v1/jobs:batch", b'{"pipeline": "chat"}\n' * 9000, headers={"Content-Type": "application/jsonl"})
        assert large.status == 200 and large.body.count(b"\n") == 9000
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            plain = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=60)
            plain.request("GET", "/healthz")
            plain.getresponse()
        gateway.tls = ssl.create_default_context(cafile=others.authority)
        with pytest.raises(ssl.SSLCertVerificationError):
            gateway.get("/healthz")
        gateway.tls = trusting
    for flags in (["--tls-cert", pems.certificate], ["--tls-key", pems.key], ["--tls-cert", pems.certificate, "--tls-key", others.key],
                  ["--tls-cert", tmp_path / "none", "--tls-key", pems.key], ["--tls-cert", pems.key, "--tls-key", pems.key]):
        refused = chard.run("gateway", "--listen", "127.0.0.1:0", *flags)
        assert refused.returncode == 2 and "TLS" in refused.stderr, flags


def test_a_renewed_certificate_counts_from_the_next_connection_on(chard, tmp_path, wait_until):
    """Without a restart: what is open goes on, and files that do not fit together change nothing."""
    chard.prepare()
    for name in "first", "second", "served":
        (tmp_path / name).mkdir()
    first, second = (make_certificates(tmp_path / name) for name in ("first", "second"))
    certificate, key = (pathlib.Path(shutil.copy(source, tmp_path / "served")) for source in (first.certificate, first.key))
    by = {name: ssl.create_default_context(cafile=pems.authority) for name, pems in (("first", first), ("second", second))}

    def trusted(gateway):
        for name, context in by.items():
            gateway.tls = context
            try:
                assert gateway.get("/healthz").status == 200
                return name
            except ssl.SSLCertVerificationError:
                pass
        return None

    with Gateway(chard, "--tls-cert", certificate, "--tls-key", key, tls=by["first"]) as gateway:
        kept = gateway.connect()
        kept.request("GET", "/healthz")
        assert kept.getresponse().read()
        shutil.copy(second.certificate, certificate)
        gateway.process.wait_log("the former one stays")
        assert trusted(gateway) == "first"
        shutil.copy(second.key, key)
        gateway.process.wait_log("get the certificate that")
        assert trusted(gateway) == "second"
        kept.request("GET", "/healthz")
        assert kept.getresponse().status == 200
        kept.close()
