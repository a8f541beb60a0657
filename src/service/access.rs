//! Tokens: made, shown once, checked, revoked; and when a token is needed at all. A token's secret is kept nowhere,
//! its SHA-256 in the store and here in memory: the daemon alone writes, so memory is as true as the table.

mod attempts;

pub use attempts::Attempts;

use super::Core;
use crate::domain::access::{Actor, AuditEntry, Role, RunScope, Token, TokenKind};
use crate::domain::{Error, ErrorKind, LoggedModelId, Result, RunId, Timestamp};
use crate::store::audit::{self, AuditLine};
use crate::store::{acting, logged_models, runs, tokens};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::RngCore as _;
use rand::rngs::OsRng;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio::sync::watch;

pub use crate::store::acting::{bound, carried, current, on_behalf};

/// What every token begins with: scanners of leaked secrets find it.
pub const PREFIX: &str = "ty_";
/// How long uses are kept in memory before they are written: one write, however many requests.
const USES_MS: i64 = 60_000;
/// A token's longest name.
const NAME: usize = 100;
/// Whose name is kept for what the daemon does by itself.
const AUTO: &str = "auto";

/// A token with its hash.
struct Held {
    token: Token,
    hash: [u8; 32],
}

#[derive(Default)]
struct Uses {
    last: HashMap<String, Timestamp>,
    written: Timestamp,
}

/// See the module's text.
pub struct Access {
    core: Arc<Core>,
    /// By prefix.
    held: RwLock<HashMap<String, Held>>,
    uses: Mutex<Uses>,
    proxied: AtomicBool,
    /// Wrong tokens, by address.
    pub attempts: Attempts,
    /// Counts changes after which a caller let in before may be out: open streams look again.
    changes: watch::Sender<u64>,
}

/// Why a token is not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// No such token: a guess, or of another workspace.
    Unknown,
    /// It was taken back.
    Revoked {
        /// Whose it was.
        name: String,
    },
    /// Its time is over.
    Expired {
        /// Whose it was.
        name: String,
        /// Since when.
        at: Timestamp,
    },
}

impl Refused {
    /// In words, without the secret.
    pub fn sentence(&self) -> String {
        match self {
            Self::Unknown => {
                "this token is not known here: ask an admin of this server for one".to_owned()
            }
            Self::Revoked { name } => {
                format!("token `{name}` was revoked: ask an admin for another one")
            }
            Self::Expired { name, at } => {
                format!("token `{name}` expired at {at}: ask an admin for another one")
            }
        }
    }
}

/// A token to be made.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// Whose it is; unique among those in use.
    pub name: String,
    /// What it allows.
    pub role: Role,
    /// For whom.
    pub kind: TokenKind,
    /// For how long, in milliseconds; none: until it is revoked.
    pub lasts: Option<i64>,
}

fn digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// Equal, in a time that says nothing of where they differ.
fn same(one: &[u8; 32], other: &[u8; 32]) -> bool {
    let differing = one
        .iter()
        .zip(other)
        .fold(0_u8, |sum, (one, other)| sum | (one ^ other));
    std::hint::black_box(differing) == 0
}

/// `ty_4f3a9c21` of `ty_4f3a9c21_…`.
fn prefix_of(secret: &str) -> Option<&str> {
    let public = secret.strip_prefix(PREFIX)?.split('_').next()?;
    secret.get(..PREFIX.len() + public.len())
}

/// A new secret with its prefix: 32 bits to tell it apart, 256 to keep.
fn invented() -> (String, String) {
    let mut bytes = [0_u8; 36];
    OsRng.fill_bytes(&mut bytes);
    let (public, secret) = bytes.split_at(4);
    let public: String = public.iter().map(|byte| format!("{byte:02x}")).collect();
    let prefix = format!("{PREFIX}{public}");
    let secret = format!("{prefix}_{}", URL_SAFE_NO_PAD.encode(secret));
    (prefix, secret)
}

fn check_name(name: &str) -> Result<()> {
    if name.is_empty()
        || name.chars().count() > NAME
        || name.trim() != name
        || name.chars().any(char::is_control)
        || name.starts_with(PREFIX)
    {
        return Err(Error::invalid(format!(
            "`{name}` cannot name a token: 1 to {NAME} characters, no spaces around them, not beginning with `{PREFIX}`"
        )));
    }
    Ok(())
}

impl Access {
    /// On `core`, with the tokens that are kept.
    pub fn open(core: Arc<Core>) -> Result<Self> {
        let known = core.store.read(tokens::all)?;
        let mut held = HashMap::with_capacity(known.len());
        for (token, hash) in known {
            let hash = hash.try_into().map_err(|_| {
                Error::internal(format!(
                    "token `{}` is kept without a whole hash: revoke it",
                    token.name
                ))
            })?;
            held.insert(token.prefix.clone(), Held { token, hash });
        }
        Ok(Self {
            uses: Mutex::new(Uses {
                last: HashMap::new(),
                written: core.now(),
            }),
            core,
            held: RwLock::new(held),
            proxied: AtomicBool::new(false),
            attempts: Attempts::default(),
            changes: watch::channel(0).0,
        })
    }

    fn held(&self) -> RwLockReadGuard<'_, HashMap<String, Held>> {
        self.held.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn held_mut(&self) -> RwLockWriteGuard<'_, HashMap<String, Held>> {
        self.held.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn uses(&self) -> MutexGuard<'_, Uses> {
        self.uses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    /// Whether tokens are used here: from the first one on that was made for a person or a program. Revoking the last
    /// one opens nothing.
    pub fn in_force(&self) -> bool {
        self.held()
            .values()
            .any(|held| held.token.kind != TokenKind::Run)
    }

    /// Whether anybody could come in with a token now.
    pub fn is_reachable(&self) -> bool {
        let now = self.core.now();
        self.held()
            .values()
            .any(|held| held.token.kind != TokenKind::Run && held.token.is_live(now))
    }

    /// Says that a proxy stands in front, for as long as this daemon lives: a configuration read anew does not take it back.
    pub fn set_behind_proxy(&self) {
        self.proxied.store(true, Ordering::Relaxed);
    }

    /// Whether a proxy stands in front, by flag or configuration.
    pub fn is_behind_proxy(&self) -> bool {
        self.proxied.load(Ordering::Relaxed) || self.core.config().behind_proxy
    }

    /// Whether a caller by TCP has to show a token. Behind a proxy every caller may be anybody. On a loopback address one
    /// is needed as soon as tokens are used at all (other users of the machine come that way too), unless
    /// `server.open_loopback` says otherwise.
    pub fn demands_token(&self, is_loopback: bool) -> bool {
        let config = self.core.config();
        if self.is_behind_proxy() || !is_loopback {
            return true;
        }
        self.in_force() && !config.open_loopback
    }

    /// Makes a token; answers it with its secret, which nobody can ask for again.
    ///
    /// # Errors
    /// [`ErrorKind::AlreadyExists`] when a token in use has the name.
    pub fn create(&self, new: NewToken, by: &str) -> Result<(Token, String)> {
        check_name(&new.name)?;
        if new.kind == TokenKind::Run {
            return Err(Error::invalid(
                "tokens of runs are made when their jobs start: choose `person` or `service`",
            ));
        }
        if new.lasts.is_some_and(|length| length <= 0) {
            return Err(Error::invalid("a token lasts longer than nothing"));
        }
        let now = self.core.now();
        self.keep(Token {
            prefix: String::new(),
            name: new.name,
            kind: new.kind,
            role: new.role,
            scope: None,
            created: now,
            created_by: acting::by(by),
            expires: new.lasts.map(|length| Timestamp(now.0 + length)),
            last_used: None,
            revoked: None,
        })
    }

    fn keep(&self, token: Token) -> Result<(Token, String)> {
        let (prefix, secret) = invented();
        let token = Token { prefix, ..token };
        // what was made and revoked by hand is in the audit; a run's comes and goes with its job
        let audited = token.kind != TokenKind::Run;
        let hash = digest(&secret);
        let row = token.clone();
        self.core.store.write(move |transaction| {
            let taken = tokens::all(transaction)?
                .into_iter()
                .any(|(other, _)| other.name == row.name && other.revoked.is_none());
            if taken {
                return Err(Error::already_exists(format!(
                    "a token `{}` is in use: choose another name, or revoke it first",
                    row.name
                )));
            }
            tokens::insert(transaction, &row, &hash)?;
            if !audited {
                return Ok(());
            }
            let end = match row.expires {
                Some(end) => format!("until {end}"),
                None => "until it is revoked".to_owned(),
            };
            audit::change(
                transaction,
                &AuditLine {
                    at: row.created,
                    by: row.created_by.clone(),
                    action: "create_token".into(),
                    object: format!("token:{}", row.name),
                    detail: format!("{} for a {}, {end}", row.prefix, row.kind.name()),
                },
                None,
                Some(row.role.name()),
            )
        })?;
        self.held_mut().insert(
            token.prefix.clone(),
            Held {
                token: token.clone(),
                hash,
            },
        );
        self.changed();
        Ok((token, secret))
    }

    /// All tokens, oldest first; uses that are not written yet are in them.
    pub fn list(&self) -> Vec<Token> {
        let uses = self.uses();
        let mut found: Vec<Token> = self
            .held()
            .values()
            .map(|held| {
                let mut token = held.token.clone();
                token.last_used = token.last_used.max(uses.last.get(&token.prefix).copied());
                token
            })
            .collect();
        found.sort_by(|one, other| (one.created, &one.prefix).cmp(&(other.created, &other.prefix)));
        found
    }

    /// Takes a token back, at once: by its name (of those in use) or its prefix.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], [`ErrorKind::Conflict`] when it was revoked already.
    pub fn revoke(&self, which: &str, by: &str) -> Result<Token> {
        let found = {
            let held = self.held();
            let by_name = |revoked: bool| {
                held.values().find(move |held| {
                    held.token.name == which && held.token.revoked.is_some() == revoked
                })
            };
            held.get(which)
                .or_else(|| by_name(false))
                .or_else(|| by_name(true))
                .map(|held| held.token.clone())
        };
        let token = found.ok_or_else(|| {
            Error::not_found(format!(
                "there is no token `{which}`: `trainyard tokens list` shows names and prefixes"
            ))
        })?;
        if token.revoked.is_some() {
            return Err(Error::conflict(format!(
                "token `{}` is revoked already",
                token.name
            )));
        }
        let now = self.core.now();
        let line = AuditLine {
            at: now,
            by: by.to_owned(),
            action: "revoke_token".into(),
            object: format!("token:{}", token.name),
            detail: token.prefix.clone(),
        };
        let (prefix, role) = (token.prefix.clone(), token.role);
        self.core.store.write(move |transaction| {
            tokens::revoke(transaction, &prefix, now)?;
            audit::change(transaction, &line, Some(role.name()), None)
        })?;
        let mut revoked = token;
        revoked.revoked = Some(now);
        if let Some(held) = self.held_mut().get_mut(&revoked.prefix) {
            held.token.revoked = Some(now);
        }
        self.changed();
        Ok(revoked)
    }

    /// The token that a secret is, if it is accepted now; its use is noted.
    pub fn identify(&self, secret: &str) -> std::result::Result<Token, Refused> {
        let now = self.core.now();
        let hash = digest(secret);
        let token = {
            let held = self.held();
            let known = prefix_of(secret).and_then(|prefix| held.get(prefix));
            match known {
                Some(known) if same(&known.hash, &hash) => known.token.clone(),
                _ => return Err(Refused::Unknown),
            }
        };
        if token.revoked.is_some() {
            return Err(Refused::Revoked { name: token.name });
        }
        if let Some(at) = token.expires.filter(|end| *end <= now) {
            return Err(Refused::Expired {
                name: token.name,
                at,
            });
        }
        self.uses().last.insert(token.prefix.clone(), now);
        Ok(token)
    }

    /// Whether an actor who was let in may still be in: always where no token was needed.
    pub fn is_still_in(&self, actor: &Actor) -> bool {
        let Some(prefix) = &actor.token else {
            return true;
        };
        let now = self.core.now();
        self.held()
            .get(prefix)
            .is_some_and(|held| held.token.is_live(now))
    }

    /// Says when tokens were made or taken back: look again with [`Access::is_still_in`].
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Whether uses wait to be written: once a minute at most.
    pub fn has_uses_to_write(&self) -> bool {
        let uses = self.uses();
        !uses.last.is_empty() && self.core.now().0 - uses.written.0 >= USES_MS
    }

    /// Writes when tokens were last used.
    pub fn write_uses(&self) -> Result<()> {
        let taken: Vec<(String, Timestamp)> = {
            let mut uses = self.uses();
            uses.written = self.core.now();
            std::mem::take(&mut uses.last).into_iter().collect()
        };
        if taken.is_empty() {
            return Ok(());
        }
        {
            let mut held = self.held_mut();
            for (prefix, at) in &taken {
                if let Some(held) = held.get_mut(prefix) {
                    held.token.last_used = Some(*at);
                }
            }
        }
        self.core
            .store
            .write(move |transaction| tokens::used(transaction, &taken))
    }

    /// A token for the job that fills `run`, in place of one it had; none where tokens are not used. It allows what an
    /// operator may do, within the run's experiment.
    pub fn issue_for_run(&self, run: &RunId) -> Result<Option<String>> {
        if !self.is_behind_proxy() && !self.in_force() {
            return Ok(None);
        }
        self.end_for_run(run)?;
        let experiment = self
            .core
            .store
            .read(|view| Ok(runs::header(view, run)?.1.experiment))?;
        let (_, secret) = self.keep(Token {
            prefix: String::new(),
            name: format!("run {run}"),
            kind: TokenKind::Run,
            role: Role::Operator,
            scope: Some(RunScope {
                run: run.clone(),
                experiment,
            }),
            created: self.core.now(),
            created_by: AUTO.to_owned(),
            expires: None,
            last_used: None,
            revoked: None,
        })?;
        Ok(Some(secret))
    }

    /// The run's job is over: so is its token.
    pub fn end_for_run(&self, run: &RunId) -> Result<()> {
        let is_of_run = |held: &Held| {
            held.token
                .scope
                .as_ref()
                .is_some_and(|scope| scope.run == *run)
        };
        if !self.held().values().any(is_of_run) {
            return Ok(());
        }
        self.held_mut().retain(|_, held| !is_of_run(held));
        self.changed();
        let run = run.clone();
        self.core
            .store
            .write(move |transaction| tokens::forget_run(transaction, &run))
    }

    /// Whether a run's token may write to `run`: to its own, and to those of the same experiment.
    pub fn reaches_run(&self, scope: &RunScope, run: &RunId) -> bool {
        scope.run == *run
            || self
                .core
                .store
                .read(|view| Ok(runs::header(view, run)?.1.experiment == scope.experiment))
                .unwrap_or(false)
    }

    /// Whether a run's token may write to a logged model: to those of its experiment.
    pub fn reaches_model(&self, scope: &RunScope, model: &str) -> bool {
        let id = LoggedModelId::from(model);
        self.core
            .store
            .read(|view| logged_models::get(view, &id))
            .is_ok_and(|found| found.is_some_and(|model| model.experiment == scope.experiment))
    }

    /// A line of the audit for what is no row of a table.
    pub fn record(&self, action: &str, object: &str) -> Result<()> {
        let (now, action, object) = (self.core.now(), action.to_owned(), object.to_owned());
        self.core.store.write(move |transaction| {
            audit::by_actor(transaction, now, &action, object, None, None)
        })
    }

    /// The newest lines of the audit, newest first; of one object (`model:churn`, `run:ID`, `token:NAME`), or of all.
    pub fn audit(&self, object: Option<&str>, limit: u32) -> Result<Vec<AuditEntry>> {
        self.core
            .store
            .read(|view| audit::recent(view, object, limit))
    }
}

/// A refusal as an error: [`ErrorKind::Denied`].
impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        Self::new(ErrorKind::Denied, refused.sentence())
    }
}

#[cfg(test)]
mod tests;
