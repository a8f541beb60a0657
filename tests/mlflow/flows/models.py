"""Models of the Python library: autologging, `log_model` with registration, loading by alias, logged models, datasets,
evaluation, system metrics."""
import json
import time
import warnings

import mlflow
from mlflow.entities import LoggedModelStatus
from mlflow.exceptions import MlflowException

from . import Skip, equal, named, refused, test

# Said so that nothing is inferred by loading the model in another process.
REQUIREMENTS = ["scikit-learn"]


def iris():
    try:
        import pandas
        from sklearn.datasets import load_iris
    except ImportError as error:
        raise Skip(str(error)) from error
    data = load_iris()
    return pandas.DataFrame(data.data, columns=[name.split(" (")[0].replace(" ", "_") for name in data.feature_names]), data.target


def trained():
    from sklearn.linear_model import LogisticRegression

    rows, target = iris()
    return LogisticRegression(max_iter=300).fit(rows, target), rows, target


@test
def autologging_keeps_a_fit(client):
    rows, target = iris()
    from sklearn.linear_model import LogisticRegression

    mlflow.set_experiment(named("autolog"))
    mlflow.sklearn.autolog(log_datasets=True)
    try:
        with mlflow.start_run() as run:
            LogisticRegression(max_iter=300, C=0.5).fit(rows, target)
    finally:
        mlflow.sklearn.autolog(disable=True)
    back = client.get_run(run.info.run_id)
    equal(back.data.params["C"], "0.5")
    assert back.data.metrics["training_accuracy_score"] > 0.9, back.data.metrics
    equal(back.data.tags["estimator_name"], "LogisticRegression")
    equal(len(back.inputs.dataset_inputs), 1)
    equal(len(back.outputs.model_outputs), 1)
    model = mlflow.get_logged_model(back.outputs.model_outputs[0].model_id)
    equal(model.status, LoggedModelStatus.READY)
    equal(model.source_run_id, run.info.run_id)
    equal(model.params["C"], "0.5")
    assert {metric.key for metric in model.metrics} >= {"training_accuracy_score"}, model.metrics
    loaded = mlflow.sklearn.load_model(f"models:/{model.model_id}")
    assert loaded.score(rows, target) > 0.9


@test
def autologging_keeps_a_grid_search(client):
    rows, target = iris()
    from sklearn.model_selection import GridSearchCV
    from sklearn.tree import DecisionTreeClassifier

    mlflow.set_experiment(named("grid"))
    mlflow.sklearn.autolog(max_tuning_runs=None, log_models=False)
    try:
        with mlflow.start_run() as run:
            GridSearchCV(DecisionTreeClassifier(random_state=0), {"max_depth": [1, 2, 3], "min_samples_leaf": [1, 5]}, cv=3).fit(rows, target)
    finally:
        mlflow.sklearn.autolog(disable=True)
    parent = client.get_run(run.info.run_id)
    assert "best_max_depth" in parent.data.params and "best_cv_score" in parent.data.metrics
    children = client.search_runs([run.info.experiment_id], f"tags.mlflow.parentRunId = '{run.info.run_id}'", order_by=["metrics.mean_test_score DESC"])
    equal(len(children), 6)
    scores = [child.data.metrics["mean_test_score"] for child in children]
    equal(scores, sorted(scores, reverse=True))
    equal(children[0].data.metrics["mean_test_score"], parent.data.metrics["best_cv_score"])


@test
def a_logged_model_is_registered_and_loaded_by_alias(client):
    model, rows, target = trained()
    name = named("iris")
    mlflow.set_experiment(named("log model"))
    with mlflow.start_run() as run:
        info = mlflow.sklearn.log_model(model, name="model", registered_model_name=name, input_example=rows[:2], pip_requirements=REQUIREMENTS, serialization_format="cloudpickle")
    version = client.get_model_version(name, "1")
    equal(version.run_id, run.info.run_id)
    equal(version.source, f"models:/{info.model_id}")
    assert client.get_model_version_download_uri(name, "1").endswith(f"/models/{info.model_id}/artifacts")
    client.set_registered_model_alias(name, "champion", "1")
    for uri in (f"models:/{name}@champion", f"models:/{name}/1", f"models:/{name}/latest", f"models:/{info.model_id}", info.model_uri, f"runs:/{run.info.run_id}/model"):
        loaded = mlflow.pyfunc.load_model(uri)
        equal(list(loaded.predict(rows[:5])), list(model.predict(rows[:5])))
    # The server notes the version as a number, and the client once more as text.
    noted = json.loads(client.get_logged_model(info.model_id).tags["mlflow.modelVersions"])
    equal({(one["name"], int(one["version"])) for one in noted}, {(name, 1)})
    again = mlflow.register_model(info.model_uri, name)
    equal(int(again.version), 2)
    with refused():
        mlflow.pyfunc.load_model(f"models:/{name}@nobody")
    names = [item.path for item in client.list_logged_model_artifacts(info.model_id)]
    assert "MLmodel" in names and "input_example.json" in names, names


@test
def logged_models_have_a_life(client):
    experiment = client.create_experiment(named("logged models"))
    run = client.create_run(experiment).info.run_id
    model = client.create_logged_model(experiment, name="net", source_run_id=run, params={"depth": "8"}, tags={"team": "blue"}, model_type="classifier")
    equal(model.status, LoggedModelStatus.PENDING)
    assert model.model_id.startswith("m-") and model.artifact_location.endswith(f"/models/{model.model_id}/artifacts")
    client.log_model_params(model.model_id, {"rate": "0.1"})
    client.set_logged_model_tags(model.model_id, {"a": "b", "team": "red"})
    client.delete_logged_model_tag(model.model_id, "a")
    with refused("RESOURCE_DOES_NOT_EXIST"):
        client.delete_logged_model_tag(model.model_id, "a")
    client.log_metric(run, "auc", 0.8, step=1, timestamp=10, model_id=model.model_id, dataset_name="rows", dataset_digest="abc")
    client.log_metric(run, "auc", 0.9, step=2, timestamp=20, model_id=model.model_id)
    equal(client.finalize_logged_model(model.model_id, LoggedModelStatus.READY).status, LoggedModelStatus.READY)
    back = client.get_logged_model(model.model_id)
    assert back.params == {"depth": "8", "rate": "0.1"} and back.tags == {"team": "red"} and back.model_type == "classifier"
    equal(sorted((metric.value, metric.dataset_name or None, metric.run_id) for metric in back.metrics), [(0.8, "rows", run), (0.9, None, run)])
    equal(client.get_run(run).data.metrics, {"auc": 0.9})
    with refused():
        client.create_logged_model(experiment, name="a/b")
    client.delete_logged_model(model.model_id)
    with refused("RESOURCE_DOES_NOT_EXIST"):
        client.get_logged_model(model.model_id)


@test
def logged_models_are_searched(client):
    experiment = client.create_experiment(named("find logged"))
    run = client.create_run(experiment).info.run_id
    for index in range(4):
        model = client.create_logged_model(experiment, name=f"net{index}", source_run_id=run, params={"depth": str(index)}, tags={"parity": "odd" if index % 2 else "even"})
        client.log_metric(run, "auc", index / 10, step=0, model_id=model.model_id, dataset_name="rows" if index < 2 else "more", dataset_digest="x")

    def found(text=None, **more):
        return "".join(model.name[-1] for model in client.search_logged_models([experiment], filter_string=text, **more))

    by_auc = [{"field_name": "metrics.auc", "ascending": False}]
    equal(found(order_by=by_auc), "3210")
    equal(found("metrics.auc > 0.15", order_by=by_auc), "32")
    equal(found("params.depth = '1'"), "1")
    equal(found("tags.parity = 'odd' AND metrics.auc >= 0.1", order_by=by_auc), "31")
    equal(found("name LIKE 'net%'", order_by=[{"field_name": "name"}]), "0123")
    equal(found(datasets=[{"dataset_name": "rows", "dataset_digest": "x"}], order_by=by_auc), "10")
    page = client.search_logged_models([experiment], max_results=3, order_by=by_auc)
    rest = client.search_logged_models([experiment], max_results=3, order_by=by_auc, page_token=page.token)
    equal("".join(model.name[-1] for model in [*page, *rest]), "3210")
    for wrong in ("what.a = 'b'", "name > 'a'"):
        with refused():
            client.search_logged_models([experiment], filter_string=wrong)


@test
def datasets_are_inputs_of_runs(client):
    rows, target = iris()
    dataset = mlflow.data.from_pandas(rows.assign(target=target), source="iris.csv", name="iris", targets="target")
    mlflow.set_experiment(named("datasets"))
    with mlflow.start_run() as run:
        mlflow.log_input(dataset, context="training", tags={"more": "x"})
        mlflow.log_input(dataset, context="training")
    inputs = client.get_run(run.info.run_id).inputs.dataset_inputs
    equal(len(inputs), 1)
    equal(inputs[0].dataset.name, "iris")
    equal(inputs[0].dataset.digest, dataset.digest)
    equal({tag.key: tag.value for tag in inputs[0].tags}, {"mlflow.data.context": "training", "more": "x"})
    assert "sepal_length" in inputs[0].dataset.schema
    equal(len(client.search_runs([run.info.experiment_id], "dataset.name = 'iris' AND dataset.context = 'training'")), 1)
    source = mlflow.data.get_source(inputs[0].dataset)
    assert source is not None


@test
def system_metrics_are_sampled(client):
    try:
        import psutil  # noqa: F401
    except ImportError as error:
        raise Skip(str(error)) from error
    mlflow.set_experiment(named("system"))
    mlflow.set_system_metrics_sampling_interval(1)
    mlflow.set_system_metrics_samples_before_logging(1)
    with mlflow.start_run(log_system_metrics=True) as run:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and not client.get_run(run.info.run_id).data.metrics:
            time.sleep(0.2)
    metrics = client.get_run(run.info.run_id).data.metrics
    assert "system/cpu_utilization_percentage" in metrics, metrics


@test
def an_evaluation_is_a_run(client):
    rows, target = iris()
    data = rows.assign(target=target, guess=target)
    mlflow.set_experiment(named("evaluation"))
    warnings.simplefilter("ignore")
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise Skip(f"the full mlflow package is needed: {error}") from error
    with mlflow.start_run() as run:
        result = mlflow.models.evaluate(data=data, predictions="guess", targets="target", model_type="classifier", evaluator_config={"log_explainer": False})
    equal(result.metrics["accuracy_score"], 1.0)
    back = client.get_run(run.info.run_id)
    equal(back.data.metrics["accuracy_score"], 1.0)
    equal(len(back.inputs.dataset_inputs), 1)


@test
def a_python_function_is_a_model(client):
    rows, _ = iris()

    class Sum(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):
            return model_input.sum(axis=1)

    name = named("function")
    mlflow.set_experiment(named("pyfunc"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with mlflow.start_run():
            mlflow.pyfunc.log_model(name="sum", python_model=Sum(), registered_model_name=name, pip_requirements=["pandas"])
        loaded = mlflow.pyfunc.load_model(f"models:/{name}/1")
    equal([round(value, 6) for value in loaded.predict(rows[:3])], [round(value, 6) for value in rows[:3].sum(axis=1)])


@test
def traces_do_no_harm(client):
    mlflow.set_experiment(named("traces"))

    @mlflow.trace
    def add(a, b):
        return a + b

    equal(add(1, 2), 3)
    try:
        mlflow.flush_trace_async_logging(terminate=True)
    except MlflowException:
        pass
    with mlflow.start_run() as run:
        mlflow.log_metric("m", 1.0)
    equal(client.get_run(run.info.run_id).data.metrics, {"m": 1.0})
