"""The point-in-time join and windowed means as Polars and DuckDB say them, on the files that benches/features.rs wrote.

    python feature_peers.py polars|duckdb join|write|windows FOLDER

Prints one JSON object: seconds of wall and of CPU from the files to the result, peak memory of the process in bytes, and
sums of the result that must agree with ours. Rows come back in the order given (R1), a value is at most a week old (R3),
of equal event times the greatest created wins where the engine can say so (Polars; DuckDB takes any).
"""

import json
import resource
import sys
import time

engine, task, folder = sys.argv[1:4]
features = [f"f{n}" for n in range(10)]


def usage():
    me = resource.getrusage(resource.RUSAGE_SELF)
    return me.ru_utime + me.ru_stime


def polars_join(pl):
    rows = pl.scan_parquet(f"{folder}/rows.parquet").with_row_index("row").sort("at")
    facts = pl.scan_parquet(f"{folder}/facts.parquet").sort("event", "created").drop("created")
    joined = rows.join_asof(
        facts, left_on="at", right_on="event", by="entity", strategy="backward", tolerance="7d", check_sortedness=False
    )
    return joined.sort("row").drop("row", "event", strict=False)


def polars_windows(pl):
    means = [
        pl.col("value").rolling_mean_by("at", window_size=length).over("entity").alias(f"mean_{length}")
        for length in ("1h", "3h", "24h")
    ]
    return pl.scan_parquet(f"{folder}/events.parquet").select("entity", "at", *means)


DUCK_JOIN = f"""
    select r.* exclude (row), {", ".join(f"case when f.event >= r.at - interval 7 days then f.{x} end as {x}" for x in features)}
    from (select *, file_row_number as row from read_parquet('{folder}/rows.parquet', file_row_number = true)) r
    asof left join '{folder}/facts.parquet' f on r.entity = f.entity and r.at >= f.event
    order by r.row"""

DUCK_WINDOWS = f"""
    select entity, "at",
        avg(value) over one as mean_1h, avg(value) over three as mean_3h, avg(value) over day as mean_24h
    from '{folder}/events.parquet'
    window one as (partition by entity order by "at" range between interval 3599999999 microseconds preceding and current row),
        three as (partition by entity order by "at" range between interval 10799999999 microseconds preceding and current row),
        day as (partition by entity order by "at" range between interval 86399999999 microseconds preceding and current row)"""

columns = ["mean_1h", "mean_3h", "mean_24h"] if task == "windows" else ["f0", "f9"]
if engine == "polars":
    import polars as pl

    began, cpu = time.perf_counter(), usage()
    if task == "windows":
        result = polars_windows(pl).collect()
    elif task == "write":
        polars_join(pl).collect().write_parquet(f"{folder}/polars.parquet", compression="zstd", compression_level=1)
        result = None
    else:
        result = polars_join(pl).collect()
    took, used = time.perf_counter() - began, usage() - cpu
    if result is None:
        result = pl.read_parquet(f"{folder}/polars.parquet", columns=columns)
    sums = [result[column].sum() for column in columns]
    counts = [result[column].count() for column in columns]
else:
    import duckdb

    con = duckdb.connect()
    con.execute("set preserve_insertion_order = true")
    began, cpu = time.perf_counter(), usage()
    if task == "write":
        con.execute(f"copy ({DUCK_JOIN}) to '{folder}/duckdb.parquet' (format parquet, compression zstd, compression_level 1)")
    else:
        con.execute(f"create table result as {DUCK_WINDOWS if task == 'windows' else DUCK_JOIN}")
    took, used = time.perf_counter() - began, usage() - cpu
    table = f"'{folder}/duckdb.parquet'" if task == "write" else "result"
    row = con.execute(f"select {', '.join(f'sum({c}), count({c})' for c in columns)} from {table}").fetchone()
    sums, counts = list(row[0::2]), list(row[1::2])

peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({"wall": took, "cpu": used, "peak": peak, "sums": sums, "counts": counts}))
