//! Statements that clients are known to send, in words that the engine plans.

/// How asyncpg begins to look up types (`asyncpg/introspection.py`): a recursive query with arrays of
/// subqueries. Here are no composite types, domains or ranges of anybody's own, so types have no
/// more than elements.
const ASYNCPG: &str = "WITH RECURSIVE typeinfo_tree(";

const ASYNCPG_PLAIN: &str = "
SELECT t.oid AS oid, n.nspname AS ns, t.typname AS name, t.typtype AS kind,
    CAST(NULL AS int) AS basetype,
    CASE WHEN t.typelem <> 0 AND t.typlen = -1 THEN t.typelem END AS elemtype,
    e.typdelim AS elemdelim, CAST(NULL AS int) AS range_subtype,
    CAST(NULL AS int[]) AS attrtypoids, CAST(NULL AS text[]) AS attrnames, CAST(0 AS int) AS depth,
    CAST(NULL AS text) AS basetype_name, e.typname AS elemtype_name,
    CAST(NULL AS text) AS range_subtype_name
FROM pg_catalog.pg_type t
    JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
    LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem
WHERE t.oid = ANY($1)
ORDER BY t.oid";

/// The statement to be planned for one that a client sent.
pub(crate) fn plain(sql: &str) -> &str {
    match sql.trim_start().starts_with(ASYNCPG) {
        true => ASYNCPG_PLAIN,
        false => sql,
    }
}
