//! The five silos a customer can appear in.

/// A source of data, each ignorant of the others.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Silo {
    /// The tills of the shops.
    Orders,
    /// The customer relationship management.
    Contacts,
    /// What the web shop tracks.
    Events,
    /// The help desk.
    Tickets,
    /// The survey among followers in social networks.
    Survey,
}

impl Silo {
    /// All silos, in the order they are generated.
    pub(crate) const ALL: [Self; 5] =
        [Self::Orders, Self::Contacts, Self::Events, Self::Tickets, Self::Survey];

    /// The id of the source's contract.
    pub(crate) const fn source(self) -> &'static str {
        match self {
            Self::Orders => "pos_orders",
            Self::Contacts => "crm_contacts",
            Self::Events => "web_events",
            Self::Tickets => "support_tickets",
            Self::Survey => "community_survey",
        }
    }
}

/// Some of the silos.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct SiloSet(u8);

impl SiloSet {
    /// Every silo.
    pub(crate) fn all() -> Self {
        Silo::ALL.into_iter().fold(Self::default(), Self::with)
    }

    /// The set with `silo` in it.
    #[must_use]
    pub(crate) const fn with(self, silo: Silo) -> Self {
        Self(self.0 | 1 << silo as u8)
    }

    /// Whether `silo` is in the set.
    pub(crate) const fn has(self, silo: Silo) -> bool {
        self.0 & (1 << silo as u8) != 0
    }

    /// How many silos are in the set.
    pub(crate) const fn count(self) -> u32 {
        self.0.count_ones()
    }
}
