//! Rows of a file with features as of their instants, and features that know the future, from the command line alone:
//! no daemon is started.

use crate::house::House;

const WEATHER: &str = "
[dataset.weather]
path = \"weather.csv\"
timestamp = \"hour\"
[dataset.flights]
path = \"flights.csv\"
timestamp = \"due\"
[feature_view.weather]
entity = { name = \"airport\", key = \"airport\" }
dataset = \"weather\"
available_at = \"known\"
features = [\"temp\"]
windows = [{ column = \"rain\", aggregates = [\"sum\", \"count\"], over = [\"3h\"] }]
ttl = \"2h\"
[feature_view.plane]
entity = { name = \"plane\", key = \"plane\" }
dataset = \"flights\"
features = [\"delay\"]
";

fn house() -> House {
    let house = House::new(WEATHER);
    house.write(
        "weather.csv",
        "airport,hour,known,temp,rain\n\
         JFK,2013-01-01T10:00:00Z,2013-01-01T11:00:00Z,1,1\n\
         JFK,2013-01-01T11:00:00Z,2013-01-01T12:00:00Z,2,2\n\
         EWR,2013-01-01T10:00:00Z,2013-01-01T10:30:00Z,9,4\n",
    );
    house.write(
        "flights.csv",
        "plane,due,arrived,delay\n\
         N1,2013-01-01T10:00:00Z,2013-01-01T12:00:00Z,30\n\
         N1,2013-01-01T14:00:00Z,2013-01-01T18:00:00Z,60\n",
    );
    house.write(
        "rows.csv",
        "id,event_timestamp,origin,dest\n\
         1,2013-01-01T13:00:00+01:00,JFK,EWR\n\
         2,2013-01-01T10:45:00Z,EWR,JFK\n\
         1,2013-01-01T13:00:00+01:00,JFK,EWR\n\
         4,,JFK,XXX\n\
         5,2013-01-01T20:00:00Z,JFK,EWR\n",
    );
    house
}

#[test]
fn rows_of_a_file_get_features_in_two_roles() {
    let house = house();
    let (rows, out) = (house.path("rows.csv"), house.path("out.csv"));
    let joined = house.json(&[
        "features",
        "join",
        "--entities",
        rows.to_str().unwrap(),
        "--features",
        "weather:temp,weather:rain_sum_3h,dest=weather:temp",
        "--map",
        "origin=airport",
        "--map",
        "dest.dest=airport",
        "--out",
        out.to_str().unwrap(),
    ]);
    assert_eq!(joined["rows"], 5, "{joined:#}");
    assert_eq!(joined["found"]["dest_temp"], 2, "{joined:#}");
    assert_eq!(
        std::fs::read_to_string(out).unwrap(),
        "id,event_timestamp,origin,dest,temp,rain_sum_3h,dest_temp\n\
         1,2013-01-01T12:00:00Z,JFK,EWR,2,3,9\n\
         2,2013-01-01T10:45:00Z,EWR,JFK,9,4,\n\
         1,2013-01-01T12:00:00Z,JFK,EWR,2,3,9\n\
         4,,JFK,XXX,,,\n\
         5,2013-01-01T20:00:00Z,JFK,EWR,,,\n"
    );
    assert!(!house.path(".trainyard/daemon.json").exists());
}

#[test]
fn what_cannot_be_joined_is_named() {
    let house = house();
    let rows = house.path("rows.csv");
    let join = |features: &str, more: &[&str]| {
        let mut arguments = vec!["features", "join", "--out", "out.csv", "--entities"];
        arguments.push(rows.to_str().unwrap());
        arguments.extend(["--features", features]);
        arguments.extend(more);
        house.refused(2, &arguments)
    };
    assert!(join("weather:temp", &[]).contains("`airport`"));
    assert!(join("whether:temp", &[]).contains("`whether`"));
    assert!(join("weather:snow", &["--map", "origin=airport"]).contains("`snow`"));
    assert!(join("weather:temp", &["--map", "origin=port"]).contains("`port`"));
    let error = join(
        "weather:temp",
        &["--map", "origin=airport", "--timestamp", "at"],
    );
    assert!(
        error.contains("`at`") && error.contains("--timestamp"),
        "{error}"
    );
    assert!(!house.path("out.csv").exists());
}

#[test]
fn a_feature_that_knows_the_future_is_flagged() {
    let house = house();
    let known = [
        "--known",
        "flights.delay=arrived",
        "--as-of",
        "2013-01-01T15:00:00Z",
    ];
    let mut check = vec!["features", "check", "plane"];
    check.extend(known);
    let ended = house.run(&check);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(
        ended.stdout.contains("plane:delay leaks") && ended.stdout.contains("60"),
        "{ended:?}"
    );
    let honest = WEATHER.replace("timestamp = \"due\"", "timestamp = \"arrived\"");
    house.write("trainyard.toml", honest);
    house.done(&check);
    let refused = house.refused(2, &["features", "check", "plane"]);
    assert!(refused.contains("available_at"), "{refused}");
}

#[test]
fn rows_beyond_memory_come_out_the_same_and_leave_nothing_behind() {
    let house = House::new(WEATHER);
    let mixed = |number: u64| number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
    let day = |number: u64| format!("2013-01-{:02}T{:02}", 1 + number % 28, number / 28 % 24);
    let mut weather = String::from("airport,hour,known,temp,rain\n");
    for fact in 0..20_000 {
        let (airport, hour) = (mixed(fact) % 700, day(mixed(fact + 50_000)));
        weather += &format!(
            "A{airport},{hour}:00:00Z,{hour}:40:00Z,{},{}\n",
            fact % 40,
            fact % 3
        );
    }
    house.write("weather.csv", weather);
    let mut rows = String::from("id,event_timestamp,airport,note\n");
    for row in 0..12_000 {
        let (airport, hour) = (mixed(row + 90_000) % 800, day(mixed(row + 70_000)));
        rows += &format!("{row},{hour}:59:00+01:00,A{airport},a note of row {row}\n");
    }
    house.write("rows.csv", rows);
    let join = |memory: &str, out: &str| {
        let (rows, out) = (house.path("rows.csv"), house.path(out));
        let joined = house.json(&[
            "features",
            "join",
            "--entities",
            rows.to_str().unwrap(),
            "--features",
            "weather:*",
            "--out",
            out.to_str().unwrap(),
            "--memory",
            memory,
        ]);
        assert_eq!(joined["rows"], 12_000, "{joined:#}");
        (joined, std::fs::read(out).unwrap())
    };
    let (whole, expected) = join("1GiB", "whole.csv");
    assert_eq!(whole["parts"], 0, "{whole:#}");
    let (spilled, found) = join("1MiB", "spilled.csv");
    assert!(spilled["parts"].as_u64().unwrap() > 1, "{spilled:#}");
    assert!(
        spilled["spilled"].as_u64().unwrap() > 1 << 20,
        "{spilled:#}"
    );
    assert!(found == expected);
    let left = std::fs::read_dir(house.path("")).unwrap();
    let names = left.map(|file| file.unwrap().file_name().to_string_lossy().into_owned());
    let left: Vec<String> = names.filter(|name| name.ends_with(".tmp")).collect();
    assert!(left.is_empty(), "{left:?}");
}
