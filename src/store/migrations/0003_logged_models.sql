-- logged models (MLflow 3), what runs read and made of them, and what the registry keeps for MLflow's clients

create table logged_models (
    id            text primary key,
    experiment    integer not null references experiments (id) on delete cascade,
    name          text not null,
    artifact_uri  text not null,
    created       integer not null,
    updated       integer not null,
    status        text not null default 'PENDING',
    lifecycle     text not null default 'active',
    model_type    text not null default '',
    -- the run's id, not its number: the model outlives the run
    source_run    text,
    status_message text
) strict, without rowid;

create index logged_models_by_experiment on logged_models (experiment, lifecycle, created desc, id);
create index logged_models_by_run on logged_models (source_run);

create table logged_model_params (
    model text not null references logged_models (id) on delete cascade,
    key   text not null,
    value text not null,
    primary key (model, key)
) strict, without rowid;

create table logged_model_tags (
    model text not null references logged_models (id) on delete cascade,
    key   text not null,
    value text not null,
    primary key (model, key)
) strict, without rowid;

-- the same point of the same run twice is kept once: clients repeat what they got no answer to
create table logged_model_metrics (
    model          text not null references logged_models (id) on delete cascade,
    key            text not null,
    run            text not null,
    step           integer not null,
    at             integer not null,
    value          real not null,
    nan            integer not null,
    dataset_name   text,
    dataset_digest text,
    primary key (model, key, at, step, run)
) strict, without rowid;

-- `direction`: `input` or `output`
create table run_models (
    run       integer not null references runs (number) on delete cascade,
    direction text not null,
    model     text not null,
    step      integer not null default 0,
    primary key (run, direction, model, step)
) strict, without rowid;

-- tags of a run's dataset input besides its context: a JSON object
alter table inputs add column tags text;

-- where a version's files lie when `source` only points there; the logged model it was made of
alter table model_versions add column run_link text not null default '';
alter table model_versions add column location text not null default '';
alter table model_versions add column logged_model text not null default '';
