//! The order in which models are to be built.

use std::collections::{BTreeMap, BTreeSet};

/// For each model the models that it reads.
pub(crate) type Edges = BTreeMap<String, Vec<String>>;

/// Models in an order in which each comes after those it reads, or why there is none.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Order {
    /// All models.
    pub(crate) names: Vec<String>,
    /// Models of which each reads the next, and the last the first.
    pub(crate) cycles: Vec<Vec<String>>,
}

impl Order {
    /// Orders models; those that do not depend on each other are in order of their names as far as
    /// possible. Names that are read but are not among the models are passed over.
    pub(crate) fn of(edges: &Edges) -> Self {
        let mut walk = Walk { edges, seen: BTreeSet::new(), path: vec![], order: Self::default() };
        for name in edges.keys() {
            walk.visit(name);
        }
        walk.order
    }
}

struct Walk<'e> {
    edges: &'e Edges,
    seen: BTreeSet<&'e str>,
    path: Vec<&'e str>,
    order: Order,
}

impl<'e> Walk<'e> {
    fn visit(&mut self, name: &'e str) {
        if let Some(start) = self.path.iter().position(|above| *above == name) {
            let cycle = self.path.iter().skip(start).map(|&name| name.to_owned());
            self.order.cycles.push(cycle.collect());
            return;
        }
        let Some(reads) = self.edges.get(name) else {
            return;
        };
        if !self.seen.insert(name) {
            return;
        }
        self.path.push(name);
        for below in reads {
            self.visit(below);
        }
        self.path.pop();
        self.order.names.push(name.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn edges(pairs: &[(u8, u8)]) -> Edges {
        let mut edges = Edges::new();
        for (from, to) in pairs {
            edges.entry(from.to_string()).or_default().push(to.to_string());
            edges.entry(to.to_string()).or_default();
        }
        edges
    }

    #[test]
    fn each_cycle_is_told_as_a_path() {
        let order = Order::of(&edges(&[(1, 2), (2, 3), (3, 1), (3, 4), (5, 5)]));
        assert_eq!(order.cycles, [vec!["1", "2", "3"], vec!["5"]]);
    }

    proptest! {
        #[test]
        fn without_cycles_every_model_comes_once_and_after_what_it_reads(
            pairs in proptest::collection::vec((0_u8..12, 0_u8..12), 0..40),
        ) {
            let pairs: Vec<(u8, u8)> = pairs.into_iter().filter(|(from, to)| from > to).collect();
            let edges = edges(&pairs);
            let order = Order::of(&edges);
            prop_assert!(order.cycles.is_empty());
            prop_assert_eq!(order.names.len(), edges.len());
            for (name, reads) in &edges {
                let place = |name: &String| order.names.iter().position(|other| other == name);
                prop_assert!(place(name).is_some());
                prop_assert!(reads.iter().all(|below| place(below) < place(name)));
            }
        }

        #[test]
        fn a_cycle_is_found_exactly_when_a_model_can_reach_itself(
            pairs in proptest::collection::vec((0_u8..8, 0_u8..8), 0..16),
        ) {
            let edges = edges(&pairs);
            let mut reach: BTreeSet<(u8, u8)> = pairs.iter().copied().collect();
            loop {
                let more: BTreeSet<(u8, u8)> = reach
                    .iter()
                    .flat_map(|&(a, b)| reach.iter().filter(move |(c, _)| *c == b).map(move |&(_, d)| (a, d)))
                    .collect();
                let before = reach.len();
                reach.extend(more);
                if reach.len() == before {
                    break;
                }
            }
            let is_cyclic = reach.iter().any(|(a, b)| a == b);
            let order = Order::of(&edges);
            prop_assert_eq!(!order.cycles.is_empty(), is_cyclic);
            for cycle in &order.cycles {
                for (at, name) in cycle.iter().enumerate() {
                    prop_assert!(edges[name].contains(&cycle[(at + 1) % cycle.len()]));
                }
            }
        }
    }
}
