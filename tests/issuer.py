"""A real issuer of Apple identity tokens on this machine: an HTTP server with public keys, and what it signs."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from jwt.algorithms import RSAAlgorithm

AUDIENCE = "com.example.alerts"


class Issuer:
    """Serves its keys at `url`; `asked` counts how often. `answer` replaces the body, `status` the status."""

    def __init__(self) -> None:
        self.keys: dict[str, RSAPrivateKey] = {}
        self.asked = 0
        self.status = 200
        self.headers: dict[str, str] = {}
        self.answer: bytes | None = None
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.base_url = f"http://127.0.0.1:{self.server.server_port}"
        self.url = f"{self.base_url}/auth/keys"
        self.add_key("first")
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def add_key(self, key_id: str) -> None:
        self.keys[key_id] = generate_private_key(public_exponent=65537, key_size=2048)

    def settings(self) -> dict[str, str]:
        """The settings of an installation that believes this issuer."""
        return {"APPLE_JWKS_URL": self.url, "APPLE_ISSUER": self.base_url, "APPLE_AUDIENCE": AUDIENCE}

    def sign(self, email: Any, *, key_id: str = "first", algorithm: str = "RS256", **claims: Any) -> str:
        """An identity token; a claim given as None is left out."""
        now = int(time.time())
        usual = {"iss": self.base_url, "aud": AUDIENCE, "sub": "001.ada", "email": email, "email_verified": True}
        given = {"iat": now, "exp": now + 600, **usual, **claims}
        said = {name: value for name, value in given.items() if value is not None}
        return jwt.encode(said, self.keys[key_id], algorithm=algorithm, headers={"kid": key_id})

    def jwks(self) -> bytes:
        public = [
            {**RSAAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": key_id, "use": "sig", "alg": "RS256"}
            for key_id, key in self.keys.items()
        ]
        return json.dumps({"keys": public}).encode()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked += 1
                body = issuer.jwks() if issuer.answer is None else issuer.answer
                self.send_response(issuer.status)
                for name, value in issuer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        return Handler
