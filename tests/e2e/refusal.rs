//! What is wrong is said: which file, which line, what was expected, with the exit code that scripts rely on.

use crate::house::{House, fixture};
use serde_json::Value;

#[test]
fn every_problem_of_a_broken_configuration_is_named_with_its_place() {
    let house = House::new(
        "server = { listen = \"nowhere\" }\n\
         [dataset.rows]\n\
         pth = \"rows.csv\"\n\
         [pipeline.rows]\n\
         dataset = \"row\"\n\
         trainer = { kind = \"boostng\" }\n\
         gate = { metric = \"acuracy\", at_least = \"x\" }\n",
    );
    let expected = [
        "trainyard.toml:1:22: `server.listen` is `nowhere`",
        "trainyard.toml:3:1: `dataset.rows` has no key `pth`; did you mean `path`?",
        "has no `target`",
        "trainyard.toml:5:12: there is no dataset `row`; did you mean `rows`?",
        "`boostng`",
        "`acuracy`",
        "trainyard.toml:7:42: `pipeline.rows.gate.at_least` must be a number",
    ];
    for arguments in [
        &["train", "rows"][..],
        &["up"],
        &["up", "--foreground"],
        &["run", "--", "true"],
        &["models", "list"],
    ] {
        let said = house.refused(2, arguments);
        for part in expected {
            assert!(
                said.contains(part),
                "{arguments:?} does not say {part}: {said}"
            );
        }
    }
    assert!(!house.path(".trainyard").exists());
    house.refused(3, &["status"]);
    house.write("trainyard.toml", "[dataset.rows\npath = 1\n");
    let said = house.refused(2, &["up"]);
    assert!(
        said.contains("trainyard.toml:1:") && said.contains("not valid TOML"),
        "{said}"
    );
}

#[test]
fn wrong_use_is_told_apart_from_failure() {
    let house = House::bare();
    for arguments in [
        &["nonsense"][..],
        &["train"],
        &["runs", "show"],
        &["up", "--listen"],
        &["train", "p"],
        &["up"],
        &[],
    ] {
        let said = house.refused(2, arguments);
        assert!(!said.is_empty(), "{arguments:?}");
    }
    for arguments in [&["status"][..], &["down"]] {
        let said = house.refused(3, arguments);
        assert!(said.contains("trainyard up"), "{said}");
    }
    assert_eq!(std::fs::read_dir(house.path("")).unwrap().count(), 0);
    assert_eq!(house.run(&["--help"]).code, 0);
    assert_eq!(
        house.json(&["--version"])["version"],
        env!("CARGO_PKG_VERSION")
    );
}

#[test]
fn what_is_not_there_is_named() {
    let more = "trainer = { kind = \"linear\" }";
    let house = House::with("diabetes", "csv", "progression", more);
    for (arguments, name) in [
        (&["train", "weather"][..], "weather"),
        (&["runs", "show", "nobody"], "nobody"),
        (&["models", "promote", "ghost", "1"], "ghost"),
        (&["models", "history", "ghost"], "ghost"),
        (&["jobs", "show", "4711"], "4711"),
        (&["predict", "ghost", "data.csv", "--out", "x.csv"], "ghost"),
        (
            &["train", "diabetes", "--set", "trainer.kind=magic"],
            "magic",
        ),
        (&["train", "diabetes", "--set", "colour=red"], "colour"),
        (&["sql", "select x from nowhere"], "nowhere"),
        (&["profile", "none.parquet"], "none.parquet"),
    ] {
        let said = house.refused(2, arguments);
        assert!(said.contains(name), "{arguments:?}: {said}");
    }
    // with --json the refusal is a document too
    let ended = house.run(&["train", "weather", "--json"]);
    let document: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(document["error"]["kind"], "NotFound");
}

#[test]
fn a_missing_or_damaged_parquet_file_is_named() {
    let more = "trainer = { kind = \"linear\" }";
    let house = House::with("diabetes", "parquet", "progression", more);
    let good = std::fs::read(fixture("diabetes.parquet")).unwrap();
    let mut turned = good.clone();
    for at in (200..3000).step_by(7) {
        turned[at] ^= 0x5a;
    }
    std::fs::remove_file(house.path("data.parquet")).unwrap();
    let said = house.refused(2, &["train", "diabetes"]);
    assert!(said.contains("data.parquet"), "{said}");
    for (how, bytes) in [
        ("cut short", &good[..3000]),
        ("a footer that lies", b"PAR1\x02\0\x02\0\0\0PAR1".as_slice()),
        ("nothing in it", b""),
        ("text", b"a,b\n1,2\n"),
        ("turned bytes", &turned),
    ] {
        house.write("data.parquet", bytes);
        let ended = house.run(&["train", "diabetes", "--json"]);
        assert_eq!(ended.code, 1, "{how}: {ended:?}");
        assert!(ended.stderr.contains("data.parquet"), "{how}: {ended:?}");
        let document: Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!(document["job"]["state"], "failed", "{how}");
        let said = house.refused(2, &["profile", "data.parquet"]);
        assert!(said.contains("data.parquet"), "{how}: {said}");
        let said = house.refused(2, &["sql", "select count(*) from diabetes"]);
        assert!(said.contains("data.parquet"), "{how}: {said}");
    }
    // the daemon has seen all that, and works
    house.write("data.parquet", &good);
    house.done(&["train", "diabetes", "--promote"]);
}
