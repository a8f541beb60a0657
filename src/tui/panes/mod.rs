//! The panes: what one is, and the six there are. A pane knows the protocol's read models, styles and
//! areas; it must not know the other panes, the clock, files, or how the daemon is reached.
//!
//! How a pane is written:
//!
//! 1. A struct with `Default`: the last snapshots it was given (`Option<…>`), the cursor, the focused part, sort,
//!    columns, zoom. Scroll offsets live in it.
//! 2. [`Pane::bindings`]: one line per [`Action`] that works here; `foot(…)` for the six that the footer shows. The
//!    shell turns keys into actions by the one table in `keymap.rs`; an action that is not in the list never arrives,
//!    and the shell says where it works. `1`-`6 q Esc : u . ? ! T M C-l C-z` are the shell's; bind `Back` only for an
//!    inner step back (the shell first closes dialogs and clears the filter; without the binding nothing arrives).
//! 3. [`Pane::topics`]: what it needs to see *now* (also the detail of the row under the cursor). Whenever the answer changes,
//!    the loop subscribes anew; snapshots come as [`Input::Snapshot`] with the topic that asked for them. Keep the old
//!    snapshot until the new one is there; show with [`Theme::dim`] what belongs to another topic than the one asked for.
//! 4. [`Pane::update`]: a `match` over [`Input`]; the only place where it changes; returns [`Effect`]s:
//!    `Effect::Send { command, then }` (see [`super::effect::Then`]), `Effect::Dialog(…)` (see `dialog.rs`: `Confirm` sends a
//!    command itself, `Prompt`, `Choice` and `Columns` answer with [`Input::Answer`] and your tag), `Effect::Go(pane, target)`,
//!    `Effect::Copy`, `Effect::Write` (a file for `e`), `Effect::say(…)`. To promote: send `Command::PreviewPromotion` with
//!    `Then::Page { back: false }`; to roll back: `Command::PreviewRollback` with `Then::Page { back: true }`: the shell shows
//!    the page, guards it, sends the command, offers undo.
//! 5. [`Pane::render`]: draws into `context.area` and changes nothing. Compute areas from `context.area` by a function that
//!    `update` calls too (page sizes, mouse). `Room::of(area)` says how much room there is; `layout::beside` and `above` split
//!    an area into parts that share a border; `frame::part` draws a part with its title and gives its inside;
//!    `context.theme.look()` is what `widgets::{table, chart, sparkline, histogram}` draw with; `export::{chart, csv, lines}` make files;
//!    `text.rs` fits text and writes numbers, ages and times. Below 80x24 (`Room::One`) show one part at a time.
//! 6. Write Unicode signs and words first, then styles from `context.theme`; the shell makes ASCII and monochrome of it.
//! 7. A number that is in no snapshot is not on the screen.

pub mod drift;
pub mod features;
#[cfg(test)]
mod fixture;
pub mod jobs;
pub mod live;
mod moves;
mod parts;
pub mod registry;
pub mod runs;

use super::effect::Effect;
use super::keymap::{Action, Binding, Keymap};
use super::theme::Theme;
use crate::api::protocol::{Failure, Overview, Reply, Snapshot, Topic};
use crate::domain::{DeploymentName, Event, JobId, ModelName, RunId, Timestamp, Version};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use serde_json::Value;

/// Which pane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PaneId {
    /// 1: which run is best, and why?
    Runs,
    /// 2: is it safe to promote?
    Registry,
    /// 3: what feeds my model, and is it fresh?
    Features,
    /// 4: what changed in my data?
    Drift,
    /// 5: is production healthy?
    Live,
    /// 6: what is running now?
    Jobs,
}

impl PaneId {
    /// All, in the order of their keys.
    pub const ALL: [PaneId; 6] = [
        Self::Runs,
        Self::Registry,
        Self::Features,
        Self::Drift,
        Self::Live,
        Self::Jobs,
    ];

    /// Its place, from 0.
    pub fn index(self) -> usize {
        Self::ALL.iter().position(|id| *id == self).unwrap_or(0)
    }

    /// Its name on the tab.
    pub fn name(self) -> &'static str {
        match self {
            Self::Runs => "Runs",
            Self::Registry => "Registry",
            Self::Features => "Features",
            Self::Drift => "Drift",
            Self::Live => "Live",
            Self::Jobs => "Jobs",
        }
    }
}

/// Makes each pane, in the order of [`PaneId::ALL`].
pub const PANES: [fn() -> Box<dyn Pane>; 6] = [
    || Box::<runs::Runs>::default(),
    || Box::<registry::Registry>::default(),
    || Box::<features::Features>::default(),
    || Box::<drift::Drift>::default(),
    || Box::<live::Live>::default(),
    || Box::<jobs::Jobs>::default(),
];

/// What another pane wants shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Whatever it showed last.
    Last,
    /// A run.
    Run(RunId),
    /// A model.
    Model(ModelName),
    /// A version.
    Version(ModelName, Version),
    /// A feature: view, name.
    Feature(String, String),
    /// A column of the drift table.
    Column(String),
    /// A deployment.
    Deployment(DeploymentName),
    /// A job.
    Job(JobId),
    /// An experiment's runs, by its name or id; none: those of all.
    Experiment(Option<String>),
}

/// What the mouse did in a pane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pointer {
    /// Selects; on a heading it sorts.
    Click(Position),
    /// Opens.
    DoubleClick(Position),
    /// Scrolls what is under it: rows down (negative: up).
    Wheel(Position, i32),
}

/// What a dialog was answered with.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// A [`super::dialog::Dialog::Prompt`]: the text.
    Text(String),
    /// A [`super::dialog::Dialog::Choice`]: the item's place.
    Item(usize),
    /// A [`super::dialog::Dialog::Columns`]: names and whether they are shown, in order.
    Columns(Vec<(String, bool)>),
    /// A [`super::dialog::Dialog::Confirm`] without a command: yes.
    Yes,
}

/// What reaches a pane.
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// A key, as what it means.
    Act(Action),
    /// The filter (or, in a log, the search) as typed so far; empty: none.
    Filter(&'a str),
    /// A topic's state. Panes get the snapshots of all topics: look at the topic.
    Snapshot(&'a Topic, &'a Snapshot),
    /// A topic that cannot be shown, and why.
    Refused(&'a Topic, &'a Failure),
    /// Something happened.
    Event(&'a Event),
    /// The mouse, in the pane's area.
    Pointer(Pointer),
    /// A dialog of this pane was answered; the dialog's tag.
    Answer(&'static str, Answer),
    /// A command sent with `Then::Tell` was answered; its tag.
    Reply(&'static str, &'a Result<Box<Reply>, Failure>),
    /// Another pane wants something shown.
    Show(&'a Target),
}

/// What a pane may know about the world around it.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Now, as of this batch of messages.
    pub now: Timestamp,
    /// Seconds that local time is ahead of UTC.
    pub offset_s: i32,
    /// The pane's area.
    pub area: Rect,
    /// Styles and signs.
    pub theme: &'a Theme,
    /// Names of keys, for hints in text.
    pub keymap: &'a Keymap,
    /// The header's snapshot, once there is one.
    pub overview: Option<&'a Overview>,
    /// The recent messages, newest last, as `12:03 text`.
    pub messages: &'a [String],
    /// Since when the daemon is out of reach, if it is.
    pub lost: Option<Timestamp>,
    /// `.` was pressed: no snapshots come.
    pub frozen: bool,
    /// Nothing may change.
    pub read_only: bool,
}

/// A screen that answers one question.
pub trait Pane {
    /// Actions that work here: dispatch, footer and help.
    fn bindings(&self) -> &'static [Binding];

    /// What it needs to see.
    fn topics(&self) -> Vec<Topic>;

    /// A key, a snapshot, an event, an answer.
    fn update(&mut self, input: &Input, context: &Context) -> Vec<Effect>;

    /// Draws it into `context.area`.
    fn render(&self, buffer: &mut Buffer, context: &Context);

    /// Parts of the status line, most important first; the shell puts ` │ ` between and cuts at the right.
    fn status(&self, context: &Context) -> Vec<String>;

    /// The filter that is in force; empty: none.
    fn filter(&self) -> &str {
        ""
    }

    /// Said beside the filter while it is typed: what it leaves, or what is wrong with it.
    fn typed(&self) -> Option<Result<String, String>> {
        None
    }

    /// Something shown depends on the time by the second (ages in seconds, a running clock).
    fn ticks(&self) -> bool {
        false
    }

    /// Looks to be kept: sort, columns, filter, marks, zoom, split. Null: nothing.
    fn remember(&self) -> Value {
        Value::Null
    }

    /// Looks as [`Pane::remember`] gave them; what is odd or missing is left as it is.
    fn restore(&mut self, looks: &Value) {
        let _ = looks;
    }
}

/// The three ways to begin, for panes without content. `URL` stands for the daemon's address.
pub const WAYS_TO_BEGIN: [&str; 10] = [
    "Three ways to begin:",
    "",
    "trainyard demo",
    "    the flights example: trained, served and watched",
    "trainyard init",
    "    then a pipeline in trainyard.toml, and: trainyard train NAME",
    "MLFLOW_TRACKING_URI=URL python train.py",
    "    your own script logs here",
    "",
    "`‹palette›` lists every command, `‹help›` every key.",
];

/// Writes the three ways to begin into `inside`.
pub fn ways_to_begin(inside: Rect, buffer: &mut Buffer, context: &Context) {
    let http = context
        .overview
        .map(|overview| overview.http.as_str())
        .filter(|http| !http.is_empty());
    for (row, line) in WAYS_TO_BEGIN
        .iter()
        .enumerate()
        .take(usize::from(inside.height.saturating_sub(1)))
    {
        let line = context.keymap.fill(line);
        let line = match http {
            Some(http) => line.replace("=URL ", &format!("=http://{http} ")),
            None => line,
        };
        buffer.set_stringn(
            inside.x + 2,
            inside.y + 1 + row as u16,
            line,
            usize::from(inside.width.saturating_sub(3)),
            context.theme.text,
        );
    }
}
