//! Runs put together by user, experiment, parameter or tag: whose is best. While groups are shown, a line of the table
//! is a group and its run the group's best, so that marks, curves and details work on it.

use super::filter;
use super::{Part, Runs};
use crate::api::protocol::Topic;
use crate::domain::board::GroupBy;
use crate::domain::run::RunQuery;
use crate::tui::dialog::Dialog;
use crate::tui::effect::Effect;
use serde_json::{Value, json};

/// "user", "depth", "tag team": what the groups are by.
pub fn name(by: &GroupBy) -> String {
    match by {
        GroupBy::User => "user".to_owned(),
        GroupBy::Experiment => "experiment".to_owned(),
        GroupBy::Param(key) => key.clone(),
        GroupBy::Tag(key) => format!("tag {key}"),
    }
}

/// As looks to be kept.
pub fn kept(by: Option<&GroupBy>) -> Value {
    by.map_or(Value::Null, |by| json!(by))
}

/// From kept looks.
pub fn restored(looks: &Value) -> Option<GroupBy> {
    serde_json::from_value(looks.clone()).ok()
}

impl Runs {
    /// What runs can be put together by: what they have, the most used first.
    fn ways(&self) -> Vec<Option<GroupBy>> {
        let mut ways = vec![None, Some(GroupBy::User), Some(GroupBy::Experiment)];
        if let Some(table) = &self.table {
            let params = table.param_keys.iter().take(40).cloned();
            ways.extend(params.map(|key| Some(GroupBy::Param(key))));
        }
        ways.extend(
            self.tag_keys()
                .into_iter()
                .map(|key| Some(GroupBy::Tag(key))),
        );
        ways
    }

    /// Asks what to put together by.
    pub(super) fn group_dialog(&self) -> Vec<Effect> {
        let ways = self.ways();
        let cursor = ways.iter().position(|way| *way == self.group).unwrap_or(0);
        let items = ways
            .iter()
            .map(|way| match way {
                None => ("every run alone".to_owned(), String::new()),
                Some(by) => {
                    let kind = match by {
                        GroupBy::Param(_) => "parameter",
                        GroupBy::Tag(_) => "tag",
                        GroupBy::User | GroupBy::Experiment => "",
                    };
                    (name(by), kind.to_owned())
                }
            })
            .collect();
        vec![Effect::Dialog(Dialog::Choice {
            tag: "group",
            title: "Put runs together by what?".to_owned(),
            items,
            cursor,
        })]
    }

    /// Takes the answer of [`Runs::group_dialog`].
    pub(super) fn group_by(&mut self, place: usize) {
        if let Some(way) = self.ways().into_iter().nth(place) {
            self.group = way;
            self.groups = None;
            self.part = Part::Table;
            self.home();
        }
    }

    /// What is asked while groups are shown.
    pub(super) fn group_topic(&self) -> Option<Topic> {
        Some(Topic::Groups {
            query: RunQuery {
                order_by: String::new(),
                roots: false,
                ..self.base()
            },
            by: self.group.clone()?,
        })
    }

    /// Shows the runs of the group under the cursor alone.
    pub(super) fn open_group(&mut self) -> Vec<Effect> {
        let (Some(by), Some(groups)) = (self.group.clone(), &self.groups) else {
            return Vec::new();
        };
        let Some(group) = groups.groups.get(self.cursor) else {
            return Vec::new();
        };
        let Some(value) = &group.name else {
            return vec![Effect::say(format!("these runs have no {}", name(&by)))];
        };
        if value.contains('\'') {
            return vec![Effect::say("a name with ' cannot be filtered by")];
        }
        let narrowed = match &by {
            GroupBy::User => format!("attributes.user_id = '{value}'"),
            GroupBy::Param(key) => format!("params.{} = '{value}'", super::columns::quoted(key)),
            GroupBy::Tag(key) => format!("tags.{} = '{value}'", super::columns::quoted(key)),
            GroupBy::Experiment => {
                let found = self.table.as_ref().and_then(|table| {
                    table
                        .experiments
                        .iter()
                        .find(|(_, name)| name == value)
                        .map(|(id, _)| id.clone())
                });
                self.group = None;
                self.experiment = found;
                self.home();
                return Vec::new();
            }
        };
        self.group = None;
        self.narrow(narrowed);
        Vec::new()
    }

    /// Adds a condition to the filter.
    pub(super) fn narrow(&mut self, condition: String) {
        let known = filter::read(&self.filter, self.table.as_ref()).grammar;
        self.filter = if known.is_empty() {
            condition
        } else {
            format!("{known} AND {condition}")
        };
        self.home();
    }
}
