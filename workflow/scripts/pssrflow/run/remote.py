"""Stores that are no folders of this machine: s3:// and every other URI that fsspec knows."""

import warnings
from pathlib import Path
from typing import Any

import fsspec

from pssrflow.errors import InputError

# Servers are busy or restart now and then; botocore waits longer after each failure, 20 s at most.
ATTEMPTS = 10

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
    return {"config_kwargs": {"retries": retries}, "use_listings_cache": False}


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
