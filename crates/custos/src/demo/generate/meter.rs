//! How far the work has come.

/// Counts customers, each of them once a stage.
pub(crate) struct Meter<'a> {
    report: &'a dyn Fn(u64, u64),
    customers: u64,
    stages_done: u64,
}

impl<'a> Meter<'a> {
    /// The population, its five silos and the consents.
    const STAGES: u64 = 7;
    const ROWS_BETWEEN_REPORTS: usize = 4096;

    /// Starts at nothing done for `customers`.
    pub(crate) fn new(customers: u32, report: &'a dyn Fn(u64, u64)) -> Self {
        report(0, u64::from(customers) * Self::STAGES);
        Self { report, customers: u64::from(customers), stages_done: 0 }
    }

    /// The stage has come to `done` rows out of `of`.
    pub(crate) fn at(&self, done: usize, of: usize) {
        if done.is_multiple_of(Self::ROWS_BETWEEN_REPORTS) {
            self.tell(self.customers * done as u64 / of.max(1) as u64);
        }
    }

    /// The stage is complete.
    pub(crate) fn next_stage(&mut self) {
        self.stages_done += 1;
        self.tell(0);
    }

    fn tell(&self, within_stage: u64) {
        let done = self.stages_done * self.customers + within_stage;
        (self.report)(done, Self::STAGES * self.customers);
    }
}
