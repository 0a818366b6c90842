//! Tests of the models that ship with the project.

use std::path::Path;

use expect_test::expect;

use crate::{ModelFiles, Models, Sources};

fn shipped() -> ModelFiles {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sql");
    ModelFiles::from_dir(&folder).unwrap()
}

fn demo_sources() -> Sources {
    let columns = [
        (
            "pos_orders",
            "order_id,store,channel,category,quantity,amount,currency,note,ordered_at,updated_at,person_id_referrer",
        ),
        ("crm_contacts", "city,country,gender,birth_year,loyalty_tier,updated_at"),
        ("web_events", "message_id,event,url,channel,product_id,revenue,occurred_at"),
        ("support_tickets", "ticket_id,subject,body,priority,status,csat,opened_at,closed_at"),
        ("community_survey", "response_id,platform,nps,comment,answered_at"),
    ];
    columns
        .into_iter()
        .map(|(id, columns)| {
            let columns = format!("person_id,subject_id,{columns}");
            (id.parse().unwrap(), columns.split(',').map(str::to_owned).collect())
        })
        .collect()
}

#[test]
fn shipped_models_load_and_use_every_column_that_the_sources_have() {
    let models = Models::load(&[shipped()], &demo_sources()).unwrap();
    let shown: Vec<String> = models
        .ordered()
        .iter()
        .map(|model| {
            assert!(!model.sql.contains("cast(null"), "{}", model.name);
            let tables = model.tables.iter().map(|table| table.as_str().to_owned());
            let reads: Vec<String> = model.views.iter().cloned().chain(tables).collect();
            format!("{}: {} ({} tests)", model.name, reads.join(" "), model.tests.len())
        })
        .collect();
    expect![[r#"
        community_survey: landing.community_survey (0 tests)
        crm_contacts: landing.crm_contacts (0 tests)
        events: landing.web_events (3 tests)
        surveys: landing.community_survey (5 tests)
        metrics_nps: surveys (9 tests)
        orders: landing.pos_orders (3 tests)
        pos_orders: landing.pos_orders (0 tests)
        tickets: landing.support_tickets (4 tests)
        profiles: events orders surveys tickets landing.crm_contacts vault.identifiers (5 tests)
        rfm: orders (10 tests)
        tags: events orders profiles rfm (5 tests)
        segments: rfm tags (6 tests)
        support_tickets: landing.support_tickets (0 tests)
        web_events: landing.web_events (0 tests)"#]]
    .assert_eq(&shown.join("\n"));
}

#[test]
fn shipped_models_load_without_any_source() {
    let models = Models::load(&[shipped()], &Sources::default()).unwrap();
    let tables: Vec<&str> = models
        .ordered()
        .iter()
        .flat_map(|model| &model.tables)
        .map(|table| table.as_str())
        .collect();
    assert_eq!(tables, ["vault.identifiers"]);
}
