//! One table of actions: dispatch, footer and help are all made from it, so they cannot disagree.
//! One key means one action everywhere; a pane says which actions it answers to (its [`Binding`]s).

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use std::collections::BTreeMap;

/// Everything a key can mean. Text fields own the printable keys while they are open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Pane 1 to 6.
    Pane(u8),
    /// Next part of the pane.
    NextPart,
    /// Previous part of the pane.
    PreviousPart,
    /// Neighbour to the left; in a chart: the cursor.
    Left,
    /// Neighbour to the right; in a chart: the cursor.
    Right,
    /// Previous tab of the detail part.
    PreviousTab,
    /// Next tab of the detail part.
    NextTab,
    /// Make the focused part as large as the pane, and back.
    Zoom,
    /// Open what the cursor is on.
    Open,
    /// One step back.
    Back,
    /// Leave; the daemon goes on.
    Quit,
    /// Suspend to the shell.
    Suspend,
    /// One row down.
    Down,
    /// One row up.
    Up,
    /// First row.
    Top,
    /// Last row.
    Bottom,
    /// Half a page down.
    HalfDown,
    /// Half a page up.
    HalfUp,
    /// A page down.
    PageDown,
    /// A page up.
    PageUp,
    /// Filter rows as you type, or search in text.
    Filter,
    /// Next hit in text.
    NextMatch,
    /// Previous hit in text.
    PreviousMatch,
    /// Every subcommand by name.
    Palette,
    /// Sort by the next column.
    Sort,
    /// Turn the order round.
    Reverse,
    /// Choose columns.
    Columns,
    /// Only what differs.
    Differences,
    /// Put together by something in common.
    Group,
    /// Choose the experiment.
    Experiment,
    /// Window or x axis.
    Window,
    /// Baseline or reference.
    Baseline,
    /// Chart: closer, around the cursor.
    ZoomIn,
    /// Chart: further away.
    ZoomOut,
    /// Chart: to the left.
    PanLeft,
    /// Chart: to the right.
    PanRight,
    /// Chart: all of it.
    Whole,
    /// Chart: logarithmic y.
    LogY,
    /// Chart: less smoothing.
    LessSmooth,
    /// Chart: more smoothing.
    MoreSmooth,
    /// Chart: the metric before.
    PreviousMetric,
    /// Chart: the metric after.
    NextMetric,
    /// Mark a row with a letter.
    Mark,
    /// Compare what is marked.
    Compare,
    /// Forget the marks.
    ClearMarks,
    /// Promote to champion.
    Promote,
    /// Roll back.
    Rollback,
    /// Train, retrain, materialize, run again.
    Train,
    /// Register a model, set an alias.
    Register,
    /// Cancel or archive.
    Cancel,
    /// Write a note.
    Note,
    /// Take the last change back.
    Undo,
    /// Write chart and table to files.
    Export,
    /// Copy.
    Copy,
    /// Follow the end of a log.
    Follow,
    /// Freeze the picture.
    Freeze,
    /// Help.
    Help,
    /// The messages so far.
    Messages,
    /// The next theme.
    Theme,
    /// Mouse on, off.
    Mouse,
    /// Draw everything again.
    Redraw,
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Meaning {
    /// What it is.
    pub action: Action,
    /// Its name in `[keys]` of `trainyard.toml`.
    pub name: &'static str,
    /// Its keys unless remapped; the first is the one the footer shows.
    pub keys: &'static [&'static str],
    /// Its group in the help.
    pub group: &'static str,
    /// What it does, in general; a pane's binding says it more exactly.
    pub does: &'static str,
    /// Works in every pane, by the shell.
    pub everywhere: bool,
}

macro_rules! table {
    ($($group:literal: $($scope:ident $action:expr, $name:literal, [$($key:literal),+], $does:literal;)+)+) => {
        &[$($(Meaning {
            action: $action, name: $name, keys: &[$($key),+], group: $group, does: $does,
            everywhere: table!(@$scope),
        },)+)+]
    };
    (@all) => { true };
    (@pane) => { false };
}

use Action as A;

/// Every action there is, in the order of the help.
pub const TABLE: &[Meaning] = table! {
    "go":
        all A::Pane(1), "pane_1", ["1"], "Runs";
        all A::Pane(2), "pane_2", ["2"], "Registry";
        all A::Pane(3), "pane_3", ["3"], "Features";
        all A::Pane(4), "pane_4", ["4"], "Drift";
        all A::Pane(5), "pane_5", ["5"], "Live";
        all A::Pane(6), "pane_6", ["6"], "Jobs";
        pane A::NextPart, "next_part", ["Tab"], "next part of the pane";
        pane A::PreviousPart, "previous_part", ["S-Tab"], "previous part of the pane";
        pane A::Left, "left", ["h", "Left"], "part to the left; in a chart: cursor";
        pane A::Right, "right", ["l", "Right"], "part to the right; in a chart: cursor";
        pane A::PreviousTab, "previous_tab", ["["], "previous tab of the detail part";
        pane A::NextTab, "next_tab", ["]"], "next tab of the detail part";
        pane A::Zoom, "zoom", ["z"], "zoom a part";
        pane A::Open, "open", ["Enter"], "open";
        all A::Back, "back", ["Esc"], "one step back";
        all A::Quit, "quit", ["q"], "leave (the daemon goes on)";
        all A::Suspend, "suspend", ["C-z"], "suspend";
    "move":
        pane A::Down, "down", ["j", "Down"], "down";
        pane A::Up, "up", ["k", "Up"], "up";
        pane A::Top, "top", ["Home", "g"], "first";
        pane A::Bottom, "bottom", ["G", "End"], "last";
        pane A::HalfDown, "half_down", ["C-d"], "half a page down";
        pane A::HalfUp, "half_up", ["C-u"], "half a page up";
        pane A::PageDown, "page_down", ["PgDn"], "a page down";
        pane A::PageUp, "page_up", ["PgUp"], "a page up";
    "find":
        pane A::Filter, "filter", ["/"], "filter as you type";
        pane A::NextMatch, "next_match", ["n"], "next hit in text";
        pane A::PreviousMatch, "previous_match", ["N"], "previous hit in text";
        all A::Palette, "palette", [":"], "every subcommand by its name";
    "shape":
        pane A::Sort, "sort", ["s"], "sort";
        pane A::Reverse, "reverse", ["S"], "turn the order round";
        pane A::Columns, "columns", ["v"], "choose columns";
        pane A::Differences, "differences", ["d"], "differences only";
        pane A::Group, "group", ["B"], "put together by user, parameter, tag";
        pane A::Experiment, "experiment", ["E"], "which experiment";
        pane A::Window, "window", ["w"], "window or x axis";
        pane A::Baseline, "baseline", ["b"], "baseline or reference";
    "chart":
        pane A::ZoomIn, "zoom_in", ["+", "="], "closer, around the cursor";
        pane A::ZoomOut, "zoom_out", ["-"], "further away";
        pane A::PanLeft, "pan_left", ["H"], "pan left";
        pane A::PanRight, "pan_right", ["L"], "pan right";
        pane A::Whole, "whole", ["0"], "the whole chart";
        pane A::LogY, "log_y", ["o"], "logarithmic y";
        pane A::LessSmooth, "less_smooth", ["{"], "less smoothing";
        pane A::MoreSmooth, "more_smooth", ["}"], "more smoothing";
        pane A::PreviousMetric, "previous_metric", ["("], "previous metric";
        pane A::NextMetric, "next_metric", [")"], "next metric";
    "mark":
        pane A::Mark, "mark", ["Space"], "mark (letters A-F)";
        pane A::Compare, "compare", ["c"], "compare what is marked";
        pane A::ClearMarks, "clear_marks", ["C"], "clear marks";
    "act":
        pane A::Promote, "promote", ["p"], "promote";
        pane A::Rollback, "rollback", ["r"], "roll back";
        pane A::Train, "train", ["t"], "train, retrain, materialize, run again";
        pane A::Register, "register", ["m"], "register, alias";
        pane A::Cancel, "cancel", ["x"], "cancel, archive";
        pane A::Note, "note", ["a"], "note";
        all A::Undo, "undo", ["u"], "take the last change back (30 s)";
        pane A::Export, "export", ["e"], "write chart and table to files";
        pane A::Copy, "copy", ["y"], "copy";
        pane A::Follow, "follow", ["f"], "follow the end";
        all A::Freeze, "freeze", ["."], "freeze the picture";
    "self":
        all A::Help, "help", ["?"], "help";
        all A::Messages, "messages", ["!"], "messages";
        all A::Theme, "theme", ["T"], "theme";
        all A::Mouse, "mouse", ["M"], "mouse on, off";
        all A::Redraw, "redraw", ["C-l"], "draw again";
};

impl Action {
    /// Its line in the table.
    pub fn meaning(self) -> &'static Meaning {
        TABLE
            .iter()
            .find(|meaning| meaning.action == self)
            .unwrap_or(&TABLE[0])
    }

    /// Whether it changes something beyond the screen: off with `--read-only`.
    pub fn changes(self) -> bool {
        matches!(
            self,
            A::Promote | A::Rollback | A::Train | A::Register | A::Cancel | A::Note | A::Undo
        )
    }
}

/// What an action does in one pane.
#[derive(Clone, Copy, Debug)]
pub struct Binding {
    /// The action.
    pub action: Action,
    /// What it does here, in a few words: footer and help show it.
    pub does: &'static str,
    /// Whether it is one of the six of the footer (in the order of the pane's list).
    pub footer: bool,
}

/// A binding that the help shows.
pub const fn key(action: Action, does: &'static str) -> Binding {
    Binding {
        action,
        does,
        footer: false,
    }
}

/// A binding that footer and help show.
pub const fn foot(action: Action, does: &'static str) -> Binding {
    Binding {
        action,
        does,
        footer: true,
    }
}

/// A key as the table names it: `j`, `C-d`, `S-Tab`, `PgDn`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Hash)]
pub struct Key {
    /// The key without modifiers (a capital letter is its own key).
    pub code: KeyCode,
    /// With control.
    pub control: bool,
    /// With alt.
    pub alt: bool,
}

impl Key {
    /// The key called `name`; none when there is no such key.
    pub fn parse(name: &str) -> Option<Self> {
        let (mut control, mut alt, mut rest) = (false, false, name);
        while rest.chars().count() > 2 {
            if let Some(after) = rest.strip_prefix("C-") {
                control = true;
                rest = after;
            } else if let Some(after) = rest.strip_prefix("A-") {
                alt = true;
                rest = after;
            } else {
                break;
            }
        }
        let code = match rest {
            "Tab" => KeyCode::Tab,
            "S-Tab" => KeyCode::BackTab,
            "Enter" => KeyCode::Enter,
            "Esc" => KeyCode::Esc,
            "Space" => KeyCode::Char(' '),
            "Left" => KeyCode::Left,
            "Right" => KeyCode::Right,
            "Up" => KeyCode::Up,
            "Down" => KeyCode::Down,
            "Home" => KeyCode::Home,
            "End" => KeyCode::End,
            "PgUp" => KeyCode::PageUp,
            "PgDn" => KeyCode::PageDown,
            "Insert" => KeyCode::Insert,
            "Delete" => KeyCode::Delete,
            "Backspace" => KeyCode::Backspace,
            one if one.chars().count() == 1 => KeyCode::Char(one.chars().next()?),
            function => {
                let number = function.strip_prefix('F')?.parse::<u8>().ok()?;
                if !(1..=12).contains(&number) {
                    return None;
                }
                KeyCode::F(number)
            }
        };
        Some(Self { code, control, alt })
    }

    /// The key that was pressed.
    pub fn of(event: &KeyEvent) -> Self {
        let control = event.modifiers.contains(KeyModifiers::CONTROL);
        let code = match event.code {
            KeyCode::Tab if event.modifiers.contains(KeyModifiers::SHIFT) => KeyCode::BackTab,
            KeyCode::Char(letter) if control => KeyCode::Char(letter.to_ascii_lowercase()),
            code => code,
        };
        Self {
            code,
            control,
            alt: event.modifiers.contains(KeyModifiers::ALT),
        }
    }

    /// Its name, as footer and help write it.
    pub fn name(&self) -> String {
        let base = match self.code {
            KeyCode::Tab => "Tab".to_owned(),
            KeyCode::BackTab => "S-Tab".to_owned(),
            KeyCode::Enter => "Enter".to_owned(),
            KeyCode::Esc => "Esc".to_owned(),
            KeyCode::Char(' ') => "Space".to_owned(),
            KeyCode::Char(letter) => letter.to_string(),
            KeyCode::Left => "←".to_owned(),
            KeyCode::Right => "→".to_owned(),
            KeyCode::Up => "↑".to_owned(),
            KeyCode::Down => "↓".to_owned(),
            KeyCode::PageUp => "PgUp".to_owned(),
            KeyCode::PageDown => "PgDn".to_owned(),
            KeyCode::F(number) => format!("F{number}"),
            code => format!("{code:?}"),
        };
        let control = if self.control { "C-" } else { "" };
        let alt = if self.alt { "A-" } else { "" };
        format!("{control}{alt}{base}")
    }
}

/// The table with a person's changes: key to action, and back.
#[derive(Clone, Debug)]
pub struct Keymap {
    pairs: Vec<(Key, Action)>,
}

impl Default for Keymap {
    fn default() -> Self {
        Self::remapped(&BTreeMap::new()).0
    }
}

impl Keymap {
    /// The table with `remap` (action name to its keys) put over it, and what is wrong with `remap`:
    /// unknown actions and keys, and keys that two actions claim (both are named; the first keeps it).
    pub fn remapped(remap: &BTreeMap<String, Vec<String>>) -> (Self, Vec<String>) {
        let mut problems = Vec::new();
        for name in remap.keys() {
            if !TABLE.iter().any(|meaning| meaning.name == name) {
                problems.push(format!(
                    "[keys] has no action `{name}`; `?` lists the actions"
                ));
            }
        }
        let mut pairs: Vec<(Key, Action)> = Vec::new();
        // what a person asked for comes first, so that it wins over a default
        let (asked, default): (Vec<&Meaning>, Vec<&Meaning>) = TABLE
            .iter()
            .partition(|meaning| remap.contains_key(meaning.name));
        for meaning in asked.into_iter().chain(default) {
            let names: Vec<String> = remap
                .get(meaning.name)
                .cloned()
                .unwrap_or_else(|| meaning.keys.iter().map(|key| (*key).to_owned()).collect());
            for name in names {
                let Some(key) = Key::parse(&name) else {
                    problems.push(format!(
                        "[keys] `{}`: `{name}` is not a key; write `x`, `C-x`, `Enter`, `PgDn`, `F5`",
                        meaning.name
                    ));
                    continue;
                };
                if let Some((_, other)) = pairs.iter().find(|(known, _)| *known == key) {
                    problems.push(format!(
                        "[keys] `{name}` is claimed by `{}` and `{}`; `{}` has it",
                        other.meaning().name,
                        meaning.name,
                        other.meaning().name
                    ));
                } else {
                    pairs.push((key, meaning.action));
                }
            }
        }
        (Self { pairs }, problems)
    }

    /// What `key` means.
    pub fn action(&self, key: Key) -> Option<Action> {
        self.pairs
            .iter()
            .find(|(known, _)| *known == key)
            .map(|(_, action)| *action)
    }

    /// The keys of `action`, by name.
    pub fn keys(&self, action: Action) -> Vec<String> {
        self.pairs
            .iter()
            .filter(|(_, known)| *known == action)
            .map(|(key, _)| key.name())
            .collect()
    }

    /// `text` with the keys of this table in the place of actions: `‹promote› promotes` becomes `p promotes`. Sentences
    /// are written with names of `[keys]`, so that they are true whatever a person remapped.
    pub fn fill(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find('‹') {
            let (before, marked) = rest.split_at(start);
            out.push_str(before);
            let name = marked
                .find('›')
                .map(|end| &marked['‹'.len_utf8()..end])
                .unwrap_or_default();
            let meaning = TABLE
                .iter()
                .find(|meaning| !name.is_empty() && meaning.name == name);
            match meaning {
                Some(meaning) => {
                    out.push_str(&self.label(meaning.action));
                    rest = &marked['‹'.len_utf8() + name.len() + '›'.len_utf8()..];
                }
                // somebody's own text
                None => {
                    out.push('‹');
                    rest = &marked['‹'.len_utf8()..];
                }
            }
        }
        out.push_str(rest);
        out
    }

    /// The first key of `action`; `-` when it has none.
    pub fn label(&self, action: Action) -> String {
        self.keys(action)
            .into_iter()
            .next()
            .unwrap_or_else(|| "-".to_owned())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn the_default_table_has_no_clash() {
        let (keymap, problems) = Keymap::remapped(&BTreeMap::new());
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!(keymap.action(Key::parse("j").unwrap()), Some(A::Down));
        assert_eq!(keymap.label(A::HalfDown), "C-d");
    }

    #[test]
    fn every_key_name_reads_back() {
        for meaning in TABLE {
            for name in meaning.keys {
                assert!(Key::parse(name).is_some(), "{name}");
            }
        }
    }

    #[test]
    fn keys_that_terminals_need_are_free() {
        let keymap = Keymap::default();
        for name in ["C-b", "C-a", "C-s", "C-q", "C-c"] {
            assert_eq!(keymap.action(Key::parse(name).unwrap()), None, "{name}");
        }
    }

    #[test]
    fn sentences_name_the_keys_that_a_person_chose() {
        let remap = BTreeMap::from([("promote".to_owned(), vec!["F5".to_owned()])]);
        let (keymap, _) = Keymap::remapped(&remap);
        assert_eq!(
            keymap.fill("‹promote› promotes, ‹rollback› goes back; ‹nothing› stays, as does ‹this"),
            "F5 promotes, r goes back; ‹nothing› stays, as does ‹this"
        );
    }

    #[test]
    fn every_sentence_names_actions_that_there_are() {
        fn look(folder: &std::path::Path, found: &mut usize) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    look(&path, found);
                    continue;
                }
                let text = std::fs::read_to_string(&path).unwrap();
                let code = text.split("#[cfg(test)]\nmod ").next().unwrap();
                let lines = code
                    .lines()
                    .filter(|line| !line.trim_start().starts_with("//"));
                for marked in lines.flat_map(|line| line.split('‹').skip(1)) {
                    let Some((name, _)) = marked.split_once('›') else {
                        continue;
                    };
                    *found += 1;
                    assert!(
                        TABLE.iter().any(|meaning| meaning.name == name),
                        "{}: `{name}` is no action",
                        path.display()
                    );
                }
            }
        }
        let mut found = 0;
        let tui = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tui");
        look(&tui, &mut found);
        assert!(found > 20, "{found}");
    }

    #[test]
    fn a_clash_names_both_actions() {
        let remap = BTreeMap::from([("promote".to_owned(), vec!["x".to_owned()])]);
        let (keymap, problems) = Keymap::remapped(&remap);
        assert_eq!(
            problems,
            ["[keys] `x` is claimed by `promote` and `cancel`; `promote` has it"]
        );
        assert_eq!(keymap.action(Key::parse("x").unwrap()), Some(A::Promote));
    }

    #[test]
    fn unknown_actions_and_keys_are_reported() {
        let remap = BTreeMap::from([
            ("fly".to_owned(), vec!["x".to_owned()]),
            ("quit".to_owned(), vec!["Hyper".to_owned()]),
        ]);
        let (_, problems) = Keymap::remapped(&remap);
        assert_eq!(problems.len(), 2);
        assert!(problems[0].contains("`fly`"));
        assert!(problems[1].contains("`Hyper`"));
    }
}
