//! What is done with a run: promote, register, cancel, archive, note; and the answers to the questions asked before.

use super::Runs;
use super::columns::Column;
use crate::api::protocol::Command;
use crate::domain::ModelName;
use crate::tui::dialog::Dialog;
use crate::tui::effect::{Effect, Then};
use crate::tui::panes::{Answer, Context, PaneId, Target, moves};

impl Runs {
    pub(super) fn promote(&self) -> Vec<Effect> {
        let Some(row) = self.current() else {
            return Vec::new();
        };
        if self.is_champion(&row.id) {
            return vec![Effect::say(format!("{} is the champion already", row.name))];
        }
        let send = |command, then| vec![Effect::Send { command, then }];
        match &row.version {
            Some((model, version)) => send(
                Command::PreviewPromotion {
                    model: model.clone(),
                    version: *version,
                },
                Then::Page { back: false },
            ),
            // registering is harmless: nothing serves it before the page is confirmed
            None => send(
                Command::Register {
                    run: row.id.clone(),
                    model: None,
                },
                Then::Promote,
            ),
        }
    }

    pub(super) fn register(&self) -> Vec<Effect> {
        let Some(row) = self.current() else {
            return Vec::new();
        };
        if let Some((model, version)) = &row.version {
            return vec![Effect::Go(
                PaneId::Registry,
                Target::Version(model.clone(), *version),
            )];
        }
        let champion = self
            .table
            .as_ref()
            .and_then(|table| table.champion.as_ref());
        vec![Effect::Dialog(Dialog::Prompt {
            tag: "register",
            title: format!("Register {}", row.name),
            lines: vec!["Under which name? Empty: its pipeline's.".to_owned()],
            text: champion.map_or_else(String::new, |(_, model, _)| model.0.clone()),
        })]
    }

    pub(super) fn train(&self, context: &Context) -> Vec<Effect> {
        let pipelines = context
            .overview
            .map(|overview| overview.pipelines.clone())
            .unwrap_or_default();
        if pipelines.is_empty() {
            return vec![Effect::warn(
                "trainyard.toml has no [pipeline.NAME] to train",
            )];
        }
        vec![Effect::Dialog(Dialog::Choice {
            tag: "train",
            title: "Train which pipeline?".to_owned(),
            items: pipelines
                .into_iter()
                .map(|name| {
                    let command = format!("trainyard train {name}");
                    (name, command)
                })
                .collect(),
            cursor: 0,
        })]
    }

    pub(super) fn cancel(&self) -> Vec<Effect> {
        let Some(row) = self.current() else {
            return Vec::new();
        };
        if !row.status.is_ended()
            && let Some(job) = row.job
        {
            return vec![Effect::Dialog(Dialog::Confirm {
                tag: "cancel",
                title: format!("Cancel {}?", row.name),
                lines: vec![
                    format!("Job {job} is told to stop, then killed after a grace."),
                    "What it logged stays; ‹train› in Jobs runs it again.".to_owned(),
                ],
                verb: "Cancel job".to_owned(),
                command: Some(Box::new(Command::CancelJob { job })),
                then: Then::Say(format!("job {job} is told to stop")),
            })];
        }
        if self.archived_now() {
            let command = |restore| Command::Archive {
                run: row.id.clone(),
                restore,
            };
            return vec![Effect::Send {
                command: command(true),
                then: Then::Undo {
                    say: format!("restored {}", row.name),
                    undo: Box::new(command(false)),
                },
            }];
        }
        let command = |restore| Command::Archive {
            run: row.id.clone(),
            restore,
        };
        vec![Effect::Dialog(Dialog::Confirm {
            tag: "archive",
            title: format!("Archive {}?", row.name),
            lines: vec![
                "It leaves the table; its data stay.".to_owned(),
                "‹undo› restores it for 30 s; later: ‹experiment›, archived runs, ‹cancel›."
                    .to_owned(),
            ],
            verb: "Archive".to_owned(),
            command: Some(Box::new(command(false))),
            then: Then::Undo {
                say: format!("archived {}", row.name),
                undo: Box::new(command(true)),
            },
        })]
    }

    pub(super) fn answer(&mut self, tag: &str, answer: &Answer, context: &Context) -> Vec<Effect> {
        let run = self.current().map(|row| row.id.clone());
        match (tag, answer) {
            ("columns", Answer::Columns(items)) => {
                let chosen = items
                    .iter()
                    .filter(|(_, shown)| *shown)
                    .filter_map(|(id, _)| Column::of(id))
                    .collect();
                self.chosen = Some(chosen);
            }
            ("seventh", Answer::Item(place)) => {
                if let (Some(mark), Some(old)) = (self.seventh.take(), self.marks.get_mut(*place)) {
                    *old = mark;
                }
            }
            ("copy", Answer::Item(place)) => {
                return moves::copied(self.copies(context), *place);
            }
            ("group", Answer::Item(place)) => self.group_by(*place),
            ("experiment", Answer::Item(place)) => self.show_experiment(*place),
            ("train", Answer::Item(place)) => {
                let pipeline = context
                    .overview
                    .and_then(|overview| overview.pipelines.get(*place));
                if let Some(pipeline) = pipeline {
                    return vec![Effect::Send {
                        command: Command::Train {
                            pipeline: pipeline.clone(),
                            set: Vec::new(),
                            promote: false,
                        },
                        then: Then::Say(format!("training {pipeline}: ‹pane_6› shows the job")),
                    }];
                }
            }
            (super::note::TAG, Answer::Text(text)) => return self.note_written(text),
            (super::tags::LIST, Answer::Item(place)) => return self.change(*place),
            (super::tags::TAG, Answer::Text(text)) => return self.tagged(text),
            ("register", Answer::Text(name)) => {
                if let Some(run) = run {
                    let name = name.trim();
                    return vec![Effect::Send {
                        command: Command::Register {
                            run,
                            model: (!name.is_empty()).then(|| ModelName::from(name)),
                        },
                        then: Then::Registered,
                    }];
                }
            }
            _ => {}
        }
        Vec::new()
    }
}
