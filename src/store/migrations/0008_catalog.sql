-- Definitions of feature views as they were applied, and which run learned from which.

-- Append-only but for words about a view (description, owner, tags). `definition`: feature_version::ViewVersion.
create table view_versions (
    view       text not null,
    version    integer not null,
    digest     text not null,
    definition text not null,
    at         integer not null,
    by         text not null,
    primary key (view, version)
) without rowid;

-- The version in force of each view; a view without a row was removed, or never applied.
create table views_in_force (
    view    text primary key,
    version integer not null,
    foreign key (view, version) references view_versions(view, version)
) without rowid;

-- The features that a run's model learned from: `version` of the view then, 0 when it was not applied. They outlive the
-- run, as versions of models do. `keys`: the row columns that found the entity, a JSON list.
create table run_features (
    run_id  text not null,
    input   text not null,
    view    text not null,
    version integer not null,
    feature text not null,
    keys    text not null,
    primary key (run_id, input)
) without rowid;
create index run_features_by_view on run_features(view, version);
