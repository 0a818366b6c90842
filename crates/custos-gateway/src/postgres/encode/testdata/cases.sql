-- What was asked of PostgreSQL 15; record.py wrote its answers into *.bin.
-- Each case: a line "-- case NAME ZONE" and one query. Its rows are recorded in both formats,
-- and as COPY text, csv and binary for the cases whose name begins with "copy".

-- case bool UTC
select v from (values (true), (false), (null)) t(v)

-- case integers UTC
select v, greatest(least(v, 2147483647), -2147483648)::int4, greatest(least(v, 32767), -32768)::int2
from (values (0::int8), (7), (-1), (9), (10), (99), (100), (12345678), (99999999), (100000000), (-100000001),
 (9999999999999999), (10000000000000000), (9223372036854775807), (-9223372036854775808), (1234567890123456789)) t(v)

-- case float8 UTC
select v from (select 2::float8 ^ i as v from generate_series(-1022, 1023, 31) i
 union all select 2::float8 ^ i from generate_series(-48, 88, 4) i
 union all select ('1e' || i)::float8 from generate_series(-307, 308, 19) i
 union all select ('1e' || i)::float8 from generate_series(-8, 40) i
 union all select ('-9.87654321e' || i)::float8 from generate_series(-8, 24) i
 union all select unnest('{NaN,Infinity,-Infinity,-0,0,5e-324,2.2250738585072014e-308,1.7976931348623157e308,0.1,0.3,
  1234.5,123456789012345,999999999999999.9,1234567890123456,0.0001,0.00012345,0.00009999,9007199254740993,
  5e23,2e23,4.5e15,1.5e22,1e23,3e23,8.41e21,9.5e-3,100,-12.50}'::float8[])) t

-- case float4 UTC
select v from (select (2::float8 ^ i)::float4 as v from generate_series(-126, 127, 5) i
 union all select (2::float8 ^ i)::float4 from generate_series(10, 64, 3) i
 union all select ('1e' || i)::float4 from generate_series(-37, 38, 2) i
 union all select unnest('{NaN,Infinity,-Infinity,-0,0,1e-45,3.4028235e38,0.1,0.3,1234.5,123456,999999.9,1000000,
  1234567,0.0001,0.00012345,0.00009999,16777217,8.5e9,3.3554432e7,33554450,67108900,4.1943048e6}'::float4[])) t

-- case numeric UTC
select v from (values (0::numeric), (0.00), (1), (-1), (0.1), (12.50), (-12345.6789), (10000), (100000000), (0.0001), (0.00001),
 (123456789012345.67), (99999999999999999999999999999999999999), (-0.00000000000000000000000000000000000001),
 (12345678901234567890.123456789012345678), (1000000000000000000000000.0000), (340282366920938463463374607431768211456),
 (0.1000000000000000000000000000000000000000), (18446744073709551615), (1844674407370955161.5), (9999.9999), (20000.0002)) t(v)

-- case text UTC
select v from (values (''), ('abc'), ('张三丰'), (null), (e'a\tb\nc\\d"e'), ('NULL')) t(v)

-- case bytea UTC
select v from (values (''::bytea), ('\x00ff10'), (null), ('\xdeadbeef')) t(v)

-- case date UTC
select v from (values (date '2000-01-01'), ('1970-01-01'), ('4714-11-24 BC'), ('0001-12-31 BC'), ('0001-01-01'), ('0999-02-03'),
 ('9999-12-31'), ('10000-01-01'), ('5874897-12-31'), ('2024-02-29'), ('1900-03-01'), ('0005-02-29 BC'), ('123456-07-08')) t(v)
union all select date '1999-12-25' + i * 37 from generate_series(0, 40) i

-- case time UTC
select v from (values (time '00:00'), ('24:00'), ('23:59:59.999999'), ('12:34:56.7'), ('01:02:03.000400'), ('00:00:00.000001')) t(v)

-- case timestamp UTC
select v from (values (timestamp '2000-01-01'), ('1970-01-01 00:00:00.000001'), ('4714-11-24 00:00 BC'), ('0001-12-31 23:59:59.5 BC'),
 ('294276-12-31 23:59:59.999999'), ('9999-12-31 12:00'), ('1969-12-31 23:59:59.999'), ('2024-02-29 01:02:03.12')) t(v)

-- case instant_utc UTC
select v from (values (timestamptz '2000-01-01 00:00Z'), ('4714-11-25 00:00Z BC'), ('1969-12-31 23:59:59.999999Z')) t(v)

-- case instant_shanghai Asia/Shanghai
select v from (values (timestamptz '2000-01-01 00:00Z'), ('4714-11-25 00:00Z BC'), ('1900-12-31 15:54:16Z'), ('1900-12-31 15:54:17Z'),
 ('1986-05-03 17:59:59Z'), ('1986-05-03 18:00:00Z'), ('2026-02-03 04:05:06.7Z'), ('0001-06-01 00:00Z BC'), ('200000-01-01 00:00Z')) t(v)
union all select timestamptz '1850-01-01 00:00Z' + i * interval '2000 days 7 hours 13 seconds' from generate_series(0, 40) i

-- case instant_kolkata Asia/Kolkata
select timestamptz '1850-01-01 00:00Z' + i * interval '3000 days' from generate_series(0, 30) i

-- case instant_new_york America/New_York
select timestamptz '1880-01-01 00:00Z' + i * interval '1000 days 7 hours' from generate_series(0, 100) i

-- case instant_lord_howe Australia/Lord_Howe
select timestamptz '2020-04-04 14:00Z' + i * interval '15 minutes' from generate_series(0, 8) i

-- case instant_st_johns America/St_Johns
select timestamptz '1900-04-04 14:00Z' + i * interval '900 days' from generate_series(0, 60) i

-- case interval UTC
select v from (values (interval '0'), ('1 year 2 mons 3 days 04:05:06.789'), ('-1 year -2 mons +3 days -04:05:06.789'), ('1 day'), ('-1 day'),
 ('1 mon -1 day'), ('-1 mon 1 day 01:00'), ('1000:00:00'), ('-00:00:00.000001'), ('11 mons'), ('-13 mons'), ('2 years -1 mon'),
 ('-1 days +00:00:01'), ('178956970 years'), ('1 mon 00:00:01.5')) t(v)

-- case lists UTC
select a, b, c, d, e, f, g from (values
 (array[1,null,-3]::int4[], array['a','',null,'null','x y','q"\,{}',e'\t','张']::text[], array[true,null,false], array[1.5,'NaN',1e20]::float8[],
  array['\x00ff'::bytea,''], array[timestamp '2020-01-02 03:04:05', null], array[date '0044-03-15 BC', '2020-02-02']),
 ('{}', '{}', '{}', '{}', '{}', '{}', '{}'), (null, null, null, null, null, null, null)) t(a,b,c,d,e,f,g)

-- case more_lists Asia/Shanghai
select a, b, c, d from (values
 (array[1.50,null,-3.25]::numeric(10,2)[], array[timestamptz '2020-01-01 00:00Z', null], array[interval '1 day', '01:00', '0'], array[time '01:02:03']),
 ('{}', '{}', '{}', '{}')) t(a,b,c,d)

-- case json Asia/Shanghai
select to_json(r) from (values
 (1::int4, e'a"\\\n\t\x01\x1f/张', 1.5::float8, 'NaN'::float8, 2.50::numeric(5,2), true, date '2020-01-02', timestamp '2020-01-02 03:04:05.6',
  timestamptz '2020-01-01 00:00Z', '\xff00'::bytea, array[1,null,3]::int4[], interval '1 day', time '01:02:03', 1e20::float8),
 (null, null, null, null, null, null, null, null, null, null, null, null, null, null)) r(i,s,f,n,d,b,day,ts,tz,by,l,iv,ti,big)

-- case copy_plain Asia/Shanghai
select i, t, f, n, z, d, b, x, l from (values
 (1::int8, 'plain'::text, 1.5::float8, 2.50::numeric(12,2), timestamptz '2020-01-01 00:00Z', date '2020-01-02', true, '\x00ff'::bytea, array['a','b c',e'\\',null]::text[]),
 (-2, e'tab\t nl\n cr\r bs\\ q" c, \x01\x08\x0b\x0c', 'NaN', -0.01, '1969-12-31 23:59:59.5Z', '0044-03-15 BC', false, '', '{}'),
 (null, null, null, null, null, null, null, null, null),
 (3, '', 0, 0.00, '2000-01-01Z', '2000-01-01', true, '\x0a', '{"a,b"}'),
 (4, '\N', 0, 0.00, '2000-01-01Z', '2000-01-01', true, '\x0a', null),
 (5, 'NIL', 0, 0.00, '2000-01-01Z', '2000-01-01', true, '\x0a', null),
 (6, '\.', 0, 0.00, '2000-01-01Z', '2000-01-01', true, '\x0a', null)) r(i,t,f,n,z,d,b,x,l)

-- case copy_single UTC
select t as "a ""name""" from (values ('\.'::text), (''), (null), ('a')) r(t)

-- case copy_none UTC
select t from (values ('a'::text)) r(t) where false
