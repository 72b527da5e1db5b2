"""Stores that are no folders of this machine: s3:// and every other URI that fsspec knows."""

import os
import re
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import fsspec
from fsspec.asyn import sync
from fsspec.exceptions import FSTimeoutError

from pssrflow.errors import InputError

# Servers are busy or restart now and then; botocore waits longer after each failure, 20 s at most.
ATTEMPTS = 10
# Seconds in which it must answer before a run starts.
PATIENCE = 20

# zarr's own codecs are used for what zarrs cannot reach.
warnings.filterwarnings("ignore", "Array is unsupported by ZarrsCodecPipeline")


def is_remote(path: str | Path) -> bool:
    """Whether a path is a URI."""
    return "://" in str(path)


def storage_options(path: str | Path) -> dict[str, Any] | None:
    """How fsspec opens a URI; None for a folder. Credentials and endpoints come from the usual
    places of each service, such as AWS_PROFILE and AWS_ENDPOINT_URL.
    """
    if not is_remote(path):
        return None
    if str(path).split("://")[0] not in ("s3", "s3a"):
        return {}
    retries = {"max_attempts": ATTEMPTS, "mode": "standard"}
    # What another job has written meanwhile must be seen.
    config = {"retries": retries, "connect_timeout": 10}
    return {"config_kwargs": config, "use_listings_cache": False}


def reachable(uris: Iterable[str]) -> None:
    """Refuse, within half a minute each, servers and buckets that cannot be used.

    Jobs are patient with a server that is busy now and then; before they start it must answer.

    Raises
    ------
    InputError
        Says URI, endpoint and bucket; never a credential.
    """
    # One question for each bucket.
    for uri in {_bucket(uri): uri for uri in uris}.values():
        check_protocol(uri)
        try:
            _ask(uri)
        except Exception as error:  # of whatever client the URI needs
            if not _is_busy(error):
                accepted = "a server that answers, its credentials, and a bucket that is there"
                raise InputError(uri, told(error, uri), accepted) from None


def _bucket(uri: str) -> str:
    """Protocol, and bucket or host."""
    return "/".join(uri.split("/")[:3])


def _ask(uri: str) -> None:
    """One small question, with little patience."""
    options = dict(storage_options(uri) or {})
    if "config_kwargs" in options:
        retries = {"max_attempts": 2, "mode": "standard"}
        options["config_kwargs"] = {"retries": retries, "connect_timeout": 4, "read_timeout": 6}
    files, folder = fsspec.url_to_fs(uri, skip_instance_cache=True, **options)
    if not hasattr(files, "_call_s3"):
        files.exists(folder)
        return
    asked = {"Bucket": folder.split("/")[0], "MaxKeys": 1, "timeout": PATIENCE}
    if "Name" not in sync(files.loop, files._call_s3, "list_objects_v2", **asked):
        raise OSError("its answer is not that of an S3 server")


def _is_busy(error: BaseException) -> bool:
    return any(word in str(error) for word in ("SlowDown", "503", "reduce your request rate"))


def told(error: BaseException, uri: str) -> str:
    """What a server did, with its endpoint and bucket, in a line without credentials."""
    said = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, FSTimeoutError):
        said = f"no answer within {PATIENCE} s"
    where = f"endpoint {_endpoint()}, bucket {uri.split('/')[2]}"
    return re.sub(r"//[^/@\s]*@", "//", f"{said} ({where})")


def _endpoint() -> str:
    names = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
    return next((os.environ[name] for name in names if os.environ.get(name)), "of the service")


def check_protocol(uri: str) -> None:
    """Refuse a URI that no installed package opens.

    Raises
    ------
    InputError
    """
    try:
        fsspec.get_filesystem_class(str(uri).split("://")[0])
    except (ValueError, ImportError) as error:
        raise InputError(uri, str(error), "s3://bucket/folder, or a folder") from error


def of_a_server(error: BaseException) -> bool:
    """Whether an error says that a server cannot be reached or refuses, which no code can mend."""
    return type(error).__module__.split(".")[0] in ("botocore", "aiobotocore", "aiohttp")
