use super::*;

#[test]
fn chinese_names_become_syllables_with_the_family_name_first() {
    for (raw, key) in [
        ("张三", "zhang san"),
        ("張 三", "zhang san"),
        ("张三先生", "zhang san"),
        ("欧阳娜娜", "ou yang na na"),
        ("吕布", "lv bu"),
        ("曾志伟", "zeng zhi wei"),
        ("未曾", "wei ceng"),
    ] {
        assert_eq!(name_key(raw), key, "{raw}");
    }
    assert_eq!(name_key("阿卜杜拉·买买提"), name_key("阿卜杜拉 买买提"));
}

#[test]
fn the_order_case_and_punctuation_of_other_names_do_not_matter() {
    for same in
        ["Smith, John", "JOHN SMITH", " john   smith ", "Mr. John Smith", "Ｊｏｈｎ　Ｓｍｉｔｈ"]
    {
        assert_eq!(name_key(same), "john smith", "{same}");
    }
    assert_eq!(name_key("José O’Brien-Müller"), "jose muller obrien");
    assert_eq!(name_key("Jose\u{301}"), "jose");
    assert_eq!(name_key("Иванов Пётр"), name_key("Пётр Иванов"));
}

#[test]
fn what_has_no_letters_has_no_key_and_a_title_alone_stays() {
    assert_eq!(name_key(" -- "), "");
    assert_eq!(name_key("Miss"), "miss");
    assert_eq!(name_key("先生"), "xian sheng");
}

proptest::proptest! {
    #[test]
    fn a_key_of_sorted_words_is_its_own_key(raw in "\\PC{0,20}") {
        let key = name_key(&raw);
        let again = name_key(&key);
        let sorted = |key: &str| {
            let mut words: Vec<_> = key.split(' ').map(str::to_owned).collect();
            words.sort();
            words
        };
        // Titles may come to light where punctuation has split a word.
        if !sorted(&key).iter().any(|word| TITLES.contains(&word.as_str())) {
            proptest::prop_assert_eq!(sorted(&again), sorted(&key));
        }
    }
}
