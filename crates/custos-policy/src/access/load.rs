//! Reading `access.cedar` and `access.cedarschema`, with every mistake in them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Mutex;

use cedar_policy::ffi::DetailedError;
use cedar_policy::{
    Context, Effect, Entities, Entity, EntityUid, Policy, PolicyId, PolicySet as CedarPolicies,
    Request, Schema, SchemaFragment, ValidationMode, ValidationWarning, Validator,
};

use super::names::{Names, action_of_level, context};
use super::{Access, Level, Stated, Values};
use crate::categories::Categories;
use crate::principal::Right;
use crate::problem::{Position, Problem, Reporter};
use crate::purposes::Purposes;
use crate::tree::parent;

impl Access {
    pub(crate) const RULES_FILE: &str = "access.cedar";
    pub(crate) const SCHEMA_FILE: &str = "access.cedarschema";

    /// Reads rules and schema; none when something is wrong with them, which is then reported.
    pub(crate) fn read(
        rules_text: &str,
        schema_text: &str,
        purposes: &Purposes,
        categories: &Categories,
        problems: &mut Vec<Problem>,
    ) -> Option<Self> {
        let before = problems.len();
        let mut reporter = Reporter { file: Self::SCHEMA_FILE, problems };
        let schema = reporter.schema(schema_text);
        let names = Names::new();
        let entities = match (&schema, &names) {
            (Some((schema, _)), Some(names)) => {
                reporter.check_actions(schema, names, purposes, categories);
                reporter.entities(schema, names, purposes, categories)
            }
            _ => None,
        };
        let mut reporter = Reporter { file: Self::RULES_FILE, problems };
        let rules = reporter.rules(rules_text);
        if let Some((rules, _)) = &rules {
            reporter.check_names(rules, rules_text, purposes, categories);
            if let Some((schema, _)) = &schema {
                reporter.validate(rules, rules_text, schema.clone());
            }
        }
        let ((_, roles), names, entities) = (schema?, names?, entities?);
        let (rules, stated) = rules?;
        let named = rules
            .policies()
            .flat_map(Policy::entity_literals)
            .filter(|name| name.type_name().basename() == "Principal")
            .map(|name| name.id().unescaped().to_owned())
            .collect();
        let cache = Mutex::new(HashMap::new());
        (problems.len() == before).then_some(Self {
            rules,
            entities,
            names,
            roles,
            stated,
            named,
            cache,
        })
    }
}

impl Reporter<'_> {
    /// The schema and the roles it lists.
    fn schema(&mut self, text: &str) -> Option<(Schema, BTreeSet<String>)> {
        let schema = match Schema::from_cedarschema_str(text) {
            Ok((schema, _)) => schema,
            Err(error) => {
                self.report_cedar(text, DetailedError::from(&error), "correct the schema there");
                return None;
            }
        };
        let roles = SchemaFragment::from_cedarschema_str(text)
            .ok()
            .and_then(|(fragment, _)| fragment.to_json_value().ok())
            .and_then(|json| {
                let roles = json.get("")?.get("entityTypes")?.get("Role")?.get("enum")?;
                serde_json::from_value::<BTreeSet<String>>(roles.clone()).ok()
            });
        if roles.is_none() {
            let remedy = "add `entity Role enum [\"analyst\", ...];`";
            self.report(None, "the schema lists no roles", remedy);
        }
        Some((schema, roles?))
    }

    /// Puts a trial request for every action that the program asks about.
    fn check_actions(
        &mut self,
        schema: &Schema,
        names: &Names,
        purposes: &Purposes,
        categories: &Categories,
    ) {
        let (Some(purpose), Some(category)) =
            (purposes.by_key.keys().next(), categories.by_key.values().next())
        else {
            return;
        };
        let purpose = names.purpose(purpose);
        let category_name = names.category(category.key.as_str());
        let values = Values { category: category.key.clone(), content: false, sensitive: false };
        let mut trials: Vec<(&str, EntityUid, Context)> = Vec::new();
        trials.push(("use", purpose.clone(), Context::empty()));
        for right in Right::ALL {
            trials.push((right.as_str(), purpose.clone(), Context::empty()));
            trials.push((right.as_str(), names.installation.clone(), Context::empty()));
        }
        for level in Level::BEST_FIRST {
            if let Some(context) = context(purpose.clone(), "", "", &values) {
                trials.push((action_of_level(level), category_name.clone(), context));
            }
        }
        let mut wrong = BTreeMap::new();
        for (name, resource, context) in trials {
            let principal = names.principal("trial");
            let action = names.action(name);
            if let Err(error) = Request::new(principal, action, resource, context, Some(schema)) {
                wrong.entry(name).or_insert(error.to_string());
            }
        }
        for (name, error) in wrong {
            let message = format!("action `{name}` is missing or does not fit: {error}");
            self.report(None, message, "declare it as the schema that ships with Custos does");
        }
    }

    /// Purposes, categories and actions as Cedar knows them.
    fn entities(
        &mut self,
        schema: &Schema,
        names: &Names,
        purposes: &Purposes,
        categories: &Categories,
    ) -> Option<Entities> {
        let purposes = purposes.by_key.keys().map(|key| {
            let parents = parent(key).map(|parent| names.purpose(parent));
            Entity::new_no_attrs(names.purpose(key), parents.into_iter().collect())
        });
        let categories = categories.by_key.keys().map(|key| {
            let parents: HashSet<EntityUid> =
                parent(key).map(|parent| names.category(parent)).into_iter().collect();
            Entity::new_no_attrs(names.category(key), parents)
        });
        Entities::from_entities(purposes.chain(categories), Some(schema))
            .map_err(|error| {
                let message = format!("purposes or categories do not fit the schema: {error}");
                let remedy = "declare `entity Purpose in [Purpose];` and `entity Category in \
                              [Category];`, without attributes";
                self.report(None, message, remedy);
            })
            .ok()
    }

    /// The rules, each under the name that its `@id` gives it, and what they say where.
    fn rules(&mut self, text: &str) -> Option<(CedarPolicies, BTreeMap<String, Stated>)> {
        let parsed: CedarPolicies = match text.parse() {
            Ok(parsed) => parsed,
            Err(errors) => {
                let errors: cedar_policy::ParseErrors = errors;
                for error in errors.iter() {
                    let error = DetailedError::from(error);
                    self.report_cedar(text, error, "correct the rule there");
                }
                return None;
            }
        };
        for template in parsed.templates() {
            let at = place_of(text, &template.to_cedar());
            let remedy = "write a rule of its own for each principal or role";
            self.report(at, "templates are not supported", remedy);
        }
        let mut named: BTreeMap<String, Policy> = BTreeMap::new();
        let mut stated = BTreeMap::new();
        let mut policies: Vec<(Option<Position>, &Policy)> = parsed
            .policies()
            .map(|policy| (policy.to_cedar().and_then(|rule| place_of(text, &rule)), policy))
            .collect();
        policies.sort_by_key(|(at, _)| at.map(|at| (at.line, at.column)));
        for (at, policy) in policies {
            match policy.annotation("id").filter(|id| !id.is_empty()) {
                None => self.report(at, "a rule without `@id`", "put `@id(\"...\")` before it"),
                Some(id) if named.contains_key(id) => {
                    let message = format!("`@id(\"{id}\")` is there twice");
                    self.report(at, message, "give each rule an id of its own");
                }
                Some(id) => {
                    let permits = policy.effect() == Effect::Permit;
                    stated.insert(id.to_owned(), Stated { permits, line: at.map(|at| at.line) });
                    named.insert(id.to_owned(), policy.new_id(PolicyId::new(id)));
                }
            }
        }
        Some((CedarPolicies::from_policies(named.into_values()).ok()?, stated))
    }

    /// Reports purposes and categories that a rule names and the trees do not have.
    fn check_names(
        &mut self,
        rules: &CedarPolicies,
        text: &str,
        purposes: &Purposes,
        categories: &Categories,
    ) {
        let mut unknown = BTreeSet::new();
        for name in rules.policies().flat_map(Policy::entity_literals) {
            let key = name.id().unescaped();
            // An empty tree is one that could not be read, which was reported.
            let (known, file) = match name.type_name().basename() {
                "Purpose" => {
                    let tree = &purposes.by_key;
                    (tree.is_empty() || tree.contains_key(key), Purposes::FILE)
                }
                "Category" => {
                    let tree = &categories.by_key;
                    (tree.is_empty() || tree.contains_key(key), Categories::FILE)
                }
                _ => continue,
            };
            if !known {
                unknown.insert((name.to_string(), file));
            }
        }
        for (name, file) in unknown {
            let at = place_of(text, &name);
            let remedy = format!("correct it, or add the key to {file}");
            self.report(at, format!("{name} is not in {file}"), remedy);
        }
    }

    fn validate(&mut self, rules: &CedarPolicies, text: &str, schema: Schema) {
        let remedy = "use types, actions and attributes of access.cedarschema";
        let result = Validator::new(schema).validate(rules, ValidationMode::Strict);
        for error in result.validation_errors() {
            self.report_cedar(text, DetailedError::from(error), remedy);
        }
        for warning in result.validation_warnings() {
            // A rule that can never apply is a rule that does not do what somebody believes.
            if matches!(
                warning,
                ValidationWarning::ImpossiblePolicy(_)
                    | ValidationWarning::InvalidActionApplication(_)
            ) {
                let remedy = "remove the rule, or correct what it applies to";
                self.report_cedar(text, DetailedError::from(warning), remedy);
            }
        }
    }

    /// Reports what Cedar found wrong, with related findings.
    fn report_cedar(&mut self, text: &str, error: DetailedError, remedy: &str) {
        let DetailedError { message, help, source_locations, related, .. } = error;
        let at = source_locations.first().map(|label| Position::of_offset(text, label.loc.start));
        self.report(at, message, help.unwrap_or_else(|| remedy.to_owned()));
        for error in related {
            self.report_cedar(text, error, remedy);
        }
    }
}

/// Where `part` first stands in `text` outside of a comment.
fn place_of(text: &str, part: &str) -> Option<Position> {
    text.match_indices(part)
        .map(|(offset, _)| offset)
        .find(|offset| {
            let line = text[..*offset].rsplit('\n').next().unwrap_or_default();
            !line.contains("//")
        })
        .map(|offset| Position::of_offset(text, offset))
}
