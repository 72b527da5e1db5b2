"""Servers that cannot be used are told before a run starts, without a credential."""

import http.server
import threading
import time

import pytest
from pssrflow.errors import InputError
from pssrflow.run.remote import reachable
from s3 import server

KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIAOFMINE",
    "AWS_SECRET_ACCESS_KEY": "secretofmine",
    "AWS_DEFAULT_REGION": "us-east-1",
}
DENIED = b"""<?xml version="1.0"?><Error><Code>InvalidAccessKeyId</Code>
<Message>The AWS Access Key Id you provided does not exist in our records.</Message></Error>"""


@pytest.fixture
def environment(monkeypatch):
    """Function that sets variables of AWS, and no other of them."""

    def put(**variables):
        for name in ("AWS_ENDPOINT_URL", *KEYS, "AWS_PROFILE", "AWS_SESSION_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return put


@pytest.fixture
def answering():
    """Function (code, body) -> URL of a server that always answers so."""
    running = []

    def start(code, body):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(code)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        running.append(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=running[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{running[-1].server_port}"

    yield start
    for one in running:
        one.shutdown()


def refused(words, uri="s3://lab/run"):
    start = time.monotonic()
    with pytest.raises(InputError, match=words) as caught:
        reachable([uri])
    said = str(caught.value)
    assert time.monotonic() - start < 30
    assert said.startswith(uri) and "bucket lab" in said and "endpoint http" in said
    assert "\n" not in said and not any(
        secret in said for secret in KEYS.values() if "-" not in secret
    )


def test_a_server_that_refuses_connections_or_has_no_address_is_named(environment):
    environment(AWS_ENDPOINT_URL="http://127.0.0.1:9", **KEYS)
    refused("Could not connect .*http://127.0.0.1:9")
    environment(AWS_ENDPOINT_URL="http://nowhere.invalid:9000", **KEYS)
    refused("Could not connect .*nowhere.invalid")


def test_credentials_that_are_wrong_or_not_there_are_told_and_not_shown(environment, answering):
    environment(AWS_ENDPOINT_URL=answering(403, DENIED), **KEYS)
    refused("Access Key Id you provided does not exist")
    environment(AWS_ENDPOINT_URL=answering(403, DENIED), AWS_DEFAULT_REGION="us-east-1")
    refused("Unable to locate credentials")


def test_a_web_page_is_no_s3_server(environment, answering):
    environment(AWS_ENDPOINT_URL=answering(200, b"<html>hello</html>"), **KEYS)
    refused("its answer is not that of an S3 server")


def test_a_bucket_must_be_there_and_a_busy_server_will_do(environment):
    with server("own", every=None) as (variables, application):
        environment(**variables)
        reachable(["s3://own/run", "s3://own/other"])
        assert application.requests < 10
        refused("bucket does not exist")
        application.every = 1
        reachable(["s3://own/run"])


def test_what_no_package_opens_is_refused(environment):
    environment()
    for uri in ("gs://lab/run", "foo://lab/run"):
        with pytest.raises(InputError, match=uri):
            reachable([uri])
