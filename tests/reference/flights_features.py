#!/usr/bin/env python3
"""Point-in-time features for the flights demo, and a reference AUC table.

One row per landed flight of 2013 from New York City, predicted one hour before
its scheduled departure:

    as_of = sched_dep_utc - 1 hour        label = arr_delay > 15 minutes

Every feature uses only what was known at `as_of`: weather reports by their
`available_at`, delays of other flights by the instant of the departure or the
arrival that revealed them, never by schedule. `features.md` states each
definition in words; this file is the same in code.

Usage:
    flights_features.py DATA_DIR                      print the tables as JSON
    flights_features.py DATA_DIR --out DIR            also write metrics.json, golden_rows.csv
    flights_features.py DATA_DIR --frozen-only        only the frozen logistic model (seconds)
    flights_features.py DATA_DIR --check FILE.json    exit 1 if an AUC in FILE.json differs > 0.01
    flights_features.py DATA_DIR --selftest           recompute the golden rows naively, compare

Needs numpy, pandas, pyarrow and scikit-learn. Runs on one thread.
"""
import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # before numpy: one thread, same sums every time

import argparse
import csv
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.naive_bayes import GaussianNB

HOUR = 3_600_000  # all instants are integer milliseconds since 1970 UTC
LATE = 15  # minutes; "late" is strictly more than this
WEATHER_TTL = 3 * HOUR
WEATHER = ["temp", "dewp", "humid", "wind_speed", "precip", "pressure", "visib"]
MIN_CATEGORY_ROWS = 20
TRAIN = [1, 2]
SCORED = list(range(3, 13))
TOLERANCE = 0.01

CATEGORICAL = ["dow", "carrier", "origin", "dest"]
# name: (key columns, event stream, aggregate, window in hours)
WINDOWS = {
    "origin_departures_1h": (("origin",), "departed", "count", 1),
    "origin_dep_delay_mean_1h": (("origin",), "departed", "mean", 1),
    "origin_late_dep_share_3h": (("origin",), "departed", "share", 3),
    "origin_dep_delay_mean_24h": (("origin",), "departed", "mean", 24),
    "origin_carrier_dep_delay_mean_3h": (("origin", "carrier"), "departed", "mean", 3),
    "carrier_arr_delay_mean_3h": (("carrier",), "arrived", "mean", 3),
    "carrier_late_arr_share_24h": (("carrier",), "arrived", "share", 24),
    "dest_arr_delay_mean_3h": (("dest",), "arrived", "mean", 3),
    "dest_late_arr_share_7d": (("dest",), "arrived", "share", 168),
    "tail_departures_24h": (("tailnum",), "departed", "count", 24),
    "tail_arr_delay_last_24h": (("tailnum",), "arrived", "last", 24),
    "all_late_arr_share_3h": ((), "arrived", "share", 3),
}
FEATURES = (
    ["dep_minute", "dow", "distance", "block_minutes", "carrier", "origin", "dest"]
    + ["weather_" + c for c in WEATHER]
    + list(WINDOWS)
)


def millis(column):
    """Timestamps as int64 milliseconds (missing: the smallest int64)."""
    if getattr(column.dt, "tz", None) is not None:
        column = column.dt.tz_localize(None)
    return column.to_numpy().astype("datetime64[ms]").astype(np.int64)


def load(data_dir):
    """All flights of the year, in flight_id order, and the weather reports."""
    paths = sorted(Path(data_dir).glob("flights_2013-*.parquet"))
    if len(paths) != 12:
        raise SystemExit(f"expected 12 monthly flight files in {data_dir}, found {len(paths)}")
    flights = pd.concat([pd.read_parquet(p) for p in paths], ignore_index=True)
    flights = flights.sort_values("flight_id", ignore_index=True)
    weather = pd.read_parquet(Path(data_dir) / "weather.parquet")
    return flights, weather


def event_streams(flights):
    """stream -> (which flights are events, the instant each was known, its integer value)."""
    departed = flights["dep_utc"].notna() & flights["dep_delay"].notna()
    arrived = flights["arr_utc"].notna() & flights["arr_delay"].notna()
    return {
        "departed": (departed.to_numpy(), millis(flights["dep_utc"]),
                     flights["dep_delay"].fillna(0).to_numpy().astype(np.int64)),
        "arrived": (arrived.to_numpy(), millis(flights["arr_utc"]),
                    flights["arr_delay"].fillna(0).to_numpy().astype(np.int64)),
    }


def key_codes(flights, columns):
    """One integer per distinct key; -1 where a part of the key is missing."""
    if not columns:
        return np.zeros(len(flights), dtype=np.int64)
    missing = flights[list(columns)].isna().any(axis=1).to_numpy()
    codes = flights.groupby(list(columns), sort=True, dropna=False).ngroup().to_numpy().astype(np.int64)
    return np.where(missing, -1, codes)


def window_feature(codes, as_of, stream, aggregate, hours):
    """Aggregate, per row, the events of its key known in (as_of - window, as_of].

    Events are sorted by (key, known-at, flight_id); a window is then one slice
    found by two binary searches, and its sums are differences of exact integer
    running sums, so the result does not depend on the order of addition.
    """
    is_event, known, value = stream
    span = 1 << 42  # more than any instant of 2013 in milliseconds
    use = is_event & (codes >= 0)
    position = codes[use] * span + known[use]
    order = np.argsort(position, kind="stable")  # ties stay in flight_id order
    position, value = position[order], value[use][order]
    high = np.searchsorted(position, codes * span + as_of, side="right")
    low = np.searchsorted(position, codes * span + as_of - hours * HOUR, side="right")
    count = np.where(codes >= 0, high - low, 0)
    if aggregate == "count":
        return count.astype(float)
    some = count > 0
    if aggregate == "last":
        result = np.full(len(codes), np.nan)
        result[some] = value[high[some] - 1]
        return result
    summed = (value > LATE).astype(np.int64) if aggregate == "share" else value
    running = np.concatenate([[0], np.cumsum(summed)])
    total = running[high] - running[low]
    return np.where(some, total / np.maximum(count, 1), np.nan)


def build(flights, weather):
    """The feature table: one row per landed flight, in flight_id order."""
    scheduled = millis(flights["sched_dep_utc"])
    as_of = scheduled - HOUR
    local = flights["sched_dep_local"].dt
    out = pd.DataFrame({
        "flight_id": flights["flight_id"],
        "as_of_ms": as_of,
        "month": local.month,
        "label": (flights["arr_delay"] > LATE).astype(int),
        "dep_minute": (local.hour * 60 + local.minute).astype(float),
        # SQLite strftime('%w'): '0' is Sunday; kept as text, so a category
        "dow": ((local.day_of_week + 1) % 7).astype(str),
        "distance": flights["distance"].astype(float),
        "block_minutes": (millis(flights["sched_arr_utc"]) - scheduled) / 60_000,
        "carrier": flights["carrier"],
        "origin": flights["origin"],
        "dest": flights["dest"],
    })
    # latest report of the airport with available_at <= as_of, not older than the ttl
    reports = weather[["origin"] + WEATHER].assign(at=millis(weather["available_at"]))
    left = pd.DataFrame({"row": np.arange(len(flights)), "origin": flights["origin"], "at": as_of})
    joined = pd.merge_asof(left.sort_values("at", kind="stable"), reports.sort_values("at", kind="stable"),
                           on="at", by="origin", direction="backward", tolerance=WEATHER_TTL)
    joined = joined.sort_values("row")
    for column in WEATHER:
        out["weather_" + column] = joined[column].to_numpy().astype(float)
    streams = event_streams(flights)
    for name, (key, stream, aggregate, hours) in WINDOWS.items():
        out[name] = window_feature(key_codes(flights, key), as_of, streams[stream], aggregate, hours)
    return out[(flights["status"] == "landed").to_numpy()].reset_index(drop=True)


class Encoder:
    """Feature table -> design matrix, with everything learned from the training rows.

    Numbers: mean of the present training values fills the gaps, then
    (x - mean) / population std of the filled column, plus a 0/1 "missing"
    column if any training value was missing. Text: one 0/1 column for each
    category with at least 20 training rows; all zero otherwise.
    """

    def fit(self, table):
        self.plan = []
        for name in FEATURES:
            if name in CATEGORICAL:
                counts = table[name].value_counts()
                self.plan.append((name, sorted(counts[counts >= MIN_CATEGORY_ROWS].index)))
                continue
            value = table[name].to_numpy()
            gap = np.isnan(value)
            mean = value[~gap].mean()
            scale = np.where(gap, mean, value).std()
            self.plan.append((name, (mean, scale if scale > 0 else 1.0, bool(gap.any()))))
        return self

    def transform(self, table):
        columns, self.names = [], []
        for name, rule in self.plan:
            value = table[name].to_numpy()
            if name in CATEGORICAL:
                for category in rule:
                    columns.append((value == category).astype(float))
                    self.names.append(f"{name}={category}")
                continue
            mean, scale, flag = rule
            gap = np.isnan(value)
            columns.append((np.where(gap, mean, value) - mean) / scale)
            self.names.append(name)
            if flag:
                columns.append(gap.astype(float))
                self.names.append(name + "_missing")
        return np.column_stack(columns)


def make_model(family):
    if family == "logistic":
        return LogisticRegression(C=1.0, solver="newton-cholesky", tol=1e-8, max_iter=100)
    if family == "hist_gradient_boosting":
        return HistGradientBoostingClassifier(random_state=0)
    if family == "gaussian_nb":
        return GaussianNB()
    raise ValueError(family)


def fit(table, months, family="logistic"):
    train = table[table["month"].isin(months)]
    encoder = Encoder().fit(train)
    model = make_model(family).fit(encoder.transform(train), train["label"].to_numpy())
    return encoder, model


def score(table, fitted, months):
    """One metrics record for each month."""
    encoder, model = fitted
    records = []
    for month in months:
        rows = table[table["month"] == month]
        label = rows["label"].to_numpy()
        p = model.predict_proba(encoder.transform(rows))[:, 1]
        records.append({
            "month": month, "rows": len(rows), "auc": float(roc_auc_score(label, p)),
            "brier": float(np.mean((p - label) ** 2)),
            "mean_prediction": float(p.mean()), "base_rate": float(label.mean()),
        })
    return records


def psi(table, months):
    """Population stability index of each feature, each month against the training months.

    Numbers: bins at the training deciles (equal edges merged) plus one bin for
    missing; text: one bin per training category plus one for the rest. Shares
    are floored at 0.0001; PSI = sum (q - p) ln(q / p).
    """
    train, result = table[table["month"].isin(TRAIN)], {}
    for name in FEATURES:
        if name in CATEGORICAL:
            levels = sorted(train[name].unique())
            place = {level: i for i, level in enumerate(levels)}
            def binned(rows):
                return rows[name].map(place).fillna(len(levels)).to_numpy().astype(int)
            size = len(levels) + 1
        else:
            edges = np.unique(np.nanquantile(train[name], np.arange(1, 10) / 10))
            def binned(rows):
                value = rows[name].to_numpy()
                return np.where(np.isnan(value), len(edges) + 1, np.searchsorted(edges, value, side="left"))
            size = len(edges) + 2
        def shares(rows):
            return np.maximum(np.bincount(binned(rows), minlength=size) / len(rows), 1e-4)
        p = shares(train)
        result[name] = {}
        for month in months:
            q = shares(table[table["month"] == month])
            result[name][str(month)] = float(np.sum((q - p) * np.log(q / p)))
    return result


def golden(table):
    """About 200 fixed rows for testing another implementation."""
    return table[table["flight_id"] % 1600 == 7]


def write_golden(table, path):
    columns = ["flight_id", "as_of_ms", "month", "label"] + FEATURES
    with open(path, "w", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(columns)
        for row in golden(table)[columns].itertuples(index=False):
            writer.writerow(["" if isinstance(v, float) and np.isnan(v)
                             else repr(float(v)) if isinstance(v, float) else v for v in row])


def selftest(flights, weather, table):
    """Recompute the golden rows by plain filtering, sharing no code with build()."""
    at = weather["available_at"].dt.tz_localize(None) if weather["available_at"].dt.tz else weather["available_at"]
    f = flights.copy()
    for column in ("sched_dep_utc", "sched_arr_utc", "dep_utc", "arr_utc"):
        if f[column].dt.tz:
            f[column] = f[column].dt.tz_localize(None)
    by_id, wrong = f.set_index("flight_id"), 0
    for row in golden(table).to_dict("records"):
        flight = by_id.loc[row["flight_id"]]
        now = flight["sched_dep_utc"] - pd.Timedelta(hours=1)
        expect = {
            "as_of_ms": now.value // 1_000_000 if now.unit == "ns" else int(now.timestamp() * 1000),
            "dep_minute": flight["sched_dep_local"].hour * 60 + flight["sched_dep_local"].minute,
            "dow": flight["sched_dep_local"].strftime("%w"), "distance": flight["distance"],
            "block_minutes": (flight["sched_arr_utc"] - flight["sched_dep_utc"]).total_seconds() / 60,
        }
        seen = weather[(weather["origin"] == flight["origin"]) & (at <= now)
                       & (at >= now - pd.Timedelta(milliseconds=WEATHER_TTL))]
        last = seen.loc[at[seen.index].idxmax()] if len(seen) else None
        for column in WEATHER:
            expect["weather_" + column] = np.nan if last is None else last[column]
        for name, (key, stream, aggregate, hours) in WINDOWS.items():
            known, value = ("dep_utc", "dep_delay") if stream == "departed" else ("arr_utc", "arr_delay")
            hit = (f[known] > now - pd.Timedelta(hours=hours)) & (f[known] <= now) & f[value].notna()
            for column in key:
                hit &= f[column] == flight[column]
            events = f[hit]
            if aggregate == "count":
                expect[name] = len(events)
            elif not len(events):
                expect[name] = np.nan
            elif aggregate == "mean":
                expect[name] = events[value].sum() / len(events)
            elif aggregate == "share":
                expect[name] = (events[value] > LATE).sum() / len(events)
            else:
                expect[name] = events.sort_values([known, "flight_id"])[value].iloc[-1]
        for name, want in expect.items():
            got = row[name]
            if not (got == want or (pd.isna(got) and pd.isna(want))):
                wrong += 1
                print(f"flight {row['flight_id']} {name}: {got!r}, naively {want!r}", file=sys.stderr)
    print(json.dumps({"golden_rows": len(golden(table)), "differences": wrong}))
    return 1 if wrong else 0


def check(records, path):
    """Compare a document {"months": [{"month", "auc"}, ...]} with the frozen logistic model."""
    reference = {r["month"]: r["auc"] for r in records}
    lines, bad = [], False
    for entry in json.loads(Path(path).read_text())["months"]:
        month = entry["month"]
        if isinstance(month, str):  # "2013-09" or "9"
            month = int(month.rsplit("-", 1)[-1])
        if month not in reference:
            continue
        gap = None if entry["auc"] is None else abs(entry["auc"] - reference[month])
        ok = gap is not None and gap <= TOLERANCE
        bad |= not ok
        lines.append({"month": month, "auc": entry["auc"], "reference": reference[month],
                      "difference": gap, "ok": ok})
    bad |= not lines
    print(json.dumps({"ok": not bad, "tolerance": TOLERANCE, "months": lines}, indent=1))
    return 1 if bad else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data_dir", help="folder with flights_2013-MM.parquet and weather.parquet")
    parser.add_argument("--out", metavar="DIR", help="write metrics.json and golden_rows.csv here")
    parser.add_argument("--frozen-only", action="store_true", help="skip the retrained models, other families and PSI")
    parser.add_argument("--check", metavar="FILE", help="compare AUCs by month with this JSON document")
    parser.add_argument("--selftest", action="store_true", help="check the golden rows against a naive computation")
    args = parser.parse_args()

    flights, weather = load(args.data_dir)
    table = build(flights, weather)
    if args.selftest:
        return selftest(flights, weather, table)
    frozen = score(table, fit(table, TRAIN), SCORED)
    if args.check:
        return check(frozen, args.check)
    document = {"model": "logistic", "train_months": TRAIN, "features": FEATURES, "months": frozen}
    if not args.frozen_only:
        plans = {"expanding": lambda m: list(range(1, m)), "last_2_months": lambda m: [m - 2, m - 1],
                 "last_3_months": lambda m: list(range(max(1, m - 3), m))}
        document["retrained"] = {
            plan: [dict(score(table, fit(table, months(m)), [m])[0], train_months=months(m)) for m in SCORED]
            for plan, months in plans.items()}
        document["frozen_other_families"] = {
            family: score(table, fit(table, TRAIN, family), SCORED)
            for family in ("hist_gradient_boosting", "gaussian_nb")}
        document["psi"] = psi(table, SCORED)
    print(json.dumps(document, indent=1))
    if args.out:
        out = Path(args.out)
        out.mkdir(parents=True, exist_ok=True)
        (out / "metrics.json").write_text(json.dumps(document, indent=1) + "\n")
        write_golden(table, out / "golden_rows.csv")
    return 0


if __name__ == "__main__":
    sys.exit(main())
