"""Files of runs: both ways, odd names, images, tables, dictionaries."""
import tempfile
from pathlib import Path

import mlflow

from . import Skip, equal, named, test

ODD = {
    "plain.txt": "hello", "with space.txt": "space", "ümlaut.txt": "u", "日本.txt": "j", "a+b&c=d.txt": "signs", "semi;colon.txt": "s",
    "quote'.txt": "q", "empty.txt": "", "two..dots.txt": "d", "[brackets].txt": "b", "~tilde.txt": "t",
}


@test
def artifacts_go_both_ways(client):
    run = client.create_run(client.create_experiment(named("artifacts"))).info.run_id
    with tempfile.TemporaryDirectory() as folder:
        for name, text in ODD.items():
            path = Path(folder) / name
            path.write_text(text)
            client.log_artifact(run, str(path), "notes")
        client.log_artifacts(run, folder, "whole")
    equal(sorted(item.path for item in client.list_artifacts(run, "notes")), sorted(f"notes/{name}" for name in ODD))
    for name, text in ODD.items():
        equal(Path(client.download_artifacts(run, f"notes/{name}")).read_text(), text)
    whole = Path(client.download_artifacts(run, "whole"))
    equal(sorted(path.name for path in whole.iterdir()), sorted(ODD))
    sizes = {item.path: item.file_size for item in client.list_artifacts(run, "whole")}
    equal(sizes["whole/plain.txt"], 5)
    equal([item.path for item in client.list_artifacts(run)], ["notes", "whole"])
    equal(client.list_artifacts(run, "notes/plain.txt"), [])
    equal(client.list_artifacts(run, "nobody"), [])


@test
def text_dictionaries_and_tables_are_files(client):
    mlflow.set_experiment(named("texts"))
    with mlflow.start_run() as run:
        mlflow.log_dict({"a": 1}, "config.json")
        mlflow.log_text("line", "deep/er/text.txt")
        mlflow.log_table({"a": [1, 2], "b": ["x", "y"]}, "table.json")
    equal([item.path for item in client.list_artifacts(run.info.run_id)], ["config.json", "deep", "table.json"])
    equal(mlflow.artifacts.load_dict(f"runs:/{run.info.run_id}/config.json"), {"a": 1})
    equal(mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/deep/er/text.txt"), "line")
    table = mlflow.load_table("table.json", run_ids=[run.info.run_id])
    equal(list(table["b"]), ["x", "y"])


@test
def a_file_is_replaced_by_the_next_of_its_name(client):
    mlflow.set_experiment(named("texts"))
    with mlflow.start_run() as run:
        mlflow.log_text("one", "a.txt")
        mlflow.log_text("two, longer", "a.txt")
    equal(mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/a.txt"), "two, longer")


@test
def images_are_logged_by_name_and_by_step(client):
    try:
        import numpy
        import PIL.Image
    except ImportError as error:
        raise Skip(str(error)) from error
    pixels = numpy.zeros((8, 8, 3), dtype=numpy.uint8)
    mlflow.set_experiment(named("images"))
    with mlflow.start_run() as run:
        mlflow.log_image(pixels, "black.png")
        for step in range(3):
            mlflow.log_image(pixels + step, key="growing", step=step)
        mlflow.flush_artifact_async_logging()
    paths = [item.path for item in client.list_artifacts(run.info.run_id)]
    assert "black.png" in paths and "images" in paths, paths
    equal(len(client.list_artifacts(run.info.run_id, "images")), 6)
    local = mlflow.artifacts.load_image(f"runs:/{run.info.run_id}/black.png")
    equal(local.size, (8, 8))


@test
def large_files_survive(client):
    run = client.create_run(client.create_experiment(named("large"))).info.run_id
    content = bytes(range(256)) * 50_000
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.bin"
        path.write_bytes(content)
        client.log_artifact(run, str(path))
    assert Path(client.download_artifacts(run, "large.bin")).read_bytes() == content
