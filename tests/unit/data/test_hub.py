"""The hub's libraries are kept from the network where downloads are forbidden, however early they were imported."""

import importlib
import socket

import pytest

from assay.data.hub import as_allowed, hub_rows
from assay.errors import DataMissing


@pytest.fixture()
def imported(monkeypatch):
    """Both libraries, imported before anything was forbidden; and what they ask the network for."""
    monkeypatch.delenv("ASSAY_OFFLINE", raising=False)
    modules = [importlib.import_module(name) for name in ("huggingface_hub.constants", "datasets.config")]
    for module in modules:
        monkeypatch.setattr(module, "HF_HUB_OFFLINE", False)
    return modules


def test_nothing_is_asked_of_the_network_when_downloads_are_forbidden(imported, monkeypatch):
    asked = []

    def refuse(*args, **kwargs):
        asked.append(args)
        raise OSError("no network in this test")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setenv("ASSAY_OFFLINE", "1")
    with pytest.raises(
        DataMissing, match=r"^A set is not on this machine \(ASSAY_OFFLINE forbids downloads\): run once"
    ):
        hub_rows("nobody/no-such-set", "train", "A set")
    assert asked == []


def test_the_switches_are_put_back(imported, monkeypatch):
    with as_allowed():
        assert not any(module.HF_HUB_OFFLINE for module in imported)
    monkeypatch.setenv("ASSAY_OFFLINE", "1")
    with pytest.raises(KeyError), as_allowed():
        assert all(module.HF_HUB_OFFLINE for module in imported)
        raise KeyError
    assert not any(module.HF_HUB_OFFLINE for module in imported)
