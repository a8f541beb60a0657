//! Names of the files that hold what was pushed into a dataset, in its folder: `000007.parquet` is what was sealed as the
//! seventh, `000001-000008.parquet` the first eight put together. Where a file is covered by another one, that one stands
//! for it. Knows names, no content.

use std::path::{Path, PathBuf};

/// Which sealed parts a file holds: from the first to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Segment {
    /// From 1.
    pub first: u32,
    /// The same as `first` in a file that was not put together.
    pub last: u32,
}

impl Segment {
    /// What a file's name says; none of a name that is not ours.
    pub fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.strip_suffix(".parquet")?;
        let (first, last) = name.split_once('-').unwrap_or((name, name));
        let (first, last) = (first.parse().ok()?, last.parse().ok()?);
        (first <= last).then_some(Self { first, last })
    }

    /// The name of its file.
    pub fn name(self) -> String {
        if self.first == self.last {
            return format!("{:06}.parquet", self.first);
        }
        format!("{:06}-{:06}.parquet", self.first, self.last)
    }

    /// How many sealed parts it holds.
    pub fn width(self) -> u32 {
        self.last - self.first + 1
    }

    fn covers(self, other: Self) -> bool {
        self.first <= other.first && other.last <= self.last && self != other
    }
}

/// Whether a file is one of pushed rows, and no file that somebody gave.
pub fn is_segment(path: &Path) -> bool {
    let mut folders = path.ancestors().skip(2);
    folders
        .next()
        .is_some_and(|folder| folder.ends_with(".trainyard/pushed"))
}

/// Whether the rows of the segment `old` are in the segment `new` too, by their names.
pub fn stands_for(new: &Path, old: &Path) -> bool {
    is_segment(new)
        && new.parent() == old.parent()
        && matches!((Segment::of(new), Segment::of(old)), (Some(new), Some(old)) if new.covers(old))
}

/// The segments among the files of a folder, in order: those that count, and those whose rows are in one of them too.
pub fn in_force(paths: impl IntoIterator<Item = PathBuf>) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let mut named: Vec<(Segment, PathBuf)> = paths
        .into_iter()
        .filter_map(|path| Some((Segment::of(&path)?, path)))
        .collect();
    // of those that begin together the widest comes first: it is what covers the others
    named.sort_by_key(|(segment, _)| (segment.first, std::cmp::Reverse(segment.last)));
    let mut last: Option<Segment> = None;
    let (mut kept, mut covered) = (Vec::new(), Vec::new());
    for (segment, path) in named {
        if last.is_some_and(|last| last.covers(segment)) {
            covered.push(path);
        } else {
            last = Some(segment);
            kept.push(path);
        }
    }
    (kept, covered)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_was_put_together_stands_for_its_parts() {
        let path = |name: &str| PathBuf::from(format!("/w/.trainyard/pushed/d/{name}"));
        let names = [
            "000003.parquet",
            "000001-000002.parquet",
            "000001.parquet",
            "000004.log",
            "000002.parquet",
            "000001-000002.parts",
        ];
        let (kept, covered) = in_force(names.map(path));
        assert_eq!(kept, ["000001-000002.parquet", "000003.parquet"].map(path));
        assert_eq!(covered, ["000001.parquet", "000002.parquet"].map(path));
        assert!(stands_for(&kept[0], &covered[1]) && !stands_for(&kept[1], &covered[1]));
        assert!(is_segment(&kept[0]) && !is_segment(Path::new("/w/data/d/000001.parquet")));
        let segment = Segment::of(&kept[0]).unwrap();
        assert_eq!(
            (segment.width(), segment.name().as_str()),
            (2, "000001-000002.parquet")
        );
    }
}
