"""A real S3 API on this machine: moto's server, which fails now and then as busy servers do."""

import contextlib
import threading

import boto3
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

BUSY = [b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"]


class Unreliable:
    """WSGI application that answers every so manieth request with 503, and passes on the others."""

    def __init__(self, application):
        self.application, self.every = application, None
        self.requests = self.failed = 0

    def __call__(self, environ, start_response):
        self.requests += 1
        if self.every and self.requests % self.every == 0:
            self.failed += 1
            start_response("503 Slow Down", [("Content-Type", "application/xml")])
            return BUSY
        return self.application(environ, start_response)


@contextlib.contextmanager
def server(bucket, every):
    """Run a server with one bucket.

    Parameters
    ----------
    bucket : str
    every : int
        One of so many requests fails.

    Yields
    ------
    dict, Unreliable
        Environment variables with which it is reached, and the application.
    """
    application = Unreliable(DomainDispatcherApplication(create_backend_app))
    running = make_server("127.0.0.1", 0, application, threaded=True)
    thread = threading.Thread(target=running.serve_forever, daemon=True)
    thread.start()
    environment = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{running.port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    client = boto3.client(
        "s3",
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        aws_access_key_id="test",
        aws_secret_access_key="test",
        region_name="us-east-1",
    )
    client.create_bucket(Bucket=bucket)
    application.every = every
    try:
        yield environment, application
    finally:
        running.shutdown()
        thread.join()
