#!/usr/bin/env python3
"""Raw requests sent to two servers, answers compared: every difference is printed.

    parity.py OURS_URL ORIGINAL_URL

Run by hand on two fresh servers, ours and `mlflow server` 3.17. Needs nothing but Python. Ids and times are replaced
by names; empty values and absent ones are the same; of errors the HTTP status and `error_code` count, and not the
text. What is different on purpose says why (`known=`), and is listed at the end.
"""
import json
import sys
import urllib.error
import urllib.parse
import urllib.request

TIMES = {
    "start_time", "end_time", "creation_time", "last_update_time", "creation_timestamp", "last_updated_timestamp",
    "creation_timestamp_ms", "last_updated_timestamp_ms",
}


class Side:
    def __init__(self, url):
        self.url = url.rstrip("/")
        self.names = {}

    def fill(self, value):
        if isinstance(value, str):
            for name, known in self.names.items():
                value = value.replace("{%s}" % name, known)
            return value
        if isinstance(value, list):
            return [self.fill(one) for one in value]
        if isinstance(value, dict):
            return {key: self.fill(one) for key, one in value.items()}
        return value

    def ask(self, method, path, body, query, raw):
        path = self.fill(path)
        if not path.startswith("/"):
            path = "/api/2.0/mlflow/" + path
        if query:
            path += "?" + urllib.parse.urlencode(self.fill(query), doseq=True)
        data = raw.encode() if raw is not None else None if body is None else json.dumps(self.fill(body)).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method)
        if data is not None:
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                status, text = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read()
        try:
            return status, json.loads(text)
        except ValueError:
            return status, text.decode("utf-8", "replace")

    def plain(self, value, key=""):
        """The answer without what must differ: ids, times, emptiness, order of pairs."""
        if isinstance(value, dict):
            plain = {name: self.plain(one, name) for name, one in value.items()}
            return {name: one for name, one in plain.items() if one not in ("", [], {}, None, False)}
        if isinstance(value, list):
            plain = [self.plain(one) for one in value]
            if all(isinstance(one, dict) and "key" in one for one in plain):
                plain.sort(key=lambda one: json.dumps(one, sort_keys=True))
            return plain
        if key in TIMES and isinstance(value, int) and value > 10**11:
            return "TIME"
        if key == "next_page_token":
            return "TOKEN"
        if key in ("experiment_id", "artifact_uri", "artifact_location"):
            known = {number: name for name, number in self.names.items() if name in ("exp", "other", "s")}
            parts = str(value).split("/")
            value = "/".join("{%s}" % known[part] if part in known else part for part in parts)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return float(value)
        if isinstance(value, str):
            for name, known in sorted(self.names.items(), key=lambda pair: -len(pair[1])):
                if len(known) > 6:
                    value = value.replace(known, "{%s}" % name)
        return value


def unlike(ours, original, place=""):
    """Where two answers differ."""
    if isinstance(ours, dict) and isinstance(original, dict):
        return [line for key in sorted({*ours, *original}) for line in unlike(ours.get(key), original.get(key), f"{place}.{key}")]
    if isinstance(ours, list) and isinstance(original, list) and len(ours) == len(original):
        return [line for number, pair in enumerate(zip(ours, original)) for line in unlike(*pair, f"{place}[{number}]")]
    return [] if ours == original else [f"{place}: ours {json.dumps(ours)[:250]}, original {json.dumps(original)[:250]}"]


class Pair:
    def __init__(self, ours, original):
        self.sides = [Side(ours), Side(original)]
        self.asked = 0
        self.different = []
        self.known = []

    def ask(self, method, path, body=None, query=None, keep=None, known=None, raw=None, only=None):
        self.asked += 1
        answers = []
        for side in self.sides:
            status, value = side.ask(method, path, body, query, raw)
            if status == 200:
                for name, place in (keep or {}).items():
                    found = value
                    for part in place.split("."):
                        found = found.get(part, {})
                    side.names[name] = str(found)
                plain = side.plain(value)
                for part in (only or "").split(".") if only else []:
                    plain = plain.get(part, {}) if isinstance(plain, dict) else plain
            else:
                plain = value.get("error_code") if isinstance(value, dict) else "NOT JSON"
            answers.append((status, plain, value))
        if answers[0][:2] == answers[1][:2]:
            if known:
                print(f"no longer different: {method} {path} {json.dumps(body or query)}")
            return answers[0][2]
        what = f"{method} {path} {json.dumps(body if body is not None else query)[:300]}"
        if known:
            self.known.append((what, known))
            return answers[0][2]
        self.different.append(what)
        print(f"DIFFERENT {what}")
        if answers[0][0] == answers[1][0] == 200:
            for line in unlike(answers[0][1], answers[1][1]):
                print(f"  {line[:600]}")
        else:
            for name, (status, plain, value) in zip(("ours", "original"), answers):
                shown = plain if status == 200 else value
                print(f"  {name:8} {status} {json.dumps(shown, sort_keys=True)[:600]}")
        return answers[0][2]

    def post(self, path, body=None, **more):
        return self.ask("POST", path, {} if body is None else body, **more)

    def get(self, path, /, **query):
        more = {name: query.pop(name) for name in ("keep", "known", "only") if name in query}
        return self.ask("GET", path, query=query, **more)


def experiments(pair):
    post, get = pair.post, pair.get
    post("experiments/create", {"name": "exp", "tags": [{"key": "team", "value": "blue"}]}, keep={"exp": "experiment_id"})
    post("experiments/create", {"name": "other", "tags": [{"key": "team", "value": "Red"}]}, keep={"other": "experiment_id"})
    for wrong in ({"name": "exp"}, {}, {"name": ""}, {"name": 5}, {"name": "x" * 501}, {"name": "a", "artifact_location": "runs:/x"},
                  {"name": "a#", "artifact_location": "s3://b?x=1#y"}, {"name": "t", "tags": [{"key": "a/../b", "value": ""}]}):
        post("experiments/create", wrong)
    get("experiments/get", experiment_id="{exp}")
    get("experiments/get", experiment_id="0")
    for wrong in ("9999", "", "abc"):
        get("experiments/get", experiment_id=wrong)
    get("experiments/get")
    get("experiments/get-by-name", experiment_name="exp")
    get("experiments/get-by-name", experiment_name="nobody")
    get("experiments/get-by-name")
    post("experiments/set-experiment-tag", {"experiment_id": "{exp}", "key": "note", "value": "ä"})
    post("experiments/set-experiment-tag", {"experiment_id": "{exp}", "key": "empty"})
    post("experiments/set-experiment-tag", {"experiment_id": "{exp}", "key": "long", "value": "x" * 20001})
    post("experiments/set-experiment-tag", {"experiment_id": "{exp}", "value": "x"})
    post("experiments/set-experiment-tag", {"experiment_id": "777", "key": "a", "value": "x"})
    get("experiments/get", experiment_id="{exp}")
    post("experiments/delete-experiment-tag", {"experiment_id": "{exp}", "key": "note"})
    post("experiments/delete-experiment-tag", {"experiment_id": "{exp}", "key": "note"})
    post("experiments/update", {"experiment_id": "{exp}", "new_name": "exp2"})
    post("experiments/update", {"experiment_id": "{exp}", "new_name": "other"}, known="the original answers 500 for a name that is taken")
    post("experiments/update", {"experiment_id": "{exp}"})
    post("experiments/update", {"experiment_id": "{exp}", "new_name": "exp"})
    for filter in ("", "name = 'exp'", "name LIKE 'ex%'", "name LIKE 'EX%'", "name ILIKE 'EX%'", "name != 'exp'", "tags.team = 'blue'",
                   "tag.team = 'blue'", "tags.team LIKE 'R%'", "tags.team != 'blue'", "tags.`team` = 'Red'", "attribute.name = 'exp'",
                   "creation_time > 1000", "last_update_time < 1000", "experiment_id = '0'", "experiment_id IN ('0')",
                   "tags.team IS NULL", "tags.team IS NOT NULL", "name = 'exp' AND tags.team = 'blue'",
                   "name = exp", "name > 'a'", "metrics.a > 1", "what = 'x'", "name", "creation_time > '1'", "name IS NULL"):
        post("experiments/search", {"max_results": 10, "filter": filter})
    post("experiments/search", {"max_results": 10, "filter": "name = 'exp' OR name = 'other'"}, known="OR is taken")
    for order in (["name DESC"], ["name"], ["experiment_id ASC"], ["creation_time DESC", "name ASC"], ["name UP"], ["what"], ["last_update_time DESC"]):
        post("experiments/search", {"max_results": 10, "order_by": order})
    first = post("experiments/search", {"max_results": 1, "order_by": ["name"]}, keep={"page": "next_page_token"})
    assert first["experiments"]
    post("experiments/search", {"max_results": 1, "order_by": ["name"], "page_token": "{page}"})
    post("experiments/search", {"max_results": 1, "page_token": "garbage"})
    post("experiments/search", {"max_results": 50001})
    post("experiments/search", {"max_results": -1})
    get("experiments/search", max_results=2, order_by=["name ASC", "creation_time DESC"])
    post("experiments/delete", {"experiment_id": "{other}"})
    post("experiments/delete", {"experiment_id": "{other}"})
    post("experiments/delete", {"experiment_id": "5555"})
    post("experiments/delete", {})
    get("experiments/get", experiment_id="{other}")
    get("experiments/get-by-name", experiment_name="other")
    post("experiments/create", {"name": "other"})
    post("experiments/update", {"experiment_id": "{other}", "new_name": "more"}, known="the original answers 500: INVALID_STATE")
    post("experiments/set-experiment-tag", {"experiment_id": "{other}", "key": "a", "value": "x"})
    post("runs/create", {"experiment_id": "{other}"})
    for view in ("ACTIVE_ONLY", "DELETED_ONLY", "ALL"):
        post("experiments/search", {"max_results": 10, "view_type": view, "order_by": ["name"]})
    post("experiments/search", {"max_results": 10, "view_type": "WHAT"}, known="an unknown name is refused, and not ignored")
    post("experiments/restore", {"experiment_id": "{other}"})
    post("experiments/restore", {"experiment_id": "{other}"})
    get("experiments/get", experiment_id="{other}")


def runs(pair):
    post, get = pair.post, pair.get
    post("runs/create", {"experiment_id": "{exp}", "user_id": "ana", "start_time": 5, "run_name": "one",
                         "tags": [{"key": "mlflow.user", "value": "ana"}, {"key": "kind", "value": "tree"}]}, keep={"run": "run.info.run_id"})
    post("runs/create", {"experiment_id": "{exp}", "start_time": 6, "tags": [{"key": "mlflow.runName", "value": "two"}]}, keep={"two": "run.info.run_id"})
    post("runs/create", {"experiment_id": "{exp}", "start_time": 7, "run_name": "a", "tags": [{"key": "mlflow.runName", "value": "b"}]})
    post("runs/create", {"experiment_id": "4444", "start_time": 7})
    post("runs/create", {"experiment_id": "abc", "start_time": 7})
    post("runs/create", {"experiment_id": "{exp}", "start_time": "x"})
    post("runs/create", {"start_time": 8, "run_name": "in default"}, keep={"default": "run.info.run_id"}, known="without an experiment it is filed under Default, and not refused")
    get("runs/get", run_id="{run}")
    get("runs/get", run_uuid="{run}")
    get("runs/get", run_id="absent")
    get("runs/get")
    both = {"run_id": "{run}", "run_uuid": "{run}"}
    post("runs/log-metric", {**both, "key": "loss", "value": 0.5, "timestamp": 10, "step": 2})
    post("runs/log-metric", {**both, "key": "loss", "value": 0.9, "timestamp": 20, "step": 1})
    post("runs/log-metric", {**both, "key": "loss", "value": 0.5, "timestamp": 10, "step": 2})
    post("runs/log-metric", {**both, "key": "nan", "value": "NaN", "timestamp": 10})
    post("runs/log-metric", {**both, "key": "inf", "value": "Infinity", "timestamp": 10, "step": -3})
    post("runs/log-metric", {**both, "key": "ninf", "value": "-Infinity", "timestamp": 10})
    post("runs/log-metric", {**both, "key": "text", "value": "0.25", "timestamp": "10", "step": "4"})
    for wrong in ({"key": "m", "timestamp": 1}, {"key": "m", "value": 1}, {"value": 1, "timestamp": 1}, {"key": "../m", "value": 1, "timestamp": 1},
                  {"key": "/m", "value": 1, "timestamp": 1}, {"key": "a//b", "value": 1, "timestamp": 1}, {"key": "m*", "value": 1, "timestamp": 1},
                  {"key": "m", "value": "abc", "timestamp": 1}, {"key": "m", "value": None, "timestamp": 1}, {"key": "m", "value": 1, "timestamp": -1},
                  {"key": "m" * 251, "value": 1, "timestamp": 1}, {"key": "", "value": 1, "timestamp": 1}):
        post("runs/log-metric", {**both, **wrong})
    # On a run of its own, because the original takes most of these, or part of them.
    post("runs/create", {"experiment_id": "0", "start_time": 9, "run_name": "noise"}, keep={"noise": "run.info.run_id"})
    noise = {"run_id": "{noise}", "key": "noise"}
    for wrong in ({"value": 1, "timestamp": 1.5}, {"value": True, "timestamp": 1}, {"value": [1], "timestamp": 1}):
        post("runs/log-metric", {**noise, **wrong}, known="a value of a wrong type is refused")
    post("runs/log-parameter", {**noise, "value": "x" * 6001}, known="what is too long is refused, and not cut")
    post("runs/set-tag", {**noise, "value": "x" * 8001}, known="what is too long is refused, and not cut")
    post("runs/update", {"run_id": "{noise}", "status": "WHAT"}, known="an unknown name is refused, and not ignored")
    post("runs/log-metric", {"key": "m", "value": 1, "timestamp": 1})
    post("runs/log-metric", {"run_id": "absent", "key": "m", "value": 1, "timestamp": 1})
    for key in ("größe", "a b", "a:b", "a/b/c", "a.b-c_d", ".x"):
        post("runs/log-metric", {**both, "key": key, "value": 1, "timestamp": 1})
    post("runs/log-parameter", {**both, "key": "depth", "value": "8"})
    post("runs/log-parameter", {**both, "key": "depth", "value": "8"})
    post("runs/log-parameter", {**both, "key": "depth", "value": "9"})
    post("runs/log-parameter", {**both, "key": "empty", "value": ""})
    post("runs/log-parameter", {**both, "key": "absent"})
    post("runs/log-parameter", {**both, "key": "number", "value": 5})
    post("runs/log-parameter", {**both, "value": "5"})
    post("runs/log-parameter", {**both, "key": "long", "value": "x" * 6000})
    post("runs/set-tag", {**both, "key": "t", "value": "v"})
    post("runs/set-tag", {**both, "key": "t", "value": "w"})
    post("runs/set-tag", {**both, "key": "none"})
    post("runs/set-tag", {**both, "key": "a//b", "value": "x"})
    post("runs/set-tag", {**both, "value": "x"})
    post("runs/delete-tag", {**both, "key": "none"})
    post("runs/delete-tag", {**both, "key": "none"})
    post("runs/delete-tag", {**both})
    get("runs/get", run_id="{run}")
    post("runs/set-tag", {**both, "key": "mlflow.runName", "value": "renamed by tag"})
    get("runs/get", run_id="{run}", only="run.info")
    post("runs/update", {**both, "run_name": "renamed"})
    post("runs/update", {**both, "run_name": ""})
    get("runs/get", run_id="{run}")
    post("runs/update", {**both, "status": "FINISHED", "end_time": 99})
    post("runs/update", {**both, "status": "RUNNING"})
    post("runs/update", {**both, "status": "FAILED", "end_time": 120})
    post("runs/update", {"run_id": "absent", "status": "FINISHED"})
    post("runs/update", {"status": "FINISHED"})
    get("runs/get", run_id="{run}")
    post("runs/log-batch", {"run_id": "{two}", "metrics": [
        {"key": "loss", "value": 1.0, "timestamp": 1, "step": 0}, {"key": "loss", "value": 2.0, "timestamp": 1, "step": 0},
        {"key": "loss", "value": 0.1, "timestamp": 5, "step": -1}, {"key": "loss", "value": "NaN", "timestamp": 1, "step": -9}],
        "params": [{"key": "p", "value": "1"}, {"key": "p", "value": "1"}], "tags": [{"key": "a", "value": "1"}, {"key": "a", "value": "2"}]})
    post("runs/log-batch", {"run_id": "{two}", "metrics": [
        {"key": "loss", "value": 1.0, "timestamp": 1, "step": 0}, {"key": "loss", "value": 2.0, "timestamp": 1, "step": 0},
        {"key": "loss", "value": 0.1, "timestamp": 5, "step": -1}],
        "params": [{"key": "p", "value": "1"}], "tags": [{"key": "a", "value": "1"}, {"key": "a", "value": "2"}]})
    get("runs/get", run_id="{two}")
    point = {"key": "m", "value": 1, "timestamp": 1, "step": 0}
    for wrong in ({"metrics": [{"key": "m", "value": 1}]}, {"metrics": [{"value": 1, "timestamp": 1}]}, {"metrics": [{"key": "m", "timestamp": 1}]},
                  {"params": [{"value": "1"}]}, {"tags": [{"value": "1"}]}, {"metrics": "x"}, {"params": {"a": 1}},
                  {"metrics": [point] * 1001}, {"params": [{"key": f"k{i}", "value": "1"} for i in range(101)]},
                  {"tags": [{"key": f"k{i}", "value": "1"} for i in range(101)]},
                  {"metrics": [point] * 900, "params": [{"key": f"k{i}", "value": "1"} for i in range(99)], "tags": [{"key": "a", "value": "1"}, {"key": "b", "value": "1"}]},
                  {"params": [{"key": "q", "value": "1"}, {"key": "q", "value": "2"}]}, {"params": [{"key": "p", "value": "other"}]},
                  {"metrics": [{"key": "a/../b", "value": 1, "timestamp": 1, "step": 0}]},
                  ):
        post("runs/log-batch", {"run_id": "{two}", **wrong})
    post("runs/log-batch", {"run_id": "{noise}", "metrics": [point, {**point, "value": "x"}]}, known="a value of a wrong type is refused")
    post("runs/log-batch", {"metrics": [point]})
    post("runs/log-batch", {"run_id": "absent", "metrics": [point]})
    post("runs/log-batch", {"run_id": "{two}"})
    get("runs/get", run_id="{two}")
    get("metrics/get-history", run_id="{run}", metric_key="loss")
    get("metrics/get-history", run_id="{two}", metric_key="loss")
    by_step = "pages are in order of step, then time"
    get("metrics/get-history", run_id="{run}", metric_key="nobody")
    get("metrics/get-history", run_id="{run}", metric_key="nan")
    get("metrics/get-history", run_id="absent", metric_key="loss")
    get("metrics/get-history", run_id="{run}")
    get("metrics/get-history", metric_key="loss")
    get("metrics/get-history", run_id="{run}", metric_key="loss", max_results=1, keep={"hist": "next_page_token"}, known=by_step)
    get("metrics/get-history", run_id="{run}", metric_key="loss", max_results=1, page_token="{hist}", known=by_step)
    get("metrics/get-history", run_id="{run}", metric_key="loss", max_results=0)
    get("metrics/get-history", run_id="{run}", metric_key="loss", max_results=-1)
    get("metrics/get-history", run_id="{run}", metric_key="loss", max_results=5, page_token="garbage")
    dataset = {"name": "rows", "digest": "abc", "source_type": "local", "source": "{}", "schema": "{\"a\": 1}", "profile": "{}"}
    context = [{"key": "mlflow.data.context", "value": "training"}, {"key": "more", "value": "x"}]
    post("runs/log-inputs", {"run_id": "{run}", "datasets": [{"dataset": dataset, "tags": context}]})
    post("runs/log-inputs", {"run_id": "{run}", "datasets": [{"dataset": dataset, "tags": context}]})
    post("runs/log-inputs", {"run_id": "{run}", "datasets": [{"dataset": {**dataset, "name": "n" * 501}}]})
    post("runs/log-inputs", {"run_id": "{run}", "datasets": [{"dataset": {**dataset, "digest": "n" * 37}}]})
    post("runs/log-inputs", {"run_id": "{run}", "models": [{"model_id": "m-1"}]})
    post("runs/log-inputs", {"datasets": []})
    post("runs/outputs", {"run_id": "{run}", "models": [{"model_id": "m-2", "step": 3}]})
    post("runs/outputs", {"run_id": "{run}"})
    post("runs/outputs", {"run_id": "absent", "models": []})
    get("runs/get", run_id="{run}")
    post("runs/delete", {"run_id": "{run}"})
    post("runs/delete", {"run_id": "{run}"})
    for path, body in (("log-metric", {"key": "m", "value": 1, "timestamp": 1}), ("log-parameter", {"key": "new", "value": "1"}),
                       ("set-tag", {"key": "a", "value": "b"}), ("delete-tag", {"key": "t"}), ("update", {"status": "FINISHED"}),
                       ("log-batch", {"metrics": [point]}), ("log-inputs", {"datasets": []}), ("outputs", {"models": []})):
        post("runs/" + path, {"run_id": "{run}", **body})
    get("runs/get", run_id="{run}", only="run.info")
    post("runs/search", {"experiment_ids": ["{exp}"], "run_view_type": "DELETED_ONLY"}, known="searches tell which models a run read")
    post("runs/restore", {"run_id": "{run}"})
    post("runs/restore", {"run_id": "{run}"})
    post("runs/restore", {"run_id": "absent"})
    post("runs/delete", {})
    get("artifacts/list", run_id="{run}")
    get("artifacts/list", run_id="absent")
    get("artifacts/list", run_id="{run}", path="../x")


FILTERS = [
    "", "metrics.auc > 0.7", "metrics.auc >= 0.7", "metrics.auc < 0.7", "metrics.auc <= 0.7", "metrics.auc = 0.7", "metrics.auc != 0.7",
    "metric.auc > 0.7", "metrics.`auc` > 0.7", "metrics.\"auc\" > 0.7", "metrics.auc > -1", "metrics.auc > 1e-3", "metrics.auc > 0",
    "metrics.`a b` > 0", "metrics.\"a b\" > 0", "metrics.odd != 5", "metrics.odd = 0", "metrics.odd > 0", "metrics.nobody != 1",
    "metrics.`val/auc` > 0", "metrics.a.b > 0",
    "params.kind = 'tree'", "params.kind = \"tree\"", "param.kind = 'tree'", "parameters.kind = 'tree'", "params.kind != 'tree'",
    "params.kind LIKE 'tr%'", "params.kind LIKE 'TR%'", "params.kind ILIKE 'TR%'", "params.kind like 'tr%'", "params.`kind` = 'tree'",
    "params.kind IS NULL", "params.kind IS NOT NULL", "params.kind is not null", "params.kind LIKE '_ree'", "params.kind LIKE 't*'", "params.empty = ''",
    "tags.parity = 'even'", "tag.parity != 'even'", "tags.parity ILIKE '%EV%'", "tags.parity IS NULL", "tags.`parity` = 'odd'",
    "tags.mlflow.runName = 'run-1'", "tags.`mlflow.runName` LIKE 'run-%'",
    "status = 'RUNNING'", "attributes.status = 'FINISHED'", "attribute.status != 'FINISHED'", "attr.status = 'RUNNING'", "run.status = 'RUNNING'",
    "run_name = 'run-1'", "attributes.run_name LIKE 'run-%'", "`run name` = 'run-1'", "attributes.`Run name` = 'run-1'", "`Run Name` ILIKE 'RUN-%'",
    "user_id = 'ana'", "attributes.artifact_uri LIKE '%artifacts'", "run_id = '{r1}'", "run_id IN ('{r1}', '{r2}')", "run_id NOT IN ('{r1}')",
    "attributes.run_id IN ('{r1}')", "run_id in ('{r1}')",
    "start_time > 100", "start_time <= 103", "attributes.start_time = 101", "end_time > 5", "end_time != 5", "created > 100", "attributes.Created < 103", "start_time > 100.5",
    "metrics.auc > 0.6 AND params.kind = 'tree'", "metrics.auc > 0.6 and tags.parity = 'odd' and status = 'RUNNING'",
    "metrics.auc>0.6", "params.kind='tree'", " metrics.auc  >  0.6 ", "dataset.name = 'd1'", "datasets.digest = 'x1'", "dataset.context = 'training'",
    "datasets.name LIKE 'd%'", "dataset.name ILIKE 'D%'", "dataset.name IN ('d1', 'd2')", "dataset.name != 'd1'", "dataset.digest NOT IN ('x1')",
    "dataset.name = 'd1' AND dataset.context = 'training'", "dataset.name = 'd1' AND dataset.context = 'eval'",
    # what is refused
    "metrics.auc > '0.7'", "metrics.auc > abc", "metrics.auc LIKE '0%'", "metrics.auc IS NULL", "metrics.auc", "metrics.auc >", "> 5",
    "params.kind = tree", "params.kind = 5", "params.kind > 'a'", "params.kind IN ('tree')", "tags.parity = even", "tags.parity < 'a'",
    "status = RUNNING", "status > 'A'", "status IS NULL", "what.a = 'b'", "attributes.what = 'b'", "what = 'b'", "start_time > 'x'", "start_time LIKE '1%'",
    "run_id IN ()", "run_id IN (1, 2)", "run_id IN '{r1}'", "dataset.what = 'x'", "dataset.name > 'a'", "dataset.name = d1",
    "metrics.auc > 0.6 params.kind = 'tree'", "metrics.auc > nan", "metrics.auc > inf",
    "metrics.auc == 0.7", "metrics.auc <> 0.7", "params.kind = 'open", "metrics.auc > 0.6; metrics.auc < 1", "(metrics.auc", "status = 'RUNNING' NOT",
]

MORE = {
    "metrics.auc > 0.7 OR metrics.auc < 0.6": "OR is taken",
    "(metrics.auc > 0.6)": "parentheses are taken",
    "status IN ('RUNNING', 'FINISHED')": "lists are taken for every text attribute",
    "run_name IN ('run-1')": "lists are taken for every text attribute",
    "attributes.run_name NOT IN ('run-1')": "lists are taken for every text attribute",
    "tags.parity = 'it''s'": None,
    "metrics.val/auc > 0": "keys with a slash need no quotes",
    "metrics. > 1": "a key without name is refused",
    "metrics.auc > 0.6 AND": "an AND that joins nothing is refused",
    "AND metrics.auc > 0.6": "an AND that joins nothing is refused",
}

ORDERS = [
    [], ["metrics.auc"], ["metrics.auc ASC"], ["metrics.auc DESC"], ["metrics.odd DESC"], ["metrics.odd"], ["metrics.`a b` DESC"], ["params.kind"], ["params.kind DESC"],
    ["tags.parity ASC", "metrics.auc DESC"], ["start_time"], ["attributes.start_time DESC"], ["end_time DESC"], ["run_name DESC"], ["status", "start_time ASC"],
    ["metrics.nobody DESC"], ["created DESC"], ["metrics.\"a b\""], ["user_id"],
    ["metrics.auc UP"], ["what.a"], ["what"], ["metrics.auc DESC NULLS"], [""], ["dataset.name"], ["metrics.auc, params.kind"],
]


def search(pair):
    post = pair.post
    post("experiments/create", {"name": "search"}, keep={"s": "experiment_id"})
    for index in range(6):
        name = f"r{index}"
        post("runs/create", {"experiment_id": "{s}", "start_time": 100 + index, "run_name": f"run-{index}", "user_id": "ana" if index < 2 else "bo",
                             "tags": [{"key": "parity", "value": "odd" if index % 2 else "even"}] if index < 5 else []}, keep={name: "run.info.run_id"})
        run = {"run_id": "{%s}" % name}
        if index < 5:
            post("runs/log-metric", {**run, "key": "auc", "value": 0.5 + index / 10, "timestamp": 1})
            post("runs/log-parameter", {**run, "key": "kind", "value": "tree" if index < 3 else "line"})
        if index in (1, 2, 4):
            post("runs/log-metric", {**run, "key": "odd", "value": "NaN" if index == 1 else index, "timestamp": 1})
        if index == 3:
            post("runs/log-metric", {**run, "key": "odd", "value": "Infinity", "timestamp": 1})
            post("runs/log-metric", {**run, "key": "a b", "value": 1, "timestamp": 1})
            post("runs/log-metric", {**run, "key": "val/auc", "value": 1, "timestamp": 1})
            post("runs/log-metric", {**run, "key": "a.b", "value": 1, "timestamp": 1})
            post("runs/log-parameter", {**run, "key": "empty", "value": ""})
        if index < 4:
            post("runs/log-inputs", {**run, "datasets": [{"dataset": {"name": f"d{index % 2 + 1}", "digest": f"x{index}", "source_type": "local", "source": "{}"},
                                                         "tags": [{"key": "mlflow.data.context", "value": "training" if index < 2 else "eval"}]}]})
        if index in (0, 4):
            post("runs/update", {**run, "status": "FINISHED", "end_time": 500 + index})
    for filter in FILTERS:
        post("runs/search", {"experiment_ids": ["{s}"], "filter": filter})
    for filter, known in MORE.items():
        post("runs/search", {"experiment_ids": ["{s}"], "filter": filter}, known=known)
    for order in ORDERS:
        post("runs/search", {"experiment_ids": ["{s}"], "order_by": order})
    post("runs/search", {"experiment_ids": ["{s}"], "max_results": 2, "order_by": ["metrics.auc"]}, keep={"p1": "next_page_token"})
    post("runs/search", {"experiment_ids": ["{s}"], "max_results": 2, "order_by": ["metrics.auc"], "page_token": "{p1}"}, keep={"p2": "next_page_token"})
    post("runs/search", {"experiment_ids": ["{s}"], "max_results": 2, "order_by": ["metrics.auc"], "page_token": "{p2}"})
    post("runs/search", {"experiment_ids": ["{s}"], "page_token": "garbage"})
    post("runs/search", {"experiment_ids": ["{s}"], "max_results": 50001})
    post("runs/search", {"experiment_ids": ["{s}"], "max_results": -1})
    post("runs/search", {"experiment_ids": []})
    post("runs/search", {})
    post("runs/search", {"experiment_ids": ["9999"]})
    post("runs/search", {"experiment_ids": ["abc"]})
    post("runs/search", {"experiment_ids": "{s}"})
    post("runs/search", {"experiment_ids": ["{s}"], "run_view_type": "ALL"})
    post("runs/search", {"experiment_ids": ["{s}"], "run_view_type": "WHAT"}, known="an unknown name is refused, and not ignored")


def registry(pair):
    post, get, ask = pair.post, pair.get, pair.ask
    models, versions = "registered-models/", "model-versions/"
    tags = [{"key": "team", "value": "blue"}]
    post(models + "create", {"name": "m", "description": "first", "tags": tags})
    post(models + "create", {"name": "other"})
    for wrong in ({"name": "m"}, {}, {"name": ""}, {"name": "a/b"}, {"name": "a:b"}, {"name": ".."}, {"name": "x", "tags": [{"key": "a//b", "value": "1"}]}, {"name": " "}, {"name": 5}):
        post(models + "create", wrong)
    get(models + "get", name="m")
    get(models + "get", name="nobody")
    get(models + "get")
    ask("PATCH", models + "update", {"name": "m", "description": "second"})
    ask("PATCH", models + "update", {"name": "other"})
    ask("PATCH", models + "update", {"name": "nobody", "description": "x"})
    post(models + "set-tag", {"name": "m", "key": "a", "value": "b"})
    post(models + "set-tag", {"name": "m", "key": "long", "value": "x" * 100_001})
    post(models + "set-tag", {"name": "nobody", "key": "a", "value": "b"})
    post(models + "set-tag", {"name": "m", "value": "b"})
    ask("DELETE", models + "delete-tag", {"name": "m", "key": "a"})
    ask("DELETE", models + "delete-tag", {"name": "m", "key": "a"})
    ask("DELETE", models + "delete-tag", {"name": "nobody", "key": "a"})
    get(models + "get", name="m")
    source = "mlflow-artifacts:/{exp}/{run}/artifacts/model"
    post(versions + "create", {"name": "m", "source": source, "run_id": "{run}", "description": "d", "run_link": "http://x", "tags": tags})
    post(versions + "create", {"name": "m", "source": source, "run_id": "{run}"})
    post(versions + "create", {"name": "m", "source": "runs:/{run}/model", "run_id": "{run}"})
    post(versions + "create", {"name": "m", "source": "models:/m/1"})
    for wrong in ({"source": source}, {"source": "/etc/passwd", "run_id": "{run}"}, {"source": "file:///etc", "run_id": "{run}"}, {"source": source, "run_id": "absent"},
                  {"source": "mlflow-artifacts:/{exp}/{run}/artifacts/../../x", "run_id": "{run}"}, {"source": "mlflow-artifacts:/{exp}/{run}/artifacts/%2e%2e/x", "run_id": "{run}"},
                  {"source": "mlflow-artifacts:/{exp}/{two}/artifacts/model", "run_id": "{run}"}, {"source": "runs:/{two}/model", "run_id": "{run}"}, {"source": "runs:/{run}/model"},
                  {"source": "models:/nobody/1"}, {"source": "models:/m/99"}, {"source": "models:/m@nobody"}, {"source": "models:/m-absent", "model_id": "m-absent"},
                  {"source": "models:/m/1", "run_id": "{two}"}, {"run_id": "{run}"}, {"source": ""}, {"source": "models:/m/1/2"}, {"source": "models:/"},
                  {"source": "http://box/api/2.0/mlflow-artifacts/artifacts/1/x", "run_id": "{run}"}):
        known = {"models:/m-absent": "the original fails with 500"}.get(wrong.get("source"))
        post(versions + "create", {"name": "m", **wrong}, known=known)
    post(models + "create", {"name": "outside"})
    post(versions + "create", {"name": "outside", "source": "s3://bucket/model", "run_id": "{run}"}, known="sources lie in the server's own artifacts")
    ask("DELETE", models + "delete", {"name": "outside"})
    post(versions + "create", {"name": "nobody", "source": source, "run_id": "{run}"})
    post(versions + "create", {"source": source, "run_id": "{run}"})
    for number in ("1", "2", "3", "4"):
        get(versions + "get", name="m", version=number)
        get(versions + "get-download-uri", name="m", version=number)
    for wrong in ({"name": "m", "version": "99"}, {"name": "m", "version": "abc"}, {"name": "nobody", "version": "1"}, {"name": "m"}, {"version": "1"}):
        get(versions + "get", **wrong)
    get(versions + "get-download-uri", name="m", version="99")
    ask("PATCH", versions + "update", {"name": "m", "version": "2", "description": "changed"})
    ask("PATCH", versions + "update", {"name": "m", "version": "99", "description": "changed"})
    post(versions + "set-tag", {"name": "m", "version": "1", "key": "a", "value": "b"})
    post(versions + "set-tag", {"name": "m", "version": "99", "key": "a", "value": "b"})
    post(versions + "set-tag", {"name": "m", "version": "1", "key": "../a", "value": "b"})
    ask("DELETE", versions + "delete-tag", {"name": "m", "version": "1", "key": "a"})
    ask("DELETE", versions + "delete-tag", {"name": "m", "version": "1", "key": "a"})
    for stage in ("staging", "PRODUCTION", "Archived", "None", "what", ""):
        post(versions + "transition-stage", {"name": "m", "version": "1", "stage": stage})
    post(versions + "transition-stage", {"name": "m", "version": "1", "stage": "Production", "archive_existing_versions": True})
    post(versions + "transition-stage", {"name": "m", "version": "2", "stage": "Production", "archive_existing_versions": True})
    post(versions + "transition-stage", {"name": "m", "version": "3", "stage": "Archived", "archive_existing_versions": True}, known="the original answers 500")
    post(versions + "transition-stage", {"name": "m", "version": "99", "stage": "Production"})
    get(versions + "get", name="m", version="1")
    post(models + "get-latest-versions", {"name": "m"})
    post(models + "get-latest-versions", {"name": "m", "stages": ["production"]})
    post(models + "get-latest-versions", {"name": "m", "stages": ["what"]})
    post(models + "get-latest-versions", {"name": "nobody"})
    get(models + "get-latest-versions", name="m", stages=["None", "Production"])
    get(models + "get", name="m")
    post(models + "alias", {"name": "m", "alias": "champion", "version": "1"})
    post(models + "alias", {"name": "m", "alias": "champion", "version": "2"})
    post(models + "alias", {"name": "m", "alias": "champion", "version": "2"})
    post(models + "alias", {"name": "m", "alias": "Größe-1_a", "version": "3"})
    for wrong in ({"alias": "latest", "version": "1"}, {"alias": "Latest", "version": "1"}, {"alias": "v1", "version": "1"}, {"alias": "a b", "version": "1"},
                  {"alias": "a", "version": "99"}, {"alias": "a", "version": "x"}, {"alias": "a"}, {"version": "1"}, {"alias": "x" * 256, "version": "1"}):
        post(models + "alias", {"name": "m", **wrong})
    post(models + "alias", {"name": "nobody", "alias": "a", "version": "1"})
    get(models + "alias", name="m", alias="champion")
    get(models + "alias", name="m", alias="nobody")
    get(models + "alias", name="m", alias="latest")
    get(models + "alias", name="nobody", alias="champion")
    get(models + "alias", name="m")
    get(models + "get", name="m")
    post(versions + "create", {"name": "other", "source": "models:/m@champion"})
    post(versions + "create", {"name": "other", "source": "models:/m/Production"})
    post(versions + "create", {"name": "other", "source": "models:/m/latest"})
    get(versions + "get-download-uri", name="other", version="1")
    for filter in ("", "name = 'm'", "name LIKE 'o%'", "name ILIKE 'O%'", "name != 'm'", "tags.team = 'blue'", "tags.`team` = 'blue'", "tag.team LIKE 'b%'", "name IN ('m')",
                   "name = m", "run_id = 'x'", "what = 'x'", "name > 'a'", "tags.team > 'a'", "metrics.a > 1"):
        get(models + "search", filter=filter)
    for order in (["name DESC"], ["timestamp"], ["last_updated_timestamp DESC", "name"], ["what"], ["name UP"]):
        get(models + "search", order_by=order, only="registered_models.name")
    get(models + "search", order_by=["name", "name"], known="the original answers 500")
    get(models + "search", max_results=1, keep={"mp": "next_page_token"})
    get(models + "search", max_results=1, page_token="{mp}")
    get(models + "search", max_results=1001)
    get(models + "search", max_results=-1, known="the original answers 200 for a negative page")
    get(models + "search", page_token="garbage")
    by_number = ["name ASC", "version_number ASC"]
    for filter in ("", "name = 'm'", "run_id = '{run}'", "run_id IN ('{run}', 'x')", "version_number = 2", "version_number > 1", "version_number >= '2'", "source_path LIKE '%model'",
                   "name = 'm' AND version_number < 3", "tags.team = 'blue'", "name LIKE 'o%'", "name ILIKE 'M'", "source_path = 'x'",
                   "version_number = 'x'", "name = m", "what = 1", "version_number LIKE '1'", "tags.team > 'a'", "name IN ('m', 'other')", "version_number = 1.5"):
        get(versions + "search", filter=filter, order_by=by_number)
    for order in (by_number, ["version_number DESC", "name"], ["creation_timestamp", "name", "version_number"], ["what"], ["run_id"]):
        get(versions + "search", order_by=order)
    get(versions + "search", max_results=2, order_by=by_number, keep={"vp": "next_page_token"})
    get(versions + "search", max_results=2, order_by=by_number, page_token="{vp}")
    get(versions + "search", max_results=200_001)
    get(versions + "search", max_results=-1)
    get(versions + "search", page_token="garbage")
    ask("DELETE", versions + "delete", {"name": "m", "version": "2"})
    ask("DELETE", versions + "delete", {"name": "m", "version": "2"})
    ask("DELETE", versions + "delete", {"name": "m"})
    get(versions + "get", name="m", version="2")
    get(models + "alias", name="m", alias="champion")
    get(models + "get", name="m")
    ask("DELETE", versions + "delete", {"name": "m", "version": "4"})
    post(versions + "create", {"name": "m", "source": source, "run_id": "{run}"})
    ask("DELETE", models + "alias", {"name": "m", "alias": "Größe-1_a"})
    ask("DELETE", models + "alias", {"name": "m", "alias": "Größe-1_a"})
    ask("DELETE", models + "alias", {"name": "nobody", "alias": "a"})
    post(models + "rename", {"name": "m", "new_name": "m2"})
    post(models + "rename", {"name": "m2", "new_name": "other"})
    post(models + "rename", {"name": "m2", "new_name": "a/b"})
    post(models + "rename", {"name": "m2"})
    post(models + "rename", {"name": "nobody", "new_name": "x"})
    get(models + "get", name="m")
    get(models + "get", name="m2")
    get(versions + "search", filter="name = 'm2'", order_by=by_number)
    ask("DELETE", models + "delete", {"name": "m2"})
    ask("DELETE", models + "delete", {"name": "m2"})
    ask("DELETE", models + "delete", {})
    post(models + "create", {"name": "m2"})
    post(versions + "create", {"name": "m2", "source": source, "run_id": "{run}"})
    prompt = [{"key": "mlflow.prompt.is_prompt", "value": "true"}]
    post(models + "create", {"name": "prompt", "tags": prompt})
    post(versions + "create", {"name": "prompt", "source": "dummy-source", "tags": [*prompt, {"key": "mlflow.prompt.text", "value": "Hello {{name}}"}]})
    post(versions + "create", {"name": "prompt", "source": "/etc/passwd", "tags": prompt})
    get(models + "search")
    get(models + "search", filter="tags.`mlflow.prompt.is_prompt` = 'true'")
    get(models + "search", filter="tags.`mlflow.prompt.is_prompt` != 'true'")
    get(versions + "search", order_by=by_number)
    get(versions + "search", filter="tags.`mlflow.prompt.is_prompt` = 'true'")


def logged_models(pair):
    post, get, ask = pair.post, pair.get, pair.ask
    base = "logged-models"
    post(base, {"experiment_id": "{exp}", "name": "model", "model_type": "classifier", "source_run_id": "{run}",
                "params": [{"key": "depth", "value": "8"}], "tags": [{"key": "a", "value": "b"}]}, keep={"lm": "model.info.model_id"})
    post(base, {"experiment_id": "{exp}", "name": "second"}, keep={"lm2": "model.info.model_id"})
    for wrong in ({"name": "x"}, {"experiment_id": "9999"}, {"experiment_id": "{exp}", "name": "a/b"}, {"experiment_id": "{exp}", "name": "a.b"}, {"experiment_id": "abc"}):
        post(base, wrong)
    get(base + "/{lm}")
    get(base + "/m-absent")
    ask("PATCH", base + "/{lm}", {"model_id": "{lm}", "status": "LOGGED_MODEL_READY"})
    ask("PATCH", base + "/{lm2}", {"model_id": "{lm2}", "status": "LOGGED_MODEL_UPLOAD_FAILED"})
    post(base, {"experiment_id": "0", "name": "noise"}, keep={"lm3": "model.info.model_id"})
    ask("PATCH", base + "/{lm3}", {"model_id": "{lm3}", "status": "WHAT"}, known="an unknown name is refused, and not ignored")
    ask("PATCH", base + "/{lm}", {"model_id": "{lm}"})
    ask("PATCH", base + "/m-absent", {"model_id": "m-absent", "status": "LOGGED_MODEL_READY"})
    ask("PATCH", base + "/{lm}/tags", {"model_id": "{lm}", "tags": [{"key": "a", "value": "c"}, {"key": "team", "value": "blue"}]})
    ask("PATCH", base + "/m-absent/tags", {"tags": [{"key": "a", "value": "c"}]})
    ask("DELETE", base + "/{lm}/tags/a")
    ask("DELETE", base + "/{lm}/tags/a")
    post(base + "/{lm}/params", {"model_id": "{lm}", "params": [{"key": "rate", "value": "0.1"}]})
    post(base + "/m-absent/params", {"model_id": "m-absent", "params": [{"key": "rate", "value": "0.1"}]})
    metric = {"run_id": "{run}", "key": "auc", "model_id": "{lm}", "dataset_name": "rows", "dataset_digest": "abc", "step": 0}
    post("runs/log-metric", {**metric, "value": 0.8, "timestamp": 10})
    post("runs/log-metric", {**metric, "value": 0.8, "timestamp": 10})
    post("runs/log-metric", {**metric, "value": 0.9, "timestamp": 20, "step": 1})
    post("runs/log-batch", {"run_id": "{run}", "metrics": [{"key": "loss", "value": 0.2, "timestamp": 10, "step": 0, "model_id": "{lm2}"}]})
    get(base + "/{lm}")
    get(base + "/{lm2}")
    get("runs/get", run_id="{run}", only="run.data.metrics")
    only = {"experiment_ids": ["{exp}"], "max_results": 10}
    order = [{"field_name": "name", "ascending": True}]
    for filter in ("", "name = 'model'", "attributes.name = 'second'", "metrics.auc > 0.5", "metrics.auc > 0.95", "params.depth = '8'", "tags.team = 'blue'", "name LIKE 'mo%'",
                   "creation_timestamp > 5", "creation_time > 5", "model_type = 'classifier'", "name IN ('model')", "metrics.auc > 0.5 AND params.depth = '8'",
                   "what.a = 'b'", "metrics.auc > abc", "name > 'a'", "tags.team > 'a'"):
        known = {"metrics.auc > abc": "the original answers 500"}.get(filter)
        post(base + "/search", {**only, "filter": filter, "order_by": order}, known=known)
    for clause in ([{"field_name": "name"}], [{"field_name": "name", "ascending": False}], [{"field_name": "metrics.auc", "ascending": False}],
                   [{"field_name": "metrics.loss", "dataset_name": "rows"}], [{"field_name": "what"}], [{"field_name": "params.depth"}], [{"field_name": "creation_timestamp", "ascending": False}]):
        post(base + "/search", {**only, "order_by": clause})
    post(base + "/search", {**only, "datasets": [{"dataset_name": "rows", "dataset_digest": "abc"}]})
    post(base + "/search", {**only, "datasets": [{"dataset_name": "nobody", "dataset_digest": "abc"}]})
    post(base + "/search", {**only, "datasets": [{"dataset_digest": "abc"}]})
    post(base + "/search", {**only, "max_results": 1, "order_by": order}, keep={"lp": "next_page_token"})
    post(base + "/search", {**only, "max_results": 1, "order_by": order, "page_token": "{lp}"})
    post(base + "/search", {})
    post(base + "/search", {"experiment_ids": ["9999"]})
    get(base + "/{lm}/artifacts/directories")
    get(base + "/{lm}/artifacts/directories", artifact_directory_path="../x")
    post("runs/outputs", {"run_id": "{run}", "models": [{"model_id": "{lm}", "step": 1}]})
    get("runs/get", run_id="{run}", only="run.outputs")
    post("registered-models/create", {"name": "from-logged"})
    post("model-versions/create", {"name": "from-logged", "source": "models:/{lm}", "model_id": "{lm}"})
    post("model-versions/create", {"name": "from-logged", "source": "models:/{lm}"})
    post("model-versions/create", {"name": "from-logged", "source": "models:/{lm}", "model_id": "{lm2}"})
    post("model-versions/create", {"name": "from-logged", "source": "mlflow-artifacts:/{exp}/models/{lm}/artifacts", "model_id": "{lm}", "run_id": "{run}"})
    post("model-versions/create", {"name": "from-logged", "source": "mlflow-artifacts:/{exp}/models/{lm2}/artifacts", "model_id": "{lm}"})
    get("model-versions/get", name="from-logged", version="1")
    get("model-versions/get-download-uri", name="from-logged", version="1")
    get(base + "/{lm}")
    ask("DELETE", base + "/{lm}")
    ask("DELETE", base + "/{lm}")
    get(base + "/{lm}")
    get(base + "/{lm}", allow_deleted="true")
    post(base + "/search", only)
    ask("DELETE", base + "/m-absent")


def rest(pair):
    get, ask = pair.get, pair.ask
    for path in ("runs/create", "runs/log-batch", "experiments/create", "registered-models/create", "logged-models"):
        known = {"runs/log-batch": "the original answers 500", "runs/create": "the original files it nowhere, and fails at that"}.get(path)
        ask("POST", path, raw="not json", known=known)
        ask("POST", path, raw="", known=known)
        ask("POST", path, raw="[1, 2]", known="the original answers 500 for a body that is a list")
    get("/ajax-api/2.0/mlflow/experiments/get", experiment_id="0")
    get("/ajax-api/2.0/mlflow/registered-models/search")
    get("/health")
    ask("POST", "/api/2.0/mlflow-artifacts/mpu/create/1/x/artifacts/f", {"path": "f", "num_parts": 2})
    ask("POST", "/api/3.0/mlflow/traces/search", {"locations": [{"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "0"}}]})
    get("/api/2.0/mlflow/nonsense", known="the original answers a page")


def main():
    pair = Pair(sys.argv[1], sys.argv[2])
    for group in (experiments, runs, search, registry, logged_models, rest):
        before = pair.asked, len(pair.different)
        group(pair)
        print(f"{group.__name__}: {pair.asked - before[0]} requests, {len(pair.different) - before[1]} different")
    print(f"{pair.asked} requests, {len(pair.different)} different, {len(pair.known)} different on purpose:")
    for what, why in pair.known:
        print(f"  {why}: {what[:120]}")
    return 1 if pair.different else 0


if __name__ == "__main__":
    sys.exit(main())
