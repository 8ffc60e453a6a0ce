"""The fetcher: where it looks, what it refuses, and what it says. A server on this machine stands in for the net."""

import dataclasses
import gzip
import hashlib
import http.server
import socket
import threading
import time

import pytest

from assay.data import fetcher
from assay.data.fetcher import Copy, File, Resource
from assay.errors import DataMissing, UserError
from assay.system import places

CONTENT = b"ten thousand images" * 100
PACKED = gzip.compress(CONTENT, mtime=0)


def copy_of(suffix, content):
    return Copy(suffix, len(content), hashlib.sha256(content).hexdigest())


@pytest.fixture
def server():
    """Serves what is put into `pages`; `asked` lists the paths that were asked for."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.asked.append(self.path)
            content = self.server.pages.get(self.path)
            self.send_response(404 if content is None else 200)
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.pages, server.asked, server.url = {}, [], f"http://127.0.0.1:{server.server_port}/"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """A data folder of the user's, a checkout and a system folder, all empty."""
    named, checkout, system = tmp_path / "named", tmp_path / "checkout", tmp_path / "system"
    monkeypatch.setenv("ASSAY_DATA", str(named))
    monkeypatch.delenv("ASSAY_OFFLINE", raising=False)
    monkeypatch.setattr(places, "ROOT", checkout)
    return named, checkout / "data", system


@pytest.fixture
def resource(folders, server):
    return Resource(
        name="toy",
        title="Toy",
        files=(File("images", (copy_of(".gz", PACKED), copy_of("", CONTENT))), File("labels", (copy_of("", b"0123"),))),
        licence="MIT",
        folders=("toy", "TOY/raw"),
        system=(str(folders[2]),),
        sources=lambda: [server.url],
        advice="apt-get install toy",
    )


def offered_at(resource, addresses):
    return dataclasses.replace(resource, sources=lambda: addresses)


def put(folder, name, content):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)


def put_all(folder, images=PACKED, name="images.gz"):
    put(folder, name, images)
    put(folder, "labels", b"0123")


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize(("name", "form"), [("images.gz", PACKED), ("images", CONTENT)], ids=["packed", "plain"])
def test_files_are_found_in_every_place_and_form_without_asking_anyone(resource, folders, server, place, name, form):
    put_all(folders[2] if place == 2 else folders[place] / "TOY/raw", form, name)
    assert resource.read("images") == CONTENT
    assert resource.read("labels") == b"0123"
    assert server.asked == []
    assert [found.state for found in resource.verify()] == ["ok", "ok"]


def test_files_may_lie_directly_in_the_folder_that_is_named(resource, folders):
    put_all(folders[0])
    assert resource.path("images") == folders[0] / "images.gz"


def test_the_named_folder_comes_before_the_checkout_and_that_before_the_system(resource, folders):
    for folder in (folders[2], folders[1] / "toy", folders[0] / "toy"):
        put_all(folder)
        assert resource.path("labels").parent == folder


def test_what_is_missing_is_downloaded_checked_and_kept(resource, folders, server):
    server.pages = {"/images.gz": PACKED, "/labels": b"0123"}
    assert resource.read("images") == CONTENT
    assert sorted(path.name for path in (folders[0] / "toy").iterdir()) == ["images.gz", "labels"]
    assert resource.read("labels") == b"0123"
    assert server.asked == ["/images.gz", "/labels"]


def test_only_the_missing_file_is_downloaded(resource, folders, server):
    put(folders[2], "images.gz", PACKED)
    server.pages = {"/labels": b"0123"}
    resource.fetch()
    assert server.asked == ["/labels"]


def test_without_assay_data_a_download_goes_to_the_checkout(resource, folders, server, monkeypatch):
    monkeypatch.delenv("ASSAY_DATA")
    server.pages = {"/images.gz": PACKED, "/labels": b"0123"}
    assert resource.path("labels") == folders[1] / "toy" / "labels"


WRONG = {"short": PACKED[:-1], "long": PACKED + b"x", "changed": PACKED[:-1] + b"x", "empty": b"", "unpacked": CONTENT}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_a_wrong_download_is_thrown_away(resource, folders, server, wrong):
    server.pages = {"/images.gz": wrong, "/labels": b"0123"}
    with pytest.raises(DataMissing, match="a download had the wrong sha256"):
        resource.read("images")
    assert not list((folders[0] / "toy").iterdir())


def test_the_next_source_is_tried(resource, folders, server):
    server.pages = {"/images.gz": b"wrong", "/second/images.gz": PACKED, "/second/labels": b"0123"}
    second = offered_at(resource, [server.url, server.url + "second/"])
    assert second.read("images") == CONTENT
    assert server.asked == ["/images.gz", "/second/images.gz", "/second/labels"]


@pytest.mark.parametrize("place", [0, 2])
def test_a_damaged_file_is_found_out(resource, folders, place):
    folder = folders[place] if place == 2 else folders[place] / "toy"
    put_all(folder, PACKED[:-1] + bytes([PACKED[-1] ^ 1]))
    for use in (lambda: resource.read("images"), lambda: resource.path("images"), resource.fetch):
        with pytest.raises(DataMissing, match=r"^Toy: \S+images\.gz is damaged; delete it and try again$"):
            use()
    assert [found.state for found in resource.verify()] == ["corrupt", "ok"]


def test_a_truncated_file_is_passed_over_for_a_good_one(resource, folders):
    put_all(folders[0] / "toy", PACKED[:10])
    put_all(folders[2])
    assert resource.read("images") == CONTENT
    assert resource.path("images").parent == folders[2]


def test_another_sets_files_of_the_same_name_are_not_taken_for_damaged(resource, folders):
    put(folders[0], "images.gz", b"those of another set")
    assert resource.verify()[0].state == "missing"


def test_messages_do_not_tell_whose_machine_it_is(resource, folders):
    put_all(folders[0] / "toy", b"x" * len(PACKED))
    assert resource.verify()[0].path == "$ASSAY_DATA/toy/images.gz"
    put_all(folders[1] / "toy", b"x" * len(PACKED))
    (folders[0] / "toy/images.gz").unlink()
    assert resource.verify()[0].path == "data/toy/images.gz"


def test_missing_data_is_one_line_that_says_what_to_do_and_leaves_no_folder(resource, folders):
    with pytest.raises(DataMissing) as caught:
        resource.read("images")
    assert str(caught.value) == (
        "Toy is not on this machine (no source could be reached): apt-get install toy, "
        "or set ASSAY_DATA to a folder that holds images.gz, labels"
    )
    assert not folders[0].exists() and not folders[1].exists()


def test_offline_nobody_is_asked(resource, server, monkeypatch):
    monkeypatch.setenv("ASSAY_OFFLINE", "1")
    with pytest.raises(DataMissing, match="ASSAY_OFFLINE forbids downloads"):
        resource.read("images")
    assert server.asked == []


def test_a_source_that_does_not_answer_costs_one_time_out(resource, monkeypatch):
    monkeypatch.setattr(fetcher, "TIMEOUT", 0.2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        slow = offered_at(resource, [f"http://127.0.0.1:{silent.getsockname()[1]}/"])
        start = time.monotonic()
        with pytest.raises(DataMissing, match="no source could be reached"):
            slow.fetch()
        assert 0.2 <= time.monotonic() - start < 2


@pytest.mark.parametrize("address", ["file:///etc/", "ftp://127.0.0.1/", "gopher:"])
def test_only_web_addresses_are_sources(resource, address):
    with pytest.raises(DataMissing, match="no source could be reached"):
        offered_at(resource, [address]).fetch()


def test_a_folder_that_cannot_be_written_is_said(resource, folders, server):
    server.pages = {"/images.gz": PACKED, "/labels": b"0123"}
    folders[0].write_bytes(b"a file, not a folder")
    with pytest.raises(DataMissing, match=r"\$ASSAY_DATA/toy can't be written"):
        resource.fetch()


def test_two_that_download_at_once_both_end_with_good_files(resource, server):
    server.pages = {"/images.gz": PACKED, "/labels": b"0123"}
    threads = [threading.Thread(target=resource.fetch) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found.state for found in resource.verify()] == ["ok", "ok"]


# -- by name ----------------------------------------------------------------------------------------------------------


def test_resources_are_fetched_by_name_and_verified_all(resource, monkeypatch, server):
    monkeypatch.setattr(fetcher, "RESOURCES", {})
    fetcher.declare(resource)
    server.pages = {"/images.gz": PACKED, "/labels": b"0123"}
    assert [row["state"] for row in fetcher.verify_all()] == ["missing", "missing"]
    fetcher.fetch("toy")
    assert [(row["resource"], row["state"]) for row in fetcher.verify_all()] == [("toy", "ok"), ("toy", "ok")]
    with pytest.raises(UserError, match="unknown data 'tox': did you mean toy"):
        fetcher.fetch("tox")


def test_every_data_part_that_is_fetched_can_be_made_up():
    """A dry run at full scale needs no data."""
    from assay.data import Data, data
    from assay.data.fetcher import RESOURCES

    for name in RESOURCES:
        assert getattr(data[name].target, "synthetic", None) is not getattr(Data, "synthetic", None), name
