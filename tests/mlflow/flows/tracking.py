"""Experiments, runs, metrics, parameters, tags: by hand, in batches, asynchronously; deletes and restores."""
import math
import threading
import time

import mlflow
from mlflow.entities import Metric, Param, RunTag, ViewType

from . import equal, named, refused, test


@test
def a_run_is_logged_and_read_back(client):
    mlflow.set_experiment(named("manual"))
    with mlflow.start_run(run_name="first", tags={"team": "blue"}) as run:
        mlflow.log_param("depth", 8)
        mlflow.log_params({"rate": 0.05, "empty": ""})
        for step in range(5):
            mlflow.log_metric("loss", 1.0 / (step + 1), step=step)
        mlflow.log_metrics({"auc": 0.81, "odd": math.nan, "high": math.inf}, step=4)
        mlflow.set_tag("note", "ä tag with spaces")
        mlflow.set_tags({"a": 1, "b": None})
    back = client.get_run(run.info.run_id)
    equal(back.info.status, "FINISHED")
    equal(back.info.run_name, "first")
    equal(back.data.params, {"depth": "8", "rate": "0.05", "empty": ""})
    assert back.data.metrics["auc"] == 0.81 and math.isnan(back.data.metrics["odd"])
    equal(back.data.metrics["high"], 1.7976931348623157e308)
    assert back.data.tags["team"] == "blue" and back.data.tags["note"] == "ä tag with spaces"
    assert back.data.tags["a"] == "1" and back.data.tags["b"] == "None"
    assert back.info.end_time >= back.info.start_time
    history = client.get_metric_history(run.info.run_id, "loss")
    equal([point.step for point in history], [0, 1, 2, 3, 4])
    equal(history[1].value, 0.5)


@test
def the_latest_metric_has_the_greatest_step_then_time_then_value(client):
    run = client.create_run(client.create_experiment(named("latest"))).info.run_id
    for value, time_, step in [(1.0, 10, 5), (2.0, 99, 4), (3.0, 10, 5), (0.5, 11, -1)]:
        client.log_metric(run, "m", value, timestamp=time_, step=step)
    equal(client.get_run(run).data.metrics["m"], 3.0)
    client.log_metric(run, "m", 0.1, timestamp=11, step=5)
    equal(client.get_run(run).data.metrics["m"], 0.1)
    before = len(client.get_metric_history(run, "m"))
    client.log_metric(run, "m", 0.1, timestamp=11, step=5)
    equal(len(client.get_metric_history(run, "m")), before)


@test
def a_batch_is_whole(client):
    run = client.create_run(client.create_experiment(named("batches"))).info.run_id
    points = [Metric("m", float(i), 1000 + i, i) for i in range(900)]
    client.log_batch(run, metrics=points, params=[Param("p", "1")], tags=[RunTag("t", "x")])
    equal(len(client.get_metric_history(run, "m")), 900)
    equal(client.get_run(run).data.metrics["m"], 899.0)
    with refused():
        client.log_param(run, "p", "2")
    client.log_param(run, "p", "1")
    # The client cuts what is too large for one request.
    client.log_batch(run, metrics=[Metric("n", float(i), i, i) for i in range(2500)], params=[Param(f"p{i}", str(i)) for i in range(250)])
    equal(len(client.get_metric_history(run, "n")), 2500)
    equal(len(client.get_run(run).data.params), 251)
    client.set_terminated(run, "FAILED")
    equal(client.get_run(run).info.status, "FAILED")


@test
def asynchronous_logging_arrives(client):
    mlflow.set_experiment(named("asynchronous"))
    with mlflow.start_run() as run:
        futures = [mlflow.log_metric("loss", 1 / (step + 1), step=step, synchronous=False) for step in range(50)]
        futures.append(mlflow.log_params({f"p{i}": i for i in range(20)}, synchronous=False))
        futures.append(mlflow.set_tag("late", "yes", synchronous=False))
        for future in futures:
            future.wait()
    mlflow.flush_async_logging()
    back = client.get_run(run.info.run_id)
    equal(len(back.data.params), 20)
    equal(back.data.tags["late"], "yes")
    equal(len(client.get_metric_history(run.info.run_id, "loss")), 50)


@test
def writers_beside_each_other_lose_nothing(client):
    run = client.create_run(client.create_experiment(named("threads"))).info.run_id

    def write(number):
        for step in range(20):
            client.log_metric(run, f"m{number}", float(step), step=step)

    threads = [threading.Thread(target=write, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    equal(client.get_run(run).data.metrics, {f"m{number}": 19.0 for number in range(4)})
    for number in range(4):
        equal(len(client.get_metric_history(run, f"m{number}")), 20)


@test
def names_and_the_tag_of_the_name_are_one(client):
    experiment = client.create_experiment(named("names"))
    one = client.create_run(experiment, run_name="given")
    equal(one.data.tags["mlflow.runName"], "given")
    tagged = client.create_run(experiment, tags={"mlflow.runName": "tagged"})
    equal(tagged.info.run_name, "tagged")
    assert client.create_run(experiment).info.run_name
    with refused():
        client.create_run(experiment, run_name="a", tags={"mlflow.runName": "b"})
    client.set_tag(one.info.run_id, "mlflow.runName", "by tag")
    equal(client.get_run(one.info.run_id).info.run_name, "by tag")
    client.update_run(one.info.run_id, name="by update")
    equal(client.get_run(one.info.run_id).data.tags["mlflow.runName"], "by update")


@test
def keys_follow_the_rules(client):
    run = client.create_run(client.create_experiment(named("keys"))).info.run_id
    for key in ["val/loss", "a b", "a:b", "größe", "fold/roc_auc", ".x", "a.b-c_d"]:
        client.log_metric(run, key, 1.0)
        client.log_param(run, key, "x")
        client.set_tag(run, key, "x")
    back = client.get_run(run).data
    assert back.metrics["größe"] == 1.0 and back.params["a b"] == "x" and back.tags["fold/roc_auc"] == "x"
    for key in ["../a", "/a", "a//b", "a*b", "a\nb"]:
        with refused():
            client.log_metric(run, key, 1.0)
    with refused("RESOURCE_DOES_NOT_EXIST"):
        client.delete_tag(run, "absent")
    client.delete_tag(run, "a b")
    assert "a b" not in client.get_run(run).data.tags


@test
def experiments_have_a_life(client):
    name = named("life")
    first = client.create_experiment(name, tags={"owner": "ana"})
    with refused("RESOURCE_ALREADY_EXISTS"):
        client.create_experiment(name)
    found = client.get_experiment_by_name(name)
    assert found.experiment_id == first and found.tags["owner"] == "ana"
    assert client.get_experiment_by_name("nobody's") is None
    equal(client.get_experiment("0").name, "Default")
    assert name in [experiment.name for experiment in client.search_experiments()]
    client.rename_experiment(first, name + " 2")
    client.set_experiment_tag(first, "note", "ä")
    client.delete_experiment_tag(first, "owner")
    back = client.get_experiment(first)
    assert back.name == name + " 2" and back.tags == {"note": "ä"}, back
    with refused("RESOURCE_DOES_NOT_EXIST"):
        client.get_experiment("987654")


@test
def deleted_experiments_carry_their_runs(client):
    name = named("deleted")
    experiment = client.create_experiment(name)
    run = client.create_run(experiment).info.run_id
    client.delete_experiment(experiment)
    equal(client.get_experiment(experiment).lifecycle_stage, "deleted")
    equal(client.get_experiment_by_name(name).lifecycle_stage, "deleted")
    equal(client.get_run(run).info.lifecycle_stage, "deleted")
    with refused("RESOURCE_ALREADY_EXISTS"):
        client.create_experiment(name)
    with refused():
        client.create_run(experiment)
    assert experiment not in [one.experiment_id for one in client.search_experiments()]
    assert experiment in [one.experiment_id for one in client.search_experiments(view_type=ViewType.DELETED_ONLY)]
    client.restore_experiment(experiment)
    equal(client.get_run(run).info.lifecycle_stage, "active")


@test
def deleted_runs_refuse_and_come_back(client):
    experiment = client.create_experiment(named("deletes"))
    run = client.create_run(experiment).info.run_id
    client.delete_run(run)
    equal(client.get_run(run).info.lifecycle_stage, "deleted")
    for change in (lambda: client.log_metric(run, "m", 1.0), lambda: client.log_param(run, "p", "1"), lambda: client.set_tag(run, "t", "1"), lambda: client.set_terminated(run)):
        with refused():
            change()
    equal(len(client.search_runs([experiment])), 0)
    equal(len(client.search_runs([experiment], run_view_type=ViewType.ALL)), 1)
    client.restore_run(run)
    client.log_metric(run, "m", 1.0)
    equal(client.get_run(run).data.metrics, {"m": 1.0})


@test
def nested_runs_name_their_parent(client):
    mlflow.set_experiment(named("nested"))
    with mlflow.start_run(run_name="parent") as parent:
        for index in range(3):
            with mlflow.start_run(run_name=f"child {index}", nested=True):
                mlflow.log_metric("m", index)
    found = mlflow.search_runs(experiment_names=[named("nested")], filter_string=f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'", output_format="list")
    equal(sorted(run.info.run_name for run in found), ["child 0", "child 1", "child 2"])


@test
def histories_come_in_pages(client):
    run = client.create_run(client.create_experiment(named("pages"))).info.run_id
    began = time.time()
    for part in range(30):
        client.log_batch(run, metrics=[Metric("m", float(i), i, i) for i in range(part * 1000, part * 1000 + 1000)])
    history = client.get_metric_history(run, "m")
    equal(len(history), 30_000)
    equal([history[0].step, history[-1].step], [0, 29_999])
    assert time.time() - began < 300
