#!/usr/bin/env python3
"""The real MLflow client against a real daemon.

    client.py --binary target/release/trainyard --dir EMPTY_DIR

Makes a workspace, starts the daemon on a free port, and runs each test through the public Python API of the mlflow package.
Needs mlflow-skinny (or mlflow) 3.17 and pandas. Covers the part of the API that the main path stands on.
"""
import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

import mlflow
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException

TESTS = []


def test(function):
    TESTS.append(function)
    return function


@test
def a_run_is_logged_and_read_back(client):
    mlflow.set_experiment("manual")
    with mlflow.start_run(run_name="first", tags={"team": "blue"}) as run:
        mlflow.log_param("depth", 8)
        mlflow.log_params({"rate": 0.05, "empty": ""})
        for step in range(5):
            mlflow.log_metric("loss", 1.0 / (step + 1), step=step)
        mlflow.log_metrics({"auc": 0.81, "odd": math.nan}, step=4)
        mlflow.set_tag("note", "ä tag with spaces")
    back = client.get_run(run.info.run_id)
    assert back.info.status == "FINISHED", back.info.status
    assert back.info.run_name == "first"
    assert back.data.params == {"depth": "8", "rate": "0.05", "empty": ""}, back.data.params
    assert back.data.metrics["auc"] == 0.81 and math.isnan(back.data.metrics["odd"])
    assert back.data.tags["team"] == "blue" and back.data.tags["note"] == "ä tag with spaces"
    history = client.get_metric_history(run.info.run_id, "loss")
    assert [point.step for point in history] == [0, 1, 2, 3, 4]
    assert history[1].value == 0.5


@test
def a_batch_is_whole(client):
    experiment = client.create_experiment("batches")
    run = client.create_run(experiment)
    points = [Metric("m", float(i), 1000 + i, i) for i in range(900)]
    client.log_batch(run.info.run_id, metrics=points, params=[Param("p", "1")], tags=[RunTag("t", "x")])
    assert len(client.get_metric_history(run.info.run_id, "m")) == 900
    assert client.get_run(run.info.run_id).data.metrics["m"] == 899.0
    try:
        client.log_param(run.info.run_id, "p", "2")
        raise AssertionError("a parameter was changed")
    except MlflowException as error:
        assert error.error_code == "INVALID_PARAMETER_VALUE", error.error_code
    client.set_terminated(run.info.run_id, "FAILED")
    assert client.get_run(run.info.run_id).info.status == "FAILED"


@test
def searches_use_the_grammar(client):
    experiment = client.create_experiment("search")
    for index in range(6):
        run = client.create_run(experiment, run_name=f"run-{index}", tags={"parity": "even" if index % 2 == 0 else "odd"})
        client.log_metric(run.info.run_id, "auc", 0.5 + index / 10)
        client.log_param(run.info.run_id, "kind", "tree" if index < 3 else "line")

    def names(text, **more):
        return [run.info.run_name for run in client.search_runs([experiment], filter_string=text, **more)]

    assert sorted(names("metrics.auc > 0.75")) == ["run-3", "run-4", "run-5"]
    assert sorted(names("params.kind = 'tree' and tags.parity = 'even'")) == ["run-0", "run-2"]
    assert names("attributes.run_name LIKE 'run-%'", order_by=["metrics.auc DESC"])[0] == "run-5"
    page = client.search_runs([experiment], max_results=4, order_by=["metrics.auc ASC"])
    assert len(page) == 4 and page.token
    rest = client.search_runs([experiment], max_results=4, order_by=["metrics.auc ASC"], page_token=page.token)
    assert [run.info.run_name for run in rest] == ["run-4", "run-5"] and not rest.token
    try:
        client.search_runs([experiment], filter_string="metrics.auc > 'high'")
        raise AssertionError("a quoted number was taken")
    except MlflowException as error:
        assert error.error_code == "INVALID_PARAMETER_VALUE", error.error_code


@test
def experiments_have_a_life(client):
    first = client.create_experiment("life", tags={"owner": "ana"})
    try:
        client.create_experiment("life")
        raise AssertionError("a name was given twice")
    except MlflowException as error:
        assert error.error_code == "RESOURCE_ALREADY_EXISTS", error.error_code
    found = client.get_experiment_by_name("life")
    assert found.experiment_id == first and found.tags["owner"] == "ana"
    assert client.get_experiment_by_name("nobody's") is None
    assert client.get_experiment("0").name == "Default"
    assert "life" in [experiment.name for experiment in client.search_experiments()]


@test
def artifacts_go_both_ways(client):
    experiment = client.create_experiment("artifacts")
    run = client.create_run(experiment)
    with tempfile.TemporaryDirectory() as folder:
        for name, text in {"plain.txt": "hello", "with space.txt": "space", "ümlaut.txt": "u"}.items():
            path = Path(folder) / name
            path.write_text(text)
            client.log_artifact(run.info.run_id, str(path), "notes")
    listed = sorted(item.path for item in client.list_artifacts(run.info.run_id, "notes"))
    assert listed == ["notes/plain.txt", "notes/with space.txt", "notes/ümlaut.txt"], listed
    local = client.download_artifacts(run.info.run_id, "notes/plain.txt")
    assert Path(local).read_text() == "hello"
    mlflow.set_experiment("artifacts")
    with mlflow.start_run() as active:
        mlflow.log_dict({"a": 1}, "config.json")
        mlflow.log_text("line", "deep/er/text.txt")
    assert [item.path for item in client.list_artifacts(active.info.run_id)] == ["config.json", "deep"]


@test
def deleted_runs_refuse_and_come_back(client):
    experiment = client.create_experiment("deletes")
    run = client.create_run(experiment)
    client.delete_run(run.info.run_id)
    assert client.get_run(run.info.run_id).info.lifecycle_stage == "deleted"
    try:
        client.log_metric(run.info.run_id, "m", 1.0)
        raise AssertionError("a deleted run took a metric")
    except MlflowException:
        pass
    client.restore_run(run.info.run_id)
    client.log_metric(run.info.run_id, "m", 1.0)
    assert client.get_run(run.info.run_id).data.metrics == {"m": 1.0}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("--dir", required=True)
    args = parser.parse_args()
    binary = os.path.abspath(args.binary)
    subprocess.run([binary, "init", args.dir], check=True, stdout=subprocess.DEVNULL)
    base = [binary, "--workspace", args.dir]
    subprocess.run([*base, "up", "--listen", "127.0.0.1:0"], check=True, stdout=subprocess.DEVNULL)
    passed = failed = 0
    try:
        status = json.loads(subprocess.run([*base, "--json", "status"], check=True, capture_output=True).stdout)
        uri = f"http://{status['http']}"
        mlflow.set_tracking_uri(uri)
        client = mlflow.MlflowClient(uri)
        for function in TESTS:
            began = time.monotonic()
            try:
                function(client)
                passed += 1
                print(f"ok    {function.__name__} ({time.monotonic() - began:.1f} s)")
            except Exception:
                failed += 1
                print(f"FAIL  {function.__name__}")
                traceback.print_exc()
    finally:
        subprocess.run([*base, "down"], stdout=subprocess.DEVNULL)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
