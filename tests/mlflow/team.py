#!/usr/bin/env python3
"""The real MLflow client against a team's server: tokens, roles, TLS, a run's own token.

    team.py --binary target/release/trainyard --dir EMPTY_DIR

Makes a workspace that speaks TLS with a certificate of its own on a free port of the loopback address, and logs to it the way
people do: with `MLFLOW_TRACKING_TOKEN`, with the basic variables, with each way of naming the certificate.
Needs mlflow-skinny (or mlflow) 3.17.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

QUIET = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "GIT_PYTHON_REFRESH": "quiet", "MLFLOW_DISABLE_TELEMETRY": "true"}

LOGS = """
    import mlflow, tempfile, pathlib
    mlflow.set_experiment("team")
    with mlflow.start_run(run_name="first") as run:
        mlflow.log_param("depth", 8)
        mlflow.log_metric("loss", 0.5, step=1)
        path = pathlib.Path(tempfile.mkdtemp()) / "a note.txt"
        path.write_text("kept")
        mlflow.log_artifact(path)
    client = mlflow.MlflowClient()
    assert client.get_run(run.info.run_id).data.metrics["loss"] == 0.5
    local = client.download_artifacts(run.info.run_id, "a note.txt", tempfile.mkdtemp())
    assert pathlib.Path(local).read_text() == "kept"
    print(run.info.run_id)
"""
READS = """
    import mlflow
    print(len(mlflow.search_runs(experiment_names=["team"], output_format="list")))
"""
RUN = """
    import mlflow, os, pathlib
    from mlflow.exceptions import MlflowException
    own = os.environ["MLFLOW_RUN_ID"]  # the client takes it out of the environment
    with mlflow.start_run() as run:
        assert run.info.run_id == own
        mlflow.log_metric("loss", 0.25)
        mlflow.log_text("mine", "mine.txt")
        with mlflow.start_run(nested=True):
            mlflow.log_param("fold", 1)
    client = mlflow.MlflowClient()
    for what in (lambda: client.create_experiment("elsewhere"),
                 lambda: client.log_metric(pathlib.Path("other").read_text(), "loss", 1.0),
                 lambda: client.delete_run(run.info.run_id)):
        try:
            what()
        except MlflowException as refused:
            assert refused.get_http_status_code() == 403, refused
        else:
            raise SystemExit("a run's token reached too far")
"""


def python(code, **variables):
    """Runs a script in a Python of its own; answers exit code, output, errors."""
    names = ("MLFLOW_", "REQUESTS_", "TRAINYARD_")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(names)}
    environment.update(QUIET, **variables)
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], cwd=folder,
                              env=environment, capture_output=True, text=True)
    return done.returncode, done.stdout.strip(), done.stderr


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("--dir", required=True)
    args = parser.parse_args()
    folder = Path(args.dir)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "trainyard.toml").write_text('server = { listen = "127.0.0.1:0", tls = true }\n')
    base = [os.path.abspath(args.binary), "--workspace", str(folder)]

    def trainyard(*arguments):
        done = subprocess.run([*base, *arguments], check=True, capture_output=True, text=True, cwd=folder)
        return json.loads(done.stdout) if "--json" in arguments else done.stdout

    tokens = {role: trainyard("tokens", "create", role, "--role", role, "--json")["secret"]
              for role in ("viewer", "operator", "admin")}
    trainyard("up")
    failed = 0

    def check(name, good, detail=""):
        nonlocal failed
        failed += not good
        print(f"{'ok   ' if good else 'FAIL '} {name}{'' if good else ': ' + str(detail)[-2000:]}")

    try:
        uri = "https://" + trainyard("status", "--json")["http"]
        cert = str(folder / ".trainyard/tls/cert.pem")
        there = {"MLFLOW_TRACKING_URI": uri, "MLFLOW_TRACKING_SERVER_CERT_PATH": cert}
        code, run, errors = python(LOGS, MLFLOW_TRACKING_TOKEN=tokens["operator"], **there)
        run = run.splitlines()[-1] if run else ""
        check("a token and the server's certificate", code == 0, errors)
        basic = {"MLFLOW_TRACKING_USERNAME": "anybody", "MLFLOW_TRACKING_PASSWORD": tokens["operator"]}
        code, _, errors = python(LOGS, MLFLOW_TRACKING_URI=uri, REQUESTS_CA_BUNDLE=cert, **basic)
        check("the basic variables and a bundle of authorities", code == 0, errors)
        code, _, errors = python(LOGS, MLFLOW_TRACKING_URI=uri, MLFLOW_TRACKING_INSECURE_TLS="true", **basic)
        check("the basic variables and no look at the certificate", code == 0, errors)
        code, count, errors = python(READS, MLFLOW_TRACKING_TOKEN=tokens["viewer"], **there)
        check("a viewer reads", code == 0 and count == "3", count or errors)
        code, _, errors = python(LOGS, MLFLOW_TRACKING_TOKEN=tokens["viewer"], **there)
        check("a viewer logs nothing", code != 0 and "needs `operator`" in errors, errors)
        code, _, errors = python(READS, **there)
        check("nobody reads nothing", code != 0 and "UNAUTHENTICATED" in errors and "token is needed" in errors, errors)
        code, _, errors = python(READS, MLFLOW_TRACKING_URI=uri, MLFLOW_TRACKING_TOKEN=tokens["viewer"])
        check("a certificate that nobody vouches for is refused", code != 0 and "CERTIFICATE_VERIFY" in errors, errors)
        # a job's own token, from this machine and without TLS
        (folder / "other").write_text(run)
        (folder / "script.py").write_text(textwrap.dedent(RUN))
        done = subprocess.run([*base, "run", "--experiment", "jobs", "--", sys.executable, "script.py"],
                              cwd=folder, env={**os.environ, **QUIET}, capture_output=True, text=True)
        check("a run's token logs its run and no other", done.returncode == 0, done.stdout + done.stderr)
        trainyard("tokens", "revoke", "operator")
        code, _, errors = python(LOGS, MLFLOW_TRACKING_TOKEN=tokens["operator"], **there)
        check("a revoked token is refused at once", code != 0 and "was revoked" in errors, errors)
        audit = trainyard("audit", f"run:{run}", "--json")
        check("the audit has the token's name and the address",
              [(line["by"], line["from"], line["action"], line["old"], line["new"]) for line in audit]
              == [("operator", "127.0.0.1", "update_run", "RUNNING", "FINISHED"),
                  ("operator", "127.0.0.1", "create_run", None, "first")], audit)
    finally:
        subprocess.run([*base, "down"], stdout=subprocess.DEVNULL)
    print(f"{failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
