//! Devices that nobody has logged in on.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use custos_core::IdentifierType;

use crate::resolve::Resolver;
use crate::resolve::holdings::Identifier;
use crate::{RefusalReason, Rule};

/// Who was seen on the devices of an anonymous subject.
enum Seen<'a> {
    /// One person, of whom this subject is one, together with the anonymous subject.
    One {
        device: &'a Identifier,
        person: u32,
        anonymous: u32,
    },
    Several,
}

impl<'a> Resolver<'a> {
    /// Joins subjects that have a device and nothing else: to the only person seen on their
    /// devices or, while nobody is, to each other.
    pub(super) fn join_anonymous_devices(&mut self) {
        let devices: Vec<_> =
            self.joining().filter(|device| device.kind == IdentifierType::DeviceId).collect();
        for device in &devices {
            let (people, anonymous) = self.users(device);
            if people.is_empty() {
                self.clusters.join(device, &anonymous, Rule::Device);
            }
        }
        let mut seen = BTreeMap::new();
        for device in devices {
            self.look_at(device, &mut seen);
        }
        for known in seen.into_values() {
            if let Seen::One { device, person, anonymous } = known {
                self.clusters.join(device, &[person, anonymous], Rule::Device);
            }
        }
    }

    /// The people and the anonymous subjects of a device, one subject of each cluster.
    fn users(&mut self, device: &Identifier) -> (Vec<u32>, Vec<u32>) {
        let holders = self.holdings.holders(device).iter().map(|holder| holder.subject);
        let (anonymous, known): (Vec<_>, Vec<_>) =
            holders.partition(|&holder| self.anonymous[holder as usize]);
        let known = self.clusters.distinct(known.into_iter());
        (known, self.clusters.distinct(anonymous.into_iter()))
    }

    fn look_at(&mut self, device: &'a Identifier, seen: &mut BTreeMap<u32, Seen<'a>>) {
        let (people, anonymous) = self.users(device);
        let Some(&person) = people.first() else {
            return;
        };
        let mut is_shared = people.len() > 1 && !anonymous.is_empty();
        for anonymous in anonymous {
            match seen.entry(self.clusters.root(anonymous)) {
                Entry::Vacant(free) if people.len() == 1 => {
                    free.insert(Seen::One { device, person, anonymous });
                }
                Entry::Vacant(free) => {
                    free.insert(Seen::Several);
                }
                Entry::Occupied(mut known) => {
                    if !self.is_only(&people, known.get()) {
                        is_shared = true;
                        known.insert(Seen::Several);
                    }
                }
            }
        }
        if is_shared {
            self.refuse(device, RefusalReason::HeldByDifferentPeople);
        }
    }

    fn is_only(&mut self, people: &[u32], known: &Seen<'_>) -> bool {
        match (people, known) {
            (&[person], &Seen::One { person: before, .. }) => {
                self.clusters.root(person) == self.clusters.root(before)
            }
            (_, Seen::One { .. } | Seen::Several) => false,
        }
    }
}
