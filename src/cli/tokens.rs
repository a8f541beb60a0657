//! `tokens` and `audit`: who may come in, and who changed what.

use super::connect::{Connection, unexpected};
use super::output::{Output, age};
use super::{Exit, Failure, Result};
use crate::api::client::Client;
use crate::api::protocol::{Command, Reply};
use crate::config::duration_ms;
use crate::domain::access::{AuditEntry, Role, Token, TokenKind};
use crate::domain::{Error, ErrorKind};
use clap::{Args, Subcommand};

/// Subcommands of `tokens`.
#[derive(Subcommand, Debug)]
pub(crate) enum TokensCommand {
    /// Make a token; its secret is shown this once
    Create {
        /// Whose it is
        name: String,
        /// viewer (reads), operator (runs jobs, logs runs, asks models), maintainer (registry, promotes, deletes), admin
        #[arg(long, value_name = "ROLE")]
        role: String,
        /// person or service
        #[arg(long, default_value = "person")]
        kind: String,
        /// After how long it is refused, such as 90d [default: never]
        #[arg(long, value_name = "DURATION")]
        expires: Option<String>,
    },
    /// All tokens: prefix, role, last use
    List,
    /// Take a token back, at once
    Revoke {
        /// Its name or prefix
        token: String,
    },
}

/// Arguments of `audit`.
#[derive(Args, Debug)]
pub(crate) struct AuditArgs {
    /// Of one thing: model:NAME, run:ID, experiment:ID, token:NAME
    object: Option<String>,
    /// Lines at most
    #[arg(long, default_value_t = 50, value_name = "N")]
    max: u32,
}

pub(crate) fn run(
    command: &TokensCommand,
    connection: &Connection,
    output: &Output,
) -> Result<Exit> {
    match command {
        TokensCommand::Create {
            name,
            role,
            kind,
            expires,
        } => {
            let lasts = expires
                .as_deref()
                .map(|text| {
                    duration_ms(text).ok_or_else(|| {
                        Error::invalid(format!(
                            "`{text}` is no duration: write `12h`, `90d` or the like"
                        ))
                    })
                })
                .transpose()?;
            create(
                &Command::CreateToken {
                    name: name.clone(),
                    role: Role::parse(role)?,
                    kind: TokenKind::parse(kind)?,
                    lasts,
                },
                connection,
                output,
            )
        }
        TokensCommand::List => {
            let Reply::Tokens(tokens) = ask(connection, &Command::Tokens)? else {
                return Err(unexpected());
            };
            list(&tokens, output)
        }
        TokensCommand::Revoke { token } => {
            ask(
                connection,
                &Command::RevokeToken {
                    token: token.clone(),
                },
            )?;
            if output.json {
                output.document(&serde_json::json!({ "revoked": token }))?;
            }
            output.line(format!("revoked {token}: it is refused from now on"));
            Ok(Exit::Done)
        }
    }
}

/// Asks the daemon. Where none runs, one is started for this question alone, on a free port of the loopback address: the
/// configured address may need the very token that is to be made.
fn ask(connection: &Connection, command: &Command) -> Result<Reply> {
    if connection.remote() {
        return Ok(connection.client(false)?.command(command)?);
    }
    match connection.client(false) {
        Ok(client) => Ok(client.command(command)?),
        Err(Failure { error, .. }) if error.kind == ErrorKind::Unavailable => {
            let workspace = connection.configured()?;
            let client = Client::start(
                &workspace,
                super::connect::user(),
                &["--listen", "127.0.0.1:0", "--alone"],
            )?;
            let reply = client.command(command);
            client.command(&Command::Shutdown)?;
            Ok(reply?)
        }
        Err(failure) => Err(failure),
    }
}

fn create(command: &Command, connection: &Connection, output: &Output) -> Result<Exit> {
    let Reply::Secret { token, secret } = ask(connection, command)? else {
        return Err(unexpected());
    };
    if output.json {
        output.document(&serde_json::json!({ "token": token, "secret": secret }))?;
        return Ok(Exit::Done);
    }
    output.line(format!(
        "{} for {} `{}`, {}",
        token.role,
        token.kind.name(),
        token.name,
        match token.expires {
            Some(end) => format!("until {}", end.utc().format("%Y-%m-%d %H:%M UTC")),
            None => "until it is revoked".to_owned(),
        }
    ));
    output.line("");
    output.line(format!("  {secret}"));
    output.line("");
    output.line("Keep it now: it is not shown again.");
    output.line("  trainyard --server URL   with TRAINYARD_TOKEN in the environment");
    output.line("  MLflow clients           with MLFLOW_TRACKING_TOKEN");
    Ok(Exit::Done)
}

fn list(tokens: &[Token], output: &Output) -> Result<Exit> {
    if output.json {
        output.document(&tokens)?;
        return Ok(Exit::Done);
    }
    if tokens.is_empty() {
        output.line("no tokens: `trainyard tokens create NAME --role ROLE` makes one");
        return Ok(Exit::Done);
    }
    let now = chrono::Utc::now().timestamp_millis();
    let ago = |at: i64| format!("{} ago", age((now - at).max(0)));
    let rows: Vec<Vec<String>> = tokens
        .iter()
        .map(|token| {
            let state = match (token.revoked, token.expires) {
                (Some(at), _) => format!("revoked {}", ago(at.0)),
                (None, Some(end)) if end.0 <= now => format!("expired {}", ago(end.0)),
                (None, Some(end)) => format!("until {}", end.utc().format("%Y-%m-%d")),
                (None, None) => "in use".to_owned(),
            };
            vec![
                token.prefix.clone(),
                token.name.clone(),
                token.kind.name().to_owned(),
                token.role.to_string(),
                ago(token.created.0),
                token.created_by.clone(),
                token
                    .last_used
                    .map_or_else(|| "never".to_owned(), |at| ago(at.0)),
                state,
            ]
        })
        .collect();
    output.table(
        &[
            "prefix",
            "name",
            "kind",
            "role",
            "created",
            "by",
            "last used",
            "state",
        ],
        &rows,
    );
    Ok(Exit::Done)
}

pub(crate) fn audit(args: &AuditArgs, connection: &Connection, output: &Output) -> Result<Exit> {
    let command = Command::Audit {
        object: args.object.clone(),
        limit: args.max,
    };
    let Reply::Audit(entries) = connection.command(&command)? else {
        return Err(unexpected());
    };
    if output.json {
        output.document(&entries)?;
        return Ok(Exit::Done);
    }
    if entries.is_empty() {
        output.line("nothing was changed yet");
        return Ok(Exit::Done);
    }
    let rows: Vec<Vec<String>> = entries.iter().map(row).collect();
    output.table(
        &["when", "who", "from", "what", "on", "old", "new", "detail"],
        &rows,
    );
    Ok(Exit::Done)
}

fn row(entry: &AuditEntry) -> Vec<String> {
    let short = |text: &Option<String>| {
        let text = text.as_deref().unwrap_or("-");
        let cut: String = text.chars().take(40).collect();
        match cut.len() < text.len() {
            true => format!("{cut}…"),
            false => cut,
        }
    };
    vec![
        entry.at.utc().format("%Y-%m-%d %H:%M:%S").to_string(),
        entry.by.clone(),
        match entry.from.as_str() {
            "" => "-".to_owned(),
            from => from.to_owned(),
        },
        entry.action.clone(),
        entry.object.clone(),
        short(&entry.old),
        short(&entry.new),
        entry.detail.clone(),
    ]
}
