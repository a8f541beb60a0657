-- Points that come many at a time, all later than what their metric has, are kept as one row: a row a point costs a
-- batch of a thousand nearly all of its time. What comes alone, or late, stays a row of `metrics`. No point is in both.
-- Packs of a metric follow each other: `id` grows with their points.

create table metric_packs (
    id integer primary key,
    run integer not null,
    key integer not null,
    first_step integer not null,
    first_at integer not null,
    points integer not null,
    data blob not null
) strict;

-- `id` decides among packs that begin at once, `points` is there to be counted.
create index metric_packs_in_order on metric_packs (run, key, first_step, first_at, id, points);
