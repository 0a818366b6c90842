use std::path::Path;

use super::*;

const BASE: &str = r#"apiVersion: v3.0.2
kind: DataContract
id: pos_orders
version: 1.2.0
status: active
customProperties:
  - property: custos
    value:
      format: {type: csv, delimiter: ",", encoding: utf-8, header: true}
      write_mode: upsert
      record_key: [order_id]
      version_column: updated_at
      event_time: ordered_at
      time_zone: Asia/Shanghai
      purposes: [essential.service, analytics]
      jurisdiction: {default: cn}
      consent_authority: false
      unattributed: hidden
schema:
  - name: orders
    properties:
      - {name: order_id, logicalType: string, required: true}
      - {name: member_no, logicalType: string, customProperties: [{property: custos, value: {kind: identifier, type: customer_id, scope: pos, assurance: verified}}]}
      - {name: phone, logicalType: string, customProperties: [{property: custos, value: {kind: identifier, type: phone, region: CN}}]}
      - {name: friend_phone, logicalType: string, customProperties: [{property: custos, value: {kind: identifier, type: phone, role: referrer}}]}
      - {name: amount, logicalType: number, physicalType: "decimal(12,2)", quality: [{rule: range, min: 0, max: 99.5}], customProperties: [{property: custos, value: {kind: fact, category: user.behavior}}]}
      - {name: weight, logicalType: number}
      - {name: shop, logicalType: string, physicalName: Shop Name, quality: [{rule: accepted_values, values: [north, "1"]}]}
      - {name: note, logicalType: string, customProperties: [{property: custos, value: {kind: content, category: user.content}}]}
      - {name: ordered_at, logicalType: timestamp, customProperties: [{property: custos, value: {format: "%Y-%m-%d %H:%M:%S"}}]}
      - {name: updated_at, logicalType: timestamp}
"#;

/// An edit of the contract above, the text at which the mistake is then found, and part of its message.
type Mistake = (&'static str, &'static str, &'static str, &'static str);

const MISTAKES: &[Mistake] = &[
    ("v3.0.2", "v2.2.0", "v2.2.0", "no apiVersion"),
    ("DataContract", "Contract", "Contract", "no kind"),
    ("id: pos_orders", "id: Pos-Orders", "Pos-Orders", "no source id"),
    ("id: pos_orders\n", "", "apiVersion", "`id` is missing"),
    ("1.2.0", "1.2", "1.2\n", "not three numbers"),
    ("1.2.0", "1.x.0", "1.x.0", "not three numbers"),
    ("status: active", "status: live", "live", "no status"),
    ("status: active", "stauts: active", "stauts", "no key `stauts`"),
    ("type: csv", "type: xml", "xml", "no type"),
    ("delimiter: \",\"", "delimiter: \"||\"", "\"||\"", "not one ASCII sign"),
    ("delimiter: \",\"", "delimiter: \"，\"", "\"，\"", "not one ASCII sign"),
    ("delimiter: \",\"", "delimiter: x", "x, encoding", "not one ASCII sign"),
    ("delimiter: \",\"", "quote: \",\"", "\",\"", "are the same"),
    ("delimiter: \",\"", "escape: \"\\\"\"", "\"\\\"\"", "same as `quote`"),
    ("delimiter: \",\"", "quote: none, escape: \"\\\\\"", "\"\\\\\"", "inside quotes only"),
    ("encoding: utf-8", "encoding: utf-9", "utf-9", "no known encoding"),
    ("encoding: utf-8", "encodng: utf-8", "encodng", "no key `encodng`"),
    ("header: true", "header: maybe", "maybe", "is text"),
    ("type: csv", "type: ndjson", "\",\"", "for csv only"),
    ("write_mode: upsert", "write_mode: snapshot", "snapshot", "not supported yet"),
    ("write_mode: upsert", "write_mode: upset", "upset", "no write_mode"),
    ("write_mode: upsert", "write_mode: append", "updated_at\n", "no meaning for append"),
    ("      record_key: [order_id]\n", "", "upsert", "needs a `record_key`"),
    ("      version_column: updated_at\n", "", "upsert", "needs a `version_column`"),
    ("record_key: [order_id]", "record_key: [order_di]", "order_di", "no column `order_di`"),
    ("record_key: [order_id]", "record_key: [phone]", "phone]", "may be null"),
    ("record_key: [order_id]", "record_key: [order_id, order_id]", "order_id]", "there twice"),
    ("record_key: [order_id]", "record_key: order_id", "order_id", "not a list"),
    (
        "version_column: updated_at",
        "version_column: shop",
        "shop",
        "neither a timestamp nor an integer",
    ),
    ("event_time: ordered_at", "event_time: amount", "amount", "neither a date nor a timestamp"),
    ("event_time: ordered_at", "event_time: ordered", "ordered\n", "no column `ordered`"),
    ("      event_time: ordered_at\n", "", "format: {type", "`event_time` is missing"),
    ("event_time: o", "birth: shop\n      event_time: o", "shop\n", "neither a date nor a year"),
    ("event_time: o", "birth: born\n      event_time: o", "born\n", "no column `born`"),
    ("Asia/Shanghai", "Asia/Atlantis", "Asia/Atlantis", "no known time zone"),
    ("      time_zone: Asia/Shanghai\n", "", "{name: ordered_at", "no `time_zone`"),
    ("essential.service", "Essential", "Essential", "no purpose"),
    ("[essential.service, analytics]", "[analytics, analytics]", "analytics]", "there twice"),
    ("[essential.service, analytics]", "[]", "[]", "`purposes` is empty"),
    ("{default: cn}", "{default: CN!}", "CN!", "no jurisdiction"),
    ("{default: cn}", "cn", "cn\n", "not a mapping"),
    ("consent_authority: false", "consent_authority: 0", "0\n      unattributed", "is a number"),
    ("unattributed: hidden", "unattributed: shown", "shown", "no unattributed"),
    (
        "property: custos\n    value:",
        "property: other\n    value:",
        "apiVersion",
        "has no `custos`",
    ),
    ("logicalType: number}", "logicalType: number, unique: true}", "unique", "no key `unique`"),
    ("logicalType: number}", "logicalType: array}", "array", "are not read"),
    ("logicalType: number}", "logicalType: numbr}", "numbr", "no logicalType"),
    ("logicalType: number}", "physicalType: double}", "{name: weight", "`logicalType` is missing"),
    ("decimal(12,2)", "decimal(39,2)", "\"decimal(39,2)\"", "no type of number"),
    ("decimal(12,2)", "decimal(4,5)", "\"decimal(4,5)\"", "no type of number"),
    ("name: weight", "name: _weight", "_weight", "no column name"),
    ("name: weight", "name: Weight", "Weight", "no column name"),
    ("name: weight", "name: person_id", "person_id", "a name that Custos gives"),
    ("name: weight", "name: rid_friend", "rid_friend", "a name that Custos gives"),
    ("name: weight", "name: amount", "{name: amount, logicalType: number}", "also on line"),
    ("name: weight", "name: weight, physicalName: amount", "{name: weight", "read from one place"),
    ("scope: pos, ", "", "{kind: identifier, type: customer_id", "needs a `scope`"),
    ("region: CN", "region: China", "China", "no region"),
    ("region: CN", "scope: pos", "pos}}]}\n      - {name: friend", "no meaning for phone"),
    ("type: phone, role: referrer", "type: phnoe, role: referrer", "phnoe", "no type"),
    ("type: phone, role: referrer", "type: phone", "{name: friend_phone", "both the primary phone"),
    ("role: referrer", "role: primary", "primary", "no role"),
    ("assurance: verified", "assurance: sure", "sure", "no assurance"),
    (
        "{kind: content, category: user.content",
        "{kind: content",
        "{kind: content",
        "content needs a category",
    ),
    ("category: user.content", "category: User", "User", "no data category"),
    (
        "{kind: fact, category: user.behavior}",
        "{kind: fact, scope: x}",
        "x}",
        "for identifiers only",
    ),
    ("kind: fact", "kind: fakt", "fakt", "no kind"),
    ("%Y-%m-%d %H:%M:%S", "%d/%m", "\"%d/%m\"", "the format"),
    ("kind: fact, ", "kind: fact, format: unix, ", "unix", "for dates and timestamps only"),
    ("kind: fact, ", "kind: fact, position: 3, ", "{name: amount", "for files without header"),
    ("kind: fact, ", "kind: fact, position: 0, ", "0, category", "no place in a row"),
    ("header: true", "header: false", "", ""),
    ("rule: range", "rule: pattern", "pattern", "no rule"),
    ("min: 0, ", "min: zero, ", "zero", "no value of the column's type"),
    ("min: 0, ", "min: 0.001, ", "0.001", "no value of the column's type"),
    ("min: 0, ", "min: 100, ", "{rule: range", "`min` is above `max`"),
    ("values: [north", "values: [1", "1, \"1\"", "not text"),
    ("apiVersion", "id: again\napiVersion", "id: pos_orders", "there twice"),
    ("schema:\n", "schema:\n  - name: other\n    properties: []\n", "- name: other", "2 tables"),
    ("status: active", "status: [active", "", "no YAML"),
];

fn parse(text: &str) -> Result<Contract, Vec<ContractProblem>> {
    Contract::parse("c.yaml", text)
}

/// The line and column, from 1, at which `marker` starts.
fn find(text: &str, marker: &str) -> (u64, u64) {
    let before = &text[..text.find(marker).expect(marker)];
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    (line as u64, column as u64)
}

#[test]
fn every_mistake_is_found_where_it_is() {
    for (from, to, marker, message) in MISTAKES {
        assert!(BASE.contains(from), "{from}");
        let text = BASE.replacen(from, to, 1);
        let problems = parse(&text).err().unwrap_or_default();
        if message.is_empty() {
            assert!(problems.is_empty(), "{to}: {problems:?}");
            continue;
        }
        let found = problems.iter().find(|problem| problem.message.contains(message));
        let found = found.unwrap_or_else(|| panic!("{to}: {problems:?}"));
        assert!(!found.remedy.is_empty());
        if !marker.is_empty() {
            // A list item that is a mapping starts behind its dash.
            let (line, column) = find(&text, marker);
            let column = if marker.starts_with("- ") { found.column } else { column };
            assert_eq!((found.line, found.column), (line, column), "{to}: {found:?}");
        }
    }
}

#[test]
fn all_mistakes_are_told_at_once_and_in_order() {
    let text = BASE
        .replace("status: active", "stauts: active")
        .replace("Asia/Shanghai", "Mars")
        .replace("name: weight", "name: Weight");
    let lines: Vec<u64> = parse(&text).unwrap_err().iter().map(|problem| problem.line).collect();
    assert_eq!(lines, [1, 5, 14, 27]);
    let problems = parse(&text).unwrap_err();
    assert!(problems.iter().any(|problem| problem.remedy == "did you mean `status`?"));
    let told = "c.yaml:5:1: a contract has no key `stauts` (did you mean `status`?)";
    assert_eq!(problems[1].to_string(), told);
}

#[test]
fn a_contract_says_what_was_written() {
    let contract = parse(BASE).unwrap();
    assert_eq!(contract.version, (1, 2, 0));
    assert_eq!(contract.record_key, [0]);
    assert_eq!(contract.version_column, contract.column_index("updated_at"));
    assert_eq!(contract.event_time, contract.column_index("ordered_at"));
    assert_eq!(contract.jurisdiction.as_deref(), Some("cn"));
    let column = |name| &contract.columns[contract.column_index(name).unwrap()];
    let member = column("member_no");
    assert_eq!(member.category.as_ref().unwrap().as_str(), "user.unique_id");
    let spec = member.identifier.as_ref().unwrap();
    assert_eq!((spec.scope.as_deref(), spec.assurance), (Some("pos"), Assurance::Verified));
    assert_eq!(
        column("friend_phone").identifier.as_ref().unwrap().role.as_deref(),
        Some("referrer")
    );
    let amount = column("amount");
    assert_eq!(amount.logical_type, LogicalType::Decimal { precision: 12, scale: 2 });
    let range = Range { min: Some(Value::Decimal(0)), max: Some(Value::Decimal(9950)) };
    assert_eq!(amount.range, Some(range));
    assert_eq!(column("shop").source_name, "Shop Name");
    assert_eq!(column("note").kind, ColumnKind::Content);
    assert_eq!(column("updated_at").position, None);
}

#[test]
fn columns_without_header_stand_in_their_order_or_where_they_say() {
    let text = BASE.replace("header: true", "header: false");
    let places = |text: &str| -> Vec<usize> {
        parse(text).unwrap().columns.iter().filter_map(|column| column.position).collect()
    };
    assert_eq!(places(&text), (0..10).collect::<Vec<_>>());
    let partly = text.replace("kind: fact, ", "kind: fact, position: 3, ");
    let problems = parse(&partly).unwrap_err();
    assert_eq!(problems.len(), 9, "{problems:?}");
}

#[test]
fn a_source_about_nobody_must_say_so() {
    let nobody = BASE.replace("kind: identifier, type: phone", "kind: identifier, type: ip");
    let nobody =
        nobody.replace("type: customer_id, scope: pos", "type: name").replace(", region: CN", "");
    let problems = parse(&nobody).unwrap_err();
    assert!(problems[0].message.contains("whom a row is about"), "{problems:?}");
    assert!(parse(&nobody.replace("hidden", "visible")).is_ok());
}

#[test]
fn paths_in_json_do_not_overlap() {
    let json = BASE
        .replace("{type: csv, delimiter: \",\", encoding: utf-8, header: true}", "{type: ndjson}")
        .replace("Shop Name", "place.shop");
    assert!(parse(&json).is_ok());
    let inside = json.replace("{name: weight", "{physicalName: place, name: weight");
    let problems = parse(&inside).unwrap_err();
    assert!(problems[0].message.contains("read from one place"), "{problems:?}");
}

#[test]
fn nullable_columns_may_be_added() {
    let older = parse(BASE).unwrap();
    let new_column = "      - {name: colour, logicalType: string}\nend";
    let grown = |column: &str| (BASE.to_owned() + column).replace("\nend", "\n");
    let newer = grown(new_column).replace("1.2.0", "1.3.0");
    assert_eq!(parse(&newer).unwrap().evolution(&older), Ok(vec![10]));
    assert_eq!(older.evolution(&older), Ok(vec![]));
    let relaxed = BASE.replace("[essential.service, analytics]", "[analytics]");
    assert_eq!(parse(&relaxed).unwrap().evolution(&older), Ok(vec![]));
    let problems = parse(&grown(new_column)).unwrap().evolution(&older).unwrap_err();
    assert!(problems[0].message.contains("version did not grow"));
}

#[test]
fn every_other_change_is_refused_with_its_remedy() {
    let older = parse(BASE).unwrap();
    for (from, to, message) in [
        ("      - {name: weight, logicalType: number}\n", "", "`weight` is gone"),
        (
            "name: weight, logicalType: number",
            "name: weight, logicalType: string",
            "the type of `weight`",
        ),
        ("decimal(12,2)", "decimal(14,2)", "the type of `amount`"),
        ("kind: fact", "kind: attribute", "the kind of `amount`"),
        ("kind: fact", "kind: fact, sensitive: true", "the `sensitive` of `amount`"),
        ("role: referrer", "role: friend", "the identifier of `friend_phone`"),
        ("scope: pos", "scope: shop", "the identifier of `member_no`"),
        ("name: weight, ", "name: weight, required: true, ", "`weight` became required"),
        ("id: pos_orders", "id: orders", "`id` changed"),
        ("event_time: ordered_at", "event_time: none", "`event_time` changed"),
        ("event_time: o", "birth: ordered_at\n      event_time: o", "`birth` changed"),
        (
            "      - {name: weight",
            "      - {name: x, logicalType: date, required: true}\n      - {name: weight",
            "`x` is required",
        ),
    ] {
        let newer = BASE.replacen(from, to, 1).replace("1.2.0", "2.0.0");
        let problems = parse(&newer).unwrap().evolution(&older).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].message.contains(message), "{problems:?}");
        assert!(!problems[0].remedy.is_empty());
    }
}

#[test]
fn shipped_contracts_have_no_mistakes() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut names = Vec::new();
    for folder in ["policies/contracts", "tests/contracts"] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "yaml") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
            let contract = Contract::parse(&stem, &text).unwrap();
            assert_eq!(contract.id.as_str(), stem);
            names.push(stem);
        }
    }
    for shipped in [
        "community_survey",
        "crm_contacts",
        "online_retail",
        "pos_orders",
        "support_tickets",
        "telco",
        "web_events",
    ] {
        assert!(names.iter().any(|name| name == shipped), "{shipped}");
    }
}
