#!/usr/bin/env python3
"""The online features of a real `feast serve` (SQLite online store) beside ours: same data, same requests, same answers.

    feast_serve.py TRAINYARD [--feast DIR] [--keep]

TRAINYARD is the program; DIR holds `feast` (default: beside this Python). Both serve one Parquet file: Feast by
`feast materialize` and `feast serve`, we by `trainyard features materialize`. Every request goes to both; what Feast answers
(names, values, statuses, event timestamps) must be in our answer, the status codes of wrong requests must be of one class,
and rows that are pushed must be answered by both. Where we differ on purpose the script says so and why.
Exit 1 when anything else differs. Needs feast, pandas, pyarrow, requests.
"""
import argparse
import json
import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
import requests

FEATURES = ["rides", "rating", "city", "active"]
REPOSITORY = """
from datetime import timedelta
from feast import Entity, FeatureService, FeatureView, Field, FileSource, PushSource, ValueType
from feast.types import Bool, Float64, Int64, String

driver = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64)
source = FileSource(name="facts", path="{data}", timestamp_field="at")
pushed = PushSource(name="drivers", batch_source=source)
drivers = FeatureView(
    name="drivers", entities=[driver], ttl=timedelta(days=1), source=pushed,
    schema=[Field(name="rides", dtype=Int64), Field(name="rating", dtype=Float64), Field(name="city", dtype=String), Field(name="active", dtype=Bool)],
)
service = FeatureService(name="both", features=[drivers[["rides", "city"]]])
"""
STORE = """
project: beside
registry: registry.db
provider: local
online_store:
  type: sqlite
  path: online.db
entity_key_serialization_version: 3
"""
WORKSPACE = """server = {{ listen = "127.0.0.1:{port}" }}
[dataset.facts]
path = "facts.parquet"
timestamp = "at"
[feature_view.drivers]
entity = {{ name = "driver", key = "driver_id" }}
dataset = "facts"
features = ["rides", "rating", "city", "active"]
ttl = "1d"
"""


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def facts():
    now = pd.Timestamp.now(tz="UTC").floor("s")
    rows = []
    for driver in range(1, 6):
        for hour in range(3):
            rows.append((driver, now - pd.Timedelta(minutes=10 + 60 * hour + driver), 10 * driver + hour, driver / 3 + hour, f"city {driver}", driver % 2 == 0))
    # nulls; a driver who is older than the time to live
    rows.append((6, now - pd.Timedelta(minutes=5), None, float("nan"), None, None))
    rows.append((7, now - pd.Timedelta(days=3), 70, 7.0, "far", True))
    frame = pd.DataFrame(rows, columns=["driver_id", "at", "rides", "rating", "city", "active"])
    frame["rides"] = frame["rides"].astype("Int64")
    frame["active"] = frame["active"].astype("boolean")
    return frame


def same(one, other):
    if isinstance(one, float) or isinstance(other, float):
        if one is None or other is None:
            return one is other
        return math.isclose(float(one), float(other), rel_tol=1e-12)
    return one == other


def instant(text):
    return pd.Timestamp(text).tz_convert("UTC").value // 1000


def compare(name, theirs, ours, known):
    """Differences between two answers, without those in `known` (feature -> reason)."""
    bad = []
    names = theirs["metadata"]["feature_names"]
    ours_by = dict(zip(ours["metadata"]["feature_names"], ours["results"]))
    if sorted(names) != sorted(ours_by):
        return [f"{name}: names {names} against {list(ours_by)}"]
    for feature, column in zip(names, theirs["results"]):
        mine = ours_by[feature]
        for part in ("values", "statuses", "event_timestamps"):
            if part not in mine:
                bad.append(f"{name}: no {part}")
                continue
            equal = (lambda a, b: instant(a) == instant(b)) if part == "event_timestamps" else same
            for row, (a, b) in enumerate(zip(column[part], mine[part])):
                if not equal(a, b):
                    line = f"{name}: {feature} {part}[{row}]: feast {a!r}, ours {b!r}"
                    why = known(part, a, b)
                    print(f"  known: {line}: {why}" if why else f"  DIFFERS: {line}")
                    if not why:
                        bad.append(line)
    return bad


def known(part, feast, ours):
    if part == "statuses" and feast == "PRESENT" and ours == "OUTSIDE_MAX_AGE":
        return "Feast ignores the time to live when it serves; a stale value is never called fresh here"
    if part == "statuses" and feast in ("PRESENT", "NOT_FOUND") and ours == "NULL_VALUE":
        return "the row is there and its value is null: NULL_VALUE says it"
    return None


def wait(url, process):
    end = time.monotonic() + 300
    while time.monotonic() < end:
        if process.poll() is not None:
            sys.exit(f"the server behind {url} ended with {process.returncode}")
        try:
            if requests.get(url, timeout=10).status_code == 200:
                return
        except requests.RequestException:
            time.sleep(0.2)
    sys.exit(f"{url} does not answer")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("trainyard")
    parser.add_argument("--feast", default=str(Path(sys.executable).parent))
    parser.add_argument("--keep", action="store_true")
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="beside-"))
    trainyard = str(Path(asked.trainyard).resolve())
    feast = str(Path(asked.feast) / "feast")
    data = folder / "facts.parquet"
    facts().to_parquet(data)
    repository = folder / "feast"
    repository.mkdir()
    (repository / "feature_store.yaml").write_text(STORE)
    (repository / "definitions.py").write_text(REPOSITORY.format(data=data))
    environment = dict(os.environ, FEAST_USAGE="False", FEAST_TELEMETRY="False")
    run = lambda *words: subprocess.run([feast, *words], cwd=repository, check=True, env=environment, stdout=subprocess.DEVNULL)
    run("apply")
    run("materialize", "2020-01-01T00:00:00", pd.Timestamp.now(tz="UTC").strftime("%Y-%m-%dT%H:%M:%S"))
    ports = free_port(), free_port()
    peer = subprocess.Popen([feast, "serve", "-p", str(ports[0])], cwd=repository, env=environment, stdout=subprocess.DEVNULL, stderr=open(folder / "feast.log", "wb"))
    workspace = ["--workspace", str(folder)]
    (folder / "trainyard.toml").write_text(WORKSPACE.format(port=ports[1]))
    own = subprocess.Popen([trainyard, *workspace, "up", "--foreground"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    bad = []
    try:
        urls = [f"http://127.0.0.1:{port}" for port in ports]
        wait(urls[0] + "/health", peer)
        wait(urls[1] + "/health", own)
        subprocess.run([trainyard, *workspace, "features", "materialize"], check=True, stdout=subprocess.DEVNULL)
        names = [f"drivers:{feature}" for feature in FEATURES]
        lookups = {
            "all drivers": {"features": names, "entities": {"driver_id": [1, 2, 3, 4, 5, 6, 7, 8]}},
            "full names": {"features": names[:2], "entities": {"driver_id": [3]}, "full_feature_names": True},
            "one twice": {"features": names, "entities": {"driver_id": [2, 2, 99]}},
            "other order": {"features": names[::-1], "entities": {"driver_id": [5, 1]}},
            "nobody": {"features": names[:1], "entities": {"driver_id": [404]}},
        }
        for name, body in lookups.items():
            answers = [requests.post(url + "/get-online-features", json=body, timeout=30) for url in urls]
            print(f"{name}: {[answer.status_code for answer in answers]}")
            if any(answer.status_code != 200 for answer in answers):
                bad.append(f"{name}: {[answer.text[:300] for answer in answers]}")
                continue
            bad += compare(name, answers[0].json(), answers[1].json(), known)
        wrong = {
            "no such view": {"features": ["nothing:x"], "entities": {"driver_id": [1]}},
            "no such feature": {"features": ["drivers:x"], "entities": {"driver_id": [1]}},
            "no key": {"features": names, "entities": {"other": [1]}},
            "no body": None,
        }
        for name, body in wrong.items():
            answers = [requests.post(url + "/get-online-features", json=body, timeout=30) for url in urls]
            print(f"{name}: {[answer.status_code for answer in answers]}")
            if not 400 <= answers[1].status_code < 500:
                bad.append(f"{name}: ours is {answers[1].status_code}: {answers[1].text[:200]}")
        at = pd.Timestamp.now(tz="UTC").floor("s")
        row = {"driver_id": [1, 50], "at": [str(at), str(at)], "rides": [77, 78], "rating": [0.5, 1.5], "city": ["pushed", "new"], "active": [False, True]}
        for to in ("online", "online_and_offline"):
            body = {"push_source_name": "drivers", "df": row, "to": to}
            answers = [requests.post(url + "/push", json=body, timeout=30) for url in urls]
            print(f"push {to}: {[answer.status_code for answer in answers]} feast {answers[0].text[:200]!r} ours {answers[1].text[:200]!r}")
            if answers[1].status_code != 200:
                bad.append(f"push {to}: {answers[1].text[:300]}")
        body = {"features": names, "entities": {"driver_id": [1, 2, 50]}}
        answers = [requests.post(url + "/get-online-features", json=body, timeout=30).json() for url in urls]
        bad += compare("after the push", *answers, known)
        # what went offline is in the dataset: everything read again gives the same values
        subprocess.run([trainyard, *workspace, "features", "materialize", "--full"], check=True, stdout=subprocess.DEVNULL)
        again = requests.post(urls[1] + "/get-online-features", json=body, timeout=30).json()
        if [one["values"] for one in again["results"]] != [one["values"] for one in answers[1]["results"]]:
            bad.append(f"after materializing again: {json.dumps(again)}")
    finally:
        for process in (peer, own):
            process.send_signal(signal.SIGTERM)
        for process in (peer, own):
            process.wait(30)
        if asked.keep:
            print(folder)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    print("\n".join(bad) if bad else "the answers agree")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main())
