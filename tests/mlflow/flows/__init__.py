"""Tests by flow. Each is a function of an `MlflowClient`; the tracking URI is set before. They run against any server of
MLflow 3.17, also one that is not empty: names are made unique."""
import contextlib
import uuid

from mlflow.exceptions import MlflowException

TESTS = []
RUN = uuid.uuid4().hex[:6]


class Skip(Exception):
    """The environment lacks what the test needs."""


def test(function):
    TESTS.append(function)
    return function


def named(name):
    """A name that no earlier run of the tests has used."""
    return f"{name}-{RUN}"


@contextlib.contextmanager
def refused(code="INVALID_PARAMETER_VALUE"):
    """What is inside must fail with this code."""
    try:
        yield
    except MlflowException as error:
        assert error.error_code == code, f"{error.error_code} instead of {code}: {error.message[:300]}"
    else:
        raise AssertionError(f"nothing was refused, {code} was expected")


def equal(left, right):
    assert left == right, f"\n  {left!r}\n  {right!r}"
