-- experiments, runs, params, tags, metrics, inputs, jobs, notices

create table experiments (
    id integer primary key,
    name text not null unique,
    artifact_location text not null,
    lifecycle text not null default 'active',
    created integer not null,
    updated integer not null
) strict;

create table experiment_tags (
    experiment integer not null references experiments (id),
    key text not null,
    value text not null,
    primary key (experiment, key)
) strict, without rowid;

-- `number` keeps the tables that hang on a run small; `id` is what the world sees
create table runs (
    number integer primary key,
    id text not null unique,
    experiment integer not null references experiments (id),
    name text not null,
    user text not null,
    status text not null,
    started integer not null,
    ended integer,
    lifecycle text not null default 'active',
    artifact_uri text not null
) strict;

create index runs_by_start on runs (lifecycle, started desc, id);
create index runs_by_experiment on runs (experiment, lifecycle, started desc, id);

create table params (
    run integer not null references runs (number),
    key text not null,
    value text not null,
    primary key (run, key)
) strict, without rowid;

create table tags (
    run integer not null references runs (number),
    key text not null,
    value text not null,
    primary key (run, key)
) strict, without rowid;

create index tags_by_value on tags (key, value);

create table metric_keys (
    id integer primary key,
    name text not null unique
) strict;

-- NaN is no SQL value: `nan` is 1 and `value` 0 then
create table metrics (
    run integer not null references runs (number),
    key integer not null references metric_keys (id),
    step integer not null,
    at integer not null,
    value real not null,
    nan integer not null,
    primary key (run, key, step, at, value, nan)
) strict, without rowid;

-- the point with the greatest (step, at, value) of each metric; by key first, because tables sort by one key over many runs
create table latest_metrics (
    key integer not null references metric_keys (id),
    run integer not null references runs (number),
    step integer not null,
    at integer not null,
    value real not null,
    nan integer not null,
    primary key (key, run)
) strict, without rowid;

create index latest_metrics_by_run on latest_metrics (run);

-- the best runs of a metric are found without looking at the others
create index latest_metrics_by_value on latest_metrics (key, nan, value);

-- how many runs of an experiment have a metric or parameter: the order of columns
create table key_uses (
    experiment integer not null references experiments (id),
    kind text not null,
    key text not null,
    runs integer not null,
    primary key (experiment, kind, key)
) strict, without rowid;

create table logged_datasets (
    id integer primary key,
    experiment integer not null references experiments (id),
    name text not null,
    digest text not null,
    source_type text not null,
    source text not null,
    schema text,
    profile text,
    unique (experiment, name, digest)
) strict;

create table inputs (
    run integer not null references runs (number),
    dataset integer not null references logged_datasets (id),
    context text,
    primary key (run, dataset)
) strict, without rowid;

create table jobs (
    id integer primary key autoincrement,
    title text not null,
    kind text not null,
    state text not null,
    attempt integer not null,
    max_attempts integer not null,
    cause text not null,
    spec text not null,
    run text,
    pipeline text,
    pipeline_run integer,
    after integer references jobs (id),
    run_key text unique,
    created integer not null,
    started integer,
    ended integer,
    pid integer,
    progress real,
    doing text,
    error text,
    result text,
    offset integer not null default 0,
    cancel_requested text
) strict;

create index jobs_by_state on jobs (state, id);
create index jobs_by_run on jobs (run);
create index jobs_by_pipeline_run on jobs (pipeline_run);

create table notices (
    id integer primary key,
    at integer not null,
    level text not null,
    text text not null
) strict;
