//! The reader of a table's log, given any bytes in the place of one of its objects, which the
//! first byte chooses: `cargo +nightly fuzz run log`.

#![no_main]

use std::sync::LazyLock;

use custos_tests::hostile::Victim;
use libfuzzer_sys::fuzz_target;

static VICTIM: LazyLock<Result<Victim, String>> =
    LazyLock::new(|| Victim::new(51).map_err(|error| format!("{error:#}")));

fuzz_target!(|data: &[u8]| {
    let victim = VICTIM.as_ref().expect("a table");
    if let Some((object, bytes)) = data.split_first() {
        victim.read_log(usize::from(*object), bytes).expect("a reading is right or refused");
    }
});
