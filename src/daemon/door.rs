//! The doors of the daemon: TCP, plain or with TLS, and the socket. Each says who comes in. Decides nothing about what they may.
//!
//! With TLS, a connection from this same machine may speak plainly (it never leaves the machine: jobs do), and anybody
//! else who does is told to use `https`. The handshake happens in the connection's own task, so that a caller who never
//! finishes it holds up nobody.

use crate::http::access::Peer;
use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use rustls::ServerConfig;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::time::Sleep;
use tokio_rustls::server::TlsStream;
use tokio_rustls::{Accept, TlsAcceptor};
use tracing::error;

/// How long a caller may take until the handshake is done.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// The first byte of a TLS connection: a handshake record.
const TLS_RECORD: u8 = 0x16;
/// What a caller hears who speaks plainly over a network.
const PLAIN: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: 93\r\n\r\n{\"error_code\":\"BAD_REQUEST\",\"message\":\"this server speaks TLS: use https:// in its address\"}\n";

/// TCP.
pub struct Door {
    /// Where it listens.
    pub tcp: TcpListener,
    /// Its certificate; none: plain.
    pub tls: Option<Arc<ServerConfig>>,
}

/// The socket.
pub struct SocketDoor {
    socket: UnixListener,
    /// Login names by user id.
    names: HashMap<u32, Option<String>>,
}

impl SocketDoor {
    /// At `socket`.
    pub fn new(socket: UnixListener) -> Self {
        Self {
            socket,
            names: HashMap::new(),
        }
    }
}

/// After an error of `accept`: one that concerns a single connection is passed over, any other (no file descriptors
/// left) is given time.
async fn pause(error: &io::Error) {
    if !matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    ) {
        error!(%error, "a connection was not accepted");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

impl Listener for Door {
    type Io = Stream;
    type Addr = Peer;

    async fn accept(&mut self) -> (Stream, Peer) {
        loop {
            match self.tcp.accept().await {
                Ok((stream, address)) => {
                    // an answer in two pieces must not wait for the first one's receipt
                    let _ = stream.set_nodelay(true);
                    let state = match &self.tls {
                        None => State::Plain(stream),
                        Some(config) => State::New {
                            is_near: is_near(&stream, address),
                            tcp: stream,
                            acceptor: TlsAcceptor::from(Arc::clone(config)),
                        },
                    };
                    let patience = self
                        .tls
                        .is_some()
                        .then(|| Box::pin(tokio::time::sleep(HANDSHAKE)));
                    return (Stream { state, patience }, Peer::Tcp(address));
                }
                Err(error) => pause(&error).await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<Peer> {
        self.tcp.local_addr().map(Peer::Tcp)
    }
}

/// Whether a connection comes from this machine: from a loopback address, or from the very address it came to.
fn is_near(stream: &TcpStream, from: SocketAddr) -> bool {
    let from = from.ip().to_canonical();
    from.is_loopback()
        || stream
            .local_addr()
            .is_ok_and(|to| to.ip().to_canonical() == from)
}

impl Listener for SocketDoor {
    type Io = UnixStream;
    type Addr = Peer;

    async fn accept(&mut self) -> (UnixStream, Peer) {
        loop {
            match self.socket.accept().await {
                Ok((stream, _)) => {
                    let owner = stream.peer_cred().ok().and_then(|credentials| {
                        let id = credentials.uid();
                        self.names.entry(id).or_insert_with(|| login(id)).clone()
                    });
                    return (stream, Peer::Socket(owner));
                }
                Err(error) => pause(&error).await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<Peer> {
        Ok(Peer::Socket(None))
    }
}

/// The login name of a user id.
fn login(id: u32) -> Option<String> {
    let text = std::fs::read_to_string("/etc/passwd").ok()?;
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse::<u32>().ok()? == id).then(|| name.to_owned())
    })
}

impl Connected<IncomingStream<'_, Door>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Self {
        stream.remote_addr().clone()
    }
}

impl Connected<IncomingStream<'_, SocketDoor>> for Peer {
    fn connect_info(stream: IncomingStream<'_, SocketDoor>) -> Self {
        stream.remote_addr().clone()
    }
}

/// A connection by TCP.
pub struct Stream {
    state: State,
    /// Until the handshake is done.
    patience: Option<Pin<Box<Sleep>>>,
}

enum State {
    Plain(TcpStream),
    /// Not a byte was seen.
    New {
        tcp: TcpStream,
        acceptor: TlsAcceptor,
        is_near: bool,
    },
    Shaking(Box<Accept<TcpStream>>),
    Tls(Box<TlsStream<TcpStream>>),
    /// Turned away, or broken.
    Ended,
}

impl Stream {
    /// Drives the connection to where bytes can flow.
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            if let Some(patience) = &mut self.patience
                && patience.as_mut().poll(context).is_ready()
            {
                self.patience = None;
                self.state = State::Ended;
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            match &mut self.state {
                State::Plain(_) | State::Tls(_) => {
                    self.patience = None;
                    return Poll::Ready(Ok(()));
                }
                State::Ended => return Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
                State::Shaking(accept) => {
                    let shaken = ready!(Pin::new(accept.as_mut()).poll(context));
                    self.state = match shaken {
                        Ok(stream) => State::Tls(Box::new(stream)),
                        Err(error) => {
                            self.state = State::Ended;
                            return Poll::Ready(Err(error));
                        }
                    };
                }
                State::New { tcp, is_near, .. } => {
                    let mut byte = [0_u8; 1];
                    let mut buffer = ReadBuf::new(&mut byte);
                    let count = ready!(tcp.poll_peek(context, &mut buffer))?;
                    let is_tls = count == 1 && byte[0] == TLS_RECORD;
                    let is_near = *is_near;
                    let State::New { tcp, acceptor, .. } =
                        std::mem::replace(&mut self.state, State::Ended)
                    else {
                        continue;
                    };
                    if is_tls {
                        self.state = State::Shaking(Box::new(acceptor.accept(tcp)));
                    } else if is_near || count == 0 {
                        self.state = State::Plain(tcp);
                    } else {
                        // what does not fit into an empty buffer is not sent: the end says enough
                        let _ = tcp.try_write(PLAIN);
                        return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
                    }
                }
            }
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_ready(context))?;
        match &mut self.state {
            State::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            State::Tls(stream) => Pin::new(stream.as_mut()).poll_read(context, buffer),
            _ => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_ready(context))?;
        match &mut self.state {
            State::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            State::Tls(stream) => Pin::new(stream.as_mut()).poll_write(context, bytes),
            _ => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.state {
            State::Plain(stream) => Pin::new(stream).poll_flush(context),
            State::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(context),
            _ => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.state {
            State::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            State::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(context),
            _ => Poll::Ready(Ok(())),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_ready(context))?;
        match &mut self.state {
            State::Plain(stream) => Pin::new(stream).poll_write_vectored(context, bytes),
            State::Tls(stream) => Pin::new(stream.as_mut()).poll_write_vectored(context, bytes),
            _ => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn is_write_vectored(&self) -> bool {
        matches!(self.state, State::Plain(_))
    }
}
