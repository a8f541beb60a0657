#!/usr/bin/env python3
"""The real MLflow client against a real server.

    client.py --binary target/release/trainyard --dir EMPTY_DIR     a workspace is made and its daemon started
    client.py --url http://127.0.0.1:5000                           a server that runs, ours or `mlflow server`

Runs each test of `flows/` through the public Python API of the mlflow package. Needs mlflow-skinny (or mlflow) 3.17,
scikit-learn and pandas; what needs more says so and is skipped. `--only TEXT` runs the tests whose names have it.
"""
import argparse
import json
import logging
import os
import subprocess
import sys
import time
import traceback

os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

import mlflow

import flows
from flows import artifacts, models, registry, search, tracking  # noqa: F401: they name their tests


def check(uri, only):
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    mlflow.set_tracking_uri(uri)
    client = mlflow.MlflowClient(uri)
    counts = {"ok": 0, "FAIL": 0, "skip": 0}
    for function in flows.TESTS:
        if only and only not in function.__name__:
            continue
        began = time.monotonic()
        why = ""
        try:
            function(client)
            result = "ok"
        except flows.Skip as error:
            result, why = "skip", f": {error}"
        except Exception:
            result = "FAIL"
            traceback.print_exc()
        # A test that failed inside a run must not leave it open for the next.
        while mlflow.active_run():
            mlflow.end_run()
        counts[result] += 1
        print(f"{result:5} {function.__name__} ({time.monotonic() - began:.1f} s){why}", flush=True)
    print(f"{counts['ok']} passed, {counts['FAIL']} failed, {counts['skip']} skipped")
    return 1 if counts["FAIL"] else 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary")
    parser.add_argument("--dir")
    parser.add_argument("--url")
    parser.add_argument("--only")
    args = parser.parse_args()
    if args.url:
        return check(args.url, args.only)
    if not (args.binary and args.dir):
        parser.error("either --url, or --binary and --dir")
    binary = os.path.abspath(args.binary)
    subprocess.run([binary, "init", args.dir], check=True, stdout=subprocess.DEVNULL)
    base = [binary, "--workspace", args.dir]
    subprocess.run([*base, "up", "--listen", "127.0.0.1:0"], check=True, stdout=subprocess.DEVNULL)
    try:
        status = json.loads(subprocess.run([*base, "--json", "status"], check=True, capture_output=True).stdout)
        return check(f"http://{status['http']}", args.only)
    finally:
        subprocess.run([*base, "down"], stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(main())
