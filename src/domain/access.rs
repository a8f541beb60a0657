//! Who may do what: roles, tokens, and the actor behind a request. Plain values; that a token is right and a role is
//! enough is decided elsewhere.

use super::{Error, ExperimentId, Result, RunId, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a caller may do. Each role may do what the ones before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reads.
    Viewer,
    /// Runs jobs, logs runs, asks models.
    Operator,
    /// Registry, promotion, roll-back, deletion, pipelines that promote.
    Maintainer,
    /// Tokens, configuration, purge, the daemon's end.
    Admin,
}

impl Role {
    /// All, least first.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Operator, Self::Maintainer, Self::Admin];

    /// Its name, in the store and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Maintainer => "maintainer",
            Self::Admin => "admin",
        }
    }

    /// The role called `name`.
    ///
    /// # Errors
    /// [`super::ErrorKind::Invalid`], with the names there are.
    pub fn parse(name: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|role| role.name() == name)
            .ok_or_else(|| {
                Error::invalid(format!(
                    "`{name}` is no role: `viewer`, `operator`, `maintainer` or `admin`"
                ))
            })
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// For whom a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenKind {
    /// A person.
    Person,
    /// A program.
    Service,
    /// One run, for as long as its job works.
    Run,
}

impl TokenKind {
    /// Its name, in the store and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Service => "service",
            Self::Run => "run",
        }
    }

    /// The kind called `name`.
    ///
    /// # Errors
    /// [`super::ErrorKind::Invalid`], with the names there are.
    pub fn parse(name: &str) -> Result<Self> {
        [Self::Person, Self::Service, Self::Run]
            .into_iter()
            .find(|kind| kind.name() == name)
            .ok_or_else(|| {
                Error::invalid(format!(
                    "`{name}` is no kind of token: `person` or `service`"
                ))
            })
    }
}

/// How far a run's token reaches: it reads what a viewer reads, and writes to runs of this experiment only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunScope {
    /// The run it was made for.
    pub run: RunId,
    /// That run's experiment: nested runs of a search are filed there too.
    pub experiment: ExperimentId,
}

/// A token as lists show it. The secret itself is nowhere: its SHA-256 is in the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// What tells it apart and may be shown: `ty_4f3a9c21`.
    pub prefix: String,
    /// Whose it is; unique among those in use.
    pub name: String,
    /// For whom.
    pub kind: TokenKind,
    /// What it allows.
    pub role: Role,
    /// How far a run's token reaches; none for persons and services.
    pub scope: Option<RunScope>,
    /// When it was made.
    pub created: Timestamp,
    /// By whom.
    pub created_by: String,
    /// From when on it is refused; none: never.
    pub expires: Option<Timestamp>,
    /// When it was last used, to about a minute; none: never.
    pub last_used: Option<Timestamp>,
    /// When it was revoked.
    pub revoked: Option<Timestamp>,
}

impl Token {
    /// Whether it is accepted at `now`.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.revoked.is_none() && self.expires.is_none_or(|end| now < end)
    }
}

/// Who asks, and from where: what the audit records beside a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// A token's name, or what a caller who needs no token says of itself; empty when nobody said.
    pub name: String,
    /// `socket`, or an address.
    pub from: String,
    /// What it may do.
    pub role: Role,
    /// Prefix of the token that proved the name; none where none was needed.
    pub token: Option<String>,
    /// How far a run's token reaches.
    pub scope: Option<RunScope>,
}

impl Actor {
    /// Whose change it is: the token's name where there is a token, else what the caller `said`.
    pub fn by(&self, said: &str) -> String {
        if self.token.is_some() || said.is_empty() {
            self.name.clone()
        } else {
            said.to_owned()
        }
    }

    /// Whether its role is at least `needed`.
    ///
    /// # Errors
    /// [`super::ErrorKind::Denied`], with both roles.
    pub fn may(&self, needed: Role, what: &str) -> Result<()> {
        if self.role >= needed {
            return Ok(());
        }
        Err(Error::denied(format!(
            "`{}` is {} `{}` and {what} needs `{needed}`: ask an admin for another token",
            self.name,
            if self.role == Role::Viewer || self.role == Role::Maintainer {
                "a"
            } else {
                "an"
            },
            self.role,
        )))
    }
}

/// One line of the audit, as people read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Grows with every line.
    pub id: i64,
    /// When.
    pub at: Timestamp,
    /// Who: a token's name, a person at the socket, or `auto`.
    pub by: String,
    /// From where: `socket`, an address; empty for what the daemon did by itself.
    pub from: String,
    /// `promote`, `rollback`, `delete_run`, …
    pub action: String,
    /// `model:NAME`, `run:ID`, `token:NAME`, …
    pub object: String,
    /// In words.
    pub detail: String,
    /// What it was; none where nothing was there, or the detail says it.
    pub old: Option<String>,
    /// What it became; none where nothing is there any more, or the detail says it.
    pub new: Option<String>,
}
