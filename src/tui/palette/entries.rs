//! Subcommands as the palette lists them, and completions of a line that is being typed.

use crate::api::protocol::Overview;

/// A subcommand: its words, its arguments, what it does.
pub struct Entry {
    pub name: &'static str,
    pub takes: &'static str,
    pub does: &'static str,
    /// Done in the dashboard; else copied for a shell.
    pub here: bool,
}

const fn here(name: &'static str, takes: &'static str, does: &'static str) -> Entry {
    Entry {
        name,
        takes,
        does,
        here: true,
    }
}

const fn shell(name: &'static str, takes: &'static str, does: &'static str) -> Entry {
    Entry {
        name,
        takes,
        does,
        here: false,
    }
}

/// Subcommands in the order of the command line's help.
pub const ENTRIES: &[Entry] = &[
    here("status", "", "the daemon: where, since when, what it does"),
    here(
        "train",
        "PIPELINE [KEY=VALUE…]",
        "one training run of a pipeline",
    ),
    here(
        "runs list",
        "[--experiment NAME]",
        "pane Runs, of one experiment or of all",
    ),
    here("runs show", "ID", "a run in pane Runs"),
    here("models list", "", "pane Registry"),
    here("models show", "NAME", "a model in pane Registry"),
    here(
        "models register",
        "RUN_ID [NAME]",
        "make a version from a run's model",
    ),
    here(
        "models promote",
        "NAME VERSION",
        "move the champion forward: shows the page first",
    ),
    here(
        "models rollback",
        "NAME [--to VERSION]",
        "move the champion back: shows the page first",
    ),
    here(
        "models history",
        "NAME",
        "every move of its aliases, in pane Registry",
    ),
    here("features list", "", "pane Features"),
    here(
        "features materialize",
        "[VIEW…]",
        "newest values into the online store",
    ),
    here("jobs list", "", "pane Jobs"),
    here("jobs show", "ID", "a job in pane Jobs"),
    here("jobs logs", "ID", "a job's log in pane Jobs"),
    here("jobs cancel", "ID", "stop a job"),
    here("jobs retry", "ID", "try a job again"),
    here("drift", "", "pane Drift"),
    here("live", "", "pane Live"),
    here("reload", "", "read trainyard.toml again"),
    here("down", "", "stop the daemon; jobs go on"),
    here("quit", "", "leave; the daemon goes on"),
    shell(
        "demo",
        "[--dir DIR]",
        "the flights example, trained, served and watched",
    ),
    shell(
        "init",
        "[DIR] [--example flights]",
        "a commented trainyard.toml",
    ),
    shell("up", "[--listen ADDR:PORT]", "start the daemon"),
    shell("run", "-- CMD…", "any training command as a tracked job"),
    shell(
        "automl",
        "PIPELINE --budget 60s",
        "a search; the best trial is registered",
    ),
    shell(
        "profile",
        "DATA",
        "per-column statistics, histograms, warnings",
    ),
    shell("validate", "DATA", "anomalies against a schema"),
    shell("features get", "FEATURE… --entity K=V", "online values"),
    shell(
        "features join",
        "--entities FILE --features F,… --out FILE",
        "a point-in-time join",
    ),
    shell("predict", "MODEL INPUT --out FILE", "batch scoring"),
    shell(
        "explain",
        "MODEL --input JSON",
        "which inputs are unusual, and what each contributed",
    ),
    shell("runs compare", "ID ID…", "runs side by side"),
    shell("runs export", "", "all runs as a table"),
    shell("models score", "NAME", "the ML Test Score from evidence"),
    shell(
        "sweep",
        "FILE -- CMD…",
        "a search over any command's parameters",
    ),
    shell("triggers list", "", "continuous training: what would start"),
    shell("triggers fire", "PIPELINE", "start it now"),
    shell(
        "triggers history",
        "[PIPELINE]",
        "what did start, and why not",
    ),
    shell("alerts list", "", "alerts"),
    shell("alerts ack", "ID", "acknowledge an alert"),
    shell(
        "import",
        "PATH_OR_URL",
        "an mlruns folder, an mlflow.db, a live server",
    ),
    shell("sql", "QUERY", "SQL over datasets and views"),
    shell("doctor", "", "what is wrong, and how to mend it"),
    shell("completions", "SHELL", "completions for a shell"),
    shell("man", "", "the manual page"),
];

/// Completions of a line: the line as completed, its arguments, what it does, whether it is done here.
pub fn matches(line: &str, overview: Option<&Overview>) -> Vec<(String, String, String, bool)> {
    let typed = line.trim_start().to_lowercase();
    let words: Vec<&str> = typed.split_whitespace().collect();
    let mut found = Vec::new();
    for entry in ENTRIES {
        let argument = typed
            .strip_prefix(entry.name)
            .filter(|rest| rest.starts_with(' '));
        if let Some(rest) = argument {
            let rest = rest.trim_start();
            let names: Vec<String> = match (entry.takes.split(' ').next(), overview) {
                (Some("PIPELINE"), Some(overview)) => overview.pipelines.clone(),
                (Some("NAME"), Some(overview)) => {
                    overview.models.iter().map(|name| name.0.clone()).collect()
                }
                _ => Vec::new(),
            };
            for name in names
                .iter()
                .filter(|name| name.to_lowercase().starts_with(rest) && **name != rest)
            {
                found.push((
                    format!("{} {name}", entry.name),
                    String::new(),
                    entry.does.to_owned(),
                    entry.here,
                ));
            }
            found.push((
                line.trim().to_owned(),
                if rest.is_empty() {
                    entry.takes.to_owned()
                } else {
                    String::new()
                },
                entry.does.to_owned(),
                entry.here,
            ));
        } else if words.iter().all(|word| entry.name.contains(word)) {
            found.push((
                entry.name.to_owned(),
                entry.takes.to_owned(),
                entry.does.to_owned(),
                entry.here,
            ));
        }
    }
    // names that begin as typed come first; otherwise the table's order
    found.sort_by_key(|(name, ..)| !name.to_lowercase().starts_with(typed.trim_end()));
    found
}
