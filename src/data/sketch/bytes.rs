//! How sketches are kept: plain bytes, numbers in little endian or as LEB128. Knows no sketch; what is cut short or made up
//! is an error, never a panic and never a huge allocation.

use crate::data::{Error, Result};

/// Bytes to be kept.
#[derive(Debug, Default)]
pub struct Writer {
    /// What was written.
    pub bytes: Vec<u8>,
}

impl Writer {
    /// A whole number, small ones in few bytes (LEB128).
    pub fn count(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    /// Eight bytes.
    pub fn word(&mut self, value: u64) {
        self.bytes.extend(value.to_le_bytes());
    }

    /// A number, as it is.
    pub fn number(&mut self, value: f64) {
        self.word(value.to_bits());
    }

    /// Yes or no.
    pub fn flag(&mut self, value: bool) {
        self.bytes.push(u8::from(value));
    }

    /// A text with its length.
    pub fn text(&mut self, text: &str) {
        self.count(text.len() as u64);
        self.bytes.extend(text.as_bytes());
    }
}

/// Kept bytes.
#[derive(Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Of these bytes.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Bytes that are left.
    pub fn left(&self) -> usize {
        self.rest.len()
    }

    /// The next `count` bytes.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        if count > self.rest.len() {
            return Err(damaged());
        }
        let (taken, rest) = self.rest.split_at(count);
        self.rest = rest;
        Ok(taken)
    }

    /// See [`Writer::count`].
    pub fn count(&mut self) -> Result<u64> {
        let (mut value, mut shift) = (0u64, 0);
        loop {
            let byte = self.take(1)?[0];
            if shift > 63 {
                return Err(damaged());
            }
            value |= u64::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
            shift += 7;
        }
    }

    /// A number of things that follow, each at least `least` bytes long.
    pub fn length(&mut self, least: usize) -> Result<usize> {
        let count = self.count()?;
        if count > (self.rest.len() / least.max(1)) as u64 {
            return Err(damaged());
        }
        Ok(count as usize)
    }

    /// See [`Writer::word`].
    pub fn word(&mut self) -> Result<u64> {
        let mut word = [0; 8];
        word.copy_from_slice(self.take(8)?);
        Ok(u64::from_le_bytes(word))
    }

    /// See [`Writer::number`].
    pub fn number(&mut self) -> Result<f64> {
        Ok(f64::from_bits(self.word()?))
    }

    /// See [`Writer::flag`].
    pub fn flag(&mut self) -> Result<bool> {
        match self.take(1)?[0] {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(damaged()),
        }
    }

    /// See [`Writer::text`].
    pub fn text(&mut self) -> Result<&'a str> {
        let length = self.length(1)?;
        std::str::from_utf8(self.take(length)?).map_err(|_| damaged())
    }
}

/// What every wrong byte comes to.
pub fn damaged() -> Error {
    Error::new("a kept profile is damaged; profile the dataset again")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_written_is_read_and_what_is_cut_is_refused() {
        let mut writer = Writer::default();
        writer.count(300);
        writer.number(-0.5);
        writer.flag(true);
        writer.text("añb");
        let mut reader = Reader::new(&writer.bytes);
        assert_eq!(reader.count().unwrap(), 300);
        assert_eq!(reader.number().unwrap(), -0.5);
        assert!(reader.flag().unwrap());
        assert_eq!(reader.text().unwrap(), "añb");
        assert_eq!(reader.left(), 0);
        assert!(reader.flag().is_err());
        assert!(Reader::new(&[0xFF; 12]).count().is_err());
        assert!(Reader::new(&[200, 1, b'a']).text().is_err());
    }
}
