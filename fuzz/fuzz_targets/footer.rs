//! The reader of encrypted files, given any bytes in the place of a file's end:
//! `cargo +nightly fuzz run footer`.

#![no_main]

use std::sync::LazyLock;

use custos_tests::hostile::Victim;
use libfuzzer_sys::fuzz_target;

/// Made anew with other keys in each process; what is in clear does not depend on them.
static VICTIM: LazyLock<Result<Victim, String>> =
    LazyLock::new(|| Victim::new(1).map_err(|error| format!("{error:#}")));

fuzz_target!(|data: &[u8]| {
    let victim = VICTIM.as_ref().expect("a table");
    victim.read_file(data).expect("a reading is right or refused");
});
