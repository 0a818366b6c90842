-- Npgsql, as it begins a session with a server of version 15, and as it gives one back to its pool.
-- Restated from what src/Npgsql/PostgresDatabaseInfo.cs of npgsql/npgsql sends: all kinds of types
-- with what they are made of, in one simple query with the two that follow.
-- protocol: simple

-- name: types
-- rows: with bool int2 int4 int8 float4 float8 numeric text bytea date time timestamp timestamptz interval json _int4 _text
-- hide: nspname
SELECT version();
SELECT ns.nspname, t.oid, t.typname, t.typtype, t.typnotnull, t.elemtypoid
FROM (
    -- an array is told by the function that receives it, and so is what it is made of
    SELECT ty.oid, ty.typnamespace, ty.typname, ty.typtype, ty.typrelid, ty.typnotnull, ty.relkind,
        el.oid AS elemtypoid, el.typname AS elemtypname, elc.relkind AS elemrelkind,
        CASE WHEN elp.proname='array_recv' THEN 'a' ELSE el.typtype END AS elemtyptype
    FROM (
        SELECT ty.oid, typnamespace, typname, typrelid, typnotnull, relkind, typelem AS elemoid,
            CASE WHEN p.proname='array_recv' THEN 'a' ELSE ty.typtype END AS typtype,
            CASE
                WHEN p.proname='array_recv' THEN ty.typelem
                WHEN ty.typtype='r' THEN rngsubtype
                WHEN ty.typtype='m' THEN (SELECT rngtypid FROM pg_range WHERE rngmultitypid = ty.oid)
                WHEN ty.typtype='d' THEN ty.typbasetype
            END AS elemtypoid
        FROM pg_type AS ty
        LEFT JOIN pg_class AS c ON (c.oid = ty.typrelid)
        LEFT JOIN pg_proc AS p ON p.oid = ty.typreceive
        LEFT JOIN pg_range ON (pg_range.rngtypid = ty.oid)
    ) AS ty
    LEFT JOIN pg_type AS el ON el.oid = elemtypoid
    LEFT JOIN pg_class AS elc ON (elc.oid = el.typrelid)
    LEFT JOIN pg_proc AS elp ON elp.oid = el.typreceive
) AS t
JOIN pg_namespace AS ns ON (ns.oid = typnamespace)
WHERE
    typtype IN ('b', 'r', 'm', 'e', 'd') OR
    (typtype = 'c' AND relkind='c') OR
    (typtype = 'p' AND typname IN ('record', 'void')) OR
    (typtype = 'a' AND (
        elemtyptype IN ('b', 'r', 'm', 'e', 'd') OR
        (elemtyptype = 'p' AND elemtypname IN ('record', 'void')) OR
        (elemtyptype = 'c' AND elemrelkind='c')
    ))
ORDER BY CASE
       WHEN typtype IN ('b', 'e', 'p') THEN 0
       WHEN typtype = 'r' THEN 1
       WHEN typtype = 'm' THEN 2
       WHEN typtype = 'c' THEN 3
       WHEN typtype = 'd' AND elemtyptype <> 'a' THEN 4 -- of no array
       WHEN typtype = 'a' THEN 5
       WHEN typtype = 'd' AND elemtyptype = 'a' THEN 6
END;
-- the fields of types that are rows
SELECT ty.oid, att.attname, att.atttypid
FROM pg_type AS ty
JOIN pg_namespace AS ns ON (ns.oid = ty.typnamespace)
JOIN pg_class AS c ON (c.oid = ty.typrelid)
JOIN pg_attribute AS att ON (att.attrelid = ty.typrelid)
WHERE (ty.typtype = 'c' AND c.relkind='c') AND attnum > 0 AND NOT attisdropped
ORDER BY ty.oid, att.attnum;
-- the values of enumerations
SELECT pg_type.oid, enumlabel
FROM pg_enum
JOIN pg_type ON pg_type.oid=enumtypid
ORDER BY oid, enumsortorder;

-- name: given back
DISCARD ALL

-- protocol: binary

-- name: read
SELECT order_id, store, quantity, amount, ordered_at FROM customer.orders ORDER BY order_id

-- name: asked
-- parameters: berlin
SELECT count(*) FROM customer.orders WHERE store = $1

-- protocol: simple

-- name: in a transaction
BEGIN TRANSACTION ISOLATION LEVEL READ COMMITTED

-- name: undone
ROLLBACK

-- name: schemas
-- rows: with customer information_schema pg_catalog
SELECT catalog_name AS cat, schema_name, schema_owner IS NOT NULL AS owned FROM information_schema.schemata ORDER BY 2
