//! Pane 5: is production healthy? Limits, latency, predictions, the last requests, and why one was answered so.
//! The daemon measures and judges; this pane shows it.

mod acts;
mod charts;
mod draw;
mod explain;
mod requests;
#[cfg(test)]
mod tests;

use super::moves::{self, Words};
use super::parts::{self, Cursor};
use super::{Answer, Context, Input, Pane, Pointer, Target};
use crate::api::protocol::{Reply, Snapshot, Topic};
use crate::domain::DeploymentName;
use crate::domain::deployment::{LivePage, RequestRow};
use crate::domain::host::HostSample;
use crate::tui::effect::Effect;
use crate::tui::keymap::{Action, Binding, foot, key};
use crate::tui::layout::Room;
use crate::tui::text;
use crate::tui::widgets::table::Hit;
use ratatui::buffer::Buffer;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Windows that `w` goes through, seconds.
const WINDOWS: [u64; 4] = [60, 300, 900, 3_600];
/// The one that it begins with: 15 minutes.
const FIRST: usize = 2;
/// Deployments side by side on the wide screen.
const COLUMNS: usize = 3;

/// Parts of the pane, in the order of `Tab`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    Limits,
    Latency,
    Predictions,
    #[default]
    Requests,
}

const PARTS: [Part; 4] = [
    Part::Limits,
    Part::Latency,
    Part::Predictions,
    Part::Requests,
];

/// See the module.
pub struct Live {
    /// The newest answer; inside: none without deployments.
    page: Option<Option<LivePage>>,
    /// Pages of the other deployments (wide screen).
    others: BTreeMap<DeploymentName, LivePage>,
    host: Option<HostSample>,
    /// The chosen deployment; none: the first.
    deployment: Option<DeploymentName>,
    /// Place in [`WINDOWS`].
    window: usize,
    /// The request under the cursor; none: the newest.
    request: Option<String>,
    cursor: Cursor,
    part: Part,
    zoomed: bool,
    filter: String,
    refused: Option<String>,
    wide: bool,
}

impl Default for Live {
    fn default() -> Self {
        Self {
            page: None,
            others: BTreeMap::new(),
            host: None,
            deployment: None,
            window: FIRST,
            request: None,
            cursor: Cursor::default(),
            part: Part::default(),
            zoomed: false,
            filter: String::new(),
            refused: None,
            wide: false,
        }
    }
}

const BINDINGS: &[Binding] = &[
    foot(Action::Rollback, "roll back"),
    foot(Action::Window, "window"),
    foot(Action::Freeze, "freeze"),
    foot(Action::Open, "explain"),
    foot(Action::Filter, "filter"),
    foot(Action::NextTab, "deployment"),
    foot(Action::NextPart, "part"),
    foot(Action::Export, "export"),
    foot(Action::Copy, "copy"),
    key(Action::Down, "down"),
    key(Action::Up, "up"),
    key(Action::Top, "newest request"),
    key(Action::Bottom, "oldest request"),
    key(Action::HalfDown, "half a page down"),
    key(Action::HalfUp, "half a page up"),
    key(Action::PageDown, "a page down"),
    key(Action::PageUp, "a page up"),
    key(Action::PreviousTab, "previous deployment"),
    key(Action::PreviousPart, "previous part"),
    key(Action::Left, "part before"),
    key(Action::Right, "part after"),
    key(Action::Zoom, "zoom the part"),
    key(Action::Back, "back to the requests"),
];

impl Pane for Live {
    fn bindings(&self) -> &'static [Binding] {
        BINDINGS
    }

    fn topics(&self) -> Vec<Topic> {
        let window_s = WINDOWS[self.window];
        let mut topics = vec![
            Topic::Live {
                deployment: self.deployment.clone(),
                window_s,
            },
            Topic::Host,
        ];
        if self.wide {
            topics.extend(self.beside().into_iter().map(|deployment| Topic::Live {
                deployment: Some(deployment),
                window_s,
            }));
        }
        topics
    }

    fn update(&mut self, input: &Input, context: &Context) -> Vec<Effect> {
        self.wide = Room::of(context.area) == Room::Wide;
        match input {
            Input::Act(action) => return self.act(*action, context),
            Input::Filter(text) => {
                (*text).clone_into(&mut self.filter);
                self.keep(context);
            }
            Input::Snapshot(
                Topic::Live {
                    deployment,
                    window_s,
                },
                Snapshot::Live(page),
            ) if *window_s == WINDOWS[self.window] => {
                if *deployment == self.deployment {
                    self.page = Some(page.as_deref().cloned());
                    self.refused = None;
                    self.keep(context);
                } else if let Some(page) = page {
                    self.others
                        .insert(page.deployment.name.clone(), (**page).clone());
                }
            }
            Input::Snapshot(Topic::Host, Snapshot::Host(host)) => self.host = Some(host.clone()),
            Input::Refused(Topic::Live { deployment, .. }, failure)
                if *deployment == self.deployment =>
            {
                self.refused = Some(failure.message.clone());
                // the deployment is gone: back to the first
                self.deployment = None;
            }
            Input::Pointer(pointer) => return self.point(*pointer, context),
            Input::Answer("copy", Answer::Item(place)) => {
                return moves::copied(self.copies(context), *place);
            }
            Input::Reply("explain", Ok(reply)) => {
                if let Reply::Explanation(explanation) = &**reply {
                    return vec![Effect::Dialog(explain::dialog(explanation))];
                }
            }
            Input::Reply("explain", Err(failure)) => {
                return vec![Effect::warn(failure.message.clone())];
            }
            Input::Show(Target::Deployment(deployment)) => self.choose(deployment.clone()),
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
        &self.filter
    }

    fn remember(&self) -> Value {
        json!({
            "deployment": self.deployment.as_ref().map(DeploymentName::as_str),
            "window": self.window,
            "filter": self.filter,
        })
    }

    fn restore(&mut self, looks: &Value) {
        self.deployment = looks["deployment"].as_str().map(DeploymentName::from);
        self.window = looks["window"]
            .as_u64()
            .map_or(FIRST, |place| (place as usize).min(WINDOWS.len() - 1));
        self.filter = looks["filter"].as_str().unwrap_or_default().to_owned();
    }
}

impl Live {
    /// The page, if there is a deployment.
    fn shown(&self) -> Option<&LivePage> {
        self.page.as_ref()?.as_ref()
    }

    /// Another deployment or window was asked for and is on its way.
    fn stale(&self) -> bool {
        self.shown().is_some_and(|page| {
            self.deployment
                .as_ref()
                .is_some_and(|deployment| *deployment != page.deployment.name)
        })
    }

    /// The deployments shown beside the chosen one.
    fn beside(&self) -> Vec<DeploymentName> {
        self.shown().map_or_else(Vec::new, |page| {
            page.deployments
                .iter()
                .filter(|name| **name != page.deployment.name)
                .take(COLUMNS - 1)
                .cloned()
                .collect()
        })
    }

    /// The requests that the filter leaves, newest first.
    fn rows(&self) -> Vec<&RequestRow> {
        let words = Words::of(&self.filter);
        self.shown()
            .into_iter()
            .flat_map(|page| &page.requests)
            .filter(|row| {
                let failed = if row.status >= 400 { "failed" } else { "ok" };
                let whole = format!(
                    "{} {} {} {} {failed}",
                    row.id, row.status, row.answer, row.detail
                );
                words.are_in(&whole)
            })
            .collect()
    }

    fn current(&self) -> Option<&RequestRow> {
        self.rows().get(self.cursor.line).copied()
    }

    fn height(&self, context: &Context) -> u16 {
        draw::places(self, context.area)
            .requests
            .height
            .saturating_sub(2)
    }

    /// The cursor stays on its request, or on the newest while it is there.
    fn keep(&mut self, context: &Context) {
        let rows = self.rows();
        let count = rows.len();
        let place = self
            .request
            .as_ref()
            .and_then(|id| rows.iter().position(|row| row.id == *id));
        let height = self.height(context);
        match place {
            Some(line) => self.cursor.keep(line, height, count),
            None => {
                self.request = None;
                self.cursor.go(0, height, count);
            }
        }
    }

    fn select(&mut self) {
        self.request = match self.cursor.line {
            // the newest is followed
            0 => None,
            _ => self.current().map(|row| row.id.clone()),
        };
    }

    fn choose(&mut self, deployment: DeploymentName) {
        if let Some(page) = self.others.remove(&deployment)
            && let Some(Some(before)) = self.page.replace(Some(page))
        {
            self.others.insert(before.deployment.name.clone(), before);
        }
        self.deployment = Some(deployment);
        self.request = None;
        self.cursor = Cursor::default();
    }

    fn act(&mut self, action: Action, context: &Context) -> Vec<Effect> {
        let height = self.height(context);
        let count = self.rows().len();
        if parts::step(action, height).is_some() && self.part != Part::Requests {
            self.part = Part::Requests;
        }
        if self.cursor.act(action, height, count) {
            self.select();
            return Vec::new();
        }
        match action {
            Action::NextPart => self.part = moves::turned(&PARTS, self.part, 1),
            Action::PreviousPart => self.part = moves::turned(&PARTS, self.part, -1),
            Action::Left => self.part = moves::beside(&PARTS, self.part, -1),
            Action::Right => self.part = moves::beside(&PARTS, self.part, 1),
            Action::NextTab | Action::PreviousTab => return self.turn(action),
            Action::Zoom => self.zoomed = !self.zoomed,
            Action::Back => {
                self.zoomed = false;
                self.part = Part::Requests;
            }
            Action::Window => {
                self.window = (self.window + 1) % WINDOWS.len();
                self.others.clear();
            }
            Action::Open => return self.explain(),
            Action::Rollback => return self.roll_back(),
            Action::Copy => return moves::offer_copies(self.copies(context)),
            Action::Export => return self.export(context),
            _ => {}
        }
        Vec::new()
    }

    fn point(&mut self, pointer: Pointer, context: &Context) -> Vec<Effect> {
        let places = draw::places(self, context.area);
        let at = moves::at(pointer);
        if let Pointer::Wheel(_, rows) = pointer {
            let action = if rows > 0 { Action::Down } else { Action::Up };
            for _ in 0..rows.unsigned_abs() {
                self.act(action, context);
            }
            return Vec::new();
        }
        self.part = places.at(at).unwrap_or(self.part);
        if self.part == Part::Requests
            && let Some(Hit::Row(line)) = requests::hit(self, context, at)
        {
            self.cursor.line = line;
            self.select();
            if matches!(pointer, Pointer::DoubleClick(_)) {
                return self.explain();
            }
        }
        Vec::new()
    }
}

/// "15 min", "1 h".
fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds.div_ceil(60)),
        _ => format!("{} h", text::number(seconds as f64 / 3600.0)),
    }
}
