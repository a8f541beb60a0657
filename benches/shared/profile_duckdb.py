"""The peer of benches/profile.rs: the same statistics by DuckDB, one connection, two threads.

python profile_duckdb.py FILE TIMES: prints median wall and CPU seconds. SUMMARIZE gives counts, nulls, distinct (approximate),
extremes, mean, deviation and three quantiles; the other four quantiles, histograms of twenty equal bins and the twenty most
frequent values are asked for besides, each over all columns in one statement.
"""

import resource
import sys
import time

import duckdb

path, times = sys.argv[1], int(sys.argv[2])


def cpu():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def profile():
    connection = duckdb.connect(config={"threads": 2})
    source = f"read_parquet('{path}')"
    summary = connection.sql(f"summarize select * from {source}").fetchall()
    numeric = [row[0] for row in summary if row[1] in ("BIGINT", "DOUBLE")]
    extent = {row[0]: (float(row[2]), float(row[3])) for row in summary if row[0] in numeric}
    shares = "[0.01, 0.05, 0.95, 0.99]"
    connection.sql(
        "select " + ", ".join(f'approx_quantile("{name}", {shares})' for name in numeric) + f" from {source}"
    ).fetchall()
    bins = []
    for name in numeric:
        low, high = extent[name]
        step = (high - low) / 20 or 1.0
        bins.append(f'histogram("{name}", {[low + step * at for at in range(1, 21)]})')
    connection.sql("select " + ", ".join(bins) + f" from {source}").fetchall()
    connection.sql(
        "select " + ", ".join(f'approx_top_k("{row[0]}", 20)' for row in summary) + f" from {source}"
    ).fetchall()


walls, cpus = [], []
for _ in range(times):
    began, before = time.monotonic(), cpu()
    profile()
    walls.append(time.monotonic() - began)
    cpus.append(cpu() - before)
print(sorted(walls)[times // 2], sorted(cpus)[times // 2])
