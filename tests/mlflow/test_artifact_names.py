"""Artifacts with odd names through the real client: written, listed, fetched, as files, in folders and as texts.

Both runners import it: `run(client)` does it all. Alone: python tests/mlflow/test_artifact_names.py http://127.0.0.1:5000

What no server can mend, because the client itself loses it: what follows a `#` (never sent), escapes of letters and digits
(`%41` is sent as `A`), `%20` (sent like a space), `100%25` beside `100%` (sent alike), a space at a name's beginning in a
listing. A listing's names are decoded by the client until nothing changes, so ESCAPED are looked at without it.
"""

import json
import sys
import tempfile
import urllib.parse
import urllib.request
import uuid
from pathlib import Path

import mlflow

NAMES = [
    "plain.txt",
    "100%.txt",
    "%zz%.txt",
    "with space.txt",
    "space behind ",
    "plus+and&more=less;,@$!'().txt",
    "what?now.txt",
    "a?b=c&d.txt",
    "ümlaut 日本語.txt",
    "[brackets] {braces} ^|`.txt",
    '"quotes".txt',
    "~tilde..txt",
    ".hidden",
    "...dots",
    "-dash",
    "colon:name",
    "x" * 200,
]

# Names that look encoded already.
ESCAPED = ["per%25cent.txt", "per%cent.txt", "50%cent", "a%2Fb.txt"]


def escaped_names_are_kept(client):
    experiment = client.create_experiment(f"escaped names {uuid.uuid4().hex[:8]}")
    run = client.create_run(experiment).info.run_id
    with tempfile.TemporaryDirectory() as folder:
        for name in ESCAPED:
            path = Path(folder) / name
            path.write_text(name, encoding="utf-8")
            client.log_artifact(run, str(path), "in here")
    asked = urllib.parse.urlencode({"run_id": run, "path": "in here"})
    with urllib.request.urlopen(f"{mlflow.get_tracking_uri()}/api/2.0/mlflow/artifacts/list?{asked}") as answer:
        listed = {file["path"] for file in json.load(answer)["files"]}
    expected = {f"in here/{name}" for name in ESCAPED}
    assert listed == expected, f"missing {sorted(expected - listed)}, strange {sorted(listed - expected)}"
    for name in ESCAPED:
        with tempfile.TemporaryDirectory() as folder:
            local = client.download_artifacts(run, f"in here/{name}", folder)
            assert Path(local).read_text(encoding="utf-8") == name, name


def each_name_comes_back(client):
    experiment = client.create_experiment(f"odd names {uuid.uuid4().hex[:8]}")
    run = client.create_run(experiment).info.run_id
    with tempfile.TemporaryDirectory() as folder:
        for number, name in enumerate(NAMES):
            path = Path(folder) / name
            path.write_text(f"{number}: {name}", encoding="utf-8")
            client.log_artifact(run, str(path), "odd names/ü 100%")
    listed = {item.path for item in client.list_artifacts(run, "odd names/ü 100%")}
    expected = {f"odd names/ü 100%/{name}" for name in NAMES}
    assert listed == expected, f"missing {sorted(expected - listed)}, strange {sorted(listed - expected)}"
    for number, name in enumerate(NAMES):
        if "?" in name:
            continue  # asked for by name, the client drops what follows; in a folder it does not
        with tempfile.TemporaryDirectory() as folder:
            local = client.download_artifacts(run, f"odd names/ü 100%/{name}", folder)
            text = Path(local).read_text(encoding="utf-8")
            assert text == f"{number}: {name}", (name, text)
    with tempfile.TemporaryDirectory() as folder:
        local = Path(client.download_artifacts(run, "odd names", folder))
        assert {path.name for path in local.rglob("*") if path.is_file()} == set(NAMES)


def folders_are_logged_whole(client):
    experiment = client.create_experiment(f"odd folders {uuid.uuid4().hex[:8]}")
    run = client.create_run(experiment).info.run_id
    with tempfile.TemporaryDirectory() as folder:
        for name in NAMES:
            inner = Path(folder) / "deep 5 %" / name
            inner.mkdir(parents=True)
            # One file called as its folder is taken for a file by the client.
            (inner / "file 1 %.txt").write_text(name, encoding="utf-8")
        client.log_artifacts(run, folder)
        empty = Path(folder) / "empty.bin"
        empty.write_bytes(b"")
        client.log_artifact(run, str(empty))
    with tempfile.TemporaryDirectory() as folder:
        local = Path(client.download_artifacts(run, "", folder))
        found = {str(path.relative_to(local)) for path in local.rglob("*") if path.is_file()}
        expected = {f"deep 5 %/{name}/file 1 %.txt" for name in NAMES} | {"empty.bin"}
        assert found == expected, f"missing {sorted(expected - found)}, strange {sorted(found - expected)}"


def texts_and_dicts_have_odd_names_too(client):
    experiment = client.create_experiment(f"odd texts {uuid.uuid4().hex[:8]}")
    run = client.create_run(experiment).info.run_id
    client.log_text(run, "one", "tëxt 50%/per%25cent.txt")
    client.log_dict(run, {"a": 1}, "a b/d?.json")
    assert mlflow.artifacts.load_text(f"runs:/{run}/tëxt 50%/per%25cent.txt") == "one"
    assert [item.path for item in client.list_artifacts(run, "a b")] == ["a b/d?.json"]


TESTS = [escaped_names_are_kept, each_name_comes_back, folders_are_logged_whole, texts_and_dicts_have_odd_names_too]


def run(client):
    for test in TESTS:
        test(client)


if __name__ == "__main__":
    uri = sys.argv[1]
    mlflow.set_tracking_uri(uri)
    failed = False
    for one in TESTS:
        try:
            one(mlflow.MlflowClient(uri))
            print(f"ok    {one.__name__}")
        except Exception as error:  # the next one may still say something
            print(f"FAIL  {one.__name__}: {type(error).__name__}: {error}")
            failed = True
    sys.exit(failed)
