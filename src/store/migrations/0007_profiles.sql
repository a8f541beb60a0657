-- Mergeable profiles of the files of datasets: a file that was looked at is not looked at again.

-- `state`: data::profile::TableState, compressed; its first byte is its version. `day`: 2013-01-31, of its newest instant.
create table dataset_states (
    dataset text not null,
    path    text not null,
    sha256  text not null,
    day     text not null,
    rows    integer not null,
    newest  integer,
    state   blob not null,
    at      integer not null,
    primary key (dataset, path)
) without rowid;

-- All files of a dataset together. `profile`: profile::Profile; `days`: [dataset::Day], oldest first.
create table dataset_profiles (
    dataset text primary key,
    digest  text not null,
    profile text not null,
    days    text not null,
    newest  integer,
    at      integer not null
) without rowid;

alter table dataset_checks add column digest text;
