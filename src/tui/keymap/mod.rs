//! One table of actions: dispatch, footer and help are all made from it, so they cannot disagree.
//! One key means one action everywhere; a pane says which actions it answers to (its [`Binding`]s).

mod table;

pub use table::{Action, Binding, Meaning, TABLE, foot, key};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use std::collections::BTreeMap;

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
    use super::Action as A;
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
                    // the table's own code looks for the marks
                    if !path.ends_with("keymap") {
                        look(&path, found);
                    }
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
