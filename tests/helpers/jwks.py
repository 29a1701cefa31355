"""Keys of every kind that tokens are signed with, and a server of their public halves."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

SECRET = "a secret that is long enough for every algorithm of HMAC there is"
CURVES = {"ES256": ec.SECP256R1, "ES384": ec.SECP384R1, "ES512": ec.SECP521R1}


@cache
def private_key(algorithm: str, number: int = 0) -> Any:
    """One of the private keys that sign with `algorithm`."""
    if algorithm.startswith("RS"):
        return rsa_key(number)
    return ec.generate_private_key(CURVES[algorithm]())


@cache
def rsa_key(number: int = 0, bits: int = 2048) -> rsa.RSAPrivateKey:
    """An RSA key, which takes a moment to make."""
    return rsa.generate_private_key(65537, bits)


def pem(key: Any) -> str:
    """The public half, as settings take it."""
    text = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return str(text.decode())


def jwk(key: Any, kid: str, **members: object) -> dict[str, object]:
    """The public half, as a JWKS has it."""
    of = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
    return {**of.to_jwk(key.public_key(), as_dict=True), "kid": kid, **members}


def sign(claims: dict[str, Any], algorithm: str = "HS256", key: Any = SECRET, **header: str) -> str:
    """A token."""
    return jwt.encode(claims, key, algorithm=algorithm, headers=header)


class KeyServer:
    """What a JWKS server answers, and how often it was asked."""

    def __init__(self) -> None:
        self.keys: list[dict[str, object]] = []
        self.body: bytes | None = None
        self.status = 200
        self.asked = 0
        self.url = ""

    @contextmanager
    def running(self) -> Iterator["KeyServer"]:
        """Serve on a free port."""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked += 1
                body = outer.body
                if body is None:
                    body = json.dumps({"keys": outer.keys}).encode()
                self.send_response(outer.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        self.url = f"http://127.0.0.1:{server.server_port}/keys"
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()
