-- what is deleted for good

-- Folders of runs and experiments whose rows are gone: their files go after the commit, at the latest at the next start.
create table doomed_folders (
    id   integer primary key autoincrement,
    path text not null,
    at   integer not null
) strict;

-- The greatest number ever given; it outlives what had it, so that no number names two things.
create table greatest_numbers (
    kind text primary key,
    last integer not null
) strict, without rowid;
