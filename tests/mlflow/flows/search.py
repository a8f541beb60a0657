"""`search_runs` with the whole grammar, as a table of filters and the runs they find; searches of experiments."""
from mlflow.entities import Dataset, DatasetInput, InputTag

from . import equal, named, refused, test

# Runs 0 to 5; auc 0.5 to 0.9 on 0-4; kind tree on 0-2, line on 3-4; parity on 0-4; odd NaN on 1, 2.0 on 2, inf on 3, 4.0 on 4.
FOUND = {
    "": "012345",
    "metrics.auc > 0.75": "34",
    "metric.auc >= 0.7": "234",
    "metrics.`auc` < 0.65": "01",
    'metrics."auc" <= 0.6': "01",
    "metrics.auc = 0.5": "0",
    "metrics.auc != 0.5": "1234",
    "metrics.auc > -1e3": "01234",
    "metrics.odd != 4": "123",
    "metrics.odd > 0": "234",
    "metrics.odd = 0": "",
    "metrics.`a b` > 0": "3",
    "metrics.`val/auc` > 0": "3",
    "metrics.nobody != 1": "",
    "params.kind = 'tree'": "012",
    'params.kind = "line"': "34",
    "param.kind != 'tree'": "34",
    "parameters.kind LIKE 't%'": "012",
    "params.kind LIKE 'T%'": "",
    "params.kind ILIKE 'T%'": "012",
    "params.kind LIKE '_ine'": "34",
    "params.kind LIKE 't*'": "",
    "params.kind IS NULL": "5",
    "params.kind IS NOT NULL": "01234",
    "params.empty = ''": "3",
    "tags.parity = 'even'": "024",
    "tag.`parity` != 'even'": "13",
    "tags.parity IS NULL": "5",
    "tags.parity ilike '%DD'": "13",
    "status = 'FINISHED'": "04",
    "attributes.status != 'FINISHED'": "1235",
    "attribute.run_name LIKE 'run-%'": "012345",
    "attributes.`Run name` = 'run-2'": "2",
    "`run name` ILIKE 'RUN-3'": "3",
    "run_id = '{1}'": "1",
    "run_id IN ('{1}', '{2}')": "12",
    "attributes.run_id NOT IN ('{1}', '{2}')": "0345",
    "artifact_uri LIKE '%/artifacts'": "012345",
    "start_time >= 103": "345",
    "attributes.start_time < 102": "01",
    "created = 104": "4",
    "end_time > 0": "04",
    "dataset.name = 'd1'": "02",
    "datasets.digest = 'x1'": "1",
    "dataset.context = 'training'": "01",
    "datasets.name LIKE 'd%'": "0123",
    "dataset.name IN ('d1', 'd9')": "02",
    "dataset.digest NOT IN ('x0', 'x1')": "23",
    "metrics.auc > 0.6 AND params.kind = 'tree'": "2",
    "metrics.auc > 0.5 and tags.parity = 'odd' and status = 'RUNNING'": "13",
    "dataset.name = 'd1' AND metrics.auc > 0.6": "2",
    "metrics.auc>0.75": "34",
    "metrics.auc > 0.6 params.kind = 'tree'": "2",
}

REFUSED = [
    "metrics.auc > '0.7'", "metrics.auc > high", "metrics.auc LIKE '0%'", "metrics.auc IS NULL", "metrics.auc", "metrics.auc >", "metrics.auc == 1",
    "params.kind = tree", "params.kind = 5", "params.kind > 'a'", "tags.parity < 'a'", "status = RUNNING", "status IS NULL", "what.a = 'b'", "attributes.what = 'b'",
    "what = 'b'", "start_time > 'x'", "run_id IN ()", "dataset.what = 'x'", "dataset.name > 'a'",
    "params.kind = 'open", "metrics.auc > nan",
]

ORDERED = {
    ("metrics.auc DESC",): "432105",
    ("metrics.auc",): "012345",
    ("metrics.odd DESC",): "342150",
    ("metrics.odd ASC",): "243150",
    ("params.kind", "metrics.auc DESC"): "432105",
    ("tags.parity DESC", "start_time ASC"): "130245",
    ("attributes.start_time",): "012345",
    ("run_name DESC",): "543210",
    (): "543210",
}


def runs(client):
    experiment = client.create_experiment(named("search"))
    ids = []
    for index in range(6):
        tags = {"parity": "odd" if index % 2 else "even"} if index < 5 else {}
        run = client.create_run(experiment, start_time=100 + index, run_name=f"run-{index}", tags=tags).info.run_id
        ids.append(run)
        if index < 5:
            client.log_metric(run, "auc", 0.5 + index / 10)
            client.log_param(run, "kind", "tree" if index < 3 else "line")
        odd = {1: float("nan"), 2: 2.0, 3: float("inf"), 4: 4.0}.get(index)
        if odd is not None:
            client.log_metric(run, "odd", odd)
        if index == 3:
            client.log_metric(run, "a b", 1.0)
            client.log_metric(run, "val/auc", 1.0)
            client.log_param(run, "empty", "")
        if index < 4:
            dataset = Dataset(name=f"d{index % 2 + 1}", digest=f"x{index}", source_type="local", source="{}")
            context = InputTag("mlflow.data.context", "training" if index < 2 else "eval")
            client.log_inputs(run, [DatasetInput(dataset, [context])])
        if index in (0, 4):
            client.set_terminated(run, "FINISHED", end_time=500)
    return experiment, ids


@test
def searches_use_the_whole_grammar(client):
    experiment, ids = runs(client)

    def found(text, order_by=None):
        runs = client.search_runs([experiment], filter_string=text, order_by=list(order_by or []))
        return "".join(run.info.run_name[-1] for run in runs)

    wrong = []
    for text, expected in FOUND.items():
        for number, run in enumerate(ids):
            text = text.replace("{%d}" % number, run)
        names = "".join(sorted(found(text)))
        if names != expected:
            wrong.append(f"{text}: {names} and not {expected}")
    for order, expected in ORDERED.items():
        names = found("", order)
        if names != expected:
            wrong.append(f"{order}: {names} and not {expected}")
    for text in REFUSED:
        try:
            with refused():
                client.search_runs([experiment], filter_string=text)
        except AssertionError as error:
            wrong.append(f"{text}: {error}")
    for order in (["what"], ["metrics.auc UP"], ["what.a DESC"]):
        with refused():
            client.search_runs([experiment], order_by=order)
    assert not wrong, "\n".join(wrong)


@test
def pages_follow_each_other_and_end(client):
    experiment = client.create_experiment(named("run pages"))
    for index in range(7):
        client.create_run(experiment, run_name=f"r{index}", start_time=index + 1)
    names, token = [], None
    while True:
        page = client.search_runs([experiment], max_results=3, order_by=["start_time"], page_token=token)
        names.extend(run.info.run_name for run in page)
        token = page.token
        if not token:
            break
    equal(names, [f"r{index}" for index in range(7)])
    with refused():
        client.search_runs([experiment], page_token="garbage")
    with refused():
        client.search_runs([experiment], max_results=50_001)
    equal(client.search_runs([]), [])


@test
def experiments_are_searched(client):
    prefix = named("find")
    for index in range(4):
        client.create_experiment(f"{prefix} {index}", tags={"team": "blue" if index % 2 else "red"})

    def found(text, **more):
        return [one.name[-1] for one in client.search_experiments(filter_string=f"name LIKE '{prefix} %'" + text, **more)]

    equal(sorted(found(" AND tags.team = 'blue'")), ["1", "3"])
    equal(found("", order_by=["name DESC"]), ["3", "2", "1", "0"])
    equal(found(" AND name != '" + prefix + " 0'", order_by=["name ASC"]), ["1", "2", "3"])
    equal(sorted(found(" AND tags.nobody IS NULL")), ["0", "1", "2", "3"])
    page = client.search_experiments(filter_string=f"name ILIKE '{prefix.upper()}%'", max_results=3, order_by=["name"])
    equal(len(page), 3)
    equal(len(client.search_experiments(filter_string=f"name ILIKE '{prefix.upper()}%'", max_results=3, order_by=["name"], page_token=page.token)), 1)
    with refused():
        client.search_experiments(filter_string="metrics.a > 1")
