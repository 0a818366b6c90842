//! Made-up events of web and app: twenty columns, in the order of time.

use std::sync::Arc;

use anyhow::Result;
use arrow::array::{
    ArrayRef, BooleanArray, Decimal128Array, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, TimeUnit};
use custos_core::KeyClass;
use custos_lake::{ColumnSpec, TableSpec};

/// Subjects that events are about.
pub(crate) const SUBJECTS: u64 = 1_000_000;

/// Rows of one batch.
pub(crate) const BATCH_ROWS: u64 = 65_536;

/// 2026-01-01 and the ninety days after it, in microseconds.
const BEGAN: i64 = 1_767_225_600_000_000;
const SPAN: i64 = 90 * 86_400_000_000;

const TYPES: [&str; 10] = [
    "page_view",
    "page_view",
    "page_view",
    "page_view",
    "product_view",
    "product_view",
    "search",
    "add_to_cart",
    "checkout",
    "purchase",
];
const CHANNELS: [&str; 5] = ["web", "app", "store", "mini_program", "call"];
const COUNTRIES: [&str; 12] =
    ["CN", "CN", "CN", "DE", "FR", "US", "US", "GB", "ES", "IT", "NL", "PL"];
const DEVICES: [&str; 4] = ["ios", "android", "desktop", "tablet"];

/// The shape of the table of events.
pub(crate) fn spec(name: &str) -> Result<TableSpec> {
    let instant = || DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let column = |name: &str, data_type, class| ColumnSpec::value(name, data_type, class);
    let fact = |name: &str, data_type| column(name, data_type, KeyClass::Fact);
    let columns = vec![
        fact("event_id", DataType::Int64),
        fact("event_time", instant()),
        fact("received_at", instant()),
        fact("event_type", DataType::Utf8),
        fact("channel", DataType::Utf8),
        fact("country", DataType::Utf8),
        fact("device", DataType::Utf8),
        fact("product_id", DataType::Int64),
        fact("category", DataType::Utf8),
        fact("quantity", DataType::Int64),
        fact("price", DataType::Float64),
        fact("revenue", DataType::Decimal128(12, 2)),
        fact("campaign", DataType::Utf8),
        fact("session_id", DataType::Utf8),
        fact("member", DataType::Boolean),
        column("url", DataType::Utf8, KeyClass::Content),
        column("referrer", DataType::Utf8, KeyClass::Content),
        column("properties", DataType::Utf8, KeyClass::Content),
        column("email", DataType::Utf8, KeyClass::Identifier),
    ];
    Ok(TableSpec::new(name.parse()?, columns)?)
}

/// Numbers that only look random (splitmix64), equal in every run.
struct Numbers(u64);

impl Numbers {
    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    const fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// A subject: few have many events, most have some (Zipf's law with exponent 0.6).
    fn subject(&mut self) -> i64 {
        let share = self.next() as f64 / u64::MAX as f64;
        let rank = (SUBJECTS as f64 * share.powf(2.5)) as u64;
        // Another order, so that neighbours are not equally busy.
        (rank.min(SUBJECTS - 1) * 611_953 % SUBJECTS + 1) as i64
    }
}

/// The batch that begins at this row.
pub(crate) fn batch(spec: &TableSpec, from: u64, rows: u64, of: u64) -> Result<RecordBatch> {
    let mut numbers: Vec<Numbers> =
        (from..from + rows).map(|row| Numbers(row.wrapping_mul(0x2545_F491_4F6C_DD1D))).collect();
    let subjects: Vec<i64> = numbers.iter_mut().map(Numbers::subject).collect();
    let times: Vec<i64> = (from..from + rows)
        .map(|row| BEGAN + (i128::from(SPAN) * i128::from(row) / i128::from(of)) as i64)
        .collect();
    let received: Vec<i64> = times
        .iter()
        .zip(&mut numbers)
        .map(|(at, numbers)| at + numbers.below(5_000_000) as i64)
        .collect();
    let mut one_of = |choices: &[&'static str]| -> ArrayRef {
        let chosen =
            numbers.iter_mut().map(|row| choices[row.below(choices.len() as u64) as usize]);
        Arc::new(StringArray::from_iter_values(chosen))
    };
    let texts = [one_of(&TYPES), one_of(&CHANNELS), one_of(&COUNTRIES), one_of(&DEVICES)];
    let [types, channels, countries, devices] = texts;
    let products: Vec<i64> = numbers.iter_mut().map(|row| row.below(20_000) as i64).collect();
    let quantities: Vec<i64> = numbers.iter_mut().map(|row| row.below(5) as i64 + 1).collect();
    let cents: Vec<i128> = numbers.iter_mut().map(|row| i128::from(row.below(50_000))).collect();
    let mut text = |make: &dyn Fn(&mut Numbers, i64, i64) -> Option<String>| -> ArrayRef {
        let rows = numbers.iter_mut().zip(&subjects).zip(&products);
        Arc::new(
            rows.map(|((row, &subject), &product)| make(row, subject, product))
                .collect::<StringArray>(),
        )
    };
    let categories = text(&|_, _, product| Some(format!("category-{:02}", product % 97)));
    let campaigns =
        text(&|row, _, _| (row.below(3) == 0).then(|| format!("campaign-{:03}", row.below(250))));
    let sessions = text(&|row, _, _| Some(format!("{:016x}", row.next())));
    let urls = text(&|row, _, product| {
        Some(format!("https://shop.example/p/{product}?variant={}&ref=home", row.below(9)))
    });
    let referrers = text(&|row, _, _| {
        (row.below(2) == 0).then(|| format!("https://search.example/?q={}", row.below(4_000)))
    });
    let properties = text(&|row, _, product| {
        let (scroll, ab, width) = (row.below(100), row.below(2), 320 + row.below(2_000));
        Some(format!(
            "{{\"scroll\":{scroll},\"variant\":\"{ab}\",\"viewport\":{width},\"sku\":\"sku-{product}\",\"trace\":\"{:012x}\"}}",
            row.next() >> 16
        ))
    });
    let emails = text(&|_, subject, _| Some(format!("member{subject}@mail.example")));
    let members: BooleanArray = numbers.iter_mut().map(|row| Some(row.below(2) == 0)).collect();
    let instant = |values| TimestampMicrosecondArray::from(values).with_timezone("UTC");
    let prices = cents.iter().map(|&cents| cents as f64 / 100.0);
    let revenue = cents.iter().zip(&quantities).map(|(cents, &count)| cents * i128::from(count));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(subjects.clone())),
        Arc::new(Int64Array::from_iter_values((from..from + rows).map(|row| row as i64))),
        Arc::new(instant(times)),
        Arc::new(instant(received)),
        types,
        channels,
        countries,
        devices,
        Arc::new(Int64Array::from(products.clone())),
        categories,
        Arc::new(Int64Array::from(quantities.clone())),
        Arc::new(Float64Array::from_iter_values(prices)),
        Arc::new(Decimal128Array::from_iter_values(revenue).with_precision_and_scale(12, 2)?),
        campaigns,
        sessions,
        Arc::new(members),
        urls,
        referrers,
        properties,
        emails,
    ];
    Ok(RecordBatch::try_new(Arc::clone(spec.schema()), columns)?)
}
