#!/usr/bin/env python3
"""The demo's AUC by month against scikit-learn's, on the same rows, features and family.

    demo_parity.py DATA_DIR SUMMARY.json

SUMMARY.json is what `trainyard demo --headless --json` prints. For every month the version that answered is
traced to its run; scikit-learn learns from exactly that run's rows (`train_from` to `train_to`, by the instant of asking) with the
features of `flights_features.py`, and scores the month's labelled flights. Exit 1 when an AUC differs by more than 0.01, when the story did not
happen, or when a request failed. Needs numpy, pandas, pyarrow and scikit-learn.
"""
import json
import sys
from pathlib import Path

import pandas as pd

import flights_features as reference

TOLERANCE = 0.01


def millis(text):
    return int(pd.Timestamp(text).timestamp() * 1000)


def main(data_dir, summary_path):
    summary = json.loads(Path(summary_path).read_text())
    table = reference.build(*reference.load(data_dir))
    runs = {run["version"]: run for run in summary["runs"] if run.get("version") is not None}
    fitted, bad = {}, []
    for month in summary["months"]:
        run = runs[month["version"]]
        params = run["params"]
        if month["version"] not in fitted:
            first, last = millis(params["train_from"]), millis(params["train_to"])
            train = table[(table["as_of_ms"] >= first) & (table["as_of_ms"] <= last)]
            if abs(len(train) - int(params["rows"])) > 0:
                bad.append(f"v{month['version']} learned from {params['rows']} rows, the reference from {len(train)}")
            encoder = reference.Encoder().fit(train)
            model = reference.make_model("logistic").fit(encoder.transform(train), train["label"].to_numpy())
            fitted[month["version"]] = (encoder, model)
        number = int(month["month"].rsplit("-", 1)[-1])
        want = reference.score(table, fitted[month["version"]], [number])[0]
        gap = abs(want["auc"] - month["auc"])
        print(f"{month['month']}  v{month['version']}  {month['labelled']:>6} labelled  auc {month['auc']:.4f}  scikit-learn {want['auc']:.4f}  "
              f"brier {month['brier']:.4f} / {want['brier']:.4f}  {'ok' if gap <= TOLERANCE else 'TOO FAR'}")
        if gap > TOLERANCE:
            bad.append(f"{month['month']}: auc {month['auc']} against {want['auc']}")
        if month["labelled"] != want["rows"]:
            bad.append(f"{month['month']}: {month['labelled']} labelled flights against {want['rows']}")
    kinds = [move["kind"] for move in summary["history"]]
    for kind in ("promoted", "forced", "rolled_back"):
        if kind not in kinds:
            bad.append(f"the history has no move of kind {kind}: {kinds}")
    if len(summary["months"]) != 10:
        bad.append(f"{len(summary['months'])} months instead of 10")
    if summary["requests"]["failed"] != 0:
        bad.append(f"{summary['requests']['failed']} requests failed")
    if summary["champion"]["version"] is None:
        bad.append("there is no champion")
    for line in bad:
        print("wrong:", line, file=sys.stderr)
    print("1 passed, 0 failed" if not bad else "0 passed, 1 failed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
