//! What `e` writes: a chart as SVG and as PNG on paper colours, a table as CSV, a log as text. Says what is to be
//! written; the loop's worker draws and writes it ([`write()`]), and one message names every file.
//!
//! The pictures are drawn by functions that the composition root gives ([`Pictures`]): the dashboard knows charts,
//! not how a file of pixels is made.

use super::effect::{Effect, Level};
use super::text;
use crate::chart::ChartSpec;
use crate::domain::Result;
use std::path::{Path, PathBuf};

/// Pixels of a picture.
const SIZE: (u32, u32) = (960, 540);

/// Draws a chart of so many pixels, width and height.
type Draw<T> = fn(&ChartSpec, u32, u32) -> Result<T>;

/// How charts become files.
#[derive(Clone, Copy, Debug)]
pub struct Pictures {
    /// An SVG document.
    pub svg: Draw<String>,
    /// A PNG file.
    pub png: Draw<Vec<u8>>,
}

/// One thing that `e` writes.
#[derive(Clone, Debug, PartialEq)]
pub enum File {
    /// Bytes as they are; the name has its ending.
    Bytes {
        /// Name of the file.
        name: String,
        /// What is in it.
        bytes: Vec<u8>,
    },
    /// A chart: NAME.svg and NAME.png.
    Chart {
        /// Name of the files without their endings.
        name: String,
        /// What they show.
        spec: Box<ChartSpec>,
    },
}

impl File {
    /// Names of the files.
    pub fn names(&self) -> Vec<String> {
        match self {
            Self::Bytes { name, .. } => vec![name.clone()],
            Self::Chart { name, .. } => vec![format!("{name}.svg"), format!("{name}.png")],
        }
    }
}

/// Files with a chart, drawn by the same code as on the screen.
pub fn chart(name: &str, spec: ChartSpec) -> Effect {
    Effect::Write(vec![File::Chart {
        name: file_name(name),
        spec: Box::new(spec),
    }])
}

/// A file with a table: a heading and rows.
pub fn csv(name: &str, rows: &[Vec<String>]) -> Effect {
    let lines: String = rows
        .iter()
        .map(|row| text::csv_line(row.iter().map(String::as_str)))
        .collect();
    Effect::Write(vec![File::Bytes {
        name: format!("{}.csv", file_name(name)),
        bytes: lines.into_bytes(),
    }])
}

/// A file with lines of text; `name` has its ending.
pub fn lines(name: &str, lines: &[String]) -> Effect {
    Effect::Write(vec![File::Bytes {
        name: file_name(name),
        bytes: format!("{}\n", lines.join("\n")).into_bytes(),
    }])
}

/// All files of a batch of effects in one effect, in the place of the first: one key, one message.
pub fn together(effects: Vec<Effect>) -> Vec<Effect> {
    let mut out: Vec<Effect> = Vec::with_capacity(effects.len());
    let mut place = None;
    for effect in effects {
        match (effect, place) {
            (Effect::Write(files), Some(place)) => {
                if let Some(Effect::Write(first)) = out.get_mut(place) {
                    first.extend(files);
                }
            }
            (effect, _) => {
                if matches!(effect, Effect::Write(_)) {
                    place = Some(out.len());
                }
                out.push(effect);
            }
        }
    }
    out
}

/// Draws and writes `files` into `folder`, which is made if need be; each is there whole or not at all. Returns what to
/// say: every path, or what failed. Paths below `here` are shown as they are reached from there.
pub fn write(
    files: &[File],
    pictures: Pictures,
    folder: &Path,
    here: Option<&Path>,
) -> (Level, String) {
    let shown = |path: &Path| {
        here.and_then(|here| path.strip_prefix(here).ok())
            .unwrap_or(path)
            .display()
            .to_string()
    };
    let mut written = Vec::new();
    for file in files {
        match write_one(file, pictures, folder) {
            Ok(paths) => written.extend(paths.iter().map(|path| shown(path))),
            Err((path, problem)) => {
                let mut said = format!("writing `{}`: {problem}", shown(&path));
                if !written.is_empty() {
                    said.push_str(&format!("; wrote {}", written.join(", ")));
                }
                return (Level::Error, said);
            }
        }
    }
    (Level::Info, format!("wrote {}", written.join(", ")))
}

fn write_one(
    file: &File,
    pictures: Pictures,
    folder: &Path,
) -> std::result::Result<Vec<PathBuf>, (PathBuf, String)> {
    let put = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        std::fs::create_dir_all(folder)
            .and_then(|()| super::write_whole(&path, bytes))
            .map(|()| path.clone())
            .map_err(|error| (path, error.to_string()))
    };
    match file {
        File::Bytes { name, bytes } => Ok(vec![put(name, bytes)?]),
        File::Chart { name, spec } => {
            let (svg, png) = (format!("{name}.svg"), format!("{name}.png"));
            let (width, height) = SIZE;
            let drawn = (pictures.svg)(spec, width, height)
                .map_err(|error| (folder.join(&svg), error.to_string()))?;
            let first = put(&svg, drawn.as_bytes())?;
            let drawn = (pictures.png)(spec, width, height)
                .map_err(|error| (folder.join(&png), error.to_string()))?;
            Ok(vec![first, put(&png, &drawn)?])
        }
    }
}

/// A name without anything that a path could read otherwise.
fn file_name(name: &str) -> String {
    name.chars()
        .map(|letter| {
            if letter.is_alphanumeric() || "-_.".contains(letter) {
                letter
            } else {
                '-'
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::chart::{Chart, Curves};
    use crate::report;

    const PICTURES: Pictures = Pictures {
        svg: report::svg,
        png: report::png,
    };

    fn batch() -> Vec<Effect> {
        let spec = ChartSpec::new("auc by step", Chart::Curves(Curves::default()));
        vec![
            csv("runs", &[vec!["a".to_owned()], vec!["1".to_owned()]]),
            Effect::say("between"),
            chart("auc by/step", spec),
        ]
    }

    #[test]
    fn one_key_writes_table_and_both_pictures_and_says_every_path() {
        let effects = together(batch());
        assert_eq!(effects.len(), 2, "{effects:?}");
        let Effect::Write(files) = &effects[0] else {
            panic!("{effects:?}");
        };
        let folder = tempfile::tempdir().unwrap();
        let exports = folder.path().join("exports");
        let said = write(files, PICTURES, &exports, Some(folder.path()));
        assert_eq!(
            said,
            (
                Level::Info,
                "wrote exports/runs.csv, exports/auc-by-step.svg, exports/auc-by-step.png"
                    .to_owned()
            )
        );
        assert_eq!(
            std::fs::read_to_string(exports.join("runs.csv")).unwrap(),
            "a\r\n1\r\n"
        );
        let svg = std::fs::read_to_string(exports.join("auc-by-step.svg")).unwrap();
        assert!(svg.starts_with("<svg") && svg.contains("auc by step"));
        let png = std::fs::read(exports.join("auc-by-step.png")).unwrap();
        assert!(png.starts_with(b"\x89PNG"));
    }

    #[test]
    fn what_cannot_be_written_is_named_with_what_was() {
        let folder = tempfile::tempdir().unwrap();
        let exports = folder.path().join("exports");
        std::fs::create_dir_all(exports.join("auc-by-step.png")).unwrap();
        let effects = together(batch());
        let Effect::Write(files) = &effects[0] else {
            panic!("{effects:?}");
        };
        let (level, said) = write(files, PICTURES, &exports, Some(folder.path()));
        assert_eq!(level, Level::Error);
        assert!(
            said.starts_with("writing `exports/auc-by-step.png`: "),
            "{said}"
        );
        assert!(said.ends_with("; wrote exports/runs.csv"), "{said}");
    }
}
