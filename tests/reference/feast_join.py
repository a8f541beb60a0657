#!/usr/bin/env python3
"""The point-in-time join beside the real Feast: random cases, both ways, rows that differ counted.

    feast_join.py TRAINYARD [CASES] [SEED]

TRAINYARD is the binary. Each case has random facts (one or two keys, of numbers and texts), random rows, a time to live or
none; trainyard joins them by `features join --entities`, Feast (its DuckDB offline store: the file store is known to answer
wrongly) by `get_historical_features`. What both promise: equal times count, at most the time to live old, the newest event wins,
of equal events the greatest created. Left out, since Feast promises nothing there: ties in event and created, null keys,
rows without time, duplicate rows (Feast's answer has no order; rows are matched by a number that they carry).
Exit 1 when a value differs. Needs feast[duckdb] and pandas.
"""
import datetime as dt
import json
import logging
import random
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)

import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource
from feast.infra.offline_stores.duckdb import DuckDBOfflineStoreConfig
from feast.repo_config import RepoConfig
from feast.types import Float64, Int64
from feast.value_type import ValueType

START = dt.datetime(2024, 1, 1, tzinfo=dt.timezone.utc)
BINARY = sys.argv[1]
CASES = int(sys.argv[2]) if len(sys.argv) > 2 else 40
SEED = int(sys.argv[3]) if len(sys.argv) > 3 else 1


def instant(minutes):
    return START + dt.timedelta(minutes=minutes)


def case(rng):
    """Facts, rows, keys and the time to live in minutes (none: no limit)."""
    keys = ["driver"] + (["city"] if rng.random() < 0.4 else [])
    span = rng.choice([20, 200, 3000])

    def entity():
        one = {"driver": rng.randrange(4)}
        if "city" in keys:
            one["city"] = rng.choice(["a", "b", "ä"])
        return one

    facts, seen = [], set()
    for _ in range(rng.randrange(1, 60)):
        one = entity() | {"event": instant(rng.randrange(span))}
        one["created"] = one["event"] + dt.timedelta(minutes=rng.randrange(30))
        mark = tuple(str(value) for value in one.values())
        if mark in seen:
            continue
        seen.add(mark)
        one["trips"] = rng.randrange(1000)
        one["rate"] = None if rng.random() < 0.1 else rng.random()
        facts.append(one)
    rows = [
        entity() | {"event_timestamp": instant(rng.randrange(-5, span + 60)), "number": number}
        for number in range(rng.randrange(1, 50))
    ]
    ttl = rng.choice([None, 1, 10, 60, 1440])
    return pd.DataFrame(facts), pd.DataFrame(rows), keys, ttl


def of_feast(folder, facts, rows, keys, ttl):
    facts.to_parquet(folder / "facts.parquet")
    source = FileSource(
        name="facts", path=str(folder / "facts.parquet"), timestamp_field="event", created_timestamp_column="created"
    )
    kinds = {"driver": ValueType.INT64, "city": ValueType.STRING}
    entities = [Entity(name=f"{key}_entity", join_keys=[key], value_type=kinds[key]) for key in keys]
    view = FeatureView(
        name="stats",
        entities=entities,
        ttl=dt.timedelta(minutes=ttl or 0),
        schema=[Field(name="trips", dtype=Int64), Field(name="rate", dtype=Float64)],
        source=source,
    )
    store = FeatureStore(
        config=RepoConfig(
            project="parity",
            provider="local",
            registry=str(folder / "registry.db"),
            offline_store=DuckDBOfflineStoreConfig(),
            online_store=None,
            entity_key_serialization_version=3,
        )
    )
    store.apply([*entities, view])
    found = store.get_historical_features(entity_df=rows.copy(), features=["stats:trips", "stats:rate"]).to_df()
    return found.set_index("number")[["trips", "rate"]]


def of_trainyard(folder, rows, keys, ttl):
    limit = f'ttl = "{ttl}m"' if ttl else ""
    (folder / "trainyard.toml").write_text(
        f"""name = "parity"
[dataset.facts]
path = "facts.parquet"
timestamp = "event"
[feature_view.stats]
entity = {{ name = "who", key = {json.dumps(keys)} }}
dataset = "facts"
available_at = "created"
known_as_of = false
features = ["trips", "rate"]
{limit}
"""
    )
    rows.to_parquet(folder / "rows.parquet")
    command = [BINARY, "--workspace", folder, "--quiet", "features", "join", "--entities", folder / "rows.parquet"]
    command += ["--features", "stats:trips,stats:rate", "--out", folder / "out.parquet"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"trainyard: {done.stderr}")
    found = pd.read_parquet(folder / "out.parquet")
    if list(found["number"]) != list(rows["number"]):
        raise SystemExit("rows are not in the order given, each once")
    return found.set_index("number")[["trips", "rate"]]


def main():
    rng = random.Random(SEED)
    rows_compared, found_some, differing = 0, 0, []
    for number in range(CASES):
        facts, rows, keys, ttl = case(rng)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            theirs = of_feast(folder, facts, rows, keys, ttl)
            ours = of_trainyard(folder, rows, keys, ttl)
        for row in rows["number"]:
            rows_compared += 1
            found_some += not pd.isna(ours.loc[row, "trips"])
            for feature in ("trips", "rate"):
                mine, other = ours.loc[row, feature], theirs.loc[row, feature]
                if not (pd.isna(mine) and pd.isna(other)) and mine != other:
                    differing.append((number, row, feature, mine, other, ttl))
    print(f"{CASES} cases, {rows_compared} rows ({found_some} with a value), {len(differing)} values differ")
    for one in differing[:10]:
        print("  case %s row %s %s: ours %s, Feast's %s, ttl %s min" % one)
    sys.exit(1 if differing else 0)


main()
