//! Pane 6: what is running now? Jobs with time left, CPU and memory, why they failed, and their logs.

mod draw;
#[cfg(test)]
mod tests;

use super::moves::{self, Words};
use super::parts;
use super::{Answer, Context, Input, Pane, PaneId, Pointer, Target};
use crate::api::protocol::{Command, Snapshot, Topic};
use crate::domain::JobId;
use crate::domain::job::{Job, JobLog, JobRow, JobsPage};
use crate::tui::dialog::Dialog;
use crate::tui::effect::{Effect, Then};
use crate::tui::export;
use crate::tui::keymap::{Action, Binding, foot, key};
use crate::tui::widgets::table::{self, Hit};
use ratatui::buffer::Buffer;
use serde_json::{Value, json};

/// Lines of a log that are asked for: at its end, and when somebody reads further up.
const LINES: (u32, u32) = (400, 5_000);

/// Parts of the pane, in the order of `Tab`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    #[default]
    Table,
    Log,
}

/// See the module.
pub struct Jobs {
    page: Option<JobsPage>,
    log: Option<JobLog>,
    filter: String,
    search: String,
    cursor: usize,
    top: usize,
    selected: Option<JobId>,
    part: Part,
    zoomed: bool,
    follow: bool,
    /// Log lines between the end and the last line shown.
    back: usize,
}

impl Default for Jobs {
    fn default() -> Self {
        Self {
            page: None,
            log: None,
            filter: String::new(),
            search: String::new(),
            cursor: 0,
            top: 0,
            selected: None,
            part: Part::Table,
            zoomed: false,
            follow: true,
            back: 0,
        }
    }
}

const BINDINGS: &[Binding] = &[
    foot(Action::Cancel, "cancel"),
    foot(Action::Train, "run again"),
    foot(Action::Follow, "follow"),
    foot(Action::Filter, "search"),
    foot(Action::Open, "its run"),
    foot(Action::Zoom, "full log"),
    foot(Action::Copy, "copy"),
    foot(Action::Export, "export"),
    key(Action::Down, "down"),
    key(Action::Up, "up"),
    key(Action::Top, "first"),
    key(Action::Bottom, "last; in the log: the end"),
    key(Action::HalfDown, "half a page down"),
    key(Action::HalfUp, "half a page up"),
    key(Action::PageDown, "a page down"),
    key(Action::PageUp, "a page up"),
    key(Action::NextPart, "table or log"),
    key(Action::PreviousPart, "table or log"),
    key(Action::Left, "table"),
    key(Action::Right, "log"),
    key(Action::NextMatch, "next hit in the log"),
    key(Action::PreviousMatch, "previous hit in the log"),
    key(Action::Back, "back to the table"),
];

impl Pane for Jobs {
    fn bindings(&self) -> &'static [Binding] {
        BINDINGS
    }

    fn topics(&self) -> Vec<Topic> {
        let mut topics = vec![Topic::Jobs];
        if let Some(job) = self.selected {
            let near = self.back == 0 && self.search.is_empty();
            topics.push(Topic::JobLog {
                job,
                lines: if near { LINES.0 } else { LINES.1 },
            });
        }
        topics
    }

    fn update(&mut self, input: &Input, context: &Context) -> Vec<Effect> {
        match input {
            Input::Act(action) => return self.act(*action, context),
            Input::Filter(text) => match self.part {
                Part::Table => {
                    (*text).clone_into(&mut self.filter);
                    self.keep_cursor(context);
                }
                Part::Log => {
                    (*text).clone_into(&mut self.search);
                    if !text.is_empty() {
                        self.find(0, true);
                    }
                }
            },
            Input::Snapshot(Topic::Jobs, Snapshot::Jobs(page)) => {
                self.page = Some(page.clone());
                self.keep_cursor(context);
            }
            Input::Snapshot(Topic::JobLog { job, .. }, Snapshot::JobLog(log))
                if Some(*job) == self.selected =>
            {
                let known = self
                    .log
                    .as_ref()
                    .filter(|known| known.job == log.job)
                    .map_or(log.total, |known| known.total);
                if !self.follow && self.back > 0 {
                    // the lines that are read stay where they are
                    self.back += log.total.saturating_sub(known) as usize;
                }
                self.log = Some(log.clone());
            }
            Input::Pointer(pointer) => self.point(*pointer, context),
            Input::Answer("copy", Answer::Item(place)) => {
                return moves::copied(self.copies(), *place);
            }
            Input::Show(Target::Job(job)) => {
                self.selected = Some(*job);
                self.filter.clear();
                self.keep_cursor(context);
            }
            _ => {}
        }
        Vec::new()
    }

    fn render(&self, buffer: &mut Buffer, context: &Context) {
        draw::render(self, buffer, context);
    }

    fn status(&self, context: &Context) -> Vec<String> {
        draw::status(self, context)
    }

    fn filter(&self) -> &str {
        match self.part {
            Part::Table => &self.filter,
            Part::Log => &self.search,
        }
    }

    fn ticks(&self) -> bool {
        self.page.as_ref().is_some_and(|page| page.running > 0)
    }

    fn remember(&self) -> Value {
        json!({ "filter": self.filter, "zoomed": self.zoomed, "log": self.part == Part::Log })
    }

    fn restore(&mut self, looks: &Value) {
        self.filter = looks["filter"].as_str().unwrap_or_default().to_owned();
        self.zoomed = looks["zoomed"].as_bool().unwrap_or(false);
        if looks["log"].as_bool().unwrap_or(false) {
            self.part = Part::Log;
        }
    }
}

impl Jobs {
    /// The rows that the filter leaves: every word in title, state, kind or id.
    fn rows(&self) -> Vec<&JobRow> {
        let words = Words::of(&self.filter);
        let matches = |job: &Job| {
            words.are_in(&format!(
                "{} {} state:{} {}",
                job.id,
                job.title,
                job.state.as_str(),
                job.kind
            ))
        };
        self.page
            .iter()
            .flat_map(|page| &page.rows)
            .filter(|row| matches(&row.job))
            .collect()
    }

    fn current(&self) -> Option<&Job> {
        self.rows().get(self.cursor).map(|row| &row.job)
    }

    /// The cursor stays on its job, and its job on its line of the screen.
    fn keep_cursor(&mut self, context: &Context) {
        let rows = self.rows();
        let place = self
            .selected
            .and_then(|job| rows.iter().position(|row| row.job.id == job));
        let last = rows.len().saturating_sub(1);
        let line = place.unwrap_or(self.cursor.min(last));
        self.top = (self.top + line).saturating_sub(self.cursor);
        self.go_to(line, context);
    }

    fn go_to(&mut self, line: usize, context: &Context) {
        let count = self.rows().len();
        self.cursor = line.min(count.saturating_sub(1));
        let selected = self.current().map(|job| job.id);
        if selected.is_some() && selected != self.selected {
            self.selected = selected;
            self.back = 0;
            self.follow = true;
        }
        let height = draw::places(self, context.area)
            .table
            .height
            .saturating_sub(2);
        self.top = table::scrolled(self.cursor, self.top, height, count);
    }

    fn act(&mut self, action: Action, context: &Context) -> Vec<Effect> {
        let places = draw::places(self, context.area);
        let in_log = self.part == Part::Log;
        let height = if in_log {
            places.log.height
        } else {
            places.table.height
        };
        if let Some(step) = parts::step(action, height.saturating_sub(2)) {
            if in_log {
                self.scroll_log(step.saturating_neg());
            } else {
                self.go_to(self.cursor.saturating_add_signed(step), context);
            }
            return Vec::new();
        }
        match action {
            Action::NextPart | Action::PreviousPart => {
                self.part = if in_log { Part::Table } else { Part::Log };
            }
            Action::Left => self.part = Part::Table,
            Action::Right => self.part = Part::Log,
            Action::Zoom => {
                self.zoomed = !self.zoomed;
                self.part = if self.zoomed { Part::Log } else { Part::Table };
            }
            Action::Back => {
                self.zoomed = false;
                self.part = Part::Table;
            }
            Action::Follow => {
                self.follow = !self.follow;
                if self.follow {
                    self.back = 0;
                }
            }
            Action::NextMatch => self.find(1, false),
            Action::PreviousMatch => self.find(1, true),
            Action::Open => return self.open(),
            Action::Cancel => return self.cancel(),
            Action::Train => return self.again(),
            Action::Copy => return moves::offer_copies(self.copies()),
            Action::Export => return self.export(),
            _ => {}
        }
        Vec::new()
    }

    fn lines(&self) -> &[String] {
        self.log
            .as_ref()
            .filter(|log| Some(log.job) == self.selected)
            .map_or(&[], |log| &log.lines)
    }

    /// The log that is drawn and its job: those of the row before until the log of the row under the cursor is there.
    fn pictured(&self) -> Option<(&JobLog, Option<&Job>)> {
        let log = self.log.as_ref()?;
        let job = self
            .page
            .iter()
            .flat_map(|page| &page.rows)
            .map(|row| &row.job)
            .find(|job| job.id == log.job);
        Some((log, job))
    }

    /// Up by `lines` (negative: down); reading further up stops following.
    fn scroll_log(&mut self, lines: isize) {
        let most = self.lines().len().saturating_sub(1);
        self.back = self.back.saturating_add_signed(lines).min(most);
        self.follow = self.back == 0;
    }

    /// The next (or previous) line with the searched text, from the last line shown.
    fn find(&mut self, step: usize, up: bool) {
        let wanted = self.search.to_lowercase();
        if wanted.is_empty() {
            return;
        }
        let lines = self.lines();
        let here = lines.len().saturating_sub(1 + self.back);
        let hit = |line: &String| line.to_lowercase().contains(&wanted);
        let found = if up {
            let end = (here + 1).saturating_sub(step).min(lines.len());
            lines[..end].iter().rposition(hit)
        } else {
            let start = (here + step).min(lines.len());
            lines[start..]
                .iter()
                .position(hit)
                .map(|place| start + place)
        };
        if let Some(place) = found {
            self.back = lines.len() - 1 - place;
            self.follow = self.back == 0;
        }
    }

    fn open(&self) -> Vec<Effect> {
        match self.current() {
            Some(Job { run: Some(run), .. }) => {
                vec![Effect::Go(PaneId::Runs, Target::Run(run.clone()))]
            }
            Some(job) => vec![Effect::say(format!("job {} fills no run", job.id))],
            None => Vec::new(),
        }
    }

    fn cancel(&self) -> Vec<Effect> {
        let Some(job) = self.current() else {
            return Vec::new();
        };
        if job.state.is_ended() {
            return vec![Effect::say(format!(
                "job {} has ended: {}",
                job.id,
                job.state.as_str()
            ))];
        }
        let id = job.id;
        vec![Effect::Dialog(Dialog::Confirm {
            tag: "cancel",
            title: format!("Cancel job {id}?"),
            lines: vec![
                job.title.clone(),
                "Its worker is told to stop, then killed after a grace.".to_owned(),
                "What it logged stays; ‹train› runs it again.".to_owned(),
            ],
            verb: "Cancel job".to_owned(),
            command: Some(Box::new(Command::CancelJob { job: id })),
            then: Then::Undo {
                say: format!("job {id} is told to stop"),
                undo: Box::new(Command::RetryJob { job: id }),
            },
        })]
    }

    fn again(&self) -> Vec<Effect> {
        match self.current() {
            Some(job) if !job.state.is_ended() => {
                vec![Effect::say(format!("job {} is under way", job.id))]
            }
            Some(job) => vec![Effect::Send {
                command: Command::RetryJob { job: job.id },
                then: Then::Say(format!("job {} is queued again", job.id)),
            }],
            None => Vec::new(),
        }
    }

    /// What `y` offers: name and text.
    fn copies(&self) -> Vec<(String, String)> {
        let Some(job) = self.current() else {
            return Vec::new();
        };
        let mut offered = vec![
            ("job id".to_owned(), job.id.to_string()),
            (
                "shell command".to_owned(),
                format!("trainyard jobs logs {} --follow", job.id),
            ),
        ];
        if let Some(run) = &job.run {
            offered.push(("run id".to_owned(), run.0.clone()));
        }
        if let Some(error) = &job.error {
            offered.push(("error".to_owned(), error.clone()));
        }
        let lines = self.lines();
        if let Some(line) = lines
            .len()
            .checked_sub(1 + self.back)
            .and_then(|at| lines.get(at))
        {
            offered.push(("log line".to_owned(), line.clone()));
        }
        offered
    }

    fn export(&self) -> Vec<Effect> {
        let head = [
            "id", "kind", "title", "state", "attempt", "created", "started", "ended", "error",
        ];
        let mut rows: Vec<Vec<String>> = vec![head.map(str::to_owned).to_vec()];
        for row in self.rows() {
            let job = &row.job;
            let time = |at: Option<crate::domain::Timestamp>| {
                at.map_or_else(String::new, |at| at.to_string())
            };
            rows.push(vec![
                job.id.to_string(),
                job.kind.clone(),
                job.title.clone(),
                job.state.as_str().to_owned(),
                job.attempt.to_string(),
                time(Some(job.created)),
                time(job.started),
                time(job.ended),
                job.error.clone().unwrap_or_default(),
            ]);
        }
        let mut effects = vec![export::csv("jobs", &rows)];
        if let (Some(job), false) = (self.selected, self.lines().is_empty()) {
            effects.push(export::lines(&format!("job-{job}.log"), self.lines()));
        }
        effects
    }

    fn point(&mut self, pointer: Pointer, context: &Context) {
        let places = draw::places(self, context.area);
        match pointer {
            Pointer::Wheel(at, rows) if places.log.contains(at) => {
                self.scroll_log(-(rows as isize));
            }
            Pointer::Wheel(_, rows) => {
                self.go_to(self.cursor.saturating_add_signed(rows as isize), context);
            }
            Pointer::Click(at) | Pointer::DoubleClick(at) => {
                if places.log.contains(at) {
                    self.part = Part::Log;
                } else if places.table.contains(at) {
                    self.part = Part::Table;
                    if let Some(Hit::Row(line)) = draw::hit(self, context, at) {
                        self.go_to(line, context);
                    }
                }
            }
        }
    }
}
