//! What is asked of events, here, of the same engine on plain files, and of DuckDB.

/// Name and text; `{person}` is the column that tells people apart, `{id}` one of its values.
pub(crate) const QUERIES: [(&str, &str); 12] = [
    ("count", "select count(*) from events"),
    ("light", "select channel, sum(quantity) from events group by channel"),
    (
        "daily_people",
        "select date_trunc('day', event_time) as day, count(distinct {person}) from events group by 1",
    ),
    (
        "revenue",
        "select channel, country, date_trunc('month', event_time) as month, sum(revenue) \
         from events group by 1, 2, 3",
    ),
    (
        "top_people",
        "select {person}, sum(revenue) as total from events group by 1 order by 2 desc, 1 limit 10",
    ),
    (
        "funnel",
        "select count(*) from (select {person}, \
         max(case when event_type = 'product_view' then 1 else 0 end) as viewed, \
         max(case when event_type = 'purchase' then 1 else 0 end) as bought \
         from events group by 1) as people where viewed = 1 and bought = 1",
    ),
    ("person", "select event_time, event_type, url from events where {person} = {id}"),
    (
        "week",
        "select count(*), sum(revenue) from events where event_type = 'purchase' \
         and event_time >= '2026-02-01T00:00:00Z' and event_time < '2026-02-08T00:00:00Z'",
    ),
    ("like", "select count(*) from events where url like '%variant=7%'"),
    ("emails", "select count(distinct email) from events where country = 'DE'"),
    ("json", "select sum(length(properties)) from events"),
    ("campaigns", "select campaign, count(*), avg(price) from events where member group by 1"),
];

/// A query with its placeholders filled in.
pub(crate) fn text(query: &str, person: &str, id: i64) -> String {
    query.replace("{person}", person).replace("{id}", &id.to_string())
}
