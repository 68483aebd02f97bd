"""Bulk runs on Ray: two nodes, one of which is killed, and an object store."""

import hashlib
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tarfile
import time

import numpy as np
import pytest

import deepsic
from tests.calls import ENVIRONMENT, call
from tools.robustness.small_pictures import encoded, photograph

pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")
pytest.importorskip("ray")

MODEL = "pre-0.12bpp"
COUNT = 48


def write_pictures(folder, count=COUNT):
    folder.mkdir(parents=True)
    for i in range(count):
        (folder / f"{i:03}.png").write_bytes(encoded(photograph(i, 48, 64)))
    (folder / "bad.jpg").write_bytes(b"no picture")
    with tarfile.open(folder / "shard.tar", "w") as tar:
        for i in range(count, count + 4):
            data = encoded(photograph(i, 48, 64))
            member = tarfile.TarInfo(f"{i:03}.png")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return folder


def bulk(*arguments, **options):
    out, _ = call("bulk.py", *arguments, **options)
    return out


def check(rows, pictures, count=COUNT):
    """Every picture is there once, and is what the codec makes of it."""
    by_path = {row["path"]: row for row in rows}
    assert len(by_path) == len(rows) == count + 5
    assert by_path["bad.jpg"]["error"].endswith("no picture of a format that can be read.")
    assert by_path["bad.jpg"]["dsic"] is None
    for path in ("000.png", "shard.tar/050.png" if count > 46 else "001.png"):
        row = by_path[path]
        data = encoded(photograph(int(path[-7:-4]), 48, 64))
        assert row["original_sha256"] == hashlib.sha256(data).hexdigest()
        assert row["original_bytes"] == len(data)
        assert (row["width"], row["height"], row["model"]) == (64, 48, MODEL)
        expected = deepsic.load(MODEL).compress(photograph(int(path[-7:-4]), 48, 64))
        assert row["dsic"] == bytes(expected)
        assert (row["name"], row["bytes"]) == (expected.label.levels[-1], len(expected))


def read(folder):
    return parquet.read_table(str(folder)).to_pylist()


@pytest.fixture
def cluster(monkeypatch):
    """Two nodes of one processor each; the first one leads."""
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_worker_niceness", "0")
    node = {"num_cpus": 1, "object_store_memory": 150 << 20}
    started = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    yield started, started.add_node(**node)
    started.shutdown()


def test_a_node_is_killed_in_the_middle_and_every_picture_is_there_once(cluster, tmp_path):
    started, second = cluster
    pictures, out = write_pictures(tmp_path / "in"), tmp_path / "out"
    command = [sys.executable, "bulk.py", str(pictures), str(out), f"--model={MODEL}", "--block=2"]
    command += [f"--cluster={started.address}"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
    ) as process:
        blocks = out / "_bulk" / "blocks"
        while len(list(blocks.glob("*.parquet"))) < 8 and process.poll() is None:
            time.sleep(0.05)
        done = len(list(blocks.glob("*.parquet")))
        started.remove_node(second, allow_graceful=False)
        said, complained = process.communicate(timeout=500)
    print(f"killed node {second.node_id[:8]} after {done} blocks\n{said}")
    assert process.returncode == 0, complained
    assert "Traceback" not in complained
    assert 8 <= done < (COUNT + 5) // 2
    check(read(out), pictures)


def test_a_run_that_is_killed_goes_on(tmp_path):
    pictures, out = write_pictures(tmp_path / "in", 24), tmp_path / "out"
    arguments = [pictures, out, f"--model={MODEL}", "--block=2", "--workers=1"]
    process = subprocess.Popen(
        [sys.executable, "bulk.py", *map(str, arguments)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )
    blocks = out / "_bulk" / "blocks"
    while len(list(blocks.glob("*.parquet"))) < 3 and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    _, complained = process.communicate()
    kept = len(list(blocks.glob("*.parquet")))
    assert kept >= 3, complained
    # The workers of the killed process may end the blocks that they are at.
    before = re.search(r"(\d+) blocks had been done before\.", bulk(*arguments))
    assert before is not None
    assert int(before[1]) >= kept
    check(read(out), pictures, 24)
    assert not blocks.exists()


@pytest.fixture
def store(monkeypatch):
    """The address of an S3 server on this machine with a bucket."""
    pytest.importorskip("moto")
    from pyarrow import fs

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    given = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        for _ in range(600):
            with socket.socket() as probe:
                if not probe.connect_ex(("127.0.0.1", port)):
                    break
            time.sleep(0.1)
        system, _ = fs.FileSystem.from_uri("s3://bucket/?allow_bucket_creation=true")
        system.create_dir("bucket")
        yield system
        server.terminate()


def test_pictures_of_an_object_store_become_an_archive_there(store, tmp_path):
    pictures = write_pictures(tmp_path / "in", 6)
    for path in pictures.iterdir():
        with store.open_output_stream(f"bucket/in/{path.name}") as handle:
            handle.write(path.read_bytes())
    environment = {**ENVIRONMENT, **{k: v for k, v in os.environ.items() if k.startswith("AWS")}}
    arguments = ["s3://bucket/in", "s3://bucket/out", f"--model={MODEL}", "--block=4"]
    bulk(*arguments, "--workers=1", env=environment)
    assert "has them all" in bulk(*arguments, env=environment)
    rows = parquet.read_table("bucket/out/part-00000.parquet", filesystem=store).to_pylist()
    check(rows, pictures, 6)
    out, _ = call("search.py", "s3://bucket/out", "--label=entity", "--json", env=environment)
    assert json.loads(out)["hits"] == 10


def test_post_archives_are_classified_once_and_carry_their_labels(tmp_path):
    codec = deepsic.load("post-0.12bpp")
    (tmp_path / "in").mkdir()
    for i in range(3):
        (tmp_path / "in" / f"{i}.dsic").write_bytes(codec.compress(photograph(i, 64, 64)))
    bulk(tmp_path / "in", tmp_path / "packed", "--pack")
    assert [row["label"] for row in read(tmp_path / "packed")] == [None] * 3
    bulk(tmp_path / "packed", tmp_path / "out", "--classify", "--workers=1")
    for row in read(tmp_path / "out"):
        file = deepsic.open(row["dsic"])
        assert row["name"] == file.label.levels[-1]
        assert row["probability"] == pytest.approx(file.label.probability)
        assert tuple(row["levels"]) == file.label.levels


def test_loose_files_are_those_of_the_codec(tmp_path):
    pictures, out = write_pictures(tmp_path / "in", 3), tmp_path / "out"
    bulk(pictures, out, f"--model={MODEL}", "--format=files", "--workers=1")
    names = {str(p.relative_to(out)) for p in out.rglob("*.dsic")}
    assert names == {f"{i:03}.dsic" for i in range(3)} | {
        f"shard.tar/{i:03}.dsic" for i in range(3, 7)
    }
    expected = deepsic.load(MODEL).compress(photograph(0, 48, 64))
    assert (out / "000.dsic").read_bytes() == bytes(expected)
    (record,) = [row for row in read(out / "_bulk" / "rows-00000.parquet") if row["error"]]
    assert record["path"] == "bad.jpg"
    assert np.array_equal(deepsic.open(out / "000.dsic").image, deepsic.decompress(expected)[0])


def test_a_cluster_that_is_not_there_gets_one_sentence(tmp_path):
    pictures = write_pictures(tmp_path / "in", 1)
    _, err = call("bulk.py", pictures, tmp_path / "out", "--cluster=no such address", code=1)
    assert "Ray cannot be started" in err.splitlines()[-1]
