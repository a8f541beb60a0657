//! Who may be spoken to by which name: the `Host` and `Origin` of every request, whatever its route. A page of a foreign
//! site that makes a browser of this machine ask here (DNS rebinding, cross-site forms) is refused before any handler
//! runs. Knows nothing of tokens, routes or bodies.

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// The names by which this server lets itself be called.
#[derive(Clone, Debug)]
pub struct Guard {
    listen: Option<SocketAddr>,
    names: Vec<String>,
}

/// A host and, unless it is the scheme's own, a port.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Authority {
    host: String,
    port: Option<u16>,
}

impl Authority {
    /// `box:5000`, `[::1]:5000`, `box`; ports 80 and 443 are left out.
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']')?;
                (
                    host,
                    match port {
                        "" => None,
                        port => Some(port.strip_prefix(':')?),
                    },
                )
            }
            None => match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        let port = match port {
            None | Some("") => None,
            Some(port) => Some(port.parse().ok()?),
        };
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let plain = !host.is_empty()
            && host
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._:%".contains(&byte));
        plain.then_some(Self {
            host,
            port: port.filter(|port| ![80, 443].contains(port)),
        })
    }

    /// The host of `https://box:5000`; `null` and the like have none.
    fn of_origin(origin: &str) -> Option<Self> {
        let (scheme, rest) = origin.split_once("://")?;
        ["http", "https"]
            .contains(&scheme)
            .then(|| Self::parse(rest))?
    }

    fn is_loopback(&self) -> bool {
        self.host == "localhost"
            || self.host.ends_with(".localhost")
            || self
                .host
                .parse::<IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    }
}

impl Guard {
    /// For a server that listens on `listen` (`127.0.0.1:5000`) and is also called by `names` (`server.hosts`).
    pub fn new(listen: &str, names: &[String]) -> Self {
        Self {
            listen: listen.parse().ok(),
            names: names
                .iter()
                .map(|name| name.trim_end_matches('.').to_ascii_lowercase())
                .collect(),
        }
    }

    /// An address cannot be bound to another machine by a name server, so every literal address will do where the
    /// server listens on all of them.
    fn knows(&self, host: &Authority) -> bool {
        if host.is_loopback() || self.names.contains(&host.host) {
            return true;
        }
        match (self.listen, host.host.parse::<IpAddr>()) {
            (Some(listen), Ok(address)) => listen.ip() == address || listen.ip().is_unspecified(),
            _ => false,
        }
    }

    /// Why this request is not answered, if it is not.
    fn refuses(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<String> {
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let named = match uri.authority() {
            Some(authority) => Some(authority.as_str().to_owned()),
            None => headers.get(header::HOST).map(text),
        };
        // No browser leaves the host out; programs of HTTP/1.0 do.
        let host = match named {
            None => None,
            Some(named) => match Authority::parse(&named).filter(|host| self.knows(host)) {
                Some(host) => Some(host),
                None => {
                    return Some(format!(
                        "this server is not called `{named:.120}`: ask it by its address, or add the name to `server.hosts` in trainyard.toml"
                    ));
                }
            },
        };
        if [Method::GET, Method::HEAD].contains(method) {
            return None;
        }
        let foreign = |origin: &str| {
            format!(
                "a page of `{origin:.120}` may not change anything here: requests with an `Origin` must come from this server's own address"
            )
        };
        if let Some(origin) = headers.get(header::ORIGIN).map(text)
            && Authority::of_origin(&origin).is_none_or(|origin| Some(&origin) != host.as_ref())
        {
            return Some(foreign(&origin));
        }
        if headers
            .get("sec-fetch-site")
            .is_some_and(|site| site.as_bytes() == b"cross-site")
        {
            return Some(foreign("another site"));
        }
        None
    }
}

/// `router` behind the guard; every answer says that its type is not to be guessed.
pub fn guarded(router: Router, guard: Guard) -> Router {
    router.layer(middleware::from_fn_with_state(Arc::new(guard), check))
}

async fn check(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let mut response = match guard.refuses(request.method(), request.uri(), request.headers()) {
        None => next.run(request).await,
        Some(why) => {
            tracing::warn!(why, "a request was refused");
            let body = serde_json::json!({
                // Both as MLflow's clients and as the dashboard's read it.
                "error_code": "PERMISSION_DENIED",
                "kind": crate::domain::ErrorKind::Denied,
                "message": why,
            });
            (
                StatusCode::FORBIDDEN,
                [(header::CONTENT_TYPE, "application/json")],
                body.to_string(),
            )
                .into_response()
        }
    };
    response
        .headers_mut()
        .entry(header::X_CONTENT_TYPE_OPTIONS)
        .or_insert(HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    fn refused(guard: &Guard, method: &str, headers: &[(&'static str, &str)]) -> bool {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, HeaderValue::from_str(value).unwrap());
        }
        guard
            .refuses(&method.parse().unwrap(), &Uri::from_static("/api/x"), &map)
            .is_some()
    }

    #[test]
    fn hosts_are_known_or_refused() {
        let guard = Guard::new("10.0.0.7:5000", &["Box.example.org".to_owned()]);
        for (host, wrong) in [
            ("127.0.0.1:5000", false),
            ("localhost:5000", false),
            ("LOCALHOST", false),
            ("[::1]:5000", false),
            ("10.0.0.7:5000", false),
            ("box.example.org", false),
            ("box.example.org.:8080", false),
            ("10.0.0.8:5000", true),
            ("evil.example", true),
            ("evil.example:5000", true),
            ("localhost.evil.example", true),
            ("127.0.0.1.evil.example", true),
            ("localhost:5000@evil.example", true),
            ("", true),
            ("[::1", true),
        ] {
            assert_eq!(refused(&guard, "GET", &[("host", host)]), wrong, "{host}");
        }
        assert!(!refused(&guard, "GET", &[]));
        let everywhere = Guard::new("0.0.0.0:5000", &[]);
        assert!(!refused(
            &everywhere,
            "GET",
            &[("host", "192.168.1.5:5000")]
        ));
        assert!(refused(&everywhere, "GET", &[("host", "box:5000")]));
    }

    #[test]
    fn a_foreign_page_changes_nothing() {
        let guard = Guard::new("127.0.0.1:5000", &[]);
        let host = ("host", "127.0.0.1:5000");
        for (origin, wrong) in [
            ("http://127.0.0.1:5000", false),
            ("http://localhost:5000", true),
            ("http://127.0.0.1:8080", true),
            ("https://evil.example", true),
            ("null", true),
        ] {
            for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
                assert_eq!(
                    refused(&guard, method, &[host, ("origin", origin)]),
                    wrong,
                    "{method} {origin}"
                );
            }
            assert!(!refused(&guard, "GET", &[host, ("origin", origin)]));
        }
        assert!(refused(
            &guard,
            "POST",
            &[host, ("sec-fetch-site", "cross-site")]
        ));
        assert!(!refused(&guard, "POST", &[host]));
        let named = Guard::new("127.0.0.1:5000", &["box".to_owned()]);
        assert!(!refused(
            &named,
            "POST",
            &[("host", "box"), ("origin", "https://box")]
        ));
    }
}
