//! The words of `access.cedarschema` that the program itself relies on.

use cedar_policy::{Context, EntityId, EntityTypeName, EntityUid, RestrictedExpression};

use super::{Level, Values};

/// The types of entities, parsed once.
#[derive(Debug)]
pub(crate) struct Names {
    action: EntityTypeName,
    category: EntityTypeName,
    principal: EntityTypeName,
    purpose: EntityTypeName,
    role: EntityTypeName,
    pub(crate) installation: EntityUid,
}

/// The name of the action that shows values at a level.
pub(crate) const fn action_of_level(level: Level) -> &'static str {
    match level {
        Level::Clear => "readClear",
        Level::Masked => "readMasked",
        Level::Tokenised => "readTokenised",
    }
}

fn entity(kind: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}

impl Names {
    /// The names; they always parse.
    pub(crate) fn new() -> Option<Self> {
        Some(Self {
            action: "Action".parse().ok()?,
            category: "Category".parse().ok()?,
            principal: "Principal".parse().ok()?,
            purpose: "Purpose".parse().ok()?,
            role: "Role".parse().ok()?,
            installation: r#"Installation::"custos""#.parse().ok()?,
        })
    }

    pub(crate) fn action(&self, name: &str) -> EntityUid {
        entity(&self.action, name)
    }

    pub(crate) fn category(&self, key: &str) -> EntityUid {
        entity(&self.category, key)
    }

    pub(crate) fn principal(&self, id: &str) -> EntityUid {
        entity(&self.principal, id)
    }

    pub(crate) fn purpose(&self, key: &str) -> EntityUid {
        entity(&self.purpose, key)
    }

    pub(crate) fn role(&self, name: &str) -> EntityUid {
        entity(&self.role, name)
    }
}

/// The `ReadContext` of the schema; values without extension types always make one.
pub(crate) fn context(
    purpose: EntityUid,
    table: &str,
    jurisdiction: &str,
    values: &Values,
) -> Option<Context> {
    let text = |text: &str| RestrictedExpression::new_string(text.to_owned());
    let pairs = [
        ("purpose", RestrictedExpression::new_entity_uid(purpose)),
        ("table", text(table)),
        ("jurisdiction", text(jurisdiction)),
        ("content", RestrictedExpression::new_bool(values.content)),
        ("sensitive", RestrictedExpression::new_bool(values.sensitive)),
    ];
    Context::from_pairs(pairs.map(|(key, value)| (key.to_owned(), value))).ok()
}
