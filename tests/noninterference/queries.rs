//! Statements: a small grammar of SQL, typed so that most of them are answered.
//!
//! What may fail, such as a division or a cast, never does on rows that are visible to anybody,
//! and always on some that are not: an error is a row that should not have been computed.

use proptest::prelude::*;
use proptest::sample::select;

use crate::rows::Asker;
use crate::twins::Question;

type Sql = BoxedStrategy<String>;
type Names = &'static [&'static str];

/// Something to select from, and its columns by type.
#[derive(Debug)]
struct Scope {
    from: &'static str,
    ints: Names,
    texts: Names,
    floats: Names,
    times: Names,
    bools: Names,
    /// Integers that no visible row has as 0.
    divisors: Names,
    /// Texts that are numbers in visible rows.
    digits: Names,
    /// What tells all rows apart.
    unique: &'static str,
    person: &'static str,
}

const PEOPLE: Scope = Scope {
    from: "people p",
    ints: &["p.person_id", "p.subject_id", "p.age"],
    texts: &["p.email", "p.page", "p.member", "p.note", "p.city", "p.code"],
    floats: &["p.score"],
    times: &[],
    bools: &["p.active"],
    divisors: &["p.age"],
    digits: &["p.code"],
    unique: "p.subject_id",
    person: "p.person_id",
};

const ORDERS: Scope = Scope {
    from: "orders o",
    ints: &["o.person_id", "o.subject_id", "o.person_id_referrer", "o.quantity"],
    texts: &["o.order_no"],
    floats: &["o.rate"],
    times: &["o.ordered_at"],
    bools: &["o.quantity > 5"],
    divisors: &["o.quantity"],
    digits: &["right(o.order_no, 5)"],
    unique: "o.order_no",
    person: "o.person_id",
};

const EVENTS: Scope = Scope {
    from: "events e",
    ints: &["e.person_id", "e.event_no", "e.duration"],
    texts: &["e.source", "e.kind"],
    floats: &["CAST(e.duration AS DOUBLE)"],
    times: &["e.at"],
    bools: &["e.source = 'shop'"],
    divisors: &["e.duration"],
    digits: &["CAST(e.event_no AS VARCHAR)"],
    unique: "e.event_no",
    person: "e.person_id",
};

const SPEND: Scope = Scope {
    from: "spend s",
    ints: &["s.person_id", "s.orders", "s.most"],
    texts: &["CAST(s.total AS VARCHAR)"],
    floats: &["CAST(s.total AS DOUBLE)"],
    times: &[],
    bools: &["s.total > 500"],
    divisors: &["s.orders", "s.most"],
    digits: &["CAST(s.most AS VARCHAR)"],
    unique: "s.person_id",
    person: "s.person_id",
};

const BOUGHT: Scope = Scope {
    from: "people p JOIN orders o ON p.subject_id = o.subject_id",
    ints: &["p.person_id", "o.person_id_referrer", "p.age", "o.quantity"],
    texts: &["p.email", "p.city", "p.member", "o.order_no"],
    floats: &["p.score", "o.rate"],
    times: &["o.ordered_at"],
    bools: &["p.active"],
    divisors: &["p.age", "o.quantity"],
    digits: &["p.code"],
    unique: "o.order_no",
    person: "p.person_id",
};

const OUTER: Scope = Scope {
    from: "people p LEFT JOIN orders o ON p.person_id = o.person_id_referrer",
    unique: "p.subject_id, o.order_no",
    ..BOUGHT
};

const FULL: Scope = Scope {
    from: "people p FULL JOIN orders o ON p.person_id = o.person_id_referrer AND o.quantity > 6",
    unique: "p.subject_id, o.order_no",
    ..BOUGHT
};

const NEIGHBOURS: Scope = Scope {
    from: "people p JOIN people q ON p.city = q.city AND p.subject_id < q.subject_id",
    ints: &["p.person_id", "q.age", "p.age"],
    texts: &["p.email", "q.email", "q.member", "p.city"],
    unique: "p.subject_id, q.subject_id",
    divisors: &["p.age", "q.age"],
    digits: &["q.code"],
    ..PEOPLE
};

const NAMED: Scope = Scope {
    from: "people p JOIN (VALUES (1, 'Berlin'), (2, 'xq7erase'), (3, 'Oslo')) v(n, c) ON p.city = v.c",
    ints: &["p.person_id", "v.n", "p.age"],
    ..PEOPLE
};

const SCOPES: [&Scope; 9] =
    [&PEOPLE, &ORDERS, &EVENTS, &SPEND, &BOUGHT, &OUTER, &FULL, &NEIGHBOURS, &NAMED];

/// Around the values of visible rows, and those of hidden ones.
const INTS: Names = &["0", "1", "2", "5", "12", "30", "45", "60", "200", "9223372036854775807"];
const TEXTS: Names = &[
    "'Berlin'",
    "'上海'",
    "'Oslo'",
    "'buy'",
    "'shop'",
    "'lab'",
    "'o00042'",
    "'42'",
    "''",
    "'xq7erase'",
    "'z***@example.1'",
    "'tok_5'",
    "'m'",
];
const PATTERNS: Names = &["'%r%'", "'o%4%'", "'%xq7%'", "'_e%'", "'tok%'", "'%***%'"];
const REGEXES: Names = &["'^[a-m]'", "'[0-9]{2}$'", "'xq7|er'", "'(?i)B.*N'"];
const TIMES: Names = &[
    "TIMESTAMP '2024-11-05T00:00:00'",
    "TIMESTAMP '2026-02-01T12:00:00'",
    "TIMESTAMP '2022-11-01T00:00:00'",
];
const COMPARISONS: Names = &["=", "<>", "<", "<=", ">", ">=", "IS DISTINCT FROM"];

fn one(of: Names) -> Sql {
    select(of).prop_map(str::to_owned).boxed()
}

fn some(of: Names, other: &'static str) -> Sql {
    if of.is_empty() { Just(other.to_owned()).boxed() } else { one(of) }
}

fn int(scope: &'static Scope, depth: u32) -> Sql {
    let leaf = prop_oneof![
        5 => one(scope.ints),
        2 => one(scope.divisors),
        1 => one(&INTS[..8]),
    ];
    if depth == 0 {
        return leaf.boxed();
    }
    let below = || int(scope, depth - 1);
    prop_oneof![
        4 => leaf,
        2 => (one(scope.divisors), one(scope.divisors)).prop_map(|(a, b)| format!("({a} % {b})")),
        2 => one(scope.divisors).prop_map(|a| format!("(1000 / {a})")),
        2 => one(scope.digits).prop_map(|a| format!("CAST({a} AS BIGINT)")),
        2 => (below(), one(scope.divisors)).prop_map(|(a, b)| format!("({a} - {b})")),
        1 => text(scope, depth - 1).prop_map(|a| format!("CAST(length({a}) AS BIGINT)")),
        1 => (boolean(scope, depth - 1), below(), below())
            .prop_map(|(c, a, b)| format!("CASE WHEN {c} THEN {a} ELSE {b} END")),
        1 => (below(), below()).prop_map(|(a, b)| format!("coalesce({a}, {b})")),
        1 => Just(format!(
            "(SELECT count(*) FROM events x WHERE x.person_id = {})", scope.person)),
    ]
    .boxed()
}

fn text(scope: &'static Scope, depth: u32) -> Sql {
    if depth == 0 {
        return one(scope.texts);
    }
    let below = || text(scope, depth - 1);
    prop_oneof![
        4 => one(scope.texts),
        1 => below().prop_map(|a| format!("upper({a})")),
        1 => (below(), 1..5).prop_map(|(a, n)| format!("substr({a}, {n}, 4)")),
        1 => (below(), below()).prop_map(|(a, b)| format!("({a} || {b})")),
        1 => below().prop_map(|a| format!("regexp_replace({a}, '[0-9]+', '#')")),
        1 => int(scope, depth - 1).prop_map(|a| format!("CAST({a} AS VARCHAR)")),
        1 => below().prop_map(|a| format!("coalesce({a}, '-')")),
        1 => below().prop_map(|a| format!("nullif({a}, 'Berlin')")),
        1 => below().prop_map(|a| format!("md5({a})")),
    ]
    .boxed()
}

/// What compares a column with a value: such filters reach the scan.
fn comparison(scope: &'static Scope) -> Sql {
    prop_oneof![
        3 => (one(scope.ints), one(COMPARISONS), one(INTS))
            .prop_map(|(a, op, b)| format!("{a} {op} {b}")),
        3 => (one(scope.texts), one(COMPARISONS), one(TEXTS))
            .prop_map(|(a, op, b)| format!("{a} {op} {b}")),
        1 => (one(scope.ints), one(INTS), one(INTS))
            .prop_map(|(a, b, c)| format!("{a} BETWEEN {b} AND {c}")),
        1 => (one(scope.texts), one(TEXTS), one(TEXTS))
            .prop_map(|(a, b, c)| format!("{a} IN ({b}, {c})")),
        1 => (one(scope.texts), select(vec!["IS NULL", "IS NOT NULL"]))
            .prop_map(|(a, is)| format!("{a} {is}")),
        1 => (one(scope.ints), select(vec!["IS NULL", "IS NOT NULL"]))
            .prop_map(|(a, is)| format!("{a} {is}")),
        1 => (some(scope.times, "TIMESTAMP '2025-01-01'"), one(COMPARISONS), one(TIMES))
            .prop_map(|(a, op, b)| format!("{a} {op} {b}")),
        1 => (one(scope.floats), one(COMPARISONS)).prop_map(|(a, op)| format!("{a} {op} 1.5")),
    ]
    .boxed()
}

fn boolean(scope: &'static Scope, depth: u32) -> Sql {
    if depth == 0 {
        return prop_oneof![4 => comparison(scope), 1 => one(scope.bools)].boxed();
    }
    let below = || boolean(scope, depth - 1);
    let person = scope.person;
    prop_oneof![
        6 => comparison(scope),
        1 => one(scope.bools),
        2 => (below(), below()).prop_map(|(a, b)| format!("({a} AND {b})")),
        2 => (below(), below()).prop_map(|(a, b)| format!("({a} OR {b})")),
        1 => below().prop_map(|a| format!("NOT ({a})")),
        2 => (int(scope, depth - 1), one(COMPARISONS), one(INTS))
            .prop_map(|(a, op, b)| format!("{a} {op} {b}")),
        1 => (text(scope, depth - 1), one(PATTERNS)).prop_map(|(a, b)| format!("{a} LIKE {b}")),
        1 => (text(scope, depth - 1), one(REGEXES)).prop_map(|(a, b)| format!("{a} ~ {b}")),
        1 => one(INTS).prop_map(move |n| format!(
            "EXISTS (SELECT 1 FROM orders x WHERE x.person_id = {person} AND x.quantity > {n})")),
        1 => (one(INTS), select(vec!["IN", "NOT IN"])).prop_map(move |(n, is)| format!(
            "{person} {is} (SELECT x.person_id FROM events x WHERE x.duration < {n})")),
        1 => one(scope.divisors).prop_map(move |a| format!(
            "{a} > (SELECT max(x.quantity) FROM orders x WHERE x.person_id = {person})")),
    ]
    .boxed()
}

fn item(scope: &'static Scope) -> Sql {
    prop_oneof![
        3 => int(scope, 2),
        3 => text(scope, 2),
        1 => one(scope.floats),
        1 => some(scope.times, "TIMESTAMP '2025-01-01'"),
        1 => boolean(scope, 1),
        1 => (int(scope, 1), text(scope, 1))
            .prop_map(|(a, b)| format!("named_struct('a', {a}, 'b', {b})")),
        1 => (text(scope, 0), text(scope, 1)).prop_map(|(a, b)| format!("make_array({a}, {b})")),
    ]
    .boxed()
}

/// A filter, most of the time.
fn filter(scope: &'static Scope) -> Sql {
    let filter = boolean(scope, 2).prop_map(|filter| format!(" WHERE {filter}"));
    prop_oneof![1 => Just(String::new()), 5 => filter].boxed()
}

fn numbered(items: &[String], sep: &str) -> String {
    let item = |(nth, item): (usize, &String)| format!("{item} AS c{nth}");
    items.iter().enumerate().map(item).collect::<Vec<_>>().join(sep)
}

/// The text, and whether the order of its rows is told.
type Statement = BoxedStrategy<(String, bool)>;

fn plain(scope: &'static Scope) -> Statement {
    let from = scope.from;
    let items = prop::collection::vec(item(scope), 1..4);
    let scalars = prop::collection::vec(prop_oneof![int(scope, 1), text(scope, 1)], 1..3);
    let unordered = (items, filter(scope), any::<bool>()).prop_map(move |(items, filter, once)| {
        let distinct = if once { "DISTINCT " } else { "" };
        (format!("SELECT {distinct}{} FROM {from}{filter}", numbered(&items, ", ")), false)
    });
    let limited = (scalars, filter(scope), 0..9_u32, any::<bool>());
    let ordered = limited.prop_map(move |(items, filter, limit, down)| {
        let way = if down { " DESC" } else { "" };
        let keys: Vec<_> = (1..=items.len()).map(|nth| format!("{nth}{way}")).collect();
        let (items, keys) = (numbered(&items, ", "), keys.join(", "));
        (format!("SELECT {items} FROM {from}{filter} ORDER BY {keys} LIMIT {limit} OFFSET 1"), true)
    });
    prop_oneof![2 => unordered, 1 => ordered].boxed()
}

fn aggregate(scope: &'static Scope) -> Sql {
    let unique = scope.unique;
    prop_oneof![
        2 => Just("count(*)".to_owned()),
        1 => text(scope, 1).prop_map(|a| format!("count(DISTINCT {a})")),
        2 => one(scope.divisors).prop_map(|a| format!("sum({a})")),
        2 => prop_oneof![int(scope, 1), text(scope, 1), one(scope.floats)]
            .prop_flat_map(|a| select(vec!["min", "max"]).prop_map(move |f| format!("{f}({a})"))),
        1 => one(scope.floats).prop_map(|a| format!("avg({a})")),
        1 => one(scope.floats).prop_map(|a| format!("stddev({a})")),
        1 => one(scope.divisors).prop_map(|a| format!("median({a})")),
        1 => text(scope, 0).prop_map(move |a| format!("string_agg({a}, ',' ORDER BY {unique})")),
        1 => int(scope, 0).prop_map(move |a| format!("array_agg({a} ORDER BY {unique})")),
        1 => boolean(scope, 0).prop_map(|a| format!("count(*) FILTER (WHERE {a})")),
        1 => boolean(scope, 0).prop_map(|a| format!("bool_and({a})")),
    ]
    .boxed()
}

fn grouped(scope: &'static Scope) -> Statement {
    let from = scope.from;
    let keys = prop::collection::vec(prop_oneof![text(scope, 1), one(scope.ints)], 0..3);
    let totals = prop::collection::vec(aggregate(scope), 1..4);
    // ROLLUP and CUBE are refused; see EXCLUSIONS.md.
    let how = Just("");
    (keys, totals, filter(scope), how, select(vec!["", " HAVING count(*) > 2"]))
        .prop_map(move |(mut keys, totals, filter, how, having)| {
            keys.sort_unstable();
            keys.dedup();
            let group = match (keys.is_empty(), how) {
                (true, _) => String::new(),
                (false, "") => format!(" GROUP BY {}", keys.join(", ")),
                (false, how) => format!(" GROUP BY {how}({})", keys.join(", ")),
            };
            let items: Vec<String> = keys.into_iter().chain(totals).collect();
            (format!("SELECT {} FROM {from}{filter}{group}{having}", numbered(&items, ", ")), false)
        })
        .boxed()
}

fn window(scope: &'static Scope) -> Statement {
    let (from, unique) = (scope.from, scope.unique);
    let by = || prop_oneof![text(scope, 0), int(scope, 0)];
    let function = prop_oneof![
        by().prop_map(move |a| format!("row_number() OVER (PARTITION BY {a} ORDER BY {unique})")),
        by().prop_map(move |a| format!("rank() OVER (ORDER BY {a})")),
        (by(), one(scope.divisors)).prop_map(|(a, b)| format!("sum({b}) OVER (PARTITION BY {a})")),
        by().prop_map(move |a| format!("lag({a}) OVER (ORDER BY {unique})")),
        by().prop_map(move |a| format!("first_value({a}) OVER (ORDER BY {unique} DESC)")),
        one(scope.divisors).prop_map(move |a| format!(
            "sum({a}) OVER (ORDER BY {unique} ROWS BETWEEN 2 PRECEDING AND CURRENT ROW)"
        )),
        Just("count(*) OVER ()".to_owned()),
    ];
    let items = (item(scope), prop::collection::vec(function, 1..3), filter(scope));
    items
        .prop_map(move |(item, mut items, filter)| {
            items.push(item);
            (format!("SELECT {} FROM {from}{filter}", numbered(&items, ", ")), false)
        })
        .boxed()
}

fn half(scope: &'static Scope) -> Sql {
    let from = scope.from;
    (int(scope, 1), text(scope, 1), filter(scope))
        .prop_map(move |(a, b, filter)| format!("SELECT {a} AS a, {b} AS b FROM {from}{filter}"))
        .boxed()
}

fn any_scope(build: fn(&'static Scope) -> Sql) -> Sql {
    prop::strategy::Union::new(SCOPES.map(build)).boxed()
}

fn combined() -> Statement {
    let both = || any_scope(half);
    let how = select(vec!["UNION", "UNION ALL", "INTERSECT", "EXCEPT"]);
    (both(), how, both())
        .prop_map(|(one, how, other)| (format!("{one} {how} {other}"), false))
        .boxed()
}

/// Statements around others: common tables, derived tables and lists.
fn nested() -> Statement {
    let shadowed = (boolean(&PEOPLE, 1), plain(&BOUGHT)).prop_map(|(filter, (sql, ordered))| {
        (format!("WITH people AS (SELECT * FROM people p WHERE {filter}) {sql}"), ordered)
    });
    let common = (any_scope(half), one(&["count(*)", "max(c.a)", "count(DISTINCT c.a)"])).prop_map(
        |(half, total)| {
            (format!("WITH c AS ({half}) SELECT c.b AS b, {total} AS n FROM c GROUP BY c.b"), false)
        },
    );
    let joined = (any_scope(half), any_scope(half)).prop_map(|(one, other)| {
        let join = "SELECT x.a AS a, y.b AS b, count(*) AS n FROM x JOIN y ON x.b = y.b";
        (format!("WITH x AS ({one}), y AS ({other}) {join} GROUP BY x.a, y.b"), false)
    });
    let unnested = any_scope(half).prop_map(|half| {
        let list = format!("SELECT array_agg(a ORDER BY a, b) AS list FROM ({half}) h");
        (format!("SELECT unnest(list) AS one FROM ({list}) l"), false)
    });
    prop_oneof![shadowed, common, joined, unnested].boxed()
}

/// Totals by a key, which are within what a purpose that sees totals only may ask.
fn totals() -> BoxedStrategy<(String, bool)> {
    let of = |table: &'static str,
              keys: &[&'static str],
              totals: &[&'static str],
              filters: &[&'static str]| {
        let pick = |from: &[&'static str]| prop::sample::select(from.to_vec());
        (pick(keys), pick(totals), pick(filters)).prop_map(move |(key, total, filter)| {
            let filter = if filter.is_empty() { String::new() } else { format!(" WHERE {filter}") };
            match key {
                "" => format!("SELECT {total} FROM {table}{filter}"),
                key => format!("SELECT {key} AS k, {total} FROM {table}{filter} GROUP BY k"),
            }
        })
    };
    let people = of(
        "people",
        &["", "city", "active", "age > 40", "CASE WHEN age < 30 THEN 'young' ELSE city END"],
        &["count(*)", "count(*), sum(age), avg(age)", "count(DISTINCT person_id), count(city)"],
        &["", "age > 30", "age BETWEEN 20 AND 60 AND active", "city LIKE 'B%'", "city IS NULL"],
    );
    let orders = of(
        "orders",
        &["", "quantity", "date_trunc('month', ordered_at)", "quantity > 3"],
        &["count(*)", "sum(amount), count(DISTINCT person_id)", "avg(quantity), stddev(rate)"],
        &["", "quantity < 5", "ordered_at > TIMESTAMP '2025-01-01 00:00:00'", "amount > 10"],
    );
    let events = of(
        "events",
        &["", "kind", "source", "duration > 100"],
        &["count(*)", "sum(duration), count(*)", "count(DISTINCT kind)"],
        &["", "kind IS NOT NULL", "duration IN (1, 2, 3)", "source = 'shop'"],
    );
    prop_oneof![people, orders, events].prop_map(|sql| (sql, false)).boxed()
}

/// Questions of all kinds.
pub(crate) fn questions() -> BoxedStrategy<Question> {
    let scoped = SCOPES
        .iter()
        .flat_map(|scope| [(4, plain(scope)), (3, grouped(scope)), (2, window(scope))]);
    let all = scoped.chain([(9, combined()), (12, nested())]);
    let statements = prop::strategy::Union::new_weighted(all.collect()).boxed();
    let asker = prop_oneof![
        4 => Just(Asker::Analyst),
        3 => Just(Asker::Marketer),
        1 => Just(Asker::Officer),
    ];
    let of_rows = (statements.clone(), asker);
    let of_totals = prop_oneof![3 => totals(), 1 => statements];
    let all = prop_oneof![
        9 => of_rows,
        1 => (of_totals, Just(Asker::Improver)),
    ];
    (all, 0..16_usize)
        .prop_map(|(((sql, ordered), asker), place)| Question { asker, sql, ordered, place })
        .boxed()
}
