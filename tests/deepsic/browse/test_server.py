"""What the server answers, to the page and to those who mean ill."""

import io
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import deepsic
from deepsic.registry import Registry
from deepsic.search import reading
from tools.robustness.small_pictures import encoded, photograph

pytest.importorskip("starlette")
pytest.importorskip("httpx2")

from starlette.testclient import TestClient

from deepsic.browse import pictures, server, uploads
from deepsic.browse.catalogue import Catalogue


def client(archive, originals=None, max_pixels=1 << 22, **options):
    models = Registry()
    read = reading.read([str(archive)], models, max_pixels, pytest.fail)
    catalogue = Catalogue(read, originals and str(originals))
    app = server.make(catalogue, models, max_pixels, ["testserver"])
    return TestClient(app, raise_server_exceptions=False, **options)


@pytest.fixture(scope="module")
def page(photographs):
    with client(photographs / "archive", photographs / "originals") as made:
        yield made


def everything(page, **parameters):
    return page.get("/api/search", params=parameters).json()


def numbers_by_name(page):
    items = everything(page)["items"]
    return {os.path.basename(i["path"]).removesuffix(".dsic"): i["number"] for i in items}


def test_search_gives_the_labels_of_the_files_most_probable_first(page, photographs):
    found = everything(page)
    assert found["count"] == found["all"] == len(found["items"])
    probabilities = [item["probability"] for item in found["items"]]
    assert probabilities == sorted(probabilities, reverse=True)
    for item in found["items"]:
        file = deepsic.open(item["path"])
        assert (item["name"], item["probability"]) == (
            file.label.levels[-1],
            file.label.probability,
        )
        assert (item["width"], item["height"]) == file.size
        assert item["bytes"] == os.path.getsize(item["path"])


def test_suggestions_are_there_with_the_counts_that_a_search_has(page):
    name = everything(page)["items"][0]["name"]
    found = page.get("/api/suggest", params={"q": name[:3].upper()}).json()
    assert name in [node["name"] for node in found]
    for node in found:
        assert everything(page, node=node["node"])["count"] == node["count"] > 0
    assert page.get("/api/suggest", params={"q": "no such thing"}).json() == []
    assert page.get("/api/suggest", params={"q": " "}).json() == []


def test_facets_part_the_pictures(page):
    whole = everything(page)
    assert whole["below"]
    assert sum(node["count"] for node in whole["below"]) <= whole["count"]
    below = everything(page, node=whole["below"][0]["node"])
    assert below["path"][-1]["name"] == whole["below"][0]["name"]
    assert below["count"] == whole["below"][0]["count"]
    sure = everything(page, least=0.9)
    assert [i["number"] for i in sure["items"]] == [
        i["number"] for i in whole["items"] if i["probability"] >= 0.9
    ]
    rest = everything(page, skip=1, most=2)
    assert rest["items"] == whole["items"][1:3]


def test_a_picture_has_its_label_its_numbers_and_its_original(page, photographs):
    number = numbers_by_name(page)["coffee"]
    told = page.get(f"/api/picture/{number}").json()
    file = deepsic.open(photographs / "archive" / "in" / "coffee.dsic")
    assert tuple(level["name"] for level in told["levels"]) == file.label.levels
    assert [a["name"] for a in told["alternatives"]] == [a.name for a in file.label.alternatives]
    assert told["model"] == "pre-0.12bpp"
    assert told["original"]
    shown = Image.open(io.BytesIO(page.get(f"/picture/{number}.png").content))
    np.testing.assert_array_equal(np.asarray(shown), file.image)
    original = Image.open(io.BytesIO(page.get(f"/original/{number}.png").content))
    before = Image.open(photographs / "originals" / "in" / "coffee.png").convert("RGB")
    np.testing.assert_array_equal(np.asarray(original), np.asarray(before))
    answer = page.get(f"/file/{number}.dsic")
    assert answer.content == (photographs / "archive" / "in" / "coffee.dsic").read_bytes()
    assert "coffee.dsic" in answer.headers["content-disposition"]


def test_thumbnails_are_small_and_coarse_ones_smaller(page):
    number = numbers_by_name(page)["coffee"]
    sizes = []
    for size in ("coarse", "fine"):
        answer = page.get(f"/thumbnail/{number}", params={"size": size})
        assert answer.headers["content-type"] == "image/jpeg"
        sizes.append(Image.open(io.BytesIO(answer.content)).size)
    assert max(sizes[0]) < max(sizes[1]) <= pictures.FINE


def test_an_upload_is_what_the_library_makes_of_it(page):
    x = photograph(1, 100, 130)
    told = page.post("/api/compress?model=pre-0.12bpp", content=encoded(x)).json()
    data = deepsic.load("pre-0.12bpp").compress(x, topk=3)
    x_hat, label = deepsic.decompress(data)
    assert page.get(f"/upload/{told['token']}.dsic").content == data
    shown = Image.open(io.BytesIO(page.get(f"/upload/{told['token']}.png").content))
    np.testing.assert_array_equal(np.asarray(shown), x_hat)
    assert told["name"] == label.name
    assert told["bpp"] == 8 * len(data) / x[..., 0].size
    error = np.mean((x.astype(float) - x_hat) ** 2)
    assert told["psnr"] == pytest.approx(10 * np.log10(255**2 / error))
    opened = page.post("/api/compress?model=pre-0.12bpp", content=bytes(data)).json()
    assert (opened["psnr"], opened["name"]) == (None, label.name)


@pytest.mark.parametrize(
    "content", [b"", b"no picture", b"DSIC\x01\x00", b"<svg onload='alert(1)'></svg>"]
)
def test_hostile_uploads_get_one_sentence(page, content):
    answer = page.post("/api/compress?model=pre-0.12bpp", content=content)
    assert answer.status_code == 422
    (sentence,) = answer.json().values()
    assert sentence.endswith(".")
    assert "\n" not in sentence
    assert "/tmp" not in sentence


def test_uploads_are_bounded(page, monkeypatch):
    monkeypatch.setattr(uploads, "MOST_BYTES", 1000)
    post = "/api/compress?model=pre-0.12bpp"
    assert page.post(post, content=bytes(1001)).status_code == 413
    assert page.post(post, content=iter([bytes(600), bytes(600)])).status_code == 413
    monkeypatch.setattr(uploads, "MOST_BYTES", 1 << 20)
    monkeypatch.setattr(uploads, "MOST_PIXELS", 1000)
    answer = page.post(post, content=encoded(photograph(0)))
    assert answer.status_code == 422
    assert "pixels" in answer.json()["error"]
    assert page.post("/api/compress?model=../x", content=b"").status_code == 400
    assert page.get("/upload/nothing.dsic").status_code == 404


def test_nothing_outside_of_the_archive_is_served(page, archive, photographs, tmp_path):
    for path in (
        "/file/..%2F..%2Fetc%2Fpasswd",
        "/static/../../catalogue.py",
        "/static/..%2f..%2fcatalogue.py",
        "/static//etc/passwd",
        "/file/99.dsic",
        "/file/-1.dsic",
        "/picture/x.png",
    ):
        assert page.get(path).status_code in (404, 405), path
    outside = tmp_path / "outside.dsic"
    outside.write_bytes((photographs / "archive" / "in" / "coffee.dsic").read_bytes())
    (archive / "link.dsic").symlink_to(outside)
    with client(archive) as linked:
        assert everything(linked)["count"] == everything(page)["count"]


def test_originals_are_looked_for_inside_of_their_folder_only(archive, photographs, tmp_path):
    originals = tmp_path / "originals"
    originals.mkdir()
    (originals / "in").symlink_to(photographs / "originals" / "in")
    with client(archive, originals) as linked:
        number = numbers_by_name(linked)["coffee"]
        assert linked.get(f"/original/{number}.png").status_code == 404


def test_every_answer_is_closed_to_other_pages(page):
    for path in ("/", "/api/archive", "/nothing", "/static/main.js", "/thumbnail/0"):
        headers = page.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
    assert page.get("/", headers={"host": "evil.example"}).status_code == 400
    post = {"headers": {"origin": "https://evil.example"}, "content": encoded(photograph(0))}
    assert page.post("/api/compress?model=pre-0.12bpp", **post).status_code == 403


def test_damaged_pictures_get_one_sentence(archive):
    path = archive / "in" / "coffee.dsic"
    data = bytearray(path.read_bytes())
    data[-9] ^= 1
    path.write_bytes(data)
    with client(archive) as page:
        number = numbers_by_name(page)["coffee"]
        for url in (f"/picture/{number}.png", f"/thumbnail/{number}", f"/api/picture/{number}"):
            answer = page.get(url)
            assert answer.status_code == 422
            assert "checksum" in answer.json()["error"]


def test_large_pictures_are_not_decoded(photographs):
    with client(photographs / "archive", max_pixels=1000) as page:
        answer = page.get("/picture/0.png")
        assert answer.status_code == 422
        assert "pixels" in answer.json()["error"]


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        ([], "folders or files"),
        (["nowhere"], "nowhere"),
        (["docs"], "no .dsic"),
        (["docs", "--originals=/nowhere"], "--originals"),
        (["{archive}", "--host=192.0.2.1"], "192.0.2.1"),
    ],
)
def test_mistakes_get_one_sentence(tmp_path, arguments, hint):
    # A search leaves its index beside the files.
    archive = shutil.copytree("tests/golden", tmp_path / "archive")
    arguments = [argument.format(archive=archive) for argument in arguments]
    command = [sys.executable, "browse.py", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    lines = [line for line in done.stderr.splitlines() if not line.startswith("warning: ")]
    assert len(lines) == 1
    assert hint in lines[0]
