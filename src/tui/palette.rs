//! The palette: every subcommand by its command-line name, with completion and what it will run.
//! What maps to the protocol or to a pane is done here; the rest is copied as a shell command.

use super::app::App;
use super::dialog::Dialog;
use super::effect::{Effect, Then};
use super::field::Field;
use super::layout;
use super::panes::{PaneId, Target};
use super::text;
use crate::api::protocol::{Command, Overview};
use crate::domain::{JobId, ModelName, RunId, Version};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Widget};

/// A subcommand: its words, its arguments, what it does.
struct Entry {
    name: &'static str,
    takes: &'static str,
    does: &'static str,
    here: bool,
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
const ENTRIES: &[Entry] = &[
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

/// What is typed, and the row under the cursor.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Palette {
    /// The command so far.
    pub field: Field,
    cursor: usize,
}

/// What a key did.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It stays open.
    Stay,
    /// It closes.
    Cancelled,
    /// It closes, and this line is run.
    Run(String),
}

/// Completions of a line: the line as completed, its arguments, what it does, whether it is done here.
fn matches(line: &str, overview: Option<&Overview>) -> Vec<(String, String, String, bool)> {
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

impl Palette {
    /// Takes a key.
    pub fn key(&mut self, key: &KeyEvent, overview: Option<&Overview>) -> Outcome {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let found = matches(&self.field.text, overview);
        let last = found.len().saturating_sub(1);
        match key.code {
            KeyCode::Esc => return Outcome::Cancelled,
            KeyCode::Char('c') if control => return Outcome::Cancelled,
            KeyCode::Down => self.cursor = (self.cursor + 1).min(last),
            KeyCode::Up => self.cursor = self.cursor.saturating_sub(1),
            KeyCode::Tab => {
                if let Some((line, takes, ..)) = found.get(self.cursor.min(last)) {
                    let space = if takes.is_empty() { "" } else { " " };
                    self.field = Field::with(&format!("{line}{space}"));
                    self.cursor = 0;
                }
            }
            KeyCode::Enter => {
                let Some((line, takes, ..)) = found.get(self.cursor.min(last)) else {
                    return Outcome::Stay;
                };
                let needs = !takes.is_empty() && !takes.starts_with('[');
                if needs && self.field.text.trim() != line {
                    self.field = Field::with(&format!("{line} "));
                    self.cursor = 0;
                } else {
                    return Outcome::Run(line.clone());
                }
            }
            _ => {
                if self.field.key(key) {
                    self.cursor = 0;
                }
            }
        }
        Outcome::Stay
    }

    /// Takes pasted text.
    pub fn paste(&mut self, text: &str) {
        self.field.insert(text);
        self.cursor = 0;
    }
}

/// What a line runs: effects, or what is wrong with it.
pub fn run(
    line: &str,
    overview: Option<&Overview>,
    read_only: bool,
) -> Result<Vec<Effect>, String> {
    let line = line.trim();
    let Some(entry) = ENTRIES
        .iter()
        .filter(|entry| line == entry.name || line.starts_with(&format!("{} ", entry.name)))
        .max_by_key(|entry| entry.name.len())
    else {
        return Err(format!("no command `{line}`; `:` lists them"));
    };
    let arguments: Vec<&str> = line[entry.name.len()..].split_whitespace().collect();
    let need = |place: usize, what: &str| {
        arguments.get(place).copied().ok_or_else(|| {
            format!(
                "`{}` needs {what}: {} {}",
                entry.name, entry.name, entry.takes
            )
        })
    };
    if !entry.here {
        let text = format!("trainyard {line}");
        return Ok(vec![
            Effect::Copy {
                what: "shell command".to_owned(),
                text: text.clone(),
            },
            Effect::say(format!("runs in a shell, copied: {text}")),
        ]);
    }
    let send = |command: Command, then: Then| {
        if read_only {
            Err(format!("read only: `{}` is off", entry.name))
        } else {
            Ok(vec![Effect::Send { command, then }])
        }
    };
    let go = |pane: PaneId| Ok(vec![Effect::Go(pane, Target::Last)]);
    match entry.name {
        "runs list" => {
            let name = arguments.iter().find(|word| **word != "--experiment");
            let target = match name {
                Some(name) => Target::Experiment((*name != "all").then(|| (*name).to_owned())),
                None => Target::Last,
            };
            Ok(vec![Effect::Go(PaneId::Runs, target)])
        }
        "models list" => go(PaneId::Registry),
        "features list" => go(PaneId::Features),
        "jobs list" => go(PaneId::Jobs),
        "drift" => go(PaneId::Drift),
        "live" => go(PaneId::Live),
        "quit" => Ok(vec![Effect::Quit]),
        "runs show" => {
            let run = RunId::from(need(0, "a run")?);
            Ok(vec![Effect::Go(PaneId::Runs, Target::Run(run))])
        }
        "models show" | "models history" => {
            let model = ModelName::from(need(0, "a model")?);
            Ok(vec![Effect::Go(PaneId::Registry, Target::Model(model))])
        }
        "jobs show" | "jobs logs" => {
            let job = job(need(0, "a job")?)?;
            Ok(vec![Effect::Go(PaneId::Jobs, Target::Job(job))])
        }
        "jobs cancel" => {
            let job = job(need(0, "a job")?)?;
            send(
                Command::CancelJob { job },
                Then::Say(format!("job {job} is told to stop")),
            )
        }
        "jobs retry" => {
            let job = job(need(0, "a job")?)?;
            send(Command::RetryJob { job }, Then::Nothing).map(|mut effects| {
                if let Some(Effect::Send { then, .. }) = effects.first_mut() {
                    *then = Then::Say(format!("job {job} is queued again"));
                }
                effects
            })
        }
        "train" => {
            let pipeline = need(0, "a pipeline")?.to_owned();
            let mut set = Vec::new();
            for pair in arguments[1..].iter().filter(|word| **word != "--set") {
                let (key, value) = pair
                    .split_once('=')
                    .ok_or_else(|| format!("`{pair}` is not KEY=VALUE"))?;
                set.push((key.to_owned(), value.to_owned()));
            }
            let say = format!("training {pipeline}: see pane {}", PaneId::Jobs.name());
            send(
                Command::Train {
                    pipeline,
                    set,
                    promote: false,
                },
                Then::Say(say),
            )
        }
        "models register" => {
            let run = RunId::from(need(0, "a run")?);
            let model = arguments.get(1).map(|name| ModelName::from(*name));
            send(Command::Register { run, model }, Then::Registered)
        }
        "models promote" => {
            let model = ModelName::from(need(0, "a model and a version")?);
            let version = version(need(1, "a version")?)?;
            send(
                Command::PreviewPromotion { model, version },
                Then::Page { back: false },
            )
        }
        "models rollback" => {
            let model = ModelName::from(need(0, "a model")?);
            let to = arguments[1..]
                .iter()
                .find(|word| **word != "--to")
                .map(|word| version(word))
                .transpose()?;
            send(
                Command::PreviewRollback { model, to },
                Then::Page { back: true },
            )
        }
        "features materialize" => {
            let views: Vec<String> = arguments.iter().map(|word| (*word).to_owned()).collect();
            send(
                Command::Materialize { views, as_of: None },
                Then::Say(format!("materializing: see pane {}", PaneId::Jobs.name())),
            )
        }
        "reload" => send(
            Command::Reload,
            Then::Say("trainyard.toml read again".to_owned()),
        ),
        "down" => {
            if read_only {
                return Err("read only: `down` is off".to_owned());
            }
            Ok(vec![Effect::Dialog(Dialog::Confirm {
                tag: "down",
                title: "Stop the daemon?".to_owned(),
                lines: vec![
                    "Deployments stop answering; running jobs go on by themselves.".to_owned(),
                    "The way back: trainyard up".to_owned(),
                ],
                verb: "Stop".to_owned(),
                command: Some(Box::new(Command::Shutdown)),
                then: Then::Say("the daemon stops; jobs go on".to_owned()),
            })])
        }
        _ => {
            let mut lines = Vec::new();
            match overview {
                Some(overview) => lines.extend([
                    format!("workspace  {}", overview.path),
                    format!("host       {}", overview.host),
                    format!("http       http://{}", overview.http),
                    format!("version    {}", overview.version),
                    format!(
                        "jobs       {} running, {} waiting",
                        overview.running, overview.waiting
                    ),
                    String::new(),
                    format!("MLFLOW_TRACKING_URI=http://{}", overview.http),
                ]),
                None => lines.push("no daemon has answered yet".to_owned()),
            }
            Ok(vec![Effect::Dialog(Dialog::Page {
                title: "Status".to_owned(),
                lines,
            })])
        }
    }
}

fn job(word: &str) -> Result<JobId, String> {
    word.parse()
        .map(JobId)
        .map_err(|_| format!("`{word}` is not a job's number"))
}

fn version(word: &str) -> Result<Version, String> {
    word.trim_start_matches('v')
        .parse()
        .map(Version)
        .map_err(|_| format!("`{word}` is not a version; write 13 or v13"))
}

/// Draws it over `area`.
pub fn render(palette: &Palette, app: &App, area: Rect, buffer: &mut Buffer) {
    let theme = &app.theme;
    let found = matches(&palette.field.text, app.overview.as_ref());
    let place = layout::middle(
        area,
        area.width.saturating_sub(4).min(90),
        area.height.saturating_sub(2).min(20),
    );
    Clear.render(place, buffer);
    let inside = super::frame::part(buffer, place, "Commands", true, theme);
    if inside.height < 3 {
        return;
    }
    buffer.set_string(inside.x + 1, inside.y, ":", theme.accent);
    let field = Rect::new(inside.x + 2, inside.y, inside.width.saturating_sub(3), 1);
    palette.field.render(buffer, field, theme.text, true);
    let rows = usize::from(inside.height - 2);
    let cursor = palette.cursor.min(found.len().saturating_sub(1));
    let top = cursor.saturating_sub(rows.saturating_sub(1));
    for (row, (line, takes, does, here)) in found.iter().enumerate().skip(top).take(rows) {
        let y = inside.y + 1 + (row - top) as u16;
        let left = text::left(&format!("{line} {takes}"), 34);
        let style = if row == cursor {
            theme.selected
        } else if *here {
            theme.text
        } else {
            theme.dim
        };
        let line = Line::from(vec![
            Span::raw(if row == cursor { "▌" } else { " " }),
            Span::raw(left),
            Span::raw(" "),
            Span::raw(does.clone()),
        ]);
        buffer.set_line(inside.x, y, &line, inside.width);
        buffer.set_style(Rect::new(inside.x, y, inside.width, 1), style);
    }
    let y = inside.bottom() - 1;
    let said = match found.get(cursor) {
        None => "no such command".to_owned(),
        Some((line, takes, _, here)) => {
            let typed = palette.field.text.trim();
            let line = if typed.starts_with(line.as_str()) {
                typed
            } else {
                line
            };
            let shown = format!("trainyard {line} {takes}");
            if *here {
                format!("runs: {}", shown.trim_end())
            } else {
                format!("copies for a shell: {}", shown.trim_end())
            }
        }
    };
    buffer.set_stringn(
        inside.x + 1,
        y,
        text::cut(&said, usize::from(inside.width - 2)),
        usize::from(inside.width - 2),
        theme.dim,
    );
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn typing_finds_and_tab_completes() {
        let overview = Overview {
            pipelines: vec!["late".to_owned()],
            ..Overview::default()
        };
        let found = matches("tra", Some(&overview));
        assert_eq!(found[0].0, "train");
        let found = matches("train l", Some(&overview));
        assert_eq!(found[0].0, "train late");
    }

    #[test]
    fn promote_shows_the_page_first() {
        let effects = run("models promote delay v13", None, false).unwrap();
        assert_eq!(
            effects,
            [Effect::Send {
                command: Command::PreviewPromotion {
                    model: ModelName::from("delay"),
                    version: Version(13)
                },
                then: Then::Page { back: false }
            }]
        );
    }

    #[test]
    fn what_is_not_here_is_copied() {
        let effects = run("profile flights", None, false).unwrap();
        assert!(
            matches!(&effects[0], Effect::Copy { text, .. } if text == "trainyard profile flights")
        );
    }

    #[test]
    fn read_only_changes_nothing() {
        assert!(run("train late", None, true).is_err());
        assert!(run("down", None, true).is_err());
    }
}
