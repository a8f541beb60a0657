//! Writing a note on a run. What the person saw goes with what was written: a note that somebody else changed meanwhile is
//! shown, with the person's own text kept, and not written over.

use super::Runs;
use crate::api::protocol::{Command, Failure, Reply};
use crate::domain::{ErrorKind, RunId};
use crate::tui::dialog::Dialog;
use crate::tui::effect::{Effect, Level, Then};
use crate::tui::panes::PaneId;

/// Of the dialog and of its reply.
pub(super) const TAG: &str = "note";

/// A note being written.
pub(super) struct Noting {
    run: RunId,
    name: String,
    /// The note as the person saw it; empty: none.
    seen: String,
    /// What was written.
    written: String,
    /// The daemon refused it: the note is not the one that was seen.
    refused: bool,
}

impl Runs {
    /// The note of a run as the detail part has it.
    fn note_of(&self, run: &RunId) -> Option<String> {
        let detail = self.detail.as_ref().filter(|one| one.run.id == *run)?;
        let note = detail.run.tag("mlflow.note.content").unwrap_or_default();
        Some(note.to_owned())
    }

    /// Opens the dialog.
    pub(super) fn note(&mut self) -> Vec<Effect> {
        let Some(row) = self.current() else {
            return Vec::new();
        };
        let (run, name) = (row.id.clone(), row.name.clone());
        let seen = self.note_of(&run).unwrap_or_default();
        let dialog = Dialog::Prompt {
            tag: TAG,
            title: format!("Note on {name}"),
            lines: Vec::new(),
            text: seen.clone(),
        };
        self.noting = Some(Noting {
            run,
            name,
            seen,
            written: String::new(),
            refused: false,
        });
        vec![Effect::Dialog(dialog)]
    }

    /// The dialog was answered.
    pub(super) fn note_written(&mut self, text: &str) -> Vec<Effect> {
        let Some(noting) = &mut self.noting else {
            return Vec::new();
        };
        noting.written = text.trim().to_owned();
        vec![Effect::Send {
            command: Command::Note {
                run: noting.run.clone(),
                text: noting.written.clone(),
                seen: Some(noting.seen.clone()),
            },
            then: Then::Tell(PaneId::Runs, TAG),
        }]
    }

    /// The daemon answered.
    pub(super) fn note_answered(&mut self, result: &Result<Box<Reply>, Failure>) -> Vec<Effect> {
        match result {
            Ok(_) => {
                self.noting = None;
                vec![Effect::say("note kept")]
            }
            Err(failure) if failure.kind == ErrorKind::Conflict => {
                if let Some(noting) = &mut self.noting {
                    noting.refused = true;
                }
                self.note_again()
            }
            Err(failure) => {
                self.noting = None;
                vec![Effect::Toast {
                    level: Level::Error,
                    text: failure.message.clone(),
                }]
            }
        }
    }

    /// After a refusal: the dialog once more, as soon as what the note says now is known.
    pub(super) fn note_again(&mut self) -> Vec<Effect> {
        let Some(run) = self
            .noting
            .as_ref()
            .filter(|noting| noting.refused)
            .map(|noting| noting.run.clone())
        else {
            return Vec::new();
        };
        let now = self.note_of(&run);
        let Some(noting) = &mut self.noting else {
            return Vec::new();
        };
        let Some(now) = now.filter(|now| *now != noting.seen) else {
            return Vec::new();
        };
        noting.refused = false;
        noting.seen.clone_from(&now);
        let says = match now.as_str() {
            "" => "Somebody removed it meanwhile.".to_owned(),
            now => format!("Somebody changed it meanwhile; it says now: {now}"),
        };
        vec![Effect::Dialog(Dialog::Prompt {
            tag: TAG,
            title: format!("Note on {}", noting.name),
            lines: vec![
                says,
                "Yours is below; Enter puts it in its place.".to_owned(),
            ],
            text: noting.written.clone(),
        })]
    }
}
