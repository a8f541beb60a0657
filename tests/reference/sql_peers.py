"""What `benches/sql.rs` asks, by other engines: ENGINE STATEMENT FILE. The file is read before the clock starts; prints
wall and CPU seconds and the sum of all numbers in the answer, as JSON. Wants `duckdb`, `polars`, `pyarrow`."""

import json
import resource
import sys
import time


def cpu():
    own = resource.getrusage(resource.RUSAGE_SELF)
    return own.ru_utime + own.ru_stime


def measured(ask):
    before, started = cpu(), time.perf_counter()
    answer = ask()
    wall, used = time.perf_counter() - started, cpu() - before
    return wall, used, answer


def by_duckdb(statement, path):
    import duckdb

    connection = duckdb.connect()
    connection.execute("set threads = 2")
    connection.execute(f"create table t as select * from read_parquet('{path}')")
    connection.sql("select 1").to_arrow_table()
    return measured(lambda: connection.sql(statement).to_arrow_table())


def by_polars(statement, path):
    import polars

    context = polars.SQLContext(t=polars.read_parquet(path), eager=True)
    context.execute("select 1 as x from t limit 1")
    wall, used, answer = measured(lambda: context.execute(statement))
    return wall, used, answer.to_arrow()


def total(table):
    import pyarrow
    import pyarrow.compute as compute

    columns = [
        column
        for column in table.columns
        if pyarrow.types.is_integer(column.type)
        or pyarrow.types.is_floating(column.type)
        or pyarrow.types.is_decimal(column.type)
    ]
    return sum(float(compute.sum(column.cast("float64")).as_py() or 0) for column in columns)


def main():
    engine, statement, path = sys.argv[1:]
    ask = {"duckdb": by_duckdb, "polars": by_polars}[engine]
    wall, used, answer = ask(statement, path)
    print(json.dumps({"wall": wall, "cpu": used, "sum": total(answer)}))


if __name__ == "__main__":
    main()
