//! HTTP/1.1 as this program speaks it: one request after the other over a socket or TCP, answers with a length, in
//! chunks, or up to the end; with TLS where the address says so. No redirects, no compression.

use super::Address;
use super::tls::{self, Tls};
use crate::domain::{Error, Result};
use std::io::{self, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// How long to wait for a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// How long to wait for an answer unless said otherwise.
const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes of a body sent at once.
const BLOCK: u64 = 256 * 1024;
/// Bytes of an answer's head at most.
const HEAD: usize = 64 * 1024;

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Its content.
    pub body: Vec<u8>,
}

/// A connection that is kept between requests.
pub struct Http {
    address: Address,
    patience: Duration,
    connection: Option<Connection>,
}

impl Http {
    /// Connects.
    pub fn connect(address: &Address) -> Result<Self> {
        Ok(Self {
            address: address.clone(),
            patience: PATIENCE,
            connection: Some(Connection::open(address)?),
        })
    }

    /// How long to wait for each answer.
    pub fn patience(&mut self, patience: Duration) -> Result<()> {
        self.patience = patience;
        match &self.connection {
            Some(connection) => connection.patience(patience),
            None => Ok(()),
        }
    }

    /// Sends a request and takes the whole answer. After an error the next request connects anew.
    pub fn request(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Answer> {
        let length = body.len() as u64;
        self.send(method, path, headers, length, &mut { body })
    }

    /// The same with `length` bytes of `body`, which are never in memory as a whole.
    pub fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        length: u64,
        body: &mut dyn Read,
    ) -> Result<Answer> {
        let connection = match self.connection.take() {
            Some(mut connection) => match connection.is_stale() {
                false => connection,
                true => Connection::open(&self.address)?,
            },
            None => Connection::open(&self.address)?,
        };
        connection.patience(self.patience)?;
        let (status, mut content) = connection.ask_from(method, path, headers, length, body)?;
        let mut body = Vec::new();
        content.read_to_end(&mut body).map_err(unanswered)?;
        self.connection = content.finished();
        Ok(Answer { status, body })
    }

    /// Fetches what is too large for memory, over a connection of its own: status, length when it is known, content.
    pub fn fetch(
        &self,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<(u16, Option<u64>, Box<dyn Read>)> {
        let connection = Connection::open(&self.address)?;
        connection.patience(self.patience)?;
        let (status, content) = connection.ask("GET", path, headers, &[])?;
        let length = match content.rest {
            Rest::Length(length) => Some(length),
            Rest::Chunk { .. } | Rest::End => None,
        };
        Ok((status, length, Box::new(content)))
    }
}

/// An error while waiting for the daemon, in words.
pub(super) fn unanswered(error: io::Error) -> Error {
    if let Some(error) = tls::said(&error) {
        return error;
    }
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            Error::unavailable("the daemon does not answer").because(error)
        }
        _ => Error::unavailable("the connection to the daemon broke").because(error),
    }
}

enum Socket {
    Unix(UnixStream),
    Tcp(TcpStream),
    Tls(Box<Tls>),
}

/// What ends a connection from another thread.
enum Handle {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Handle {
    fn shutdown(&self) -> io::Result<()> {
        match self {
            Self::Unix(stream) => stream.shutdown(Shutdown::Both),
            Self::Tcp(stream) => stream.shutdown(Shutdown::Both),
        }
    }
}

impl Socket {
    fn handle(&self) -> io::Result<Handle> {
        Ok(match self {
            Self::Unix(stream) => Handle::Unix(stream.try_clone()?),
            Self::Tcp(stream) => Handle::Tcp(stream.try_clone()?),
            Self::Tls(stream) => Handle::Tcp(stream.sock.try_clone()?),
        })
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.read(buffer),
            Self::Tcp(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.write(buffer),
            Self::Tcp(stream) => stream.write(buffer),
            Self::Tls(stream) => stream.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Tls(stream) => stream.flush(),
            _ => Ok(()),
        }
    }
}

/// An open connection with nothing on its way.
pub(super) struct Connection {
    socket: BufReader<Socket>,
    host: String,
    token: Option<String>,
    prefix: String,
}

impl Connection {
    /// Connects. Nobody there is [`crate::domain::ErrorKind::Unavailable`].
    pub(super) fn open(address: &Address) -> Result<Self> {
        let (socket, host, token, prefix) = match address {
            Address::Socket(path) => {
                let stream = UnixStream::connect(path).map_err(|error| {
                    Error::unavailable(format!(
                        "no daemon answers on `{}`: `trainyard up` starts it",
                        path.display()
                    ))
                    .because(error)
                })?;
                (
                    Socket::Unix(stream),
                    "localhost".to_owned(),
                    None,
                    String::new(),
                )
            }
            Address::Url(url, token) => {
                let place = Place::of(url, "http://", 80)?;
                let stream = tcp(&place.address)?;
                (Socket::Tcp(stream), place.host, token.clone(), place.prefix)
            }
            Address::Secure(secure) => {
                let place = Place::of(&secure.url, "https://", 443)?;
                let stream = tcp(&place.address)?;
                stream.set_read_timeout(Some(CONNECT))?;
                stream.set_write_timeout(Some(CONNECT))?;
                (
                    Socket::Tls(Box::new(secure.shake(stream, &place.address)?)),
                    place.host,
                    secure.token.clone(),
                    place.prefix,
                )
            }
        };
        let connection = Self {
            socket: BufReader::new(socket),
            host,
            token,
            prefix,
        };
        connection.patience(PATIENCE)?;
        Ok(connection)
    }

    /// How long to wait for bytes.
    pub(super) fn patience(&self, patience: Duration) -> Result<()> {
        match self.socket.get_ref() {
            Socket::Unix(stream) => stream.set_read_timeout(Some(patience))?,
            Socket::Tcp(stream) => stream.set_read_timeout(Some(patience))?,
            Socket::Tls(stream) => stream.sock.set_read_timeout(Some(patience))?,
        }
        Ok(())
    }

    /// Whether the other side has closed it (or said something nobody asked for).
    fn is_stale(&mut self) -> bool {
        let probe = |outcome: io::Result<usize>| !matches!(outcome, Err(error) if error.kind() == io::ErrorKind::WouldBlock);
        let mut byte = [0];
        match self.socket.get_mut() {
            Socket::Unix(stream) => {
                // A socket has no peek: one byte read that should not be there makes it useless anyway.
                let stale = stream.set_nonblocking(true).is_err() || probe(stream.read(&mut byte));
                stale || stream.set_nonblocking(false).is_err()
            }
            Socket::Tcp(stream) => {
                let stale = stream.set_nonblocking(true).is_err() || probe(stream.peek(&mut byte));
                stale || stream.set_nonblocking(false).is_err()
            }
            Socket::Tls(stream) => tls::is_stale(stream),
        }
    }

    /// Sends a request; answers the status and the content to be read.
    pub(super) fn ask(
        self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<(u16, Body)> {
        let length = body.len() as u64;
        self.ask_from(method, path, headers, length, &mut { body })
    }

    /// The same with `length` bytes of `body`, which are never in memory as a whole.
    pub(super) fn ask_from(
        mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        length: u64,
        body: &mut dyn Read,
    ) -> Result<(u16, Body)> {
        let mut request = format!(
            "{method} {}{path} HTTP/1.1\r\nhost: {}\r\ncontent-length: {length}\r\n",
            self.prefix, self.host,
        );
        if let Some(token) = &self.token {
            request.push_str(&format!("authorization: Bearer {}\r\n", clean(token)));
        }
        for (name, value) in headers {
            request.push_str(&format!("{name}: {}\r\n", clean(value)));
        }
        request.push_str("\r\n");
        // Head and the beginning of the body in one packet.
        let mut bytes = request.into_bytes();
        let mut left = length;
        let sent = loop {
            let room = left.min(BLOCK);
            let whole = bytes.len() as u64 + room;
            body.take(room).read_to_end(&mut bytes)?;
            if (bytes.len() as u64) < whole {
                return Err(Error::conflict(format!(
                    "what is sent to `{path:.200}` became shorter meanwhile"
                )));
            }
            left -= room;
            let socket = self.socket.get_mut();
            let sent = socket.write_all(&bytes).and_then(|()| socket.flush());
            if left == 0 || sent.is_err() {
                break sent;
            }
            bytes.clear();
        };
        loop {
            // Who refuses a file may close before its end came: what was said before that counts.
            let head = match (self.head(), sent.as_ref().map_err(io::Error::kind)) {
                (Ok(head), _) => head,
                (Err(_), Err(kind)) => return Err(unanswered(kind.into())),
                (Err(error), Ok(())) => return Err(error),
            };
            // 1xx are no answers yet.
            if !(100..200).contains(&head.status) {
                let rest = match (method, head.status) {
                    ("HEAD", _) | (_, 204 | 304) => Rest::Length(0),
                    _ => head.rest,
                };
                return Ok((
                    head.status,
                    Body {
                        connection: self,
                        rest,
                        reusable: head.keep,
                    },
                ));
            }
        }
    }

    fn head(&mut self) -> Result<Head> {
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"\r\n\r\n") {
            let before = bytes.len();
            let room = (HEAD - before) as u64;
            let count =
                io::BufRead::read_until(&mut (&mut self.socket).take(room), b'\n', &mut bytes)
                    .map_err(unanswered)?;
            if count == 0 {
                return Err(Error::unavailable("the daemon closed the connection"));
            }
        }
        let malformed = || Error::unavailable("what answers does not speak HTTP");
        let mut fields = [httparse::EMPTY_HEADER; 64];
        let mut response = httparse::Response::new(&mut fields);
        match response.parse(&bytes) {
            Ok(httparse::Status::Complete(_)) => {}
            _ => return Err(malformed()),
        }
        let mut head = Head {
            status: response.code.ok_or_else(malformed)?,
            rest: Rest::End,
            keep: response.version == Some(1),
        };
        for field in response.headers {
            let value = String::from_utf8_lossy(field.value).to_ascii_lowercase();
            match field.name.to_ascii_lowercase().as_str() {
                "transfer-encoding" if value.contains("chunked") => {
                    head.rest = Rest::Chunk {
                        left: 0,
                        first: true,
                    };
                }
                "content-length" if !matches!(head.rest, Rest::Chunk { .. }) => {
                    head.rest = Rest::Length(value.trim().parse().map_err(|_| malformed())?);
                }
                "connection" if value.contains("close") => head.keep = false,
                _ => {}
            }
        }
        Ok(head)
    }
}

/// What an URL says.
struct Place {
    /// Host and port to connect to.
    address: String,
    /// Host as it stands in the URL.
    host: String,
    /// Path before every path: of a proxy.
    prefix: String,
}

impl Place {
    fn of(url: &str, scheme: &str, port: u16) -> Result<Self> {
        let rest = url.strip_prefix(scheme).filter(|rest| !rest.is_empty());
        let rest = rest.ok_or_else(|| {
            Error::invalid(format!(
                "`{url}` is no address of a daemon: `https://host:port` or `http://host:port` is expected"
            ))
        })?;
        let (host, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| {
            !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
        });
        Ok(Self {
            address: match has_port {
                true => host.to_owned(),
                false => format!("{host}:{port}"),
            },
            host: host.to_owned(),
            prefix: match prefix.trim_end_matches('/') {
                "" => String::new(),
                prefix => format!("/{prefix}"),
            },
        })
    }
}

struct Head {
    status: u16,
    rest: Rest,
    keep: bool,
}

fn tcp(host: &str) -> Result<TcpStream> {
    let unreachable = || Error::unavailable(format!("no daemon answers on `{host}`"));
    let mut last = None;
    for address in host
        .to_socket_addrs()
        .map_err(|error| unreachable().because(error))?
    {
        match TcpStream::connect_timeout(&address, CONNECT) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => last = Some(error),
        }
    }
    Err(match last {
        Some(error) => unreachable().because(error),
        None => unreachable(),
    })
}

/// A header's value without what would end it.
fn clean(value: &str) -> String {
    value.chars().filter(|c| !c.is_control()).collect()
}

enum Rest {
    /// This many bytes.
    Length(u64),
    /// Chunks; this many bytes of the present one.
    Chunk { left: u64, first: bool },
    /// Up to the end of the connection.
    End,
}

/// An answer's content, as it comes.
pub(super) struct Body {
    connection: Connection,
    rest: Rest,
    reusable: bool,
}

impl Body {
    /// Ends it from another thread.
    pub(super) fn closer(&self) -> Result<Box<dyn FnOnce() + Send>> {
        let socket = self.connection.socket.get_ref().handle()?;
        Ok(Box::new(move || {
            // A connection that is gone already needs no end.
            let _ = socket.shutdown();
        }))
    }

    /// The connection, once all content was read and if it may be used again.
    fn finished(self) -> Option<Connection> {
        (self.reusable && matches!(self.rest, Rest::Length(0))).then_some(self.connection)
    }

    /// A line of the chunked form, without its end.
    fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        io::BufRead::read_until(
            &mut (&mut self.connection.socket).take(1024),
            b'\n',
            &mut line,
        )?;
        if line.pop() != Some(b'\n') {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(String::from_utf8_lossy(&line).trim().to_owned())
    }
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if let Rest::Chunk { left: 0, first } = self.rest {
            if !first {
                self.line()?;
            }
            let line = self.line()?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = u64::from_str_radix(size, 16)
                .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "a chunk without size"))?;
            if size == 0 {
                while !self.line()?.is_empty() {}
                self.rest = Rest::Length(0);
            } else {
                self.rest = Rest::Chunk {
                    left: size,
                    first: false,
                };
            }
        }
        let room = match self.rest {
            Rest::Length(left) | Rest::Chunk { left, .. } => usize::try_from(left)
                .unwrap_or(usize::MAX)
                .min(buffer.len()),
            Rest::End => buffer.len(),
        };
        if room == 0 {
            return Ok(0);
        }
        let count = self.connection.socket.read(&mut buffer[..room])?;
        match &mut self.rest {
            Rest::Length(left) | Rest::Chunk { left, .. } => {
                if count == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                *left -= count as u64;
            }
            Rest::End => {}
        }
        Ok(count)
    }
}
