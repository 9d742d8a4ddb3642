"""62. Requests nested a thousand times are refused as malformed by proxy and auth; they are no errors of ours."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from auth_cluster import AsgiTransport, TestCluster, auth_cluster, key_pair
from browser_side import web_side


def client_data(nested: bytes) -> bytes:
    text = base64.urlsafe_b64encode(b'{"challenge":"YQ","x":%s}' % nested).rstrip(b"=").decode()
    response = {"clientDataJSON": text, "authenticatorData": "YQ", "signature": "YQ"}
    return json.dumps({"id": "YQ", "rawId": "YQ", "type": "public-key", "response": response}).encode()


DEPTHS = (400, 900, 950, 975, 985, 990, 995, 1000, 3000)
"""Some are read by the first parser and not by the next."""


def answers() -> list[bytes]:
    nested = [b'{"a":' * depth + b"1" + b"}" * depth for depth in DEPTHS]
    nested += [b"[" * depth + b"]" * depth for depth in DEPTHS]
    inside = b'{"id":"YQ","rawId":"YQ","type":"public-key","x":%s,"response":{}}'
    return [*nested, *map(client_data, nested), *(inside % each for each in nested)]


async def code_of(cluster: TestCluster, method: str, path: str, body: bytes, address: str) -> str:
    transport = AsgiTransport(cluster.service.app, address=address)
    answer = await transport.request(method, path, {"content-type": "application/json"}, body, timeout=10)
    return str(json.loads(answer.body)["error"]["code"])


@pytest.mark.parametrize("path", ["/webapi/mfa/login/begin", "/webapi/mfa/login/finish", "/webapi/host/credentials"])
async def test_auth_tells_strangers_that_it_is_malformed(tmp_path: Path, path: str) -> None:
    async with auth_cluster(tmp_path) as cluster:
        keys = b',"ssh_pub_key":"%s"' % base64.b64encode(key_pair().ssh)
        for number, answer in enumerate(answers()):
            whole = b'{"webauthn_challenge_response":%s%s}' % (answer, keys)
            for body in (answer, whole):
                code = await code_of(cluster, "POST", path, body, f"192.0.2.{number}")
                assert code in ("bad_parameter", "not_authenticated"), body[:80]


@pytest.mark.parametrize("path", ["/webapi/sessions/web", "/webapi/mfa/login/finishsession"])
async def test_the_proxy_tells_browsers_that_it_is_malformed(tmp_path: Path, path: str) -> None:
    async with auth_cluster(tmp_path) as cluster:
        side = await web_side(cluster)
        for number, answer in enumerate(answers()):
            browser = await side.browser(f"198.51.100.{number}").open()
            for body in (answer, b'{"webauthnAssertionResponse":%s}' % answer):
                told = await browser.ask("POST", path, body)
                assert told.json["error"]["code"] in ("bad_parameter", "not_authenticated"), body[:80]
