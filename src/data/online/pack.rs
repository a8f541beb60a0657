//! Rows in order of key, packed: as many as a page of the online store's file holds, so that a page is what is taken in and
//! looked into at a time.
//!
//! A pack: `rows u16 LE`, then for each row `length (LEB128)` and a record of `key length (LEB128), key, times, event,
//! created, source i32 LE, body` (`times`: bit 1 event there, bit 2 created there, each i64 LE).

use super::{OnlineRow, put_count, take_bytes, take_count};
use crate::data::{Error, Result};

/// Bytes of a pack of more than one row, at most: what a leaf page of 4,096 bytes holds beside its own bookkeeping.
const MOST: usize = 4_056;
/// The count in front.
const HEAD: usize = 2;

const EVENT: u8 = 1;
const CREATED: u8 = 2;

/// A row where it stands in its pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packed<'a> {
    /// As in [`OnlineRow`], as are the others.
    pub key: &'a [u8],
    /// Event time.
    pub event: Option<i64>,
    /// When it could be known.
    pub created: Option<i64>,
    /// The file.
    pub source: i32,
    /// The values.
    pub body: &'a [u8],
}

impl Packed<'_> {
    /// The row by itself.
    pub fn to_row(self) -> OnlineRow {
        OnlineRow {
            key: self.key.to_vec(),
            event: self.event,
            created: self.created,
            source: self.source,
            body: self.body.to_vec(),
        }
    }
}

impl<'a> From<&'a OnlineRow> for Packed<'a> {
    fn from(row: &'a OnlineRow) -> Self {
        Self {
            key: &row.key,
            event: row.event,
            created: row.created,
            source: row.source,
            body: &row.body,
        }
    }
}

/// Packs rows that come in order of key.
#[derive(Default)]
pub struct Packer {
    rows: u16,
    pack: Vec<u8>,
    record: Vec<u8>,
}

impl Packer {
    /// Adds a row. Returns the pack that it did not fit into any more.
    pub fn add(&mut self, row: &Packed<'_>) -> Option<Vec<u8>> {
        self.record.clear();
        put_count(&mut self.record, row.key.len() as u64);
        self.record.extend(row.key);
        let there = |time: Option<i64>, bit: u8| if time.is_some() { bit } else { 0 };
        self.record
            .push(there(row.event, EVENT) | there(row.created, CREATED));
        for time in [row.event, row.created].into_iter().flatten() {
            self.record.extend(time.to_le_bytes());
        }
        self.record.extend(row.source.to_le_bytes());
        let long = self.record.len() + row.body.len();
        let fits = self.pack.len() + long + 3 <= MOST;
        let full = if fits { None } else { self.end() };
        if self.pack.is_empty() {
            self.pack.reserve_exact(MOST.max(HEAD + long + 10));
            self.pack.extend([0; HEAD]);
        }
        put_count(&mut self.pack, long as u64);
        self.pack.extend(&self.record);
        self.pack.extend(row.body);
        self.rows += 1;
        full
    }

    /// What is left.
    pub fn end(&mut self) -> Option<Vec<u8>> {
        if self.rows == 0 {
            return None;
        }
        let mut pack = std::mem::take(&mut self.pack);
        pack[..HEAD].copy_from_slice(&std::mem::take(&mut self.rows).to_le_bytes());
        Some(pack)
    }
}

/// Rows in order of key as packs; the first error ends them.
pub struct Packs<I> {
    rows: I,
    packer: Packer,
    over: bool,
}

impl<I> Packs<I> {
    /// Of rows that come one after the other.
    pub fn of(rows: I) -> Self {
        Self {
            rows,
            packer: Packer::default(),
            over: false,
        }
    }
}

impl<E, I: Iterator<Item = std::result::Result<OnlineRow, E>>> Iterator for Packs<I> {
    type Item = std::result::Result<Vec<u8>, E>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.over {
            match self.rows.next() {
                None => self.over = true,
                Some(Err(error)) => {
                    (self.over, self.packer) = (true, Packer::default());
                    return Some(Err(error));
                }
                Some(Ok(row)) => {
                    if let Some(pack) = self.packer.add(&Packed::from(&row)) {
                        return Some(Ok(pack));
                    }
                }
            }
        }
        self.packer.end().map(Ok)
    }
}

fn damaged() -> Error {
    Error::new("packed rows are damaged; materialize the view again")
}

/// How many rows are in a pack.
pub fn count(pack: &[u8]) -> Result<usize> {
    match pack {
        [low, high, ..] if (*low, *high) != (0, 0) => {
            Ok(usize::from(u16::from_le_bytes([*low, *high])))
        }
        _ => Err(damaged()),
    }
}

/// The key of a pack's first row.
pub fn first(pack: &[u8]) -> Result<&[u8]> {
    let first = Rows::of(pack).next();
    Ok(first.ok_or_else(damaged)??.key)
}

/// The row of a key.
pub fn find<'a>(pack: &'a [u8], key: &[u8]) -> Result<Option<Packed<'a>>> {
    let mut rest = pack.get(HEAD..).ok_or_else(damaged)?;
    while !rest.is_empty() {
        let record = record(&mut rest).ok_or_else(damaged)?;
        let mut row = record;
        let own = take_key(&mut row).ok_or_else(damaged)?;
        match own.cmp(key) {
            std::cmp::Ordering::Less => {}
            std::cmp::Ordering::Equal => return Ok(Some(read(record).ok_or_else(damaged)?)),
            std::cmp::Ordering::Greater => return Ok(None),
        }
    }
    Ok(None)
}

fn record<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let long = usize::try_from(take_count(rest)?).ok()?;
    take_bytes(rest, long)
}

fn take_key<'a>(record: &mut &'a [u8]) -> Option<&'a [u8]> {
    let long = usize::try_from(take_count(record)?).ok()?;
    take_bytes(record, long)
}

fn read(mut record: &[u8]) -> Option<Packed<'_>> {
    let rest = &mut record;
    let key = take_key(rest)?;
    let times = take_bytes(rest, 1)?[0];
    let mut time = |bit: u8| -> Option<Option<i64>> {
        if times & bit == 0 {
            return Some(None);
        }
        let bytes = take_bytes(rest, 8)?.try_into().ok()?;
        Some(Some(i64::from_le_bytes(bytes)))
    };
    let event = time(EVENT)?;
    let created = time(CREATED)?;
    let source = i32::from_le_bytes(take_bytes(rest, 4)?.try_into().ok()?);
    Some(Packed {
        key,
        event,
        created,
        source,
        body: rest,
    })
}

/// The rows of a pack, one after the other.
pub struct Rows<'a> {
    rest: &'a [u8],
    left: usize,
}

impl<'a> Rows<'a> {
    /// Of a pack.
    pub fn of(pack: &'a [u8]) -> Self {
        match count(pack) {
            Ok(left) => Self {
                rest: &pack[HEAD..],
                left,
            },
            // damaged, which the first row says
            Err(_) => Self { rest: &[], left: 1 },
        }
    }
}

impl<'a> Iterator for Rows<'a> {
    type Item = Result<Packed<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let row = record(&mut self.rest).and_then(read);
        Some(row.ok_or_else(|| {
            self.left = 0;
            damaged()
        }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn some_rows() -> impl Strategy<Value = Vec<OnlineRow>> {
        let time = || prop::option::of(any::<i64>());
        let value = (time(), time(), any::<i32>(), 0usize..3_000);
        prop::collection::btree_map(prop::collection::vec(any::<u8>(), 0..40), value, 0..60)
            .prop_map(|rows: BTreeMap<_, _>| {
                rows.into_iter()
                    .map(|(key, (event, created, source, long))| OnlineRow {
                        body: vec![
                            key.len() as u8;
                            if long < 2_800 { long / 20 } else { 2 * long }
                        ],
                        key,
                        event,
                        created,
                        source,
                    })
                    .collect()
            })
    }

    fn packed(rows: &[OnlineRow]) -> Vec<Vec<u8>> {
        Packs::of(rows.iter().cloned().map(Ok::<_, Error>))
            .collect::<Result<_>>()
            .unwrap()
    }

    proptest! {
        #[test]
        fn rows_come_back_in_order_and_by_key(rows in some_rows(), other in prop::collection::vec(any::<u8>(), 0..40)) {
            let packs = packed(&rows);
            let mut back = Vec::new();
            for pack in &packs {
                let of_pack: Vec<OnlineRow> = Rows::of(pack).map(|row| row.unwrap().to_row()).collect();
                prop_assert_eq!(count(pack).unwrap(), of_pack.len());
                prop_assert!(pack.len() <= MOST || of_pack.len() == 1);
                prop_assert_eq!(first(pack).unwrap(), &of_pack[0].key);
                for row in &of_pack {
                    prop_assert_eq!(find(pack, &row.key).unwrap(), Some(Packed::from(row)));
                }
                let there = of_pack.iter().find(|row| row.key == other).map(Packed::from);
                prop_assert_eq!(find(pack, &other).unwrap(), there);
                back.extend(of_pack);
            }
            prop_assert_eq!(back, rows);
        }
    }

    #[test]
    fn pages_are_full() {
        let rows: Vec<OnlineRow> = (0..1_000)
            .map(|at| OnlineRow {
                key: format!("{at:06}").into_bytes(),
                event: Some(at),
                created: None,
                source: 0,
                body: vec![7; 180],
            })
            .collect();
        let packs = packed(&rows);
        assert!(packs.iter().rev().skip(1).all(|pack| pack.len() > 3_800));
    }

    #[test]
    fn a_pack_that_is_cut_says_so() {
        let row = |key: &str| OnlineRow {
            key: key.into(),
            event: Some(1),
            created: Some(2),
            source: 3,
            body: vec![1, 2, 3],
        };
        let pack = packed(&[row("a"), row("b")]).remove(0);
        for end in 0..pack.len() {
            let cut = &pack[..end];
            assert!(Rows::of(cut).any(|row| row.is_err()), "{end}");
            assert!(
                end <= HEAD || !matches!(find(cut, b"b"), Ok(Some(_))),
                "{end}"
            );
        }
    }
}
