//! The texts of a column: how often each came (exact up to some thousands of different ones), how many different ones
//! there are, how long they are.

use crate::data::Result;
use crate::data::sketch::bytes::{Reader, Writer};
use crate::data::sketch::distinct::hash_text;
use crate::data::sketch::{Distinct, Top};
use crate::domain::profile::Lengths;

/// Different texts that are counted one by one.
const FEW: usize = 4_096;
/// Texts that are all offered to the counters once there are more; of later ones, one in [`STRIDE`].
const OFFERED: u64 = 131_072;
/// See [`OFFERED`]; a power of two.
const STRIDE: u64 = 16;

/// Texts, in the order of the rows.
#[derive(Clone, Debug)]
pub struct Texts {
    top: Top<String>,
    /// Once there are too many for `top` to be exact.
    distinct: Option<Distinct>,
    count: u64,
    shortest: u64,
    longest: u64,
    characters: u64,
    dice: u64,
}

impl Default for Texts {
    fn default() -> Self {
        Self {
            top: Top::new(FEW),
            distinct: None,
            count: 0,
            shortest: u64::MAX,
            longest: 0,
            characters: 0,
            dice: 0x9E37_79B9_7F4A_7C15,
        }
    }
}

impl Texts {
    /// Takes a text in.
    pub fn add(&mut self, text: &str) {
        self.measure(text, 1);
        let Some(distinct) = &mut self.distinct else {
            self.top.add(text, 1);
            self.look();
            return;
        };
        distinct.add(hash_text(text));
        if self.count <= OFFERED {
            self.top.add(text, 1);
            return;
        }
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        if self.dice.is_multiple_of(STRIDE) {
            self.top.add(text, STRIDE);
        }
    }

    /// Takes a text in `times` times.
    pub fn add_times(&mut self, text: &str, times: u64) {
        if times == 0 {
            return;
        }
        self.measure(text, times);
        self.top.add(text, times);
        match &mut self.distinct {
            Some(distinct) => distinct.add(hash_text(text)),
            None => self.look(),
        }
    }

    fn measure(&mut self, text: &str, times: u64) {
        let length = if text.is_ascii() {
            text.len()
        } else {
            text.chars().count()
        } as u64;
        self.count += times;
        self.shortest = self.shortest.min(length);
        self.longest = self.longest.max(length);
        self.characters += length * times;
    }

    /// Whether the counters are still enough.
    fn look(&mut self) {
        if self.distinct.is_none() && self.top.is_over() {
            let mut distinct = Distinct::default();
            self.top
                .pairs()
                .for_each(|(text, _)| distinct.add(hash_text(text)));
            self.distinct = Some(distinct);
        }
    }

    /// Takes all of `other` in.
    pub fn merge(&mut self, other: &Self) {
        self.look();
        let theirs = other.distinct.clone().or_else(|| {
            self.distinct.is_some().then(|| {
                let mut distinct = Distinct::default();
                other
                    .top
                    .pairs()
                    .for_each(|(text, _)| distinct.add(hash_text(text)));
                distinct
            })
        });
        if let Some(theirs) = theirs {
            let ours = self.distinct.get_or_insert_with(|| {
                let mut distinct = Distinct::default();
                self.top
                    .pairs()
                    .for_each(|(text, _)| distinct.add(hash_text(text)));
                distinct
            });
            ours.merge(&theirs);
        }
        self.top.merge(&other.top);
        self.look();
        self.count += other.count;
        self.shortest = self.shortest.min(other.shortest);
        self.longest = self.longest.max(other.longest);
        self.characters += other.characters;
    }

    /// Texts.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Different ones, and whether they were counted.
    pub fn distinct(&self) -> (u64, bool) {
        match &self.distinct {
            None => (self.top.len() as u64, true),
            Some(distinct) => (distinct.count().min(self.count), distinct.is_exact()),
        }
    }

    /// The most frequent; what may be owed to chance is left out.
    pub fn most(&self, listed: usize) -> Vec<(String, u64)> {
        let mut most = self.top.most(listed);
        if self.distinct.is_some() {
            let sampled = self.count > OFFERED;
            let least = self.top.short().max(if sampled { 4 * STRIDE } else { 1 });
            most.retain(|(_, count)| *count > least);
        }
        most
    }

    /// How long they are; none without texts.
    pub fn lengths(&self) -> Option<Lengths> {
        (self.count > 0).then(|| Lengths {
            min: self.shortest,
            max: self.longest,
            mean: self.characters as f64 / self.count as f64,
        })
    }

    /// Less of them, for keeping: of more texts than are counted, the thousand most frequent.
    pub fn shrunk(&self) -> Self {
        let mut small = self.clone();
        if small.distinct.is_some() {
            small.top = small.top.shrunk(1_000);
        }
        small
    }

    /// Appends them to what is kept.
    pub fn write(&self, to: &mut Writer) {
        for count in [self.count, self.shortest, self.longest, self.characters] {
            to.count(count);
        }
        to.flag(self.distinct.is_some());
        if let Some(distinct) = &self.distinct {
            distinct.write(to);
        }
        self.top.write(to);
    }

    /// Kept ones.
    pub fn read(from: &mut Reader<'_>) -> Result<Self> {
        let mut texts = Self {
            count: from.count()?,
            shortest: from.count()?,
            longest: from.count()?,
            characters: from.count()?,
            ..Self::default()
        };
        if from.flag()? {
            texts.distinct = Some(Distinct::read(from)?);
        }
        texts.top = Top::read(from, FEW)?;
        Ok(texts)
    }
}
