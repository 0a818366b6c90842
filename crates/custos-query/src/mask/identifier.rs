//! Masks for what names or reaches a person.

use super::{HIDDEN, is_han};

/// Surnames of two characters; without this list `欧阳娜娜` would lose half of hers.
const COMPOUND_SURNAMES: [&str; 40] = [
    "欧阳", "司马", "上官", "诸葛", "皇甫", "尉迟", "东方", "公孙", "慕容", "令狐", "夏侯", "长孙",
    "宇文", "司徒", "司空", "鲜于", "端木", "西门", "南宫", "独孤", "申屠", "公冶", "太史", "淳于",
    "钟离", "闻人", "濮阳", "澹台", "赫连", "呼延", "轩辕", "万俟", "闾丘", "宗政", "东郭", "百里",
    "单于", "公羊", "歐陽", "司馬",
];

/// The digits of a Chinese mobile number, without the country code.
const MOBILE_DIGITS: usize = 11;

/// `z***@example.com`: the first letter and the domain. Of what is no address alone, nothing.
pub(super) fn email(value: &str) -> String {
    let is_domain = |domain: &str| {
        !domain.is_empty() && domain.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-'))
    };
    match value.split_once('@') {
        Some((local, domain)) if !local.is_empty() && is_domain(domain) => {
            format!("{}***@{domain}", first(local))
        }
        _ => HIDDEN.to_owned(),
    }
}

/// `+86138****5678`, `138****5678`: of a Chinese mobile number the operator's prefix and the last
/// four digits; of others, `*******8000`, the last four.
pub(super) fn phone(value: &str) -> String {
    let (country, number) = match value.strip_prefix("+86") {
        Some(number) => ("+86", number),
        None => ("", value),
    };
    let digits = number.len() == MOBILE_DIGITS && number.bytes().all(|c| c.is_ascii_digit());
    if digits && number.starts_with('1') {
        return format!("{country}{}", ends(number, 3, 4));
    }
    ends(value, 0, 4)
}

/// `张**`, `欧阳**`, `J*** S***`: the surname of a Chinese name, the first character of each word
/// of another, without telling how long the words are.
pub(super) fn name(value: &str) -> String {
    if value.chars().any(is_han) {
        let length = value.chars().count();
        let compound = COMPOUND_SURNAMES.iter().any(|surname| value.starts_with(surname));
        // A surname by itself is all there is of the name.
        let head = if compound && length > 2 { 2 } else { 1 };
        return if length > head { keep(value, head, 0) } else { "*".to_owned() };
    }
    let words = value.split_whitespace().map(|word| format!("{}***", first(word)));
    words.collect::<Vec<_>>().join(" ")
}

/// `110***********0021`: of a Chinese identity number (GB 11643, 18 characters) the province with a
/// digit more, and the last four; of other documents, `E1*****23`, two characters at each end.
pub(super) fn national_id(value: &str) -> String {
    let (body, check) = value.split_at_checked(17).unwrap_or((value, ""));
    let digits = body.len() == 17 && body.bytes().all(|c| c.is_ascii_digit());
    let checked = matches!(check.as_bytes(), [b'0'..=b'9' | b'X' | b'x']);
    if digits && checked { ends(value, 3, 4) } else { ends(value, 2, 2) }
}

/// The characters at both ends; none of a value too short for that to hide much.
fn ends(value: &str, head: usize, tail: usize) -> String {
    let length = value.chars().count();
    if length < 8 {
        return "*".repeat(length);
    }
    keep(value, head, tail)
}

/// The characters at both ends, with a star for each one between them.
fn keep(value: &str, head: usize, tail: usize) -> String {
    let length = value.chars().count();
    let hidden = length.saturating_sub(head + tail);
    let characters = value.chars().enumerate();
    let shown = characters.map(|(at, c)| if (head..head + hidden).contains(&at) { '*' } else { c });
    shown.collect()
}

fn first(text: &str) -> &str {
    text.chars().next().map_or("", |c| &text[..c.len_utf8()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_keep_what_helps_and_hide_what_identifies() {
        for (mask, raw, shown) in [
            (email as fn(&str) -> String, "zhang.wei@example.cn", "z***@example.cn"),
            (email, "not an address", "***"),
            (email, "@example.cn", "***"),
            (email, "ana@example.cn, tel 13812345678", "***"),
            (email, "ana@example.cn,bo@example.cn", "***"),
            (phone, "+8613812345678", "+86138****5678"),
            (phone, "13812345678", "138****5678"),
            (phone, "+862161234567", "*********4567"),
            (phone, "+4915123456789", "**********6789"),
            (phone, "23812345678", "*******5678"),
            (phone, "12345", "*****"),
            (phone, "", ""),
            (name, "张三丰", "张**"),
            (name, "张伟", "张*"),
            (name, "张", "*"),
            (name, "欧阳娜娜", "欧阳**"),
            (name, "欧阳", "欧*"),
            (name, "𠮷野家", "𠮷**"),
            (name, "Jürgen Müller", "J*** M***"),
            (name, "", ""),
            (national_id, "110105194912310021", "110***********0021"),
            (national_id, "11010519491231002X", "110***********002X"),
            (national_id, "E12345678", "E1*****78"),
            (national_id, "110105491231002", "11***********02"),
            (national_id, "1101051949123100张", "11*************0张"),
            (national_id, "123", "***"),
        ] {
            assert_eq!(mask(raw), shown, "{raw}");
        }
    }

    #[test]
    fn every_compound_surname_has_two_characters_and_stands_once() {
        let mut surnames = COMPOUND_SURNAMES.to_vec();
        assert!(surnames.iter().all(|surname| surname.chars().count() == 2));
        surnames.sort_unstable();
        surnames.dedup();
        assert_eq!(surnames.len(), COMPOUND_SURNAMES.len());
    }
}
