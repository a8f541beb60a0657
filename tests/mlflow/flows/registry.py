"""Registered models and versions: their life, tags, aliases, stages, searches."""
import tempfile
import uuid
import warnings
from pathlib import Path

import mlflow

from . import equal, named, refused, test

warnings.filterwarnings("ignore", category=FutureWarning)


def run_with_files(client):
    run = client.create_run(client.create_experiment(f"registry-{uuid.uuid4().hex}")).info
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "MLmodel").write_text("flavors: {}\n")
        client.log_artifacts(run.run_id, folder, "model")
    return run


@test
def models_have_a_life(client):
    name = named("life of a model")
    made = client.create_registered_model(name, tags={"team": "blue"}, description="first")
    assert made.name == name and made.description == "first" and made.tags == {"team": "blue"}
    with refused("RESOURCE_ALREADY_EXISTS"):
        client.create_registered_model(name)
    for wrong in ("a/b", "a:b", " "):
        with refused():
            client.create_registered_model(wrong)
    client.update_registered_model(name, description="second")
    client.set_registered_model_tag(name, "a", "b")
    client.delete_registered_model_tag(name, "team")
    client.delete_registered_model_tag(name, "team")
    back = client.get_registered_model(name)
    assert back.description == "second" and back.tags == {"a": "b"} and back.latest_versions == []
    client.rename_registered_model(name, name + " 2")
    with refused("RESOURCE_DOES_NOT_EXIST"):
        client.get_registered_model(name)
    client.delete_registered_model(name + " 2")
    with refused("RESOURCE_DOES_NOT_EXIST"):
        client.delete_registered_model(name + " 2")
    client.create_registered_model(name + " 2")


@test
def versions_count_and_are_never_used_twice(client):
    name, run = named("versions"), run_with_files(client)
    client.create_registered_model(name)
    source = run.artifact_uri + "/model"
    first = client.create_model_version(name, source, run.run_id, tags={"a": "b"}, description="d")
    assert first.version == "1" or first.version == 1, first.version
    assert first.source == source and first.run_id == run.run_id and first.tags == {"a": "b"} and first.status == "READY" and first.current_stage == "None"
    second = client.create_model_version(name, f"runs:/{run.run_id}/model", run.run_id)
    equal(client.get_model_version_download_uri(name, "1"), source)
    third = client.create_model_version(name, f"models:/{name}/1")
    equal(third.run_id, run.run_id)
    equal(client.get_model_version_download_uri(name, third.version), source)
    client.delete_model_version(name, third.version)
    with refused("RESOURCE_DOES_NOT_EXIST"):
        client.get_model_version(name, third.version)
    equal(int(client.create_model_version(name, source, run.run_id).version), 4)
    client.update_model_version(name, "1", description="changed")
    client.set_model_version_tag(name, "1", "c", "d")
    client.delete_model_version_tag(name, "1", "a")
    back = client.get_model_version(name, "1")
    assert back.description == "changed" and back.tags == {"c": "d"}, back
    assert int(second.version) == 2
    with refused():
        client.get_model_version(name, "abc")


@test
def sources_lie_inside(client):
    name, run = named("sources"), run_with_files(client)
    other = run_with_files(client)
    client.create_registered_model(name)
    for source, run_id in [("/etc", run.run_id), ("file:///etc", run.run_id), (run.artifact_uri + "/../../x", run.run_id), (run.artifact_uri + "/%2e%2e/x", run.run_id),
                           (other.artifact_uri + "/model", run.run_id), (run.artifact_uri + "/model", None), (f"runs:/{other.run_id}/model", run.run_id)]:
        with refused():
            client.create_model_version(name, source, run_id)
    equal(len(client.search_model_versions(f"name = '{name}'")), 0)


@test
def aliases_move_and_vanish(client):
    name, run = named("aliases"), run_with_files(client)
    client.create_registered_model(name)
    for _ in range(3):
        client.create_model_version(name, run.artifact_uri + "/model", run.run_id)
    client.set_registered_model_alias(name, "champion", "1")
    client.set_registered_model_alias(name, "champion", "2")
    client.set_registered_model_alias(name, "champion", "2")
    client.set_registered_model_alias(name, "challenger", "3")
    equal(int(client.get_model_version_by_alias(name, "champion").version), 2)
    equal({alias: int(version) for alias, version in client.get_registered_model(name).aliases.items()}, {"champion": 2, "challenger": 3})
    equal(client.get_model_version(name, "2").aliases, ["champion"])
    for wrong in ("latest", "v1", "V22", "a b"):
        with refused():
            client.set_registered_model_alias(name, wrong, "1")
    with refused("RESOURCE_DOES_NOT_EXIST"):
        client.set_registered_model_alias(name, "a", "99")
    with refused():
        client.get_model_version_by_alias(name, "nobody")
    equal(int(client.get_model_version_by_alias(name, "latest").version), 3)
    client.delete_registered_model_alias(name, "challenger")
    client.delete_registered_model_alias(name, "challenger")
    client.delete_model_version(name, "2")
    equal(client.get_registered_model(name).aliases, {})
    with refused():
        client.get_model_version_by_alias(name, "champion")


@test
def stages_make_room(client):
    name, run = named("stages"), run_with_files(client)
    client.create_registered_model(name)
    for _ in range(3):
        client.create_model_version(name, run.artifact_uri + "/model", run.run_id)
    client.transition_model_version_stage(name, "1", "production")
    moved = client.transition_model_version_stage(name, "2", "Production", archive_existing_versions=True)
    equal(moved.current_stage, "Production")
    equal(client.get_model_version(name, "1").current_stage, "Archived")
    equal(sorted((int(one.version), one.current_stage) for one in client.get_latest_versions(name)), [(1, "Archived"), (2, "Production"), (3, "None")])
    equal([int(one.version) for one in client.get_latest_versions(name, ["Production"])], [2])
    with refused():
        client.transition_model_version_stage(name, "1", "what")
    equal(len(client.get_registered_model(name).latest_versions), 3)


@test
def models_and_versions_are_searched(client):
    prefix, run = named("find model"), run_with_files(client)
    for index in range(3):
        client.create_registered_model(f"{prefix} {index}", tags={"team": "blue" if index else "red"})
        for _ in range(index):
            client.create_model_version(f"{prefix} {index}", run.artifact_uri + "/model", run.run_id, tags={"kind": "tree"})

    def models(text, **more):
        return [one.name[-1] for one in client.search_registered_models(f"name LIKE '{prefix} %'" + text, **more)]

    def versions(text, **more):
        return [(one.name[-1], int(one.version)) for one in client.search_model_versions(text, **more)]

    equal(models(""), ["0", "1", "2"])
    equal(models(" AND tags.team = 'blue'", order_by=["name DESC"]), ["2", "1"])
    page = client.search_registered_models(f"name ILIKE '{prefix.upper()}%'", max_results=2)
    equal(len(client.search_registered_models(f"name ILIKE '{prefix.upper()}%'", max_results=2, page_token=page.token)), 1)
    equal(versions(f"name = '{prefix} 2'", order_by=["version_number ASC"]), [("2", 1), ("2", 2)])
    equal(sorted(versions(f"run_id = '{run.run_id}'")), [("1", 1), ("2", 1), ("2", 2)])
    equal(versions(f"name = '{prefix} 2' AND version_number > 1"), [("2", 2)])
    equal(len(versions(f"run_id = '{run.run_id}' AND tags.kind = 'tree'")), 3)
    for wrong in ("what = 'x'", "name = m", "metrics.a > 1"):
        with refused():
            client.search_registered_models(wrong)
        with refused():
            client.search_model_versions(wrong)


@test
def a_model_is_registered_from_a_run(client):
    name, run = named("by register_model"), run_with_files(client)
    made = mlflow.register_model(f"runs:/{run.run_id}/model", name)
    again = mlflow.register_model(f"runs:/{run.run_id}/model", name)
    equal([int(made.version), int(again.version)], [1, 2])
    equal(made.run_id, run.run_id)
