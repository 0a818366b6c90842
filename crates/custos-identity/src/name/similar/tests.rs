use super::*;
use crate::name_key;

fn compatible(left: &str, right: &str) -> bool {
    let (left, right) = (name_key(left), name_key(right));
    let there = are_compatible(&left, &right);
    assert_eq!(there, are_compatible(&right, &left), "not symmetric");
    there
}

#[test]
fn one_person_written_in_several_ways_is_recognised() {
    for (left, right) in [
        ("张三", "Zhang San"),
        ("张三", "San Zhang"),
        ("张晓明", "Zhang Xiaoming"),
        ("张晓明", "XIAOMING ZHANG"),
        ("张晓明", "Zhangxiaoming"),
        ("John Smith", "Smith, Jhon"),
        ("Jonathan Smith", "Jonathon Smith"),
        ("Catherine Jones", "Katherine Jones"),
        ("Michael Brown", "Micheal Brown"),
        ("John A. Smith", "John Smith"),
    ] {
        assert!(compatible(left, right), "{left} and {right}");
    }
}

#[test]
fn members_of_a_family_are_told_apart() {
    for (left, right) in [
        ("张三", "张四"),
        ("张伟", "张文"),
        ("张丽", "张林"),
        ("张晓明", "张晓红"),
        ("Zhang Xiaoming", "Zhang Xiaohong"),
        ("张晓强", "Zhang Xiaoqian"),
        ("张三", "张三丰"),
        ("John Smith", "Joan Smith"),
        ("Ann Smith", "Anna Smith"),
        ("Mario Rossi", "Maria Rossi"),
        ("John Smith", "John Jones"),
        ("John Smith", "Smith"),
        ("", "Smith"),
    ] {
        assert!(!compatible(left, right), "{left} and {right}");
    }
}

#[test]
fn pinyin_is_recognised() {
    assert!(["zhang", "xiaoming", "lv", "xian", "a", ""].into_iter().all(is_pinyin));
    assert!(!["smith", "john", "catherine", "jonathan", "é"].into_iter().any(is_pinyin));
}

proptest::proptest! {
    #[test]
    fn nothing_panics_and_each_name_is_compatible_with_itself(
        left in "\\PC{0,12}", right in "\\PC{0,12}",
    ) {
        compatible(&left, &right);
        compatible(&left, &left);
        proptest::prop_assert!(are_compatible(&left, &left));
        are_compatible(&left, &right);
    }
}
