//! The one layer that lets callers in: who asks (the socket's owner, a token, or nobody on an open loopback), whether the
//! route's role is theirs, and how far a run's token reaches. Everything behind it finds an [`Actor`] with the request.
//! Holds no rule about tokens: `service.access` knows them.

mod reach;
mod roles;

pub use roles::{Reach, Rule, rule};
#[cfg(test)]
pub(super) use roles::{all as routes, shape};

use super::error::ApiError;
use crate::domain::Error;
use crate::domain::access::{Actor, Role, Token};
use crate::service::Services;
use crate::service::access::{Refused, carried};
use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tracing::{info, warn};

/// How a connection came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// By the workspace's socket, mode 0600: its owner, by login name where the system tells.
    Socket(Option<String>),
    /// By TCP.
    Tcp(SocketAddr),
}

/// `router` with every route behind this layer, the unknown ones too.
pub fn protect(router: Router, services: &Arc<Services>) -> Router {
    router.layer(from_fn_with_state(Arc::clone(services), check))
}

/// A refusal as every client of this server reads one: MLflow's `error_code` and `message`, the dashboard's `kind`.
fn refusal(status: StatusCode, code: &str, message: &str) -> Response {
    let body = serde_json::json!({
        "error_code": code,
        "message": message,
        "kind": crate::domain::ErrorKind::Denied,
    });
    let mut response = (
        status,
        [(header::CONTENT_TYPE, "application/json")],
        body.to_string(),
    )
        .into_response();
    if status == StatusCode::UNAUTHORIZED {
        for way in ["Bearer realm=\"trainyard\"", "Basic realm=\"trainyard\""] {
            response
                .headers_mut()
                .append(header::WWW_AUTHENTICATE, HeaderValue::from_static(way));
        }
    }
    response
}

fn unauthenticated(message: &str) -> Response {
    refusal(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", message)
}

fn forbidden(error: &Error) -> Response {
    refusal(
        StatusCode::FORBIDDEN,
        "PERMISSION_DENIED",
        &error.to_string(),
    )
}

/// The secret of `Authorization: Bearer …`, or the password of `Basic …`.
fn secret(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?.trim();
    let (scheme, rest) = value.split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.to_owned());
    }
    if scheme.eq_ignore_ascii_case("basic") {
        let pair = String::from_utf8(STANDARD.decode(rest).ok()?).ok()?;
        let (_, password) = pair.split_once(':')?;
        return Some(password.to_owned());
    }
    None
}

/// Where a TCP caller is: the peer, or behind a proxy what the proxy nearest to us says.
fn whereabouts(address: IpAddr, headers: &HeaderMap, behind_proxy: bool) -> String {
    let forwarded = headers
        .get_all("x-forwarded-for")
        .iter()
        .next_back()
        .and_then(|value| value.to_str().ok()?.rsplit(',').next())
        .and_then(|last| last.trim().parse::<IpAddr>().ok());
    match forwarded {
        Some(client) if behind_proxy => client.to_string(),
        _ => address.to_string(),
    }
}

fn of_token(token: Token, from: String) -> Actor {
    Actor {
        name: token.name,
        from,
        role: token.role,
        token: Some(token.prefix),
        scope: token.scope,
    }
}

/// What a caller who needs no token says of itself.
fn said(headers: &HeaderMap) -> Option<String> {
    headers
        .get("x-trainyard-user")
        .map(|user| String::from_utf8_lossy(user.as_bytes()).into_owned())
        .filter(|user| !user.is_empty())
}

/// Somebody who needs no token may do everything.
fn trusted(name: String, from: String) -> Actor {
    Actor {
        name,
        from,
        role: Role::Admin,
        token: None,
        scope: None,
    }
}

async fn check(State(services): State<Arc<Services>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let peer = request
        .extensions()
        .get::<ConnectInfo<Peer>>()
        .map(|info| info.0.clone());
    let address = match peer {
        Some(Peer::Socket(owner)) => {
            let name = said(headers).or_else(|| owner.clone()).unwrap_or_default();
            let from = match owner {
                Some(owner) if owner != name => format!("socket of {owner}"),
                _ => "socket".to_owned(),
            };
            return let_in(trusted(name, from), request, next).await;
        }
        Some(Peer::Tcp(address)) => address.ip().to_canonical(),
        // a door that does not say who comes in is treated as the widest
        None => IpAddr::from([0, 0, 0, 0]),
    };
    let behind_proxy = services.access.is_behind_proxy();
    let from = whereabouts(address, headers, behind_proxy);
    let secret = secret(headers);
    if !services.access.demands_token(address.is_loopback()) {
        let token = secret.and_then(|secret| services.access.identify(&secret).ok());
        let actor = match token {
            Some(token) => Actor {
                role: Role::Admin,
                scope: None,
                ..of_token(token, from)
            },
            None => trusted(said(headers).unwrap_or_default(), from),
        };
        return let_in(actor, request, next).await;
    }
    let pattern = request
        .extensions()
        .get::<MatchedPath>()
        .map(|path| path.as_str().to_owned());
    let rule = pattern
        .as_deref()
        .and_then(|pattern| rule(request.method().as_str(), pattern));
    if let Some(Rule { role: None, .. }) = rule {
        return next.run(request).await;
    }
    let Some(secret) = secret else {
        return unauthenticated(
            "a token is needed: `MLFLOW_TRACKING_TOKEN` (or the password of `MLFLOW_TRACKING_PASSWORD`) for MLflow clients, `TRAINYARD_TOKEN` for trainyard",
        );
    };
    let token = match services.access.identify(&secret) {
        Ok(token) => token,
        Err(refused) => return turn_away(&services, &refused, &from).await,
    };
    if services.access.has_uses_to_write() {
        let services = Arc::clone(&services);
        tokio::task::spawn_blocking(move || {
            if let Err(error) = services.access.write_uses() {
                warn!(%error, "the last uses of tokens were not written");
            }
        });
    }
    let actor = of_token(token, from);
    let request = match (&pattern, rule) {
        // no such path: the answer says so, to whoever may know
        (None, _) => request,
        (Some(pattern), None) => {
            return forbidden(&Error::denied(format!(
                "`{} {pattern}` is open to no role",
                request.method()
            )));
        }
        (Some(_), Some(rule)) => {
            let needed = rule.role.unwrap_or(Role::Admin);
            let what = format!("`{} {}`", request.method(), request.uri().path());
            if let Err(error) = actor.may(needed, &what) {
                return forbidden(&error);
            }
            match &actor.scope {
                None => request,
                Some(scope) => match reach::within(&services, scope, rule.reach, request).await {
                    Ok(request) => request,
                    Err(error) if error.kind == crate::domain::ErrorKind::Denied => {
                        return forbidden(&error);
                    }
                    Err(error) => return ApiError(error).into_response(),
                },
            }
        }
    };
    let_in(actor, request, next).await
}

async fn let_in(actor: Actor, mut request: Request<Body>, next: Next) -> Response {
    let actor = Arc::new(actor);
    request.extensions_mut().insert(Arc::clone(&actor));
    carried(actor, next.run(request)).await
}

/// A token that is none, or none any more. A guess is answered late, and the later the more there were.
async fn turn_away(services: &Services, refused: &Refused, from: &str) -> Response {
    match refused {
        Refused::Revoked { name } => info!(from, name, "a revoked token was shown"),
        Refused::Expired { name, .. } => info!(from, name, "an expired token was shown"),
        Refused::Unknown => {
            let wrong = services.access.attempts.wrong(from, services.core.now());
            if wrong.log {
                warn!(from, count = wrong.count, "a wrong token was shown");
            }
            tokio::time::sleep(wrong.wait).await;
            if wrong.too_many {
                let mut response = refusal(
                    StatusCode::TOO_MANY_REQUESTS,
                    "REQUEST_LIMIT_EXCEEDED",
                    "too many wrong tokens from this address: wait a minute",
                );
                response
                    .headers_mut()
                    .insert(header::RETRY_AFTER, HeaderValue::from_static("60"));
                return response;
            }
        }
    }
    unauthenticated(&refused.sentence())
}

#[cfg(test)]
mod tests;
