# SPDX-License-Identifier: Apache-2.0
"""Tokens of an OpenID Connect issuer, by which browsers come in without a key of chard's."""

import http.client
import time

import pytest
from support.gateway import Gateway
from support.issuer import Issuer
from test_gateway_keys import CHAT, EVERYBODY, add, bearer


@pytest.fixture
def place():
    return "file"  # whom the gateway lets in is the same over any store


@pytest.fixture
def issuer():
    with Issuer() as one:
        yield one


def gateway_of(chard, issuer, **settings):
    chard.prepare()
    return Gateway(chard, listen=EVERYBODY, **{"oidc_issuer": issuer.url, "oidc_audience": "chard-api"} | settings)


def told(gateway, token, method="GET", target="/v1/jobs"):
    done = gateway.ask(method, target, CHAT if method == "POST" else None, **bearer(token))
    return done.status, done.json.get("code")


def test_whose_tokens_count(chard, database, issuer, wait_until):
    now = int(time.time())
    with gateway_of(chard, issuer) as gateway:
        wait_until(lambda: told(gateway, issuer.token())[0] == 200, 10, "the issuer's keys are known")
        for name, token in {"ES256": issuer.token("ec"), "several": issuer.token(aud=["other", "chard-api"]), "no kid": issuer.token(header={"kid": None}),
                            "within a minute": issuer.token(exp=now - 20), "almost yet": issuer.token(nbf=now + 20), "an array": issuer.token(scope=["chard:read", 1]),
                            "a fraction": issuer.token(exp=now + 60.5)}.items():
            assert told(gateway, token) == (200, None), name
        for name, token, code in (("expired", issuer.token(exp=now - 90), "expired"), ("no end", issuer.token(exp=None), "wrong_token"), ("end as text", issuer.token(exp=str(now)), "wrong_token"),
                                  ("not yet", issuer.token(nbf=now + 90), "wrong_token"), ("another's", issuer.token(iss=issuer.url + "/"), "wrong_token"), ("for another", issuer.token(aud="other"), "wrong_token"),
                                  ("for nobody", issuer.token(aud=None), "wrong_token"), ("of nobody", issuer.token(sub=None), "wrong_token")):
            assert told(gateway, token) == (401, code), name
        for name, token in issuer.confused().items():
            assert told(gateway, token)[0] == 401, name
        # scopes, and that holders have Idempotency-Keys of their own
        assert told(gateway, issuer.token(scope="openid read admins"), "POST", "/v1/chat") == (403, "no_scope")
        assert told(gateway, issuer.token(scope=None)) == (403, "no_scope")
        ids = [gateway.post("/v1/chat", CHAT, **bearer(token, **{"Idempotency-Key": "k"})).json["id"] for token in (issuer.token(), issuer.token("ec"), issuer.token(sub="user-2"))]
        assert ids[0] == ids[1] != ids[2]
        # keys of chard's count beside them
        key = add(chard, "one")
        wait_until(lambda: told(gateway, key) == (200, None))
        assert told(gateway, key[:-1] + "x") == (401, "wrong_key")
        assert gateway.get("/v1/jobs").json["code"] == "no_key"
    assert issuer.asked == {"/.well-known/openid-configuration": 1, "/keys": 1}


def test_an_issuers_keys_change(chard, database, issuer, wait_until):
    """A key that is not known is asked for, at most every five seconds whoever sends what; while the issuer is away the known ones count."""
    with gateway_of(chard, issuer, oidc_jwks_url=issuer.url + "/keys") as gateway:
        wait_until(lambda: told(gateway, issuer.token())[0] == 200, 10, "the issuer's keys are known")
        issuer.published = ["ec"]
        for _ in range(20):
            assert told(gateway, issuer.token(header={"kid": "new"})) == (401, "wrong_token")
        assert issuer.asked == {"/keys": 1}
        wait_until(lambda: told(gateway, issuer.token(header={"kid": "new"})) and issuer.asked == {"/keys": 2}, 20, "it is asked again")
        wait_until(lambda: told(gateway, issuer.token()) == (401, "wrong_token"), 5, "the key that it withdrew is gone")
        issuer.status = 500
        assert told(gateway, issuer.token("ec")) == (200, None)


def test_a_stream_ends_with_its_token(chard, database, issuer, wait_until):
    with gateway_of(chard, issuer) as gateway:
        wait_until(lambda: told(gateway, issuer.token())[0] == 200, 10, "the issuer's keys are known")
        connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
        connection.request("GET", "/v1/jobs/some/events", **bearer(issuer.token(exp=int(time.time()) - 57)))
        reply = connection.getresponse()
        assert reply.status == 200 and b"data" not in reply.read()
        connection.close()


@pytest.mark.parametrize("settings, words", [
    ({"oidc_audience": ""}, "CHARD_OIDC_AUDIENCE"), ({"oidc_issuer": "http://issuer.example"}, "https"), ({"oidc_issuer": "nowhere"}, "https"),
    ({"oidc_jwks_url": "http://192.0.2.1/keys"}, "https"),
])
def test_an_issuer_that_can_not_be_trusted_is_refused(chard, issuer, settings, words):
    chard.prepare()
    done = chard.with_settings(**{"oidc_issuer": issuer.url, "oidc_audience": "chard-api"} | settings).run("gateway", "--listen", "127.0.0.1:0")
    assert done.returncode == 2 and words in done.stderr, done.stderr
