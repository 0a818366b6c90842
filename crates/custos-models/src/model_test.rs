//! What must hold for the rows of a model, as SQL.

use crate::header::{ColumnTest, Header, Literal, Relationship};

/// A SELECT that finds the rows of a model for which something does not hold.
///
/// The test passes when there are none. It names published tables only, so it runs like any
/// statement: under the caller's grants, and about the rows that the caller may see. Failing rows
/// may hold personal values; show their number to people without the right to see those.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelTest {
    /// The model's name.
    pub model: String,
    /// The test's name, such as `person_id.unique`; no other test of the model has it.
    pub name: String,
    /// Returns the failing rows, or what they have in common.
    pub sql: String,
}

/// The tests that the columns of a header ask for; what stands in `relationships` is as written.
pub(crate) fn of_columns(model: &str, header: &Header) -> Vec<ModelTest> {
    let mut tests = Vec::new();
    for (column, about) in &header.columns {
        for test in &about.data_tests {
            tests.push(ModelTest {
                model: model.to_owned(),
                name: format!("{column}.{}", name(test)),
                sql: sql(model, column, test),
            });
        }
    }
    tests
}

fn name(test: &ColumnTest) -> String {
    match test {
        ColumnTest::Unique => "unique".to_owned(),
        ColumnTest::NotNull => "not_null".to_owned(),
        ColumnTest::AcceptedValues(_) => "accepted_values".to_owned(),
        ColumnTest::Relationships(Relationship { to, field }) => {
            format!("relationships.{}.{field}", to.value)
        }
    }
}

fn sql(model: &str, column: &str, test: &ColumnTest) -> String {
    let column = identifier(column);
    let counted = format!("select {column}, count(*) as occurrences from customer.{model}");
    match test {
        ColumnTest::Unique => {
            format!("{counted} where {column} is not null group by {column} having count(*) > 1")
        }
        ColumnTest::NotNull => format!("select * from customer.{model} where {column} is null"),
        ColumnTest::AcceptedValues(values) => {
            let values: Vec<String> = values.iter().map(literal).collect();
            let values = values.join(", ");
            // A null is neither in the list nor outside of it.
            format!("{counted} where {column} not in ({values}) group by {column}")
        }
        ColumnTest::Relationships(Relationship { to, field }) => format!(
            "select {column} from customer.{model} where {column} is not null \
             except select {} from customer.{}",
            identifier(field),
            to.value
        ),
    }
}

fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn literal(value: &Literal) -> String {
    match value {
        Literal::Flag(flag) => flag.to_string(),
        Literal::Integer(number) => number.to_string(),
        Literal::Number(number) => number.to_string(),
        Literal::Text(text) => format!("'{}'", text.replace('\'', "''")),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing;

    #[test]
    fn tests_of_columns_become_sql() {
        let text = "/* custos\ndescription: x\ncolumns:\n  \
                    order_id: {data_tests: [unique, not_null]}\n  \
                    'odd \" name': {data_tests: [{accepted_values: [it's, 1, -0.5, false]}]}\n  \
                    buyer: {data_tests: [{relationships: {to: m, field: order_id}}]}\n\
                    tests:\n  - {name: few, sql: \"select * from {{ ref('m') }} limit 1\"}\n*/\n\
                    select 1 as order_id";
        let models = testing::load(&[("m.sql", text)]).unwrap();
        let shown: Vec<String> = models
            .get("m")
            .unwrap()
            .tests
            .iter()
            .map(|test| format!("{}: {}: {}", test.model, test.name, test.sql))
            .collect();
        expect![[r#"
            m: buyer.relationships.m.order_id: select "buyer" from customer.m where "buyer" is not null except select "order_id" from customer.m
            m: odd " name.accepted_values: select "odd "" name", count(*) as occurrences from customer.m where "odd "" name" not in ('it''s', 1, -0.5, false) group by "odd "" name"
            m: order_id.unique: select "order_id", count(*) as occurrences from customer.m where "order_id" is not null group by "order_id" having count(*) > 1
            m: order_id.not_null: select * from customer.m where "order_id" is null
            m: few: select * from customer.m limit 1"#]].assert_eq(&shown.join("\n"));
    }
}
