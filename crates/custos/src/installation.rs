//! The parts of an installation, put together from its configuration.

use std::path::Path;
use std::sync::Arc;

use custos_audit::AuditLog;
use custos_core::{Clock, ErrorKind, PrincipalId};
use custos_erasure::{ErasureParts, ErasureService};
use custos_ingest::{Compactor, Contract, Ingest, IngestError, Ledger, Resolver};
use custos_keys::{KeyService, Kms};
use custos_lake::{ControlCopies, Lake, Storage, vault};
use custos_models::{ModelFiles, Models};
use custos_policy::{PolicyFiles, PolicySet, Principal};
use custos_query::{Executor, ExportParts, ExportService, Governor, Profiles};
use custos_store::{Snapshots, Store};

use crate::clock::SystemClock;
use crate::config::{Config, Control, LakePlace, environment};
use crate::failure::Failure;
use crate::{catalog, embedded, kms, policy_change};

/// The control store's file, if it is in a folder.
pub(crate) const STORE_FILE: &str = "custos.db";

/// An open installation.
#[derive(Debug)]
pub(crate) struct Installation {
    pub(crate) config: Config,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) store: Store,
    pub(crate) kms: Arc<dyn Kms>,
    pub(crate) keys: Arc<KeyService>,
    pub(crate) lake: Lake,
    pub(crate) policy: Arc<PolicySet>,
    /// What `policy` was read from.
    pub(crate) policy_files: PolicyFiles,
    pub(crate) audit: Arc<AuditLog>,
    /// Those of a control store in a folder, while they are kept.
    pub(crate) snapshots: Option<Arc<Snapshots>>,
}

/// What answers statements.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) governor: Arc<Governor>,
    pub(crate) executor: Arc<Executor>,
    pub(crate) models: Models,
}

impl Installation {
    /// Makes a new, empty installation and opens it.
    pub(crate) async fn create(config: Config) -> Result<Self, Failure> {
        refuse_used(&config).await?;
        let store = match &config.control {
            Control::Folder(folder) => Store::create(&folder.join(STORE_FILE)).await?,
            Control::Server { url, folder } => Store::create_postgres(url, folder).await?,
        };
        let kms = kms::create(&config.keys)?;
        let keys = KeyService::initialise(Arc::clone(&kms), Arc::new(store.clone())).await?;
        keys.note_epochs(&SystemClock).await?;
        Self::assemble(config, store, kms, keys)?.in_use().await
    }

    /// Opens an installation.
    pub(crate) async fn open(config: Config) -> Result<Self, Failure> {
        let store = match &config.control {
            Control::Folder(folder) => Store::open(&folder.join(STORE_FILE)).await?,
            Control::Server { url, folder } => Store::open_postgres(url, folder).await?,
        };
        let installation = Self::open_with(config, store).await?;
        // An older control store knows less than the lake: people who were erased would be back.
        match installation.erasure()?.unknown_entries().await? {
            0 => installation.in_use().await,
            count => Err(Failure::new(
                ErrorKind::Conflict,
                format!(
                    "the control store is older than the lake: it does not know of {count} \
                     entries of the record of erasures"
                ),
            )
            .with_hint(
                "put the newest control store back, or run `custos restore --replay` to do the \
                 erasures again in this one",
            )),
        }
    }

    /// Opens an installation whose control store may be a copy that lacks erasures, for who does
    /// them again.
    pub(crate) async fn open_restored(config: Config) -> Result<Self, Failure> {
        let store = match &config.control {
            Control::Folder(folder) => Store::open_restored(&folder.join(STORE_FILE)).await?,
            Control::Server { url, folder } => Store::open_restored_postgres(url, folder).await?,
        };
        Self::open_with(config, store).await
    }

    async fn open_with(config: Config, store: Store) -> Result<Self, Failure> {
        let kms = kms::open(&config.keys)?;
        let keys = KeyService::open(Arc::clone(&kms), Arc::new(store.clone())).await?;
        Self::assemble(config, store, kms, keys)
    }

    fn assemble(
        config: Config,
        store: Store,
        kms: Arc<dyn Kms>,
        keys: KeyService,
    ) -> Result<Self, Failure> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let keys = Arc::new(keys);
        let storage = storage(&config)?;
        let heads = Arc::new(store.clone());
        let lake = Lake::new(storage, Arc::clone(&keys), heads, Arc::clone(&clock));
        let policy_files = policy_files(config.policies.as_deref())?;
        let policy = Arc::new(load_policies(&policy_files)?);
        let audit = Arc::new(AuditLog::new(
            Arc::new(store.clone()),
            keys.signing_key(),
            Arc::clone(&clock),
        ));
        let snapshots = None;
        Ok(Self { config, clock, store, kms, keys, lake, policy, policy_files, audit, snapshots })
    }

    /// Begins to work: with snapshots, and with the policies on record.
    async fn in_use(self) -> Result<Self, Failure> {
        let installation = self.with_snapshots()?;
        policy_change::put_on_record(&installation).await?;
        Ok(installation)
    }

    /// Keeps snapshots of the control store from now on. Not of a restored copy before it is in use:
    /// others would take it for the newest.
    fn with_snapshots(mut self) -> Result<Self, Failure> {
        let copies = ControlCopies::new(&storage(&self.config)?);
        let (keys, kms, clock) =
            (Arc::clone(&self.keys), Arc::clone(&self.kms), Arc::clone(&self.clock));
        self.snapshots = self.store.keep_snapshots(keys, kms, copies, clock);
        Ok(self)
    }

    /// What brings files in.
    pub(crate) fn ingest(&self) -> Result<Ingest, Failure> {
        Ok(Ingest::new(
            self.lake.clone(),
            Arc::clone(&self.keys),
            Arc::new(self.store.clone()),
            Arc::clone(&self.policy),
            Arc::clone(&self.audit),
            Arc::clone(&self.clock),
        )?)
    }

    /// What finds out who is whom.
    pub(crate) fn resolver(&self) -> Resolver {
        Resolver::new(
            self.lake.clone(),
            Arc::clone(&self.keys),
            Arc::new(self.store.clone()),
            Arc::clone(&self.policy),
            Arc::clone(&self.audit),
            Arc::clone(&self.clock),
        )
    }

    /// What sorts loaded files.
    pub(crate) fn compactor(&self) -> Compactor {
        Compactor::new(
            self.lake.clone(),
            Arc::new(self.store.clone()),
            Arc::clone(&self.policy),
            Arc::clone(&self.audit),
            Arc::clone(&self.clock),
        )
    }

    /// What answers statements over the sources that were loaded so far.
    pub(crate) async fn engine(&self) -> Result<Engine, Failure> {
        let mut models = vec![embedded::models()];
        if let Some(folder) = &self.config.models {
            models.push(ModelFiles::from_dir(folder).map_err(|error| Failure::of(&error))?);
        }
        let contracts = self.contracts().await?;
        let (catalog, models) = catalog::build(&self.lake, &contracts, &models).await?;
        let governor = Governor::new(
            Arc::clone(&self.policy),
            catalog,
            Arc::clone(&self.keys),
            Arc::clone(&self.clock),
            self.config.limits.clone(),
        )?;
        let executor = Executor::new(
            Arc::new(self.store.clone()),
            self.lake.table(Arc::new(vault::persons_spec()?)).await?,
            Arc::clone(&self.policy),
            Arc::clone(&self.audit),
            Arc::clone(&self.clock),
        );
        Ok(Engine { governor: Arc::new(governor), executor: Arc::new(executor), models })
    }

    /// What finds people by their identifiers.
    pub(crate) async fn profiles(&self, engine: &Engine) -> Result<Profiles, Failure> {
        Ok(Profiles::new(
            Arc::clone(&engine.governor),
            Arc::clone(&engine.executor),
            self.lake.table(Arc::new(vault::identifiers_spec()?)).await?,
            Arc::clone(&self.audit),
            Arc::clone(&self.clock),
        ))
    }

    /// What takes rows out.
    pub(crate) fn exports(&self) -> ExportService {
        ExportService::new(ExportParts {
            keys: Arc::clone(&self.keys),
            ledger: Arc::new(self.store.clone()),
            policy: Arc::clone(&self.policy),
            audit: Arc::clone(&self.audit),
            clock: Arc::clone(&self.clock),
        })
    }

    /// What handles requests for erasure.
    pub(crate) fn erasure(&self) -> Result<ErasureService, Failure> {
        Ok(ErasureService::new(ErasureParts {
            lake: self.lake.clone(),
            ingest: Arc::new(self.ingest()?),
            ledger: Arc::new(self.store.clone()),
            requests: Arc::new(self.store.clone()),
            others: Arc::new(self.store.clone()),
            erased: Arc::new(self.store.clone()),
            keys: Arc::clone(&self.keys),
            destruction: self.kms.destruction(),
            policy: Arc::clone(&self.policy),
            audit: Arc::clone(&self.audit),
            clock: Arc::clone(&self.clock),
        }))
    }

    /// The contracts of the sources that were loaded so far.
    pub(crate) async fn contracts(&self) -> Result<Vec<Contract>, Failure> {
        let registered = Ledger::contracts(&self.store).await?;
        let parse = |known: &custos_ingest::RegisteredContract| {
            Contract::parse(known.source.as_str(), &known.text)
                .map_err(|problems| IngestError::Contract(problems).into())
        };
        registered.iter().map(parse).collect()
    }

    /// A principal of this installation by name.
    pub(crate) async fn principal(&self, name: &str) -> Result<Principal, Failure> {
        let unknown = || {
            Failure::new(ErrorKind::NotFound, "there is no such principal").with_hint(
                "list them with `custos principal list`, add one with `custos principal add NAME --role ROLE`",
            )
        };
        let id: PrincipalId = name.parse().map_err(|_| unknown())?;
        let found = self.store.principal(&id).await?.ok_or_else(unknown)?;
        Ok(Principal::new(found.name, found.roles))
    }
}

/// Refuses a lake in which another control store keeps its snapshots: a new one beside them would
/// have other keys, and in time delete them.
async fn refuse_used(config: &Config) -> Result<(), Failure> {
    if ControlCopies::new(&storage(config)?).list().await?.is_empty() {
        return Ok(());
    }
    let failure = "the lake belongs to another installation: it holds snapshots of a control store";
    Err(Failure::new(ErrorKind::Conflict, failure).with_hint(
        "name another lake; if that control store is lost, run `custos restore --from-lake`",
    ))
}

/// The place of the lake.
pub(crate) fn storage(config: &Config) -> Result<Storage, Failure> {
    Ok(match &config.lake {
        LakePlace::Folder(folder) => Storage::folder(folder)?,
        LakePlace::Url(url) => Storage::open(url, environment())?,
    })
}

/// The policies of a folder, or the built-in ones.
pub(crate) fn policy_files(folder: Option<&Path>) -> Result<PolicyFiles, Failure> {
    match folder {
        Some(folder) => PolicyFiles::from_dir(folder).map_err(|error| Failure::of(&error)),
        None => Ok(embedded::policies()),
    }
}

fn load_policies(files: &PolicyFiles) -> Result<PolicySet, Failure> {
    PolicySet::load(files).map_err(|problems| {
        let list: Vec<String> = problems.iter().map(|problem| format!("  {problem}")).collect();
        let text = format!("the policies have {} mistake(s):\n{}", list.len(), list.join("\n"));
        Failure::new(ErrorKind::Invalid, text)
    })
}
