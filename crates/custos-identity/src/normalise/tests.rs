use super::*;

fn check(kind: IdentifierType, region: Option<&str>, same: &[&str], normal: &str) {
    for raw in same {
        let found = normalise(kind, raw, region);
        assert_eq!(found.as_deref(), Ok(normal), "{raw}");
        let again = normalise(kind, normal, region);
        assert_eq!(again.as_deref(), Ok(normal), "{raw} again");
    }
}

fn check_refused(
    kind: IdentifierType,
    region: Option<&str>,
    values: &[&str],
    error: NormaliseError,
) {
    for raw in values {
        assert_eq!(normalise(kind, raw, region), Err(error), "{raw}");
    }
}

#[test]
fn emails_are_lower_case_and_keep_what_follows_a_plus() {
    check(
        IdentifierType::Email,
        None,
        &[
            "member1@example.cn",
            " Member1@Example.CN ",
            "ｍｅｍｂｅｒ１＠ｅｘａｍｐｌｅ。ｃｎ",
            "\u{200b}member1@example.cn",
        ],
        "member1@example.cn",
    );
    check(IdentifierType::Email, None, &["A.B+shop@mail.example.com"], "a.b+shop@mail.example.com");
    check(IdentifierType::Email, None, &["canary-7f3a@example.test"], "canary-7f3a@example.test");
    check(IdentifierType::Email, None, &["smith@smith.com"], "smith@smith.com");
    check(IdentifierType::Email, None, &["用户@例子.中国"], "用户@例子.中国");
}

#[test]
fn emails_that_are_none_or_nobodys_are_refused() {
    check_refused(
        IdentifierType::Email,
        None,
        &[
            "ana",
            "ana@",
            "@example.cn",
            "ana@example",
            "a na@example.cn",
            "ana@@example.cn",
            "ana@example..cn",
            "ana@-x.cn",
            "ana@1.2.3.4",
            "Ana <ana@example.cn>",
            "a@b.cn,c@d.cn",
        ],
        NormaliseError::Invalid,
    );
    check_refused(
        IdentifierType::Email,
        None,
        &[
            "test@test.com",
            "noreply@shop.cn",
            "No-Reply@shop.cn",
            "none@none.com",
            "a@a.com",
            "test@example.com",
            "unknown@x.cn",
            "xxxx@xxxx.com",
            "gone@user.invalid",
        ],
        NormaliseError::Blocked,
    );
}

#[test]
fn phones_become_e164() {
    check(
        IdentifierType::Phone,
        Some("CN"),
        &[
            "13812345678",
            "138-1234-5678",
            "138 1234 5678",
            "+86 138 1234 5678",
            "(+86)13812345678",
            "008613812345678",
            "0086 138-1234-5678",
            "+86-138-1234-5678",
            "１３８１２３４５６７８",
            "＋８６１３８１２３４５６７８",
            "\u{202d}13812345678\u{202c}",
            "13812345678.0",
            "tel:+8613812345678",
            "86 13812345678",
            "8613812345678",
        ],
        "+8613812345678",
    );
    check(IdentifierType::Phone, Some("cn"), &["010-6552 9988", "(010) 65529988"], "+861065529988");
    check(
        IdentifierType::Phone,
        Some("GB"),
        &["020 7946 0018", "+44 20 7946 0018"],
        "+442079460018",
    );
    check(IdentifierType::Phone, Some("US"), &["(650) 253-0000", "1-650-253-0000"], "+16502530000");
    check(IdentifierType::Phone, None, &["+1 650 253 0000", "0016502530000"], "+16502530000");
}

#[test]
fn phones_that_are_none_or_nobodys_are_refused() {
    check_refused(
        IdentifierType::Phone,
        Some("CN"),
        &[
            "abc",
            "1.38E+10",
            "110",
            "13812345678/13912345678x",
            "138123456781381234567813812345678",
        ],
        NormaliseError::Invalid,
    );
    check_refused(IdentifierType::Phone, None, &["13812345678"], NormaliseError::Invalid);
    check_refused(IdentifierType::Phone, Some("XX"), &["13812345678"], NormaliseError::Invalid);
    check_refused(
        IdentifierType::Phone,
        Some("CN"),
        &[
            "00000000000",
            "13800138000",
            "+86 138 0013 8000",
            "13800000000",
            "11111111111",
            "+86 11111111111",
            "000-0000-0000",
            "12345678901",
        ],
        NormaliseError::Blocked,
    );
}

#[test]
fn chinese_identity_numbers_pass_their_checksum() {
    check(
        IdentifierType::NationalId,
        Some("CN"),
        &["11010519491231002X", "11010519491231002x", " 110105 19491231 002x "],
        "11010519491231002X",
    );
    check_refused(
        IdentifierType::NationalId,
        None,
        &["110105194912310021", "123456789012345678"],
        NormaliseError::Invalid,
    );
    check(IdentifierType::NationalId, Some("GB"), &["qq 12 34 56 c"], "QQ123456C");
    check_refused(
        IdentifierType::NationalId,
        Some("CN"),
        &["000000000000000000", "111111111111111111", "0"],
        NormaliseError::Blocked,
    );
}

#[test]
fn device_and_social_and_customer_ids_keep_their_case_unless_they_are_uuids() {
    check(
        IdentifierType::DeviceId,
        None,
        &["6D92078A-8246-4BA4-AE5B-76104861E7DC", "6d92078a-8246-4ba4-ae5b-76104861e7dc"],
        "6d92078a-8246-4ba4-ae5b-76104861e7dc",
    );
    check(IdentifierType::DeviceId, None, &["GA1.2.Abc"], "GA1.2.Abc");
    check(IdentifierType::SocialId, None, &[" oX9-Ab "], "oX9-Ab");
    check(IdentifierType::CustomerId, None, &[" Ａ-0017 "], "A-0017");
    let nobody = ["00000000-0000-0000-0000-000000000000", "0", "000000", "-1", "9774D56D682E549C"];
    check_refused(IdentifierType::DeviceId, None, &nobody, NormaliseError::Blocked);
    check_refused(IdentifierType::CustomerId, None, &nobody[..4], NormaliseError::Blocked);
}

#[test]
fn addresses_of_both_kinds_are_tidied() {
    check(IdentifierType::Ip, None, &["192.168.0.1", "::ffff:192.168.0.1"], "192.168.0.1");
    check(IdentifierType::Ip, None, &["2001:DB8:0:0::1"], "2001:db8::1");
    check_refused(IdentifierType::Ip, None, &["1.2.3", "fe80::1%eth0"], NormaliseError::Invalid);
    check_refused(IdentifierType::Ip, None, &["0.0.0.0", "::"], NormaliseError::Blocked);
    check(
        IdentifierType::Address,
        None,
        &["北京市　朝阳区\n 1 号", "北京市 朝阳区 1 号"],
        "北京市 朝阳区 1 号",
    );
}

#[test]
fn placeholders_are_blocked_whatever_the_type() {
    for kind in IdentifierType::ALL {
        check_refused(
            kind,
            Some("CN"),
            &["", "  ", "　", "NULL", "None", "n/a", "N／A", "unknown", "Test", "-", "无", "未知"],
            NormaliseError::Blocked,
        );
    }
    check(IdentifierType::Name, None, &["Na", "NA"], "na");
    check_refused(IdentifierType::Name, None, &["!!"], NormaliseError::Invalid);
}

#[test]
fn what_is_too_long_or_holds_control_characters_is_invalid() {
    let long = "x".repeat(2000);
    check_refused(IdentifierType::CustomerId, None, &[&long, "a\u{0}b"], NormaliseError::Invalid);
}

proptest::proptest! {
    #[test]
    fn the_shorter_way_for_chinese_mobiles_agrees_with_the_parser(
        number in "1[345689][0-9]{9}|17[0-8][0-9]{8}", prefix in "(\\+86[ -]?)?", gap in "[ -]?",
    ) {
        let plain = normalise(IdentifierType::Phone, &number, Some("CN"));
        let raw = format!("{prefix}{}{gap}{}", &number[..3], &number[3..]);
        proptest::prop_assert_eq!(&normalise(IdentifierType::Phone, &raw, Some("CN")), &plain);
        // Parentheses lead to the parser.
        let raw = format!("({}){}", &number[..3], &number[3..]);
        proptest::prop_assert_eq!(&normalise(IdentifierType::Phone, &raw, Some("CN")), &plain);
    }

    #[test]
    fn no_value_makes_it_panic_and_normal_forms_are_stable(
        raw in "\\PC{0,40}", digits in "[+0-9０-９ ()xe.-]{0,24}",
    ) {
        for kind in IdentifierType::ALL {
            for raw in [&raw, &digits] {
                let Ok(normal) = normalise(kind, raw, Some("CN")) else { continue };
                // A name's words are sorted only where none is Chinese, and all are afterwards.
                if kind != IdentifierType::Name {
                    proptest::prop_assert_eq!(normalise(kind, &normal, Some("CN")), Ok(normal));
                }
            }
        }
    }
}
