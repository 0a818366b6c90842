//! `access.cedar`: who may do what, asked of Cedar.

mod load;
mod names;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cedar_policy::{
    AuthorizationError, Authorizer, Context, Entities, Entity, EntityUid,
    PolicySet as CedarPolicies, Request,
};
use custos_core::{DataCategory, Purpose};

use self::names::{Names, action_of_level};
use crate::column_rule::ColumnRule;
use crate::principal::{Principal, Right};

/// Answers are kept up to this many, and then forgotten all at once.
const CACHED_ANSWERS_MAX: usize = 65_536;

type Cache = HashMap<(Arc<Circumstances>, Question), Arc<Answer>>;

/// The access rules, ready to be asked.
#[derive(Debug)]
pub(crate) struct Access {
    rules: CedarPolicies,
    /// Purposes, categories and actions with their ancestors.
    entities: Entities,
    names: Names,
    roles: BTreeSet<String>,
    stated: BTreeMap<String, Stated>,
    /// The principals that rules name.
    named: BTreeSet<String>,
    cache: Mutex<Cache>,
}

/// What a rule says and where.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stated {
    pub(crate) permits: bool,
    pub(crate) line: Option<u32>,
}

/// Everything about a request but its columns.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Circumstances {
    pub(crate) principal: Principal,
    pub(crate) purpose: Purpose,
    pub(crate) table: String,
    pub(crate) jurisdiction: String,
}

#[derive(Debug, PartialEq, Eq, Hash)]
enum Question {
    Use,
    Level(Values),
}

/// What the rules may know about a column's values.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Values {
    pub(crate) category: DataCategory,
    pub(crate) content: bool,
    pub(crate) sensitive: bool,
}

/// How far the answer goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Clear,
    Masked,
    Tokenised,
}

impl Level {
    const BEST_FIRST: [Self; 3] = [Self::Clear, Self::Masked, Self::Tokenised];

    /// How a column is shown at this level, given how its category is masked.
    pub(crate) const fn shown(self, masked: ColumnRule) -> ColumnRule {
        match self {
            Self::Clear => ColumnRule::Clear,
            Self::Masked => masked,
            Self::Tokenised => ColumnRule::Tokenised,
        }
    }
}

/// What the rules say to one question.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The best level permitted; the best there is when the question is one of yes or no.
    pub(crate) level: Option<Level>,
    /// The rules that permitted it, and those that forbade it or a better level.
    pub(crate) determined_by: Arc<[String]>,
}

impl Answer {
    /// Whether the rules permit what was asked, at any level.
    pub(crate) const fn permitted(&self) -> bool {
        self.level.is_some()
    }
}

/// A rule failed to evaluate; which one, unless the request could not even be put.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) rule: Option<String>,
}

struct Verdict {
    permitted: bool,
    rules: Vec<String>,
}

impl From<Verdict> for Answer {
    fn from(verdict: Verdict) -> Self {
        let level = verdict.permitted.then_some(Level::Clear);
        Self { level, determined_by: verdict.rules.into() }
    }
}

impl Access {
    /// The roles that the rules know.
    pub(crate) const fn roles(&self) -> &BTreeSet<String> {
        &self.roles
    }

    /// The principals that rules name, by id.
    pub(crate) const fn named(&self) -> &BTreeSet<String> {
        &self.named
    }

    /// What a rule says and where, by its id.
    pub(crate) fn stated(&self, rule: &str) -> Option<Stated> {
        self.stated.get(rule).copied()
    }

    /// Starts asking about one request.
    pub(crate) fn ask(&self, circumstances: Circumstances) -> Asking<'_> {
        Asking { access: self, circumstances: Arc::new(circumstances), entities: None }
    }

    /// Asks whether a principal has a right, for a purpose or for the installation.
    pub(crate) fn permits(
        &self,
        principal: &Principal,
        right: Right,
        purpose: Option<&Purpose>,
    ) -> Result<Answer, Failure> {
        let resource = purpose.map_or_else(
            || self.names.installation.clone(),
            |purpose| self.names.purpose(purpose.as_str()),
        );
        let entities = self.entities_with(principal)?;
        let action = self.names.action(right.as_str());
        let verdict = self.decide(principal, action, resource, Context::empty(), &entities)?;
        Ok(verdict.into())
    }

    fn entities_with(&self, principal: &Principal) -> Result<Entities, Failure> {
        let roles = principal.roles.iter().filter(|role| self.roles.contains(*role));
        let roles: HashSet<EntityUid> = roles.map(|role| self.names.role(role)).collect();
        let entity = Entity::new_no_attrs(self.names.principal(principal.id.as_str()), roles);
        self.entities.clone().add_entities([entity], None).map_err(|_| Failure { rule: None })
    }

    fn decide(
        &self,
        principal: &Principal,
        action: EntityUid,
        resource: EntityUid,
        context: Context,
        entities: &Entities,
    ) -> Result<Verdict, Failure> {
        let principal = self.names.principal(principal.id.as_str());
        let request = Request::new(principal, action, resource, context, None)
            .map_err(|_| Failure { rule: None })?;
        let response = Authorizer::new().is_authorized(&request, &self.rules, entities);
        // Cedar skips a rule that fails, so a failing forbid would permit.
        let failed = response.diagnostics().errors().map(|error| match error {
            AuthorizationError::PolicyEvaluationError(error) => error.policy_id().to_string(),
        });
        if let Some(rule) = failed.min() {
            return Err(Failure { rule: Some(rule) });
        }
        let mut rules: Vec<String> =
            response.diagnostics().reason().map(ToString::to_string).collect();
        rules.sort_unstable();
        Ok(Verdict { permitted: response.decision() == cedar_policy::Decision::Allow, rules })
    }

    fn cached(&self) -> MutexGuard<'_, Cache> {
        // Entries are inserted whole, so a panic elsewhere leaves none half made.
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks the questions of one request, answered from the cache where possible.
#[derive(Debug)]
pub(crate) struct Asking<'a> {
    access: &'a Access,
    circumstances: Arc<Circumstances>,
    /// All entities with the principal among them, once they were needed.
    entities: Option<Entities>,
}

impl Asking<'_> {
    /// Whether the principal may act for the purpose at all.
    pub(crate) fn usage(&mut self) -> Result<Arc<Answer>, Failure> {
        self.answer(Question::Use)
    }

    /// How far the principal may see values.
    pub(crate) fn level(&mut self, values: Values) -> Result<Arc<Answer>, Failure> {
        self.answer(Question::Level(values))
    }

    fn answer(&mut self, question: Question) -> Result<Arc<Answer>, Failure> {
        let key = (Arc::clone(&self.circumstances), question);
        if let Some(answer) = self.access.cached().get(&key) {
            return Ok(Arc::clone(answer));
        }
        let answer = Arc::new(match &key.1 {
            Question::Use => self.evaluate_use()?,
            Question::Level(values) => self.evaluate_level(values)?,
        });
        let mut cache = self.access.cached();
        if cache.len() >= CACHED_ANSWERS_MAX {
            cache.clear();
        }
        cache.insert(key, Arc::clone(&answer));
        Ok(answer)
    }

    fn evaluate_use(&mut self) -> Result<Answer, Failure> {
        let purpose = self.access.names.purpose(self.circumstances.purpose.as_str());
        let action = self.access.names.action("use");
        let verdict = self.evaluate(action, purpose, Context::empty())?;
        Ok(verdict.into())
    }

    fn evaluate_level(&mut self, values: &Values) -> Result<Answer, Failure> {
        let context = self.context(values)?;
        let mut determined_by = BTreeSet::new();
        let mut permitted = None;
        for level in Level::BEST_FIRST {
            let category = self.access.names.category(values.category.as_str());
            let action = self.access.names.action(action_of_level(level));
            let verdict = self.evaluate(action, category, context.clone())?;
            determined_by.extend(verdict.rules);
            if verdict.permitted {
                permitted = Some(level);
                break;
            }
        }
        Ok(Answer { level: permitted, determined_by: determined_by.into_iter().collect() })
    }

    fn context(&self, values: &Values) -> Result<Context, Failure> {
        let Circumstances { purpose, table, jurisdiction, .. } = &*self.circumstances;
        let purpose = self.access.names.purpose(purpose.as_str());
        self::names::context(purpose, table, jurisdiction, values).ok_or(Failure { rule: None })
    }

    fn evaluate(
        &mut self,
        action: EntityUid,
        resource: EntityUid,
        context: Context,
    ) -> Result<Verdict, Failure> {
        let principal = &self.circumstances.principal;
        let entities = match self.entities.take() {
            Some(entities) => entities,
            None => self.access.entities_with(principal)?,
        };
        let verdict = self.access.decide(principal, action, resource, context, &entities);
        self.entities = Some(entities);
        verdict
    }
}
