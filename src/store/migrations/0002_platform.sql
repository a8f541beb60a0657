-- registry, deployments, files, features, monitors, alerts, pipelines, audit.
-- Instants are milliseconds since 1970 UTC; JSON columns hold the serde form of the domain type named beside them.

create table registered_models (
    name        text primary key,
    description text not null default '',
    created     integer not null,
    updated     integer not null
) without rowid;

create table model_tags (
    model text not null references registered_models(name) on delete cascade on update cascade,
    key   text not null,
    value text not null,
    primary key (model, key)
) without rowid;

-- The greatest version ever given; it outlives the versions, so that a number is never used twice.
create table version_counters (
    model text primary key references registered_models(name) on delete cascade on update cascade,
    last  integer not null
) without rowid;

create table model_versions (
    model       text not null references registered_models(name) on delete cascade on update cascade,
    version     integer not null,
    run_id      text,
    source      text not null,
    status      text not null default 'READY',
    stage       text not null default 'None',
    description text not null default '',
    user        text not null default '',
    -- SHA-256 over the files of the model directory at the time of registration; empty when unknown.
    digest      text not null default '',
    created     integer not null,
    updated     integer not null,
    primary key (model, version)
) without rowid;
create index model_versions_by_run on model_versions(run_id);

create table version_tags (
    model   text not null,
    version integer not null,
    key     text not null,
    value   text not null,
    primary key (model, version, key),
    foreign key (model, version) references model_versions(model, version) on delete cascade on update cascade
) without rowid;

create table aliases (
    model   text not null,
    alias   text not null,
    version integer not null,
    primary key (model, alias),
    foreign key (model, version) references model_versions(model, version) on delete cascade on update cascade
) without rowid;

-- Append-only: no reference to the models, so that the history outlives them.
create table alias_moves (
    id           integer primary key autoincrement,
    model        text not null,
    alias        text not null,
    from_version integer,
    to_version   integer,
    kind         text not null,
    at           integer not null,
    by           text not null,
    reason       text not null default ''
);
create index alias_moves_by_model on alias_moves(model, alias, id);
create trigger alias_moves_stay before update on alias_moves
begin select raise(abort, 'alias moves never change'); end;
create trigger alias_moves_last before delete on alias_moves
begin select raise(abort, 'alias moves are never deleted'); end;

-- Every word of the gate stays; the newest of a version counts. `verdict`: trigger::Verdict.
create table gates (
    id      integer primary key autoincrement,
    model   text not null,
    version integer not null,
    verdict text not null,
    passed  integer not null,
    at      integer not null
);
create index gates_by_version on gates(model, version, id);

-- Who did what to what, one row a command that changes what serves.
create table audit (
    id     integer primary key autoincrement,
    at     integer not null,
    by     text not null,
    action text not null,
    object text not null,
    detail text not null default ''
);
create index audit_by_object on audit(object, id);

-- Files that were hashed: same path, size and time are not hashed again.
create table files (
    dataset  text not null,
    path     text not null,
    bytes    integer not null,
    sha256   text not null,
    modified integer not null,
    primary key (dataset, path)
) without rowid;

-- What the last validation of a dataset found. `violations`: [dataset::Violation].
create table dataset_checks (
    id         integer primary key autoincrement,
    dataset    text not null,
    rows       integer not null,
    violations text not null,
    at         integer not null
);
create index dataset_checks_by_dataset on dataset_checks(dataset, id);

-- Frozen expectations of a dataset that has no schema file. `schema`: dataset::Schema.
create table dataset_schemas (
    dataset text primary key,
    schema  text not null,
    at      integer not null
) without rowid;

-- The newest word about each view. `watermark` and `as_of` in microseconds; `profile`: profile::Profile.
create table materializations (
    view      text primary key,
    as_of     integer not null,
    rows      integer not null,
    watermark integer,
    profile   text not null,
    -- {feature: [equal, checked]}: online values against the offline join, when that was done.
    equality  text not null default '{}',
    at        integer not null
) without rowid;

-- `body`: drift::DriftReport. The same window of a monitor is replaced and keeps its id.
create table drift_reports (
    id          integer primary key autoincrement,
    monitor     text not null,
    from_time   integer not null,
    to_time     integer not null,
    label       text not null,
    model       text not null,
    version     integer not null,
    drifted     integer not null,
    verdict     text not null,
    at          integer not null,
    body        text not null,
    unique (monitor, from_time, to_time)
);
create index drift_reports_by_monitor on drift_reports(monitor, to_time);

create table alerts (
    id           integer primary key autoincrement,
    -- What raised it: `monitor:NAME`.
    source       text not null,
    -- `drift`, `metric`, …
    kind         text not null,
    text         text not null,
    at           integer not null,
    acknowledged integer,
    acknowledged_by text,
    resolved     integer
);
create index alerts_open on alerts(source, kind, resolved);

create table pipeline_runs (
    id       integer primary key autoincrement,
    pipeline text not null,
    -- trigger::Cause.
    cause    text not null,
    -- `running`, `succeeded`, `failed`, `held`, `cancelled`.
    state    text not null,
    -- `validate`, `train`, `evaluate`, `gate`, `promote`.
    step     text not null,
    -- What the runtime needs to go on after a restart.
    place    text not null default '{}',
    started  integer not null,
    ended    integer,
    error    text,
    -- The same key never starts twice.
    run_key  text unique
);
create index pipeline_runs_by_state on pipeline_runs(state);
create index pipeline_runs_by_pipeline on pipeline_runs(pipeline, id);
