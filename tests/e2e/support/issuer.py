# SPDX-License-Identifier: Apache-2.0
"""An OpenID Connect issuer: its discovery document, its keys, and the tokens that it signs with joserfc, an implementation of JOSE of its own."""

import base64
import hmac
import http.server
import json
import threading
import time

from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey


class Issuer:
    """Served on loopback until the `with` ends. `keys` are by name; `published` those that it shows; `asked` counts what was asked for, by path."""

    def __init__(self):
        self.keys = {"rsa": RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig"}), "ec": ECKey.generate_key("P-256", {"kid": "ec", "alg": "ES256"})}
        self.published = ["rsa", "ec"]
        self.asked = {}
        self.status = 200
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                owner.asked[self.path] = owner.asked.get(self.path, 0) + 1
                body = json.dumps(owner.documents().get(self.path, {})).encode()
                self.send_response(owner.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def documents(self):
        return {"/.well-known/openid-configuration": {"issuer": self.url, "jwks_uri": self.url + "/keys"},
                "/keys": {"keys": [self.keys[name].as_dict(private=False) for name in self.published]}}

    def claims(self, **claims):
        now = int(time.time())
        whole = {"iss": self.url, "aud": "chard-api", "sub": "user-1", "iat": now, "exp": now + 300, "scope": "openid submit read"} | claims
        return {name: value for name, value in whole.items() if value is not None}

    def token(self, key="rsa", header=None, alg=None, **claims):
        """Signed as it would; None leaves a claim away."""
        alg = alg or ("ES256" if key == "ec" else "RS256")
        whole = {name: value for name, value in ({"alg": alg, "kid": key} | (header or {})).items() if value is not None}
        return jwt.encode(whole, self.claims(**claims), self.keys[key], algorithms=[alg])

    def confused(self):
        """What attackers send: signed by nobody, or by the text of a public key as if that were a secret; and what is no token."""
        head, body, signature = self.token().split(".")
        hs256 = f"{part({'alg': 'HS256', 'kid': 'rsa'})}.{body}"
        keys = {"PEM": self.keys["rsa"].as_pem(private=False), "JWK": json.dumps(self.keys["rsa"].as_dict(private=False)).encode()}
        by_hmac = {f"the {name} as a secret": f"{hs256}.{base64url(hmac.digest(key, hs256.encode(), 'sha256'))}" for name, key in keys.items()}
        return by_hmac | {
            "none": f"{part({'alg': 'none'})}.{body}.", "None": f"{part({'alg': 'None', 'kid': 'rsa'})}.{body}.{signature}", "no alg": f"{part({'kid': 'rsa'})}.{body}.{signature}",
            "no signature": f"{head}.{body}.", "another's body": f"{head}.{self.token(sub='other').split('.')[1]}.{signature}",
            "ES256 by an RSA signature": f"{part({'alg': 'ES256', 'kid': 'ec'})}.{body}.{signature}", "crit": f"{part({'alg': 'RS256', 'kid': 'rsa', 'crit': ['x'], 'x': 1})}.{body}.{signature}",
            "text": "x.y.z", "two parts": f"{head}.{body}", "four parts": f"{head}.{body}.{signature}.x", "padding": f"{head}.{body}.{signature}==", "dots": "..", "nothing": ""}


def base64url(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def part(value):
    return base64url(json.dumps(value).encode())
