//! A view of SQL expressions over 5,000,000 rows in memory: five arithmetic columns; conditions and nulls; texts, which
//! SQLite's rows answer. Beside DuckDB and Polars on the same Parquet file, read before the clock starts: medians of wall
//! and CPU seconds, rows a second and core, and ratios to ours.
//!
//! `cargo bench --bench sql -- [--python PATH] [--runs N] [--rows N]`. `--python`: an interpreter with `polars` and
//! `duckdb`; without it only ours is measured. Every measurement is a process of its own.

#![allow(clippy::print_stdout)]

use arrow_array::{ArrayRef, Float64Array, Int64Array, StringArray};
use serde_json::{Value, json};
use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;
use trainyard::data::{Frame, source, sql};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// What is asked: name, and the statement over the table `t`, which all engines read alike.
const ASKED: [(&str, &str); 4] = [
    (
        "five arithmetic columns",
        "select a + b as x, a * b - i as y, (a - b) / (a + 1.0) as z, a * a + b * b as u, i * 2 + 1 as v from t",
    ),
    (
        "conditions and nulls",
        "select case when a > b then a - b else 0.0 end as x, coalesce(b, 0.0) + a as y, i % 7 as z from t where i > 10",
    ),
    (
        "five columns, one of text",
        "select a + b as x, a * b - i as y, (a - b) / (a + 1.0) as z, a * a + b * b as u, length(s) as v from t",
    ),
    (
        "one group of sums",
        "select s, sum(a) as x, count(*) as y from t group by s order by s",
    ),
];

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let option = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1).cloned()
    };
    if let (Some(task), Some(file)) = (option("--task"), option("--file")) {
        return ours(&task, Path::new(&file));
    }
    let runs: usize = option("--runs").map_or(Ok(3), |runs| runs.parse())?;
    let rows: usize = option("--rows").map_or(Ok(5_000_000), |rows| rows.parse())?;
    let python = option("--python");
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("t.parquet");
    make(&file, rows)?;
    println!("{rows} rows, medians of {runs} runs");
    let me = std::env::current_exe()?;
    for (what, statement) in ASKED {
        println!("\n{what}\n{statement}");
        let mut first: Option<(f64, f64)> = None;
        for engine in ["trainyard", "duckdb", "polars"] {
            let mut measured = Vec::with_capacity(runs);
            for _ in 0..runs.max(1) {
                let mut command = match (engine, &python) {
                    ("trainyard", _) => {
                        let mut command = Command::new(&me);
                        command.args(["--task", statement, "--file"]).arg(&file);
                        command
                    }
                    (_, None) => continue,
                    (peer, Some(python)) => {
                        let script =
                            concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reference/sql_peers.py");
                        let mut command = Command::new(python);
                        command.args([script, peer, statement]).arg(&file);
                        command
                    }
                };
                let output = command.output()?;
                if !output.status.success() {
                    return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
                }
                measured.push(serde_json::from_slice::<Value>(&output.stdout)?);
            }
            let middle = |name: &str| {
                let mut values: Vec<f64> = measured
                    .iter()
                    .filter_map(|run| run[name].as_f64())
                    .collect();
                values.sort_unstable_by(f64::total_cmp);
                values.get(values.len() / 2).copied()
            };
            let (Some(wall), Some(cpu), Some(sum)) = (middle("wall"), middle("cpu"), middle("sum"))
            else {
                continue;
            };
            let (our_wall, our_cpu) = *first.get_or_insert((wall, cpu));
            println!(
                "  {engine:<10} {wall:7.3} s ({:5.2} x)  {cpu:7.3} CPU s ({:5.2} x)  {:8.2} M rows/s a core  sum {sum:.6e}",
                wall / our_wall,
                cpu / our_cpu,
                rows as f64 / cpu / 1e6,
            );
        }
    }
    Ok(())
}

/// Asks once, prints what it took, and the sum of all numbers in the answer.
fn ours(statement: &str, file: &Path) -> Outcome {
    let tables = [("t".to_owned(), source::read(&[file.to_owned()], None)?)];
    let (before, started) = (cpu()?, Instant::now());
    let found = sql::query(&tables, statement)?;
    let (wall, cpu) = (started.elapsed().as_secs_f64(), cpu()? - before);
    let mut sum = 0.0;
    for name in found.names() {
        if let Ok(numbers) = found.numbers(&name) {
            sum += numbers.iter().filter(|value| !value.is_nan()).sum::<f64>();
        }
    }
    println!("{}", json!({ "wall": wall, "cpu": cpu, "sum": sum }));
    Ok(())
}

/// CPU seconds of this process, all threads.
fn cpu() -> Outcome<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat
        .rsplit_once(')')
        .map_or("", |(_, rest)| rest)
        .split_whitespace()
        .collect();
    let ticks = |at: usize| fields.get(at).and_then(|ticks| ticks.parse::<f64>().ok());
    let (Some(user), Some(system)) = (ticks(11), ticks(12)) else {
        return Err(format!("no CPU time in `{stat}`").into());
    };
    Ok((user + system) / 100.0)
}

/// Four columns: whole numbers with nulls, numbers, numbers with nulls, short texts.
fn make(file: &Path, rows: usize) -> Outcome {
    let whole: Int64Array = (0..rows as i64)
        .map(|row| (row % 97 != 0).then_some(row % 1_000))
        .collect();
    let first: Float64Array = (0..rows)
        .map(|row| Some((row as f64 * 0.37) % 100.0))
        .collect();
    let second: Float64Array = (0..rows)
        .map(|row| (row % 13 != 0).then_some((row as f64 * 0.11) % 50.0))
        .collect();
    let text: StringArray = (0..rows)
        .map(|row| Some(["a", "bb", "ccc"][row % 3]))
        .collect();
    let frame = Frame::from_columns(vec![
        ("i".into(), Arc::new(whole) as ArrayRef),
        ("a".into(), Arc::new(first)),
        ("b".into(), Arc::new(second)),
        ("s".into(), Arc::new(text)),
    ])?;
    frame.write(file)?;
    Ok(())
}
