/* custos
materialized: view
description: A column of each type, for clients.
*/
select * from (values
  (true, arrow_cast(12, 'Int16'), arrow_cast(42, 'Int32'), 5000000000, arrow_cast(1.5, 'Float32'), arrow_cast(0.1, 'Float64'), arrow_cast('1234.500000', 'Decimal128(20, 6)'),
   concat('茶 🍵 it''s "so" \ here,', chr(10), 'there', chr(9), 'and ümlaut'), decode('00ff5c27', 'hex'),
   date '2026-03-29', arrow_cast('08:09:10.5', 'Time64(Microsecond)'), arrow_cast('2026-03-29T02:30:00.123456', 'Timestamp(Microsecond, None)'), arrow_cast('2026-03-29T00:30:00.123456Z', 'Timestamp(Microsecond, Some("UTC"))'),
   interval '1 year 2 months 3 days 4 hours 5 minutes 6.789 seconds', arrow_cast(make_array(1, 2, 3), 'List(Int32)'), make_array('a', 'b c', 'd,e'),
   named_struct('name', '茶', 'size', 2, 'deep', named_struct('a', 'b"c'))),
  (false, arrow_cast(-32768, 'Int16'), arrow_cast(2147483647, 'Int32'), arrow_cast('-9223372036854775808', 'Int64'), arrow_cast('NaN', 'Float32'), arrow_cast('-Infinity', 'Float64'), arrow_cast('-99999999999999.999999', 'Decimal128(20, 6)'),
   '', decode('', 'hex'), date '0001-01-01', arrow_cast('23:59:59.999999', 'Time64(Microsecond)'), arrow_cast('0001-01-01T00:00:00', 'Timestamp(Microsecond, None)'), arrow_cast('9999-12-31T23:59:59.999999Z', 'Timestamp(Microsecond, Some("UTC"))'),
   interval '-7 days -1 microsecond', arrow_cast(make_array(null, -2147483648, 2147483647), 'List(Int32)'), make_array('', null, 'NULL', 'q"\ {}', '🍵'),
   named_struct('name', '', 'size', null, 'deep', named_struct('a', null))),
  (null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null)
) as v (flag, small, whole, big, ratio4, ratio8, exact, words, raw, day, clock, moment, instant, span, numbers, tags, document)
