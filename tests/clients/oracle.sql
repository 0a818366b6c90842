-- What the clients meet, in a PostgreSQL that is to be compared with: run it by psql as superuser
-- in an empty database, with `-v reader=NAME -v password=PASSWORD`, then fill customer.orders.
\set ON_ERROR_STOP on
\set QUIET on
\if :{?reader} \else \set reader reader \endif
\if :{?password} \else \set password reader \endif

SET client_min_messages = warning;
SET allow_system_table_mods = on;
SELECT format('CREATE ROLE %I LOGIN', :'reader')
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'reader') \gexec
ALTER ROLE :"reader" PASSWORD :'password';
ALTER ROLE :"reader" SET search_path = customer;
ALTER ROLE :"reader" SET default_transaction_read_only = on;
ALTER ROLE :"reader" SET timezone = 'UTC';

DROP SCHEMA IF EXISTS public CASCADE;
DROP SCHEMA IF EXISTS customer CASCADE;
CREATE SCHEMA customer;

CREATE TABLE customer.orders (
    person_id bigint,
    subject_id bigint,
    order_id text,
    store text,
    channel text,
    category text,
    quantity bigint,
    amount numeric(12, 2),
    currency text,
    ordered_at timestamptz,
    updated_at timestamptz
);

CREATE TABLE customer.kinds (
    flag bool,
    small int2,
    whole int4,
    big int8,
    ratio4 float4,
    ratio8 float8,
    exact numeric(20, 6),
    words text,
    raw bytea,
    day date,
    clock time,
    moment timestamp,
    instant timestamptz,
    span interval,
    numbers int4[],
    tags text[],
    document json
);

INSERT INTO customer.kinds VALUES
(
    true, 12, 42, 5000000000, 1.5, 0.1, 1234.500000,
    E'茶 🍵 it''s "so" \\ here,\nthere\tand ümlaut', '\x00ff5c27',
    '2026-03-29', '08:09:10.5', '2026-03-29 02:30:00.123456', '2026-03-29 02:30:00.123456+02',
    '1 year 2 mons 3 days 04:05:06.789', '{1,2,3}', '{a,"b c","d,e"}',
    '{"name":"茶","size":2,"deep":{"a":"b\"c"}}'
),
(
    false, -32768, 2147483647, -9223372036854775808, 'NaN', '-Infinity', -99999999999999.999999,
    '', '\x', '0001-01-01', '23:59:59.999999', '0001-01-01 00:00:00',
    '9999-12-31 23:59:59.999999+00', '-7 days -00:00:00.000001',
    '{NULL,-2147483648,2147483647}', E'{"",NULL,"NULL","q\\"\\\\ {}","🍵"}', '{"name":"","size":null,"deep":{"a":null}}'
),
(
    NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    NULL
);

REVOKE CREATE ON SCHEMA customer FROM PUBLIC;
GRANT USAGE ON SCHEMA customer TO :"reader";
GRANT SELECT ON ALL TABLES IN SCHEMA customer TO :"reader";
