//! What a line of the palette runs: a command, another pane, or a copy for a shell.

use super::entries::ENTRIES;
use crate::api::protocol::{Command, Overview};
use crate::domain::{JobId, ModelName, RunId, Version};
use crate::tui::dialog::Dialog;
use crate::tui::effect::{Effect, Then};
use crate::tui::panes::{PaneId, Target};

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
                Command::Materialize {
                    views,
                    as_of: None,
                    from: None,
                    full: false,
                },
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
