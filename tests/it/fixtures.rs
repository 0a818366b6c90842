//! A small shop with two customers, for tests that need to know every row.

use std::path::PathBuf;

use crate::harness::{Custos, shipped_contract};

/// A value that must appear nowhere it should not.
pub(crate) const CANARY: &str = "canary-7f3a";

pub(crate) const HEADER: &str = "order_id,member_no,name,phone,referrer_phone,store,channel,category,quantity,amount,currency,note,ordered_at,updated_at\n";

/// Ana buys twice, named by Bo; Bo once; somebody unknown once.
pub(crate) const ROWS: [&str; 4] = [
    "o1,M-ANA,Ana Canary-7f3a,+4915112345671,,berlin,store,toys,1,10.00,EUR,,2026-03-01 10:00:00,2026-03-01 10:00:00\n",
    "o2,M-ANA,Ana Canary-7f3a,+4915112345671,,berlin,store,toys,2,20.00,EUR,call +4915112345671,2026-03-02 10:00:00,2026-03-02 10:00:00\n",
    "o3,M-BO,Bo Berg,+4915112345672,+4915112345671,berlin,web,books,1,5.00,EUR,,2026-03-03 10:00:00,2026-03-03 10:00:00\n",
    "o4,,,,,berlin,store,books,1,1.00,EUR,,2026-03-04 10:00:00,2026-03-04 10:00:00\n",
];

impl Custos {
    /// Writes orders and returns the file.
    pub(crate) fn orders(&self, name: &str, rows: &[&str]) -> PathBuf {
        self.file(name, format!("{HEADER}{}", rows.concat()))
    }

    /// A shop with all rows loaded, resolved, and consent of both customers.
    pub(crate) fn shop() -> Self {
        let custos = Self::new();
        custos.fill();
        custos
    }

    /// Loads all rows, resolves, and imports consent of both customers.
    pub(crate) fn fill(&self) {
        let file = self.orders("orders.csv", &ROWS);
        self.ingest(&shipped_contract("pos_orders.yaml"), &file).ok();
        self.run(&["resolve"]).ok();
        self.consents(&[
            "customer_id,M-ANA,analytics,given,2026-01-01T00:00:00Z,v1,web,pos",
            "customer_id,M-BO,analytics,given,2026-01-01T00:00:00Z,v1,web,pos",
            "customer_id,M-BO,marketing.advertising.first_party,given,2026-01-01T00:00:00Z,v1,web,pos",
        ]);
    }

    /// Imports consent records.
    pub(crate) fn consents(&self, rows: &[&str]) {
        let header = "identifier_type,identifier,purpose,status,at,notice,channel,scope\n";
        let file = self.file("consents.csv", format!("{header}{}\n", rows.join("\n")));
        self.run(&["consent", "import", file.to_str().expect("a path")]).ok();
    }
}
