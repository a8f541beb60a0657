//! All state of the dashboard. Only `update` changes it; `render` reads it.

use super::dialog::Open;
use super::effect::Level;
use super::field::Field;
use super::help::Help;
use super::keymap::Keymap;
use super::layout::Shell;
use super::palette::Palette;
use super::panes::{Context, PANES, Pane, PaneId};
use super::theme::Theme;
use crate::api::protocol::{Command, Overview, Snapshot, Topic};
use crate::domain::{Timestamp, printable};
use ratatui::layout::{Position, Rect};
use serde_json::{Map, Value, json};

/// A change can be taken back for so long.
pub const UNDO_MS: i64 = 30_000;
/// A message stays in the footer for so long.
pub const TOAST_MS: i64 = 6_000;

/// A line of the message list.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// When.
    pub at: Timestamp,
    /// How important.
    pub level: Level,
    /// The text.
    pub text: String,
}

/// What lies over the pane.
#[derive(Clone, Debug, Default)]
pub enum Overlay {
    /// Nothing.
    #[default]
    None,
    /// All keys.
    Help(Help),
    /// All commands.
    Palette(Palette),
    /// All messages; the first line shown, counted from the end.
    Messages(usize),
    /// A question.
    Dialog(Box<Open>),
}

/// What takes the last change back.
#[derive(Clone, Debug, PartialEq)]
pub struct Undo {
    /// What to send.
    pub command: Command,
    /// Until when it is offered.
    pub until: Timestamp,
}

/// The way to the daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// Not there yet, since.
    Opening(Timestamp),
    /// Snapshots come.
    Up,
    /// Lost, since, and why.
    Lost(Timestamp, String),
}

/// What the dashboard is started with, as far as its state needs it.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// Styles, signs, markers.
    pub theme: Theme,
    /// The theme of a person's file, if one is configured: `T` passes it too.
    pub own_theme: Option<Theme>,
    /// Keys.
    pub keymap: Keymap,
    /// What was wrong with configured keys and theme: shown at the start.
    pub problems: Vec<String>,
    /// Nothing may change.
    pub read_only: bool,
    /// The mouse is on.
    pub mouse: bool,
    /// Seconds that local time is ahead of UTC.
    pub offset_s: i32,
    /// Looks of the last time (JSON), if there are any.
    pub remembered: Option<String>,
    /// Where MLflow clients and callers find the daemon; used before the first snapshot names it.
    pub workspace: String,
}

/// All of it.
pub struct App {
    /// Now, as of the last batch.
    pub now: Timestamp,
    /// Columns and rows.
    pub size: (u16, u16),
    /// What it was started with.
    pub setup: Setup,
    /// Styles and signs.
    pub theme: Theme,
    /// The panes, in the order of [`PaneId::ALL`].
    pub panes: Vec<Box<dyn Pane>>,
    /// The one that is shown.
    pub current: PaneId,
    /// The header's snapshot.
    pub overview: Option<Overview>,
    /// The way to the daemon.
    pub link: LinkState,
    /// What lies over the pane.
    pub overlay: Overlay,
    /// The filter while it is being typed.
    pub typing: Option<Field>,
    /// Messages, oldest first, at most 500.
    pub messages: Vec<Said>,
    /// The same, as panes show them.
    pub message_lines: Vec<String>,
    /// The message in the footer, until when.
    pub toast: Option<(Said, Timestamp)>,
    /// What `u` would do.
    pub undo: Option<Undo>,
    /// Frozen: the snapshots that came since.
    pub frozen: Option<Vec<(Topic, Snapshot)>>,
    /// Mouse reporting is on.
    pub mouse: bool,
    /// The last click, for double clicks.
    pub clicked: Option<(Timestamp, Position)>,
    /// The shell command of the last action.
    pub last_command: Option<String>,
    /// The looks as last remembered.
    pub remembered: String,
}

impl App {
    /// The dashboard before the first message.
    pub fn new(setup: Setup, now: Timestamp, size: (u16, u16)) -> Self {
        let mut app = Self {
            now,
            size,
            theme: setup.theme.clone(),
            panes: PANES.iter().map(|make| make()).collect(),
            current: PaneId::Runs,
            overview: None,
            link: LinkState::Opening(now),
            overlay: Overlay::None,
            typing: None,
            messages: Vec::new(),
            message_lines: Vec::new(),
            toast: None,
            undo: None,
            frozen: None,
            mouse: setup.mouse,
            clicked: None,
            last_command: None,
            remembered: String::new(),
            setup,
        };
        if let Some(looks) = app
            .setup
            .remembered
            .as_deref()
            .and_then(|text| serde_json::from_str::<Value>(text).ok())
        {
            app.restore(&looks);
        }
        app.remembered = app.looks();
        for problem in app.setup.problems.clone() {
            app.say(Level::Warn, problem);
        }
        app
    }

    /// The terminal's area.
    pub fn area(&self) -> Rect {
        Rect::new(0, 0, self.size.0, self.size.1)
    }

    /// What a pane may know.
    pub fn context(&self) -> Context<'_> {
        Context {
            now: self.now,
            offset_s: self.setup.offset_s,
            area: Shell::of(self.area()).body,
            theme: &self.theme,
            keymap: &self.setup.keymap,
            overview: self.overview.as_ref(),
            messages: &self.message_lines,
            lost: match &self.link {
                LinkState::Lost(since, _) => Some(*since),
                _ => None,
            },
            frozen: self.frozen.is_some(),
            read_only: self.setup.read_only,
        }
    }

    /// The pane that is shown.
    pub fn pane(&self) -> &dyn Pane {
        &*self.panes[self.current.index()]
    }

    /// What the daemon should send now: the header's topic first.
    pub fn topics(&self) -> Vec<Topic> {
        let mut topics = vec![Topic::Overview];
        for topic in self.pane().topics() {
            if !topics.contains(&topic) {
                topics.push(topic);
            }
        }
        topics
    }

    /// Whether something shown changes with every second.
    pub fn ticks(&self) -> bool {
        !matches!(self.link, LinkState::Up) || self.toast.is_some() || self.pane().ticks()
    }

    /// Adds a message, and shows it in the footer.
    pub fn say(&mut self, level: Level, text: impl Into<String>) {
        let said = Said {
            at: self.now,
            level,
            text: text.into(),
        };
        let until = Timestamp(self.now.0 + TOAST_MS);
        self.note(said);
        self.toast = self.messages.last().map(|said| (said.clone(), until));
    }

    /// Adds a message to the list only.
    pub fn note(&mut self, mut said: Said) {
        let lines: Vec<_> = said.text.lines().map(printable).collect();
        said.text = lines.join(" ");
        self.message_lines.push(format!(
            "{} {}",
            super::text::hour(said.at, self.setup.offset_s),
            said.text
        ));
        self.messages.push(said);
        if self.messages.len() > 500 {
            self.messages.remove(0);
            self.message_lines.remove(0);
        }
    }

    /// Pane, theme and every pane's looks, as JSON.
    pub fn looks(&self) -> String {
        let mut panes = Map::new();
        for (id, pane) in PaneId::ALL.iter().zip(&self.panes) {
            let looks = pane.remember();
            if !looks.is_null() {
                panes.insert(id.name().to_owned(), looks);
            }
        }
        json!({
            "pane": self.current.name(),
            "theme": self.theme.name,
            "panes": panes,
        })
        .to_string()
    }

    fn restore(&mut self, looks: &Value) {
        if let Some(id) = looks["pane"]
            .as_str()
            .and_then(|name| PaneId::ALL.into_iter().find(|id| id.name() == name))
        {
            self.current = id;
        }
        if let Some(name) = looks["theme"].as_str() {
            self.take_theme(name);
        }
        for (id, pane) in PaneId::ALL.iter().zip(&mut self.panes) {
            let looks = &looks["panes"][id.name()];
            if !looks.is_null() {
                pane.restore(looks);
            }
        }
    }

    /// Changes to the theme called `name`, if there is one.
    pub fn take_theme(&mut self, name: &str) {
        let (depth, markers) = (self.setup.theme.depth, self.setup.theme.markers);
        if let Some(own) = self.setup.own_theme.as_ref().filter(|own| own.name == name) {
            self.theme = own.clone();
        } else if super::theme::NAMES.contains(&name) {
            self.theme = Theme::named(name, depth, markers);
        }
    }
}
