//! A live tracking server that speaks MLflow's REST, MLflow's own or this program's: the connection, what it is asked and how
//! it refuses. Read from in `source`, filled in `sink`.

mod nouns;
mod sink;
mod source;

use self::nouns::{list, number, text};
use crate::api::client::{Address, Http};
use crate::domain::{Error, ErrorKind, Result};
use serde_json::{Value, json};
use std::io::Read;
use std::time::Duration;

pub use sink::Filled;

/// One level of a place: files with their sizes, and folders.
type Level = (Vec<(String, u64)>, Vec<String>);

/// Rows asked for at once.
const PAGE: u64 = 500;
/// How long an answer may take: large pages of a loaded server.
const PATIENCE: Duration = Duration::from_secs(300);
/// Folders inside each other at most.
const DEPTH: usize = 64;

/// See the module's text.
pub struct Server {
    name: String,
    http: Http,
    /// Sent with every request.
    headers: Vec<(String, String)>,
    left_out: Vec<String>,
}

/// Text as part of a URL; `/` stays.
pub(super) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => {
                encoded.push(char::from(byte));
            }
            byte => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// The path behind an address of the proxied space.
fn proxied(place: &str) -> Option<&str> {
    let rest = place.strip_prefix("mlflow-artifacts:")?;
    match rest.strip_prefix("//") {
        Some(rest) => Some(rest.split_once('/')?.1),
        None => Some(rest.trim_start_matches('/')),
    }
}

/// The run whose artifacts lie at a place: `…/<run>/artifacts`.
fn run_of(place: &str) -> Option<&str> {
    place
        .trim_end_matches('/')
        .strip_suffix("/artifacts")?
        .rsplit('/')
        .next()
}

impl Server {
    /// The server at this address, called `name`; `headers` go with every request.
    ///
    /// # Errors
    /// Nobody answers there, or not in MLflow's words.
    pub fn connect(name: &str, address: &Address, headers: Vec<(String, String)>) -> Result<Self> {
        let mut http = Http::connect(address)
            .map_err(|error| error.context(format!("the tracking server `{name}`")))?;
        http.patience(PATIENCE)?;
        let mut server = Self {
            name: name.to_owned(),
            http,
            headers,
            left_out: Vec::new(),
        };
        server.post("experiments/search", &json!({"max_results": 1}))?;
        Ok(server)
    }

    fn ask(&mut self, method: &str, path: &str, body: &[u8]) -> Result<(u16, Vec<u8>)> {
        let mut headers: Vec<(&str, &str)> = self
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        headers.push(("content-type", "application/json"));
        let answer = self.http.request(method, path, &headers, body)?;
        Ok((answer.status, answer.body))
    }

    fn answer(&self, path: &str, status: u16, body: &[u8]) -> Result<Value> {
        let said = serde_json::from_slice::<Value>(body);
        if status == 200 {
            return said.map_err(|_| {
                Error::invalid(format!(
                    "`{}` answers `{path}` with something else than JSON: it is no tracking server of MLflow",
                    self.name
                ))
            });
        }
        let taken = said
            .as_ref()
            .is_ok_and(|said| said["error_code"] == "RESOURCE_ALREADY_EXISTS");
        let message = said
            .ok()
            .and_then(|said| Some(said["message"].as_str()?.to_owned()))
            .unwrap_or_else(|| String::from_utf8_lossy(body).chars().take(200).collect());
        let kind = match status {
            _ if taken => ErrorKind::AlreadyExists,
            401 | 403 => ErrorKind::Denied,
            404 => ErrorKind::NotFound,
            400..500 => ErrorKind::Invalid,
            _ => ErrorKind::Unavailable,
        };
        Err(Error::new(
            kind,
            format!("`{}` answers {status} to `{path}`: {message}", self.name),
        ))
    }

    fn post(&mut self, path: &str, body: &Value) -> Result<Value> {
        let full = format!("/api/2.0/mlflow/{path}");
        let body = serde_json::to_vec(body)?;
        let (status, answer) = self.ask("POST", &full, &body)?;
        self.answer(&full, status, &answer)
    }

    /// A request with a body by another method than POST, or a GET without a query.
    fn change(&mut self, method: &str, path: &str, body: &Value) -> Result<Value> {
        let full = format!("/api/2.0/mlflow/{path}");
        let body = match method {
            "GET" => Vec::new(),
            _ => serde_json::to_vec(body)?,
        };
        let (status, answer) = self.ask(method, &full, &body)?;
        self.answer(&full, status, &answer)
    }

    /// Sends a file.
    fn put(&mut self, path: &str, length: u64, content: &mut dyn Read) -> Result<()> {
        let mut headers: Vec<(&str, &str)> = self
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        headers.push(("content-type", "application/octet-stream"));
        let answer = self.http.send("PUT", path, &headers, length, content)?;
        match answer.status {
            200 => Ok(()),
            status => self.answer(path, status, &answer.body).map(|_| ()),
        }
    }

    fn get(&mut self, path: &str, query: &[(&str, &str)]) -> Result<Value> {
        let query: Vec<String> = query
            .iter()
            .map(|(key, value)| format!("{key}={}", encoded(value).replace('/', "%2F")))
            .collect();
        let full = format!("/api/2.0/{path}?{}", query.join("&"));
        let (status, answer) = self.ask("GET", &full, b"")?;
        self.answer(&full, status, &answer)
    }

    /// All pages of a search by GET. A server without these endpoints has nothing there.
    fn all(&mut self, path: &str, key: &str, query: &[(&str, &str)]) -> Result<Vec<Value>> {
        let mut found = Vec::new();
        let mut token = String::new();
        loop {
            let mut asked = query.to_vec();
            if !token.is_empty() {
                asked.push(("page_token", &token));
            }
            let page = match self.get(path, &asked) {
                Ok(page) => page,
                Err(error) if error.kind == ErrorKind::NotFound && found.is_empty() => {
                    self.left_out
                        .push(format!("`{}` has no `{path}`", self.name));
                    return Ok(found);
                }
                Err(error) => return Err(error),
            };
            found.extend(list(&page, key).iter().cloned());
            token = text(&page, "next_page_token");
            if token.is_empty() {
                return Ok(found);
            }
        }
    }

    /// One level of a place: names with their sizes, and names of folders.
    fn level(&mut self, place: &str, folder: &str) -> Result<Level> {
        let (answer, whole) = match proxied(place) {
            Some(root) => {
                let path = match folder {
                    "" => root.to_owned(),
                    folder => format!("{root}/{folder}"),
                };
                let asked = [("path", path.as_str())];
                (self.get("mlflow-artifacts/artifacts", &asked)?, false)
            }
            None => {
                let run = run_of(place).ok_or_else(|| {
                    Error::invalid(format!("`{place}` is not kept by `{}`", self.name))
                })?;
                let asked = [("run_id", run), ("path", folder)];
                let asked = match folder {
                    "" => &asked[..1],
                    _ => &asked[..],
                };
                (self.get("mlflow/artifacts/list", asked)?, true)
            }
        };
        let (mut files, mut folders) = (Vec::new(), Vec::new());
        for entry in list(&answer, "files") {
            let path = text(entry, "path");
            let path = match (whole, folder) {
                (true, _) | (_, "") => path,
                (false, folder) => format!("{folder}/{path}"),
            };
            if entry["is_dir"].as_bool() == Some(true) {
                folders.push(path);
            } else {
                let size = number(entry, "file_size").unwrap_or(0);
                files.push((path, size.unsigned_abs()));
            }
        }
        Ok((files, folders))
    }
}
