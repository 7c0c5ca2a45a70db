"""Weights from timm's collection on the Hugging Face hub, or a quick and useful refusal (notebook 05)."""

import threading
from pathlib import Path

import httpx
import timm
from huggingface_hub import constants, hf_hub_download, hf_hub_url, try_to_load_from_cache

from foramen.core.errors import InputError, nearest

FILE = "model.safetensors"
WAYS_OUT = (
    "without the hub, set pretraining.source to formula (weights learned from formula-generated images), "
    "or to file with pretraining.file naming a local .safetensors or .pth"
)


def download(name: str, network: str) -> Path:
    """The weights file of timm's `network` called `name`, such as resnet50.tv_in1k, from cache or network.

    Raises InputError, within 15 seconds where there is no network; the client alone would retry for longer.
    """
    if cached := check(name, network):
        return cached
    try:
        return Path(hf_hub_download(f"timm/{name}", FILE))
    except OSError as error:  # the hub answers, but the server that it points to does not, or the disk is full
        reason = " ".join(str(error).split())[:120]
        raise InputError(f"pretraining.source: {name} cannot be fetched ({reason}); {WAYS_OUT}") from None


def check(name: str, network: str) -> Path | None:
    """The weights file where it is in the cache, None where it can be fetched; InputError where neither is so."""
    repository = f"timm/{name}"
    cached = try_to_load_from_cache(repository, FILE)
    if isinstance(cached, str):
        return Path(cached)
    known = timm.list_pretrained(f"{network}.*")
    if name not in known:
        raise InputError(f"pretraining.hub_name: timm has no {network} weights {name!r}{nearest(name, known)}")
    offline = "it is not in the hub's cache and HF_HUB_OFFLINE is set"
    if obstacle := offline if constants.HF_HUB_OFFLINE else _obstacle(hf_hub_url(repository, FILE)):
        raise InputError(f"pretraining.source: {name} cannot be fetched ({obstacle}); {WAYS_OUT}")
    return None


def _obstacle(url: str, seconds: float = 10.0) -> str:
    """Why `url` gives nothing within `seconds`, empty where it does. One try; the client makes six."""
    answer = ["no answer"]

    def ask() -> None:
        try:
            response = httpx.head(url, timeout=seconds)
            answer[0] = "" if response.status_code < 400 else f"HTTP status {response.status_code}"
        except httpx.HTTPError as error:
            answer[0] = str(error)

    thread = threading.Thread(target=ask, daemon=True)  # looking up a name knows no timeout of its own
    thread.start()
    thread.join(seconds)
    return answer[0]
