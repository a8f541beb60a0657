-- Tokens, and the audit's whence, old and new.

-- The secret is nowhere: `hash` is the SHA-256 of the whole token, `prefix` the part that may be shown.
create table tokens (
    id         integer primary key autoincrement,
    prefix     text not null unique,
    hash       blob not null,
    name       text not null,
    kind       text not null,
    role       text not null,
    run        text,
    experiment text,
    created    integer not null,
    created_by text not null,
    expires    integer,
    last_used  integer,
    revoked    integer
);
create unique index tokens_in_use on tokens(name) where revoked is null;

alter table audit add column source text not null default '';
alter table audit add column old text;
alter table audit add column new text;
