//! A profile of a large Parquet file (5,000,000 rows of 20 columns) beside only reading its columns, and beside DuckDB at
//! equal content: counts, nulls, distinct, moments, 7 quantiles, 20-bin histograms, top values. Medians of wall and CPU time
//! in one run: `cargo bench --bench profile -- [--rows 5000000] [--file FILE] [--python PATH] [--times 7]`. The interpreter
//! at PATH has duckdb; without it the peer is left out.

#![allow(clippy::print_stdout)]

use arrow_array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use std::error::Error;
use std::fs::File;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;
use trainyard::data::profile;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// Rows of a row group, and rows made at a time.
const GROUP: usize = 500_000;

fn main() -> Outcome {
    let (mut rows, mut file, mut python, mut times) = (5_000_000usize, None, None, 7usize);
    let mut arguments = std::env::args().skip(1).filter(|name| name != "--bench");
    while let Some(name) = arguments.next() {
        let value = arguments
            .next()
            .ok_or_else(|| format!("a value is missing after `{name}`"))?;
        match name.as_str() {
            "--rows" => rows = value.parse()?,
            "--file" => file = Some(PathBuf::from(value)),
            "--python" => python = Some(PathBuf::from(value)),
            "--times" => times = value.parse::<usize>()?.max(1),
            other => return Err(format!("there is no option `{other}`").into()),
        }
    }
    let folder = tempfile::tempdir()?;
    let path = file.unwrap_or_else(|| folder.path().join("rows.parquet"));
    if !path.exists() {
        make(&path, rows)?;
    }
    println!(
        "{} MiB, {rows} rows, 20 columns",
        path.metadata()?.len() >> 20
    );
    // in turn, so that what else the machine does meets both
    let (mut reading, mut ours) = (Times::default(), Times::default());
    for _ in 0..times {
        reading.take(|| read(&path))?;
        ours.take(|| {
            let state = profile::files(&[&path], &|_, _| Ok(()))?;
            black_box(state.profile(None, None)?);
            Ok(())
        })?;
    }
    let shares = ours.cpus.iter().zip(&reading.cpus);
    let share = median(shares.map(|(ours, reading)| ours / reading).collect());
    reading.median("reading the columns");
    let ours = ours.median("profile");
    println!("profile over reading, median of {times} pairs: {share:.2} x the CPU");
    if let Some(python) = python {
        let peer = duckdb(&python, &path, times)?;
        println!(
            "duckdb: {:.2} s wall, {:.2} s CPU; over ours: {:.1} x the wall, {:.1} x the CPU",
            peer.0,
            peer.1,
            peer.0 / ours.0,
            peer.1 / ours.1
        );
    }
    Ok(())
}

/// Wall and CPU seconds of each time.
#[derive(Default)]
struct Times {
    walls: Vec<f64>,
    cpus: Vec<f64>,
}

impl Times {
    fn take(&mut self, run: impl FnOnce() -> Outcome) -> Outcome {
        let (began, before) = (Instant::now(), cpu()?);
        run()?;
        self.walls.push(began.elapsed().as_secs_f64());
        self.cpus.push(cpu()? - before);
        Ok(())
    }

    fn median(self, what: &str) -> (f64, f64) {
        let (wall, cpu) = (median(self.walls), median(self.cpus));
        println!("{what}: {wall:.2} s wall, {cpu:.2} s CPU");
        (wall, cpu)
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

/// User and system seconds of this process, in hundredths (Linux counts 100 a second).
fn cpu() -> Outcome<f64> {
    let text = std::fs::read_to_string("/proc/self/stat")?;
    let rest = text.rsplit(')').next().unwrap_or_default();
    let ticks: Vec<f64> = rest
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    Ok(ticks.iter().sum::<f64>() / 100.0)
}

fn read(path: &Path) -> Outcome {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?
        .with_batch_size(8_192)
        .build()?;
    for batch in reader {
        black_box(batch?);
    }
    Ok(())
}

/// The same by DuckDB: one connection, two threads.
fn duckdb(python: &Path, path: &Path, times: usize) -> Outcome<(f64, f64)> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/shared/profile_duckdb.py");
    let answer = Command::new(python)
        .arg(script)
        .arg(path)
        .arg(times.to_string())
        .output()?;
    if !answer.status.success() {
        return Err(String::from_utf8_lossy(&answer.stderr).into_owned().into());
    }
    let text = String::from_utf8(answer.stdout)?;
    let numbers: Vec<f64> = text
        .split_whitespace()
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    match numbers.as_slice() {
        [wall, cpu] => Ok((*wall, *cpu)),
        _ => Err(format!("the peer said `{text}`").into()),
    }
}

/// Well-mixed bits that are always the same.
fn mixed(row: usize, salt: u64) -> u64 {
    let mut x =
        (row as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ salt.wrapping_mul(0xD6E8_FEB8_6659_FD93);
    for _ in 0..2 {
        x ^= x >> 32;
        x = x.wrapping_mul(0xD6E8_FEB8_6659_FD93);
    }
    x ^ (x >> 32)
}

/// Between 0 and 1.
fn unit(row: usize, salt: u64) -> f64 {
    (mixed(row, salt) >> 11) as f64 / (1u64 << 53) as f64
}

/// Eight columns of numbers, six of whole numbers, four of text, a flag, an instant: few and many different values, nulls.
fn make(path: &Path, rows: usize) -> Outcome {
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_max_row_group_row_count(Some(GROUP))
        .build();
    let mut writer: Option<ArrowWriter<File>> = None;
    for from in (0..rows).step_by(GROUP) {
        let range = from..(from + GROUP).min(rows);
        let number = |salt: u64, nulls: f64, shape: fn(f64) -> f64| -> ArrayRef {
            Arc::new(Float64Array::from_iter(range.clone().map(|row| {
                (unit(row, salt + 100) >= nulls).then(|| shape(unit(row, salt)))
            })))
        };
        let whole = |salt: u64, many: u64, least: i64| -> ArrayRef {
            Arc::new(Int64Array::from_iter_values(
                range
                    .clone()
                    .map(|row| (mixed(row, salt) % many) as i64 + least),
            ))
        };
        let text = |salt: u64, many: f64, prefix: &str| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(range.clone().map(|row| {
                format!("{prefix}{}", (unit(row, salt).powi(2) * many) as u64)
            })))
        };
        let id = Int64Array::from_iter_values(range.clone().map(|row| row as i64));
        let flag: BooleanArray = range.clone().map(|row| Some(unit(row, 16) < 0.2)).collect();
        let at = TimestampMicrosecondArray::from_iter_values(range.clone().map(|row| {
            1_356_998_400_000_000 + row as i64 * 6_000_000 + (mixed(row, 17) % 60_000_000) as i64
        }));
        let batch = RecordBatch::try_from_iter([
            ("id", Arc::new(id) as ArrayRef),
            ("share", number(1, 0.0, |x| x)),
            ("wait", number(2, 0.0, |x| -(1.0 - x).ln())),
            ("percent", number(3, 0.0, |x| (x * 1_000.0).round() / 10.0)),
            ("height", number(4, 0.1, |x| x * 1e6 - 5e5)),
            ("skewed", number(5, 0.5, |x| x.powi(8))),
            ("quarter", number(6, 0.0, |x| (x * 40.0).floor() * 0.25)),
            ("square", number(18, 0.0, |x| x * x * 100.0)),
            ("degrees", number(19, 0.02, |x| (x * 360.0).floor())),
            ("hour", whole(7, 24, 0)),
            ("delay", whole(8, 2_000, -60)),
            ("account", whole(9, 1_000_000_000_000, 0)),
            ("postcode", whole(10, 100_000, 5)),
            ("weekday", whole(11, 7, 1)),
            ("carrier", text(12, 16.0, "C")),
            ("airport", text(13, 400.0, "A")),
            ("tail", text(14, 5_000.0, "tail")),
            ("user", text(15, 2_000_000.0, "user-")),
            ("late", Arc::new(flag) as ArrayRef),
            ("at", Arc::new(at.with_timezone("UTC")) as ArrayRef),
        ])?;
        let writer = match &mut writer {
            Some(writer) => writer,
            None => writer.insert(ArrowWriter::try_new(
                File::create(path)?,
                batch.schema(),
                Some(properties.clone()),
            )?),
        };
        writer.write(&batch)?;
    }
    if let Some(writer) = writer {
        writer.close()?;
    }
    Ok(())
}
