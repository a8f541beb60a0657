//! Every action: its name in `[keys]`, its keys, its group in the help, what it does. Data; [`super::Keymap`] puts a
//! person's changes over it.

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
        pane A::Register, "register", ["m"], "register, alias, tag";
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
