//! Definitions on their way into force: applied by themselves, held under a model that serves, applied by a person.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::domain::feature_version::Change;
use crate::domain::registry::CHAMPION;
use crate::domain::{ErrorKind, Timestamp};
use crate::service::fixture::{House, NOW, model_name};

const BOTH: [&str; 2] = ["x", "color"];

/// Writes the configuration anew, with a part replaced, and has it read.
fn edit(house: &House, from: &str, to: &str) {
    let path = house.folder.path().join("trainyard.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{from} in {text}");
    std::fs::write(&path, text.replace(from, to)).unwrap();
    let config = crate::service::configuration::load(&house.services.core.workspace).unwrap();
    house.services.core.set_config(config);
}

#[test]
fn what_is_new_is_applied_by_itself_and_says_its_types() {
    let house = House::new();
    let catalog = &house.services.catalog;
    assert_eq!(catalog.definition("color_x").unwrap().view.version, 0);
    let diff = catalog.diff().unwrap();
    assert_eq!(diff.changes[0].change, Change::Added);
    assert!(
        diff.changes[0]
            .fields
            .iter()
            .any(|field| field.field == "feature x"
                && field.new.as_deref() == Some("float64, column")),
        "{diff:?}"
    );
    catalog.adopt().unwrap();
    let made = catalog.definition("color_x").unwrap();
    assert_eq!((made.view.version, made.by.as_str()), (1, "auto"));
    assert!(catalog.diff().unwrap().changes.is_empty());
    // another daemon knows it too
    let house = house.again();
    assert_eq!(
        house
            .services
            .catalog
            .definition("color_x")
            .unwrap()
            .view
            .version,
        1
    );
    let page = house.services.catalog.page(&house.services).unwrap();
    assert_eq!((page.rows[0].version, page.rows[0].differs), (1, false));
}

#[test]
fn a_change_that_nobody_who_serves_reads_is_taken_and_an_old_version_stays() {
    let house = House::new();
    let catalog = &house.services.catalog;
    catalog.adopt().unwrap();
    let limit = || {
        let resolved = catalog.resolved(&["color_x:x"]).unwrap();
        resolved.wanted()[0].limits[0]
    };
    assert_eq!(limit(), Some(7 * 86_400_000_000));
    edit(&house, "ttl = \"7d\"", "ttl = \"1d\"");
    catalog.adopt().unwrap();
    // what was resolved for a request before does not outlive the definition
    assert_eq!(limit(), Some(86_400_000_000));
    let now = catalog.definition("color_x").unwrap();
    assert_eq!((now.view.version, now.view.ttl), (2, Some(86_400_000_000)));
    let before = catalog.definition("color_x@1").unwrap();
    assert_eq!(
        (before.view.name.as_str(), before.view.ttl),
        ("color_x@1", Some(7 * 86_400_000_000))
    );
    // the version in force by its number is the view itself
    assert_eq!(
        catalog.definition("color_x@2").unwrap().view.name,
        "color_x"
    );
    let spec = catalog
        .materialize_spec(&house.services, "color_x@1", Timestamp(NOW))
        .unwrap();
    assert_eq!(spec.view.version, 1);
    assert_eq!(
        catalog.definition("color_x@3").unwrap_err().kind,
        ErrorKind::NotFound
    );
    // what it was before is what it is again
    edit(&house, "ttl = \"1d\"", "ttl = \"7d\"");
    catalog.adopt().unwrap();
    assert_eq!(catalog.definition("color_x").unwrap().view.version, 1);
    // words make no version
    edit(&house, "ttl = \"7d\"", "ttl = \"7d\"\nowner = \"ana\"");
    catalog.adopt().unwrap();
    let described = catalog.definition("color_x").unwrap();
    assert_eq!(
        (described.view.version, described.view.owner.as_str()),
        (1, "ana")
    );
    let page = catalog.view_page(&house.services, "color_x").unwrap();
    let numbers: Vec<u32> = page.history.iter().map(|line| line.version).collect();
    assert_eq!(numbers, [2, 1]);
}

/// A model that reads the view and answers requests.
fn serving(house: &House) {
    let services = &house.services;
    services.catalog.adopt().unwrap();
    let version = house.version("logistic", &BOTH);
    let config = services.core.config();
    let table = services
        .datasets
        .table(&config.pipelines[0], None, None)
        .unwrap();
    services
        .catalog
        .pin(&version.run.clone().unwrap(), &table)
        .unwrap();
    house.judged(version.version, true);
    services
        .registry
        .promote(&model_name(), version.version, "ana", false, "")
        .unwrap();
    assert_eq!(
        services.registry.resolve(&model_name(), CHAMPION).unwrap(),
        Some(version.version)
    );
    let pins = services
        .catalog
        .service(services, &model_name(), version.version)
        .unwrap();
    assert_eq!(
        (
            pins[0].input.as_str(),
            pins[0].feature.as_str(),
            pins[0].version
        ),
        ("color_x", "x", 1)
    );
}

#[test]
fn a_change_under_a_model_that_serves_waits_for_a_person() {
    let house = House::new();
    serving(&house);
    let services = &house.services;
    let catalog = &services.catalog;
    edit(&house, "ttl = \"7d\"", "ttl = \"1d\"");
    catalog.adopt().unwrap();
    assert_eq!(catalog.definition("color_x").unwrap().view.version, 1);
    let page = catalog.page(services).unwrap();
    assert_eq!((page.rows[0].version, page.rows[0].differs), (1, true));
    let (_, _, told) = services.core.notices(10).unwrap().pop().unwrap();
    assert!(
        told.contains("color_x") && told.contains("features apply"),
        "{told}"
    );

    let diff = catalog.diff().unwrap();
    let change = &diff.changes[0];
    assert!(change.is_held());
    assert_eq!((change.from, change.to), (Some(1), Some(2)));
    assert_eq!(
        (
            change.readers[0].deployments.as_slice(),
            change.pipelines.as_slice()
        ),
        (&["late".to_owned()][..], &["late".to_owned()][..])
    );
    assert_eq!(
        catalog.apply("ana", Some("another")).unwrap_err().kind,
        ErrorKind::Conflict
    );
    let applied = catalog.apply("ana", Some(&diff.seen)).unwrap();
    assert!(applied.applied);
    assert_eq!(catalog.definition("color_x").unwrap().view.version, 2);
    let lines = services
        .access
        .audit(Some("feature_view:color_x"), 10)
        .unwrap();
    assert_eq!(
        (lines[0].by.as_str(), lines[0].detail.as_str()),
        ("ana", "v1 → v2: ttl 1w → 1d".replace("1w", "7d").as_str())
    );
    assert_eq!(lines.len(), 2);
    // the model still reads what it learned from: that is materialized too
    assert_eq!(catalog.to_materialize().unwrap(), ["color_x", "color_x@1"]);
    let page = catalog.view_page(services, "color_x").unwrap();
    assert!(page.pending.is_none());
    assert!(
        page.lineage
            .iter()
            .any(|line| line.kind == "model" && line.value.ends_with("reads v1")),
        "{:?}",
        page.lineage
    );
}

#[test]
fn a_removed_view_goes_unless_a_model_that_serves_reads_it() {
    let house = House::new();
    let view = "[feature_view.color_x]\nentity = { name = \"color\", key = \"color\" }\ndataset = \"rows\"\ntimestamp = \"at\"\nfeatures = [\"x\"]\nttl = \"7d\"\n";
    let used = "features = [{ view = \"color_x\", features = [\"x\"], prefix = \"color_\" }]\n";
    serving(&house);
    edit(&house, used, "");
    edit(&house, view, "");
    let catalog = &house.services.catalog;
    catalog.adopt().unwrap();
    assert!(catalog.definition("color_x").is_ok());
    let diff = catalog.apply("ana", None).unwrap();
    assert_eq!(diff.changes[0].change, Change::Removed);
    assert_eq!(
        catalog.definition("color_x").unwrap_err().kind,
        ErrorKind::NotFound
    );
    assert_eq!(catalog.definition("color_x@1").unwrap().view.version, 1);
}

#[test]
fn what_cannot_be_applied_is_said_whole_and_changes_nothing() {
    let house = House::new();
    let catalog = &house.services.catalog;
    catalog.adopt().unwrap();
    edit(
        &house,
        "ttl = \"7d\"",
        "windows = [{ column = \"color\", aggregates = [\"mean\"], over = [\"3h\"] }, { column = \"yy\", aggregates = [\"count\"], over = [\"3h\"] }]\n\
         [feature_view.color_x.derive]\ndouble = \"xx * 2\"\n\
         [feature_view.later]\ndataset = \"later\"\nfeatures = [\"z\"]\n\
         [dataset.later]\npath = \"none/*.csv\"\ntimestamp = \"t\"\n",
    );
    let diff = catalog.diff().unwrap();
    let said = diff.problems.join("\n");
    for part in [
        "feature view `color_x`: the window's column `yy` is no column of dataset `rows`; its columns are `id`, `at`, `x`, `color`, `y`",
        "did you mean `y`?",
        "the mean of `color`, a text column, is nothing; such a column has count, last, distinct, share",
        "`derive.double` = `xx * 2`: no such column: xx",
    ] {
        assert!(said.contains(part), "{part} in {said}");
    }
    assert!(
        diff.waiting[0].contains("nothing matches `none/*.csv`"),
        "{:?}",
        diff.waiting
    );
    assert_eq!(
        catalog.apply("ana", None).unwrap_err().kind,
        ErrorKind::Invalid
    );
    catalog.adopt().unwrap();
    assert_eq!(catalog.definition("color_x").unwrap().view.version, 1);
}
