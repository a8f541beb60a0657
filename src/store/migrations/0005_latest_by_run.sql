-- Latest points lie together by run: a page of runs reads them in one piece, and a batch changes one page. Sorting and
-- filtering many runs by one metric walk the index of values, which holds all that they look at.

create table latest_points (
    run integer not null references runs (number),
    key integer not null references metric_keys (id),
    step integer not null,
    at integer not null,
    value real not null,
    nan integer not null,
    primary key (run, key)
) strict, without rowid;

insert into latest_points select run, key, step, at, value, nan from latest_metrics order by run, key;

drop table latest_metrics;
alter table latest_points rename to latest_metrics;

create index latest_metrics_by_value on latest_metrics (key, nan, value, run);
