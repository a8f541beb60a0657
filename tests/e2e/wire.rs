//! HTTP/1.1 by hand: one connection that is kept, requests one after the other. Knows no library of ours, so that it
//! sees what any client sees.

use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// As text.
    pub body: String,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }
}

/// A connection.
pub struct Line {
    stream: BufReader<TcpStream>,
}

impl Line {
    /// Opens one to `host:port`.
    pub fn to(address: &str) -> Self {
        Self::try_to(address).unwrap()
    }

    /// The same, where nobody may listen.
    pub fn try_to(address: &str) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        Ok(Self {
            stream: BufReader::new(stream),
        })
    }

    /// Asks and reads the answer.
    pub fn ask(&mut self, method: &str, path: &str, body: &str) -> Answer {
        self.try_ask(method, path, body).unwrap()
    }

    /// The same, with more header lines.
    pub fn ask_with(&mut self, method: &str, path: &str, more: &[&str], body: &str) -> Answer {
        self.exchange(method, path, more, body).unwrap()
    }

    /// The same, where the other side may go away.
    pub fn try_ask(&mut self, method: &str, path: &str, body: &str) -> std::io::Result<Answer> {
        self.exchange(method, path, &[], body)
    }

    fn exchange(
        &mut self,
        method: &str,
        path: &str,
        more: &[&str],
        body: &str,
    ) -> std::io::Result<Answer> {
        let more: String = more.iter().map(|line| format!("{line}\r\n")).collect();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
             x-trainyard-user: bob\r\n{more}content-length: {}\r\n\r\n{body}",
            body.len()
        );
        self.stream.get_mut().write_all(request.as_bytes())?;
        let gone = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.ok_or_else(gone)?;
        let mut length = 0;
        loop {
            line.clear();
            if self.stream.read_line(&mut line)? == 0 {
                return Err(gone());
            }
            match line.trim_end().split_once(": ") {
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = value.parse().map_err(|_| gone())?;
                }
                None if line.trim_end().is_empty() => break,
                _ => {}
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok(Answer {
            status,
            body: String::from_utf8(body).map_err(|_| gone())?,
        })
    }
}
