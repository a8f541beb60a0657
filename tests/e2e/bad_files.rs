//! Files that are not as they should be: for each kind the outcome that a careful person would want, from the program as
//! people run it. `SHOW=1` prints a table of outcomes, seconds and memory.

use crate::house::{House, fixture};
use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Instant;

/// What is to come of it.
enum Outcome {
    /// Exit code 2, and these words on stderr.
    Refused(&'static [&'static str]),
    /// Read, and these words on stdout.
    Read(&'static [&'static str]),
}

use Outcome::{Read, Refused};

/// A kind of file: its name, its content, and what is to come of `profile`.
struct Case {
    name: &'static str,
    content: Vec<u8>,
    outcome: Outcome,
}

fn case(name: &'static str, content: impl Into<Vec<u8>>, outcome: Outcome) -> Case {
    Case {
        name,
        content: content.into(),
        outcome,
    }
}

fn packed(content: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packer.write_all(content).unwrap();
    packer.finish().unwrap()
}

fn utf16(text: &str, mark: bool) -> Vec<u8> {
    let mark: &[u8] = if mark { b"\xFF\xFE" } else { b"" };
    let units = text.encode_utf16().flat_map(u16::to_le_bytes);
    mark.iter().copied().chain(units).collect()
}

/// `name` with 10,000 columns.
fn wide(row: &str, columns: usize) -> String {
    let header: Vec<String> = (0..columns).map(|at| format!("c{at}")).collect();
    let values: Vec<&str> = (0..columns).map(|_| row).collect();
    format!("{}\n{}\n", header.join(","), values.join(","))
}

fn cases() -> Vec<Case> {
    let good = "id,v\n1,2.5\n2,3.5\n";
    let whole = std::fs::read(fixture("penguins.parquet")).unwrap();
    let mut flipped = whole.clone();
    let end = (whole.len() / 3).min(4_000);
    for byte in &mut flipped[4..end] {
        *byte ^= 0x55;
    }
    let mut cases = vec![
        // separated values
        case("good.csv", good, Read(&["2 rows"])),
        case(
            "truncated.csv",
            "id,v\n1,2.5\n2",
            Refused(&["truncated.csv", "line 3 has 1 field", "cut short"]),
        ),
        case(
            "truncated.csv.gz",
            {
                let whole = packed(good.repeat(400).as_bytes());
                whole[..whole.len() - 12].to_vec()
            },
            Refused(&["truncated.csv.gz", "ends too early"]),
        ),
        case(
            "ragged.csv",
            "id,v\n1,2.5\n2,3,4\n3,1\n",
            Refused(&["ragged.csv", "line 3 has 3 fields", "header has 2"]),
        ),
        case(
            "bom.csv",
            [b"\xEF\xBB\xBF".as_slice(), good.as_bytes()].concat(),
            Read(&["id ", "2 rows"]),
        ),
        case(
            "utf16.csv",
            utf16(good, true),
            Refused(&["utf16.csv", "UTF-16"]),
        ),
        case(
            "utf16_unmarked.csv",
            utf16(good, false),
            Refused(&["utf16_unmarked.csv", "line 1", "NUL"]),
        ),
        case(
            "nul.csv",
            "id,v\n1,2\n2,\0\n",
            Refused(&["nul.csv", "line 3", "NUL"]),
        ),
        case(
            "latin1.csv",
            b"id,v\n1,caf\xE9\n".as_slice(),
            Refused(&["latin1.csv", "line 2", "not UTF-8"]),
        ),
        case("wide.csv", wide("1", 10_000), Read(&["c9999", "1 rows"])),
        case("empty.csv", "", Refused(&["empty.csv", "is empty"])),
        case(
            "empty.csv.gz",
            packed(b""),
            Refused(&["empty.csv.gz", "empty once it is unpacked"]),
        ),
        case("header.csv", "id,v\n", Read(&["id", "0 rows"])),
        case(
            "twice.csv",
            "id,v,id\n1,2,3\n",
            Refused(&["twice.csv", "columns 1 and 3", "`id`"]),
        ),
        case(
            "unnamed.csv",
            "id,,v\n1,2,3\n",
            Refused(&["unnamed.csv", "column 2 has no name"]),
        ),
        case(
            "mixed.csv",
            "id,v\n1,2\n2,x\n3,4\n",
            Read(&["text", "3 rows"]),
        ),
        case(
            "huge.csv",
            "id,v\n12345678901234567890,1\n12345678901234567891,1e999\n",
            Read(&["text"]),
        ),
        case(
            "infinite.csv",
            "id,v\n1,inf\n2,-Infinity\n3,NaN\n",
            Read(&["v ", "number", "3 rows"]),
        ),
        case(
            "quote.csv",
            "id,v\n1,\"x\n2,3\n",
            Refused(&["quote.csv", "line 2", "never closes"]),
        ),
        case(
            "packed.csv",
            packed(good.as_bytes()),
            Refused(&["packed.csv", "gzip", "`.gz`"]),
        ),
        case(
            "plain.csv.gz",
            good,
            Refused(&["plain.csv.gz", "not packed"]),
        ),
        case(
            "parquet.csv",
            whole.clone(),
            Refused(&["parquet.csv", "Parquet"]),
        ),
        case(
            "sheet.csv",
            b"PK\x03\x04xxxx".as_slice(),
            Refused(&["sheet.csv", "ZIP"]),
        ),
        case(
            "control.csv",
            "id,v\n1,\u{1b}[2J\u{1b}]0;x\u{7}\n2,\u{9b}2J\n",
            Read(&["2 rows"]),
        ),
        case(
            "control_name.csv",
            "id,\u{1b}[31mv\n1,2\n2,3,4\n",
            Refused(&["control_name.csv", "line 3"]),
        ),
        case(
            "bomb.csv.gz",
            packed(&[&[b'0'; 999][..], b"\n"].concat().repeat(40 << 10)),
            Refused(&["bomb.csv.gz", "more than 200 times"]),
        ),
        // JSON lines
        case(
            "good.jsonl",
            "{\"id\": 1, \"v\": 2.5}\n\n{\"v\": null, \"id\": 2}\n",
            Read(&["2 rows"]),
        ),
        case(
            "truncated.jsonl",
            "{\"id\": 1}\n{\"id\": ",
            Refused(&["truncated.jsonl", "line 2", "cut short"]),
        ),
        case(
            "ragged.jsonl",
            "{\"id\": 1}\n{\"v\": 2}\n",
            Read(&["id", "v ", "2 rows"]),
        ),
        case(
            "bom.jsonl",
            b"\xEF\xBB\xBF{\"id\": 1}\n".as_slice(),
            Read(&["1 rows"]),
        ),
        case(
            "utf16.jsonl",
            utf16("{\"id\": 1}\n", true),
            Refused(&["utf16.jsonl", "UTF-16"]),
        ),
        case(
            "nul.jsonl",
            "{\"id\": 1}\n\0\n",
            Refused(&["nul.jsonl", "line 2", "NUL"]),
        ),
        case("empty.jsonl", "", Refused(&["empty.jsonl", "is empty"])),
        case(
            "blank.jsonl",
            "\n\n",
            Refused(&["blank.jsonl", "no line with an object"]),
        ),
        case(
            "twice.jsonl",
            "{\"id\": 1}\n{\"id\": 1, \"id\": 2}\n",
            Refused(&["twice.jsonl", "line 2", "`id`", "twice"]),
        ),
        case(
            "mixed.jsonl",
            "{\"id\": 1}\n{\"id\": 2}\n{\"id\": \"x\"}\n",
            Refused(&["mixed.jsonl", "line 3", "`id`", "text", "integer", "line 1"]),
        ),
        case(
            "huge.jsonl",
            "{\"id\": 1}\n{\"id\": 12345678901234567890}\n",
            Refused(&["huge.jsonl", "line 2", "`id`", "64 bits"]),
        ),
        case(
            "infinite.jsonl",
            "{\"v\": 1.5}\n{\"v\": \"Infinity\"}\n{\"v\": \"NaN\"}\n",
            Read(&["number", "3 rows"]),
        ),
        case(
            "nested.jsonl",
            "{\"id\": 1, \"v\": [1]}\n",
            Refused(&["nested.jsonl", "line 1", "`v`", "lists"]),
        ),
        case(
            "array.jsonl",
            "[{\"id\": 1}]\n",
            Refused(&["array.jsonl", "line 1", "one JSON object in each line"]),
        ),
        case(
            "packed.jsonl",
            packed(b"{\"id\": 1}\n"),
            Refused(&["packed.jsonl", "gzip"]),
        ),
        // Parquet
        case("good.parquet", whole.clone(), Read(&["rows"])),
        case(
            "truncated.parquet",
            &whole[..whole.len() - 5],
            Refused(&["truncated.parquet", "cut short"]),
        ),
        case(
            "flipped.parquet",
            flipped,
            Refused(&["flipped.parquet", "damaged"]),
        ),
        case("empty.parquet", "", Refused(&["empty.parquet", "is empty"])),
        case(
            "short.parquet",
            "PAR1PAR1",
            Refused(&["short.parquet", "too few"]),
        ),
        case(
            "made_up.parquet",
            b"PAR1\x02\0\x02\0\0\0PAR1".as_slice(),
            Refused(&["made_up.parquet", "damaged"]),
        ),
        case(
            "text.parquet",
            good.repeat(10),
            Refused(&["text.parquet", "does not begin"]),
        ),
        case(
            "packed.parquet",
            packed(&whole),
            Refused(&["packed.parquet", "gzip"]),
        ),
        case(
            "zeros.parquet",
            vec![0; 4096],
            Refused(&["zeros.parquet", "does not begin"]),
        ),
        // names
        case("sheet.xls", "x", Refused(&["sheet.xls", "`.parquet`"])),
        case(
            "new\nline \u{1b}[31m\u{202e}.csv",
            "id\n1,2\n",
            Refused(&["new\\nline \\u{1b}[31m\\u{202e}.csv", "line 2"]),
        ),
    ];
    let lines: String = wide("1", 10_000)
        .lines()
        .next()
        .unwrap()
        .split(',')
        .map(|name| format!("\"{name}\": 1, "))
        .collect();
    cases.push(case(
        "wide.jsonl",
        format!("{{{}\"z\": 1}}\n", lines),
        Read(&["c9999", "1 rows"]),
    ));
    cases
}

/// A Parquet file of many columns and one row.
fn wide_parquet(path: &Path, columns: usize) {
    let column = |at: usize| {
        let values: ArrayRef = Arc::new(Int64Array::from(vec![at as i64]));
        (format!("c{at}"), values)
    };
    let batch = RecordBatch::try_from_iter((0..columns).map(column)).unwrap();
    let file = File::create(path).unwrap();
    let mut writer = parquet::arrow::ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

/// One run of the program: code, stdout, stderr, seconds, greatest memory in KiB.
struct Looked {
    code: Option<i32>,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    seconds: f64,
    memory: u64,
}

/// Runs it; when `user` is set, as that user.
fn look(house: &House, command: &str, path: &Path, user: Option<u32>) -> Looked {
    let (stdout, stderr) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
    let mut program = house.program();
    program.arg(command);
    match command {
        "validate" => {
            program
                .arg(path)
                .arg("--infer")
                .arg(house.path("inferred.toml"));
        }
        _ => {
            program.arg(path);
        }
    }
    if let Some(user) = user {
        program.uid(user);
    }
    let started = Instant::now();
    let mut child = program
        .stdin(Stdio::null())
        .stdout(stdout.try_clone().unwrap())
        .stderr(stderr.try_clone().unwrap())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut memory = 0;
    let ended = crate::house::until(&format!("the end of {command} {}", path.display()), || {
        if let Ok(text) = std::fs::read_to_string(&status) {
            let peak = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let peak = peak.and_then(|peak| peak.trim().trim_end_matches(" kB").parse().ok());
            memory = memory.max(peak.unwrap_or(0));
        }
        child.try_wait().unwrap()
    });
    let all = |mut file: File| {
        let mut bytes = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut bytes).unwrap();
        bytes
    };
    Looked {
        code: ended.code(),
        stdout: all(stdout),
        stderr: all(stderr),
        seconds: started.elapsed().as_secs_f64(),
        memory,
    }
}

impl Looked {
    /// No panic, nothing that a terminal obeys, less than 1 GiB.
    fn is_careful(&self, what: &str) {
        for stream in [&self.stdout, &self.stderr] {
            let text =
                std::str::from_utf8(stream).unwrap_or_else(|error| panic!("{what}: {error}"));
            let obeyed = text.chars().find(|letter| {
                letter.is_control() && *letter != '\n' || ('\u{202a}'..='\u{202e}').contains(letter)
            });
            assert_eq!(obeyed, None, "{what}: {text}");
            assert!(!text.contains("panicked"), "{what}: {text}");
        }
        assert!(self.memory < 1 << 20, "{what}: {} KiB", self.memory);
        if std::env::var_os("SHOW").is_some() {
            let said = if self.stderr.is_empty() {
                &self.stdout
            } else {
                &self.stderr
            };
            let said = String::from_utf8_lossy(said);
            let first: String = said
                .lines()
                .next()
                .unwrap_or_default()
                .chars()
                .take(170)
                .collect();
            eprintln!(
                "{what:<44} {:?} {:5.2} s {:4} MiB  {first}",
                self.code,
                self.seconds,
                self.memory >> 10
            );
        }
    }

    fn is(&self, what: &str, outcome: &Outcome) {
        self.is_careful(what);
        let (code, said, words) = match outcome {
            Refused(words) => (2, &self.stderr, words),
            Read(words) => (0, &self.stdout, words),
        };
        let text = String::from_utf8_lossy(said);
        assert_eq!(
            self.code,
            Some(code),
            "{what}: {} {}",
            String::from_utf8_lossy(&self.stdout),
            String::from_utf8_lossy(&self.stderr)
        );
        for word in *words {
            assert!(text.contains(word), "{what} does not say `{word}`: {text}");
        }
    }
}

#[test]
fn each_kind_of_bad_file_has_a_careful_outcome() {
    let house = House::bare();
    for case in cases() {
        let path = house.path(case.name);
        std::fs::write(&path, &case.content).unwrap();
        look(&house, "profile", &path, None).is(case.name, &case.outcome);
        if let Refused(words) = case.outcome {
            look(&house, "validate", &path, None).is(case.name, &Refused(words));
        }
    }
    let odd = house
        .path("")
        .join(std::ffi::OsStr::from_bytes(b"not \xFF utf-8.csv"));
    std::fs::write(&odd, "id\n1,2\n").unwrap();
    look(&house, "profile", &odd, None).is(
        "a name that is not UTF-8",
        &Refused(&["not \\xff utf-8.csv", "line 2"]),
    );
    let many = house.path("wide.parquet");
    wide_parquet(&many, 10_000);
    look(&house, "profile", &many, None).is("wide.parquet", &Read(&["c9999", "1 rows"]));
}

#[test]
fn what_is_no_regular_file_is_never_opened() {
    let house = House::bare();
    let at = |name: &str| house.path(name);
    std::fs::create_dir(at("folder.parquet")).unwrap();
    symlink("loop.csv", at("loop.csv")).unwrap();
    symlink("gone.csv", at("dangling.csv")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        at("pipe.csv"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .unwrap();
    for (name, words) in [
        ("folder.parquet", &["folder.parquet", "a folder", "/*`"][..]),
        ("loop.csv", &["loop.csv", "leads back to itself"]),
        (
            "dangling.csv",
            &["dangling.csv", "`gone.csv`, which is not there"],
        ),
        ("pipe.csv", &["pipe.csv", "a pipe"]),
        ("nothing.csv", &["nothing.csv", "no such file"]),
    ] {
        let looked = look(&house, "profile", &at(name), None);
        looked.is_careful(name);
        let said = String::from_utf8_lossy(&looked.stderr);
        assert_eq!(looked.code, Some(2), "{said}");
        for word in words {
            assert!(said.contains(word), "{name} does not say `{word}`: {said}");
        }
    }
    look(&house, "profile", Path::new("/dev/zero"), None)
        .is("/dev/zero", &Refused(&["/dev/zero", "a device"]));
    // root may read everything, so it is asked as nobody
    let user = rustix::process::geteuid().is_root().then_some(65_534);
    std::fs::set_permissions(at(""), std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::write(at("secret.csv"), "id\n1\n").unwrap();
    std::fs::set_permissions(at("secret.csv"), std::fs::Permissions::from_mode(0o000)).unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_trainyard"));
    let reachable = program.ancestors().skip(1).all(|folder| {
        std::fs::metadata(folder).is_ok_and(|fact| fact.permissions().mode() & 0o005 == 0o005)
    });
    if user.is_none() || reachable {
        look(&house, "profile", &at("secret.csv"), user)
            .is("no permission", &Refused(&["secret.csv", "no permission"]));
    }
}

#[test]
fn files_without_end_are_refused_within_bounds() {
    let house = House::bare();
    let sparse = |name: &str, start: &[u8], times: usize, size: u64| {
        let path = house.path(name);
        let mut file = File::create(&path).unwrap();
        for _ in 0..times {
            file.write_all(start).unwrap();
        }
        file.set_len(size.max(start.len() as u64 * times as u64))
            .unwrap();
        path
    };
    let block = vec![b'x'; 1 << 20];
    let path = sparse("endless.csv", &block, 24, 2 << 30);
    look(&house, "profile", &path, None).is(
        "one line of 2 GiB",
        &Refused(&["endless.csv", "line 1", "16 MiB"]),
    );
    let path = sparse("zeros.csv", b"id,v\n", 1, 2 << 30);
    look(&house, "profile", &path, None)
        .is("2 GiB of zeros", &Refused(&["zeros.csv", "line 2", "NUL"]));
    let open = [b"{\"id\": \"".as_slice(), &block].concat();
    let path = sparse("endless.jsonl", &open, 24, 500 << 20);
    look(&house, "profile", &path, None).is(
        "a JSON line of 500 MB",
        &Refused(&["endless.jsonl", "line 1", "16 MiB"]),
    );
    let mut packer = flate2::write::GzEncoder::new(
        File::create(house.path("zeros.csv.gz")).unwrap(),
        flate2::Compression::fast(),
    );
    packer.write_all(b"id\n").unwrap();
    for _ in 0..200 {
        packer.write_all(&[0; 1 << 16]).unwrap();
    }
    packer.finish().unwrap();
    look(&house, "profile", &house.path("zeros.csv.gz"), None).is(
        "a gzip bomb of zeros",
        &Refused(&["zeros.csv.gz", "line 2", "NUL"]),
    );
}

#[test]
fn a_file_that_breaks_the_schema_of_the_others_is_named() {
    let house = House::new("[dataset.rows]\npath = \"rows/*.csv\"\n");
    std::fs::create_dir(house.path("rows")).unwrap();
    house.write("rows/a.csv", "id,v\n1,2.5\n");
    house.write("rows/b.csv", "id,v\n1,2.5\nx,3\n");
    house.write("rows/c.csv.part", "half");
    let said = house.refused(2, &["sql", "select count(*) n from rows"]);
    for word in ["`id`", "b.csv", "line 3: `x`", "text", "a.csv", "integer"] {
        assert!(said.contains(word), "{said}");
    }
    house.write("rows/b.csv", "id\n1\n");
    let said = house.refused(2, &["sql", "select count(*) n from rows"]);
    assert!(
        said.contains("b.csv") && said.contains("no column `v`"),
        "{said}"
    );
    std::fs::remove_file(house.path("rows/b.csv")).unwrap();
    std::fs::create_dir(house.path("rows/d.csv")).unwrap();
    let said = house.refused(2, &["sql", "select count(*) n from rows"]);
    assert!(
        said.contains("d.csv") && said.contains("a folder"),
        "{said}"
    );
}

#[test]
fn a_file_that_grows_or_is_replaced_while_it_is_read_is_never_half_read() {
    let house = House::bare();
    let line = format!("1,{}\n", "2.5".repeat(20));
    let path = house.path("grows.csv");
    let start = format!("id,v\n{}", line.repeat(60_000));
    std::fs::write(&path, &start).unwrap();
    let mut file = std::fs::OpenOptions::new()
        .append(true)
        .open(&path)
        .unwrap();
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let writer = {
        let stop = std::sync::Arc::clone(&stop);
        let line = line.clone();
        std::thread::spawn(move || {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                file.write_all(line.as_bytes()).unwrap();
                std::thread::yield_now();
            }
        })
    };
    let looked = look(&house, "profile", &path, None);
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    writer.join().unwrap();
    looked.is("a file that grows", &Refused(&["grows.csv", "grew from"]));

    let path = house.path("replaced.csv");
    std::fs::write(&path, &start).unwrap();
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let writer = {
        let (stop, path, next) = (
            std::sync::Arc::clone(&stop),
            path.clone(),
            house.path("next.tmp"),
        );
        std::thread::spawn(move || {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                std::fs::write(&next, &start).unwrap();
                std::fs::rename(&next, &path).unwrap();
            }
        })
    };
    let looked = look(&house, "profile", &path, None);
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    writer.join().unwrap();
    looked.is(
        "a file that is replaced",
        &Refused(&["replaced.csv", "while it was read"]),
    );
}

#[test]
fn a_flipped_byte_in_a_page_with_a_checksum_is_named_with_its_column() {
    let house = House::bare();
    let whole = std::fs::read(fixture("../checksummed/rows.parquet")).unwrap();
    let path = house.path("rows.parquet");
    std::fs::write(&path, &whole).unwrap();
    look(&house, "profile", &path, None).is("checksums that match", &Read(&["300 rows"]));
    let name = whole
        .windows(8)
        .position(|bytes| bytes == b"name 123")
        .unwrap();
    let mut flipped = whole;
    flipped[name + 6] ^= 1;
    std::fs::write(&path, &flipped).unwrap();
    look(&house, "profile", &path, None).is(
        "a flipped byte",
        &Refused(&["rows.parquet", "column `s`", "checksum"]),
    );
}
